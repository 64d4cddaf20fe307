import { ArgumentError, AutogradError, autograd, grad, hessian, jacobian, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64 } from '../support/numbers.ts';

const leaf = (values: readonly number[]): Tensor => f64(values, [values.length]).requiresGrad_();

describe('autograd.grad', () => {
  it('returns gradients in the order asked for and leaves .grad alone', () => {
    const x = leaf([1, 2]);
    const y = leaf([3, 4]);
    const [gy, gx] = autograd.grad(x.mul(y).sum(), [y, x]);
    expectValues(gx, [2], [3, 4]);
    expectValues(gy, [2], [1, 2]);
    expect([x.grad, y.grad]).toEqual([null, null]);
    expect([gx.requiresGrad, gx.gradFn]).toEqual([false, null]);
  });

  it('by a result goes no further', () => {
    const x = leaf([1, 2]);
    const y = x.exp();
    const z = y.square().sum();
    const [g] = autograd.grad(z, y);
    expectClose(g, y.detach().mul(2));
    // What lies behind y was not run and not freed.
    autograd.grad(y.sum(), x);
  });

  it('by the same tensor twice, and by a tensor and what it was made from', () => {
    const x = leaf([1, 2]);
    const y = x.square();
    const [a, b, c] = autograd.grad(y.sum(), [x, x, y]);
    expectValues(a, [2], [2, 4]);
    expectValues(b, [2], [2, 4]);
    expectValues(c, [2], [1, 1]);
  });

  it('of the input itself is the gradient that goes in', () => {
    const x = leaf([1, 2]);
    const [g] = autograd.grad(x, x, { gradOutputs: f64([5, 6], [2]) });
    expectValues(g, [2], [5, 6]);
  });

  it('by several results of one node', () => {
    const x = f64([1, 5, 2, 4], [2, 2]).requiresGrad_();
    const { values } = x.max(1);
    const [g] = autograd.grad(values.mul(f64([1, 10], [2])).sum(), values);
    expectValues(g, [2], [1, 10]);
  });

  it('of several outputs sums, with a gradient each', () => {
    const x = leaf([1, 2]);
    const outputs = [x.mul(2), x.sum()];
    const [g] = autograd.grad(outputs, x, { gradOutputs: [f64([1, 10], [2]), null] });
    expectValues(g, [2], [3, 21]);
  });

  it('split at intermediates equals the whole', () => {
    const x = leaf([1, 2]);
    const y = x.square();
    const z = y.exp().sum();
    const [gy] = autograd.grad(z, y, { retainGraph: true });
    const [gx] = autograd.grad(y, x, { gradOutputs: gy, retainGraph: true });
    const [whole] = autograd.grad(z, x);
    expectClose(gx, whole);
  });

  it('runs only what leads to the inputs', () => {
    const x = leaf([1, 2]);
    const y = leaf([3, 4]);
    const ey = y.exp();
    autograd.grad(x.exp().mul(ey).sum(), x);
    // The branch of y was not visited, so it was not freed.
    ey.sum().backward();
    expectClose(y.grad as Tensor, y.detach().exp());
  });
});

describe('inputs that are not reached', () => {
  const unused = 'One of the differentiated Tensors appears to not have been used in the graph';

  it('are an error', () => {
    const [x, y] = [leaf([1]), leaf([2])];
    expectError(() => autograd.grad(x.sum(), [x, y]), AutogradError, unused);
    expectError(() => autograd.grad(x.sum(), [x, y], { allowUnused: false }), AutogradError, 'allowUnused: true');
  });

  it('give null with allowUnused', () => {
    const [x, y] = [leaf([1]), leaf([2])];
    const [gx, gy] = autograd.grad(x.sum(), [x, y], { allowUnused: true });
    expectValues(gx, [1], [1]);
    expect(gy).toBeNull();
  });

  it('give zeros with materializeGrads', () => {
    const [x, y] = [leaf([1]), leaf([2, 3])];
    const [gx, gy] = autograd.grad(x.sum(), [x, y], { materializeGrads: true });
    expectValues(gx, [1], [1]);
    expectValues(gy, [2], [0, 0]);
    expect(gy?.requiresGrad).toBe(false);
    gy?.add_(1);
    expectValues(gy, [2], [1, 1]);
    expectError(
      () => autograd.grad(x.sum(), y, { materializeGrads: true, allowUnused: false }),
      ArgumentError,
      'Expected allowUnused to be true or not passed when materializeGrads is true',
    );
  });
});

