/**
 * Threads of this library call the BLAS, each for a piece of a product, and the BLAS computes on the thread
 * that calls it: threads of its own would compete for the processors with those here. How a product is cut
 * depends on its size and the number of threads that are wanted, not on which of them are ready.
 */
import { setCode, type WasmFunction } from '../module.ts';
import { joinWorkers } from '../threads/pending.ts';
import { canShare, canShareNative, getNumThreads } from '../threads/pool.ts';
import { type Call, isBusy, leaveTasks } from '../threads/queue.ts';
import { shareOf } from '../threads/share.ts';
import { type Blas, describe, FUNCTIONS } from './library.ts';

/** Multiplications from which on products are shared. */
const SHARED_STEPS = 2 ** 20;
/** Multiplications from which on there are two pieces for each thread, so that none waits long for another. */
const LARGE_STEPS = 2 ** 26;
/** Multiplications from which on a library's factorisations gain by threads of its own. */
const LENT_STEPS = 2 ** 24;
/** Rows or columns of a piece are a multiple of this, so that tiles of the library stay whole. */
const UNIT = 32;

/** Lets workers find the functions of a library. */
export function introduce(blas: Blas): void {
  const bytes = describe(blas);
  FUNCTIONS.forEach((name, i) => {
    setCode(blas[name] as unknown as WasmFunction, { bytes, which: ~i });
  });
}

/** Threads that the library was last told to use; it has all it finds until then. */
const told = new WeakMap<Blas, number>();

/** Work must not find what other work had told: how a library adds up depends on its threads. */
function tell(blas: Blas, threads: number): void {
  if (told.get(blas) === threads) return;
  joinWorkers();
  told.set(blas, threads);
  blas.setThreads?.(threads);
}

/** Whether work of so many multiplications is cut for threads of this library; if not, large work has those of its own. */
export function cutsProducts(blas: Blas, steps: number): boolean {
  const threads = getNumThreads();
  const shares = threads > 1 && steps >= SHARED_STEPS;
  const cuts = shares && blas.setThreads !== null && canShareNative(callable(blas.sgemm)) !== null;
  tell(blas, shares && !cuts ? threads : 1);
  return cuts;
}

/** Lets the library have threads of its own for work that is not cut here, if that is large. */
export function lendThreads(blas: Blas, steps: number): void {
  tell(blas, steps >= LENT_STEPS ? getNumThreads() : 1);
}

/** A native function as what workers call. */
export const callable = (f: Blas[(typeof FUNCTIONS)[number]]): WasmFunction => f as unknown as WasmFunction;

/** The pieces of `m` rows or `n` columns, whichever are more: where each begins and ends. */
export function piecesOf(m: number, n: number, k: number): readonly (readonly [from: number, to: number])[] {
  const units = Math.floor(Math.max(m, n) / UNIT);
  const wanted = getNumThreads() * (m * n * k >= LARGE_STEPS ? 2 : 1);
  const count = Math.max(1, Math.min(wanted, units));
  const pieces: (readonly [from: number, to: number])[] = [];
  for (let i = 0, from = 0; i < count; i++) {
    const to = i + 1 === count ? Math.max(m, n) : UNIT * Math.floor(((i + 1) * units) / count);
    pieces.push([from, to]);
    from = to;
  }
  return pieces;
}

/** Calls that are shared at a time. */
const CALLS_AT_ONCE = 2048;

/** Makes calls that do not depend on each other, on all threads that can, in their turn. */
export function runCalls(blas: Blas, calls: readonly Call[], steps: number): void {
  if (!(isBusy() || canShare(steps)) || canShareNative(callable(blas.sgemm)) !== true) {
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
