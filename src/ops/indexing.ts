import {
  gather as gatherKernel,
  indexAdd as indexAddKernel,
  indexCopy as indexCopyKernel,
  indexFill as indexFillKernel,
  indexSelect as indexSelectKernel,
  scatterAdd as scatterAddKernel,
  scatter as scatterKernel,
} from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, fresh, type Operand, type TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { zeros } from './create.ts';
import { mul, where } from './elementwise.ts';
import { inPlaceOf, writeInPlace } from './inplace.ts';
import { padTo } from './pad.ts';
import { narrow } from './slices.ts';
import { storable } from './storable.ts';
import { expand, reshape, unsqueeze } from './view.ts';
import { defineWriting, linearBut, onZeros, type Writing, type WritingOp, writing, written } from './writing.ts';

/*
 * Reading and writing along one dimension. `gather` and `scatter` have an index of their own for every
 * element; `indexSelect`, `indexAdd`, `indexCopy` and `indexFill` one for every slice.
 */

interface DimAttrs {
  readonly dim: number;
}

interface AddAttrs extends DimAttrs {
  /** The index has been looked up with before. */
  readonly sure?: boolean;
}

interface ValueAttrs extends DimAttrs {
  readonly value: number;
}

/** The batch of a tensor: the same for every example if it has none. */
export const batch = (x: TensorBase, batched: boolean, size: number): TensorBase =>
  batched ? x : expand(unsqueeze(x, 0), [size, ...x.shape]);

/** Rank-0 tensors take part as one-element vectors. */
export const vector = (x: TensorBase): TensorBase => (x.shape.length === 0 ? reshape(x, [1]) : x);

/** An index per batch element, as wide as the tensor it picks from. */
function alongDim(index: TensorBase, shape: readonly number[], dim: number): TensorBase {
  const ones = shape.map((n, d) => (d === 0 || d === dim ? n : 1));
  return expand(reshape(index, ones), shape);
}

// ── checks ──

export function checkIndex(op: string, index: TensorBase): void {
  if (index.dtype !== 'int32')
    throw new DTypeError(
      `${op}: ${op}(): Expected dtype int32/int64 for index, got ${index.dtype}; convert with index.to('int32')`,
    );
}

const rankOf = (x: TensorBase): number => x.shape.length || 1;

function checkGather(op: string, x: TensorBase, dim: number, index: TensorBase): void {
  // An index of nothing may be of any type and rank, as in PyTorch.
  if (index.count === 0) return;
  checkIndex(op, index);
  if (rankOf(x) !== rankOf(index))
    throw new ShapeError(
      `${op}: Index tensor must have the same number of dimensions as input tensor, got ${shapeText(index.shape)} for ${shapeText(x.shape)}`,
    );
  if (x.shape.length === 0 || index.shape.length === 0) return;
  index.shape.forEach((n, d) => {
    if (d !== dim && n > x.shape[d]) {
      throw new ShapeError(
        `${op}: Size does not match at dimension ${d} expected index ${shapeText(index.shape)} to be smaller than self ${shapeText(x.shape)} apart from dimension ${dim}`,
      );
    }
  });
}

/** What `scatter` and its like ask of their arguments; `src` is null where a number is written. */
export function checkScatter(
  op: string,
  x: TensorBase,
  dim: number,
  index: TensorBase,
  src: TensorBase | null,
): number {
  checkTensors(op, x, index, ...(src === null ? [] : [src]));
  const d = wrapDim(op, dim, x.shape.length);
  if (index.count > 0) checkIndex(op, index);
  if (src !== null && x.dtype !== src.dtype)
    throw new DTypeError(
      `${op}: scatter(): Expected self.dtype to be equal to src.dtype, got ${x.dtype} and ${src.dtype}`,
    );
  for (const [other, name] of [
    [x, 'self'],
    [src, 'src'],
  ] as const) {
    if (other !== null && rankOf(other) !== rankOf(index))
      throw new ShapeError(
        `${op}: Index tensor must have the same number of dimensions as ${name} tensor, got ${shapeText(index.shape)} for ${shapeText(other.shape)}`,
      );
  }
  index.shape.forEach((n, k) => {
    if (index.count === 0 || ((k === d || n <= (x.shape[k] ?? 1)) && (src === null || n <= (src.shape[k] ?? 1))))
      return;
    throw new ShapeError(
      `${op}: Expected index ${shapeText(index.shape)} to be smaller than self ${shapeText(x.shape)} apart from dimension ${d}${src === null ? '' : ` and to be smaller size than src ${shapeText(src.shape)}`}`,
    );
  });
  return d;
}

