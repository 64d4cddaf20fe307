import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { clone } from '../ops/copy.ts';
import * as path from '../ops/paths.ts';
import { resize_ } from '../ops/resize.ts';
import * as slices from '../ops/slices.ts';
import * as view from '../ops/view.ts';
import * as form from '../ops/view-forms.ts';
import { viewInPlace } from '../ops/view-inplace.ts';
import type { Dims } from './reductions.ts';
import type { Axes, Shape, Untyped } from './shapes.ts';
import type {
  AtLeastOf,
  DiagonalOf,
  ExpandOf,
  FitDiagonal,
  FitDim,
  FitExpand,
  FitExpandAs,
  FitNarrow,
  FitReshapeAs,
  FitSqueeze,
  FitTransposed,
  FitUnflatten,
  FitUnfold,
  FitUnsqueeze,
  FitViewAs,
  MatrixTransposeOf,
  NarrowOf,
  ReshapeOf,
  ShapeOf,
  SqueezeOf,
  TransposedOf,
  TransposeOf,
  UnflattenOf,
  UnfoldOf,
  UnsqueezeOf,
} from './signatures.ts';
import { TensorSplitting } from './splitting.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** The shape of a tensor that another is to be like. */
function shapeOf(op: string, other: unknown): Shape {
  checkTensors(op, other);
  return (other as Tensor).shape as Shape;
}

/** Diagonals, windows, other names of views, their scatter forms and those in place. */
export abstract class TensorPaths<S extends Shape = Untyped> extends TensorSplitting<S> {
  // ── along other paths ──

  /** The diagonal of two dimensions, as the last one; `offset` counts diagonals above the main one, negative below. */
  diagonal<T extends Tensor, K extends number = 0, A extends number = 0, B extends number = 1>(
    this: T,
    offset?: K,
    dim1?: FitDim<T, A>,
    dim2?: FitDiagonal<T, K, A, B>,
  ): Tensor<DiagonalOf<T, K, A, B>> {
    return as(path.diagonal(this, offset, dim1 as number | undefined, dim2 as number | undefined));
  }

  /** Windows of `size` elements along `dim`, each `step` elements on from the last, as a new last dimension. */
  unfold<T extends Tensor, D extends number, N extends number, K extends number>(
    this: T,
    dim: FitDim<T, D>,
    size: FitUnfold<T, D, N, K>,
    step: K,
  ): Tensor<UnfoldOf<T, D, N, K>> {
    return as(path.unfold(this, dim as number, size as number, step));
  }

  /**
   * The memory of this tensor under other sizes and strides, whatever they make of it: elements may be
   * left out, or seen several times (then their gradients add up). `storageOffset` counts from the start of
   * the memory; it is that of this tensor by default.
   *
   * @throws {ShapeError} when the view would reach beyond the memory.
   */
  asStrided<const R extends Shape>(size: R, stride: Shape, storageOffset?: number): Tensor<R> {
    return as(path.asStrided(this, size, stride, storageOffset)) as Tensor<R>;
  }

  /** `narrow` into memory of its own. */
  narrowCopy<T extends Tensor, D extends number, A extends number, L extends number>(
    this: T,
    dim: FitDim<T, D>,
    start: A,
    length: FitNarrow<T, D, A, L>,
  ): Tensor<NarrowOf<T, D, A, L>> {
    return as(clone(slices.narrow(this, dim as number, start, length as number)));
  }

  // ── under other names ──

  /** One dimension as several, of which one size may be -1. */
  unflatten<T extends Tensor, D extends number, const N extends Shape>(
    this: T,
    dim: FitDim<T, D>,
    sizes: FitUnflatten<T, D, N>,
  ): Tensor<UnflattenOf<T, D, N>> {
    return as(form.unflatten(this, dim as number, sizes as Shape));
  }

  /** The elements in one dimension; shares memory when they lie in order. */
  ravel<T extends Tensor>(this: T): Tensor<ReshapeOf<T, [-1]>> {
    return as(form.ravel(this));
  }

  /** `expand` under the name of NumPy. */
  broadcastTo<T extends Tensor, const R extends Shape>(this: T, shape: FitExpand<T, R>): Tensor<ExpandOf<T, R>> {
    return as(view.expand(this, shape as Shape));
  }

  /** Expanded to the shape of another tensor. */
  expandAs<T extends Tensor, X extends Tensor>(this: T, other: FitExpandAs<T, X>): Tensor<ExpandOf<T, ShapeOf<X>>> {
    return as(view.expand(this, shapeOf('expandAs', other)));
  }

  /** Reshaped to the shape of another tensor. */
  reshapeAs<T extends Tensor, X extends Tensor>(this: T, other: FitReshapeAs<T, X>): Tensor<ReshapeOf<T, ShapeOf<X>>> {
    return as(view.reshape(this, shapeOf('reshapeAs', other)));
  }

  /** Viewed in the shape of another tensor. */
  viewAs<T extends Tensor, X extends Tensor>(this: T, other: FitViewAs<T, X>): Tensor<ReshapeOf<T, ShapeOf<X>>> {
    return as(view.view(this, shapeOf('viewAs', other)));
  }

  /** The tensor itself; a single number as a vector. */
  atleast1d<T extends Tensor>(this: T): Tensor<AtLeastOf<T, 1>> {
    return as(form.atleast1d(this));
  }

