import {
  AutogradError,
  autograd,
  elementwise,
  functional,
  NotImplementedError,
  setWarningHandler,
  type Tensor,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { apply1 } from '../../../src/core/apply.ts';
import { defineOp, notImplemented, type Op } from '../../../src/core/op.ts';
import { expectError, expectValues } from '../../support/close.ts';
import { leaf64 } from '../../support/numbers.ts';

/* How long a graph lives, and derivatives of derivatives. */

/** The warnings that `body` gives. */
function warningsOf(body: () => unknown): string[] {
  const given: string[] = [];
  const before = setWarningHandler((message) => void given.push(message));
  try {
    body();
  } finally {
    setWarningHandler(before);
  }
  return given;
}

describe('a graph after a pass', () => {
  it('AG053 AG054 is freed: a second pass is an error that says how to keep it', () => {
    const y = leaf64(1, 2).exp().sum();
    y.backward();
    for (const message of [
      'Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed).',
      'Specify retainGraph: true if you need to backward through the graph a second time',
    ])
      expectError(() => y.backward(), AutogradError, message);
  });

  it('AG055 is kept by retainGraph; the last pass may free it', () => {
    const x = leaf64(1, 2);
    const y = x.square().sum();
    y.backward({ retainGraph: true });
    y.backward({ retainGraph: true });
    y.backward();
    expectValues(x.grad, [2], [6, 12]);
    expectError(() => y.backward(), AutogradError, 'a second time');
  });

  it('AG056 can be run again where nothing was saved', () => {
    const x = leaf64(1, 2);
    const y = x.add(1).neg().sum();
    y.backward();
    y.backward();
    expectValues(x.grad, [2], [-2, -2]);
  });

  it('AG056 can be run again where only settings are kept', () => {
    const x = leaf64(1, 2);
    const y = leaf64(3, 4);
    const z = x.add(y, { alpha: 0.5 }).sub(x, { alpha: 0.25 }).lerp(y, 0.25).sum();
    z.backward();
    z.backward();
    expectValues(x.grad, [2], [1.125, 1.125]);
    expectValues(y.grad, [2], [1.25, 1.25]);
    // A factor is saved as PyTorch saves it.
    const scaled = x.mul(2).sum();
    scaled.backward();
    expectError(() => scaled.backward(), AutogradError, 'a second time');
  });

  it('does not need results that PyTorch does not save, which may be changed in place', () => {
    const x = leaf64(1, 2, 4);
    const w = leaf64(2, 4, 8);
    const y = x.var();
    y.add_(1);
    const z = x.div(w);
    z.mul_(2);
    const s = functional.softsign(x);
    s.add_(1);
    const n = functional.layerNorm(x, [3]);
    n.relu_();
    y.add(z.sum()).add(s.sum()).add(n.sum()).backward();
    const again = leaf64(1, 2, 4);
    const other = leaf64(2, 4, 8);
    again
      .var()
      .add(again.div(other).mul(2).sum())
      .add(functional.softsign(again).sum())
      .add(functional.layerNorm(again, [3]).relu().sum())
      .backward();
    expectValues(x.grad, [3], again.grad?.toArray() as number[]);
    expectValues(w.grad, [3], other.grad?.toArray() as number[]);
  });

  it('AG057 AG065 is kept by createGraph, which is what retainGraph defaults to', () => {
    const x = leaf64(1, 2);
    const y = x.square().sum();
    autograd.grad(y, x, { createGraph: true });
    autograd.grad(y, x, { createGraph: true, retainGraph: false });
    expectError(() => autograd.grad(y, x), AutogradError, 'a second time');
  });
});

describe('gradients of gradients', () => {
  it('AG058 AG059 createGraph makes gradients part of a graph, otherwise they are not', () => {
    const x = leaf64(1, 2);
    const y = x.square().mul(x).sum();
    const [g] = autograd.grad(y, x, { createGraph: true });
    expect([g.requiresGrad, g.gradFn === null]).toEqual([true, false]);
    expectValues(autograd.grad(g.sum(), x)[0], [2], [6, 12]);
    const [plain] = autograd.grad(x.square().sum(), x);
    expect([plain.requiresGrad, plain.gradFn]).toEqual([false, null]);
  });

  it('AG060 AG061 backward with createGraph accumulates differentiable gradients, and warns', () => {
    const x = leaf64(1, 2);
    const y = x.square().mul(x).sum();
    const given = warningsOf(() => y.backward({ createGraph: true }));
    expect(given).toHaveLength(1);
    expect(given[0]).toContain(
      'Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient',
    );
    const g = x.grad as Tensor;
    expect(g.requiresGrad).toBe(true);
    expectValues(autograd.grad(g.sum(), x, { retainGraph: true })[0], [2], [6, 12]);
    expect(warningsOf(() => autograd.grad(y, x, { createGraph: true }))).toEqual([]);
    expect(warningsOf(() => y.backward({ retainGraph: true }))).toEqual([]);
  });

  it('AG062 of a linear function do not depend on its argument', () => {
    const x = leaf64(1, 2);
    const [g] = autograd.grad(x.mul(3).sum(), x, { createGraph: true });
    expectError(() => autograd.grad(g.sum(), x), AutogradError, 'does not require grad');
    expect(autograd.grad(g.sum().add(leaf64(1).sum()), x, { allowUnused: true })).toEqual([null]);
  });

  it('AG063 of a function of the user’s own are the same each time', () => {
    class Cube extends autograd.Function {
      static forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.pow(3);
      }
      static backward(ctx: autograd.FunctionContext, g: Tensor): Tensor {
        const [x] = ctx.savedTensors;
        return g.mul(x.square()).mul(3);
      }
    }
    const x = leaf64(1, 2);
    for (const f of [(t: Tensor) => Cube.apply(t), elementwise((t) => t.pow(3))]) {
      const [g] = autograd.grad(f(x).sum(), x, { createGraph: true });
      for (let i = 0; i < 2; i++) {
        const [h] = autograd.grad(g.square().sum(), x, { retainGraph: true });
        // d (3x²)² = 36x³
        expectValues(h, [2], [36, 288]);
      }
    }
  });

  it('AG064 of any order come by the same mechanism', () => {
    const x = leaf64(2);
    let y = x.pow(5).sum();
    const values: number[] = [];
    for (let order = 1; order <= 5; order++) {
      [y] = autograd.grad(y, x, { createGraph: true });
      values.push(y.item());
      y = y.sum();
    }
    expect(values).toEqual([80, 160, 240, 240, 120]);
  });
});

