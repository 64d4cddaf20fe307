/**
 * What a user's `elementwise` function is given: symbols for one element, with the functions of the
 * library as methods. Each call adds to an expression; nothing is computed yet.
 */
import { ArgumentError } from '../core/errors.ts';
import { call, type ElementwiseFunction } from './define.ts';
import { type CompareOp, compare, constant, type Expr, type LogicOp, logic, not, select } from './expr.ts';
import * as f from './functions.ts';

/** A number, or a symbol for one. */
export type ScalarLike = Scalar | number;

function exprOf(x: ScalarLike, method: string): Expr {
  if (typeof x === 'number') return constant(x);
  if (x instanceof Scalar) return x.expr;
  throw new ArgumentError(
    `elementwise: .${method}(…) takes Scalars and numbers, got ${described(x)}; hand tensors to the finished operation as arguments`,
  );
}

function described(x: unknown): string {
  if (x === null || typeof x !== 'object') return String(x);
  return `a ${x.constructor?.name ?? 'object'}`;
}

function noCoercion(): never {
  throw new ArgumentError(
    'elementwise: a Scalar was used with a JavaScript operator, which cannot be recorded. Write x.add(y), x.mul(2), x.lt(y) instead of x + y, x * 2, x < y, and x.gt(0).where(a, b) instead of if or ?:',
  );
}

/** A truth value inside an `elementwise` function: choose with `.where(a, b)`; `if` and `?:` cannot be recorded. */
export class ScalarMask {
  readonly expr: Expr;

  constructor(expr: Expr) {
    this.expr = expr;
  }

  /** `a` where this holds, else `b`. Both are computed; the derivative is that of the one chosen. */
  where(a: ScalarLike, b: ScalarLike): Scalar {
    return new Scalar(select(this.expr, exprOf(a, 'where'), exprOf(b, 'where')));
  }

  and(other: ScalarMask): ScalarMask {
    return this.#with('and', other);
  }

  or(other: ScalarMask): ScalarMask {
    return this.#with('or', other);
  }

  xor(other: ScalarMask): ScalarMask {
    return this.#with('xor', other);
  }

  not(): ScalarMask {
    return new ScalarMask(not(this.expr));
  }

  [Symbol.toPrimitive](): never {
    return noCoercion();
  }

  #with(op: LogicOp, other: ScalarMask): ScalarMask {
    if (!(other instanceof ScalarMask))
      throw new ArgumentError(`elementwise: .${op}(…) takes another comparison, got ${described(other)}`);
    return new ScalarMask(logic(op, this.expr, other.expr));
  }
}

/**
 * The symbol for one element inside an `elementwise` function. Derivatives at kinks are those of the
 * tensor functions of the same names (relu′(0) = 0, ties of `max` share, …).
 */
export class Scalar {
  readonly expr: Expr;

  constructor(expr: Expr) {
    this.expr = expr;
  }

  neg(): Scalar {
    return this.#f('neg', f.neg);
  }

  abs(): Scalar {
    return this.#f('abs', f.absolute);
  }

  sign(): Scalar {
    return this.#f('sign', f.sign);
  }

  exp(): Scalar {
    return this.#f('exp', f.exp);
  }

  exp2(): Scalar {
    return this.#f('exp2', f.exp2);
  }

  expm1(): Scalar {
    return this.#f('expm1', f.expm1);
  }

  log(): Scalar {
    return this.#f('log', f.log);
  }

  log2(): Scalar {
    return this.#f('log2', f.log2);
  }

  log10(): Scalar {
    return this.#f('log10', f.log10);
  }

  log1p(): Scalar {
    return this.#f('log1p', f.log1p);
  }

  sqrt(): Scalar {
    return this.#f('sqrt', f.sqrt);
  }

  rsqrt(): Scalar {
    return this.#f('rsqrt', f.rsqrt);
  }

  square(): Scalar {
    return this.#f('square', f.square);
  }

  reciprocal(): Scalar {
    return this.#f('reciprocal', f.reciprocal);
  }

  sin(): Scalar {
    return this.#f('sin', f.sin);
  }

  cos(): Scalar {
    return this.#f('cos', f.cos);
  }

  tan(): Scalar {
    return this.#f('tan', f.tan);
  }

  asin(): Scalar {
    return this.#f('asin', f.asin);
  }

  acos(): Scalar {
    return this.#f('acos', f.acos);
  }

  atan(): Scalar {
    return this.#f('atan', f.atan);
  }

  sinh(): Scalar {
    return this.#f('sinh', f.sinh);
  }

  cosh(): Scalar {
    return this.#f('cosh', f.cosh);
  }

  tanh(): Scalar {
    return this.#f('tanh', f.tanh);
  }

  asinh(): Scalar {
    return this.#f('asinh', f.asinh);
  }

  acosh(): Scalar {
    return this.#f('acosh', f.acosh);
  }

  atanh(): Scalar {
    return this.#f('atanh', f.atanh);
  }

  erf(): Scalar {
    return this.#f('erf', f.erf);
  }

  erfc(): Scalar {
    return this.#f('erfc', f.erfc);
  }

  floor(): Scalar {
    return this.#f('floor', f.floor);
  }

  ceil(): Scalar {
    return this.#f('ceil', f.ceil);
  }

  round(): Scalar {
    return this.#f('round', f.round);
  }

  trunc(): Scalar {
    return this.#f('trunc', f.trunc);
  }

  frac(): Scalar {
    return this.#f('frac', f.frac);
  }

  add(other: ScalarLike): Scalar {
    return this.#f('add', f.add, other);
  }

  sub(other: ScalarLike): Scalar {
    return this.#f('sub', f.sub, other);
  }

