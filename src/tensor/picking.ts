import type { TensorBase } from '../core/tensor.ts';
import * as indexing from '../ops/indexing.ts';
import { checkOptions } from './options.ts';
import { TensorPaths } from './paths.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { FitDim, FitGather, FitIndexSelect, GatherOf, IndexSelectOf } from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** Elements picked and placed by index. */
export abstract class TensorPicking<S extends Shape = Untyped> extends TensorPaths<S> {
  /** The slices along `dim` at the places in `index` (int32). */
  indexSelect<T extends Tensor, D extends number, X extends Tensor>(
    this: T,
    dim: FitDim<T, D>,
    index: FitIndexSelect<T, D, X>,
  ): Tensor<IndexSelectOf<T, D, X>> {
    return as(indexing.indexSelect(this, dim as number, index as Tensor));
  }

  /** One element along `dim` for every element of `index` (int32). */
  gather<T extends Tensor, D extends number, X extends Tensor>(
    this: T,
    dim: FitDim<T, D>,
    index: FitGather<T, D, X>,
  ): Tensor<GatherOf<T, D, X>> {
    return as(indexing.gather(this, dim as number, index as Tensor));
  }

  /** The elements of `src` added where `index` (int32) says, along `dim`. */
  scatterAdd(dim: number, index: Tensor, src: Tensor): Tensor<S> {
    return as(indexing.scatterAdd(this, dim, index as Tensor, src as Tensor));
  }

  /** The slices of `src`, times `alpha`, added at the places in `index` (int32) along `dim`. */
  indexAdd(dim: number, index: Tensor, src: Tensor, options?: { readonly alpha?: number }): Tensor<S> {
    checkOptions('indexAdd', options, ['alpha']);
    return as(indexing.indexAdd(this, dim, index as Tensor, src as Tensor, options?.alpha));
  }
}
