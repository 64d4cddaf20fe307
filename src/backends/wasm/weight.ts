/** What expressions are made of: functions, or instructions alone. */
import { topological } from '../../kernels/dag.ts';
import { type Expr, operands } from '../../kernels/expr.ts';

/** Operations of one instruction or few; the others are polynomials and calls. */
const CHEAP: ReadonlySet<string> = new Set<Expr['op']>([
  ...(['neg', 'abs', 'sqrt', 'floor', 'ceil', 'trunc', 'round', 'add', 'sub', 'mul', 'div', 'min', 'max'] as const),
  ...(['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'and', 'or', 'xor', 'not', 'select'] as const),
  ...(['bitAnd', 'bitOr', 'bitXor'] as const),
]);

/** Whether expressions contain functions that take more than an instruction or two: only those multiply and add in one step. */
export const hasFunctions = (exprs: readonly Expr[]): boolean =>
  topological(exprs, operands).some(({ op }) => op !== 'arg' && op !== 'const' && !CHEAP.has(op));

const costOf = ({ op }: Expr): number => (op === 'arg' || op === 'const' ? 0 : CHEAP.has(op) ? 1 : 12);

/** What expressions cost, roughly, in instructions per vector: chooses how far loops are unrolled. */
export const weight = (exprs: readonly Expr[]): number =>
  topological(exprs, operands).reduce((sum, e) => sum + costOf(e), 0);

/** The same for what of them has to be computed one after the other. */
export function depth(exprs: readonly Expr[]): number {
  const before = new Map<Expr, number>();
  for (const e of topological(exprs, operands)) {
    before.set(e, costOf(e) + Math.max(0, ...operands(e).map((o) => before.get(o) ?? 0)));
  }
  return Math.max(...before.values());
}
