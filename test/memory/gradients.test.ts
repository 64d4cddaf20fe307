import { describe, expect, test } from 'vitest';
import { address, memoryStats, type Storage } from '../../src/backends/wasm/heap.ts';
import { metaOf } from '../../src/core/tensor.ts';
import { autograd, ones, randn, type Tensor, zeroGrad } from '../../src/index.ts';

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
