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
