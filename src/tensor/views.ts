import type { TensorBase } from '../core/tensor.ts';
import * as slices from '../ops/slices.ts';
import * as view from '../ops/view.ts';
import { TensorLinear } from './linear.ts';
import type { Dims } from './reductions.ts';
import type { Axes, Shape, Untyped } from './shapes.ts';
import type {
  ExpandOf,
  FitDim,
  FitExpand,
  FitFlatten,
  FitNarrow,
  FitPermute,
  FitReshape,
  FitSelect,
  FitSqueeze,
  FitTransposed,
  FitUnsqueeze,
  FitView,
  FlattenOf,
  MatrixTransposeOf,
  MoveDimOf,
  NarrowOf,
  PermuteOf,
  ReshapeOf,
  ReversedOf,
  SelectOf,
  SliceOf,
  SqueezeOf,
  TransposedOf,
  TransposeOf,
  UnsqueezeOf,
} from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** The same elements seen in another shape or order. */
export abstract class TensorViews<S extends Shape = Untyped> extends TensorLinear<S> {
  /** The same elements in another shape; one size may be -1. Shares memory when it can. */
  reshape<T extends Tensor, const R extends Shape>(this: T, shape: FitReshape<T, R>): Tensor<ReshapeOf<T, R>> {
    return as(view.reshape(this, shape as readonly number[]));
  }

  /** `reshape` that always shares memory, or is an error. */
  view<T extends Tensor, const R extends Shape>(this: T, shape: FitView<T, R>): Tensor<ReshapeOf<T, R>> {
    return as(view.view(this, shape as readonly number[]));
  }

  /** Two dimensions exchanged; shares memory. */
  transpose<T extends Tensor, A extends number, B extends number>(
    this: T,
    a: FitDim<T, A>,
    b: FitDim<T, B>,
  ): Tensor<TransposeOf<T, A, B>> {
    return as(view.transpose(this, a as number, b as number));
  }

  /** Dimensions in another order: dimension i of the result is dimension `dims[i]`; shares memory. */
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

  /** Dimensions of size 1, and new ones in front, repeated to a larger shape without copying; −1 keeps a size. */
  expand<T extends Tensor, const R extends Shape>(this: T, shape: FitExpand<T, R>): Tensor<ExpandOf<T, R>> {
    return as(view.expand(this, shape as readonly number[]));
  }

  /** Without dimensions of size 1: all of them, or those named; shares memory. */
  squeeze<T extends Tensor, const D extends Axes = undefined>(
    this: T,
    dim?: FitSqueeze<T, D>,
  ): Tensor<SqueezeOf<T, D>> {
    return as(view.squeeze(this, dim as Dims));
  }

  /** With a new dimension of size 1 at `dim`; shares memory. */
  unsqueeze<T extends Tensor, D extends number>(this: T, dim: FitUnsqueeze<T, D>): Tensor<UnsqueezeOf<T, D>> {
    return as(view.unsqueeze(this, dim as number));
  }

  /** One place along `dim`, which vanishes; shares memory. */
  select<T extends Tensor, D extends number, I extends number>(
    this: T,
    dim: FitDim<T, D>,
    index: FitSelect<T, D, I>,
  ): Tensor<SelectOf<T, D, I>> {
    return as(slices.select(this, dim as number, index as number));
  }

  /** Python's `start:end:step` along one dimension. */
  slice<
    T extends Tensor,
    D extends number,
    A extends number | undefined = undefined,
    B extends number | undefined = undefined,
    C extends number | undefined = undefined,
  >(this: T, dim: FitDim<T, D>, start?: A, end?: B, step?: C): Tensor<SliceOf<T, D, A, B, C>> {
    return as(slices.slice(this, dim as number, start, end, step));
  }

  /** The slice of `length` elements along `dim` from `start`, a number or a rank-0 tensor of one. */
  narrow<T extends Tensor, D extends number, A extends number | Tensor, L extends number>(
    this: T,
    dim: FitDim<T, D>,
    start: A,
    length: FitNarrow<T, D, A, L>,
  ): Tensor<NarrowOf<T, D, A, L>> {
    const from = typeof start === 'number' ? start : slices.startOf(start, (t) => (t as Tensor).item());
    return as(slices.narrow(this, dim as number, from, length as number));
  }

  /** Dimensions `start` to `end`, both included, as one. */
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

  /** The same as `movedim`. */
  moveaxis<T extends Tensor, const A extends number | Shape, const B extends number | Shape>(
    this: T,
    from: A extends number ? FitDim<T, A> : A,
    to: B extends number ? FitDim<T, B> : B,
  ): A extends number ? (B extends number ? Tensor<MoveDimOf<T, A, B>> : Tensor) : Tensor;
  moveaxis(from: number | Shape, to: number | Shape): Tensor {
    return as(view.movedim(this, from, to));
  }

  /** The same as `transpose`. */
  swapaxes<T extends Tensor, A extends number, B extends number>(
    this: T,
    a: FitDim<T, A>,
    b: FitDim<T, B>,
  ): Tensor<TransposeOf<T, A, B>> {
    return as(view.transpose(this, a as number, b as number));
  }

  /** The same as `transpose`. */
  swapdims<T extends Tensor, A extends number, B extends number>(
    this: T,
    a: FitDim<T, A>,
    b: FitDim<T, B>,
  ): Tensor<TransposeOf<T, A, B>> {
    return as(view.transpose(this, a as number, b as number));
  }
}
