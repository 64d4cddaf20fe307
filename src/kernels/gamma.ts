/**
 * The logarithm of the gamma function and its derivatives, in the manner of `functions.ts`. Negative numbers are
 * reflected, small ones moved to where an asymptotic series holds (Abramowitz & Stegun, chapter 6).
 */
import * as m from './algebra.ts';
import { call, type ElementwiseFunction, of1 } from './define.ts';
import { arg, constant, type Expr } from './expr.ts';

const x = arg(0);
const INF = Number.POSITIVE_INFINITY;
/** How far numbers are moved; the series below are exact to float64 from there on. */
const SHIFT = 8;

/** Σ cᵢ uⁱ */
export const polynomial = (u: Expr, c: readonly number[]): Expr =>
  c.slice(0, -1).reduceRight<Expr>((sum, next) => m.add(next, m.mul(u, sum)), constant(c.at(-1) as number));

/** What all of them are made of. */
function parts() {
  // For negative numbers 1 − x, of which the functions are known.
  const mirrored = m.lt(x, 0);
  const z = m.select(mirrored, m.sub(1, x), x);
  // From the nearest whole number sines and cosines, times π, are those of x up to a sign.
  const rest = m.sub(x, m.unary('round', x));
  const turn = m.mul(rest, Math.PI);
  const sine = m.sin(turn);
  const small = m.lt(z, SHIFT);
  const y = m.select(small, m.add(z, SHIFT), z);
  // (z + k) (z + 7 − k), which is that of k = 0 and k (7 − k) more; a −0 stays one.
  const ends = m.mul(z, m.add(z, SHIFT - 1));
  const pairs = [ends, m.add(ends, 6), m.add(ends, 10), m.add(ends, 12)];
  return { mirrored, z, rest, sine, cotangent: m.div(m.cos(turn), sine), small, y, inverse: m.div(1, y), pairs };
}

/** log Γ(1 + t) / (t (t − 1)) in 2t − 1 for 0 ≤ t ≤ 1, interpolated: errs by 3e-17. */
const NEAR_ONE = [
  0.48312895054098087, -0.07297994795715303, 0.01572785026864542, -0.003913560937627712, 0.0010498186643114225,
  -0.0002945507014706587, 8.510090557578434e-5, -2.5094329288815257e-5, 7.511379855481206e-6, -2.274243403133105e-6,
  6.948877197562765e-7, -2.1387815081582768e-7, 6.613648184278212e-8, -2.0587178010528767e-8, 6.574429561698382e-9,
  -2.0645205106753338e-9, 5.338892309612246e-10, -1.6832632347974096e-10, 1.0811060848639768e-10,
  -3.4413838839532606e-11,
];
/** B₂ₖ / (2k (2k − 1)): Stirling's series in 1/y². */
const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];

/** log |Γ(x)|: up to z = 3 by the first table, which is exact where Γ is 1, from there on by the second. */
function logGamma(): Expr {
  const { mirrored, z, sine, small, y, inverse, pairs } = parts();
  const low = m.lt(z, 1);
  const high = m.ge(z, 2);
  const t = m.sub(z, m.select(low, 0, m.select(high, 2, 1)));
  const near = m.mul(m.mul(t, m.sub(t, 1)), polynomial(m.sub(m.mul(2, t), 1), NEAR_ONE));
  const series = m.mul(inverse, polynomial(m.square(inverse), STIRLING));
  const main = m.mul(m.sub(y, 0.5), m.sub(m.log(y), 1));
  const far = m.add(m.add(main, (Math.log(2 * Math.PI) - 1) / 2), series);
  const product = pairs.reduce((p, q) => m.mul(p, q));
  const moved = m.select(m.lt(z, 3), m.select(low, z, m.select(high, m.sub(z, 1), 1)), m.select(small, product, 1));
  const way = m.log(moved);
  const above = m.select(m.lt(z, 3), m.add(near, m.select(low, m.neg(way), way)), m.sub(far, way));
  const positive = m.select(m.eq(z, INF), INF, above);
  const reflected = m.sub(m.log(m.div(Math.PI, m.abs(sine))), positive);
  return m.select(m.and(mirrored, m.gt(x, -INF)), reflected, positive);
}

