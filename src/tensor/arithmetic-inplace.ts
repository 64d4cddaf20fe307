import * as e from '../ops/elementwise.ts';
import { inPlace } from '../ops/inplace.ts';
import { TensorArithmetic } from './arithmetic.ts';
import { checkOptions } from './options.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { FitInto, Operand } from './signatures.ts';
import type { Tensor } from './tensor.ts';

/** What works element by element, in place: the same as without the underscore, written over this tensor. */
export abstract class TensorArithmeticInPlace<S extends Shape = Untyped> extends TensorArithmetic<S> {
  add_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>, options?: { readonly alpha?: number }): T {
    checkOptions('add_', options, ['alpha']);
    const [op, inputs] = e.addCall(this, x as Operand, options?.alpha);
    inPlace(op, inputs);
    return this;
  }

  sub_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>, options?: { readonly alpha?: number }): T {
    checkOptions('sub_', options, ['alpha']);
    const [op, inputs] = e.subCall(this, x as Operand, options?.alpha);
    inPlace(op, inputs);
    return this;
  }

  mul_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>): T {
    inPlace(e.ops.mul, [this, x as Operand]);
    return this;
  }

  div_<T extends Tensor, X extends Operand>(
    this: T,
    x: FitInto<T, X>,
    options?: { readonly roundingMode?: 'floor' | 'trunc' | null },
  ): T {
    checkOptions('div_', options, ['roundingMode']);
    inPlace(e.divOp(options?.roundingMode), [this, x as Operand]);
    return this;
  }

  pow_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>): T {
    inPlace(...e.powCall(this, x as Operand));
    return this;
  }

  neg_(): this {
    inPlace(e.ops.neg, [this]);
    return this;
  }

  abs_(): this {
    inPlace(e.ops.abs, [this]);
    return this;
  }

  exp_(): this {
    inPlace(e.ops.exp, [this]);
    return this;
  }

  expm1_(): this {
    inPlace(e.ops.expm1, [this]);
    return this;
  }

  log_(): this {
    inPlace(e.ops.log, [this]);
    return this;
  }

  log1p_(): this {
    inPlace(e.ops.log1p, [this]);
    return this;
  }

  sqrt_(): this {
    inPlace(e.ops.sqrt, [this]);
    return this;
  }

  rsqrt_(): this {
    inPlace(e.ops.rsqrt, [this]);
    return this;
  }

  square_(): this {
    inPlace(e.ops.square, [this]);
    return this;
  }

  reciprocal_(): this {
    inPlace(e.ops.reciprocal, [this]);
    return this;
  }

  sin_(): this {
    inPlace(e.ops.sin, [this]);
    return this;
  }

  cos_(): this {
    inPlace(e.ops.cos, [this]);
    return this;
  }

  tan_(): this {
    inPlace(e.ops.tan, [this]);
    return this;
  }

  asin_(): this {
    inPlace(e.ops.asin, [this]);
    return this;
  }

  acos_(): this {
    inPlace(e.ops.acos, [this]);
    return this;
  }

  atan_(): this {
    inPlace(e.ops.atan, [this]);
    return this;
  }

  sinh_(): this {
    inPlace(e.ops.sinh, [this]);
    return this;
  }

  cosh_(): this {
    inPlace(e.ops.cosh, [this]);
    return this;
  }

  tanh_(): this {
    inPlace(e.ops.tanh, [this]);
    return this;
  }

  sigmoid_(): this {
    inPlace(e.ops.sigmoid, [this]);
    return this;
  }

  relu_(): this {
    inPlace(e.ops.relu, [this]);
    return this;
  }

  erf_(): this {
    inPlace(e.ops.erf, [this]);
    return this;
  }

  floor_(): this {
    inPlace(e.ops.floor, [this]);
    return this;
  }

  ceil_(): this {
    inPlace(e.ops.ceil, [this]);
    return this;
  }

  round_(options?: { readonly decimals?: number }): this {
    checkOptions('round_', options, ['decimals']);
    inPlace(...e.roundCall(this, options?.decimals ?? 0));
    return this;
  }

  trunc_(): this {
    inPlace(e.ops.trunc, [this]);
    return this;
  }

  sign_(): this {
    inPlace(e.ops.sign, [this]);
    return this;
  }

  sgn_(): this {
    inPlace(e.ops.sgn, [this]);
    return this;
  }

  exp2_(): this {
    inPlace(e.ops.exp2, [this]);
    return this;
  }

  log2_(): this {
    inPlace(e.ops.log2, [this]);
    return this;
  }

  log10_(): this {
    inPlace(e.ops.log10, [this]);
    return this;
  }

  asinh_(): this {
    inPlace(e.ops.asinh, [this]);
    return this;
  }

  acosh_(): this {
    inPlace(e.ops.acosh, [this]);
    return this;
  }

  atanh_(): this {
    inPlace(e.ops.atanh, [this]);
    return this;
  }

  erfc_(): this {
    inPlace(e.ops.erfc, [this]);
    return this;
  }

  frac_(): this {
    inPlace(e.ops.frac, [this]);
    return this;
  }

  remainder_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>): T {
    inPlace(e.ops.remainder, [this, x as Operand]);
    return this;
  }

  fmod_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>): T {
    inPlace(e.ops.fmod, [this, x as Operand]);
    return this;
  }

  atan2_<T extends Tensor, X extends Operand>(this: T, x: FitInto<T, X>): T {
    inPlace(e.ops.atan2, [this, x as Operand]);
    return this;
  }

  clamp_(min?: Operand | null, max?: Operand | null): this {
    const [op, inputs] = e.clampCall(this, min ?? null, max ?? null);
    inPlace(op, inputs);
    return this;
  }
}
