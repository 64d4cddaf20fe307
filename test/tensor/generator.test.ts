import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TypedArray } from '../../src/core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../../src/core/errors.ts';
import { arange, full, manualSeed, rand, type Tensor, zeros } from '../../src/index.ts';
import { Generator } from '../../src/tensor/generator.ts';
import { exp } from '../../src/tensor/libm/exp.ts';
import { fma, fmaf } from '../../src/tensor/libm/fma.ts';
import { log } from '../../src/tensor/libm/log.ts';
import { sincos } from '../../src/tensor/libm/sincos.ts';
import { fixture } from '../support/fixture.ts';

const f32 = (n: number) => new Float32Array(n);
const f64 = (n: number) => new Float64Array(n);
const i32 = (n: number) => new Int32Array(n);

/** A uniform in PyTorch's default initialisation of a layer: weights ±√(6 / (1 + 5) / fanIn), biases ±1/√fanIn. */
function layer(g: Generator, weights: number, biases: number, fanIn: number): Float32Array[] {
  const gain = Math.sqrt(2 / (1 + Math.sqrt(5) ** 2));
  const bound = Math.sqrt(3) * (gain / Math.sqrt(fanIn));
  const biasBound = 1 / Math.sqrt(fanIn);
  return [g.fillUniform(f32(weights), -bound, bound), g.fillUniform(f32(biases), -biasBound, biasBound)];
}

describe('the reference calls', () => {
  interface Case {
    name: string;
    seed: number;
    outputs: { dtype: string; shape: number[]; data: string | number[] }[];
  }
  const { cases } = fixture<{ cases: Case[] }>('torch-random');

  const calls: Readonly<Record<string, (g: Generator) => TypedArray[]>> = {
    rand5: (g) => [g.fillUniform(f32(5))],
    rand_f64: (g) => [g.fillUniform(f64(5))],
    randn_scalar: (g) => [g.fillNormal(f32(1))],
    randn5: (g) => [g.fillNormal(f32(5))],
    randn15: (g) => [g.fillNormal(f32(15))],
    randn16: (g) => [g.fillNormal(f32(16))],
    randn20: (g) => [g.fillNormal(f32(20))],
    randn_3x7: (g) => [g.fillNormal(f32(21))],
    randn1000: (g) => [g.fillNormal(f32(1000))],
    randn_f64_5: (g) => [g.fillNormal(f64(5))],
    randn_f64_20: (g) => [g.fillNormal(f64(20))],
    randn_odd_then: (g) => [g.fillNormal(f32(3)), g.fillNormal(f32(2)), g.fillUniform(f32(2)), g.fillNormal(f32(1))],
    randint: (g) => [g.fillRandint(i32(12), 0, 10)],
    randint_big: (g) => [g.fillRandint(i32(6), -5, 1000000)],
    randperm10: (g) => [g.fillRandperm(i32(10))],
    randperm100: (g) => [g.fillRandperm(i32(100))],
    uniform_: (g) => [g.fillUniform(f32(5), -2, 3)],
    normal_: (g) => [g.fillNormal(f32(5), 1, 2)],
    normal_20: (g) => [g.fillNormal(f32(20), 1, 2)],
    'bernoulli_0.3': (g) => [g.fillBernoulli(f32(10), f32(10).fill(0.3))],
    bernoulli_scalar: (g) => [g.fillBernoulli(f32(10), 0.3)],
    exponential_: (g) => [g.fillExponential(f32(5))],
    dropout: (g) => [g.fillBernoulli(f32(10), 0.5).map((kept) => kept / 0.5)],
    multinomial: (g) => [g.multinomial([0.1, 0.2, 0.3, 0.4], 10, true)],
    linear_init: (g) => layer(g, 12, 3, 4),
    conv_init: (g) => layer(g, 54, 3, 18),
    embedding_init: (g) => [g.fillNormal(f32(20))],
    mlp_init: (g) => [...layer(g, 32, 8, 4), ...layer(g, 16, 2, 8)],
  };

  it.each(cases)('$name after seed $seed', ({ name, seed, outputs }) => {
    const results = calls[name](new Generator(seed));
    expect(results.length).toBe(outputs.length);
    for (const [i, { dtype, data }] of outputs.entries()) {
      if (typeof data !== 'string') expect(Array.from(results[i])).toEqual(data);
      else expect(bytes(results[i]), dtype).toEqual(Buffer.from(data, 'base64'));
    }
  });
});

