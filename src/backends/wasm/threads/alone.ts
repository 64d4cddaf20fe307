/**
 * Long calls by a thread that cannot choose the depth of its stack, as workers do (`depth.ts`).
 *
 * In a frame of V8's either all vectors lie at multiples of sixteen bytes or all lie eight bytes beside them. Only
 * these can lie across the border of two pages, or of two lines of the cache, and a kernel that keeps one there in
 * its loop takes up to three times as long. A number too many among the arguments of a call is ignored, but it is in
 * the stack: what comes after it lies eight bytes further, and so the other way. Which way is the good one depends on
 * who calls; a small part of the work, done in either way, tells.
 */
import { now } from './clock.ts';
import type { Call } from './queue.ts';

/** The call of a kernel for so many units of work, from one of them on. */
export type CallAt = (from: number, count: number) => Call;

/** Steps, as `pieceOf` counts them, from which on it is worth finding out, which takes a microsecond, where a kernel computes functions. */
const LONG = 2 ** 21;
/** The part of the work, one in so many, that is done in one way and again in the other; at most one in `FEWEST`. */
const PARTS = 32;
const FEWEST = 8;
/** The one way is kept unless it takes so many times as long as the other. */
const LONGER = 1.1;

/** Whether work of so many steps is worth finding out how vectors lie. */
export const isLong = (steps: number): boolean => steps >= LONG;

/** Calls a kernel for all units, in pieces that are multiples of `multiple`. */
export function callAlone(units: number, multiple: number, callAt: CallAt): void {
  const part = multiple * Math.max(1, Math.floor(units / PARTS / multiple));
  const ends = FEWEST * part > units ? [units] : [part, 2 * part, units];
  const times = [0, 0];
  let from = 0;
  // One place for all calls, and arguments of which a compiler knows nothing: or it might not put them in the stack alike.
  for (let i = 0; i < ends.length; i++) {
    const { kernel, args } = callAt(from, ends[i] - from);
    const moved = i === 1 || (i === 2 && times[0] > LONGER * times[1]);
    const all = moved ? [...args, 0] : args;
    const start = now();
    kernel(...all);
    times[i] = now() - start;
    from = ends[i];
  }
}
