/** Import and first gradient in fresh processes, beside processes that do nothing. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { out } from './build.ts';
import type { Goal, Unit } from './case.ts';

/** A case whose samples are whole processes; one call is one process. */
export interface StartupCase {
  readonly name: string;
  readonly unit: Unit;
  readonly work: 1;
  readonly goals?: readonly Goal[];
}

const goals: readonly Goal[] = [{ atMost: 60 }];
const SEEN = {
  total: { name: 'import + first gradient, seen from inside', unit: 'ms', work: 1, goals },
  wall: { name: 'import + first gradient, process minus bare node', unit: 'ms', work: 1, goals },
  import: { name: '  import alone', unit: 'ms', work: 1 },
  gradient: { name: '  first gradient alone, printed', unit: 'ms', work: 1 },
  bare: { name: '  bare node', unit: 'ms', work: 1 },
} as const satisfies Record<string, StartupCase>;

export const startupCases: readonly StartupCase[] = Object.values(SEEN);

/** Milliseconds of a process, and what it printed. */
function time(program: string): { readonly wall: number; readonly printed: string } {
  const start = performance.now();
  const done = spawnSync(process.execPath, [join(out, program)], { encoding: 'utf8' });
  const wall = performance.now() - start;
  if (done.status !== 0) throw new Error(`${program} failed:\n${done.stderr}`);
  return { wall, printed: done.stdout };
}

/** Nanoseconds by case, for `count` pairs of processes taken in turn. */
export function startupRound(count: number): Map<string, number[]> {
  const samples: Record<keyof typeof SEEN, number[]> = { total: [], wall: [], import: [], gradient: [], bare: [] };
  for (let i = 0; i < count; i++) {
    samples.bare.push(time('nothing.js').wall);
    const { wall, printed } = time('first-gradient.js');
    const inside = JSON.parse(printed.trim().split('\n').at(-1) ?? '') as Record<
      'total' | 'import' | 'gradient',
      number
    >;
    samples.wall.push(wall);
    for (const part of ['total', 'import', 'gradient'] as const) samples[part].push(inside[part]);
  }
  // The fastest start of all: what is left then flatters nobody.
  const bare = Math.min(...samples.bare);
  samples.wall = samples.wall.map((wall) => wall - bare);
  return new Map(
    Object.entries(SEEN).map(([key, c]) => [c.name, samples[key as keyof typeof SEEN].map((ms) => ms * 1e6)]),
  );
}
