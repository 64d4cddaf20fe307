import type { DType } from '../core/dtype.ts';
import type { TensorBase } from '../core/tensor.ts';
import * as distance from '../ops/distance.ts';
import * as extrema from '../ops/extrema.ts';
import { inPlaceOf } from '../ops/inplace.ts';
import { nuclearNorm } from '../ops/linalg/matrix-norms.ts';
import { logsumexp } from '../ops/logsumexp.ts';
import { norm } from '../ops/norm.ts';
import * as reduce from '../ops/reduce.ts';
import { logSoftmax, softmax } from '../ops/softmax.ts';
import { checkOptions } from './options.ts';
import type { Axes, Shape, Untyped, Writable } from './shapes.ts';
import type { ExtremeOf, FitDim, FitReduce, ReduceOf, ShapeOf } from './signatures.ts';
import { TensorSpecial } from './special.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** Dimensions to reduce over: one, several, or (undefined) all. */
export type Dims = number | readonly number[] | undefined;

/** Options of a reduction; `keepdim` leaves reduced dimensions with size 1. */
export interface Keeping<K extends boolean = boolean> {
  readonly keepdim?: K;
}

/** `dtype` converts before reducing. */
export interface Reducing<K extends boolean = boolean> extends Keeping<K> {
  readonly dtype?: DType;
}

function reducing(op: string, options: Reducing | undefined): boolean {
  checkOptions(op, options, ['keepdim', 'dtype']);
  return options?.keepdim ?? false;
}

/** The `keepdim` of options that have nothing else. */
export function keeping(op: string, options: Keeping | undefined): boolean {
  checkOptions(op, options, ['keepdim']);
  return options?.keepdim ?? false;
}

