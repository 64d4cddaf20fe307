import { allocate, type Storage } from '../backends/wasm/heap.ts';
import type { Strided } from '../kernels/strided.ts';
import { keepInArena } from './arena.ts';
import { BRAND, kindOf } from './arguments.ts';
import { type DType, dtypeInfo } from './dtype.ts';
import { ArgumentError } from './errors.ts';
import type { ForwardMeta } from './forward.ts';
import { inferring, UNTRACKED } from './inference.ts';
import { baseScope, type Level, type Wrapped } from './levels.ts';
import type { Node } from './node.ts';
import { contiguousStrides, isContiguous, numel } from './shape.ts';
import { setReceiver } from './source-line.ts';

/** An argument of an operation: a tensor, or a number (which adapts to the tensors' dtype). */
export type Operand = TensorBase | number;

/** What an operation gives back: one tensor, or several. */
export type Outputs = TensorBase | readonly TensorBase[];

/**
 * How a view came about, which decides whether it may be changed in place while gradients are
 * recorded: as a plain operation, as one of several views that one operation gave, while nothing was
 * recorded, in inference mode, or inside a custom function. In a transform `detach` makes views as well.
 */
export type ViewCreation = 'plain' | 'several' | 'noGrad' | 'inference' | 'custom' | 'detached';

/** Where the elements of a tensor lie in a piece of memory. */
export interface Place {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Autograd state that most tensors never need. */
export interface AutogradMeta {
  grad: TensorBase | null;
  /** The node that adds into `grad`, for a leaf. */
  accumulator: Node | null;
  retainsGrad: boolean;
  /** What the node that makes it knows of that wish; what other nodes were told no longer counts. */
  retained: Retained | null;
  /** For a view: the tensor whose memory it shares (itself no view). */
  base: TensorBase | null;
  /**
   * For a view: the storage's version that its place in the graph belongs to. In a transform, for a
   * tensor that is no view: how often it was changed in place; for a view: that count of its base.
   */
  baseVersion: number;
  creation: ViewCreation;
  /**
   * In a transform, for what is or was seen otherwise than in order: where it would lie in the memory of
   * its base. There is no such memory, but in-place changes must tell who sees what.
   */
  place: Place | null;
  /** Its tangent, in forward mode. */
  forward: ForwardMeta | null;
}

/**
 * A result that keeps its gradient, without the result: the graph keeps none alive that nobody else holds.
 * (Nor is there a WeakRef, for what that is made of lives to the end of the turn, and in a loop that never
 * yields that is for ever.)
 */
export interface Retained {
  /** Where the gradient goes. */
  readonly meta: AutogradMeta;
  /** Which output of its node it is. */
  readonly index: number;
  /** Its shape and layout. */
  readonly like: TensorBase;
  readonly inTransform: boolean;
}

/**
 * The tensor as the engine sees it: a strided view over a storage, and its place in the graph.
 * Users hold its subclass `Tensor`, which adds methods and no state.
 *
 * A tensor inside a transform is wrapped: `wrapped` holds what is inside, `storage` is empty, and
 * `shape` is what the user's function sees.
 */
export class TensorBase implements Strided {
  readonly shape: readonly number[];
  storage: Storage;
  strides: readonly number[];
  offset: number;
  readonly dtype: DType;
  /** Number of elements. */
  readonly count: number;
  /** Elements lie in row-major order without gaps. */
  flat: boolean;
  /** Whether gradients flow to this tensor: a leaf that asked for it, or a result of one. */
  tracked: boolean;
  /** The node that made this tensor, null for a leaf. @internal */
  node: Node | null;
  /** Which output of `node` this is. */
  outputIndex: number;
  wrapped: Wrapped | null;
  meta: AutogradMeta | null;

