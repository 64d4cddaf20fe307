import { ArgumentError, AutogradError, autograd, ones, ShapeError, type Tensor, tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../../support/close.ts';
import { f64, leaf, spreadTensor, valuesOf } from '../../support/numbers.ts';

/* autograd.grad, and backward with inputs. */

const { getGradientEdge, GradientEdge } = autograd.graph;

describe('autograd.grad', () => {
  it('AG027 returns gradients in the order of the inputs and leaves .grad alone', () => {
    const [x, y] = [leaf(1, 2), leaf(3, 4)];
    const [gy, gx] = autograd.grad(x.mul(y).sum(), [y, x]);
    expectValues(gx, [2], [3, 4]);
    expectValues(gy, [2], [1, 2]);
    expect([x.grad, y.grad]).toEqual([null, null]);
  });

  it('AG028 by a result goes no further', () => {
    const x = leaf(1, 2);
    const y = x.exp();
    x.registerHook(() => expect.fail('beyond what was asked for'));
    expectValues(autograd.grad(y.mul(3).sum(), y)[0], [2], [3, 3]);
    expect((y.gradFn as autograd.graph.Node).freed).toBe(false);
  });

  it('AG029 by several outputs of one node captures each', () => {
    const x = leaf(1, 2, 4);
    x.registerHook(() => expect.fail('beyond what was asked for'));
    const { var: variance, mean } = x.varMean(0);
    const [gv, gm] = autograd.grad(variance.mul(5).add(mean.mul(7)), [variance, mean]);
    expect([gv.item(), gm.item()]).toEqual([5, 7]);
  });

  it('AG030 AG031 an input that is not reached is an error, or null with allowUnused', () => {
    const [x, y] = [leaf(1), leaf(2)];
    expectError(
      () => autograd.grad(x.mul(2), [x, y]),
      AutogradError,
      'One of the differentiated Tensors appears to not have been used in the graph. Set allowUnused: true if this is the desired behavior.',
    );
    const [gx, gy] = autograd.grad(x.mul(2), [x, y], { allowUnused: true });
    expectValues(gx, [1], [2]);
    expect(gy).toBeNull();
  });

  it('AG032 AG033 inputs and outputs must require grad', () => {
    const x = leaf(1);
    expectError(
      () => autograd.grad(x.mul(2), tensor([1])),
      AutogradError,
      'One of the differentiated Tensors does not require grad',
    );
    expectError(
      () => autograd.grad(tensor([1]), x),
      AutogradError,
      'element 0 of tensors does not require grad and does not have a grad_fn',
    );
  });

  it('AG034 needs inputs', () => {
    expectError(() => autograd.grad(leaf(1).mul(2), []), ArgumentError, 'grad requires non-empty inputs.');
  });

  it('AG035 AG036 AG037 materializeGrads gives zeros for what is not reached', () => {
    const [x, a] = [tensor(0.5, { requiresGrad: true }), tensor(1, { requiresGrad: true })];
    const y = x.mul(a);
    const [dy] = autograd.grad(y, x, { createGraph: true });
    expect(autograd.grad(dy, x, { createGraph: true, allowUnused: true })).toEqual([null]);
    const [zero] = autograd.grad(dy, x, { createGraph: true, materializeGrads: true });
    // With createGraph it can be differentiated in turn.
    expect([zero?.item(), zero?.requiresGrad]).toEqual([0, true]);
    expect(autograd.grad(zero as Tensor, x, { materializeGrads: true })[0]?.item()).toBe(0);
    const [plain] = autograd.grad(dy, x, { materializeGrads: true });
    expect(plain?.requiresGrad).toBe(false);
    expectError(
      () => autograd.grad(y, x, { allowUnused: false, materializeGrads: true }),
      ArgumentError,
      'Expected allowUnused to be true or not passed when',
    );
  });

  it('AG046 split at intermediates and put together again is the whole', () => {
    const leaves = [1, 2, 3, 4].map((k) => spreadTensor([3], -1, 1, k).requiresGrad_());
    const middle = leaves.map((l, i) => l.mul(i).add(l.square()));
    const loss = middle.map((m, i) => m.mul(i).sum()).reduce((a, b) => a.add(b));
    const parts = [middle.slice(0, 2), middle.slice(2)].flatMap((m) => autograd.grad(loss, m, { retainGraph: true }));
    autograd.backward(middle, { gradient: parts });
    leaves.forEach((l, i) => {
      expectClose(l.grad as Tensor, l.detach().mul(2).add(i).mul(i));
    });
  });

  it('AG049 AG051 AG052 takes one gradient per output, null for one element, and converts it', () => {
    const x = leaf(1, 2);
    const outputs = [x.mul(2), x.sum()];
    expectValues(autograd.grad(outputs, x, { gradOutputs: [tensor([1, 10]), null] })[0], [2], [3, 21]);
    const two = [x.sum(), x.sum()];
    expectError(() => autograd.grad(two, x, { gradOutputs: [null] }), AutogradError, 'got 2 tensors and 1 gradients');
    for (const dtype of ['int32', 'uint8', 'bool', 'float64'] as const)
      expectValues(autograd.grad(x.mul(2), x, { gradOutputs: ones([2], { dtype }) })[0], [2], [2, 2]);
  });
});

describe('isGradsBatched', () => {
  it('AG038 maps over a leading dimension of the gradients', () => {
    const x = spreadTensor([2, 3], -1, 1).requiresGrad_();
    const y = x.exp().matmul(spreadTensor([3, 2], -1, 1, 2));
    const batch = spreadTensor([5, 2, 2], -1, 1, 3);
    const [g] = autograd.grad(y, x, { gradOutputs: batch, isGradsBatched: true, retainGraph: true });
    expect(g.shape).toEqual([5, 2, 3]);
    for (let i = 0; i < 5; i++) {
      expectClose(
        g.select(0, i),
        autograd.grad(y, x, { gradOutputs: batch.select(0, i) as never, retainGraph: true })[0],
      );
    }
  });

  it('AG038 gives a Jacobian at once, which can be differentiated', () => {
    const x = f64([1, 2, 3], [3]).requiresGrad_();
    const y = x.square().mul(x);
    const [jacobian] = autograd.grad(y, x, {
      gradOutputs: f64([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]),
      isGradsBatched: true,
      createGraph: true,
    });
    expectValues(jacobian, [3, 3], [3, 0, 0, 0, 12, 0, 0, 0, 27]);
    expectValues(autograd.grad(jacobian.sum(), x)[0], [3], [6, 12, 18]);
  });

  it('AG038 works for several outputs and inputs, unused ones too', () => {
    const [x, y, z] = [leaf(1, 2), leaf(3), leaf(5)];
    const outputs = [x.sum(), x.mul(y)];
    const gradOutputs = [tensor([1, 2, 3]), ones([3, 2])];
    const options = { gradOutputs, isGradsBatched: true, retainGraph: true } as const;
    const [gx, gy, gz] = autograd.grad(outputs, [x, y, z], { ...options, allowUnused: true });
    expectValues(gx, [3, 2], [4, 4, 5, 5, 6, 6]);
    expectValues(gy, [3, 1], [3, 3, 3]);
    expect(gz).toBeNull();
    const zeroed = autograd.grad(outputs, [z], { ...options, materializeGrads: true });
    expectValues(zeroed[0], [3, 1], [0, 0, 0]);
    expect(autograd.grad(outputs, [z], { ...options, allowUnused: true })).toEqual([null]);
  });

  it('AG039 a wrong leading shape is refused', () => {
    const x = leaf(1, 2);
    const message = 'If `isGradsBatched: true`, we interpret the first dimension of each grad_output as the batch';
    const run = (gradOutputs: Tensor, output: Tensor = x.mul(2)): unknown =>
      autograd.grad(output, x, { gradOutputs, isGradsBatched: true });
    expectError(() => run(ones([2])), ShapeError, message);
    expectError(() => run(ones([2, 1]), x.sum()), ShapeError, message);
    expectError(() => run(tensor(1), x.sum()), ShapeError, message);
    expectError(
      () => autograd.grad(x.sum(), x, { isGradsBatched: true }),
      ArgumentError,
      'gradOutputs must hold a Tensor for each',
    );
  });
});

describe('backward with inputs', () => {
  const graph = (): { x: Tensor; y: Tensor; h: Tensor; z: Tensor } => {
    const [x, y] = [leaf(2), leaf(3)];
    const h = x.mul(1);
    return { x, y, h, z: h.square().add(y.mul(h)).sum() };
  };

  it('AG040 AG041 accumulates into those only, one or several', () => {
    const { x, y, z } = graph();
    z.backward({ inputs: [x], retainGraph: true });
    expectValues(x.grad, [1], [7]);
    expect(y.grad).toBeNull();
    z.backward({ inputs: y });
    expectValues(y.grad, [1], [2]);
    expectValues(x.grad, [1], [7]);
  });

  it('AG042 they cannot be empty', () => {
    const { z } = graph();
    expectError(() => z.backward({ inputs: [] }), AutogradError, 'cannot be empty');
  });

  it('AG043 a result among them gets its .grad', () => {
    const { x, y, h, z } = graph();
    z.backward({ inputs: [x, y, h] });
    expect([x, y, h].map((t) => t.grad?.item())).toEqual([7, 2, 7]);
    expect(h.retainsGrad).toBe(true);
  });

  it('AG044 one that is not reached gets nothing', () => {
    const { x, z } = graph();
    const other = leaf(1);
    z.backward({ inputs: [other] });
    expect([other.grad, x.grad]).toEqual([null, null]);
  });

  it('AG045 nodes that lead to none of them do not run', () => {
    const { x, y, h, z } = graph();
    h.registerHook(() => expect.fail('not on the way'));
    (h.gradFn as autograd.graph.Node).registerPrehook(() => expect.fail('not on the way'));
    z.backward({ inputs: [y], retainGraph: true });
    autograd.grad(z, y, { retainGraph: true });
    autograd.grad(z, leaf(1), { allowUnused: true });
    expectValues(y.grad, [1], [2]);
    expect(x.grad).toBeNull();
  });
});

describe('gradient edges', () => {
  it('AG047 stand for an input', () => {
    const x = leaf(1, 2);
    const y = x.exp();
    const z = y.square().sum();
    const [byTensor, byEdge] = [y, getGradientEdge(y)].map((at) => autograd.grad(z, at, { retainGraph: true })[0]);
    expectClose(byEdge, byTensor);
    const { var: variance, mean } = x.varMean(0);
    const [g] = autograd.grad(variance.add(mean.mul(7)), getGradientEdge(mean));
    expect(g.item()).toBe(7);
    expectValues(autograd.grad(x.mul(3).sum(), getGradientEdge(x))[0], [2], [3, 3]);
  });

  it('AG047 stand for an output, also when the tensor is gone', () => {
    const x = leaf(1, 2);
    const edge = getGradientEdge(x.mul(3));
    autograd.backward(edge, { gradient: tensor([1, 10]) });
    expectValues(x.grad, [2], [3, 30]);
    const scalar = getGradientEdge(x.mul(3).sum());
    expectValues(autograd.grad(scalar, x, { retainGraph: true })[0], [2], [3, 3]);
    autograd.backward([scalar, x.sum()], { inputs: [getGradientEdge(x)] });
    expectValues(x.grad, [2], [7, 34]);
    expectError(() => autograd.backward(edge), AutogradError, 'only for scalar outputs');
    expectError(() => autograd.backward(edge, { gradient: tensor([1]) }), ShapeError, 'output[0] has a shape of [2]');
  });

  it('AG047 are a node and a number, and can be made of them', () => {
    const y = leaf(1, 2).mul(3);
    const edge = getGradientEdge(y);
    expect([edge.node, edge.outputNr]).toEqual([y.gradFn, 0]);
    expect(getGradientEdge(zeros([1], { requiresGrad: true })).node.name).toBe('AccumulateGrad');
    expect(new GradientEdge(y.gradFn as autograd.graph.Node, 0)).toEqual(edge);
    expectError(() => new GradientEdge(y.gradFn as autograd.graph.Node, 1), ArgumentError, 'there is no number 1');
    expectError(() => new GradientEdge(y as never, 0), ArgumentError, 'must be a node');
    expectError(() => getGradientEdge(tensor([1])), AutogradError, 'does not require gradients');
    expectError(() => getGradientEdge(3 as never), ArgumentError, 'expected a Tensor');
  });

  it('AG048 cannot be materialized', () => {
    const x = leaf(1);
    expectError(
      () => autograd.grad(x.mul(2), getGradientEdge(x), { materializeGrads: true }),
      AutogradError,
      'materializeGrads cannot be used when the given input is a GradientEdge',
    );
  });
});

it('AG027 hooks on the way change what is returned', () => {
  const x = leaf(1, 2);
  const y = x.mul(1);
  y.registerHook((g) => g.mul(10));
  const z = y.square().sum();
  const [gy] = autograd.grad(z, y, { retainGraph: true });
  const [gx, again] = autograd.grad(z, [x, y], { retainGraph: true });
  expect([gy, gx, again].map(valuesOf)).toEqual(Array.from({ length: 3 }, () => [20, 40]));
});
