import { describe, expect, it } from 'vitest';
import { fromHalf, toHalf } from '../../src/autograd/half.ts';

/** The value of 16 bits, by the definition. */
function decoded(h: number): number {
  const sign = h >> 15 === 1 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const all = Uint16Array.from({ length: 65536 }, (_, h) => h);
const half = (x: number): number => (toHalf([x]) as Uint16Array)[0];

describe('half precision', () => {
  it('reads all 65536 patterns, and writes them back', () => {
    for (const out of [new Float32Array(65536), new Float64Array(65536)]) {
      fromHalf(all, out);
      for (let h = 0; h < 65536; h++)
        if (!Object.is(out[h], decoded(h))) expect.fail(`${h}: ${out[h]}, not ${decoded(h)}`);
      const back = toHalf(out) as Uint16Array;
      for (let h = 0; h < 65536; h++)
        if (!Number.isNaN(out[h]) && back[h] !== h) expect.fail(`${out[h]}: ${back[h]}, not ${h}`);
    }
  });

  it('rounds to nearest, ties to even, between any two neighbours', () => {
    for (let h = 0; h < 0x7bff; h++) {
      const [low, high] = [decoded(h), decoded(h + 1)];
      const middle = (low + high) / 2;
      const even = h % 2 === 0 ? h : h + 1;
      const got = [half(middle), half(middle * (1 - 2 ** -50)), half(middle * (1 + 2 ** -50)), half(-middle)];
      const want = [even, h, h + 1, even | 0x8000];
      if (got.some((g, i) => g !== want[i])) expect.fail(`between ${low} and ${high}: ${got}, not ${want}`);
    }
  });

  it('rounds a float64 once: just above a tie goes up, where float32 would have made it a tie', () => {
    expect(half(1 + 2 ** -11)).toBe(0x3c00);
    expect(half(1 + 2 ** -11 + 2 ** -40)).toBe(0x3c01);
  });

  it('keeps signs of zero, infinities and NaN, and refuses what is too large', () => {
    expect([0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(half)).toEqual([0, 0x8000, 0x7c00, 0xfc00]);
    expect(half(Number.NaN) & 0x7fff).toBe(0x7e00);
    expect([65504, 65519.99, 5e-324, -1e-300].map(half)).toEqual([0x7bff, 0x7bff, 0, 0x8000]);
    for (const x of [65520, -65520, 1e300]) expect(toHalf([1, x])).toBeNull();
  });
});
