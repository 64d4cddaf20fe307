/** Runs scenarios in processes of their own, so that memory is theirs alone. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildBeside } from '../build.ts';
import type { Run } from './recorder.ts';
import type { Scenario } from './scenario.ts';
import { LIMITS, problems } from './verdict.ts';

const TIME_LIMIT_MS = 45 * 60_000;

export const buildSoak = (folder: string): Promise<void> => buildBeside(folder, { soak: 'bench/soak/child.ts' });

export interface Result {
  readonly scenario: Scenario;
  /** Null if the process did not come to an end. */
  readonly run: Run | null;
  readonly problems: readonly string[];
}

export interface Options {
  readonly short: boolean;
  /** So many steps, if that is fewer than the scenario has. */
  readonly most?: number;
  /** What runs a program with `gc` in it. */
  readonly host?: string;
}

const NODE = `${process.execPath} --expose-gc`;

/** Runs one scenario of those built in `folder`. */
export function runAlone(folder: string, scenario: Scenario, options: Options): Result {
  const { short, most = Number.POSITIVE_INFINITY, host = NODE } = options;
  const [command = '', ...args] = host.split(' ');
  const steps = Math.min(most, short ? scenario.shortSteps : scenario.steps);
  const done = spawnSync(
    command,
    [...args, join(folder, 'soak.js'), scenario.name, short ? 'short' : 'long', `${steps}`],
    {
      encoding: 'utf8',
      timeout: TIME_LIMIT_MS,
      maxBuffer: 64 * 2 ** 20,
      // The same bits on every machine.
      env: { ...process.env, NABLA_BLAS: 'off', NODE_OPTIONS: '' },
    },
  );
  if (done.status !== 0) {
    const why = done.error?.message ?? done.signal ?? `exit code ${done.status}`;
    // The library is one long line, which Node quotes.
    const said = done.stderr.split('\n').filter((line) => line.length < 1000);
    return { scenario, run: null, problems: [`the process ended with ${why}\n${said.join('\n')}`] };
  }
  const run = JSON.parse(done.stdout) as Run;
  return { scenario, run, problems: problems(run, { ...LIMITS, ...scenario.limits }) };
}
