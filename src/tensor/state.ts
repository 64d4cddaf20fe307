import {
  type BackwardOptions,
  backward,
  gradOf,
  isLeaf,
  retainGrad,
  setGrad,
  setRequiresGrad,
} from '../autograd/api.ts';
import { registerHook, registerPostAccumulateGradHook } from '../autograd/hooks.ts';
import { needsGradient, sync } from '../core/apply.ts';
import { dtypeInfo } from '../core/dtype.ts';
import { ArgumentError, AutogradError } from '../core/errors.ts';
import type { AccumulateHook, HookHandle, TensorHook } from '../core/hooks.ts';
import type { Node } from '../core/node.ts';
import { wrapDim } from '../core/shape.ts';
import { isInference, TensorBase } from '../core/tensor.ts';
import { liesIn, type MemoryFormat } from '../ops/copy.ts';
import { detach, detach_, setData, variableData } from '../ops/detach.ts';
import { checkOptions } from './options.ts';
import type { Known, Shape, Untyped } from './shapes.ts';
import type { FitDim, FitGradient, Root, SizeOfDim } from './signatures.ts';
import type { Tensor } from './tensor.ts';

export interface LayoutOptions {
  /** 'contiguous' (row-major), or with the channels innermost: 'channelsLast' of rank 4, 'channelsLast3d' of rank 5. */
  readonly memoryFormat?: MemoryFormat;
}

const as = (t: TensorBase): Tensor => t as Tensor;

const BACKWARD = ['gradient', 'retainGraph', 'createGraph', 'inputs'] as const;

/** What a tensor is, and where it stands in the graph. */
export abstract class TensorState<S extends Shape = Untyped> extends TensorBase {
  /** The sizes of the dimensions: [] for a single number. */
  declare readonly shape: Known<S>;

  // ── what it is ──

