import { ArgumentError } from './errors.ts';
import { TensorBase } from './tensor.ts';

/** Arguments and results of transformed functions: tensors, and arrays or plain objects of them, nested. */
export type Tree<T> = T | readonly Tree<T>[] | { readonly [key: string]: Tree<T> };

function isRecord(x: unknown): x is Record<string, unknown> {
  if (typeof x !== 'object' || x === null) return false;
  const prototype: unknown = Object.getPrototypeOf(x);
  return prototype === Object.prototype || prototype === null;
}

/** Applies `f` to every tensor of a tree; other leaves go through `other` (by default they stay as they are). */
export function mapTree(
  tree: unknown,
  f: (t: TensorBase) => unknown,
  other: (x: unknown) => unknown = (x) => x,
): unknown {
  if (tree instanceof TensorBase) return f(tree);
  if (Array.isArray(tree)) return tree.map((x) => mapTree(x, f, other));
  if (isRecord(tree)) return Object.fromEntries(Object.entries(tree).map(([k, x]) => [k, mapTree(x, f, other)]));
  return other(tree);
}

/** The tensors of a tree, in order. */
export function treeLeaves(tree: unknown): TensorBase[] {
  const out: TensorBase[] = [];
  mapTree(tree, (t) => {
    out.push(t);
    return t;
  });
  return out;
}

/** A tree of the same structure with its tensors replaced, in order. */
export function withLeaves(tree: unknown, leaves: readonly unknown[]): unknown {
  let i = 0;
  return mapTree(tree, () => leaves[i++]);
}

function describe(x: unknown): string {
  if (x instanceof Promise)
    return 'a promise: what runs after its first await would run after the transform has returned; await before and pass values in';
  return x === null ? 'null' : typeof x;
}

/** The tensors of a result that may hold nothing else. */
export function resultLeaves(transform: string, result: unknown): TensorBase[] {
  mapTree(
    result,
    (t) => t,
    (x) => {
      throw new ArgumentError(
        `${transform}: Expected f to return Tensors, or arrays or objects of Tensors; got ${describe(x)}`,
      );
    },
  );
  return treeLeaves(result);
}
