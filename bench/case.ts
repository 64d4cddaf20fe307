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

/**
 * A bound that the median should keep: a number, a share of the speed of another case in the same run, or so many times
 * what a peer needs, of time or of memory.
 */
export type Goal =
  | { readonly atMost: number }
  | { readonly atLeast: number }
  | { readonly share: number; readonly of: string }
  | { readonly times: number; readonly peer: string };

/** PyTorch's time, or memory, as often as that at most. */
export const ofPyTorch = (times: number): Goal => ({ times, peer: 'PyTorch' });

export interface Case {
  readonly name: string;
  readonly unit: Unit;
  /** Operations, bytes, elements or floating point operations of one call. */
  readonly work: number;
  readonly goals?: readonly Goal[];
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

/** What a second thread should bring where there is work enough for it. */
const GAIN = 1.7;

/** The same cases on two threads, held to what the peers need of so many and, where they are large, to a gain. */
export function onTwoThreads(cases: readonly Case[], isLarge: (c: Case) => boolean = () => true): Case[] {
  return cases.map((c) => {
    const goals = (c.goals ?? []).filter((goal) => 'times' in goal);
    return {
      ...c,
      name: `${c.name}, 2 threads`,
      threads: 2,
      goals: isLarge(c) ? [...goals, { share: GAIN, of: c.name }] : goals,
    };
  });
}

/** The number to print for a call that took so long. */
export function value(c: Pick<Case, 'unit' | 'work'>, nanoseconds: number): number {
  const unit = UNITS[c.unit];
  return unit.rate ? c.work / nanoseconds : nanoseconds / c.work / unit.nanoseconds;
}
