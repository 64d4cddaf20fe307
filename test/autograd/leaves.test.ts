import {
  ArgumentError,
  AutogradError,
  arange,
  DTypeError,
  noGrad,
  ones,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../support/close.ts';

/* Rules about leaves, flags and `.grad`, as PyTorch has them. */

const floating = 'only Tensors of floating point dtype can require gradients';

describe('requiresGrad', () => {
  it('is off for a fresh tensor, which is a leaf without history', () => {
    const x = tensor([1, 2]);
    expect([x.requiresGrad, x.isLeaf, x.gradFn, x.grad]).toEqual([false, true, null, null]);
  });

  it('is on for a result exactly when a differentiable input has it', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = tensor([3, 4]);
    expect(x.mul(y).requiresGrad).toBe(true);
    expect(y.mul(x).requiresGrad).toBe(true);
    expect(y.mul(y).requiresGrad).toBe(false);
    expect(x.gt(1).requiresGrad).toBe(false);
    expect(x.argmax().requiresGrad).toBe(false);
    expect(x.to('int32').requiresGrad).toBe(false);
    const { values, indices } = x.max(0);
    expect([values.requiresGrad, indices.requiresGrad]).toEqual([true, false]);
  });

  it('is set in place and can be cleared on a leaf', () => {
    const x = tensor([1, 2]);
    expect(x.requiresGrad_()).toBe(x);
    expect(x.requiresGrad).toBe(true);
    expect(x.requiresGrad_(false).requiresGrad).toBe(false);
    x.requiresGrad = true;
    expect(x.mul(2).requiresGrad).toBe(true);
  });

  it('cannot be cleared on a result', () => {
    const y = tensor([1, 2], { requiresGrad: true }).mul(2);
    const message = 'you can only change requires_grad flags of leaf variables';
    expectError(() => y.requiresGrad_(false), AutogradError, message);
    expectError(
      () => {
        y.requiresGrad = false;
      },
      AutogradError,
      message,
    );
    expect(y.requiresGrad_().requiresGrad).toBe(true);
  });

  it('is refused by integers and truth values, wherever it is asked for', () => {
    for (const dtype of ['int32', 'uint8', 'bool'] as const) {
      const x = zeros([2], { dtype });
      expectError(() => x.requiresGrad_(), DTypeError, floating);
      expectError(
        () => {
          x.requiresGrad = true;
        },
        DTypeError,
        floating,
      );
      expect(x.requiresGrad_(false).requiresGrad).toBe(false);
    }
    expectError(() => arange(4, { dtype: 'int32', requiresGrad: true }), DTypeError, floating);
    expectError(() => tensor([true], { requiresGrad: true }), DTypeError, floating);
  });

  it('takes true or false', () => {
    expectError(() => tensor([1]).requiresGrad_(1 as unknown as boolean), ArgumentError, 'must be true or false');
  });

  it('marks leaves and results', () => {
    const x = tensor([1], { requiresGrad: true });
    const y = x.mul(2);
    expect([x.isLeaf, y.isLeaf, y.detach().isLeaf, noGrad(() => x.mul(2)).isLeaf]).toEqual([true, false, true, true]);
    expect(y.gradFn?.name).toBe('MulBackward0');
    expect(String(y.gradFn)).toBe('<MulBackward0>');
  });
});

describe('the graph behind a result', () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const y = tensor([3, 4]);

  it('has a node per operation, with an edge per input that needs a gradient', () => {
    const z = x.mul(y).exp();
    expect(z.gradFn?.name).toBe('ExpBackward0');
    const [[mul, index]] = z.gradFn?.nextFunctions ?? [];
    expect([mul?.name, index]).toEqual(['MulBackward0', 0]);
    expect(mul?.nextFunctions.map(([n]) => n?.name ?? null)).toEqual(['AccumulateGrad', null]);
  });

  it('has one accumulating node per leaf, which knows the leaf', () => {
    const ends = [x.mul(2), x.sum()].map((t) => t.gradFn?.nextFunctions[0][0]);
    expect(ends[0]).toBe(ends[1]);
    expect(ends[0]?.leaf).toBe(x);
  });

  it('says which output of its node a tensor is', () => {
    expect(x.max(0).values.outputNr).toBe(0);
    expect(x.outputNr).toBe(0);
  });
});

