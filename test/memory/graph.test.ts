import { setTimeout as sleep } from 'node:timers/promises';
import {
  autograd,
  checkpoint,
  checkpointSequential,
  grad,
  memoryStats,
  noGrad,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { collect } from '../support/collect.ts';

/* What is collected, and what is freed at once. */

const large = (): Tensor => zeros([1_000_000]).requiresGrad_();

describe('a dropped graph', () => {
  it('is collected, with its nodes and its memory', async () => {
    const { live } = memoryStats();
    const refs = ((): WeakRef<object>[] => {
      const x = large();
      const y = x.exp().sin().mul(x).sum();
      return [new WeakRef(y), new WeakRef(y.gradFn as object), new WeakRef(x)];
    })();
    expect(await collect(() => refs.every((r) => r.deref() === undefined))).toBe(true);
    // Finalizers are registered for a few megabytes at a time, so that the last of them may still wait.
    expect(await collect(() => memoryStats().live < live + 5e6)).toBe(true);
  });

  it('is collected also after a pass, with retained gradients, and after createGraph', async () => {
    const x = large();
    const refs = ((): WeakRef<object>[] => {
      const y = x.exp();
      y.retainGrad();
      const z = y.sum();
      z.backward({ retainGraph: true });
      const [g] = autograd.grad(z, x, { createGraph: true });
      return [y, z, g].flatMap((t) => [new WeakRef<object>(t), new WeakRef<object>(t.gradFn as object)]);
    })();
    expect(await collect(() => refs.every((r) => r.deref() === undefined))).toBe(true);
    expect(x.grad?.numel()).toBe(1_000_000);
  });

  it('is not kept by its leaves', async () => {
    const x = large();
    const ref = ((): WeakRef<object> => new WeakRef(x.mul(2).gradFn as object))();
    expect(await collect(() => ref.deref() === undefined)).toBe(true);
    x.sum().backward();
  });

  it('of a transform is collected with what it returned', async () => {
    const x = zeros([50_000]);
    const ref = ((): WeakRef<object> => new WeakRef(grad((t: Tensor) => t.exp().sum())(x)))();
    expect(await collect(() => ref.deref() === undefined)).toBe(true);
  });

  it('frees a deep one without a stack', async () => {
    ((): void => {
      let y: Tensor = tensor(1, { requiresGrad: true });
      for (let i = 0; i < 300_000; i++) y = y.neg();
    })();
    gc?.();
    await sleep(1);
  });
});

describe('what no user can see is freed at once', () => {
  /** Live bytes must be the same after one pass and after a thousand, without the collector. */
  function flat(pass: () => unknown): void {
    pass();
    pass();
    const before = memoryStats();
    for (let i = 0; i < 1000; i++) pass();
    const after = memoryStats();
    expect(after.live - before.live).toBe(0);
    expect(after.linearMemoryBytes).toBe(before.linearMemoryBytes);
  }

  it('the temporaries of 1000 backward passes over one graph', () => {
    const x = tensor(new Float32Array(3000)).requiresGrad_();
    const b = zeros([30]).requiresGrad_();
    const h = x
      .view([100, 30])
      .add(b)
      .exp()
      .sin()
      .mul(x.view([100, 30]));
    const y = h.softmax(1).square().mean(0).add(h.sum(0)).mul(b.add(1)).sum();
    flat(() => y.backward({ retainGraph: true }));
  });

  it('those of passes that fan out, select, join and reduce', () => {
    const x = tensor(new Float32Array(600)).requiresGrad_();
    const m = x.view([20, 30]);
    const y = m
      .matmul(m.T)
      .add(m.max(1).values)
      .sum(0)
      .mul(m.slice(1, 0, 20).mean(0))
      .sum()
      .add(m.norm())
      .add(m.logsumexp([0, 1]))
      .add(m.select(0, 3).prod());
    flat(() => y.backward({ retainGraph: true }));
  });

  it('the first gradient is kept, and is the user’s', () => {
    const x = tensor(new Float32Array(3000)).requiresGrad_();
    const y = x.exp().sum();
    y.backward({ retainGraph: true });
    const { live } = memoryStats();
    y.backward({ retainGraph: true });
    expect(memoryStats().live).toBe(live);
    expect(x.grad?.toTypedArray()[2999]).toBe(2);
  });

  it('gradients that were returned stay, whatever later passes free', () => {
    const x = tensor(new Float32Array(3000).fill(1)).requiresGrad_();
    const y = x.square().sum();
    const kept: Tensor[] = [];
    for (let i = 0; i < 20; i++) kept.push(autograd.grad(y, x, { retainGraph: true })[0].mul(i));
    const all = kept.map((g) => [g.min().item(), g.max().item()]);
    expect(all).toEqual(kept.map((_, i) => [2 * i, 2 * i]));
  });

  it('the saved values of a graph whose pass is over', () => {
    const x = tensor(new Float32Array(100_000)).requiresGrad_();
    const y = x.exp().sin().cos().sum();
    const node = y.gradFn?.nextFunctions[0][0];
    expect(node?.saved).not.toBeNull();
    y.backward();
    expect(node?.saved).toBeNull();
  });

  it('the temporaries inside one operation', () => {
    const x = tensor(new Float32Array(3000));
    const live = (): number => memoryStats().live;
    const before = live();
    const y = x.softmax(0);
    const one = live() - before;
    const z = x.logsumexp(0);
    // One result, rounded up to whole lines of memory.
    expect(one).toBeLessThan(3000 * 4 + 1024);
    expect(live() - before - one).toBeLessThan(64);
    expect([y.numel(), z.numel()]).toEqual([3000, 1]);
  });
});

describe('transforms in a loop', () => {
  it('that never yields stay bounded', () => {
    const x = zeros([1000]);
    const f = vmap(grad((t: Tensor) => t.sin().mul(t)));
    for (let i = 0; i < 200; i++) f(x);
    gc?.();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 3000; i++) noGrad(() => f(x));
    expect((process.memoryUsage.rss() - before) / 2 ** 20).toBeLessThan(200);
  });
});

