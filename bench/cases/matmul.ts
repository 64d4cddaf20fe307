import { type DType, randn, type Tensor } from 'nabla';
import type { Case } from '../case.ts';

const SIZES = [64, 128, 256, 512, 1024];

export const matmul: readonly Case[] = (['float32', 'float64'] as const satisfies readonly DType[]).flatMap((dtype) =>
  SIZES.map(
    (n): Case => ({
      name: `matmul ${n} ${dtype}`,
      unit: 'GFLOP/s',
      work: 2 * n ** 3,
      minCalls: 3,
      setup: () => {
        const a: Tensor = randn([n, n], { dtype });
        const b: Tensor = randn([n, n], { dtype });
        return () => a.matmul(b);
      },
    }),
  ),
);