describe('autograd.grad refuses', () => {
  it('inputs and outputs that are not recorded', () => {
    const x = leaf([1]);
    const input = 'One of the differentiated Tensors does not require grad';
    expectError(() => autograd.grad(x.sum(), tensor([1])), AutogradError, input);
    expectError(() => autograd.grad(tensor([1]).sum(), x), AutogradError, 'element 0 of tensors does not require grad');
  });

  it('no inputs, wrong counts and unknown options', () => {
    const x = leaf([1]);
    expectError(() => autograd.grad(x.sum(), []), ArgumentError, 'grad requires non-empty inputs.');
    expectError(() => autograd.grad([], [x]), ArgumentError, 'at least one');
    const two = [x.sum(), x.sum()];
    expectError(() => autograd.grad(two, x, { gradOutputs: [null] }), AutogradError, 'got 2 tensors and 1 gradients');
    expectError(() => autograd.grad(x.sum(), x, { allowunused: true } as object), ArgumentError, "'allowunused'");
    expectError(() => autograd.grad(x.sum(), 3 as never), ArgumentError, 'inputs[0] is not a Tensor');
  });
});

describe('higher orders', () => {
  it('by createGraph', () => {
    const x = leaf([1, 2]);
    let y = x.pow(5).sum();
    for (const expected of [
      [5, 80],
      [20, 160],
      [60, 240],
      [120, 240],
      [120, 120],
    ]) {
      const [g] = autograd.grad(y, x, { createGraph: true });
      expectValues(g.detach(), [2], expected);
      y = g.sum();
    }
    // The sixth derivative is 0, as a number or as "does not depend".
    const [sixth] = autograd.grad(y, x, { materializeGrads: true });
    expectValues(sixth, [2], [0, 0]);
  });

  it('a linear function’s gradient does not depend on its argument', () => {
    const x = leaf([1, 2]);
    const [g] = autograd.grad(x.mul(3).sum(), x, { createGraph: true });
    expectError(() => autograd.grad(g.sum(), x), AutogradError, 'does not require grad');
  });

  it('agree with the transforms', () => {
    const x = leaf([0.5, -1, 2]);
    const f = (t: Tensor): Tensor => t.sin().mul(t.sum()).mul(t).sum();
    const [g] = autograd.grad(f(x), x, { createGraph: true });
    expectClose(g.detach(), grad(f)(x.detach()));
    const rows = [0, 1, 2].map((i) => autograd.grad(g.select(0, i), x, { retainGraph: true })[0]);
    const H = hessian(f)(x.detach());
    rows.forEach((r, i) => {
      expectClose(r, H.select(0, i));
    });
  });

  it('of a vector function row by row are its Jacobian', () => {
    const x = leaf([1, 2, 3]);
    const f = (t: Tensor): Tensor => t.unsqueeze(1).mul(t).sum(1).mul(t);
    const y = f(x);
    const J = jacobian(f)(x.detach());
    for (let i = 0; i < 3; i++) {
      const [row] = autograd.grad(y.select(0, i), x, { retainGraph: true });
      expectClose(row, J.select(0, i));
    }
  });

  it('a gradient penalty: backward through a gradient', () => {
    const w = leaf([1, -2]);
    const x = leaf([3, 4]);
    const [g] = autograd.grad(w.mul(x.square()).sum(), x, { createGraph: true });
    g.square().sum().backward();
    // Σ (2 w x)²: ∂w = 8 w x², ∂x = 8 w² x
    expectValues(w.grad, [2], [72, -256]);
    expectValues(x.grad, [2], [24, 128]);
  });
});
