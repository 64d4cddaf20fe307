import { sumUp } from '../backends/wasm/running-sums.ts';
import type { TypedArray } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import {
  checkDraws,
  checkFloat,
  checkProbabilities,
  checkRange,
  checkUniform,
  checkWeights,
  type FloatArray,
  valueCount,
} from './distribution-checks.ts';
import { exp } from './libm/exp.ts';
import { fma, fmaAll } from './libm/fma.ts';
import { log } from './libm/log.ts';
import { sincos } from './libm/sincos.ts';
import { MersenneTwister } from './mt19937.ts';
import { fillNormal32, fillNormal64 } from './normal.ts';
import { poisson } from './poisson.ts';
import { toUint64 } from './seed.ts';

/** Numbers that are drawn at once. */
const DRAWN = 16384;

/** Indices up to which the largest keys are kept in order as they come. */
const FEW = 64;

/** Shares of weights that a draw meets, at most. */
const MET = 25;
/** Weights from which on a kernel adds them up. */
const MANY_WEIGHTS = 1024;

/** Running sums of weights, rounded as their array is; throws for what are none. */
function runningSums(weights: FloatArray): FloatArray {
  const sums = weights.slice();
  if (sums instanceof Float32Array && sums.length >= MANY_WEIGHTS) {
    const least = sumUp(sums);
    const sum = sums[sums.length - 1];
    if (least === 0 && sum > 0 && sum < Number.POSITIVE_INFINITY) return sums;
    sums.set(weights);
  }
  checkWeights(weights);
  for (let i = 1; i < sums.length; i++) sums[i] += sums[i - 1];
  return sums;
}

/** How little less than a float32's worth roundings leave of it. */
const ROUNDED = 1 - 2 ** -20;

/** The seed of a generator that was never given one: PyTorch's, balanced in its bits. */
const DEFAULT_SEED = 67280421310721n;

// torch.get_rng_state() is a C struct: the seed, `left`, a flag, `next` and the 624 state words as 64-bit
// integers, three doubles of which the second is the normal kept for later, whether there is one, and two fields
// that are never set.
const STATE_BYTES = 5056;
const STATE_LEFT = 8;
const STATE_SEEDED = 12;
const STATE_NEXT = 16;
const STATE_WORDS = 24;
const STATE_NORMAL = STATE_WORDS + 624 * 8 + 8;
const STATE_HAS_NORMAL = STATE_NORMAL + 16;

/**
 * PyTorch's CPU random number generator and its distributions, bit for bit: the same seed followed by the same
 * calls gives the numbers of the books and papers that print them. The `fill…` functions write a contiguous
 * tensor in row-major order, drawing just what PyTorch draws for that dtype and size.
 *
 * `fillCauchy` alone takes a quotient for a tangent, and may differ in the last bits of float64.
 */
export class Generator {
  readonly #engine: MersenneTwister;
  #seed: bigint;
  /** Box–Muller makes normals in pairs; the serial path keeps the second for its next call. */
  #spareNormal: number | null = null;

  constructor(seed: number | bigint = DEFAULT_SEED) {
    this.#seed = toUint64('manualSeed: the seed', seed);
    this.#engine = new MersenneTwister(Number(this.#seed & 0xffffffffn));
  }

  /** Start over from a seed in [-2⁶³, 2⁶⁴), of which the twister takes the low 32 bits. */
  manualSeed(seed: number | bigint): this {
    this.#seed = toUint64('manualSeed: the seed', seed);
    this.#engine.seed(Number(this.#seed & 0xffffffffn));
    this.#spareNormal = null;
    return this;
  }

  /** The seed last given, as an unsigned 64-bit integer. */
  initialSeed(): bigint {
    return this.#seed;
  }

  /** Start over from a seed nobody knows, and return it. */
  seed(): bigint {
    const host = globalThis as { crypto?: { getRandomValues(array: Uint32Array): Uint32Array } };
    const bits = new Uint32Array(2);
    if (host.crypto) host.crypto.getRandomValues(bits);
    else bits.set([Math.random() * 2 ** 32, Math.random() * 2 ** 32]);
    // 53 bits, as PyTorch takes, so that the seed survives a round trip through a float64.
    this.manualSeed((BigInt(bits[0] & 0x1fffff) << 32n) | BigInt(bits[1]));
    return this.#seed;
  }