function bytes(array: TypedArray): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

describe('more sequences of calls', () => {
  interface Call {
    call: string;
    dtype: 'float32' | 'float64' | 'int32' | 'uint8';
    n: number;
    args: [number, number & boolean];
    sha256: string;
  }
  interface Case {
    seed: string;
    initial_seed: string;
    calls: Call[];
    state_sha256: string;
  }
  const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array };
  const weights = (n: number, dtype: string, scale: (w: number) => number) => {
    const out = dtype === 'float64' ? f64(n) : f32(n);
    for (let i = 0; i < n; i++) out[i] = scale((37 * i) % 101);
    return out;
  };

  function run(g: Generator, { call, dtype, n, args }: Call): TypedArray {
    const [a, b] = args;
    const out = new arrays[dtype](n);
    switch (call) {
      case 'randint':
        return g.fillRandint(out, a, b);
      case 'random':
        return g.fillRandom(out);
      case 'randperm':
        return g.fillRandperm(out);
      case 'bernoulli':
        return g.fillBernoulli(out, a);
      case 'bernoulliTensor':
        return g.fillBernoulli(
          out,
          weights(n, dtype, (w) => w / 100),
        );
      case 'geometric':
        return g.fillGeometric(out, a);
      case 'multinomial':
        return g.multinomial(
          weights(a, dtype, (w) => (w + 1) / 10),
          n,
          b,
        );
    }
    if (!(out instanceof Float32Array || out instanceof Float64Array)) throw new Error(`${call} of ${dtype}`);
    switch (call) {
      case 'rand':
      case 'uniform':
        return g.fillUniform(out, a, b);
      case 'randn':
      case 'normal':
        return g.fillNormal(out, a, b);
      case 'serial':
        return g.fillNormal(out, a, b, false);
      case 'exponential':
        return g.fillExponential(out, a);
      case 'cauchy':
        return g.fillCauchy(out, a, b);
      case 'logNormal':
        return g.fillLogNormal(out, a, b);
    }
    throw new Error(call);
  }

  const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

  it('give PyTorch’s bytes and leave PyTorch’s state', () => {
    for (const { seed, initial_seed, calls, state_sha256 } of fixture<{ cases: Case[] }>('torch-random-more').cases) {
      const g = new Generator().manualSeed(BigInt(seed));
      expect(g.initialSeed()).toBe(BigInt(initial_seed));
      for (const call of calls)
        expect(sha256(bytes(run(g, call))), JSON.stringify({ seed, ...call })).toBe(call.sha256);
      expect(sha256(g.getState())).toBe(state_sha256);
    }
  });
});

