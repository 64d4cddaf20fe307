import { describe, expect, test } from 'vitest';
import { setCacheLimit } from '../../src/backends/wasm/heap.ts';
import { memoryStats } from '../../src/backends/wasm/memory-stats.ts';
import { autograd, noGrad, ones, randn, type Tensor } from '../../src/index.ts';

const N = 100_000;

/** Whether every element is this one. */
const all = (x: Tensor, value: number): boolean => x.sub(value).abs().max().item() === 0;

describe('what is filled with zeros', () => {
  test('needs no memory until somebody asks for it', () => {
    for (const dtype of ['float32', 'float64', 'int32', 'bool'] as const) {
      const x: Tensor = ones([N], { dtype });
      const bytes = memoryStats().resident;
      x.zero_();
      expect(memoryStats().resident).toBeLessThanOrEqual(bytes - N);
      expect(all(x.to('float64'), 0)).toBe(true);
      expect(memoryStats().resident).toBeGreaterThanOrEqual(bytes);
    }
  });

  test('is written to, viewed, copied and cleared like all else', () => {
    const x: Tensor = ones([4, N]);
    const row = x.select(0, 1);
    x.zero_();
    row.add_(3);
    expect([0, 1, 2, 3].map((i) => x.select(0, i).mean().item())).toEqual([0, 3, 0, 0]);
    row.zero_();
    expect(all(x, 0)).toBe(true);
    x.fill_(2).zero_().zero_();
    const copy = x.clone();
    x.fill_(1);
    expect(all(copy, 0) && all(row, 1)).toBe(true);
    x.fill_(-0);
    expect(Object.is(x.at(3, 7).item(), -0)).toBe(true);
  });

  test('may have been moved out, and may be the source of what is made again', () => {
    const kept = ones([N]) as Tensor;
    const sum = kept.add(1);
    setCacheLimit(0);
    setCacheLimit(64 * 2 ** 20, 2 ** 31);
    kept.zero_();
    expect(all(sum, 2) && all(kept, 0)).toBe(true);
  });

  test('belongs to one of two tensors after setData', () => {
    const x: Tensor = ones([N]);
    const y: Tensor = ones([N]);
    x.setData(y);
    x.zero_();
    expect(all(x, 0) && all(y, 0)).toBe(true);
  });
});

describe('a gradient that was cleared', () => {
  test('takes over what comes next, for whoever holds it or a view of it', () => {
    const w = randn([N], { requiresGrad: true });
    w.mul(2).sum().backward();
    const grad = w.grad as Tensor;
    const view = grad.view([100, -1]);
    for (let i = 1; i < 40; i++) {
      const { version } = grad;
      grad.zero_();
      w.mul(i).sum().backward();
      expect(w.grad).toBe(grad);
      expect(grad.version).toBe(version + 2);
      expect(all(grad, i) && all(view, i)).toBe(true);
    }
    w.mul(2).sum().backward();
    expect(all(grad, 41)).toBe(true);
  });

  test('of a matrix, whose gradient arrives as a transpose', () => {
    const [w, x] = [randn([300, 40], { requiresGrad: true }), randn([50, 40])] as const;
    const pass = (): void => x.matmul(w.t()).square().sum().backward();
    pass();
    const first = (w.grad as Tensor).clone();
    for (let i = 0; i < 3; i++) {
      (w.grad as Tensor).zero_();
      pass();
      expect(all(first.sub(w.grad as Tensor), 0)).toBe(true);
    }
  });

  test('leaves hooks what they were given', () => {
    const w = ones([N], { requiresGrad: true });
    w.mul(2).sum().backward();
    const seen: (Tensor | null | undefined)[] = [];
    autograd.graph.getGradientEdge(w).node.registerHook((_, [g]) => {
      seen.push(g);
    });
    for (const factor of [3, 4]) {
      (w.grad as Tensor).zero_();
      w.mul(factor).sum().backward();
      expect(all(w.grad as Tensor, factor)).toBe(true);
    }
    expect(seen.map((g) => g?.mean().item())).toEqual([3, 4]);
  });

  test('of a result that retains it', () => {
    const w = ones([N], { requiresGrad: true });
    const y = w.mul(2);
    y.retainGrad();
    const loss = y.mul(3).sum();
    loss.backward({ retainGraph: true });
    (y.grad as Tensor).zero_();
    loss.backward();
    expect(all(y.grad as Tensor, 3) && all(w.grad as Tensor, 12)).toBe(true);
  });

  test('does not take what arrives for several at once', () => {
    const [a, b] = [ones([N], { requiresGrad: true }), ones([N], { requiresGrad: true })];
    for (const factor of [1, 2, 3]) {
      a.grad?.zero_();
      b.grad?.zero_();
      a.add(b).mul(factor).sum().backward();
      noGrad(() => (a.grad as Tensor).add_(10));
      expect(all(a.grad as Tensor, factor + 10) && all(b.grad as Tensor, factor)).toBe(true);
    }
  });

  test('is there after a pass that failed', () => {
    const w = ones([N], { requiresGrad: true });
    w.mul(2).sum().backward();
    (w.grad as Tensor).zero_();
    const y = w.mul(2);
    y.registerHook(() => {
      throw new Error('no');
    });
    expect(() => y.sum().backward()).toThrow('no');
    expect(all(w.grad as Tensor, 0)).toBe(true);
  });
});
