/** Every function of the expression language on f32x4; the error functions are here. */
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
 * (Φ(x) − ½) / x = P(x²) / Q(x²) for |x| ≤ 5.8: a minimax fit whose error, times x, is below 2⁻²⁵; from 5.7
 * on it is above ½ / x.
 */
const NORMAL_P = [
  334661.20171442314, 29281.752323418747, 3981.2305645843176, 151.11654297034818, 5.437136895784763,
  0.01865002355367243,
];
const NORMAL_Q = [838871.5201369951, 213208.74964489482, 24545.148043235567, 1634.0231276606662, 65.06191542593642, 1];

function normal(f: Float, x: Vec): Vec {
  const z = f.pmin(f.mul(x, x), 5.8 ** 2);
  const y = f.div(f.mul(x, f.horner(z, NORMAL_P)), f.horner(z, NORMAL_Q));
  return f.pmin(f.pmax(y, -0.5), 0.5);
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
  normal,
  gelu,
  pow,
  atan2,
  rem,
  // The series is exact to float32 with four terms: 1/11! is 2.5e-8.
  ...hyperbolic({ halfExp: (f, a) => expScaled(f, a, -1), log1p, terms: 4, huge: 2 ** 60 }),
};
