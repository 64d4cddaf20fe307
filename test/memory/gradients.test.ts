import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { cutApart } from '../../src/autograd/pieces.ts';
import { address, allocate, type Storage, setCacheLimit } from '../../src/backends/wasm/heap.ts';
import { memoryStats } from '../../src/backends/wasm/memory-stats.ts';
import { metaOf, tensorOver } from '../../src/core/tensor.ts';
import { autograd, cat, ones, randn, stack, type Tensor, zeroGrad } from '../../src/index.ts';

const N = 100_000;

describe('gradients that are forgotten', () => {
  test('free their memory at once if nobody has seen them', () => {
    const x = randn([N], { requiresGrad: true });
    x.mul(2).sum().backward();
    const storage = metaOf(x).grad?.storage as Storage;
    address(storage);
    x.grad = null;
    expect(() => address(storage)).toThrow('freed');
    const before = memoryStats();
    for (let i = 0; i < 300; i++) {
      x.exp().sum().backward();
      if (i % 2 === 0) x.grad = null;
      else zeroGrad([x]);
    }
    expect(memoryStats().evictedBytes).toBe(before.evictedBytes);
  });

  test('live on if somebody has', () => {
    const x = ones([N], { requiresGrad: true });
    x.mul(2).sum().backward();
    const seen = x.grad as Tensor;
    x.grad = null;
    x.mul(3).sum().backward();
    x.grad = null;
    for (let i = 0; i < 3; i++) randn([N]);
    expect(seen.sub(2).abs().max().item()).toBe(0);
  });

  test('live on in what a hook was given, and in their copies', () => {
    const x = ones([N], { requiresGrad: true });
    const kept: Tensor[] = [];
    x.registerHook((g) => {
      kept.push(g);
    });
    x.registerPostAccumulateGradHook((leaf) => {
      kept.push(leaf.grad as Tensor);
    });
    x.mul(2).sum().backward();
    x.grad = null;
    randn([N]);
    for (const g of kept) expect(g.sub(2).abs().max().item()).toBe(0);
  });

  test('live on in what a hook of the accumulating node is given, even if another hook has forgotten them', () => {
    const x = ones([N], { requiresGrad: true });
    const kept: (Tensor | null)[] = [];
    autograd.graph.getGradientEdge(x).node.registerHook((_, [g]) => {
      kept.push(g ?? null);
    });
    x.registerPostAccumulateGradHook((leaf) => {
      leaf.grad = null;
    });
    x.mul(2).sum().backward();
    randn([N]);
    expect(kept[0]?.sub(2).abs().max().item()).toBe(0);
    expect(x.grad).toBe(null);
  });

  test('adding to a gradient that nobody has seen keeps it the tensor’s', () => {
    const x = ones([N], { requiresGrad: true });
    for (let i = 0; i < 3; i++) x.mul(2).sum().backward();
    expect((x.grad as Tensor).sub(6).abs().max().item()).toBe(0);
  });
});

/** Whether every element is this one. */
const all = (x: Tensor | null, value: number): boolean => x?.sub(value).abs().max().item() === 0;

