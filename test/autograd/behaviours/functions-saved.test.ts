import { setTimeout as sleep } from 'node:timers/promises';
import {
  ArgumentError,
  AutogradError,
  autograd,
  cat,
  jvp,
  NotImplementedError,
  noGrad,
  ones,
  type Tensor,
  tensor,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';
import { leaf64 } from '../../support/numbers.ts';

/*
 * Custom functions that change what they are given, keep tensors, or lack something. The number in a title is the
 * behaviour's in the list of what PyTorch's engine does.
 */

type Ctx = autograd.FunctionContext;
const tracked = (...values: number[]): Tensor => leaf64(...values).mul(1);

describe('in place', () => {
  class DoubleInPlace extends autograd.Function {
    static forward(ctx: Ctx, x: Tensor): Tensor {
      ctx.markDirty(x);
      return x.mul_(2);
    }
    static backward(_ctx: Ctx, g: Tensor): Tensor {
      return g.mul(2);
    }
  }

  it('AG202 markDirty: the argument is the result, with a new history', () => {
    const x = leaf64(1, 2);
    const y = x.mul(3);
    const z = DoubleInPlace.apply(y);
    expect(z).toBe(y);
    expect(y.gradFn?.name).toBe('DoubleInPlaceBackward');
    expect(y.gradFn?.nextFunctions[0][0]?.name).toBe('MulBackward0');
    expectValues(y.detach(), [2], [6, 12]);
    y.square().sum().backward();
    expectValues(x.grad, [2], [2 * 6 * 6, 2 * 12 * 6]);
  });

  it('AG203 a leaf that requires grad cannot be changed', () => {
    expectError(() => DoubleInPlace.apply(leaf64(1)), AutogradError, 'a leaf Variable that requires grad');
    const w = leaf64(1);
    noGrad(() => DoubleInPlace.apply(w));
    expect([w.item(), w.isLeaf, w.requiresGrad]).toEqual([2, true, true]);
  });

  it('AG204 what was marked must be returned', () => {
    class Lost extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.markDirty(x);
        x.add_(1);
        return x.clone();
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        return g;
      }
    }
    expectError(
      () => Lost.apply(tracked(1)),
      AutogradError,
      'Some elements marked as dirty during the forward method were not returned as output.',
    );
  });

  it('AG205 a view cannot be changed by a function with several results', () => {
    class Two extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): [Tensor, Tensor] {
        ctx.markDirty(x);
        return [x.mul_(2), x.clone()];
      }
      static backward(_ctx: Ctx, a: Tensor, b: Tensor): Tensor {
        return a.mul(2).add(b);
      }
    }
    expectError(
      () => Two.apply(tracked(1, 2).slice(0, 0, 1)),
      AutogradError,
      'your Function modifies inplace an input that is a view of another Tensor',
    );
    const x = tracked(1, 2);
    expect(Two.apply(x)[0]).toBe(x);
  });

  it('of a view, the change is one of what it views', () => {
    const x = leaf64(1, 2, 3);
    const b = x.mul(3);
    const v = b.slice(0, 0, 2);
    expect(DoubleInPlace.apply(v)).toBe(v);
    expectValues(b.detach(), [3], [6, 12, 9]);
    expect(b.gradFn?.name).toBe('CopySlices');
    b.square().sum().backward();
    expectValues(x.grad, [3], [2 * 6 * 6, 2 * 12 * 6, 2 * 9 * 3]);
    expectError(() => DoubleInPlace.apply(leaf64(1, 2).slice(0, 0, 1)), AutogradError, 'a view of a leaf Variable');
    // The base comes to need a gradient through another argument.
    class CopyInto extends autograd.Function {
      static forward(ctx: Ctx, to: Tensor, from: Tensor): Tensor {
        ctx.markDirty(to);
        return to.copy_(from);
      }
      static backward(_ctx: Ctx, g: Tensor): [null, Tensor] {
        return [null, g];
      }
    }
    const [c, y] = [tensor([1, 2, 3], { dtype: 'float64' }), leaf64(5)];
    CopyInto.apply(c.slice(0, 1, 2), y);
    expect(c.requiresGrad).toBe(true);
    c.mul(tensor([1, 10, 100], { dtype: 'float64' }))
      .sum()
      .backward();
    expect(y.grad?.item()).toBe(10);
  });

  it('AG206 a view that a function returned cannot be changed', () => {
    class V extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor, how: 'slice' | 'same'): Tensor {
        return how === 'slice' ? x.slice(0, 0, 1) : x;
      }
      static backward(_ctx: Ctx, g: Tensor): [Tensor, null] {
        return [g.expand([2]), null];
      }
    }
    const message =
      'Output 0 of VBackward is a view and is being modified inplace. This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients.';
    for (const x of [leaf64(1, 2), tracked(1, 2)])
      for (const how of ['slice', 'same'] as const) expectError(() => V.apply(x, how).mul_(2), AutogradError, message);
    const x = tracked(1, 2);
    const y = V.apply(x, 'slice');
    x.mul_(2);
    expectError(() => y.mul(1), AutogradError, 'its base or another view of its base has been modified inplace');
    // Outside the graph it is a view like any other.
    const plain = tensor([1, 2]);
    V.apply(plain, 'same').mul_(2);
    expectValues(plain, [2], [2, 4]);
  });

  it('nor one of several', () => {
    class Parts extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor): [Tensor, Tensor] {
        return [x.slice(0, 0, 1), x.slice(0, 1, 2)];
      }
      static backward(_ctx: Ctx, a: Tensor, b: Tensor): Tensor {
        return cat([a, b]);
      }
    }
    const x = tracked(1, 2);
    expectError(() => Parts.apply(x)[1].mul_(2), AutogradError, 'a function that returns multiple views');
  });
});

