import { address, beginLaunch, i32, u8 } from '../backends/wasm/heap.ts';
import type { TensorBase } from '../core/tensor.ts';

/** Whether an integer tensor holds a zero. */
export function hasZero(t: TensorBase): boolean {
  if (t.wrapped !== null) return hasZero(t.wrapped.value);
  if (t.count === 0) return false;
  beginLaunch();
  const wide = t.dtype === 'int32';
  const memory = wide ? i32() : u8();
  const start = (wide ? address(t.storage) / 4 : address(t.storage)) + t.offset;
  const within = (d: number, place: number): boolean => {
    if (d === t.shape.length) return memory[place] === 0;
    for (let i = 0; i < t.shape[d]; i++) if (within(d + 1, place + i * t.strides[d])) return true;
    return false;
  };
  return within(0, start);
}
