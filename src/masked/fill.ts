import { type DType, isFloat } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { broadcastShapes, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { toDType } from '../ops/copy.ts';
import { where } from '../ops/elementwise.ts';
import { expand } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Which elements take part: truth values that broadcast to the input's shape. All of them by default. */
export interface Masking {
  readonly mask?: Tensor | null;
  /** What the result is converted to; sums, products and scans convert first. */
  readonly dtype?: DType;
}

/** The mask in the shape of the input, null where everything takes part. Options are checked on the way. */
export function maskFor(
  op: string,
  x: TensorBase,
  options: Masking | undefined,
  known: readonly string[] = [],
): TensorBase | null {
  checkTensors(op, x);
  checkOptions(op, options, ['mask', 'dtype', ...known]);
  return maskOver(op, x, options?.mask ?? null);
}

export function maskOver(op: string, x: TensorBase, mask: TensorBase | null): TensorBase | null {
  if (mask === null) return null;
  checkTensors(op, mask);
  if (mask.dtype !== 'bool')
    throw new DTypeError(`${op}: expected mask of dtype bool, got ${mask.dtype}; compare, or convert with mask.bool()`);
  if (!sameShape(broadcastShapes(op, mask.shape, x.shape), x.shape))
    throw new ShapeError(
      `${op}: mask of shape ${shapeText(mask.shape)} must broadcast to the input's shape ${shapeText(x.shape)}`,
    );
  return sameShape(mask.shape, x.shape) ? mask : expand(mask, x.shape);
}

/** The least or greatest number of a dtype: what an extreme of nothing would be. */
export function limitOf(dtype: DType, greatest: boolean): number {
  if (isFloat(dtype)) return greatest ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  const [low, high] = dtype === 'int32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, dtype === 'bool' ? 1 : 255];
  return greatest ? high : low;
}

/** The input with `value` where it takes no part. */
export function fill(x: TensorBase, mask: TensorBase | null, value: number): TensorBase {
  return mask === null ? x : toDType(where(mask, x, value), x.dtype);
}
