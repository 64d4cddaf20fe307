/** Whether a run was in order. */
import { median } from '../statistics.ts';
import type { Run, Sample } from './recorder.ts';
import type { Limits } from './scenario.ts';

export const MB = 2 ** 20;

export const LIMITS: Limits = {
  resident: 48,
  heap: 24,
  buffers: 24,
  linear: 4,
  leak: 2,
  leakedBuffers: 2,
  ceiling: 512,
};

type Figure = keyof Sample;

export const NAMES: Readonly<Record<Figure, string>> = {
  resident: 'resident memory',
  heap: 'JavaScript’s heap',
  buffers: 'ArrayBuffers',
  linear: 'linear memory',
};

/** The median of the second quarter of a run and of its last, and the most there was, in MB. */
export function course(run: Run, figure: Figure): { readonly second: number; readonly last: number; peak: number } {
  const values = run.samples.map((s) => s[figure] / MB);
  const quarter = values.length / 4;
  return {
    second: median(values.slice(Math.floor(quarter), Math.floor(2 * quarter))),
    last: median(values.slice(Math.floor(3 * quarter))),
    peak: Math.max(...values),
  };
}

const mb = (x: number): string => `${x.toFixed(1)} MB`;

/** What was wrong with a run, nothing if it was in order. */
export function problems(run: Run, limits: Limits): string[] {
  const found = [...run.failures];
  if (run.failed > found.length) found.push(`${run.failed - found.length} more failures`);
  if (run.compared === 0) found.push('no values were compared');
  // Medians of quarters mean little where there are few.
  if (run.samples.length < 40) found.push(`memory was looked at ${run.samples.length} times only`);
  for (const figure of ['resident', 'heap', 'buffers', 'linear'] as const) {
    const { second, last } = course(run, figure);
    if (!(last - second <= limits[figure]))
      found.push(
        `${NAMES[figure]} grew from ${mb(second)} to ${mb(last)}: more than the ${limits[figure]} MB that are allowed`,
      );
  }
  const [first, end] = run.settled;
  if (first === undefined || end === undefined) found.push('the run did not reach its end');
  else {
    for (const [figure, limit] of [
      ['heap', limits.leak],
      ['buffers', limits.leakedBuffers],
    ] as const) {
      const growth = (end[figure] - first[figure]) / MB;
      if (!(growth <= limit))
        found.push(
          `${NAMES[figure]}, garbage collected, grew by ${mb(growth)} from ${mb(first[figure] / MB)}: more than the ${limit} MB that are allowed`,
        );
    }
  }
  const { peak } = course(run, 'resident');
  if (!(peak <= limits.ceiling)) found.push(`resident memory reached ${mb(peak)}: more than ${limits.ceiling} MB`);
  return found;
}
