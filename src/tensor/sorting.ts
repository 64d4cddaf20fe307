import { bucketize, searchsorted, sideOf } from '../ops/search.ts';
import { kthvalue } from '../ops/selection.ts';
import * as sorting from '../ops/sorting.ts';
import { firstsOfRuns, type Unique, unique, uniqueConsecutive } from '../ops/unique.ts';
import { checkOptions } from './options.ts';
import { type Keeping, keeping } from './reductions.ts';
import { TensorScans } from './scans.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { FitDim, FitReduce, FitTopK, Operand, ReduceOf, ShapeOf, TopKOf, ValuesAndIndices } from './signatures.ts';
import type { Tensor } from './tensor.ts';

/** Options of a sort: `descending` order; every sort is `stable`, whether it is asked for or not. */
export interface Ordering {
  readonly descending?: boolean;
  readonly stable?: boolean;
}

/** Options of `unique`. The result is sorted whether it is asked for or not. */
export interface Uniqueness {
  readonly sorted?: boolean;
  readonly returnInverse?: boolean;
  readonly returnCounts?: boolean;
  readonly dim?: number;
}

/** What `unique` gives: the output alone, or with what was asked for. */
export type UniqueOf<O> = O extends { readonly returnInverse: true }
  ? O extends { readonly returnCounts: true }
    ? { readonly output: Tensor; readonly inverseIndices: Tensor; readonly counts: Tensor<[number]> }
    : { readonly output: Tensor; readonly inverseIndices: Tensor }
  : O extends { readonly returnCounts: true }
    ? { readonly output: Tensor; readonly counts: Tensor<[number]> }
    : Tensor;

function asked({ output, inverseIndices, counts }: Unique, options: Uniqueness | undefined): unknown {
  const { returnInverse = false, returnCounts = false } = options ?? {};
  if (!returnInverse && !returnCounts) return output;
  return { output, ...(returnInverse ? { inverseIndices } : {}), ...(returnCounts ? { counts } : {}) };
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

  /** The `k`-th smallest element (from 1 on) along `dim`, the last by default, and where it is. NaN is the largest. */
  kthvalue<T extends Tensor, D extends number = -1, K extends boolean = false>(
    this: T,
    k: number,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): ValuesAndIndices<ReduceOf<T, D, K>> {
    const found: unknown = kthvalue(this, k, dim as number | undefined, keeping('kthvalue', options));
    return found as ValuesAndIndices<ReduceOf<T, D, K>>;
  }

  /**
   * The different elements, or slices along `dim`, in order. With `returnInverse` also which of them each
   * element is, with `returnCounts` how often each occurs. Gradients go to the first of equals.
   */
  unique<const O extends Uniqueness = object>(options?: O): UniqueOf<O> {
    checkOptions('unique', options, ['sorted', 'returnInverse', 'returnCounts', 'dim']);
    return asked(unique(this, options?.dim, options?.returnInverse), options) as UniqueOf<O>;
  }

  /** The first of every run of equal elements, or slices along `dim`: see `unique`. */
  uniqueConsecutive<const O extends Omit<Uniqueness, 'sorted'> = object>(options?: O): UniqueOf<O> {
    checkOptions('uniqueConsecutive', options, ['returnInverse', 'returnCounts', 'dim']);
    const { returnInverse = false, returnCounts = false, dim } = (options ?? {}) as Uniqueness;
    if (!returnInverse && !returnCounts && dim === undefined) return firstsOfRuns(this) as UniqueOf<O>;
    return asked(uniqueConsecutive(this, dim, returnInverse), options) as UniqueOf<O>;
  }

  /**
   * Where each of `values` (a tensor, or a number) could be inserted in this sorted sequence: before its
   * equals, or with `right` (or `side: 'right'`) after them; int32. The sequence is a vector, or has a row
   * for every row of `values`; `sorter` are the indices that sort it, if it is not sorted.
   */
  searchsorted<X extends Operand>(
    values: X,
    options?: { readonly right?: boolean; readonly side?: 'left' | 'right'; readonly sorter?: Tensor | null },
  ): Tensor<X extends Tensor ? ShapeOf<X> : []> {
    checkOptions('searchsorted', options, ['right', 'side', 'sorter']);
    return searchsorted(this, values as Operand, sideOf(options?.side, options?.right), options?.sorter) as Tensor;
  }

  /** In which of the intervals between sorted `boundaries` each element is (int32); on a boundary in the lower one, or with `right` in the upper. */
  bucketize<T extends Tensor>(this: T, boundaries: Tensor, options?: { readonly right?: boolean }): Tensor<ShapeOf<T>> {
    checkOptions('bucketize', options, ['right']);
    return bucketize(this, boundaries, options?.right) as Tensor;
  }
}
