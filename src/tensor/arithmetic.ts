import type { TensorBase } from '../core/tensor.ts';
import * as e from '../ops/elementwise.ts';
import { checkOptions } from './options.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { AllOf, Both, Fit, FitAll, Operand } from './signatures.ts';
import type { Tensor } from './tensor.ts';
import { TensorValues } from './values.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** A bound of `clamp`; null and undefined mean none. */
type Bound = Operand | null | undefined;

/** Everything that works element by element. */
export abstract class TensorArithmetic<S extends Shape = Untyped> extends TensorValues<S> {
  /** x + alpha · y */
  add<T extends Tensor, X extends Operand>(
    this: T,
    x: Fit<T, X>,
    options?: { readonly alpha?: number },
  ): Tensor<Both<T, X>> {
    checkOptions('add', options, ['alpha']);
    return as(e.add(this, x as Operand, options?.alpha));
  }

  /** x − alpha · y */
  sub<T extends Tensor, X extends Operand>(
    this: T,
    x: Fit<T, X>,
    options?: { readonly alpha?: number },
  ): Tensor<Both<T, X>> {
    checkOptions('sub', options, ['alpha']);
    return as(e.sub(this, x as Operand, options?.alpha));
  }

  /** x y, element by element */
  mul<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.mul(this, x as Operand));
  }

  /** x / y; with `roundingMode` rounded down ('floor') or toward zero ('trunc'). Integers divide into float32 unless rounded. */
  div<T extends Tensor, X extends Operand>(
    this: T,
    x: Fit<T, X>,
    options?: { readonly roundingMode?: 'floor' | 'trunc' | null },
  ): Tensor<Both<T, X>> {
    checkOptions('div', options, ['roundingMode']);
    return as(e.div(this, x as Operand, options?.roundingMode));
  }

  /** xᵃ, element by element; ∂x⁰ is 0 and x⁰ is 1, also at 0. */
  pow<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.pow(this, x as Operand));
  }

  /** The larger of two; NaN wins; at ties both get half of the gradient. */
  maximum<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.maximum(this, x as Operand));
  }

  /** The smaller of two; NaN wins; at ties both get half of the gradient. */
  minimum<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.minimum(this, x as Operand));
  }

  /** The remainder with the sign of the divisor (Python’s %). */
  remainder<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.remainder(this, x as Operand));
  }

  /** The remainder with the sign of the dividend (C’s fmod). */
  fmod<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.fmod(this, x as Operand));
  }

  /** The angle of the point (x, this) in (−π, π]. */
  atan2<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.atan2(this, x as Operand));
  }

  /** Whether elements are equal. */
  eq<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.eq(this, x as Operand));
  }

  /** Whether elements differ. */
  ne<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.ne(this, x as Operand));
  }

  /** Whether elements are less. */
  lt<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.lt(this, x as Operand));
  }

  /** Whether elements are less or equal. */
  le<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.le(this, x as Operand));
  }

  /** Whether elements are greater. */
  gt<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.gt(this, x as Operand));
  }

  /** Whether elements are greater or equal. */
  ge<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.ge(this, x as Operand));
  }

  /** Whether both are not zero. */
  logicalAnd<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.logicalAnd(this, x as Operand));
  }

  /** Whether either is not zero. */
  logicalOr<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.logicalOr(this, x as Operand));
  }

  /** Whether exactly one is not zero. */
  logicalXor<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.logicalXor(this, x as Operand));
  }

  /** −x */
  neg(): Tensor<S> {
    return as(e.neg(this));
  }

  /** |x|; the derivative at 0 is 0. */
  abs(): Tensor<S> {
    return as(e.abs(this));
  }

  /** −1, 0 or 1. */
  sign(): Tensor<S> {
    return as(e.sign(this));
  }

  /** The same as `sign` for real numbers. */
  sgn(): Tensor<S> {
    return as(e.sgn(this));
  }

  /** eˣ */
  exp(): Tensor<S> {
    return as(e.exp(this));
  }

  /** eˣ − 1, accurate near 0. */
  expm1(): Tensor<S> {
    return as(e.expm1(this));
  }

  /** 2ˣ */
  exp2(): Tensor<S> {
    return as(e.exp2(this));
  }

  /** Natural logarithm. */
  log(): Tensor<S> {
    return as(e.log(this));
  }

  /** log(1 + x), accurate near 0. */
  log1p(): Tensor<S> {
    return as(e.log1p(this));
  }

  /** Logarithm to base 2. */
  log2(): Tensor<S> {
    return as(e.log2(this));
  }

  /** Logarithm to base 10. */
  log10(): Tensor<S> {
    return as(e.log10(this));
  }

  /** √x */
  sqrt(): Tensor<S> {
    return as(e.sqrt(this));
  }

  /** 1/√x */
  rsqrt(): Tensor<S> {
    return as(e.rsqrt(this));
  }

  /** x² */
  square(): Tensor<S> {
    return as(e.square(this));
  }

  /** 1/x */
  reciprocal(): Tensor<S> {
    return as(e.reciprocal(this));
  }

  /** Sine (radians). */
  sin(): Tensor<S> {
    return as(e.sin(this));
  }

  /** Cosine (radians). */
  cos(): Tensor<S> {
    return as(e.cos(this));
  }

  /** Tangent (radians). */
  tan(): Tensor<S> {
    return as(e.tan(this));
  }

  /** Inverse sine, in [−π/2, π/2]. */
  asin(): Tensor<S> {
    return as(e.asin(this));
  }

  /** Inverse cosine, in [0, π]. */
  acos(): Tensor<S> {
    return as(e.acos(this));
  }

  /** Inverse tangent, in (−π/2, π/2). */
  atan(): Tensor<S> {
    return as(e.atan(this));
  }

  /** Hyperbolic sine. */
  sinh(): Tensor<S> {
    return as(e.sinh(this));
  }

  /** Hyperbolic cosine. */
  cosh(): Tensor<S> {
    return as(e.cosh(this));
  }

  /** Hyperbolic tangent. */
  tanh(): Tensor<S> {
    return as(e.tanh(this));
  }

  /** Inverse hyperbolic sine. */
  asinh(): Tensor<S> {
    return as(e.asinh(this));
  }

  /** Inverse hyperbolic cosine. */
  acosh(): Tensor<S> {
    return as(e.acosh(this));
  }

  /** Inverse hyperbolic tangent. */
  atanh(): Tensor<S> {
    return as(e.atanh(this));
  }

  /** 1/(1 + e⁻ˣ) */
  sigmoid(): Tensor<S> {
    return as(e.sigmoid(this));
  }

  /** max(x, 0); the derivative at 0 is 0. */
  relu(): Tensor<S> {
    return as(e.relu(this));
  }

  /** The error function 2/√π ∫₀ˣ e^(−t²) dt. */
  erf(): Tensor<S> {
    return as(e.erf(this));
  }

  /** 1 − erf x, accurate for large x. */
  erfc(): Tensor<S> {
    return as(e.erfc(this));
  }

  /** The largest whole number not above x. */
  floor(): Tensor<S> {
    return as(e.floor(this));
  }

  /** The smallest whole number not below x. */
  ceil(): Tensor<S> {
    return as(e.ceil(this));
  }

  /**
   * The nearest whole number, ties to even; of floats the nearest number of so many `decimals`, round(x · 10ᵈ) / 10ᵈ
   * computed in the dtype of x. Negative ones are places before the point. The gradient is 0.
   */
  round(options?: { readonly decimals?: number }): Tensor<S> {
    checkOptions('round', options, ['decimals']);
    return as(e.round(this, options?.decimals));
  }

  /** x without its fraction. */
  trunc(): Tensor<S> {
    return as(e.trunc(this));
  }

  /** The fraction of x, with its sign. */
  frac(): Tensor<S> {
    return as(e.frac(this));
  }

  /** Whether elements are NaN. */
  isnan(): Tensor<S> {
    return as(e.isnan(this));
  }

  /** Whether elements are ±∞. */
  isinf(): Tensor<S> {
    return as(e.isinf(this));
  }

  /** Whether elements are finite. */
  isfinite(): Tensor<S> {
    return as(e.isfinite(this));
  }

  /** Whether elements are zero. */
  logicalNot(): Tensor<S> {
    return as(e.logicalNot(this));
  }

  /** Elements below `min` or above `max` replaced by these; either may be left out (null). Between them, and at them, the derivative is 1. */
  clamp<T extends Tensor, A extends Bound = undefined, B extends Bound = undefined>(
    this: T,
    min?: FitAll<[T], A>,
    max?: FitAll<[T, A], B>,
  ): Tensor<AllOf<[T, A, B]>> {
    return as(e.clamp(this, (min ?? null) as Operand | null, (max ?? null) as Operand | null));
  }

  /** `this` where `condition` holds, `other` elsewhere. */
  where<T extends Tensor, C extends Tensor, X extends Operand>(
    this: T,
    condition: FitAll<[T], C>,
    other: FitAll<[T, C], X>,
  ): Tensor<AllOf<[T, C, X]>> {
    return as(e.where(condition as Tensor, this, other as Operand));
  }
}
