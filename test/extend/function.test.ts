import { AutogradError, autograd, grad, jvp, ones, type Tensor, tensor, vmap, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { collect } from '../support/collect.ts';
import { agree, batch, programNames, x } from './programs.ts';

/* Custom functions inside transforms, and what they keep alive. */

type Ctx = autograd.FunctionContext;

// y = x³ k, the same function written in the ways there are.

/** Saves its argument in forward. */
class Together extends autograd.Function {
  static forward(ctx: Ctx, x: Tensor, k: number): Tensor {
    ctx.saveForBackward(x);
    ctx.k = k;
    return x.pow(3).mul(k);
  }
  static backward(ctx: Ctx, g: Tensor): [Tensor, null] {
    const [x] = ctx.savedTensors;
    return [g.mul(x.square().mul(3 * (ctx.k as number))), null];
  }
  static jvp(ctx: Ctx, t: Tensor, k: null): Tensor {
    expect(k).toBeNull();
    const [x] = ctx.savedTensors;
    return t.mul(x.square().mul(3 * (ctx.k as number)));
  }
}

/** The two-part form. */
class Apart extends autograd.Function {
  static forward(x: Tensor, k: number): Tensor {
    return x.pow(3).mul(k);
  }
  static setupContext(ctx: Ctx, [x, k]: [Tensor, number], y: Tensor): void {
    expect(y.shape).toEqual(x.shape);
    ctx.saveForBackward(x);
    ctx.k = k;
  }
  static backward(ctx: Ctx, g: Tensor): [Tensor, null] {
    return Together.backward(ctx, g);
  }
  static jvp(ctx: Ctx, t: Tensor, k: null): Tensor {
    return Together.jvp(ctx, t, k);
  }
}

/** Puts its argument on the context without saving it. */
class Attribute extends autograd.Function {
  static forward(ctx: Ctx, x: Tensor, k: number): Tensor {
    ctx.kept = { list: [x], k };
    return x.pow(3).mul(k);
  }
  static slope(ctx: Ctx): Tensor {
    const { list, k } = ctx.kept as { list: Tensor[]; k: number };
    return list[0].square().mul(3 * k);
  }
  static backward(ctx: Ctx, g: Tensor): [Tensor, null] {
    return [g.mul(Attribute.slope(ctx)), null];
  }
  static jvp(ctx: Ctx, t: Tensor, _k: null): Tensor {
    return t.mul(Attribute.slope(ctx));
  }
}

/** Its forward reads values, and its vmap rule makes one of it for a whole batch. */
class Opaque extends autograd.Function {
  static forward(x: Tensor, k: number): Tensor {
    const values = x.toTypedArray().map((v) => v ** 3 * k);
    return tensor(values, { dtype: x.dtype, shape: x.shape });
  }
  static setupContext(ctx: Ctx, [x, k]: [Tensor, number]): void {
    ctx.saveForBackward(x);
    ctx.k = k;
  }
  static backward(ctx: Ctx, g: Tensor): [Tensor, null] {
    return Together.backward(ctx, g);
  }
  static jvp(ctx: Ctx, t: Tensor, k: null): Tensor {
    return Together.jvp(ctx, t, k);
  }
  static vmap(info: autograd.VmapInfo, inDims: (number | null)[], x: Tensor, k: number): [Tensor, number] {
    expect(inDims).toEqual([0, null]);
    expect(x.shape[0]).toBe(info.batchSize);
    return [Opaque.apply(x, k), 0];
  }
}

const plain = (x: Tensor): Tensor => x.pow(3).mul(2);
const ways = {
  'saved in forward': (x: Tensor) => Together.apply(x, 2),
  'saved in setupContext': (x: Tensor) => Apart.apply(x, 2),
  'kept as an attribute': (x: Tensor) => Attribute.apply(x, 2),
  'with a vmap rule': (x: Tensor) => Opaque.apply(x, 2),
};

describe.each(Object.entries(ways))('a function %s', (_, f) => {
  it.each(programNames)('agrees with its operations under: %s', (name) => agree(name, f, plain));
});

describe('rules for vmap', () => {
  it('generateVmapRule = false without a rule is an error', () => {
    class Closed extends autograd.Function {
      static readonly generateVmapRule = false;
      static forward(_ctx: Ctx, t: Tensor): Tensor {
        return t.clone();
      }
    }
    expect(Closed.apply(x).shape).toEqual([3]);
    expectError(
      () => vmap((t: Tensor) => Closed.apply(t))(batch),
      AutogradError,
      'You tried to vmap over Closed, but it does not have vmap support.',
    );
  });

  it('both kinds at once are an error', () => {
    class Both extends Opaque {
      static readonly generateVmapRule = true;
    }
    expectError(() => vmap((t: Tensor) => Both.apply(t, 1))(batch), AutogradError, 'to avoid ambiguity');
  });

  it('results may have the batch anywhere, or not at all', () => {
    class Three extends autograd.Function {
      static forward(t: Tensor): [Tensor, Tensor, string] {
        return [t, t, 'a'];
      }
      static setupContext(ctx: Ctx, [t]: [Tensor]): void {
        ctx.saveForBackward(t);
      }
      static backward(_ctx: Ctx, a: Tensor, b: Tensor): Tensor {
        return a.add(b.mul(10));
      }
      static vmap(_info: unknown, _dims: unknown, t: Tensor): [unknown[], (number | null)[]] {
        return [
          [t.mul(2).T, t.sum(0), 'a'],
          [1, null, null],
        ];
      }
    }
    const [a, b] = vmap((t: Tensor) => Three.apply(t).slice(0, 2) as [Tensor, Tensor])(batch);
    expectClose(a, batch.mul(2));
    expectClose(b, batch.sum(0).expand([4, 3]));
    const g = vmap(grad((t: Tensor) => (Three.apply(t) as [Tensor, Tensor, string])[1].sum()))(batch);
    expectValues(g, [4, 3], new Array(12).fill(10));
  });

  it('a rule without setupContext gives values, and says what is missing for derivatives', () => {
    class Half extends autograd.Function {
      static forward(ctx: Ctx, t: Tensor): Tensor {
        ctx.saveForBackward(t);
        return t.clone();
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        return g;
      }
      static vmap(_info: unknown, _dims: unknown, t: Tensor): [Tensor, number] {
        return [t.clone(), 0];
      }
    }
    expectClose(vmap((t: Tensor) => Half.apply(t))(batch), batch);
    expectError(
      () => vmap(grad((t: Tensor) => Half.apply(t).sum()))(batch),
      AutogradError,
      'it must override the setup_context staticmethod',
    );
  });
});

describe('in transforms', () => {
  it('what is saved on the way is a constant to the same tape, as in PyTorch, and followed by those around', () => {
    class Saved extends autograd.Function {
      static forward(ctx: Ctx, t: Tensor): Tensor {
        const slope = t.cos();
        ctx.saveForBackward(slope);
        return t.sin();
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        return g.mul(ctx.savedTensors[0]);
      }
      static jvp(ctx: Ctx, d: Tensor): Tensor {
        return d.mul(ctx.savedTensors[0]);
      }
    }
    const f = (t: Tensor): Tensor => Saved.apply(t).sum();
    expectClose(grad((t: Tensor) => grad(f)(t).sum())(x), x.sin().neg());
    expectClose(jvp(grad(f), [x], [ones([3], { dtype: 'float64' })])[1], x.sin().neg());
    const t = x.clone().requiresGrad_();
    const [g] = autograd.grad(f(t), t, { createGraph: true });
    expect(g.requiresGrad).toBe(false);
    expectClose(vmap(grad(f))(batch), batch.cos());
  });

  it('markDirty changes the tensor of the transform', () => {
    class DoubleInPlace extends autograd.Function {
      static forward(ctx: Ctx, t: Tensor): Tensor {
        ctx.markDirty(t);
        return t.mul_(2);
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        return g.mul(2);
      }
      static jvp(_ctx: Ctx, t: Tensor): Tensor {
        return t.mul(2);
      }
    }
    const f = (t: Tensor): Tensor => {
      const y = t.mul(1);
      const z = DoubleInPlace.apply(y);
      expect(z).toBe(y);
      return y.square().sum();
    };
    expectClose(grad(f)(x), x.mul(8));
    expectClose(vmap(grad(f))(batch), batch.mul(8));
    expectClose(jvp(f, [x], [x])[1], x.mul(x).mul(8).sum());
    expectError(() => grad((t: Tensor) => DoubleInPlace.apply(t).sum())(x), AutogradError, 'a leaf Variable');
  });

  it('results that are constants, views or arguments', () => {
    class Several extends autograd.Function {
      static forward(ctx: Ctx, t: Tensor): [Tensor, Tensor, Tensor, string] {
        const rest = t.mul(2);
        ctx.markNonDifferentiable(rest);
        return [t, t.slice(0, 0, 2), rest, 'text'];
      }
      static backward(_ctx: Ctx, a: Tensor, b: Tensor, c: Tensor, d: null): Tensor {
        expect([c.sum().item(), d]).toEqual([0, null]);
        return a.mul(b.sum());
      }
    }
    const g = grad((t: Tensor) => {
      const [a, b, c, d] = Several.apply(t);
      expect([a === t, d]).toEqual([false, 'text']);
      return a.sum().add(b.sum()).add(c.sum());
    })(x);
    expectValues(g, [3], [2, 2, 2]);
  });

  it('a tensor inside of an array is a constant', () => {
    class Inside extends autograd.Function {
      static forward(ctx: Ctx, t: Tensor, list: readonly Tensor[]): Tensor {
        ctx.saveForBackward(list[0]);
        return t.mul(list[0]);
      }
      static backward(ctx: Ctx, g: Tensor): [Tensor, null] {
        return [g.mul(ctx.savedTensors[0]), null];
      }
    }
    expectClose(grad((t: Tensor) => Inside.apply(t, [t]).sum())(x), x);
    expectClose(vmap(grad((t: Tensor) => Inside.apply(t, [t]).sum()))(batch), batch);
  });

  it('saveForForward is for jvp alone', () => {
    class Forward extends autograd.Function {
      static forward(ctx: Ctx, t: Tensor): Tensor {
        ctx.saveForForward(t, null);
        return t.square();
      }
      static jvp(ctx: Ctx, d: Tensor): Tensor {
        const [t, none] = ctx.savedTensors;
        expect(none).toBeNull();
        return d.mul(t).mul(2);
      }
    }
    expectClose(jvp((t: Tensor) => Forward.apply(t), [x], [x])[1], x.square().mul(2));
  });

  it('a jvp of the wrong form is an error', () => {
    const bad = (make: (d: Tensor) => unknown) => {
      class Bad extends autograd.Function {
        static forward(_ctx: Ctx, t: Tensor): Tensor {
          return t.clone();
        }
        static jvp(_ctx: Ctx, d: Tensor): unknown {
          return make(d);
        }
      }
      return () => jvp((t: Tensor) => Bad.apply(t), [x], [x]);
    };
    expectError(
      bad((d) => [d, d]),
      AutogradError,
      'expected 1 but got 2',
    );
    expectError(
      bad(() => ones([2])),
      AutogradError,
      'a different size than that of the original Tensor',
    );
    expectError(
      bad(() => 1),
      AutogradError,
      'expected Variable or None (got int)',
    );
    expectValues(bad(() => null)()[1], [3], [0, 0, 0]);
  });
});

describe('onceDifferentiable', () => {
  class Once extends autograd.Function {
    static forward(ctx: Ctx, t: Tensor): Tensor {
      ctx.saveForBackward(t);
      return t.square();
    }
    static jvp(ctx: Ctx, d: Tensor): Tensor {
      return d.mul(ctx.savedTensors[0]).mul(2);
    }
    static readonly backward = autograd.onceDifferentiable((ctx: Ctx, g: Tensor) => {
      const [t] = ctx.savedTensors;
      expect(autograd.isGradEnabled()).toBe(false);
      const values = t.toTypedArray().map((v, i) => 2 * v * g.toTypedArray()[i]);
      return tensor(values, { dtype: 'float64', shape: t.shape });
    });
  }
  const f = (t: Tensor): Tensor => Once.apply(t).sum();
  const twice = 'trying to differentiate twice a function that was marked with @once_differentiable';

  it('gives first derivatives', () => {
    expectClose(grad(f)(x), x.mul(2));
    const t = x.clone().requiresGrad_();
    f(t).backward();
    expectClose(t.grad as Tensor, x.mul(2));
  });

  it('and refuses second ones', () => {
    const t = x.clone().requiresGrad_();
    const [g] = autograd.grad(f(t), t, { createGraph: true });
    expectError(() => g.sum().backward(), AutogradError, twice);
    expectError(() => grad((u: Tensor) => grad(f)(u).sum())(x), AutogradError, twice);
    expectError(() => jvp(grad(f), [x], [x]), AutogradError, twice);
  });
});

describe('many arguments', () => {
  it('more than a mask has bits', () => {
    class Sum extends autograd.Function {
      static forward(_ctx: Ctx, ...ts: Tensor[]): Tensor {
        return ts.reduce((a, b) => a.add(b));
      }
      static backward(ctx: Ctx, g: Tensor): (Tensor | null)[] {
        return ctx.needsInputGrad.map((n, i) => (n ? g.mul(i) : null));
      }
    }
    const ts = Array.from({ length: 70 }, (_, i) => tensor(i, { requiresGrad: i % 3 === 0 }));
    Sum.apply(...ts).backward();
    expect(ts.map((t) => t.grad?.item() ?? null)).toEqual(ts.map((_, i) => (i % 3 === 0 ? i : null)));
    expect(grad((t: Tensor) => Sum.apply(...ts.slice(0, 40), t))(tensor(1)).item()).toBe(40);
  });

  it('a gradient that nobody asked for may have any shape', () => {
    class First extends autograd.Function {
      static forward(_ctx: Ctx, a: Tensor, _b: Tensor): Tensor {
        return a.clone();
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor[] {
        return [g, ones([7])];
      }
    }
    const t = ones([2], { requiresGrad: true });
    First.apply(t, ones([3]))
      .sum()
      .backward();
    expectValues(t.grad, [2], [1, 1]);
  });

  it('saved-tensor hooks see what is saved', () => {
    const packed: Tensor[] = [];
    const t = x.clone().requiresGrad_();
    const y = autograd.graph.savedTensorsHooks(
      (s) => {
        packed.push(s);
        return packed.length - 1;
      },
      (i) => packed[i].mul(10),
      () => Together.apply(t, 1),
    );
    expect(packed).toEqual([t]);
    y.sum().backward();
    expectClose(t.grad as Tensor, x.square().mul(300));
  });
});

describe('memory', () => {
  const collected = (refs: readonly WeakRef<object>[]): Promise<boolean> =>
    collect(() => refs.every((r) => r.deref() === undefined));

  class Product extends autograd.Function {
    static forward(ctx: Ctx, a: Tensor, b: Tensor): Tensor {
      const y = a.mul(b);
      ctx.saveForBackward(a, b, y, a.add(b));
      ctx.y = y;
      return y;
    }
    static backward(ctx: Ctx, g: Tensor): [Tensor, Tensor] {
      const [a, b] = ctx.savedTensors;
      return [g.mul(b), g.mul(a)];
    }
  }
  const large = (): Tensor => zeros([300_000]);

  it('a dropped graph is collected, though a result is saved', async () => {
    const refs = ((): WeakRef<object>[] => {
      const [a, b] = [large().requiresGrad_(), large()];
      const y = Product.apply(a, b);
      return [a, b, y, y.gradFn as object].map((t) => new WeakRef<object>(t));
    })();
    expect(await collected(refs)).toBe(true);
  });

  it('a pass lets go of what was saved', async () => {
    class Keep extends Product {}
    const a = large().requiresGrad_();
    let ctx: unknown;
    const [ref, y] = ((): [WeakRef<object>, Tensor] => {
      const b = large();
      const z = Keep.apply(a, b);
      ctx = z.gradFn;
      return [new WeakRef<object>(b), z];
    })();
    y.sum().backward();
    expect(await collected([ref])).toBe(true);
    expect(ctx).toBe(y.gradFn);
  });

  it('gradients that a rule was shown, or made, stay', () => {
    const kept: Tensor[] = [];
    class Watch extends autograd.Function {
      static forward(_ctx: Ctx, t: Tensor): Tensor {
        return t.clone();
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        kept.push(g, g.mul(2));
        return g.mul(3);
      }
    }
    const t = zeros([3000]).requiresGrad_();
    for (let i = 0; i < 20; i++) Watch.apply(t.mul(1)).mul(i).sum().backward();
    const values = kept.map((g) => [g.min().item(), g.max().item()]);
    expect(values).toEqual(kept.map((_, i) => (i % 2 === 0 ? [i / 2, i / 2] : [i - 1, i - 1])));
  });
});
