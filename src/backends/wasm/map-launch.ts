/** What the kernels of maps are called with: where operands lie, and how they lie to each other. */
import { dtypeInfo } from '../../core/dtype.ts';
import { isContiguous, numel, sameShape } from '../../core/shape.ts';
import type { Strided } from '../../kernels/strided.ts';
import { address } from './heap.ts';
import type { WasmFunction } from './module.ts';
import { callInTurn, isBusy } from './threads/queue.ts';

/** A tensor, or a number that stands for a scalar. */
export type Input = Strided | number;

/** Inputs that a bit mask has room for. */
export const MASKED = 30;

/** Whether two tensors are gone through in the same way. */
export const lieAlike = (a: Strided, b: Strided): boolean =>
  sameShape(a.shape, b.shape) && sameShape(a.strides, b.strides);

/** The mask of inputs that are one element for all, if the others lie like the outputs and these are contiguous; else −1. */
export function flatness(outs: readonly Strided[], ins: readonly Input[], n: number): number {
  const { shape } = outs[0];
  for (let i = 0; i < outs.length; i++) if (!isContiguous(shape, outs[i].strides)) return -1;
  let repeated = 0;
  for (let i = 0; i < ins.length; i++) {
    const x = ins[i];
    if (typeof x === 'number') continue;
    if ((sameShape(x.shape, shape) || numel(x.shape) === n) && isContiguous(x.shape, x.strides)) continue;
    if (numel(x.shape) !== 1 || i >= MASKED) return -1;
    repeated |= 1 << i;
  }
  return repeated;
}

/** The layout of a tensor alone. */
export const strided = ({ storage, shape, strides, offset, dtype }: Strided): Strided => ({
  storage,
  shape,
  strides,
  offset,
  dtype,
});

export function place(x: Input, from = 0): number {
  return typeof x === 'number' ? x : address(x.storage) + (x.offset + from) * dtypeInfo(x.dtype).bytes;
}

/** Calls a kernel for elements `from` on, which takes so many steps, in its turn; the usual numbers of operands are spelled out, which saves an array per call. */
export function launch(
  kernel: WasmFunction,
  n: number,
  outs: readonly Strided[],
  ins: readonly Input[],
  block = 0,
  from = 0,
  of = 0,
): void {
  if (isBusy()) {
    callInTurn(of, kernel, n, ...outs.map((x) => place(x, from)), ...ins.map((x) => place(x, from)), block);
    return;
  }
  // A parameter too many is ignored: flat kernels take no block.
  if (outs.length === 1) {
    const out = place(outs[0], from);
    switch (ins.length) {
      case 1:
        kernel(n, out, place(ins[0], from), block);
        return;
      case 2:
        kernel(n, out, place(ins[0], from), place(ins[1], from), block);
        return;
      case 3:
        kernel(n, out, place(ins[0], from), place(ins[1], from), place(ins[2], from), block);
        return;
      case 4:
        kernel(n, out, place(ins[0], from), place(ins[1], from), place(ins[2], from), place(ins[3], from), block);
        return;
    }
  } else if (outs.length === 2) {
    // Both gradients of a function of two.
    const first = place(outs[0], from);
    const second = place(outs[1], from);
    switch (ins.length) {
      case 2:
        kernel(n, first, second, place(ins[0], from), place(ins[1], from), block);
        return;
      case 3:
        kernel(n, first, second, place(ins[0], from), place(ins[1], from), place(ins[2], from), block);
        return;
    }
  }
  kernel(n, ...outs.map((x) => place(x, from)), ...ins.map((x) => place(x, from)), block);
}
