import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/core/errors.ts';
import { Philox } from '../../src/tensor/philox.ts';

const draw = (g: Philox, n: number) => Array.from({ length: n }, () => g.random());

describe('Philox', () => {
  it('gives the known answers of Random123', () => {
    expect(draw(new Philox(0), 4)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  });

  it('gives the words of at::Philox4_32', () => {
    expect(draw(new Philox(0), 6)).toEqual([1713891541, 3781805453, 3159862348, 2600524760, 4175744164, 1555169499]);
    // PyTorch's offset counts blocks of four words.
    const far = new Philox(0x123456789abcdefn, 0xfedcba9876543210n, 4 * 0x1ffffffff);
    expect(draw(far, 10)).toEqual([
      783760735, 3071466604, 3743094616, 1778850709, 714983131, 986686299, 3978563992, 458102189, 1160387364,
      1345512803,
    ]);
  });

  it('fills pieces as it fills the whole', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(50),
        fc.nat(50),
        fc.integer({ min: 0, max: 2 ** 40 }),
        (seed, pairs, rest, start) => {
          const cut = 2 * pairs;
          const n = cut + rest;
          for (const make of [
            (length: number) => new Float32Array(length),
            (length: number) => new Float64Array(length),
          ]) {
            const wordsPer = make(0).BYTES_PER_ELEMENT / 4;
            const uniform = new Philox(seed, 1, start).fillUniform(make(n), -1, 3);
            const normal = new Philox(seed, 1, start).fillNormal(make(n), 1, 2);
            const second = start + cut * wordsPer;
            expect(uniform.slice(0, cut)).toEqual(new Philox(seed, 1, start).fillUniform(make(cut), -1, 3));
            expect(uniform.slice(cut)).toEqual(new Philox(seed, 1, second).fillUniform(make(rest), -1, 3));
            expect(normal.slice(cut)).toEqual(new Philox(seed, 1, second).fillNormal(make(rest), 1, 2));
          }
        },
      ),
    );
  });

  it('gives streams that differ, with the moments of their distributions', () => {
    expect(draw(new Philox(1, 0), 4)).not.toEqual(draw(new Philox(1, 1), 4));
    const n = 100_000;
    const mean = (xs: Float32Array) => xs.reduce((a, b) => a + b, 0) / n;
    expect(mean(new Philox(2).fillUniform(new Float32Array(n)))).toBeCloseTo(0.5, 1);
    const normal = new Philox(2).fillNormal(new Float32Array(n));
    expect(mean(normal)).toBeCloseTo(0, 1);
    expect(mean(normal.map((x) => x * x))).toBeCloseTo(1, 1);
  });

  it('refuses what is no seed, position or parameter', () => {
    expect(() => new Philox(0.5)).toThrow(ArgumentError);
    expect(() => new Philox(0, 2n ** 64n)).toThrow('Philox: the stream must be an integer');
    expect(() => new Philox(0, 0, -1)).toThrow('position must be a non-negative integer');
    expect(() => new Philox(0).fillUniform(new Float32Array(1), 2, 1)).toThrow('found from=2 > to=1');
    expect(() => new Philox(0).fillNormal(new Float32Array(1), 0, -1)).toThrow('normal expects std >= 0.0');
  });
});
