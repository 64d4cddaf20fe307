/** Trigonometric functions and their inverses on f64x2, after fdlibm (k_sin.c, k_cos.c, e_asin.c, s_atan.c). */
import type { Float, Operand } from './float.ts';
import { MAGIC } from './math-f64-explog.ts';
import { SLOW } from './math-slow.ts';
import type { Vec } from './vector.ts';

/** Above it the products n · PIO2_i are no longer exact, and JavaScript reduces the argument. */
export const LARGE = 8e5;
/** π/2 in three parts; the first two have 33 bits (fdlibm's e_rem_pio2.c). */
export const PIO2_1 = 1.57079632673412561417;
const PIO2_2 = 6.0771005063039659766e-11;
const PIO2_3 = 2.02226624879595063154e-21;
/** The same in parts of 53 bits. */
const PIO2_HI = 1.570796326794896558;
const PIO2_LO = 6.12323399573676603587e-17;
const PIO2_LEAST = -1.4973849048591833e-33;
export const TWO_OVER_PI = 6.36619772367581382433e-1;

interface Reduced {
  /** x − n π/2 = hi − over, not evaluated; `over` is +0 at −0. */
  readonly hi: Vec;
  readonly over: Vec;
  /** n in the low bits. */
  readonly n: Vec;
}

function reduce(f: Float, x: Vec): Reduced {
  const shifted = f.madd(x, TWO_OVER_PI, MAGIC);
  const n = f.sub(shifted, MAGIC);
  if (f.fused) {
    // The first difference is exact, and so is what rounding the product took off it.
    const first = f.nmadd(n, PIO2_HI, x);
    const part = f.mul(n, PIO2_LO);
    const hi = f.sub(first, part);
    const over = f.sub(f.sub(part, f.sub(first, hi)), f.nmadd(n, PIO2_LO, part));
    return { hi, over: f.madd(n, PIO2_LEAST, over), n: shifted };
  }
  const first = f.sub(x, f.mul(n, PIO2_1));
  const part = f.mul(n, PIO2_2);
  const second = f.sub(first, part);
  const lost = f.sub(f.sub(first, second), part);
  const tail = f.sub(f.mul(n, PIO2_3), lost);
  const hi = f.sub(second, tail);
  return { hi, over: f.sub(tail, f.sub(second, hi)), n: shifted };
}

const SIN_S = [
  -1.66666666666666324348e-1, 8.33333333332248946124e-3, -1.98412698298579493134e-4, 2.75573137070700676789e-6,
  -2.50507602534068634195e-8, 1.58969099521155010221e-10,
];
const COS_C = [
  4.16666666666666019037e-2, -1.38888888888741095749e-3, 2.48015872894767294178e-5, -2.75573143513906633035e-7,
  2.0875723212981748279e-9, -1.13596475577881948265e-11,
];

/** sin and cos of hi − over in [−π/4, π/4]. */
function kernels(f: Float, { hi, over }: Reduced): { sin: Vec; cos: Vec } {
  const z = f.mul(hi, hi);
  const sin = f.sub(hi, f.nmadd(f.mul(z, hi), f.poly(z, SIN_S), over));
  const w = f.nmadd(z, 0.5, 1);
  const lost = f.nmadd(z, 0.5, f.sub(1, w));
  const cos = f.add(w, f.madd(f.mul(z, z), f.poly(z, COS_C), f.madd(hi, over, lost)));
  return { sin, cos };
}

function isOdd(f: Float, n: Vec): Vec {
  const one = f.bits(1n);
  return f.graph.op('i64x2.eq', f.and(n, one), one);
}

/** sin(x + turn π/2). */
function sine(f: Float, x: Vec, turn: 0 | 1): Vec {
  const reduced = reduce(f, x);
  const { sin, cos } = kernels(f, reduced);
  const n = turn === 0 ? reduced.n : f.iadd(reduced.n, f.bits(1n));
  const y = f.select(isOdd(f, n), cos, sin);
  const sign = f.shl(f.and(n, f.bits(2n)), 62);
  const index = turn === 0 ? SLOW.sin : SLOW.cos;
  return f.rarely(`sine ${turn}`, f.gt(f.abs(x), LARGE), f.flip(y, sign), [x], (h, [v]) => h.call(index, v));
}

export const sin = (f: Float, x: Vec): Vec => sine(f, x, 0);
export const cos = (f: Float, x: Vec): Vec => sine(f, x, 1);

export function tan(f: Float, x: Vec): Vec {
  const reduced = reduce(f, x);
  const { sin, cos } = kernels(f, reduced);
  const odd = isOdd(f, reduced.n);
  const y = f.div(f.select(odd, f.neg(cos), sin), f.select(odd, sin, cos));
  return f.rarely('tan', f.gt(f.abs(x), LARGE), y, [x], (h, [v]) => h.call(SLOW.tan, v));
}

const ASIN_P = [
  1.66666666666666657415e-1, -3.25565818622400915405e-1, 2.01212532134862925881e-1, -4.00555345006794114027e-2,
  7.91534994289814532176e-4, 3.4793310759602116757e-5,
];
const ASIN_Q = [
  1, -2.40339491173441421878, 2.02094576023350569471, -6.8828397160545329303e-1, 7.70381505559019352791e-2,
];
const PIO4_HI = 7.85398163397448278999e-1;

