/** Derivatives of scalar functions against central differences. */
import { expect } from 'vitest';
import type { ElementwiseFunction } from '../../src/kernels/define.ts';
import type { ScalarFunction } from '../../src/kernels/expr.ts';
import * as functions from '../../src/kernels/functions.ts';
import { pullback, pushforward } from './compose.ts';
import { difference, interpret } from './interpret.ts';

/** The elementwise functions of the library by name. */
export const library: Readonly<Record<string, ElementwiseFunction>> = Object.fromEntries(
  Object.entries(functions).filter((e): e is [string, ElementwiseFunction] => typeof e[1] === 'object'),
);

/** A repeatable stream of numbers between 0 and 1 (mulberry32). */
export function uniform(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const close = (got: number, want: number, tol: number, what: string): void => {
  const error = Math.abs(got - want) / Math.max(1, Math.abs(want));
  expect(error, `${what}: got ${got}, want ${want}`).toBeLessThan(tol);
};

/** Checks the derivatives of `fn` at a point against central differences, and both modes against each other. */
export function check(fn: ScalarFunction, point: readonly number[], rand: () => number, tol: number): void {
  const values = fn.args.map((s, i) => (s === 'value' ? i : -1)).filter((i) => i >= 0);
  const seeds = fn.outs.map(() => rand() * 2 - 1);
  const direction = fn.args.map((s) => (s === 'value' ? rand() * 2 - 1 : 0));
  const weighted = (x: readonly number[]): number => interpret(fn, x).reduce((a, y, j) => a + y * seeds[j], 0);
  const grads = interpret(pullback(fn), [...point, ...seeds]);
  for (const i of values) close(grads[i], difference(weighted, point, i), tol, `${fn.name} ∂${i} at ${point}`);
  const tangents = interpret(pushforward(fn), [...point, ...direction]);
  const forward = tangents.reduce((a, t, j) => a + t * seeds[j], 0);
  const backward = grads.reduce((a, g, i) => a + g * direction[i], 0);
  close(forward, backward, 1e-11, `${fn.name}: jvp against vjp at ${point}`);
}
