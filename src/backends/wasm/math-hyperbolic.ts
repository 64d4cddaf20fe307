/** Hyperbolic functions and their inverses, which are the same formulas at either width. */
import type { Float } from './float.ts';
import type { Vec } from './vector.ts';

/** What a width brings. */
export interface Hyperbolic {
  /** eᵃ/2, formed so that it overflows only when the result does. */
  readonly halfExp: (f: Float, a: Vec) => Vec;
  readonly log1p: (f: Float, x: Vec) => Vec;
  /** Terms of Taylor's series of sinh after the first, to be exact below 1. */
  readonly terms: number;
  /** Above it squares overflow, and ln 2x is as good. */
  readonly huge: number;
}

type Functions = Readonly<Record<'sinh' | 'cosh' | 'asinh' | 'acosh' | 'atanh', (f: Float, x: Vec) => Vec>>;

export function hyperbolic({ halfExp, log1p, terms, huge }: Hyperbolic): Functions {
  /** 1/3!, 1/5!, … */
  const series: number[] = [];
  for (let k = 0, term = 1; k < terms; k++) {
    term /= (2 * k + 2) * (2 * k + 3);
    series.push(term);
  }
  /** ln(1 + y), or ln x + ln 2 where x is huge. */
  const logOf = (f: Float, x: Vec, y: Vec): Vec => {
    const isHuge = f.ge(x, huge);
    return f.add(log1p(f, f.select(isHuge, x, y)), f.select(isHuge, Math.LN2, 0));
  };
  return {
    /** Taylor's series below 1, (eᵃ − e⁻ᵃ)/2 above. */
    sinh(f, x) {
      const a = f.abs(x);
      const z = f.mul(x, x);
      const near = f.add(x, f.mul(f.mul(x, z), f.poly(z, series)));
      const half = halfExp(f, a);
      const far = f.or(f.sub(half, f.div(0.25, half)), f.sign(x));
      return f.select(f.lt(a, 1), near, far);
    },
    cosh(f, x) {
      const half = halfExp(f, f.abs(x));
      return f.add(half, f.div(0.25, half));
    },
    /** ln(1 + a + a²/(1 + √(1 + a²))) */
    asinh(f, x) {
      const a = f.abs(x);
      const z = f.mul(a, a);
      const y = f.add(a, f.div(z, f.add(f.sqrt(f.add(z, 1)), 1)));
      return f.or(logOf(f, a, y), f.sign(x));
    },
    /** ln(1 + t + √(2t + t²)), t = x − 1; as 2t + t|t|, of which there is no root below 1. */
    acosh(f, x) {
      const t = f.sub(x, 1);
      return logOf(f, x, f.add(t, f.sqrt(f.add(f.add(t, t), f.mul(t, f.abs(t))))));
    },
    /**
     * ½ ln(1 + 2a/(1 − a)), the argument as 2a + 2a²/(1 − a) so that small a are not rounded twice. Above 1 the sum
     * would cancel, and must stay below −1: there is no logarithm.
     */
    atanh(f, x) {
      const a = f.abs(x);
      const twice = f.add(a, a);
      const y = f.add(f.pmin(2, twice), f.div(f.mul(twice, a), f.sub(1, a)));
      return f.or(f.mul(log1p(f, y), 0.5), f.sign(x));
    },
  };
}
