/**
 * What a benchmark says of itself. The work of one call divided by its time gives a rate, the time
 * divided by the work a cost; the unit decides which, and with it whether more is better.
 */
export const UNITS = {
  ms: { rate: false, nanoseconds: 1e6 },
  µs: { rate: false, nanoseconds: 1e3 },
  'GB/s': { rate: true },
  'G elements/s': { rate: true },
  'GFLOP/s': { rate: true },
  /** Samples of memory are bytes where those of time are nanoseconds. */
  MB: { rate: false, nanoseconds: 1e6 },
} as const;

export type Unit = keyof typeof UNITS;

/** A bound that the median should keep: a number, or a share of what another case reaches in the same run. */
export type Goal = { readonly atMost: number } | { readonly atLeast: number } | { readonly share: number; of: string };

export interface Case {
  readonly name: string;
  readonly unit: Unit;
  /** Operations, bytes, elements or floating point operations of one call. */
  readonly work: number;
  readonly goal?: Goal;
  /** How many calls a process makes at least, where one is long. */
  readonly minCalls?: number;
  /** How many times as long as others it must run until all that it calls is compiled: engines count calls, of which it makes few. */
  readonly warmUps?: number;
  /** One by default. */
  readonly threads?: number;
  /** Measures the most memory that the process held instead of time, all of it or what came after the import. */
  readonly memory?: 'process' | 'above import';
  /** Prepares the operands and gives the call that is measured. */
  setup(): () => unknown;
}

/** Calls after which the peak of memory is read. */
export const STEPS_OF_MEMORY = 20;

/** The same cases on more threads. */
export function onThreads(threads: number, cases: readonly Case[]): Case[] {
  return cases.map(({ goal: _, ...c }) => ({ ...c, name: `${c.name}, ${threads} threads`, threads }));
}

/** The number to print for a call that took so long. */
export function value(c: Pick<Case, 'unit' | 'work'>, nanoseconds: number): number {
  const unit = UNITS[c.unit];
  return unit.rate ? c.work / nanoseconds : nanoseconds / c.work / unit.nanoseconds;
}
