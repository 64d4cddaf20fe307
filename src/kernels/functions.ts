/**
 * The elementwise functions of the library, one line each, as a table of formulas. Derivatives
 * follow from the formula by `rules.ts`. A third column gives them by hand, t ∂f/∂x for each argument,
 * where the symbolic ones would be unstable or need more than the result, or where PyTorch chooses
 * another value at a kink. Formulas and choices are PyTorch's (aten/src/ATen/native/cpu and
 * tools/autograd/derivatives.yaml in its sources). Activation functions are in `activations.ts`, those of
 * probability in `special.ts` and `gamma.ts`.
 *
 * A parameter that may vary from call to call (a bound, a slope) is an argument like the others. Formulas
 * are functions so that importing the library builds none of them.
 */
import * as m from './algebra.ts';
import { call, define, type ElementwiseFunction, of1, of2, of3, of4 } from './define.ts';
import { arg, type Expr, maskArg, type Rule, type UnaryOp } from './expr.ts';

export * from './activations.ts';
export { digamma, lgamma } from './gamma.ts';
export * from './losses.ts';
export * from './special.ts';
export type { ElementwiseFunction };

const x = arg(0);
const y = arg(1);
const z = arg(2);
const w = arg(3);

const primitive = (op: UnaryOp): ElementwiseFunction => of1(op, () => m.unary(op, x));
const INF = Number.POSITIVE_INFINITY;
/** Nothing passes: the derivative is 0 wherever there is one. */
const step: Rule = () => [];

// ── one argument ──

export const identity = of1('identity', () => x);
export const neg = primitive('neg');
/** |x|, with derivative 0 at 0. */
export const absolute = of1('abs', () => m.abs(x));
/** −1, 0 or 1; 0 for NaN. */
export const sign = of1('sign', () => m.sign(x));
export const sgn = of1('sgn', () => m.sign(x));
export const exp = primitive('exp');
export const exp2 = primitive('exp2');
export const expm1 = primitive('expm1');
export const log = primitive('log');
export const log2 = primitive('log2');
export const log10 = primitive('log10');
export const log1p = primitive('log1p');
export const sqrt = primitive('sqrt');
export const rsqrt = of1(
  'rsqrt',
  () => m.div(1, m.sqrt(x)),
  (t, _, r) => [m.mul(m.mul(-0.5, t), m.pow(r, 3))],
);
export const square = of1('square', () => m.mul(x, x));
export const reciprocal = of1(
  'reciprocal',
  () => m.div(1, x),
  (t, _, r) => [m.neg(m.mul(t, m.square(r)))],
);
export const sin = primitive('sin');
export const cos = primitive('cos');
export const tan = primitive('tan');
export const asin = primitive('asin');
export const acos = primitive('acos');
export const atan = primitive('atan');
export const sinh = primitive('sinh');
export const cosh = primitive('cosh');
export const tanh = primitive('tanh');
export const asinh = primitive('asinh');
export const acosh = primitive('acosh');
export const atanh = primitive('atanh');
export const sigmoid = primitive('sigmoid');
export const erf = primitive('erf');
export const erfc = primitive('erfc');
/** log(x / (1 − x)) */
export const logit = of1(
  'logit',
  () => m.log(m.div(x, m.sub(1, x))),
  (t, [p]) => {
    const inside = m.and(m.ge(p, 0), m.le(p, 1));
    return [m.select(inside, m.div(t, m.mul(p, m.sub(1, p))), Number.NaN)];
  },
);

// ── steps ──

export const floor = primitive('floor');
export const ceil = primitive('ceil');
/** To the nearest whole number, ties to the even one. */
export const round = primitive('round');
/** Of x in units of 1/y, and in units of y. */
export const roundDecimals = of2('roundDecimals', () => m.div(m.unary('round', m.mul(x, y)), y));
export const roundTens = of2('roundTens', () => m.mul(m.unary('round', m.div(x, y)), y));
export const trunc = primitive('trunc');
/** The fractional part, with the sign of x. */
export const frac = of1('frac', () => m.sub(x, m.trunc(x)));

// ── sums, products, powers ──

export const add = of2('add', () => m.add(x, y));
export const sub = of2('sub', () => m.sub(x, y));
/** x + a y */
export const addScaled = of3('addScaled', () => m.add(x, m.mul(z, y)));
/** x − a y */
export const subScaled = of3('subScaled', () => m.sub(x, m.mul(z, y)));
export const mul = of2('mul', () => m.mul(x, y));
export const div = of2('div', () => m.div(x, y));
export const pow = of2('pow', () => m.pow(x, y));
/** xⁿ for a fixed n: whole and half powers come down to products and roots. */
export const powerOf = (n: number): ElementwiseFunction =>
  of1(
    'pow',
    () => m.pow(x, n),
    (t, [a]) => [m.mul(t, m.mul(n, m.pow(a, n - 1)))],
  );
