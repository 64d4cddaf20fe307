import type { DType } from '../core/dtype.ts';
import type { TensorBase } from '../core/tensor.ts';
import * as extrema from '../ops/extrema.ts';
import { norm } from '../ops/norm.ts';
import * as reduce from '../ops/reduce.ts';
import { logSoftmax, logsumexp, softmax } from '../ops/softmax.ts';
import { checkDType, checkOptions } from './options.ts';
import type { Axes, Shape, Untyped } from './shapes.ts';
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
  checkDType(op, options?.dtype);
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
      dim === undefined ? extrema.maxAll(this) : extrema.maxAlong(this, dim as number, reducing('max', options));
    return found as ExtremeOf<T, D, K>;
  }

  /** The smallest element; along a dimension, also where it is (the first of equals). */
  min<T extends Tensor, D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): ExtremeOf<T, D, K> {
    const found: unknown =
      dim === undefined ? extrema.minAll(this) : extrema.minAlong(this, dim as number, reducing('min', options));
    return found as ExtremeOf<T, D, K>;
  }

  /** The largest elements over `dim`; ties share the gradient evenly. */
  amax<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(extrema.amax(this, dim as Dims, reducing('amax', options)));
  }

  /** The smallest elements over `dim`; ties share the gradient evenly. */
  amin<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(extrema.amin(this, dim as Dims, reducing('amin', options)));
  }

  /** Where the largest element is (int32): the first of equals, over the flattened tensor by default. */
  argmax<T extends Tensor, const D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(extrema.argmax(this, dim as number | undefined, reducing('argmax', options)));
  }

  /** Where the smallest element is (int32): the first of equals, over the flattened tensor by default. */
  argmin<T extends Tensor, const D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(extrema.argmin(this, dim as number | undefined, reducing('argmin', options)));
  }

  /** Whether any element is not zero. */
  any<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(reduce.any(this, dim as Dims, reducing('any', options)));
  }

  /** Whether all elements are not zero. */
  all<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(reduce.all(this, dim as Dims, reducing('all', options)));
  }

  /** (Σ |x|ᵖ)^(1/p); p = 0 counts non-zeros, ±∞ gives the largest or smallest magnitude. */
  norm<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    p: number | 'fro' = 2,
    dim?: FitReduce<T, D, K>,
    options?: Reducing<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(norm(this, p, dim as Dims, reducing('norm', options), options?.dtype));
  }

  /** log Σ eˣ over `dim`, without overflow. */
  logsumexp<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(logsumexp(this, dim as Dims, reducing('logsumexp', options)));
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
}
