import type { DType } from '../core/dtype.ts';
import { setTensorClass, type TensorBase } from '../core/tensor.ts';
import * as extrema from '../ops/extrema.ts';
import * as indexing from '../ops/indexing.ts';
import * as products from '../ops/matmul.ts';
import { norm } from '../ops/norm.ts';
import * as reduce from '../ops/reduce.ts';
import { logSoftmax, logsumexp, softmax } from '../ops/softmax.ts';
import * as view from '../ops/view.ts';
import { TensorArithmetic } from './arithmetic.ts';
import { checkDType, checkOptions } from './options.ts';
import * as random from './random.ts';
import type { Axes, Shape, Untyped } from './shapes.ts';
import type {
  BmmOf,
  ExpandOf,
  ExtremeOf,
  FitBmm,
  FitDim,
  FitDot,
  FitExpand,
  FitFlatten,
  FitGather,
  FitIndexSelect,
  FitMatMul,
  FitMm,
  FitMv,
  FitNarrow,
  FitPermute,
  FitReduce,
  FitReshape,
  FitSelect,
  FitSqueeze,
  FitTransposed,
  FitUnsqueeze,
  FitView,
  FlattenOf,
  GatherOf,
  IndexSelectOf,
  MatMulOf,
  MatrixTransposeOf,
  MmOf,
  MoveDimOf,
  MvOf,
  NarrowOf,
  PermuteOf,
  ReduceOf,
  ReshapeOf,
  ReversedOf,
  SelectOf,
  ShapeOf,
  SliceOf,
  SqueezeOf,
  TransposedOf,
  TransposeOf,
  UnsqueezeOf,
} from './signatures.ts';

export type { Operand } from './signatures.ts';

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

const as = (t: TensorBase): Tensor => t as Tensor;

function reducing(op: string, options: Reducing | undefined): boolean {
  checkOptions(op, options, ['keepdim', 'dtype']);
  checkDType(op, options?.dtype);
  return options?.keepdim ?? false;
}

/**
 * An n-dimensional array of numbers that remembers how it was computed.
 *
 * The class is written in three layers: what a tensor is (`TensorState`), what works element by
 * element (`TensorArithmetic`), and here what works on shapes: reductions, products and views.
 */
export class Tensor<S extends Shape = Untyped> extends TensorArithmetic<S> {
  // ── reductions ──

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

  // ── products ──

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

  // ── views ──

  /** The same elements in another shape; one size may be -1. Shares memory when it can. */
  reshape<T extends Tensor, const R extends Shape>(this: T, shape: FitReshape<T, R>): Tensor<ReshapeOf<T, R>> {
    return as(view.reshape(this, shape as readonly number[]));
  }

  /** `reshape` that always shares memory, or is an error. */
  view<T extends Tensor, const R extends Shape>(this: T, shape: FitView<T, R>): Tensor<ReshapeOf<T, R>> {
    return as(view.view(this, shape as readonly number[]));
  }

  transpose<T extends Tensor, A extends number, B extends number>(
    this: T,
    a: FitDim<T, A>,
    b: FitDim<T, B>,
  ): Tensor<TransposeOf<T, A, B>> {
    return as(view.transpose(this, a as number, b as number));
  }

  permute<T extends Tensor, const P extends Shape>(this: T, dims: FitPermute<T, P>): Tensor<PermuteOf<T, P>> {
    return as(view.permute(this, dims as readonly number[]));
  }

  /** The transpose of a matrix. */
  t<T extends Tensor>(this: FitTransposed<T>): Tensor<TransposedOf<T>> {
    return as(view.t(this as Tensor));
  }

  /** The last two dimensions exchanged. */
  get mT(): Tensor<MatrixTransposeOf<S>> {
    return as(view.mT(this));
  }

  /** All dimensions in reverse order. */
  get T(): Tensor<ReversedOf<S>> {
    return as(
      view.permute(
        this,
        this.shape.map((_, d) => this.shape.length - 1 - d),
      ),
    );
  }

  expand<T extends Tensor, const R extends Shape>(this: T, shape: FitExpand<T, R>): Tensor<ExpandOf<T, R>> {
    return as(view.expand(this, shape as readonly number[]));
  }

  squeeze<T extends Tensor, const D extends Axes = undefined>(
    this: T,
    dim?: FitSqueeze<T, D>,
  ): Tensor<SqueezeOf<T, D>> {
    return as(view.squeeze(this, dim as Dims));
  }

  unsqueeze<T extends Tensor, D extends number>(this: T, dim: FitUnsqueeze<T, D>): Tensor<UnsqueezeOf<T, D>> {
    return as(view.unsqueeze(this, dim as number));
  }

  select<T extends Tensor, D extends number, I extends number>(
    this: T,
    dim: FitDim<T, D>,
    index: FitSelect<T, D, I>,
  ): Tensor<SelectOf<T, D, I>> {
    return as(view.select(this, dim as number, index as number));
  }

  /** Python's `start:end:step` along one dimension. */
  slice<
    T extends Tensor,
    D extends number,
    A extends number | undefined = undefined,
    B extends number | undefined = undefined,
    C extends number | undefined = undefined,
  >(this: T, dim: FitDim<T, D>, start?: A, end?: B, step?: C): Tensor<SliceOf<T, D, A, B, C>> {
    return as(view.slice(this, dim as number, start, end, step));
  }

  narrow<T extends Tensor, D extends number, A extends number, L extends number>(
    this: T,
    dim: FitDim<T, D>,
    start: A,
    length: FitNarrow<T, D, A, L>,
  ): Tensor<NarrowOf<T, D, A, L>> {
    return as(view.narrow(this, dim as number, start, length as number));
  }

  flatten<T extends Tensor, A extends number = 0, B extends number = -1>(
    this: T,
    start?: FitDim<T, A>,
    end?: FitFlatten<T, A, B>,
  ): Tensor<FlattenOf<T, A, B>> {
    return as(view.flatten(this, (start ?? 0) as number, (end ?? -1) as number));
  }

  /** Moves dimensions to other positions; the rest keep their order. */
  movedim<T extends Tensor, const A extends number | Shape, const B extends number | Shape>(
    this: T,
    from: A extends number ? FitDim<T, A> : A,
    to: B extends number ? FitDim<T, B> : B,
  ): A extends number ? (B extends number ? Tensor<MoveDimOf<T, A, B>> : Tensor) : Tensor;
  movedim(from: number | Shape, to: number | Shape): Tensor {
    return as(view.movedim(this, from, to));
  }

  // ── picking ──

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

  // ── random, in place ──

  /** Fills with numbers drawn uniformly from [from, to). */
  uniform_(from = 0, to = 1, options?: random.RandomOptions): this {
    random.uniform_(this, from, to, options);
    return this;
  }

  /** Fills with normal numbers of the given mean and standard deviation. */
  normal_(mean = 0, std = 1, options?: random.RandomOptions): this {
    random.normal_(this, mean, std, options);
    return this;
  }

  bernoulli_(p: number | Tensor = 0.5, options?: random.RandomOptions): this {
    random.bernoulli_(this, p, options);
    return this;
  }

  exponential_(lambd = 1, options?: random.RandomOptions): this {
    random.exponential_(this, lambd, options);
    return this;
  }
}

setTensorClass(Tensor);
