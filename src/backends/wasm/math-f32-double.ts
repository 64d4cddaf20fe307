/**
 * Float32 functions that take their bits from double precision: f64x2 code with polynomials just long
 * enough that the result, rounded to float32, is off by hardly more than half a unit.
 */
import type { Float } from './float.ts';
import { inHalves } from './halves.ts';
import { MAGIC, MAGIC_EXPONENT, scaleNormal, splitExponent } from './math-f64-explog.ts';
import { powCases } from './math-f64-pow.ts';
import { LARGE, PIO2_1, TWO_OVER_PI } from './math-f64-trig.ts';
import { SLOW } from './math-slow.ts';
import type { Vec } from './vector.ts';

/** log₂((1 + s)/(1 − s)) / s in s², for |s| ≤ 0.1718: relative error 2⁻³⁷. */
const LOG2_S = [2.8853900817902263, 0.9617966731359424, 0.5770836275107365, 0.411670007232053, 0.3407828643161536];
/** 2^r for |r| ≤ ½: relative error 2⁻²⁹. */
const EXP2_R = [
  1.0000000005585956, 0.6931472058868752, 0.2402264686773966, 0.055503284508382086, 0.009618490404812784,
  0.0013400063292542405, 0.00015345694051253483,
];

/** 2^(y log₂|x|); the cases of IEEE 754 are put in at float32. */
export function pow(f: Float, x: Vec, y: Vec): Vec {
  // |log₂ a| is 0 or above 2⁻²⁵: larger exponents give the same limits, and 0 · ∞ does not arise.
  const bounded = y.value === undefined ? f.pmin(f.pmax(y, -(2 ** 40)), 2 ** 40) : y;
  const magnitude = inHalves(f, [f.abs(x), bounded], (h, a, b) => {
    const { k, m } = splitExponent(h, a);
    const s = h.div(h.sub(m, 1), h.add(m, 1));
    const log2 = h.add(k, h.mul(s, h.poly(h.mul(s, s), LOG2_S)));
    // Past ±200 the float32 is 0 or ∞.
    const power = h.pmin(h.pmax(h.mul(b, log2), -200), 200);
    const shifted = h.add(power, MAGIC_EXPONENT);
    return scaleNormal(h, h.poly(h.sub(power, h.sub(shifted, MAGIC_EXPONENT)), EXP2_R), shifted);
  });
  return powCases(f, x, y, magnitude);
}

/** sin r / r and cos r in r², for |r| ≤ π/4: relative errors 2⁻²⁸ and 2⁻³⁴. */
const SIN_Z = [0.9999999967591796, -0.16666650214313045, 0.008332015924722049, -0.0001950175418857759];
const COS_Z = [
  0.9999999999438793, -0.49999999571204906, 0.04166661320072604, -0.0013886528187438717, 2.4372592406957124e-5,
];
/** π/2 − PIO2_1. */
const PIO2_REST = 6.07710050650619224932e-11;

export function tan(f: Float, x: Vec): Vec {
  const y = inHalves(f, [x], (h, v) => {
    const shifted = h.add(h.mul(v, TWO_OVER_PI), MAGIC);
    const n = h.sub(shifted, MAGIC);
    const r = h.sub(h.sub(v, h.mul(n, PIO2_1)), h.mul(n, PIO2_REST));
    const z = h.mul(r, r);
    const sin = h.mul(r, h.poly(z, SIN_Z));
    const cos = h.poly(z, COS_Z);
    const one = h.bits(1n);
    const odd = h.graph.op('i64x2.eq', h.and(shifted, one), one);
    return h.div(h.select(odd, h.neg(cos), sin), h.select(odd, sin, cos));
  });
  return f.rarely('tan', f.gt(f.abs(x), LARGE), y, [x], (h, [v]) => h.call(SLOW.tan, v));
}

/** C's fmod. The quotient of two floats truncates correctly in double precision, and x − q y is exact, while q < 2²⁸. */
export function rem(f: Float, x: Vec, y: Vec): Vec {
  const r = inHalves(f, [x, y], (h, a, b) => {
    const q = h.trunc(h.div(a, b));
    const strange = h.not(h.lt(h.abs(q), 2 ** 28));
    return h.or(h.sub(a, h.mul(q, b)), h.and(strange, h.vec(Number.NaN)));
  });
  const signed = f.or(r, f.sign(x));
  return f.rarely('rem', f.ne(r, r), signed, [x, y], (h, [a, b]) => h.call(SLOW.rem, a, b));
}