  /** The tensor itself; a vector as a matrix of one row. */
  atleast2d<T extends Tensor>(this: T): Tensor<AtLeastOf<T, 2>> {
    return as(form.atleast2d(this));
  }

  /** The tensor itself; a vector as [1, n, 1], a matrix as [n, m, 1]. */
  atleast3d<T extends Tensor>(this: T): Tensor<AtLeastOf<T, 3>> {
    return as(form.atleast3d(this));
  }

  /** The conjugate transpose of the last two dimensions; numbers are real here, so that it is `mT`. */
  adjoint(): Tensor<MatrixTransposeOf<S>> {
    return as(form.adjoint(this));
  }

  /** The last two dimensions exchanged; of real numbers the same as `mT`. */
  get mH(): Tensor<MatrixTransposeOf<S>> {
    return as(form.adjoint(this));
  }

  /** The conjugate transpose of a matrix. */
  get H(): Tensor<MatrixTransposeOf<S>> {
    return as(form.H(this));
  }

  /** The real part: numbers are real here, so that it is the tensor itself, as in PyTorch. */
  get real(): this {
    return this;
  }

  /** The complex conjugate: the tensor itself, as PyTorch has it of real numbers. */
  conj(): this {
    return this;
  }

  /** `conj` in memory, `resolveConj` and `resolveNeg` undo what is only noted: nothing, of real numbers. */
  conjPhysical(): this {
    return this;
  }

  conjPhysical_(): this {
    return this;
  }

  /** The tensor itself: there are no lazy conjugates of real numbers. */
  resolveConj(): this {
    return this;
  }

  /** The tensor itself: negation is never lazy here. */
  resolveNeg(): this {
    return this;
  }

  /** The tensor itself, refused for truth values. */
  positive(): this {
    return form.positive(this) as this;
  }

  // ── the tensor with what a view sees replaced ──

  /** A copy with the slice at `index` of `dim` replaced by `src`. */
  selectScatter(src: Tensor, dim: number, index: number): Tensor<S> {
    return as(path.selectScatter(this, src as TensorBase, dim, index));
  }

  /** A copy with the slice `start:end:step` of `dim` replaced by `src`. */
  sliceScatter(src: Tensor, dim?: number, start?: number, end?: number, step?: number): Tensor<S> {
    return as(path.sliceScatter(this, src as TensorBase, dim, start, end, step));
  }

  /** A copy with a diagonal replaced by `src`. */
  diagonalScatter(src: Tensor, offset?: number, dim1?: number, dim2?: number): Tensor<S> {
    return as(path.diagonalScatter(this, src as TensorBase, offset, dim1, dim2));
  }

  /** A copy with what `asStrided` sees replaced by `src`. */
  asStridedScatter(src: Tensor, size: Shape, stride: Shape, storageOffset?: number): Tensor<S> {
    return as(path.asStridedScatter(this, src as TensorBase, size, stride, storageOffset));
  }

  // ── in place: this tensor becomes its view ──

  /** Takes dimensions of size 1 out of this tensor itself. */
  squeeze_<T extends Tensor, const D extends Axes = undefined>(
    this: T,
    dim?: FitSqueeze<T, D>,
  ): Tensor<SqueezeOf<T, D>> {
    return as(viewInPlace('squeeze', this, (x) => view.squeeze(x, dim as Dims)));
  }

  /** Puts a dimension of size 1 into this tensor itself. */
  unsqueeze_<T extends Tensor, D extends number>(this: T, dim: FitUnsqueeze<T, D>): Tensor<UnsqueezeOf<T, D>> {
    return as(viewInPlace('unsqueeze', this, (x) => view.unsqueeze(x, dim as number)));
  }

  /** Exchanges two dimensions of this tensor itself. */
  transpose_<T extends Tensor, A extends number, B extends number>(
    this: T,
    a: FitDim<T, A>,
    b: FitDim<T, B>,
  ): Tensor<TransposeOf<T, A, B>> {
    return as(viewInPlace('transpose', this, (x) => view.transpose(x, a as number, b as number)));
  }

  /** Transposes this matrix itself. */
  t_<T extends Tensor>(this: FitTransposed<T>): Tensor<TransposedOf<T>> {
    return as(viewInPlace('t', this as TensorBase, view.t));
  }

  /**
   * Gives this tensor another shape over the same memory, in row-major order from its first element on.
   * Where that is not enough it moves to memory of its own, with anything behind the old elements.
   *
   * @throws {AutogradError} when it requires grad.
   */
  resize_<const R extends Shape>(shape: R): Tensor<R> {
    return as(resize_(this, shape)) as Tensor<R>;
  }

  /** `resize_` to the shape of another tensor. */
  resizeAs_<X extends Tensor>(other: X): Tensor<ShapeOf<X>> {
    return as(resize_(this, shapeOf('resizeAs_', other)));
  }

  /** `asStrided` of this tensor itself. */
  asStrided_<const R extends Shape>(size: R, stride: Shape, storageOffset?: number): Tensor<R> {
    return as(viewInPlace('asStrided', this, (x) => path.asStrided(x, size, stride, storageOffset))) as Tensor<R>;
  }
}
