import { kindOf } from '../core/arguments.ts';
import { ArgumentError } from '../core/errors.ts';

export type Fn<A extends readonly unknown[], R> = (...args: A) => R;
type Untyped = (...args: readonly unknown[]) => unknown;

/** The function to transform, without its types. */
export function untyped<A extends readonly unknown[], R>(transform: string, f: Fn<A, R>): Untyped {
  if (typeof f !== 'function') {
    throw new ArgumentError(
      `${transform}: expected a function of tensors, got ${kindOf(f)}; to differentiate a tensor that is computed already use y.backward() or autograd.grad(y, x)`,
    );
  }
  return f as unknown as Untyped;
}
