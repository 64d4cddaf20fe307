import { ArgumentError, AutogradError, deepcopy, ones, setWarningHandler, tensor } from 'nabla';
import { expect, it } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';
import { leaf } from '../../support/numbers.ts';

/* Copies of tensors. */

it('AG344 deepcopy of a leaf keeps requiresGrad and .grad, and shares nothing', () => {
  const x = leaf(1, 2);
  x.square().sum().backward();
  const y = deepcopy(x);
  expect([y.requiresGrad, y.isLeaf]).toEqual([true, true]);
  expectValues(y.grad, [2], [2, 4]);
  y.detach().mul_(10);
  y.grad?.mul_(10);
  expectValues(x, [2], [1, 2]);
  expectValues(x.grad, [2], [2, 4]);
  y.sum().backward();
  expectValues(y.grad, [2], [21, 41]);
  expectValues(x.grad, [2], [2, 4]);
  expect(deepcopy(tensor([1])).requiresGrad).toBe(false);
  expect(deepcopy(ones([2, 3]).T).strides).toEqual([1, 3]);
});

it('AG344 deepcopy of a result is refused', () => {
  expectError(
    () => deepcopy(leaf(1).mul(2)),
    AutogradError,
    'Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment',
  );
});

it('AG344 deepcopy goes through arrays and objects, and copies what is shared once', () => {
  const w = leaf(1, 2);
  const model = { layers: [{ w, name: 'a' }, { w }], rate: 0.1 };
  const copy = deepcopy(model);
  expect(copy.layers[0].w).toBe(copy.layers[1].w);
  expect(copy.layers[0].w).not.toBe(w);
  expect([copy.layers[0].name, copy.rate]).toEqual(['a', 0.1]);
  const ring: { self?: unknown } = {};
  ring.self = ring;
  const other = deepcopy(ring);
  expect(other.self).toBe(other);
  expectError(() => deepcopy(new Map()), ArgumentError, 'got a Map');
});

it('AG345 clone is differentiable, detach().clone() is not', () => {
  const x = leaf(1, 2);
  x.clone().mul(3).sum().backward();
  expectValues(x.grad, [2], [3, 3]);
  expect(x.detach().clone().requiresGrad).toBe(false);
});

it('AG348 tensor(t) copies, detaches and warns', () => {
  const given: string[] = [];
  const before = setWarningHandler((message) => void given.push(message));
  try {
    const x = leaf(1, 2);
    const y = tensor(x);
    expect([y.requiresGrad, y.isLeaf]).toEqual([false, true]);
    y.add_(1);
    expectValues(x, [2], [1, 2]);
  } finally {
    setWarningHandler(before);
  }
  expect(given).toHaveLength(1);
  expect(given[0]).toContain('To copy construct from a tensor, it is recommended to use sourceTensor.clone().detach()');
});

it('AG343 reading the values copies, so that it needs no detach', () => {
  const x = leaf(1, 2);
  const values = x.toTypedArray();
  values.fill(7);
  expectValues(x, [2], [1, 2]);
  expect(x.mul(2).toArray()).toEqual([2, 4]);
});

it('AG142 AG270 out= arguments are refused with a gradient or without', () => {
  const into = ones([2]);
  for (const x of [leaf(1, 2), tensor([1, 2])]) {
    expectError(
      () => x.add(1, { out: into } as never),
      ArgumentError,
      "functions with out=... arguments don't support automatic differentiation",
    );
  }
  expectValues(into, [2], [1, 1]);
});
