import { settled, sync } from '../core/apply.ts';
import { ArgumentError, IndexError, ShapeError } from '../core/errors.ts';
import { type Wrapped, withLevel } from '../core/levels.ts';
import { levelOf, type TensorBase } from '../core/tensor.ts';
import { hidesTensors, mapPrefix, resultLeaf, treeLeaves, treeText, withLeaves } from '../core/tree.ts';
import { cat } from '../ops/join.ts';
import { narrow } from '../ops/slices.ts';
import { expand, movedim, unsqueeze } from '../ops/view.ts';
import { defaultGenerator } from '../tensor/random.ts';
import { BatchLevel, entering, type Randomness } from './levels.ts';

/** A dimension, or null for none; in arrays and objects, for the parts of a tree that is built alike. */
export type Dims = number | null | readonly Dims[] | { readonly [key: string]: Dims };

/** Where the batch lies, and how it is worked on. */
export interface VmapOptions {
  /** Where the batch lies in the arguments (null: not batched): for all, or an array with an entry for each. */
  readonly inDims?: number | null | readonly Dims[];
  /** Where the batch dimension goes in the results, 0 by default; null for what does not depend on the batch. */
  readonly outDims?: Dims;
  /** Work on at most this many examples at a time. */
  readonly chunkSize?: number;
  /** Whether random numbers drawn inside are the `'same'` for all examples (the default), `'different'`, or an `'error'`. */
  readonly randomness?: Randomness;
}

type Untyped = (...args: readonly unknown[]) => unknown;

/** A tensor of the arguments, its batch (if it has one) in front. */
interface Entry {
  readonly tensor: TensorBase;
  readonly batched: boolean;
}

/** A result, and where the batch lies in each of its tensors. */
interface Mapped {
  readonly result: unknown;
  readonly dims: readonly (number | null)[];
}

/** Runs `f` once over all examples. */
export function batch(f: Untyped, args: readonly unknown[], options: VmapOptions): unknown {
  const { inDims = 0, outDims = 0, chunkSize, randomness = 'same' } = options;
  if (!['same', 'different', 'error'].includes(randomness))
    throw new ArgumentError(
      `vmap: Only allowed values for randomness are 'error', 'different', or 'same'. Got ${String(randomness)}`,
    );
  const { entries, size } = entriesOf(args, inDims);
  if (chunkSize !== undefined && !(Number.isInteger(chunkSize) && chunkSize > 0))
    throw new ArgumentError(`vmap: chunk_size should be None or greater than 0. (got ${chunkSize})`);
  if (chunkSize === undefined || chunkSize >= size)
    return whole(f, args, entries, new BatchLevel(size, randomness), outDims).result;

  const parts: Mapped[] = [];
  const state = defaultGenerator.getState();
  for (let start = 0; start < size; start += chunkSize) {
    const n = Math.min(chunkSize, size - start);
    const part = entries.map((e) => (e.batched ? { ...e, tensor: narrow(e.tensor, 0, start, n) } : e));
    // The same for all examples is the same in every part.
    if (randomness === 'same') defaultGenerator.setState(state);
    parts.push(whole(f, args, part, new BatchLevel(n, randomness), outDims));
  }
  const [first] = parts;
  const leaves = parts.map((p) => treeLeaves(p.result));
  const joined = leaves[0].map((t, i) => {
    const dim = first.dims[i];
    const all = leaves.map((l) => l[i]);
    return dim === null ? t : cat(all, dim);
  });
  return withLeaves(first.result, joined);
}

/** The tensors of the arguments, and how many examples they hold. */
function entriesOf(args: readonly unknown[], inDims: unknown): { entries: Entry[]; size: number } {
  if (args.length === 0) throw new ArgumentError('vmap: got no inputs. Maybe you forgot to add inputs');
  if (inDims !== null && typeof inDims !== 'number' && !Array.isArray(inDims))
    throw new ArgumentError(
      `vmap: expected \`in_dims\` to be int or a (potentially nested) tuple matching the structure of inputs, got: ${typeof inDims}`,
    );
  const entries: Entry[] = [];
  let size: number | null = null;
  mapPrefix(inDims, args, {
    tensor(tensor, dim) {
      if (dim === null) return entries.push({ tensor, batched: false });
      const moved = movedim(tensor, checkedDim(tensor, dim), 0);
      const [n] = moved.shape;
      if (size !== null && n !== size)
        throw new ShapeError(
          `vmap: Expected all tensors to have the same size in the mapped dimension, got sizes [${size}, ${n}] for the mapped dimension`,
        );
      size = n;
      return entries.push({ tensor: moved, batched: true });
    },
    other(x, dim) {
      if (dim === null || !hidesTensors(x)) return x;
      throw new ArgumentError(
        'vmap: an instance of a class, a map or a set holds tensors that would not be mapped; pass them in arrays and plain objects, or give inDims null for it',
      );
    },
    mismatch: () =>
      new ArgumentError(
        `vmap: in_dims is not compatible with the structure of \`inputs\`. in_dims has structure ${treeText(inDims)} but inputs has structure ${treeText(args)}.`,
      ),
  });
  if (size === null)
    throw new ArgumentError('vmap: Expected at least one Tensor to vmap over; inDims is null for all inputs');
  return { entries, size };
}

function checkedDim(t: TensorBase, dim: number): number {
  const rank = t.shape.length;
  if (Number.isInteger(dim) && dim >= -rank && dim < rank) return dim;
  throw new IndexError(
    `vmap: Got in_dim=${dim} for some input, but that input is a Tensor of dimensionality ${rank} so expected in_dim to satisfy -${rank} <= in_dim < ${rank}. (null in inDims is for arguments that are not batched.)`,
  );
}

function whole(
  f: Untyped,
  args: readonly unknown[],
  entries: readonly Entry[],
  level: BatchLevel,
  outDims: Dims,
): Mapped {
  const { size } = level;
  const lifted = withLeaves(
    args,
    entries.map(({ tensor, batched }) => (batched ? entering(level.lift(tensor), tensor) : tensor)),
  ) as readonly unknown[];
  const output = withLevel(level, () => settled(f(...lifted)));
  const dims: (number | null)[] = [];
  // A single result may have its dimension in an array.
  const wanted = Array.isArray(outDims) && outDims.length === 1 && !Array.isArray(output) ? outDims[0] : outDims;
  const result = mapPrefix(wanted, output, {
    tensor(t, dim) {
      dims.push(dim);
      const inside = t.wrapped !== null && levelOf(t) === level;
      if (dim === null) {
        if (!inside) return t;
        throw new ArgumentError('vmap: `f` can not return a BatchedTensor when out_dim is None');
      }
      const value = inside ? (sync(t).wrapped as Wrapped).value : expand(unsqueeze(t, 0), [size, ...t.shape]);
      return dim === 0 ? value : movedim(value, 0, dim);
    },
    other: (x, dim) => (dim === null ? x : resultLeaf('vmap', x)),
    mismatch: (dim) =>
      new ArgumentError(
        typeof dim === 'object'
          ? `vmap: out_dims is not compatible with the structure of \`outputs\`. out_dims has structure ${treeText(outDims)} but outputs has structure ${treeText(output)}.`
          : `vmap: \`out_dims\` must be an int, None or a python collection of ints representing where in the outputs the vmapped dimension should appear`,
      ),
  });
  return { result, dims };
}
