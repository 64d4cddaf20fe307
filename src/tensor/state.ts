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
import type { DType, TypedArray } from '../core/dtype.ts';
import { ArgumentError, AutogradError, ShapeError } from '../core/errors.ts';
import type { AccumulateHook, HookHandle, TensorHook } from '../core/hooks.ts';
import type { Wrapped } from '../core/levels.ts';
import type { Node } from '../core/node.ts';
import { checkList, shapeText, wrapDim } from '../core/shape.ts';
import { isInference, TensorBase } from '../core/tensor.ts';
import { clone, contiguous, copyTo, liesIn, type MemoryFormat, toDType } from '../ops/copy.ts';
import { detach, detach_, setData, variableData } from '../ops/detach.ts';
import { copy_, fill_ } from '../ops/fill.ts';
import { readElement } from '../ops/inspect.ts';
import { type NestedArray, toHost } from './data.ts';
import { denoInspect, display, jupyterDisplay, nodeInspect, notebookBundle } from './display.ts';
import { checkDType, checkOptions } from './options.ts';
import type { Known, Shape, Untyped } from './shapes.ts';
import type { AsOf, FitAs, FitDim, FitGradient, FitInto, Operand, Root, Single, SizeOfDim } from './signatures.ts';
import type { Tensor } from './tensor.ts';

export interface LayoutOptions {
  /** 'contiguous' (row-major), or with the channels innermost: 'channelsLast' of rank 4, 'channelsLast3d' of rank 5. */
  readonly memoryFormat?: MemoryFormat;
}

export interface ConversionOptions extends LayoutOptions {
  /** Copy even where nothing changes. */
  readonly copy?: boolean;
}

const as = (t: TensorBase): Tensor => t as Tensor;

const BACKWARD = ['gradient', 'retainGraph', 'createGraph', 'inputs'] as const;

