/** Runs a random program: at every step something is done, and something is looked at. */
import { setCacheLimit, setDeterministic } from 'nabla';
import type { Soak } from '../scenario.ts';
import type { Action } from './results.ts';
import { type Pool, press, World } from './world.ts';

const KB = 1024;

export interface Program {
  readonly seed: number;
  readonly pools: ConstructorParameters<typeof World>[2];
  /** What may be done, each with how often. */
  readonly actions: readonly (readonly [action: Action, weight: number])[];
  /** Bytes; one of them holds at a time. */
  readonly caches: readonly number[];
}

export function runProgram(soak: Soak, { seed, pools, actions, caches }: Program): void {
  const world = new World(soak, seed, pools);
  const bag = actions.flatMap(([action, weight]) => new Array<Action>(weight).fill(action));
  // Small ones more often: they cost less, and there are more of them.
  const often: readonly Pool[] = world.pools.flatMap((pool) =>
    new Array<Pool>(Math.max(1, Math.round(4096 / Math.sqrt(pool.size)))).fill(pool),
  );
  let cache = caches[0] as number;
  setCacheLimit(cache);
  for (let step = 0; step < soak.steps; step++) {
    world.now = step;
    world.oneOf(bag)(world, world.oneOf(often));
    const pool = world.oneOf(often);
    world.check(world.oneOf(pool.cells));
    if (step % 50 === 49) {
      cache = world.oneOf(caches);
      if (world.below(2) === 0) press(cache);
      else setCacheLimit(cache);
    }
    if (step % 200 === 199) setDeterministic(world.below(2) === 0);
    // All in sequence: what a cache that is too small likes least.
    if (step % 1000 === 999) world.checkAll();
    soak.after(step);
  }
  world.checkAll();
}

export const kb = (n: number): number => n * KB;
