import { isFloat } from '../core/dtype.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { bessel } from '../ops/bessel.ts';
import * as close from '../ops/closeness.ts';
import { ops } from '../ops/elementwise.ts';
import { mvlgamma, polygammaOp } from '../ops/gamma.ts';
import { inPlace, inPlaceOf } from '../ops/inplace.ts';
import { write } from './logic.ts';
import { TensorNames } from './names.ts';
import { checkOptions } from './options.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { AllOf, Both, Fit, FitAll, FitInto, Operand } from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** What replaces NaN, ∞ and −∞; the largest and smallest finite numbers of the dtype for the infinities by default. */
export interface Replacements {
  readonly nan?: number;
  readonly posinf?: number;
  readonly neginf?: number;
}

interface Valued {
  /** A factor of the product or quotient. */
  readonly value?: number;
}

const TOLERANCES = ['rtol', 'atol', 'equalNan'] as const;

/** The operation of `logit` and its inputs: with `eps`, numbers are first moved into [ε, 1 − ε]. */
function logitOf(x: TensorBase, eps: number | null | undefined): TensorBase {
  const within = eps === null || eps === undefined ? x : ops.clamp.call(x, eps, 1 - eps);
  return ops.logit.call1(within);
}

function replacements(op: string, x: TensorBase, options: Replacements | undefined): [number, number, number] {
  checkOptions(op, options, ['nan', 'posinf', 'neginf']);
  const largest = x.dtype === 'float32' ? 3.4028234663852886e38 : Number.MAX_VALUE;
  return [options?.nan ?? 0, options?.posinf ?? largest, options?.neginf ?? -largest];
}

function valueOption(op: string, options: Valued | undefined): number {
  checkOptions(op, options, ['value']);
  return options?.value ?? 1;
}

/** The same beside tensors whose dtype it does not change: where all are integers its fraction is cut. */
function factorOption(op: string, options: Valued | undefined, tensors: readonly TensorBase[]): number {
  const value = valueOption(op, options);
  checkTensors(op, ...tensors);
  return tensors.some((t) => isFloat(t.dtype)) ? value : Math.trunc(value);
}

/** Less common functions of every element. */
export abstract class TensorSpecial<S extends Shape = Untyped> extends TensorNames<S> {
  /** Whether elements are ∞. */
  isposinf(): Tensor<S> {
    return as(ops.isposinf.call1(this));
  }

  /** Whether elements are −∞. */
  isneginf(): Tensor<S> {
    return as(ops.isneginf.call1(this));
  }

  /** Whether the sign bit is set, as it is of −0. */
  signbit(): Tensor<S> {
    return as(this.dtype === 'float32' || this.dtype === 'float64' ? ops.signbit.call1(this) : ops.lt.call2(this, 0));
  }

  /** log(x / (1 − x)); with `eps`, x is first moved into [ε, 1 − ε]. */
  logit(eps?: number | null): Tensor<S> {
    return as(logitOf(this, eps));
  }

  logit_(eps?: number | null): this {
    if (eps === null || eps === undefined) inPlace(ops.logit, [this]);
    else inPlaceOf('logit', this, [], (x) => logitOf(x, eps));
    return this;
  }

  /** log |Γ(x)|; ∞ at 0 and the negative whole numbers. The derivative is `digamma`. */
  lgamma(): Tensor<S> {
    return as(ops.lgamma.call1(this));
  }

  lgamma_(): this {
    return write(ops.lgamma, this);
  }

  /** ψ(x), the derivative of log Γ(x): ∓∞ at ±0 and NaN at the negative whole numbers. */
  digamma(): Tensor<S> {
    return as(ops.digamma.call1(this));
  }

  digamma_(): this {
    return write(ops.digamma, this);
  }

  /**
   * The n-th derivative of `digamma`, for whole n from 0 to 128; of one at a negative x that is not near a whole
   * number, float32 loses digits where two terms nearly cancel. (PyTorch's is `polygamma(n, x)`.)
   *
   * @throws {ArgumentError} when n is negative or no whole number.
   */
  polygamma(n: number): Tensor<S> {
    return as(polygammaOp(n).call1(this));
  }

