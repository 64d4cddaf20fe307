import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const bin = join(root, 'node_modules', '.bin');

export interface Result {
  readonly ok: boolean;
  readonly stdout: string;
  /** Everything the command said, for a report of its failure. */
  readonly text: string;
}

/** Runs a command with the project's own tools first on the path, and waits for it. */
export function run(command: string, args: readonly string[], cwd: string = root): Result {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, NO_COLOR: '1' };
  const done = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 300_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = `${done.stdout ?? ''}${done.stderr ?? ''}${done.error ? `${done.error.message}\n` : ''}`;
  return { ok: done.status === 0, stdout: done.stdout ?? '', text };
}

/** Runs a command that the rest depends on: its failure ends the script. */
export function must(command: string, args: readonly string[], cwd?: string): Result {
  const done = run(command, args, cwd);
  if (!done.ok) throw new Error(`${command} ${args.join(' ')} failed:\n${done.text}`);
  return done;
}

/** Calls `f` with an empty folder that is gone afterwards. */
export async function withTempDir<T>(f: (dir: string) => T | Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'nabla-'));
  try {
    return await f(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Builds the package and packs it into `dir` as it would be published; gives the tarball's path. */
export function buildAndPack(dir: string): string {
  must('npm', ['run', '--silent', 'build']);
  must('npm', ['pack', '--silent', '--pack-destination', dir]);
  const tarball = readdirSync(dir).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm pack left no tarball');
  return join(dir, tarball);
}

/** Collects the outcome of named checks, printing each as it comes. */
export class Report {
  #failed = 0;

  add(name: string, ok: boolean, text = ''): void {
    console.log(`${ok ? '✓' : '✗'} ${name}`);
    if (!ok) {
      this.#failed++;
      console.log(text.trimEnd().replace(/^/gm, '    '));
    }
  }

  /** Makes the process exit non-zero if any check failed. */
  close(): void {
    if (this.#failed > 0) process.exitCode = 1;
  }
}
