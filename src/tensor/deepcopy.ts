import { sync } from '../core/apply.ts';
import { ArgumentError, AutogradError } from '../core/errors.ts';
import { metaOf, TensorBase } from '../core/tensor.ts';
import { clone, copyLike } from '../ops/copy.ts';
import { detach } from '../ops/detach.ts';

/**
 * A copy of a tensor, or of tensors in arrays and plain objects, that shares no memory with the original.
 * What occurs several times is copied once. Leaves keep `requiresGrad`, `.grad` (copied too) and their
 * layout; hooks stay behind.
 *
 * @throws {AutogradError} when a tensor was computed from one that requires grad.
 */
export function deepcopy<T>(x: T): T {
  return copyOf(x, new Map()) as T;
}

function copyOf(x: unknown, done: Map<object, unknown>): unknown {
  if (typeof x !== 'object' || x === null) return x;
  const known = done.get(x);
  if (known !== undefined) return known;
  if (x instanceof TensorBase) return tensorCopy(x, done);
  if (Array.isArray(x)) {
    const list: unknown[] = [];
    done.set(x, list);
    for (const item of x) list.push(copyOf(item, done));
    return list;
  }
  const prototype: unknown = Object.getPrototypeOf(x);
  if (prototype !== Object.prototype && prototype !== null)
    throw new ArgumentError(
      `deepcopy: takes tensors, and arrays and plain objects of them; got a ${x.constructor?.name ?? 'object'}`,
    );
  const object: Record<string, unknown> = {};
  done.set(x, object);
  for (const [key, value] of Object.entries(x)) object[key] = copyOf(value, done);
  return object;
}

function tensorCopy(t: TensorBase, done: Map<object, unknown>): TensorBase {
  if (sync(t).node !== null)
    throw new AutogradError(
      'deepcopy: Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. Copy a result with y.detach().clone()',
    );
  const copy = t.wrapped === null ? copyLike(t, t) : clone(detach(t));
  done.set(t, copy);
  copy.tracked = t.tracked;
  const grad = t.meta?.grad ?? null;
  if (grad !== null) metaOf(copy).grad = copyOf(grad, done) as TensorBase;
  return copy;
}
