import {
  ArgumentError,
  AutogradError,
  autograd,
  checkpoint,
  enableGrad,
  grad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  ones,
  rand,
  setGradEnabled,
  stack,
  type Tensor,
  tensor,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';
import { leaf64 } from '../../support/numbers.ts';

describe('grad modes', () => {
  it('AG170 results of noGrad do not require grad, have no gradFn, and cannot be differentiated', () => {
    const x = leaf64(1, 2);
    const y = noGrad(() => x.mul(2).sum());
    expect([y.requiresGrad, y.gradFn, y.isLeaf]).toEqual([false, null, true]);
    expectError(() => y.backward(), AutogradError, 'does not require grad');
    // Such a result is a constant to what comes later.
    x.mul(y).sum().backward();
    expectValues(x.grad, [2], [6, 6]);
  });

  it('AG171 noGrad wraps a function, and decorates a method', () => {
    const x = leaf64(1, 2);
    const double = (t: Tensor): Tensor => noGrad(() => t.mul(2));
    expect(double(x).requiresGrad).toBe(false);

    class Model {
      readonly scale = 3;
      evaluate(t: Tensor, times: number): Tensor {
        return t.mul(this.scale * times);
      }
    }
    // What `@noGrad evaluate(…)` does.
    const evaluate = noGrad(Model.prototype.evaluate, { kind: 'method' });
    const y = evaluate.call(new Model(), x, 2);
    expect(y.requiresGrad).toBe(false);
    expectValues(y, [2], [6, 12]);
    expect(enableGrad(Model.prototype.evaluate, { kind: 'method' }).call(new Model(), x, 1).requiresGrad).toBe(true);
    expect(inferenceMode(Model.prototype.evaluate, { kind: 'method' }).call(new Model(), x, 1).isInference()).toBe(
      true,
    );
    expectError(() => noGrad(Model as never, { kind: 'class' } as never), ArgumentError, 'it is for methods');
  });

  it('AG172 enableGrad inside noGrad records again; modes nest and are put back, also after errors', () => {
    const x = leaf64(1);
    const seen: boolean[] = [];
    noGrad(() => {
      seen.push(x.mul(2).requiresGrad);
      enableGrad(() => {
        seen.push(x.mul(2).requiresGrad);
        try {
          noGrad(() => {
            seen.push(isGradEnabled());
            throw new RangeError('out');
          });
        } catch {
          seen.push(isGradEnabled());
        }
      });
      seen.push(isGradEnabled());
    });
    expect(seen).toEqual([false, true, false, true, false]);
    expect(isGradEnabled()).toBe(true);
  });

  it('AG173 setGradEnabled is a function and holds for a block', () => {
    const x = leaf64(1);
    setGradEnabled(false);
    expect([isGradEnabled(), x.mul(2).requiresGrad]).toEqual([false, false]);
    setGradEnabled(true);
    expect(x.mul(2).requiresGrad).toBe(true);
    {
      using _ = setGradEnabled(false);
      expect(isGradEnabled()).toBe(false);
    }
    expect([isGradEnabled(), setGradEnabled(false, () => isGradEnabled())]).toEqual([true, false]);
  });

  it('AG174 the body of a generator runs in the mode, and its consumer does not', () => {
    const seen: boolean[] = [];
    const values = noGrad(function* (): Generator<number, string, number> {
      for (let i = 0; i < 2; i++) {
        seen.push(isGradEnabled());
        const sent = yield i;
        seen.push(sent === 10 * i);
      }
      return 'end';
    });
    expect(values.next(0)).toEqual({ value: 0, done: false });
    expect(isGradEnabled()).toBe(true);
    expect(values.next(0)).toEqual({ value: 1, done: false });
    noGrad(() => expect(isGradEnabled()).toBe(false));
    expect(values.next(10)).toEqual({ value: 'end', done: true });
    expect(seen).toEqual([false, true, false, true]);
    expect(isGradEnabled()).toBe(true);
    // The consumer's own mode is left as it is, either way.
    const inner = noGrad(() =>
      enableGrad(() =>
        (function* () {
          yield isGradEnabled();
        })(),
      ),
    );
    expect([...inner]).toEqual([true]);
  });

  it('AG175 the mode is put back when a generator throws or is closed', () => {
    const log: string[] = [];
    const make = (): Generator<number> =>
      noGrad(function* () {
        try {
          yield 1;
          throw new RangeError('inside');
        } catch (e) {
          log.push(`${(e as Error).message} ${isGradEnabled()}`);
          yield 2;
        } finally {
          log.push(`finally ${isGradEnabled()}`);
        }
      });
    expect([...make()]).toEqual([1, 2]);
    const thrown = make();
    thrown.next();
    expect(thrown.throw(new RangeError('from outside')).value).toBe(2);
    expect(isGradEnabled()).toBe(true);
    const closed = make();
    for (const value of closed) {
      expect([value, isGradEnabled()]).toEqual([1, true]);
      break;
    }
    expect(log).toEqual(['inside false', 'finally false', 'from outside false', 'finally false']);
    const broken = noGrad(function* (): Generator<number> {
      yield 1;
      throw new RangeError('uncaught');
    });
    broken.next();
    expectError(() => broken.next(), RangeError, 'uncaught');
    expect(isGradEnabled()).toBe(true);
    expectError(
      () =>
        noGrad(async function* () {
          yield 1;
        }),
      AutogradError,
      'returned an async iterator',
    );
  });

  it('AG176 a custom backward runs unrecorded, and recorded with createGraph', () => {
    const modes: boolean[] = [];
    class Double extends autograd.Function {
      static forward(_ctx: autograd.FunctionContext, x: Tensor): Tensor {
        return x.mul(2);
      }
      static backward(_ctx: autograd.FunctionContext, g: Tensor): Tensor {
        modes.push(isGradEnabled());
        return g.mul(2);
      }
    }
    const x = leaf64(1);
    Double.apply(x).backward();
    autograd.grad(Double.apply(x), x, { createGraph: true });
    expect(modes).toEqual([false, true]);
    noGrad(() => {
      const y = enableGrad(() => Double.apply(x));
      autograd.grad(y, x, { createGraph: true });
      expect(isGradEnabled()).toBe(false);
    });
    expect([modes[2], isGradEnabled()]).toEqual([true, true]);
  });

  it('AG177 the forward of a custom function runs unrecorded', () => {
    const modes: boolean[] = [];
    class Same extends autograd.Function {
      static forward(_ctx: autograd.FunctionContext, x: Tensor): Tensor {
        modes.push(isGradEnabled(), x.mul(2).requiresGrad);
        return x.clone();
      }
      static backward(_ctx: autograd.FunctionContext, g: Tensor): Tensor {
        return g;
      }
    }
    expect(Same.apply(leaf64(1)).requiresGrad).toBe(true);
    expect(modes).toEqual([false, false]);
  });

  it('AG178 a custom function applied in noGrad gives a result without grad', () => {
    class Same extends autograd.Function {
      static forward(_ctx: autograd.FunctionContext, x: Tensor): Tensor {
        return x.clone();
      }
      static backward(_ctx: autograd.FunctionContext, g: Tensor): Tensor {
        return g;
      }
    }
    const y = noGrad(() => Same.apply(leaf64(1)));
    expect([y.requiresGrad, y.gradFn]).toEqual([false, null]);
  });
});

describe('inference mode', () => {
  it('AG180 tensors made in it are inference tensors, without a version counter', () => {
    const x = leaf64(1, 2);
    const [made, computed, wanting] = inferenceMode(() => [ones([2]), x.mul(x), ones([2], { requiresGrad: true })]);
    expect([made, computed, wanting].map((t) => t.isInference())).toEqual([true, true, true]);
    expect([made, computed, wanting].map((t) => t.requiresGrad)).toEqual([false, false, true]);
    expect([x.isInference(), rand([1]).isInference()]).toEqual([false, false]);
    expectError(() => made.version, AutogradError, 'Inference tensors do not track version counter.');
    // A view of one is one, anywhere, and is none that follows; what is computed outside is normal.
    const view = made.view([2, 1]);
    expect([view.isInference(), view.requiresGrad, view.isLeaf, view.isView()]).toEqual([true, false, true, false]);
    const y = wanting.mul(wanting);
    expect([y.isInference(), y.requiresGrad, y.isLeaf]).toEqual([false, false, true]);
    expect(made.clone().isInference()).toBe(false);
    expect(made.detach().isInference()).toBe(true);
  });

  it('AG180 recording has no effect inside, though it can be asked for', () => {
    const x = leaf64(1, 2);
    inferenceMode(() => {
      expect(isGradEnabled()).toBe(false);
      enableGrad(() => {
        expect(isGradEnabled()).toBe(true);
        expect([x.mul(x).requiresGrad, x.mul(x).isInference()]).toEqual([false, true]);
      });
      expect(isGradEnabled()).toBe(false);
    });
    expect([isGradEnabled(), x.mul(x).requiresGrad]).toEqual([true, true]);
  });

  it('AG181 nests; inferenceMode(false) inside goes back to recording', () => {
    const x = leaf64(1, 2);
    expect(isInferenceModeEnabled()).toBe(false);
    {
      using _ = inferenceMode();
      expect(isInferenceModeEnabled()).toBe(true);
      inferenceMode(false, () => {
        const y = x.mul(x);
        expect([isInferenceModeEnabled(), isGradEnabled(), y.requiresGrad, y.isInference()]).toEqual([
          false,
          true,
          true,
          false,
        ]);
        y.sum().backward();
      });
      expect([isInferenceModeEnabled(), x.mul(x).requiresGrad]).toEqual([true, false]);
    }
    expect(isInferenceModeEnabled()).toBe(false);
    expectValues(x.grad, [2], [2, 4]);
    noGrad(() => expect(inferenceMode(false, () => isGradEnabled())).toBe(true));
    expectError(
      () =>
        inferenceMode(() => {
          throw new RangeError('out');
        }),
      RangeError,
      'out',
    );
    expect([isInferenceModeEnabled(), isGradEnabled()]).toEqual([false, true]);
    expectError(() => inferenceMode(1 as never), ArgumentError, 'inferenceMode: expected true, false or a function');
    expectError(() => inferenceMode(async () => 1), AutogradError, 'returned a promise');
  });

  it('AG182 an inference tensor cannot be changed in place outside', () => {
    const [c, wanting] = inferenceMode(() => [ones([2]), ones([2], { requiresGrad: true })]);
    const message = 'Inplace update to inference tensor outside InferenceMode is not allowed.';
    expectError(() => c.add_(2), AutogradError, message);
    expectError(() => c.view([2, 1]).zero_(), AutogradError, message);
    expectError(() => c.uniform_(), AutogradError, message);
    expectError(() => c.transpose_(0, 0), AutogradError, message);
    expectError(() => c.setAt_([0], 1), AutogradError, message);
    expectError(() => noGrad(() => c.add_(2)), AutogradError, message);
    expectError(
      () => wanting.add_(2),
      AutogradError,
      'a leaf Variable that requires grad is being used in an in-place operation',
    );
    inferenceMode(() => {
      c.add_(2).mul_(3);
      wanting.add_(1);
    });
    expectValues(c, [2], [9, 9]);
    expect([wanting.isInference(), wanting.requiresGrad]).toEqual([true, true]);
  });

  it('AG182 nor be asked to require grad', () => {
    const c = inferenceMode(() => ones([2]));
    expectError(
      () => c.requiresGrad_(),
      AutogradError,
      'Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.',
    );
    expect(c.requiresGrad_(false).requiresGrad).toBe(false);
    expect(inferenceMode(() => c.requiresGrad_().requiresGrad)).toBe(true);
  });

  it('AG183 an inference tensor cannot be saved for backward', () => {
    const x = leaf64(1, 2);
    const c = inferenceMode(() => tensor([3, 4], { dtype: 'float64' }));
    const message =
      'Inference tensors cannot be saved for backward. To work around you can make a clone to get a normal tensor and use it in autograd';
    expectError(() => x.mul(c), AutogradError, message);
    expectError(() => x.clone().mul_(c), AutogradError, message);
    expectError(() => checkpoint((t: Tensor, u: Tensor) => t.mul(u), x, c), AutogradError, message);
    expectError(
      () =>
        autograd.graph.savedTensorsHooks(
          (t) => t,
          (t) => t,
          () => x.mul(c),
        ),
      AutogradError,
      message,
    );
    expectError(() => grad((t: Tensor) => t.mul(c).sum())(x), AutogradError, message);
    // What saves nothing takes it, and a clone can be saved.
    expectValues(x.add(c), [2], [4, 6]);
    expect([x.add(c).requiresGrad, x.add(c).isInference(), stack([x, c]).requiresGrad]).toEqual([true, false, true]);
    x.mul(c.clone()).sum().backward();
    expectValues(x.grad, [2], [3, 4]);
    // An inference tensor that requires grad gets one.
    const wanting = inferenceMode(() => tensor([1, 1], { dtype: 'float64', requiresGrad: true }));
    wanting.add(x).sum().backward();
    expectValues(wanting.grad, [2], [1, 1]);
  });

  it('AG184 a view made in it of a normal tensor cannot be changed in place outside', () => {
    const a = leaf64(1, 2).clone();
    const [view, other] = inferenceMode(() => [a.view([2, 1]), a.view([-1])]);
    expect([view.isInference(), view.isView(), view.base === a]).toEqual([false, true, true]);
    expectError(
      () => view.add_(2),
      AutogradError,
      'A view was created in inference mode and is being modified inplace',
    );
    const b = tensor([1, 2]);
    expectValues(inferenceMode(() => b.view([2, 1])).add_(2), [2, 1], [3, 4]);
    // Changed inside it is fine; after a change of its base outside it has no place in the graph any more.
    inferenceMode(() => other.add_(1));
    a.mul_(2);
    expectError(
      () => other.gradFn,
      AutogradError,
      'A view was created in inference mode and its base or another view of its base has been modified inplace',
    );
  });

  it('AG185 an in-place change of a normal tensor in it is counted, and noticed by backward', () => {
    const s = leaf64(1, 2);
    const a = s.clone();
    const y = a.mul(a).sum();
    inferenceMode(() => a.add_(2));
    expect([a.isInference(), a.requiresGrad, a.version]).toEqual([false, true, 1]);
    expectError(
      () => y.backward(),
      AutogradError,
      'one of the variables needed for gradient computation has been modified by an inplace operation',
    );
  });

  it('backward may run in it', () => {
    const x = leaf64(1, 2);
    const y = x.mul(x).sum();
    inferenceMode(() => y.backward());
    expectValues(x.grad, [2], [2, 4]);
    const z = checkpoint((t: Tensor) => t.sin().exp().sum(), x);
    inferenceMode(() => z.backward());
    expectValues(
      x.grad,
      [2],
      [1, 2].map((v) => 2 * v + Math.cos(v) * Math.exp(Math.sin(v))),
    );
  });
});
