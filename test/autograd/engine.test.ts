import { AutogradError, autograd, enableGrad, isGradEnabled, memoryStats, noGrad, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { apply1 } from '../../src/core/apply.ts';
import { defineOp, type Op } from '../../src/core/op.ts';
import type { TensorBase } from '../../src/core/tensor.ts';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64 } from '../support/numbers.ts';

const leaf = (values: readonly number[]): Tensor => f64(values, [values.length]).requiresGrad_();

/** The identity, whose backward pass first does something of the test's. */
function probe(name: string, during: (g: TensorBase) => TensorBase): (x: Tensor) => Tensor {
  const op: Op<undefined> = defineOp<undefined>({
    name,
    inputs: ['x'],
    forward: ([x]) => (x as Tensor).clone().detach(),
    vjp: { x: [[], (g) => during(g)] },
    jvp: 'linear',
    vmap: ([x]) => apply1(op, [x], undefined),
  });
  return (x) => apply1(op, [x], undefined) as Tensor;
}

describe('depth', () => {
  it('a chain of a million nodes is built, walked and dropped without overflowing the stack', () => {
    const x = tensor(1, { requiresGrad: true });
    let y: Tensor = x;
    for (let i = 0; i < 1_000_000; i++) y = y.add(1e-6);
    y.backward();
    expect(x.grad?.item()).toBe(1);
  });

  it('so is one with skip connections and saved values', () => {
    const x = f64([1], []).requiresGrad_();
    let [a, b]: [Tensor, Tensor] = [x, x];
    // Fibonacci modulo growth: each step adds the last two, scaled to stay near 1.
    for (let i = 0; i < 100_000; i++) [a, b] = [b, a.add(b).mul(0.5)];
    b.backward();
    expect(x.grad?.item()).toBeCloseTo(1, 10);
  });

  it('autograd.grad walks as deep, and stops where it is told', () => {
    const x = tensor(1, { requiresGrad: true });
    let y: Tensor = x;
    let middle: Tensor = x;
    for (let i = 0; i < 100_000; i++) {
      y = y.mul(1);
      if (i === 50_000) middle = y;
    }
    const [gx, gm] = autograd.grad(y, [x, middle], { retainGraph: true });
    expect([gx.item(), gm.item()]).toEqual([1, 1]);
    expect(autograd.grad(y, middle)[0].item()).toBe(1);
  });

  it('a node used by very many others sums all their parts', () => {
    const x = f64([1], []).requiresGrad_();
    const parts = Array.from({ length: 10_000 }, (_, i) => x.mul(i));
    let sum = parts[0];
    for (const p of parts.slice(1)) sum = sum.add(p);
    sum.backward();
    expect(x.grad?.item()).toBe((9_999 * 10_000) / 2);
  });
});

describe('a backward pass inside a backward pass', () => {
  it('over a graph of its own', () => {
    const inner = leaf([3]);
    const f = probe('probeOwn', (g) => {
      enableGrad(() => inner.square().sum()).backward();
      return g;
    });
    const x = leaf([1, 2]);
    f(x.square()).sum().backward();
    expectValues(x.grad, [2], [2, 4]);
    expectValues(inner.grad, [1], [6]);
  });

  it('records when it asks for it', () => {
    const inner = leaf([3]);
    const seen: boolean[] = [];
    const f = probe('probeRecording', (g) => {
      seen.push(isGradEnabled());
      autograd.backward(inner.mul(1).sum());
      return g;
    });
    const x = leaf([1, 2]);
    expectError(() => f(x).sum().backward(), AutogradError, 'does not require grad');
    expect(seen).toEqual([false]);
    expect(isGradEnabled()).toBe(true);
  });

  it('over the very nodes that wait in the outer pass', () => {
    const x = leaf([2]);
    const shared = x.square();
    const whole = shared.mul(3).sum();
    let once = true;
    const f = probe('probeShared', (g) => {
      if (once) {
        once = false;
        whole.backward({ retainGraph: true });
      }
      return g;
    });
    f(shared).sum().add(shared.sum()).backward();
    // The inner pass gives 3 · 2x = 12, the outer one 2 · 2x = 8.
    expectValues(x.grad, [1], [20]);
  });

  it('nested many times', () => {
    const x = leaf([1]);
    let depth = 0;
    const f = probe('probeDeep', (g) => {
      depth += 1;
      if (depth < 100) layers[depth].backward();
      return g;
    });
    const layers = Array.from({ length: 100 }, () => f(x).sum());
    layers[0].backward();
    expect(depth).toBe(100);
    expectValues(x.grad, [1], [100]);
  });
});

