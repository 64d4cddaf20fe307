import { ArgumentError, AutogradError, autograd, noGrad, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { apply } from '../../../src/core/apply.ts';
import { defineOp, type Op } from '../../../src/core/op.ts';
import { expectClose, expectError, expectValues } from '../../support/close.ts';
import { leaf } from '../../support/numbers.ts';

/* retainGrad, hooks of nodes, and the order in which everything happens. */

const times = (k: number) => (g: Tensor) => g.mul(k);

/** x ↦ 2x, 3x in one node. */
const twoOutputs: Op<undefined> = defineOp<undefined>({
  name: 'doubleAndTriple',
  inputs: ['x'],
  forward: ([x]) => [2, 3].map((k) => (x as Tensor).mul(k).detach()),
  vjp: {
    saves: [],
    rule: (gs) => {
      const parts = gs.map((g, i) => (g === null ? null : (g as Tensor).mul(i + 2)));
      return [parts.reduce((sum, p) => (sum === null ? p : p === null ? sum : sum.add(p)))];
    },
  },
  jvp: 'linear',
  vmap: ([x]) => apply(twoOutputs, [x], undefined),
});
const doubleAndTriple = (x: Tensor): Tensor[] => apply(twoOutputs, [x], undefined) as Tensor[];

const accumulator = (x: Tensor): autograd.graph.Node => autograd.graph.getGradientEdge(x).node;

describe('retainGrad', () => {
  it('AG096 makes .grad of a result available, twice is fine, and it accumulates', () => {
    const x = leaf(1, 2);
    const y = x.mul(3);
    y.retainGrad();
    y.retainGrad();
    const z = y.square().sum();
    z.backward({ retainGraph: true });
    expectValues(y.grad, [2], [6, 12]);
    z.backward();
    expectValues(y.grad, [2], [12, 24]);
  });

  it('AG097 AG098 AG099 is nothing on a leaf, refused without requiresGrad, and can be asked about', () => {
    const x = leaf(1);
    x.retainGrad();
    const y = x.mul(1);
    expect([x.retainsGrad, y.retainsGrad]).toEqual([false, false]);
    y.retainGrad();
    expect(y.retainsGrad).toBe(true);
    expectError(
      () => tensor([1]).retainGrad(),
      AutogradError,
      "can't retain_grad on Tensor that has requires_grad=False",
    );
  });

  it('AG100 refers to the latest version of a tensor changed in place, also over views', () => {
    const x = leaf(1).clone();
    x.retainGrad();
    const view = x.slice(0);
    view.mul_(2);
    x.mul_(2);
    x.sum().backward();
    expectValues(x.grad, [1], [1]);

    const base = leaf(1).clone();
    const [a, b] = [base.slice(0), base.slice(0)];
    a.retainGrad();
    b.retainGrad();
    a.mul_(2);
    a.add(b).sum().backward();
    expectValues(a.grad, [1], [1]);
    expectValues(b.grad, [1], [1]);
  });

  it('AG100 of a view that was changed in place, where only its base is used after that', () => {
    const x = leaf(1, 2);
    const y = x.mul(2);
    const view = y.view([2, 1]);
    view.retainGrad();
    view.mul_(3);
    y.sum().backward({ retainGraph: true });
    expect(view.grad).toBeNull();
    expectValues(x.grad, [2], [6, 6]);
    view.sum().backward();
    expectValues(view.grad, [2, 1], [1, 1]);
  });

  it('AG100 of one of several results changed in place', () => {
    const [a, b] = doubleAndTriple(leaf(1));
    a.retainGrad();
    b.retainGrad();
    a.mul_(2);
    a.add(b).sum().backward();
    expectValues(a.grad, [1], [1]);
    expectValues(b.grad, [1], [1]);
  });

  it('AG101 observes the gradient after all hooks of the tensor, whenever they were registered', () => {
    const y = leaf(1).clone();
    y.registerHook(times(2));
    y.retainGrad();
    y.registerHook(times(3));
    y.clone().backward();
    expectValues(y.grad, [1], [6]);
  });
});

describe('hooks and in-place changes', () => {
  it('AG102 those from before see the gradient of the old version, those from after that of the new', () => {
    const a = leaf(1);
    const seen: [string, number][] = [];
    const record = (name: string) => (g: Tensor) => {
      seen.push([name, g.item()]);
      return g.mul(2);
    };
    const b = a.clone();
    b.registerHook(record('old'));
    b.mul_(2);
    b.registerHook(record('new'));
    b.sum().backward();
    expect(seen).toEqual([
      ['new', 1],
      ['old', 4],
    ]);
    expectValues(a.grad, [1], [8]);
  });

  it('AG102 of one of several results', () => {
    const [a, b] = doubleAndTriple(leaf(1));
    const seen: [string, number][] = [];
    a.registerHook((g) => void seen.push(['old', g.item()]));
    b.registerHook((g) => void seen.push(['other', g.item()]));
    a.mul_(2);
    a.registerHook((g) => void seen.push(['new', g.item()]));
    a.add(b.mul(3)).sum().backward();
    expect(seen).toEqual([
      ['new', 1],
      ['old', 2],
      ['other', 3],
    ]);
  });

  it('AG103 those on a view are not fired after another view was changed', () => {
    const base = leaf(1).clone();
    const [view, other] = [base.slice(0), base.slice(0)];
    const seen: number[] = [];
    const never = (): void => expect.fail('a hook of an old version');
    view.registerHook(never);
    other.registerHook(never);
    view.mul_(2);
    other.registerHook((g) => void seen.push(g.item()));
    view.add(other).sum().backward();
    expect(seen).toEqual([1]);
  });
});

describe('hooks of nodes', () => {
  it('AG104 a prehook may replace the gradients that come in; nothing or null keeps them', () => {
    const a = leaf(1, 2);
    const b = a.mul(2);
    let calls = 0;
    const double = ([g]: readonly (Tensor | null)[]) => {
      calls += 1;
      return [(g as Tensor).mul(2)];
    };
    const node = b.gradFn as autograd.graph.Node;
    node.registerPrehook(double);
    node.registerPrehook(() => null);
    node.registerPrehook(() => undefined);
    node.registerPrehook((gs) => gs);
    node.registerPrehook(double);
    b.sum().backward();
    expect(calls).toBe(2);
    expectValues(a.grad, [2], [8, 8]);
  });

  it('AG104 a prehook sees all outputs; one it nulls contributes nothing', () => {
    const a = leaf(1, 2, 4);
    const { var: variance, mean } = a.varMean(0);
    (mean.gradFn as autograd.graph.Node).registerPrehook(([v, m]) => {
      expect([v?.item(), m?.item()]).toEqual([1, 3]);
      return [null, (m as Tensor).mul(2)];
    });
    variance.add(mean.mul(3)).backward();
    expectValues(a.grad, [3], [2, 2, 2], { tol: 1e-6 });
  });

  it('AG104 what a prehook returns is checked', () => {
    const y = leaf(1).mul(2);
    const node = y.gradFn as autograd.graph.Node;
    const run = (): void => y.sum().backward({ retainGraph: true });
    const refuses = (hook: () => unknown, message: string): void => {
      const h = node.registerPrehook(hook as never);
      expectError(run, ArgumentError, message);
      h.remove();
    };
    refuses(() => 5, "expected tuple, but hook returned 'number'");
    refuses(() => [], 'has returned an incorrect number of values (got 0, but expected 1)');
    refuses(() => ['x'], "expected Variable, but hook returned 'string'");
    run();
  });

  it('AG105 a hook runs after the node, with what came in and what came out, which it may replace', () => {
    const [a, b] = [leaf(2), leaf(5)];
    const y = a.mul(b);
    const seen: number[] = [];
    (y.gradFn as autograd.graph.Node).registerHook((inputs, outputs) => {
      seen.push(...[...inputs, ...outputs].map((g) => (g as Tensor).item()));
      return inputs.map((g) => (g as Tensor).mul(10));
    });
    y.mul(3).sum().backward();
    expect(seen).toEqual([15, 6, 3]);
    expectValues(a.grad, [1], [150]);
    expectValues(b.grad, [1], [60]);
  });

  it('AG105 a hook sees null for inputs that need no gradient, and gradients in the shapes of the inputs', () => {
    const a = tensor([[1], [2]], { requiresGrad: true });
    const y = a.mul(tensor([1, 2, 3]));
    let shapes: unknown;
    (y.gradFn as autograd.graph.Node).registerHook((inputs) => {
      shapes = inputs.map((g) => g?.shape ?? null);
    });
    y.sum().backward();
    expect(shapes).toEqual([[2, 1], null]);
  });

  it('AG104 AG105 both work on custom functions, with null where there is no gradient', () => {
    class Scaled extends autograd.Function {
      static forward(ctx: autograd.FunctionContext, x: Tensor, k: number, y: Tensor): [Tensor, Tensor] {
        ctx.k = k;
        return [x.mul(k), y.mul(2 * k)];
      }
      static backward(ctx: autograd.FunctionContext, gx: Tensor, gy: Tensor): [Tensor, null, Tensor] {
        const k = ctx.k as number;
        return [gx.mul(k), null, gy.mul(2 * k)];
      }
    }
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    const [c, d] = Scaled.apply(a, 3, b);
    const node = c.gradFn as autograd.graph.Node;
    node.registerPrehook((gs) => gs.map((g) => (g as Tensor).mul(2)));
    node.registerHook((inputs, outputs) => {
      expect(inputs.filter((g) => g !== null)).toHaveLength(2);
      expect(outputs.map((g) => g?.shape)).toEqual([[2], [2]]);
      return inputs.map((g) => g?.mul(10) ?? null);
    });
    c.add(d).sum().backward();
    expectValues(a.grad, [2], [60, 60]);
    expectValues(b.grad, [2], [120, 120]);
  });

  it('AG106 hooks of tensors run before prehooks of their node, each in the order of registration', () => {
    const log: number[] = [];
    const onTensor = (g: Tensor): Tensor => {
      log.push(1);
      return g.mul(3);
    };
    const onNode = (gs: readonly (Tensor | null)[]): (Tensor | null)[] => {
      log.push(2);
      return gs.map((g) => (g as Tensor).mul(2));
    };
    const a = tensor(1, { requiresGrad: true });
    const b = a.clone();
    const node = b.gradFn as autograd.graph.Node;
    node.registerPrehook(onNode);
    b.registerHook(onTensor);
    node.registerPrehook(onNode);
    const end = node.nextFunctions[0][0] as autograd.graph.Node;
    a.registerHook(onTensor);
    end.registerPrehook(onNode);
    a.registerHook(onTensor);
    const ran = (body: () => void): number[] => {
      log.length = 0;
      body();
      return [...log];
    };
    expect(ran(() => b.sum().backward({ retainGraph: true }))).toEqual([1, 2, 2, 1, 1, 2]);
    expect(ran(() => autograd.grad(b.sum(), a, { retainGraph: true }))).toEqual([1, 2, 2, 1, 1]);
    expect(ran(() => b.sum().backward({ inputs: [b] }))).toEqual([1, 2, 2]);
    expectValues(b.grad, [], [3]);
  });

  it('AG107 autograd.grad runs the hooks of the tensors asked for, not those of their nodes', () => {
    const a = tensor(1, { requiresGrad: true });
    const b = a.mul(2);
    const c = b.mul(2);
    let counts = { tensor: 0, pre: 0, post: 0 };
    for (const t of [a, b]) {
      t.registerHook(() => {
        counts.tensor += 1;
      });
    }
    for (const n of [b.gradFn as autograd.graph.Node, accumulator(a)]) {
      n.registerPrehook(() => {
        counts.pre += 1;
      });
      n.registerHook(() => {
        counts.post += 1;
      });
    }
    const ran = (body: () => void): number[] => {
      counts = { tensor: 0, pre: 0, post: 0 };
      body();
      return [counts.tensor, counts.pre, counts.post];
    };
    expect(ran(() => autograd.grad(c, b, { retainGraph: true }))).toEqual([1, 0, 0]);
    expect(ran(() => autograd.grad(c, [a, b], { retainGraph: true }))).toEqual([2, 1, 1]);
    expect(ran(() => c.backward({ retainGraph: true }))).toEqual([2, 2, 2]);
    expect(ran(() => c.backward({ inputs: [a, b], retainGraph: true }))).toEqual([2, 2, 2]);
  });

  it('AG108 at a leaf: hook of the tensor, prehook, accumulation, hook after it, hook of the node', () => {
    const x = leaf(1, 1, 1);
    x.registerHook((g) => g.sub(2));
    accumulator(x).registerPrehook(([g]) => [(g as Tensor).div(5)]);
    x.registerPostAccumulateGradHook((t) => {
      t.grad?.add_(0.5);
    });
    accumulator(x).registerHook((inputs, [g]) => {
      expect(inputs).toEqual([]);
      x.grad = x.grad?.mul(10).add(g as Tensor) as Tensor;
    });
    x.sum().backward();
    // ((1 − 2) / 5 + 0.5) · 10 + (1 − 2) / 5
    expectValues(x.grad, [3], [2.8, 2.8, 2.8], { tol: 1e-6 });
  });
});

describe('hooks after accumulation', () => {
  it('AG109 fire when .grad has been added to, several in order', () => {
    const x = leaf(1, 2, 3);
    x.registerPostAccumulateGradHook((t) => {
      t.sub_(t.grad as Tensor);
    });
    x.registerPostAccumulateGradHook((t) => {
      t.mul_(4);
    });
    x.sum().backward();
    expectValues(x, [3], [0, 4, 8]);
    expect([x.requiresGrad, x.isLeaf]).toEqual([true, true]);
    autograd.grad(x.sum(), x);
    expectValues(x, [3], [0, 4, 8]);
  });

  it('AG110 are refused on a result', () => {
    expectError(
      () =>
        leaf(1)
          .mul(2)
          .registerPostAccumulateGradHook(() => undefined),
      AutogradError,
      'post accumulate grad hooks cannot be registered on non-leaf tensors',
    );
    expectError(
      () => tensor([1]).registerPostAccumulateGradHook(() => undefined),
      AutogradError,
      "cannot register a hook on a tensor that doesn't require gradient",
    );
  });

  it('AG111 must return nothing', () => {
    const x = leaf(1);
    // @ts-expect-error the compiler says so, too
    x.registerPostAccumulateGradHook((t) => t.grad);
    expectError(() => x.sum().backward(), AutogradError, 'hooks should return None.');
  });

  it('AG112 stepping and zeroing in hooks equals the plain training loop', () => {
    const make = (): Tensor[] => [tensor([[0.1, -0.2, 0.3]], { requiresGrad: true }), leaf(0.5)];
    const input = tensor([
      [1, 2, 3],
      [-1, 0.5, 2],
    ]);
    const loss = ([w, b]: Tensor[]): Tensor => input.matmul(w.T).add(b).tanh().square().sum();
    const step = (p: Tensor): void => {
      noGrad(() => p.sub_(p.grad as Tensor, { alpha: 0.1 }));
      p.grad = null;
    };
    const [plain, hooked] = [make(), make()];
    const handles = hooked.map((p) => p.registerPostAccumulateGradHook(step));
    for (let i = 0; i < 5; i++) {
      loss(plain).backward();
      for (const p of plain) step(p);
      loss(hooked).backward();
    }
    plain.forEach((p, i) => {
      expectClose(hooked[i], p);
      expect(hooked[i].grad).toBeNull();
    });
    const before = hooked[0].detach().clone();
    for (const h of handles) h.remove();
    loss(hooked).backward();
    expectClose(hooked[0].detach(), before);
  });
});

describe('what runs, and what may go wrong', () => {
  it('AG116 hooks of what is not part of the pass do not run', () => {
    const [a, b] = [leaf(1), leaf(1)];
    const never = (): void => expect.fail('not part of the pass');
    a.registerHook(never);
    a.registerPostAccumulateGradHook(never);
    const c = a.clone();
    accumulator(a).registerHook(never);
    (c.gradFn as autograd.graph.Node).registerPrehook(never);
    a.add(b)
      .add(c)
      .sum()
      .backward({ inputs: [b] });
    expectValues(b.grad, [1], [1]);
  });

  it('AG117 a hook may start another backward pass', () => {
    const x = leaf(2);
    const y = x.mul(3);
    const other = leaf(7);
    const inner = other.square().sum();
    y.registerHook(() => inner.backward({ retainGraph: true }));
    x.registerHook(() => inner.backward({ retainGraph: true }));
    y.square().sum().backward();
    expectValues(x.grad, [1], [36]);
    expectValues(other.grad, [1], [28]);
  });

  it('AG118 an exception in a hook comes out of backward, whichever hook it is', () => {
    const fail = (): never => {
      throw new RangeError('from hook');
    };
    const attach: ((x: Tensor, y: Tensor) => { remove(): void })[] = [
      (x) => x.registerHook(fail),
      (_, y) => y.registerHook(fail),
      (x) => x.registerPostAccumulateGradHook(fail),
      (x) => accumulator(x).registerPrehook(fail),
      (_, y) => (y.gradFn as autograd.graph.Node).registerPrehook(fail),
      (_, y) => (y.gradFn as autograd.graph.Node).registerHook(fail),
    ];
    for (const hang of attach) {
      const x = leaf(1, 2);
      const y = x.mul(3);
      const handle = hang(x, y);
      expectError(() => y.sum().backward({ retainGraph: true }), RangeError, 'from hook');
      handle.remove();
      x.grad = null;
      y.sum().backward();
      expectValues(x.grad, [2], [3, 3]);
    }
  });
});
