/**
 * What products of matrices share: how long their blocks are along k, room to pack in, and kernels that are noted for a
 * task instead of being run.
 */
import type { GemmKernels } from './gemm-kernels.ts';
import { beginLaunchBeside, scratch } from './heap.ts';
import type { WasmFunction } from './module.ts';
import type { Call } from './threads/queue.ts';

/** Bytes of a small operand, which stays in the first-level cache however it is read. */
export const SMALL_BYTES = 16384;
export const LONGEST_K = 384;
const BLOCK_K = 256;

/** Blocks of k are of about equal length, and depend on nothing else. */
export function blockLength(k: number): number {
  if (k <= LONGEST_K) return k;
  const blocks = Math.ceil(k / BLOCK_K);
  return Math.ceil(k / blocks / 8) * 8;
}

/** Two pieces of scratch, which all products of a batch share: for b's panels and sums, and for a's panels. */
export const FOR_B = 0;
export const FOR_A = 1;
const rooms: [number, number] = [0, 0];
const roomBytes: [number, number] = [0, 0];

/** Begins a launch beside those that are queued: what was room in the last one is no more. */
export function openLaunch(): void {
  beginLaunchBeside();
  leaveRooms();
}

/** Products that run side by side pack in rooms of their own. */
export function leaveRooms(): void {
  roomBytes[FOR_B] = 0;
  roomBytes[FOR_A] = 0;
}

export function room(which: typeof FOR_A | typeof FOR_B, bytes: number): number {
  if (roomBytes[which] < bytes) {
    rooms[which] = scratch(bytes);
    roomBytes[which] = bytes;
  }
  return rooms[which];
}

/** Kernels that are not run but noted, for a new task. */
export function inTask(kernels: GemmKernels, tasks: Call[][]): GemmKernels {
  const calls: Call[] = [];
  tasks.push(calls);
  const noting =
    (kernel: WasmFunction): WasmFunction =>
    (...args) => {
      calls.push({ kernel, args });
      return 0;
    };
  const { strided, packed, packA, packB, rows, add, gather } = kernels;
  return {
    ...kernels,
    strided: noting(strided),
    packed: noting(packed),
    packA: noting(packA),
    packB: noting(packB),
    rows: noting(rows),
    add: noting(add),
    gather: noting(gather),
  };
}