describe('an error in the middle of a pass', () => {
  it('is thrown as it is, and everything can go on', () => {
    let broken = true;
    const f = probe('probeBroken', (g) => {
      if (broken) throw new RangeError('broken rule');
      return g;
    });
    const x = leaf([1, 2]);
    const y = leaf([3, 4]);
    const z = f(x.mul(y)).add(y.exp()).sum();
    expectError(() => z.backward({ retainGraph: true }), RangeError, 'broken rule');
    expect(isGradEnabled()).toBe(true);
    expect(x.grad).toBeNull();
    const before = y.grad === null ? [0, 0] : [...y.grad.toTypedArray()];
    broken = false;
    z.backward();
    expectValues(x.grad, [2], [3, 4]);
    expectValues(y.grad, [2], [1 + Math.exp(3) + before[0], 2 + Math.exp(4) + before[1]], { tol: 1e-12 });
  });

  it('keeps the grad mode of the surrounding code', () => {
    const f = probe('probeMode', () => {
      throw new RangeError('broken rule');
    });
    const z = f(leaf([1])).sum();
    noGrad(() => {
      expectError(() => z.backward(), RangeError, 'broken rule');
      expect(isGradEnabled()).toBe(false);
    });
    expectError(() => z.backward({ createGraph: true }), RangeError, 'broken rule');
    expect(isGradEnabled()).toBe(true);
  });

  it('does not leave another pass waiting', () => {
    const x = leaf([1]);
    let fail = true;
    const f = probe('probeWaiting', (g) => {
      if (fail) throw new RangeError('broken rule');
      return g;
    });
    const shared = x.square();
    const z = f(shared).add(shared).sum();
    for (let i = 0; i < 3; i++) expectError(() => z.backward({ retainGraph: true }), RangeError, 'broken rule');
    fail = false;
    x.grad = null;
    z.backward();
    expectValues(x.grad, [1], [4]);
  });

  it('inside a pass inside a pass reaches the caller', () => {
    const g = probe('probeInnerBroken', () => {
      throw new RangeError('inner');
    });
    const inner = g(leaf([1])).sum();
    const f = probe('probeOuter', (c) => {
      inner.backward({ retainGraph: true });
      return c;
    });
    const x = leaf([1]);
    expectError(() => f(x).sum().backward(), RangeError, 'inner');
    x.square().sum().backward();
    expectValues(x.grad, [1], [2]);
  });

  it('frees what the pass had made', () => {
    const f = probe('probeFreed', () => {
      throw new RangeError('broken rule');
    });
    const x = tensor(new Float64Array(100_000)).requiresGrad_();
    const z = f(x.mul(2)).exp().sin().sum();
    const run = (): void => expectError(() => z.backward({ retainGraph: true }), RangeError, 'broken rule');
    run();
    const { live } = memoryStats();
    for (let i = 0; i < 10; i++) run();
    expect(memoryStats().live).toBe(live);
  });
});

describe('order', () => {
  it('later nodes run first, each once', () => {
    const order: string[] = [];
    const named = (name: string): ((x: Tensor) => Tensor) =>
      probe(name, (g) => {
        order.push(name);
        return g;
      });
    const [a, b, c] = [named('orderA'), named('orderB'), named('orderC')];
    const x = leaf([1]);
    const y = a(x);
    const z = b(y);
    c(y).add(z).add(z).sum().backward();
    expect(order).toEqual(['orderC', 'orderB', 'orderA']);
  });

  it('branches that lead to no requested input do not run', () => {
    let runs = 0;
    const f = probe('orderCounted', (g) => {
      runs += 1;
      return g;
    });
    const [x, y] = [leaf([1]), leaf([2])];
    const z = f(x).mul(y).sum();
    autograd.grad(z, y, { retainGraph: true });
    z.backward({ inputs: [y], retainGraph: true });
    expect(runs).toBe(0);
    z.backward();
    expect(runs).toBe(1);
  });
});

describe('operations without a derivative', () => {
  it('give results outside the graph', () => {
    const x = leaf([1, 2]);
    for (const y of [x.argmin(), x.isnan(), x.eq(x), x.logicalNot(), x.any()]) expect(y.requiresGrad).toBe(false);
  });
});

it('gradients do not depend on how often the graph was walked', () => {
  const x = leaf([0.3, 0.7]);
  const y = x.sin().mul(x.exp()).softmax(0).log().sum();
  const first = autograd.grad(y, x, { retainGraph: true })[0];
  for (let i = 0; i < 5; i++) expectClose(autograd.grad(y, x, { retainGraph: true })[0], first, { tol: 0 });
});
