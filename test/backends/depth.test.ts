import { describe, expect, it } from 'vitest';
import { deeper, goodDepth } from '../../src/backends/wasm/threads/depth.ts';
import { encodeProbe } from '../../src/backends/wasm/threads/probe.ts';

const DEPTHS = 128;
const CALLS = 3;
/** Words of a page, and between depths. */
const PAGE = 512;
const STEP = 8;

/** A clock by which the probe takes one unit of time, but three where `slow` says so of the depth's place in the list. */
function clock(slow: (depth: number) => boolean): () => number {
  let asked = 0;
  let time = 0;
  return () => {
    if (asked++ % 2 === 1) time += slow(((((asked - 2) >> 1) / CALLS) % DEPTHS) | 0) ? 3 : 1;
    return time;
  };
}

describe('the depth of a stack', () => {
  const code = encodeProbe();

  it('stays where it is if it makes no difference', () => {
    expect(
      goodDepth(
        code,
        clock(() => false),
      ),
    ).toBe(0);
  });

  it('stays where it is if the machine is too busy to tell', () => {
    expect(
      goodDepth(
        code,
        clock((depth) => depth % 3 === 0),
      ),
    ).toBe(0);
  });

  it.each([0, 1, 31, 64, 99, 121])('is half a page from where it is bad, at place %i', (bad) => {
    // Every other place, as one of two ways to lie to words is never bad.
    const slow = (depth: number): boolean => depth >= bad && depth < bad + 7 && (depth - bad) % 2 === 0;
    const words = goodDepth(code, clock(slow));
    for (let place = bad; place < bad + 7; place += 2) {
      const distance = Math.abs((place >> 1) * STEP + (place & 1) - words);
      expect(Math.min(distance, PAGE - distance)).toBeGreaterThan(PAGE / 2 - 4 * STEP);
    }
  });

  it('is found by the clock of the host, within a page', () => {
    const words = goodDepth(code, () => performance.now());
    expect(words).toBeGreaterThanOrEqual(0);
    expect(words).toBeLessThan(PAGE + STEP);
  });

  it('is where a function is called', () => {
    expect(deeper(7, () => 'called')).toBe('called');
  });
});
