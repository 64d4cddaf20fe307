import { apply1, isBare } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { ArgumentError, IndexError, ShapeError } from '../core/errors.ts';
import { defineOp, type Op, type RuleContext } from '../core/op.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { alias, fresh, type Place, TensorBase, viewOf } from '../core/tensor.ts';
import { copyKernel } from './copy.ts';
import { addInto } from './elementwise.ts';
import { fillKernel } from './filled.ts';
import { unsqueeze } from './view.ts';

/*
 * Views of a part: a slice or one index along a dimension. The gradient of both is a copy into zeros, or
 * added to what has arrived of the whole's.
 */

interface SliceAttrs {
  readonly dim: number;
  readonly start: number;
  readonly step: number;
  readonly length: number;
}

/** Where a slice of a tensor lies. */
export function slicePlace({ shape, strides, offset }: Place, { dim, start, step, length }: SliceAttrs): Place {
  return {
    shape: shape.with(dim, length),
    strides: strides.with(dim, strides[dim] * step),
    offset: offset + (length === 0 ? 0 : start * strides[dim]),
  };
}

const viewAt = (x: TensorBase, { shape, strides, offset }: Place): TensorBase => viewOf(x, shape, strides, offset);
/** `alias` for a place. */
export const aliasAt = (x: TensorBase, { shape, strides, offset }: Place): TensorBase =>
  alias(x, shape, strides, offset);

/** The whole's gradient as far as it has arrived, with that of a part added to it; null where nothing may be added. */
function addedAt<A>(place: (whole: Place, attrs: A) => Place, g: TensorBase, c: RuleContext<A>): TensorBase | null {
  const whole = c.arrived(0);
  if (whole === null || whole.dtype !== g.dtype || !isBare([g, whole])) return null;
  addInto(aliasAt(whole, place(whole, c.attrs)), g);
  return whole;
}

/** y = x[…, start : start + length·step : step, …] */
const sliceOp: Op<SliceAttrs> = defineOp({
  name: 'slice',
  view: true,
  inputs: ['x'],
  forward: ([x], attrs) => viewAt(x, slicePlace(x, attrs)),
  vjp: {
    x: [
      [],
      (g, _, c) =>
        addedAt(slicePlace, g, c) ?? apply1(sliceBackwardOp, [g], { ...c.attrs, size: c.shape(0)[c.attrs.dim] }),
    ],
  },
  jvp: 'linear',
  vmap: ([x], _, attrs) => apply1(sliceOp, [x], { ...attrs, dim: attrs.dim + 1 }),
});

/** The adjoint of `slice`: y is zero but for the slice, which is x. */
const sliceBackwardOp: Op<SliceAttrs & { readonly size: number }> = defineOp({
  name: 'sliceBackward',
  cheap: true,
  inputs: ['x'],
  forward: ([x], attrs) => {
    const y = fresh(x.shape.with(attrs.dim, attrs.size), x.dtype);
    fillKernel(x.dtype).run([y], [0]);
    copyKernel(x.dtype, x.dtype).run([aliasAt(y, slicePlace(y, attrs))], [x]);
    return y;
  },
  vjp: { x: [[], (g, _, { attrs }) => apply1(sliceOp, [g], attrs)] },
  jvp: 'linear',
  vmap: ([x], _, attrs) => apply1(sliceBackwardOp, [x], { ...attrs, dim: attrs.dim + 1 }),
});

/** Python's slice along one dimension; negative `start` and `end` count from the end, `step` is positive. */
export function slice(x: TensorBase, dim: number, start?: number, end?: number, step = 1): TensorBase {
  return apply1(sliceOp, [x], sliceAttrs('slice', x, dim, start, end, step));
}

