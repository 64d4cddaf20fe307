// After Arm's optimized-routines, © 2018 Arm Limited, MIT licence; see fma.ts for the rounding test.
import { fma, SLACK } from './fma.ts';

const INV_LN2_128 = 184.6649652337873;
// -log(2)/128 in two parts; a multiple of the first by an exponent is exact.
const NEG_LN2_128_HI = -0.005415212348111709;
const NEG_LN2_128_LO = -1.2864023111638346e-14;
// exp r = 1 + r + C2 r² + C3 r³ + C4 r⁴ + C5 r⁵ on |r| ≤ log(2)/256.
const C2 = 0.49999999999996786;
const C3 = 0.16666666666665886;
const C4 = 0.0416666808410674;
const C5 = 0.008333335853059549;
// Adding and subtracting 1.5·2⁵² rounds to an integer.
const TO_INTEGER = 6755399441055744;

const float64 = new Float64Array(1);
// Little-endian like every host that runs WebAssembly: the high word is the second.
const words = new Int32Array(float64.buffer);

let table: Float64Array | undefined;

function squareRoot(n: bigint): bigint {
  let x = 1n << BigInt(n.toString(2).length);
  for (let y = (x + n / x) >> 1n; y < x; y = (x + n / x) >> 1n) x = y;
  return x;
}

/** For each 2^(j/128), the double h nearest to it and by how much of itself h falls short; in integers over 2¹⁶⁰. */
function buildTable(): Float64Array {
  const bits = 160n;
  let step = 2n << bits;
  for (let i = 0; i < 7; i++) step = squareRoot(step << bits);
  const built = new Float64Array(256);
  for (let j = 0, power = 1n << bits; j < 128; j++, power = (power * step) >> bits) {
    const h = Number(power) * 2 ** -160;
    const scaled = BigInt(h * 2 ** 160);
    built[2 * j] = h;
    built[2 * j + 1] = Number(((power - scaled) << bits) / scaled) * 2 ** -160;
  }
  return built;
}

/** eˣ; bit-exact for 2⁻⁵⁴ ≤ |x| < 512. */
export function exp(x: number): number {
  if (!(Math.abs(x) >= 2 ** -54 && Math.abs(x) < 512)) return Math.exp(x);
  table ??= buildTable();
  // x = k log(2)/128 + r.
  const k = x * INV_LN2_128 + TO_INTEGER - TO_INTEGER;
  const rough = x + k * NEG_LN2_128_HI;
  let r = rough + k * NEG_LN2_128_LO;
  const j = k & 127;
  words[1] = (1023 + ((k - j) >> 7)) << 20;
  const scale = table[2 * j] * float64[0];
  const tail = table[2 * j + 1];
  let r2 = r * r;
  const lo = scale * (tail + r + r2 * (C2 + r * C3) + r2 * r2 * (C4 + r * C5));
  const slack = SLACK * scale * (Math.abs(r) + 2 ** -53);
  const y = scale + (lo - slack);
  if (y === scale + (lo + slack)) return y;

  r = fma(k, NEG_LN2_128_LO, rough);
  r2 = r * r;
  const t = fma(fma(C5, r, C4), r2 * r2, fma(fma(C3, r, C2), r2, tail + r));
  return fma(scale, t, scale);
}
