import { AutogradError, autograd, noGrad, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../../support/close.ts';
import { leaf } from '../../support/numbers.ts';

/* What can be seen of the graph. */

type Node = autograd.graph.Node;
const nodeOf = (t: Tensor): Node => t.gradFn as Node;

describe('nodes', () => {
  it('AG289 AG290 have a name, and know where gradients go; constants are null', () => {
    const [a, b] = [leaf(1), leaf(2)];
    const y = a.mul(b).exp();
    expect([y.gradFn?.name, String(y.gradFn)]).toEqual(['ExpBackward0', '<ExpBackward0>']);
    const [[mul, index]] = nodeOf(y).nextFunctions;
    expect([mul?.name, index]).toEqual(['MulBackward0', 0]);
    const names = (t: Tensor): (string | null)[] => nodeOf(t).nextFunctions.map(([n]) => n?.name ?? null);
    expect(names(a.mul(b))).toEqual(['AccumulateGrad', 'AccumulateGrad']);
    expect(names(a.mul(tensor([3])))).toEqual(['AccumulateGrad', null]);
    expect(names(a.add(1))).toEqual(['AccumulateGrad', null]);
  });

  it('AG291 AG292 one node accumulates into a leaf, shared by all its uses, and knows the leaf', () => {
    const x = leaf(1, 2);
    const ends = [x.mul(2), x.sum(), x.exp()].map((t) => nodeOf(t).nextFunctions[0][0]);
    expect(new Set(ends).size).toBe(1);
    expect(ends[0]?.variable).toBe(x);
    expect(nodeOf(x.mul(2)).variable).toBeNull();
    expect(autograd.graph.getGradientEdge(x).node).toBe(ends[0]);
  });

  it('AG293 outputNr tells which output of its node a tensor is', () => {
    const { var: variance, mean } = leaf(1, 2).varMean(0);
    expect([variance.outputNr, mean.outputNr]).toEqual([0, 1]);
    expect(variance.gradFn).toBe(mean.gradFn);
    const y = mean.mul(3);
    expect(nodeOf(y).nextFunctions[0]).toEqual([mean.gradFn, 1]);
  });

  it('AG299 run latest first, leaves as soon as all of their gradient is there', () => {
    const order: string[] = [];
    const watch = (node: Node, name: string): void => {
      node.registerPrehook(() => void order.push(name));
    };
    const [a, b, c] = [leaf(1), leaf(2), leaf(3)];
    const first = a.mul(2);
    const second = b.mul(2);
    const third = c.mul(2);
    const sum = second.add(third).add(first);
    [first, second, third].forEach((t, i) => {
      watch(nodeOf(t), `node ${i}`);
    });
    [a, b, c].forEach((t, i) => {
      watch(autograd.graph.getGradientEdge(t).node, `leaf ${i}`);
    });
    sum.sum().backward();
    expect(order).toEqual(['node 2', 'leaf 2', 'node 1', 'leaf 1', 'node 0', 'leaf 0']);
    expect(nodeOf(third).sequenceNr).toBeGreaterThan(nodeOf(second).sequenceNr);
    expect(autograd.graph.getGradientEdge(a).node.sequenceNr).toBe(Number.POSITIVE_INFINITY);
  });

  it('AG301 have room for the user’s data', () => {
    const y = leaf(1).mul(2);
    nodeOf(y).metadata.where = 'here';
    expect(nodeOf(y).metadata).toEqual({ where: 'here' });
    expect(nodeOf(y.mul(2)).metadata).toEqual({});
  });
});

describe('saved values', () => {
  it('AG294 are visible by name', () => {
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    const { self, other } = nodeOf(a.mul(b)).savedValues;
    expect(self).toBe(a);
    expect(other).toBe(b);
    const product = a.view([1, 2]).mm(b.view([2, 1]));
    expect(nodeOf(product).savedTensors.map((t) => t.shape)).toEqual([
      [1, 2],
      [2, 1],
    ]);
    expect(nodeOf(a.mul(3)).savedValues).toEqual({ other: 3 });
    expect(nodeOf(a.mul(3)).savedTensors).toEqual([]);
    expect(nodeOf(a.add(b)).savedValues).toEqual({});
    const node = nodeOf(a.tanh());
    expect(Object.keys(node.savedValues)).toEqual(['result']);
    expectClose(node.savedValues.result as Tensor, a.tanh());
  });

  it('AG295 are gone after backward, unless the graph is kept', () => {
    const a = leaf(1, 2);
    const y = a.exp();
    const node = nodeOf(y);
    y.sum().backward({ retainGraph: true });
    expect(node.savedTensors).toHaveLength(1);
    y.sum().backward();
    for (const read of [() => node.savedTensors, () => node.savedValues])
      expectError(read, AutogradError, 'after they have already been freed');
  });

  it('AG295 that were changed in place are an error', () => {
    const a = leaf(1, 2);
    const b = tensor([3, 4]);
    const node = nodeOf(a.mul(b));
    b.add_(1);
    expectError(() => node.savedTensors, AutogradError, 'modified by an inplace operation');
  });

  it('AG296 a saved output is not the output itself but has its place; a saved input is itself', () => {
    const a = leaf(1, 2);
    const y = a.exp();
    const saved = nodeOf(y).savedValues.result as Tensor;
    expect(saved).not.toBe(y);
    expect([saved.gradFn, saved.outputNr, saved.storage === y.storage]).toEqual([y.gradFn, 0, true]);
    expect(nodeOf(a.square()).savedValues.self).toBe(a);
    saved.mul(2).sum().backward();
    expectClose(a.grad as Tensor, y.detach().mul(2));
  });
});

describe('tensors', () => {
  it('AG297 show that they require grad, or by what they were made', () => {
    const x = leaf(1, 2);
    expect(String(x)).toBe('tensor([1., 2.], requires_grad=True)');
    expect(String(x.clone())).toBe('tensor([1., 2.], grad_fn=<CloneBackward0>)');
    expect(String(x.detach())).toBe('tensor([1., 2.])');
  });

  it('AG300 are leaves when the user made them or they do not require grad', () => {
    const x = leaf(1);
    const y = x.mul(2);
    expect([x, tensor([1]), tensor([1]).mul(2), y, y.detach(), noGrad(() => x.mul(2))].map((t) => t.isLeaf)).toEqual([
      true,
      true,
      true,
      false,
      true,
      true,
    ]);
    expectValues(y, [1], [2]);
  });
});
