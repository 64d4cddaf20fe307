/** Results that share pages and are made again by recipes: of some hundred elements to two thousand. */
import { memoryStats, noGrad, randn, setCacheLimit, type Tensor, tensor, zeros } from 'nabla';
import { afterEach, describe, expect, test } from 'vitest';

const MIB = 2 ** 20;
const N = 1000;

afterEach(() => setCacheLimit(64 * MIB, 3072 * MIB));

/** What was copied out, forgotten and made again while `body` ran. */
function counted(body: () => void): { evicted: number; forgotten: number; remade: number; resident: number } {
  const before = memoryStats();
  body();
  const after = memoryStats();
  return {
    evicted: after.evictedBytes - before.evictedBytes,
    forgotten: after.forgotten - before.forgotten,
    remade: after.remakes - before.remakes,
    resident: after.resident - before.resident,
  };
}

/** Results enough to have those before them given up. */
function crowd(): void {
  const x = zeros([N]);
  for (let i = 0; i < 2000; i++) x.add(i);
}

const ramp = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('small results', () => {
  test.each([
    ['of elementwise operations', (x: Tensor, y: Tensor): Tensor => x.add(y)],
    ['of numbers', (x: Tensor): Tensor => x.mul(2)],
    ['of functions', (x: Tensor): Tensor => x.tanh()],
    ['of scans', (x: Tensor): Tensor => x.cumsum(0)],
    ['of operations made of others', (x: Tensor): Tensor => x.reshape([10, 100]).softmax(1)],
  ])('%s that are dropped cost no copy and little room', (_, f) => {
    const [x, y]: [Tensor, Tensor] = [randn([N]), randn([N])];
    const seen = counted(() => {
      for (let i = 0; i < 30_000; i++) f(x, y);
    });
    expect(seen.evicted).toBe(0);
    expect(seen.remade).toBe(0);
    expect(seen.forgotten).toBeGreaterThan(1500);
    expect(seen.resident).toBeLessThan(2 * MIB);
  });

  test.each([300, 500, 1000, 2000, 2048])('of %d elements are made again, each by itself, with the same bits', (n) => {
    const x: Tensor = randn([n]);
    const kept: Tensor[] = [];
    const values: (readonly number[])[] = [];
    for (let i = 0; i < 40; i++) {
      const y = x.mul(i).sin();
      values.push(y.toArray() as number[]);
      kept.push(y);
      x.add(i);
    }
    crowd();
    const { remade } = counted(() => {
      for (let i = 39; i >= 0; i -= 3) expect(kept[i]?.toArray()).toEqual(values[i]);
    });
    expect(remade).toBeGreaterThan(10);
    crowd();
    for (let i = 0; i < 40; i++) expect(kept[i]?.toArray()).toEqual(values[i]);
  });

  test('changed in place stay what they are, and so do those made from them and beside them', () => {
    const x = tensor(ramp(N));
    const all = ramp(64).map((i) => x.add(i));
    const doubled = all.map((y) => y.mul(2));
    for (let i = 0; i < 64; i += 2) all[i]?.add_(1000);
    crowd();
    x.zero_();
    crowd();
    for (let i = 0; i < 64; i++) {
      expect(all[i]?.at(7).item()).toBe(7 + i + (i % 2 === 0 ? 1000 : 0));
      expect(doubled[i]?.at(7).item()).toBe(2 * (7 + i));
    }
    expect(x.sum().item()).toBe(0);
  });

  test('forgotten ones that are changed in place are made again before', () => {
    const x = tensor(ramp(N));
    const y = x.add(1);
    const z = y.mul(3);
    crowd();
    y.mul_(2);
    crowd();
    expect([y.at(4).item(), z.at(4).item()]).toEqual([10, 15]);
  });

  test('views see what is made again', () => {
    const x = tensor(ramp(N));
    const y = x.add(1);
    const [head, tail] = [y.slice(0, 0, 10), y.slice(0, 10)];
    crowd();
    expect(tail.at(0).item()).toBe(11);
    noGrad(() => head.zero_());
    crowd();
    expect([y.at(9).item(), y.at(10).item()]).toEqual([0, 11]);
  });

  test('long chains are cut, and right', () => {
    let y: Tensor = zeros([N]);
    const kept: Tensor[] = [];
    for (let i = 1; i <= 5000; i++) {
      y = y.add(1);
      if (i % 500 === 0) kept.push(y);
    }
    crowd();
    expect(kept.map((t) => t.at(0).item())).toEqual(ramp(10).map((i) => 500 * (i + 1)));
  });

  test('a graph of many is differentiated', () => {
    const x: Tensor = randn([N], { requiresGrad: true });
    let y: Tensor = x;
    for (let i = 0; i < 500; i++) y = y.mul(1.001).sin();
    const reference = x.detach().toArray() as number[];
    y.sum().backward();
    const slope = (v: number): number => {
      let [a, d] = [v, 1];
      for (let i = 0; i < 500; i++) {
        d *= 1.001 * Math.cos(1.001 * a);
        a = Math.sin(1.001 * a);
      }
      return d;
    };
    const grad = (x.grad as Tensor).toArray() as number[];
    for (const i of [0, 1, 500, N - 1]) expect(grad[i]).toBeCloseTo(slope(reference[i] as number), 3);
  });

  test('among what has no recipe keep their values under a tiny cache', () => {
    setCacheLimit(MIB);
    const kept: [Tensor, number][] = [];
    const x: Tensor = zeros([N]);
    for (let i = 0; i < 6000; i++) {
      // Multi-output operations and freshly made data lie among results, and some are changed.
      const data = tensor(new Float32Array(N).fill(i));
      const y = data.add(x);
      if (i % 97 === 0) kept.push([y, i], [data, i]);
      if (i % 193 === 0) kept.push([y.add(1).add_(1), i + 2]);
    }
    for (const [t, value] of kept) expect(t.at(N - 1).item()).toBe(value);
  });
});
