import { autograd, enableGrad, memoryStats, noGrad, randn, setCacheLimit, type Tensor, tensor } from 'nabla';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';

/*
 * `x.grad = null` says that a gradient is most likely dead, and its memory is the first to go. Whoever still
 * has it must not notice.
 */

const MIB = 2 ** 20;
const N = 3 * 2 ** 16;

const { cacheLimit, cacheMaximum } = memoryStats();
beforeEach(() => setCacheLimit(2 * MIB));
afterAll(() => setCacheLimit(cacheLimit, cacheMaximum));

/** A leaf whose gradient is `x ↦ scale x`, and its loss. */
function halfSquares(scale: number): { x: Tensor; loss: () => Tensor; expected: Float32Array } {
  const x: Tensor = randn([N], { requiresGrad: true });
  const expected = Float32Array.from(x.toTypedArray(), (v) => Math.fround(v * 2) * scale);
  return { x, loss: () => x.square().mul(scale).sum(), expected };
}

/** Fills the cache several times over. */
function crowd(): void {
  const w: Tensor = randn([N], { requiresGrad: true });
  for (let i = 0; i < 12; i++) {
    w.square().sum().backward();
    noGrad(() => w.sub_(w.grad as Tensor, { alpha: 0.01 }));
    w.grad = null;
  }
}

function expectBits(t: Tensor | null, expected: ArrayLike<number>): void {
  expect(t).not.toBeNull();
  expect(
    Buffer.compare(Buffer.from((t as Tensor).toTypedArray().buffer), Buffer.from(Float32Array.from(expected).buffer)),
  ).toBe(0);
}

describe('a cotangent of another dtype', () => {
  it('that the pass converts and adds to keeps what was added', () => {
    const x = randn([N], { dtype: 'float64', requiresGrad: true });
    const u: Tensor = randn([N]);
    const [g] = autograd.grad([x, x.mul(2)], [x], { gradOutputs: [u, u] });
    crowd();
    const values = u.toTypedArray();
    expect(g.toTypedArray().every((v, i) => v === 3 * (values[i] as number))).toBe(true);
  });
});

describe('a gradient that was dropped', () => {
  it('keeps its values for whoever read it before', () => {
    const { x, loss, expected } = halfSquares(0.5);
    loss().backward();
    const g = x.grad;
    x.grad = null;
    crowd();
    expectBits(g, expected);
    // And can be put back.
    x.grad = g;
    loss().backward();
    x.grad = null;
    crowd();
    expectBits(
      g,
      expected.map((v) => v * 2),
    );
  });

  it('keeps them for views of it, and follows changes through them', () => {
    const { x, loss, expected } = halfSquares(2);
    loss().backward();
    const row = (x.grad as Tensor).reshape([3, -1]).select(0, 1);
    const same = (x.grad as Tensor).detach();
    x.grad = null;
    crowd();
    const n = N / 3;
    expectBits(row, expected.subarray(n, 2 * n));
    row.zero_();
    crowd();
    expectBits(
      same,
      expected.map((v, i) => (i >= n && i < 2 * n ? 0 : v)),
    );
  });

  it('keeps them for a graph that has saved it', () => {
    const { x, loss, expected } = halfSquares(1);
    loss().backward();
    const w = tensor(3, { requiresGrad: true });
    const y = (x.grad as Tensor).mul(w).sum();
    x.grad = null;
    crowd();
    y.backward();
    const sum = expected.reduce((a, b) => a + b, 0);
    expect(Math.abs((w.grad as Tensor).item() - sum)).toBeLessThan(1e-4 * N ** 0.5);
  });

  it('keeps them for hooks that kept it', () => {
    const { x, loss, expected } = halfSquares(1);
    const seen: (Tensor | null)[] = [];
    x.registerHook((g) => {
      seen.push(g);
    });
    x.registerPostAccumulateGradHook((t) => {
      seen.push(t.grad);
      t.grad = null;
    });
    loss().backward();
    loss().backward();
    expect(x.grad).toBeNull();
    crowd();
    expect(seen.length).toBe(4);
    for (const g of seen) expectBits(g, expected);
  });

  it('keeps them where a result retained it', () => {
    const { x, loss, expected } = halfSquares(1);
    const y = x.mul(1);
    y.retainGrad();
    y.square().sum().backward();
    const g = y.grad;
    y.grad = null;
    loss().backward();
    x.grad = null;
    crowd();
    expectBits(g, expected);
  });

  it.each([
    ['changed', true],
    ['dropped', false],
  ])('keeps them for the pass that goes on when what a result retained is %s', (_, changes) => {
    const { x, expected } = halfSquares(1);
    const v: Tensor = randn([N], { requiresGrad: true });
    const a = x.mul(1);
    // Runs between what keeps its gradient and what that was made of.
    const between = v.sin();
    const y = a.view([3, -1]);
    y.retainGrad();
    between.registerHook(() => {
      if (changes) y.grad?.zero_();
      y.grad = null;
      enableGrad(crowd);
    });
    y.square().sum().add(between.sum()).backward();
    expectBits(x.grad, expected);
  });

  it('keeps them when a later pass adds to it, where a result retained it', () => {
    const { x, expected } = halfSquares(1);
    const y = x.mul(1);
    y.retainGrad();
    const z = y.square().sum();
    z.backward({ retainGraph: true });
    const g = y.grad;
    z.backward();
    expectBits(g, expected);
    expectBits(
      y.grad,
      expected.map((v) => v * 2),
    );
  });

  it('keeps them where it is part of a graph', () => {
    const { x, expected } = halfSquares(1);
    autograd.backward(x.pow(3).sum(), { createGraph: true });
    const g = x.grad as Tensor;
    x.grad = null;
    crowd();
    g.sum().backward();
    const second = x.grad as Tensor | null;
    x.grad = null;
    crowd();
    // 6 x, of which 2 x is expected of the square.
    const values = (second as Tensor).toTypedArray();
    expect(expected.every((v, i) => Math.abs(values[i] - 3 * v) <= 1e-5 * Math.abs(v))).toBe(true);
  });

  it('keeps them where others hold the same tensor as their gradient', () => {
    const { x, loss, expected } = halfSquares(1);
    loss().backward();
    const other: Tensor = randn([N], { requiresGrad: true });
    other.grad = x.grad;
    x.grad = null;
    crowd();
    loss().backward();
    expectBits(other.grad, expected);
    expectBits(x.grad, expected);
  });
});
