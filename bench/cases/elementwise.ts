/** Elementwise kernels in place, in cache and out of it. */
import { randn, type Tensor } from 'nabla';
import type { Case } from '../case.ts';

const FLOAT = 4;

/** Sizes by where the operands of an in-place sum lie: in the second-level cache, in the last, in memory. */
const SIZES = { '16k': 1 << 14, '1M': 1 << 20, '10M': 10_000_000 } as const;

/** Bytes that three streams move: two read, one written. */
const three = (n: number): number => 3 * FLOAT * n;

/** In place, and so that the values stay where they are ordinary. */
const unaryInPlace = {
  sin: (x: Tensor): Tensor => x.sin_(),
  tanh: (x: Tensor): Tensor => x.tanh_(),
  sigmoid: (x: Tensor): Tensor => x.sigmoid_(),
  sqrt: (x: Tensor): Tensor => x.sqrt_(),
};

/** Reached by the prototypes that `docs/architecture.md` counts on: within 1.5 times of them is the goal. */
const PROTOTYPE_EXP = 0.93;

export const elementwise: readonly Case[] = [
  ...Object.entries(SIZES).map(
    ([size, n]): Case => ({
      name: `add_ ${size}`,
      unit: 'GB/s',
      work: three(n),
      goals: [size === '10M' ? { share: 0.8, of: 'roofline: a += b, 10M' } : { atLeast: 60 }],
      setup: () => {
        const a: Tensor = randn([n]);
        const b: Tensor = randn([n]).mul(1e-3);
        return () => a.add_(b);
      },
    }),
  ),
  ...(['16k', '1M'] as const).map(
    (size): Case => ({
      name: `mul_ ${size}`,
      unit: 'GB/s',
      work: three(SIZES[size]),
      goals: [{ atLeast: 60 }],
      setup: () => {
        const a: Tensor = randn([SIZES[size]]);
        const b: Tensor = a.sign();
        return () => a.mul_(b);
      },
    }),
  ),
  {
    name: 'exp_ then neg_ 16k',
    unit: 'G elements/s',
    work: SIZES['16k'],
    goals: [{ atLeast: PROTOTYPE_EXP / 1.5 }],
    setup: () => {
      // x → -exp(x) settles at -0.567.
      const x: Tensor = randn([SIZES['16k']]);
      return () => x.exp_().neg_();
    },
  },
  ...Object.entries(unaryInPlace).map(
    ([name, f]): Case => ({
      name: `${name}_ 16k`,
      unit: 'G elements/s',
      work: SIZES['16k'],
      setup: () => {
        const x: Tensor = randn([SIZES['16k']]).abs();
        return () => f(x);
      },
    }),
  ),
];
