import { sync } from '../core/apply.ts';
import type { DType, TypedArray } from '../core/dtype.ts';
import { AutogradError, ShapeError } from '../core/errors.ts';
import type { Wrapped } from '../core/levels.ts';
import { checkList, shapeText } from '../core/shape.ts';
import { checkTensors, TensorBase } from '../core/tensor.ts';
import { clone, contiguous, copyTo, liesIn, toDType } from '../ops/copy.ts';
import { detach } from '../ops/detach.ts';
import { copy_, fill_ } from '../ops/fill.ts';
import { readElement } from '../ops/inspect.ts';
import { type NestedArray, toHost } from './data.ts';
import { denoInspect, display, jupyterDisplay, nodeInspect, notebookBundle } from './display.ts';
import { checkDType, checkOptions } from './options.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { AsOf, FitAs, FitInto, Operand, Single } from './signatures.ts';
import { type LayoutOptions, TensorState } from './state.ts';
import type { Tensor } from './tensor.ts';

export interface ConversionOptions extends LayoutOptions {
  /** Copy even where nothing changes. */
  readonly copy?: boolean;
}

const as = (t: TensorBase): Tensor => t as Tensor;

/** How the values of a tensor come out, and into other tensors. */
export abstract class TensorValues<S extends Shape = Untyped> extends TensorState<S> {
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

  /** In the dtype of another tensor: the same as `to`. */
  typeAs(other: Tensor): Tensor<S> {
    checkTensors('typeAs', other);
    return this.to(other);
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