describe('saved tensors', () => {
  function saving(save: (ctx: Ctx, x: Tensor) => void, use: (ctx: Ctx, g: Tensor) => Tensor): (x: Tensor) => Tensor {
    class Saving extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        save(ctx, x);
        return x.clone();
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        return use(ctx, g);
      }
    }
    return (x) => Saving.apply(x);
  }

  it('AG208 nulls keep their places', () => {
    const x = leaf64(3);
    let seen: readonly unknown[] = [];
    const f = saving(
      (ctx, t) => ctx.saveForBackward(null, t, null),
      (ctx, g) => {
        seen = ctx.savedTensors;
        return g;
      },
    );
    f(x).backward();
    expect(seen).toEqual([null, x, null]);
  });

  it('AG209 only tensors can be saved', () => {
    const f = saving(
      (ctx) => ctx.saveForBackward(5 as never),
      (_ctx, g) => g,
    );
    expectError(
      () => f(leaf64(1)),
      ArgumentError,
      'save_for_backward can only save variables, but argument 0 is of type int',
    );
  });

  it('AG210 a change in place between forward and backward is noticed', () => {
    const f = saving(
      (ctx, x) => ctx.saveForBackward(x),
      (ctx, g) => g.mul(ctx.savedTensors[0]),
    );
    const x = tracked(1, 2);
    const y = f(x);
    x.add_(1);
    expectError(() => y.sum().backward(), AutogradError, 'modified by an inplace operation');
    // Unless backward does not look at it.
    const unread = saving(
      (ctx, t) => ctx.saveForBackward(t),
      (_ctx, g) => g,
    );
    const z = tracked(1);
    const w = unread(z);
    z.add_(1);
    w.backward();
  });

  it('AG211 they are gone when the graph is', () => {
    let ctx: Ctx | undefined;
    const f = saving(
      (c, x) => {
        c.saveForBackward(x);
        ctx = c;
      },
      (c, g) => g.mul(c.savedTensors[0]),
    );
    const x = leaf64(1);
    const y = f(x);
    y.backward({ retainGraph: true });
    expect(ctx?.savedTensors[0]).toBe(x);
    y.backward();
    expectError(() => ctx?.savedTensors, AutogradError, 'after they have already been freed');
    expectError(() => y.backward(), AutogradError, 'Trying to backward through the graph a second time');
  });

  it('AG219 a saved result makes no lasting cycle', async () => {
    class Exp extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        const y = x.exp();
        ctx.saveForBackward(x, y);
        ctx.result = y;
        return y;
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        return g.mul(ctx.savedTensors[1]);
      }
    }
    const refs = (() => {
      const x = leaf64(1);
      const y = Exp.apply(x);
      return [x, y, y.gradFn as object].map((t) => new WeakRef<object>(t));
    })();
    for (let i = 0; i < 50 && refs.some((r) => r.deref() !== undefined); i++) {
      await sleep(2);
      gc?.();
      await sleep(2);
    }
    expect(refs.map((r) => r.deref())).toEqual([undefined, undefined, undefined]);
  });

  it('AG222 clearSavedTensorsOnAccess: they can be read once', () => {
    class Once extends autograd.Function {
      static readonly clearSavedTensorsOnAccess = true;
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.clone();
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        const [x] = ctx.savedTensors;
        expectError(() => ctx.savedTensors, AutogradError, 'can only be accessed once');
        return g.mul(x);
      }
    }
    const x = leaf64(3);
    const y = Once.apply(x);
    y.backward({ retainGraph: true });
    expect(x.grad?.item()).toBe(3);
    expectError(() => y.backward(), AutogradError, 'can only be accessed once');
  });
});

