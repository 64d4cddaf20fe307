/** What the tests of compile-time shapes say, to the compiler and, where there is a value, at run time. */
import type { Tensor } from 'nabla';
import { expect } from 'vitest';

type Shape = readonly number[];
type Writable<S extends Shape> = { -readonly [K in keyof S]: S[K] };

/** Exactly one type: `any`, `number` and literals are told apart. */
type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;

/** The compiler must know exactly this shape, and the tensor must have it. */
export function shaped<X extends Tensor, const S extends Shape>(
  x: X,
  shape: Same<X, Tensor<Writable<S>>> extends true ? S : readonly ['this is a', NoInfer<X>],
): void {
  expect(x.shape).toEqual(shape);
}

/** The compiler must know exactly this type. */
export function is<Expected>() {
  return <X>(x: X, ..._: Same<X, Expected> extends true ? [] : readonly ['this is a', X]): X => x;
}

/** A mistake, marked as one for the compiler with `@ts-expect-error`: at run time it must be an error too. */
export function wrong(mistake: () => unknown): void {
  expect(mistake).toThrow();
}

/** Code for the compiler only. */
export function compiled(_: () => unknown): void {
  // Never called.
}
