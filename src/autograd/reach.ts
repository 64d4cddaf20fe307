import { nodeAt, type Place } from '../core/edge.ts';
import type { Node, Visitor } from '../core/node.ts';
import type { TensorBase } from '../core/tensor.ts';

/** What an outer backward pass had noted on a node that an inner pass also visits. */
interface Suspended {
  readonly node: Node;
  readonly run: Visitor | null;
  readonly pending: (TensorBase | null)[] | null;
  readonly dependencies: number;
  readonly following: Node | null;
}

// A pass over a small graph takes a microsecond, of which private names (#) would be a twentieth: V8 defines such
// fields one by one, and checks a brand at every call of such a method.

/**
 * The nodes that a backward pass comes to, which say so (`node.run`) as long as it lasts, and which of
 * them it needs.
 */
export abstract class Reach implements Visitor {
  /** The nodes that the roots lead to: a list that goes on with `node.following`. */
  private first: Node | null = null;
  private last: Node | null = null;
  private suspended: Suspended[] | null = null;
  /** Nodes on a path to a requested input; null when all are wanted. */
  private needed: Set<Node> | null = null;

  /** Visits what the roots lead to and counts, per node, the deliveries it must wait for; of the way to `targets` only, if given. */
  discover(roots: readonly Place[], targets: ReadonlyMap<Node, unknown> | null): void {
    for (let i = 0; i < roots.length; i++) this.visit(nodeAt(roots[i]));
    let others = false;
    // What a node leads to is put at the end of the list, where this walk will come by.
    for (let node = this.first; node !== null; node = node.following) {
      const { next } = node;
      if (next.length === 0 && targets !== null && !targets.has(node)) others = true;
      for (let i = 0; i < next.length; i++) {
        const to = next[i];
        if (to === null) continue;
        this.visit(to);
        to.dependencies += 1;
      }
    }
    // Where every leaf is asked for, all nodes lead to one.
    if (targets !== null && others) this.restrict(targets);
  }

  private visit(node: Node): void {
    if (node.run === this) return;
    if (node.run !== null) {
      this.suspended ??= [];
      const { run, pending, dependencies, following } = node;
      this.suspended.push({ node, run, pending, dependencies, following });
    }
    node.run = this;
    node.pending = null;
    node.dependencies = 0;
    node.following = null;
    if (this.last === null) this.first = node;
    else this.last.following = node;
    this.last = node;
  }

  private visited(): Node[] {
    const nodes: Node[] = [];
    for (let node = this.first; node !== null; node = node.following) nodes.push(node);
    return nodes;
  }

  /** Keeps only nodes that are requested or lead to a requested one, and counts deliveries among these. */
  private restrict(targets: ReadonlyMap<Node, unknown>): void {
    const needed = new Set<Node>();
    const visited = this.visited();
    // Edges lead to smaller sequence numbers, so in ascending order successors come first.
    for (const node of visited.toSorted((a, b) => a.sequence - b.sequence)) {
      if (targets.has(node) || node.next.some((to) => to !== null && needed.has(to))) needed.add(node);
    }
    this.needed = needed;
    for (const node of visited) node.dependencies = 0;
    for (const node of visited) {
      if (!this.expands(node)) continue;
      for (const to of node.next) if (to !== null && this.wants(to)) to.dependencies += 1;
    }
  }

  /** Whether what arrives at the node is of any use. */
  wants(node: Node): boolean {
    return this.needed === null || this.needed.has(node);
  }

  /** Whether the node must compute, and not only hand over what arrived at it. */
  expands(node: Node): boolean {
    return this.needed === null || (this.needed.has(node) && node.next.some((to) => to !== null && this.wants(to)));
  }

  abstract arrived(node: Node, i: number): TensorBase | null;
  abstract room(node: Node, i: number): TensorBase | null;
  abstract whole(node: Node, g: readonly (TensorBase | null)[]): TensorBase | null;

  /** Lets go of a gradient that had arrived at a node. */
  abstract drop(t: TensorBase): void;

  /** Lets go of all nodes, and of what had arrived at them if the pass did not finish. */
  leave(finished: boolean): void {
    for (let node = this.first; node !== null; ) {
      if (!finished && node.pending !== null) for (const t of node.pending) if (t !== null) this.drop(t);
      const { following }: Node = node;
      node.run = null;
      node.pending = null;
      node.dependencies = 0;
      node.following = null;
      node = following;
    }
    if (this.suspended === null) return;
    for (const { node, run, pending, dependencies, following } of this.suspended) {
      node.run = run;
      node.pending = pending;
      node.dependencies = dependencies;
      node.following = following;
    }
  }
}
