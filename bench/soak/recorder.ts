/** Records a run from within its process: memory in the course of it, and whether values were right. */
import { memoryStats } from 'nabla';
import type { Soak } from './scenario.ts';

const SAMPLES = 400;
/** Failures that are reported in full; the others are counted. */
const REPORTED = 8;

/** Bytes at one moment. */
export interface Sample {
  readonly resident: number;
  readonly heap: number;
  readonly buffers: number;
  readonly linear: number;
}

/** A run as its process tells it. */
export interface Run {
  readonly steps: number;
  readonly seconds: number;
  readonly samples: readonly Sample[];
  /** With all garbage collected: after the first quarter, and after the last. */
  readonly settled: readonly Sample[];
  /** Values compared. */
  readonly compared: number;
  readonly failed: number;
  readonly failures: readonly string[];
  readonly stats: ReturnType<typeof memoryStats>;
}

declare const gc: (() => void) | undefined;

export function sample(): Sample {
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { resident: rss, heap: heapUsed, buffers: arrayBuffers, linear: memoryStats().linearMemoryBytes };
}

/** V8 sweeps the buffers that a collection found dead on another thread and counts them off when the next collection begins. */
function settle(): Sample {
  if (gc === undefined) throw new Error('run with --expose-gc');
  gc();
  gc();
  return sample();
}

export class Recorder implements Soak {
  readonly steps: number;
  readonly short: boolean;
  readonly #samples: Sample[] = [];
  readonly #settled: Sample[] = [];
  readonly #failures: string[] = [];
  readonly #every: number;
  readonly #quarter: number;
  readonly #start = performance.now();
  #compared = 0;
  #failed = 0;

  constructor(steps: number, short: boolean) {
    this.steps = steps;
    this.short = short;
    this.#every = Math.max(1, Math.floor(steps / SAMPLES));
    this.#quarter = Math.floor(steps / 4);
  }

  after(step: number): void {
    if (step % this.#every === 0) this.#samples.push(sample());
    if (step === this.#quarter || step === this.steps - 1) this.#settled.push(settle());
  }

  equal(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
    this.#compare(what, actual, expected, Object.is);
  }

  near(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
    this.#compare(what, actual, expected, (a, b) => Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)));
  }

  holds(what: string, fact: boolean): void {
    this.#compared += 1;
    if (!fact) this.#fail(what);
  }

  /** What was recorded. */
  run(): Run {
    // What follows the last step counts as well.
    this.#samples.push(sample());
    return {
      steps: this.steps,
      seconds: (performance.now() - this.#start) / 1000,
      samples: this.#samples,
      settled: this.#settled,
      compared: this.#compared,
      failed: this.#failed,
      failures: this.#failures,
      stats: memoryStats(),
    };
  }

  #compare(
    what: string,
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    agree: (a: number, b: number) => boolean,
  ): void {
    this.#compared += expected.length;
    if (actual.length !== expected.length) {
      this.#fail(`${what}: ${actual.length} values instead of ${expected.length}`);
      return;
    }
    let wrong = 0;
    let first = -1;
    for (let i = 0; i < expected.length; i++) {
      if (agree(actual[i] as number, expected[i] as number)) continue;
      if (first < 0) first = i;
      wrong += 1;
    }
    if (wrong > 0) {
      this.#fail(
        `${what}: ${wrong} of ${expected.length} values are wrong; number ${first} is ${actual[first]} instead of ${expected[first]}`,
      );
    }
  }

  #fail(what: string): void {
    this.#failed += 1;
    if (this.#failures.length < REPORTED) this.#failures.push(what);
  }
}
