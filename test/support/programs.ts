import fc from 'fast-check';
import { cat, logSoftmax, stack, type Tensor, tensor } from 'nabla';
import { spreadTensor } from './numbers.ts';

/*
 * Random programs over tensors. Values stay near 1 and away from kinks, so that differences are good
 * to many digits; shapes are whatever comes, and broadcast.
 */

/** One instruction: which operation, which earlier values it takes, and a number it may use. */
interface Instruction {
  readonly op: number;
  readonly a: number;
  readonly b: number;
  readonly n: number;
}

export interface Program {
  readonly shapes: readonly (readonly number[])[];
  readonly seed: number;
  readonly code: readonly Instruction[];
}

const shape = fc.constantFrom([], [1], [3], [2, 1], [1, 3], [2, 3], [2, 2, 3], [3, 3]);
const instruction = fc.record({ op: fc.nat(999), a: fc.nat(99), b: fc.nat(99), n: fc.nat(11) });

export const programs: fc.Arbitrary<Program> = fc.record({
  shapes: fc.array(shape, { minLength: 1, maxLength: 3 }),
  seed: fc.nat(1000),
  code: fc.array(instruction, { minLength: 1, maxLength: 9 }),
});

export const inputsOf = ({ shapes, seed }: Program): Tensor[] =>
  shapes.map((s, i) => spreadTensor(s, -1, 1, seed + 17 * i));

const broadcasts = (a: Tensor, b: Tensor): boolean => {
  const [p, q] = [a.shape.toReversed(), b.shape.toReversed()];
  return p.every((n, i) => i >= q.length || n === 1 || q[i] === 1 || n === q[i]);
};
/** `b` where it broadcasts with `a`, else its mean. */
const fitting = (a: Tensor, b: Tensor): Tensor => (broadcasts(a, b) ? b : b.mean());
const places = (n: number, size: number): Tensor => tensor([n % size, (n + 1) % size, n % size], { dtype: 'int32' });

const unary: readonly ((x: Tensor, n: number) => Tensor)[] = [
  (x) => x.sin(),
  (x) => x.tanh(),
  (x) => x.sigmoid(),
  (x) => x.tanh().exp(),
  (x) => x.square().add(1).log(),
  (x) => x.square().add(1).rsqrt(),
  (x) => x.erf(),
  (x) => x.atan().neg(),
  (x, n) =>
    x
      .tanh()
      .add(2)
      .pow(n / 4 - 1),
  (x) => x.mul(x).add(0.5).sqrt(),
];

const binary: readonly ((x: Tensor, y: Tensor, n: number) => Tensor)[] = [
  (x, y) => x.add(y),
  (x, y) => x.sub(y, { alpha: 0.5 }),
  (x, y) => x.mul(y),
  (x, y) => x.div(y.square().add(1)),
  (x, y) => x.tanh().add(2).pow(y.tanh()),
  (x, y) => x.atan2(y.square().add(0.5)),
];

const shaping: readonly ((x: Tensor, n: number) => Tensor)[] = [
  (x) => x.T,
  (x) => x.unsqueeze(0),
  (x) => x.reshape([x.numel()]),
  (x, n) => (x.ndim === 0 ? x : x.narrow(n % x.ndim, 0, x.shape[n % x.ndim])),
  (x, n) => (x.ndim === 0 ? x : x.select(n % x.ndim, n % x.shape[n % x.ndim])),
  (x, n) => (x.ndim === 0 ? x : x.slice(-1, n % x.shape[x.ndim - 1])),
  (x, n) => (x.ndim === 0 ? x : x.indexSelect(n % x.ndim, places(n, x.shape[n % x.ndim]))),
  (x) => (x.ndim < 3 ? x.expand([2, ...x.shape]) : x),
  (x, n) => (x.ndim === 0 ? x : cat([x, x.mul(2)], n % x.ndim)),
  (x, n) => (x.ndim < 3 ? stack([x, x.neg()], n % (x.ndim + 1)) : x),
];

const reducing: readonly ((x: Tensor, n: number) => Tensor)[] = [
  (x) => x.mean(),
  (x, n) => (x.ndim === 0 ? x : x.mean(n % x.ndim, { keepdim: n > 5 })),
  (x, n) => (x.ndim === 0 ? x : x.sum(n % x.ndim, { keepdim: n > 5 }).div(2)),
  (x, n) => (x.ndim === 0 ? x : x.logsumexp(n % x.ndim)),
  (x, n) => (x.ndim === 0 ? x : x.softmax(n % x.ndim)),
  (x, n) => (x.ndim === 0 ? x : logSoftmax(x, n % x.ndim).div(2)),
  (x, n) =>
    x.ndim === 0
      ? x
      : x
          .add(3)
          .norm(2, n % x.ndim)
          .div(3),
  (x, n) => (x.ndim === 0 ? x : x.tanh().prod(n % x.ndim)),
];

const products: readonly ((x: Tensor, y: Tensor) => Tensor)[] = [
  (x) => (x.ndim < 2 ? x : x.matmul(x.mT).div(2)),
  (x, y) => (x.ndim > 0 && y.ndim === 1 && x.shape[x.ndim - 1] === y.shape[0] ? x.matmul(y).div(2) : x),
  (x, y) => (x.ndim > 1 && y.ndim > 1 && x.shape[x.ndim - 1] === y.shape[y.ndim - 2] && y.ndim === 2 ? x.matmul(y) : x),
];

function step(values: readonly Tensor[], { op, a, b, n }: Instruction): Tensor {
  const x = values[a % values.length];
  const y = values[b % values.length];
  const pick = <F>(table: readonly F[]): F => table[Math.floor(op / 5) % table.length];
  switch (op % 5) {
    case 0:
      return pick(unary)(x, n);
    case 1:
      return pick(binary)(x, fitting(x, y), n);
    case 2:
      return pick(shaping)(x, n);
    case 3:
      return pick(reducing)(x, n);
    default:
      return pick(products)(x, y);
  }
}

/** Every value that a program computes, its inputs first. */
export function valuesOfProgram({ code }: Program, inputs: readonly Tensor[]): Tensor[] {
  const values = [...inputs];
  for (const i of code) {
    const value = step(values, i);
    // A few expansions in a row grow fast.
    values.push(value.numel() > 64 ? value.mean() : value);
  }
  return values;
}

/** What a program computes, as one number that depends on every value. */
export function scalarOf(program: Program, inputs: readonly Tensor[]): Tensor {
  const values = valuesOfProgram(program, inputs);
  return values
    .map((v, i) =>
      v
        .sin()
        .mean()
        .mul(1 + 0.1 * i),
    )
    .reduce((s, v) => s.add(v));
}
