import { separate } from '../backends/wasm/heap.ts';
import type { TensorBase } from './tensor.ts';
import { watch } from './watch.ts';

/** Told before the memory of a tensor is written over; null, as mostly, when nobody wants to know. */
let beforeChange: ((t: TensorBase) => void) | null = null;

/** @internal */
export function setBeforeChange(f: ((t: TensorBase) => void) | null): void {
  beforeChange = f;
}

/** To be called before an in-place change of a plain tensor. */
export function willChange(t: TensorBase): void {
  if (beforeChange !== null) beforeChange(t);
  const { storage } = t;
  if (storage.source !== null || storage.recipe !== null) separate(storage);
}

/** Counts an in-place change of the memory of a plain tensor, and notes which method made it. */
export function noteChange(t: TensorBase, by: string): void {
  const { storage } = t;
  storage.version += 1;
  storage.counter.lastChange = watch === null ? by : { by, at: watch.stack() };
}