  mul(other: ScalarLike): Scalar {
    return this.#f('mul', f.mul, other);
  }

  div(other: ScalarLike): Scalar {
    return this.#f('div', f.div, other);
  }

  pow(exponent: ScalarLike): Scalar {
    return this.#f('pow', f.pow, exponent);
  }

  /** The larger; NaN if either is NaN. */
  max(other: ScalarLike): Scalar {
    return this.#f('max', f.maximum, other);
  }

  /** The smaller; NaN if either is NaN. */
  min(other: ScalarLike): Scalar {
    return this.#f('min', f.minimum, other);
  }

  /** The angle of the point (other, this). */
  atan2(other: ScalarLike): Scalar {
    return this.#f('atan2', f.atan2, other);
  }

  /** √(this² + other²) */
  hypot(other: ScalarLike): Scalar {
    return this.#f('hypot', f.hypot, other);
  }

  /** The remainder with this value's sign. */
  fmod(other: ScalarLike): Scalar {
    return this.#f('fmod', f.fmod, other);
  }

  /** The remainder with the other's sign. */
  remainder(other: ScalarLike): Scalar {
    return this.#f('remainder', f.remainder, other);
  }

  /** log(e^this + e^other) */
  logaddexp(other: ScalarLike): Scalar {
    return this.#f('logaddexp', f.logaddexp, other);
  }

  /** this · log other, 0 where this is 0 */
  xlogy(other: ScalarLike): Scalar {
    return this.#f('xlogy', f.xlogy, other);
  }

  /** The magnitude of this with the sign of the other. */
  copysign(other: ScalarLike): Scalar {
    return this.#f('copysign', f.copysign, other);
  }

  /** this + weight (end − this) */
  lerp(end: ScalarLike, weight: ScalarLike): Scalar {
    return this.#f('lerp', f.lerp, end, weight);
  }

  /** Within two bounds; the derivative at them is 1. */
  clamp(min: ScalarLike, max: ScalarLike): Scalar {
    return this.#f('clamp', f.clamp, min, max);
  }

  sigmoid(): Scalar {
    return this.#f('sigmoid', f.sigmoid);
  }

  logSigmoid(): Scalar {
    return this.#f('logSigmoid', f.logSigmoid);
  }

  relu(): Scalar {
    return this.#f('relu', f.relu);
  }

  relu6(): Scalar {
    return this.#f('relu6', f.relu6);
  }

  silu(): Scalar {
    return this.#f('silu', f.silu);
  }

  mish(): Scalar {
    return this.#f('mish', f.mish);
  }

  gelu(): Scalar {
    return this.#f('gelu', f.gelu);
  }

  geluTanh(): Scalar {
    return this.#f('geluTanh', f.geluTanh);
  }

  selu(): Scalar {
    return this.#f('selu', f.selu);
  }

  softsign(): Scalar {
    return this.#f('softsign', f.softsign);
  }

  tanhshrink(): Scalar {
    return this.#f('tanhshrink', f.tanhshrink);
  }

  hardsigmoid(): Scalar {
    return this.#f('hardsigmoid', f.hardsigmoid);
  }

  hardswish(): Scalar {
    return this.#f('hardswish', f.hardswish);
  }

  leakyRelu(slope: ScalarLike = 0.01): Scalar {
    return this.#f('leakyRelu', f.leakyRelu, slope);
  }

  elu(alpha: ScalarLike = 1): Scalar {
    return this.#f('elu', f.elu, alpha);
  }

  celu(alpha: ScalarLike = 1): Scalar {
    return this.#f('celu', f.celu, alpha);
  }

  /** log(1 + e^(beta x)) / beta, and x itself where beta x > threshold */
  softplus(beta: ScalarLike = 1, threshold: ScalarLike = 20): Scalar {
    return this.#f('softplus', f.softplus, beta, threshold);
  }

  /** Within two bounds; the derivative at them is 0. */
  hardtanh(min: ScalarLike = -1, max: ScalarLike = 1): Scalar {
    return this.#f('hardtanh', f.hardtanh, min, max);
  }

  /** This where the condition holds, else the other. */
  where(condition: ScalarMask, other: ScalarLike): Scalar {
    if (!(condition instanceof ScalarMask))
      throw new ArgumentError(`elementwise: .where(…) takes a comparison first, got ${described(condition)}`);
    return condition.where(this, other);
  }

  eq(other: ScalarLike): ScalarMask {
    return this.#compare('eq', other);
  }

  ne(other: ScalarLike): ScalarMask {
    return this.#compare('ne', other);
  }

  lt(other: ScalarLike): ScalarMask {
    return this.#compare('lt', other);
  }

  le(other: ScalarLike): ScalarMask {
    return this.#compare('le', other);
  }

  gt(other: ScalarLike): ScalarMask {
    return this.#compare('gt', other);
  }

  ge(other: ScalarLike): ScalarMask {
    return this.#compare('ge', other);
  }

  isnan(): ScalarMask {
    return new ScalarMask(call(f.isnan, this.expr));
  }

  isfinite(): ScalarMask {
    return new ScalarMask(call(f.isfinite, this.expr));
  }

  [Symbol.toPrimitive](): never {
    return noCoercion();
  }

  #f(name: string, entry: ElementwiseFunction, ...others: readonly ScalarLike[]): Scalar {
    return new Scalar(call(entry, this.expr, ...others.map((o) => exprOf(o, name))));
  }

  #compare(op: CompareOp, other: ScalarLike): ScalarMask {
    return new ScalarMask(compare(op, this.expr, exprOf(other, op)));
  }
}
