import type { TensorBase } from '../core/tensor.ts';
import * as products from '../ops/matmul.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { BmmOf, FitBmm, FitDot, FitMatMul, FitMm, FitMv, MatMulOf, MmOf, MvOf } from './signatures.ts';
import { TensorSorting } from './sorting.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** Products of vectors and matrices. */
export abstract class TensorProducts<S extends Shape = Untyped> extends TensorSorting<S> {
  /** The matrix product of any ranks: vectors stand for rows or columns, leading dimensions broadcast. */
  matmul<T extends Tensor, X extends Tensor>(this: T, x: FitMatMul<T, X>): Tensor<MatMulOf<T, X>> {
    return as(products.matmul(this, x as Tensor));
  }

  /** The inner product of two vectors. */
  dot<T extends Tensor, X extends Tensor>(this: T, x: FitDot<T, X>): Tensor<[]> {
    return as(products.dot(this, x as Tensor));
  }

  mm<T extends Tensor, X extends Tensor>(this: T, x: FitMm<T, X>): Tensor<MmOf<T, X>> {
    return as(products.mm(this, x as Tensor));
  }

  mv<T extends Tensor, X extends Tensor>(this: T, x: FitMv<T, X>): Tensor<MvOf<T, X>> {
    return as(products.mv(this, x as Tensor));
  }

  bmm<T extends Tensor, X extends Tensor>(this: T, x: FitBmm<T, X>): Tensor<BmmOf<T, X>> {
    return as(products.bmm(this, x as Tensor));
  }
}
