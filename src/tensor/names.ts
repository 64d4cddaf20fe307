import type { TensorBase } from '../core/tensor.ts';
import * as e from '../ops/elementwise.ts';
import { inPlace, inPlaceOf } from '../ops/inplace.ts';
import { floatPower, ldexp } from '../ops/powers.ts';
import { TensorLogic, write } from './logic.ts';
import { checkOptions } from './options.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { AllOf, Both, Fit, FitAll, FitInto, Operand } from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

type Bound = Operand | null | undefined;
type Alpha = { readonly alpha?: number };
type Rounding = { readonly roundingMode?: 'floor' | 'trunc' | null };

/** The other names that PyTorch has for what works element by element, and what is one call of it. */
export abstract class TensorNames<S extends Shape = Untyped> extends TensorLogic<S> {
  /** The same as `clamp`. */
  clip<T extends Tensor, A extends Bound = undefined, B extends Bound = undefined>(
    this: T,
    min?: FitAll<[T], A>,
    max?: FitAll<[T, A], B>,
  ): Tensor<AllOf<[T, A, B]>> {
    return as(e.clamp(this, (min ?? null) as Operand | null, (max ?? null) as Operand | null));
  }

  clip_(min?: Operand | null, max?: Operand | null): this {
    inPlace(...e.clampCall(this, min ?? null, max ?? null));
    return this;
  }

  /** Elements below `min` replaced by it. */
  clampMin<T extends Tensor, X extends Operand>(this: T, min: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.ops.clampMin.call2(this, min as Operand));
  }

  clampMin_<T extends Tensor, X extends Operand>(this: T, min: FitInto<T, X>): T {
    return write(e.ops.clampMin, this, min as Operand);
  }

  /** Elements above `max` replaced by it. */
  clampMax<T extends Tensor, X extends Operand>(this: T, max: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.ops.clampMax.call2(this, max as Operand));
  }

  clampMax_<T extends Tensor, X extends Operand>(this: T, max: FitInto<T, X>): T {
    return write(e.ops.clampMax, this, max as Operand);
  }

  /** ⌊x / y⌋: the same as `div` with `roundingMode: 'floor'`. */
  floorDivide<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.div(this, y as Operand, 'floor'));
  }

  floorDivide_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(e.ops.floorDivide, this, y as Operand);
  }

  /** xᵃ computed in float64, whatever the dtypes are. */
  floatPower<T extends Tensor, X extends Operand>(this: T, exponent: Fit<T, X>): Tensor<Both<T, X>> {
    return as(floatPower(this, exponent as Operand));
  }

  floatPower_<T extends Tensor, X extends Operand>(this: T, exponent: FitInto<T, X>): T {
    inPlaceOf('floatPower', this, [exponent as Operand], (x) => floatPower(x, exponent as Operand, this));
    return this;
  }

  /** x · 2ʸ */
  ldexp<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(ldexp(this, y as Operand));
  }

  ldexp_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    inPlaceOf('ldexp', this, [y as Operand], (x) => ldexp(x, y as Operand));
    return this;
  }

  /** The same as `mul`. */
  multiply<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.mul(this, x as Operand));
  }

  multiply_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>): T {
    return write(e.ops.mul, this, x as Operand);
  }

  /** The same as `sub`. */
  subtract<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>, options?: Alpha): Tensor<Both<T, X>> {
    checkOptions('subtract', options, ['alpha']);
    return as(e.sub(this, x as Operand, options?.alpha));
  }

  subtract_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>, options?: Alpha): T {
    checkOptions('subtract_', options, ['alpha']);
    const [op, inputs] = e.subCall(this, x as Operand, options?.alpha);
    inPlace(op, inputs);
    return this;
  }

  /** The same as `div`. */
  divide<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>, options?: Rounding): Tensor<Both<T, X>> {
    checkOptions('divide', options, ['roundingMode']);
    return as(e.div(this, x as Operand, options?.roundingMode));
  }

  divide_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>, options?: Rounding): T {
    checkOptions('divide_', options, ['roundingMode']);
    return write(e.divOp(options?.roundingMode), this, x as Operand);
  }

  /** The same as `gt`. */
  greater<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.gt(this, x as Operand));
  }

  /** The same as `ge`. */
  greaterEqual<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.ge(this, x as Operand));
  }

  /** The same as `lt`. */
  less<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.lt(this, x as Operand));
  }

  /** The same as `le`. */
  lessEqual<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.le(this, x as Operand));
  }

  /** The same as `ne`. */
  notEqual<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.ne(this, x as Operand));
  }

  /** The same as `neg`. */
  negative(): Tensor<S> {
    return as(e.neg(this));
  }

  /** The same as `asin`. */
  arcsin(): Tensor<S> {
    return as(e.ops.asin.call1(this));
  }

  /** The same as `acos`. */
  arccos(): Tensor<S> {
    return as(e.ops.acos.call1(this));
  }

  /** The same as `atan`. */
  arctan(): Tensor<S> {
    return as(e.ops.atan.call1(this));
  }

  /** The same as `atan2`. */
  arctan2<T extends Tensor, X extends Operand>(this: T, x: Fit<T, X>): Tensor<Both<T, X>> {
    return as(e.atan2(this, x as Operand));
  }

  /** The same as `asinh`. */
  arcsinh(): Tensor<S> {
    return as(e.ops.asinh.call1(this));
  }

  /** The same as `acosh`. */
  arccosh(): Tensor<S> {
    return as(e.ops.acosh.call1(this));
  }

  /** The same as `atanh`. */
  arctanh(): Tensor<S> {
    return as(e.ops.atanh.call1(this));
  }

  /** The same as `abs`. */
  absolute(): Tensor<S> {
    return as(e.abs(this));
  }
}
