import type { Tensor } from 'nabla';
import { expect } from 'vitest';
import { type Shape, valuesOf } from './numbers.ts';

export interface Tolerance {
  /** Largest allowed |a − b| / max(1, |a|, |b|). */
  readonly tol?: number;
  readonly what?: string;
}

function near(a: number, b: number, tol: number): boolean {
  if (Object.is(a, b) || a === b) return true;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return Number.isNaN(a) && Number.isNaN(b);
  return Math.abs(a - b) <= tol * Math.max(1, Math.abs(a), Math.abs(b));
}

/** Fails unless two lists of numbers agree. */
export function expectNear(actual: readonly number[], expected: readonly number[], options: Tolerance = {}): void {
  const { tol = 1e-10, what = 'values' } = options;
  const at = actual.findIndex((a, i) => !near(a, expected[i], tol));
  if (at < 0 && actual.length === expected.length) return;
  const around = (list: readonly number[]): string =>
    `${list.length} numbers, from ${Math.max(0, at)}: ${list.slice(Math.max(0, at), at + 8).join(', ')}`;
  expect.fail(`${what}\n  got      ${around(actual)}\n  expected ${around(expected)}`);
}

/** Fails unless two tensors agree in shape, dtype and values. */
export function expectClose(actual: Tensor, expected: Tensor, options: Tolerance = {}): void {
  const what = options.what ?? 'tensors';
  expect(actual.shape, `shape of ${what}`).toEqual(expected.shape);
  expect(actual.dtype, `dtype of ${what}`).toBe(expected.dtype);
  expectNear(valuesOf(actual), valuesOf(expected), options);
}

/** Fails unless a tensor has this shape and these values in row-major order. */
export function expectValues(
  actual: Tensor | null | undefined,
  shape: Shape,
  values: readonly number[],
  options: Tolerance = {},
): void {
  if (actual === null || actual === undefined) expect.fail(`${options.what ?? 'tensor'} is ${actual}`);
  expect(actual.shape, `shape of ${options.what ?? 'tensor'}`).toEqual(shape);
  expectNear(valuesOf(actual), values, options);
}

type Constructor = abstract new (...args: never[]) => Error;

/** Fails unless `body` throws an error of this class whose message holds (or matches) `message`. */
export function expectError(body: () => unknown, type: Constructor, message: string | RegExp): void {
  let error: unknown;
  try {
    body();
  } catch (e) {
    error = e;
  }
  expect(error, `an error saying ${message}`).toBeInstanceOf(type);
  if (typeof message === 'string') expect((error as Error).message).toContain(message);
  else expect((error as Error).message).toMatch(message);
}
