import { inspect } from 'node:util';
import {
  functional as F,
  manualSeed,
  memoryStats,
  noGrad,
  randn,
  setCacheLimit,
  type Tensor,
  tensor,
  zerosLike,
} from 'nabla';
import { afterEach, describe, expect, it, vi } from 'vitest';

/* What V8 knows of the dead when it has collected what is young: their room is given back without a copy. */

const MB = 2 ** 20;
afterEach(() => setCacheLimit(16 * MB, 3072 * MB));

const figures = (): { evicted: number; dead: number } => {
  const { evictedBytes, finalized } = memoryStats();
  return { evicted: evictedBytes, dead: finalized };
};

describe('what dies young in a loop that never yields', () => {
  it('is not copied: temporaries that are changed in place, of an optimiser whose state changes', () => {
    const p = randn([256, 256], { requiresGrad: true });
    const x = randn([64, 256]);
    const v = zerosLike(p);
    const step = (): void => {
      x.matmul(p).square().mean().backward();
      noGrad(() => {
        const g = p.grad as Tensor;
        v.mul_(0.9).addcmul_(g, g, { value: 0.1 });
        p.addcdiv_(g, v.sqrt().div_(0.5).add_(1e-8), { value: -1e-3 });
        p.grad = null;
      });
    };
    for (let i = 0; i < 200; i++) step();
    const before = figures();
    for (let i = 0; i < 400; i++) step();
    const after = figures();
    // A step makes some 600 kB that nothing can make again.
    expect((after.evicted - before.evicted) / 400).toBeLessThan(100_000);
    expect(after.dead - before.dead).toBeGreaterThan(400);
  });

  it('costs no copies of the parameters that could make it again; what is alive has them', () => {
    manualSeed(0);
    const n = 512;
    const layers = [0, 1, 2].map(() => randn([n, n], { requiresGrad: true }));
    const x = randn([2 * n, n]);
    const held: { readonly h: Tensor; readonly sum: number }[] = [];
    // In a function of its own: a variable that is in use keeps what it is made from.
    const pass = (holds: boolean): void => {
      let h: Tensor = x;
      for (const w of layers) {
        h = F.softmax(F.linear(h, w), -1);
        if (holds) held.push({ h, sum: h.sum().item() });
      }
      h.square().mean().backward();
    };
    const step = (holds: boolean): void => {
      pass(holds);
      noGrad(() => {
        for (const w of layers) {
          w.sub_(w.grad as Tensor, { alpha: 0.1 });
          w.grad = null;
        }
      });
    };
    for (let i = 0; i < 6; i++) step(false);
    const copiedBySteps = (): number => {
      const copies = vi.spyOn(Buffer, 'allocUnsafeSlow');
      const before = figures();
      for (let i = 0; i < 10; i++) step(false);
      const copied = copies.mock.calls.reduce((sum, [bytes]) => sum + (bytes < 8 * MB ? bytes : 0), 0);
      copies.mockRestore();
      return copied - (figures().evicted - before.evicted);
    };
    // As long as V8 has not compiled what runs here, which takes a busy machine longer, frames keep what they are done with.
    let copied = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 20 && copied >= 5 * MB; tries++) copied = copiedBySteps();
    expect(copied).toBeLessThan(5 * MB);
    for (let i = 0; i < 10; i++) step(true);
    for (const { h, sum } of held) expect(h.sum().item()).toBe(sum);
  });

  it('leaves what is alive as it was, by whatever it is held', () => {
    setCacheLimit(4 * MB);
    manualSeed(0);
    const n = 20_000;
    const values = new Float32Array(n);
    const make = (k: number): Tensor => tensor(values.fill(k));
    const lists: { readonly k: number; readonly t: Tensor }[][] = [];
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let i = 0; i < 6000; i++) {
      const t = make(i);
      const k = random(6);
      // Held for long, for a while, through a view, by a recipe alone, by a graph alone, or not at all.
      if (k === 0) lists.push([{ k: i, t }]);
      else if (k === 1) lists.push([{ k: i, t: t.narrow(0, 5, n - 9) }]);
      else if (k === 2) lists.push([{ k: i + 1, t: t.add(1) }]);
      else if (k === 3) lists.push([{ k: i, t: t.add(0).requiresGrad_().mul(t).div(t) }]);
      if (lists.length > 60) lists.splice(random(lists.length), 1);
      if (i % 10 === 0) {
        const [{ k: wanted, t: held }] = lists[random(lists.length)]!;
        expect([held.min().item(), held.max().item()]).toEqual([wanted, wanted]);
      }
    }
    for (const [{ k, t }] of lists) expect([t.min().item(), t.max().item()]).toEqual([k, k]);
  });

  it('does not show in what a program prints', () => {
    const { storage } = tensor([1, 2, 3]) as unknown as { storage: object };
    expect(inspect(storage)).toContain('nbytes: 12');
  });
});