/** A slice as it was asked for, checked and with its bounds drawn in. */
export function sliceAttrs(
  op: string,
  x: TensorBase,
  dim: number,
  start: number | undefined,
  end: number | undefined,
  step: number,
): SliceAttrs {
  if (x.shape.length === 0) throw new ShapeError(`${op}: slice() cannot be applied to a 0-dim tensor.`);
  const d = wrapDim(op, dim, x.shape.length);
  if (!Number.isInteger(step) || step <= 0) throw new IndexError(`${op}: slice step must be positive, got ${step}`);
  for (const i of [start, end]) {
    if (i !== undefined && !Number.isInteger(i))
      throw new IndexError(`${op}: slice indices must be integers, got ${String(i)}`);
  }
  const size = x.shape[d];
  const clip = (i: number): number => Math.min(size, Math.max(0, i < 0 ? i + size : i));
  const from = clip(start ?? 0);
  const to = Math.max(from, clip(end ?? size));
  return { dim: d, start: from, step, length: Math.ceil((to - from) / step) };
}

/** A start that is given as a tensor. */
export function startOf(start: unknown, item: (t: TensorBase) => number): number {
  if (!(start instanceof TensorBase) || start.shape.length !== 0 || isFloat(start.dtype) || start.dtype === 'bool')
    throw new ArgumentError('narrow: start must be a number or an 0-dim integral Tensor.');
  return item(start);
}

/** The slice of `length` elements from `start`. */
export function narrow(x: TensorBase, dim: number, start: number, length: number): TensorBase {
  if (x.shape.length === 0) throw new ShapeError('narrow: narrow() cannot be applied to a 0-dim tensor.');
  const d = wrapDim('narrow', dim, x.shape.length);
  const size = x.shape[d];
  if (!Number.isInteger(length) || length < 0)
    throw new IndexError(`narrow: narrow(): length must be non-negative, got ${length}`);
  if (!Number.isInteger(start) || start < -size || start > size)
    throw new IndexError(
      `narrow: start out of range (expected to be in range of [${-size}, ${size}], but got ${start})`,
    );
  const from = start < 0 ? start + size : start;
  if (from + length > size)
    throw new IndexError(`narrow: start (${from}) + length (${length}) exceeds dimension size (${size}).`);
  return apply1(sliceOp, [x], { dim: d, start: from, step: 1, length });
}

interface SelectAttrs {
  readonly dim: number;
  readonly index: number;
}

/** Where the slice at one index lies. */
export const selectPlace = ({ shape, strides, offset }: Place, { dim, index }: SelectAttrs): Place => ({
  shape: shape.toSpliced(dim, 1),
  strides: strides.toSpliced(dim, 1),
  offset: offset + index * strides[dim],
});

/** y = x[…, index, …], one dimension less. */
const selectOp: Op<SelectAttrs> = defineOp({
  name: 'select',
  view: true,
  inputs: ['x'],
  forward: ([x], attrs) => viewAt(x, selectPlace(x, attrs)),
  vjp: {
    x: [
      [],
      (g, _, c) =>
        addedAt(selectPlace, g, c) ??
        apply1(sliceBackwardOp, [unsqueeze(g, c.attrs.dim)], {
          dim: c.attrs.dim,
          start: c.attrs.index,
          step: 1,
          length: 1,
          size: c.shape(0)[c.attrs.dim],
        }),
    ],
  },
  jvp: 'linear',
  vmap: ([x], _, { dim, index }) => apply1(selectOp, [x], { dim: dim + 1, index }),
});

export function select(x: TensorBase, dim: number, index: number): TensorBase {
  return apply1(selectOp, [x], selectAttrs('select', x, dim, index));
}

/** The place of an index, checked and counted from the start. */
export function selectAttrs(op: string, x: TensorBase, dim: number, index: number): SelectAttrs {
  if (x.shape.length === 0) throw new IndexError(`${op}: select() cannot be applied to a 0-dim tensor.`);
  const d = wrapDim(op, dim, x.shape.length);
  const size = x.shape[d];
  if (!Number.isInteger(index) || index < -size || index >= size) {
    throw new IndexError(
      `${op}: select(): index ${index} out of range for tensor of size ${shapeText(x.shape)} at dimension ${d}`,
    );
  }
  return { dim: d, index: index < 0 ? index + size : index };
}