describe('long fills', () => {
  // Fills of fewer numbers do not go through kernels.
  const inPieces = <A extends TypedArray>(out: A, piece: number, fill: (part: A) => void): A => {
    for (let i = 0; i < out.length; i += piece) fill(out.subarray(i, i + piece) as A);
    return out;
  };

  it.each([2048, 2049, 5003, 16385, 40_000])('are those of many short ones, %i numbers', (n) => {
    const [long, short] = [new Generator(11), new Generator(11)];
    long.random();
    short.random();
    const same = <A extends TypedArray>(make: () => A, fill: (g: Generator, out: A) => void): void => {
      const whole = make();
      fill(long, whole);
      expect(whole).toEqual(inPieces(make(), 1000, (part) => fill(short, part)));
      expect(long.getState()).toEqual(short.getState());
    };
    same(
      () => f32(n),
      (g, out) => g.fillUniform(out),
    );
    same(
      () => f64(n),
      (g, out) => g.fillUniform(out),
    );
    same(
      () => f32(n),
      (g, out) => g.fillUniform(out, -3, 5.7),
    );
    same(
      () => f64(n),
      (g, out) => g.fillUniform(out, -3, 5.7),
    );
    same(
      () => f32(n),
      (g, out) => g.fillBernoulli(out, 0.3),
    );
    same(
      () => f32(n),
      (g, out) => g.fillExponential(out, 3),
    );
    same(
      () => f64(n),
      (g, out) => g.fillExponential(out),
    );
    same(
      () => i32(n),
      (g, out) => g.fillRandint(out, -7, 1_000_003),
    );
    same(
      () => i32(n),
      (g, out) => g.fillRandint(out, -(2 ** 31), 2 ** 31 - 1),
    );
  });

  it.each([2048, 5008, 40_000])('of normals are those of their blocks, %i numbers', (n) => {
    for (const [mean, std] of [
      [0, 1],
      [1, 0.02],
    ] as const) {
      const [long, short] = [new Generator(12), new Generator(12)];
      const blocks = inPieces(f32(n), 16, (part) => short.fillNormal(part, mean, std));
      expect(long.fillNormal(f32(n), mean, std)).toEqual(blocks);
      expect(long.getState()).toEqual(short.getState());
    }
  });

  it.each([2, 100, 5003, 40_000])('of permutations are drawn from the front, %i numbers', (n) => {
    const [long, short] = [new Generator(15), new Generator(15)];
    const expected = i32(n).map((_, i) => i);
    for (let i = 0; i < n - 1; i++) {
      const j = i + (short.random() % (n - i));
      [expected[i], expected[j]] = [expected[j], expected[i]];
    }
    expect(long.fillRandperm(i32(n))).toEqual(expected);
    expect(long.getState()).toEqual(short.getState());
  });

  it.each([1, 3, 20, 5003])('of drawn categories follow the definitions, %i of them', (n) => {
    for (const make of [f32, f64]) {
      const [long, short] = [new Generator(16), new Generator(16)];
      for (const skew of [0, 1, 9]) {
        // Many equal ones, of which the first are drawn first, some zeros, and some much larger than others.
        const weights = short.fillUniform(make(n)).map((u, i) => (i % 7 === 3 ? 0 : Math.ceil(9 * u) ** skew));
        weights[0] = 1e-3;
        long.fillUniform(make(n));
        for (const k of [1, 2, 64, 65].filter((count) => count <= n)) {
          const keys = short.fillExponential(make(n)).map((e, i) => weights[i] / e);
          const order = Array.from(keys.keys()).sort((i, j) => keys[j] - keys[i] || i - j);
          expect(Array.from(long.multinomial(weights, k))).toEqual(order.slice(0, k));
        }
        const sums = weights.slice();
        for (let i = 1; i < n; i++) sums[i] += sums[i - 1];
        const shares = sums.map((sum) => sum / sums[n - 1]);
        const expected = i32(500).map(() => {
          const u = short.fillUniform(f64(1))[0];
          return shares.findIndex((share) => share >= u);
        });
        expect(long.multinomial(weights, 500, true)).toEqual(expected);
        expect(long.getState()).toEqual(short.getState());
      }
    }
  });

  it('of normals draw the last 16 again where there is no whole number of blocks', () => {
    const [long, short] = [new Generator(13), new Generator(13)];
    const n = 2500;
    const whole = long.fillNormal(f32(n), 2, 3);
    short.fillNormal(f32(2496), 2, 3);
    short.fillUniform(f32(n - 2496));
    expect(whole.subarray(n - 16)).toEqual(short.fillNormal(f32(16), 2, 3));
    expect(long.getState()).toEqual(short.getState());
  });

  it('write tensors where they lie, and nothing beside them', () => {
    for (const n of [2049, 4099]) {
      const before = full([n], 7);
      const t = rand([n], { generator: new Generator(14) });
      const after = full([n], 7);
      expect(t.toTypedArray()).toEqual(new Generator(14).fillUniform(f32(n)));
      for (const other of [before, after]) expect(other.eq(7).all().item()).toBe(1);
    }
  });
});