  constructor(
    storage: Storage,
    shape: readonly number[],
    strides: readonly number[],
    offset: number,
    dtype: DType,
    size: number,
    flat: boolean,
  ) {
    if (flat === undefined) throw new ArgumentError('Tensor: write tensor([1, 2]), without new');
    this.shape = shape;
    this.storage = storage;
    this.strides = strides;
    this.offset = offset;
    this.dtype = dtype;
    this.count = size;
    this.flat = flat;
    this.tracked = false;
    this.node = null;
    this.outputIndex = 0;
    this.wrapped = null;
    this.meta = null;
  }
}

const FIELDS: readonly (keyof TensorBase)[] = [
  'shape',
  'storage',
  'strides',
  'offset',
  'dtype',
  'count',
  'flat',
  'tracked',
  'node',
  'outputIndex',
  'wrapped',
  'meta',
];

/**
 * What every tensor says of itself, through its prototype. Jest copies what it shows the differences of, every getter's
 * answer too unless it is told what there is to copy, and would fail for `mT` of a vector.
 */
Object.defineProperties(TensorBase.prototype, {
  isTensorBase: { value: BRAND },
  [Symbol.for('@jest/serializableProperties')]: { value: FIELDS },
});

/**
 * The same as `x instanceof TensorBase`, which walks a dozen layers of the class `Tensor`: on paths that
 * take a few hundred nanoseconds that shows.
 */
export function isTensor(x: unknown): x is TensorBase {
  return typeof x === 'object' && x !== null && (x as { readonly isTensorBase?: object }).isTensorBase === BRAND;
}

/** Refuses arguments that must be tensors and are not. */
export function checkTensors(op: string, ...xs: readonly unknown[]): void {
  for (const x of xs) {
    if (!isTensor(x)) throw new ArgumentError(`${op}: expected a Tensor, got ${kindOf(x)}`);
  }
}

type TensorClass = new (
  storage: Storage,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  dtype: DType,
  size: number,
  flat: boolean,
) => TensorBase;

let Class: TensorClass = TensorBase;

/** Tensors are made here and nowhere else; the user-facing class announces itself once, at import. */
export function setTensorClass(c: TensorClass): void {
  Class = c;
  setReceiver(c.name);
}

/** An uninitialised contiguous tensor. `strides` and `size` may be passed when known, and that a recipe is going to make it again. */
export function fresh(
  shape: readonly number[],
  dtype: DType,
  size: number = numel(shape),
  strides: readonly number[] = contiguousStrides(shape),
  result?: boolean,
): TensorBase {
  const storage = allocate(size * dtypeInfo(dtype).bytes, result);
  if (inferring) storage.version = UNTRACKED;
  keepInArena(storage);
  return new Class(storage, shape, strides, 0, dtype, size, true);
}

/** A tensor over the same storage. It carries no history. */
export function alias(
  t: TensorBase,
  shape: readonly number[] = t.shape,
  strides: readonly number[] = t.strides,
  offset: number = t.offset,
): TensorBase {
  const same = shape === t.shape && strides === t.strides;
  return new Class(
    t.storage,
    shape,
    strides,
    offset,
    t.dtype,
    same ? t.count : numel(shape),
    same ? t.flat : isContiguous(shape, strides),
  );
}

/** A tensor without history over any storage. */
export function tensorOver(
  storage: Storage,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  dtype: DType,
): TensorBase {
  return new Class(storage, shape, strides, offset, dtype, numel(shape), isContiguous(shape, strides));
}

/** Gives a tensor the shape, strides and dtype of another one of the same memory. */
export function setPlace(t: TensorBase, from: TensorBase): void {
  const own: { -readonly [K in keyof TensorBase]: TensorBase[K] } = t;
  own.shape = from.shape;
  own.strides = from.strides;
  own.offset = from.offset;
  own.count = from.count;
  own.flat = from.flat;
  own.dtype = from.dtype;
}

/**
 * An alias that follows in-place changes of `t`, and passes its own on to it. A view of a view is as bound
 * as that. An inference tensor has no views: nothing follows it.
 */
export function viewOf(
  t: TensorBase,
  shape: readonly number[],
  strides: readonly number[],
  offset: number = t.offset,
  creation: ViewCreation = 'plain',
): TensorBase {
  const v = alias(t, shape, strides, offset);
  if (isInference(t)) return v;
  const here = baseScope.enabled ? creation : inferring ? 'inference' : 'noGrad';
  v.meta = {
    grad: null,
    accumulator: null,
    retainsGrad: false,
    retained: null,
    base: t.meta?.base ?? t,
    baseVersion: t.storage.version,
    place: null,
    creation: here === 'plain' && t.meta !== null && t.meta.base !== null ? t.meta.creation : here,
    forward: null,
  };
  return v;
}

let none: Storage | null = null;

/** Where a tensor lies in the memory of its base; in a transform, in that which the base would have. */
export function placeOf(t: TensorBase): Place {
  if (t.wrapped === null) return t;
  return t.meta?.place ?? { shape: t.shape, strides: contiguousStrides(t.shape), offset: 0 };
}

/** A plain tensor without memory, of the shape and strides of a transform's tensor: to ask what a view of it is. */
export function shadowOf(t: TensorBase): TensorBase {
  none ??= allocate(0);
  const { shape, strides, offset } = placeOf(t);
  return new Class(none, shape, strides, offset, t.dtype, t.count, isContiguous(shape, strides));
}

/** A tensor of a transform's level around what is inside it. */
export function wrap(wrapped: Wrapped, shape: readonly number[]): TensorBase {
  none ??= allocate(0);
  const t = new Class(none, shape, contiguousStrides(shape), 0, wrapped.value.dtype, numel(shape), true);
  t.wrapped = wrapped;
  return t;
}

export function levelOf(t: TensorBase): Level | null {
  return t.wrapped === null ? null : t.wrapped.level;
}

/**
 * What a wrapped tensor is now, for whoever must not see it changed in place later. A leaf stays
 * itself: its gradient finds it by identity.
 */
export function frozen(t: TensorBase): TensorBase {
  return t.wrapped === null || (t.tracked && t.node === null) ? t : frozenCopy(t, t.wrapped);
}

function frozenCopy(t: TensorBase, wrapped: Wrapped): TensorBase {
  const copy = wrap(wrapped, t.shape);
  copy.tracked = t.tracked;
  copy.node = t.node;
  copy.outputIndex = t.outputIndex;
  if (t.meta !== null && t.meta.forward !== null) metaOf(copy).forward = t.meta.forward;
  return copy;
}

/** How often the memory that holds a tensor's values was changed in place. */
export function versionOf(t: TensorBase): number {
  const w = t.wrapped;
  if (w === null) return t.storage.version;
  const inside = versionOf(w.value);
  return w.kind === 'dual' && w.tangent !== null ? inside + versionOf(w.tangent) : inside;
}

/** Whether a tensor was made in inference mode. */
export function isInference(t: TensorBase): boolean {
  return versionOf(t) < 0;
}

export function metaOf(t: TensorBase): AutogradMeta {
  t.meta ??= {
    grad: null,
    accumulator: null,
    retainsGrad: false,
    retained: null,
    base: null,
    baseVersion: 0,
    place: null,
    creation: 'plain',
    forward: null,
  };
  return t.meta;
}
