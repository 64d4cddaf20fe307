import type { TensorBase } from '../core/tensor.ts';
import { bits, notOp } from '../ops/bits.ts';
import { ops } from '../ops/elementwise.ts';
import type { ElementwiseOp } from '../ops/elementwise-op.ts';
import { inPlace } from '../ops/inplace.ts';
import { TensorArithmeticInPlace } from './arithmetic-inplace.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { Both, Fit, FitInto, Operand } from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** Writes what the operation gives over its first operand. */
export function write<T extends TensorBase>(op: ElementwiseOp, x: T, ...others: readonly Operand[]): T {
  inPlace(op, [x, ...others]);
  return x;
}

/** Bits and divisors of whole numbers; and truth values that are written over a tensor, 1 and 0 where it holds numbers. */
export abstract class TensorLogic<S extends Shape = Untyped> extends TensorArithmeticInPlace<S> {
  /** Bits that are set in both; of truth values whether both hold. Whole numbers and truth values only. */
  bitwiseAnd<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(bits.and.call2(this, y as Operand));
  }

  bitwiseAnd_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(bits.and, this, y as Operand);
  }

  /** Bits that are set in either; of truth values whether either holds. Whole numbers and truth values only. */
  bitwiseOr<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(bits.or.call2(this, y as Operand));
  }

  bitwiseOr_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(bits.or, this, y as Operand);
  }

  /** Bits that are set in exactly one; of truth values whether they differ. Whole numbers and truth values only. */
  bitwiseXor<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(bits.xor.call2(this, y as Operand));
  }

  bitwiseXor_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(bits.xor, this, y as Operand);
  }

  /** Every bit the other way: −x − 1; of truth values the contrary. */
  bitwiseNot(): Tensor<S> {
    return as(notOp(this).call1(this));
  }

  bitwiseNot_(): this {
    return write(notOp(this), this);
  }

  /** x · 2ʸ for whole numbers: bits moved up by y places; 0 where y is negative or as large as there are bits. */
  bitwiseLeftShift<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(bits.leftShift.call2(this, y as Operand));
  }

  bitwiseLeftShift_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(bits.leftShift, this, y as Operand);
  }

  /** ⌊x / 2ʸ⌋ for whole numbers: bits moved down by y places; where y is negative or as large as there are bits only the sign is left, 0 or −1. */
  bitwiseRightShift<T extends Tensor, X extends Operand>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(bits.rightShift.call2(this, y as Operand));
  }

  bitwiseRightShift_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(bits.rightShift, this, y as Operand);
  }

  /** The greatest common divisor of whole numbers, which is not negative; of 0 and y it is |y|. */
  gcd<T extends Tensor, X extends Tensor>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(bits.gcd.call2(this, y as Tensor));
  }

  gcd_<T extends Tensor, X extends Tensor>(this: T, y: FitInto<T, X>): T {
    return write(bits.gcd, this, y as Tensor);
  }

  /** The least common multiple of whole numbers, which is not negative; 0 where one of them is. */
  lcm<T extends Tensor, X extends Tensor>(this: T, y: Fit<T, X>): Tensor<Both<T, X>> {
    return as(bits.lcm.call2(this, y as Tensor));
  }

  lcm_<T extends Tensor, X extends Tensor>(this: T, y: FitInto<T, X>): T {
    return write(bits.lcm, this, y as Tensor);
  }

  eq_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.eq, this, y as Operand);
  }

  ne_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.ne, this, y as Operand);
  }

  lt_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.lt, this, y as Operand);
  }

  le_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.le, this, y as Operand);
  }

  gt_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.gt, this, y as Operand);
  }

  ge_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.ge, this, y as Operand);
  }

  logicalAnd_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.logicalAnd, this, y as Operand);
  }

  logicalOr_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.logicalOr, this, y as Operand);
  }

  logicalXor_<T extends Tensor, X extends Operand>(this: T, y: FitInto<T, X>): T {
    return write(ops.logicalXor, this, y as Operand);
  }

  logicalNot_(): this {
    return write(ops.logicalNot, this);
  }
}
