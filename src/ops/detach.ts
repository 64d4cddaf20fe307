import { leaveGraph } from '../core/apply.ts';
import { AutogradError } from '../core/errors.ts';
import { alias, metaOf, type TensorBase, wrap } from '../core/tensor.ts';

/**
 * The same memory outside the graph. In a transform the tensor stays one of the transform's, without
 * history or tangent.
 */
export function detach(x: TensorBase): TensorBase {
  const w = x.wrapped;
  if (w === null) return alias(x);
  const value = detach(w.value);
  const y = wrap(w.kind === 'dual' ? { ...w, value, tangent: null } : { ...w, value }, x.shape);
  const meta = metaOf(y);
  meta.base = x.meta?.base ?? x;
  meta.baseVersion = metaOf(meta.base).baseVersion;
  return y;
}

/** Cuts `x` itself out of the graph. */
export function detach_(x: TensorBase): TensorBase {
  if (x.meta !== null && x.meta.base !== null) {
    throw new AutogradError("detach_: Can't detach views in-place. Use detach() instead.");
  }
  leaveGraph(x);
  return x;
}
