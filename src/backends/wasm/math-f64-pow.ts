/**
 * x^y on f64x2, after fdlibm's e_pow.c: log₂|x| in two parts, times y in two parts, 2 to that power.
 * Error below 0.7 ulp. The cases of IEEE 754 (C's Annex F.10.4.4) are put in at the end.
 */
import type { Float } from './float.ts';
import { scaleByPower } from './math-f64-explog.ts';
import type { Vec } from './vector.ts';

/** The upper half of a double: products of two such are exact. */
const upper = (f: Float, x: Vec): Vec => f.and(x, f.bits(0xffffffff00000000n));

const LOG_L = [
  5.99999999999994648725e-1, 4.28571428578550184252e-1, 3.33333329818377432918e-1, 2.72728123808534006489e-1,
  2.30660745775561754067e-1, 2.06975017800338417784e-1,
];
const EXP_P = [
  1.66666666666666019037e-1, -2.77777777770155933842e-3, 6.61375632143793436117e-5, -1.6533902205465251539e-6,
  4.13813679705723846039e-8,
];
/** 2/(3 ln 2), whole and in two parts. */
const CP = 9.61796693925975554329e-1;
const CP_HI = 9.61796700954437255859e-1;
const CP_LO = -7.02846165095275826516e-9;
/** log₂ 1.5. */
const DP_HI = 5.84962487220764160156e-1;
const DP_LO = 1.35003920212974897128e-8;
const LN2_HI = 6.93147182464599609375e-1;
const LN2_LO = -1.90465429995776804525e-9;

/** log₂ a for positive finite a, as an unevaluated sum whose first part has 32 zero bits. */
function log2Parts(f: Float, a: Vec): { hi: Vec; lo: Vec } {
  const subnormal = f.lt(a, 2 ** -1022);
  const scaled = f.select(subnormal, f.mul(a, 2 ** 54), a);
  // a = 2ⁿ m with √3/2 ≤ m < √3; m is compared with 1 or 1.5, whichever is nearer.
  const SQRT3_HALF_BITS = 0x3febb67ae8584caan;
  const raised = f.iadd(scaled, f.bits(0x3ff0000000000000n - SQRT3_HALF_BITS));
  const m = f.iadd(f.and(raised, f.bits(0xfffffffffffffn)), f.bits(SQRT3_HALF_BITS));
  const biased = f.or(f.shru(raised, 52), f.bits(0x4330000000000000n));
  const n = f.sub(biased, f.select(subnormal, 2 ** 52 + 1023 + 54, 2 ** 52 + 1023));
  const high = f.gt(m, 1.224744871391589);
  const bp = f.select(high, 1.5, 1);

  // s = (m − bp)/(m + bp) = sHi + sLo
  const u = f.sub(m, bp);
  const v = f.div(1, f.add(m, bp));
  const s = f.mul(u, v);
  const sHi = upper(f, s);
  const sumHi = upper(f, f.add(m, bp));
  const sumLo = f.sub(m, f.sub(sumHi, bp));
  const sLo = f.mul(v, f.sub(f.sub(u, f.mul(sHi, sumHi)), f.mul(sHi, sumLo)));

  // ln(m / bp) = ⅔ s (3 + s² + r)
  const s2 = f.mul(s, s);
  const r = f.add(f.mul(f.mul(s2, s2), f.poly(s2, LOG_L)), f.mul(sLo, f.add(sHi, s)));
  const sHi2 = f.mul(sHi, sHi);
  const tHi = upper(f, f.add(f.add(3, sHi2), r));
  const tLo = f.sub(r, f.sub(f.sub(tHi, 3), sHi2));
  const w = f.mul(sHi, tHi);
  const wLo = f.add(f.mul(sLo, tHi), f.mul(tLo, s));
  const pHi = upper(f, f.add(w, wLo));
  const pLo = f.sub(wLo, f.sub(pHi, w));
  const zHi = f.mul(pHi, CP_HI);
  const zLo = f.add(f.add(f.mul(pHi, CP_LO), f.mul(pLo, CP)), f.select(high, DP_LO, 0));
  const dp = f.select(high, DP_HI, 0);
  const hi = upper(f, f.add(f.add(f.add(zHi, zLo), dp), n));
  const lo = f.sub(zLo, f.sub(f.sub(f.sub(hi, n), dp), zHi));
  return { hi, lo };
}

/** 2^(hi + lo) for |lo| ≪ |hi|. */
function exp2Parts(f: Float, hi: Vec, lo: Vec): Vec {
  const n = f.nearest(f.add(hi, lo));
  const rest = f.sub(hi, n);
  const t = upper(f, f.add(rest, lo));
  const u = f.mul(t, LN2_HI);
  const v = f.add(f.mul(f.sub(lo, f.sub(t, rest)), Math.LN2), f.mul(t, LN2_LO));
  const z = f.add(u, v);
  const w = f.sub(v, f.sub(z, u));
  const z2 = f.mul(z, z);
  const t1 = f.sub(z, f.mul(z2, f.poly(z2, EXP_P)));
  const r = f.sub(f.div(f.mul(z, t1), f.sub(t1, 2)), f.add(w, f.mul(z, w)));
  return scaleByPower(f, f.sub(1, f.sub(r, z)), n);
}

export function pow(f: Float, x: Vec, y: Vec): Vec {
  const a = f.abs(x);
  const { hi, lo } = log2Parts(f, a);
  // |log₂ a| is 0 or above 2⁻⁵³: exponents beyond ±2⁶⁵ give the same limits as these.
  const bounded = f.pmin(f.pmax(y, -(2 ** 65)), 2 ** 65);
  const yHi = upper(f, bounded);
  const pLo = f.add(f.mul(f.sub(bounded, yHi), hi), f.mul(bounded, lo));
  const pHi = f.mul(yHi, hi);
  const sum = f.add(pHi, pLo);
  const over = f.gt(sum, 1100);
  const under = f.lt(sum, -1100);
  const settled = f.or(over, under);
  const magnitude = exp2Parts(f, f.select(settled, 0, pHi), f.select(settled, 0, pLo));
  return powCases(f, x, y, f.select(over, Infinity, f.select(under, 0, magnitude)));
}

/** From |x|^y for ordinary arguments to x^y for all. */
export function powCases(f: Float, x: Vec, y: Vec, magnitude: Vec): Vec {
  const a = f.abs(x);
  const extreme = f.or(f.eq(a, 0), f.eq(a, Infinity));
  // 0^y and ∞^y: ∞ where the base's side and the exponent's sign agree, else 0.
  const grows = f.xor(f.eq(a, 0), f.gt(y, 0));
  const size = f.select(extreme, f.select(grows, Infinity, 0), magnitude);
  const integer = f.eq(f.trunc(y), y);
  const half = f.mul(y, 0.5);
  const odd = f.and(integer, f.ne(f.trunc(half), half));
  const signed = f.flip(size, f.and(f.sign(x), odd));
  const undefinedPower = f.andnot(f.lt(x, 0), f.or(integer, extreme));
  const unordered = f.or(f.ne(x, x), f.ne(y, y));
  const real = f.select(f.or(undefinedPower, unordered), Number.NaN, signed);
  return f.select(f.or(f.eq(x, 1), f.eq(y, 0)), 1, real);
}
