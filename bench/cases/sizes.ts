/** What a program does with its data, on sizes from a thousand elements to ten million; results are new tensors. */
import { functional as F, randn, type Tensor } from 'nabla';
import { type Case, ofPyTorch, onTwoThreads } from '../case.ts';

export const SIZES = { '1k': 1000, '100k': 100_000, '1M': 1_000_000, '10M': 10_000_000 } as const;
type Size = keyof typeof SIZES;

/** Rows are of a thousand elements, or of a hundred where there are only a thousand in all. */
const rows = (n: number): Tensor => randn(n === 1000 ? [10, 100] : [n / 1000, 1000]);

const operations: Readonly<Record<string, (n: number) => () => Tensor>> = {
  add: (n) => {
    const [a, b]: [Tensor, Tensor] = [randn([n]), randn([n])];
    return () => a.add(b);
  },
  mul: (n) => {
    const [a, b]: [Tensor, Tensor] = [randn([n]), randn([n])];
    return () => a.mul(b);
  },
  sum: (n) => {
    const x: Tensor = randn([n]);
    return () => x.sum();
  },
  mean: (n) => {
    const x: Tensor = randn([n]);
    return () => x.mean();
  },
  max: (n) => {
    const x: Tensor = randn([n]);
    return () => x.max();
  },
  softmax: (n) => {
    const x = rows(n);
    return () => x.softmax(1);
  },
  'layer norm': (n) => {
    const x = rows(n);
    const width = x.shape[1] as number;
    return () => F.layerNorm(x, [width]);
  },
  cumsum: (n) => {
    const x: Tensor = randn([n]);
    return () => x.cumsum(0);
  },
  tanh: (n) => {
    const x: Tensor = randn([n]);
    return () => x.tanh();
  },
  gelu: (n) => {
    const x: Tensor = randn([n]);
    return () => F.gelu(x);
  },
};

/** Functions whose arithmetic is worth more than their traffic, out of the cache too. */
const transcendental: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  exp: (x) => x.exp(),
  log: (x) => x.log(),
  sin: (x) => x.sin(),
  sigmoid: (x) => x.sigmoid(),
};

const FLOAT = 4;

const all: readonly Case[] = [
  ...Object.entries(operations).flatMap(([name, prepare]) =>
    (Object.keys(SIZES) as Size[]).map((size): Case => {
      const n = SIZES[size];
      if (name === 'sum') {
        const read = { share: 0.8, of: 'roofline: read, 10M' };
        return {
          name: `sum ${size}`,
          unit: 'GB/s',
          work: FLOAT * n,
          goals: size === '10M' ? [read, ofPyTorch(1)] : [ofPyTorch(1)],
          setup: () => prepare(n),
        };
      }
      return {
        name: `${name} ${size}`,
        unit: 'G elements/s',
        work: n,
        goals: [ofPyTorch(1)],
        setup: () => prepare(n),
      };
    }),
  ),
  ...Object.entries(transcendental).flatMap(([name, f]) =>
    (['100k', '10M'] as const).map(
      (size): Case => ({
        name: `${name} ${size}`,
        unit: 'G elements/s',
        work: SIZES[size],
        // In cache PyTorch's vectors, of 256 bits and more, are worth more than out of it.
        goals: [ofPyTorch(size === '10M' ? 1 : 1.5)],
        setup: () => {
          const x: Tensor = randn([SIZES[size]]).abs();
          return () => f(x);
        },
      }),
    ),
  ),
];

export const sizes: readonly Case[] = [...all, ...onTwoThreads(all.filter(({ name }) => /(1M|10M)$/.test(name)))];
