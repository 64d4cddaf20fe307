import type { TensorBase } from '../core/tensor.ts';
import * as choleskys from '../ops/linalg/cholesky.ts';
import * as eigen from '../ops/linalg/eigh.ts';
import * as ldls from '../ops/linalg/ldl.ts';
import * as lus from '../ops/linalg/lu.ts';
import * as qrs from '../ops/linalg/qr.ts';
import * as reflections from '../ops/linalg/reflections.ts';
import * as singular from '../ops/linalg/svd.ts';
import type { FitMatrix, FitSquare, QOf, ROf, SOf, UOf, VectorsOf, VhOf } from '../tensor/matrix-signatures.ts';
import { checkOptions } from '../tensor/options.ts';
import type { ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Checking, Side } from './systems.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

// ─── Cholesky ────────────────────────────────────────────────────────────────────────────────────

export interface Upper {
  readonly upper?: boolean;
}

/**
 * L with A = L Lᵀ, or U with A = Uᵀ U (`upper`), for every matrix of a batch [..., n, n]. Only that
 * triangle of A is read.
 *
 * @throws {LinAlgError} if a matrix is not positive definite.
 */
export function cholesky<T extends Tensor>(a: FitSquare<'cholesky', T>, options?: Upper): Tensor<ShapeOf<T>> {
  checkOptions('cholesky', options, ['upper']);
  return as(choleskys.cholesky(a as Tensor, options?.upper));
}

/** `cholesky` without an error: `info` [...] (int32) is the order of the first minor that is not positive, or 0. */
export function choleskyEx<T extends Tensor>(
  a: FitSquare<'choleskyEx', T>,
  options?: Upper & Checking,
): { readonly L: Tensor<ShapeOf<T>>; readonly info: Tensor } {
  checkOptions('choleskyEx', options, ['upper', 'checkErrors']);
  const [l, info] = choleskys.choleskyEx(a as Tensor, options);
  return { L: as(l), info: as(info) };
}

// ─── LU ──────────────────────────────────────────────────────────────────────────────────────────

export interface Pivoting {
  /** Always true: without exchanges of rows there would often be no factorisation, or a bad one. */
  readonly pivot?: boolean;
}

/** P, L and U with A = P L U for every matrix of a batch: [..., m, m], [..., m, k], [..., k, n], k = min(m, n). */
export function lu(a: Tensor, options?: Pivoting): { readonly P: Tensor; readonly L: Tensor; readonly U: Tensor } {
  checkOptions('lu', options, ['pivot']);
  const [p, l, u] = lus.lu(a, options?.pivot);
  return { P: as(p), L: as(l), U: as(u) };
}

/**
 * L (below the diagonal, its ones left out) and U in one tensor like A [..., m, n], and the exchanges:
 * row i was exchanged with row `pivots[i]` − 1 ([..., min(m, n)], int32).
 *
 * @throws {LinAlgError} if U has a zero on its diagonal.
 */
export function luFactor<T extends Tensor>(
  a: T,
  options?: Pivoting,
): { readonly LU: Tensor<ShapeOf<T>>; readonly pivots: Tensor } {
  checkOptions('luFactor', options, ['pivot']);
  const [f, pivots] = lus.luFactor(a, options?.pivot);
  return { LU: as(f), pivots: as(pivots) };
}

/** `luFactor` without an error: `info` [...] (int32) says where the first zero is, counted from 1, or 0. */
export function luFactorEx<T extends Tensor>(
  a: T,
  options?: Pivoting & Checking,
): { readonly LU: Tensor<ShapeOf<T>>; readonly pivots: Tensor; readonly info: Tensor } {
  checkOptions('luFactorEx', options, ['pivot', 'checkErrors']);
  const [f, pivots, info] = lus.luFactorEx(a, options);
  return { LU: as(f), pivots: as(pivots), info: as(info) };
}

/** P, L and U out of what `luFactor` gave. What is not wanted is an empty tensor. */
export function luUnpack(
  lu: Tensor,
  pivots: Tensor,
  options?: { readonly unpackData?: boolean; readonly unpackPivots?: boolean },
): { readonly P: Tensor; readonly L: Tensor; readonly U: Tensor } {
  checkOptions('luUnpack', options, ['unpackData', 'unpackPivots']);
  const [p, l, u] = lus.luUnpack(lu, pivots, options);
  return { P: as(p), L: as(l), U: as(u) };
}

/** The solution of A X = B, or Aᵀ X = B (`adjoint`), or X A = B (`left: false`), from what `luFactor` gave of A. */
export function luSolve(
  lu: Tensor,
  pivots: Tensor,
  b: Tensor,
  options?: Side & { readonly adjoint?: boolean },
): Tensor {
  checkOptions('luSolve', options, ['left', 'adjoint']);
  return as(lus.luSolve(lu, pivots, b, options));
}

// ─── QR ──────────────────────────────────────────────────────────────────────────────────────────

/**
 * Q and R with A = Q R for every matrix of a batch [..., m, n], k = min(m, n): [..., m, k] and [..., k, n]
 * with mode `reduced`, [..., m, m] and [..., m, n] with `complete`; with `r`, Q is empty. Signs are
 * LAPACK's. Gradients need k independent first columns; there are none of `r`, nor of `complete` for m > n.
 */
