import { ArgumentError } from './errors.ts';
import { isTensor, type TensorBase } from './tensor.ts';

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
  if (isTensor(tree)) return f(tree);
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

/** What `mapPrefix` does with the parts of a tree. */
interface PrefixRules {
  tensor(t: TensorBase, dim: number | null): unknown;
  other?(x: unknown, dim: number | null): unknown;
  /** The error where prefix and tree are not built alike. */
  mismatch(prefix: unknown): Error;
}

/** `mapTree` with a tree of dimensions beside it, each of which holds for all below its place. */
export function mapPrefix(prefix: unknown, tree: unknown, rules: PrefixRules): unknown {
  if (prefix === null || typeof prefix === 'number')
    return mapTree(
      tree,
      (t) => rules.tensor(t, prefix),
      (x) => rules.other?.(x, prefix) ?? x,
    );
  const parts = beside(tree, prefix);
  if (parts === null) throw rules.mismatch(prefix);
  const results = parts.map(([k, x, dims]) => [k, mapPrefix(dims, x, rules)] as const);
  return Array.isArray(tree) ? results.map(([, x]) => x) : Object.fromEntries(results);
}

/** The parts of two arrays or objects that are built alike, key by key in the order of the first; null for others. */
function beside(a: unknown, b: unknown): (readonly [key: string, a: unknown, b: unknown])[] | null {
  if (!(Array.isArray(a) && Array.isArray(b)) && !(isRecord(a) && isRecord(b))) return null;
  const other = new Map(Object.entries(b));
  const parts = Object.entries(a).map(([k, x]) => [k, x, other.get(k)] as const);
  return parts.length === other.size && parts.every(([k]) => other.has(k)) ? parts : null;
}

/** Whether it is a tensor or holds further parts. */
function isNode(x: unknown): boolean {
  return isTensor(x) || Array.isArray(x) || isRecord(x);
}

/**
 * The tensors of `tree` in the order in which `like` has them (keys of objects may come in any order); null
 * when the two are not built alike.
 */
export function leavesLike(like: unknown, tree: unknown): TensorBase[] | null {
  if (isTensor(like)) return isTensor(tree) ? [tree] : null;
  const parts = beside(like, tree);
  if (parts === null) return isNode(like) || isNode(tree) ? null : [];
  const leaves = parts.map(([, a, b]) => leavesLike(a, b));
  return leaves.includes(null) ? null : (leaves as TensorBase[][]).flat();
}

/** Whether tensors are where `mapTree` does not look: in an instance of a class, a map or a set. */
export function hidesTensors(x: unknown, seen: Set<unknown> = new Set()): boolean {
  if (isTensor(x)) return true;
  if (typeof x !== 'object' || x === null || ArrayBuffer.isView(x) || seen.has(x)) return false;
  seen.add(x);
  const parts: readonly unknown[] = x instanceof Map || x instanceof Set ? [...x.values()] : Object.values(x);
  return parts.some((part) => hidesTensors(part, seen));
}

/** How a tree is built, as PyTorch writes it: `(*, {a: *})`. */
export function treeText(tree: unknown): string {
  if (Array.isArray(tree)) return `(${tree.map(treeText).join(', ')})`;
  if (!isRecord(tree)) return '*';
  return `{${Object.entries(tree)
    .map(([k, x]) => `${k}: ${treeText(x)}`)
    .join(', ')}}`;
}

function describe(x: unknown): string {
  if (x instanceof Promise)
    return 'a promise: what runs after its first await would run after the transform has returned; await before and pass values in';
  return x === null ? 'null' : typeof x;
}

/** How `torch.func` calls what a transform is made of, in its messages. */
const CALLS: Record<string, string> = {
  vjp: 'vjp(f, *primals)',
  jacrev: 'vjp(f, *primals)',
  linearize: 'vjp(f, *primals)',
  jvp: 'jvp(f, primals, tangents)',
  jacfwd: 'jvp(f, primals, tangents)',
  hvp: 'jvp(f, primals, tangents)',
};

/** Refuses what a result holds that is no tensor. */
export function resultLeaf(transform: string, x: unknown): never {
  if (transform === 'vmap')
    throw new ArgumentError(
      `vmap: \`f\` must only return Tensors, got type ${describe(x)}. Did you mean to set outDims to null for output?`,
    );
  const call = CALLS[transform];
  if (call === undefined)
    throw new ArgumentError(`${transform}: Expected f(*args) to return a Tensor, got ${describe(x)}`);
  if (x === null || x === undefined) throw emptyOutput(transform, describe(x));
  throw new ArgumentError(
    `${transform}: ${call}: expected f(*primals) to return only tensors, got unsupported type ${describe(x)}`,
  );
}

function emptyOutput(transform: string, what: string): ArgumentError {
  return new ArgumentError(
    `${transform}: ${CALLS[transform]}: Expected f to be a function that has non-empty output, got ${what}`,
  );
}

/** The tensors of a result that may hold nothing else. */
export function resultLeaves(transform: string, result: unknown): TensorBase[] {
  mapTree(
    result,
    (t) => t,
    (x) => resultLeaf(transform, x),
  );
  const leaves = treeLeaves(result);
  if (CALLS[transform] !== undefined && leaves.length === 0) throw emptyOutput(transform, treeText(result));
  return leaves;
}

/** The two parts of what a function with `hasAux` returns. */
export function auxParts(transform: string, out: unknown): readonly [output: unknown, aux: unknown] {
  if (Array.isArray(out) && out.length === 2) return out as [unknown, unknown];
  throw new ArgumentError(
    `${transform}: output of function f should be a tuple: [output, aux] if hasAux is true; f must return [value, aux]`,
  );
}
