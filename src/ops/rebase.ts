import { sameMemory } from '../backends/wasm/heap.ts';
import { closeNode, retainAt, setFollowBase, sync } from '../core/apply.ts';
import { noteChange, willChange } from '../core/changes.ts';
import { AutogradError, NotImplementedError } from '../core/errors.ts';
import { forwardLevel } from '../core/forward.ts';
import { baseScope, scopeOf } from '../core/levels.ts';
import { alias, frozen, levelOf, metaOf, type Operand, placeOf, type TensorBase, versionOf } from '../core/tensor.ts';
import { clone } from './copy.ts';
import { detach } from './detach.ts';
import { type ElementwiseOp, openInPlace } from './elementwise-op.ts';
import {
  meets,
  type Region,
  readRegion,
  recordRegion,
  recordReplaced,
  regionBetween,
  replaceRegion,
} from './region.ts';

/*
 * In-place changes of views. A view shares memory with its base, so changing one changes the other,
 * and gradients must follow: the change is recorded as a function of the whole base ("the base with
 * this region replaced"), and every view of the base is, from then on, a view of that.
 */

/** The tensor that `t` is a view of, null if it is none. */
export function baseOf(t: TensorBase): TensorBase | null {
  return t.meta === null ? null : t.meta.base;
}

/** Which region of its base a view is; asked before it is changed, for it may be an error. */
export function regionOf(view: TensorBase, base: TensorBase): Region {
  if (!sameMemory(view.storage, base.storage)) {
    throw new AutogradError(
      'a view cannot follow the tensor it views, which was given other memory (setData, resize_) since; take the view again',
    );
  }
  const r = regionBetween(base, view);
  if (!base.flat && meets(r.whole)) {
    throw new NotImplementedError(
      'in-place change of a view while gradients are recorded, where elements of what it views share memory (as after expand and detach), is not implemented; clone() that first',
    );
  }
  return r;
}

/** Whether a change of `view` by these operands belongs in the graph. */
export function changesGraph(view: TensorBase, others: readonly Operand[]): boolean {
  if (!baseScope.enabled) return false;
  const base = baseOf(view);
  return base?.tracked === true || view.tracked || others.some((t) => typeof t !== 'number' && t.tracked);
}

/** `view = op(view, …others)` in place, recorded as a change of its base. */
export function applyToView(op: ElementwiseOp, inputs: readonly [TensorBase, ...Operand[]]): TensorBase {
  const [view, ...others] = inputs;
  if (!changesGraph(view, others)) return op.applyInto(inputs);
  const region = regionOf(view, baseOf(view) as TensorBase);
  // Hooks on the view as it was are not on the way from the change to the base.
  if (view.node !== null && view.node.attached !== null) metaOf(view).baseVersion = -1;
  sync(view);
  const node = op.backward === null ? null : openInPlace(op, inputs);
  willChange(view);
  op.writeInto(view, inputs);
  const changed = alias(view);
  // What is saved of it has the tangent that the view is going to have.
  if (forwardLevel !== null) metaOf(changed).forward = { level: forwardLevel, tangent: null, base: view };
  noteChange(view, op.inPlaceName);
  if (node !== null) closeNode(node, changed);
  rebase(view, changed, region);
  return view;
}

/** Makes `changed`, which is what `view` holds now, part of the history of the base of `view`. */
export function rebase(view: TensorBase, changed: TensorBase, region?: Region): void {
  const base = baseOf(view) as TensorBase;
  recordReplaced(base, changed, region ?? regionOf(view, base));
  const meta = metaOf(view);
  meta.baseVersion = -1;
  // The node of the view as it was is on the way to its base, and has nothing to keep for the view as it is.
  meta.retained = null;
}

/** In a transform: the view takes over what its base holds in its place now. */
function follow(view: TensorBase, base: TensorBase): void {
  const scope = scopeOf(levelOf(base));
  const { enabled } = scope;
  scope.enabled = true;
  try {
    const seen = readRegion(frozen(base), regionBetween(placeOf(base), placeOf(view)));
    takePlace(view, view.meta?.creation === 'detached' ? detach(seen) : seen);
  } finally {
    scope.enabled = enabled;
  }
}

const plainInside = (t: TensorBase): TensorBase => (t.wrapped === null ? t : plainInside(t.wrapped.value));

/** In a transform: `t` becomes what `result` is. While nothing is recorded it keeps its place in the graph, as outside. */
export function takePlace(t: TensorBase, result: TensorBase): void {
  if (!scopeOf(levelOf(t)).enabled) {
    const before = versionOf(t);
    const isLeaf = t.tracked && t.node === null;
    t.wrapped = (isLeaf ? clone(result) : result).wrapped;
    // What saved a leaf saved the leaf itself, and is to notice.
    if (isLeaf) plainInside(t).storage.version = before + 1;
    return;
  }
  t.wrapped = result.wrapped;
  t.tracked = result.tracked;
  t.node = result.node;
  t.outputIndex = result.outputIndex;
  retainAt(t.node, t);
}

/** In a transform: `view`, which is to be what `result` is, changes its base and by that all views of it. */
export function rebaseInTransform(view: TensorBase, result: TensorBase): void {
  const base = baseOf(view) as TensorBase;
  const changed = replaceRegion(frozen(base), result, regionBetween(placeOf(base), placeOf(view)));
  const meta = metaOf(base);
  takePlace(base, changed);
  meta.baseVersion += 1;
  takePlace(view, result);
  metaOf(view).baseVersion = meta.baseVersion;
}

setFollowBase((view, base) => {
  if (base.wrapped === null) recordRegion(base, view, regionOf(view, base));
  else follow(view, base);
});
