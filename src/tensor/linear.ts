import type { TensorBase } from '../core/tensor.ts';
import { cholesky, choleskyInverse, choleskySolve } from '../ops/linalg/cholesky.ts';
import * as determinants from '../ops/linalg/determinants.ts';
import { luFactorEx, luSolve } from '../ops/linalg/lu.ts';
import { matrixExp } from '../ops/linalg/matrix-exp.ts';
import { matrixPower, trace } from '../ops/linalg/products.ts';
import { pinv } from '../ops/linalg/pseudoinverse.ts';
import { qr } from '../ops/linalg/qr.ts';
import * as reflections from '../ops/linalg/reflections.ts';
import { inv } from '../ops/linalg/solve.ts';
import { svd } from '../ops/linalg/svd.ts';
import { triangularSolve } from '../ops/linalg/triangular.ts';
import { mT } from '../ops/view.ts';
import type { FitMatrix, FitSquare, PerSquareOf, PinvOf, QOf, ROf } from './matrix-signatures.ts';
import { checkOptions } from './options.ts';
import { TensorProducts } from './products.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { ShapeOf } from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** Which triangle is meant. */
export interface Upper {
  readonly upper?: boolean;
}

/** Functions of matrices that PyTorch has as methods; `linalg` has all of them. */
export abstract class TensorLinear<S extends Shape = Untyped> extends TensorProducts<S> {
  /** The sum of the diagonal of a matrix. */
  trace(): Tensor<[]> {
    return as(trace(this));
  }

  /** The determinant of every matrix of a batch [..., n, n]. */
  det<T extends Tensor>(this: FitSquare<'det', T>): Tensor<PerSquareOf<T>> {
    return as(determinants.det(this as Tensor));
  }

  /** log det A: NaN where the determinant is negative, −∞ where it is 0. */
  logdet<T extends Tensor>(this: FitSquare<'logdet', T>): Tensor<PerSquareOf<T>> {
    return as(determinants.logdet(this as Tensor));
  }

  /** The sign of the determinant, and the logarithm of its magnitude. */
  slogdet<T extends Tensor>(
    this: FitSquare<'slogdet', T>,
  ): { readonly sign: Tensor<PerSquareOf<T>>; readonly logabsdet: Tensor<PerSquareOf<T>> } {
    const [sign, logabsdet] = determinants.slogdet(this as Tensor);
    return { sign: as(sign), logabsdet: as(logabsdet) };
  }

  /** e^A for every matrix of a batch [..., n, n]. */
  matrixExp<T extends Tensor>(this: FitSquare<'matrixExp', T>): Tensor<ShapeOf<T>> {
    return as(matrixExp(this as Tensor));
  }

  /** The pseudoinverse [..., n, m] of every matrix of a batch [..., m, n]. */
  pinverse<T extends Tensor>(this: FitMatrix<'pinverse', T>, options?: { readonly rcond?: number }): Tensor<PinvOf<T>> {
    checkOptions('pinverse', options, ['rcond']);
    return as(pinv(this as Tensor, { rtol: options?.rcond ?? 1e-15 }, 'pinverse')) as Tensor<PinvOf<T>>;
  }

  /**
   * A⁻¹ for every matrix of a batch [..., n, n].
   *
   * @throws {LinAlgError} if a matrix is singular.
   */
  inverse<T extends Tensor>(this: FitSquare<'inverse', T>): Tensor<ShapeOf<T>> {
    return as(inv(this as Tensor, 'linalg.inv'));
  }

  /** Aⁿ for every matrix of a batch [..., k, k]; a negative n asks for the inverse. */
  matrixPower<T extends Tensor>(this: FitSquare<'matrixPower', T>, n: number): Tensor<ShapeOf<T>> {
    return as(matrixPower(this as Tensor, n));
  }

  /**
   * L with A = L Lᵀ, or U with A = Uᵀ U (`upper`), for every matrix of a batch [..., n, n]. One triangle is read.
   *
   * @throws {LinAlgError} if a matrix is not positive definite.
   */
  cholesky<T extends Tensor>(this: FitSquare<'cholesky', T>, options?: Upper): Tensor<ShapeOf<T>> {
    checkOptions('cholesky', options, ['upper']);
    return as(cholesky(this as Tensor, options?.upper, 'cholesky'));
  }

