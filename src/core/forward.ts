import type { Op } from './op.ts';
import type { Operand, Outputs, TensorBase } from './tensor.ts';

/*
 * Forward mode as PyTorch has it: while a level is entered, a tensor may carry a tangent, as it carries
 * its place in the graph. Unlike the tensors of `jvp` it stays a plain tensor with memory of its own, is
 * recorded like any other, and is only itself again when the level has been left.
 */

/** What forward mode knows of a tensor, beside it: it holds for one level. */
export interface ForwardMeta {
  readonly level: ForwardLevel;
  readonly tangent: TensorBase | null;
  /** The tensor whose tangent this one's is a view of; null when it has memory of its own. */
  readonly base: TensorBase | null;
}

/** A change of a tensor in place, and what its tangent becomes by it. */
export interface InPlaceChange {
  readonly name: string;
  readonly target: TensorBase;
  readonly others: readonly Operand[];
  /** Makes the change; `tangent` is what the target's was. */
  run(tangent: TensorBase | null): TensorBase;
  /** The new tangent (null: zero), from the inputs as they were, their tangents, and the output. */
  push(primals: readonly Operand[], tangents: readonly (TensorBase | null)[], output: TensorBase): TensorBase | null;
}

/** The level that user code has entered. */
export interface ForwardLevel {
  /** An operation on tensors, some of which may carry tangents. */
  apply(op: Op, inputs: readonly Operand[], attrs: unknown): Outputs;
  tangentOf(t: TensorBase): TensorBase | null;
  changeInPlace(change: InPlaceChange): TensorBase;
  /** Gives a tensor that has none a tangent. */
  give(t: TensorBase, tangent: TensorBase | null): void;
  /** Makes the tangent of `to`, which has taken over the values of `from` in place, that of `from`. */
  hand(from: TensorBase, to: TensorBase): void;
  /** `t` has become another view of its memory, whose tangent is `tangent`. */
  moved(t: TensorBase, tangent: TensorBase | null): void;
  /** The tangent of a tensor that was overwritten with constants is zero. */
  overwritten(t: TensorBase): void;
}

/** The level in force, null when none is: then no tensor has a tangent. */
export let forwardLevel: ForwardLevel | null = null;

/** @internal */
export function setForwardLevel(level: ForwardLevel | null): void {
  forwardLevel = level;
}

/** Runs `body` as if no level had been entered. */
export function withoutForward<R>(body: () => R): R {
  const level = forwardLevel;
  forwardLevel = null;
  try {
    return body();
  } finally {
    forwardLevel = level;
  }
}
