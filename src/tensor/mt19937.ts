/**
 * The Mersenne Twister MT19937 (Matsumoto & Nishimura 1998) as PyTorch's CPU generator runs it: a block of
 * 624 words is twisted and tempered at a time, and handed out one by one.
 */
import {
  fillModulo,
  fillNormal,
  fillUniform,
  isBulk,
  LOWER,
  FAR as M,
  MATRIX,
  WORDS as N,
  type TwisterState,
  UPPER,
} from '../backends/wasm/random.ts';

// The mask -(v & 1) stands for a branch on a random bit, which no processor predicts.
function twist(u: number, v: number): number {
  return (((u & UPPER) | (v & LOWER)) >>> 1) ^ (-(v & 1) & MATRIX);
}

/** Where an engine stands; `next` is as PyTorch stores it: 0 for a fresh seed, whose first block is not made yet. */
export interface EngineState {
  readonly words: Int32Array;
  readonly left: number;
  readonly next: number;
}

export class MersenneTwister {
  /** `position` is how many words of the block are handed out; N when the next draw needs a new block. */
  readonly #at: TwisterState = { words: new Int32Array(N), tempered: new Int32Array(N), position: N };
  #fresh = true;

  constructor(seed: number) {
    this.seed(seed);
  }

  /** Start over from the low 32 bits of `seed`. */
  seed(seed: number): void {
    const state = this.#at.words;
    state[0] = seed | 0;
    for (let i = 1; i < N; i++) {
      const previous = state[i - 1];
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
    this.#at.position = N;
    this.#fresh = true;
  }

  /** The next 32 bits as a signed integer. */
  next(): number {
    if (this.#at.position === N) this.#refill();
    return this.#at.tempered[this.#at.position++];
  }

  /** A float32 uniform on [0, 1): 24 bits of one word. */
  uniform24(): number {
    return (this.next() & 0xffffff) * 2 ** -24;
  }

  /** A float64 uniform on [0, 1): 53 bits of two words, the high one first. */
  uniform53(): number {
    const high = this.next() & 0x1fffff;
    return (high * 2 ** 32 + (this.next() >>> 0)) * 2 ** -53;
  }

  fillUniform24(out: Float32Array): void {
    if (isBulk(out.length)) {
      this.#fresh = false;
      fillUniform(this.#at, out);
      return;
    }
    const words = this.#at.tempered;
    for (let i = 0; i < out.length; ) {
      if (this.#at.position === N) this.#refill();
      const end = Math.min(out.length, i + N - this.#at.position);
      const shift = this.#at.position - i;
      this.#at.position += end - i;
      for (; i < end; i++) out[i] = (words[i + shift] & 0xffffff) * 2 ** -24;
    }
  }

  fillUniform53(out: Float64Array): void {
    if (isBulk(out.length)) {
      this.#fresh = false;
      fillUniform(this.#at, out);
    } else for (let i = 0; i < out.length; i++) out[i] = this.uniform53();
  }

  /** Words modulo `range`, which is below 2³², plus `low`, which rises by `step` after each as far as `range` falls. */
  fillModulo(out: Int32Array, low: number, range: number, step = 0): void {
    if (isBulk(out.length)) {
      this.#fresh = false;
      fillModulo(this.#at, out, low, range, step);
    } else
      for (let i = 0; i < out.length; i++) {
        const word = this.next() >>> 0;
        const left = range - i * step;
        // `word % left`, where V8 would divide unsigned integers as it divides floats; exact up to 2³².
        out[i] = word - left * Math.floor(word / left) + low + i * step;
      }
  }

  /** Standard normals from uniforms of 24 bits, by blocks of 16; for as many as `isBulk` says. */
  fillNormal(out: Float32Array): void {
    this.#fresh = false;
    fillNormal(this.#at, out);
  }

  #refill(): void {
    const state = this.#at.words;
    for (let i = 0; i < N - M; i++) state[i] = state[i + M] ^ twist(state[i], state[i + 1]);
    for (let i = N - M; i < N - 1; i++) state[i] = state[i + M - N] ^ twist(state[i], state[i + 1]);
    state[N - 1] = state[M - 1] ^ twist(state[N - 1], state[0]);
    this.#temper();
    this.#at.position = 0;
    this.#fresh = false;
  }

  #temper(): void {
    const { words, tempered } = this.#at;
    for (let i = 0; i < N; i++) {
      let y = words[i];
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      y ^= y >>> 18;
      tempered[i] = y;
    }
  }

  get state(): EngineState {
    return {
      words: this.#at.words.slice(),
      left: this.#at.position === N ? 1 : N + 1 - this.#at.position,
      next: this.#fresh ? 0 : this.#at.position,
    };
  }

  /** Refused (false, and nothing changed) where the counters do not fit together. */
  restore({ words, left, next }: EngineState): boolean {
    const fresh = left === 1 && next === 0;
    if (words.length !== N || !(fresh || (next >= 1 && next <= N && left === N + 1 - next))) return false;
    this.#at.words.set(words);
    this.#fresh = fresh;
    this.#at.position = fresh ? N : next;
    this.#temper();
    return true;
  }
}