/** What `indexAdd` and its like ask of their arguments; `src` is null where a number is written. */
export function checkSlices(op: string, x: TensorBase, dim: number, index: TensorBase, src: TensorBase | null): number {
  checkTensors(op, x, index, ...(src === null ? [] : [src]));
  const d = wrapDim(op, dim, x.shape.length);
  checkIndex(op, index);
  if (index.shape.length > 1)
    throw new ShapeError(
      `${op}: ${op}_(): Index is supposed to be a vector, but got dim: ${index.shape.length} with shape ${shapeText(index.shape)}`,
    );
  if (src === null) return d;
  if (x.dtype !== src.dtype)
    throw new DTypeError(
      `${op}: ${op}_(): self (${x.dtype}) and source (${src.dtype}) must have the same scalar type (expected the same dtype)`,
    );
  const [to, from] = [vector(x).shape, vector(src).shape];
  if (from[d] !== index.count) {
    throw new ShapeError(
      `${op}: ${op}_(): Number of indices (${index.count}) should be equal to source.size(dim): (${from[d]}), for dim: ${d}`,
    );
  }
  if (to.length !== from.length || to.some((n, k) => k !== d && n !== from[k])) {
    throw new ShapeError(
      `${op}: ${op}_(): Source/destination tensor must have same slice shapes. Destination slice shape: ${shapeText(to.toSpliced(d, 1))} at dimension ${d} and source slice shape: ${shapeText(from.toSpliced(d, 1))} at dimension ${d}.`,
    );
  }
  return d;
}

// ── elements ──

// y[i,j] = x[index[i,j], j]        x̄ = scatterAdd(0, index, ȳ)
const gatherOp: Op<DimAttrs> = defineOp({
  name: 'gather',
  cheap: true,
  inputs: ['x', 'index'],
  forward: ([x, index], { dim }) => {
    const y = fresh(index.shape, x.dtype);
    gatherKernel(y, x, index, dim);
    return y;
  },
  vjp: { x: [['index'], (g, [index], c) => onZeros(scatterAddOp, c.shape(0), [index, g], c.attrs)] },
  jvp: linearBut(() => gatherOp, 1),
  vmap: ([x, index], [inX, inI], { dim }, size) =>
    apply1(gatherOp, [batch(x, inX, size), batch(index, inI, size)], { dim: dim + 1 }),
});

/** Picks one element along `dim` for every element of `index`. */
export function gather(x: TensorBase, dim: number, index: TensorBase): TensorBase {
  checkTensors('gather', x, index);
  const d = wrapDim('gather', dim, x.shape.length);
  checkGather('gather', x, d, index);
  if (rankOf(index) !== rankOf(x)) return reshape(narrow(reshape(x, [x.count]), 0, 0, 0), index.shape);
  const y = apply1(gatherOp, [vector(x), vector(index)], { dim: d });
  return index.shape.length === 0 ? reshape(y, []) : y;
}

/** What arrived at the places that `src` was written to. Elements of `src` beyond the index took no part. */
function gathered(g: TensorBase, dim: number, index: TensorBase, shape: readonly number[]): TensorBase {
  const taken = gather(g, dim, index);
  return taken.shape.every((n, d) => n === shape[d]) ? taken : padTo(taken, shape);
}

