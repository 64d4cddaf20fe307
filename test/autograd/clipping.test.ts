/** Gradients that are scaled or cut, and models as vectors: PyTorch's numbers (torch.nn.utils). */
import {
  AutogradError,
  clipGradNorm_,
  clipGradValue_,
  DTypeError,
  noGrad,
  ones,
  parametersToVector,
  ShapeError,
  type Tensor,
  tensor,
  vectorToParameters,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../support/close.ts';

function withGrad(values: number[] | null): Tensor {
  const p: Tensor = ones([2], { requiresGrad: true });
  if (values !== null) p.grad = tensor(values);
  return p;
}

describe('clipGradNorm_', () => {
  it('scales gradients that are longer than they may be', () => {
    const model = { w: withGrad([3, 4]), rest: [withGrad(null)] };
    const { grad } = model.w;
    expect(String(clipGradNorm_(model, 1))).toBe('tensor(5.)');
    expect(model.w.grad).toBe(grad);
    expectValues(grad, [2], [0.5999999, 0.79999983], { tol: 1e-7 });
    expect(clipGradNorm_(model, 10).item()).toBeCloseTo(1, 5);
    expectValues(grad, [2], [0.5999999, 0.79999983], { tol: 1e-7 });
  });

  it('of other orders, and of several', () => {
    const model = [withGrad([3, -4]), withGrad([1, 1])];
    expect(clipGradNorm_(model, 100, { normType: Number.POSITIVE_INFINITY }).item()).toBe(4);
    expect(clipGradNorm_(model, 2, { normType: 1 }).item()).toBe(9);
    expectValues(model[0]?.grad, [2], [0.66666657, -0.88888878], { tol: 1e-7 });
    expectValues(model[1]?.grad, [2], [0.22222219, 0.22222219], { tol: 1e-7 });
  });

  it('takes a parameter that a model has twice once, as of a module', () => {
    const w = withGrad([3, 4]);
    expect(clipGradNorm_({ encoder: w, decoder: [w] }, 1).item()).toBe(5);
    expect(w.grad?.norm().item()).toBeCloseTo(1, 5);
    expect(parametersToVector([w, w]).shape).toEqual([2]);
  });

  it('of nothing is 0, and what is not finite an error if asked for', () => {
    expect(clipGradNorm_(withGrad(null), 1).item()).toBe(0);
    const p = withGrad([3, Number.NaN]);
    expectError(
      () => clipGradNorm_(p, 1, { errorIfNonfinite: true }),
      AutogradError,
      'The total norm of order 2 for gradients',
    );
    expect(p.grad?.select(0, 0).item()).toBe(3);
    expect(clipGradNorm_(p, 1).item()).toBeNaN();
    expect(p.grad?.select(0, 0).item()).toBeNaN();
  });

  it('leaves graphs of gradients alone but for the version', () => {
    const x = tensor([3, 4], { requiresGrad: true });
    x.square().sum().backward({ createGraph: true });
    expect(clipGradNorm_(x, 1).item()).toBe(10);
    expect(x.grad?.norm().item()).toBeCloseTo(1, 5);
  });
});

describe('clipGradValue_', () => {
  it('cuts elements', () => {
    const model = [withGrad([3, -4]), withGrad([0.1, 1]), withGrad(null)];
    clipGradValue_(model, 0.3);
    expectValues(model[0]?.grad, [2], [0.3, -0.3], { tol: 1e-7 });
    expectValues(model[1]?.grad, [2], [0.1, 0.3], { tol: 1e-7 });
  });
});

describe('a model as a vector', () => {
  it('is what its parameters hold, with gradients back to them', () => {
    const model = { w: ones([2, 2], { requiresGrad: true }), b: zeros([3], { requiresGrad: true }) };
    const v = parametersToVector(model);
    expect(v.toArray()).toEqual([1, 1, 1, 1, 0, 0, 0]);
    v.mul(tensor([1, 2, 3, 4, 5, 6, 7]))
      .sum()
      .backward();
    expect(model.b.grad?.toArray()).toEqual([5, 6, 7]);
    vectorToParameters(v.detach().add(1), model);
    expect(model.w.toArray()).toEqual([
      [2, 2],
      [2, 2],
    ]);
    expect(model.b.requiresGrad && model.b.isLeaf).toBe(true);
    noGrad(() => model.w.mul_(2));
    expect(model.b.toArray()).toEqual([1, 1, 1]);
    expectError(() => vectorToParameters(ones([3]), model), ShapeError, 'a vector of 7 elements');
    const leaf = zeros([2], { requiresGrad: true });
    expectError(() => vectorToParameters(ones([4]), [leaf, leaf.mul(2)]), AutogradError, 'only leaf tensors');
    expectError(() => vectorToParameters(ones([2]).to('int32'), [leaf]), DTypeError, 'must be floating point');
    expect(leaf.toArray()).toEqual([0, 0]);
  });
});