export function qr<A extends Tensor, M extends qrs.QrMode = 'reduced'>(
  a: FitMatrix<'qr', A>,
  mode?: M,
): { readonly Q: Tensor<QOf<A, M>>; readonly R: Tensor<ROf<A, M>> } {
  const [q, r] = qrs.qr(a as Tensor, mode);
  return { Q: as(q), R: as(r) };
}

/**
 * The first n columns of the product of k reflections 1 − τ v vᵀ, whose vectors lie below the diagonal
 * of `a` [..., m, n] and whose factors are `tau` [..., k], as `geqrf` gives them.
 */
export function householderProduct<A extends Tensor>(a: A, tau: Tensor): Tensor<ShapeOf<A>> {
  return as(reflections.householderProduct(a, tau));
}

// ─── symmetric matrices ──────────────────────────────────────────────────────────────────────────

/** Which triangle of a symmetric matrix is read: the lower one by default. */
export interface Uplo {
  readonly UPLO?: eigen.Triangle;
}

/**
 * Eigenvalues in ascending order [..., n], and eigenvectors as columns [..., n, n], of symmetric
 * matrices [..., n, n]. Signs of eigenvectors are arbitrary: a gradient makes sense for what does not
 * depend on them, and where eigenvalues differ.
 */
export function eigh<A extends Tensor>(
  a: FitSquare<'eigh', A>,
  options?: Uplo,
): { readonly eigenvalues: Tensor<VectorsOf<A>>; readonly eigenvectors: Tensor<ShapeOf<A>> } {
  checkOptions('eigh', options, ['UPLO']);
  const [l, v] = eigen.eigh(a as Tensor, options?.UPLO);
  return { eigenvalues: as(l) as Tensor<VectorsOf<A>>, eigenvectors: as(v) };
}

/** The eigenvalues of symmetric matrices [..., n, n], in ascending order [..., n]. */
export function eigvalsh<A extends Tensor>(a: FitSquare<'eigvalsh', A>, options?: Uplo): Tensor<VectorsOf<A>> {
  checkOptions('eigvalsh', options, ['UPLO']);
  return as(eigen.eigvalsh(a as Tensor, options?.UPLO)) as Tensor<VectorsOf<A>>;
}

/** Symmetric by default; for real numbers Hermitian is the same. */
export interface Hermitian {
  readonly hermitian?: boolean;
}

/**
 * L and D of A = P L D Lᵀ Pᵀ (Bunch and Kaufman) in the lower triangle of a tensor like A [..., n, n], and
 * the exchanges as LAPACK's `sytrf` writes them [..., n] (int32). Has no derivative.
 *
 * @throws {LinAlgError} if D is singular.
 */
export function ldlFactor<A extends Tensor>(
  a: FitSquare<'ldlFactor', A>,
  options?: Hermitian,
): { readonly LD: Tensor<ShapeOf<A>>; readonly pivots: Tensor<VectorsOf<A>> } {
  checkOptions('ldlFactor', options, ['hermitian']);
  const [f, pivots] = ldls.ldlFactor(a as Tensor);
  return { LD: as(f), pivots: as(pivots) as Tensor<VectorsOf<A>> };
}

/** `ldlFactor` without an error: `info` [...] (int32) says where D is singular, counted from 1, or 0. */
export function ldlFactorEx<A extends Tensor>(
  a: FitSquare<'ldlFactorEx', A>,
  options?: Hermitian & Checking,
): { readonly LD: Tensor<ShapeOf<A>>; readonly pivots: Tensor<VectorsOf<A>>; readonly info: Tensor } {
  checkOptions('ldlFactorEx', options, ['hermitian', 'checkErrors']);
  const [f, pivots, info] = ldls.ldlFactorEx(a as Tensor, options?.checkErrors);
  return { LD: as(f), pivots: as(pivots) as Tensor<VectorsOf<A>>, info: as(info) };
}

/** The solution of A X = B for B [..., n, k], from what `ldlFactor` gave of A. */
export function ldlSolve(ld: Tensor, pivots: Tensor, b: Tensor, options?: Hermitian): Tensor {
  checkOptions('ldlSolve', options, ['hermitian']);
  return as(ldls.ldlSolve(ld, pivots, b));
}

// ─── singular values ─────────────────────────────────────────────────────────────────────────────

/**
 * U, S and Vᵀ with A = U diag(S) Vᵀ for every matrix of a batch [..., m, n], k = min(m, n): singular
 * values [..., k] in descending order, U [..., m, m] and Vᵀ [..., n, n], or with `fullMatrices: false`
 * [..., m, k] and [..., k, n]. Signs of singular vectors are arbitrary: a gradient makes sense for what
 * does not depend on them, and where singular values differ.
 */
export function svd<A extends Tensor, F extends boolean = true>(
  a: FitMatrix<'svd', A>,
  options?: { readonly fullMatrices?: F },
): { readonly U: Tensor<UOf<A, F>>; readonly S: Tensor<SOf<A>>; readonly Vh: Tensor<VhOf<A, F>> } {
  checkOptions('svd', options, ['fullMatrices']);
  const [u, s, vh] = singular.svd(a as Tensor, options?.fullMatrices);
  return { U: as(u), S: as(s), Vh: as(vh) };
}

/** The singular values of every matrix of a batch [..., m, n], in descending order [..., min(m, n)]. */
export function svdvals<A extends Tensor>(a: FitMatrix<'svdvals', A>): Tensor<SOf<A>> {
  return as(singular.svdvals(a as Tensor));
}