  /** Number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of dimensions. */
  dim(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  numel(): number {
    return this.count;
  }

  /** The size of one dimension. */
  size<T extends Tensor, D extends number>(this: T, dim: FitDim<T, D>): SizeOfDim<T, D> {
    const sizes: readonly number[] = this.shape;
    if (dim === undefined) throw new ArgumentError('size: expected a dimension; the sizes of all are x.shape');
    return (sizes[wrapDim('size', dim as number, sizes.length)] ?? 1) as SizeOfDim<T, D>;
  }

  /** How far apart neighbours along each dimension (or one) lie, in elements. */
  stride(): readonly number[];
  stride(dim: number): number;
  stride(dim?: number): number | readonly number[] {
    return dim === undefined ? this.strides : this.strides[wrapDim('stride', dim, this.shape.length)];
  }

  /** Where the values are. */
  get device(): 'cpu' {
    return 'cpu';
  }

  /** Whether the elements lie in row-major order without gaps, or in the format given. */
  isContiguous(options?: LayoutOptions): boolean {
    if (options !== undefined) checkOptions('isContiguous', options, ['memoryFormat']);
    return liesIn(this, options?.memoryFormat ?? 'contiguous');
  }

  /** Whether it is a view: it shares the memory of another tensor, and in-place changes of one are changes of both. */
  isView(): boolean {
    return this.base !== null;
  }

  /** The tensor that this one is a view of (itself no view), null if it is none. */
  get base(): Tensor | null {
    return (this.meta?.base ?? null) as Tensor | null;
  }

  /** How many bytes the elements take. */
  get nbytes(): number {
    return this.count * dtypeInfo(this.dtype).bytes;
  }

  /** Whether the dtype is float32 or float64. */
  isFloatingPoint(): boolean {
    return this.dtype === 'float32' || this.dtype === 'float64';
  }

  // ── its place in the graph ──

  /** Whether gradients flow to this tensor. May be set on leaves of floating point dtype. */
  get requiresGrad(): boolean {
    return needsGradient(this);
  }

  set requiresGrad(value: boolean) {
    setRequiresGrad(this, value, true);
  }

  /** Says whether gradients flow to this leaf, and returns it.
   *
   * @throws {DTypeError} for a tensor that is not of floating point; {AutogradError} for a result of others that is to need none.
   */
  requiresGrad_(value = true): this {
    setRequiresGrad(this, value);
    return this;
  }

  /** The gradient accumulated by `backward`, null before the first. Holds gradients of leaves, and of tensors with `retainGrad()`. */
  get grad(): Tensor<S> | null {
    return gradOf(this) as Tensor<S> | null;
  }

  set grad(value: Tensor<S> | null) {
    setGrad(this, value);
  }

  /** The node that made this tensor, null for a leaf. */
  get gradFn(): Node | null {
    return sync(this).node;
  }

  /** Whether no recorded operation made it. */
  get isLeaf(): boolean {
    return isLeaf(this);
  }

  /** Which output of `gradFn` this tensor is. */
  get outputNr(): number {
    return sync(this).outputIndex;
  }

  /**
   * How often its memory was changed in place.
   *
   * @throws {AutogradError} for an inference tensor, whose changes nobody counts.
   */
  get version(): number {
    if (this.storage.version < 0) throw new AutogradError('Inference tensors do not track version counter.');
    return this.storage.version;
  }

  /** Whether it was made in inference mode. */
  isInference(): boolean {
    return isInference(this);
  }

  /** Whether `retainGrad()` was called. */
  get retainsGrad(): boolean {
    return this.meta?.retainsGrad ?? false;
  }

  /** Keeps the gradient of a tensor that is no leaf in `.grad`. */
  retainGrad(): void {
    retainGrad(this);
  }

  /**
   * Calls `hook` with the gradient of this tensor in every backward pass that computes it, once it is
   * complete; a tensor that the hook returns takes its place. Hooks run in the order in which they were
   * registered, on a leaf before the gradient is accumulated. After an in-place change of the tensor, hooks
   * from before it still see the gradient of what the tensor was then.
   *
   * On one of several results of an operation, the hook gets null when a pass reached only the others.
   *
   * @throws {AutogradError} when the tensor does not require grad.
   */
  registerHook(hook: TensorHook<Tensor<S>>): HookHandle {
    return registerHook(this, hook as TensorHook);
  }

  /**
   * Calls `hook` with this leaf each time `backward` has added to its `.grad`. The hook may change the
   * leaf and its gradient, so that an optimizer can step while the pass goes on. It returns nothing.
   *
   * @throws {AutogradError} when the tensor is no leaf, or does not require grad.
   */
  registerPostAccumulateGradHook(hook: AccumulateHook): HookHandle {
    return registerPostAccumulateGradHook(this, hook);
  }

  /**
   * Computes the gradient of this tensor by the leaves it was computed from, and adds it to their
   * `.grad`.
   *
   * @throws {AutogradError} when it does not require grad, has more than one element and no `gradient`
   * is given, or its graph was freed by an earlier pass.
   */
  backward<T extends Tensor, G extends Tensor | null | undefined = undefined>(
    this: Root<T, G>,
    options?: Omit<BackwardOptions<Tensor>, 'gradient'> & { readonly gradient?: FitGradient<T, G> },
  ): void {
    if (options !== undefined) checkOptions('backward', options, BACKWARD);
    backward(this as Tensor, options as BackwardOptions<Tensor> | undefined);
  }

  /** The same values outside the graph; memory is shared. */
  detach(): Tensor<S> {
    return as(detach(this));
  }

  /** Takes this tensor out of the graph: it is a leaf without gradient from now on.
   *
   * @throws {AutogradError} for a view: `detach()` gives one outside the graph.
   */
  detach_(): this {
    detach_(this);
    return this;
  }

  /**
   * What is `x.data` in PyTorch, to be read: the same memory outside the graph, with a version of its own.
   * Unlike those through `detach()`, changes through it are not noticed by what saved this tensor for
   * backward: the gradient may be wrong without an error.
   */
  variableData(): Tensor<S> {
    return as(variableData(this));
  }

  /**
   * What is `x.data = values` in PyTorch: this leaf takes over the memory, shape and dtype of another tensor,
   * and keeps its gradient and its version, so that what saved it does not notice.
   */
  setData(values: Tensor): this {
    setData(this, values as TensorBase);
    return this;
  }
}
