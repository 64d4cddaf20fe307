/**
 * Exponentials and logarithms on f32x4. The methods are those of `math-f64-explog.ts`; polynomials of
 * the exponentials and the logarithm's series are minimax fits with coefficients rounded to float32
 * one at a time and the others fitted again.
 */
import type { Float } from './float.ts';
import { logarithms } from './math-logarithms.ts';
import type { Vec } from './vector.ts';

/** Adding it leaves a float's integer part, rounded half to even, in the low bits. */
export const MAGIC = 1.5 * 2 ** 23;
/** Added to the exponent in a float's bits; exponents that are to be split in two have it twice. */
const BIAS = 127;
const TWO_BIASES = 2 * BIAS;

const LOG2E = 1.4426950408889634;
/** ln 2 in two parts; the first has 10 bits, so that n · LN2_HI is exact for |n| < 2¹⁴. */
const LN2_HI = 0.693359375;
const LN2_LO = -0.00021219444170128554;

/** (e^r − 1 − r) / r² for |r| ≤ 0.3475: error of e^r below 2⁻²⁸. */
const EXP_Q = [
  0.4999999403953552, 0.1666652113199234, 0.04166829213500023, 0.008368715643882751, 0.0013818697771057487,
];
/** The same for e^r − 1, which needs the relative error small at 0 too: 2⁻³¹. */
const EXPM1_Q = [
  0.5, 0.1666666567325592, 0.04166649281978607, 0.008333543315529823, 0.0013932380825281143, 0.00019764417173550904,
];

interface Reduced {
  /** x = n ln 2 + r. */
  readonly r: Vec;
  readonly n: Vec;
  /** n + MAGIC + bias. */
  readonly shifted: Vec;
}

function reduce(f: Float, x: Vec, bias: number): Reduced {
  const shifted = f.madd(x, LOG2E, MAGIC + bias);
  const n = f.sub(shifted, MAGIC + bias);
  return { r: f.nmadd(n, LN2_LO, f.nmadd(n, LN2_HI, x)), n, shifted };
}

/** e^r */
const expKernel = (f: Float, r: Vec): Vec => f.add(f.madd(f.mul(r, r), f.horner(r, EXP_Q), r), 1);

/** The coefficients of e^−r. */
const EXP_NEG_Q = EXP_Q.map((c, i) => (i % 2 === 0 ? c : -c));

/**
 * x · 2ⁿ from n + MAGIC + 254 for |n| ≤ 250: the exponents of two factors, neither of which leaves the
 * range. They become factors and are not added to the bits of x: a NaN has to stay one.
 */
function scale(f: Float, x: Vec, shifted: Vec): Vec {
  const exponents = f.shl(shifted, 23);
  const half = f.and(f.shru(exponents, 1), f.bits(0x7f800000n));
  return f.mul(f.mul(x, half), f.isub(exponents, half));
}

/** e^x · 2^shift. */
export function expScaled(f: Float, x: Vec, shift = 0): Vec {
  // Beyond these bounds the result is 0 or ∞ anyway, and n stays small.
  const { r, shifted } = reduce(f, f.pmin(f.pmax(x, -105), 90), TWO_BIASES);
  return scale(f, expKernel(f, r), shift === 0 ? shifted : f.add(shifted, shift));
}

/** One power of two is enough where it is a normal number. */
export function exp(f: Float, x: Vec): Vec {
  const { r, shifted } = reduce(f, x, BIAS);
  const y = f.mul(expKernel(f, r), f.shl(shifted, 23));
  return f.rarely('exp', f.gt(f.abs(x), 87), y, [x], (h, [v]) => expScaled(h, v));
}

/** e^r for |r| ≤ 0.3475: relative error 2⁻²³·². */
const DECAY = [1, 1, 0.499992311000824, 0.16667115688323975, 0.041890256106853485, 0.008312467485666275];

/**
 * e^x for x ≤ 0, and 0 for what is no normal number: 2⁻¹²⁷ is 0 when its exponent is put into a float's
 * bits. With a fused multiply-add ln 2 need not be taken in two parts; what it lacks as a float makes
 * four units of the last place at the far end.
 */
