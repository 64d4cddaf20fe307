import { checkTensors, type TensorBase } from '../core/tensor.ts';
import * as products from '../ops/linalg/products.ts';
import type { FitMatMul, FitSquare, MatMulOf } from '../tensor/matrix-signatures.ts';
import { checkOptions } from '../tensor/options.ts';
import type { ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** Along which dimension. */
export interface Along {
  readonly dim?: number;
}

/** The matrix product of any ranks, `x.matmul(y)`. */
export function matmul<T extends Tensor, X extends Tensor>(x: T, y: FitMatMul<T, X>): Tensor<MatMulOf<T, X>> {
  checkTensors('linalg.matmul', x);
  return (x as Tensor).matmul(y as Tensor) as Tensor;
}

/** Σ x y along `dim` (the last by default); the other dimensions broadcast. */
export function vecdot(x: Tensor, y: Tensor, options?: Along): Tensor {
  checkOptions('vecdot', options, ['dim']);
  return as(products.vecdot(x, y, options?.dim));
}

/** The vector product along `dim` (the last by default), which has size 3; the others broadcast. */
export function cross(x: Tensor, y: Tensor, options?: Along): Tensor {
  checkOptions('cross', options, ['dim']);
  return as(products.cross(x, y, options?.dim));
}

/**
 * The product of at least two matrices, in the order that needs the fewest multiplications. The first
 * may be a row vector [k], the last a column vector [k].
 */
export function multiDot(tensors: readonly Tensor[]): Tensor {
  return as(products.multiDot(tensors));
}

/** Aⁿ for every matrix of a batch [..., k, k]; a negative n asks for the inverse. */
export function matrixPower<T extends Tensor>(a: FitSquare<'matrixPower', T>, n: number): Tensor<ShapeOf<T>> {
  return as(products.matrixPower(a as Tensor, n));
}

/** The powers 0 to n − 1 (as many as there are elements by default) of x [..., k], along a new last dimension. */
export function vander(x: Tensor, options?: { readonly N?: number }): Tensor {
  checkOptions('vander', options, ['N']);
  return as(products.vander(x, options?.N));
}
