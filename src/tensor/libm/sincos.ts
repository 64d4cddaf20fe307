// Angle addition with a table of sin(k/128) and cos(k/128), each in two doubles, after the scheme of glibc's sin
// and cos (Ziv's accurate tables); see fma.ts for the rounding test.
import { fma, SLACK } from './fma.ts';

// ½π in two parts for one subtraction, and -½π in four for the reduction of larger angles.
const HALF_PI = 1.5707963267948966;
const HALF_PI_LO = 6.123233995736766e-17;
const TWO_OVER_PI = 0.6366197723675814;
const PI1 = 1.5707963407039642;
const PI2 = -1.3909067564377153e-8;
const PI3 = -4.97899623147991e-17;
const PI4 = -1.9034889620193266e-25;
// sin v = v + S3 v³ + S5 v⁵ and cos v = 1 - (C2 v² + C4 v⁴ + C6 v⁶) on |v| ≤ 1/256, with C2 = ½; below, sin on |v| < 0.126.
const S3 = -0.16666666666666488;
const S5 = 0.008333332142857223;
const C4 = -0.04166666666666644;
const C6 = 0.0013888887400793761;
const T3 = -0.16666666666666666;
const T5 = 0.008333333333332329;
const T7 = -0.00019841269834414642;
const T9 = 2.75572980686077e-6;
const T11 = -2.5022014848318398e-8;
// Adding and subtracting 1.5·2⁵² rounds to an integer, 1.5·2⁴⁵ to a multiple of 1/128.
const TO_INTEGER = 6755399441055744;
const TO_128THS = 52776558133248;

let sincosTable: Float64Array | undefined;

/** For each k/128 up to π/4 + 1/16: sin in two parts, cos in two parts; computed in integers scaled by 2¹⁶⁰. */
function buildSincosTable(): Float64Array {
  const bits = 160n;
  const one = 1n << bits;
  let stepSin = 0n;
  let stepCos = 0n;
  // The Taylor series of sin(1/128) and cos(1/128): terms 1/(128ⁿ n!), the sign alternating every two.
  for (let n = 0n, term = one; term !== 0n; n++, term = term / (128n * n)) {
    const signed = n % 4n < 2n ? term : -term;
    if (n % 2n === 0n) stepCos += signed;
    else stepSin += signed;
  }
  const table = new Float64Array(4 * 112);
  for (let k = 0, sin = 0n, cos = one; k < 112; k++) {
    for (const [j, v] of [sin, cos].entries()) {
      const hi = Number(v) * 2 ** -160;
      table[4 * k + 2 * j] = hi;
      table[4 * k + 2 * j + 1] = Number(v - BigInt(hi * 2 ** 160)) * 2 ** -160;
    }
    [sin, cos] = [(sin * stepCos + cos * stepSin) >> bits, (cos * stepCos - sin * stepSin) >> bits];
  }
  return table;
}

/** sin(a + da) for |a| ≤ 0.8555. */
function sinReduced(table: Float64Array, a: number, da: number): number {
  const x = Math.abs(a);
  if (x < 0.126) {
    const xx = a * a;
    const lo = (((((T11 * xx + T9) * xx + T7) * xx + T5) * xx + T3) * a - 0.5 * da) * xx + da;
    const slack = SLACK * (Math.abs(lo) + Math.abs(da));
    const y = a + (lo - slack);
    if (y === a + (lo + slack)) return y;
    const p = fma(fma(fma(fma(T11, xx, T9), xx, T7), xx, T5), xx, T3);
    return a + fma(fma(p, a, -(0.5 * da)), xx, da);
  }
  if (a <= 0) da = -da;
  const nearest = x + TO_128THS - TO_128THS;
  const v = x - nearest;
  const k = 512 * nearest;
  const sn = table[k];
  const snLo = table[k + 1];
  const cs = table[k + 2];
  const csLo = table[k + 3];
  const vv = v * v;

  let s = v + (v * vv * (vv * S5 + S3) + da);
  let c = da * v + vv * ((vv * C6 + C4) * vv + 0.5);
  const lo = s * cs + (s * csLo + snLo - c * sn);
  const slack = SLACK * (Math.abs(lo) + Math.abs(snLo));
  let y = sn + (lo - slack);
  if (y !== sn + (lo + slack)) {
    s = v + fma(v * vv, fma(vv, S5, S3), da);
    c = fma(da, v, vv * fma(fma(vv, C6, C4), vv, 0.5));
    y = sn + fma(s, cs, fma(-c, sn, fma(s, csLo, snLo)));
  }
  return a < 0 ? -y : y;
}

/** cos(a + da) for |a| ≤ 0.8555. */
function cosReduced(table: Float64Array, a: number, da: number): number {
  const x = Math.abs(a);
  if (a < 0) da = -da;
  const nearest = x + TO_128THS - TO_128THS;
  const v = x - nearest + da;
  const k = 512 * nearest;
  const sn = table[k];
  const snLo = table[k + 1];
  const cs = table[k + 2];
  const csLo = table[k + 3];
  const vv = v * v;

  let s = v + v * vv * (vv * S5 + S3);
  let c = vv * ((vv * C6 + C4) * vv + 0.5);
  const lo = csLo - s * snLo - c * cs - s * sn;
  const slack = SLACK * (Math.abs(lo) + Math.abs(csLo) + c);
  const y = cs + (lo - slack);
  if (y === cs + (lo + slack)) return y;
  s = fma(v * vv, fma(vv, S5, S3), v);
  c = vv * fma(fma(vv, C6, C4), vv, 0.5);
  return cs + fma(-s, sn, fma(-c, cs, fma(-s, snLo, csLo)));
}

/** out[0] = sin x, out[1] = cos x; bit-exact for 0 ≤ x < 10⁸. */
export function sincos(x: number, out: Float64Array): void {
  if (!(x >= 2 ** -27 && x < 1e8)) {
    out[0] = Math.sin(x);
    out[1] = Math.cos(x);
    return;
  }
  sincosTable ??= buildSincosTable();
  const table = sincosTable;
  if (x < 0.85546875) {
    out[0] = sinReduced(table, x, 0);
    out[1] = cosReduced(table, x, 0);
    return;
  }
  if (x < 2.4262657165527344) {
    const y = HALF_PI - x;
    const a = y + HALF_PI_LO;
    const da = y - a + HALF_PI_LO;
    out[0] = cosReduced(table, a, da);
    out[1] = sinReduced(table, a, da);
    return;
  }
  // x - n π/2 in two parts, with π/2 to 136 bits. The first three parts have at most 27 bits, so that their
  // products with n are exact; what the fourth loses lies beyond the last bit of da.
  const n = x * TWO_OVER_PI + TO_INTEGER - TO_INTEGER;
  const y = x - n * PI1 - n * PI2;
  const t = y - n * PI3;
  let a = t - n * PI4;
  let da = y - t - n * PI3 + (t - a - n * PI4);
  const quadrant = n % 4;
  if (quadrant === 1 || quadrant === 2) {
    a = -a;
    da = -da;
  }
  const sin = sinReduced(table, a, da);
  const cos = quadrant >= 2 ? -cosReduced(table, a, da) : cosReduced(table, a, da);
  out[quadrant % 2] = sin;
  out[1 - (quadrant % 2)] = cos;
}
