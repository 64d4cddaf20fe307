/** Where a program's time goes, operation by operation. */

import { refusePromise } from '../autograd/hold.ts';
import { now } from '../backends/wasm/threads/clock.ts';
import { joinWorkers } from '../backends/wasm/threads/pending.ts';
import { checkTypes } from '../core/arguments.ts';
import { ArgumentError, AutogradError } from '../core/errors.ts';
import { checkOptions } from '../tensor/options.ts';
import { instrumented } from './instrument.ts';
import { type Event, Recorder, type Row } from './recorder.ts';
import { table } from './table.ts';
import { chromeTrace, type Trace, writeText } from './trace.ts';

export type { Row as ProfileRow } from './recorder.ts';
export type { Trace } from './trace.ts';

/** What becomes of the measurements. */
export interface ProfileOptions {
  /** Print the table to the console when the profile ends; on by default. */
  readonly print?: boolean;
  /** A file to write the Chrome trace to (Node, Deno and Bun). */
  readonly trace?: string;
  /** How many events are kept for the trace; the table counts all. */
  readonly maxEvents?: number;
}

/** The measurements of one profile. */
export class Profile<R = unknown> {
  /** What the profiled function returned. */
  readonly value: R;
  /** Milliseconds from beginning to end. */
  readonly time: number;
  /** One row per operation and direction, the longest first. Time spent outside operations is in none. */
  readonly rows: readonly Row[];
  /** Every call in the order of its end, at most `maxEvents`; what the trace is made of. */
  readonly events: readonly Event[];
  /** Events that there was no room for. */
  readonly dropped: number;

  constructor(value: R, time: number, recorder: Recorder) {
    this.value = value;
    this.time = time;
    this.rows = recorder.rows();
    this.events = recorder.events;
    this.dropped = recorder.dropped;
  }

  /** The table: time, calls, bytes per second and operations per second. */
  toString(): string {
    return table(this.rows, this.time);
  }

  /** The events for chrome://tracing, Perfetto and the like. */
  toTrace(): Trace {
    return chromeTrace(this.events);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  [Symbol.for('Deno.customInspect')](): string {
    return this.toString();
  }
}

let running = false;

interface Console {
  readonly log?: (text: string) => void;
}

/**
 * Runs `body` and measures every operation it calls, forward and backward: time, calls, bytes moved
 * and floating point operations. Time is that of the calling thread. When nothing is profiled this
 * costs nothing.
 *
 * Bytes are those of operands and results, operations are counted from shapes and formulas: they are
 * what the operation needs, whatever the kernel did.
 *
 * @throws {AutogradError} when `body` returns a promise, or a profile is running already.
 *
 * @example
 * const p = profile(() => loss(w).backward());  // prints a table
 * p.rows[0];                                    // what took longest
 */
export function profile<R>(body: () => R, options?: ProfileOptions): Profile<R> {
  checkOptions('profile', options, ['print', 'trace', 'maxEvents']);
  checkTypes('profile', 'function', { body });
  const limit = options?.maxEvents ?? 100_000;
  if (!(limit >= 0)) throw new ArgumentError(`profile: maxEvents must be a number of events, got ${limit}`);
  if (running) throw new AutogradError('profile: a profile is running already; profile the outer function only');
  running = true;
  let made: Profile<R>;
  try {
    const recorder = new Recorder(limit);
    const value = instrumented(recorder, body);
    refusePromise('profile', value);
    joinWorkers();
    made = new Profile(value, now() - recorder.begin, recorder);
  } finally {
    running = false;
  }
  if (options?.trace !== undefined) writeText(options.trace, JSON.stringify(made.toTrace()));
  if (options?.print ?? true) (globalThis as { readonly console?: Console }).console?.log?.(made.toString());
  return made;
}
