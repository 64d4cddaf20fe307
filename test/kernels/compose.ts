/** Derived functions as closed functions, so that they can be evaluated, differenced and derived again. */
import { substitute, topological } from '../../src/kernels/dag.ts';
import type { ElementwiseFunction } from '../../src/kernels/define.ts';
import { type Derived, deriveJvp, deriveVjp } from '../../src/kernels/derive.ts';
import { type Expr, operands, type ScalarFunction, withDerivative } from '../../src/kernels/expr.ts';

/** The function with its derivative by hand, if it has one, inside. */
export function closed(f: ElementwiseFunction): ScalarFunction {
  const { fn, derivative } = f;
  if (typeof derivative !== 'function') return fn;
  const args = fn.args.map((sort, index): Expr => ({ op: 'arg', sort, index }));
  return { ...fn, outs: fn.outs.map((e) => withDerivative(e, args, derivative)) };
}

/** A derived function of the arguments of `fn` followed by the seeds: its outputs computed, not given. */
function inlined(fn: ScalarFunction, derived: Derived, seeds: number): ScalarFunction {
  const n = fn.args.length;
  const given = derived.sources.map(({ kind, index }): Expr => {
    if (kind === 'output') return fn.outs[index];
    if (kind === 'primal') return { op: 'arg', sort: fn.args[index], index };
    return { op: 'arg', sort: 'value', index: n + index };
  });
  const args = [...fn.args, ...new Array<'value'>(seeds).fill('value')];
  return { name: derived.fn.name, args, outs: substitute(derived.fn, given) };
}

const all = (fn: ScalarFunction): boolean[] => fn.args.map(() => true);

/** (x, ȳ) ↦ x̄ */
export const pullback = (fn: ScalarFunction, wanted: readonly boolean[] = all(fn)): ScalarFunction =>
  inlined(fn, deriveVjp(fn, wanted), fn.outs.length);

/** (x, ẋ) ↦ ẏ */
export const pushforward = (fn: ScalarFunction, active: readonly boolean[] = all(fn)): ScalarFunction =>
  inlined(fn, deriveJvp(fn, active), fn.args.length);

/** How many nodes a function has, a shared one counted once. */
export const nodes = (fn: ScalarFunction): number => topological(fn.outs, operands).length;
