import {
  ArgumentError,
  AutogradError,
  arange,
  autograd,
  checkpoint,
  DTypeError,
  defineOperation,
  forwardAd,
  grad,
  hessian,
  jvp,
  NotImplementedError,
  noGrad,
  ones,
  randn,
  ShapeError,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from 'nabla';
import { afterEach, describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../../support/close.ts';

const { dualLevel, makeDual, unpackDual } = forwardAd;
const f64 = (values: number[], requiresGrad = false): Tensor => tensor(values, { dtype: 'float64', requiresGrad });
const tangentOf = (t: Tensor): Tensor | null => unpackDual(t).tangent;

// A failing test must not leave its level to others.
afterEach(() => {
  try {
    forwardAd.exitDualLevel();
  } catch {
    // None was left open.
  }
});

describe('dual levels', () => {
  it('AG255 operations propagate tangents', () => {
    const [x, v] = [f64([0.5, -1.5]), f64([2, 3])];
    dualLevel((level) => {
      expect(level).toBe(0);
      const y = makeDual(x, v).sin().mul(x.exp()).sum();
      const { primal, tangent } = unpackDual(y);
      expectClose(primal, x.sin().mul(x.exp()).sum());
      expectClose(tangent as Tensor, x.cos().mul(x.exp()).mul(v).sum());
    });
  });

  it('AG255 with using, and with enterDualLevel and exitDualLevel', () => {
    const [x, v] = [f64([2]), f64([1])];
    {
      using _ = dualLevel();
      expectValues(tangentOf(makeDual(x, v).pow(3)), [1], [12]);
    }
    expect(forwardAd.enterDualLevel()).toBe(0);
    const y = makeDual(x, v).mul(5);
    expectValues(tangentOf(y), [1], [5]);
    forwardAd.exitDualLevel({ level: 0 });
    expect(tangentOf(y)).toBeNull();
    expectError(() => forwardAd.exitDualLevel(), AutogradError, 'Dual level must be a positive number');
    forwardAd.enterDualLevel();
    expectError(
      () => forwardAd.exitDualLevel({ level: 1 }),
      AutogradError,
      'Trying to exit a forward AD level that was not the last one that was created. This is not supported.',
    );
  });

  it('AG256 outside a level makeDual is an error', () => {
    expectError(
      () => makeDual(ones([2]), ones([2])),
      AutogradError,
      'Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first',
    );
    expect(tangentOf(ones([2]))).toBeNull();
  });

  it('AG257 levels do not nest', () => {
    dualLevel(() => {
      const message = 'Nested forward mode AD is not supported at the moment';
      expectError(() => forwardAd.enterDualLevel(), AutogradError, message);
      expectError(() => dualLevel(() => 1), AutogradError, message);
      expectError(() => dualLevel(), AutogradError, message);
      // The level is still there.
      expectValues(tangentOf(makeDual(f64([1]), f64([2])).neg()), [1], [-2]);
    });
    expectError(
      () =>
        dualLevel(() => {
          throw new RangeError('out');
        }),
      RangeError,
      'out',
    );
    expect(dualLevel(() => 7)).toBe(7);
    expectError(() => dualLevel(async () => 1), AutogradError, 'returned a promise');
    expectError(() => dualLevel(1 as never), ArgumentError, 'expected a function');
  });

  it('AG258 the tangent must have the size of the tensor', () => {
    dualLevel(() => {
      expectError(
        () => makeDual(ones([2]), ones([3]) as Tensor),
        ShapeError,
        'Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is of size [2] while the given forward gradient is of size [3].',
      );
      expectError(() => makeDual(ones([2, 3]), ones([3]) as Tensor), ShapeError, 'has a different size');
      makeDual(ones([2]), ones([3]).narrow(0, 1, 2));
    });
  });

  it('AG259 primal and tangent must be of floating point', () => {
    dualLevel(() => {
      const whole = tensor([1, 2], { dtype: 'int32' });
      expectError(
        () => makeDual(whole, ones([2])),
        DTypeError,
        'Expected primal to be floating point or complex, but got: int32',
      );
      expectError(
        () => makeDual(ones([2]), whole),
        DTypeError,
        'Expected tangent to be floating point or complex, but got: int32',
      );
      expectError(() => makeDual(1 as never, ones([2])), ArgumentError, 'Expected primal to be a Tensor, got number');
      expectError(() => unpackDual(null as never), ArgumentError, 'Expected tensor to be a Tensor, got null');
    });
  });

  it('AG260 a dual tensor can be neither tangent nor primal at the same level', () => {
    dualLevel(() => {
      const d = makeDual(ones([2]), ones([2]));
      expectError(() => makeDual(ones([2]), d), AutogradError, 'has a forward gradient at the same level');
      expectError(
        () => makeDual(d, ones([2])),
        AutogradError,
        'Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not supported.',
      );
    });
  });

  it('AG261 tangents disappear when the level is left', () => {
    const [x, v, w] = [f64([1, 2]), f64([3, 4]), f64([5, 6])];
    const [d, y] = dualLevel(() => {
      const dual = makeDual(x, v);
      return [dual, dual.mul(2)];
    });
    expect([tangentOf(d), tangentOf(y), d.toString().includes('tangent')]).toEqual([null, null, false]);
    expectValues(y, [2], [2, 4]);
    dualLevel(() => {
      expect([tangentOf(d), tangentOf(y), tangentOf(y.mul(3))]).toEqual([null, null, null]);
      // The same tensors may be given others in a later level.
      expectValues(tangentOf(makeDual(d, w).mul(y)), [2], [10, 24]);
    });
  });

  it('AG262 unpackDual returns primal and tangent by name, and the tangent itself', () => {
    const [x, v] = [f64([1, 2]), f64([3, 4])];
    dualLevel(() => {
      const d = makeDual(x, v);
      const { primal, tangent } = unpackDual(d);
      expect(tangent).toBe(v);
      expect([...unpackDual(d)]).toHaveLength(2);
      const [p, t] = unpackDual(d);
      expect(t).toBe(v);
      expectClose(p as Tensor, x);
      // Memory and versions are shared, and the tensor that was made a dual is none itself.
      x.add_(1);
      expectValues(primal, [2], [2, 3]);
      expect([d.version, primal.version, tangentOf(x), tangentOf(primal)]).toEqual([1, 1, null, null]);
      v.add_(1);
      expectValues(tangentOf(d), [2], [4, 5]);
      // A tangent lies in memory as its primal does.
      const b = arange(6).reshape([3, 2]).t();
      const copied = tangentOf(makeDual(ones([2, 3]), b)) as Tensor;
      expect([copied === b, copied.stride()]).toEqual([false, [3, 1]]);
      expectClose(copied, b);
    });
  });

  it('AG263 detach drops the tangent, noGrad does not', () => {
    dualLevel(() => {
      const [x, v] = [f64([1, 2], true), f64([3, 4], true)];
      const d = makeDual(x, v);
      expect([tangentOf(d.detach()), tangentOf(d.detach().mul(2)), d.detach().requiresGrad]).toEqual([
        null,
        null,
        false,
      ]);
      const y = noGrad(() => d.mul(3));
      const { primal, tangent } = unpackDual(y);
      expect([primal.requiresGrad, tangent?.requiresGrad]).toEqual([false, false]);
      expectValues(tangent, [2], [9, 12]);
      const cut = d.clone();
      cut.detach_();
      expect([tangentOf(cut.mul(2)), cut.requiresGrad]).toEqual([null, false]);
    });
  });
});

describe('in place and views', () => {
  it('AG264 a change in place changes the tangent in its memory', () => {
    const [x, v] = [f64([1, 2]), f64([1, 1])];
    dualLevel(() => {
      const d = makeDual(x, v);
      d.mul_(2);
      expectValues(v, [2], [2, 2]);
      expect(tangentOf(d)).toBe(v);
      expectValues(x, [2], [2, 4]);
      // What it was made of, and what was unpacked, are no views to forward mode.
      const { primal, tangent } = unpackDual(d);
      expect(tangentOf(x)).toBeNull();
      primal.mul_(2);
      expectValues(tangentOf(d), [2], [2, 2]);
      tangent?.mul_(2);
      expectValues(d, [2], [4, 8]);
      expectValues(tangentOf(d), [2], [4, 4]);
      // The product rule, with the values before the change.
      d.mul_(d);
      expectValues(tangentOf(d), [2], [2 * 4 * 4, 2 * 8 * 4]);
    });
  });

  it('AG264 overwriting gives the tangent of what is written', () => {
    dualLevel(() => {
      const make = (): Tensor => makeDual(f64([1, 2]), f64([1, 1]));
      const w = makeDual(f64([7, 8]), f64([9, 10]));
      const overwritten = (change: (d: Tensor) => unknown): Tensor => {
        const d = make();
        change(d);
        return tangentOf(d) as Tensor;
      };
      expectValues(
        overwritten((d) => d.fill_(3)),
        [2],
        [0, 0],
      );
      expectValues(
        overwritten((d) => d.zero_()),
        [2],
        [0, 0],
      );
      expectValues(
        overwritten((d) => d.copy_(f64([5, 5]))),
        [2],
        [0, 0],
      );
      expectValues(
        overwritten((d) => d.uniform_()),
        [2],
        [0, 0],
      );
      expectValues(
        overwritten((d) => d.floor_()),
        [2],
        [0, 0],
      );
      expectValues(
        overwritten((d) => d.copy_(w)),
        [2],
        [9, 10],
      );
      expectValues(
        overwritten((d) => d.sub_(w)),
        [2],
        [-8, -9],
      );
      expectValues(
        overwritten((d) => d.exp_()),
        [2],
        [Math.E, Math.E ** 2],
      );
    });
  });

  it('AG264 a view has a view of the tangent, in both directions', () => {
    dualLevel(() => {
      const d = makeDual(f64([1, 2, 3]), f64([1, 1, 1]));
      const view = d.narrow(0, 0, 2);
      view.mul_(2);
      expectValues(tangentOf(d), [3], [2, 2, 1]);
      expectValues(tangentOf(view), [2], [2, 2]);
      d.add_(d);
      expectValues(tangentOf(view), [2], [4, 4]);
      const m = makeDual(
        f64([
          [1, 2],
          [3, 4],
        ] as never),
        ones([2, 2], { dtype: 'float64' }),
      );
      m.t().select(0, 1).mul_(10);
      expectValues(tangentOf(m), [2, 2], [1, 10, 1, 10]);
      expectValues(m, [2, 2], [1, 20, 3, 40]);
    });
  });

  it('AG264 a tangent that cannot be written leaves the primal as it was', () => {
    const words = 'vmap: inplace arithmetic';
    const own = f64([1, 2]);
    const untouched = f64([1, 2]);
    const alongBatch = (t: Tensor): Tensor =>
      dualLevel(() => {
        const w = makeDual(f64([5, 6]), t);
        const x = makeDual(own, f64([3, 4]));
        expectError(() => x.mul_(w), AutogradError, words);
        expectError(() => x.copy_(w), AutogradError, words);
        expectError(() => untouched.narrow(0, 0, 2).add_(w), AutogradError, words);
        expectValues(tangentOf(x), [2], [3, 4]);
        expect(tangentOf(untouched)).toBe(null);
        return t;
      });
    vmap(alongBatch)(f64([1, 2, 3, 4]).reshape([2, 2]));
    expectValues(own, [2], [1, 2]);
    expectValues(untouched, [2], [1, 2]);
  });

  it('AG264 changes of shape in place, and writes by index', () => {
    dualLevel(() => {
      const v = f64([10, 20, 30, 40]);
      const d = makeDual(f64([1, 2, 3, 4]).reshape([2, 2]), v.reshape([2, 2]));
      d.t_();
      expectValues(tangentOf(d), [2, 2], [10, 30, 20, 40]);
      d.select(0, 0).mul_(2);
      expectValues(tangentOf(d), [2, 2], [20, 60, 20, 40]);
      expectValues(v, [4], [20, 20, 60, 40]);
      const plain = zeros([3], { dtype: 'float64' });
      plain.setAt_([1], makeDual(tensor(5, { dtype: 'float64' }), tensor(7, { dtype: 'float64' })));
      expectValues(plain, [3], [0, 5, 0]);
      expectValues(tangentOf(plain), [3], [0, 7, 0]);
      plain.indexFill_(0, tensor([1], { dtype: 'int32' }), 2);
      expectValues(tangentOf(plain), [3], [0, 0, 0]);
    });
  });

  it('AG264 writing a dual into a view gives its base a tangent, zero elsewhere', () => {
    dualLevel(() => {
      const d = makeDual(f64([2, 5]), f64([7, 9]));
      const base = f64([1, 1, 1]);
      base.narrow(0, 0, 2).copy_(d);
      expectValues(base, [3], [2, 5, 1]);
      expectValues(tangentOf(base), [3], [7, 9, 0]);
      // A detached tensor is no view to forward mode.
      const plain = f64([1, 1]);
      const apart = plain.detach();
      apart.add_(d);
      expect(tangentOf(plain)).toBeNull();
      expectValues(tangentOf(apart), [2], [7, 9]);
      // Nor is a dual to what it was made of, also through a view of it.
      const under = f64([1, 1]);
      const dual = makeDual(under, f64([1, 1]));
      dual.narrow(0, 0, 1).add_(d.narrow(0, 0, 1));
      expect(tangentOf(under)).toBeNull();
      expectValues(tangentOf(dual), [2], [8, 1]);
    });
  });

  it('AG265 a plain tensor changed by a dual becomes one, with the views it has', () => {
    dualLevel(() => {
      const d = makeDual(f64([2, 5]), f64([7, 9]));
      const plain = f64([1, 1]);
      const before = plain.narrow(0, 1, 1);
      plain.add_(d);
      expectValues(tangentOf(plain), [2], [7, 9]);
      expectValues(tangentOf(before), [1], [9]);
      expectValues(tangentOf(before.mul(2)), [1], [18]);
      // It has a tangent of its own.
      plain.mul_(2);
      expectValues(tangentOf(plain), [2], [14, 18]);
      expectValues(tangentOf(d), [2], [7, 9]);
      expectValues(tangentOf(before), [1], [18]);
    });
  });

  it('AG264 histories follow as well', () => {
    const w = f64([5, 6], true);
    dualLevel(() => {
      const d = makeDual(f64([1, 2]), f64([1, 1]));
      d.mul_(w);
      const t = tangentOf(d) as Tensor;
      expectValues(t.detach(), [2], [5, 6]);
      expectValues(autograd.grad(t.sum(), w, { retainGraph: true })[0], [2], [1, 1]);
      expectValues(autograd.grad(d.sum(), w, { retainGraph: true })[0], [2], [1, 2]);
      const base = zeros([3], { dtype: 'float64' });
      base.narrow(0, 0, 2).copy_(d.mul(w));
      expectValues(autograd.grad((tangentOf(base) as Tensor).sum(), w)[0], [2], [10, 12]);
      const leaf = f64([1, 1], true);
      expectError(
        () => makeDual(f64([1, 2]), leaf).mul_(2),
        AutogradError,
        'a leaf Variable that requires grad is being used in an in-place operation',
      );
    });
  });
});

describe('with reverse mode', () => {
  const f = (x: Tensor): Tensor => x.pow(3).mul(x.sum()).sum();

  it('AG266 backward through a dual computation gives Hessian-vector products', () => {
    const [x, v] = [f64([0.5, -1.5, 2], true), f64([1, 2, 3])];
    const expected = (hessian(f)(x.detach()) as Tensor).mv(v);
    dualLevel(() => {
      const y = f(makeDual(x, v));
      const [g] = autograd.grad(y, x, { retainGraph: true });
      expectClose(unpackDual(g).primal, grad(f)(x.detach()));
      expectClose(tangentOf(g) as Tensor, expected);
      y.backward();
      expectClose(tangentOf(x.grad as Tensor) as Tensor, expected);
      f(makeDual(x, v)).backward();
      expectClose(tangentOf(x.grad as Tensor) as Tensor, expected.mul(2));
    });
    expectClose(x.grad as Tensor, grad(f)(x.detach()).mul(2));
    expect(tangentOf(x.grad as Tensor)).toBeNull();
  });

  it('AG266 also for a dual leaf, and from a loss that is itself not dual', () => {
    const [x, v] = [f64([0.5, -1.5, 2]), f64([1, 2, 3])];
    const expected = (hessian(f)(x) as Tensor).mv(v);
    dualLevel(() => {
      const leaf = makeDual(x, v).requiresGrad_();
      const [g] = autograd.grad(f(leaf), leaf);
      expectClose(tangentOf(g) as Tensor, expected);
      const p = unpackDual(f(leaf)).primal;
      expect(tangentOf(p)).toBeNull();
      p.backward();
      expectClose(tangentOf(leaf.grad as Tensor) as Tensor, expected);
    });
  });

  it('AG267 tangents are differentiated by backward', () => {
    const [x, v] = [f64([0.5, -1.5, 2], true), f64([1, 2, 3], true)];
    const H = hessian(f)(x.detach()) as Tensor;
    dualLevel(() => {
      const d = makeDual(x, v);
      const { primal, tangent } = unpackDual(d);
      const of = (y: Tensor): (Tensor | null)[] =>
        autograd.grad(y.sum(), [x, v], { retainGraph: true, allowUnused: true });
      const one = ones([3], { dtype: 'float64' });
      expect(of(primal)[1]).toBeNull();
      expectClose(of(primal)[0] as Tensor, one);
      expect(of(tangent as Tensor)[0]).toBeNull();
      expectClose(of(tangent as Tensor)[1] as Tensor, one);
      const t = tangentOf(f(d)) as Tensor;
      const [gx, gv] = autograd.grad(t, [x, v]);
      expectClose(gx, H.mv(v.detach()));
      expectClose(gv, grad(f)(x.detach()));
    });
  });

  it('AG267 after the level is left the graph is that of the values', () => {
    const x = f64([1, 2], true);
    const y = dualLevel(() =>
      makeDual(x, f64([3, 4]))
        .pow(2)
        .sum(),
    );
    y.backward();
    expectValues(x.grad, [2], [2, 4]);
  });

  it('AG266 through a checkpoint', () => {
    const [x, v] = [f64([0.5, -1.5, 2], true), f64([1, 2, 3])];
    const expected = (hessian(f)(x.detach()) as Tensor).mv(v);
    const [y, t] = dualLevel(() => {
      const out = checkpoint(f, makeDual(x, v));
      const [g] = autograd.grad(out, x, { retainGraph: true });
      expectClose(tangentOf(g) as Tensor, expected);
      return [out, tangentOf(out) as Tensor];
    });
    expectClose(autograd.grad(t, x, { retainGraph: true })[0], expected);
    expectClose(autograd.grad(y, x)[0], grad(f)(x.detach()));
  });
});

describe('operations', () => {
  it('AG268 one without a tangent rule is an error', () => {
    const once = defineOperation({
      name: 'onlyReverse',
      inputs: ['x'],
      forward: ([x]) => x.mul(2),
      vjp: { x: [[], (g) => g.mul(2)] },
      jvp: 'not implemented',
      vmap: 'elementwise',
    });
    const x = f64([1, 2]);
    dualLevel(() => {
      expectError(
        () => once(makeDual(x, x)),
        NotImplementedError,
        'Trying to use forward AD with onlyReverse that does not support it',
      );
      expectValues(once(x), [2], [2, 4]);
    });
    expectError(() => jvp(once, [x], [x]), NotImplementedError, 'Trying to use forward AD with onlyReverse');
  });

  it('AG269 comparisons and indices accept duals and have no tangent', () => {
    dualLevel(() => {
      const d = makeDual(f64([1, 3, 2]), f64([1, 1, 1]));
      for (const t of [d.gt(1), d.argmax(), d.eq(d), d.int(), d.argsort()]) expect(tangentOf(t)).toBeNull();
      expect(d.gt(1).toArray()).toEqual([false, true, true]);
      expectValues(tangentOf(d.where(d.gt(1), 0 as never) as Tensor), [3], [0, 1, 1]);
    });
  });

  it('AG271 printing shows the tangent', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const v = tensor([3, 4]);
    dualLevel(() => {
      const d = makeDual(x, v);
      expect(String(d)).toBe('tensor([1., 2.], grad_fn=<ViewBackward0>, tangent=tensor([3., 4.]))');
      expect(String(makeDual(x.detach(), v))).toBe('tensor([1., 2.], tangent=tensor([3., 4.]))');
      expect(String(d.exp().mul(d))).toBe(
        'tensor([ 2.7183, 14.7781], grad_fn=<MulBackward0>,\n       tangent=tensor([16.3097, 88.6687], grad_fn=<AddBackward0>))',
      );
      const { primal, tangent } = unpackDual(d);
      expect([String(x), String(primal), String(tangent)]).toEqual([
        'tensor([1., 2.], requires_grad=True)',
        'tensor([1., 2.], grad_fn=<Identity>)',
        'tensor([3., 4.])',
      ]);
    });
  });

  it('AG272 a custom function gives the tangent by its jvp', () => {
    const seen: unknown[] = [];
    class Scale extends autograd.Function {
      static forward(ctx: autograd.FunctionContext, factor: number, x: Tensor, name: string): Tensor {
        ctx.factor = factor;
        expect([tangentOf(x), name]).toEqual([null, 'name']);
        return x.mul(factor);
      }
      static backward(ctx: autograd.FunctionContext, g: Tensor): (Tensor | null)[] {
        return [null, g.mul(ctx.factor as number), null];
      }
      static jvp(ctx: autograd.FunctionContext, ...tangents: (Tensor | null)[]): Tensor | null {
        seen.push(tangents.map((t) => t !== null));
        return tangents[1] === null ? null : tangents[1].mul(ctx.factor as number);
      }
    }
    const x = f64([1, 2], true);
    dualLevel(() => {
      const y = Scale.apply(3, makeDual(x, f64([10, 20])), 'name');
      expectValues(tangentOf(y), [2], [30, 60]);
      expect(seen).toEqual([[false, true, false]]);
      const [g] = autograd.grad(y.pow(2).sum(), x);
      expectValues(unpackDual(g).primal, [2], [18, 36]);
      expectValues(tangentOf(g), [2], [180, 360]);
    });
    class Double extends autograd.Function {
      static forward(ctx: autograd.FunctionContext, t: Tensor): Tensor {
        ctx.markDirty(t);
        return t.mul_(2);
      }
      static jvp(_ctx: autograd.FunctionContext, t: Tensor): Tensor {
        return t.mul(2);
      }
    }
    dualLevel(() => {
      const d = makeDual(f64([1, 2, 3]), f64([1, 1, 1]));
      const part = d.narrow(0, 0, 2);
      expect(Double.apply(part)).toBe(part);
      expectValues(part, [2], [2, 4]);
      expectValues(tangentOf(part), [2], [2, 2]);
      expectValues(tangentOf(d), [3], [2, 2, 1]);
    });
    class OnlyReverse extends autograd.Function {
      static forward(_ctx: autograd.FunctionContext, t: Tensor): Tensor {
        return t.clone();
      }
      static backward(_ctx: autograd.FunctionContext, g: Tensor): Tensor {
        return g;
      }
    }
    dualLevel(() => {
      expectError(
        () => OnlyReverse.apply(makeDual(x, x.detach())),
        NotImplementedError,
        'You must implement the jvp function for custom autograd.Function to use it with forward mode AD.',
      );
    });
  });
});

describe('with transforms', () => {
  const f = (x: Tensor): Tensor => x.sin().mul(x).sum();

  it('a transform inside a level', () => {
    const [x, v] = [f64([0.5, 1.5]), f64([1, 2])];
    dualLevel(() => {
      const d = makeDual(x, v);
      expectClose(tangentOf(grad(f)(d)) as Tensor, (hessian(f)(x) as Tensor).mv(v));
      const rows = vmap((r: Tensor) => r.exp().mul(r))(d);
      expectClose(tangentOf(rows) as Tensor, x.exp().mul(x.add(1)).mul(v));
      const [, t] = jvp(f, [d], [v]);
      expectClose(tangentOf(t) as Tensor, v.dot((hessian(f)(x) as Tensor).mv(v)));
    });
  });

  it.each(['tanh_', 'exp_', 'sigmoid_', 'reciprocal_', 'sin_'] as const)(
    'second derivatives through %s on a view',
    (change) => {
      const [x, v] = [f64([0.3, -0.7, 1.1]), f64([1, 2, -1])];
      const g = (r: Tensor): Tensor => {
        const y = r.mul(1);
        y.view([3, 1]).select(1, 0)[change]();
        return y.sin().sum();
      };
      dualLevel(() => {
        const d = makeDual(x.clone().requiresGrad_(), v);
        const [gradient] = autograd.grad(g(d), d);
        expectClose(tangentOf(gradient) as Tensor, (hessian(g)(x) as Tensor).mv(v));
      });
    },
  );

  it('a level inside a transform', () => {
    const x = randn([3, 2], { dtype: 'float64' });
    const v = f64([1, 2]);
    const along = (r: Tensor): Tensor => dualLevel(() => tangentOf(f(makeDual(r, v))) as Tensor);
    const expected = (r: Tensor): Tensor => jvp(f, [r], [v])[1];
    const row = x.select(0, 0);
    expectClose(along(row), expected(row));
    expectClose(grad(along)(row), grad(expected)(row));
    expectClose(vmap(along)(x), vmap(expected)(x));
    expectClose(vmap(grad(along))(x), vmap(grad(expected))(x));
  });

  it('a tensor of a transform inside the level cannot be made a dual of it', () => {
    const x = f64([1, 2]);
    dualLevel(() => {
      expectError(
        () => grad((r: Tensor) => makeDual(r, x).sum())(x),
        AutogradError,
        'the dual level was entered outside the transformed function that this tensor belongs to; enter it inside',
      );
    });
  });
});
