import { apply1 } from '../core/apply.ts';
import { dtypeInfo } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { checkList, checkShape, type Shape, sameShape, shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, type Place, placeOf, type TensorBase, viewOf } from '../core/tensor.ts';
import { endOf, inOrder, intoRegion, type Region, readRegion, regionBetween, replaceRegion } from './region.ts';
import { narrow, selectAttrs, selectPlace, sliceAttrs, slicePlace } from './slices.ts';
import { reshape } from './view.ts';

/*
 * Views that see elements along other paths than the dimensions, and the scatter form of every view:
 * the tensor with what the view sees replaced.
 */

interface DiagonalAttrs {
  readonly offset: number;
  readonly dim1: number;
  readonly dim2: number;
}

function diagonalPlace({ shape, strides, offset: start }: Place, { offset, dim1, dim2 }: DiagonalAttrs): Place {
  const [n, m] = offset >= 0 ? [shape[dim1], shape[dim2] - offset] : [shape[dim1] + offset, shape[dim2]];
  const length = Math.max(0, Math.min(n, m));
  const rest = <T>(list: readonly T[]): T[] => list.filter((_, d) => d !== dim1 && d !== dim2);
  const skipped = length === 0 ? 0 : offset >= 0 ? offset * strides[dim2] : -offset * strides[dim1];
  return {
    shape: [...rest(shape), length],
    strides: [...rest(strides), strides[dim1] + strides[dim2]],
    offset: start + skipped,
  };
}

const seen = (x: TensorBase, { shape, strides, offset }: Place): TensorBase => viewOf(x, shape, strides, offset);

/** The region that a view of a tensor in order is. */
const regionIn = (shape: Shape, view: (whole: Place) => Place, node?: string): Region => ({
  ...regionBetween(inOrder(shape), view(inOrder(shape))),
  ...(node === undefined ? {} : { node }),
});

/** Where a diagonal lies in a tensor whose elements stand in order. */
export const diagonalRegion = (shape: Shape, attrs: DiagonalAttrs): Region =>
  regionIn(shape, (whole) => diagonalPlace(whole, attrs));

// y[…, i] = x[…, i, …, i + offset, …]        x̄ = zeros, with ȳ on the diagonal
const diagonalOp: Op<DiagonalAttrs> = defineOp({
  name: 'diagonal',
  view: true,
  inputs: ['x'],
  forward: ([x], attrs) => seen(x, diagonalPlace(x, attrs)),
  vjp: {
    x: [[], (g, _, c) => intoRegion(g, diagonalRegion(c.shape(0), c.attrs))],
  },
  jvp: 'linear',
  vmap: ([x], _, { offset, dim1, dim2 }) => apply1(diagonalOp, [x], { offset, dim1: dim1 + 1, dim2: dim2 + 1 }),
});

