import {
  ArgumentError,
  AutogradError,
  arange,
  autograd,
  cat,
  DTypeError,
  ones,
  ShapeError,
  tensor,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';
import { f64, leaf } from '../../support/numbers.ts';

/* Leaves, requiresGrad, and the basics of backward. */

const floating = 'only Tensors of floating point';

describe('requiresGrad', () => {
  it('AG001 a fresh tensor does not require grad, is a leaf and has no gradFn', () => {
    const x = tensor([1, 2]);
    expect([x.requiresGrad, x.isLeaf, x.gradFn]).toEqual([false, true, null]);
  });

  it('AG002 a result requires grad exactly when some differentiable input does', () => {
    const [x, y] = [leaf(1, 2), tensor([3, 4])];
    expect([x.mul(y), y.mul(x), y.mul(y), x.gt(y), x.argmax()].map((t) => t.requiresGrad)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('AG003 requiresGrad_ sets the flag in place, returns its tensor, and clears it on a leaf', () => {
    const x = tensor([1]);
    expect(x.requiresGrad_()).toBe(x);
    expect(x.requiresGrad).toBe(true);
    expect(x.requiresGrad_(false).requiresGrad).toBe(false);
  });

  it('AG004 it cannot be cleared on a result', () => {
    expectError(
      () => leaf(1).mul(2).requiresGrad_(false),
      AutogradError,
      'you can only change requires_grad flags of leaf variables',
    );
  });

  it('AG004 nor by assignment set on one', () => {
    const y = leaf(1).mul(2);
    expectError(
      () => {
        y.requiresGrad = true;
      },
      AutogradError,
      'you can only change requires_grad flags of leaf variables',
    );
    expect(y.requiresGrad_()).toBe(y);
  });

  it('a leaf that was told that it needs no gradient gets none of what was computed before', () => {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    const y = x.mul(w).sum();
    const seen: string[] = [];
    x.registerHook(() => void seen.push('hook'));
    x.registerPostAccumulateGradHook(() => void seen.push('accumulated'));
    x.requiresGrad_(false);
    y.backward();
    expect(x.grad).toBeNull();
    expect(seen).toEqual(['hook']);
    expectValues(w.grad, [2], [1, 2]);
  });

  it('AG005 AG006 AG007 integers and truth values cannot require grad, and need not', () => {
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
      expectError(() => ones([2], { dtype, requiresGrad: true }), DTypeError, floating);
      expect(x.requiresGrad_(false).requiresGrad).toBe(false);
      x.requiresGrad = false;
    }
    expectError(() => arange(3, { dtype: 'int32', requiresGrad: true }), DTypeError, floating);
  });
});

describe('the roots of a pass', () => {
  it('AG008 must be recorded', () => {
    const message = 'element 0 of tensors does not require grad and does not have a grad_fn';
    expectError(() => tensor(1).backward(), AutogradError, message);
  });

  it('AG009 AG010 AG018 need a gradient unless they have one element, of any rank', () => {
    const message = 'grad can be implicitly created only for scalar outputs';
    expectError(() => leaf(1, 2).mul(2).backward(), AutogradError, message);
    expectError(() => leaf(1, 2).mul(2).backward({ gradient: null }), AutogradError, message);
    expectError(() => autograd.backward([leaf(1, 2).mul(2)], { gradient: [null] }), AutogradError, message);
    const x = tensor([[[3]]], { requiresGrad: true });
    x.mul(2).backward();
    expectValues(x.grad, [1, 1, 1], [2]);
  });

  it('AG011 take a gradient of their own shape', () => {
    expectError(
      () =>
        leaf(1, 2)
          .mul(2)
          .backward({ gradient: ones([3]) as never }),
      ShapeError,
      'Mismatch in shape: grad_output[0] has a shape of [3] and output[0] has a shape of [2].',
    );
  });

  it('AG012 a leaf as root gets the gradient that was passed', () => {
    const x = leaf(1, 2);
    x.backward({ gradient: tensor([5, 6]) });
    expectValues(x.grad, [2], [5, 6]);
  });

  it('AG013 gradients arrive in the dtype of the leaf', () => {
    const x = leaf(1, 2);
    const y = f64([3, 4], [2]).requiresGrad_();
    x.double().mul(y).float().double().sum().backward();
    expect([x.grad?.dtype, y.grad?.dtype]).toEqual(['float32', 'float64']);
    expectValues(x.grad, [2], [3, 4]);
  });

  it('AG014 several sum their contributions', () => {
    const x = leaf(1, 2);
    autograd.backward([x.mul(2), x.mul(3)], { gradient: [tensor([1, 1]), tensor([10, 100])] });
    expectValues(x.grad, [2], [32, 302]);
  });

  it('AG015 each must be recorded', () => {
    expectError(
      () => autograd.backward([leaf(1).mul(2), tensor([1])]),
      AutogradError,
      'element 1 of tensors does not require grad',
    );
  });

  it('AG016 AG017 may occur twice, and depend on each other', () => {
    const x = leaf(3);
    const y = x.square();
    autograd.backward([y, y]);
    expectValues(x.grad, [1], [12]);
    x.grad = null;
    const [u, v] = [x.square(), x.square().square()];
    const w = u.mul(v);
    autograd.backward([u, w]);
    // 2x + 6x⁵
    expectValues(x.grad, [1], [6 + 6 * 3 ** 5]);
  });
});

describe('what arrives', () => {
  it('AG019 is reduced to the shape of a broadcast operand, also when the result is empty', () => {
    const [a, b] = [ones([3, 1], { requiresGrad: true }), ones([4], { requiresGrad: true })];
    a.mul(b).sum().backward();
    expectValues(a.grad, [3, 1], [4, 4, 4]);
    expectValues(b.grad, [4], [3, 3, 3, 3]);
    const [c, d] = [ones([1], { requiresGrad: true }), ones([0], { requiresGrad: true })];
    c.mul(d).sum().backward();
    expectValues(c.grad, [1], [0]);
    expectValues(d.grad, [0], []);
  });

  it('AG020 is zero from unused outputs', () => {
    const x = leaf(1, 2, 4);
    x.varMean(0).mean.backward();
    expectValues(x.grad, [3], [1 / 3, 1 / 3, 1 / 3], { tol: 1e-6 });
    const y = leaf(1, 2, 4);
    y.varMean(0).var.mul(0).backward();
    expectValues(y.grad, [3], [0, 0, 0]);
  });

  it('AG021 may be an expanded tensor', () => {
    const x = ones([2, 3], { requiresGrad: true });
    x.select(0, 1).backward({ gradient: tensor([7]).expand([3]) as never });
    expectValues(x.grad, [2, 3], [0, 0, 0, 7, 7, 7]);
  });

  it('AG022 AG024 is not shared between what receives the same tensor', () => {
    const [x, y] = [leaf(1, 2), leaf(3, 4)];
    const sum = x.add(y);
    sum.retainGrad();
    sum.add(x).sum().backward();
    expectValues(x.grad, [2], [2, 2]);
    expectValues(y.grad, [2], [1, 1]);
    y.grad?.mul_(100);
    expectValues(x.grad, [2], [2, 2]);
    expectValues(sum.grad, [2], [1, 1]);
  });

  it('AG023 leaves the gradient that the user passed as it was', () => {
    const x = leaf(1, 2);
    const g = tensor([1, 10]);
    const y = x.mul(1);
    autograd.backward([y, y, y], { gradient: [g, g, g] });
    expectValues(g, [2], [1, 10]);
    x.backward({ gradient: g });
    x.backward({ gradient: g });
    expectValues(g, [2], [1, 10]);
    expectValues(x.grad, [2], [5, 50]);
  });

  it('AG025 arrives at leaves of rank 0', () => {
    const x = tensor(3, { requiresGrad: true });
    x.square().backward({ inputs: x });
    expectValues(x.grad, [], [6]);
  });

  it('AG026 is cut where values are whole numbers, the rest flows', () => {
    const x = leaf(1, 5, 2);
    const index = x.argmax();
    x.mul(x.gt(1)).mul(index).sum().backward();
    expect(index.requiresGrad).toBe(false);
    expectValues(x.grad, [3], [0, 1, 1]);
  });

  it('AG014 arrives at every part of what was joined', () => {
    const [a, b] = [leaf(1, 2), leaf(3)];
    cat([a, b])
      .mul(tensor([1, 2, 3]))
      .sum()
      .backward();
    expectValues(a.grad, [2], [1, 2]);
    expectValues(b.grad, [1], [3]);
    expectError(() => autograd.backward([]), ArgumentError, 'at least one');
  });
});
