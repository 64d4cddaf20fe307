/** What expressions are made of: functions, or instructions alone. */
import { topological } from '../../kernels/dag.ts';
import { type Expr, operands } from '../../kernels/expr.ts';

/** Operations of one instruction or few; the others are polynomials and calls. */
const CHEAP: ReadonlySet<string> = new Set<Expr['op']>([
  ...(['neg', 'abs', 'sqrt', 'floor', 'ceil', 'trunc', 'round', 'add', 'sub', 'mul', 'div', 'min', 'max'] as const),
  ...(['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'and', 'or', 'xor', 'not', 'select'] as const),
]);

/** Whether expressions contain functions that take more than an instruction or two: only those multiply and add in one step. */
export const hasFunctions = (exprs: readonly Expr[]): boolean =>
  topological(exprs, operands).some(({ op }) => op !== 'arg' && op !== 'const' && !CHEAP.has(op));

/** What expressions cost, roughly, in instructions per vector: chooses how far loops are unrolled. */
export function weight(exprs: readonly Expr[]): number {
  const seen = new Set<Expr>();
  const stack = [...exprs];
  let cost = 0;
  for (let e = stack.pop(); e !== undefined; e = stack.pop()) {
    if (seen.has(e)) continue;
    seen.add(e);
    if (e.op === 'arg' || e.op === 'const') continue;
    cost += CHEAP.has(e.op) ? 1 : 12;
    stack.push(...operands(e));
  }
  return cost;
}
