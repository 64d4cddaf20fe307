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

/** Supplies the results of operations on plain tensors, which `compute` would compute. */
export type Supplier = (op: string, inputs: readonly Operand[], compute: () => Outputs) => Outputs;

let supplier: Supplier | null = null;

/** Whether anything of the above is in force, so that every operation must go through `apply`. */
export let detour = false;

function set(level: ForwardLevel | null, supply: Supplier | null): void {
  forwardLevel = level;
  supplier = supply;
  detour = level !== null || supply !== null;
}

/** @internal */
export function setForwardLevel(level: ForwardLevel | null): void {
  set(level, supplier);
}

/** Puts a supplier in force and returns the one before it. @internal */
export function swapSupplier(next: Supplier | null): Supplier | null {
  const before = supplier;
  set(forwardLevel, next);
  return before;
}

/** Runs `body` as if no level had been entered. */
export function withoutForward<R>(body: () => R): R {
  const level = forwardLevel;
  set(null, supplier);
  try {
    return body();
  } finally {
    set(level, supplier);
  }
}

/** Runs `body` with nothing of the above in force. */
export function plainly<R>(body: () => R): R {
  const [level, supply] = [forwardLevel, supplier];
  set(null, null);
  try {
    return body();
  } finally {
    set(level, supply);
  }
}

/** The results of an operation on plain tensors. What its kernels do inside is nobody's business. */
export function supplied<A>(op: Op<A>, inputs: readonly Operand[], attrs: A): Outputs {
  const supply = supplier;
  const compute = (): Outputs => op.forward(inputs, attrs);
  return plainly(() => (supply === null ? compute() : supply(op.name, inputs, compute)));
}
