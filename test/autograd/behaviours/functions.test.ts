import { AutogradError, autograd, enableGrad, noGrad, ones, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';
import { leaf64 } from '../../support/numbers.ts';

/* Custom functions. The number in a title is the behaviour's in the list of what PyTorch's engine does. */

type Ctx = autograd.FunctionContext;

/** Passes x through, and no gradient at all back. */
class Silent extends autograd.Function {
  static forward(_ctx: Ctx, x: Tensor): Tensor {
    return x.clone();
  }
  static backward(): null {
    return null;
  }
}

class Double extends autograd.Function {
  static forward(_ctx: Ctx, x: Tensor): Tensor {
    return x.mul(2);
  }
  static backward(_ctx: Ctx, g: Tensor): Tensor {
    return g.mul(2);
  }
}

describe('forward and backward', () => {
  it('AG186 saved tensors come back, and arguments that are no tensors get null', () => {
    const seen: unknown[] = [];
    class Scaled extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor, k: number, y: Tensor): Tensor {
        ctx.k = k;
        ctx.saveForBackward(x, y);
        return x.add(y.mul(k)).add(x.mul(y));
      }
      static backward(ctx: Ctx, g: Tensor): [Tensor, null, Tensor] {
        const [x, y] = ctx.savedTensors;
        const k = ctx.k as number;
        seen.push(x, y);
        return [g.add(g.mul(y)), null, g.mul(k).add(g.mul(x))];
      }
    }
    const [x, y] = [leaf64(1, 2, 3), leaf64(4, 5, 6)];
    const z = Scaled.apply(x, 10, y);
    expectValues(z.detach(), [3], [45, 62, 81]);
    expect(z.gradFn?.name).toBe('ScaledBackward');
    expect(z.gradFn?.nextFunctions.map(([n]) => n?.name)).toEqual(['AccumulateGrad', 'AccumulateGrad']);
    z.sum().backward();
    expectValues(x.grad, [3], [5, 6, 7]);
    expectValues(y.grad, [3], [11, 12, 13]);
    expect(seen).toEqual([x, y]);
    expect(seen[0]).toBe(x);
  });

  it('AG187 a returned argument is another tensor, made by the function', () => {
    class Same extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor): Tensor {
        return x;
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        return g.mul(2);
      }
    }
    for (const x of [leaf64(1, 2), leaf64(1, 2).mul(1)]) {
      const y = Same.apply(x);
      expect(y).not.toBe(x);
      expect(y.gradFn?.name).toBe('SameBackward');
      expect(x.isLeaf).toBe(x.gradFn === null);
      x.retainGrad();
      y.mul(4).sum().backward();
      expectValues(x.grad, [2], [8, 8]);
    }
  });

  it('AG188 null from backward is no gradient', () => {
    const x = leaf64(1);
    Silent.apply(x).backward();
    expect(x.grad).toBeNull();
  });

  const gradients: (Tensor | null)[] = [];
  class Listening extends autograd.Function {
    static forward(ctx: Ctx, x: Tensor, materialize: boolean): [Tensor, Tensor] {
      ctx.setMaterializeGrads(materialize);
      return [x.clone(), x.mul(2)];
    }
    static backward(_ctx: Ctx, ...g: (Tensor | null)[]): [Tensor, null] {
      gradients.splice(0, gradients.length, ...g);
      return [ones([2], { dtype: 'float64' }), null];
    }
  }

  it('AG189 gradients that do not arrive are zeros', () => {
    const x = leaf64(1, 2);
    Silent.apply(Listening.apply(x, true)[0]).sum().backward();
    expectValues(gradients[0], [2], [0, 0]);
    expectValues(gradients[1], [2], [0, 0]);
    expectValues(x.grad, [2], [1, 1]);
    Listening.apply(x, true)[1].sum().backward();
    expectValues(gradients[0], [2], [0, 0]);
    expectValues(gradients[1], [2], [1, 1]);
  });

  it('AG190 setMaterializeGrads(false) gives null instead', () => {
    const x = leaf64(1, 2);
    Silent.apply(Listening.apply(x, false)[0]).sum().backward();
    expect(gradients).toEqual([null, null]);
    Listening.apply(x, false)[1].sum().backward();
    expect(gradients[0]).toBeNull();
    expectValues(gradients[1], [2], [1, 1]);
  });

  it('AG197 needsInputGrad says for each argument whether a gradient is wanted', () => {
    const seen: (readonly boolean[])[] = [];
    class Asking extends autograd.Function {
      static forward(ctx: Ctx, a: Tensor, b: Tensor, _k: number, c: Tensor): Tensor {
        seen.push(ctx.needsInputGrad);
        return a.add(b).add(c);
      }
      static backward(ctx: Ctx, g: Tensor): (Tensor | null)[] {
        seen.push(ctx.needsInputGrad);
        return ctx.needsInputGrad.map((n) => (n ? g : null));
      }
    }
    const [a, b, c] = [leaf64(1), tensor([2], { dtype: 'float64' }), leaf64(3)];
    Asking.apply(a, b, 1, c).backward();
    expect(seen).toEqual([
      [true, false, false, true],
      [true, false, false, true],
    ]);
    expect([a.grad?.item(), b.grad, c.grad?.item()]).toEqual([1, null, 1]);
  });

  it('AG217 setupContext can be apart from forward', () => {
    const inputs: unknown[] = [];
    class Square extends autograd.Function {
      static forward(x: Tensor, k: number): Tensor {
        return x.square().mul(k);
      }
      static setupContext(ctx: Ctx, args: [Tensor, number], output: Tensor): void {
        inputs.push(...args, output);
        ctx.saveForBackward(args[0]);
        ctx.k = args[1];
      }
      static backward(ctx: Ctx, g: Tensor): [Tensor, null] {
        return [g.mul(ctx.savedTensors[0]).mul(2 * (ctx.k as number)), null];
      }
    }
    const x = leaf64(3);
    const y = Square.apply(x, 5);
    expect(inputs).toEqual([x, 5, y]);
    y.backward();
    expect(x.grad?.item()).toBe(30);
  });

  it('AG218 a second derivative goes through the operations of backward', () => {
    class Cube extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.pow(3);
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        const [x] = ctx.savedTensors;
        return g.mul(x.square().mul(3));
      }
    }
    const x = leaf64(2, 3);
    const [first] = autograd.grad(Cube.apply(x).sum(), x, { createGraph: true });
    expectValues(first.detach(), [2], [12, 27]);
    const [second] = autograd.grad(first.sum(), x, { createGraph: true });
    expectValues(second.detach(), [2], [12, 18]);
    expectValues(autograd.grad(second.sum(), x)[0], [2], [6, 6]);
  });

  it('AG220 what forward changes in place is no part of the graph around', () => {
    class Inner extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor): Tensor {
        const y = x.clone();
        y.mul_(3);
        const view = y.slice(0, 0, 1);
        view.add_(1);
        return y;
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        return g.mul(100);
      }
    }
    const x = leaf64(1, 2);
    const y = Inner.apply(x);
    expectValues(y.detach(), [2], [4, 6]);
    expect(y.gradFn?.name).toBe('InnerBackward');
    y.sum().backward();
    expectValues(x.grad, [2], [100, 100]);
  });

  it('AG177 forward runs unrecorded, backward recorded only with createGraph', () => {
    const modes: boolean[] = [];
    class Mode extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor): Tensor {
        modes.push(autograd.isGradEnabled());
        return x.mul(1);
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        modes.push(autograd.isGradEnabled());
        return g.mul(1);
      }
    }
    const x = leaf64(1);
    Mode.apply(x).backward();
    autograd.grad(Mode.apply(x), x, { createGraph: true });
    expect(modes).toEqual([false, false, false, true]);
    expect(autograd.isGradEnabled()).toBe(true);
    expect(noGrad(() => Mode.apply(x)).requiresGrad).toBe(false);
  });
});

