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
 * p(a) = ((½)^¼ − (1 − Φ(a))^¼) / a for 0 ≤ a ≤ 5.68, a minimax fit of degree 7: a line, and three times a product
 * with y + α, y = a (a + shift), to which β is added (Eve, Numerische Mathematik 6, 1964). That takes half the
 * multiplications of Horner's rule. At the end a p(a) is (½)^¼ to the bit.
 */
const GELU_END = 5.67637587;
const GELU_SHIFT = -9.08000088;
const GELU_LINE = [3.38620484e-5, 3.38162545e-6];
const GELU_STEPS = [
  [58.2063332, -0.00260713836],
  [46.102993, 0.0246864799],
  [11.9145718, 0.223041728],
] as const;

/**
 * max(x, 0) − a (1 − Φ(a)) with a = |x|. The fourth root of what falls like e^(−a²/2) takes few terms and no
 * division; where a ends, what is left is exactly 0.
 */
function gelu(f: Float, x: Vec): Vec {
  const a = f.pmin(f.and(x, f.bits(0x7fffffffn)), GELU_END);
  const y = f.mul(a, f.add(a, GELU_SHIFT));
  let p = f.horner(a, GELU_LINE);
  for (const [alpha, beta] of GELU_STEPS) p = f.madd(p, f.add(y, alpha), beta);
  const r = f.mul(a, p);
  const root = f.sub(Math.SQRT1_2, f.mul(r, f.sub(2 ** 0.75, r)));
  return f.nmadd(f.mul(a, root), root, f.pmax(x, -0));
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
  gelu,
  geluSlope,
  pow,
  atan2,
  rem,
  // The series is exact to float32 with four terms: 1/11! is 2.5e-8.
  ...hyperbolic({ halfExp: (f, a) => expScaled(f, a, -1), log1p, terms: 4, huge: 2 ** 60 }),
};