/** Everything that folds dimensions away. */
export abstract class TensorReductions<S extends Shape = Untyped> extends TensorSpecial<S> {
  /** Σ over `dim` (all by default). Integers and truth values are summed as int32. */
  sum<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Reducing<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(reduce.sum(this, dim as Dims, reducing('sum', options), options?.dtype));
  }

  /** The arithmetic mean over `dim` (all by default). */
  mean<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Reducing<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(reduce.mean(this, dim as Dims, reducing('mean', options), options?.dtype));
  }

  /** ∏ over one dimension (all by default); the gradient is exact also with zeros. */
  prod<T extends Tensor, const D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Reducing<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(reduce.prod(this, dim as number | undefined, reducing('prod', options), options?.dtype));
  }

  /** The largest element; along a dimension, also where it is (the first of equals). */
  max<T extends Tensor, D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): ExtremeOf<T, D, K> {
    const found: unknown =
      dim === undefined ? extrema.maxAll(this) : extrema.maxAlong(this, dim as number, keeping('max', options));
    return found as ExtremeOf<T, D, K>;
  }

  /** The smallest element; along a dimension, also where it is (the first of equals). */
  min<T extends Tensor, D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): ExtremeOf<T, D, K> {
    const found: unknown =
      dim === undefined ? extrema.minAll(this) : extrema.minAlong(this, dim as number, keeping('min', options));
    return found as ExtremeOf<T, D, K>;
  }

  /** The largest elements over `dim`; ties share the gradient evenly. */
  amax<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(extrema.amax(this, dim as Dims, keeping('amax', options)));
  }

  /** The smallest elements over `dim`; ties share the gradient evenly. */
  amin<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(extrema.amin(this, dim as Dims, keeping('amin', options)));
  }

  /** Where the largest element is (int32): the first of equals, over the flattened tensor by default. */
  argmax<T extends Tensor, const D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(extrema.argmax(this, dim as number | undefined, keeping('argmax', options)));
  }

  /** Where the smallest element is (int32): the first of equals, over the flattened tensor by default. */
  argmin<T extends Tensor, const D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(extrema.argmin(this, dim as number | undefined, keeping('argmin', options)));
  }

  /** Whether any element is not zero. */
  any<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(reduce.any(this, dim as Dims, keeping('any', options)));
  }

  /** Whether all elements are not zero. */
  all<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(reduce.all(this, dim as Dims, keeping('all', options)));
  }

  /**
   * (Σ |x|ᵖ)^(1/p); p = 0 counts non-zeros, ±∞ gives the largest or smallest magnitude. `'nuc'` is Σ
   * singular values of matrices, over two dimensions.
   */
  norm<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    p: number | 'fro' | 'nuc' = 2,
    dim?: FitReduce<T, D, K>,
    options?: Reducing<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    const keepdim = reducing('norm', options);
    if (p === 'nuc') return as(nuclearNorm(this, dim as Dims, keepdim, options?.dtype));
    return as(norm(this, p, dim as Dims, keepdim, options?.dtype));
  }

  /** log Σ eˣ over `dim`, without overflow. */
  logsumexp<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(logsumexp(this, dim as Dims, keeping('logsumexp', options)));
  }

  /** eˣ / Σ eˣ along `dim`. */
  softmax<T extends Tensor, D extends number>(
    this: T,
    dim: FitDim<T, D>,
    options?: { readonly dtype?: DType },
  ): Tensor<ShapeOf<T>> {
    checkOptions('softmax', options, ['dtype']);
    return as(softmax(this, dim as number, options?.dtype));
  }

  /** x − log Σ eˣ along `dim`. */
  logSoftmax<T extends Tensor, D extends number>(
    this: T,
    dim: FitDim<T, D>,
    options?: { readonly dtype?: DType },
  ): Tensor<ShapeOf<T>> {
    checkOptions('logSoftmax', options, ['dtype']);
    return as(logSoftmax(this, dim as number, options?.dtype));
  }

  /** Σ of what is a number over `dim` (all by default). */
  nansum<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Reducing<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(reduce.nansum(this, dim as Dims, reducing('nansum', options), options?.dtype));
  }

  /** The mean of what is a number over `dim` (all by default). */
  nanmean<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Reducing<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(reduce.nanmean(this, dim as Dims, reducing('nanmean', options), options?.dtype));
  }

  /** How many elements are not zero (int32), over `dim` (all by default). */
  countNonzero<T extends Tensor, const D extends Axes = undefined>(
    this: T,
    dim?: FitReduce<T, D, false>,
  ): Tensor<ReduceOf<T, D, false>> {
    return as(reduce.countNonzero(this, dim as Dims));
  }

  /** The smallest and the largest element, of all or along `dim`; ties share the gradient evenly. */
  aminmax<T extends Tensor, const D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): { readonly min: Tensor<ReduceOf<T, D, K>>; readonly max: Tensor<ReduceOf<T, D, K>> } {
    const { min, max } = extrema.aminmax(this, dim as number | undefined, keeping('aminmax', options));
    return { min: as(min), max: as(max) };
  }

  /** Summed down to a size that broadcasts to the tensor's: what undoes a broadcast. */
  sumToSize<const R extends Shape>(size: R): Tensor<Writable<R>> {
    return as(reduce.sumToSize(this, size)) as Tensor<Writable<R>>;
  }

  /** The p-norm of the difference to `other`, over everything. */
  dist(other: Tensor, p?: number): Tensor<[]> {
    return as(distance.dist(this, other, p));
  }

  /** Slices along `dim` whose p-norm is larger than `maxnorm`, scaled down to it. */
  renorm<T extends Tensor, D extends number>(
    this: T,
    p: number,
    dim: FitDim<T, D>,
    maxnorm: number,
  ): Tensor<ShapeOf<T>> {
    return as(distance.renorm(this, p, dim as number, maxnorm));
  }

  /** `renorm` in place. */
  renorm_<T extends Tensor, D extends number>(this: T, p: number, dim: FitDim<T, D>, maxnorm: number): this {
    return inPlaceOf('renorm', this, [], (x) => distance.renorm(x, p, dim as number, maxnorm)) as this;
  }

  /** The p-norms of the differences of all pairs of rows: [… × P × M] and [… × R × M] give [… × P × R]. */
  cdist(other: Tensor, p?: number): Tensor {
    return as(distance.cdist(this, other, p));
  }
}
