import type { TensorBase } from '../core/tensor.ts';
import { eyeMatrix } from '../ops/create.ts';
import { narrow } from '../ops/slices.ts';
import { reshape } from '../ops/view.ts';

/** Unit vectors of the joint space of several tensors, each in its tensor's shape, with a leading dimension over all. */
export function basis(tensors: readonly TensorBase[]): TensorBase[] {
  const total = tensors.reduce((n, t) => n + t.count, 0);
  let start = 0;
  return tensors.map((t) => {
    const rows = narrow(eyeMatrix(total, total, t.dtype), 1, start, t.count);
    start += t.count;
    return reshape(rows, [total, ...t.shape]);
  });
}
