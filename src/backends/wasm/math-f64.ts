/** Every function of the expression language on f64x2, to within 2 ulp; tanh, gelu and the remainder are here. */
import type { MathTable } from './emit-float.ts';
import type { Float } from './float.ts';
import { erf, erfc } from './math-f64-erf.ts';
import { decay, exp, exp2, expm1, expScaled, log, log1p, log2, log10, sigmoid, summand } from './math-f64-explog.ts';
import { pow } from './math-f64-pow.ts';
import { acos, asin, atan, atan2, cos, sin, tan } from './math-f64-trig.ts';
import { hyperbolic } from './math-hyperbolic.ts';
import { SLOW } from './math-slow.ts';
import type { Vec } from './vector.ts';

/** tanh x = x + x z P(z)/Q(z), z = x², for |x| < 0.625: Cephes (S. L. Moshier), tanh.c. */
const TANH_P = [-1.61468768441708447952e3, -9.92877231001918586564e1, -9.64399179425052238628e-1];
const TANH_Q = [4.84406305325125486048e3, 2.2354883906010044858e3, 1.12811678491632931402e2, 1];

function tanh(f: Float, x: Vec): Vec {
  const a = f.abs(x);
  const z = f.mul(x, x);
  const near = f.add(x, f.mul(f.mul(x, z), f.div(f.poly(z, TANH_P), f.poly(z, TANH_Q))));
  const far = f.sub(1, f.div(2, f.add(expScaled(f, f.mul(a, 2)), 1)));
  return f.or(f.select(f.lt(a, 0.625), near, far), f.sign(x));
}

/** The normal distribution Φ. */
const normal = (f: Float, x: Vec): Vec => f.madd(erf(f, f.mul(x, Math.SQRT1_2)), 0.5, 0.5);

/** Beyond the bounds the density is 0. */
function geluSlope(f: Float, x: Vec): Vec {
  const a = f.pmax(f.pmin(x, 40), -40);
  const density = f.mul(decay(f, f.mul(f.mul(a, a), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return f.madd(a, density, normal(f, x));
}

/**
 * C's fmod. With the divisor split in two halves the products with a quotient below 2²⁶ are exact, and
 * so are both differences; a quotient that was rounded up shows as a negative remainder.
 */
function rem(f: Float, x: Vec, y: Vec): Vec {
  const a = f.abs(x);
  const b = f.abs(y);
  const q = f.trunc(f.div(a, b));
  const high = f.and(b, f.bits(0xfffffffff8000000n));
  const r = f.sub(f.sub(a, f.mul(q, high)), f.mul(q, f.sub(b, high)));
  const whole = f.or(f.select(f.lt(r, 0), f.add(r, b), r), f.sign(x));
  const strange = f.not(f.and(f.lt(q, 2 ** 26), f.lt(b, Infinity)));
  return f.rarely('rem', strange, whole, [x, y], (h, [u, v]) => h.call(SLOW.rem, u, v));
}

export const mathF64: MathTable = {
  exp,
  expm1,
  exp2,
  log,
  log1p,
  log2,
  log10,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  tanh,
  sigmoid,
  erf,
  erfc,
  decay,
  summand,
  gelu: (f, x) => f.mul(x, normal(f, x)),
  geluSlope,
  pow,
  atan2,
  rem,
  ...hyperbolic({ halfExp: (f, a) => expScaled(f, a, undefined, -1), log1p, terms: 9, huge: 2 ** 500 }),
};
