/**
 * `npm run bench` measures every case, beside whatever peers are installed, and writes `results.json`
 * and `RESULTS.md` beside this file. tinybench takes the samples; warm-up and the statistics over rounds are ours.
 *
 *     npm run bench -- matmul sum          the cases whose names contain one of the words; nothing is written
 *     npm run bench -- --only 'sum 1k'     the case of this name; may be given several times
 *     npm run bench -- --quick             everything once and briefly, to see that it runs; nothing is written
 *     npm run bench -- types               what compile-time shapes cost the type checker
 *     npm run bench -- --threads 2         the cases on so many threads; nothing is written
 *     npm run bench -- --rounds 5 --time 500 --no-peers
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAll, out } from './build.ts';
import { cases } from './cases/index.ts';
import type { Measured } from './goals.ts';
import { peers } from './peers/index.ts';
import type { Session } from './peers/peer.ts';
import { loadNow, machine, rows, save, summary, text } from './report.ts';
import { startupCases, startupRound } from './startup.ts';
import { benchTypes } from './types.ts';

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    rounds: { type: 'string' },
    /** Milliseconds per case and round. */
    time: { type: 'string' },
    peers: { type: 'boolean', default: true },
    only: { type: 'string', multiple: true, default: [] },
    threads: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
const milliseconds = Number(options.time ?? (options.quick ? 10 : 200));
if (!(rounds >= 1) || !(milliseconds >= 1)) throw new Error('--rounds and --time take positive numbers');

/** Until what is called is compiled as well as it ever will be. */
const warmUp = options.quick ? 25 : 500;

/** Processes of a startup round: ten at least in all. */
const processes = options.quick ? 1 : Math.max(4, Math.ceil(10 / rounds));

/** Samples in nanoseconds per call. */
function workerRound(name: string): number[] {
  const done = spawnSync(process.execPath, [join(out, 'worker.js'), name, String(milliseconds), String(warmUp)], {
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`the case “${name}” failed:\n${done.stderr}`);
  return JSON.parse(done.stdout) as number[];
}

function note(round: number, what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\rround ${round} of ${rounds}: ${what.padEnd(60)}`);
}

async function startPeers(versions: Record<string, string>): Promise<{ name: string; session: Session }[]> {
  const started: { name: string; session: Session }[] = [];
  for (const { name, start } of peers) {
    const session = await start(milliseconds);
    if (session === null) continue;
    versions[name] = session.version;
    started.push({ name, session });
  }
  return started;
}

async function benchCases(): Promise<void> {
  const named = words.length > 0 || options.only.length > 0;
  const chosen = ({ name, threads = 1 }: { readonly name: string; readonly threads?: number }): boolean =>
    (!named || words.some((word) => name.includes(word)) || options.only.includes(name)) &&
    (options.threads === undefined || Number(options.threads) === threads);
  const inProcess = cases.filter(chosen);
  const atStart = startupCases.filter(chosen);
  const all = [...inProcess, ...atStart].map((c) => ({
    ...c,
    rounds: [] as number[][],
    peers: {} as Record<string, (readonly number[])[]>,
  })) satisfies Measured[];
  if (all.length === 0) {
    const called = named ? ` is called ${[...words, ...options.only].join(' or ')}` : '';
    const on = options.threads === undefined ? '' : ` on ${options.threads} threads`;
    throw new Error(`no case${called}${on}`);
  }
  const loadBefore = loadNow();
  await buildAll();

  // What goals refer to is measured just before, and one case after the other if they refer to the same.
  const refers = (to: Measured) => (c: Measured) => (c.goals ?? []).some((goal) => 'of' in goal && goal.of === to.name);
  const order = new Set(all.flatMap((c) => [...all.filter((other) => refers(other)(c)), c, ...all.filter(refers(c))]));
  const versions: Record<string, string> = {};
  for (let round = 1; round <= rounds; round++) {
    const beside = options.peers ? await startPeers(versions) : [];
    try {
      if (atStart.length > 0) note(round, 'startup');
      const started = atStart.length > 0 ? startupRound(processes) : null;
      for (const c of order) {
        note(round, c.name);
        c.rounds.push(started?.get(c.name) ?? workerRound(c.name));
        // The peers' samples come from the same seconds as the library's.
        for (const { name, session } of beside) {
          const samples = await session.measure(c);
          if (samples === null) continue;
          c.peers[name] ??= [];
          c.peers[name].push(samples);
        }
      }
    } finally {
      for (const { session } of beside) session.close();
    }
  }
  note(rounds, 'done\n');

  const table = rows(all);
  const m = machine({ load: [loadBefore, loadNow()], rounds, milliseconds, peers: versions });
  const names = Object.entries(versions).map(([name, version]) => `, ${name} ${version}`);
  console.log(
    `${m.cpu}, ${m.cores} cores, load ${m.load.join(' to ')}; Node ${m.node}${names.join('')}; BLAS: ${m.blas ?? 'none'}\n`,
  );
  console.log(text(table));
  console.log(`\n${summary(table)}`);
  if (!named && options.threads === undefined && !options.quick) save(table, m);
}

if (words.length === 1 && words[0] === 'types') await benchTypes(rounds);
else await benchCases();
