/** Logarithms, which are the same formulas at either width. */
import type { Float } from './float.ts';
import type { Vec } from './vector.ts';

/** What a width brings. */
export interface Logarithms {
  /** Bits of a mantissa, and what is added to exponents. */
  readonly mantissa: number;
  readonly bias: number;
  /** The bits of √½. */
  readonly sqrtHalf: bigint;
  /** z = s² to g²/2 + (ln((1 + s)/(1 − s)) − 2s) / s. */
  readonly series: (f: Float, z: Vec, halfSquare: Vec) => Vec;
  /** k ln 2 + g − g²/2 + rest. */
  readonly sum: (f: Float, k: Vec, g: Vec, halfSquare: Vec, rest: Vec) => Vec;
  /** Whether x is anything but positive, normal and finite. */
  readonly strange: (f: Float, x: Vec) => Vec;
  /** The power of 2 by which subnormal numbers are raised. */
  readonly raise: number;
  /** Bits of the upper part of a product. */
  readonly upper: bigint;
  readonly base2: Base;
  readonly base10: Base;
}

interface Base {
  /** 1 / ln(base), and the logarithm of 2, each in two parts. */
  readonly inverse: readonly [number, number];
  readonly octave: readonly [number, number];
}

interface Split {
  readonly k: Vec;
  readonly m: Vec;
  /** The biased exponent in place. */
  readonly exponentBits: Vec;
}

type Functions = Readonly<Record<'log' | 'log1p' | 'log2' | 'log10', (f: Float, x: Vec) => Vec>>;

export function logarithms(width: Logarithms): Functions & { readonly splitExponent: (f: Float, x: Vec) => Split } {
  const { mantissa, bias, sqrtHalf, series, sum, raise } = width;
  const inPlace = (exponent: number): bigint => BigInt(exponent) << BigInt(mantissa);
  const exponents = inPlace(2 * bias + 1);

  /** x = 2ᵏ m with √½ ≤ m < √2, for normal positive x. */
  const splitExponent = (f: Float, x: Vec): Split => {
    const raised = f.iadd(x, f.bits(inPlace(bias) - sqrtHalf));
    const m = f.iadd(f.and(raised, f.bits(inPlace(1) - 1n)), f.bits(sqrtHalf));
    // An integer below 2ᵇ in the low bits of 2ᵇ, b the bits of a mantissa, is that integer added to it.
    const k = f.sub(f.or(f.shru(raised, mantissa), f.bits(inPlace(bias + mantissa))), 2 ** mantissa + bias);
    return { k, m, exponentBits: f.and(raised, f.bits(exponents)) };
  };

  /** ln(1 + g) = g − g²/2 + rest. */
  const logRest = (f: Float, g: Vec): readonly [halfSquare: Vec, rest: Vec] => {
    const s = f.div(g, f.add(2, g));
    const halfSquare = f.mul(f.mul(g, 0.5), g);
    return [halfSquare, f.mul(s, series(f, f.mul(s, s), halfSquare))];
  };

  /** Puts right what a logarithm to some base gives for zero, negative, subnormal and infinite x. */
  const logOf = (f: Float, name: string, x: Vec, perOctave: number, g: (f: Float, x: Vec) => Vec): Vec =>
    f.rarely(name, width.strange(f, x), g(f, x), [x], (h, [v]) => {
      const subnormal = h.sub(g(h, h.mul(v, 2 ** raise)), raise * perOctave);
      const orInfinite = h.select(h.lt(v, 2 ** (1 - bias)), subnormal, v);
      return h.select(h.lt(v, 0), Number.NaN, h.select(h.eq(v, 0), -Infinity, orInfinite));
    });

  /** k · octave + ln(1 + g) / ln(base), the product in two parts (FreeBSD's e_log2.c): exact for powers of the base where those are. */
  const logBase = (f: Float, x: Vec, { inverse, octave }: Base): Vec => {
    const { k, m } = splitExponent(f, x);
    const g = f.sub(m, 1);
    const [halfSquare, rest] = logRest(f, g);
    const hi = f.and(f.sub(g, halfSquare), f.bits(width.upper));
    const lo = f.add(f.sub(f.sub(g, hi), halfSquare), rest);
    const tail = f.add(f.mul(f.add(lo, hi), inverse[1]), f.mul(lo, inverse[0]));
    const product = f.mul(hi, inverse[0]);
    const whole = octave[0] === 1 ? k : f.mul(k, octave[0]);
    const all = f.add(whole, product);
    const lost = f.add(f.sub(whole, all), product);
    const small = octave[1] === 0 ? tail : f.add(f.mul(k, octave[1]), tail);
    return f.add(f.add(small, lost), all);
  };

  return {
    splitExponent,
    log: (f, x) =>
      logOf(f, 'log', x, Math.LN2, (h, y) => {
        const { k, m } = splitExponent(h, y);
        const g = h.sub(m, 1);
        return sum(h, k, g, ...logRest(h, g));
      }),
    /** ln(u) for u = 1 + x rounded, with what the rounding lost put into the reduced argument. */
    log1p(f, x) {
      const u = f.add(x, 1);
      // Exact, but for u so large that it does not matter.
      const lost = f.sub(x, f.sub(u, 1));
      const { k, m, exponentBits } = splitExponent(f, u);
      // 2^(1−k), which does not leave the exponent range where k is largest.
      const unscale = f.isub(f.bits(exponents), exponentBits);
      const g = f.add(f.sub(m, 1), f.mul(f.mul(lost, 0.5), unscale));
      const y = f.or(sum(f, k, g, ...logRest(f, g)), f.sign(x));
      const strange = f.not(f.and(f.gt(x, -1), f.lt(x, Infinity)));
      return f.rarely('log1p', strange, y, [x], (h, [v]) =>
        h.select(h.lt(v, -1), Number.NaN, h.select(h.eq(v, -1), -Infinity, v)),
      );
    },
    log2: (f, x) => logOf(f, 'log2', x, 1, (h, y) => logBase(h, y, width.base2)),
    log10: (f, x) => logOf(f, 'log10', x, Math.log10(2), (h, y) => logBase(h, y, width.base10)),
  };
}
