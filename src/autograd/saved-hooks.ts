import { gradientNode } from '../core/apply.ts';
import { swapArena } from '../core/arena.ts';
import { checkTypes, kindOf } from '../core/arguments.ts';
import { ArgumentError, AutogradError } from '../core/errors.ts';
import type { ForwardMeta } from '../core/forward.ts';
import { baseScope, type Wrapped } from '../core/levels.ts';
import type { Node } from '../core/node.ts';
import { type Packed, type Packer, packer, setPacker } from '../core/packing.ts';
import type { Shape } from '../core/shape.ts';
import { alias, metaOf, TensorBase, wrap } from '../core/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Guard, hold } from './hold.ts';

/** A pair of hooks as the library itself writes them. */
export interface SavedTensorHooks {
  /** What `unpack` makes is seen by nobody else, and may be released when it has been used. */
  readonly temporary?: boolean;
  /** `node` is what saves it. */
  pack(t: TensorBase, node: Node): unknown;
  /** `node` is what saved it; `node.run` is the backward pass that asks, null outside one. */
  unpack(packed: unknown, node: Node): unknown;
}

/** Where a tensor stands in the graph, without the tensor. */
interface Place {
  readonly tracked: boolean;
  readonly node: Node | null;
  readonly outputIndex: number;
  /** The node that accumulates into it, for a leaf that requires grad. */
  readonly accumulator: Node | null;
  readonly forward: ForwardMeta | null;
}

function placeOf(t: TensorBase): Place {
  const { tracked, node, outputIndex } = t;
  const accumulator = tracked && node === null ? gradientNode(t) : null;
  return { tracked, node, outputIndex, accumulator, forward: t.meta?.forward ?? null };
}

function putAt(place: Place, t: TensorBase): TensorBase {
  t.tracked = place.tracked;
  t.node = place.node;
  t.outputIndex = place.outputIndex;
  if (place.accumulator !== null) metaOf(t).accumulator = place.accumulator;
  if (place.forward !== null) metaOf(t).forward = place.forward;
  return t;
}

/** A plain tensor whose values went through hooks. */
class PackedValues implements Packed {
  readonly #hooks: SavedTensorHooks;
  readonly #place: Place;
  readonly #packed: unknown;

  constructor(hooks: SavedTensorHooks, t: TensorBase, node: Node) {
    this.#hooks = hooks;
    this.#place = placeOf(t);
    this.#packed = packValues(hooks, t, node);
  }

  unpack(node: Node): TensorBase {
    return putAt(this.#place, alias(unpackValues(this.#hooks, this.#packed, node)));
  }
}

/** A tensor of a transform: what is inside was packed, and the wrapping is put around it again. */
class PackedWrapping implements Packed {
  readonly #place: Place;
  readonly #inside: Packed;
  readonly #wrapped: Omit<Wrapped, 'value'>;
  readonly #shape: Shape;

  constructor(hooks: SavedTensorHooks, t: TensorBase, node: Node) {
    const { value, ...wrapped } = t.wrapped as Wrapped;
    this.#inside = packTensor(hooks, value, node);
    this.#wrapped = wrapped;
    this.#shape = t.shape;
    this.#place = placeOf(t);
  }