  /** A⁻¹, when this is the Cholesky factor of A, [..., n, n]. */
  choleskyInverse<T extends Tensor>(this: FitSquare<'choleskyInverse', T>, options?: Upper): Tensor<ShapeOf<T>> {
    checkOptions('choleskyInverse', options, ['upper']);
    return as(choleskyInverse(this as Tensor, options?.upper));
  }

  /** The solution of A X = B, when this is B [..., n, k] and `factor` the Cholesky factor of A [..., n, n]. */
  choleskySolve(factor: Tensor, options?: Upper): Tensor {
    checkOptions('choleskySolve', options, ['upper']);
    return as(choleskySolve(this, factor, options?.upper));
  }

  /** The solution of A X = B for triangular A [..., n, n], when this is B [..., n, k]; and A. */
  triangularSolve(
    a: Tensor,
    options?: Upper & { readonly transpose?: boolean; readonly unitriangular?: boolean },
  ): { readonly solution: Tensor; readonly clonedCoefficient: Tensor } {
    checkOptions('triangularSolve', options, ['upper', 'transpose', 'unitriangular']);
    const { upper = true, transpose = false, unitriangular = false } = options ?? {};
    const [solution, coefficient] = triangularSolve(this, a, { upper, transpose, unitriangular });
    return { solution: as(solution), clonedCoefficient: as(coefficient) };
  }

  /** L and U of P A = L U in one tensor [..., m, n], and the row exchanges (int32, counted from 1). */
  lu(options?: { readonly pivot?: boolean }): { readonly LU: Tensor; readonly pivots: Tensor; readonly info: Tensor } {
    checkOptions('lu', options, ['pivot']);
    const [f, pivots, info] = luFactorEx(this, { pivot: options?.pivot }, 'lu');
    return { LU: as(f), pivots: as(pivots), info: as(info) };
  }

  /** The solution of A X = B, when this is B [..., n, k], given the factors of A. */
  luSolve(lu: Tensor, pivots: Tensor): Tensor {
    return as(luSolve(lu, pivots, this, {}, 'lu_solve'));
  }

  /** Q and R with A = Q R; `some: false` gives all columns of Q. See `linalg.qr`. */
  qr<T extends Tensor, Some extends boolean = true>(
    this: FitMatrix<'qr', T>,
    options?: { readonly some?: Some },
  ): {
    readonly Q: Tensor<QOf<T, Some extends false ? 'complete' : 'reduced'>>;
    readonly R: Tensor<ROf<T, Some extends false ? 'complete' : 'reduced'>>;
  } {
    checkOptions('qr', options, ['some']);
    const [q, r] = qr(this as Tensor, options?.some === false ? 'complete' : 'reduced');
    return { Q: as(q), R: as(r) };
  }

  /** U, S and V (not transposed) with A = U diag(S) Vᵀ; `some: false` gives all of U and V. See `linalg.svd`. */
  svd(options?: { readonly some?: boolean }): { readonly U: Tensor; readonly S: Tensor; readonly V: Tensor } {
    checkOptions('svd', options, ['some']);
    const [u, s, vh] = svd(this, !(options?.some ?? true), 'svd');
    return { U: as(u), S: as(s), V: as(mT(vh)) };
  }

  /** R, below it the vectors of the reflections whose product is Q, and their factors. Has no derivative. */
  geqrf(): { readonly a: Tensor<S>; readonly tau: Tensor } {
    const [a, tau] = reflections.geqrf(this);
    return { a: as(a), tau: as(tau) };
  }

  /** The product of the reflections that this and `tau` hold, as `geqrf` gives them: its first columns. */
  orgqr(tau: Tensor): Tensor<S> {
    return as(reflections.householderProduct(this, tau));
  }

  /** Q C, Qᵀ C (`transpose`) or C Q (`left: false`), where Q is the product of the reflections that this and `tau` hold. */
  ormqr<C extends Tensor>(tau: Tensor, c: C, options?: reflections.OrmqrOptions): Tensor<ShapeOf<C>> {
    checkOptions('ormqr', options, ['left', 'transpose']);
    return as(reflections.ormqr(this, tau, c, options));
  }
}
