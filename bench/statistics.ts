/** What is reported of a case, in nanoseconds per call. */
export interface Timing {
  readonly median: number;
  readonly best: number;
  /** The quartiles: half of all samples lie between them. */
  readonly low: number;
  readonly high: number;
  readonly mean: number;
  readonly samples: number;
}

/** The sample below which a share of all lie. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return quantile(
    samples.toSorted((a, b) => a - b),
    0.5,
  );
}

/**
 * Of the samples of each round. Rounds count alike however many samples each has: a quantile is the
 * median of the rounds' own, so that one round in a bad minute does not move it.
 */
export function timing(rounds: readonly (readonly number[])[]): Timing {
  const sorted = rounds.map((round) => round.toSorted((a, b) => a - b));
  const over = (share: number): number => median(sorted.map((round) => quantile(round, share)));
  return {
    median: over(0.5),
    best: Math.min(...sorted.map((round) => round[0] ?? Number.POSITIVE_INFINITY)),
    low: over(0.25),
    high: over(0.75),
    mean: median(sorted.map((round) => round.reduce((sum, x) => sum + x, 0) / round.length)),
    samples: sorted.reduce((sum, round) => sum + round.length, 0),
  };
}
