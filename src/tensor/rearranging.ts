import type { DType } from '../core/dtype.ts';
import type { TensorBase } from '../core/tensor.ts';
import * as diagonals from '../ops/diagonals.ts';
import * as grids from '../ops/grids.ts';
import * as rearrange from '../ops/rearrange.ts';
import * as creation from './creation.ts';
import { checkOptions, type TensorOptions } from './options.ts';
import { TensorPaths } from './paths.ts';
import type { Axes, Shape, Untyped } from './shapes.ts';
import type {
  CreatedOf,
  DiagOf,
  FitDiag,
  FitReduce,
  FitRepeat,
  FitRepeatDim,
  RepeatInterleaveOf,
  RepeatOf,
  ShapeOf,
  TileOf,
} from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** The same elements in another order, repeated, or some made zero; and new tensors like this one. */
export abstract class TensorRearranging<S extends Shape = Untyped> extends TensorPaths<S> {
  /** The order along every one of `dims` reversed; a copy, as there are no negative strides. */
  flip<T extends Tensor, const D extends number | Shape>(this: T, dims: FitReduce<T, D, true>): Tensor<ShapeOf<T>> {
    return as(rearrange.flip(this, dims as number | Shape));
  }

  /** Columns in reverse order: `flip([1])`. */
  fliplr(): Tensor<S> {
    return as(rearrange.fliplr(this));
  }

  /** Rows in reverse order: `flip([0])`. */
  flipud(): Tensor<S> {
    return as(rearrange.flipud(this));
  }

  /**
   * Elements moved on by `shifts` along `dims`; what leaves at the end comes in at the start. Without
   * `dims` the tensor is rolled as one row.
   */
  roll<T extends Tensor, const D extends Axes = undefined>(
    this: T,
    shifts: number | Shape,
    dims?: FitReduce<T, D, true>,
  ): Tensor<ShapeOf<T>> {
    return as(rearrange.roll(this, shifts, dims as number | Shape | undefined));
  }

  /** Turned by `k` right angles in the plane of two dimensions, from the first towards the second. */
  rot90(k = 1, dims: Shape = [0, 1]): Tensor {
    return as(rearrange.rot90(this, k, dims));
  }

  /** The tensor again and again, `repeats` times along each dimension; more counts than dimensions add new ones in front. */
  repeat<T extends Tensor, const R extends Shape>(this: T, repeats: FitRepeat<T, R>): Tensor<RepeatOf<T, R>> {
    return as(rearrange.repeat(this, repeats as Shape));
  }

  /** `repeat`, where dimensions without a count stay as they are. */
  tile<T extends Tensor, const R extends Shape>(this: T, dims: R): Tensor<TileOf<T, R>> {
    return as(rearrange.tile(this, dims));
  }

  /**
   * Each element (or each slice along `dim`) several times, one after the other. `repeats` is a number,
   * or an int32 vector with a count for each; without `dim` the tensor is one row.
   */
  repeatInterleave<T extends Tensor, R extends number | Tensor, D extends number | undefined = undefined>(
    this: T,
    repeats: R,
    dim?: FitRepeatDim<T, R, D>,
  ): Tensor<RepeatInterleaveOf<T, R, D>> {
    return as(rearrange.repeatInterleave(this, repeats, dim as number | undefined));
  }

  /** Each matrix on and below its `diagonal`-th diagonal, zeros above. */
  tril(diagonal = 0): Tensor<S> {
    return as(rearrange.tril(this, diagonal));
  }

  tril_(diagonal = 0): this {
    rearrange.triangleInPlace('tril', this, diagonal);
    return this;
  }

  /**
   * Sets the main diagonal, of more than two dimensions (of one size) the elements whose indices are all the same. With
   * `wrap` it begins again from the row below its end in tall matrices.
   */
  fillDiagonal_(value: number, wrap = false): this {
    diagonals.fillDiagonal_(this, value, wrap);
    return this;
  }

  /** Each matrix on and above its `diagonal`-th diagonal, zeros below. */
  triu(diagonal = 0): Tensor<S> {
    return as(rearrange.triu(this, diagonal));
  }

  triu_(diagonal = 0): this {
    rearrange.triangleInPlace('triu', this, diagonal);
    return this;
  }

  /** A vector on the `diagonal`-th diagonal of a matrix, zeros elsewhere; of a matrix, that diagonal, as a copy. */
  diag<T extends Tensor, K extends number = 0>(this: FitDiag<T, K>, diagonal?: K): Tensor<DiagOf<T, K>> {
    return as(diagonals.diag(this as Tensor, diagonal));
  }

  /** The last dimension on the `offset`-th diagonal of dimensions `dim1` and `dim2`, zeros elsewhere. */
  diagEmbed(offset = 0, dim1 = -2, dim2 = -1): Tensor {
    return as(diagonals.diagEmbed(this, offset, dim1, dim2));
  }

  /** All elements, in order, on the `offset`-th diagonal of a matrix. */
  diagflat(offset = 0): Tensor<[number, number]> {
    return as(diagonals.diagflat(this, offset));
  }

  /** Every choice of `r` elements of a vector, in rows, in the order of the vector. */
  combinations(r = 2, options?: { readonly withReplacement?: boolean }): Tensor {
    checkOptions('combinations', options, ['withReplacement']);
    return as(grids.combinations(this, r, options?.withReplacement));
  }

  // ── new tensors of the same dtype ──

  /** Zeros of the given shape, of this tensor's dtype unless another is given. */
  newZeros<const N extends Shape>(shape: N, options?: TensorOptions): Tensor<CreatedOf<N>> {
    return creation.beside(this, creation.zeros(shape, likewise('newZeros', this.dtype, options)));
  }

  /** Ones in a shape, of this dtype unless told otherwise. */
  newOnes<const N extends Shape>(shape: N, options?: TensorOptions): Tensor<CreatedOf<N>> {
    return creation.beside(this, creation.ones(shape, likewise('newOnes', this.dtype, options)));
  }

  /** One number in a shape, of this dtype unless told otherwise. */
  newFull<const N extends Shape>(shape: N, value: number | boolean, options?: TensorOptions): Tensor<CreatedOf<N>> {
    return creation.beside(this, creation.full(shape, value, likewise('newFull', this.dtype, options)));
  }

  /** A tensor of a shape with undefined values, of this dtype unless told otherwise. */
  newEmpty<const N extends Shape>(shape: N, options?: TensorOptions): Tensor<CreatedOf<N>> {
    return creation.beside(this, creation.empty(shape, likewise('newEmpty', this.dtype, options)));
  }
}

function likewise(op: string, dtype: DType, options: TensorOptions | undefined): TensorOptions {
  checkOptions(op, options, ['dtype', 'requiresGrad']);
  return { ...options, dtype: options?.dtype ?? dtype };
}
