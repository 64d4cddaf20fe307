import { type Tensor, tensor } from 'nabla';
import { bessel } from '../../../src/ops/bessel.ts';
import { bits } from '../../../src/ops/bits.ts';
import { ops } from '../../../src/ops/elementwise.ts';
import type { ElementwiseOp } from '../../../src/ops/elementwise-op.ts';
import { f64, numel, type Shape, spread, spreadTensor } from '../../support/numbers.ts';
import { type Sample, sample } from './sample.ts';

/** Numbers an operation takes: any in [lo, hi), but none where its derivative jumps. */
export interface Domain {
  readonly lo: number;
  readonly hi: number;
  readonly away?: 'zero' | 'integers';
}

export function draw(shape: Shape, { lo, hi, away }: Domain, seed: number): Tensor {
  const values = spread(numel(shape), lo, hi, seed).map((x) => {
    if (away === 'zero' && Math.abs(x) < 0.2) return x + (x < 0 ? -0.3 : 0.3);
    if (away === 'integers') return Math.floor(x) + 0.2 + 0.6 * (x - Math.floor(x));
    return x;
  });
  return f64(values, shape);
}

export const call =
  (op: ElementwiseOp) =>
  (...xs: (Tensor | number)[]): Tensor =>
    op.call(...xs) as Tensor;

export function unary(op: ElementwiseOp, domain: Domain, zero = !domain.away && domain.lo < 0): readonly Sample[] {
  const f = call(op);
  const at = (label: string, shape: Shape): Sample => sample(label, [draw(shape, domain, label.length)], f);
  const samples = [
    at('vector', [7]),
    at('matrix', [3, 5]),
    at('rank 0', []),
    at('empty', [0]),
    at('no rows', [2, 0, 3]),
  ];
  samples.push(sample('expanded', [draw([3, 1], domain, 2)], (x) => f(x.expand([2, 3, 4]))));
  samples.push(sample('transposed', [draw([2, 3], domain, 3)], (x) => f(x.T)));
  if (zero) samples.push(sample('with zeros', [f64([0, -0, domain.hi / 2, 0, domain.lo / 3], [5])], f));
  return samples;
}

const shapePairs: Readonly<Record<string, readonly [Shape, Shape]>> = {
  'same shape': [
    [2, 3],
    [2, 3],
  ],
  'row on the right': [[2, 3], [3]],
  'row on the left': [[3], [2, 3]],
  'column and row': [
    [3, 1],
    [1, 2],
  ],
  'rank 0 on the right': [[5], []],
  'rank 0 on the left': [[], [5]],
  'both rank 0': [[], []],
  empty: [[0, 3], [3]],
  'empty by a broadcast': [
    [2, 1],
    [2, 0],
  ],
};

export function binary(op: ElementwiseOp, a: Domain, b: Domain, number?: number): readonly Sample[] {
  const f = call(op);
  const samples = Object.entries(shapePairs).map(([label, [p, q]]) => sample(label, [draw(p, a, 1), draw(q, b, 2)], f));
  samples.push(
    sample('expanded and transposed', [draw([3, 1], a, 3), draw([4, 3], b, 4)], (x, y) => f(x.expand([3, 4]), y.T)),
  );
  if (number !== undefined) {
    samples.push(sample(`with ${number}`, [draw([5], a, 5)], (x) => f(x, number)));
    samples.push(sample('a number first', [draw([5], b, 6)], (y) => f(1.5, y)));
  }
  return samples;
}

/** Comparisons of numbers some of which are equal. */
function comparison(op: ElementwiseOp): readonly Sample[] {
  const f = call(op);
  const a = f64([1, 2, 0, -1, 0, 3], [2, 3]);
  return [
    sample('same shape', [a, f64([1, 0, 0, -2, 5, 3], [2, 3])], f),
    sample('row', [a, f64([1, 2, 0], [3])], f),
    sample('rank 0', [f64([2], []), f64([2], [])], f),
    sample('empty', [spreadTensor([0, 3], 0, 1), f64([1, 2, 0], [3])], f),
    sample('with a number', [a], (x) => f(x, 0)),
  ];
}

export function predicate(op: ElementwiseOp): readonly Sample[] {
  const f = call(op);
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  return [
    sample('matrix', [f64([0, 1, nan, inf, -inf, -2], [2, 3])], f),
    sample('rank 0', [f64([nan], [])], f),
    sample('empty', [f64([], [0])], f),
  ];
}

const integers = (values: readonly number[], shape: Shape): Tensor => tensor(Int32Array.from(values), { shape });

/** Of whole numbers. */
function whole(op: ElementwiseOp): readonly Sample[] {
  const f = call(op);
  const a = integers([12, 18, 0, -7, 35, 9], [2, 3]);
  return [
    sample('same shape', [a, integers([8, 2, 5, 1, 0, 3], [2, 3])], f),
    sample('row', [a, integers([4, 6, 3], [3])], f),
    sample('rank 0', [integers([20], []), integers([3], [])], f),
    sample('empty', [integers([], [0, 3]), integers([4, 6, 3], [3])], f),
    sample('transposed and expanded', [a, integers([4, 6, 3], [3])], (p, q) =>
      f(p.T, q.reshape([3, 1]).expand([3, 2])),
    ),
    sample('with a number', [a], (p) => f(p, 6)),
  ];
}

