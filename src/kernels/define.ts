/** What an entry in a table of elementwise functions is, and how one is used in the formula of another. */
import { substitute } from './dag.ts';
import { type Expr, lift, type Operand, type Rule, type ScalarFunction, type Sort, withDerivative } from './expr.ts';

export interface ElementwiseFunction {
  readonly fn: ScalarFunction;
  /** `none`: gradients do not pass, the function has no derivative to speak of. */
  readonly derivative: 'symbolic' | 'none' | Rule;
}

type Derivative = ElementwiseFunction['derivative'];

/** A function of one result, whose expression is put together when somebody asks for it. */
class Formula implements ScalarFunction {
  readonly name: string;
  readonly args: readonly Sort[];
  #formula: (() => Expr) | null;
  #outs: readonly Expr[] = [];

  constructor(name: string, args: readonly Sort[], formula: () => Expr) {
    this.name = name;
    this.args = args;
    this.#formula = formula;
  }

  get outs(): readonly Expr[] {
    if (this.#formula !== null) {
      this.#outs = [this.#formula()];
      this.#formula = null;
    }
    return this.#outs;
  }
}

export function define(
  name: string,
  args: readonly Sort[],
  formula: () => Expr,
  derivative: Derivative = 'symbolic',
): ElementwiseFunction {
  return { fn: new Formula(name, args, formula), derivative };
}

const values = (n: number): Sort[] => new Array<Sort>(n).fill('value');
export const of1 = (name: string, formula: () => Expr, derivative?: Derivative): ElementwiseFunction =>
  define(name, values(1), formula, derivative);
export const of2 = (name: string, formula: () => Expr, derivative?: Derivative): ElementwiseFunction =>
  define(name, values(2), formula, derivative);
export const of3 = (name: string, formula: () => Expr, derivative?: Derivative): ElementwiseFunction =>
  define(name, values(3), formula, derivative);
export const of4 = (name: string, formula: () => Expr, derivative?: Derivative): ElementwiseFunction =>
  define(name, values(4), formula, derivative);

/** `f` of expressions, as part of a larger one: it keeps its derivative. */
export function call(f: ElementwiseFunction, ...args: readonly Operand[]): Expr {
  const xs = args.map(lift);
  const [out] = substitute(f.fn, xs);
  return typeof f.derivative === 'function' ? withDerivative(out, xs, f.derivative) : out;
}
