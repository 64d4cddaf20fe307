/** What happened, while it is being measured. */
import { currentPass } from '../autograd/nesting.ts';
import { now } from '../backends/wasm/threads/clock.ts';
import { joinWorkers } from '../backends/wasm/threads/pending.ts';

export type Phase = 'forward' | 'backward';

export interface Event {
  readonly name: string;
  readonly phase: Phase;
  /** Milliseconds since the profile began. */
  readonly start: number;
  readonly duration: number;
  /** 0 for what the program called, 1 for what ran inside that, and so on. */
  readonly depth: number;
  readonly bytes: number;
  readonly flops: number;
  readonly shapes: string;
}

/** All calls of one operation in one direction. */
export interface Row {
  readonly name: string;
  readonly phase: Phase;
  readonly calls: number;
  /** Milliseconds in all, operations inside included. */
  readonly time: number;
  /** Bytes of operands and results. */
  readonly bytes: number;
  /** Floating-point operations by the operation's definition, whatever its kernel saves. */
  readonly flops: number;
}

interface Frame {
  readonly name: string;
  readonly phase: Phase;
  readonly start: number;
  bytes: number;
  flops: number;
}

/** The work of one call: what a kernel moved and computed. */
export interface Work {
  readonly bytes: number;
  readonly flops: number;
  readonly shapes: string;
}

const NO_WORK: Work = { bytes: 0, flops: 0, shapes: '' };

export class Recorder {
  readonly begin: number;
  readonly events: Event[] = [];
  /** Events beyond the limit: they count in the rows and are not in the trace. */
  dropped = 0;
  readonly #limit: number;
  readonly #frames: Frame[] = [];
  readonly #rows = new Map<string, Row>();

  constructor(limit: number) {
    this.#limit = limit;
    // What was queued before is not part of the profile.
    joinWorkers();
    this.begin = now();
  }

  /** Runs `body` as one call of `name`. What it calls in turn is part of it; what that did is added up here. */
  measure<R>(name: string, phase: Phase, body: () => R, work?: (result: R) => Work | null): R {
    const frames = this.#frames;
    const depth = frames.length;
    const outer = depth > 0 ? frames[depth - 1] : null;
    // Nor is what nobody measures, as filling with random numbers, part of the next operation.
    joinWorkers();
    // While a backward pass runs everything belongs to it: what rules call, and the adding up of gradients.
    const during = currentPass() === null ? phase : 'backward';
    const frame: Frame = { name, phase: outer?.phase ?? during, start: now(), bytes: 0, flops: 0 };
    frames.push(frame);
    let done: Work = NO_WORK;
    try {
      const result = body();
      // What workers are still at is part of it.
      joinWorkers();
      done = work?.(result) ?? NO_WORK;
      return result;
    } finally {
      frames.length = depth;
      const end = now();
      // A composition did what its parts did; a kernel did what its operands say, and may have a part that is an operation.
      const bytes = Math.max(frame.bytes, done.bytes);
      const flops = Math.max(frame.flops, done.flops);
      if (outer !== null) {
        outer.bytes += bytes;
        outer.flops += flops;
      } else this.#count(frame, end - frame.start, bytes, flops);
      if (this.events.length < this.#limit) {
        const { start } = frame;
        const event = { name, phase: frame.phase, start: start - this.begin, duration: end - start, depth };
        this.events.push({ ...event, bytes, flops, shapes: done.shapes });
      } else this.dropped += 1;
    }
  }

  #count({ name, phase }: Frame, time: number, bytes: number, flops: number): void {
    const key = `${phase} ${name}`;
    const row = this.#rows.get(key) ?? { name, phase, calls: 0, time: 0, bytes: 0, flops: 0 };
    this.#rows.set(key, {
      ...row,
      calls: row.calls + 1,
      time: row.time + time,
      bytes: row.bytes + bytes,
      flops: row.flops + flops,
    });
  }

  /** What took longest first. */
  rows(): readonly Row[] {
    return [...this.#rows.values()].sort((a, b) => b.time - a.time);
  }
}
