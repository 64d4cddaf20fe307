import { twin } from '../backends/wasm/heap.ts';
import { apply } from '../core/apply.ts';
import { checkTypes } from '../core/arguments.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { defineOp, type Op } from '../core/op.ts';
import { checkList, type Shape, shapeText, wrapDim } from '../core/shape.ts';
import { alias, checkTensors, type TensorBase, viewOf } from '../core/tensor.ts';
import { zeros } from './create.ts';
import { cat, stack } from './join.ts';
import { slice } from './slices.ts';

/*
 * One tensor as several. The parts are views, but one operation made them all: none of them may be
 * changed in place while gradients are recorded, for the node could not tell the others.
 */

interface SplitAttrs {
  readonly dim: number;
  /** Size of each part along `dim`. */
  readonly sizes: readonly number[];
  readonly node: string;
  /** Parts that share memory and pretend not to: each may be changed in place. */
  readonly unsafe: boolean;
}

/** The gradients that arrived, zeros for those that did not. */
const filled = (g: readonly (TensorBase | null)[], shape: (k: number) => Shape): readonly TensorBase[] => {
  const { dtype } = g.find((t) => t !== null) as TensorBase;
  return g.map((t, k) => t ?? zeros(shape(k), dtype));
};

/** What makes a part of `x` a tensor. */
type Made = (x: TensorBase, shape: Shape, strides: readonly number[], offset: number) => TensorBase;

const viewOfSeveral: Made = (x, shape, strides, offset) => viewOf(x, shape, strides, offset, 'several');

function splitInto(x: TensorBase, { dim, sizes }: SplitAttrs, made: Made): TensorBase[] {
  let start = x.offset;
  return sizes.map((n) => {
    const offset = start;
    start += n * x.strides[dim];
    return made(x, x.shape.with(dim, n), x.strides, offset);
  });
}

function unbindInto(x: TensorBase, dim: number, made: Made): TensorBase[] {
  const [shape, strides] = [x.shape.toSpliced(dim, 1), x.strides.toSpliced(dim, 1)];
  return Array.from({ length: x.shape[dim] }, (_, k) => made(x, shape, strides, x.offset + k * x.strides[dim]));
}

// [y₀ y₁ …] = x        x̄ = [ȳ₀ ȳ₁ …]
const splitOp: Op<SplitAttrs> = defineOp({
  name: 'split',
  view: ({ unsafe }) => !unsafe,
  node: ({ node }) => node,
  inputs: ['x'],
  forward: ([x], attrs) => {
    if (!attrs.unsafe) return splitInto(x, attrs, viewOfSeveral);
    return splitInto(x, attrs, (...place) => {
      const part = alias(...place);
      part.storage = twin(x.storage);
      return part;
    });
  },
  vjp: {
    saves: [],
    parts: (x, attrs) => splitInto(x, attrs, alias),
    rule: (g, _, { node, attrs }) => [
      cat(
        filled(g, (k) => node.outShape(k)),
        attrs.dim,
      ),
    ],
  },
  jvp: 'linear',
  vmap: ([x], _, attrs) => apply(splitOp, [x], { ...attrs, dim: attrs.dim + 1 }),
});

// yₖ = x[…, k, …]        x̄[…, k, …] = ȳₖ
const unbindOp: Op<{ readonly dim: number }> = defineOp({
  name: 'unbind',
  view: true,
  inputs: ['x'],
  forward: ([x], { dim }) => unbindInto(x, dim, viewOfSeveral),
  vjp: {
    saves: [],
    parts: (x, { dim }) => unbindInto(x, dim, alias),
    rule: (g, _, { node, attrs }) => [
      stack(
        filled(g, (k) => node.outShape(k)),
        attrs.dim,
      ),
    ],
  },
  jvp: 'linear',
  vmap: ([x], _, { dim }) => apply(unbindOp, [x], { dim: dim + 1 }),
});

