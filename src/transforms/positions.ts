import { kindOf } from '../core/arguments.ts';
import { ArgumentError } from '../core/errors.ts';
import { treeLeaves } from '../core/tree.ts';

/** Which argument (or arguments) to differentiate by. Negative counts from the end. */
export type Argnums = number | readonly number[];

/** Refuses to differentiate by what is no tensor. */
export function refuseArgument(transform: string, x: unknown): never {
  throw new ArgumentError(
    `${transform}: Thing passed to transform API must be Tensor, or an array or plain object of tensors, got ${kindOf(x)}`,
  );
}

/** The argument at a position; for one counted from the end, any of them. */
export type At<A extends readonly unknown[], N extends number> = `${N}` extends keyof A ? A[N] : A[number];

function position(transform: string, n: unknown, count: number): number {
  if (!Number.isInteger(n)) throw new ArgumentError(`${transform}: argnum must be int, got: ${String(n)}`);
  const at = n as number;
  if (at < -count || at >= count)
    throw new ArgumentError(`${transform}: Got argnum=${at}, but only ${count} positional inputs`);
  return at < 0 ? at + count : at;
}

/** What to differentiate by, as one tree, and how it stands for arguments. */
export interface Selection {
  /** The argument, or with several `argnums` an array of them. */
  readonly chosen: unknown;
  /** The other arguments, in their places. */
  readonly others: readonly unknown[];
  /** All arguments, with what is to stand for the chosen ones in their places. */
  insert(chosen: unknown, args: readonly unknown[]): unknown[];
}

export function select(transform: string, argnums: Argnums, args: readonly unknown[]): Selection {
  if (typeof argnums === 'number' && Number.isInteger(argnums)) {
    const at = position(transform, argnums, args.length);
    return { chosen: args[at], others: args.with(at, null), insert: (chosen, all) => all.with(at, chosen) };
  }
  if (!Array.isArray(argnums))
    throw new ArgumentError(`${transform}: argnums must be int or Tuple[int, ...], got: ${String(argnums)}`);
  const list = argnums as readonly number[];
  if (list.length === 0) throw new ArgumentError(`${transform}: argnums must be non-empty`);
  const places = list.map((n) => position(transform, n, args.length));
  if (new Set(places).size < places.length)
    throw new ArgumentError(`${transform}: argnums elements must be unique, got (${list.join(', ')})`);
  // Of one alone it is found out where it is used.
  if (places.length > 1)
    for (const at of places) if (treeLeaves(args[at]).length === 0) refuseArgument(transform, args[at]);
  return {
    chosen: places.map((at) => args[at]),
    others: args.map((a, i) => (places.includes(i) ? null : a)),
    insert: (chosen, all) => all.map((a, i) => (places.includes(i) ? (chosen as unknown[])[places.indexOf(i)] : a)),
  };
}