describe('a checkpoint', () => {
  it('keeps none of what its operations save, nor what was recomputed once it was used', async () => {
    const x = large();
    const inside: WeakRef<object>[] = [];
    const f = (v: Tensor): Tensor => {
      const y = v.exp();
      inside.push(new WeakRef(y));
      const z = y.sin();
      inside.push(new WeakRef(z));
      return z.mul(y).sum();
    };
    const y = checkpoint(f, x);
    expect(await collect(() => inside.every((r) => r.deref() === undefined))).toBe(true);
    y.backward({ retainGraph: true });
    expect(await collect(() => inside.every((r) => r.deref() === undefined))).toBe(true);
    expect(inside).toHaveLength(4);
    y.backward();
  });

  it('of many keeps one part at a time: memory stays within a few of its activations', async () => {
    const size = 250_000;
    const x = zeros([size]).requiresGrad_();
    const layer = (v: Tensor): Tensor => v.sin().cos().exp().tanh().sin().cos().exp().tanh();
    const layers = Array.from({ length: 20 }, () => layer);
    await collect(() => false);
    const { live } = memoryStats();
    const y = checkpointSequential(layers, 20, x);
    expect(await collect(() => memoryStats().live - live < 24 * 4 * size + 6e6)).toBe(true);
    y.sum().backward();
    expect(await collect(() => memoryStats().live - live < 3 * 4 * size + 6e6)).toBe(true);
  });
});

describe('saveOnCpu', () => {
  it('lets the tensors themselves go', async () => {
    const x = large();
    const { live } = memoryStats();
    const y = autograd.graph.saveOnCpu(() => x.exp().sin().exp().sum());
    expect(await collect(() => memoryStats().live - live < 5e6)).toBe(true);
    y.backward();
    expect(x.grad).not.toBeNull();
  });
});
