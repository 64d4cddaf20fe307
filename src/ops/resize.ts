import { succeed } from '../backends/wasm/heap.ts';
import { noteChange } from '../core/changes.ts';
import { dtypeInfo } from '../core/dtype.ts';
import { AutogradError } from '../core/errors.ts';
import { checkShape, contiguousStrides, numel, type Shape, sameShape } from '../core/shape.ts';
import { alias, fresh, setPlace, type TensorBase } from '../core/tensor.ts';
import { copyKernel } from './copy.ts';

/**
 * Gives `x` another shape over the same memory, in row-major order from its first element. Where that is
 * not enough, memory of its own takes the place of the old, with the old elements in front and anything
 * behind them.
 */
export function resize_(x: TensorBase, size: Shape): TensorBase {
  const shape = checkShape('resize_', size);
  if (x.wrapped !== null)
    throw new AutogradError('resize_: tensors inside a transformed function are immutable; work out of place');
  if (x.tracked)
    throw new AutogradError('resize_: cannot resize variables that require grad; use reshape, narrow or cat');
  if (sameShape(x.shape, shape)) return x;
  const room = x.storage.nbytes / dtypeInfo(x.dtype).bytes;
  const needed = x.offset + numel(shape);
  const from = needed > room ? grown(x, room, needed) : x;
  setPlace(x, alias(from, shape, contiguousStrides(shape)));
  noteChange(x, 'resize_');
  return x;
}

/** Moves `x` to larger memory, which goes on with the version of the old. */
function grown(x: TensorBase, room: number, needed: number): TensorBase {
  const { storage } = fresh([needed], x.dtype);
  const before = x.storage;
  const old = alias(x, [room], [1], 0);
  x.storage = storage;
  copyKernel(x.dtype, x.dtype).run([alias(x, [room], [1], 0)], [old]);
  succeed(storage, before);
  return x;
}
