import { succeed, twin } from '../backends/wasm/heap.ts';
import { leaveGraph, renewAccumulator, sync } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { AutogradError, DTypeError } from '../core/errors.ts';
import { alias, checkTensors, isInference, metaOf, placeOf, setPlace, type TensorBase, wrap } from '../core/tensor.ts';

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
  meta.place = placeOf(x);
  meta.creation = 'detached';
  return y;
}

/** The same memory outside the graph, whose changes through it are counted apart. */
export function variableData(x: TensorBase): TensorBase {
  const y = detach(x);
  if (y.wrapped === null && !isInference(x)) y.storage = twin(y.storage);
  return y;
}

/** Refuses values that cannot become the data of `x`. */
export function checkData(op: string, x: TensorBase, values: TensorBase): void {
  if (x.wrapped !== null || values.wrapped !== null)
    throw new AutogradError(`${op}: tensors inside a transformed function are immutable; work out of place`);
  if (sync(x).node !== null)
    throw new AutogradError(
      `${op}: only leaf tensors can be given other data: what was computed from this one may have saved it, and would take the new values for the old. Use an in-place operation such as copy_.`,
    );
  if (x.tracked && !isFloat(values.dtype))
    throw new DTypeError(
      `${op}: data set to a tensor that requires gradients must be floating point or complex dtype, got ${values.dtype}`,
    );
}

/** Lets a leaf have the memory, shape and dtype of `values`. It keeps its version, which its views go on sharing. */
export function setData(x: TensorBase, values: TensorBase): void {
  checkTensors('setData', values);
  checkData('setData', x, values);
  if (x === values) return;
  const before = x.storage;
  x.storage = twin(values.storage);
  succeed(x.storage, before);
  setPlace(x, values);
  renewAccumulator(x);
  if (x.meta !== null) x.meta.base = null;
}

/** Cuts `x` itself out of the graph, and off its tangent. */
export function detach_(x: TensorBase): TensorBase {
  if (x.meta !== null && x.meta.base !== null) {
    throw new AutogradError("detach_: Can't detach views in-place. Use detach() instead.");
  }
  leaveGraph(x);
  if (x.meta !== null) x.meta.forward = null;
  return x;
}
