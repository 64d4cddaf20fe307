/** The table of a run, as text, Markdown and JSON. */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { findBlas, nameOf } from '../src/backends/wasm/blas/library.ts';
import { root } from './build.ts';
import { UNITS, type Unit, value } from './case.ts';
import { type Measured, number, type Verdict, verdict } from './goals.ts';
import { type Timing, timing } from './statistics.ts';

interface Row extends Verdict {
  readonly name: string;
  readonly unit: Unit;
  readonly median: number;
  readonly best: number;
  readonly quartiles: readonly [number, number];
  /** Each peer's median, and this library's time (or memory) in units of the peer's: by the medians and by the best. */
  readonly peers: Readonly<
    Record<string, { readonly median: number; readonly ratio: number; readonly ratioAtBest: number }>
  >;
  /** Per call. */
  readonly nanoseconds: Timing;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** The load average when the run began and ended: how many processes wanted the cores, this one included. */
  readonly load: readonly [number, number];
  readonly rounds: number;
  /** Of each case in each round. */
  readonly milliseconds: number;
  readonly node: string;
  readonly v8: string;
  /** The system's BLAS, and the kernels it was told to use; null if none was found. */
  readonly blas: string | null;
  /** Versions by name. */
  readonly peers: Readonly<Record<string, string>>;
  readonly date: string;
}

export const loadNow = (): number => Number(loadavg()[0]?.toFixed(1));

export function machine(run: Pick<Machine, 'load' | 'rounds' | 'milliseconds' | 'peers'>): Machine {
  const blas = findBlas();
  const { OPENBLAS_CORETYPE } = process.env;
  // A peer that brings kernels of its own does not heed it.
  const coreType = OPENBLAS_CORETYPE === undefined ? '' : ` with OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE}`;
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    node: process.versions.node,
    v8: process.versions.v8,
    blas: typeof blas === 'string' ? null : `${nameOf(blas)}${coreType}`,
    ...run,
    date: new Date().toISOString().slice(0, 10),
  };
}

export function rows(all: readonly Measured[]): Row[] {
  return all.map((c) => {
    const t = timing(c.rounds);
    const median = value(c, t.median);
    const peers = Object.entries(c.peers).map(([name, rounds]) => {
      const { median, best } = timing(rounds);
      return [name, { median: value(c, median), ratio: t.median / median, ratioAtBest: t.best / best }] as const;
    });
    const quartiles = [value(c, t.low), value(c, t.high)] as const;
    return {
      name: c.name,
      unit: c.unit,
      median,
      best: value(c, t.best),
      quartiles: UNITS[c.unit].rate ? [quartiles[1], quartiles[0]] : quartiles,
      ...verdict(c, all),
      peers: Object.fromEntries(peers),
      nanoseconds: t,
    };
  });
}

const peersOf = (table: readonly Row[]): string[] => [...new Set(table.flatMap((row) => Object.keys(row.peers)))];

function cells(table: readonly Row[]): string[][] {
  const peers = peersOf(table);
  return [
    [
      'case',
      'unit',
      'median',
      'best',
      'quartiles',
      'goal',
      'holds',
      ...peers.flatMap((peer) => [peer, 'ratio', 'at best']),
    ],
    ...table.map((row) => [
      row.name,
      row.unit,
      number(row.median),
      number(row.best),
      row.quartiles.map(number).join(' – '),
      row.goal ?? '',
      row.holds ?? '',
      ...peers.flatMap((peer) => {
        const found = row.peers[peer];
        return found === undefined
          ? ['', '', '']
          : [number(found.median), found.ratio.toFixed(2), found.ratioAtBest.toFixed(2)];
      }),
    ]),
  ];
}

