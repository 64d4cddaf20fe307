/** Functions of whole numbers, in the manner of `functions.ts`. */
import * as m from './algebra.ts';
import { call, type ElementwiseFunction, of1, of2 } from './define.ts';
import { arg, type BitOp, bits, type Expr } from './expr.ts';

const x = arg(0);
const y = arg(1);

const ofBits = (name: string, op: BitOp): ElementwiseFunction => of2(name, () => bits(op, x, y), 'none');
export const bitwiseAnd = ofBits('bitwiseAnd', 'bitAnd');
export const bitwiseOr = ofBits('bitwiseOr', 'bitOr');
export const bitwiseXor = ofBits('bitwiseXor', 'bitXor');
export const bitwiseNot = of1('bitwiseNot', () => bits('bitXor', x, -1), 'none');
export const bitwiseLeftShift = ofBits('bitwiseLeftShift', 'shl');
export const bitwiseRightShift = ofBits('bitwiseRightShift', 'shr');

/** Euclid's algorithm takes no more steps than there are Fibonacci numbers below 2³¹. */
const STEPS = 45;
const euclid = (a: Expr, b: Expr, steps: number): Expr => {
  if (steps === 0) return a;
  const done = m.eq(b, 0);
  return euclid(m.select(done, a, b), m.select(done, b, m.rem(a, b)), steps - 1);
};
export const gcd = of2('gcd', () => euclid(m.abs(x), m.abs(y), STEPS), 'none');
/** |x y| / gcd, which is 0 where both are. */
export const lcm = of2('lcm', () => m.abs(m.mul(m.div(x, call(gcd, x, y)), y)), 'none');
