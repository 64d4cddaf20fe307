/** Trigonometric functions and their inverses on f32x4. Polynomials are minimax fits rounded to float32. */
import type { Float, Operand } from './float.ts';
import { inHalves } from './halves.ts';
import { MAGIC } from './math-f32-explog.ts';
import { mathF64 } from './math-f64.ts';
import type { Vec } from './vector.ts';

/**
 * π in four parts. The first three have 11 bits each, so that their products with half-integers up to
 * 2¹² are exact; then all differences but the last two are exact too, and the reduced argument is
 * right to its last bit even where it is tiny.
 */
const PI = [3.140625, 0.0009675025939941406, 1.5099067240953445e-7, 5.126688136514179e-12];
/** Above it the work is done in double precision. */
const LARGE = 6000;

/** (sin r − r) / r³ in r², for |r| ≤ π/2: error of the sine below 2⁻²⁷. */
const SIN_S = [-0.16666659712791443, 0.00833306834101677, -0.00019809666264336556, 2.6057839477289235e-6];

/** x less the multiple of π it is nearest to, or the odd multiple of π/2, then (−1)ᵐ sin of it. */
function sine(f: Float, x: Vec, shift: 0 | 0.5): Vec {
  const shifted = shift === 0 ? f.madd(x, 1 / Math.PI, MAGIC) : f.add(f.madd(x, 1 / Math.PI, -shift), MAGIC);
  const m = f.sub(shifted, MAGIC);
  const multiple = shift === 0 ? m : f.add(m, shift);
  let r = x;
  for (const part of PI) r = f.nmadd(multiple, part, r);
  const z = f.mul(r, r);
  const near = f.madd(f.mul(r, z), f.poly(z, SIN_S), r);
  // The sum loses the sign of −0.
  const y = shift === 0 ? f.or(near, f.sign(r)) : near;
  // cos(π (m + ½) + r) = −(−1)ᵐ sin r
  const odd = f.shl(shift === 0 ? shifted : f.iadd(shifted, f.bits(1n)), 31);
  const name = shift === 0 ? 'sin' : 'cos';
  return f.rarely(name, f.gt(f.abs(x), LARGE), f.flip(y, odd), [x], (h, [v]) => inHalves(h, [v], mathF64[name]));
}

export const sin = (f: Float, x: Vec): Vec => sine(f, x, 0);
export const cos = (f: Float, x: Vec): Vec => sine(f, x, 0.5);

/** (arcsin t − t) / t³ in t², for t ≤ 0.5404: error below 2⁻²⁶. */
const ASIN_A = [
  0.1666688174009323, 0.07489976286888123, 0.046139661222696304, 0.020903652533888817, 0.04764099046587944,
];
/** sin(½): from there on what is taken from π/2 is below 1, and its rounding errors are half as large. */
const ASIN_SPLIT = 0.5403;

/** arcsin t for t = |x|, or √((1 − |x|)/2) where |x| is large: half of what is left to π/2. */
function arcsine(f: Float, x: Vec): { large: Vec; value: Vec } {
  const a = f.abs(x);
  const large = f.gt(a, ASIN_SPLIT);
  const z = f.select(large, f.mul(f.sub(1, a), 0.5), f.mul(x, x));
  const t = f.select(large, f.sqrt(z), a);
  return { large, value: f.add(t, f.mul(f.mul(t, z), f.poly(z, ASIN_A))) };
}

/** π/2 as a float, and what is missing from it. */
const PIO2_HI = 1.5707963705062866;
const PIO2_LO = -4.371139000186241e-8;

export function asin(f: Float, x: Vec): Vec {
  const { large, value } = arcsine(f, x);
  const far = f.sub(PIO2_HI, f.sub(f.add(value, value), PIO2_LO));
  return f.or(f.select(large, far, value), f.sign(x));
}

export function acos(f: Float, x: Vec): Vec {
  const { large, value } = arcsine(f, x);
  const near = f.sub(PIO2_HI, f.sub(f.flip(value, f.sign(x)), PIO2_LO));
  const twice = f.add(value, value);
  const far = f.select(f.lt(x, 0), f.sub(2 * PIO2_HI, f.sub(twice, 2 * PIO2_LO)), twice);
  return f.select(large, far, near);
}

/** (arctan t − t) / t³ in t², for t ≤ tan(π/8): error below 2⁻³⁰. */
const ATAN_A = [
  -0.33333316445350647, 0.19998525083065033, -0.14244301617145538, 0.10598340630531311, -0.06087638437747955,
];
/** π/4 in two parts, the first with two zero bits at its end: its multiples up to 4 are exact. */
const QUARTER_HI = 0.785398006439209;
const QUARTER_LO = 1.5695823663008923e-7;

/** As in `math-f64-trig.ts`: `base` multiples of π/4 plus or minus atan(num / den), 0 ≤ num ≤ den. */
function arctangent(f: Float, num: Vec, den: Operand, base: Vec, flip: Vec): Vec {
  const steep = f.gt(num, f.mul(den, 0.41421356237309503));
  const t = f.div(f.select(steep, f.sub(num, den), num), f.select(steep, f.add(num, den), den));
  const z = f.mul(t, t);
  const bend = f.mul(f.mul(t, z), f.poly(z, ATAN_A));
  const multiple = f.add(base, f.flip(f.select(steep, 1, 0), flip));
  const lo = f.flip(f.mul(multiple, QUARTER_LO), flip);
  return f.add(f.mul(multiple, QUARTER_HI), f.flip(f.add(t, f.add(bend, lo)), flip));
}

export function atan(f: Float, x: Vec): Vec {
  const a = f.abs(x);
  const over = f.gt(a, 1);
  const num = f.select(over, 1, a);
  const den = f.select(over, a, 1);
  const y = arctangent(f, num, den, f.select(over, 2, 0), f.and(over, f.bits(0x80000000n)));
  return f.or(y, f.sign(x));
}

export function atan2(f: Float, y: Vec, x: Vec): Vec {
  const ax = f.abs(x);
  const ay = f.abs(y);
  // The instructions that give NaN if either side is.
  const small = f.graph.op('f32x4.min', ax, ay);
  const large = f.graph.op('f32x4.max', ax, ay);
  // ∞/∞ counts as 1 and 0/0 as 0; very large operands are scaled, or their sum would overflow.
  const scale = f.select(f.gt(large, 2 ** 100), 2 ** -30, 1);
  const infinite = f.eq(small, Infinity);
  const num = f.select(infinite, 1, f.mul(small, scale));
  const den = f.select(infinite, 1, f.select(f.eq(large, 0), 1, f.mul(large, scale)));
  const over = f.gt(ay, ax);
  const first = f.select(over, 2, 0);
  const left = f.graph.op('i32x4.lt_s', x, f.bits(0n));
  const base = f.select(left, f.sub(4, first), first);
  const flip = f.and(f.xor(over, left), f.bits(0x80000000n));
  return f.or(arctangent(f, num, den, base, flip), f.sign(y));
}