/** The slices along `dim`, without it. */
export function unbind(x: TensorBase, dim = 0): readonly TensorBase[] {
  if (x.shape.length === 0) throw new ShapeError('unbind: Dimension specified as 0 but tensor has no dimensions');
  return apply(unbindOp, [x], { dim: wrapDim('unbind', dim, x.shape.length) }) as readonly TensorBase[];
}

/** How far from PyTorch's rules of sharing memory a split goes. */
type Safety = 'safe' | 'unsafe';

function parts(
  x: TensorBase,
  dim: number,
  sizes: readonly number[],
  node: string,
  safety: Safety,
): readonly TensorBase[] {
  const unsafe = safety === 'unsafe';
  return apply(splitOp, [x], {
    dim,
    sizes,
    node: unsafe ? `Unsafe${node}` : node,
    unsafe,
  }) as readonly TensorBase[];
}

/** Parts of the given size along `dim`, the last one smaller if it must be; or parts of the given sizes. */
export function split(
  x: TensorBase,
  size: number | readonly number[],
  dim = 0,
  safety: Safety = 'safe',
): readonly TensorBase[] {
  if (typeof size !== 'number') return splitWithSizes(x, size, dim, safety);
  if (x.shape.length === 0) throw new ShapeError('split: split expects at least a 1-dimensional tensor');
  const d = wrapDim('split', dim, x.shape.length);
  const whole = x.shape[d];
  if (!Number.isInteger(size) || size < 0)
    throw new ArgumentError(`split: split expects split_size be non-negative, but got split_size=${size}`);
  if (size === 0 && whole !== 0)
    throw new ArgumentError(
      `split: split_size can only be 0 if dimension size is 0, but got dimension size of ${whole}`,
    );
  const count = size === 0 ? 1 : Math.max(1, Math.ceil(whole / size));
  const sizes = Array.from({ length: count }, (_, k) => Math.min(size, whole - k * size));
  return parts(x, d, sizes, 'SplitBackward0', safety);
}

function splitWithSizes(x: TensorBase, sizes: readonly number[], dim: number, safety: Safety): readonly TensorBase[] {
  checkList('split', 'the sizes of the parts', sizes);
  if (x.shape.length === 0) throw new ShapeError('split: split expects at least a 1-dimensional tensor');
  const d = wrapDim('split', dim, x.shape.length);
  const [given, whole] = [`split_sizes=${shapeText(sizes)}`, x.shape[d]];
  if (sizes.some((n) => !Number.isInteger(n) || n < 0))
    throw new ArgumentError(
      `split: split_with_sizes expects split_sizes have only non-negative entries, but got ${given}`,
    );
  if (sizes.reduce((a, b) => a + b, 0) !== whole)
    throw new ShapeError(
      `split: split_with_sizes expects split_sizes to sum exactly to ${whole} (input tensor's size at dimension ${d}), but got ${given}`,
    );
  return parts(x, d, sizes, 'SplitWithSizesBackward0', safety);
}

/** At most so many parts along `dim`, all of one size but the last. */
export function chunk(x: TensorBase, chunks: number, dim = 0, safety: Safety = 'safe'): readonly TensorBase[] {
  if (x.shape.length === 0) throw new ShapeError('chunk: chunk expects at least a 1-dimensional tensor');
  if (!Number.isInteger(chunks) || chunks < 1)
    throw new ArgumentError(`chunk: chunk expects \`chunks\` to be greater than 0, got: ${chunks}`);
  const d = wrapDim('chunk', dim, x.shape.length);
  checkParts('chunk', Math.min(chunks, x.shape[d] || chunks));
  const size = Math.ceil(x.shape[d] / chunks);
  // Nothing can be divided into any number of parts.
  return size === 0 ? splitWithSizes(x, new Array<number>(chunks).fill(0), d, safety) : split(x, size, d, safety);
}

/** More tensors than this are more than an engine's heap has room for, and running out of that ends the program. */
const MOST_PARTS = 2 ** 24;