/** `scatter` and `scatterAdd` of a batch. */
function scatterBatch(op: () => Op<DimAttrs>): Op<DimAttrs>['vmap'] {
  return (inputs, batched, { dim }, size) =>
    apply1(
      op(),
      inputs.map((x, i) => batch(x as TensorBase, batched[i], size)),
      { dim: dim + 1 },
    );
}

// y = x,  y[index[i,j], j] += src[i,j]        x̄ = ȳ,  src̄ = gather(ȳ, index)
export const scatterAddOp: WritingOp<DimAttrs> = defineWriting({
  name: 'scatterAdd',
  cheap: true,
  inputs: ['x', 'index', 'src'],
  write: (y, [index, src], { dim }) => scatterAddKernel(y, dim, index, src),
  vjp: {
    x: [[], (g) => g],
    src: [['index'], (g, [index], c) => gathered(g, c.attrs.dim, index, c.shape(2))],
  },
  jvp: linearBut(() => scatterAddOp, 1),
  vmap: scatterBatch(() => scatterAddOp),
});

/** `x` with the elements of `src` added where `index` says, along `dim`. */
export function scatterAdd(x: TensorBase, dim: number, index: TensorBase, src: TensorBase): TensorBase {
  return written(x, scatterAddCall(x, dim, index, src));
}

export function scatterAddCall(x: TensorBase, dim: number, index: TensorBase, src: TensorBase): Writing {
  const d = checkScatter('scatterAdd', x, dim, index, src);
  return writing(scatterAddOp, [vector(index), vector(src)], { dim: d });
}

// y = x,  y[index[i,j], j] = src[i,j]        x̄ = ȳ with 0 where something was written,  src̄ = gather(ȳ, index)
const scatterOp: WritingOp<DimAttrs> = defineWriting({
  name: 'scatter',
  cheap: true,
  inputs: ['x', 'index', 'src'],
  write: (y, [index, src], { dim }) => scatterKernel(y, dim, index, src),
  vjp: {
    x: [['index'], (g, [index], { attrs }) => scatter(g, attrs.dim, index, 0)],
    src: [['index'], (g, [index], c) => gathered(g, c.attrs.dim, index, c.shape(2))],
  },
  jvp: linearBut(() => scatterOp, 1),
  vmap: scatterBatch(() => scatterOp),
});

// y = x,  y[index[i,j], j] = value        x̄ = ȳ with 0 where something was written
export const scatterValueOp: WritingOp<ValueAttrs> = defineWriting({
  name: 'scatterValue',
  cheap: true,
  node: 'ScatterBackward1',
  inputs: ['x', 'index'],
  write: (y, [index], { dim, value }) => scatterKernel(y, dim, index, value),
  vjp: { x: [['index'], (g, [index], { attrs }) => scatter(g, attrs.dim, index, 0)] },
  jvp: ({ inputs: [, index], tangents: [t], attrs }) =>
    t === null ? null : scatter(t, attrs.dim, index as TensorBase, 0),
  vmap: ([x, index], [inX, inI], { dim, value }, size) =>
    apply1(scatterValueOp, [batch(x, inX, size), batch(index, inI, size)], { dim: dim + 1, value }),
});

/**
 * `x` with the elements of `src` (or a number) written where `index` says, along `dim`. Of several for
 * one place the last stays, and the gradient of each is that of the place.
 */
export function scatter(x: TensorBase, dim: number, index: TensorBase, src: TensorBase | number): TensorBase {
  return written(x, scatterCall(x, dim, index, src));
}

export function scatterCall(x: TensorBase, dim: number, index: TensorBase, src: TensorBase | number): Writing {
  const d = checkScatter('scatter', x, dim, index, typeof src === 'number' ? null : src);
  if (typeof src !== 'number') return writing(scatterOp, [vector(index), vector(src)], { dim: d });
  return writing(scatterValueOp, [vector(index)], { dim: d, value: storable('scatter', src, x.dtype) });
}

// ── slices ──

