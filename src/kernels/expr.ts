/**
 * The scalar expression language: what an elementwise operation computes for one element.
 *
 * An expression is an immutable DAG. It is generic over the number type: the same `a * b` is
 * instantiated at f32, f64 and i32 by the code generator. There are two sorts of node, a `value`
 * (a number of the computing type) and a `mask` (a truth value). Constructors here build exactly
 * what they are asked for; algebra happens in `algebra.ts`, for derivatives only.
 */
export type UnaryOp =
  | 'neg'
  | 'abs'
  | 'sqrt'
  | 'floor'
  | 'ceil'
  | 'trunc'
  | 'round'
  | 'exp'
  | 'expm1'
  | 'log'
  | 'log1p'
  | 'log2'
  | 'log10'
  | 'exp2'
  | 'sin'
  | 'cos'
  | 'tan'
  | 'asin'
  | 'acos'
  | 'atan'
  | 'sinh'
  | 'cosh'
  | 'tanh'
  | 'asinh'
  | 'acosh'
  | 'atanh'
  | 'sigmoid'
  | 'erf'
  | 'erfc'
  /** eˣ for x ≤ 0 alone, 0 instead of a subnormal float32, to within a few units of the last place: takes less than `exp`. */
  | 'decay'
  /** The same as a term of a sum that is not below 1, to which what is tiny means nothing. */
  | 'summand'
  /** x Φ(x), as exact as a sum of x and something as large is. */
  | 'gelu'
  /** Its derivative Φ(x) + x φ(x), as exact as a sum of ½ and something as large is. */
  | 'geluSlope';

/** `min` and `max` give NaN if either side is NaN; `rem` has the sign of the dividend (C's fmod). */
export type BinaryOp = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'pow' | 'atan2' | 'rem';

/** On the bits of integers: floats have none of these. `shr` keeps the sign; places beyond the width leave nothing but that. */
export type BitOp = 'bitAnd' | 'bitOr' | 'bitXor' | 'shl' | 'shr';

export type CompareOp = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';
export type LogicOp = 'and' | 'or' | 'xor';

export type Sort = 'value' | 'mask';

/**
 * A derivative given by hand, for a node that the symbolic one would not serve: unstable, or another
 * value at a kink than PyTorch's. It says what the node was made of, and how a tangent or cotangent
 * `t` passes to each of these: t ∂y/∂x, linear in `t`, null where it is zero.
 */
export interface ByHand {
  readonly of: readonly Expr[];
  readonly rule: Rule;
}
export type Rule = (t: Expr, xs: readonly Expr[], y: Expr) => readonly (Expr | null)[];

export type Expr =
  /** The i-th argument of the function; as a mask, "is not zero". */
  | { readonly op: 'arg'; readonly sort: Sort; readonly index: number }
  | { readonly op: 'const'; readonly sort: 'value'; readonly value: number }
  | { readonly op: UnaryOp; readonly sort: 'value'; readonly a: Expr; readonly byHand?: ByHand }
  | {
      readonly op: BinaryOp | BitOp;
      readonly sort: 'value';
      readonly a: Expr;
      readonly b: Expr;
      readonly byHand?: ByHand;
    }
  | { readonly op: CompareOp; readonly sort: 'mask'; readonly a: Expr; readonly b: Expr }
  | { readonly op: LogicOp; readonly sort: 'mask'; readonly a: Expr; readonly b: Expr }
  | { readonly op: 'not'; readonly sort: 'mask'; readonly a: Expr }
  /** `mask ? a : b`, evaluated without branches: both sides are computed. */
  | {
      readonly op: 'select';
      readonly sort: 'value';
      readonly mask: Expr;
      readonly a: Expr;
      readonly b: Expr;
      readonly byHand?: ByHand;
    };

/** A function of n scalars to m scalars: what a map kernel applies to every element. */
export interface ScalarFunction {
  readonly name: string;
  /** The sort each argument is read as. */
  readonly args: readonly Sort[];
  readonly outs: readonly Expr[];
}

export const arg = (index: number): Expr => ({ op: 'arg', sort: 'value', index });
export const maskArg = (index: number): Expr => ({ op: 'arg', sort: 'mask', index });
export const constant = (value: number): Expr => ({ op: 'const', sort: 'value', value });

/** A number stands for a constant wherever an expression is expected. */
export type Operand = Expr | number;
export const lift = (x: Operand): Expr => (typeof x === 'number' ? constant(x) : x);

export const unary = (op: UnaryOp, a: Operand): Expr => ({ op, sort: 'value', a: lift(a) });
export const binary = (op: BinaryOp, a: Operand, b: Operand): Expr => ({ op, sort: 'value', a: lift(a), b: lift(b) });
export const bits = (op: BitOp, a: Operand, b: Operand): Expr => ({ op, sort: 'value', a: lift(a), b: lift(b) });
export const compare = (op: CompareOp, a: Operand, b: Operand): Expr => ({ op, sort: 'mask', a: lift(a), b: lift(b) });
export const logic = (op: LogicOp, a: Expr, b: Expr): Expr => ({ op, sort: 'mask', a, b });
export const not = (a: Expr): Expr => ({ op: 'not', sort: 'mask', a });
export const select = (mask: Expr, a: Operand, b: Operand): Expr => ({
  op: 'select',
  sort: 'value',
  mask,
  a: lift(a),
  b: lift(b),
});

/** The operands of a node, in order. */
export function operands(e: Expr): readonly Expr[] {
  switch (e.op) {
    case 'arg':
    case 'const':
      return [];
    case 'select':
      return [e.mask, e.a, e.b];
    default:
      return 'b' in e ? [e.a, e.b] : [e.a];
  }
}

/** The derivative a node was given by hand, if it was. */
export function byHand(e: Expr): ByHand | undefined {
  return 'byHand' in e ? e.byHand : undefined;
}

/** The same value, with a derivative given by hand in terms of the expressions `of`. */
export function withDerivative(e: Expr, of: readonly Expr[], rule: Rule): Expr {
  if (e.sort === 'mask') return e;
  // An argument or a constant is not made of anything: the factor 1 is, and changes no value.
  if (e.op === 'arg' || e.op === 'const')
    return { op: 'mul', sort: 'value', a: e, b: constant(1), byHand: { of, rule } };
  return { ...e, byHand: { of, rule } };
}
