import {
  ArgumentError,
  type Around,
  AutogradError,
  autograd,
  bernoulli,
  CheckpointError,
  CheckpointPolicy,
  checkpoint,
  checkpointSequential,
  createSelectiveCheckpointContexts,
  enableGrad,
  full,
  getRngState,
  grad,
  hessian,
  jacfwd,
  jacrev,
  manualSeed,
  noGrad,
  operations,
  type PolicyFunction,
  rand,
  randn,
  setCheckpointDebugEnabled,
  setCheckpointEarlyStop,
  type Tensor,
  tensor,
  vmap,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../../support/close.ts';

const f64 = (values: number[], requiresGrad = true): Tensor => tensor(values, { dtype: 'float64', requiresGrad });
const params = (shape: number[]): Tensor => randn(shape, { dtype: 'float64', requiresGrad: true });

/** A function that counts how often it is called. */
function counted<A extends readonly unknown[], R>(f: (...args: A) => R): ((...args: A) => R) & { calls: number } {
  const g = Object.assign(
    (...args: A): R => {
      g.calls += 1;
      return f(...args);
    },
    { calls: 0 },
  );
  return g;
}

describe('checkpoint', () => {
  it('AG233 gives the same gradients, and runs the function twice in all', () => {
    const [x, w] = [params([4, 3]), params([3, 2])];
    const f = counted((v: Tensor) => v.mm(w).tanh().exp().sum());
    f(x).backward();
    const expected = [x.grad, w.grad] as [Tensor, Tensor];
    x.grad = w.grad = null;
    f.calls = 0;
    const y = checkpoint(f, x);
    expect([f.calls, y.requiresGrad, y.gradFn?.name]).toEqual([1, true, 'SumBackward0']);
    y.backward();
    expect(f.calls).toBe(2);
    expectClose(x.grad as unknown as Tensor, expected[0]);
    expectClose(w.grad as unknown as Tensor, expected[1]);
    expectError(() => y.backward(), AutogradError, 'Trying to backward through the graph a second time');
  });

  it('AG233 keeps the inputs only', () => {
    const x = params([2]);
    const kept: Tensor[] = [];
    autograd.graph.savedTensorsHooks(
      (t) => {
        kept.push(t);
        return t;
      },
      (t) => t,
      () => checkpoint((v: Tensor) => v.sin().exp().mul(v).sum(), x),
    );
    expect(kept).toHaveLength(1);
    expect(kept[0]).toBe(x);
  });

  it('AG233 an input need not require grad, nor be used, nor be a tensor', () => {
    const w = params([3]);
    const x = randn([3], { dtype: 'float64' });
    const f = (v: Tensor, scale: number, unused: Tensor, name: string): Tensor => {
      expect(name).toBe('square');
      return v.mul(w).pow(2).mul(scale).sum().add(unused.detach().sum().mul(0));
    };
    checkpoint(f, x, 3, params([2]), 'square').backward();
    expectClose(w.grad as Tensor, x.mul(x).mul(w.detach()).mul(6));
  });

  it('AG234 works with autograd.grad, with objects of options, and nested results', () => {
    const [a, b] = [f64([0.5, 1.5]), f64([2, -1])];
    const f = (input: { a: Tensor; list: readonly [Tensor, number] }, options: { power: number }) => ({
      first: input.a.pow(options.power).mul(input.list[0]),
      rest: [input.list[0].sin().mul(input.list[1]), 'text', null] as const,
    });
    const out = checkpoint(f, { a, list: [b, 5] }, { power: 3 });
    expect(out.rest[1]).toBe('text');
    const [ga, gb] = autograd.grad([out.first, out.rest[0]], [a, b], { gradOutputs: [a.detach(), b.detach()] });
    expectValues(ga, [2], [0.5 * 3 * 0.25 * 2, 1.5 * 3 * 2.25 * -1]);
    expectValues(gb, [2], [0.5 * 0.125 + 2 * 5 * Math.cos(2), 1.5 * 3.375 - 5 * Math.cos(-1)]);
    expect([a.grad, b.grad]).toEqual([null, null]);
  });

  it('AG234 options follow the inputs, by name', () => {
    const x = f64([1, 2]);
    const f = counted((v: Tensor) => v.sin().exp().sum());
    checkpoint(f, x, { earlyStop: false, preserveRngState: false }).backward();
    expect(f.calls).toBe(2);
    const wrong = { earlyStop: true, debgu: true };
    expectError(() => checkpoint((v: Tensor) => v.sin(), x, wrong), ArgumentError, "unexpected option 'debgu'");
    // An object with other keys is an input.
    const g = (v: Tensor, o: { power: number; debug: boolean }): Tensor => v.pow(o.power).sum();
    expect(checkpoint(g, x, { power: 2, debug: true }).item()).toBe(5);
    expectError(
      () => checkpoint((v: Tensor) => v.sin(), x, { determinismCheck: 'strict' as 'default' }),
      ArgumentError,
      "determinismCheck should be one of 'default', 'none', but got \"strict\"",
    );
    expectError(() => checkpoint(x as never), ArgumentError, 'checkpoint: expected a function');
    expectError(() => checkpoint(async (v: Tensor) => v.sin(), x), AutogradError, 'returned a promise');
  });

  it('AG238 recomputation that saves fewer tensors is an error', () => {
    const x = f64([1, 2]);
    let again = false;
    const y = checkpoint((v: Tensor) => (again ? v.sin() : v.sin().sin()), x);
    again = true;
    expectError(
      () => y.sum().backward(),
      CheckpointError,
      'A different number of tensors was saved during the original forward and recomputation.\nNumber of tensors saved during forward: 2\nNumber of tensors saved during recomputation: 1.',
    );
  });

  it('AG239 recomputation that saves more tensors is an error, unless it has stopped by then', () => {
    const x = f64([1, 2]);
    let again = false;
    const f = (v: Tensor): Tensor => (again ? v.sin().sin() : v.sin());
    const y = checkpoint(f, x, { earlyStop: false });
    again = true;
    expectError(
      () => y.sum().backward(),
      CheckpointError,
      'trying to save more tensors during recomputation than during the original forward pass',
    );
    again = false;
    const z = checkpoint(f, x);
    again = true;
    z.sum().backward();
    expectValues(x.grad, [2], [Math.cos(1), Math.cos(2)]);
  });

  it('AG240 recomputed tensors of another shape or dtype are an error', () => {
    const x = f64([1, 2]);
    const shifting = (options: {
      determinismCheck?: 'default' | 'none';
      debug?: boolean;
      preserveRngState: boolean;
    }) => {
      let again = false;
      const y = checkpoint(
        (v: Tensor) => {
          const w = again ? full([2], 3, { dtype: 'float32' }) : full([1], 3, { dtype: 'float64' });
          return v.mul(w);
        },
        x,
        options,
      );
      again = true;
      return y.sum();
    };
    expectError(
      () => shifting({ preserveRngState: true }).backward(),
      CheckpointError,
      'Recomputed values for the following tensors have different metadata than during the forward pass.\ntensor at position 0, saved by MulBackward0:\nsaved metadata: { shape: [1], dtype: float64, device: cpu }\nrecomputed metadata: { shape: [2], dtype: float32, device: cpu }',
    );
    expectError(
      () => shifting({ preserveRngState: true, debug: true }).backward(),
      CheckpointError,
      'You are seeing this error because you passed `debug: true` to checkpoint',
    );
    const y = setCheckpointDebugEnabled(true, () => shifting({ preserveRngState: true }));
    expectError(
      () => y.backward(),
      CheckpointError,
      'Operations that saved tensors during recomputation:\n  0: MulBackward0',
    );
    shifting({ determinismCheck: 'none', preserveRngState: true }).backward();
    expectValues(x.grad, [2], [3, 3]);
  });

  it('AG241 recomputation ends when everything needed is there', () => {
    const x = f64([1, 2]);
    let reached = 0;
    const f = (v: Tensor): Tensor => {
      const y = v.sin().exp();
      reached += 1;
      return y.add(1).mul(2);
    };
    checkpoint(f, x).sum().backward();
    expect(reached).toBe(1);
    checkpoint(f, x, { earlyStop: false }).sum().backward();
    expect(reached).toBe(3);
    const y = setCheckpointEarlyStop(false, () => checkpoint(f, x, { earlyStop: true }));
    y.sum().backward();
    expect(reached).toBe(5);
    {
      using _ = setCheckpointEarlyStop(false);
      setCheckpointEarlyStop(null, () => checkpoint(f, x).sum().backward());
    }
    expect(reached).toBe(6);
  });

  it('AG242 checkpoints nest, at the price of more runs', () => {
    const x = f64([0.3, -0.7]);
    const f = counted((v: Tensor): Tensor => v.sin().exp());
    const g = counted((v: Tensor): Tensor => checkpoint(f, v).mul(v).tanh());
    const h = counted((v: Tensor): Tensor => checkpoint(g, v.mul(2)).cos());
    h(x).sum().backward();
    const expected = x.grad as Tensor;
    x.grad = null;
    f.calls = g.calls = h.calls = 0;
    checkpoint(h, x).sum().backward();
    expectClose(x.grad as unknown as Tensor, expected);
    expect([h.calls, g.calls, f.calls]).toEqual([2, 3, 4]);
  });

  it('AG242 an inner checkpoint keeps nothing of its own, and nothing outlives the pass', () => {
    const x = params([2]);
    let kept = 0;
    autograd.graph.savedTensorsHooks(
      (t) => {
        kept += 1;
        return t;
      },
      (t) => t,
      () => checkpoint((v: Tensor) => checkpoint((u: Tensor) => u.sin().exp(), v.cos()).mul(v), x).sum(),
    );
    expect(kept).toBe(1);
  });

  it('AG242 derivatives of every order are those of the function', () => {
    const x = f64([0.3, -0.7, 1.1]);
    const w = f64([0.5, 1.5, -2]);
    const inner = (v: Tensor): Tensor => v.mul(w).sin().mul(v);
    const plain = (v: Tensor): Tensor => inner(v.exp()).tanh().mul(v).sum();
    const once = (v: Tensor): Tensor => checkpoint(plain, v);
    const nested = (v: Tensor): Tensor => checkpoint((u: Tensor) => checkpoint(inner, u.exp()).tanh().mul(u).sum(), v);
    const orders = (f: (v: Tensor) => Tensor): Tensor[] => {
      const out: Tensor[] = [];
      let y = f(x);
      for (let n = 0; n < 3; n++) {
        const [gx, gw] = autograd.grad(y, [x, w], { createGraph: true });
        out.push(gx.detach(), gw.detach());
        y = gx.pow(2).sum().add(gw.sin().sum());
      }
      return out;
    };
    const expected = orders(plain);
    for (const f of [once, nested])
      for (const [i, t] of orders(f).entries()) expectClose(t, expected[i], { what: `result ${i}` });
  });

  it('AG242 grad inside a checkpoint', () => {
    const x = f64([0.3, -0.7]);
    const f = (v: Tensor): Tensor => {
      const y = v.sin().exp();
      const [g] = autograd.grad(y.sum(), v, { createGraph: true });
      return g.mul(y).sum();
    };
    const expected = autograd.grad(f(x), x)[0];
    expectClose(autograd.grad(checkpoint(f, x), x)[0], expected);
    expectClose(autograd.grad(checkpoint(f, x, { earlyStop: false }), x)[0], expected);
    // Without createGraph the inner gradient is a constant, also when it is recomputed.
    const g = (v: Tensor): Tensor => {
      const z = v.sin().cos();
      const [gz] = autograd.grad(z.sum(), v);
      return v.cos().mul(gz).sum();
    };
    expectClose(autograd.grad(checkpoint(g, x), x)[0], autograd.grad(g(x), x)[0]);
  });

  it('AG242 inside transforms, which have returned when it is recomputed', () => {
    const w = params([3]);
    const x = randn([4, 3], { dtype: 'float64' });
    const f = (v: Tensor): Tensor => v.mul(w).sin().mul(v).exp().sum();
    const c = counted((v: Tensor) => checkpoint(f, v));
    const same = (transform: (g: (v: Tensor) => Tensor) => (v: Tensor) => Tensor, what: string): void => {
      const [actual, expected] = [transform(c)(x.select(0, 1)), transform(f)(x.select(0, 1))];
      expectClose(actual.detach(), expected.detach(), { what });
      const [a, e] = [autograd.grad(actual.sin().sum(), w)[0], autograd.grad(expected.sin().sum(), w)[0]];
      expectClose(a, e, { what: `${what}, by a parameter of the function` });
    };
    same((g) => grad(g), 'grad');
    same((g) => grad((v: Tensor) => grad(g)(v).pow(2).sum()), 'grad of grad');
    same((g) => jacrev(g) as (v: Tensor) => Tensor, 'jacrev');
    same((g) => jacfwd(g) as (v: Tensor) => Tensor, 'jacfwd');
    same((g) => hessian(g) as (v: Tensor) => Tensor, 'hessian');
    const rows = (g: (v: Tensor) => Tensor): Tensor => vmap(grad(g))(x);
    expectClose(rows(c).detach(), rows(f).detach(), { what: 'vmap of grad' });
    const gradOfRows = (g: (v: Tensor) => Tensor): Tensor => grad((v: Tensor) => vmap(g)(v).pow(2).sum())(x);
    expectClose(gradOfRows(c).detach(), gradOfRows(f).detach(), { what: 'grad of vmap' });
  });

  it('AG242 through a custom function', () => {
    class Cube extends autograd.Function {
      static forward(ctx: autograd.FunctionContext, t: Tensor): Tensor {
        ctx.saveForBackward(t);
        return t.pow(3);
      }
      static backward(ctx: autograd.FunctionContext, g: Tensor): Tensor {
        const [t] = ctx.savedTensors;
        return g.mul(t.pow(2)).mul(3);
      }
    }
    const x = f64([0.5, -2]);
    const f = counted((v: Tensor) => Cube.apply(v.sin()).exp().sum());
    const orders = (y: Tensor): Tensor[] => {
      const [g] = autograd.grad(y, x, { createGraph: true });
      return [g.detach(), ...autograd.grad(g.pow(2).sum(), x)];
    };
    const expected = orders(f(x));
    f.calls = 0;
    for (const [i, g] of orders(checkpoint(f, x)).entries()) expectClose(g, expected[i]);
    expect(f.calls).toBe(3);
  });

  it('AG243 a hooked leaf used inside and outside gets its whole gradient once', () => {
    const w = f64([2]);
    const seen: number[] = [];
    const y = checkpoint((v: Tensor) => v.mul(w).exp(), f64([0.5])).add(w.mul(3));
    w.registerHook((g) => {
      seen.push(g.item());
    });
    y.sum().backward();
    expect(seen).toHaveLength(1);
    expect(seen[0]).toBeCloseTo(0.5 * Math.E + 3, 12);
  });

  it('AG244 random numbers repeat in the recomputation, and those of now go on', () => {
    manualSeed(7);
    const x = full([64], 1, { requiresGrad: true });
    const masks: number[][] = [];
    const f = (v: Tensor): Tensor => {
      const mask = bernoulli(full([64], 0.5));
      masks.push(mask.toArray() as number[]);
      return v.exp().mul(mask).sum();
    };
    const y = checkpoint(f, x, { earlyStop: false });
    const after = rand([1]).item();
    const before = getRngState();
    y.backward();
    expect(masks[1]).toEqual(masks[0]);
    expect(getRngState()).toEqual(before);
    expectValues(
      x.grad,
      [64],
      masks[0].map((m) => m * Math.E),
      { tol: 1e-6 },
    );
    manualSeed(7);
    f(x);
    expect(rand([1]).item()).toBe(after);

    const z = checkpoint(f, x, { earlyStop: false, preserveRngState: false });
    z.backward();
    expect(masks.at(-1)).not.toEqual(masks.at(-2));
  });

  it('AG245 contextFn says what the function runs in, then and again', () => {
    const x = f64([1, 2]);
    const log: string[] = [];
    const named =
      (name: string) =>
      <R>(body: () => R): R => {
        log.push(`${name} in`);
        try {
          return body();
        } finally {
          log.push(`${name} out`);
        }
      };
    const y = checkpoint((v: Tensor) => v.sin().exp(), x, { contextFn: () => [named('first'), named('again')] });
    expect(log).toEqual(['first in', 'first out']);
    y.sum().backward();
    expect(log).toEqual(['first in', 'first out', 'again in', 'again out']);
    const wrong = { contextFn: () => [noGrad] };
    expectError(
      () => checkpoint((v: Tensor) => v.sin(), x, wrong),
      ArgumentError,
      'contextFn must return two functions',
    );
  });

  it('AG245 a selective policy keeps the results of some operations', () => {
    const [x, w] = [params([4, 3]), params([3, 3])];
    const f = (v: Tensor): Tensor => v.mm(w).tanh().mm(w).sigmoid().mul(v.mm(w)).sum();
    const expected = autograd.grad(f(x), [x, w]);
    const products = (contextFn: () => readonly Around[]): number => {
      let n = 0;
      const { mm } = { mm: operations().get('mm') as { forward: (...args: never[]) => unknown } };
      const original = mm.forward;
      mm.forward = (...args) => {
        n += 1;
        return original(...args);
      };
      try {
        const y = checkpoint(f, x, { contextFn });
        n = 0;
        const actual = autograd.grad(y, [x, w]);
        for (const [i, g] of actual.entries()) expectClose(g, expected[i]);
        return n;
      } finally {
        mm.forward = original;
      }
    };
    const seen: [string, number][] = [];
    // Three products in the function, six in the gradients.
    expect(products(() => createSelectiveCheckpointContexts(() => false))).toBe(9);
    expect(products(() => createSelectiveCheckpointContexts(['mm']))).toBe(6);
    const policy: PolicyFunction = (context, op, inputs) => {
      seen.push([op, inputs.length]);
      expect([context.isRecompute, Array.isArray(context.opOutput)]).toEqual([false, false]);
      return op === 'mm' && seen.filter(([name]) => name === 'mm').length === 1
        ? CheckpointPolicy.MUST_SAVE
        : CheckpointPolicy.PREFER_RECOMPUTE;
    };
    expect(products(() => createSelectiveCheckpointContexts(policy))).toBe(8);
    expect(seen.map(([op]) => op)).toEqual(['mm', 'tanh', 'mm', 'sigmoid', 'mm', 'mul', 'sum']);
  });

  it('AG245 a selective policy allows one backward, and no changes of what it keeps', () => {
    const x = f64([1, 2]);
    const all = () => createSelectiveCheckpointContexts(() => CheckpointPolicy.PREFER_SAVE);
    const y = checkpoint((v: Tensor) => v.sin().exp().sum(), x, { contextFn: all });
    y.backward({ retainGraph: true });
    expectError(() => y.backward(), CheckpointError, 'Trying to backward an extra time.');
    const f = (v: Tensor): Tensor => {
      const z = v.sin();
      return noGrad(() => z.detach().mul_(2))
        .mul(v)
        .sum();
    };
    expectError(
      () => checkpoint(f, x, { contextFn: all }).backward(),
      AutogradError,
      'Tensor cached during selective activation checkpoint has been mutated',
    );
    const mutable = () => createSelectiveCheckpointContexts(['sin'], { allowCacheEntryMutation: true });
    const g = (v: Tensor): Tensor => v.sin().exp().mul(v).sum();
    const [gx] = autograd.grad(checkpoint(g, x, { contextFn: mutable }), x);
    expectClose(gx, autograd.grad(g(x), x)[0]);
    let again = false;
    const other = checkpoint((v: Tensor) => (again ? v.cos() : v.sin()).mul(v), x, { contextFn: all });
    again = true;
    expectError(
      () => other.sum().backward(),
      CheckpointError,
      'cos invocation index 0 encountered during backward but not found in storage',
    );
    expectError(
      () => createSelectiveCheckpointContexts(5 as never),
      ArgumentError,
      'expected a policy function or a list',
    );
    const wrong = () => createSelectiveCheckpointContexts(() => 'SOMETIMES' as never);
    expectError(
      () => checkpoint(g, x, { contextFn: wrong }),
      ArgumentError,
      'a policy returns a CheckpointPolicy or a boolean',
    );
    expectError(
      () => checkpoint(g, x, { useReentrant: true } as object),
      ArgumentError,
      'only supported when use_reentrant=False',
    );
  });

  it('does nothing where nothing is recorded', () => {
    const x = f64([1, 2]);
    const f = counted((v: Tensor) => v.sin().exp());
    const y = noGrad(() => checkpoint(f, x));
    expect([y.requiresGrad, f.calls]).toEqual([false, 1]);
    const z = noGrad(() => enableGrad(() => checkpoint(f, x)));
    z.sum().backward();
    expect(f.calls).toBe(3);
  });

  it('refuses inputs that were changed in place since', () => {
    const x = f64([1, 2]);
    const v = x.clone();
    const y = checkpoint((u: Tensor) => u.sin(), v);
    noGrad(() => v.add_(1));
    expectError(() => y.sum().backward(), AutogradError, 'has been modified by an inplace operation');
  });

  it('recomputes for every pass when the graph is retained, and lets go of what was asked for', () => {
    const x = f64([1, 2]);
    const f = counted((v: Tensor) => v.sin().exp().sum());
    const y = checkpoint(f, x);
    y.backward({ retainGraph: true });
    y.backward();
    expect(f.calls).toBe(3);
    expectValues(
      x.grad,
      [2],
      [1, 2].map((v) => 2 * Math.cos(v) * Math.exp(Math.sin(v))),
    );
  });

  it('errors of the function come through, with everything put back', () => {
    const x = f64([1, 2]);
    let again = false;
    const f = (v: Tensor): Tensor => {
      const y = v.sin();
      if (again) throw new RangeError('not again');
      return y.exp();
    };
    const y = checkpoint(f, x);
    again = true;
    expectError(() => y.sum().backward(), RangeError, 'not again');
    expect(autograd.isGradEnabled()).toBe(true);
    expectError(() => checkpoint(f, x), RangeError, 'not again');
    again = false;
    checkpoint(f, x).sum().backward();
    expect(x.grad).not.toBeNull();
  });

  it('checkpointSequential checkpoints all segments but the last', () => {
    const w = [params([3]), params([3]), params([3]), params([3]), params([3])];
    const layers = w.map((p) => counted((v: Tensor) => v.mul(p).tanh()));
    const x = randn([3], { dtype: 'float64', requiresGrad: true });
    const run = (f: () => Tensor): Tensor[] => {
      for (const layer of layers) layer.calls = 0;
      return autograd.grad(f().sum(), [x, ...w]);
    };
    const expected = run(() => layers.reduce((y, layer) => layer(y), x));
    const actual = run(() => checkpointSequential(layers, 2, x));
    for (const [i, g] of actual.entries()) expectClose(g, expected[i]);
    expect(layers.map((layer) => layer.calls)).toEqual([2, 2, 1, 1, 1]);
    expect(checkpointSequential(layers, 1, x).shape).toEqual([3]);
    expectError(() => checkpointSequential(layers, 0, x), ArgumentError, 'segments must be a positive integer');
  });
});
