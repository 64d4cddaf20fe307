/** Matrix products: by the system's BLAS where it is found, by the generated kernels, and by the BLAS called directly. */
import { type DType, randn, setBlas, setDeterministic, type Tensor } from 'nabla';
import { NO_TRANSPOSE, ROW_MAJOR } from '../../src/backends/wasm/blas/cblas.ts';
import { findBlas } from '../../src/backends/wasm/blas/library.ts';
import { type Case, type Goal, onTwoThreads } from '../case.ts';

const SIZES = [64, 128, 256, 512, 1024, 2048];
const DTYPES = ['float32', 'float64'] as const satisfies readonly DType[];

const square = (n: number, dtype: DType): Tensor => randn([n, n], { dtype });

function product(name: string, n: number, setup: () => () => unknown, goals: readonly Goal[] = []): Case {
  return { name, unit: 'GFLOP/s', work: 2 * n ** 3, minCalls: 3, goals, setup };
}

const multiply = (n: number, dtype: DType) => (): (() => Tensor) => {
  const [a, b] = [square(n, dtype), square(n, dtype)];
  return () => a.matmul(b);
};

/** A product outside of the library, in memory of its own. */
function direct(n: number, dtype: (typeof DTYPES)[number]): () => void {
  const blas = findBlas();
  // The case counts as not measured where there is no BLAS.
  if (typeof blas === 'string') throw new Error(`no BLAS: ${blas}`);
  const Numbers = dtype === 'float32' ? Float32Array : Float64Array;
  const data = new Numbers(3 * n * n).map(() => Math.random());
  const at = (i: number): number => blas.addressOf(new Uint8Array(data.buffer)) + i * n * n * data.BYTES_PER_ELEMENT;
  const [a, b, c] = [at(0), at(1), at(2)] as [number, number, number];
  const gemm = dtype === 'float32' ? blas.sgemm : blas.dgemm;
  return () => {
    gemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, n, n, n, 1, a, n, b, n, 0, c, n);
    // The operands live as long as the call.
    return data.length;
  };
}

const plain: readonly Case[] = DTYPES.flatMap((dtype) =>
  SIZES.map((n) =>
    product(
      `matmul ${n} ${dtype}`,
      n,
      multiply(n, dtype),
      n >= 256 ? [{ share: 0.95, of: `roofline: BLAS ${n} ${dtype}` }] : [],
    ),
  ),
);

/** GFLOP/s of a core that the generated kernels should reach, with fused multiply-adds and without. */
const ENOUGH = { float32: 45, float64: 22.5 };
const ENOUGH_DETERMINISTIC = { float32: 36, float64: 18 };

export const onlyGenerated = (setup: () => () => unknown) => (): (() => unknown) => {
  setBlas(false);
  return setup();
};

const generated: readonly Case[] = DTYPES.flatMap((dtype) =>
  SIZES.map((n) =>
    product(`matmul ${n} ${dtype}, generated kernels`, n, onlyGenerated(multiply(n, dtype)), [
      { atLeast: ENOUGH[dtype] },
    ]),
  ),
);

const deterministic: readonly Case[] = DTYPES.flatMap((dtype) =>
  [64, 256, 1024].map((n) =>
    product(
      `matmul ${n} ${dtype}, deterministic`,
      n,
      () => {
        setDeterministic(true);
        return multiply(n, dtype)();
      },
      [{ atLeast: ENOUGH_DETERMINISTIC[dtype] }],
    ),
  ),
);

const rooflines: readonly Case[] =
  typeof findBlas() === 'string'
    ? []
    : DTYPES.flatMap((dtype) => SIZES.map((n) => product(`roofline: BLAS ${n} ${dtype}`, n, () => direct(n, dtype))));

/** a bᵀ, aᵀ b and aᵀ bᵀ. */
const transposes = {
  'a bᵀ': (a: Tensor, b: Tensor): Tensor => a.matmul(b.t()),
  'aᵀ b': (a: Tensor, b: Tensor): Tensor => a.t().matmul(b),
  'aᵀ bᵀ': (a: Tensor, b: Tensor): Tensor => a.t().matmul(b.t()),
};

/** A case by whatever is best here, and by the generated kernels. */
const bothWays = (c: Case): Case[] => [
  c,
  {
    ...c,
    name: `${c.name}, generated kernels`,
    goals: [{ atLeast: ENOUGH.float32 }],
    setup: onlyGenerated(c.setup),
  },
];

const transposed = Object.entries(transposes).flatMap(([name, f]) =>
  bothWays(
    product(`matmul 512 float32, ${name}`, 512, () => {
      const [a, b] = [square(512, 'float32'), square(512, 'float32')];
      return () => f(a, b);
    }),
  ),
);

const batched = [
  [64, 64],
  [16, 128],
].flatMap(([batch, n]): Case[] => {
  const [count, size] = [batch as number, n as number];
  return bothWays({
    name: `matmul ${count}×${size} float32, batched`,
    unit: 'GFLOP/s',
    work: 2 * count * size ** 3,
    setup: () => {
      const [a, b]: [Tensor, Tensor] = [randn([count, size, size]), randn([count, size, size])];
      return () => a.matmul(b);
    },
  });
});

const large = (cases: readonly Case[]): Case[] => cases.filter(({ work }) => work >= 2 * 512 ** 3);

export const matmul: readonly Case[] = [
  ...rooflines,
  ...plain,
  ...generated,
  ...deterministic,
  ...transposed,
  ...batched,
  ...onTwoThreads([...large(plain), ...large(generated)].filter(({ name }) => name.includes('float32'))),
];
