import { memoryStats, noGrad, setCacheLimit, type Tensor, tensor, zerosLike } from 'nabla';
import { expect, it } from 'vitest';
import { spread } from '../support/numbers.ts';

/* Training in one synchronous loop: no finalizer runs, nobody frees anything, and memory stays flat. */

const MB = 2 ** 20;
const STEPS = 200_000;
const WARM_UP = 60_000;

/**
 * What is in use, with garbage collected; no finalizer runs, for nothing yields. V8 sweeps the buffers
 * that a collection found dead on another thread and counts them off when the next collection begins.
 */
function measured(): Readonly<Record<'resident' | 'heap' | 'evicted' | 'linear', number>> {
  gc?.();
  gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { resident: rss, heap: heapUsed, evicted: arrayBuffers, linear: memoryStats().linearMemoryBytes };
}

it('moments that every step computes anew are made again for a few steps, and then stay in place', () => {
  const parameters = [1, 2].map((seed) => tensor(Float32Array.from(spread(200_000, -1, 1, seed))).requiresGrad_());
  const moments = parameters.map((p): [Tensor, Tensor] => [zerosLike(p), zerosLike(p)]);
  const step = (): void => {
    for (const p of parameters) p.square().sum().backward();
    noGrad(() => {
      for (const [i, p] of parameters.entries()) {
        const g = p.grad as Tensor;
        const [m, v] = moments[i];
        moments[i] = [m.mul(0.9).add(g.mul(0.1)), v.mul(0.999).add(g.square().mul(0.001))];
        p.sub_(m.div(v.sqrt().add(1)).mul(0.001));
        g.zero_();
      }
    });
  };
  for (let i = 0; i < 30; i++) step();
  const before = memoryStats().remakes;
  expect(before).toBeLessThan(100);
  for (let i = 0; i < 10; i++) step();
  expect(memoryStats().remakes - before).toBeLessThan(4);
});

it('200,000 steps of a small model leave memory where it was', () => {
  const parameter = (shape: readonly number[], seed: number): Tensor =>
    tensor(Float32Array.from(spread(shape[0] * (shape[1] ?? 1), -0.5, 0.5, seed)), { shape }).requiresGrad_();
  // A cache so small that it is full, and evicting, long before the warm-up is over.
  setCacheLimit(16 * MB);
  const [w, b] = [parameter([4, 3], 1), parameter([3], 2)];
  const x = tensor(Float32Array.from(spread(32, -1, 1, 3)), { shape: [8, 4] });
  const target = x.matmul(parameter([4, 3], 4).detach());
  const parameters = [w, b];
  let loss = 0;
  const step = (): void => {
    const y = x.matmul(w).add(b).sub(target).square().mean();
    y.backward();
    noGrad(() => {
      for (const p of parameters) {
        p.sub_(p.grad as Tensor, { alpha: 0.01 });
        p.grad?.zero_();
      }
    });
    loss = y.item();
  };
  step();
  const first = loss;
  for (let i = 1; i < WARM_UP; i++) step();
  const before = measured();
  for (let i = WARM_UP; i < STEPS; i++) step();
  const after = measured();
  expect(after.linear - before.linear).toBe(0);
  expect((after.heap - before.heap) / MB).toBeLessThan(2);
  expect((after.evicted - before.evicted) / MB).toBeLessThan(2);
  // The collector lets garbage stand for a while, and its heap grow once: this bounds it.
  expect((after.resident - before.resident) / MB).toBeLessThan(64);
  expect(loss).toBeLessThan(first / 2);
});
