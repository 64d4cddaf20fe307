/**
 * A rule may give several gradients that are parts of one piece of memory: that of `cat` gives parts of the
 * cotangent. If nobody else sees that memory, it is cut, and each part is a gradient like any other: it becomes
 * `.grad` without a copy, is added to, and is freed by itself.
 */
import { cut, LINE, SMALL_BYTES, type Storage } from '../backends/wasm/heap.ts';
import { dtypeInfo } from '../core/dtype.ts';
import { type TensorBase, tensorOver } from '../core/tensor.ts';

interface Part {
  /** Which of the gradients it is. */
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/** Whether a gradient is a part of more memory than it needs, worth being cut out. */
export function isPart({ storage, count, dtype, flat }: TensorBase): boolean {
  return storage.nbytes > 2 * SMALL_BYTES && flat && count > 0 && count * dtypeInfo(dtype).bytes < storage.nbytes;
}

/** Where parts in order of their places may be cut from each other; null if they overlap. */
function places(parts: readonly Part[], nbytes: number): number[] | null {
  const before: number[] = [];
  let last = 0;
  let reached = 0;
  for (const { from, to } of parts) {
    if (from < reached) return null;
    for (const at of [from, to]) {
      if (at % LINE !== 0 || at - last <= SMALL_BYTES || nbytes - at <= SMALL_BYTES) continue;
      before.push(at);
      last = at;
    }
    reached = to;
  }
  return before;
}

/**
 * Cuts `storage`, which is seen through those of `grads` only that lie in it, and puts them on its pieces. Returns
 * the pieces: none if it stays whole.
 */
export function cutApart(storage: Storage, grads: (TensorBase | null)[]): readonly Storage[] {
  const parts: Part[] = [];
  for (const [index, g] of grads.entries()) {
    if (g?.storage !== storage) continue;
    if (!g.flat) return [];
    const { bytes } = dtypeInfo(g.dtype);
    parts.push({ index, from: g.offset * bytes, to: (g.offset + g.count) * bytes });
  }
  const before = places(
    parts.sort((a, b) => a.from - b.from),
    storage.nbytes,
  );
  const pieces = before === null || before.length === 0 ? null : cut(storage, before);
  if (before === null || pieces === null) return [];
  let k = 0;
  for (const { index, from } of parts) {
    while (k < before.length && before[k] <= from) k++;
    const g = grads[index] as TensorBase;
    const start = (k === 0 ? 0 : before[k - 1]) / dtypeInfo(g.dtype).bytes;
    grads[index] = tensorOver(pieces[k], g.shape, g.strides, g.offset - start, g.dtype);
  }
  return pieces;
}
