import { apply1 } from '../core/apply.ts';
import { getDefaultDtype, promote } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { type Shape, sameShape, shapeText, wrapDim } from '../core/shape.ts';
import { alias, checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { copyKernel, toDType } from './copy.ts';
import { zeros } from './create.ts';
import { named } from './named.ts';
import { narrow, select } from './slices.ts';
import { expand, reshape, unsqueeze } from './view.ts';
import { atleast1d, atleast2d, atleast3d } from './view-forms.ts';

interface CatAttrs {
  /** One dimension, or two for blocks along a diagonal. */
  readonly dims: readonly number[];
  readonly shapes: readonly Shape[];
}

// y = [x₀ x₁ …]        x̄ᵢ = the part of ȳ that came from xᵢ
const catOp: Op<CatAttrs> = defineOp({
  name: 'cat',
  cheap: true,
  inputs: [],
  forward: (inputs, { dims }) => {
    const shape = [...inputs[0].shape];
    for (const d of dims) shape[d] = inputs.reduce((total, x) => total + x.shape[d], 0);
    const y = (dims.length === 1 ? fresh : zeros)(shape, inputs[0].dtype);
    let start = 0;
    const parts = inputs.map((x) => {
      const part = alias(y, x.shape, y.strides, start);
      for (const d of dims) start += x.shape[d] * y.strides[d];
      return part;
    });
    copyKernel(y.dtype, y.dtype).runEach(parts, inputs);
    return y;
  },
  vjp: {
    saves: [],
    rule: ([g], _, { attrs: { dims, shapes }, node }) => {
      const starts = dims.map(() => 0);
      return shapes.map((shape, i) => {
        let part = node.next[i] === null ? null : g;
        for (const [k, d] of dims.entries()) {
          part = part && narrow(part, d, starts[k], shape[d]);
          starts[k] += shape[d];
        }
        return part;
      });
    },
  },
  jvp: 'linear',
  vmap: (inputs, batched, { dims }, size) =>
    joined(
      inputs.map((x, i) => (batched[i] ? x : expand(unsqueeze(x, 0), [size, ...x.shape]))),
      dims.map((d) => d + 1),
    ),
});

/** Joins tensors along an existing dimension; dtypes are promoted. */
export function cat(tensors: readonly TensorBase[], dim = 0): TensorBase {
  if (tensors.length === 0) throw new ArgumentError('cat: expected a non-empty list of Tensors');
  const isEmptyVector = (x: TensorBase): boolean => x.shape.length === 1 && x.shape[0] === 0;
  const first = tensors.find((x) => !isEmptyVector(x)) ?? tensors[0];
  for (const x of tensors)
    if (x.shape.length === 0)
      throw new ShapeError('cat: zero-dimensional tensor cannot be concatenated; use stack for scalars');
  const d = wrapDim('cat', dim, first.shape.length);
  // PyTorch lets an empty vector join anything, and gives it its gradient.
  const none = first.shape.with(d, 0);
  const list = tensors.map((x) => (none.length > 1 && isEmptyVector(x) ? reshape(x, none) : x));
  list.forEach((x, i) => {
    if (x.shape.length !== first.shape.length) {
      throw new ShapeError(
        `cat: Tensors must have same number of dimensions: got ${first.shape.length} and ${x.shape.length} (${shapeText(first.shape)} and ${shapeText(x.shape)})`,
      );
    }
    const k = x.shape.findIndex((n, j) => j !== d && n !== first.shape[j]);
    if (k >= 0) {
      throw new ShapeError(
        `cat: Sizes of tensors must match except in dimension ${d}. Expected size ${first.shape[k]} but got size ${x.shape[k]} for tensor number ${i} in the list.`,
      );
    }
  });
  const dtype = tensors.map((x) => x.dtype).reduce(promote);
  return joined(
    list.map((x) => toDType(x, dtype)),
    [d],
  );
}

const joined = (inputs: readonly TensorBase[], dims: readonly number[]): TensorBase =>
  apply1(catOp, inputs, { dims, shapes: inputs.map((x) => x.shape) });

/** Matrices along the diagonal of a larger one, zeros elsewhere; vectors are rows. */
export function blockDiag(tensors: readonly TensorBase[]): TensorBase {
  checkTensors('blockDiag', ...tensors);
  if (tensors.length === 0) return zeros([1, 0], getDefaultDtype());
  const dtype = tensors.map((x) => x.dtype).reduce(promote);
  const blocks = tensors.map((x, i) => {
    if (x.shape.length > 2)
      throw new ShapeError(
        `blockDiag: torch.block_diag: Input tensors must have 2 or fewer dimensions. Input ${i} has ${x.shape.length} dimensions`,
      );
    return toDType(x.shape.length === 2 ? x : reshape(x, [1, x.count]), dtype);
  });
  return named(joined(blocks, [0, 1]), 'BlockDiagBackward0');
}

interface StackAttrs {
  readonly dim: number;
}

// y[…, i, …] = xᵢ        x̄ᵢ = ȳ[…, i, …]
const stackOp: Op<StackAttrs> = defineOp({
  name: 'stack',
  cheap: true,
  inputs: [],
  forward: (inputs, { dim }) => {
    const { shape, dtype } = inputs[0];
    const y = fresh(shape.toSpliced(dim, 0, inputs.length), dtype);
    const strides = y.strides.toSpliced(dim, 1);
    const parts = inputs.map((_, i) => alias(y, shape, strides, i * y.strides[dim]));
    copyKernel(dtype, dtype).runEach(parts, inputs);
    return y;
  },
  vjp: {
    saves: [],
    rule: ([g], _, { attrs: { dim }, node }) =>
      node.next.map((to, i) => (g === null || to === null ? null : select(g, dim, i))),
  },
  jvp: 'linear',
  vmap: (inputs, batched, { dim }, size) =>
    apply1(
      stackOp,
      inputs.map((x, i) => (batched[i] ? x : expand(unsqueeze(x, 0), [size, ...x.shape]))),
      { dim: dim + 1 },
    ),
});

/** Joins tensors of one shape along a new dimension; dtypes are promoted. */
export function stack(tensors: readonly TensorBase[], dim = 0): TensorBase {
  if (tensors.length === 0) throw new ArgumentError('stack: stack expects a non-empty TensorList');
  const { shape } = tensors[0];
  tensors.forEach((x, i) => {
    if (!sameShape(x.shape, shape))
      throw new ShapeError(
        `stack: stack expects each tensor to be equal size, but got ${shapeText(shape)} at entry 0 and ${shapeText(x.shape)} at entry ${i}`,
      );
  });
  const dtype = tensors.map((x) => x.dtype).reduce(promote);
  return apply1(
    stackOp,
    tensors.map((x) => toDType(x, dtype)),
    { dim: wrapDim('stack', dim, shape.length + 1) },
  );
}

function checkSome(op: string, tensors: readonly TensorBase[]): void {
  if (tensors.length === 0) throw new ArgumentError(`${op}: ${op} expects a non-empty TensorList`);
}

/** Side by side: along the second dimension, vectors along their only one. */
export function hstack(tensors: readonly TensorBase[]): TensorBase {
  checkSome('hstack', tensors);
  const list = tensors.map(atleast1d);
  return cat(list, list[0].shape.length === 1 ? 0 : 1);
}

/** One below the other; vectors are rows. */
export function vstack(tensors: readonly TensorBase[]): TensorBase {
  checkSome('vstack', tensors);
  return cat(tensors.map(atleast2d), 0);
}

/** One behind the other, along the third dimension. */
export function dstack(tensors: readonly TensorBase[]): TensorBase {
  checkSome('dstack', tensors);
  return cat(tensors.map(atleast3d), 2);
}

/** Side by side; vectors are columns. */
export function columnStack(tensors: readonly TensorBase[]): TensorBase {
  checkSome('columnStack', tensors);
  return hstack(tensors.map((x) => (x.shape.length <= 1 ? reshape(x, [x.count, 1]) : x)));
}
