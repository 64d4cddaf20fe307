import { renewAccumulator, sync } from '../core/apply.ts';
import { noteChange } from '../core/changes.ts';
import { forwardLevel } from '../core/forward.ts';
import { scopeOf } from '../core/levels.ts';
import { alias, frozen, levelOf, metaOf, setPlace, type TensorBase } from '../core/tensor.ts';
import { checkGraph, standFor } from './inplace.ts';

/**
 * `target` becomes the view that `view` takes of it: other shape and strides, the same memory. In the
 * graph it takes the place of that view, also inside `noGrad`, for its gradient has the new shape from
 * now on. If it is a view itself it stays one of the same base.
 */
export function viewInPlace(op: string, target: TensorBase, view: (x: TensorBase) => TensorBase): TensorBase {
  checkGraph(op, target, []);
  const scope = scopeOf(levelOf(target));
  const { enabled } = scope;
  const leaf = sync(target).node === null;
  try {
    scope.enabled = !leaf;
    const from = standIn(target);
    forwardLevel?.give(from, forwardLevel.tangentOf(target));
    const result = view(from);
    setPlace(target, result);
    if (target.wrapped !== null) {
      target.wrapped = result.wrapped;
      metaOf(target).place = result.meta?.place ?? null;
    }
    forwardLevel?.moved(target, forwardLevel.tangentOf(result));
    if (leaf) renewAccumulator(target);
    else standFor(target, result);
  } finally {
    scope.enabled = enabled;
  }
  if (target.wrapped !== null) return target;
  noteChange(target, `${op}_`);
  if (target.meta !== null && target.meta.base !== null) target.meta.baseVersion = target.storage.version;
  return target;
}

/** The same tensor as another object. */
function standIn(t: TensorBase): TensorBase {
  const copy = t.wrapped === null ? alias(t) : frozen(t);
  if (copy === t) return t;
  if (t.wrapped !== null && t.meta !== null) {
    const { base, baseVersion, place, creation } = t.meta;
    Object.assign(metaOf(copy), { base, baseVersion, place, creation });
  }
  copy.tracked = t.tracked;
  copy.node = t.node;
  copy.outputIndex = t.outputIndex;
  return copy;
}