  unpack(node: Node): TensorBase {
    const wrapped = { ...this.#wrapped, value: this.#inside.unpack(node) } as Wrapped;
    return putAt(this.#place, wrap(wrapped, this.#shape));
  }
}

/** Hooks see plain tensors only, whatever transforms are in progress. */
function packTensor(hooks: SavedTensorHooks, t: TensorBase, node: Node): Packed {
  return t.wrapped === null ? new PackedValues(hooks, t, node) : new PackedWrapping(hooks, t, node);
}

/** Users may keep what they make in a hook: no arena may release it. */
function outsideArena<R>(body: () => R): R {
  const outer = swapArena(null);
  try {
    return body();
  } finally {
    swapArena(outer);
  }
}

function packValues(hooks: SavedTensorHooks, t: TensorBase, node: Node): unknown {
  const { version } = t.storage;
  const { enabled } = baseScope;
  baseScope.enabled = false;
  try {
    const packed = outsideArena(() => hooks.pack(t, node));
    if (t.storage.version !== version) {
      throw new AutogradError(
        'A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be modified by in-place operations as this can lead to unexpected side-effects. Clone it in the hook first.',
      );
    }
    return packed;
  } finally {
    baseScope.enabled = enabled;
  }
}

function unpackValues(hooks: SavedTensorHooks, packed: unknown, node: Node): TensorBase {
  const t = hooks.temporary ? hooks.unpack(packed, node) : outsideArena(() => hooks.unpack(packed, node));
  if (!(t instanceof TensorBase)) {
    throw new ArgumentError(
      `Output of saved tensor unpack_hook expected to be a Tensor but got result of type ${kindOf(t)}`,
    );
  }
  if (t.wrapped !== null)
    throw new AutogradError('a saved tensor unpack hook returned a tensor of a transform; its input was a plain one');
  return t;
}

class Hooked implements Packer {
  readonly #hooks: SavedTensorHooks;

  constructor(hooks: SavedTensorHooks) {
    this.#hooks = hooks;
  }

  pack(t: TensorBase, node: Node): Packed {
    return packTensor(this.#hooks, t, node);
  }
}

/** The reason hooks may not be set now, null when they may. */
let disabled: string | null = null;

/** Puts hooks in force and returns what puts the ones before them back. */
export function enterHooks(hooks: SavedTensorHooks): () => void {
  if (disabled !== null) throw new AutogradError(disabled);
  const before = packer;
  setPacker(new Hooked(hooks));
  return () => setPacker(before);
}

/**
 * Decides what becomes of tensors that operations save for backward while `body` runs (or, without
 * `body`, to the end of the block: `using _ = savedTensorsHooks(pack, unpack);`). `pack` is called with
 * each tensor when it is saved and may return anything; `unpack` is called with that when backward
 * needs the tensor and must return one of the same values. Of nested hooks the innermost are used.
 * Numbers are not packed. Hooks do not see the operations that `pack` performs as differentiable: it
 * runs without recording.
 *
 * What went through hooks is not checked for in-place changes: `pack` must copy what may change.
 *
 * @throws {AutogradError} when hooks are disabled here, or when `pack` changes its argument in place.
 * @throws {ArgumentError} when `unpack` returns no tensor.
 */
export function savedTensorsHooks<P>(pack: (t: Tensor) => P, unpack: (packed: P) => Tensor): Guard;
export function savedTensorsHooks<P, R>(pack: (t: Tensor) => P, unpack: (packed: P) => Tensor, body: () => R): R;
export function savedTensorsHooks<P>(
  pack: (t: Tensor) => P,
  unpack: (packed: P) => Tensor,
  body?: () => unknown,
): unknown {
  checkTypes('savedTensorsHooks', 'function', { pack, unpack });
  const hooks: SavedTensorHooks = { pack: (t) => pack(t as Tensor), unpack: (packed) => unpack(packed as P) };
  return hold('savedTensorsHooks', () => enterHooks(hooks), body);
}

/**
 * While `body` runs (or to the end of the block), setting saved-tensor hooks is an error with this
 * message: for code that cannot work with them.
 *
 * @throws {AutogradError} with the message, when hooks are in force already.
 */
export function disableSavedTensorsHooks(message: string): Guard;
export function disableSavedTensorsHooks<R>(message: string, body: () => R): R;
export function disableSavedTensorsHooks(message: string, body?: () => unknown): unknown {
  checkTypes('disableSavedTensorsHooks', 'string', { message });
  return hold(
    'disableSavedTensorsHooks',
    () => {
      if (packer !== null) throw new AutogradError(message);
      const before = disabled;
      disabled = message;
      return () => {
        disabled = before;
      };
    },
    body,
  );
}
