import { computeFor, MapKernel } from '../backends/wasm/map.ts';
import { apply1 } from '../core/apply.ts';
import { type DType, dtypeInfo } from '../core/dtype.ts';
import { defineOp, type Op } from '../core/op.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { arg } from '../kernels/expr.ts';

const kernels = new Map<number, MapKernel>();

/** Copies elements from any layout to any other, converting between dtypes. One kernel per pair of dtypes. */
export function copyKernel(from: DType, to: DType): MapKernel {
  const key = dtypeInfo(from).index * 16 + dtypeInfo(to).index;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = new MapKernel({ name: 'copy', args: ['value'], outs: [arg(0)] }, computeFor(from, to), [from], [to]);
    kernels.set(key, kernel);
  }
  return kernel;
}

/** The elements of a plain tensor, in order, in memory of their own and outside of the graph. */
export function copied(x: TensorBase, dtype: DType = x.dtype): TensorBase {
  const y = fresh(x.shape, dtype);
  copyKernel(x.dtype, dtype).run([y], [x]);
  return y;
}

/** y = x, in memory of its own. */
const cloneOp: Op<undefined> = defineOp({
  name: 'clone',
  inputs: ['x'],
  forward: ([x]) => copied(x, x.dtype),
  vjp: { x: [[], (g) => g] },
  jvp: 'linear',
  vmap: ([x]) => clone(x),
});

export function clone(x: TensorBase): TensorBase {
  return apply1(cloneOp, [x], undefined);
}

/** Whether elements lie side by side, in whatever order of dimensions. */
function dense(t: TensorBase): boolean {
  let next = 1;
  const dims = t.shape.map((_, d) => d).filter((d) => t.shape[d] !== 1);
  for (const d of dims.toSorted((a, b) => t.strides[a] - t.strides[b])) {
    if (t.strides[d] !== next) return false;
    next *= t.shape[d];
  }
  return true;
}

/** A copy of plain `x`, outside any graph, in the layout of `like`, which has its shape (contiguous where `like` has gaps). */
export function copyLike(x: TensorBase, like: TensorBase): TensorBase {
  const y = fresh(x.shape, x.dtype);
  const out = like.flat || !dense(like) ? y : alias(y, x.shape, like.strides, 0);
  copyKernel(x.dtype, x.dtype).run([out], [x]);
  return out;
}

/** y = x in another dtype. The engine brings the gradient back to the dtype of x. */
const toOp: Op<{ readonly dtype: DType }> = defineOp({
  name: 'to',
  node: 'ToCopyBackward0',
  inputs: ['x'],
  forward: ([x], { dtype }) => copied(x, dtype),
  vjp: { x: [[], (g) => g] },
  jvp: ({ tangents: [t], attrs }) =>
    t === null || dtypeInfo(attrs.dtype).kind !== 'float' ? null : toDType(t, attrs.dtype),
  vmap: ([x], _, { dtype }) => toDType(x, dtype),
});

export function toDType(x: TensorBase, dtype: DType): TensorBase {
  return x.dtype === dtype ? x : apply1(toOp, [x], { dtype });
}

/** `x` itself when its elements lie in order, else a copy where they do. */
export function contiguous(x: TensorBase): TensorBase {
  return x.flat ? x : clone(x);
}
