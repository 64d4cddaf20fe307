// After Arm's optimized-routines, © 2018 Arm Limited, MIT licence; see fma.ts for the rounding test.
import { fma, SLACK } from './fma.ts';

const float64 = new Float64Array(1);
// Little-endian like every host that runs WebAssembly: the high word is the second.
const words = new Int32Array(float64.buffer);

// 1/c for a c near the centre of each of 128 intervals of [0.6875, 1.375), chosen by its authors so that
// log(c) is almost a multiple of 2⁻⁴³: significands in hexadecimal, the first 80 in [1, 2), the others in [½, 1).
const RECIPROCALS =
  '734f0c3e0de9f 713786a2ce91f 6f26008fab5a0 6d1a61f138c7d 6b1490bc5b4d1 69147332f0cba 6719f18224223 6524f99a51ed9 ' +
  '63356aa8f24c4 614b36b9ddc14 5f66452c65c4c 5d867b5912c4f 5babccb5b90de 59d61f2d91a78 5805612465687 56397cee76bd3 ' +
  '54725e2a77f93 52aff42064583 50f22dbb2bddf 4f38f4734ded7 4d843cfde2840 4bd3ec078a3c8 4a27fc3e0258a 4880524d48434 ' +
  '46dce1b192d0b 453d9d3391854 43a2744b4845a 420b54115f8fb 40782da3ef4b1 3ee8f5d57fe8f 3d5d9a00b4ce9 3bd60c010c12b ' +
  '3a5242b75dab8 38d22cd9fd002 3755bc5847a1c 35dce49ad36e2 34679984dd440 32f5cceffcb24 3187775a10d49 301c8373e3990 ' +
  '2eb4ebb95f841 2d50a0219a9d1 2bef9a8b7fd2a 2a91c7a0c1bab 293726014b530 27dfa5757a1f5 268b39b1d3bbf 2539d838ff5bd ' +
  '23eb7aac9083b 22a012ba940b6 2157996cc4132 201201dd2fc9b 1ecf4494d480b 1d8f5528f6569 1c52311577e7c 1b17c74cb26e9 ' +
  '19e010c2c1ab6 18ab07bb670bd 1778a25efbcb6 1648d354c31da 151b990275fdd 13f0ea432d24c 12c8b7210f9da 11a3028ecb531 ' +
  '107fbda8434af 0f5ee0f4e6bb3 0e4065d2a9fce 0d244632ca521 0c0a77ce2981a 0af2f83c636d1 09ddb98a01339 08cabaf52e7df ' +
  '07b9f2f4e28fb 06ab58c358f19 059eea5ecf92c 04949cdd12c90 038c6c6f0ada9 02865137932a9 0182427ea7348 008040614b195 ' +
  'fe01ff726fa1a fa11cc261ea74 f6310b081992e f25f63ceeadcd ee9c8039113e7 eae8078cbb1ab e741aa29d0c9b e3a91830a99b5 ' +
  'e01e009609a56 dca01e577bb98 d92f20b7c9103 d5cac66fb5cce d272caa5ede9d cf26e3e6b2ccd cbe6da2a77902 c8b266d37086d ' +
  'c5894bd5d5804 c26b533bb9f8c bf583eeece73f bc4fd75db96c1 b951e0c864a28 b65e2c5ef3e2c b374867c9888b b094b211d304a ' +
  'adbe885f2ef7e aaf1d31603da2 a82e63fd358a7 a5740ef09738b a2c2a90ab4b27 a01a01393f2d1 9d79f24db3c1b 9ae2505c7b190 ' +
  '9852ef297ce2f 95cbaeea44b75 934c69de74838 90d4f2f6752e6 8e6528effd79d 8bfce9fcc007c 899c0dabec30e 87427aa2317fb ' +
  '84f00acb39a08 82a49e8653e55 8060195f40260 7e22563e0a329 7beb377dcb5ad 79baa679725c2 77907f2170657 756cadbd6130c';

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

let logTable: Float64Array | undefined;

/** Pairs 1/c, log c. */
function buildLogTable(): Float64Array {
  const table = new Float64Array(256);
  for (const [i, digits] of RECIPROCALS.split(' ').entries()) {
    const reciprocal = (1 + Number.parseInt(digits, 16) * 2 ** -52) * (i < 80 ? 1 : 0.5);
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
  words[1] = high - (t & 0xfff00000);
  const i = (t >> 12) & 0xfe;
  const k = t >> 20;
  const r = fma(float64[0], logTable[i], -1);
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
