/**
 * Threads of this library call the BLAS, each for a piece of a product, and the BLAS computes on the thread
 * that calls it: threads of its own would compete for the processors with those here. How it adds up depends on
 * the sizes it is given, so a product is cut by its own alone: one thread makes the same pieces as many.
 */
import { setCode, type WasmFunction } from '../module.ts';
import { joinWorkers } from '../threads/pending.ts';
import { canShare, canShareNative, getNumThreads } from '../threads/pool.ts';
import { type Call, isBusy, leaveTasks, type Task } from '../threads/queue.ts';
import { shareOf } from '../threads/share.ts';
import { type Blas, describe, FUNCTIONS } from './library.ts';

/** Multiplications from which on products are shared. */
const SHARED_STEPS = 2 ** 20;
/**
 * Multiplications of numbers of so many bytes from which on a product has two, four and eight pieces: a library packs
 * what pieces have in common for each of them.
 */
const STEPS_OF_PIECES = { 4: [2 ** 21, 2 ** 26, 2 ** 34], 8: [2 ** 21, 2 ** 28, 2 ** 34] } as const;
/** From so many pieces on, and so many rows and columns, a product is cut both ways. */
const MANY_PIECES = 4;
const LARGE_SIDE = 640;
/** Rows or columns of a piece are a multiple of this, so that tiles of the library stay whole. */
const UNIT = 16;

/** Lets workers find the functions of a library. */
export function introduce(blas: Blas): void {
  const bytes = describe(blas);
  FUNCTIONS.forEach((name, i) => {
    setCode(blas[name] as unknown as WasmFunction, { bytes, which: ~i });
  });
}

/** Whether workers make work of so many multiplications by this library, once they have it. */
export const sharesProducts = (blas: Blas, steps: number): boolean =>
  steps >= SHARED_STEPS && blas.alone && getNumThreads() > 1 && canShareNative(callable(blas.sgemm)) !== null;

/** A native function as what workers call. */
export const callable = (f: Blas[(typeof FUNCTIONS)[number]]): WasmFunction => f as unknown as WasmFunction;

/** A part of a product: its rows and columns. */
export type Piece = readonly [row: number, rows: number, column: number, columns: number];

/** Where piece `i` of some that rows or columns are cut into begins: as evenly as whole units can be. */
export const edge = (i: number, pieces: number, size: number): number =>
  i === pieces ? size : UNIT * Math.floor((i * Math.floor(size / UNIT)) / pieces);

/**
 * The pieces of a product of `m` rows and `n` columns of numbers of so many bytes that takes so many multiplications, cut
 * by its rows or by its columns, of which a piece has `fewest`, or both ways if there are many of both.
 */
export function piecesOf(
  [m, n]: readonly [rows: number, columns: number],
  bytes: 4 | 8,
  steps: number,
  byRows: boolean,
  fewest: number = UNIT,
): readonly Piece[] {
  let count = 1;
  for (const least of STEPS_OF_PIECES[bytes]) if (steps >= least) count *= 2;
  while (count > 1 && (byRows ? m : n) < count * fewest) count /= 2;
  const across = count >= MANY_PIECES && Math.min(m, n) >= LARGE_SIDE ? 2 : 1;
  const [rows, columns] = byRows ? [count / across, across] : [across, count / across];
  const pieces: Piece[] = [];
  for (let i = 0; i < rows; i++) {
    const row = edge(i, rows, m);
    const height = edge(i + 1, rows, m) - row;
    for (let j = 0; j < columns; j++) {
      const column = edge(j, columns, n);
      const width = edge(j + 1, columns, n) - column;
      pieces.push([row, height, column, width]);
    }
  }
  return pieces;
}

/** Whether workers can call the library now, for so many steps. */
const canCall = (blas: Blas, steps: number): boolean =>
  (isBusy() || canShare(steps)) && canShareNative(callable(blas.sgemm)) === true;

/** Leaves tasks that call a library, of so many steps, to workers, while the calling thread does something else, or does them at once. */
export function shareTasks(blas: Blas, tasks: readonly Task[], steps: number): void {
  if (canCall(blas, steps)) leaveTasks(tasks);
  else for (const task of tasks) for (const { kernel, args } of task) kernel(...args);
}

/** Calls that are shared at a time. */
const CALLS_AT_ONCE = 2048;

/** Makes calls that do not depend on each other, on all threads that can, in their turn. */
export function runCalls(blas: Blas, calls: readonly Call[], steps: number): void {
  if (!canCall(blas, steps)) {
    joinWorkers();
    for (const { kernel, args } of calls) kernel(...args);
    return;
  }
  for (let at = 0; at < calls.length; at += CALLS_AT_ONCE) {
    const some = calls.slice(at, at + CALLS_AT_ONCE);
    const tasks = Math.min(some.length, 4 * getNumThreads());
    leaveTasks(
      tasks === some.length
        ? some.map((call) => [call])
        : Array.from({ length: tasks }, (_, t) => some.slice(...shareOf(t, tasks, some.length))),
      (steps * some.length) / calls.length,
    );
  }
}
