/**
 * Modified Bessel functions and scaled tails of the normal distribution, in the manner of `functions.ts`. Coefficients
 * are those of series that hold exactly, and are worked out when a formula is built.
 */
import * as m from './algebra.ts';
import { call, type ElementwiseFunction, of1, of2 } from './define.ts';
import { arg, type Expr } from './expr.ts';
import { polynomial } from './gamma.ts';

const x = arg(0);
const y = arg(1);

/** Up to here the power series, all terms of which have one sign; from here on the asymptotic one (Abramowitz & Stegun 9.6.10, 9.7.1). */
const FAR = 24;
const NEAR_TERMS = 54;
const FAR_TERMS = 26;

/** Σ (x²/4)ᵏ / (k! (k + ν)!), in the square of x/FAR. */
function powerSeries(order: number): Expr {
  const terms = [1];
  for (let k = 1; k < NEAR_TERMS; k++) terms.push(((terms[k - 1] as number) * (FAR / 2) ** 2) / (k * (k + order)));
  return polynomial(m.square(m.div(x, FAR)), terms);
}

/** e⁻ˣ Iᵥ(x) for large x: Σ ∏ ((2j − 1)² − 4ν²) / (8 j x) / √(2πx). */
function asymptotic(order: number, size: Expr): Expr {
  const terms = [1];
  for (let k = 1; k < FAR_TERMS; k++)
    terms.push(((terms[k - 1] as number) * ((2 * k - 1) ** 2 - 4 * order * order)) / (8 * FAR * k));
  return m.div(polynomial(m.div(FAR, size), terms), m.sqrt(m.mul(size, 2 * Math.PI)));
}

/** Iᵥ, times e^−|x| if `scaled`, for ν = 0 and 1. */
function modified(order: 0 | 1, scaled: boolean): Expr {
  const size = m.abs(x);
  const near = order === 0 ? powerSeries(0) : m.mul(m.mul(x, 0.5), powerSeries(1));
  const away = asymptotic(order, size);
  const far = order === 0 ? away : m.select(m.lt(x, 0), m.neg(away), away);
  const isNear = m.le(size, FAR);
  return scaled
    ? m.select(isNear, m.mul(m.unary('exp', m.neg(size)), near), far)
    : m.select(isNear, near, m.mul(m.exp(size), far));
}

/** Where x is 0 nothing is divided by it; ½ is the slope of I₁ there. */
const slopeAt = (a: Expr, slope: Expr): Expr => m.select(m.eq(a, 0), 0.5, slope);
const divisor = (a: Expr): Expr => m.select(m.eq(a, 0), 1, a);

export const i0: ElementwiseFunction = of1(
  'i0',
  () => modified(0, false),
  (t, [a]) => [m.mul(t, call(i1, a))],
);
/** e^−|x| I₀(x) */
export const i0e: ElementwiseFunction = of1(
  'i0e',
  () => modified(0, true),
  (t, [a], r) => [m.mul(t, m.sub(call(i1e, a), m.mul(m.sign(a), r)))],
);
export const i1: ElementwiseFunction = of1(
  'i1',
  () => modified(1, false),
  (t, [a], r) => [m.mul(t, slopeAt(a, m.sub(call(i0, a), m.div(r, divisor(a)))))],
);
/** e^−|x| I₁(x) */
export const i1e: ElementwiseFunction = of1(
  'i1e',
  () => modified(1, true),
  (t, [a], r) => [m.mul(t, slopeAt(a, m.sub(call(i0e, a), m.mul(r, m.add(m.sign(a), m.div(1, divisor(a)))))))],
);

/** From here on the continued fraction of erfc (Abramowitz & Stegun 7.1.14). */
const TAIL = 4;
const DEPTH = 18;

/** e^(a²), with the square taken apart so that its rounding does not count. */
function expSquare(a: Expr): Expr {
  const coarse = m.div(m.unary('round', m.mul(a, 16)), 16);
  return m.mul(m.exp(m.square(coarse)), m.exp(m.mul(m.sub(a, coarse), m.add(a, coarse))));
}

/** From here on the slope of `erfcx` is its asymptotic series −Σ (−1)ᵏ (2k + 1)!! / (2x²)ᵏ / (√π x²). */
const SLOPE_FAR = 12;
const SLOPE_TERMS = 14;

function farSlope(a: Expr): Expr {
  const terms = [-1 / Math.sqrt(Math.PI)];
  for (let k = 1; k < SLOPE_TERMS; k++) terms.push(-((terms[k - 1] as number) * (2 * k + 1)) / (2 * SLOPE_FAR ** 2));
  const inverse = m.div(1, m.select(m.ge(a, SLOPE_FAR), a, SLOPE_FAR));
  return m.mul(m.square(inverse), polynomial(m.square(m.mul(SLOPE_FAR, inverse)), terms));
}

/** e^(x²) erfc x */
export const erfcx: ElementwiseFunction = of1(
  'erfcx',
  () => {
    const isTail = m.ge(x, TAIL);
    const z = m.select(isTail, x, TAIL);
    let fraction: Expr = z;
    for (let k = DEPTH; k > 0; k--) fraction = m.add(z, m.div(k / 2, fraction));
    const near = m.mul(expSquare(x), m.unary('erfc', x));
    // Of −∞ no difference is made.
    const below = m.select(m.lt(x, -27), Number.POSITIVE_INFINITY, near);
    return m.select(isTail, m.div(1 / Math.sqrt(Math.PI), fraction), below);
  },
  // 2 x r − 2/√π, a difference of nearly equal numbers where x is large.
  (t, [a], r) => {
    const isFar = m.ge(a, SLOPE_FAR);
    const near = m.sub(m.mul(2, m.mul(m.select(isFar, 0, a), r)), 2 / Math.sqrt(Math.PI));
    return [m.mul(t, m.select(isFar, farSlope(a), near))];
  },
);

/** From here on Φ is 1 in float64. */
const ONE_FROM = 9;

/** log Φ(x), of the normal distribution: also where Φ is 0 in floating point. */
export const logNdtr: ElementwiseFunction = of1(
  'logNdtr',
  () => {
    const low = m.sub(m.log(m.mul(0.5, call(erfcx, m.mul(x, -Math.SQRT1_2)))), m.mul(0.5, m.square(x)));
    return m.select(m.lt(x, -1), low, m.log1p(m.mul(-0.5, m.unary('erfc', m.mul(x, Math.SQRT1_2)))));
  },
  // φ / Φ, where Φ is 1 without a quotient of infinities.
  (t, [a]) => {
    const density = m.mul(Math.sqrt(0.5 / Math.PI), m.exp(m.mul(-0.5, m.square(a))));
    const ratio = m.div(Math.sqrt(2 / Math.PI), call(erfcx, m.mul(a, -Math.SQRT1_2)));
    return [m.mul(t, m.select(m.gt(a, ONE_FROM), density, ratio))];
  },
);

/** x log(1 + y), which is 0 at x = 0 except that NaN stays. */
export const xlog1py: ElementwiseFunction = of2(
  'xlog1py',
  () => m.select(m.ne(y, y), y, m.select(m.eq(x, 0), 0, m.mul(x, m.log1p(y)))),
  (t, [a, b]) => [m.select(m.and(m.eq(a, 0), m.le(b, -1)), 0, call(xlog1py, t, b)), m.div(m.mul(t, a), m.add(b, 1))],
);
