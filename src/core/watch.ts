import type { Node } from './node.ts';
import type { Operand, TensorBase } from './tensor.ts';

/** What is known of a tensor that an operation was given. */
export interface Seen {
  readonly shape: readonly number[];
  readonly dtype: string;
  /** How many elements are NaN, infinite, zero. */
  readonly nan: number;
  readonly infinite: number;
  readonly zeros: number;
}

/** Where a node comes from: who called the operation, with what, and which node's backward was running. */
export interface Origin {
  readonly at: Error;
  readonly inputs: readonly (Seen | number)[];
  readonly parent: Node | null;
}

/** Anomaly mode, as the graph and the engine know it. */
export interface Watch {
  /** Notes where a new node comes from. */
  made(node: Node, inputs: readonly Operand[]): void;
  /** A stack that leads to the call in progress. */
  stack(): Error;
  /** Runs the backward of a node, looks at what it gives, and explains errors. */
  run(
    node: Node,
    cotangents: readonly (TensorBase | null)[],
    body: () => readonly (TensorBase | null)[],
  ): readonly (TensorBase | null)[];
}

/** Set while anomaly mode is on; null, as mostly, costs one branch at each node. */
export let watch: Watch | null = null;

/** @internal */
export function setWatch(w: Watch | null): Watch | null {
  const before = watch;
  watch = w;
  return before;
}