/** x + a y z */
export const addcmul = of4('addcmul', () => m.add(x, m.mul(m.mul(w, y), z)));
/** x + a y / z */
export const addcdiv = of4('addcdiv', () => m.add(x, m.div(m.mul(w, y), z)));
/** x + w (y − x), from whichever end is nearer, so that both ends are reached exactly. */
export const lerp = of3(
  'lerp',
  () => m.select(m.lt(m.abs(z), 0.5), m.add(x, m.mul(z, m.sub(y, x))), m.sub(y, m.mul(m.sub(y, x), m.sub(1, z)))),
  (t, [a, b, weight]) => [m.mul(t, m.sub(1, weight)), m.mul(t, weight), m.mul(t, m.sub(b, a))],
);
/** x log y, which is 0 at x = 0 except that NaN stays. */
export const xlogy: ElementwiseFunction = of2(
  'xlogy',
  () => m.select(m.ne(y, y), y, m.select(m.eq(x, 0), 0, m.mul(x, m.log(y)))),
  (t, [a, b]) => [m.select(m.and(m.eq(a, 0), m.le(b, 0)), 0, call(xlogy, t, b)), m.div(m.mul(t, a), b)],
);

// ── of a pair: the larger, the distance, the angle ──

/** Ties share the derivative evenly. */
export const maximum = of2('maximum', () => m.max(x, y));
export const minimum = of2('minimum', () => m.min(x, y));
/** As maximum and minimum, but a NaN gives way to a number; a tie belongs to x. */
export const fmax = of2('fmax', () => m.select(m.or(m.ge(x, y), m.ne(y, y)), x, y));
export const fmin = of2('fmin', () => m.select(m.or(m.le(x, y), m.ne(y, y)), x, y));
export const atan2 = of2('atan2', () => m.atan2(x, y));

/** √(x² + y²) = M √(1 + (m/M)²) for M and m the larger and the smaller of |x|, |y|: no overflow on the way. */
export const hypot = of2(
  'hypot',
  () => {
    const larger = m.max(m.abs(x), m.abs(y));
    const ratio = m.select(m.eq(larger, 0), 0, m.div(m.min(m.abs(x), m.abs(y)), larger));
    const infinite = m.or(m.eq(m.abs(x), INF), m.eq(m.abs(y), INF));
    return m.select(infinite, INF, m.mul(larger, m.sqrt(m.add(1, m.square(ratio)))));
  },
  (t, [a, b], r) => [m.mul(t, m.div(a, r)), m.mul(t, m.div(b, r))],
);

/** max + f(−|x − y|), with comparisons in place of abs and max: smooth in every derivative also at x = y. */
const logsum = (log1pexp: (d: Expr) => Expr): Expr => {
  const first = m.ge(x, y);
  const d = m.select(m.eq(x, y), 0, m.select(first, m.sub(y, x), m.sub(x, y)));
  return m.add(m.select(first, x, y), log1pexp(d));
};
/** log(eˣ + eʸ) */
export const logaddexp = of2(
  'logaddexp',
  () => logsum((d) => m.log1p(m.exp(d))),
  (t, [a, b]) => [m.mul(t, m.sigmoid(m.sub(a, b))), m.mul(t, m.sigmoid(m.sub(b, a)))],
);
/** log₂(2ˣ + 2ʸ) */
export const logaddexp2 = of2(
  'logaddexp2',
  () => logsum((d) => m.mul(m.log1p(m.unary('exp2', d)), Math.LOG2E)),
  (t, [a, b]) => {
    const part = (d: Expr): Expr => m.mul(t, m.sigmoid(m.mul(d, Math.LN2)));
    return [part(m.sub(a, b)), part(m.sub(b, a))];
  },
);

/** Whether the sign bit is set; of a zero it shows in 1/x. Only for floating-point numbers. */
const negative = (a: Expr): Expr => m.or(m.lt(a, 0), m.and(m.eq(a, 0), m.lt(m.div(1, a), 0)));
/** |x| with the sign of y. */
export const copysign = of2(
  'copysign',
  () => m.select(negative(y), m.neg(m.abs(x)), m.abs(x)),
  (t, [a], r) => [m.mul(t, m.select(m.eq(a, 0), 0, m.div(r, a))), null],
);

// ── division with remainder ──

/** x − trunc(x / y) y: the sign of x. */
export const fmod = of2('fmod', () => m.rem(x, y));
/** Whether a remainder has to be moved by y to take its sign. */
const signsDiffer = (rest: Expr): Expr => m.and(m.ne(rest, 0), m.xor(m.lt(rest, 0), m.lt(y, 0)));
/**
 * ⌊x / y⌋ from the exact remainder, as Python computes it: the rounded quotient may have crossed a
 * whole number.
 */
