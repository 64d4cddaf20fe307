import { describe, expect, it } from 'vitest';
import { callAlone, isLong } from '../../src/backends/wasm/threads/alone.ts';
import { pieceOf } from '../../src/backends/wasm/threads/share.ts';

/** Calls as [from, count, whether there was a number too many], of a kernel that is slow in one of the two ways. */
function calls(units: number, multiple: number, slow: boolean | null): [number, number, boolean][] {
  const seen: [number, number, boolean][] = [];
  const kernel = (...args: number[]): number => {
    const moved = args.length === 3;
    seen.push([args[0], args[1], moved]);
    const end = performance.now() + (moved === slow ? 20 : 1);
    while (performance.now() < end);
    return 0;
  };
  callAlone(units, multiple, (from, count) => ({ kernel, args: [from, count] }));
  return seen;
}

describe('a long call of a kernel', () => {
  it.each([
    [true, false],
    [false, true],
  ])('is made in the way that is not slow (slow with a number too many: %s)', (slow, moved) => {
    expect(calls(6400, 64, slow)).toEqual([
      [0, 192, false],
      [192, 192, true],
      [384, 6016, moved],
    ]);
  });

  it.each([
    [1000, 1],
    [8, 1],
    [9, 1],
    [515, 64],
    [262_147, 64],
  ])('covers %i units in pieces that are multiples of %i', (units, multiple) => {
    let next = 0;
    for (const [from, count] of calls(units, multiple, null)) {
      expect(from).toBe(next);
      expect(from % multiple).toBe(0);
      expect(count).toBeGreaterThan(0);
      next += count;
    }
    expect(next).toBe(units);
  });

  it('is one call where pieces would be no small part', () => {
    expect(calls(7, 1, true)).toEqual([[0, 7, false]]);
    expect(calls(500, 64, true)).toEqual([[0, 500, false]]);
  });

  it('is one of many steps', () => {
    expect(isLong(1000)).toBe(false);
    expect(isLong(10_000_000)).toBe(true);
  });

  it('is several where there are more units than a kernel counts', () => {
    expect(pieceOf(2 ** 31 + 37, 1, 64)).toBe(2 ** 30);
    expect(pieceOf(2 ** 30, 1, 64)).toBe(2 ** 30);
  });
});
