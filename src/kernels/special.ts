/** Functions of probability and of signals, in the manner of `functions.ts`. */
import * as m from './algebra.ts';
import { of1 } from './define.ts';
import { arg, type Expr } from './expr.ts';
import { polynomial } from './gamma.ts';

const x = arg(0);
const INF = Number.POSITIVE_INFINITY;

/** Below this, times π, the slope of sinc is a series: sines and cosines nearly cancel there. */
const SINC_NEAR = 0.15;
/** (p cos p − sin p) / p³ in p² */
const SINC_SLOPE = [-1 / 3, 1 / 30, -1 / 840, 1 / 45360, -1 / 3991680, 1 / 518918400, -1 / 93405312000];

/** sin πx / πx, which is 1 at 0. */
export const sinc = of1(
  'sinc',
  () => {
    const p = m.mul(x, Math.PI);
    return m.select(m.eq(x, 0), 1, m.div(m.sin(p), p));
  },
  (t, [a]) => {
    const p = m.mul(a, Math.PI);
    const near = m.mul(p, polynomial(m.square(p), SINC_SLOPE));
    const slope = m.div(m.sub(m.cos(p), m.div(m.sin(p), p)), p);
    return [m.mul(t, m.mul(Math.PI, m.select(m.lt(m.abs(a), SINC_NEAR), near, slope)))];
  },
);

/** M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37 (1988). */
const MIDDLE = [
  [
    3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, 45921.953931549871457,
    67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
  ],
  [
    1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867, 39307.89580009271061,
    28729.085735721942674, 5226.495278852545925,
  ],
] as const;
const NEAR_TAIL = [
  [
    1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4,
  ],
  [
    1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
    0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9,
  ],
] as const;
const FAR_TAIL = [
  [
    6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
    0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
  ],
  [
    1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525, 7.868691311456132591e-4,
    1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15,
  ],
] as const;

const ratio = (u: Expr, [p, q]: readonly [readonly number[], readonly number[]]): Expr =>
  m.div(polynomial(u, p), polynomial(u, q));

/** Where the normal distribution is ½ + q, from q and the part that lies beyond, ½ − |q|, of which small ones are exact. */
function quantile(q: Expr, beyond: Expr): Expr {
  const middle = m.mul(q, ratio(m.sub(0.180625, m.square(q)), MIDDLE));
  const r = m.sqrt(m.neg(m.log(beyond)));
  const tail = m.select(m.le(r, 5), ratio(m.sub(r, 1.6), NEAR_TAIL), ratio(m.sub(r, 5), FAR_TAIL));
  const ended = m.select(m.eq(beyond, 0), INF, tail);
  return m.select(m.le(m.abs(q), 0.425), middle, m.select(m.lt(q, 0), m.neg(ended), ended));
}

/** The inverse of erf: ±∞ at ±1, NaN beyond. */
export const erfinv = of1(
  'erfinv',
  () => m.mul(quantile(m.mul(x, 0.5), m.mul(m.sub(1, m.abs(x)), 0.5)), Math.SQRT1_2),
  (t, _, r) => [m.mul(t, m.mul(Math.sqrt(Math.PI) / 2, m.exp(m.square(r))))],
);

/** −x log x, which is 0 at 0 and −∞ below. */
export const entr = of1(
  'entr',
  () => m.select(m.gt(x, 0), m.neg(m.mul(x, m.log(x))), m.select(m.eq(x, 0), 0, m.select(m.lt(x, 0), -INF, x))),
  (t, [a]) => [m.mul(t, m.sub(-1, m.log(a)))],
);

const DENSITY = 1 / Math.sqrt(2 * Math.PI);

/** The normal distribution Φ(x) = ½ erfc(−x / √2). */
export const ndtr = of1(
  'ndtr',
  () => m.mul(0.5, m.unary('erfc', m.mul(x, -Math.SQRT1_2))),
  (t, [a]) => [m.mul(t, m.mul(DENSITY, m.exp(m.mul(-0.5, m.square(a)))))],
);
/** The inverse of Φ: ∓∞ at 0 and 1, NaN outside. */
export const ndtri = of1(
  'ndtri',
  () => quantile(m.sub(x, 0.5), m.min(x, m.sub(1, x))),
  (t, _, r) => [m.mul(t, m.mul(1 / DENSITY, m.exp(m.mul(0.5, m.square(r)))))],
);

export const deg2rad = of1('deg2rad', () => m.mul(x, Math.PI / 180));
export const rad2deg = of1('rad2deg', () => m.mul(x, 180 / Math.PI));