export const floorDivide = of2(
  'floorDivide',
  () => {
    const rest = m.rem(x, y);
    const exactQuotient = m.div(m.sub(x, rest), y);
    const lowered = m.select(signsDiffer(rest), m.sub(exactQuotient, 1), exactQuotient);
    const floored = m.floor(lowered);
    const nearest = m.select(m.gt(m.sub(lowered, floored), 0.5), m.add(floored, 1), floored);
    return m.select(m.eq(y, 0), m.div(x, y), nearest);
  },
  step,
);
export const truncDivide = of2('truncDivide', () => m.trunc(m.div(x, y)));
/** x − ⌊x / y⌋ y: fmod, moved by y where its sign is not that of y. */
export const remainder = of2(
  'remainder',
  () => {
    const rest = m.rem(x, y);
    return m.select(signsDiffer(rest), m.add(rest, y), rest);
  },
  (t, [a, b]) => [t, m.neg(m.mul(t, call(floorDivide, a, b)))],
);

// ── choices ──

/** Within the bounds, and at them, the derivative is 1. */
export const clampMin = of2(
  'clampMin',
  () => m.max(x, y),
  (t, [a, lo]) => [m.select(m.ge(a, lo), t, 0), m.select(m.lt(a, lo), t, 0)],
);
export const clampMax = of2(
  'clampMax',
  () => m.min(x, y),
  (t, [a, hi]) => [m.select(m.le(a, hi), t, 0), m.select(m.gt(a, hi), t, 0)],
);
/** min(max(x, lo), hi): where lo > hi the result is hi. */
export const clamp = of3(
  'clamp',
  () => m.min(m.max(x, y), z),
  (t, [a, lo, hi]) => [
    m.select(m.and(m.ge(a, lo), m.le(a, hi)), t, 0),
    m.select(m.and(m.lt(a, lo), m.lt(lo, hi)), t, 0),
    m.select(m.or(m.gt(a, hi), m.gt(lo, hi)), t, 0),
  ],
);
export const where = define('where', ['mask', 'value', 'value'], () => m.select(maskArg(0), y, z));
/** z where the mask holds, else x. The second is for a z that may have a gradient. */
const filledIn = (): Expr => m.select(maskArg(1), z, x);
export const maskedFill = define('maskedFill', ['value', 'mask', 'value'], filledIn);
export const maskedFillTensor = define('maskedFillTensor', ['value', 'mask', 'value'], filledIn);
/** x, with three numbers for NaN, ∞ and −∞. */
export const nanToNum = of4('nanToNum', () =>
  m.select(m.ne(x, x), y, m.select(m.eq(x, INF), z, m.select(m.eq(x, -INF), w, x))),
);
/** y in the place of x: copying and filling in place. */
export const copy = of2('copy', () => y);
export const fill = of2('fill', () => y);
/** 0 below 0, 1 above, y at 0. */
export const heaviside = of2('heaviside', () => m.select(m.eq(x, 0), y, m.select(m.gt(x, 0), 1, 0)), 'none');

// ── truth values ──

const test1 = (name: string, mask: () => Expr): ElementwiseFunction => of1(name, mask, 'none');
const test2 = (name: string, mask: () => Expr): ElementwiseFunction => of2(name, mask, 'none');
export const eq = test2('eq', () => m.eq(x, y));
export const ne = test2('ne', () => m.ne(x, y));
export const lt = test2('lt', () => m.lt(x, y));
export const le = test2('le', () => m.le(x, y));
export const gt = test2('gt', () => m.gt(x, y));
export const ge = test2('ge', () => m.ge(x, y));
export const logicalNot = test1('logicalNot', () => m.eq(x, 0));
export const logicalAnd = test2('logicalAnd', () => m.and(m.ne(x, 0), m.ne(y, 0)));
export const logicalOr = test2('logicalOr', () => m.or(m.ne(x, 0), m.ne(y, 0)));
export const logicalXor = test2('logicalXor', () => m.xor(m.ne(x, 0), m.ne(y, 0)));
// x − x is 0 unless x is infinite or NaN: said so, it holds of integers too.
const finite = (): Expr => m.eq(m.sub(x, x), 0);
export const isnan = test1('isnan', () => m.ne(x, x));
export const isfinite = test1('isfinite', finite);
export const isinf = test1('isinf', () => m.and(m.eq(x, x), m.not(finite())));
export const isposinf = test1('isposinf', () => m.and(m.gt(x, 0), m.not(finite())));
export const isneginf = test1('isneginf', () => m.and(m.lt(x, 0), m.not(finite())));
export const signbit = test1('signbit', () => negative(x));
