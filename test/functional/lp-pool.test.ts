import { autograd, functional as F, grad, type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectValues } from '../support/close.ts';
import { spreadTensor } from '../support/numbers.ts';

describe('lpPool', () => {
  it('takes roots of sums of powers', () => {
    const x = tensor([[3, 4, 0, 5, 12, 1]], { dtype: 'float64' });
    expectValues(F.lpPool1d(x, 2, 2), [1, 3], [5, 5, Math.sqrt(145)]);
    expectValues(F.lpPool1d(x, 1, 3, { stride: 2 }), [1, 2], [7, 17]);
    expectValues(F.lpPool1d(x, 2, 4, { ceilMode: true }), [1, 2], [Math.sqrt(50), Math.sqrt(290)]);
    const image = spreadTensor([1, 2, 4, 4], 0.1, 2, 3);
    const sums = F.avgPool2d(image.pow(3), [2, 1])
      .mul(2)
      .pow(1 / 3);
    expectClose(F.lpPool2d(image, 3, [2, 1]), sums);
    expect(F.lpPool3d(spreadTensor([1, 2, 4, 4], 0.1, 2, 3), 2, 2).shape).toEqual([1, 1, 2, 2]);
  });

  it('has its derivatives', () => {
    const f = (x: Tensor): Tensor => F.lpPool2d(x, 2, 2);
    const image = spreadTensor([2, 4, 4], 0.3, 2, 3);
    expect(autograd.gradcheck(f, [image.requiresGrad_()])).toBe(true);
    expect(autograd.gradgradcheck(f, [image])).toBe(true);
    expect(grad((x: Tensor) => F.lpPool1d(x, 2, 2).sum())(tensor([[0, 0, 0, 0]])).toArray()).toEqual([[0, 0, 0, 0]]);
    const total = (x: Tensor): Tensor => f(x).sum();
    const many = spreadTensor([3, 2, 4, 4], 0.3, 2, 3);
    expectClose(vmap(grad(total))(many).select(0, 2), grad(total)(many.select(0, 2)));
    expect(() => F.lpPool2d(image, 2, 5)).toThrow('lpPool2d');
    expect(() => F.lpPool2d(image, 0, 2)).toThrow('lpPool2d: norm_type (normType) must be a non-zero value, but got 0');
  });
});
