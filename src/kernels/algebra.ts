/**
 * Constructors that simplify while they build, for derivatives only: what a user wrote is computed
 * as written. Every identity here holds for the values themselves, signed zeros, infinities and NaN
 * included; x·0 and x + 0 are therefore left alone (∞·0 is NaN, −0 + 0 is 0). The zeros that
 * differentiation itself brings in never become expressions in the first place.
 */
import * as raw from './expr.ts';
import { byHand, type CompareOp, constant, type Expr, type Operand, type UnaryOp } from './expr.ts';

export const unary = (op: UnaryOp, a: Operand): Expr => simplify(raw.unary(op, a));
export const neg = (a: Operand): Expr => unary('neg', a);
export const abs = (a: Operand): Expr => unary('abs', a);
export const sqrt = (a: Operand): Expr => unary('sqrt', a);
export const exp = (a: Operand): Expr => unary('exp', a);
export const log = (a: Operand): Expr => unary('log', a);
export const sin = (a: Operand): Expr => unary('sin', a);
export const cos = (a: Operand): Expr => unary('cos', a);
export const sinh = (a: Operand): Expr => unary('sinh', a);
export const cosh = (a: Operand): Expr => unary('cosh', a);
export const sigmoid = (a: Operand): Expr => unary('sigmoid', a);
export const tanh = (a: Operand): Expr => unary('tanh', a);
export const expm1 = (a: Operand): Expr => unary('expm1', a);
export const log1p = (a: Operand): Expr => unary('log1p', a);
export const floor = (a: Operand): Expr => unary('floor', a);
export const trunc = (a: Operand): Expr => unary('trunc', a);

export const add = (a: Operand, b: Operand): Expr => simplify(raw.binary('add', a, b));
export const sub = (a: Operand, b: Operand): Expr => simplify(raw.binary('sub', a, b));
export const mul = (a: Operand, b: Operand): Expr => simplify(raw.binary('mul', a, b));
export const div = (a: Operand, b: Operand): Expr => simplify(raw.binary('div', a, b));
export const pow = (a: Operand, b: Operand): Expr => simplify(raw.binary('pow', a, b));
export const min = (a: Operand, b: Operand): Expr => raw.binary('min', a, b);
export const max = (a: Operand, b: Operand): Expr => raw.binary('max', a, b);
export const rem = (a: Operand, b: Operand): Expr => raw.binary('rem', a, b);
export const atan2 = (a: Operand, b: Operand): Expr => raw.binary('atan2', a, b);
export const square = (a: Expr): Expr => mul(a, a);

const compare =
  (op: CompareOp) =>
  (a: Operand, b: Operand): Expr =>
    raw.compare(op, a, b);
export const eq = compare('eq');
export const ne = compare('ne');
export const lt = compare('lt');
export const le = compare('le');
export const gt = compare('gt');
export const ge = compare('ge');
export const not = (a: Expr): Expr => simplify(raw.not(a));
export const and = (a: Expr, b: Expr): Expr => simplify(raw.logic('and', a, b));
export const or = (a: Expr, b: Expr): Expr => simplify(raw.logic('or', a, b));
export const xor = (a: Expr, b: Expr): Expr => raw.logic('xor', a, b);
export const select = (mask: Expr, a: Operand, b: Operand): Expr => simplify(raw.select(mask, a, b));

/** −1, 0 or 1; 0 for NaN, as PyTorch's. */
export const sign = (a: Operand): Expr => sub(select(gt(a, 0), 1, 0), select(lt(a, 0), 1, 0));

/** Exactly the positive zero. */
export const isZero = (e: Expr): boolean => e.op === 'const' && Object.is(e.value, 0);
const is = (e: Expr, value: number): boolean => e.op === 'const' && e.value === value;
const folded = (e: Expr): number | undefined => (e.op === 'const' ? e.value : undefined);

