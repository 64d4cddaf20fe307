import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { manualSeed, memoryStats, noGrad, randn, setCacheLimit, type Tensor, tensor, zerosLike } from 'nabla';
import { afterEach, describe, expect, it } from 'vitest';

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

  it('costs no copies of the parameters that could make it again; what is alive has them', { timeout: 300_000 }, () => {
    const program = fileURLToPath(new URL('../support/copies-program.ts', import.meta.url));
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', program], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const found = JSON.parse(stdout) as { copied: readonly number[]; held: number; changed: number };
    expect(Math.min(...found.copied)).toBeLessThan(3 * MB);
    expect([found.held, found.changed]).toEqual([9, 0]);
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
