import { apply1, closeNode, openNode, record, setFollowBase, sync } from '../core/apply.ts';
import { NotImplementedError } from '../core/errors.ts';
import { baseScope } from '../core/levels.ts';
import { defineOp, type Op } from '../core/op.ts';
import { alias, fresh, metaOf, type Operand, type TensorBase } from '../core/tensor.ts';
import { copyKernel } from './copy.ts';
import { type ElementwiseOp, fillKernel, openInPlace } from './elementwise-op.ts';

/*
 * In-place changes of views. A view shares memory with its base, so changing one changes the other,
 * and gradients must follow: the change is recorded as a function of the whole base ("the base with
 * this region replaced"), and every view of the base is, from then on, a view of that.
 */

/** Where a view lies in its base, in elements, for a contiguous base of shape `size`. */
interface Region {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly size: readonly number[];
}

/** The tensor that `t` is a view of, null if it is none. */
export function baseOf(t: TensorBase): TensorBase | null {
  return t.meta === null ? null : t.meta.base;
}

function regionOf(t: TensorBase, base: TensorBase): Region {
  if (!base.flat) {
    throw new NotImplementedError(
      'in-place change of a view whose base is not contiguous, while gradients are recorded, is not implemented; clone() the base first, or work out of place',
    );
  }
  return { shape: t.shape, strides: t.strides, offset: t.offset - base.offset, size: base.shape };
}

const inRegion = (x: TensorBase, r: Region): TensorBase => alias(x, r.shape, r.strides, x.offset + r.offset);

function noVmap(): never {
  throw new NotImplementedError(
    'vmap over a view that was changed in place is not implemented; use out-of-place operations',
  );
}

// y = the region of x        x̄ = zeros, with ȳ in the region
const asStridedOp: Op<Region> = defineOp({
  name: 'asStrided',
  node: 'AsStridedBackward0',
  inputs: ['x'],
  forward: ([x], r) => inRegion(x.flat ? x : contiguous(x), r),
  vjp: { x: [[], (g, _, { attrs }) => apply1(intoRegionOp, [g], attrs)] },
  jvp: 'linear',
  vmap: noVmap,
});

// y = zeros, with x in the region
const intoRegionOp: Op<Region> = defineOp({
  name: 'intoRegion',
  inputs: ['x'],
  forward: ([x], r) => {
    const y = fresh(r.size, x.dtype);
    fillKernel(x.dtype).run([y], [0]);
    copyKernel(x.dtype, x.dtype).run([inRegion(y, r)], [x]);
    return y;
  },
  vjp: { x: [[], (g, _, { attrs }) => apply1(asStridedOp, [g], attrs)] },
  jvp: 'linear',
  vmap: noVmap,
});

// y = x with the region replaced by v        x̄ = ȳ with zeros in the region,  v̄ = the region of ȳ
const replaceRegionOp: Op<Region> = defineOp({
  name: 'replaceRegion',
  node: 'CopySlices',
  inputs: ['x', 'v'],
  forward: ([x, v], r) => {
    const y = contiguous(x);
    copyKernel(v.dtype, x.dtype).run([inRegion(y, r)], [v]);
    return y;
  },
  vjp: {
    x: [[], (g, _, { attrs }) => apply1(clearRegionOp, [g], attrs)],
    v: [[], (g, _, { attrs }) => apply1(asStridedOp, [g], attrs)],
  },
  jvp: 'linear',
  vmap: noVmap,
});

// y = x with zeros in the region; it is its own adjoint
const clearRegionOp: Op<Region> = defineOp({
  name: 'clearRegion',
  inputs: ['x'],
  forward: ([x], r) => {
    const y = contiguous(x);
    fillKernel(x.dtype).run([inRegion(y, r)], [0]);
    return y;
  },
  vjp: { x: [[], (g, _, { attrs }) => apply1(clearRegionOp, [g], attrs)] },
  jvp: 'linear',
  vmap: noVmap,
});

function contiguous(x: TensorBase): TensorBase {
  const y = fresh(x.shape, x.dtype);
  copyKernel(x.dtype, x.dtype).run([y], [x]);
  return y;
}

/** `view = op(view, …others)` in place, recorded as a change of its base. */
export function applyToView(op: ElementwiseOp, inputs: readonly [TensorBase, ...Operand[]]): TensorBase {
  const [view, ...others] = inputs;
  const base = baseOf(view) as TensorBase;
  const tracked = base.tracked || others.some((t) => typeof t !== 'number' && t.tracked);
  if (!baseScope.enabled || !tracked || op.backward === null) return op.applyInto(inputs);
  if (base.tracked && (!view.tracked || (view.node !== null && view.node.attached !== null))) {
    // Taken while nothing was recorded: from here on it is a view in the graph too. And hooks on the view
    // as it was are not on the way from the change to the base.
    metaOf(view).baseVersion = -1;
    sync(view);
  }
  const region = regionOf(view, base);
  const node = openInPlace(op, inputs);
  op.writeInto(view, inputs);
  const changed = alias(view);
  view.storage.version += 1;
  if (node !== null) closeNode(node, changed);
  record(replaceRegionOp, [base, changed], region, base, null);
  metaOf(view).baseVersion = -1;
  return view;
}

setFollowBase((view, base) => {
  const region = regionOf(view, base);
  const node = openNode(asStridedOp, [base], region, null);
  if (node !== null) closeNode(node, view);
});
