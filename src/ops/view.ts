import { apply1 } from '../core/apply.ts';
import { ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import {
  checkList,
  checkShape,
  contiguousStrides,
  numel,
  type Shape,
  shapeText,
  wrapDim,
  wrapDims,
} from '../core/shape.ts';
import { alias, fresh, placeOf, shadowOf, type TensorBase, viewOf } from '../core/tensor.ts';
import { copyKernel } from './copy.ts';
import { reshapeView } from './elementwise-batch.ts';
import { inferShape, viewStrides } from './reshaping.ts';

/*
 * Views of all elements: the same memory read with other shape and strides. All are linear, so each
 * gradient rule is the adjoint view. Views of a part are in slices.ts.
 */

const inverse = (dims: readonly number[]): number[] => {
  const out = new Array<number>(dims.length);
  dims.forEach((d, i) => {
    out[d] = i;
  });
  return out;
};

/** `y` has the elements of `x` in row-major order, in another shape. */
const reshapeOp: Op<{ readonly shape: Shape; readonly copies: boolean }> = defineOp({
  name: 'reshape',
  cheap: true,
  view: ({ copies }) => !copies,
  node: ({ copies }) => (copies ? 'UnsafeViewBackward0' : 'ViewBackward0'),
  inputs: ['x'],
  forward: ([x], { shape }) => {
    const strides = viewStrides(x, shape);
    return strides === null ? alias(copyOf(x), shape, contiguousStrides(shape), 0) : viewOf(x, shape, strides);
  },
  vjp: { x: [[], (g, _, c) => reshape(g, c.shape(0))] },
  jvp: 'linear',
  vmap: ([x], _, { shape }, size) => reshape(x, [size, ...shape]),
});

export function reshape(x: TensorBase, shape: Shape): TensorBase {
  const to = inferShape('reshape', shape, x.count);
  return apply1(reshapeOp, [x], { shape: to, copies: !fitsView(x, to) });
}

/** Whether `x` can be seen as `shape` without copying. */
function fitsView(x: TensorBase, shape: Shape): boolean {
  if (x.wrapped === null) return viewStrides(x, shape) !== null;
  return (x.meta?.place ?? null) === null || viewStrides(shadowOf(x), shape) !== null;
}
reshapeView.call = reshape;

/** A reshape that must not copy. */
export function view(x: TensorBase, shape: Shape): TensorBase {
  const to = inferShape('view', shape, x.count);
  if (!fitsView(x, to)) {
    throw new ShapeError(
      `view: view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead. It has shape ${shapeText(x.shape)} and strides ${shapeText(placeOf(x).strides)}, and was to be seen as ${shapeText(to)}.`,
    );
  }
  return reshape(x, to);
}

/** y[i…] = x[i permuted] */
const permuteOp: Op<{ readonly dims: readonly number[]; readonly node: string }> = defineOp({
  name: 'permute',
  view: true,
  node: ({ node }) => node,
  inputs: ['x'],
  forward: ([x], { dims }) => {
    const [shape, strides]: [number[], number[]] = [[], []];
    for (let i = 0; i < dims.length; i++) {
      shape.push(x.shape[dims[i]]);
      strides.push(x.strides[dims[i]]);
    }
    return viewOf(x, shape, strides);
  },
  vjp: { x: [[], (g, _, { attrs }) => permute(g, attrs.dims === EXCHANGED ? EXCHANGED : inverse(attrs.dims))] },
  jvp: 'linear',
  vmap: ([x], _, { dims }) => permute(x, [0, ...dims.map((d) => d + 1)]),
});

export function permute(x: TensorBase, dims: readonly number[], node = 'PermuteBackward0'): TensorBase {
  checkList('permute', 'dimensions', dims);
  if (dims.length !== x.shape.length) {
    throw new ShapeError(
      `permute: number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = ${x.shape.length} is not equal to len(dims) = ${dims.length}`,
    );
  }
  return apply1(permuteOp, [x], { dims: wrapDims('permute', dims, x.shape.length), node });
}

export function transpose(x: TensorBase, a: number, b: number, node = 'TransposeBackward0'): TensorBase {
  const rank = x.shape.length;
  const i = wrapDim('transpose', a, rank);
  const j = wrapDim('transpose', b, rank);
  if (rank === 0) return alias0(x);
  return apply1(permuteOp, [x], { dims: i === 0 && j === 1 && rank === 2 ? EXCHANGED : exchanged(rank, i, j), node });
}

function exchanged(rank: number, i: number, j: number): number[] {
  const dims: number[] = [];
  for (let d = 0; d < rank; d++) dims.push(d === i ? j : d === j ? i : d);
  return dims;
}

/** The rows and columns of matrices, which are transposed most. */
const EXCHANGED = exchanged(2, 0, 1);

/** A view of a 0-dim tensor under another identity. */
const alias0 = (x: TensorBase): TensorBase => apply1(permuteOp, [x], { dims: [], node: 'AliasBackward0' });

/** The transpose of a matrix; vectors and scalars stay as they are. */
export function t(x: TensorBase): TensorBase {
  if (x.shape.length > 2)
    throw new ShapeError(
      `t: t() expects a tensor with <= 2 dimensions, but self is ${x.shape.length}D; use .mT or .transpose(a, b)`,
    );
  return x.shape.length < 2
    ? apply1(permuteOp, [x], { dims: x.shape.map((_, i) => i), node: 'TBackward0' })
    : transpose(x, 0, 1, 'TBackward0');
}

/** The last two dimensions exchanged; a scalar stays as it is. */
export function mT(x: TensorBase): TensorBase {
  if (x.shape.length === 0) return x;
  if (x.shape.length < 2)
    throw new ShapeError(
      `mT: tensor.mT is only supported on matrices or batches of matrices. Got ${x.shape.length}-D tensor.`,
    );
  return transpose(x, -2, -1);
}

/** y = x repeated along new or size-1 dimensions, without copying (strides of 0). */
const expandOp: Op<{ readonly shape: Shape }> = defineOp({
  name: 'expand',
  view: true,
  inputs: ['x'],
  forward: ([x], { shape }) => {
    const lead = shape.length - x.shape.length;
    return viewOf(
      x,
      shape,
      shape.map((n, i) => (i < lead || (x.shape[i - lead] === 1 && n !== 1) ? 0 : x.strides[i - lead])),
    );
  },
  // The engine sums over what was broadcast.
  vjp: { x: [[], (g) => g] },
  jvp: 'linear',
  vmap: ([x], _, { shape }, size) => {
    const missing = shape.length - (x.shape.length - 1);
    return expand(missing === 0 ? x : reshape(x, [size, ...new Array<number>(missing).fill(1), ...x.shape.slice(1)]), [
      size,
      ...shape,
    ]);
  },
});

/** Sizes of -1 keep the size of `x`. */
export function expand(x: TensorBase, shape: Shape): TensorBase {
  checkList('expand', 'a shape', shape);
  const lead = shape.length - x.shape.length;
  if (lead < 0) {
    throw new ShapeError(
      `expand: the number of sizes provided (${shape.length}) must be greater or equal to the number of dimensions in the tensor (${x.shape.length})`,
    );
  }
  const to = shape.map((n, i) => {
    const own = i < lead ? 1 : x.shape[i - lead];
    if (n === -1) {
      if (i < lead)
        throw new ShapeError(
          `expand: The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${i}`,
        );
      return own;
    }
    if (own !== 1 && own !== n) {
      throw new ShapeError(
        `expand: The expanded size of the tensor (${n}) must match the existing size (${own}) at non-singleton dimension ${i}. Target sizes: ${shapeText(shape)}. Tensor sizes: ${shapeText(x.shape)}`,
      );
    }
    return n;
  });
  return apply1(expandOp, [x], { shape: checkShape('expand', to) });
}

/** Dimensions of size 1 taken out (`drop`) or put in: a reshape that never copies. */
const squeezeOp: Op<{ readonly drop: readonly number[]; readonly node: string }> = defineOp({
  name: 'squeeze',
  view: true,
  node: ({ node }) => node,
  inputs: ['x'],
  forward: ([x], { drop }) => {
    const keep = x.shape.map((_, d) => d).filter((d) => !drop.includes(d));
    return viewOf(
      x,
      keep.map((d) => x.shape[d]),
      keep.map((d) => x.strides[d]),
    );
  },
  vjp: { x: [[], (g, _, c) => reshape(g, c.shape(0))] },
  jvp: 'linear',
  vmap: ([x], _, { drop, node }) => apply1(squeezeOp, [x], { drop: drop.map((d) => d + 1), node }),
});

export function squeeze(x: TensorBase, dim?: number | readonly number[]): TensorBase {
  const rank = x.shape.length;
  const among =
    dim === undefined ? x.shape.map((_, d) => d) : wrapDims('squeeze', typeof dim === 'number' ? [dim] : dim, rank);
  const drop = among.filter((d) => x.shape[d] === 1);
  return apply1(squeezeOp, [x], { drop, node: dim === undefined ? 'SqueezeBackward0' : 'SqueezeBackward1' });
}

const unsqueezeOp: Op<{ readonly dim: number }> = defineOp({
  name: 'unsqueeze',
  view: true,
  inputs: ['x'],
  forward: ([x], { dim }) => {
    const step = dim < x.shape.length ? x.shape[dim] * x.strides[dim] : 1;
    return viewOf(x, x.shape.toSpliced(dim, 0, 1), x.strides.toSpliced(dim, 0, step));
  },
  vjp: { x: [[], (g, _, { attrs }) => squeeze(g, attrs.dim)] },
  jvp: 'linear',
  vmap: ([x], _, { dim }) => apply1(unsqueezeOp, [x], { dim: dim + 1 }),
});

export function unsqueeze(x: TensorBase, dim: number): TensorBase {
  return apply1(unsqueezeOp, [x], { dim: wrapDim('unsqueeze', dim, x.shape.length + 1) });
}

/** Dimensions `start` to `end`, both included, made one. */
export function flatten(x: TensorBase, start = 0, end = -1): TensorBase {
  const rank = x.shape.length;
  const from = wrapDim('flatten', start, rank);
  const to = wrapDim('flatten', end, rank);
  if (from > to)
    throw new ShapeError(
      `flatten: flatten() has invalid args: start_dim cannot come after end_dim (${start} after ${end})`,
    );
  if (rank === 0) return reshape(x, [1]);
  if (from === to) return x;
  return reshape(x, [...x.shape.slice(0, from), numel(x.shape.slice(from, to + 1)), ...x.shape.slice(to + 1)]);
}

/** Moves dimensions `from` to positions `to`; the others keep their order. */
export function movedim(x: TensorBase, from: number | readonly number[], to: number | readonly number[]): TensorBase {
  const rank = x.shape.length;
  const list = (d: number | readonly number[]): readonly number[] => {
    if (typeof d === 'number') return [d];
    checkList('movedim', 'dimensions', d);
    return d;
  };
  const [sources, targets] = [list(from), list(to)];
  if (sources.length !== targets.length) {
    throw new ShapeError(
      `movedim: Invalid source or destination dims: source (${shapeText(sources)} dims) should contain the same number of dims as destination (${shapeText(targets)} dims)`,
    );
  }
  const taken = sources.map((d) => wrapDim('movedim', d, rank));
  const places = targets.map((d) => wrapDim('movedim', d, rank));
  for (const [what, given, dims] of [
    ['source', sources, taken],
    ['destination', targets, places],
  ] as const) {
    if (new Set(dims).size < dims.length)
      throw new ShapeError(`movedim: repeated dim in \`${what}\` (${shapeText(given)})`);
  }
  if (rank === 0) return permute(x, []);
  const rest = x.shape.map((_, d) => d).filter((d) => !taken.includes(d));
  const order = x.shape.map((_, d) => {
    const k = places.indexOf(d);
    return k >= 0 ? taken[k] : (rest.shift() as number);
  });
  return permute(x, order);
}

/** A contiguous copy of a plain tensor, outside the graph. */
function copyOf(x: TensorBase): TensorBase {
  const y = fresh(x.shape, x.dtype);
  copyKernel(x.dtype, x.dtype).run([y], [x]);
  return y;
}