/** The geometric means of the ratios to each peer, apart for one thread and for more, in how many cases this library is ahead, and which goals were missed. */
export function summary(table: readonly Row[]): string {
  const mean = (ratios: readonly number[]): string =>
    Math.exp(ratios.reduce((sum, r) => sum + Math.log(r), 0) / ratios.length).toFixed(2);
  const alone = table.filter(({ name }) => !name.endsWith(' threads'));
  const together = table.filter((row) => !alone.includes(row));
  const lines = [
    ['one thread', alone],
    ['several threads', together],
  ] as const;
  const ratios = lines.flatMap(([how, part]) =>
    peersOf(part).map((peer) => {
      const found = part.flatMap((row) => row.peers[peer] ?? []);
      const ahead = found.filter(({ ratio }) => ratio < 1).length;
      return `- Nabla ÷ ${peer}, ${how}: ${mean(found.map(({ ratio }) => ratio))} in the geometric mean of ${found.length} cases (${mean(found.map(({ ratioAtBest }) => ratioAtBest))} at best), below 1 in ${ahead} of them.`;
    }),
  );
  const held = table.filter(({ holds }) => holds !== undefined);
  const missed = (how: Verdict['holds']): string[] => held.filter(({ holds }) => holds === how).map(({ name }) => name);
  const [atBest, not] = [missed('at best'), missed('no')];
  const kept = held.length - atBest.length - not.length;
  const list = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`- ${what}: ${names.map((name) => `“${name}”`).join(', ')}.`];
  return [
    ...ratios,
    ...(held.length === 0 ? [] : [`- Goals: ${kept} of ${held.length} cases keep all of theirs.`]),
    ...list('At best', atBest),
    ...list('Missed', not),
  ].join('\n');
}

/** Columns padded to a common width; text to the left, numbers to the right. */
function aligned(table: readonly (readonly string[])[], separator: string): string[] {
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
  return table.map((row) =>
    row
      .map((cell, i) => (NUMERIC.has(i) || i > LAST_TEXT ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join(separator),
  );
}

const NUMERIC: ReadonlySet<number> = new Set([2, 3, 4]);
/** Behind it stand the peers' numbers. */
const LAST_TEXT = 6;

export function text(table: readonly Row[]): string {
  return aligned(cells(table), '  ').join('\n');
}

const BUSY = `
**The machine had more work than cores while this was measured.** Times are those of a share of it, and both sides of a
ratio were measured in different minutes; read the ratios as hints. Where threads wait for each other in every
operation, as PyTorch's do, cases on several threads suffer most: one that finds no core costs a whole time slice.
`;

function markdown(table: readonly Row[], m: Machine): string {
  const [head = '', ...body] = aligned(cells(table), ' | ').map((line) => `| ${line} |`);
  const rule = head.replace(/[^|]/g, '-').replaceAll('|-', '| ').replaceAll('-|', ' |');
  return `# Benchmarks

Written by \`npm run bench\`: ${m.cpu}, ${m.cores} cores, load average ${m.load.join(' at the start and ')} at the end; Node ${m.node} (V8 ${m.v8})${Object.entries(
    m.peers,
  )
    .map(([name, version]) => `, ${name} ${version}`)
    .join(
      '',
    )}; BLAS: ${m.blas ?? 'none'}; ${m.date}. ${m.rounds} ${m.rounds === 1 ? 'round' : 'rounds'} of ${m.milliseconds} ms a case. One thread on each side unless a case says otherwise.
${Math.max(...m.load) > 1.5 * m.cores ? BUSY : ''}
Each case runs in processes of its own, in rounds, and the peers measure it in the seconds after. Before it counts it
runs for half a second, or for three if it is a step of training, until V8 has compiled all of it. Samples are batches
of about a millisecond, taken by tinybench (in Python by the clock). The median is that of the rounds' medians, and best
the fastest sample of all. PyTorch on several threads runs twice, with threads that sleep while they wait and with ones
that spin, and the faster way counts. A goal holds if the median keeps it, and holds “at best” if only the fastest sample does,
which is what a machine with more work than cores tends to show. “0.95 of” another case means its speed in the same run,
and on two threads “1.7 of” what the same work reaches on one, in the seconds before. A ratio is Nabla's time (or memory) divided by the
peer's, by the medians and by the fastest samples: below 1 Nabla is ahead. GB/s counts every stream, read or written;
matmul counts 2n³ operations.

${summary(table)}

${[head, rule, ...body].join('\n')}
`;
}

export function save(table: readonly Row[], m: Machine): void {
  writeFileSync(join(root, 'bench', 'results.json'), `${JSON.stringify({ machine: m, results: table }, null, 2)}\n`);
  writeFileSync(join(root, 'bench', 'RESULTS.md'), markdown(table, m));
}
