/** Every function of the expression language on f32x4; the error functions are here. Constants have the digits that tell floats apart. */
import type { MathTable } from './emit-float.ts';
import type { Float } from './float.ts';
import { inHalves } from './halves.ts';
import { pow, rem, tan } from './math-f32-double.ts';
import { decay, exp, exp2, expm1, expScaled, log, log1p, log2, log10, sigmoid, tanh } from './math-f32-explog.ts';
import { acos, asin, atan, atan2, cos, sin } from './math-f32-trig.ts';
import { erfc as erfcF64 } from './math-f64-erf.ts';
import { hyperbolic } from './math-hyperbolic.ts';
import type { Vec } from './vector.ts';

/** (erf x − x) / x in x² for |x| < 1.1, and erfc(a)^(−1/8) in a for 1.1 ≤ a ≤ 4.05: minimax fits, errors of erf below 2⁻²⁶. */
const ERF_NEAR = [
  0.12837916612625122, -0.37612611055374146, 0.11283364146947861, -0.026843518018722534, 0.005167731083929539,
  -0.0007824739441275597, 7.236068631755188e-5,
];
const ERFC_ROOT = [
  0.9937792420387268, 0.17114616930484772, 0.027215274050831795, 0.09631335735321045, -0.046578217297792435,
  0.022544672712683678, -0.004928050097078085, 0.000618926715105772,
];

/** Far out 1 − p(a)⁻⁸, the form of Abramowitz & Stegun 7.1.28. */
function erf(f: Float, x: Vec): Vec {
  const a = f.pmin(f.abs(x), 4.05);
  const near = f.madd(x, f.poly(f.mul(x, x), ERF_NEAR), x);
  const root = f.poly(a, ERFC_ROOT);
  const p2 = f.mul(root, root);
  const p4 = f.mul(p2, p2);
  const far = f.or(f.sub(1, f.div(1, f.mul(p4, p4))), f.sign(x));
  return f.select(f.lt(a, 1.1), near, far);
}

/**
 * (Φ(x) + x φ(x) − ½) / x = 1 / (2 e) + (e² − x²) P(x²) / Q(x²) for |x| ≤ e: a minimax fit whose error, times x, is
 * below 2⁻²⁶; at e, and beyond it, the sum is ½ / x to the bit.
 */
const SLOPE_END = 6.25;
const SLOPE_P = [
  39388.3125, -971.0900268554688, 490.84051513671875, 15.839935302734375, 0.8745474219322205, 0.04908393695950508,
  6.716537609463558e-5,
];
const SLOPE_Q = [2143250, 686320.75, 103677.796875, 9728.9794921875, 627.9126586914062, 26.983238220214844, 1];

function geluSlope(f: Float, x: Vec): Vec {
  const bounded = f.pmax(f.pmin(x, SLOPE_END), -SLOPE_END);
  const z = f.mul(bounded, bounded);
  const quotient = f.div(f.horner(z, SLOPE_P), f.horner(z, SLOPE_Q));
  const rest = f.madd(f.sub(SLOPE_END ** 2, z), quotient, 0.5 / SLOPE_END);
  // At the end the product is ±½ because it is rounded.
  return f.add(f.mul(bounded, rest), 0.5);
}

/**
 * 2¹⁸ (2 − 2 Φ(a))^¼ = 2¹⁸ − a p(a) for 0 ≤ a ≤ 5.9, a minimax fit: p is monic of degree 7, a cubic times a quartic
 * without odd powers, and a line. Scaled so, what is multiplied near a = 0 lies just below powers of two, where floats
 * are densest. At the end the difference is `GELU_REST` to the bit, whose square is one too.
 */
const GELU_END = 5.8984375;
const GELU_REST = 17.4375;
const GELU_CUBIC = [-219.417862, 105.992416, -17.4759445] as const;
const GELU_QUARTIC = [254.049103, -13.6552877] as const;
const GELU_LINE = [108032.961, -11279.8848];
/** 73 in the place of the exponent. */
const TIMES_2_73 = 73n << 23n;

/**
 * max(x, 0) − a (1 − Φ(a)) with a = |x|. The fourth root of what falls like e^(−a²/2) takes few terms and no
 * division; where a ends, what is left is exactly 0. Errs by 2.5 units of the last place of x, by 2.7 without fused
 * multiply-adds.
 */
function gelu(f: Float, x: Vec): Vec {
  const a = f.pmin(f.abs(x), GELU_END);
  const y = f.mul(a, a);
  const [c, b, shift] = GELU_CUBIC;
  const cubic = f.madd(f.add(a, shift), y, f.horner(a, [c, b]));
  const quartic = f.madd(f.add(y, GELU_QUARTIC[1]), y, GELU_QUARTIC[0]);
  const root = f.nmadd(f.madd(cubic, quartic, f.horner(a, GELU_LINE)), a, 2 ** 18);
  const square = f.madd(root, root, -(GELU_REST ** 2));
  // Its scale is taken from the exponent, of which a 0 has none to give.
  const tail = f.mul(square, f.graph.op('i16x8.sub_sat_u', square, f.bits(TIMES_2_73)));
  return f.nmadd(tail, a, f.pmax(x, -0));
}

const erfc = (f: Float, x: Vec): Vec => inHalves(f, [x], erfcF64);

export const mathF32: MathTable = {
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
  summand: decay,
  gelu,
  geluSlope,
  pow,
  atan2,
  rem,
  // The series is exact to float32 with four terms: 1/11! is 2.5e-8.
  ...hyperbolic({ halfExp: (f, a) => expScaled(f, a, -1), log1p, terms: 4, huge: 2 ** 60 }),
};
