import { apply1, closeNode, openNode, record } from '../core/apply.ts';
import { type DType, isFloat } from '../core/dtype.ts';
import { NotImplementedError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { contiguousStrides, numel, type Shape, sameShape } from '../core/shape.ts';
import { alias, fresh, type Place, type TensorBase, viewOf } from '../core/tensor.ts';
import { copyKernel } from './copy.ts';
import { zerosLike } from './create.ts';
import { addInto, div, maximum } from './elementwise.ts';
import { filled, fillKernel } from './filled.ts';
import { expand, unsqueeze } from './view.ts';

/*
 * Memory as a mathematical object: a piece of `extent` elements in which a whole tensor lies, and a
 * region of it that is read or replaced. The gradients of strided views, of in-place changes of views,
 * and of the scatter forms of views are all said in these words.
 */

export interface Region {
  /** Both are counted from the start of the piece of memory. */
  readonly whole: Place;
  readonly part: Place;
  readonly extent: number;
  /** PyTorch's name of the node. */
  readonly node?: string;
  /** The tensor's own memory is meant, with what lies around it: true where a user asks for a strided view of it. */
  readonly direct?: boolean;
}

/** One past the last element of a place, its own start if it holds none. */
export function endOf({ shape, strides, offset }: Place): number {
  return shape.reduce((end, n, d) => (n === 0 ? Number.NEGATIVE_INFINITY : end + (n - 1) * strides[d]), offset + 1);
}

/** The place of a tensor whose elements lie in order, alone. */
export const inOrder = (shape: Shape): Place => ({ shape, strides: contiguousStrides(shape), offset: 0 });

/** The region that `part` is of `whole`, both counted from one start, which is moved to where they begin. */
export function regionBetween(whole: Place, part: Place): Region {
  const start = Math.min(whole.offset, part.offset);
  return {
    whole: { ...whole, offset: whole.offset - start },
    part: { ...part, offset: part.offset - start },
    extent: Math.max(endOf(whole), endOf(part), start) - start,
  };
}

/** Dimensions that elements must differ in to meet: few and small ones, without which none do. */
function crossingOf({ shape, strides }: Place): readonly number[] {
  let free: number[] = [];
  const crossing: number[] = [];
  const order = shape.map((_, d) => d).filter((d) => shape[d] !== 1);
  for (const d of order.sort((a, b) => shape[b] - shape[a])) {
    const wider = [...free, d].sort((a, b) => strides[a] - strides[b]);
    let span = 0;
    const nested = wider.every((k) => {
      const beyond = strides[k] > span;
      span += (shape[k] - 1) * strides[k];
      return beyond;
    });
    if (nested) free = wider;
    else crossing.push(d);
  }
  return crossing;
}

/** Whether two elements of a place are one place in memory. */
export function meets(place: Place): boolean {
  if (place.shape.includes(0)) return false;
  const crossing = crossingOf(place);
  if (crossing.length === 0) return false;
  if (crossing.some((d) => place.strides[d] === 0)) return true;
  // Strides that interleave may still never meet: counted out.
  const seen = new Set<number>();
  return eachOffset(place, [...place.shape.keys()], (at) => seen.size === seen.add(at).size);
}

/** Visits the offsets that all index combinations of some dimensions give, until `visit` says true. */
function eachOffset(
  { shape, strides, offset }: Place,
  dims: readonly number[],
  visit: (offset: number) => unknown,
): boolean {
  const walk = (k: number, at: number): boolean => {
    if (k === dims.length) return visit(at) === true;
    for (let i = 0; i < shape[dims[k]]; i++) if (walk(k + 1, at + i * strides[dims[k]])) return true;
    return false;
  };
  return walk(0, offset);
}

const at = (memory: TensorBase, place: Place): TensorBase =>
  alias(memory, place.shape, place.strides, memory.offset + place.offset);

function empty(extent: number, like: TensorBase): TensorBase {
  const memory = fresh([extent], like.dtype);
  fillKernel(like.dtype).run([memory], [0]);
  return memory;
}

const copyInto = (target: TensorBase, x: TensorBase): void => copyKernel(x.dtype, target.dtype).run([target], [x]);

/** Adds the elements of `x` where they lie, however often they meet. */
function accumulate(memory: TensorBase, place: Place, x: TensorBase): void {
  if (x.count === 0) return;
  const crossing = crossingOf(place);
  const kept = place.shape.map((_, d) => d).filter((d) => !crossing.includes(d));
  const pick = (list: readonly number[]): number[] => kept.map((d) => list[d]);
  const places: number[] = [];
  eachOffset(place, crossing, (offset) => void places.push(offset));
  let k = 0;
  eachOffset({ shape: place.shape, strides: x.strides, offset: x.offset }, crossing, (from) => {
    const target = alias(memory, pick(place.shape), pick(place.strides), memory.offset + places[k++]);
    addInto(target, alias(x, pick(place.shape), pick(x.strides), from));
  });
}

/** Memory that holds `x` at `place` and zeros elsewhere. Where elements meet it holds their sum, or with `mean` their mean. */
function laid(x: TensorBase, place: Place, extent: number, mean: boolean): TensorBase {
  const memory = empty(extent, x);
  if (!meets(place) || !isFloat(x.dtype)) {
    copyInto(at(memory, place), x);
    return memory;
  }
  accumulate(memory, place, x);
  if (!mean) return memory;
  const count = empty(extent, x);
  accumulate(count, place, onesOf(place.shape, x.dtype));
  // Where nothing lies, 0 / 0 would be no number.
  return div(memory, maximum(count, 1));
}

/** One element in memory, however many are seen. */
const onesOf = (shape: Shape, dtype: DType): TensorBase =>
  alias(
    filled([], 1, dtype),
    shape,
    shape.map(() => 0),
  );

/** Strides of dimensions of one element are of no account. */
const sameStrides = ({ shape, strides }: Place, others: readonly number[]): boolean =>
  shape.includes(0) || shape.every((n, d) => n === 1 || strides[d] === others[d]);

/** Whether a whole fills its piece of memory in order. */
const fills = ({ whole, extent }: Region): boolean =>
  numel(whole.shape) === extent && sameStrides(whole, contiguousStrides(whole.shape));

/** A piece of memory with `x` as its whole; `x`'s own where nothing else lies in it. */
function memoryOf(x: TensorBase, r: Region): TensorBase {
  if (!fills(r)) return laid(x, r.whole, r.extent, true);
  return alias(x.flat ? x : contiguous(x), [r.extent], [1]);
}

/** The whole of a piece of memory, in order. */
function wholeOf(memory: TensorBase, r: Region): TensorBase {
  return fills(r) ? alias(memory, r.whole.shape, contiguousStrides(r.whole.shape)) : contiguous(at(memory, r.whole));
}

function contiguous(x: TensorBase): TensorBase {
  const y = fresh(x.shape, x.dtype);
  copyInto(y, x);
  return y;
}

/** The region as each example of a batch has it, one piece of memory after the other. */
function batched(r: Region, size: number): Region {
  const each = ({ shape, strides, offset }: Place): Place => ({
    shape: [size, ...shape],
    strides: [r.extent, ...strides],
    offset,
  });
  return { ...r, whole: each(r.whole), part: each(r.part), extent: size * r.extent, direct: false };
}

/** Examples that are not batched are repeated. */
const onBatch = (x: TensorBase, inBatch: boolean, size: number): TensorBase =>
  inBatch ? x : expand(unsqueeze(x, 0), [size, ...x.shape]);

const within = (r: Region): Region => ({ ...r, direct: false });

const outside = (): NotImplementedError =>
  new NotImplementedError(
    'asStrided: inside a transformed function, a strided view may not reach beyond the elements of its tensor',
  );

// y = the region of x        x̄ = zeros, with ȳ in the region
const asStridedOp: Op<Region> = defineOp({
  name: 'asStrided',
  view: ({ direct }) => direct === true,
  inputs: ['x'],
  forward: ([x], r) => {
    const { whole, part } = r;
    // The tensor's own memory, if it lies there as said and all that is read is the tensor's (or is asked for all the same).
    if (sameShape(x.shape, whole.shape) && sameStrides(whole, x.strides) && (r.direct === true || fills(r)))
      return viewOf(x, part.shape, part.strides, x.offset + part.offset - whole.offset);
    if (r.direct === true && !fills(r)) throw outside();
    return internally(() => at(memoryOf(x, r), part));
  },
  vjp: { x: [[], (g, _, { attrs }) => apply1(intoRegionOp, [g], within(attrs))] },
  jvp: ({ tangents: [t], attrs }) => (t === null ? null : apply1(asStridedOp, [t], within(attrs))),
  vmap: ([x], _, r, size) => {
    if (r.direct === true && !fills(r)) throw outside();
    return apply1(asStridedOp, [x], batched(r, size));
  },
});

// y = zeros, with x in the region
const intoRegionOp: Op<Region> = defineOp({
  name: 'intoRegion',
  cheap: true,
  inputs: ['x'],
  forward: ([x], r) =>
    internally(() => {
      const memory = laid(x, r.part, r.extent, false);
      if (!meets(r.whole)) return wholeOf(memory, r);
      // Elements of the whole that are one in memory share the gradient.
      const count = laid(onesOf(r.whole.shape, x.dtype), r.whole, r.extent, false);
      return contiguous(at(div(memory, count), r.whole));
    }),
  vjp: { x: [[], (g, _, { attrs }) => apply1(asStridedOp, [g], attrs)] },
  jvp: 'linear',
  vmap: ([x], _, r, size) => apply1(intoRegionOp, [x], batched(r, size)),
});

/** Which of the elements that meet is written last is settled; whose gradient it is, is not. */
function checkApart(r: Region): Region {
  if (meets(r.part))
    throw new NotImplementedError(
      "the derivative for 'as_strided_scatter' is not implemented where elements of the region share memory; the region must not overlap itself",
    );
  return r;
}

// y = x with the region replaced by v        x̄ = ȳ with zeros in the region,  v̄ = the region of ȳ
const replaceRegionOp: Op<Region> = defineOp({
  name: 'replaceRegion',
  cheap: true,
  node: ({ node }) => node ?? 'CopySlices',
  inputs: ['x', 'v'],
  forward: ([x, v], r) => {
    const memory = fills(r) ? alias(contiguous(x), [r.extent], [1]) : laid(x, r.whole, r.extent, true);
    copyInto(at(memory, r.part), v);
    return wholeOf(memory, r);
  },
  vjp: {
    x: [[], (g, _, { attrs }) => apply1(clearRegionOp, [g], checkApart(attrs))],
    v: [[], (g, _, { attrs }) => apply1(asStridedOp, [g], within(checkApart(attrs)))],
  },
  jvp: ({ inputs: [x, v], tangents: [tx, tv], attrs }) =>
    tx === null && tv === null
      ? null
      : apply1(
          replaceRegionOp,
          [tx ?? zerosLike(x as TensorBase), tv ?? zerosLike(v as TensorBase)],
          checkApart(attrs),
        ),
  vmap: ([x, v], [inX, inV], r, size) =>
    apply1(replaceRegionOp, [onBatch(x, inX, size), onBatch(v, inV, size)], batched(r, size)),
});

// y = x with zeros in the region; it is its own adjoint
const clearRegionOp: Op<Region> = defineOp({
  name: 'clearRegion',
  cheap: true,
  inputs: ['x'],
  forward: ([x], r) => {
    const memory = fills(r) ? alias(contiguous(x), [r.extent], [1]) : laid(x, r.whole, r.extent, true);
    fillKernel(x.dtype).run([at(memory, r.part)], [0]);
    return wholeOf(memory, r);
  },
  vjp: { x: [[], (g, _, { attrs }) => apply1(clearRegionOp, [g], attrs)] },
  jvp: 'linear',
  vmap: ([x], _, r, size) => apply1(clearRegionOp, [x], batched(r, size)),
});

/** The region of `x`, which is a view where `x` lies in memory as said. */
export const readRegion = (x: TensorBase, r: Region): TensorBase => apply1(asStridedOp, [x], r);

/** Zeros of the shape of the whole with `x` in the region, added up where elements of the region meet. */
export const intoRegion = (x: TensorBase, r: Region): TensorBase => apply1(intoRegionOp, [x], r);

/** `x` with the region replaced by `v`. */
export const replaceRegion = (x: TensorBase, v: TensorBase, r: Region): TensorBase =>
  apply1(replaceRegionOp, [x, v], r);

/** Records that `base`, whose memory was changed already, is what it was with the region replaced by `v`. */
export function recordReplaced(base: TensorBase, v: TensorBase, r: Region): void {
  record(replaceRegionOp, [base, v], r, base, null);
}

/** Records that `view` is the region of `base`. */
export function recordRegion(base: TensorBase, view: TensorBase, r: Region): void {
  const node = openNode(asStridedOp, [base], r, null);
  if (node !== null) closeNode(node, view);
}
