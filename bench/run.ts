/**
 * `npm run bench` measures every case and writes `results.json` and `RESULTS.md` beside this file.
 *
 *     npm run bench -- matmul sum     the cases whose names contain one of the words; nothing is written
 *     npm run bench -- types          what compile-time shapes cost the type checker
 *     npm run bench -- --rounds 5 --time 500 --no-torch
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAll, out } from './build.ts';
import { cases } from './cases/index.ts';
import { torchRound } from './pytorch.ts';
import { type Measured, machine, rows, save, text } from './report.ts';
import { startupCases, startupRound } from './startup.ts';
import { benchTypes } from './types.ts';

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    rounds: { type: 'string', default: '3' },
    /** Milliseconds per case and round. */
    time: { type: 'string', default: '200' },
    torch: { type: 'boolean', default: true },
  },
});
const rounds = Number(options.rounds);
const milliseconds = Number(options.time);
if (!(rounds >= 1) || !(milliseconds >= 1)) throw new Error('--rounds and --time take positive numbers');

/** Processes of a startup round: ten at least in all. */
const processes = Math.max(4, Math.ceil(10 / rounds));

/** Samples in nanoseconds per call. */
function workerRound(name: string): number[] {
  const done = spawnSync(process.execPath, [join(out, 'worker.js'), name, String(milliseconds)], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`the case “${name}” failed:\n${done.stderr}`);
  return JSON.parse(done.stdout) as number[];
}

function note(round: number, what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\rround ${round} of ${rounds}: ${what.padEnd(60)}`);
}

async function benchCases(): Promise<void> {
  const chosen = ({ name }: { readonly name: string }): boolean =>
    words.length === 0 || words.some((word) => name.includes(word));
  const inProcess = cases.filter(chosen);
  const atStart = startupCases.filter(chosen);
  const all: (Measured & { readonly rounds: number[][]; readonly torch: (readonly number[])[] })[] = [
    ...inProcess,
    ...atStart,
  ].map((c) => ({ ...c, rounds: [], torch: [] }));
  if (all.length === 0) throw new Error(`no case has ${words.join(' or ')} in its name`);
  await buildAll();

  let version: string | null = null;
  for (let round = 1; round <= rounds; round++) {
    let started: ReadonlyMap<string, number[]> | null = null;
    if (atStart.length > 0) {
      note(round, 'startup');
      started = startupRound(processes);
    }
    for (const c of all) {
      note(round, c.name);
      c.rounds.push(started?.get(c.name) ?? workerRound(c.name));
    }
    if (!options.torch) continue;
    note(round, 'PyTorch');
    const torch = torchRound(
      inProcess.map((c) => c.name),
      milliseconds,
    );
    version = torch?.version ?? null;
    for (const c of all) {
      const samples = torch?.samples[c.name];
      if (samples !== undefined) c.torch.push(samples);
    }
  }
  note(rounds, 'done\n');

  const table = rows(all);
  const m = machine(version);
  console.log(
    `${m.cpu}, ${m.cores} cores; Node ${m.node}${version === null ? '' : `, PyTorch ${version}`}; one thread\n`,
  );
  console.log(text(table));
  if (words.length === 0) save(table, m);
}

if (words.length === 1 && words[0] === 'types') await benchTypes(rounds);
else await benchCases();