export const any: Domain = { lo: -2, hi: 2 };
export const positive: Domain = { lo: 0.3, hi: 2.5 };
export const kink: Domain = { lo: -2, hi: 2, away: 'zero' };
const steps: Domain = { lo: -3, hi: 3, away: 'integers' };
/** Of a function with poles at whole numbers. */
const away: Domain = { lo: -2, hi: 11, away: 'integers' };
const unit: Domain = { lo: -0.9, hi: 0.9 };
const divisor: Domain = { lo: 0.7, hi: 1.3 };

const mask = tensor([
  [true, false, true],
  [false, false, true],
]);
const low: Domain = { lo: -1.5, hi: -0.5 };
const high: Domain = { lo: 0.5, hi: 1.5 };
export const wide: Domain = { lo: -3, hi: 3 };
const clamp = call(ops.clamp);
const where = call(ops.where);

export const elementwiseSamples: Readonly<Record<string, readonly Sample[]>> = {
  neg: unary(ops.neg, any),
  abs: unary(ops.abs, kink),
  sign: unary(ops.sign, kink),
  sgn: unary(ops.sgn, kink),
  exp: unary(ops.exp, any),
  exp2: unary(ops.exp2, any),
  expm1: unary(ops.expm1, any),
  log: unary(ops.log, positive),
  log2: unary(ops.log2, positive),
  log10: unary(ops.log10, positive),
  log1p: unary(ops.log1p, { lo: -0.7, hi: 2 }),
  sqrt: unary(ops.sqrt, positive),
  rsqrt: unary(ops.rsqrt, positive),
  square: unary(ops.square, any),
  reciprocal: unary(ops.reciprocal, kink),
  sin: unary(ops.sin, any),
  cos: unary(ops.cos, any),
  tan: unary(ops.tan, { lo: -1, hi: 1 }),
  asin: unary(ops.asin, unit),
  acos: unary(ops.acos, unit),
  atan: unary(ops.atan, any),
  sinh: unary(ops.sinh, any),
  cosh: unary(ops.cosh, any),
  tanh: unary(ops.tanh, any),
  asinh: unary(ops.asinh, any),
  acosh: unary(ops.acosh, { lo: 1.3, hi: 3 }),
  atanh: unary(ops.atanh, unit),
  sigmoid: unary(ops.sigmoid, any),
  erf: unary(ops.erf, any),
  erfc: unary(ops.erfc, any),
  relu: unary(ops.relu, kink),
  lgamma: unary(ops.lgamma, away),
  digamma: unary(ops.digamma, away),
  erfinv: unary(ops.erfinv, unit),
  sinc: unary(ops.sinc, any),
  entr: unary(ops.entr, positive),
  ndtr: unary(ops.ndtr, any),
  ndtri: unary(ops.ndtri, { lo: 0.05, hi: 0.95 }),
  i0: unary(bessel.i0, { lo: -3, hi: 40 }, false),
  i0e: unary(bessel.i0e, { lo: -30, hi: 3, away: 'zero' }),
  i1: unary(bessel.i1, wide),
  i1e: unary(bessel.i1e, { lo: -3, hi: 40, away: 'zero' }),
  erfcx: unary(bessel.erfcx, { lo: -2, hi: 7 }),
  logNdtr: unary(bessel.logNdtr, { lo: -7, hi: 3 }),
  xlog1py: binary(bessel.xlog1py, any, { lo: -0.8, hi: 2 }, 0.5),
  deg2rad: unary(ops.deg2rad, any),
  rad2deg: unary(ops.rad2deg, any),
  floor: unary(ops.floor, steps),
  ceil: unary(ops.ceil, steps),
  round: unary(ops.round, steps),
  roundDecimals: binary(ops.roundDecimals, steps, divisor, 10),
  roundTens: binary(ops.roundTens, steps, divisor, 10),
  trunc: unary(ops.trunc, steps),
  frac: unary(ops.frac, steps),
  add: binary(ops.add, any, any, 2),
  sub: binary(ops.sub, any, any, 2),
  mul: binary(ops.mul, any, any, -3),
  div: binary(ops.div, any, kink, 3),
  addScaled: [
    sample('alpha', [draw([2, 3], any, 1), draw([3], any, 2)], (a, b) => call(ops.addScaled)(a, b, 2.5)),
    sample('rank 0', [draw([], any, 1), draw([], any, 2)], (a, b) => call(ops.addScaled)(a, b, -1)),
  ],
  subScaled: [
    sample('alpha', [draw([2, 3], any, 1), draw([3], any, 2)], (a, b) => call(ops.subScaled)(a, b, 2.5)),
    sample('rank 0', [draw([], any, 1), draw([], any, 2)], (a, b) => call(ops.subScaled)(a, b, -1)),
  ],
  floorDivide: binary(ops.floorDivide, steps, divisor),
  truncDivide: binary(ops.truncDivide, steps, divisor),
  pow: [
    ...binary(ops.pow, positive, any, 2.5),
    ...[3, 2, 1, -1].map((n) => sample(`integer power ${n}`, [draw([2, 3], kink, n + 9)], (x) => call(ops.pow)(x, n))),
    sample('zeros cubed', [f64([0, 1, -2, 0], [4])], (x) => call(ops.pow)(x, 3)),
    sample('power 0', [f64([0, 1, -2], [3])], (x) => call(ops.pow)(x, 0)),
    sample('half', [draw([4], positive, 3)], (x) => call(ops.pow)(x, 0.5)),
    // Numbers that have kernels of their own.
    ...[-2, -1, -0.5, 0.5, 2, 3, 4].map((n) =>
      sample(`the method with ${n}`, [draw([2, 3], positive, n + 20)], (x) => x.pow(n)),
    ),
    sample('zeros cubed, by the method', [f64([0, 1, -2, 0], [4])], (x) => x.pow(3)),
  ],
  maximum: binary(ops.maximum, any, any, 0.1),
  minimum: binary(ops.minimum, any, any, 0.1),
  atan2: binary(ops.atan2, kink, kink, 1),
  fmod: binary(ops.fmod, steps, divisor, 1.1),
  remainder: binary(ops.remainder, steps, divisor, 1.1),
  clampMin: binary(ops.clampMin, any, any, 0.05),
  clampMax: binary(ops.clampMax, any, any, 0.05),
  clamp: [
    sample('tensors', [draw([2, 3], wide, 1), draw([3], low, 2), draw([2, 1], high, 3)], clamp),
    sample('numbers', [draw([7], wide, 4)], (x) => clamp(x, -0.9, 1.1)),
    sample('bounds the wrong way round', [draw([5], wide, 5), draw([5], high, 2), draw([5], low, 3)], clamp),
    sample('rank 0', [draw([], wide, 6), draw([], low, 2), draw([], high, 3)], clamp),
    sample('empty', [draw([0, 2], wide, 6), draw([2], low, 2), draw([2], high, 3)], clamp),
  ],
  where: [
    sample('same shape', [mask, draw([2, 3], any, 1), draw([2, 3], any, 2)], where),
    sample('broadcast', [mask, draw([3], any, 1), draw([2, 1], any, 2)], where),
    sample('a number', [mask, draw([2, 3], any, 1)], (c, x) => where(c, x, 7)),
    sample('the mask broadcasts', [tensor([true, false]), draw([3, 1], any, 1), draw([], any, 2)], where),
    sample('rank 0', [tensor(true), draw([], any, 1), draw([], any, 2)], where),
    sample('empty', [mask, draw([0, 2, 3], any, 1), draw([], any, 2)], where),
    sample(
      'where indexFill says',
      [draw([3, 2], any, 1), tensor(Int32Array.of(2, 0, 2)), draw([], any, 2)],
      (x, i, v) => x.indexFill(0, i, v),
    ),
  ],
  copy: [
    sample('same shape', [draw([2, 3], any, 1), draw([2, 3], any, 2)], call(ops.copy)),
    sample('broadcast', [draw([2, 3], any, 1), draw([3], any, 2)], call(ops.copy)),
  ],
  fill: [
    sample('matrix', [draw([2, 3], any, 1), draw([], any, 2)], call(ops.fill)),
    sample('empty', [draw([0], any, 1), draw([], any, 2)], call(ops.fill)),
  ],
  eq: comparison(ops.eq),
  ne: comparison(ops.ne),
  lt: comparison(ops.lt),
  le: comparison(ops.le),
  gt: comparison(ops.gt),
  ge: comparison(ops.ge),
  logicalAnd: comparison(ops.logicalAnd),
  logicalOr: comparison(ops.logicalOr),
  logicalXor: comparison(ops.logicalXor),
  bitwiseAnd: whole(bits.and),
  bitwiseOr: whole(bits.or),
  bitwiseXor: whole(bits.xor),
  bitwiseLeftShift: whole(bits.leftShift),
  bitwiseRightShift: whole(bits.rightShift),
  gcd: whole(bits.gcd),
  lcm: whole(bits.lcm),
  bitwiseNot: [
    sample('matrix', [integers([5, -3, 0, 1, 2, -8], [2, 3])], call(bits.not)),
    sample('transposed', [integers([5, -3, 0, 1, 2, -8], [2, 3])], (a) => call(bits.not)(a.T)),
    sample('rank 0', [integers([7], [])], call(bits.not)),
    sample('empty', [integers([], [0])], call(bits.not)),
  ],
  logicalNot: predicate(ops.logicalNot),
  isnan: predicate(ops.isnan),
  isinf: predicate(ops.isinf),
  isfinite: predicate(ops.isfinite),
};
