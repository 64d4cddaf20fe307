import { AutogradError, DTypeError, ones, parameter, requiresGrad_, type Tensor, tensor, zeroGrad } from 'nabla';
import { expect, it } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';

/* What PyTorch has on modules and optimizers, on models that are trees of tensors. */

const model = () => ({ w: parameter(ones([2])), layers: [{ b: parameter(tensor(3)) }] });
const loss = (m: ReturnType<typeof model>): Tensor => m.w.square().sum().mul(m.layers[0].b);

it('AG083 zeroGrad gives null, and zeros with setToNone: false', () => {
  const m = model();
  loss(m).backward();
  expectValues(m.w.grad, [2], [6, 6]);
  const { grad } = m.w;
  zeroGrad(m, { setToNone: false });
  expect(m.w.grad).toBe(grad);
  expectValues(m.w.grad, [2], [0, 0]);
  expectValues(m.layers[0].b.grad, [], [0]);
  loss(m).backward();
  expectValues(m.w.grad, [2], [6, 6]);
  zeroGrad(m);
  expect([m.w.grad, m.layers[0].b.grad]).toEqual([null, null]);
  zeroGrad(m, { setToNone: false });
  expect(m.w.grad).toBe(null);
});

it('AG083 a gradient with a graph is replaced and not overwritten', () => {
  const m = model();
  loss(m).backward({ createGraph: true });
  const before = m.w.grad as Tensor;
  zeroGrad(m, { setToNone: false });
  expectValues(before, [2], [6, 6]);
  expectValues(m.w.grad, [2], [0, 0]);
});

it('AG349 parameters require grad by default; requiresGrad_(model, false) freezes all', () => {
  const data = ones([2]);
  const p = parameter(data);
  expect([p.requiresGrad, p.isLeaf, data.requiresGrad]).toEqual([true, true, false]);
  p.detach().mul_(5);
  expectValues(data, [2], [1, 1]);
  expect(parameter(data, { requiresGrad: false }).requiresGrad).toBe(false);
  expect(parameter(p.mul(2)).isLeaf).toBe(true);
  const m = model();
  expect(requiresGrad_(m, false)).toBe(m);
  expect([m.w.requiresGrad, m.layers[0].b.requiresGrad]).toEqual([false, false]);
  expectError(() => loss(m).backward(), AutogradError, 'does not require grad');
  requiresGrad_(m);
  loss(m).backward();
  expectValues(m.layers[0].b.grad, [], [2]);
  expectError(() => parameter(tensor([1], { dtype: 'int32' })), DTypeError, 'only Tensors of floating point');
});
