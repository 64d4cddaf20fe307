/** Elementwise kernels and reductions, in cache and out of it. */
import { randn, type Tensor } from 'nabla';
import type { Case } from '../case.ts';

const FLOAT = 4;

/** Sizes by where the operands of an in-place sum lie: in the second-level cache, in the last, in memory. */
const SIZES = { '16k': 1 << 14, '1M': 1 << 20, '10M': 10_000_000 } as const;

/** Bytes that three streams move: two read, one written. */
const three = (n: number): number => 3 * FLOAT * n;

const unary = {
  exp: (x: Tensor): Tensor => x.exp(),
  log: (x: Tensor): Tensor => x.log(),
  sin: (x: Tensor): Tensor => x.sin(),
  tanh: (x: Tensor): Tensor => x.tanh(),
  sigmoid: (x: Tensor): Tensor => x.sigmoid(),
  sqrt: (x: Tensor): Tensor => x.sqrt(),
};

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
      goal: size === '10M' ? { share: 0.8, of: 'roofline: a += b, 10M' } : { atLeast: 60 },
      setup: () => {
        const a: Tensor = randn([n]);
        const b: Tensor = randn([n]).mul(1e-3);
        return () => a.add_(b);
      },
    }),
  ),
  ...Object.entries(SIZES).map(
    ([size, n]): Case => ({
      name: `add ${size}, new result`,
      unit: 'GB/s',
      work: three(n),
      setup: () => {
        const a: Tensor = randn([n]);
        const b: Tensor = randn([n]);
        return () => a.add(b);
      },
    }),
  ),
  ...(['16k', '1M'] as const).map(
    (size): Case => ({
      name: `mul_ ${size}`,
      unit: 'GB/s',
      work: three(SIZES[size]),
      goal: { atLeast: 60 },
      setup: () => {
        const a: Tensor = randn([SIZES[size]]);
        const b: Tensor = a.sign();
        return () => a.mul_(b);
      },
    }),
  ),
  ...Object.entries(unary).map(
    ([name, f]): Case => ({
      name: `${name} 1M, new result`,
      unit: 'G elements/s',
      work: SIZES['1M'],
      ...(name === 'exp' && { goal: { atLeast: PROTOTYPE_EXP / 1.5 } }),
      setup: () => {
        const x: Tensor = randn([SIZES['1M']]).abs();
        return () => f(x);
      },
    }),
  ),
  {
    name: 'exp_ then neg_ 16k',
    unit: 'G elements/s',
    work: SIZES['16k'],
    goal: { atLeast: PROTOTYPE_EXP / 1.5 },
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
  {
    name: 'sum 1M',
    unit: 'GB/s',
    work: FLOAT * SIZES['1M'],
    setup: () => {
      const x: Tensor = randn([SIZES['1M']]);
      return () => x.sum();
    },
  },
  {
    name: 'sum 10M',
    unit: 'GB/s',
    work: FLOAT * SIZES['10M'],
    goal: { share: 0.8, of: 'roofline: read, 10M' },
    setup: () => {
      const x: Tensor = randn([SIZES['10M']]);
      return () => x.sum();
    },
  },
];