  polygamma_(n: number): this {
    return write(polygammaOp(n), this);
  }

  /** The multivariate log Γₚ(x) = Σ log Γ(x − j/2) + p (p − 1)/4 log π, over j < p. */
  mvlgamma(p: number): Tensor<S> {
    return as(mvlgamma(this, p));
  }

  mvlgamma_(p: number): this {
    inPlaceOf('mvlgamma', this, [], (x) => mvlgamma(x, p));
    return this;
  }

  /** The inverse of `erf`: ±∞ at ±1, NaN beyond. */
  erfinv(): Tensor<S> {
    return as(ops.erfinv.call1(this));
  }

  erfinv_(): this {
    return write(ops.erfinv, this);
  }

  /** sin πx / πx, which is 1 at 0. */
  sinc(): Tensor<S> {
    return as(ops.sinc.call1(this));
  }

  sinc_(): this {
    return write(ops.sinc, this);
  }

  /** −x log x, which is 0 at 0 and −∞ below: the terms of an entropy. */
  entr(): Tensor<S> {
    return as(ops.entr.call1(this));
  }

  /** The normal distribution Φ(x) = ½ (1 + erf(x / √2)), accurate also far below 0. */
  ndtr(): Tensor<S> {
    return as(ops.ndtr.call1(this));
  }

  /** The inverse of `ndtr`: ∓∞ at 0 and 1, NaN outside. */
  ndtri(): Tensor<S> {
    return as(ops.ndtri.call1(this));
  }

  /** Degrees to radians: π/180 x. */
  deg2rad(): Tensor<S> {
    return as(ops.deg2rad.call1(this));
  }

  deg2rad_(): this {
    return write(ops.deg2rad, this);
  }

  /** Radians to degrees: 180/π x. */
  rad2deg(): Tensor<S> {
    return as(ops.rad2deg.call1(this));
  }

  rad2deg_(): this {
    return write(ops.rad2deg, this);
  }

  /**
   * Whether elements are equal or |x − y| ≤ atol + rtol |y|, for tensors of one dtype; a NaN is equal to nothing unless
   * `equalNan`.
   *
   * @throws {DTypeError} when the dtypes differ.
   */
  isclose<T extends Tensor, X extends Tensor>(this: T, y: Fit<T, X>, options?: close.Tolerances): Tensor<Both<T, X>> {
    checkOptions('isclose', options, TOLERANCES);
    return as(close.isclose('isclose', this, y as Tensor, options));
  }

  /** Whether all elements are close, as `isclose` says; the shapes are broadcast. */
  allclose<T extends Tensor, X extends Tensor>(this: T, y: Fit<T, X>, options?: close.Tolerances): boolean {
    checkOptions('allclose', options, TOLERANCES);
    return as(close.allclose(this, y as Tensor, options)).item() !== 0;
  }

  /** Whether `y` has the same shape and elements. */
  equal(y: Tensor): boolean {
    const same = close.equal(this, y);
    return same !== null && as(same).item() !== 0;
  }

  /** x with finite numbers in the place of NaN, ∞ and −∞. */
  nanToNum(options?: Replacements): Tensor<S> {
    return as(ops.nanToNum.call(this, ...replacements('nanToNum', this, options)));
  }

  nanToNum_(options?: Replacements): this {
    inPlace(ops.nanToNum, [this, ...replacements('nanToNum_', this, options)]);
    return this;
  }

