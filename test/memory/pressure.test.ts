import { full, memoryStats, setCacheLimit, type Tensor, tensor } from 'nabla';
import { beforeAll, describe, expect, it } from 'vitest';

/*
 * Nobody frees anything here, and the loops never yield, so that no finalizer runs: memory stays
 * bounded by eviction alone.
 */

const MB = 2 ** 20;
const ELEMENTS = MB / 4;

/** The largest resident size seen, in MB. */
class Peak {
  resident = 0;

  look(): void {
    this.resident = Math.max(this.resident, process.memoryUsage.rss() / MB);
  }
}

beforeAll(() => setCacheLimit(256 * MB));

describe('under a cache of 256 MB', () => {
  it('20,000 tensors of 1 MB in one loop stay below 2 GB, and the kept ones keep their contents', () => {
    const kept: Tensor[] = [];
    const peak = new Peak();
    const values = new Float32Array(ELEMENTS);
    for (let i = 0; i < 20_000; i++) {
      // Numbers from outside, which nothing can make again.
      const t = tensor(values.fill(i));
      if (i % 1000 === 0) kept.push(t);
      if (i % 100 === 0) peak.look();
    }
    peak.look();
    expect(peak.resident).toBeLessThan(2048);
    const { evictions, finalized } = memoryStats();
    expect(evictions + finalized).toBeGreaterThan(10_000);
    expect(kept).toHaveLength(20);
    kept.forEach((t, k) => {
      const values = t.toTypedArray();
      expect([values.length, values[0], values[ELEMENTS >> 1], values[ELEMENTS - 1]]).toEqual([
        ELEMENTS,
        1000 * k,
        1000 * k,
        1000 * k,
      ]);
      expect(values.every((x) => x === 1000 * k)).toBe(true);
    });
  });

  it('a chain of results, each from the last, stays below 2 GB and is right', () => {
    const peak = new Peak();
    let t = full([ELEMENTS], 0);
    const kept: Tensor[] = [];
    for (let i = 1; i <= 4000; i++) {
      t = t.add(1);
      if (i % 500 === 0) kept.push(t);
      if (i % 100 === 0) peak.look();
    }
    expect(peak.resident).toBeLessThan(2048);
    expect(kept.map((k) => [k.min().item(), k.max().item()])).toEqual(
      kept.map((_, i) => [500 * (i + 1), 500 * (i + 1)]),
    );
  });

  it('graphs that nobody differentiates are as free', () => {
    const x = full([ELEMENTS], 1, { requiresGrad: true });
    const peak = new Peak();
    for (let i = 0; i < 500; i++) {
      x.mul(2).exp().sum();
      if (i % 50 === 0) peak.look();
    }
    expect(peak.resident).toBeLessThan(2048);
    x.mul(3).sum().backward();
    expect(x.grad?.max().item()).toBe(3);
  });

  it('a graph larger than the cache is differentiated', () => {
    const x = full([ELEMENTS], 0.5, { requiresGrad: true });
    let y: Tensor = x;
    // 400 MB of saved values.
    for (let i = 0; i < 400; i++) y = y.mul(y).add(0.25);
    y.sum().backward();
    // y ← y² + ¼ stays at ½, where the derivative 2y is 1.
    expect([x.grad?.min().item(), x.grad?.max().item()]).toEqual([1, 1]);
  });

  it('views and the tensors they view come back together', () => {
    const base = tensor(new Float32Array(ELEMENTS).map((_, i) => i));
    const view = base
      .view([2, ELEMENTS / 2])
      .select(0, 1)
      .slice(0, 0, 3);
    const others: Tensor[] = [];
    for (let i = 0; i < 400; i++) others.push(full([ELEMENTS], i));
    view.mul_(10);
    for (let i = 0; i < 400; i++) others[i] = full([ELEMENTS], -i);
    expect(view.toArray()).toEqual([0, 1, 2].map((i) => 10 * (ELEMENTS / 2 + i)));
    expect(base.select(0, ELEMENTS / 2 + 1).item()).toBe(10 * (ELEMENTS / 2 + 1));
    expect(others[7].select(0, 5).item()).toBe(-7);
  });
});

describe('what is only read or written', () => {
  it('does not stay in place: many results that were given up are read one after the other', () => {
    setCacheLimit(16 * MB);
    const x = full([ELEMENTS], 1);
    const kept = Array.from({ length: 200 }, (_, i) => x.mul(i).add(1));
    const values = kept.map((t) => t.toTypedArray()[ELEMENTS - 1]);
    expect(values).toEqual(kept.map((_, i) => i + 1));
    expect(memoryStats().resident).toBeLessThan(24 * MB);
  });

  it('nor do tensors that are made from arrays', () => {
    setCacheLimit(16 * MB);
    const data = new Float32Array(ELEMENTS).fill(3);
    const kept = Array.from({ length: 100 }, () => tensor(data));
    expect(memoryStats().resident).toBeLessThan(24 * MB);
    expect(kept.every((t) => t.toTypedArray()[7] === 3)).toBe(true);
  });
});