// PyTorch's iterators go through memory (aten/src/ATen/TensorIterator.cpp), whatever the order of dimensions.
describe('fills of views go through memory', () => {
  const filled = (t: Tensor, fill: (t: Tensor) => void): number[] => {
    manualSeed(0);
    fill(t);
    return [...t.toTypedArray()].map((x) => Math.round(Number(x) * 1e4) / 1e4);
  };

  it('of permuted dimensions', () => {
    const matrix = (fill: (t: Tensor) => void): number[] => filled(zeros([2, 3]), (t) => fill(t.t()));
    expect(matrix((t) => t.uniform_())).toEqual([0.4963, 0.7682, 0.0885, 0.132, 0.3074, 0.6341]);
    expect(filled(zeros([5, 4]), (t) => t.t().normal_()).slice(0, 6)).toEqual([
      1.541, -0.2934, -2.1788, 0.5684, -1.0845, -1.3986,
    ]);
    const swapped = filled(zeros([2, 3, 4]), (t) => t.transpose(0, 1).uniform_());
    expect(swapped).toEqual(filled(zeros([2, 3, 4]), (t) => t.uniform_()));
  });

  it('of parts', () => {
    expect(filled(zeros([2, 3, 2]), (t) => t.permute([2, 0, 1]).slice(0, 1, 2).uniform_())).toEqual([
      0, 0.4963, 0, 0.7682, 0, 0.0885, 0, 0.132, 0, 0.3074, 0, 0.6341,
    ]);
    expect(filled(zeros([2, 6]), (t) => t.slice(1, 0, 6, 2).t().exponential_())).toEqual([
      3.5083, 0, 1.2304, 0, 0.615, 0, 2.5351, 0, 1.0357, 0, 1.5661, 0,
    ]);
  });

  it('and meet the probabilities of their elements there', () => {
    const p = arange(12).div(12).reshape([4, 3]);
    for (const laid of [p, p.t().contiguous().t()])
      expect(filled(zeros([3, 4]), (t) => t.t().bernoulli_(laid))).toEqual([0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1]);
  });
});

describe('state', () => {
  it('continues a copy as the original, between the two of a pair of normals too', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
        fc.nat(2000),
        fc.nat(3),
        (seed, words, normals) => {
          const g = new Generator(seed);
          for (let i = 0; i < words; i++) g.random();
          g.fillNormal(f32(normals));
          const copy = g.clone();
          const state = g.getState();
          const next = [g.fillNormal(f64(3)), g.fillUniform(f64(3))];
          expect([copy.fillNormal(f64(3)), copy.fillUniform(f64(3))]).toEqual(next);
          expect(copy.initialSeed()).toBe(BigInt.asUintN(64, seed));
          g.setState(state);
          expect([g.fillNormal(f64(3)), g.fillUniform(f64(3))]).toEqual(next);
        },
      ),
    );
  });

  it('seeds anew with seed()', () => {
    const g = new Generator(0);
    const seed = g.seed();
    expect(g.initialSeed()).toBe(seed);
    expect(g.seed()).not.toBe(seed);
    expect(new Generator(seed).random()).toBe(new Generator().manualSeed(seed).random());
  });

  it('takes 32 bits of the seed and forgets a spare normal', () => {
    const g = new Generator(5);
    const first = g.random();
    g.fillNormal(f32(1));
    expect(g.manualSeed(5n + 2n ** 40n).random()).toBe(first);
    expect(new Generator(-1).initialSeed()).toBe(2n ** 64n - 1n);
    expect(g.manualSeed(1).random64()).toBe((BigInt(new Generator(1).random()) << 32n) + secondWord(1));
  });

  const secondWord = (seed: number) => {
    const g = new Generator(seed);
    g.random();
    return BigInt(g.random());
  };

  it.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2n ** 64n, -(2n ** 63n) - 1n, '3'])(
    'refuses the seed %s',
    (seed) => {
      expect(() => new Generator(seed as number)).toThrow(ArgumentError);
      expect(() => new Generator().manualSeed(seed as number)).toThrow('must be an integer');
    },
  );

  it('refuses what is no state, and stays as it was', () => {
    const g = new Generator(3);
    const before = g.getState();
    expect(() => g.setState(new Uint8Array(10))).toThrow('5056 bytes');
    expect(() => g.setState([] as unknown as Uint8Array)).toThrow(ArgumentError);
    expect(() => g.setState(new Uint8Array(5056))).toThrow('Invalid mt19937 state');
    const broken = before.slice();
    broken[8] = 7;
    expect(() => g.setState(broken)).toThrow(ArgumentError);
    expect(g.getState()).toEqual(before);
  });
});

