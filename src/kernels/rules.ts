/**
 * The table of derivatives: for y = op(x) or op(a, b), how a tangent or cotangent t of y passes to
 * each operand, t ∂y/∂x. Both modes use it: as each line is linear in t, reverse mode feeds it ȳ and
 * adds up what arrives at x, forward mode feeds it ẋ and adds up what arrives at y.
 *
 * Formulas, and the choices at kinks, ties and special values, are PyTorch's
 * (tools/autograd/derivatives.yaml and torch/csrc/autograd/FunctionsManual.cpp in its sources), so
 * that results agree where mathematics leaves the choice.
 */
import {
  add,
  and,
  cos,
  cosh,
  div,
  eq,
  exp,
  ge,
  gt,
  log,
  lt,
  mul,
  neg,
  pow,
  select,
  sign,
  sin,
  sinh,
  sqrt,
  square,
  sub,
  trunc,
  unary,
} from './algebra.ts';
import type { BinaryOp, Expr, Rule, UnaryOp } from './expr.ts';

type OfOne = (t: Expr, x: Expr, y: Expr) => Expr | null;
type OfTwo = (t: Expr, a: Expr, b: Expr, y: Expr) => readonly [Expr | null, Expr | null];

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);
/** Of the normal distribution Φ. */
const density = (x: Expr): Expr => mul(unary('decay', mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));

const ofOne: Readonly<Record<UnaryOp, OfOne>> = {
  neg: (t) => neg(t),
  abs: (t, x) => mul(t, sign(x)),
  sqrt: (t, _, y) => div(t, mul(2, y)),
  exp: (t, _, y) => mul(t, y),
  expm1: (t, _, y) => mul(t, add(y, 1)),
  exp2: (t, _, y) => mul(mul(t, y), Math.LN2),
  log: (t, x) => div(t, x),
  log1p: (t, x) => div(t, add(x, 1)),
  log2: (t, x) => div(t, mul(x, Math.LN2)),
  log10: (t, x) => div(t, mul(x, Math.LN10)),
  sin: (t, x) => mul(t, cos(x)),
  cos: (t, x) => neg(mul(t, sin(x))),
  tan: (t, _, y) => mul(t, add(square(y), 1)),
  asin: (t, x) => div(t, sqrt(sub(1, square(x)))),
  acos: (t, x) => neg(div(t, sqrt(sub(1, square(x))))),
  atan: (t, x) => div(t, add(square(x), 1)),
  sinh: (t, x) => mul(t, cosh(x)),
  cosh: (t, x) => mul(t, sinh(x)),
  tanh: (t, _, y) => mul(t, sub(1, square(y))),
  asinh: (t, x) => div(t, sqrt(add(square(x), 1))),
  acosh: (t, x) => div(t, sqrt(sub(square(x), 1))),
  atanh: (t, x) => div(t, sub(1, square(x))),
  sigmoid: (t, _, y) => mul(mul(t, sub(1, y)), y),
  erf: (t, x) => mul(mul(t, TWO_OVER_SQRT_PI), exp(neg(square(x)))),
  erfc: (t, x) => neg(mul(mul(t, TWO_OVER_SQRT_PI), exp(neg(square(x))))),
  decay: (t, _, y) => mul(t, y),
  summand: (t, _, y) => mul(t, y),
  gelu: (t, x) => mul(t, unary('geluSlope', x)),
  geluSlope: (t, x) => mul(mul(t, density(x)), sub(2, square(x))),
  // Steps: 0 wherever there is a derivative.
  floor: () => null,
  ceil: () => null,
  trunc: () => null,
  round: () => null,
};

const ofTwo: Readonly<Record<BinaryOp, OfTwo>> = {
  add: (t) => [t, t],
  sub: (t) => [t, neg(t)],
  mul: (t, a, b) => [mul(t, b), mul(t, a)],
  div: (t, _, b, y) => [div(t, b), neg(mul(t, div(y, b)))],
  // Ties share evenly. NaN compares false, so both sides of it get all.
  max: (t, a, b) => [shared(t, lt(a, b), a, b), shared(t, gt(a, b), a, b)],
  min: (t, a, b) => [shared(t, gt(a, b), a, b), shared(t, lt(a, b), a, b)],
  // b aᵇ⁻¹, but 0 for b = 0 also at a = 0; aᵇ log a, but its limit 0 at a = 0 for b ≥ 0.
  pow: (t, a, b, y) => [
    select(eq(b, 0), 0, mul(t, mul(b, pow(a, sub(b, 1))))),
    select(and(eq(a, 0), ge(b, 0)), 0, mul(t, mul(y, log(a)))),
  ],
  // 0 at the origin, as in PyTorch 2 (NaN before).
  atan2: (t, a, b) => {
    const r2 = add(square(a), square(b));
    const s = select(eq(r2, 0), 0, div(t, r2));
    return [mul(s, b), neg(mul(s, a))];
  },
  rem: (t, a, b) => [t, neg(mul(t, trunc(div(a, b))))],
};

const shared = (t: Expr, loses: Expr, a: Expr, b: Expr): Expr => select(loses, 0, select(eq(a, b), mul(t, 0.5), t));

/** The line of the table for a node with no derivative of its own; null for a node of truth values or of bits. */
export function ruleOf(e: Expr): Rule | null {
  switch (e.op) {
    case 'arg':
    case 'const':
    case 'eq':
    case 'ne':
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge':
    case 'and':
    case 'or':
    case 'xor':
    case 'not':
    case 'bitAnd':
    case 'bitOr':
    case 'bitXor':
    case 'shl':
    case 'shr':
      return null;
    case 'select':
      return (t, [mask]) => [null, select(mask, t, 0), select(mask, 0, t)];
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'min':
    case 'max':
    case 'pow':
    case 'atan2':
    case 'rem': {
      const rule = ofTwo[e.op];
      return (t, [a, b], y) => rule(t, a, b, y);
    }
    default: {
      const rule = ofOne[e.op];
      return (t, [x], y) => [rule(t, x, y)];
    }
  }
}
