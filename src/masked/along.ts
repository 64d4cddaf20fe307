import type { DType } from '../core/dtype.ts';
import { within } from '../core/naming.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { toDType } from '../ops/copy.ts';
import { div, maximum, neg, ops } from '../ops/elementwise.ts';
import { norm } from '../ops/norm.ts';
import * as scans from '../ops/scans.ts';
import * as soft from '../ops/softmax.ts';
import { checkOptions } from '../tensor/options.ts';
import type { AllOf, Fit, FitDim, ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { fill, limitOf, type Masking, maskFor, maskOver } from './fill.ts';

/** Running totals of integers stay in their dtype, unlike those without a mask. */
const dtypeOf = ({ dtype }: TensorBase): DType | undefined => (dtype === 'bool' ? undefined : dtype);

/** Running sums of what takes part along `dim`. */
export function cumsum<T extends Tensor, D extends number>(
  x: T,
  dim: FitDim<T, D>,
  options?: Masking,
): Tensor<ShapeOf<T>> {
  const mask = maskFor('cumsum', x, options);
  return scans.cumsum(fill(x, mask, 0), dim as number, options?.dtype ?? dtypeOf(x)) as Tensor;
}

/** Running products of what takes part along `dim`. */
export function cumprod<T extends Tensor, D extends number>(
  x: T,
  dim: FitDim<T, D>,
  options?: Masking,
): Tensor<ShapeOf<T>> {
  const mask = maskFor('cumprod', x, options);
  return scans.cumprod(fill(x, mask, 1), dim as number, options?.dtype ?? dtypeOf(x)) as Tensor;
}

/** eˣ / Σ eˣ of what takes part along `dim`; the rest gets nothing. */
export function softmax<T extends Tensor, D extends number>(
  x: T,
  dim: FitDim<T, D>,
  options?: Masking,
): Tensor<ShapeOf<T>> {
  const mask = maskFor('softmax', x, options);
  return soft.softmax(fill(x, mask, limitOf(x.dtype, false)), dim as number, options?.dtype) as Tensor;
}

/** x − log Σ eˣ of what takes part along `dim`; the rest gets −∞. */
export function logSoftmax<T extends Tensor, D extends number>(
  x: T,
  dim: FitDim<T, D>,
  options?: Masking,
): Tensor<ShapeOf<T>> {
  const mask = maskFor('logSoftmax', x, options);
  return soft.logSoftmax(fill(x, mask, limitOf(x.dtype, false)), dim as number, options?.dtype) as Tensor;
}

/** The softmax of −x of what takes part along `dim`; the rest gets nothing. */
export function softmin<T extends Tensor, D extends number>(
  x: T,
  dim: FitDim<T, D>,
  options?: Masking,
): Tensor<ShapeOf<T>> {
  const mask = maskFor('softmin', x, options);
  return within('softmin', () =>
    soft.softmax(neg(fill(x, mask, limitOf(x.dtype, true))), dim as number, options?.dtype),
  ) as Tensor;
}

/** x over the p-norm along `dim`, or over `eps` where that is larger; what takes no part becomes 0. */
export function normalize<T extends Tensor, D extends number>(
  x: T,
  p: number,
  dim: FitDim<T, D>,
  options?: Masking & { readonly eps?: number },
): Tensor<ShapeOf<T>> {
  const mask = maskFor('normalize', x, options, ['eps']);
  const nothing = p === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : 0;
  const length = within('normalize', () => norm(fill(x, mask, nothing), p, dim as number, true, options?.dtype));
  return div(fill(x, mask, 0), maximum(length, options?.eps ?? 1e-12)) as Tensor;
}

/** log(eˣ + eʸ) of what takes part; of two that do not, −∞. */
export function logaddexp<X extends Tensor, Y extends Tensor>(
  x: X,
  y: Fit<X, Y>,
  options?: { readonly inputMask?: Tensor | null; readonly otherMask?: Tensor | null } & Pick<Masking, 'dtype'>,
): Tensor<AllOf<[X, Y]>> {
  const other: TensorBase = y as Tensor;
  checkTensors('logaddexp', x, other);
  checkOptions('logaddexp', options, ['inputMask', 'otherMask', 'dtype']);
  const filled = (t: TensorBase, mask: TensorBase | null): TensorBase =>
    fill(t, maskOver('logaddexp', t, mask), limitOf(t.dtype, false));
  const sum = ops.logaddexp.call2(filled(x, options?.inputMask ?? null), filled(other, options?.otherMask ?? null));
  return toDType(sum, options?.dtype ?? sum.dtype) as Tensor;
}