describe('distributions', () => {
  const g = new Generator(1);

  it('stay in their ranges', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: 1, max: 1000 }), (low, range) => {
        const bounds = [low, low + range] as const;
        for (const x of g.fillRandint(i32(20), ...bounds)) expect(x >= bounds[0] && x < bounds[1]).toBe(true);
        for (const x of g.fillUniform(f64(20), ...bounds)) expect(x >= bounds[0] && x < bounds[1]).toBe(true);
        const sorted = Array.from(g.fillRandperm(i32(range))).sort((a, b) => a - b);
        expect(sorted.every((x, i) => x === i)).toBe(true);
        const chosen = g.multinomial(f32(range).fill(1), range);
        expect(new Set(chosen).size).toBe(range);
      }),
    );
  });

  it('have their means', () => {
    const n = 100_000;
    const mean = (xs: TypedArray) => Array.from(xs).reduce((a, b) => a + b, 0) / n;
    expect(mean(g.fillUniform(f32(n), 2, 4))).toBeCloseTo(3, 1);
    expect(mean(g.fillNormal(f64(n), 3, 2))).toBeCloseTo(3, 1);
    expect(mean(g.fillNormal(f32(n)).map((x) => x * x))).toBeCloseTo(1, 1);
    expect(mean(g.fillExponential(f32(n), 2))).toBeCloseTo(0.5, 1);
    expect(mean(g.fillBernoulli(new Uint8Array(n), 0.3))).toBeCloseTo(0.3, 1);
    expect(mean(g.fillGeometric(i32(n), 0.5))).toBeCloseTo(2, 1);
    expect(mean(g.fillLogNormal(f32(n), 0, 0.5))).toBeCloseTo(Math.exp(0.125), 1);
    expect(mean(g.multinomial([1, 0, 3], n, true))).toBeCloseTo(1.5, 1);
  });

  it('never draw a category of weight zero while others are left', () => {
    for (let i = 0; i < 100; i++) expect(Array.from(g.multinomial([0, 1, 0, 2], 2)).sort()).toEqual([1, 3]);
  });

  it('refuse parameters out of range with PyTorch’s words', () => {
    const x = f32(2);
    expect(() => g.fillUniform(x, 2, 1)).toThrow(
      'uniform_ expects to return a [from, to) range, but found from=2 > to=1',
    );
    expect(() => g.fillUniform(x, 0, 1e300)).toThrow('to is out of bounds for float32');
    expect(() => g.fillUniform(x, Number.NaN, 1)).toThrow(ArgumentError);
    expect(() => g.fillUniform(x, -3e38, 3e38)).toThrow('result in to-from to exceed the limit');
    expect(() => g.fillNormal(x, 0, -1)).toThrow('normal expects std >= 0.0, but found std -1');
    expect(() => g.fillNormal(x, 0, Number.NaN)).toThrow(ArgumentError);
    expect(() => g.fillLogNormal(x, 0, 0)).toThrow('log_normal_ expects std > 0.0, but found std=0');
    expect(() => g.fillExponential(x, -1)).toThrow('exponential_ expects lambda >= 0.0, but found lambda=-1');
    expect(() => g.fillGeometric(x, 1)).toThrow('geometric_ expects p to be in (0, 1), but got p=1');
    expect(() => g.fillBernoulli(x, 2)).toThrow('bernoulli_ expects p to be in [0, 1], but got p=2');
    expect(() => g.fillBernoulli(x, [0.5, 2])).toThrow('Expected p_in >= 0 && p_in <= 1 to be true');
    expect(() => g.fillBernoulli(x, [0.5])).toThrow(ShapeError);
    expect(() => g.fillRandint(x, 5, 5)).toThrow("random_ expects 'from' to be less than 'to', but got from=5 >= to=5");
    expect(() => g.fillRandint(new Uint8Array(1), 0, 300)).toThrow('to - 1 is out of bounds for uint8');
    expect(() => g.fillRandint(i32(1), 0.5, 3)).toThrow('from is out of bounds for int32');
    expect(() => g.fillRandint(i32(1), 0, 2 ** 31 + 1)).toThrow('to - 1 is out of bounds for int32');
    expect(() => g.fillNormal(i32(2) as never)).toThrow(DTypeError);
    expect(() => g.fillUniform(i32(2) as never)).toThrow(DTypeError);
    expect(() => g.multinomial([1, 2], 3)).toThrow('cannot sample n_sample > prob_dist.size(-1) samples without');
    expect(() => g.multinomial([1, 2], 0)).toThrow('cannot sample n_sample <= 0 samples');
    expect(() => g.multinomial([1, -2], 1)).toThrow('either `inf`, `nan` or element < 0');
    expect(() => g.multinomial([0, 0], 1, true)).toThrow(
      'invalid multinomial distribution (sum of probabilities <= 0)',
    );
  });
});