  /** A copy of the whole state, in the byte layout of `torch.get_rng_state()`. */
  getState(): Uint8Array {
    const state = new Uint8Array(STATE_BYTES);
    const view = new DataView(state.buffer);
    const { words, left, next } = this.#engine.state;
    view.setBigUint64(0, this.#seed, true);
    view.setInt32(STATE_LEFT, left, true);
    view.setInt32(STATE_SEEDED, 1, true);
    view.setUint32(STATE_NEXT, next, true);
    for (const [i, word] of words.entries()) view.setInt32(STATE_WORDS + 8 * i, word, true);
    if (this.#spareNormal !== null) {
      view.setFloat64(STATE_NORMAL, this.#spareNormal, true);
      view.setInt32(STATE_HAS_NORMAL, 1, true);
    }
    return state;
  }

  /** Goes on from a state that `getState()` gave, or `torch.get_rng_state()`.
   *
   * @throws {ArgumentError} for anything else.
   */
  setState(state: Uint8Array): this {
    if (!(state instanceof Uint8Array) || state.length !== STATE_BYTES) {
      throw new ArgumentError(
        `setState: RNG state must be a Uint8Array of ${STATE_BYTES} bytes, as getState() returns it, ` +
          `but got ${state instanceof Uint8Array ? `${state.length} bytes` : typeof state}`,
      );
    }
    const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
    const words = Int32Array.from({ length: 624 }, (_, i) => view.getInt32(STATE_WORDS + 8 * i, true));
    const left = view.getInt32(STATE_LEFT, true);
    const next = view.getUint32(STATE_NEXT, true);
    if (view.getInt32(STATE_SEEDED, true) === 0 || !this.#engine.restore({ words, left, next })) {
      throw new ArgumentError(`setState: Invalid mt19937 state (left = ${left}, next = ${next})`);
    }
    this.#seed = view.getBigUint64(0, true);
    this.#spareNormal = view.getInt32(STATE_HAS_NORMAL, true) ? view.getFloat64(STATE_NORMAL, true) : null;
    return this;
  }

  /** A generator of its own that continues from the same state. */
  clone(): Generator {
    return new Generator().setState(this.getState());
  }

  /** An unsigned 32-bit integer. */
  random(): number {
    return this.#engine.next() >>> 0;
  }

  /** An unsigned 64-bit integer: two draws, the high word first. */
  random64(): bigint {
    const high = BigInt(this.random());
    return (high << 32n) | BigInt(this.random());
  }

  /** Uniform on [from, to). */
  fillUniform<A extends FloatArray>(out: A, from = 0, to = 1): A {
    checkUniform(out, from, to);
    const engine = this.#engine;
    if (out instanceof Float64Array) {
      engine.fillUniform53(out);
      fmaAll(out, to - from, from);
    } else {
      const low = Math.fround(from);
      const range = Math.fround(Math.fround(to) - low);
      engine.fillUniform24(out);
      fmaAll(out, range, low);
    }
    return out;
  }

  /**
   * Normal with the given mean and standard deviation. PyTorch goes element by element through float64 for
   * fewer than 16 elements and for tensors that are not contiguous, and by blocks otherwise: the numbers differ.
   */
  fillNormal<A extends FloatArray>(out: A, mean = 0, std = 1, contiguous = true): A {
    checkFloat('normal', out);
    if (!(std >= 0)) throw new ArgumentError(`normal expects std >= 0.0, but found std ${std}`);
    if (out.length < 16 || !contiguous) {
      for (let i = 0; i < out.length; i++) out[i] = this.#normal(mean, std);
    } else if (out instanceof Float64Array) fillNormal64(this.#engine, out, mean, std);
    else fillNormal32(this.#engine, out as Float32Array, mean, std);
    return out;
  }

  /** exp of a normal. */
  fillLogNormal<A extends FloatArray>(out: A, mean = 1, std = 2): A {
    checkFloat('logNormal', out);
    if (!(std > 0)) throw new ArgumentError(`log_normal_ expects std > 0.0, but found std=${std}`);
    for (let i = 0; i < out.length; i++) out[i] = exp(this.#normal(mean, std));
    return out;
  }

  /** Exponential with rate λ: -log(1 - u) / λ. */
  fillExponential<A extends FloatArray>(out: A, lambd = 1): A {
    checkFloat('exponential', out);
    if (!(lambd >= 0)) throw new ArgumentError(`exponential_ expects lambda >= 0.0, but found lambda=${lambd}`);
    const scale = -1 / lambd;
    this.#byUniforms(out.length, (u, from) => {
      for (let i = 0; i < u.length; i++) out[from + i] = scale * log(1 - u[i]);
    });
    return out;
  }

  /** Cauchy: median + σ tan(π (u - ½)). */
  fillCauchy<A extends FloatArray>(out: A, median = 0, sigma = 1): A {
    checkFloat('cauchy', out);
    for (let i = 0; i < out.length; i++) {
      sincos(Math.PI * (this.#engine.uniform53() - 0.5), angle);
      out[i] = fma(sigma, angle[0] / angle[1], median);
    }
    return out;
  }

  /** Poisson, with a rate for each. */
  fillPoisson<A extends TypedArray>(out: A, rates: ArrayLike<number>): A {
    for (let i = 0; i < out.length; i++) out[i] = poisson(this.#engine, rates[i]);
    return out;
  }

  /** The number of trials up to the first success: ⌈log u / log(1 - p)⌉. */
  fillGeometric<A extends TypedArray>(out: A, p: number): A {
    if (!(p > 0 && p < 1)) throw new ArgumentError(`geometric_ expects p to be in (0, 1), but got p=${p}`);
    const logMiss = log(1 - p);
    for (let i = 0; i < out.length; i++) out[i] = Math.ceil(log(this.#engine.uniform53()) / logMiss);
    return out;
  }

  /**
   * 1 with probability p, else 0. A number p compares float64 uniforms, as does a Float64Array; any other array
   * holds float32 probabilities, one per element, and compares float32 uniforms.
   */
  fillBernoulli<A extends TypedArray>(out: A, p: number | ArrayLike<number>): A {
    const engine = this.#engine;
    if (typeof p === 'number') {
      if (!(p >= 0 && p <= 1)) throw new ArgumentError(`bernoulli_ expects p to be in [0, 1], but got p=${p}`);
      this.#byUniforms(out.length, (u, from) => {
        for (let i = 0; i < u.length; i++) out[from + i] = u[i] < p ? 1 : 0;
      });
      return out;
    }
    if (p.length !== out.length) {
      throw new ShapeError(`bernoulli: ${p.length} probabilities for ${out.length} elements`);
    }
    checkProbabilities(p);
    if (p instanceof Float64Array) for (let i = 0; i < out.length; i++) out[i] = engine.uniform53() < p[i] ? 1 : 0;
    else for (let i = 0; i < out.length; i++) out[i] = engine.uniform24() < Math.fround(p[i]) ? 1 : 0;
    return out;
  }

  /** Integers uniform on [low, high): random bits modulo the range, 64 of them if a float range needs more than 32. */
  fillRandint<A extends TypedArray>(out: A, low: number, high: number): A {
    checkRange(out, low, high);
    const range = high - low;
    if (range < 2 ** 32 && out instanceof Int32Array) this.#engine.fillModulo(out, low, range);
    else if (range < 2 ** 32) for (let i = 0; i < out.length; i++) out[i] = (this.random() % range) + low;
    else if (out instanceof Int32Array) for (let i = 0; i < out.length; i++) out[i] = this.random() + low;
    else {
      // Up to 2⁵⁴ values: the range and the sum need more bits than a float64 has.
      const base = BigInt(low);
      const values = BigInt(high) - base;
      for (let i = 0; i < out.length; i++) out[i] = Number((this.random64() % values) + base);
    }
    return out;
  }

  /**
   * `tensor.random_()` without bounds: integers over the non-negative range of the dtype, and for floats up to
   * the last integer before gaps, inclusive. Pass 2 as `values` for a bool tensor.
   */
  fillRandom<A extends TypedArray>(out: A, values = valueCount(out)): A {
    if (out instanceof Float64Array) {
      for (let i = 0; i < out.length; i++) out[i] = Number(this.random64() % (2n ** 53n + 1n));
    } else for (let i = 0; i < out.length; i++) out[i] = this.random() % values;
    return out;
  }

  /** A random permutation of 0 … n - 1 (Fisher–Yates from the front). */
  fillRandperm<A extends TypedArray>(out: A): A {
    const n = out.length;
    for (let i = 0; i < n; i++) out[i] = i;
    for (let from = 0; from < n - 1; from += DRAWN) {
      const others = new Int32Array(Math.min(DRAWN, n - 1 - from));
      this.#engine.fillModulo(others, from, n - from, 1);
      for (let k = 0; k < others.length; k++) {
        const swapped = out[from + k];
        out[from + k] = out[others[k]];
        out[others[k]] = swapped;
      }
    }
    return out;
  }

  /**
   * n indices drawn with probabilities in proportion to the weights, of one row: rows of a matrix are drawn one
   * after the other. A Float64Array computes in float64, anything else in float32.
   */
  multinomial(weights: ArrayLike<number>, n: number, replacement = false): Int32Array {
    const probabilities =
      weights instanceof Float64Array || weights instanceof Float32Array ? weights : Float32Array.from(weights);
    checkDraws(probabilities, n, replacement);
    return replacement ? this.#withReplacement(probabilities, n) : this.#withoutReplacement(probabilities, n);
  }

  /** Inversion of the cumulative distribution, by binary search. */
  #withReplacement(weights: FloatArray, n: number): Int32Array {
    const sums = runningSums(weights);
    const last = sums.length - 1;
    const sum = sums[last];
    const single = weights instanceof Float32Array;
    // What an array of float32 holds is rounded to that.
    const share = (total: number): number => (single ? Math.fround(total / sum) : total / sum);
    // Of few draws only the shares that they meet are computed.
    const few = n * MET < last;
    if (!few) for (let i = 0; i <= last; i++) sums[i] /= sum;
    const out = new Int32Array(n);
    this.#byUniforms(n, (u, from) => {
      for (let k = 0; k < u.length; k++) {
        let left = 0;
        // Of so many places behind it; a number instead of a branch that cannot be foretold.
        for (let among = last; among > 0; ) {
          const half = (among + 1) >>> 1;
          const at = sums[left + half - 1];
          left += half * Number((few ? share(at) : at) < u[k]);
          among -= half;
        }
        out[from + k] = left;
      }
    });
    return out;
  }

  /** The n largest of weight / exponential: the Gumbel trick, exponentiated. */
  #withoutReplacement(weights: FloatArray, n: number): Int32Array {
    checkWeights(weights);
    if (n > FEW) {
      const keys = this.fillExponential(weights.slice());
      for (let i = 0; i < keys.length; i++) keys[i] = weights[i] / keys[i];
      return Int32Array.from(keys.keys())
        .sort((i, j) => keys[j] - keys[i] || i - j)
        .slice(0, n);
    }
    const best = new Int32Array(n);
    const keys = weights.slice(0, n);
    const key = weights.slice(0, 1);
    this.#byUniforms(weights.length, (u, from) => {
      for (let j = 0, i = from; j < u.length; j++, i++) {
        // −log(1 − u) is u at least, so that most keys are seen to be too small before it is known.
        if (i >= n && weights[i] < keys[n - 1] * u[j] * ROUNDED) continue;
        key[0] = -log(1 - u[j]);
        key[0] = weights[i] / key[0];
        let k = Math.min(i, n);
        for (; k > 0 && key[0] > keys[k - 1]; k--) {
          if (k === n) continue;
          keys[k] = keys[k - 1];
          best[k] = best[k - 1];
        }
        if (k === n) continue;
        keys[k] = key[0];
        best[k] = i;
      }
    });
    return best;
  }

  /** Uniforms of 53 bits, n of them, some at a time. */
  #byUniforms(n: number, use: (u: Float64Array, from: number) => void): void {
    for (let from = 0; from < n; from += DRAWN) {
      const u = new Float64Array(Math.min(DRAWN, n - from));
      this.#engine.fillUniform53(u);
      use(u, from);
    }
  }

  /** One normal through float64, by the trigonometric Box–Muller transform. */
  #normal(mean: number, std: number): number {
    let z = this.#spareNormal;
    if (z === null) {
      const u1 = this.#engine.uniform53();
      const u2 = this.#engine.uniform53();
      const radius = Math.sqrt(-2 * log(1 - u2));
      sincos(2 * Math.PI * u1, angle);
      this.#spareNormal = radius * angle[0];
      z = radius * angle[1];
    } else this.#spareNormal = null;
    return fma(z, std, mean);
  }
}

const angle = new Float64Array(2);
