/** What a long run says of itself, and what it is given to report to. */

/** In MB: how much memory may grow after the first quarter of a run, and what the process may hold at most. */
export interface Limits {
  /** Resident memory, between the medians of the second and the last quarter. Collectors let garbage stand. */
  readonly resident: number;
  /** JavaScript's heap, and bytes of ArrayBuffers (evicted tensors among them): likewise. */
  readonly heap: number;
  readonly buffers: number;
  /** The linear memory: likewise. */
  readonly linear: number;
  /** Heap, and ArrayBuffers, with all garbage collected, between the end of the first quarter and of the last. */
  readonly leak: number;
  readonly leakedBuffers: number;
  /** Resident memory at any time. */
  readonly ceiling: number;
}

/** What a scenario reports to. */
export interface Soak {
  readonly steps: number;
  readonly short: boolean;
  /** To be called after every step, counted from 0: looks at memory now and then. */
  after(step: number): void;
  /** Notes that values must be the same to the bit (NaN is NaN). */
  equal(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void;
  /** Notes that values must agree within `tolerance`, of their size where that is above 1. */
  near(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void;
  /** Notes that something must be so. */
  holds(what: string, fact: boolean): void;
}

export interface Scenario {
  readonly name: string;
  /** Steps of the long run, and of the short one that tests make. */
  readonly steps: number;
  readonly shortSteps: number;
  /** Where they differ from those of most scenarios. */
  readonly limits?: Partial<Limits>;
  run(soak: Soak): void | Promise<void>;
}