  /** x log y, which is 0 where x is 0 (unless y is NaN). */
  xlogy<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(ops.xlogy.call2(this, y as Operand));
  }

  xlogy_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.xlogy, this, y as Operand);
  }

  /** The modified Bessel function I₀(x); its derivative is I₁. */
  i0(): Tensor<S> {
    return as(bessel.i0.call1(this));
  }

  i0_(): this {
    return write(bessel.i0, this);
  }

  /** I₀(x) times e^−|x|, which does not overflow. */
  i0e(): Tensor<S> {
    return as(bessel.i0e.call1(this));
  }

  /** The modified Bessel function I₁(x). */
  i1(): Tensor<S> {
    return as(bessel.i1.call1(this));
  }

  /** I₁(x) times e^−|x|, which does not overflow. */
  i1e(): Tensor<S> {
    return as(bessel.i1e.call1(this));
  }

  /** e^(x²) erfc x: the tail of the normal distribution, where `erfc` itself is 0 already. */
  erfcx(): Tensor<S> {
    return as(bessel.erfcx.call1(this));
  }

  /** log Φ(x) of the normal distribution Φ, accurate also where Φ(x) is 0 or 1 in floating point. */
  logNdtr(): Tensor<S> {
    return as(bessel.logNdtr.call1(this));
  }

  /** x log(1 + y), which is 0 where x is 0 (unless y is NaN). */
  xlog1py<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(bessel.xlog1py.call2(this, y as Operand));
  }

  /** √(x² + y²), without overflow on the way. */
  hypot<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(ops.hypot.call2(this, y as Operand));
  }

  hypot_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.hypot, this, y as Operand);
  }

  /** log(eˣ + eʸ), without overflow. */
  logaddexp<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(ops.logaddexp.call2(this, y as Operand));
  }

  /** log₂(2ˣ + 2ʸ), without overflow. */
  logaddexp2<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(ops.logaddexp2.call2(this, y as Operand));
  }

  /** |x| with the sign of y. */
  copysign<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(ops.copysign.call2(this, y as Operand));
  }

  copysign_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.copysign, this, y as Operand);
  }

  /** The larger of two; a NaN gives way to a number. */
  fmax<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(ops.fmax.call2(this, y as Operand));
  }

  /** The smaller of two; a NaN gives way to a number. */
  fmin<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(ops.fmin.call2(this, y as Operand));
  }

  /** 0 where x < 0, 1 where x > 0, and y where x is 0. */
  heaviside<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(ops.heaviside.call2(this, y as Operand));
  }

  heaviside_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.heaviside, this, y as Operand);
  }

  /** x + w (end − x): x where the weight w is 0, `end` where it is 1. */
  lerp<T extends Tensor, E extends Tensor, W extends Operand>(
    this: T,
    end: FitAll<[T], E>,
    weight: FitAll<[T, E], W>,
  ): Tensor<AllOf<[T, E, W]>> {
    return as(ops.lerp.call(this, end as Tensor, weight as Operand));
  }

  lerp_<T extends Tensor>(this: T, end: Tensor, weight: Operand): T {
    return write(ops.lerp, this, end, weight);
  }

  /** x + value · a b */
  addcmul<T extends Tensor, A extends Tensor, B extends Tensor>(
    this: T,
    a: FitAll<[T], A>,
    b: FitAll<[T, A], B>,
    options?: Valued,
  ): Tensor<AllOf<[T, A, B]>> {
    return as(
      ops.addcmul.call(
        this,
        a as Tensor,
        b as Tensor,
        factorOption('addcmul', options, [this, a as Tensor, b as Tensor]),
      ),
    );
  }

  addcmul_<T extends Tensor>(this: T, a: Tensor, b: Tensor, options?: Valued): T {
    return write(ops.addcmul, this, a, b, factorOption('addcmul_', options, [this, a, b]));
  }

  /** x + value · a / b */
  addcdiv<T extends Tensor, A extends Tensor, B extends Tensor>(
    this: T,
    a: FitAll<[T], A>,
    b: FitAll<[T, A], B>,
    options?: Valued,
  ): Tensor<AllOf<[T, A, B]>> {
    return as(ops.addcdiv.call(this, a as Tensor, b as Tensor, valueOption('addcdiv', options)));
  }

  addcdiv_<T extends Tensor>(this: T, a: Tensor, b: Tensor, options?: Valued): T {
    return write(ops.addcdiv, this, a, b, valueOption('addcdiv_', options));
  }
}
