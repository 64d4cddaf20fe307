import { free, type Storage } from '../backends/wasm/heap.ts';
import { keepInArena, swapArena } from './arena.ts';
import { baseScope } from './levels.ts';
import type { Outputs, TensorBase } from './tensor.ts';

/**
 * Runs a forward function that is made of other operations on plain tensors: nothing is recorded
 * (the operation itself is), and what it allocates is released, but for its results.
 */
export function internally<R extends Outputs>(body: () => R): R {
  const { enabled } = baseScope;
  const made: Storage[] = [];
  const outer = swapArena(made);
  baseScope.enabled = false;
  let results: readonly TensorBase[] = [];
  try {
    const out = body();
    results = Array.isArray(out) ? (out as readonly TensorBase[]) : [out as TensorBase];
    return out;
  } finally {
    baseScope.enabled = enabled;
    swapArena(outer);
    for (const storage of made) {
      if (results.some((t) => t.storage === storage)) keepInArena(storage);
      else free(storage);
    }
    // A result that was seen in another shape is nobody's view: what it was made as is out of reach.
    for (const t of results) if (t.meta !== null && made.includes(t.storage)) t.meta = null;
  }
}