describe('the C library’s functions', () => {
  const sc = f64(2);

  it('are within a unit in the last place of the engine’s', () => {
    const near = (x: number, y: number) => expect(Math.abs(x - y)).toBeLessThanOrEqual(2 ** -52 * Math.abs(y));
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, minExcluded: true, noNaN: true }), (u) => {
        near(log(u), Math.log(u));
        near(log(1 + u / 8), Math.log(1 + u / 8));
        near(exp(700 * (u - 0.5)), Math.exp(700 * (u - 0.5)));
        const theta = 100 * u;
        sincos(theta, sc);
        near(sc[0], Math.sin(theta));
        near(sc[1], Math.cos(theta));
      }),
      { numRuns: 2000 },
    );
    expect([log(1), log(0), log(-1), log(Number.POSITIVE_INFINITY)]).toEqual([0, -Infinity, Number.NaN, Infinity]);
    expect([exp(0), exp(-Infinity), exp(1000)]).toEqual([1, 0, Infinity]);
    sincos(0, sc);
    expect(Array.from(sc)).toEqual([0, 1]);
  });

  it('fma rounds once', () => {
    // (1 + 2⁻³⁰)² = 1 + 2⁻²⁹ + 2⁻⁶⁰: the last term is all that is left.
    expect(fma(1 + 2 ** -30, 1 + 2 ** -30, -(1 + 2 ** -29))).toBe(2 ** -60);
    expect(fma(2, 3, 4)).toBe(10);
    expect(fma(1e308, 10, -1)).toBe(Number.POSITIVE_INFINITY);
    expect(fma(0, -1, -0)).toBe(-0);
    const exact = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
    fc.assert(
      fc.property(exact, exact, exact, (a, b, c) => {
        expect(fma(a, b, c * 2 ** 20)).toBe(Number(BigInt(a) * BigInt(b) + BigInt(c) * 2n ** 20n));
      }),
    );
  });

  it('fmaf rounds once where rounding twice differs', () => {
    // a b + c is just below the midpoint of c and its successor, and the float64 sum falls on it.
    const [a, b, c] = [1 + 2 ** -16, 1 - 2 ** -16, 2 ** 24 + 2];
    expect(Math.fround(a * b + c)).toBe(2 ** 24 + 4);
    expect(fmaf(a, b, c)).toBe(c);
    expect(fmaf(a, b, 1)).toBe(2);
    expect(fmaf(-a, b, -c)).toBe(-c);
  });
});

describe('fills', () => {
  it('of any length draw what fills of a few draw', () => {
    new Generator().fillUniform(f32(4096));
    for (const n of [16, 112, 128, 144, 640, 1232, 2064, 5008]) {
      for (const [few, fill] of [
        [1, (g: Generator, m: number) => g.fillUniform(f32(m))],
        [1, (g: Generator, m: number) => g.fillUniform(f64(m))],
        [16, (g: Generator, m: number) => g.fillNormal(f32(m))],
        [16, (g: Generator, m: number) => g.fillNormal(f64(m))],
        [1, (g: Generator, m: number) => g.fillRandint(new Int32Array(m), -3, 1000)],
      ] as const) {
        const [a, b] = [new Generator(), new Generator()];
        a.manualSeed(n);
        b.manualSeed(n);
        const parts = Array.from({ length: n / few }, () => [...fill(b, few)]).flat();
        expect([...fill(a, n)]).toEqual(parts);
        expect(a.random()).toBe(b.random());
      }
    }
  });
});
