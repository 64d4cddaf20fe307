import type { Node } from '../core/node.ts';
import type { Backward } from '../core/op.ts';
import { sameShape } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { watch } from '../core/watch.ts';
import { Ownership } from './ownership.ts';

/** The gradient of what a node took apart, its parts, and those that nobody was given to write yet. */
interface Room {
  readonly whole: TensorBase;
  readonly parts: readonly TensorBase[];
  readonly left: (TensorBase | null)[];
}

/** Steps of the way from a gradient to the whole that it is part of. */
const FARTHEST = 8;

/**
 * Where a tensor was taken apart (`unbind`, `split`, `chunk`), the gradients of its parts have to come together again.
 * What computes them writes them there, if it can and nothing else has arrived, so that nothing is left to copy.
 */
export abstract class Rooms extends Ownership {
  /** By nodes that took something apart. The pass holds each, so that it is neither freed nor cut meanwhile. */
  private rooms: Map<Node, Room> | null = null;

  /** Whether a requested gradient arrives at the node: it is not to be part of anything. */
  protected abstract isAsked(node: Node): boolean;

  /** Whether a node in progress may write where others will read; not in anomaly mode, which looks at every gradient by itself, as hooks behind a node do. */
  protected mayWrite({ attached }: Node): boolean {
    return this.releases && watch === null && (attached === null || attached.post.length === 0);
  }

  room(node: Node, i: number): TensorBase | null {
    return this.mayWrite(node) ? this.roomAt(node.next[i], node.nextIndex[i], FARTHEST) : null;
  }

  whole(node: Node, g: readonly (TensorBase | null)[]): TensorBase | null {
    const room = this.rooms?.get(node);
    if (room === undefined) return null;
    this.rooms?.delete(node);
    const { whole, parts } = room;
    whole.storage.holds -= 1;
    return g.every((t, k) => t === parts[k]) ? whole : null;
  }

  /** Room for the gradient of an output of a node. */
  private roomAt(to: Node | null, k: number, steps: number): TensorBase | null {
    const backward = to?.op.backward;
    if (!to || !backward || steps === 0 || to.attached !== null || !this.wants(to) || this.isAsked(to)) return null;
    if (to.pending !== null && to.pending[k] !== null) return null;
    if (backward.parts !== undefined) return this.partOf(to, k, backward.parts, steps);
    const i = backward.passes?.(to.attrs as never) ?? -1;
    if (i < 0 || to.next[i] === null || to.inDtype(i) !== to.dtype || !sameShape(to.inShape(i), to.shape)) return null;
    return this.roomAt(to.next[i], to.nextIndex[i], steps - 1);
  }

  private partOf(to: Node, k: number, partsOf: NonNullable<Backward['parts']>, steps: number): TensorBase | null {
    let room = this.rooms?.get(to);
    if (room === undefined) {
      const whole = this.roomAt(to.next[0], to.nextIndex[0], steps - 1) ?? fresh(to.inShape(0), to.inDtype(0));
      const parts = partsOf(whole, to.attrs as never);
      whole.storage.holds += 1;
      room = { whole, parts, left: [...parts] };
      this.rooms ??= new Map();
      this.rooms.set(to, room);
    }
    const part = room.left[k];
    room.left[k] = null;
    return part;
  }

  override leave(finished: boolean): void {
    if (this.rooms !== null) for (const { whole } of this.rooms.values()) this.drop(whole);
    super.leave(finished);
  }
}
