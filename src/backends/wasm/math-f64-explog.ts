/**
 * Exponentials and logarithms on f64x2. The exponentials are 2ⁿ times a polynomial, fused multiply-adds
 * rounding once where they may; the other approximations are those of fdlibm (Sun Microsystems,
 * e_log.c) and FreeBSD's e_log2.c and e_log10.c, put without branches.
 */
import type { Float } from './float.ts';
import { POWERS, powerTable } from './power-table.ts';
import type { Vec } from './vector.ts';

/** Adding it leaves a double's integer part, rounded half to even, in the low bits. */
export const MAGIC = 1.5 * 2 ** 52;
/** Added to the exponent in a double's bits; exponents that are to be split in two have it twice. */
const BIAS = 1023;
const TWO_BIASES = 2 * BIAS;
const ONE_BITS = 0x3ff0000000000000n;

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

const SQRT_HALF_BITS = 0x3fe6a09e667f3bcdn;

/** x = 2ᵏ m with √½ ≤ m < √2, for normal positive x; also the biased exponent in place. */
export function splitExponent(f: Float, x: Vec): { k: Vec; m: Vec; exponentBits: Vec } {
  const raised = f.iadd(x, f.bits(ONE_BITS - SQRT_HALF_BITS));
  const m = f.iadd(f.and(raised, f.bits(0xfffffffffffffn)), f.bits(SQRT_HALF_BITS));
  // An integer below 2⁵² in the low bits of 2⁵² is that integer added to it.
  const k = f.sub(f.or(f.shru(raised, 52), f.bits(0x4330000000000000n)), 2 ** 52 + 1023);
  return { k, m, exponentBits: f.and(raised, f.bits(0x7ff0000000000000n)) };
}

const LOG_EVEN = [6.66666666666673513e-1, 2.857142874366239149e-1, 1.818357216161805012e-1, 1.479819860511658591e-1];
const LOG_ODD = [3.999999999940941908e-1, 2.222219843214978396e-1, 1.531383769920937332e-1];

/** ln(1 + g) = g − g²/2 + rest. */
function logRest(f: Float, g: Vec): { halfSquare: Vec; rest: Vec } {
  const s = f.div(g, f.add(2, g));
  const z = f.mul(s, s);
  const w = f.mul(z, z);
  const r = f.add(f.mul(z, f.poly(w, LOG_EVEN)), f.mul(w, f.poly(w, LOG_ODD)));
  const halfSquare = f.mul(f.mul(g, 0.5), g);
  return { halfSquare, rest: f.mul(s, f.add(halfSquare, r)) };
}

/** k ln 2 + ln(1 + g). */
function logSum(f: Float, k: Vec, g: Vec): Vec {
  const { halfSquare, rest } = logRest(f, g);
  const small = f.sub(halfSquare, f.add(rest, f.mul(k, LN2_LO)));
  return f.sub(f.mul(k, LN2_HI), f.sub(small, g));
}

const MIN_NORMAL = 2 ** -1022;

/** Puts right what a logarithm `g(k, m)` to some base gives for zero, negative, subnormal and infinite x. */
function logOf(f: Float, name: string, x: Vec, perOctave: number, g: (f: Float, x: Vec) => Vec): Vec {
  const strange = f.not(f.and(f.ge(x, MIN_NORMAL), f.lt(x, Infinity)));
  return f.rarely(name, strange, g(f, x), [x], (h, [y]) => {
    const x = y;
    const subnormal = h.sub(g(h, h.mul(x, 2 ** 54)), 54 * perOctave);
    const orInfinite = h.select(h.lt(x, MIN_NORMAL), subnormal, x);
    return h.select(h.lt(x, 0), Number.NaN, h.select(h.eq(x, 0), -Infinity, orInfinite));
  });
}

export function log(f: Float, x: Vec): Vec {
  return logOf(f, 'log', x, Math.LN2, (h, y) => {
    const { k, m } = splitExponent(h, y);
    return logSum(h, k, h.sub(m, 1));
  });
}

/** ln(u) for u = 1 + x rounded, with what the rounding lost put into the reduced argument. */
export function log1p(f: Float, x: Vec): Vec {
  const u = f.add(x, 1);
  // Exact, but for u so large that it does not matter.
  const lost = f.sub(x, f.sub(u, 1));
  const { k, m, exponentBits } = splitExponent(f, u);
  // 2^(1−k), which does not leave the exponent range at k = 1024.
  const unscale = f.isub(f.bits(0x7ff0000000000000n), exponentBits);
  const g = f.add(f.sub(m, 1), f.mul(f.mul(lost, 0.5), unscale));
  const y = f.or(logSum(f, k, g), f.sign(x));
  const strange = f.not(f.and(f.gt(x, -1), f.lt(x, Infinity)));
  return f.rarely('log1p', strange, y, [x], (h, [v]) =>
    h.select(h.lt(v, -1), Number.NaN, h.select(h.eq(v, -1), -Infinity, v)),
  );
}

/** k · octave + ln(1 + g) / ln(base), the product in two parts: exact for powers of the base where those are. */
function logBase(f: Float, x: Vec, inverse: readonly [number, number], octave: readonly [number, number]): Vec {
  const { k, m } = splitExponent(f, x);
  const g = f.sub(m, 1);
  const { halfSquare, rest } = logRest(f, g);
  const hi = f.and(f.sub(g, halfSquare), f.bits(0xffffffff00000000n));
  const lo = f.add(f.sub(f.sub(g, hi), halfSquare), rest);
  const product = f.mul(hi, inverse[0]);
  const tail = f.add(f.mul(f.add(lo, hi), inverse[1]), f.mul(lo, inverse[0]));
  const whole = octave[0] === 1 ? k : f.mul(k, octave[0]);
  const sum = f.add(whole, product);
  const lost = f.add(f.sub(whole, sum), product);
  const small = octave[1] === 0 ? tail : f.add(f.mul(k, octave[1]), tail);
  return f.add(f.add(small, lost), sum);
}

export function log2(f: Float, x: Vec): Vec {
  return logOf(f, 'log2', x, 1, (h, y) => logBase(h, y, [1.44269504072144627571, 1.67517131648865118353e-10], [1, 0]));
}

export function log10(f: Float, x: Vec): Vec {
  return logOf(f, 'log10', x, Math.log10(2), (h, y) =>
    logBase(
      h,
      y,
      [4.34294481878168880939e-1, 2.50829467116452752298e-11],
      [3.01029995663611771306e-1, 3.69423907715893078616e-13],
    ),
  );
}
