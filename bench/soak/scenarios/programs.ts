/**
 * Random programs over far more tensors than the cache holds. The first works on what is there: reads,
 * changes in place, views, gradients. The second makes results of results, whose inputs are then
 * changed, replaced, dropped and given other memory, by every way there is; what was made must stay.
 */
import type { Scenario } from '../scenario.ts';
import { changes } from '../world/changes.ts';
import { gradients } from '../world/gradients.ts';
import { kb, runProgram } from '../world/program.ts';
import { type Action, results } from '../world/results.ts';

const each = (actions: Readonly<Record<string, Action>>, weight: number): readonly (readonly [Action, number])[] =>
  Object.values(actions).map((action) => [action, weight]);

const data: Action = (world, pool) => {
  world.data(pool);
};

/** Pages of small storages, whole pages, and blocks of their own. */
const MANY = [
  [16, 16, 'float32', 400],
  [16, 16, 'float64', 200],
  [64, 64, 'float32', 100],
  [64, 80, 'float64', 60],
  [64, 256, 'float32', 60],
  [256, 256, 'float32', 12],
  [320, 256, 'float64', 6],
] as const;

/** Larger ones, which are worth computing again. */
const LARGE = [
  [32, 32, 'float32', 60],
  [64, 128, 'float32', 60],
  [128, 128, 'float64', 40],
  [256, 256, 'float32', 24],
  [320, 512, 'float32', 8],
  [512, 512, 'float64', 4],
] as const;

/** How much is alive, and how much of that is out of place, is for chance to say. */
const limits = { leakedBuffers: 24, buffers: 64, resident: 96, linear: 20 };

export const programs: readonly Scenario[] = [
  {
    name: 'live set larger than the cache',
    steps: 60_000,
    shortSteps: 1000,
    limits,
    run(soak) {
      runProgram(soak, {
        seed: 11,
        pools: MANY,
        actions: [[data, 10], ...each(changes, 6), ...each(gradients, 2), ...each(results, 1)],
        caches: [kb(1024), kb(2048), kb(4096)],
      });
    },
  },
  {
    name: 'results of results',
    steps: 60_000,
    // What is alive grows for some thousands of steps before it varies about a mean: a short run ends before that.
    shortSteps: 500,
    limits,
    run(soak) {
      runProgram(soak, {
        seed: 12,
        pools: LARGE,
        actions: [[data, 2], ...each(results, 3), ...each(changes, 3), ...each(gradients, 2)],
        caches: [kb(0), kb(256), kb(1024), kb(4096), kb(16384)],
      });
    },
  },
];
