import { ArgumentError, AutogradError, autograd, grad, noGrad, randn, type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../../support/close.ts';

const { graph } = autograd;
const identity = (t: Tensor): Tensor => t;
const f64 = (values: number[], requiresGrad = true): Tensor => tensor(values, { dtype: 'float64', requiresGrad });

describe('saved-tensor hooks', () => {
  it('AG223 pack runs when a tensor is saved, unpack in backward, and gradients use what it returns', () => {
    const a = f64([2, 3]);
    const log: string[] = [];
    const y = graph.savedTensorsHooks(
      (t) => {
        log.push('pack');
        return { twice: t.mul(2) };
      },
      ({ twice }) => {
        log.push('unpack');
        return twice;
      },
      () => a.mul(a),
    );
    expect(log).toEqual(['pack', 'pack']);
    y.sum().backward();
    expect(log).toEqual(['pack', 'pack', 'unpack', 'unpack']);
    // 2a instead of a, twice
    expectValues(a.grad, [2], [8, 12]);
  });

  it('AG223 with using, hooks hold to the end of the block', () => {
    const a = f64([2]);
    let packs = 0;
    const count = (t: Tensor): Tensor => {
      packs += 1;
      return t;
    };
    {
      using _ = graph.savedTensorsHooks(count, identity);
      a.exp();
    }
    a.exp();
    expect(packs).toBe(1);
  });

  it('AG223 pack runs without recording, on the tensor itself', () => {
    const a = f64([2]);
    const seen: boolean[] = [];
    graph.savedTensorsHooks(
      (t) => {
        seen.push(t === a, t.requiresGrad, t.mul(t).requiresGrad, autograd.isGradEnabled());
        return t;
      },
      identity,
      () => a.mul(3).add(a.sin()),
    );
    expect(seen).toEqual([true, true, false, false]);
    expect(autograd.isGradEnabled()).toBe(true);
  });

  it('AG223 what is unpacked takes the place of the tensor in the graph, so second derivatives follow', () => {
    const a = f64([0.3, -1.2]);
    const third = (hooks: boolean): Tensor => {
      const power = (): Tensor => {
        const y = a.mul(2).sin().exp();
        const [g] = autograd.grad(y.sum(), a, { createGraph: true });
        const [h] = autograd.grad(g.pow(2).sum(), a, { createGraph: true });
        return autograd.grad(h.sum(), a)[0];
      };
      return hooks ? graph.savedTensorsHooks((t) => t.toTypedArray(), rebuild, power) : power();
    };
    const rebuild = (values: ArrayLike<number>): Tensor => tensor([...(values as Float64Array)], { dtype: 'float64' });
    expectClose(third(true), third(false));
  });

  it('AG224 an operation packs what it saves: x·y with only x requiring grad one tensor, a·a two', () => {
    const counted = (body: () => Tensor): [packs: number, unpacks: number] => {
      let [packs, unpacks] = [0, 0];
      const y = graph.savedTensorsHooks(
        (t) => {
          packs += 1;
          return t;
        },
        (t) => {
          unpacks += 1;
          return t;
        },
        body,
      );
      y.sum().backward();
      return [packs, unpacks];
    };
    const x = f64([1, 2]);
    const y = f64([3, 4], false);
    expect(counted(() => x.mul(y))).toEqual([1, 1]);
    expect(counted(() => x.mul(x))).toEqual([2, 2]);
    expect(counted(() => x.add(x))).toEqual([0, 0]);
    expect(counted(() => x.exp())).toEqual([1, 1]);
  });

  it('AG225 of nested hooks the innermost are used, and the outer ones again after them', () => {
    const a = f64([1]);
    const log: string[] = [];
    const named = (name: string) => (t: Tensor) => {
      log.push(name);
      return t;
    };
    graph.savedTensorsHooks(named('outer'), identity, () => {
      a.sin();
      graph.savedTensorsHooks(named('inner'), identity, () => a.sin());
      a.sin();
    });
    a.sin();
    expect(log).toEqual(['outer', 'inner', 'outer']);
  });

  it('AG226 pack must not change its input in place', () => {
    const a = f64([1, 2]).clone();
    expectError(
      () =>
        graph.savedTensorsHooks(
          (t) => t.mul_(2),
          identity,
          () => a.mul(a),
        ),
      AutogradError,
      'A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be modified by in-place operations as this can lead to unexpected side-effects.',
    );
    expect(autograd.isGradEnabled()).toBe(true);
  });

  it('AG227 unpack must return a tensor', () => {
    const a = f64([1]);
    const broken = (): number => 1;
    const y = graph.savedTensorsHooks(identity, broken as unknown as (t: Tensor) => Tensor, () => a.sin());
    expectError(
      () => y.backward(),
      ArgumentError,
      'Output of saved tensor unpack_hook expected to be a Tensor but got result of type number',
    );
  });

  it('AG228 errors of pack and unpack come through as they are', () => {
    const a = f64([1]);
    const fail = (what: string) => (): never => {
      throw new RangeError(what);
    };
    expectError(() => graph.savedTensorsHooks(fail('pack'), identity, () => a.sin()), RangeError, 'pack');
    const y = graph.savedTensorsHooks(identity, fail('unpack'), () => a.sin());
    expectError(() => y.backward(), RangeError, 'unpack');
    // The hooks and the engine are as before.
    a.sin().backward();
    expectValues(a.grad, [1], [Math.cos(1)]);
  });

  it('AG229 disableSavedTensorsHooks makes setting hooks an error with its message', () => {
    const enter = (): unknown => graph.savedTensorsHooks(identity, identity, () => 1);
    graph.disableSavedTensorsHooks('error message', () => {
      expectError(enter, AutogradError, 'error message');
      graph.disableSavedTensorsHooks('inner message', () => expectError(enter, AutogradError, 'inner message'));
      expectError(enter, AutogradError, 'error message');
    });
    expect(enter()).toBe(1);
    graph.savedTensorsHooks(identity, identity, () =>
      expectError(() => graph.disableSavedTensorsHooks('error message', () => 1), AutogradError, 'error message'),
    );
    {
      using _ = graph.disableSavedTensorsHooks('in a block');
      expectError(enter, AutogradError, 'in a block');
    }
    expect(enter()).toBe(1);
  });

  it('AG230 numbers are not packed', () => {
    const a = f64([1, 2]);
    const packs: unknown[] = [];
    graph.savedTensorsHooks(
      (t) => {
        packs.push(t);
        return t;
      },
      identity,
      () => a.mul(3).pow(2).div(7).neg(),
    );
    expect(packs).toHaveLength(1);
  });

  it('AG232 a saved input that was detached in place is an error, a saved output is none', () => {
    const leaf = f64([0.5]);
    const a = leaf.clone();
    const b = a.sin();
    a.detach_();
    expectError(
      () => b.backward(),
      AutogradError,
      'Trying to use a saved tensor that has been detached in-place, i.e. with .detach_()',
    );
    const c = leaf.clone();
    const d = c.exp();
    c.detach_();
    d.backward();
    expectValues(leaf.grad, [1], [Math.exp(0.5)]);
  });

  it('does not check versions of what went through hooks: pack says what is kept', () => {
    const a = f64([2]);
    const b = a.clone();
    const y = graph.savedTensorsHooks(
      (t) => t.clone(),
      identity,
      () => b.mul(b),
    );
    noGrad(() => b.add_(5));
    y.backward();
    expectValues(a.grad, [1], [4]);
  });

  it('an in-place operation packs the value it overwrites', () => {
    const a = f64([2, 3]);
    const w = f64([5, 7]);
    const kept: number[][] = [];
    const y = graph.savedTensorsHooks(
      (t) => {
        kept.push(t.toArray() as number[]);
        return t;
      },
      identity,
      () => a.clone().mul_(w),
    );
    y.sum().backward();
    expect(kept).toEqual([
      [2, 3],
      [5, 7],
    ]);
    expectValues(w.grad, [2], [2, 3]);
    expectValues(a.grad, [2], [5, 7]);
  });

  it('retainGraph unpacks again, and a freed graph says so', () => {
    const a = f64([1]);
    let unpacks = 0;
    const y = graph.savedTensorsHooks(
      identity,
      (t) => {
        unpacks += 1;
        return t;
      },
      () => a.sin(),
    );
    y.backward({ retainGraph: true });
    y.backward();
    expect(unpacks).toBe(2);
    expectError(() => y.backward(), AutogradError, 'Trying to backward through the graph a second time');
  });

  it('what a hook keeps for itself stays usable', () => {
    const a = f64([1, 2]);
    const kept: Tensor[] = [];
    const y = graph.savedTensorsHooks(
      identity,
      (t) => {
        kept.push(t.mul(10));
        return t;
      },
      () => a.exp().mul(a.sin()).sum(),
    );
    y.backward();
    expect(kept.length).toBeGreaterThan(2);
    for (const t of kept) expect(t.shape).toEqual([2]);
    expect(kept.flatMap((t) => t.toArray() as number[]).every(Number.isFinite)).toBe(true);
  });

  it('hooks see plain tensors inside transforms, and nested derivatives are right', () => {
    const x = randn([3, 2], { dtype: 'float64' });
    const w = randn([2], { dtype: 'float64', requiresGrad: true });
    const f = (v: Tensor): Tensor => v.mul(w).sin().mul(v).exp().sum();
    const shapes: string[] = [];
    const hooked = (v: Tensor): Tensor =>
      graph.savedTensorsHooks(
        (t) => {
          shapes.push(t.toString().slice(0, 6));
          return t.clone();
        },
        identity,
        () => f(v),
      );
    const second = (g: (v: Tensor) => Tensor): Tensor => vmap(grad((v: Tensor) => grad(g)(v).pow(2).sum()))(x);
    const actual = second(hooked);
    const expected = second(f);
    expectClose(actual.detach(), expected.detach());
    expect(new Set(shapes)).toEqual(new Set(['tensor']));
    const [ga] = autograd.grad(actual.sum(), w);
    const [ge] = autograd.grad(expected.sum(), w);
    expectClose(ga, ge);
  });
});

describe('ready-made policies', () => {
  const parts = (): [x: Tensor, w: Tensor, f: () => Tensor] => {
    const x = randn([5, 3], { dtype: 'float64', requiresGrad: true });
    const w = randn([4, 3], { dtype: 'float64', requiresGrad: true });
    // Views of parameters, transposed, expanded and narrowed results, integers.
    const f = (): Tensor => {
      const h = x.mm(w.t()).tanh();
      const row = h.narrow(0, 1, 1).expand([5, 4]).mul(h);
      return row
        .t()
        .mm(h)
        .exp()
        .add(h.narrow(1, 1, 2).sin().sum())
        .gather(0, tensor([[1, 0, 2, 1]], { dtype: 'int32' }));
    };
    return [x, w, f];
  };

  it('AG231 saveOnCpu keeps saved tensors outside the memory of kernels and gives identical gradients', () => {
    const [x, w, f] = parts();
    const expected = autograd.grad(f().sum(), [x, w]);
    const actual = autograd.grad(graph.saveOnCpu(f).sum(), [x, w]);
    for (const [i, g] of actual.entries()) expect(g.toArray()).toEqual(expected[i].toArray());
    {
      using _ = graph.saveOnCpu();
      f().sum().backward();
    }
    expect(x.grad?.toArray()).toEqual(expected[0].toArray());
  });

  it('AG231 second derivatives, and a second pass', () => {
    const [x, w, f] = parts();
    const twice = (y: Tensor): Tensor[] => {
      const [g] = autograd.grad(y.sum(), x, { createGraph: true });
      return autograd.grad(g.pow(2).sum(), [x, w]);
    };
    const expected = twice(f());
    for (const [i, g] of twice(graph.saveOnCpu(f)).entries()) expectClose(g, expected[i]);
    const y = graph.saveOnCpu(f).sum();
    y.backward({ retainGraph: true });
    y.backward();
    expectClose(x.grad as Tensor, autograd.grad(f().sum(), x)[0].mul(2));
  });

  it('keeps parameters where they are and notices their changes', () => {
    const w = f64([1, 2]);
    const x = f64([3, 4], false);
    const y = graph.saveOnCpu(() => w.mul(w).mul(x).sum());
    noGrad(() => w.mul_(2));
    expectError(() => y.backward(), AutogradError, 'has been modified by an inplace operation');
    // Everything else was copied.
    const z = graph.saveOnCpu(() => w.mul(x).sum());
    x.zero_();
    z.backward();
    expectValues(w.grad, [2], [3, 4]);
  });

  it('saveInHalfPrecision rounds what is saved, and nothing else', () => {
    const w = f64([1, 2, 3]);
    const x = f64([1 / 3, 1e-6, -1e5], false);
    const y = graph.saveInHalfPrecision(() => w.mul(x.narrow(0, 0, 2).clone().exp().sum()).mul(x));
    expectValues(
      y.detach(),
      [3],
      [1, 2, 3].map((v, i) => v * (Math.exp(1 / 3) + Math.exp(1e-6)) * [1 / 3, 1e-6, -1e5][i]),
    );
    y.sum().backward();
    // −1e5 is beyond half precision, so that all of x was kept as it is; the sum in the middle was rounded.
    expectValues(
      w.grad,
      [3],
      [1 / 3, 1e-6, -1e5].map((v) => v * 2.396484375),
      { tol: 1e-12 },
    );
    const [v] = [tensor([0.1, -7.77, 300.3], { requiresGrad: true })];
    graph.saveInHalfPrecision(() => v.clone().pow(2).sum()).backward();
    expectValues(
      v.grad,
      [3],
      [0.1, -7.77, 300.3].map((t) => 2 * t),
      { tol: 1e-3 },
    );
    expect(v.grad?.select(0, 0).item()).toBe(Math.fround(2 * 0.0999755859375));
  });

  it('saveInHalfPrecision keeps integers and truth values exact', () => {
    const x = f64([1, 2, 3, 4]).clone();
    const [y, index] = [x.reshape([2, 2]), tensor([[1, 0]], { dtype: 'int32' })];
    const z = graph.saveInHalfPrecision(() => y.gather(0, index).sum());
    index.zero_();
    const [g] = autograd.grad(z, x);
    expectValues(g, [4], [0, 1, 1, 0]);
  });
});
