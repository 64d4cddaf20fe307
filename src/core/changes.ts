import type { TensorBase } from './tensor.ts';

/** Counts an in-place change of the memory of a plain tensor, and notes which operation made it. */
export function noteChange(t: TensorBase, by: string): void {
  const { storage } = t;
  storage.version += 1;
  storage.counter.lastChange = by;
}
