import { type Check, checks, type Outcome } from './check.ts';

interface Count {
  passed: number;
  failed: number;
  unsupported: number;
}

type Counts = Record<Check, Count>;

interface Failure {
  readonly op: string;
  readonly sample: string;
  readonly check: Check;
  readonly reason: string;
}

export interface Report {
  readonly totals: Counts;
  readonly ops: Record<string, Partial<Counts>>;
  readonly failures: Failure[];
  /** What is missing, and how many checks want it. */
  readonly unsupported: Record<string, number>;
  /** Error cases whose message has PyTorch's words, of those that pass. */
  readonly errorWords: { same: number; other: number };
}

const zero = (): Count => ({ passed: 0, failed: 0, unsupported: 0 });

export function summarize(outcomes: readonly Outcome[]): Report {
  const report: Report = {
    totals: Object.fromEntries(checks.map((c) => [c, zero()])) as Counts,
    ops: {},
    failures: [],
    unsupported: {},
    errorWords: { same: 0, other: 0 },
  };
  for (const { op, sample, check, status, reason = '', sameWords } of outcomes) {
    report.ops[op] ??= {};
    report.ops[op][check] ??= zero();
    report.ops[op][check][status] += 1;
    report.totals[check][status] += 1;
    if (status === 'failed') report.failures.push({ op, sample, check, reason });
    if (status === 'unsupported') report.unsupported[reason] = (report.unsupported[reason] ?? 0) + 1;
    if (sameWords !== undefined) report.errorWords[sameWords ? 'same' : 'other'] += 1;
  }
  return report;
}

const WIDTH = 13;
const cell = (count: Count | undefined): string =>
  (count === undefined ? '' : `${count.passed}/${count.failed}/${count.unsupported}`).padStart(WIDTH);

const short = (reason: string): string => (reason.length > 200 ? `${reason.slice(0, 200)}…` : reason);

/** The counts as a table, then every failure with its reason, then what is missing. */
export function format(report: Report): string {
  const ids = Object.keys(report.ops);
  // Operations that are not there at all would bury the others; they are counted below.
  const present = ids.filter((id) => Object.values(report.ops[id]).some((c) => c.passed + c.failed > 0));
  const first = Math.max(8, ...present.map((id) => id.length)) + 1;
  const row = (name: string, counts: Partial<Counts>): string =>
    `${name.padEnd(first)}${checks.map((c) => cell(counts[c])).join('')}`;
  const missing = Object.entries(report.unsupported).sort(([, a], [, b]) => b - a);
  const absent = missing.filter(([reason]) => /^no \w+\./.test(reason));
  const { same, other } = report.errorWords;
  return [
    'passed/failed/unsupported',
    `${''.padEnd(first)}${checks.map((c) => c.padStart(WIDTH)).join('')}`,
    ...present.map((id) => row(id, report.ops[id])),
    row('total', report.totals),
    '',
    ...report.failures.map((f) => `FAILED ${f.sample} ${f.check}: ${short(f.reason)}`),
    ...(report.failures.length > 0 ? [''] : []),
    `${present.length} of ${ids.length} operations; error messages in PyTorch's words: ${same} of ${same + other}`,
    `not in the library: ${absent.length} calls, wanted by ${absent.reduce((n, [, count]) => n + count, 0)} checks`,
    ...missing.filter((m) => !absent.includes(m)).map(([reason, count]) => `unsupported, ${count} checks: ${reason}`),
  ].join('\n');
}