/** One step at the root: the operands are simple already. */
export function simplify(e: Expr): Expr {
  if (byHand(e) !== undefined) return e;
  switch (e.op) {
    case 'add':
      return simplifyAdd(e);
    case 'sub':
      if (isZero(e.b)) return e.a;
      if (e.b.op === 'neg') return add(e.a, e.b.a);
      return fold2(e, (a, b) => a - b);
    case 'mul':
      return simplifyMul(e);
    case 'div':
      if (is(e.b, 1)) return e.a;
      if (is(e.b, -1)) return neg(e.a);
      if (e.a.op === 'neg') return neg(div(e.a.a, e.b));
      return fold2(e, (a, b) => a / b);
    case 'pow':
      if (is(e.b, 0)) return constant(1);
      if (is(e.b, 1)) return e.a;
      if (is(e.b, 2)) return square(e.a);
      if (is(e.b, 3)) return mul(square(e.a), e.a);
      if (is(e.b, -1)) return div(1, e.a);
      // C's pow, unlike JavaScript's, gives 1 for any power of 1.
      return fold2(e, (a, b) => (a === 1 ? 1 : a ** b));
    case 'neg':
      return e.a.op === 'neg' ? e.a.a : fold1(e, (a) => -a);
    case 'sqrt':
      return fold1(e, Math.sqrt);
    case 'exp':
      return fold1(e, Math.exp);
    case 'log':
      return fold1(e, Math.log);
    case 'not':
      return e.a.op === 'not' ? e.a.a : e;
    case 'and':
    case 'or': {
      // A side that is known decides, or leaves it to the other.
      if (e.a === e.b) return e.a;
      const a = knownMask(e.a);
      if (a !== undefined) return a === (e.op === 'and') ? e.b : e.a;
      const b = knownMask(e.b);
      if (b !== undefined) return b === (e.op === 'and') ? e.a : e.b;
      return e;
    }
    case 'select':
      return simplifySelect(e);
    default:
      return e;
  }
}

type Of<Op extends Expr['op']> = Extract<Expr, { op: Op }>;
type Binary = Of<raw.BinaryOp | raw.BitOp> & { readonly b: Expr };

function fold1(e: Expr & { readonly a: Expr }, f: (a: number) => number): Expr {
  const a = folded(e.a);
  return a === undefined ? e : constant(f(a));
}

function fold2(e: Binary, f: (a: number, b: number) => number): Expr {
  const a = folded(e.a);
  const b = folded(e.b);
  return a === undefined || b === undefined ? e : constant(f(a, b));
}

function simplifyAdd(e: Binary): Expr {
  const { a, b } = e;
  if (a === b) return mul(a, 2);
  if (b.op === 'neg') return sub(a, b.a);
  if (a.op === 'neg') return sub(b, a.a);
  return fold2(e, (p, q) => p + q);
}

function simplifyMul(e: Binary): Expr {
  const { a, b } = e;
  if (is(a, 1)) return b;
  if (is(b, 1)) return a;
  if (is(a, -1)) return neg(b);
  if (is(b, -1)) return neg(a);
  if (a.op === 'neg') return neg(mul(a.a, b));
  if (b.op === 'neg') return neg(mul(a, b.a));
  return fold2(e, (p, q) => p * q);
}

function simplifySelect(e: Of<'select'>): Expr {
  const { mask, a, b } = e;
  if (a === b || (a.op === 'const' && b.op === 'const' && Object.is(a.value, b.value))) return a;
  if (mask.op === 'not') return select(mask.a, b, a);
  const known = knownMask(mask);
  if (known !== undefined) return known ? a : b;
  if (a.op === 'select' && byHand(a) === undefined) {
    if (a.mask === mask) return select(mask, a.a, b);
    // Zero unless both hold: nested guards become one.
    if (isZero(b) && isZero(a.b)) return select(and(mask, a.mask), a.a, b);
    if (isZero(b) && isZero(a.a)) return select(and(mask, not(a.mask)), a.b, b);
  }
  if (b.op === 'select' && byHand(b) === undefined) {
    if (b.mask === mask) return select(mask, a, b.b);
    if (isZero(a) && isZero(b.a)) return select(or(mask, b.mask), a, b.b);
    if (isZero(a) && isZero(b.b)) return select(or(mask, not(b.mask)), a, b.a);
  }
  return e;
}

const comparisons: Readonly<Record<CompareOp, (a: number, b: number) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

/** What a comparison of constants is; undefined if it depends on an argument. */
function knownMask(mask: Expr): boolean | undefined {
  if (!(mask.op in comparisons) || !('b' in mask)) return undefined;
  const a = folded(mask.a);
  const b = folded(mask.b);
  return a === undefined || b === undefined ? undefined : comparisons[mask.op as CompareOp](a, b);
}
