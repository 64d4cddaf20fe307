import type { TensorBase } from '../core/tensor.ts';
import * as brackets from '../ops/brackets.ts';
import * as slices from '../ops/index-slices.ts';
import * as indexing from '../ops/indexing.ts';
import { isin } from '../ops/isin.ts';
import * as mask from '../ops/mask.ts';
import * as places from '../ops/places.ts';
import type { NestedIndex, Slice } from '../ops/subscript.ts';
import { takeAlongDim } from '../ops/take-along.ts';
import { checkOptions } from './options.ts';
import { TensorRearranging } from './rearranging.ts';
import type { Shape, Untyped } from './shapes.ts';
import type {
  AtOf,
  FitAt,
  FitDim,
  FitGather,
  FitIndexSelect,
  GatherOf,
  IndexSelectOf,
  NonzeroOf,
  Operand,
  ShapeOf,
  TakenOf,
} from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/**
 * What may stand between the brackets of x[…] in PyTorch, and here in `x.at(…)`:
 *
 * - a whole number: one index of a dimension, which is gone; negative ones count from the end;
 * - `slice(start, end, step)`: a range, and `':'`: the whole dimension;
 * - `'...'`: all dimensions that the others leave; `null`: a new dimension of size 1;
 * - nested arrays of whole numbers, or an int32 tensor: places, whose dimensions replace the indexed one;
 * - a bool tensor, or nested arrays of truth values: a mask over as many dimensions as it has;
 * - `true` and `false`: a new dimension of size 1, or of size 0.
 *
 * uint8 tensors are refused: PyTorch takes them for masks (deprecated), NumPy for places.
 */
export type Index = number | boolean | null | '...' | ':' | Slice | NestedIndex | Tensor;

/** Elements picked by index. */
export abstract class TensorPicking<S extends Shape = Untyped> extends TensorRearranging<S> {
  /**
   * x[…]: elements by any mixture of numbers, slices, new axes, masks and places (see `Index`). Numbers,
   * slices, `null` and `'...'` alone give a view; masks and places give a copy, and their dimensions
   * stand where the first of them did if they stood side by side, else in front. Places that are read
   * several times add up in the gradient.
   *
   * @example
   * x.at(0); // x[0]
   * x.at('...', slice(1, null, 2)); // x[..., 1::2]
   * x.at(x.gt(0)); // x[x > 0]
   * x.at(arange(3, { dtype: 'int32' }), labels); // x[torch.arange(3), labels]
   * @throws {IndexError} for an index out of range, more indices than dimensions, shapes that do not fit.
   * @throws {DTypeError} for index tensors that are neither int32 nor bool.
   */
  at<T extends Tensor, const I extends readonly Index[]>(this: FitAt<T, I>, ...index: I): Tensor<AtOf<T, I>> {
    return as(brackets.at(this as Tensor, index));
  }

  /** The slices along `dim` at the places in `index` (int32). */
  indexSelect<T extends Tensor, D extends number, X extends Tensor>(
    this: T,
    dim: FitDim<T, D>,
    index: FitIndexSelect<T, D, X>,
  ): Tensor<IndexSelectOf<T, D, X>> {
    return as(slices.indexSelect(this, dim as number, index as Tensor));
  }

  /** One element along `dim` for every element of `index` (int32). */
  gather<T extends Tensor, D extends number, X extends Tensor>(
    this: T,
    dim: FitDim<T, D>,
    index: FitGather<T, D, X>,
  ): Tensor<GatherOf<T, D, X>> {
    return as(indexing.gather(this, dim as number, index as Tensor));
  }

  /** The elements at the places in `index` (int32) of the tensor seen as one row; negative ones count from the end. */
  take<X extends Tensor>(index: X): Tensor<ShapeOf<X>> {
    return as(places.take(this, index));
  }

  /**
   * `gather`, broadcasting all dimensions but `dim`: what argmax and argsort found, taken. Without `dim`
   * both are one row.
   */
  takeAlongDim<X extends Tensor, D extends number | undefined = undefined>(index: X, dim?: D): TakenOf<X, D> {
    return as(takeAlongDim(this, index, dim)) as TakenOf<X, D>;
  }

  /** The elements where `mask` (bool) holds, in one row; the two broadcast. */
  maskedSelect(maskTensor: Tensor): Tensor<[number]> {
    return as(mask.maskedSelect(this, maskTensor));
  }

  /**
   * The indices (int32) of elements that are not zero, a row for each; with `asTuple` a vector for each
   * dimension. NaN is not zero.
   */
  nonzero<T extends Tensor, U extends boolean = false>(
    this: T,
    options?: { readonly asTuple?: U },
  ): U extends true ? Tensor<[number]>[] : NonzeroOf<T> {
    checkOptions('nonzero', options, ['asTuple']);
    return (options?.asTuple === true ? mask.nonzeroColumns(this) : mask.nonzero(this)) as never;
  }

  /** The indices (int32) of elements that are not zero, a row for each. */
  argwhere<T extends Tensor>(this: T): NonzeroOf<T> {
    return as(mask.nonzero(this)) as NonzeroOf<T>;
  }

  /**
   * Whether each element is one of `values`; with `invert`, whether it is none. NaN is equal to nothing.
   * `assumeUnique` is taken and makes no difference.
   */
  isin(values: Operand, options?: { readonly assumeUnique?: boolean; readonly invert?: boolean }): Tensor<S> {
    checkOptions('isin', options, ['assumeUnique', 'invert']);
    return as(isin(this, values, options?.invert));
  }
}
