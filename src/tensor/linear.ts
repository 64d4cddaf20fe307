import type { TensorBase } from '../core/tensor.ts';
import { cholesky, choleskyInverse, choleskySolve } from '../ops/linalg/cholesky.ts';
import { luFactorEx, luSolve } from '../ops/linalg/lu.ts';
import { matrixPower, trace } from '../ops/linalg/products.ts';
import { inv } from '../ops/linalg/solve.ts';
import { triangularSolve } from '../ops/linalg/triangular.ts';
import type { FitSquare } from './matrix-signatures.ts';
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
}
