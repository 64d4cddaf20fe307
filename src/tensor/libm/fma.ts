import { hasFused, isBulk, scaleAll } from '../../backends/wasm/random.ts';

/**
 * The elementary functions to the last bit of the C library behind PyTorch's reference numbers (glibc ≥ 2.28 on a
 * machine with fused multiply-add). JavaScript leaves the last bit of `Math.log` and its sisters to the engine, and
 * a seeded float64 sample must not depend on the browser it was drawn in.
 *
 * A fused operation costs about twenty plain ones here, so each function first runs unfused, with a bound on how
 * far fusing could move the correction `lo` that is added to the leading part `hi`. Only if the sum would round
 * differently within that bound is the fused computation replayed (Ziv's rounding test).
 */

/** What an unfused correction may be off by, relative to its size: a few roundings of 2⁻⁵³ each. */
export const SLACK = 2 ** -50;

// Dekker's splitting constant for 53-bit significands, 2²⁷ + 1.
const SPLIT = 134217729;

/**
 * a b + c rounded once: wrong perhaps once in 2⁵⁰ random calls, and rounded twice where an operand is so large or
 * small that it cannot be split.
 */
export function fma(a: number, b: number, c: number): number {
  const p = a * b;
  let t = SPLIT * a;
  const aHi = t - (t - a);
  const aLo = a - aHi;
  t = SPLIT * b;
  const bHi = t - (t - b);
  const bLo = b - bHi;
  const productError = aHi * bHi - p + aHi * bLo + aLo * bHi + aLo * bLo;
  const s = p + c;
  const v = s - p;
  const fused = s + (p - (s - v) + (c - v) + productError);
  // A zero keeps the sign of the plain sum; NaN here means that the splitting overflowed.
  return fused === 0 || Number.isNaN(fused) ? s : fused;
}

/** a b + c in float32 with one rounding, for float32 a, b and c. */
export function fmaf(a: number, b: number, c: number): number {
  const p = a * b; // exact: 24 + 24 bits fit in 53
  const s = p + c;
  const r = Math.fround(s);
  const d = s - r;
  // Rounding twice is wrong only if the float64 sum is inexact and fell on the midpoint of two float32s.
  const other = r + 2 * d;
  if (d !== 0 && Math.fround(other) === other) {
    const v = s - p;
    const e = p - (s - v) + (c - v);
    if (e !== 0 && e > 0 === d > 0) return other;
  }
  return r;
}

/** x ← x · scale + shift for all, rounded once, unless that changes nothing; `scale` and `shift` are of the array's type. */
export function fmaAll(out: Float32Array | Float64Array, scale: number, shift: number): void {
  if (scale === 1 && shift === 0) return;
  if (isBulk(out.length) && hasFused()) scaleAll(out, scale, shift);
  else {
    const once = out instanceof Float64Array ? fma : fmaf;
    for (let i = 0; i < out.length; i++) out[i] = once(out[i], scale, shift);
  }
}
