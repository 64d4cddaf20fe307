import { ArgumentError } from '../core/errors.ts';
import { fma, fmaf } from './libm/fma.ts';
import { log } from './libm/log.ts';
import { sincos } from './libm/sincos.ts';
import { toUint64 } from './seed.ts';

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** The high half of the 64-bit product of two unsigned words, by halves of 16 bits so that no sum passes 32. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const cross = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) >>> 0;
  const middle = (Math.imul(aLow, bHigh) + (cross & 0xffff)) >>> 0;
  return (Math.imul(aHigh, bHigh) + (cross >>> 16) + (middle >>> 16)) | 0;
}

const angle = new Float64Array(2);

/**
 * The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011), with the words of PyTorch's
 * `at::Philox4_32`. Word i of a stream is a function of the seed, the stream and i alone: pieces of a tensor can be
 * filled in any order and on any thread by generators placed at their own `position`, with the same result.
 */
export class Philox {
  /** The word that comes next. Uniforms take one word in float32 and two in float64, as do normals, in pairs. */
  position: number;

  readonly #key0: number;
  readonly #key1: number;
  readonly #stream0: number;
  readonly #stream1: number;
  readonly #block = new Uint32Array(4);
  /** Which block of four words `#block` holds. */
  #held = -1;

  constructor(seed: number | bigint, stream: number | bigint = 0, position = 0) {
    [this.#key0, this.#key1] = halves(toUint64('Philox: the seed', seed));
    [this.#stream0, this.#stream1] = halves(toUint64('Philox: the stream', stream));
    if (!(Number.isSafeInteger(position) && position >= 0)) {
      throw new ArgumentError(`Philox: position must be a non-negative integer, but got ${position}`);
    }
    this.position = position;
  }

  /** An unsigned 32-bit integer. */
  random(): number {
    const block = Math.floor(this.position / 4);
    if (block !== this.#held) this.#compute(block);
    return this.#block[this.position++ % 4];
  }

  /** Uniform on [from, to). */
  fillUniform<A extends Float32Array | Float64Array>(out: A, from = 0, to = 1): A {
    if (!(from <= to)) {
      throw new ArgumentError(`uniform_ expects to return a [from, to) range, but found from=${from} > to=${to}`);
    }
    if (out instanceof Float64Array) {
      for (let i = 0; i < out.length; i++) out[i] = fma(this.#uniform53(), to - from, from);
    } else {
      const low = Math.fround(from);
      const range = Math.fround(Math.fround(to) - low);
      for (let i = 0; i < out.length; i++) out[i] = fmaf(this.#uniform24(), range, low);
    }
    return out;
  }

  /** Normal, by the trigonometric Box–Muller transform in float64; an odd length leaves half of the last pair. */
  fillNormal<A extends Float32Array | Float64Array>(out: A, mean = 0, std = 1): A {
    if (!(std >= 0)) throw new ArgumentError(`normal expects std >= 0.0, but found std ${std}`);
    const double = out instanceof Float64Array;
    for (let i = 0; i < out.length; i += 2) {
      const u1 = double ? this.#uniform53() : this.#uniform24();
      const u2 = double ? this.#uniform53() : this.#uniform24();
      const radius = Math.sqrt(-2 * log(1 - u1));
      sincos(2 * Math.PI * u2, angle);
      out[i] = fma(radius * angle[1], std, mean);
      if (i + 1 < out.length) out[i + 1] = fma(radius * angle[0], std, mean);
    }
    return out;
  }

  #uniform24(): number {
    return (this.random() & 0xffffff) * 2 ** -24;
  }

  #uniform53(): number {
    const high = this.random() & 0x1fffff;
    return (high * 2 ** 32 + this.random()) * 2 ** -53;
  }

  #compute(block: number): void {
    let c0 = block | 0;
    let c1 = Math.floor(block / 2 ** 32) | 0;
    let c2 = this.#stream0 | 0;
    let c3 = this.#stream1 | 0;
    let key0 = this.#key0 | 0;
    let key1 = this.#key1 | 0;
    for (let round = 0; round < 10; round++) {
      const high0 = mulHigh(c0, MULTIPLIER_0);
      const high1 = mulHigh(c2, MULTIPLIER_1);
      const low0 = Math.imul(c0, MULTIPLIER_0);
      const low1 = Math.imul(c2, MULTIPLIER_1);
      c0 = high1 ^ c1 ^ key0;
      c1 = low1;
      c2 = high0 ^ c3 ^ key1;
      c3 = low0;
      key0 = (key0 + WEYL_0) | 0;
      key1 = (key1 + WEYL_1) | 0;
    }
    this.#block[0] = c0;
    this.#block[1] = c1;
    this.#block[2] = c2;
    this.#block[3] = c3;
    this.#held = block;
  }
}

function halves(bits: bigint): [low: number, high: number] {
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}