/** log |Γ(x)|; ∞ at 0 and the negative whole numbers. */
export const lgamma: ElementwiseFunction = of1('lgamma', logGamma, (t, [a]) => [m.mul(t, call(digamma, a))]);

/** B₂ₖ / 2k in 1/y² */
const PSI = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12];

/** ψ(x) = d/dx log Γ(x), which is ∓∞ at ±0 and NaN at the negative whole numbers. */
export const digamma: ElementwiseFunction = of1(
  'digamma',
  () => {
    const { mirrored, z, rest, cotangent, small, y, inverse, pairs } = parts();
    const square = m.square(inverse);
    const series = m.sub(m.sub(m.log(y), m.mul(0.5, inverse)), m.mul(square, polynomial(square, PSI)));
    const sum = pairs.map((p) => m.div(1, p)).reduce((a, b) => m.add(a, b));
    const positive = m.select(small, m.sub(series, m.mul(m.add(m.mul(2, z), SHIFT - 1), sum)), series);
    const pole = m.eq(rest, 0);
    const reflected = m.select(pole, Number.NaN, m.sub(positive, m.mul(Math.PI, cotangent)));
    return m.select(mirrored, reflected, positive);
  },
  (t, [a]) => [m.mul(t, call(polygamma(1), a))],
);

/** B₂ₖ / (2k)! */
const EULER_MACLAURIN = [
  1 / 12,
  -1 / 720,
  1 / 30240,
  -1 / 1209600,
  1 / 47900160,
  -691 / 1307674368000,
  1 / 74724249600,
];

/** aⁿ for a whole n > 0. */
function power(a: Expr, n: number): Expr {
  if (n === 1) return a;
  const half = power(m.square(a), n >> 1);
  return n % 2 === 1 ? m.mul(a, half) : half;
}

/** dⁿ/duⁿ cot u as a polynomial in cot u: the derivative of cᵏ is −k (cᵏ⁻¹ + cᵏ⁺¹). */
function cotangentDerivative(n: number): number[] {
  let c = [0, 1];
  for (let i = 0; i < n; i++) {
    const next = new Array<number>(c.length + 1).fill(0);
    for (let k = 1; k < c.length; k++) {
      next[k - 1] -= k * c[k];
      next[k + 1] -= k * c[k];
    }
    c = next;
  }
  return c;
}

/** ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹ n! Σₖ (x + k)⁻ⁿ⁻¹ for n ≥ 1, the sum from its eighth term on by Euler and Maclaurin. */
export const polygamma = (n: number): ElementwiseFunction =>
  of1(
    'polygamma',
    () => {
      const { mirrored, z, cotangent } = parts();
      const inverse = m.div(1, m.add(z, SHIFT));
      let rising = 1;
      const series = EULER_MACLAURIN.map((b, k) => {
        rising *= k === 0 ? n + 1 : (n + 2 * k) * (n + 2 * k + 1);
        return b * rising;
      });
      const tail = m.add(0.5, m.mul(inverse, polynomial(m.square(inverse), series)));
      const terms = Array.from({ length: SHIFT }, (_, k) => power(m.div(1, m.add(z, k)), n + 1));
      const last = m.mul(power(inverse, n), m.add(1 / n, m.mul(inverse, tail)));
      const sum = terms.reduceRight((a, b) => m.add(a, b), last);
      let factorial = n % 2 === 0 ? -1 : 1;
      for (let k = 2; k <= n; k++) factorial *= k;
      const positive = m.select(m.eq(z, INF), 0, m.mul(factorial, sum));
      const bend = m.mul(Math.PI ** (n + 1), polynomial(cotangent, cotangentDerivative(n)));
      return m.select(mirrored, m.sub(n % 2 === 0 ? positive : m.neg(positive), bend), positive);
    },
    (t, [a]) => [m.mul(t, call(polygamma(n + 1), a))],
  );