describe('derivatives that are not there', () => {
  const opaque: Op<undefined> = defineOp<undefined>({
    name: 'opaque',
    inputs: ['x'],
    forward: ([x]) => (x as Tensor).mul(2).detach(),
    vjp: { x: notImplemented('opaque') },
    jvp: 'linear',
    vmap: ([x]) => apply1(opaque, [x], undefined),
  });
  const onceOnly: Op<undefined> = defineOp<undefined>({
    name: 'onceOnly',
    inputs: ['x'],
    forward: ([x]) => (x as Tensor).clone().detach(),
    vjp: { x: [[], (g) => apply1(opaque, [g], undefined)] },
    jvp: 'linear',
    vmap: ([x]) => apply1(onceOnly, [x], undefined),
  });

  it('AG066 let the forward pass work, and backward names the operation', () => {
    const x = leaf64(1, 2);
    const y = apply1(opaque, [x], undefined) as Tensor;
    expectValues(y, [2], [2, 4]);
    expect(y.requiresGrad).toBe(true);
    expectError(() => y.sum().backward(), NotImplementedError, "the derivative for 'opaque' is not implemented");
  });

  it('AG068 a backward for once refuses to be differentiated', () => {
    class Square extends autograd.Function {
      static forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.square();
      }
      static backward = autograd.onceDifferentiable((ctx: autograd.FunctionContext, g: Tensor): Tensor => {
        const [x] = ctx.savedTensors;
        return g.mul(x).mul(2);
      });
    }
    const x = leaf64(1, 2);
    const [g] = autograd.grad(Square.apply(x).sum(), x, { createGraph: true });
    expectValues(g.detach(), [2], [2, 4]);
    expectError(
      () => g.sum().backward(),
      AutogradError,
      'trying to differentiate twice a function that was marked with @once_differentiable',
    );
  });

  it('AG067 of second order are missed when they are needed, by the name of the first', () => {
    const x = leaf64(1, 2);
    const y = (apply1(onceOnly, [x], undefined) as Tensor).mul(x).sum();
    const [g] = autograd.grad(y, x, { createGraph: true });
    expectValues(g, [2], [3, 6]);
    expectError(() => g.sum().backward(), NotImplementedError, "the derivative for 'opaque' is not implemented");
  });
});
