import type { TensorBase } from '../core/tensor.ts';
import * as choleskys from '../ops/linalg/cholesky.ts';
import * as lus from '../ops/linalg/lu.ts';
import type { FitSquare } from '../tensor/matrix-signatures.ts';
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