function checkParts(op: string, count: number): void {
  if (count > MOST_PARTS) throw new ArgumentError(`${op}: ${count} parts are more tensors than there is room for`);
}

/**
 * So many parts along `dim` of sizes that differ by one at most, the larger ones first; or the parts
 * between the given places. These are slices, and may be changed in place.
 */
export function tensorSplit(x: TensorBase, cuts: number | readonly number[], dim = 0): readonly TensorBase[] {
  if (x.shape.length === 0)
    throw new ShapeError(
      'tensorSplit: tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims',
    );
  const d = wrapDim('tensorSplit', dim, x.shape.length);
  if (typeof cuts !== 'number') {
    checkList('tensorSplit', 'indices', cuts);
    checkTypes('tensorSplit', 'number', { ...cuts });
    return within('tensorSplit', () =>
      [...cuts, undefined].map((end, k) => slice(x, d, k === 0 ? 0 : cuts[k - 1], end)),
    );
  }
  if (!Number.isInteger(cuts) || cuts < 1)
    throw new ArgumentError(`tensorSplit: number of sections must be larger than 0, got ${cuts}`);
  checkParts('tensorSplit', cuts);
  const [size, larger] = [Math.floor(x.shape[d] / cuts), x.shape[d] % cuts];
  const start = (k: number): number => k * size + Math.min(k, larger);
  return Array.from({ length: cuts }, (_, k) => slice(x, d, start(k), start(k + 1)));
}

/** `tensorSplit` along one dimension, which a number of parts must divide. */
function along(
  name: string,
  x: TensorBase,
  cuts: number | readonly number[],
  dim: number,
  rank: number,
): readonly TensorBase[] {
  if (typeof cuts !== 'number' && !Array.isArray(cuts))
    throw new ArgumentError(
      `${name}: ${name}() received an invalid combination of arguments. Expected a number of sections or an array of indices, got ${typeof cuts}`,
    );
  if (x.shape.length < rank)
    throw new ShapeError(
      `${name}: torch.${name} requires a tensor with at least ${rank} dimension, but got a tensor with ${x.shape.length} dimensions!`,
    );
  if (typeof cuts === 'number' && (cuts < 1 || x.shape[dim] % cuts !== 0))
    throw new ShapeError(
      `${name}: torch.${name} attempted to split along dimension ${dim}, but the size of the dimension ${x.shape[dim]} is not divisible by the split_size ${cuts}!`,
    );
  return within(name, () => tensorSplit(x, cuts, dim));
}

/** Columns (of a vector: elements) apart. */
export const hsplit = (x: TensorBase, cuts: number | readonly number[]): readonly TensorBase[] =>
  along('hsplit', x, cuts, x.shape.length === 1 ? 0 : 1, 1);

/** Rows apart. */
export const vsplit = (x: TensorBase, cuts: number | readonly number[]): readonly TensorBase[] =>
  along('vsplit', x, cuts, 0, 2);

/** The third dimension apart. */
export const dsplit = (x: TensorBase, cuts: number | readonly number[]): readonly TensorBase[] =>
  along('dsplit', x, cuts, 2, 3);

/** Where a tensor of whole numbers says to cut: its one number is a number of parts, a vector the places. */
export function cutsFrom(
  op: string,
  cuts: TensorBase,
  values: (t: TensorBase) => readonly number[],
): number | readonly number[] {
  checkTensors(op, cuts);
  if (cuts.shape.length > 1)
    throw new ShapeError(
      `${op}: tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a tensor with ${cuts.shape.length} dims`,
    );
  if (cuts.dtype !== 'int32')
    throw new DTypeError(
      `${op}: tensor_split expected tensor_indices_or_sections to have dtype of long (here int32), but got ${cuts.dtype}`,
    );
  const list = values(cuts);
  return cuts.shape.length === 0 ? list[0] : list;
}
