import { describe, expect, it } from 'vitest';
import { Limit } from '../../src/backends/wasm/limit.ts';

/** Touches what has a place in turn, or, in `order`, and tells how much was missed; the oldest goes. */
class Cache {
  readonly limit: Limit;
  readonly #present = new Map<number, number>();
  readonly #marks = new Map<number, number>();
  #lines = 0;
  missed = 0;

  constructor(limit: Limit) {
    this.limit = limit;
  }

  touch(key: number, lines: number): void {
    const present = this.#present.delete(key);
    const mark = this.#marks.get(key);
    if (!present) {
      this.#lines += lines;
      if (mark !== undefined) {
        this.missed += lines;
        this.limit.miss(lines, mark);
        this.#marks.delete(key);
      }
    }
    this.#present.set(key, lines);
    for (const [oldest, size] of this.#present) {
      if (this.#lines <= this.limit.lines) break;
      this.#present.delete(oldest);
      this.#lines -= size;
      this.#marks.set(oldest, this.limit.giveUp(size));
    }
  }
}

describe('a limit that learns', () => {
  it('rises to what is touched in turn, and not beyond', () => {
    const cache = new Cache(new Limit(100, 100_000, 16));
    for (let turn = 0; turn < 20; turn++) for (let k = 0; k < 50; k++) cache.touch(k, 10);
    expect(cache.limit.lines).toBeGreaterThanOrEqual(500);
    expect(cache.limit.lines).toBeLessThanOrEqual(520);
    const { missed } = cache;
    for (let k = 0; k < 500; k++) cache.touch(k % 50, 10);
    expect(cache.missed).toBe(missed);
  });

  it('rises by what misses outweigh of what was given up, to what would have been enough', () => {
    const limit = new Limit(100, 1000, 16);
    const marks = Array.from({ length: 8 }, () => limit.giveUp(40));
    // 16 × 10 lines, less the hundred that count at most.
    limit.miss(10, marks[0] as number);
    expect(limit.lines).toBe(160);
    limit.miss(10, marks[1] as number);
    expect(limit.lines).toBe(320);
    // The third was missed after 240 more were given up, and 100 were kept.
    limit.miss(10, marks[2] as number);
    expect(limit.lines).toBe(340);
  });

  it('rises to the most there may be', () => {
    const limit = new Limit(100, 200, 16);
    for (const mark of Array.from({ length: 8 }, () => limit.giveUp(40))) limit.miss(40, mark);
    expect(limit.lines).toBe(200);
  });

  it('does not heed what a larger one would not have kept longer than it is kept by now', () => {
    const limit = new Limit(100, 1000, 16);
    const [a, b] = [limit.giveUp(10), limit.giveUp(10)];
    limit.miss(10, a);
    expect(limit.lines).toBe(120);
    limit.miss(10, b);
    // It was the last to go: a limit larger by its own size would have kept it, and that it is by now.
    expect(limit.lines).toBe(120);
  });

  for (const [perMiss, every, what] of [
    [16, 20, 'a twentieth'],
    [8, 10, 'a tenth'],
  ] as const) {
    it(`does not rise with a few misses among much that nobody asks for again: ${what} of it, for 1 in ${perMiss}`, () => {
      const cache = new Cache(new Limit(100, 1_000_000, perMiss));
      for (let i = 0; i < 20_000; i++) {
        cache.touch(1000 + i, 10);
        // Something of long ago.
        if (i > 1000 && i % every === 0) cache.touch(1000 + i - 1000, 10);
      }
      expect(cache.missed).toBeGreaterThan(5000);
      expect(cache.limit.lines).toBeLessThan(200);
    });
  }

  it('falls again when nothing is missed for long, down to where it was set', () => {
    const cache = new Cache(new Limit(100, 100_000, 16));
    for (let turn = 0; turn < 4; turn++) for (let k = 0; k < 50; k++) cache.touch(k, 10);
    const high = cache.limit.lines;
    let next = 1000;
    for (let i = 0; i < 10_000; i++) cache.touch(next++, 10);
    expect(cache.limit.lines).toBeLessThan(0.8 * high);
    for (let i = 0; i < 100_000; i++) cache.touch(next++, 10);
    expect(cache.limit.lines).toBe(100);
  });

  it('counts on beyond what it counts to', () => {
    const limit = new Limit(100, 1000, 16);
    for (let i = 0; i < 40; i++) limit.giveUp(2 ** 25 - 7);
    const mark = limit.giveUp(10);
    limit.giveUp(10);
    for (let i = 0; i < 3; i++) limit.miss(50, mark);
    expect(limit.lines).toBeGreaterThan(100);
    expect(limit.lines).toBeLessThanOrEqual(120);
  });
});
