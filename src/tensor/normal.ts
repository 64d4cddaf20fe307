/**
 * Normal samples by the Box–Muller transform, as PyTorch fills contiguous tensors of 16 elements or more: the
 * tensor is filled with uniforms, then each block of 16 turns its first and second eight into pairs
 *
 *   r = √(-2 log(1 - u₁)),   θ = 2π u₂,   n₁ = r cos θ,   n₂ = r sin θ,
 *
 * and if the size is not a multiple of 16 the last 16 elements are drawn anew. Every rounding is reproduced.
 */
import { CEPHES, hasFused, isBulk } from '../backends/wasm/random.ts';
import { fmaAll } from './libm/fma.ts';
import { log } from './libm/log.ts';
import { sincos } from './libm/sincos.ts';
import type { MersenneTwister } from './mt19937.ts';

const BLOCK = 16;
const HALF = 8;
const f = Math.fround;

/** Fill `out`, at least 16 long, with normals as PyTorch's AVX2 kernel does. */
export function fillNormal32(engine: MersenneTwister, out: Float32Array, mean: number, std: number): void {
  const n = out.length;
  const whole = n - (n % BLOCK);
  if (isBulk(whole) && hasFused()) {
    engine.fillNormal(out.subarray(0, whole));
    engine.fillUniform24(out.subarray(whole));
  } else {
    engine.fillUniform24(out);
    for (let start = 0; start < whole; start += BLOCK) transformBlock32(out, start);
  }
  if (n % BLOCK !== 0) {
    engine.fillUniform24(out.subarray(n - BLOCK));
    transformBlock32(out, n - BLOCK);
  }
  fmaAll(out, f(std), f(mean));
}

/** Fill `out`, at least 16 long, with float64 normals. */
export function fillNormal64(engine: MersenneTwister, out: Float64Array, mean: number, std: number): void {
  engine.fillUniform53(out);
  const n = out.length;
  for (let start = 0; start + BLOCK <= n; start += BLOCK) transformBlock64(out, start);
  if (n % BLOCK !== 0) {
    engine.fillUniform53(out.subarray(n - BLOCK));
    transformBlock64(out, n - BLOCK);
  }
  fmaAll(out, std, mean);
}

const angle = new Float64Array(2);

// In both transforms `+ 0` adds the mean of the standard normal: it turns -0 into 0.
function transformBlock64(out: Float64Array, start: number): void {
  for (let i = start; i < start + HALF; i++) {
    const radius = Math.sqrt(-2 * log(1 - out[i]));
    sincos(2 * Math.PI * out[i + HALF], angle);
    out[i] = radius * angle[1] + 0;
    out[i + HALF] = radius * angle[0] + 0;
  }
}

// The float32 log, sin and cos are the Cephes polynomials of avx_mathfun (J. Pommier, G. Garberoglio; zlib
// licence), rewritten for scalars with the fused multiply-adds that PyTorch's compiler makes of them.
// `f(a * b + c)` stands for a fused operation on float32s: the float64 product is exact, and that the sum is
// rounded twice never shows, which was checked on all 2²⁴ values of u₁ and of u₂.

const [P0, P1, P2, P3, P4, P5, P6, P7, P8] = CEPHES.log.map(f);
// log 2 in two parts.
const [LOG2_LO, LOG2_HI] = CEPHES.log2.map(f);
const SQRT_HALF = f(Math.SQRT1_2);
const TWO_PI = f(2 * Math.PI);
const FOUR_OVER_PI = f(4 / Math.PI);
// -π/4 in three parts.
const [DP1, DP2, DP3] = CEPHES.angle.map(f);
const [S0, S1, S2] = CEPHES.sin.map(f);
const [C0, C1, C2] = CEPHES.cos.map(f);

/** log(1 - u) for a float32 u in [0, 1). */
function log32(u: number): number {
  // 1 - u is m·2⁻²⁴; write it as 2ᵉ x with x in [√½, √2).
  const m = (1 - u) * 2 ** 24;
  const bits = 32 - Math.clz32(m);
  let e = bits - 24;
  let x = m / (1 << bits);
  if (x < SQRT_HALF) {
    e -= 1;
    x += x;
  }
  x -= 1;
  const z = f(x * x);
  let y = f(P0 * x + P1);
  y = f(y * x + P2);
  y = f(y * x + P3);
  y = f(y * x + P4);
  y = f(y * x + P5);
  y = f(y * x + P6);
  y = f(y * x + P7);
  y = f(y * x + P8);
  y = f(y * x);
  y = f(y * z + f(e * LOG2_LO));
  y = f(y - 0.5 * z);
  return f(e * LOG2_HI + f(x + y));
}

function transformBlock32(out: Float32Array, start: number): void {
  for (let i = start; i < start + HALF; i++) {
    const radius = f(Math.sqrt(-2 * log32(out[i])));
    const theta = f(TWO_PI * out[i + HALF]);
    // θ = j π/4 + x with j even, so that |x| ≤ π/4; j says which polynomial is the sine and the two signs.
    const j = (f(theta * FOUR_OVER_PI) + 1) & ~1;
    let x = f(j * DP1 + theta);
    x = f(j * DP2 + x);
    x = f(j * DP3 + x);
    const z = f(x * x);
    let c = f(C0 * z + C1);
    c = f(c * z + C2);
    c = f(c * z);
    c = f(c * z - 0.5 * z);
    c = f(c + 1);
    let s = f(S0 * z + S1);
    s = f(s * z + S2);
    s = f(s * z);
    s = f(s * x + x);
    const swapped = (j & 2) !== 0;
    const sin = j & 4 ? -(swapped ? c : s) : swapped ? c : s;
    const cos = (j + 2) & 4 ? -(swapped ? s : c) : swapped ? s : c;
    out[i] = f(radius * cos) + 0;
    out[i + HALF] = f(radius * sin) + 0;
  }
}
