/** What an entry in a table of elementwise functions is, and how one is used in the formula of another. */
import { substitute } from './dag.ts';
import { type Expr, lift, type Operand, type Rule, type ScalarFunction, type Sort, withDerivative } from './expr.ts';

export interface ElementwiseFunction {
  readonly fn: ScalarFunction;
  /** `none`: gradients do not pass, the function has no derivative to speak of. */
  readonly derivative: 'symbolic' | 'none' | Rule;
}

type Derivative = ElementwiseFunction['derivative'];

export function define(
  name: string,
  args: readonly Sort[],
  out: Expr,
  derivative: Derivative = 'symbolic',
): ElementwiseFunction {
  return { fn: { name, args, outs: [out] }, derivative };
}

const values = (n: number): Sort[] => new Array<Sort>(n).fill('value');
export const of1 = (name: string, out: Expr, derivative?: Derivative): ElementwiseFunction =>
  define(name, values(1), out, derivative);
export const of2 = (name: string, out: Expr, derivative?: Derivative): ElementwiseFunction =>
  define(name, values(2), out, derivative);
export const of3 = (name: string, out: Expr, derivative?: Derivative): ElementwiseFunction =>
  define(name, values(3), out, derivative);
export const of4 = (name: string, out: Expr, derivative?: Derivative): ElementwiseFunction =>
  define(name, values(4), out, derivative);

/** `f` of expressions, as part of a larger one: it keeps its derivative. */
export function call(f: ElementwiseFunction, ...args: readonly Operand[]): Expr {
  const xs = args.map(lift);
  const [out] = substitute(f.fn, xs);
  return typeof f.derivative === 'function' ? withDerivative(out, xs, f.derivative) : out;
}
