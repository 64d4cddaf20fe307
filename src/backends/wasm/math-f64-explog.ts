/**
 * Exponentials and logarithms on f64x2. The exponentials are 2ⁿ times a polynomial, fused multiply-adds
 * rounding once where they may; the other approximations are those of fdlibm (Sun Microsystems,
 * e_log.c) and FreeBSD's e_log2.c and e_log10.c, put without branches.
 */
import type { Float } from './float.ts';
import { logarithms } from './math-logarithms.ts';
import { POWERS, powerTable } from './power-table.ts';
import type { Vec } from './vector.ts';

/** Adding it leaves a double's integer part, rounded half to even, in the low bits. */
export const MAGIC = 1.5 * 2 ** 52;
/** Added to the exponent in a double's bits; exponents that are to be split in two have it twice. */
const BIAS = 1023;
const TWO_BIASES = 2 * BIAS;

const LOG2E = 1.4426950408889634;
/** ln 2 in two parts; the first has 21 zero bits at its end, so that n · LN2_HI is exact for |n| < 2²⁰. */
const LN2_HI = 6.9314718036912381649e-1;
const LN2_LO = 1.90821492927058770002e-10;

/** (e^r − 1 − r) / r² for |r| ≤ ½ ln 2, minimax with its first coefficient fixed: error of e^r below 2⁻⁵⁷. */
const EXP_Q = [
  0.5, 0.16666666666666433, 0.041666666666604, 0.008333333333499914, 0.0013888888926778555, 0.0001984126946643619,
  2.4801508706861773e-5, 2.7557640730686587e-6, 2.7625176416947006e-7, 2.4978401771423993e-8,
];

/** (e^r − 1) / r for |r| ≤ ln 2 / 512, minimax with its first coefficients fixed: error of e^r below 2⁻⁵⁷. */
const SUMMAND = [1, 0.5, 0.16666667992360956, 0.041666666666666664];

/** e^r − 1 for |r| ≤ ½ ln 2, as exact as what is added to 1. */
const expKernelLess1 = (f: Float, r: Vec): Vec => f.madd(f.mul(r, r), f.poly(r, EXP_Q), r);

/** e^r for |r| ≤ ½ ln 2. */
const expKernel = (f: Float, r: Vec): Vec => f.add(expKernelLess1(f, r), 1);

/**
 * x · 2ⁿ from n + MAGIC + 2046 for |n| ≤ 1100: the exponents of two factors, neither of which leaves the
 * range. They become factors and are not added to the bits of x: a NaN has to stay one.
 */
function scale(f: Float, x: Vec, shifted: Vec): Vec {
  const exponents = f.shl(shifted, 52);
  const half = f.and(f.shru(exponents, 1), f.bits(0x7ff0000000000000n));
  return f.mul(f.mul(x, half), f.isub(exponents, half));
}

/** Adding it leaves what `scaleNormal` takes in the low bits. */
export const MAGIC_EXPONENT = MAGIC + BIAS;

/** x · 2ⁿ from n + MAGIC_EXPONENT, for −1022 ≤ n ≤ 1023; 0 for n = −1023. */
export const scaleNormal = (f: Float, x: Vec, shifted: Vec): Vec => f.mul(x, f.shl(shifted, 52));

/** (1 + x) · 2ⁿ for such an n. */
const scaleNormalAnd1 = (f: Float, x: Vec, shifted: Vec): Vec => {
  const power = f.shl(shifted, 52);
  return f.madd(power, x, power);
};

/** x · 2ⁿ for integers −1100 ≤ n ≤ 1100. */
export const scaleByPower = (f: Float, x: Vec, n: Vec): Vec => scale(f, x, f.add(n, MAGIC + TWO_BIASES));

/** x = n ln 2 + r, and n + MAGIC + bias. */
function reduce(f: Float, x: Vec, bias: number): { r: Vec; n: Vec; shifted: Vec } {
  const shifted = f.madd(x, LOG2E, MAGIC + bias);
  const n = f.sub(shifted, MAGIC + bias);
  return { r: f.nmadd(n, LN2_LO, f.nmadd(n, LN2_HI, x)), n, shifted };
}

/** e^(x + tail) · 2^shift, for a tail much smaller than x. */
export function expScaled(f: Float, x: Vec, tail?: Vec, shift = 0): Vec {
  // Beyond these bounds the result is 0 or ∞ anyway, and n stays small.
  const { r, shifted } = reduce(f, f.pmin(f.pmax(x, -750), 712), TWO_BIASES);
  const y = expKernel(f, tail === undefined ? r : f.add(r, tail));
  return scale(f, y, shift === 0 ? shifted : f.add(shifted, shift));
}