// y[…, k, …] = x[…, index[k], …]        x̄ = indexAdd(0, index, ȳ)
const indexSelectOp: Op<DimAttrs> = defineOp({
  name: 'indexSelect',
  cheap: true,
  inputs: ['x', 'index'],
  forward: ([x, index], { dim }) => {
    const y = fresh(x.shape.with(dim, index.count), x.dtype);
    indexSelectKernel(y, x, dim, index);
    return y;
  },
  vjp: { x: [['index'], (g, [index], c) => onZeros(indexAddOp, c.shape(0), [index, g], { ...c.attrs, sure: true })] },
  jvp: linearBut(() => indexSelectOp, 1),
  vmap: ([x, index], [inX, inI], { dim }, size) => {
    if (!inI) return apply1(indexSelectOp, [x, index], { dim: dim + 1 });
    const rows = batch(x, inX, size);
    return gather(rows, dim + 1, alongDim(index, rows.shape.with(dim + 1, index.shape[1]), dim + 1));
  },
});

/** The slices of `x` along `dim` at the places in `index`. */
export function indexSelect(x: TensorBase, dim: number, index: TensorBase): TensorBase {
  checkTensors('indexSelect', x, index);
  const d = wrapDim('indexSelect', dim, x.shape.length);
  checkIndex('indexSelect', index);
  if (index.shape.length > 1)
    throw new ShapeError(
      `indexSelect: index_select(): Index is supposed to be a vector, got shape ${shapeText(index.shape)}`,
    );
  if (x.shape.length === 0 && index.count !== 1)
    throw new ShapeError(
      `indexSelect: index_select(): Index to scalar can have only 1 value, got ${index.count} value(s)`,
    );
  const y = apply1(indexSelectOp, [vector(x), vector(index)], { dim: d });
  return x.shape.length === 0 ? reshape(y, []) : y;
}

/** An operation on slices of a batch: where every example has an index of its own, one on elements. */
function slicesBatch<A extends DimAttrs>(op: () => Op<A>, ofElements: () => Op<A>): Op<A>['vmap'] {
  return (inputs, batched, attrs, size) => {
    const [x, index, ...rest] = inputs as readonly TensorBase[];
    const to = batch(x, batched[0], size);
    const from = rest.map((t) => batch(t, batched[2], size));
    const further = { ...attrs, dim: attrs.dim + 1 };
    if (!batched[1]) return apply1(op(), [to, index, ...from], further);
    const wide = from.length > 0 ? from[0].shape : to.shape.with(further.dim, index.shape[1]);
    return apply1(ofElements(), [to, alongDim(index, wide, further.dim), ...from], further);
  };
}

// y = x,  y[…, index[k], …] += src[…, k, …]        x̄ = ȳ,  src̄ = indexSelect(ȳ, index)
export const indexAddOp: WritingOp<AddAttrs> = defineWriting({
  name: 'indexAdd',
  cheap: true,
  inputs: ['x', 'index', 'src'],
  write: (y, [index, src], { dim, sure }) => indexAddKernel(y, dim, index, src, 1, sure),
  vjp: {
    x: [[], (g) => g],
    src: [['index'], (g, [index], c) => indexSelect(g, c.attrs.dim, index)],
  },
  jvp: linearBut(() => indexAddOp, 1),
  vmap: slicesBatch(
    () => indexAddOp,
    () => scatterAddOp,
  ),
});

/** `src`, times `alpha` where that is not 1. */
function scaledSource(op: string, src: TensorBase, alpha: number): TensorBase {
  if (!isFloat(src.dtype) && !Number.isInteger(alpha))
    throw new DTypeError(`${op}: For integral input tensors, argument alpha must not be a floating point number.`);
  return alpha === 1 ? src : toDType(mul(src, alpha), src.dtype);
}

/** `x` with the slices of `src`, times `alpha`, added at the places in `index` along `dim`. */
export function indexAdd(x: TensorBase, dim: number, index: TensorBase, src: TensorBase, alpha = 1): TensorBase {
  return written(x, indexAddCall(x, dim, index, src, alpha));
}

