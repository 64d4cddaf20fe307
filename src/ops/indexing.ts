import {
  gather as gatherKernel,
  scatterAdd as scatterAddKernel,
  scatter as scatterKernel,
} from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { padTo } from './pad.ts';
import { narrow } from './slices.ts';
import { storable } from './storable.ts';
import { expand, reshape, unsqueeze } from './view.ts';
import { defineWriting, linearBut, onZeros, type Writing, type WritingOp, writing, written } from './writing.ts';

/*
 * Reading and writing elements along one dimension, with an index for each. `index-slices.ts` has one for every slice.
 */

export interface DimAttrs {
  readonly dim: number;
}

export interface ValueAttrs extends DimAttrs {
  readonly value: number;
}

/** The batch of a tensor: the same for every example if it has none. */
export const batch = (x: TensorBase, batched: boolean, size: number): TensorBase =>
  batched ? x : expand(unsqueeze(x, 0), [size, ...x.shape]);

/** Rank-0 tensors take part as one-element vectors. */
export const vector = (x: TensorBase): TensorBase => (x.shape.length === 0 ? reshape(x, [1]) : x);

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

/** The tensor whose elements are written, null where a number is; it and the others must be tensors. */
export function sourceOf(
  op: string,
  x: TensorBase,
  index: TensorBase,
  sources: readonly TensorBase[],
): TensorBase | null {
  checkTensors(op, x, index, ...sources);
  return sources.length > 0 ? sources[0] : null;
}

/** What `scatter` and its like ask of their arguments; there is no source where a number is written. */
export function checkScatter(
  op: string,
  x: TensorBase,
  dim: number,
  index: TensorBase,
  ...sources: readonly TensorBase[]
): number {
  const src = sourceOf(op, x, index, sources);
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
export const scatterOp: WritingOp<DimAttrs> = defineWriting({
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
  const d = checkScatter('scatter', x, dim, index, ...(typeof src === 'number' ? [] : [src]));
  if (typeof src !== 'number') return writing(scatterOp, [vector(index), vector(src)], { dim: d });
  return writing(scatterValueOp, [vector(index)], { dim: d, value: storable('scatter', src, x.dtype) });
}
