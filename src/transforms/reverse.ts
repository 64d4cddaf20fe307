import { runBackward } from '../autograd/engine.ts';
import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { withLevel } from '../core/levels.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import { levelOf, type TensorBase } from '../core/tensor.ts';
import { mapTree, resultLeaves, treeLeaves } from '../core/tree.ts';
import { onesLike, zeros } from '../ops/create.ts';
import { GradLevel } from './levels.ts';

/** The result of running a function on a tape of its own. */
interface Taped {
  readonly result: unknown;
  /** Cotangents of the result's tensors, in order → gradients of the arguments' tensors, in order. */
  pullback(cotangents: readonly (TensorBase | null)[]): TensorBase[];
}

/** Runs `f` with the tensors of `args` at `wanted` positions as leaves of a new tape. */
export function tape(
  transform: string,
  f: (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
  wanted: readonly number[],
): Taped {
  const level = new GradLevel();
  const inputs: TensorBase[] = [];
  const lifted = args.map((a, i) =>
    wanted.includes(i)
      ? mapTree(a, (t) => {
          if (!isFloat(t.dtype))
            throw new DTypeError(
              `${transform}: only Tensors of floating point dtype can require gradients, argument ${i} holds one of ${t.dtype}; convert with x.to('float32')`,
            );
          const leaf = level.lift(t);
          leaf.tracked = true;
          inputs.push(leaf);
          return leaf;
        })
      : a,
  );
  const result = withLevel(level, () => f(...lifted));
  const outputs = treeLeaves(result);
  const lower = (t: TensorBase): TensorBase => level.lower(t);
  return {
    result: mapTree(result, lower),
    pullback(cotangents) {
      const roots: TensorBase[] = [];
      const seeds: TensorBase[] = [];
      outputs.forEach((y, i) => {
        const c = cotangents[i];
        if (c !== null && c !== undefined && y.tracked && levelOf(y) === level) {
          roots.push(y);
          seeds.push(c);
        }
      });
      const grads =
        roots.length === 0
          ? inputs.map(() => null)
          : runBackward(roots, seeds, { retainGraph: true, createGraph: false, inputs, accumulate: false });
      return inputs.map((x, i) => {
        const g = grads[i];
        return g === null ? zeros(x.shape, x.dtype) : lower(g);
      });
    },
  };
}

function scalarResult(transform: string, result: unknown): TensorBase {
  const leaves = resultLeaves(transform, result);
  if (leaves.length !== 1)
    throw new ArgumentError(
      `${transform}: Expected f(*args) to return a single scalar Tensor, got ${leaves.length} tensors; for several outputs use vjp`,
    );
  const [y] = leaves;
  if (y.shape.length !== 0) {
    throw new ShapeError(
      `${transform}: Expected f(*args) to return a scalar tensor, got tensor with ${y.shape.length} dims, shape ${shapeText(y.shape)}. Reduce it (y.sum()), or use vjp or jacobian.`,
    );
  }
  if (!isFloat(y.dtype))
    throw new DTypeError(`${transform}: Expected f to return a tensor of floating point dtype, got ${y.dtype}`);
  return y;
}

export interface GradOptions {
  /** Which argument (or arguments) to differentiate by; 0 by default. Negative counts from the end. */
  readonly argnums?: number | readonly number[];
  /** `f` returns `[value, aux]`; aux is handed through. */
  readonly hasAux?: boolean;
}

/** The position of an argument, counted from the end when negative. */
export function position(transform: string, n: number, count: number): number {
  if (!Number.isInteger(n) || n < -count || n >= count)
    throw new ArgumentError(`${transform}: Got argnum=${n}, but only ${count} positional inputs`);
  return n < 0 ? n + count : n;
}

function positions(transform: string, argnums: number | readonly number[], count: number): number[] {
  const list = typeof argnums === 'number' ? [argnums] : argnums;
  if (list.length === 0) throw new ArgumentError(`${transform}: argnums must not be empty`);
  const wanted = list.map((n) => position(transform, n, count));
  if (new Set(wanted).size < wanted.length)
    throw new ArgumentError(`${transform}: argnums elements must be unique, got ${list.join(', ')}`);
  return wanted;
}

/** [value, aux, gradients] of a scalar function. */
export function gradParts(
  transform: string,
  f: (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
  options: GradOptions,
): { value: TensorBase; aux: unknown; grads: unknown } {
  const argnums = options.argnums ?? 0;
  const wanted = positions(transform, argnums, args.length);
  const taped = tape(
    transform,
    (...inner) => {
      const out = f(...inner);
      if (!options.hasAux) return [out, []];
      if (!Array.isArray(out) || out.length !== 2)
        throw new ArgumentError(`${transform}: with hasAux: true, f must return [value, aux]`);
      return out;
    },
    args,
    wanted,
  );
  const [result, aux] = taped.result as readonly [unknown, unknown];
  const value = scalarResult(transform, result);
  const seeds = [onesLike(value), ...treeLeaves(aux).map(() => null)];
  const leaves = taped.pullback(seeds);
  let i = 0;
  const trees = wanted
    .toSorted((a, b) => a - b)
    .map((n) => ({
      n,
      tree: mapTree(args[n], () => leaves[i++]),
    }));
  const byPosition = (n: number): unknown => trees.find((t) => t.n === n)?.tree;
  return { value, aux, grads: typeof argnums === 'number' ? byPosition(wanted[0]) : wanted.map(byPosition) };
}

/** Checks cotangents against outputs and returns them in order. */
export function matchCotangents(transform: string, outputs: readonly TensorBase[], given: unknown): TensorBase[] {
  const list = treeLeaves(given);
  if (list.length !== outputs.length)
    throw new ArgumentError(`${transform}: expected ${outputs.length} cotangents, one per output, got ${list.length}`);
  list.forEach((c, i) => {
    if (!sameShape(c.shape, outputs[i].shape)) {
      throw new ShapeError(
        `${transform}: cotangent ${i} has shape ${shapeText(c.shape)}, the output it belongs to has shape ${shapeText(outputs[i].shape)}`,
      );
    }
    if (isFloat(outputs[i].dtype) && !isFloat(c.dtype))
      throw new DTypeError(
        `${transform}: cotangent ${i} has dtype ${c.dtype}, the output it belongs to has dtype ${outputs[i].dtype}; floating point is required`,
      );
  });
  return list;
}
