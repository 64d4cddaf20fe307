import {
  gather as gatherKernel,
  indexAdd as indexAddKernel,
  indexSelect as indexSelectKernel,
  scatterAdd as scatterAddKernel,
} from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { copyKernel } from './copy.ts';
import { zeros } from './create.ts';
import { mul } from './elementwise.ts';
import { expand, reshape, unsqueeze } from './view.ts';

interface DimAttrs {
  readonly dim: number;
}

const batch = (x: TensorBase, batched: boolean, size: number): TensorBase =>
  batched ? x : expand(unsqueeze(x, 0), [size, ...x.shape]);

function checkIndex(op: string, index: TensorBase): void {
  if (index.dtype !== 'int32')
    throw new DTypeError(
      `${op}: ${op}(): Expected dtype int32/int64 for index, got ${index.dtype}; convert with index.to('int32')`,
    );
}

function checkGather(op: string, x: TensorBase, dim: number, index: TensorBase): void {
  // An index of nothing may be of any type, as in PyTorch.
  if (index.count > 0) checkIndex(op, index);
  const [rx, ri] = [x.shape.length || 1, index.shape.length || 1];
  if (rx !== ri)
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

/** Rank-0 tensors take part as one-element vectors. */
const vector = (x: TensorBase): TensorBase => (x.shape.length === 0 ? reshape(x, [1]) : x);

// y[i,j] = x[index[i,j], j]        x̄ = scatterAdd(0, index, ȳ)
const gatherOp: Op<DimAttrs> = defineOp({
  name: 'gather',
  inputs: ['x', 'index'],
  forward: ([x, index], { dim }) => {
    const y = fresh(index.shape, x.dtype);
    gatherKernel(y, x, index, dim);
    return y;
  },
  vjp: { x: [['index'], (g, [index], c) => scatterAdd(zeros(c.shape(0), g.dtype), c.attrs.dim, index, g)] },
  jvp: ({ inputs: [, index], tangents: [tx], attrs }) =>
    tx === null ? null : gather(tx, attrs.dim, index as TensorBase),
  vmap: ([x, index], [inX, inI], { dim }, size) =>
    apply1(gatherOp, [batch(x, inX, size), batch(index, inI, size)], { dim: dim + 1 }),
});

/** Picks one element along `dim` for every element of `index`. */
export function gather(x: TensorBase, dim: number, index: TensorBase): TensorBase {
  checkTensors('gather', x, index);
  const d = wrapDim('gather', dim, x.shape.length);
  checkGather('gather', x, d, index);
  const y = apply1(gatherOp, [vector(x), vector(index)], { dim: d });
  return index.shape.length === 0 ? reshape(y, []) : y;
}

// y = x,  y[index[i,j], j] += src[i,j]        x̄ = ȳ,  src̄ = gather(ȳ, index)
const scatterAddOp: Op<DimAttrs> = defineOp({
  name: 'scatterAdd',
  inputs: ['x', 'index', 'src'],
  forward: ([x, index, src], { dim }) => {
    const y = fresh(x.shape, x.dtype);
    copyKernel(x.dtype, x.dtype).run([y], [x]);
    scatterAddKernel(y, dim, index, src);
    return y;
  },
  vjp: {
    x: [[], (g) => g],
    src: [
      ['index'],
      (g, [index], c) => {
        const taken = gather(g, c.attrs.dim, index);
        const shape = c.shape(2);
        // Elements of src beyond the index took no part.
        return taken.shape.every((n, d) => n === shape[d]) ? taken : padTo(taken, shape);
      },
    ],
  },
  jvp: ({ inputs: [x, index, src], tangents: [tx, , ts], attrs }) =>
    tx === null && ts === null
      ? null
      : scatterAdd(
          tx ?? zeros((x as TensorBase).shape, (x as TensorBase).dtype),
          attrs.dim,
          index as TensorBase,
          ts ?? zeros((src as TensorBase).shape, (src as TensorBase).dtype),
        ),
  vmap: ([x, index, src], [inX, inI, inS], { dim }, size) =>
    apply1(scatterAddOp, [batch(x, inX, size), batch(index, inI, size), batch(src, inS, size)], { dim: dim + 1 }),
});

/** `x` with the elements of `src` added where `index` says, along `dim`. */
export function scatterAdd(x: TensorBase, dim: number, index: TensorBase, src: TensorBase): TensorBase {
  checkTensors('scatterAdd', x, index, src);
  const d = wrapDim('scatterAdd', dim, x.shape.length);
  if (index.count > 0) checkIndex('scatterAdd', index);
  if (x.dtype !== src.dtype)
    throw new DTypeError(
      `scatterAdd: scatter(): Expected self.dtype to be equal to src.dtype, got ${x.dtype} and ${src.dtype}`,
    );
  const [rx, ri, rs] = [x, index, src].map((t) => t.shape.length || 1);
  if (rx !== ri)
    throw new ShapeError(
      `scatterAdd: Index tensor must have the same number of dimensions as self tensor, got ${shapeText(index.shape)} for ${shapeText(x.shape)}`,
    );
  if (rs !== ri)
    throw new ShapeError(
      `scatterAdd: Index tensor must have the same number of dimensions as src tensor, got ${shapeText(index.shape)} for ${shapeText(src.shape)}`,
    );
  index.shape.forEach((n, k) => {
    if (index.count > 0 && ((k !== d && n > (x.shape[k] ?? 1)) || n > (src.shape[k] ?? 1))) {
      throw new ShapeError(
        `scatterAdd: Expected index ${shapeText(index.shape)} to be smaller than self ${shapeText(x.shape)} apart from dimension ${d} and to be smaller size than src ${shapeText(src.shape)}`,
      );
    }
  });
  const y = apply1(scatterAddOp, [vector(x), vector(index), vector(src)], { dim: d });
  return x.shape.length === 0 ? reshape(y, []) : y;
}

/** `x` in the corner of zeros of a larger shape. */
const padOp: Op<{ readonly shape: readonly number[] }> = defineOp({
  name: 'padTo',
  inputs: ['x'],
  forward: ([x], { shape }) => {
    const y = zeros(shape, x.dtype);
    copyKernel(x.dtype, x.dtype).run(
      [{ storage: y.storage, shape: x.shape, strides: y.strides, offset: 0, dtype: y.dtype }],
      [x],
    );
    return y;
  },
  vjp: { x: [[], (g, _, c) => cropTo(g, c.shape(0))] },
  jvp: 'linear',
  vmap: ([x], _, { shape }, size) => apply1(padOp, [x], { shape: [size, ...shape] }),
});

/** The adjoint of `padTo`: the corner of `x` in a smaller shape. */
const cropOp: Op<{ readonly shape: readonly number[] }> = defineOp({
  name: 'cropTo',
  inputs: ['x'],
  forward: ([x], { shape }) => {
    const y = fresh(shape, x.dtype);
    copyKernel(x.dtype, x.dtype).run(
      [y],
      [{ storage: x.storage, shape, strides: x.strides, offset: x.offset, dtype: x.dtype }],
    );
    return y;
  },
  vjp: { x: [[], (g, _, c) => padTo(g, c.shape(0))] },
  jvp: 'linear',
  vmap: ([x], _, { shape }, size) => apply1(cropOp, [x], { shape: [size, ...shape] }),
});

const padTo = (x: TensorBase, shape: readonly number[]): TensorBase => apply1(padOp, [x], { shape });
const cropTo = (x: TensorBase, shape: readonly number[]): TensorBase => apply1(cropOp, [x], { shape });

// y[…, k, …] = x[…, index[k], …]        x̄ = indexAdd(0, index, ȳ)
const indexSelectOp: Op<DimAttrs> = defineOp({
  name: 'indexSelect',
  inputs: ['x', 'index'],
  forward: ([x, index], { dim }) => {
    const y = fresh(x.shape.with(dim, index.count), x.dtype);
    indexSelectKernel(y, x, dim, index);
    return y;
  },
  vjp: { x: [['index'], (g, [index], c) => indexAdd(zeros(c.shape(0), g.dtype), c.attrs.dim, index, g)] },
  jvp: ({ inputs: [, index], tangents: [tx], attrs }) =>
    tx === null ? null : indexSelect(tx, attrs.dim, index as TensorBase),
  vmap: ([x, index], [inX, inI], { dim }, size) => {
    if (!inI) return apply1(indexSelectOp, [x, index], { dim: dim + 1 });
    const rows = batch(x, inX, size);
    return gather(rows, dim + 1, alongDim(index, rows.shape.with(dim + 1, index.shape[1]), dim + 1));
  },
});

/** An index per batch element, as wide as the tensor it picks from. */
function alongDim(index: TensorBase, shape: readonly number[], dim: number): TensorBase {
  const ones = shape.map((n, d) => (d === 0 || d === dim ? n : 1));
  return expand(reshape(index, ones), shape);
}

/** The slices of `x` along `dim` at the places in `index`. */
export function indexSelect(x: TensorBase, dim: number, index: TensorBase): TensorBase {
  checkTensors('indexSelect', x, index);
  const d = wrapDim('indexSelect', dim, x.shape.length);
  checkIndex('indexSelect', index);
  if (index.shape.length > 1)
    throw new ShapeError(
      `indexSelect: index_select(): Index is supposed to be a vector, got shape ${shapeText(index.shape)}`,
    );
  const y = apply1(indexSelectOp, [vector(x), vector(index)], { dim: d });
  return x.shape.length === 0 ? reshape(y, []) : y;
}

// y = x,  y[…, index[k], …] += src[…, k, …]        x̄ = ȳ,  src̄ = indexSelect(ȳ, index)
const indexAddOp: Op<DimAttrs> = defineOp({
  name: 'indexAdd',
  inputs: ['x', 'index', 'src'],
  forward: ([x, index, src], { dim }) => {
    const y = fresh(x.shape, x.dtype);
    copyKernel(x.dtype, x.dtype).run([y], [x]);
    indexAddKernel(y, dim, index, src);
    return y;
  },
  vjp: {
    x: [[], (g) => g],
    src: [['index'], (g, [index], c) => indexSelect(g, c.attrs.dim, index)],
  },
  jvp: ({ inputs: [x, index, src], tangents: [tx, , ts], attrs }) =>
    tx === null && ts === null
      ? null
      : indexAdd(
          tx ?? zeros((x as TensorBase).shape, (x as TensorBase).dtype),
          attrs.dim,
          index as TensorBase,
          ts ?? zeros((src as TensorBase).shape, (src as TensorBase).dtype),
        ),
  vmap: ([x, index, src], [inX, inI, inS], { dim }, size) => {
    const [to, from] = [batch(x, inX, size), batch(src, inS, size)];
    if (!inI) return apply1(indexAddOp, [to, index, from], { dim: dim + 1 });
    return scatterAdd(to, dim + 1, alongDim(index, from.shape, dim + 1), from);
  },
});

/** `x` with the slices of `src`, times `alpha`, added at the places in `index` along `dim`. */
export function indexAdd(x: TensorBase, dim: number, index: TensorBase, src: TensorBase, alpha = 1): TensorBase {
  checkTensors('indexAdd', x, index, src);
  const d = wrapDim('indexAdd', dim, x.shape.length);
  checkIndex('indexAdd', index);
  if (x.dtype !== src.dtype)
    throw new DTypeError(
      `indexAdd: index_add_(): self (${x.dtype}) and source (${src.dtype}) must have the same scalar type`,
    );
  if (index.shape.length > 1)
    throw new ShapeError(
      `indexAdd: index_add_(): Index is supposed to be a vector, but got dim: ${index.shape.length}`,
    );
  if (vector(src).shape[d] !== index.count) {
    throw new ShapeError(
      `indexAdd: index_add_(): Number of indices (${index.count}) should be equal to source.size(dim): (${vector(src).shape[d]}), for dim: ${d}`,
    );
  }
  const y = apply1(indexAddOp, [vector(x), vector(index), vector(alpha === 1 ? src : mul(src, alpha))], { dim: d });
  return x.shape.length === 0 ? reshape(y, []) : y;
}