/** What the inverses share: for a = |x| ≥ ½ they work on √((1 − a)/2), and (arcsin t − t) / t is R. */
function arcsine(f: Float, x: Vec): { large: Vec; z: Vec; r: Vec; root: Vec; rootHi: Vec; rootLo: Vec; a: Vec } {
  const a = f.abs(x);
  const large = f.ge(a, 0.5);
  const z = f.select(large, f.mul(f.sub(1, a), 0.5), f.mul(x, x));
  const r = f.div(f.mul(z, f.poly(z, ASIN_P)), f.poly(z, ASIN_Q));
  const root = f.sqrt(z);
  const rootHi = f.and(root, f.bits(0xffffffff00000000n));
  // At a = 1 the root is 0, and the division's NaN must not get through.
  const rootLo = f.select(f.eq(root, 0), 0, f.div(f.sub(z, f.mul(rootHi, rootHi)), f.add(root, rootHi)));
  return { large, z, r, root, rootHi, rootLo, a };
}

export function asin(f: Float, x: Vec): Vec {
  const { large, r, root, rootHi, rootLo, a } = arcsine(f, x);
  const p = f.sub(f.mul(f.mul(root, 2), r), f.sub(PIO2_LO, f.mul(rootLo, 2)));
  const q = f.sub(PIO4_HI, f.mul(rootHi, 2));
  const far = f.sub(PIO4_HI, f.sub(p, q));
  return f.or(f.select(large, far, f.add(a, f.mul(a, r))), f.sign(x));
}

export function acos(f: Float, x: Vec): Vec {
  const { large, r, root, rootHi, rootLo } = arcsine(f, x);
  const near = f.sub(PIO2_HI, f.sub(x, f.sub(PIO2_LO, f.mul(x, r))));
  const positive = f.mul(f.add(rootHi, f.add(f.mul(r, root), rootLo)), 2);
  const negative = f.sub(PIO2_HI, f.add(root, f.sub(f.mul(r, root), PIO2_LO)));
  const far = f.select(f.lt(x, 0), f.mul(negative, 2), positive);
  return f.select(large, far, near);
}

const ATAN_EVEN = [
  3.33333333333329318027e-1, 1.42857142725034663711e-1, 9.09088713343650656196e-2, 6.66107313738753120669e-2,
  4.97687799461593236017e-2, 1.62858201153657823623e-2,
];
const ATAN_ODD = [
  -1.99999999998764832476e-1, -1.1111110405462355788e-1, -7.69187620504482999495e-2, -5.83357013379057348645e-2,
  -3.6531572744216915527e-2,
];

/** π/4 in two parts, the first with two zero bits at its end: its multiples up to 4 are exact. */
const QUARTER_HI = 7.853981633974483e-1;
const QUARTER_LO = 3.061616997868383e-17;

/**
 * atan(num / den) for 0 ≤ num ≤ den, turned: `base` multiples of π/4 plus or minus it (`flip` has the
 * sign bit). Quotients above tan(π/8) are taken relative to π/4 by the addition theorem,
 * atan(a/b) = π/4 + atan((a − b)/(a + b)), which leaves |t| ≤ 0.4143 for fdlibm's polynomial.
 */
function arctangent(f: Float, num: Vec, den: Operand, base: Vec, flip: Vec): Vec {
  const steep = f.gt(num, f.mul(den, 0.41421356237309503));
  const t = f.div(f.select(steep, f.sub(num, den), num), f.select(steep, f.add(num, den), den));
  const z = f.mul(t, t);
  const w = f.mul(z, z);
  const even = f.mul(z, f.poly(w, ATAN_EVEN));
  const odd = f.mul(w, f.poly(w, ATAN_ODD));
  const bend = f.mul(t, f.add(even, odd));
  const multiple = f.add(base, f.flip(f.select(steep, 1, 0), flip));
  const hi = f.mul(multiple, QUARTER_HI);
  const lo = f.mul(multiple, QUARTER_LO);
  // hi ± (t − (bend ∓ lo))
  return f.add(hi, f.flip(f.sub(t, f.sub(bend, f.flip(lo, flip))), flip));
}

export function atan(f: Float, x: Vec): Vec {
  const a = f.abs(x);
  const over = f.gt(a, 1);
  // 1/∞ is the quotient 0: den becomes ∞ and num 1.
  const num = f.select(over, 1, a);
  const den = f.select(over, a, 1);
  const y = arctangent(f, num, den, f.select(over, 2, 0), f.and(over, f.bits(1n << 63n)));
  return f.or(y, f.sign(x));
}

export function atan2(f: Float, y: Vec, x: Vec): Vec {
  const ax = f.abs(x);
  const ay = f.abs(y);
  // The instructions that give NaN if either side is.
  const small = f.graph.op('f64x2.min', ax, ay);
  const large = f.graph.op('f64x2.max', ax, ay);
  // ∞/∞ counts as 1 and 0/0 as 0; very large operands are scaled, or their sum would overflow.
  const scale = f.select(f.gt(large, 2 ** 1000), 2 ** -100, 1);
  const infinite = f.eq(small, Infinity);
  const num = f.select(infinite, 1, f.mul(small, scale));
  const den = f.select(infinite, 1, f.select(f.eq(large, 0), 1, f.mul(large, scale)));
  const signBit = f.bits(1n << 63n);
  const over = f.gt(ay, ax);
  const first = f.select(over, 2, 0);
  const left = f.graph.op('i64x2.lt_s', x, f.bits(0n));
  const base = f.select(left, f.sub(4, first), first);
  const flip = f.and(f.xor(over, left), signBit);
  return f.or(arctangent(f, num, den, base, flip), f.sign(y));
}
