// After Arm's optimized-routines, © 2018 Arm Limited, MIT licence; see fma.ts for the rounding test.
import { fma, SLACK } from './fma.ts';

const float64 = new Float64Array(1);
// Little-endian like every host that runs WebAssembly: the high word is the second.
const words = new Int32Array(float64.buffer);

// 1/c for a c near the centre of each of 128 intervals of [0.6875, 1.375), chosen by its authors so that log(c) is
// almost a multiple of 2⁻⁴³: how many units of the last place it lies above that of the centre, with 36 digits.
const RECIPROCALS =
  '-ds0ry -ybi7e -3vilx3 -227zz8 bc784 -21f8xy -8ado1j 5nwj7a -3vo5cq y6qgw 8hslsg -3zf51y 1ephe5 h29ji 4p49bb ' +
  '5nybch -14qhkb -5q32yw -1hng86 -7o9mf8 4pvvuc -83gqah 67w5s0 s7wdw -708123 -4bdw1i 5k3xu5 7evdey 2jsk0b 7enwqw ' +
  '3zmcdf -6yfpd6 -3m1n56 -1loej0 -3ejrgy -637c46 -5phb0m -8ft61i 7ytv9v 3gmss0 73m60m 97zn5 7bd5w9 -6wrn16 17kknf ' +
  '8ir82w 8efvdk 1dvuob 5gpty8 2i98r0 68wdak 3a2bgp 3jvven -5pz2ok 5w1t7n 3kb4li -3svieg -26ezvi 3k4rw2 -7ok9bb ' +
  '-5i5j3g 6dom5k -6mcs0i 48jfgr 7wsu9b 5ptzip 24hhod 3li487 -2oh9av 4vplwc -3wg013 -15atqb 1jrlsp -4igc82 1iq27a ' +
  'h9yh7 4a4zal 6dtio0 -3zv17z 14q1at 6e0mwq 6rh0ma 12qgs9 -1zypk8 34tm91 -jace8 -tqq89 2jpnpe -5q2evc 2gbmby ' +
  '-6k24cn -72hc6c 1rrxxf -8a5ud5 3ibuhn 5249bf -5gnfcy -1ific0 3zrn8 4j2kp2 -8hdw57 -89rye1 813v7h -4n5i6y 1rm4gw ' +
  'ifg6d -4tghbm -6rftmn 2gw2vb -1s7mfd 3q7svi 7m61ti -7hcbm8 -844ym1 8emq1e 85n5sh 5kcfa6 8pqwqq -7kau1a -55xwam ' +
  '-61fdos -6yv58r 5zj8t6 551dl8 -7avmxb -15611l -8qsh4m 760i3j';

// log(1 + r) - r on |r| < 1/256, and on the wider interval around 1 that has no table.
const A0 = -0.5000000000000001;
const A1 = 0.33333333331825593;
const A2 = -0.2499999999622955;
const A3 = 0.20000304511814496;
const A4 = -0.16667054827627667;
const B1 = 0.3333333333333352;
const B2 = -0.24999999999998432;
const B3 = 0.19999999999320328;
const B4 = -0.16666666669929706;
const B5 = 0.14285715076560868;
const B6 = -0.12499997863982555;
const B7 = 0.11110712032936046;
const B8 = -0.10000486757818193;
const B9 = 0.09181994006195467;
const B10 = -0.08328363062289341;
// log 2 in two parts; a multiple of the first by an exponent is exact.
const LN2_HI = 0.6931471805598903;
const LN2_LO = 5.497923018708371e-14;

/** 2ᵏ, by which numbers between 0 and 1 are scaled. */
const POWERS = Float64Array.from({ length: 64 }, (_, k) => 2 ** k);

let logTable: Float64Array | undefined;

/** Pairs 1/c, log c. */
function buildLogTable(): Float64Array {
  const table = new Float64Array(256);
  for (const [i, digits] of RECIPROCALS.split(' ').entries()) {
    const [centre, unit] = i < 80 ? [(i + 176.5) / 256, 2 ** -52] : [(i + 48.5) / 128, 2 ** -53];
    const reciprocal = 1 / centre + Number.parseInt(digits, 36) * unit;
    table[2 * i] = reciprocal;
    // The logarithm is so near a multiple of 2⁻⁴³ that any engine's Math.log finds it.
    table[2 * i + 1] = -Math.round(Math.log(reciprocal) * 2 ** 43) * 2 ** -43;
  }
  return table;
}

/** The natural logarithm; bit-exact for positive normal x. */
export function log(x: number): number {
  if (!(x >= 2 ** -1022 && x < Number.POSITIVE_INFINITY)) return Math.log(x);
  if (x >= 1 - 2 ** -4 && x < 1.064697265625) return logNearOne(x);

  // x = 2ᵏ z with z in [0.6875, 1.375): log x = k log 2 + log c + log(1 + r) with r = z/c - 1.
  logTable ??= buildLogTable();
  float64[0] = x;
  const high = words[1];
  const t = high - 0x3fe60000;
  const i = (t >> 12) & 0xfe;
  const k = t >> 20;
  // Words written to an array would have to be there before a float64 can be read. −k would be −0 where k is 0, as a place
  // of which V8 takes ten times as long.
  const r = fma(x * (POWERS[0 - k] ?? 2 ** -k), logTable[i], -1);
  const w = k * LN2_HI + logTable[i + 1];
  const hi = w + r;
  const rest = w - hi + r;
  const r2 = r * r;

  const lo = rest + k * LN2_LO + r2 * A0 + r * r2 * (A1 + r * A2 + r2 * (A3 + r * A4));
  const slack = SLACK * (Math.abs(rest) + Math.abs(k * LN2_LO) + r2);
  const y = hi + (lo - slack);
  if (y === hi + (lo + slack)) return y;

  const q = fma(fma(r, A4, A3), r2, fma(r, A2, A1));
  return fma(r * r2, q, fma(r2, A0, fma(k, LN2_LO, rest))) + hi;
}

/** log(1 + r) = r - r²/2 + r³ (…), with r²/2 carried in two parts. */
function logNearOne(x: number): number {
  const r = x - 1;
  const r2 = r * r;
  const r3 = r * r2;
  const w = r * 2 ** 27;
  const rHi = r + w - w;
  const half = 0.5 * rHi * rHi;
  const hi = r - half;
  const rest = r - hi - half;
  const cross = -0.5 * (r - rHi);

  const p = r3 * (B7 + r * B8 + r2 * B9 + r3 * B10);
  const lo = rest + cross * (rHi + r) + r3 * (B1 + r * B2 + r2 * B3 + r3 * (B4 + r * B5 + r2 * B6 + p));
  const slack = SLACK * (Math.abs(rest) + Math.abs(r3) + Math.abs(cross * r));
  const y = hi + (lo - slack);
  if (y === hi + (lo + slack)) return y;

  const low = fma(r2, B3, fma(r, B2, B1));
  const middle = fma(r2, B6, fma(r, B5, B4));
  const top = fma(r3, B10, fma(r2, B9, fma(r, B8, B7)));
  const q = fma(fma(top, r3, middle), r3, low);
  return fma(q, r3, fma(cross, rHi + r, rest)) + hi;
}