export function decay(f: Float, x: Vec): Vec {
  const bounded = f.pmax(x, -88);
  const shifted = f.madd(bounded, LOG2E, MAGIC + BIAS);
  const n = f.sub(shifted, MAGIC + BIAS);
  const r = f.fused ? f.nmadd(n, Math.LN2, bounded) : f.sub(f.sub(bounded, f.mul(n, LN2_HI)), f.mul(n, LN2_LO));
  return f.mul(f.horner(r, DECAY), f.shl(shifted, 23));
}

/**
 * 2⁻²⁴ / (2⁻²⁴ + 2⁻²⁴ e⁻ˣ): with that factor the exponential of every argument that matters is in
 * range, and one power of two is enough.
 */
export function sigmoid(f: Float, x: Vec): Vec {
  const unit = 2 ** -24;
  const magic = MAGIC + BIAS - 24;
  const bounded = f.pmax(f.pmin(x, 70), -104.5);
  const shifted = f.nmadd(bounded, LOG2E, magic);
  const n = f.sub(shifted, magic);
  const r = f.madd(n, LN2_LO, f.madd(n, LN2_HI, bounded));
  const e = f.add(f.sub(f.mul(f.mul(r, r), f.horner(r, EXP_NEG_Q)), r), 1);
  return f.div(unit, f.madd(e, f.shl(shifted, 23), unit));
}

export function exp2(f: Float, x: Vec): Vec {
  const bounded = f.pmin(f.pmax(x, -151), 129);
  const shifted = f.add(bounded, MAGIC + TWO_BIASES);
  const r = f.mul(f.sub(bounded, f.sub(shifted, MAGIC + TWO_BIASES)), Math.LN2);
  return scale(f, expKernel(f, r), shifted);
}

/** 2ⁿ ((1 − 2⁻ⁿ) + r + r² Q(r)), the first sum with its rounding error so that it may cancel. */
export function expm1(f: Float, x: Vec): Vec {
  const { r, n, shifted } = reduce(f, f.pmin(f.pmax(x, -18), 89), BIAS - 1);
  const inverse = f.shl(f.sub(MAGIC + BIAS, f.pmin(n, 30)), 23);
  const offset = f.sub(1, inverse);
  const sum = f.add(offset, r);
  const lost = f.sub(r, f.sub(sum, offset));
  const bend = f.madd(f.mul(r, r), f.horner(r, EXPM1_Q), lost);
  // 2ⁿ⁻¹ is in range where 2ⁿ is not.
  const y = f.add(sum, bend);
  return f.or(f.mul(f.add(y, y), f.shl(shifted, 23)), f.sign(x));
}

/** tanh |x| = m / (m + 2) with m = e^2|x| − 1 = 2ⁿ p + (2ⁿ − 1). */
export function tanh(f: Float, x: Vec): Vec {
  const a = f.pmin(f.abs(x), 9.5);
  const { r, shifted } = reduce(f, f.add(a, a), BIAS);
  const p = f.madd(f.mul(r, r), f.horner(r, EXPM1_Q), r);
  const power = f.shl(shifted, 23);
  const m = f.madd(p, power, f.sub(power, 1));
  return f.or(f.div(m, f.add(m, 2)), f.sign(x));
}

/** (ln((1 + s)/(1 − s)) − 2s) / s³ in s², for |s| ≤ 0.1718: error of the logarithm below 2⁻³⁰. */
const LOG_L = [0.6666677594184875, 0.39977550506591797, 0.2987230122089386];

export const { log, log1p, log2, log10 } = logarithms({
  mantissa: 23,
  bias: BIAS,
  sqrtHalf: 0x3f3504f3n,
  series: (f, z, halfSquare) => f.madd(z, f.poly(z, LOG_L), halfSquare),
  sum(f, k, g, halfSquare, rest) {
    const small = f.sub(halfSquare, f.madd(k, LN2_LO, rest));
    return f.madd(k, LN2_HI, f.sub(g, small));
  },
  // Positive normal numbers are one interval of bit patterns; moved to the least integers, one comparison finds it.
  strange: (f, x) => f.graph.op('i32x4.gt_s', f.iadd(x, f.bits(-0x80800000n)), f.bits(-0x01000001n)),
  raise: 24,
  upper: 0xfffff000n,
  base2: { inverse: [1.4428710938, -1.7605285393e-4], octave: [1, 0] },
  base10: { inverse: [4.3432617188e-1, -3.1689971365e-5], octave: [3.0102920532e-1, 7.9034151668e-7] },
});
