import type { TensorBase } from '../core/tensor.ts';
import * as determinants from '../ops/linalg/determinants.ts';
import * as exponential from '../ops/linalg/matrix-exp.ts';
import * as pseudo from '../ops/linalg/pseudoinverse.ts';
import * as systems from '../ops/linalg/tensor-systems.ts';
import { diagonal as diagonalOf } from '../ops/paths.ts';
import type { FitMatrix, FitSquare, PerMatrixOf, PerSquareOf, PinvOf } from '../tensor/matrix-signatures.ts';
import { checkOptions } from '../tensor/options.ts';
import type { ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** The diagonal of the matrices along `dim1` and `dim2` (the last two), as the last dimension; `offset` counts upward from the main one. */
export function diagonal(
  a: Tensor,
  options?: { readonly offset?: number; readonly dim1?: number; readonly dim2?: number },
): Tensor {
  checkOptions('diagonal', options, ['offset', 'dim1', 'dim2']);
  const { offset = 0, dim1 = -2, dim2 = -1 } = options ?? {};
  return as(diagonalOf(a, offset, dim1, dim2));
}

/** The determinant of every matrix of a batch [..., n, n]. Its gradient, the cofactors, exists for singular ones too. */
export function det<T extends Tensor>(a: FitSquare<'det', T>): Tensor<PerSquareOf<T>> {
  return as(determinants.det(a as Tensor));
}

/** The sign of the determinant (0 if singular) and log |det A| (−∞) for every matrix of a batch [..., n, n]. */
export function slogdet<T extends Tensor>(
  a: FitSquare<'slogdet', T>,
): { readonly sign: Tensor<PerSquareOf<T>>; readonly logabsdet: Tensor<PerSquareOf<T>> } {
  const [sign, logabsdet] = determinants.slogdet(a as Tensor);
  return { sign: as(sign), logabsdet: as(logabsdet) };
}

/** e^A = Σ Aᵏ / k! for every matrix of a batch [..., n, n]. */
export function matrixExp<T extends Tensor>(a: FitSquare<'matrixExp', T>): Tensor<ShapeOf<T>> {
  return as(exponential.matrixExp(a as Tensor));
}

const TOLERANCES = ['atol', 'rtol', 'hermitian'] as const;

/**
 * What counts as zero: singular values up to `atol`, or up to `rtol` times the largest (by default the
 * machine's precision times the larger size; 0 if `atol` is given). Numbers, or tensors with one for
 * each matrix. `hermitian` says that the matrices are symmetric.
 */
export interface Tolerances {
  readonly atol?: Tensor | number;
  readonly rtol?: Tensor | number;
  readonly hermitian?: boolean;
}

/** The pseudoinverse [..., n, m] of every matrix of a batch [..., m, n]. */
export function pinv<T extends Tensor>(a: FitMatrix<'pinv', T>, options?: Tolerances): Tensor<PinvOf<T>> {
  checkOptions('pinv', options, TOLERANCES);
  return as(pseudo.pinv(a as Tensor, options)) as Tensor<PinvOf<T>>;
}

/** How many singular values of every matrix of a batch [..., m, n] count (int32). */
export function matrixRank<T extends Tensor>(
  a: FitMatrix<'matrixRank', T>,
  options?: Tolerances,
): Tensor<PerMatrixOf<T>> {
  checkOptions('matrixRank', options, TOLERANCES);
  return as(pseudo.matrixRank(a as Tensor, options));
}

/**
 * The X that makes ‖A X − B‖ smallest, of several the shortest, for A [..., m, n] and B [..., m, k] (or
 * vectors [..., m]).
 *
 * `driver` `gels` takes full rank for granted; `gelsy` (the default), `gelsd` and `gelss` go by singular
 * values, of which those up to `rcond` times the largest count as zero. `residuals` [..., k] are the
 * sums of squares left over, for m > n and full rank, not with `gelsy`; `rank` is not with `gels`, and
 * `singularValues` are with `gelsd` and `gelss`. What there is not is an empty tensor.
 */
export function lstsq(
  a: Tensor,
  b: Tensor,
  options?: { readonly rcond?: number; readonly driver?: pseudo.LstsqDriver },
): { readonly solution: Tensor; readonly residuals: Tensor; readonly rank: Tensor; readonly singularValues: Tensor } {
  checkOptions('lstsq', options, ['rcond', 'driver']);
  const { solution, residuals, rank, singularValues } = pseudo.lstsq(a, b, options?.rcond, options?.driver);
  return { solution: as(solution), residuals: as(residuals), rank: as(rank), singularValues: as(singularValues) };
}

/** The inverse of a tensor as a map from its dimensions from `ind` (2 by default) on to those before: those come last. */
export function tensorinv(a: Tensor, options?: { readonly ind?: number }): Tensor {
  checkOptions('tensorinv', options, ['ind']);
  return as(systems.tensorinv(a, options?.ind));
}

/** The X with `tensordot(a, X, X.ndim)` = B; `dims` of A are moved to the end first. */
export function tensorsolve(a: Tensor, b: Tensor, options?: { readonly dims?: readonly number[] }): Tensor {
  checkOptions('tensorsolve', options, ['dims']);
  return as(systems.tensorsolve(a, b, options?.dims));
}