describe('what is missing', () => {
  class Empty extends autograd.Function {
    static forward(_ctx: Ctx, x: Tensor): Tensor {
      return x.clone();
    }
  }

  it('AG212 forward', () => {
    class None extends autograd.Function {}
    expectError(
      () => (None as unknown as typeof Empty).apply(leaf64(1)),
      NotImplementedError,
      'You must implement the forward function for custom autograd.Function.',
    );
  });

  it('AG213 backward', () => {
    const y = Empty.apply(leaf64(1));
    expectError(
      () => y.backward(),
      NotImplementedError,
      'You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD.',
    );
  });

  it('AG215 jvp', () => {
    expectError(
      () => jvp((x: Tensor) => Empty.apply(x), [leaf64(1).detach()], [ones([1], { dtype: 'float64' })]),
      NotImplementedError,
      'You must implement the jvp function for custom autograd.Function to use it with forward mode AD.',
    );
  });

  it('AG272 a jvp gets null for what is no tensor', () => {
    const seen: unknown[] = [];
    class Scale extends autograd.Function {
      static forward(ctx: Ctx, k: number, x: Tensor, _name: string, y: Tensor): Tensor {
        ctx.k = k;
        return x.mul(k).add(y);
      }
      static jvp(ctx: Ctx, ...[k, x, name, y]: (Tensor | null)[]): Tensor {
        seen.push(k, name, y?.item());
        return (x as Tensor).mul(ctx.k as number).add(y as Tensor);
      }
    }
    const one = ones([1], { dtype: 'float64' });
    const [value, tangent] = jvp((x: Tensor) => Scale.apply(3, x, 'name', one), [one], [one.mul(2)]);
    expect([value.item(), tangent.item()]).toEqual([4, 6]);
    expect(seen).toEqual([null, null, 0]);
  });

  it('AG216 a static forward, for a function of the old kind', () => {
    class Legacy extends autograd.Function {
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    expectError(
      () => new Legacy(),
      AutogradError,
      'Legacy autograd function with non-static forward method is deprecated.',
    );
  });

  it('AG214 or a choice between backward and vjp', () => {
    class Both extends Empty {
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        return g;
      }
      static vjp(_ctx: Ctx, g: Tensor): Tensor {
        return g;
      }
    }
    expectError(
      () => Both.apply(leaf64(1)).backward(),
      AutogradError,
      "Implementing both 'backward' and 'vjp' for a custom Function is not allowed.",
    );
    class Vjp extends Empty {
      static vjp(_ctx: Ctx, g: Tensor): Tensor {
        return g.mul(7);
      }
    }
    const x = leaf64(1);
    Vjp.apply(x).backward();
    expect(x.grad?.item()).toBe(7);
  });
});
