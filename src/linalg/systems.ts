import { checkTypes } from '../core/arguments.ts';
import type { TensorBase } from '../core/tensor.ts';
import * as solving from '../ops/linalg/solve.ts';
import * as triangular from '../ops/linalg/triangular.ts';
import type { FitSolve, FitSquare, SolveOn } from '../tensor/matrix-signatures.ts';
import { checkOptions } from '../tensor/options.ts';
import type { ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** Where the unknown stands: A X = B, or X A = B with `left: false`. */
export interface Side<Left extends boolean = boolean> {
  readonly left?: Left;
}

/** Whether a singular matrix is an error. */
export interface Checking {
  readonly checkErrors?: boolean;
}

/**
 * A⁻¹ for every matrix of a batch [..., n, n]. Solving with `solve` is faster and more accurate than
 * multiplying by an inverse.
 *
 * @throws {LinAlgError} if a matrix is singular.
 */
export function inv<T extends Tensor>(a: FitSquare<'inv', T>): Tensor<ShapeOf<T>> {
  return as(solving.inv(a as Tensor));
}

/** `inv` without an error: `info` [...] (int32) says which diagonal element of U is zero, 0 for none. */
export function invEx<T extends Tensor>(
  a: FitSquare<'invEx', T>,
  options?: Checking,
): { readonly inverse: Tensor<ShapeOf<T>>; readonly info: Tensor } {
  checkOptions('invEx', options, ['checkErrors']);
  const [inverse, info] = solving.invEx(a as Tensor, options);
  return { inverse: as(inverse), info: as(info) };
}

/**
 * The solution of A X = B for A [..., n, n] and B [..., n, k], whose batch dimensions broadcast, or a
 * vector [n], or a batch of vectors that goes with A's. With `left: false`, of X A = B.
 *
 * @throws {LinAlgError} if a matrix is singular.
 */
export function solve<A extends Tensor, B extends Tensor, Left extends boolean = true>(
  a: A,
  b: Left extends false ? B : FitSolve<'solve', A, B>,
  options?: Side<Left>,
): Tensor<SolveOn<Left, A, B>> {
  checkOptions('solve', options, ['left']);
  return as(solving.solve(a, b as Tensor, options)) as Tensor<SolveOn<Left, A, B>>;
}

/** `solve` without an error: `info` [...] (int32) says which diagonal element of U is zero, 0 for none. */
export function solveEx(
  a: Tensor,
  b: Tensor,
  options?: Side & Checking,
): { readonly result: Tensor; readonly info: Tensor } {
  checkOptions('solveEx', options, ['left', 'checkErrors']);
  const [result, info] = solving.solveEx(a, b, options);
  return { result: as(result), info: as(info) };
}

/**
 * The solution of A X = B (of X A = B with `left: false`) for triangular A [..., n, n] and B
 * [..., n, k], whose batch dimensions broadcast. The other triangle is not read, nor the diagonal if
 * `unitriangular`. A zero on the diagonal gives infinities.
 */
export function solveTriangular(
  a: Tensor,
  b: Tensor,
  options: Side & { readonly upper: boolean; readonly unitriangular?: boolean },
): Tensor {
  checkTypes('solveTriangular', 'boolean', { upper: options?.upper });
  checkOptions('solveTriangular', options, ['upper', 'left', 'unitriangular']);
  return as(triangular.solveTriangular(a, b, options));
}