export function indexAddCall(x: TensorBase, dim: number, index: TensorBase, src: TensorBase, alpha = 1): Writing {
  const d = checkSlices('indexAdd', x, dim, index, src);
  return writing(indexAddOp, [vector(index), vector(scaledSource('indexAdd', src, alpha))], { dim: d });
}

// y = x,  y[…, index[k], …] = src[…, k, …]        x̄ = ȳ with 0 at the places,  src̄ = indexSelect(ȳ, index)
const indexCopyOp: WritingOp<DimAttrs> = defineWriting({
  name: 'indexCopy',
  cheap: true,
  inputs: ['x', 'index', 'src'],
  write: (y, [index, src], { dim }) => indexCopyKernel(y, dim, index, src),
  vjp: {
    x: [['index'], (g, [index], { attrs }) => indexFill(g, attrs.dim, index, 0)],
    src: [['index'], (g, [index], c) => indexSelect(g, c.attrs.dim, index)],
  },
  jvp: linearBut(() => indexCopyOp, 1),
  vmap: slicesBatch(
    () => indexCopyOp,
    () => scatterOp,
  ),
});

/** `x` with the slices of `src` written at the places in `index` along `dim`. */
export function indexCopy(x: TensorBase, dim: number, index: TensorBase, src: TensorBase): TensorBase {
  return written(x, indexCopyCall(x, dim, index, src));
}

export function indexCopyCall(x: TensorBase, dim: number, index: TensorBase, src: TensorBase): Writing {
  const d = checkSlices('indexCopy', x, dim, index, src);
  return writing(indexCopyOp, [vector(index), vector(src)], { dim: d });
}

// y = x,  y[…, index[k], …] = value        x̄ = ȳ with 0 at the places
const indexFillOp: WritingOp<ValueAttrs> = defineWriting({
  name: 'indexFill',
  cheap: true,
  inputs: ['x', 'index'],
  write: (y, [index], { dim, value }) => indexFillKernel(y, dim, index, value),
  vjp: { x: [['index'], (g, [index], { attrs }) => indexFill(g, attrs.dim, index, 0)] },
  jvp: ({ inputs: [, index], tangents: [t], attrs }) =>
    t === null ? null : indexFill(t, attrs.dim, index as TensorBase, 0),
  vmap: slicesBatch(
    () => indexFillOp,
    () => scatterValueOp,
  ),
});

/** `x` with a number, or the value of a scalar tensor, at the places in `index` along `dim`. */
export function indexFill(x: TensorBase, dim: number, index: TensorBase, value: Operand): TensorBase {
  const call = indexFillCall(x, dim, index, value);
  if (!isVariable(value)) return written(x, call);
  // A place is filled once, however often it is named: so often the value's gradient counts it.
  const places = indexFill(zeros(x.shape, 'bool'), dim, index, 1);
  return where(places, toDType(value, x.dtype), x);
}

export function indexFill_(x: TensorBase, dim: number, index: TensorBase, value: Operand): TensorBase {
  if (isVariable(value)) return inPlaceOf('indexFill', x, [index, value], (now) => indexFill(now, dim, index, value));
  return writeInPlace('indexFill', x, indexFillCall(x, dim, index, value));
}

/** Whether it is a tensor that gradients or a transform may reach. */
const isVariable = (x: Operand): x is TensorBase => typeof x !== 'number' && (x.tracked || x.wrapped !== null);

export function indexFillCall(x: TensorBase, dim: number, index: TensorBase, value: Operand): Writing {
  const d = checkSlices('indexFill', x, dim, index, null);
  if (typeof value === 'number')
    return writing(indexFillOp, [vector(index)], { dim: d, value: storable('indexFill', value, x.dtype) });
  checkTensors('indexFill', value);
  if (value.shape.length > 0)
    throw new ShapeError(
      `indexFill: index_fill_ only supports a 0-dimensional value tensor, but got tensor with ${value.shape.length} dimension(s): shape ${shapeText(value.shape)}`,
    );
  const slices = expand(toDType(value, x.dtype), vector(x).shape.with(d, index.count));
  return writing(indexCopyOp, [vector(index), slices], { dim: d });
}