describe('detach and clone', () => {
  it('detach shares memory and cuts the graph; other paths stay', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = x.mul(3);
    const d = y.detach();
    expect([d.requiresGrad, d.gradFn, d.storage === y.storage]).toEqual([false, null, true]);
    d.mul(x).sum().backward();
    expectValues(x.grad, [2], [3, 6]);
  });

  it('detach_ cuts the tensor itself', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = x.mul(3);
    expect(y.detach_()).toBe(y);
    expect([y.requiresGrad, y.isLeaf]).toEqual([false, true]);
    expectError(() => x.mul(3).slice(0, 0, 1).detach_(), AutogradError, "Can't detach views in-place");
  });

  it('clone is differentiable, detach().clone() is not', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const c = x.clone();
    expect([c.requiresGrad, c.gradFn?.name, c.storage === x.storage]).toEqual([true, 'CloneBackward0', false]);
    expect(x.detach().clone().requiresGrad).toBe(false);
    c.mul(2).sum().backward();
    expectValues(x.grad, [2], [2, 2]);
  });

  it('tensor(t) copies and detaches', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = tensor(x.mul(2));
    expect([y.requiresGrad, y.isLeaf]).toEqual([false, true]);
    y.add_(1);
    expectValues(x, [2], [1, 2]);
  });
});

describe('.grad', () => {
  const make = (): Tensor => tensor([1, 2], { requiresGrad: true });

  it('can be set and reset', () => {
    const x = make();
    x.grad = ones([2]);
    x.sum().backward();
    expectValues(x.grad, [2], [2, 2]);
    x.grad = null;
    x.sum().backward();
    expectValues(x.grad, [2], [1, 1]);
  });

  it('refuses what is no gradient of the tensor', () => {
    const x = make();
    const set = (g: unknown) => () => {
      x.grad = g as Tensor;
    };
    expectError(set(3), ArgumentError, 'assigned grad expected to be a Tensor or None but got grad of type number');
    expectError(set(ones([3])), ShapeError, 'assigned grad has data of a different size');
    expectError(set(ones([2], { dtype: 'float64' })), DTypeError, 'assigned grad has data of a different type');
    expectError(set(x), AutogradError, "can't assign Variable as its own grad");
    expect(x.grad).toBeNull();
  });

  it('of a result stays empty unless retainGrad was asked for', () => {
    const x = make();
    const y = x.mul(3);
    y.sum().backward();
    expect(y.grad).toBeNull();
    expect(y.retainsGrad).toBe(false);
  });
});

describe('retainGrad', () => {
  it('keeps the gradient of a result and accumulates over passes', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = x.mul(3);
    y.retainGrad();
    y.retainGrad();
    expect(y.retainsGrad).toBe(true);
    const z = y.square().sum();
    z.backward({ retainGraph: true });
    expectValues(y.grad, [2], [6, 12]);
    z.backward();
    expectValues(y.grad, [2], [12, 24]);
    expectValues(x.grad, [2], [36, 72]);
  });

  it('does nothing on a leaf and is refused where nothing is recorded', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    x.retainGrad();
    expect(x.retainsGrad).toBe(false);
    expectError(
      () => tensor([1]).retainGrad(),
      AutogradError,
      "can't retain_grad on Tensor that has requires_grad=False",
    );
  });

  it('refers to the latest version of a tensor changed in place', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = x.mul(3);
    y.retainGrad();
    y.mul_(2);
    y.sum().backward();
    expectValues(y.grad, [2], [1, 1]);
    expectValues(x.grad, [2], [6, 6]);
  });

  it('gives each tensor a gradient of its own', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = x.add(0);
    y.retainGrad();
    y.sum().backward();
    expect(y.grad?.storage).not.toBe(x.grad?.storage);
    y.grad?.mul_(100);
    expectValues(x.grad, [2], [1, 1]);
  });
});
