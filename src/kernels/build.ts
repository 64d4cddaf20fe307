/** From a user's function of scalars to a `ScalarFunction`: it is called once, with symbols. */
import { kindOf } from '../core/arguments.ts';
import { ArgumentError } from '../core/errors.ts';
import { arg, type ScalarFunction } from './expr.ts';
import { Scalar, type ScalarLike, ScalarMask } from './scalar.ts';

export { Scalar, type ScalarLike, ScalarMask };

/** `a` where the condition holds, else `b`: for use inside `elementwise` functions, in the place of `if` and `?:`. */
export function where(condition: ScalarMask, a: ScalarLike, b: ScalarLike): Scalar {
  if (!(condition instanceof ScalarMask))
    throw new ArgumentError(
      `elementwise: where(condition, a, b) takes a comparison such as x.gt(0) first, got ${typeof condition}`,
    );
  return condition.where(a, b);
}

/** What a user's function of scalars may return: one value, or a fixed number of them. */
export type ScalarResult = Scalar | readonly Scalar[];

/**
 * Runs `f` once on `arity` symbols and returns what it computes. What `f` does besides (branches on
 * outer variables, loops) happens now and not per element.
 */
export function trace(f: (...xs: readonly Scalar[]) => ScalarResult, arity: number, name: string): ScalarFunction {
  if (typeof f !== 'function') throw new ArgumentError(`elementwise: expected a function of Scalars, got ${typeof f}`);
  if (!Number.isInteger(arity) || arity < 1)
    throw new ArgumentError(
      'elementwise: the function needs at least one named parameter (rest and default parameters are not counted; give their number as the third argument)',
    );
  const result: unknown = f(...Array.from({ length: arity }, (_, i) => new Scalar(arg(i))));
  const several = Array.isArray(result) && result.length > 0;
  const outs = (several ? result : [result]).map((y: unknown) => {
    if (y instanceof Scalar) return y.expr;
    throw new ArgumentError(
      `elementwise: ${name === '' ? 'the function' : name} must return a Scalar or an array of them, but returned ${several ? 'an array with ' : ''}${returned(y)}`,
    );
  });
  return {
    name: name === '' ? 'elementwise' : name,
    args: Array.from({ length: arity }, () => 'value' as const),
    outs,
  };
}

function returned(result: unknown): string {
  if (result instanceof ScalarMask) return 'a comparison; give it values with .where(1, 0)';
  if (result === undefined) return 'nothing; is a return missing?';
  if (result instanceof Promise) return 'a promise; the function must not be async';
  if (typeof result === 'number') return `the number ${result}; use the methods of Scalar, not operators or Math`;
  if (Array.isArray(result)) return 'an array without elements';
  return `${kindOf(result)}; use the methods of Scalar`;
}
