import type { DType } from '../core/dtype.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import * as norms from '../ops/linalg/matrix-norms.ts';
import { named } from '../ops/named.ts';
import type { FitMatrix, PerMatrixOf } from '../tensor/matrix-signatures.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

export type { MatrixOrder } from '../ops/linalg/matrix-norms.ts';

export interface NormOptions {
  readonly keepdim?: boolean;
  readonly dtype?: DType;
}

/**
 * (Σ |x|^ord)^(1/ord) over `dim` (all by default); `ord` 0 counts non-zeros, ±∞ gives the largest or
 * smallest magnitude.
 */
export function vectorNorm(
  x: Tensor,
  ord = 2,
  dim?: number | readonly number[],
  options?: { readonly keepdim?: boolean; readonly dtype?: DType },
): Tensor {
  checkTensors('vectorNorm', x);
  return as(named(x.norm(ord, dim, options), 'LinalgVectorNormBackward0'));
}

/**
 * The norm of the matrices along two dimensions (`dim`, the last two by default): `'fro'` √Σ x²,
 * `'nuc'` Σ singular values, ±2 the largest or smallest singular value, ±1 and ±∞ the largest or
 * smallest sum of magnitudes of a column or a row.
 */
export function matrixNorm(
  a: Tensor,
  ord: norms.MatrixOrder = 'fro',
  dim: readonly number[] = [-2, -1],
  options?: NormOptions,
): Tensor {
  checkOptions('matrixNorm', options, ['keepdim', 'dtype']);
  return as(norms.matrixNorm(a, ord, { dim, ...options }));
}

/**
 * `vectorNorm` or `matrixNorm`: of matrices when there are two dimensions, in `dim` or in all, and an
 * order is given. Without an order, √Σ x² over `dim`, or over everything.
 */
export function norm(
  x: Tensor,
  ord?: norms.MatrixOrder | null,
  dim?: number | readonly number[] | null,
  options?: NormOptions,
): Tensor {
  checkOptions('norm', options, ['keepdim', 'dtype']);
  return as(norms.norm(x, ord ?? undefined, dim ?? undefined, options?.keepdim, options?.dtype));
}

/**
 * How much A⁻¹ can magnify an error, ‖A‖ ‖A⁻¹‖ for every matrix of a batch: for `p` 2 (the default) the
 * largest singular value over the smallest, -2 the reverse. Infinite for a singular matrix.
 */
export function cond<T extends Tensor>(a: FitMatrix<'cond', T>, p?: norms.MatrixOrder | null): Tensor<PerMatrixOf<T>> {
  return as(norms.cond(a as Tensor, p ?? undefined));
}
