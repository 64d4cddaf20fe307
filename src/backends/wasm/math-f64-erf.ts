/** The error functions on f64x2. */
import type { Float } from './float.ts';
import { expScaled } from './math-f64-explog.ts';
import type { Vec } from './vector.ts';

/** (erf x − x) / x = P(x²) / Q(x²) for |x| < 0.84375: fdlibm's s_erf.c. */
const ERF_P = [
  1.28379167095512558561e-1, -3.2504210724700149937e-1, -2.84817495755985104766e-2, -5.77027029648944159157e-3,
  -2.37630166566501626084e-5,
];
const ERF_Q = [
  1, 3.97917223959155352819e-1, 6.50222499887672944485e-2, 5.08130628187576562776e-3, 1.32494738004321644526e-4,
  -3.9602282787753681232e-6,
];

/**
 * (1 + 2a) e^(a²) erfc a as a polynomial in (a − 4)/(a + 4), for 0.45 ≤ a ≤ 28: the form of
 * M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x in
 * 0 ≤ x < ∞", Math. Comp. 36 (1981); coefficients fitted at 200 bits, relative error 4.5e-18.
 */
const TAIL_FIRST = 1.2329951186255526;
const TAIL_REST = [
  -0.13962111684056255, 0.015379652102619098, 0.06809705425469749, -0.10103906603625828, 0.09373283499818684,
  -0.06633036581349587, 0.037167515539911176, -0.016197734039638548, 0.005031969959410359, -0.000757773439017777,
  -0.0001992566217694988, 0.00015062245399856283, -2.4399309113143734e-5, -1.122462445098893e-5, 5.70937204107749e-6,
  2.9938795233219766e-7, -8.235624390130805e-7, 6.717226326433025e-8, 1.06452649653259e-7, -1.2278425705830675e-8,
  -1.073184671014993e-8,
];

function central(f: Float, x: Vec): Vec {
  const z = f.mul(x, x);
  return f.mul(x, f.div(f.poly(z, ERF_P), f.poly(z, ERF_Q)));
}

/**
 * erfc a for a ≥ 0.45. The square in the exponent is the exact z² plus (a − z)(a + z), z being a's
 * leading 26 bits; what rounding 1 + 2a loses goes into the exponent too.
 */
function tail(f: Float, x: Vec): Vec {
  const a = f.pmin(f.abs(x), 28);
  const t = f.div(f.sub(a, 4), f.add(a, 4));
  const twice = f.add(a, a);
  const divisor = f.add(twice, 1);
  const lost = f.select(f.gt(twice, 1), f.add(f.sub(twice, divisor), 1), f.sub(twice, f.sub(divisor, 1)));
  // The first coefficient outweighs the rest, so it is added last.
  const ratio = f.div(f.add(f.mul(t, f.poly(t, TAIL_REST)), TAIL_FIRST), divisor);
  const z = f.and(a, f.bits(0xfffffffff8000000n));
  const rest = f.sub(f.mul(f.sub(z, a), f.add(a, z)), f.div(lost, divisor));
  return f.mul(expScaled(f, f.neg(f.mul(z, z)), rest), ratio);
}

export function erf(f: Float, x: Vec): Vec {
  const near = f.add(x, central(f, x));
  return f.rarely('erf', f.ge(f.abs(x), 0.84375), near, [x], (h, [v]) => h.or(h.sub(1, tail(h, v)), h.sign(v)));
}

export function erfc(f: Float, x: Vec): Vec {
  const bend = central(f, x);
  const near = f.select(f.lt(x, 0.25), f.sub(1, f.add(x, bend)), f.sub(0.5, f.add(f.sub(x, 0.5), bend)));
  return f.rarely('erfc', f.ge(f.abs(x), 0.5), near, [x], (h, [v]) => {
    const far = tail(h, v);
    return h.select(h.lt(v, 0), h.sub(2, far), far);
  });
}