describe('what backward returns', () => {
  function returning(make: (g: Tensor) => unknown): (...xs: Tensor[]) => Tensor {
    class M extends autograd.Function {
      static forward(_ctx: Ctx, ...xs: Tensor[]): Tensor {
        return xs.reduce((a, b) => a.add(b));
      }
      static backward(_ctx: Ctx, g: Tensor): unknown {
        return make(g);
      }
    }
    return (...xs) => M.apply(...xs);
  }
  const matrix = (): Tensor => ones([5, 5], { requiresGrad: true });

  it('AG191 too few gradients are an error with both counts', () => {
    const f = returning((g) => g);
    expectError(
      () => f(leaf64(1), leaf64(2)).backward(),
      AutogradError,
      'function MBackward returned an incorrect number of gradients (expected 2, got 1)',
    );
    expectError(() => returning((g) => [g, g])(leaf64(1)).backward(), AutogradError, '(expected 1, got 2)');
  });

  it('AG192 more that are null are accepted', () => {
    const x = leaf64(1);
    returning((g) => [g, null, undefined])(x).backward();
    expect(x.grad?.item()).toBe(1);
  });

  it('AG193 a gradient of the wrong shape is an error', () => {
    const message =
      'Function MBackward returned an invalid gradient at index 0 - got [10] but expected shape compatible with [5, 5]';
    expectError(
      () =>
        returning(() => ones([10]))(matrix())
          .sum()
          .backward(),
      AutogradError,
      message,
    );
    expectError(
      () =>
        returning(() => ones([5]))(matrix())
          .sum()
          .backward(),
      AutogradError,
      'got [5]',
    );
    expectError(
      () =>
        returning((g) => [g, ones([3])])(matrix(), matrix())
          .sum()
          .backward(),
      AutogradError,
      'index 1',
    );
  });

  it('AG194 one that is broadcast is summed to the shape of the argument', () => {
    const [x, y] = [ones([1, 3], { requiresGrad: true }), ones([], { requiresGrad: true })];
    returning(() => [ones([4, 2, 3]), ones([4, 2, 3])])(x, y)
      .sum()
      .backward();
    expectValues(x.grad, [1, 3], [8, 8, 8]);
    expectValues(y.grad, [], [24]);
  });

  it('AG195 anything but a tensor or null is an error', () => {
    expectError(() => returning(() => 5)(leaf64(1)).backward(), AutogradError, 'expected Variable or None (got int)');
    expectError(() => returning(() => 'a')(leaf64(1)).backward(), AutogradError, 'expected Variable or None (got str)');
    class Two extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor, _k: number): Tensor {
        return x.clone();
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor[] {
        return [g, g];
      }
    }
    expectError(
      () => Two.apply(leaf64(1), 2).backward(),
      AutogradError,
      'returned a gradient different from None at position 2, but the corresponding forward input was not a Variable',
    );
  });

  it('AG196 an error in backward comes out as it is, and leaves the graph in order', () => {
    class Sorry extends Error {}
    let fails = true;
    const f = returning((g) => {
      if (fails) throw new Sorry('Simulate error on backward pass');
      return g;
    });
    const x = leaf64(1);
    const y = f(x);
    expectError(() => y.backward(), Sorry, 'Simulate error on backward pass');
    fails = false;
    y.backward();
    expect(x.grad?.item()).toBe(1);
  });

  it('AG221 also from a backward pass inside of backward', () => {
    class Failing extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor): Tensor {
        return x.clone();
      }
      static backward(): never {
        throw new RangeError('Simulate error');
      }
    }
    class Reentrant extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor): Tensor {
        return x.clone();
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        enableGrad(() => Failing.apply(leaf64(1)).mul(2)).backward();
        return g;
      }
    }
    const x = leaf64(1);
    const y = Reentrant.apply(x);
    expectError(() => y.add(Double.apply(x)).backward(), RangeError, 'Simulate error');
    const before = autograd.isGradEnabled();
    Double.apply(x).backward();
    expect([before, x.grad?.item()]).toEqual([true, 2]);
  });
});