describe('gradients that are parts of one cotangent', () => {
  const parts = (n: number): readonly Tensor[] =>
    Array.from({ length: n }, () => ones([100, 64], { requiresGrad: true }) as Tensor);
  const memoryOf = (x: Tensor): Storage => metaOf(x).grad?.storage as Storage;

  afterEach(() => setCacheLimit(64 * 2 ** 20, 3072 * 2 ** 20));

  test('take over the memory that they lie in', () => {
    for (const join of [cat, stack]) {
      const xs = parts(3);
      join(xs).mul(2).sum().backward();
      const places = xs.map((x) => address(memoryOf(x)));
      expect(places.map((place) => place - places[0]!)).toEqual([0, 25_600, 51_200]);
      for (const x of xs) expect(memoryOf(x).nbytes).toBe(25_600);
      expect(xs.every((x) => all(x.grad, 2))).toBe(true);
    }
  });

  test('are changed, cleared, added to, moved out and forgotten each by itself', () => {
    const [a, b, c] = parts(3) as [Tensor, Tensor, Tensor];
    const step = (factor: number): void => cat([a, b, c]).mul(factor).sum().backward();
    step(2);
    (a.grad as Tensor).zero_();
    (b.grad as Tensor).add_(5);
    expect([all(a.grad, 0), all(b.grad, 7), all(c.grad, 2)]).toEqual([true, true, true]);
    const { grad } = b;
    b.grad = null;
    step(3);
    setCacheLimit(0);
    expect([all(a.grad, 3), all(b.grad, 3), all(c.grad, 5), all(grad, 7)]).toEqual([true, true, true, true]);
    const { blocks } = memoryStats();
    for (const x of [a, b, c]) x.grad = null;
    step(1);
    for (const x of [a, b, c]) x.grad = null;
    expect(memoryStats().blocks).toBeLessThanOrEqual(blocks);
  });

  test('are let alone where somebody sees the cotangent', () => {
    const [a, b] = parts(2) as [Tensor, Tensor];
    const given = ones([200, 64]) as Tensor;
    cat([a, b]).backward({ gradient: given });
    (a.grad as Tensor).zero_();
    expect(all(given, 1) && all(b.grad, 1)).toBe(true);
    zeroGrad([a, b]);
    const joined = cat([a, b]);
    joined.retainGrad();
    const seen: Tensor[] = [];
    joined.registerHook((g) => {
      seen.push(g);
    });
    joined.mul(2).sum().backward();
    (b.grad as Tensor).zero_();
    expect(all(a.grad, 2) && all(joined.grad, 2) && all(seen[0] ?? null, 2)).toBe(true);
  });

  test('are those of any parts, at any place', () => {
    const sizes = fc.array(fc.record({ rows: fc.integer({ min: 0, max: 600 }), wanted: fc.boolean() }), {
      minLength: 1,
      maxLength: 6,
    });
    const check = (list: readonly { readonly rows: number; readonly wanted: boolean }[], width: number): void => {
      const xs = list.map(({ rows, wanted }) => randn([rows, width], { requiresGrad: wanted }) as Tensor);
      if (!list.some(({ wanted }) => wanted)) return;
      for (let pass = 1; pass < 3; pass++) {
        cat(xs).square().sum().backward();
        for (const x of xs) {
          if (!x.requiresGrad) expect(x.grad).toBe(null);
          else expect(all((x.grad as Tensor).sub(x.detach().mul(2 * pass)).norm(), 0)).toBe(true);
        }
      }
    };
    fc.assert(
      fc.property(sizes, fc.constantFrom(1, 8, 16, 33), (list, width) => check(list, width)),
      { numRuns: 40 },
    );
  });

  test('stay together where they overlap or have gaps', () => {
    const whole = allocate(64_000);
    const at = (offset: number, count: number, stride = 1): Tensor =>
      tensorOver(whole, [count], [stride], offset, 'float32') as Tensor;
    expect(cutApart(whole, [at(0, 8000), at(7984, 8000)])).toEqual([]);
    expect(cutApart(whole, [at(0, 8000, 2), at(8000, 8000)])).toEqual([]);
    expect(cutApart(whole, [at(1, 7998), at(8001, 7999)])).toEqual([]);
    expect(cutApart(whole, [at(0, 16), at(16, 16)])).toEqual([]);
    const grads = [at(8000, 4000), null, at(0, 8000), at(12_001, 99)];
    expect(cutApart(whole, grads).map((piece) => piece.nbytes)).toEqual([32_000, 16_000, 16_000]);
    expect(grads.map((g) => g?.offset)).toEqual([0, undefined, 0, 1]);
    expect(() => address(whole)).toThrow('freed');
  });
});
