import type { Storage } from '../backends/wasm/heap.ts';
import { swapArena } from '../core/arena.ts';
import { kindOf } from '../core/arguments.ts';
import { noteChange, setBeforeChange } from '../core/changes.ts';
import { ArgumentError, AutogradError } from '../core/errors.ts';
import { sameShape } from '../core/shape.ts';
import { alias, isInference, TensorBase } from '../core/tensor.ts';
import { copied } from '../ops/copy.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Guard, hold } from './hold.ts';
import { enterHooks } from './saved-hooks.ts';

/** A tensor that was saved for backward: itself, or a copy once its memory is about to be written over. */
interface Kept {
  tensor: TensorBase;
  readonly within: Context;
}

/**
 * Kept tensors by their memory, one for each layout: what is saved of it until it changes is the same. So a
 * list is as long as there are views, and holds nothing weakly: what a WeakRef is made of lives to the end
 * of the turn, and in a loop that never yields that is for ever.
 */
class Context {
  alive = true;
  readonly #byMemory = new WeakMap<Storage, Kept[]>();

  keep(tensor: TensorBase): Kept {
    const list = this.#byMemory.get(tensor.storage) ?? [];
    let kept = list.find((k) => sameLayout(k.tensor, tensor));
    if (kept === undefined) {
      kept = { tensor: alias(tensor), within: this };
      list.push(kept);
      this.#byMemory.set(tensor.storage, list);
    }
    return kept;
  }

  /** Copies what lies in memory that is about to change. */
  rescue({ storage }: TensorBase): void {
    const list = this.#byMemory.get(storage);
    if (list === undefined) return;
    this.#byMemory.delete(storage);
    const outer = swapArena(null);
    try {
      for (const kept of list) kept.tensor = copied(kept.tensor);
    } finally {
      swapArena(outer);
    }
  }
}

function sameLayout(a: TensorBase, b: TensorBase): boolean {
  return a.offset === b.offset && a.dtype === b.dtype && sameShape(a.shape, b.shape) && sameShape(a.strides, b.strides);
}

let current: Context | null = null;

function enter(): () => void {
  if (current !== null)
    throw new AutogradError('allowMutationOnSavedTensors: allow_mutation_on_saved_tensors contexts cannot be nested');
  const context = new Context();
  const leaveHooks = enterHooks({
    pack: (t) => context.keep(t),
    unpack: (kept) => {
      if (!(kept as Kept).within.alive) {
        throw new AutogradError(
          "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was originally recorded. Run backward inside allowMutationOnSavedTensors as well.",
        );
      }
      return (kept as Kept).tensor;
    },
  });
  current = context;
  setBeforeChange((t) => context.rescue(t));
  return () => {
    context.alive = false;
    current = null;
    setBeforeChange(null);
    leaveHooks();
  };
}

/**
 * While `body` runs (or to the end of the block: `using _ = allowMutationOnSavedTensors();`), tensors that
 * were saved for backward may be changed in place: they are copied just before, and backward uses what
 * they were. Backward must run inside as well. It does not nest.
 */
export function allowMutationOnSavedTensors(): Guard;
export function allowMutationOnSavedTensors<R>(body: () => R): R;
export function allowMutationOnSavedTensors(body?: () => unknown): unknown {
  return hold('allowMutationOnSavedTensors', enter, body);
}

/**
 * Counts up the version of a tensor, or of several, as an in-place change does: for memory that was
 * changed by other means, so that backward notices.
 */
export function incrementVersion(tensors: Tensor | Iterable<Tensor>): void {
  const list: readonly unknown[] =
    typeof tensors === 'object' && tensors !== null && Symbol.iterator in tensors ? [...tensors] : [tensors];
  for (const t of list) {
    if (!(t instanceof TensorBase))
      throw new ArgumentError(`incrementVersion: expected a Tensor or several, got ${kindOf(t)}`);
    if (t.wrapped !== null)
      throw new AutogradError('incrementVersion: tensors inside a transformed function have no memory of their own');
    if (isInference(t)) throw new AutogradError('incrementVersion: Inference tensors do not track version counter.');
    noteChange(t, 'incrementVersion');
  }
}
