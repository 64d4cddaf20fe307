/** What a backward pass has made and may free, and what becomes of it. */
import { free, moveInto, type Storage } from '../backends/wasm/heap.ts';
import { swapArena } from '../core/arena.ts';
import { noteChange, willChange } from '../core/changes.ts';
import { dtypeInfo } from '../core/dtype.ts';
import { forwardLevel } from '../core/forward.ts';
import { type AutogradMeta, alias, type TensorBase } from '../core/tensor.ts';
import { add, addInPlace, addInto, clone, copyLike, isDense, liesLike, named } from '../ops/engine-ops.ts';
import type { Gradients, Ledger } from './hooks.ts';
import { cutApart, isPart } from './pieces.ts';
import { Reach } from './reach.ts';

/**
 * What the nodes in progress have allocated, innermost last: a pass inside a pass is over before the
 * outer one goes on.
 */
export const made: Storage[] = [];

/** A gradient that nobody has asked for yet belongs to its tensor, which frees it when it is forgotten. */
function unseen(grad: TensorBase, meta: AutogradMeta): TensorBase {
  grad.storage.owner = meta;
  return grad;
}

/**
 * What a pass itself allocates is released as it goes: a storage it owns is freed once no pending gradient lies in
 * it, which no user can notice.
 */
export abstract class Ownership extends Reach implements Ledger {
  /** Whether this pass frees anything: not if everything becomes part of a graph, nor from the moment on when something does. */
  protected releases: boolean;
  /** Whether the pass itself is recorded. */
  protected readonly records: boolean;

  constructor(releases: boolean, records: boolean) {
    super();
    this.releases = releases;
    this.records = records;
  }

  /** Whether nothing else lies where a pending gradient does, and nobody else sees it. */
  protected mayAddTo(before: TensorBase): boolean {
    return this.owns(before) && before.storage.holds === 1;
  }

  /** Whether `t` is the whole of a storage that this pass made, in whatever order. */
  protected owns(t: TensorBase): boolean {
    return (
      this.releases &&
      t.storage.owner === this &&
      t.count * dtypeInfo(t.dtype).bytes === t.storage.nbytes &&
      (t.flat || isDense(t))
    );
  }

  /** Lets go of a gradient that had arrived at a node. */
  drop(t: TensorBase): void {
    t.storage.holds -= 1;
    this.freeIfDone(t.storage);
  }

  private freeIfDone(storage: Storage): void {
    if (storage.owner === this && storage.holds === 0) {
      storage.owner = null;
      if (this.releases) free(storage);
    }
  }

  /** The gradients that a rule has made of `g`, those that are parts of memory of this pass cut from each other. */
  protected apart(grads: readonly (TensorBase | null)[], g: Gradients): readonly (TensorBase | null)[] {
    let cut = grads;
    let tried: Storage | null = null;
    for (const gi of grads) {
      if (!gi || gi.storage === tried || gi.storage.owner !== this || !isPart(gi)) continue;
      const { storage } = gi;
      tried = storage;
      // No other gradient that is pending may lie there.
      let seen = 0;
      for (const t of g) if (t?.storage === storage) seen++;
      if (storage.holds !== seen) continue;
      if (cut === grads) cut = [...grads];
      for (const piece of cutApart(storage, cut as Gradients)) {
        storage.owner = null;
        piece.owner = this;
        made.push(piece);
      }
    }
    return cut;
  }

  /** Makes what was allocated since `made` had so many entries this pass's own. */
  protected claim(from: number): number {
    // Sums made by `deliver` have an owner already.
    for (let k = from; k < made.length; k++) made[k].owner ??= this;
    return made.length;
  }

  replace(g: Gradients, i: number, by: TensorBase | null): void {
    const before = g[i];
    if (by !== null) by.storage.holds += 1;
    g[i] = by;
    if (before !== null) this.drop(before);
  }

  /** Marks a gradient as the user's from now on. */
  keep(g: TensorBase): TensorBase {
    g.storage.owner = null;
    return g;
  }

  /** Adds to the gradient of what lies as `like` does; `last` if nobody looks at `g` afterwards. */
  protected accumulate(meta: AutogradMeta, like: TensorBase, inTransform: boolean, g: TensorBase, last: boolean): void {
    const outer = swapArena(null);
    try {
      if (meta.grad === null) {
        // What is recorded may be in more hands: the caller's gradient, or that of another leaf.
        if (this.records) meta.grad = named(clone(g), 'CopyBackwards');
        else if (last && liesLike(g, like) && this.owns(g) && g.storage.holds === 1)
          meta.grad = unseen(noView(g), meta);
        else if (g.wrapped === null && !inTransform && forwardLevel === null)
          meta.grad = unseen(copyLike(g, like), meta);
        else meta.grad = clone(g);
      } else if (this.records || inTransform) meta.grad = add(meta.grad, g);
      else if (forwardLevel !== null) addInPlace(meta.grad, g);
      else {
        willChange(meta.grad);
        if (!last || !this.movesInto(meta.grad, g)) addInto(meta.grad, g);
        noteChange(meta.grad, 'backward');
      }
    } finally {
      swapArena(outer);
    }
  }

  /** What was cleared takes over what comes first, which saves adding it to zeros (and keeps the signs of its own). */
  private movesInto(grad: TensorBase, g: TensorBase): boolean {
    return (
      grad.flat &&
      g.flat &&
      grad.dtype === g.dtype &&
      this.owns(g) &&
      g.storage.holds === 1 &&
      moveInto(grad.storage, g.storage)
    );
  }

  /** Takes over what was allocated since `made` had so many entries, and frees what nobody holds. */
  protected release(from: number): void {
    while (made.length > from) {
      const storage = made.pop() as Storage;
      storage.owner ??= this;
      this.freeIfDone(storage);
    }
  }
}

export function hasParts(grads: readonly (TensorBase | null)[]): boolean {
  for (let i = 0; i < grads.length; i++) {
    const g = grads[i];
    if (g && isPart(g)) return true;
  }
  return false;
}

/** A gradient as it is kept in `.grad`: a view of nothing. */
const noView = (g: TensorBase): TensorBase => (g.meta === null || g.meta.base === null ? g : alias(g));
