import { autograd, enableGrad, memoryStats, type Tensor, tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { apply1 } from '../../../src/core/apply.ts';
import { defineOp, type Op } from '../../../src/core/op.ts';
import { expectError, expectValues } from '../../support/close.ts';
import { collect } from '../../support/collect.ts';

/* Depth, passes inside passes, what is freed and when, errors in the middle. */

/** The identity, whose backward pass first does something of the test's. */
function probe(name: string, during: (g: Tensor) => Tensor): (x: Tensor) => Tensor {
  const op: Op<undefined> = defineOp<undefined>({
    name,
    inputs: ['x'],
    forward: ([x]) => (x as Tensor).clone().detach(),
    vjp: { x: [[], (g) => during(g as Tensor)] },
    jvp: 'linear',
    vmap: ([x]) => apply1(op, [x], undefined),
  });
  return (x) => apply1(op, [x], undefined) as Tensor;
}

class Same extends autograd.Function {
  static forward(_ctx: autograd.FunctionContext, x: Tensor): Tensor {
    return x.clone();
  }
  static backward(_ctx: autograd.FunctionContext, g: Tensor): Tensor {
    return g;
  }
}

const scalar = (x: number): Tensor => tensor(x, { requiresGrad: true });

describe('depth', () => {
  const DEPTH = 150_000;

  it('AG329 a chain of 150,000 nodes is built and freed without overflowing the stack', async () => {
    const ref = ((): WeakRef<object> => {
      let y: Tensor = scalar(1);
      for (let i = 0; i < DEPTH; i++) y = y.add(1e-6);
      return new WeakRef(y.gradFn as object);
    })();
    expect(await collect(() => ref.deref() === undefined)).toBe(true);
  });

  it('AG330 and runs backward, with hooks at its ends', () => {
    const x = scalar(1);
    let y: Tensor = x.mul(1);
    let calls = 0;
    const count = (): void => {
      calls += 1;
    };
    y.registerHook(count);
    for (let i = 0; i < DEPTH; i++) y = y.add(1e-6);
    y.registerHook(count);
    y.backward();
    expect(x.grad?.item()).toBe(1);
    expect(calls).toBe(2);
  });

  it('AG331 so do chains with skip connections and custom functions', () => {
    const x = scalar(1);
    let [a, b]: [Tensor, Tensor] = [x, x];
    for (let i = 0; i < DEPTH / 3; i++) [a, b] = [b, Same.apply(a.add(b)).mul(0.5)];
    b.backward();
    expect(x.grad?.item()).toBeCloseTo(1, 5);
  });
});

describe('a pass inside a pass', () => {
  it('AG332 nested 2000 deep does not overflow the stack', () => {
    let runs = 0;
    const chain: (x: Tensor) => Tensor = probe('nested2000', (g) => {
      runs += 1;
      if (runs < 2000) enableGrad(() => chain(scalar(2000 - runs))).backward();
      return g;
    });
    const x = scalar(1);
    chain(x).backward();
    expect(runs).toBe(2000);
    expect(x.grad?.item()).toBe(1);
  });

  it('AG332 so does a custom function whose backward runs itself', () => {
    let runs = 0;
    class Deep extends autograd.Function {
      static forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
        ctx.x = enableGrad(() => x.detach().requiresGrad_().sub(1));
        return (ctx.x as Tensor).detach();
      }
      static backward(ctx: autograd.FunctionContext, g: Tensor): Tensor {
        const x = ctx.x as Tensor;
        runs += 1;
        if (x.item() >= 0) enableGrad(() => Deep.apply(x).sum()).backward();
        return g;
      }
    }
    Deep.apply(scalar(2000)).sum().backward();
    expect(runs).toBe(2001);
  });

  it('AG332 gradients add up, in hooks too, and the order of the passes is that of the calls', () => {
    const total = scalar(0);
    const order: number[] = [];
    const down = (level: number): void => {
      const x = scalar(level);
      x.registerHook(() => {
        order.push(level);
        if (level === 0) return;
        down(level - 1);
        // A second one at every hundredth level.
        if (level % 100 === 0) enableGrad(() => total.mul(1)).backward();
      });
      enableGrad(() => x.mul(1)).backward();
    };
    down(1000);
    expect(order).toEqual(Array.from({ length: 1001 }, (_, i) => 1000 - i));
    expect(total.grad?.item()).toBe(10);
  });

  it('AG332 what a deeply nested pass did can be read at once', () => {
    const seen: (number | undefined)[] = [];
    const down = (level: number): void => {
      const x = scalar(level);
      x.registerHook(() => {
        if (level > 0) down(level - 1);
        else {
          const [inner, seed] = [scalar(1), tensor(3)];
          enableGrad(() => inner.mul(5)).backward({ gradient: seed });
          seed.zero_();
          seen.push(inner.grad?.item());
          seen.push(
            autograd
              .grad(
                enableGrad(() => inner.mul(7)),
                inner,
              )[0]
              .item(),
          );
        }
      });
      enableGrad(() => x.mul(1)).backward();
    };
    down(300);
    expect(seen).toEqual([15, 7]);
  });

  it('AG332 an error deep down reaches the caller, and leaves nothing behind', () => {
    const down = (level: number): void => {
      const x = scalar(level);
      x.registerHook(() => {
        if (level === 0) throw new RangeError('at the bottom');
        down(level - 1);
      });
      enableGrad(() => x.mul(1)).backward();
    };
    for (let i = 0; i < 3; i++) expectError(() => down(500), RangeError, 'at the bottom');
    const x = scalar(1);
    x.mul(3).backward();
    expect(x.grad?.item()).toBe(3);
  });

  it('AG333 over a graph of its own works', () => {
    const inner = scalar(3);
    const f = probe('reentrantOwn', (g) => {
      enableGrad(() => inner.square()).backward();
      return g;
    });
    const x = scalar(2);
    f(x.square()).backward();
    expect([x.grad?.item(), inner.grad?.item()]).toEqual([4, 6]);
  });
});

