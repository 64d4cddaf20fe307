import { address, beginLaunch, f32, f64, i32, u8 } from '../backends/wasm/heap.ts';
import { countNonzero } from '../backends/wasm/indexing.ts';
import { NotImplementedError } from '../core/errors.ts';
import type { TensorBase } from '../core/tensor.ts';

/** Whether an integer tensor holds a zero. */
export function hasZero(t: TensorBase): boolean {
  return t.wrapped !== null ? hasZero(t.wrapped.value) : countTrue(t) < t.count;
}

/** Whether any element is not zero, of any example where there are several. */
export function anyNonzero(t: TensorBase): boolean {
  return t.wrapped !== null ? anyNonzero(t.wrapped.value) : t.count > 0 && countNonzero(t) > 0;
}

/** How many elements of a plain tensor are not zero. */
export const countTrue = (t: TensorBase): number => (t.count === 0 ? 0 : countNonzero(t));

/** The element of a plain tensor at a place counted in elements of its storage. */
export function readElement(t: TensorBase, place: number): number {
  beginLaunch();
  const at = address(t.storage);
  switch (t.dtype) {
    case 'float32':
      return f32()[at / 4 + place];
    case 'float64':
      return f64()[at / 8 + place];
    case 'int32':
      return i32()[at / 4 + place];
    default:
      return u8()[at + place];
  }
}

/** The place of the first element of a contiguous int32 tensor that is not zero, and what it is; null if all are. */
export function firstNonZero(t: TensorBase): { readonly place: number; readonly value: number } | null {
  if (t.count === 0) return null;
  beginLaunch();
  const start = address(t.storage) / 4 + t.offset;
  const place = i32()
    .subarray(start, start + t.count)
    .findIndex((x) => x !== 0);
  return place < 0 ? null : { place, value: i32()[start + place] };
}

/** The value of a scalar tensor, null where every example of a batch has one of its own. */
export function elementOf(t: TensorBase): number | null {
  if (t.wrapped === null) return readElement(t, t.offset);
  return t.wrapped.kind === 'batch' ? null : elementOf(t.wrapped.value);
}

/** The elements of an int32 tensor in row-major order, for functions whose result's shape hangs on them. */
export function integersOf(op: string, t: TensorBase): number[] {
  if (t.wrapped !== null) {
    if (t.wrapped.kind === 'batch')
      throw new NotImplementedError(
        `vmap: ${op}: We do not support batching operators that can output dynamic shape: the shape of the result hangs on values that every example has of its own`,
      );
    return integersOf(op, t.wrapped.value);
  }
  if (t.count === 0) return [];
  beginLaunch();
  const start = address(t.storage) / 4;
  const words = i32();
  const out = new Array<number>(t.count);
  let end = 0;
  const visit = (d: number, place: number): void => {
    const [n, step] = [t.shape[d] ?? 1, t.strides[d] ?? 0];
    if (d + 1 >= t.shape.length) for (let i = 0; i < n; i++) out[end++] = words[place + i * step];
    else for (let i = 0; i < n; i++) visit(d + 1, place + i * step);
  };
  visit(0, start + t.offset);
  return out;
}