function diagonalAttrs(op: string, x: TensorBase, offset: number, dim1: number, dim2: number): DiagonalAttrs {
  checkTensors(op, x);
  if (!Number.isInteger(offset)) throw new ArgumentError(`${op}: offset must be a whole number, got ${offset}`);
  const [a, b] = [wrapDim(op, dim1, x.shape.length), wrapDim(op, dim2, x.shape.length)];
  if (a === b) throw new ShapeError(`${op}: diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
  return { offset, dim1: a, dim2: b };
}

/** The diagonal of two dimensions, as the last one; `offset` counts diagonals above the main one. */
export function diagonal(x: TensorBase, offset = 0, dim1 = 0, dim2 = 1): TensorBase {
  return apply1(diagonalOp, [x], diagonalAttrs('diagonal', x, offset, dim1, dim2));
}

interface UnfoldAttrs {
  readonly dim: number;
  readonly size: number;
  readonly step: number;
}

function unfoldPlace({ shape, strides, offset }: Place, { dim, size, step }: UnfoldAttrs): Place {
  const count = Math.floor((shape[dim] - size) / step) + 1;
  return {
    shape: [...shape.with(dim, count), size],
    strides: [...strides.with(dim, strides[dim] * step), strides[dim]],
    offset,
  };
}

// y[…, i, …, k] = x[…, i step + k, …]        x̄ = the sum of what the windows over an element give
const unfoldOp: Op<UnfoldAttrs> = defineOp({
  name: 'unfold',
  cheap: true,
  view: true,
  inputs: ['x'],
  forward: ([x], attrs) => seen(x, unfoldPlace(x, attrs)),
  vjp: {
    x: [
      [],
      (g, _, c) =>
        intoRegion(
          g,
          regionIn(c.shape(0), (x) => unfoldPlace(x, c.attrs)),
        ),
    ],
  },
  jvp: 'linear',
  vmap: ([x], _, attrs) => apply1(unfoldOp, [x], { ...attrs, dim: attrs.dim + 1 }),
});

/** Windows of `size` elements along `dim`, each `step` elements on from the last, as a new last dimension. */
export function unfold(x: TensorBase, dim: number, size: number, step: number): TensorBase {
  const d = wrapDim('unfold', dim, x.shape.length);
  if (!Number.isInteger(size) || size < 0) throw new ArgumentError(`unfold: size is ${size} but must be >= 0`);
  const whole = x.shape[d] ?? 1;
  if (size > whole)
    throw new ShapeError(`unfold: maximum size for tensor at dimension ${d} is ${whole} but size is ${size}`);
  if (!Number.isInteger(step) || step <= 0) throw new ArgumentError(`unfold: step is ${step} but must be > 0`);
  // A single number has one window, which is itself.
  if (x.shape.length === 0) return narrow(reshape(x, [1]), 0, 0, size);
  return apply1(unfoldOp, [x], { dim: d, size, step });
}

/** Where a strided view of `x` lies, checked to be inside the memory of `x`. */
function stridedPlace(op: string, x: TensorBase, size: Shape, strides: readonly number[], offset: number): Place {
  const shape = checkShape(op, size);
  checkList(op, 'strides', strides);
  if (size.length !== strides.length)
    throw new ShapeError(
      `${op}: mismatch in length of strides and shape: ${shapeText(strides)} and ${shapeText(size)}`,
    );
  if (strides.some((n) => !Number.isInteger(n) || n < 0))
    throw new ArgumentError(
      `${op}: as_strided: Negative strides are not supported at the moment, got strides: ${shapeText(strides)}`,
    );
  if (!Number.isInteger(offset) || offset < 0)
    throw new ArgumentError(`${op}: Tensor: invalid storage offset ${offset}; it must be a whole number from 0 on`);
  const place = { shape, strides: strides.slice(), offset };
  const room = x.wrapped === null ? x.storage.nbytes / dtypeInfo(x.dtype).bytes : x.count;
  if (endOf(place) > room)
    throw new ShapeError(
      `${op}: setStorage: sizes ${shapeText(size)}, strides ${shapeText(strides)}, storage offset ${offset} are out of bounds for storage of ${room} elements`,
    );
  return place;
}

/**
 * The memory of `x` under other sizes and strides, whatever they make of it: elements may be left out,
 * or seen several times. The offset counts from the start of the memory, that of `x` by default.
 */
export function asStrided(
  x: TensorBase,
  size: Shape,
  strides: readonly number[],
  offset: number = placeOf(x).offset,
): TensorBase {
  const place = stridedPlace('asStrided', x, size, strides, offset);
  // A view in a transform has no memory of its own to look around in: its base has.
  const whole = (x.wrapped !== null && x.meta?.creation === 'plain' ? x.meta.base : null) ?? x;
  return readRegion(whole, { ...regionBetween(placeOf(whole), place), direct: true });
}

/** `x` with the elements a view of it sees replaced by those of `src`. */
function scattered(
  op: string,
  x: TensorBase,
  src: TensorBase,
  view: (whole: Place) => Place,
  node: string,
): TensorBase {
  checkTensors(op, x, src);
  return replaced(op, x, src, regionIn(x.shape, view, node));
}

function replaced(op: string, x: TensorBase, src: TensorBase, r: Region): TensorBase {
  if (!sameShape(src.shape, r.part.shape))
    throw new ShapeError(
      `${op}: expected src to have a size equal to the slice of self. src size = ${shapeText(src.shape)}, slice size = ${shapeText(r.part.shape)}`,
    );
  return replaceRegion(x, src, r);
}

export function selectScatter(x: TensorBase, src: TensorBase, dim: number, index: number): TensorBase {
  const attrs = selectAttrs('selectScatter', x, dim, index);
  return scattered('selectScatter', x, src, (p) => selectPlace(p, attrs), 'SelectScatterBackward0');
}

export function sliceScatter(
  x: TensorBase,
  src: TensorBase,
  dim = 0,
  start?: number,
  end?: number,
  step = 1,
): TensorBase {
  const attrs = sliceAttrs('sliceScatter', x, dim, start, end, step);
  return scattered('sliceScatter', x, src, (p) => slicePlace(p, attrs), 'SliceScatterBackward0');
}

export function diagonalScatter(x: TensorBase, src: TensorBase, offset = 0, dim1 = 0, dim2 = 1): TensorBase {
  const attrs = diagonalAttrs('diagonalScatter', x, offset, dim1, dim2);
  return scattered('diagonalScatter', x, src, (p) => diagonalPlace(p, attrs), 'DiagonalScatterBackward0');
}

export function asStridedScatter(
  x: TensorBase,
  src: TensorBase,
  size: Shape,
  strides: readonly number[],
  offset: number = placeOf(x).offset,
): TensorBase {
  checkTensors('asStridedScatter', x, src);
  const place = stridedPlace('asStridedScatter', x, size, strides, offset);
  return replaced('asStridedScatter', x, src, {
    ...regionBetween(placeOf(x), place),
    node: 'AsStridedScatterBackward0',
  });
}