describe('memory', () => {
  it('AG334 the graph is freed with its outputs, also after retainGrad, createGraph and hooks', async () => {
    const x = zeros([100_000]).requiresGrad_();
    const refs = ((): WeakRef<object>[] => {
      const y = x.exp();
      y.retainGrad();
      y.registerHook((g) => {
        // A closure over the graph it hangs in.
        expect(y.numel()).toBe(g.numel());
      });
      const z = y.sum();
      z.backward({ retainGraph: true });
      const [g] = autograd.grad(z, x, { createGraph: true });
      return [y, z, g].flatMap((t) => [new WeakRef<object>(t), new WeakRef<object>(t.gradFn as object)]);
    })();
    expect(await collect(() => refs.every((r) => r.deref() === undefined))).toBe(true);
  });

  it('AG334 AG337 a graph does not keep a result whose gradient is retained, nor a leaf its graphs', async () => {
    const x = zeros([10]).requiresGrad_();
    const [z, ref] = ((): [Tensor, WeakRef<Tensor>] => {
      const y = x.mul(2);
      y.retainGrad();
      return [y.add(1).sum(), new WeakRef(y)];
    })();
    expect(await collect(() => ref.deref() === undefined)).toBe(true);
    z.backward();
    expectValues(x.grad?.slice(0, 0, 1), [1], [2]);
  });

  it('AG335 saved values are released as the pass goes, without retainGraph', () => {
    const x = zeros([100_000]).requiresGrad_();
    const live: number[] = [];
    const look = (name: string): ((t: Tensor) => Tensor) =>
      probe(name, (g) => {
        live.push(memoryStats().live);
        return g;
      });
    const [first, last] = [look('liveFirst'), look('liveLast')];
    const middle = first(x).exp().exp().exp().exp();
    const node = middle.gradFn as autograd.graph.Node;
    const y = last(middle).sum();
    y.backward();
    expect(node.freed).toBe(true);
    expect(live).toHaveLength(2);
  });

  it('a pass over 50 layers needs the activations and two gradients', () => {
    const [batch, width, layers] = [64, 32, 50];
    const size = batch * width * 4;
    const live: number[] = [];
    const look = probe('liveMlp', (g) => {
      live.push(memoryStats().live);
      return g;
    });
    // What the pass is to leave behind, `.grad` of the weights, is there before: what is counted is the pass itself.
    const weights = Array.from({ length: layers }, () => zeros([width, width]).requiresGrad_());
    for (const w of weights) w.grad = zeros([width, width]);
    let h: Tensor = zeros([batch, width]);
    for (const w of weights) h = look(look(look(h.matmul(look(w))).tanh()));
    const y = h.sum();
    const activations = memoryStats().live;
    // The graph stays, so that no activation that goes can make up for a gradient that does not.
    y.backward({ retainGraph: true });
    expect(live).toHaveLength(4 * layers);
    // The gradient of a weight is half as large; rounding is to whole granules.
    expect(Math.max(...live) - activations).toBeLessThanOrEqual(2 * size + 1024);
  });
});

it('AG336 after an exception in the middle of a pass the engine is usable again', () => {
  let broken = true;
  const f = probe('brokenOnce', (g) => {
    if (broken) throw new RangeError('simulated');
    return g;
  });
  const x = scalar(2);
  const y = f(x.square());
  expectError(() => y.backward({ retainGraph: true }), RangeError, 'simulated');
  expect(x.grad).toBeNull();
  broken = false;
  y.backward();
  expect(x.grad?.item()).toBe(4);
});
