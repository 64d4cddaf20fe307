import { sync } from '../core/apply.ts';
import { ArgumentError, IndexError, ShapeError } from '../core/errors.ts';
import { type Wrapped, withLevel } from '../core/levels.ts';
import { shapeText } from '../core/shape.ts';
import { levelOf, type TensorBase } from '../core/tensor.ts';
import { mapTree, resultLeaves, treeLeaves, withLeaves } from '../core/tree.ts';
import { cat } from '../ops/join.ts';
import { narrow } from '../ops/slices.ts';
import { expand, movedim, unsqueeze } from '../ops/view.ts';
import { BatchLevel } from './levels.ts';

/** Where the batch lies: a dimension, null for "not batched", or one of these per argument. */
export type InDims = number | null | readonly (number | null)[];

export interface VmapOptions {
  readonly inDims?: InDims;
  /** Where the batch dimension goes in every result. */
  readonly outDims?: number;
  /** Work on at most this many examples at a time. */
  readonly chunkSize?: number;
}

/** Runs `f` once over all examples. */
export function batch(
  f: (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
  options: VmapOptions,
): unknown {
  const { inDims = 0, outDims = 0, chunkSize } = options;
  const dims = Array.isArray(inDims) ? (inDims as readonly (number | null)[]) : args.map(() => inDims as number | null);
  if (dims.length !== args.length)
    throw new ArgumentError(`vmap: inDims has ${dims.length} entries but f was called with ${args.length} arguments`);
  let size: number | null = null;
  const front = args.map((a, i) =>
    mapTree(a, (t) => {
      const dim = dims[i];
      if (dim === null) return t;
      const rank = t.shape.length;
      if (rank === 0)
        throw new ShapeError(
          `vmap: Got in_dim=${dim} for an input but the input is of type Tensor and has 0 dims so it is not possible to vmap over it; pass null in inDims for arguments that are not batched`,
        );
      if (!Number.isInteger(dim) || dim < -rank || dim >= rank) {
        throw new IndexError(
          `vmap: Got in_dim=${dim} for some input, but that input is a Tensor of dimensionality ${rank} so expected in_dim to satisfy -${rank} <= in_dim < ${rank}.`,
        );
      }
      const moved = movedim(t, dim, 0);
      if (size !== null && moved.shape[0] !== size) {
        throw new ShapeError(
          `vmap: Expected all tensors to have the same size in the mapped dimension, got sizes [${size}, ${moved.shape[0]}] for the mapped dimension (argument ${i} has shape ${shapeText(t.shape)})`,
        );
      }
      size = moved.shape[0];
      return moved;
    }),
  );
  if (size === null)
    throw new ArgumentError(
      'vmap: at least one input must be a Tensor with a dimension to map over; inDims is null for all of them',
    );
  if (chunkSize !== undefined) {
    if (!Number.isInteger(chunkSize) || chunkSize < 1)
      throw new ArgumentError(`vmap: chunkSize should be an integer greater than 0, got ${chunkSize}`);
    if (chunkSize < size) return inChunks(f, front, dims, size, chunkSize, outDims);
  }
  return whole(f, front, dims, size, outDims);
}

function whole(
  f: (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
  dims: readonly (number | null)[],
  size: number,
  outDim: number,
): unknown {
  const level = new BatchLevel(size);
  const lifted = args.map((a, i) => (dims[i] === null ? a : mapTree(a, (t) => level.lift(t))));
  const result = withLevel(level, () => f(...lifted));
  resultLeaves('vmap', result);
  return mapTree(result, (t) => {
    const value =
      t.wrapped !== null && levelOf(t) === level
        ? (sync(t).wrapped as Wrapped).value
        : expand(unsqueeze(t, 0), [size, ...t.shape]);
    return outDim === 0 ? value : movedim(value, 0, outDim);
  });
}

function inChunks(
  f: (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
  dims: readonly (number | null)[],
  size: number,
  chunk: number,
  outDim: number,
): unknown {
  const results: unknown[] = [];
  for (let start = 0; start < size; start += chunk) {
    const n = Math.min(chunk, size - start);
    const part = args.map((a, i) => (dims[i] === null ? a : mapTree(a, (t) => narrow(t, 0, start, n))));
    results.push(whole(f, part, dims, n, outDim));
  }
  const leaves = results.map(treeLeaves);
  const joined: TensorBase[] = leaves[0].map((_, i) =>
    cat(
      leaves.map((l) => l[i]),
      outDim,
    ),
  );
  return withLeaves(results[0], joined);
}