/** What a tensor is, where it stands in the graph, and how its values come out. */
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

  // ── its values ──

  /** The value of a tensor of one element; truth values are 1 and 0. */
  item<T extends Tensor>(this: Single<T>): number {
    return itemOf(this as Tensor);
  }

  /**
   * Whether the one element of this tensor is not zero: what `if` asks of a tensor in Python. (In JavaScript
   * `if (t)` only asks whether there is a tensor.)
   *
   * @throws {ShapeError} when there is not exactly one element.
   */
  isNonzero(): boolean {
    if (this.count !== 1) {
      const how = this.count === 0 ? 'no values' : 'more than one value';
      throw new ShapeError(
        `isNonzero: Boolean value of Tensor with ${how} is ambiguous (shape ${shapeText(this.shape)}); reduce it first: x.any() or x.all()`,
      );
    }
    return itemOf(this) !== 0;
  }

  /** The elements as nested arrays (truth values as booleans); a rank-0 tensor gives its value. */
  toArray(): NestedArray {
    const flat = elementsOf('toArray', this);
    let i = 0;
    const build = (depth: number): NestedArray => {
      if (depth === this.shape.length) {
        const x = flat[i++];
        return this.dtype === 'bool' ? x !== 0 : x;
      }
      return Array.from({ length: this.shape[depth] }, () => build(depth + 1));
    };
    return build(0);
  }

  /** What `JSON.stringify` writes: the nested arrays of `toArray`. NaN and infinities become null, as everywhere in JSON. */
  toJSON(): NestedArray {
    return this.toArray();
  }

  /** A copy of the elements in row-major order, as the typed array of the dtype (bool as 0 and 1). */
  toTypedArray(): TypedArray {
    return elementsOf('toTypedArray', this);
  }

  /** The same, on every device. */
  async data(): Promise<TypedArray> {
    return elementsOf('data', this);
  }

  override toString(): string {
    return display(this);
  }

  [Symbol.toPrimitive](hint: string): number | string {
    return hint === 'number' ? itemOf(this) : this.toString();
  }

  [nodeInspect](): string {
    return display(this);
  }

  [denoInspect](): string {
    return display(this);
  }

  [jupyterDisplay](): Record<string, string> {
    return notebookBundle(this);
  }

  /** Checks at run time that the shape is as said; -1 stands for any size. */
  as<T extends Tensor, const R extends Shape>(this: T, shape: FitAs<T, R>): Tensor<AsOf<T, R>> {
    const [expected, actual] = [shape as Shape, this.shape as Shape];
    checkList('as', 'a shape', expected);
    if (expected.length !== actual.length || expected.some((n, d) => n !== -1 && n !== actual[d])) {
      throw new ShapeError(`as: expected shape ${shapeText(expected)}, got ${shapeText(actual)}`);
    }
    return this;
  }

  // ── conversion and copies ──

  /**
   * This tensor in another dtype, or in that of another tensor: itself if it is of that dtype already, but
   * for `copy: true`. `memoryFormat` says how the elements lie in memory.
   */
  to(dtype: DType | Tensor, options?: ConversionOptions): Tensor<S> {
    const into = dtype instanceof TensorBase ? dtype.dtype : dtype;
    checkDType('to', into ?? null);
    if (options === undefined) return as(toDType(this, into));
    checkOptions('to', options, ['copy', 'memoryFormat']);
    const { copy = false, memoryFormat } = options;
    const same = into === this.dtype && (memoryFormat === undefined || liesIn(this, memoryFormat));
    return same && !copy ? as(this) : as(copyTo(this, into, memoryFormat));
  }

  /** As float32. */
  float(): Tensor<S> {
    return this.to('float32');
  }

  /** As float64. */
  double(): Tensor<S> {
    return this.to('float64');
  }

  /** As int32; fractions are cut off. */
  int(): Tensor<S> {
    return this.to('int32');
  }

  /** As truth values: true where an element is not 0. */
  bool(): Tensor<S> {
    return this.to('bool');
  }

  /** The same values in memory of their own, in row-major order if not said otherwise. */
  clone(options?: LayoutOptions): Tensor<S> {
    if (options !== undefined) checkOptions('clone', options, ['memoryFormat']);
    return as(clone(this, options?.memoryFormat));
  }

  /** This tensor if its elements lie in order (or in the format given) in memory, else a copy where they do. */
  contiguous(options?: LayoutOptions): Tensor<S> {
    if (options !== undefined) checkOptions('contiguous', options, ['memoryFormat']);
    return as(contiguous(this, options?.memoryFormat));
  }

  /** Overwrites the values with those of `source`, broadcast and converted. */
  copy_<T extends Tensor, X extends Operand>(this: T, source: FitInto<T, X>): T {
    copy_(this, source as Operand);
    return this;
  }

  /** Every element set to a number, or to the value of a rank-0 tensor. */
  fill_(value: Operand): this {
    fill_(this, value);
    return this;
  }

  /** Every element set to 0. */
  zero_(): this {
    fill_(this, 0);
    return this;
  }
}

/** The value of a tensor of one element, found inside whatever wraps it. */
function itemOf(t: TensorBase): number {
  if (t.wrapped !== null) {
    if (t.wrapped.kind === 'batch') {
      throw new AutogradError(
        "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor: it has a value per example. Use where(condition, a, b) instead of data-dependent control flow.",
      );
    }
    return itemOf((sync(t).wrapped as Wrapped).value);
  }
  if (t.count !== 1)
    throw new ShapeError(
      `item: only one element tensors can be converted to Python scalars: a Tensor with ${t.count} elements cannot be converted to Scalar (shape ${shapeText(t.shape)})`,
    );
  return readElement(t, t.offset);
}

/** The elements of a tensor in row-major order, copied. */
function elementsOf(op: string, t: TensorBase): TypedArray {
  if (t.wrapped !== null) {
    if (t.wrapped.kind === 'batch')
      throw new AutogradError(
        `vmap: ${op}() inside a vmapped function: a tensor there has values per example, which are only known to the caller`,
      );
    return elementsOf(op, (sync(t).wrapped as Wrapped).value);
  }
  return toHost(contiguous(detach(t)));
}