describe('results', () => {
  it('AG198 other values pass through, and have null among the gradients', () => {
    const seen: unknown[] = [];
    class Mixed extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor, flag: boolean): [null, Tensor, boolean, string, number, Tensor] {
        return [null, x.mul(2), flag, 'text', 3, x.mul(5)];
      }
      static backward(_ctx: Ctx, ...g: (Tensor | null)[]): [Tensor, null] {
        seen.push(...g.map((t) => t?.item() ?? t));
        return [(g[1] as Tensor).mul(2).add((g[5] as Tensor).mul(5)), null];
      }
    }
    const x = leaf64(1);
    const [none, a, flag, text, number, b] = Mixed.apply(x, true);
    expect([none, flag, text, number]).toEqual([null, true, 'text', 3]);
    a.add(b).backward();
    expect(seen).toEqual([null, 1, null, null, null, 1]);
    expect(x.grad?.item()).toBe(7);
  });

  it('AG199 without any tensor among the arguments it is a plain call', () => {
    class Plain extends autograd.Function {
      static forward(_ctx: Ctx, a: number, b: string): [number, string, Tensor] {
        return [a + 1, b, ones([2])];
      }
      static backward(): null[] {
        return [null, null];
      }
    }
    const [n, s, t] = Plain.apply(1, 'b');
    expect([n, s, t.requiresGrad]).toEqual([2, 'b', false]);
  });

  it('AG200 markNonDifferentiable: no gradient flows to it, and its gradient is zeros', () => {
    const seen: (Tensor | null)[] = [];
    class Marked extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): [Tensor, Tensor] {
        const [a, b] = [x.add(1), x.add(2)];
        ctx.markNonDifferentiable(a);
        return [a, b];
      }
      static backward(_ctx: Ctx, ga: Tensor, gb: Tensor): Tensor {
        seen.push(ga, gb);
        return gb;
      }
    }
    const x = leaf64(1, 2);
    const [a, b] = Marked.apply(x);
    expect([a.requiresGrad, a.gradFn, b.requiresGrad]).toEqual([false, null, true]);
    b.sum().backward();
    expectValues(seen[0], [2], [0, 0]);
    expectValues(seen[1], [2], [1, 1]);
    expectValues(x.grad, [2], [1, 1]);
  });

  it('AG201 integers are not differentiable', () => {
    class Argmax extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor): [Tensor, Tensor] {
        return [x.argmax(), x.max()];
      }
      static backward(_ctx: Ctx, gi: Tensor, g: Tensor): Tensor {
        expect(gi.item()).toBe(0);
        return g.expand([2]);
      }
    }
    const x = leaf64(1, 2);
    const [i, m] = Argmax.apply(x);
    expect([i.requiresGrad, i.dtype, m.requiresGrad]).toEqual([false, 'int32', true]);
    m.backward();
    expectValues(x.grad, [2], [1, 1]);
  });

  it('AG207 an argument returned twice as it came is two results', () => {
    class Twice extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor): [Tensor, Tensor] {
        return [x, x];
      }
      static backward(_ctx: Ctx, a: Tensor, b: Tensor): Tensor {
        return a.add(b.mul(3));
      }
    }
    const x = leaf64(1, 2);
    const [a, b] = Twice.apply(x);
    expect(a).not.toBe(b);
    a.add(b.mul(10)).sum().backward();
    expectValues(x.grad, [2], [31, 31]);
  });

  it('AG207 a tensor returned twice is one object, and both gradients arrive', () => {
    class Twice extends autograd.Function {
      static forward(_ctx: Ctx, x: Tensor): [Tensor, Tensor] {
        const y = x.mul(2);
        return [y, y];
      }
      static backward(_ctx: Ctx, a: Tensor, b: Tensor): Tensor {
        return a.mul(2).add(b.mul(2));
      }
    }
    const x = leaf64(1, 2);
    const [a, b] = Twice.apply(x);
    expect(a).toBe(b);
    a.add(b).sum().backward();
    expectValues(x.grad, [2], [4, 4]);
  });
});
