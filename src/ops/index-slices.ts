import {
  indexAdd as indexAddKernel,
  indexCopy as indexCopyKernel,
  indexFill as indexFillKernel,
  indexSelect as indexSelectKernel,
} from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, fresh, isTensor, type Operand, type TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { zeros } from './create.ts';
import { mul, where } from './elementwise.ts';
import {
  batch,
  checkIndex,
  type DimAttrs,
  gather,
  scatterAddOp,
  scatterOp,
  scatterValueOp,
  sourceOf,
  type ValueAttrs,
  vector,
} from './indexing.ts';
import { inPlaceOf, writeInPlace } from './inplace.ts';
import { storable } from './storable.ts';
import { expand, reshape } from './view.ts';
import { defineWriting, linearBut, onZeros, type Writing, type WritingOp, writing, written } from './writing.ts';

/*
 * Reading and writing slices along one dimension, with one index for each. Where a batch has an index for every
 * example, elements are read and written instead (`indexing.ts`).
 */

interface AddAttrs extends DimAttrs {
  /** The index has been looked up with before. */
  readonly sure?: boolean;
}

/** An index per batch element, as wide as the tensor it picks from. */
function alongDim(index: TensorBase, shape: readonly number[], dim: number): TensorBase {
  const ones = shape.map((n, d) => (d === 0 || d === dim ? n : 1));
  return expand(reshape(index, ones), shape);
}

/** What `indexAdd` and its like ask of their arguments; there is no source where a number is written. */
export function checkSlices(
  op: string,
  x: TensorBase,
  dim: number,
  index: TensorBase,
  ...sources: readonly TensorBase[]
): number {
  const src = sourceOf(op, x, index, sources);
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
const isVariable = (x: Operand): x is TensorBase => isTensor(x) && (x.tracked || x.wrapped !== null);

function indexFillCall(x: TensorBase, dim: number, index: TensorBase, value: Operand): Writing {
  const d = checkSlices('indexFill', x, dim, index);
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
