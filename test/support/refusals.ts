import { type DType, type NablaError, type Tensor, tensor, zeros } from 'nabla';
import { describe, it } from 'vitest';
import { expectError } from './close.ts';

/** Zeros whose shape the compiler does not know, so that it lets wrong calls through. */
export const z = (shape: readonly number[], dtype: DType = 'float32'): Tensor => zeros(shape, { dtype });
export const index = (...values: number[]): Tensor => tensor(values, { dtype: 'int32' });
/** An argument of a type that the compiler would refuse. */
export const wrong = (x: unknown): never => x as never;

export type Refusal = readonly [what: string, call: () => unknown, type: typeof NablaError, message: string | RegExp];

/** A test for each call that is refused, with a class of errors and a part of its message. */
export function refusals(groups: Readonly<Record<string, readonly Refusal[]>>): void {
  for (const [name, calls] of Object.entries(groups)) {
    describe(name, () => {
      for (const [what, call, type, message] of calls) it(what, () => expectError(call, type, message));
    });
  }
}
