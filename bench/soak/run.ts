/**
 * `npm run soak` makes long runs, each in a process of its own: memory must stay flat and values right.
 *
 *     npm run soak                      all of them, for as long as they are meant to be
 *     npm run soak -- --short           all of them, a few seconds each, as in the tests
 *     npm run soak -- --only NAME       those whose names contain NAME; may be given several times
 *     npm run soak -- --steps 100000    all of them, with no more steps than that
 *     npm run soak -- --host 'bun --expose-gc'
 *                                       under another host than this one; for Deno 'deno run -A --v8-flags=--expose-gc'
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../build.ts';
import { buildSoak, type Result, runAlone } from './process.ts';
import { scenarios } from './scenarios/index.ts';
import { course, MB } from './verdict.ts';

const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    steps: { type: 'string', default: 'Infinity' },
    host: { type: 'string' },
  },
});

const HEAD = [
  'scenario',
  'steps',
  's',
  'values',
  'resident',
  'peak',
  'JS heap',
  'buffers',
  'linear',
  'evicted',
  'restored',
  '',
];

function cells({ scenario, run, problems }: Result): string[] {
  if (run === null) return [scenario.name, '', '', '', '', '', '', '', '', '', '', 'FAILED'];
  const between = (a: number, b: number): string => `${a.toFixed(0)} → ${b.toFixed(0)}`;
  const resident = course(run, 'resident');
  const linear = course(run, 'linear');
  const [first, end] = run.settled;
  const settled = (figure: 'heap' | 'buffers'): string =>
    first === undefined || end === undefined
      ? ''
      : `${(first[figure] / MB).toFixed(1)} → ${(end[figure] / MB).toFixed(1)}`;
  return [
    scenario.name,
    run.steps.toLocaleString('en'),
    run.seconds.toFixed(1),
    run.compared.toLocaleString('en'),
    between(resident.second, resident.last),
    resident.peak.toFixed(0),
    settled('heap'),
    settled('buffers'),
    between(linear.second, linear.last),
    run.stats.evictions.toLocaleString('en'),
    run.stats.restores.toLocaleString('en'),
    problems.length === 0 ? 'in order' : 'FAILED',
  ];
}

function table(results: readonly Result[]): string {
  const rows = [HEAD, ...results.map(cells)];
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const pad = (cell: string, i: number): string =>
    i === 0 || i === HEAD.length - 1 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0);
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

const chosen = scenarios.filter(({ name }) => options.only.length === 0 || options.only.some((o) => name.includes(o)));
if (chosen.length === 0) throw new Error(`no scenario is called ${options.only.join(' or ')}`);
const folder = join(root, 'out', options.short ? 'soak-short' : 'soak');
await buildSoak(folder);
const how = {
  short: options.short,
  most: Number(options.steps),
  ...(options.host === undefined ? {} : { host: options.host }),
};
const results: Result[] = [];
for (const scenario of chosen) {
  const result = runAlone(folder, scenario, how);
  for (const problem of result.problems) console.error(`${scenario.name}: ${problem}`);
  console.error(cells(result).join('  '));
  results.push(result);
}
console.log(
  `Memory in MB: resident and linear memory as medians of the second and the last quarter of a run, JavaScript’s
heap and ArrayBuffers with all garbage collected after the first quarter and at the end.\n`,
);
console.log(table(results));
if (results.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