/** One power of two is enough where it is a normal number. */
export function exp(f: Float, x: Vec): Vec {
  const { r, shifted } = reduce(f, x, BIAS);
  const y = scaleNormalAnd1(f, expKernelLess1(f, r), shifted);
  return f.rarely('exp', f.gt(f.abs(x), 708), y, [x], (h, [v]) => expScaled(h, v));
}

/** e^x for x ≤ 0, and 0 for what is no normal number. */
export function decay(f: Float, x: Vec): Vec {
  const { r, shifted } = reduce(f, f.pmax(x, -709), BIAS);
  return scaleNormalAnd1(f, expKernelLess1(f, r), shifted);
}

/**
 * e^x for x ≤ 0 as a term of a sum of at least 1: x = (k ln 2) / 256 + r with |r| ≤ 0.00136, a power from a table and
 * a polynomial of four terms. It errs by a unit of the last place where terms are large, by more where they do not
 * count (|x| · 2⁻⁵⁶), and is hardly anything instead of nothing where x is far away.
 */
export function summand(f: Float, x: Vec): Vec {
  const bounded = f.pmax(x, -708);
  const shifted = f.madd(bounded, LOG2E * POWERS, MAGIC);
  const k = f.sub(shifted, MAGIC);
  // Fused, what is left is exact but for LOG2E: −r, and in such units.
  const [r, unit] = f.fused
    ? [f.nmadd(bounded, LOG2E * POWERS, k), -Math.LN2 / POWERS]
    : [f.sub(f.sub(bounded, f.mul(k, LN2_HI / POWERS)), f.mul(k, LN2_LO / POWERS)), 1];
  const power = f.iadd(f.load64(powerTable(), shifted), f.shl(shifted, 44));
  const terms = SUMMAND.map((c, i) => c * unit ** (i + 1));
  return f.madd(power, f.mul(r, f.horner(r, terms)), power);
}

/** 2⁻⁵³ / (2⁻⁵³ + 2⁻⁵³ e⁻ˣ), as in `math-f32-explog.ts`. */
export function sigmoid(f: Float, x: Vec): Vec {
  const unit = 2 ** -53;
  const { r, shifted } = reduce(f, f.pmax(f.pmin(f.neg(x), 745.5), -100), BIAS - 53);
  return f.div(unit, f.madd(expKernel(f, r), f.shl(shifted, 52), unit));
}

export function exp2(f: Float, x: Vec): Vec {
  const bounded = f.pmin(f.pmax(x, -1080), 1030);
  const shifted = f.add(bounded, MAGIC + TWO_BIASES);
  const r = f.mul(f.sub(bounded, f.sub(shifted, MAGIC + TWO_BIASES)), Math.LN2);
  return scale(f, expKernel(f, r), shifted);
}

/** 2ⁿ ((1 − 2⁻ⁿ) + r + r² Q(r)), the first sum with its rounding error so that it may cancel. */
export function expm1(f: Float, x: Vec): Vec {
  const { r, n, shifted } = reduce(f, f.pmin(f.pmax(x, -40), 710), BIAS - 1);
  const offset = f.sub(1, f.shl(f.sub(MAGIC_EXPONENT, f.pmin(n, 60)), 52));
  const sum = f.add(offset, r);
  const lost = f.sub(r, f.sub(sum, offset));
  const y = f.add(sum, f.madd(f.mul(r, r), f.poly(r, EXP_Q), lost));
  // 2ⁿ⁻¹ is in range where 2ⁿ is not.
  return f.or(scaleNormal(f, f.add(y, y), shifted), f.sign(x));
}

const LOG_EVEN = [6.66666666666673513e-1, 2.857142874366239149e-1, 1.818357216161805012e-1, 1.479819860511658591e-1];
const LOG_ODD = [3.999999999940941908e-1, 2.222219843214978396e-1, 1.531383769920937332e-1];

export const { log, log1p, log2, log10, splitExponent } = logarithms({
  mantissa: 52,
  bias: BIAS,
  sqrtHalf: 0x3fe6a09e667f3bcdn,
  series(f, z, halfSquare) {
    const w = f.mul(z, z);
    return f.add(halfSquare, f.add(f.mul(z, f.poly(w, LOG_EVEN)), f.mul(w, f.poly(w, LOG_ODD))));
  },
  sum(f, k, g, halfSquare, rest) {
    const small = f.sub(halfSquare, f.add(rest, f.mul(k, LN2_LO)));
    return f.sub(f.mul(k, LN2_HI), f.sub(small, g));
  },
  strange: (f, x) => f.not(f.and(f.ge(x, 2 ** -1022), f.lt(x, Infinity))),
  raise: 54,
  upper: 0xffffffff00000000n,
  base2: { inverse: [1.44269504072144627571, 1.67517131648865118353e-10], octave: [1, 0] },
  base10: {
    inverse: [4.34294481878168880939e-1, 2.50829467116452752298e-11],
    octave: [3.01029995663611771306e-1, 3.69423907715893078616e-13],
  },
});
