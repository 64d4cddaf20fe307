import * as sorting from '../ops/sorting.ts';
import { checkOptions } from './options.ts';
import { TensorScans } from './scans.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { FitDim, FitTopK, ShapeOf, TopKOf, ValuesAndIndices } from './signatures.ts';
import type { Tensor } from './tensor.ts';

/** Options of a sort: `descending` order; every sort is `stable`, whether it is asked for or not. */
export interface Ordering {
  readonly descending?: boolean;
  readonly stable?: boolean;
}

/** Order: sorting, the first and the last, what is equal. */
export abstract class TensorSorting<S extends Shape = Untyped> extends TensorScans<S> {
  /** The elements in order along `dim` (the last by default), and where they were. Equal ones keep their order; NaN is the largest. */
  sort<T extends Tensor, D extends number = -1>(
    this: T,
    dim?: FitDim<T, D>,
    options?: Ordering,
  ): ValuesAndIndices<ShapeOf<T>> {
    checkOptions('sort', options, ['descending', 'stable']);
    const found: unknown = sorting.sort(
      this,
      dim as number | undefined,
      options?.descending,
      options?.stable !== undefined,
    );
    return found as ValuesAndIndices<ShapeOf<T>>;
  }

  /** The indices (int32) that sort along `dim` (the last by default), stably. */
  argsort<T extends Tensor, D extends number = -1>(
    this: T,
    dim?: FitDim<T, D>,
    options?: Ordering,
  ): Tensor<ShapeOf<T>> {
    checkOptions('argsort', options, ['descending', 'stable']);
    return sorting.argsort(this, dim as number | undefined, options?.descending) as Tensor;
  }

  /** Sorted along the first dimension. */
  msort<T extends Tensor>(this: T): Tensor<ShapeOf<T>> {
    return sorting.sort(this, 0).values as Tensor;
  }

  /**
   * The `k` largest elements along `dim` (the last by default), in order, and where they were; with
   * `largest: false` the smallest. Of equals the first are taken; NaN is the largest.
   *
   * @throws {IndexError} if there are less than k.
   */
  topk<T extends Tensor, K extends number, D extends number = -1>(
    this: T,
    k: FitTopK<T, D, K>,
    dim?: FitDim<T, D>,
    options?: { readonly largest?: boolean; readonly sorted?: boolean },
  ): ValuesAndIndices<TopKOf<T, D, K>> {
    checkOptions('topk', options, ['largest', 'sorted']);
    const found: unknown = sorting.topk(this, k as number, dim as number | undefined, options?.largest);
    return found as ValuesAndIndices<TopKOf<T, D, K>>;
  }
}
