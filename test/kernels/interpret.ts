/** Evaluates scalar expressions on JavaScript numbers: float64, one element at a time, nothing generated. */

import { topological } from '../../src/kernels/dag.ts';
import type { Derived } from '../../src/kernels/derive.ts';
import {
  type BinaryOp,
  type BitOp,
  type CompareOp,
  type Expr,
  type LogicOp,
  operands,
  type ScalarFunction,
  type UnaryOp,
} from '../../src/kernels/expr.ts';

const unary: Readonly<Record<UnaryOp, (a: number) => number>> = {
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  round: roundEven,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  log2: Math.log2,
  log10: Math.log10,
  exp2: (a) => 2 ** a,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  sigmoid: (a) => (a >= 0 ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / (1 + Math.exp(a))),
  erf,
  erfc,
  decay: Math.exp,
  summand: Math.exp,
  geluSlope: (a) => (1 + erf(a * Math.SQRT1_2)) / 2 + (a * Math.exp((-a * a) / 2)) / Math.sqrt(2 * Math.PI),
  gelu: (a) => a * (erf(a * Math.SQRT1_2) / 2 + 0.5),
};

const binary: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  // C's pow, unlike JavaScript's, gives 1 for 1 to any power and for −1 to an infinite one.
  pow: (a, b) => (a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b),
  atan2: Math.atan2,
  rem: (a, b) => a % b,
};

const bits: Readonly<Record<BitOp, (a: number, b: number) => number>> = {
  bitAnd: (a, b) => a & b,
  bitOr: (a, b) => a | b,
  bitXor: (a, b) => a ^ b,
  shl: (a, b) => (b >= 0 && b < 32 ? a << b : 0),
  shr: (a, b) => a >> (b >= 0 && b < 32 ? b : 31),
};

const compare: Readonly<Record<CompareOp, (a: number, b: number) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

const logic: Readonly<Record<LogicOp, (a: boolean, b: boolean) => boolean>> = {
  and: (a, b) => a && b,
  or: (a, b) => a || b,
  xor: (a, b) => a !== b,
};

/** The outputs of `fn` at `args`; truth values are 1 and 0. */
export function interpret(fn: ScalarFunction, args: readonly number[]): number[] {
  const values = new Map<Expr, number | boolean>();
  const number = (e: Expr): number => values.get(e) as number;
  const truth = (e: Expr): boolean => values.get(e) as boolean;
  for (const e of topological(fn.outs, operands)) values.set(e, node(e, args, number, truth));
  return fn.outs.map((e) => Number(values.get(e)));
}

function node(
  e: Expr,
  args: readonly number[],
  number: (e: Expr) => number,
  truth: (e: Expr) => boolean,
): number | boolean {
  switch (e.op) {
    case 'arg': {
      const x = args[e.index];
      if (x === undefined) throw new Error(`argument ${e.index} of ${args.length} is not there`);
      return e.sort === 'mask' ? x !== 0 : x;
    }
    case 'const':
      return e.value;
    case 'select':
      return truth(e.mask) ? number(e.a) : number(e.b);
    case 'not':
      return !truth(e.a);
    case 'and':
    case 'or':
    case 'xor':
      return logic[e.op](truth(e.a), truth(e.b));
    default:
      if (!('b' in e)) return unary[e.op](number(e.a));
      return e.op in compare
        ? compare[e.op as CompareOp](number(e.a), number(e.b))
        : { ...binary, ...bits }[e.op as BinaryOp | BitOp](number(e.a), number(e.b));
  }
}

/** What a derived function gives, with its arguments found by where they come from. */
export function interpretDerived(
  derived: Derived,
  given: Readonly<Partial<Record<Derived['sources'][number]['kind'], readonly number[]>>>,
): number[] {
  return interpret(
    derived.fn,
    derived.sources.map((s) => (given[s.kind] as readonly number[])[s.index]),
  );
}

/**
 * ∂/∂xᵢ of a function at a point: central differences of two steps, extrapolated (Richardson), which
 * leaves an error of the fourth order in the step.
 */
export function difference(f: (x: readonly number[]) => number, x: readonly number[], i: number): number {
  const central = (h: number): number =>
    (f(x.map((v, k) => (k === i ? v + h : v))) - f(x.map((v, k) => (k === i ? v - h : v)))) / (2 * h);
  const h = 2 ** -10;
  return (4 * central(h / 2) - central(h)) / 3;
}

function roundEven(a: number): number {
  const r = Math.round(a);
  const even = Math.abs(a % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
  return even === 0 ? a * 0 : even;
}

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

/** The power series e^(−x²) · 2/√π · Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1)): all terms of one sign (Abramowitz & Stegun 7.1.6). */
function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 2.5) return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return TWO_OVER_SQRT_PI * Math.exp(-x * x) * sum;
}

/** For large x the continued fraction e^(−x²)/√π · 1/(x + ½/(x + 1/(x + 3⁄2/(x + …)))) (Abramowitz & Stegun 7.1.14). */
function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 0.5) return 1 - erf(x);
  if (x > 30) return 0;
  let f = x;
  for (let k = 400; k > 0; k--) f = x + k / 2 / f;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * f);
}
