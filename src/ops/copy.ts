import { computeFor, MapKernel } from '../backends/wasm/map.ts';
import { apply1 } from '../core/apply.ts';
import { type DType, dtypeInfo, getDefaultDtype, isFloat } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { contiguousStrides, type Shape, shapeText } from '../core/shape.ts';
import { alias, fresh, shadowOf, type TensorBase } from '../core/tensor.ts';
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

/** How elements lie in memory: in row-major order, or with the channels (dimension 1) innermost. */
export type MemoryFormat = 'contiguous' | 'channelsLast' | 'channelsLast3d';

const RANK: Readonly<Record<MemoryFormat, number | null>> = { contiguous: null, channelsLast: 4, channelsLast3d: 5 };

function checkFormat(op: string, x: TensorBase, format: MemoryFormat): void {
  const rank = RANK[format];
  if (rank === undefined)
    throw new ArgumentError(
      `${op}: memoryFormat must be 'contiguous', 'channelsLast' or 'channelsLast3d', got '${String(format)}'`,
    );
  if (rank !== null && x.shape.length !== rank)
    throw new ShapeError(
      `${op}: required rank ${rank} tensor to use ${format === 'channelsLast' ? 'channels_last' : 'channels_last_3d'} format, got shape ${shapeText(x.shape)}`,
    );
}

/** Strides of a format for the last dimensions of a shape; those before them (of a batch) are outermost. */
function stridesIn(format: MemoryFormat, shape: Shape): readonly number[] {
  const rank = RANK[format];
  if (rank === null) return contiguousStrides(shape);
  const lead = shape.length - rank;
  const order = [...shape.keys()].filter((d) => d !== lead + 1);
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (const d of [lead + 1, ...order.reverse()]) {
    strides[d] = step;
    step *= shape[d] || 1;
  }
  return strides;
}

/** The elements of a plain tensor, in order (or in a format), in memory of their own and outside of the graph. */
export function copied(x: TensorBase, dtype: DType = x.dtype, format: MemoryFormat = 'contiguous'): TensorBase {
  const memory = fresh(x.shape, dtype);
  const y = format === 'contiguous' ? memory : alias(memory, x.shape, stridesIn(format, x.shape));
  copyKernel(x.dtype, dtype).run([y], [x]);
  return y;
}

/** y = x, in memory of its own. */
const cloneOp: Op<MemoryFormat> = defineOp({
  name: 'clone',
  cheap: true,
  inputs: ['x'],
  forward: ([x], format) => copied(x, x.dtype, format),
  vjp: { x: [[], (g) => g] },
  jvp: 'linear',
  vmap: ([x], _, format) => apply1(cloneOp, [x], format),
});

export function clone(x: TensorBase, format: MemoryFormat = 'contiguous'): TensorBase {
  if (format !== 'contiguous') checkFormat('clone', x, format);
  return apply1(cloneOp, [x], format);
}

/** Whether elements lie side by side, in whatever order of dimensions. */
export function isDense(t: TensorBase): boolean {
  const { shape, strides, count } = t;
  for (let next = 1; next < count; ) {
    let d = 0;
    while (d < shape.length && (strides[d] !== next || shape[d] === 1)) d++;
    if (d === shape.length) return false;
    next *= shape[d];
  }
  return true;
}

/** Whether plain `x` lies as a copy in the layout of `like` would. */
export function liesLike(x: TensorBase, like: TensorBase): boolean {
  if (like.flat || !isDense(like)) return x.flat;
  return x.shape.every((n, d) => n === 1 || x.strides[d] === like.strides[d]);
}

/** A copy of plain `x`, outside any graph, in the layout of `like`, which has its shape (contiguous where `like` has gaps). */
export function copyLike(x: TensorBase, like: TensorBase): TensorBase {
  const y = fresh(x.shape, x.dtype);
  const out = like.flat || !isDense(like) ? y : alias(y, x.shape, like.strides, 0);
  copyKernel(x.dtype, x.dtype).run([out], [x]);
  return out;
}

/** y = x in another dtype. The engine brings the gradient back to the dtype of x. */
const toOp: Op<{ readonly dtype: DType; readonly format?: MemoryFormat }> = defineOp({
  name: 'to',
  cheap: true,
  node: 'ToCopyBackward0',
  inputs: ['x'],
  forward: ([x], { dtype, format }) => copied(x, dtype, format),
  vjp: { x: [[], (g) => g] },
  jvp: ({ tangents: [t], attrs }) =>
    t === null || dtypeInfo(attrs.dtype).kind !== 'float' ? null : apply1(toOp, [t], attrs),
  vmap: ([x], _, attrs) => apply1(toOp, [x], attrs),
});

export function toDType(x: TensorBase, dtype: DType): TensorBase {
  // Null, which stands for what was not given, asks for none.
  return x.dtype === dtype || dtype === null ? x : apply1(toOp, [x], { dtype });
}

/** Floats as they are, all else in the default dtype. */
export function toFloat(x: TensorBase): TensorBase {
  return isFloat(x.dtype) ? x : toDType(x, getDefaultDtype());
}

/** A sum or the like of `x` in a dtype if one is asked for, which the result has then too, also where it adds up in another. */
export function inDType(x: TensorBase, dtype: DType | undefined, f: (x: TensorBase) => TensorBase): TensorBase {
  return dtype === undefined ? f(x) : toDType(f(toDType(x, dtype)), dtype);
}

/** A copy of `x` in a dtype, laid out in a format. */
export function copyTo(x: TensorBase, dtype: DType, format: MemoryFormat = 'contiguous'): TensorBase {
  checkFormat('to', x, format);
  return apply1(toOp, [x], { dtype, format });
}

/** Whether the elements of `x` lie in a format. */
export function liesIn(x: TensorBase, format: MemoryFormat): boolean {
  if (format === 'contiguous') return x.wrapped === null ? x.flat : shadowOf(x).flat;
  if (RANK[format] !== x.shape.length) return false;
  const strides = stridesIn(format, x.shape);
  return x.count === 0 || x.shape.every((n, d) => n === 1 || x.strides[d] === strides[d]);
}

/** `x` itself when its elements lie in order, or in the format, else a copy where they do. */
export function contiguous(x: TensorBase, format: MemoryFormat = 'contiguous'): TensorBase {
  if (format !== 'contiguous') checkFormat('contiguous', x, format);
  return liesIn(x, format) ? x : clone(x, format);
}
