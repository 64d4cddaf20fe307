import { AutogradError, autograd, DTypeError, IndexError, noGrad, ShapeError, type Tensor, tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../../support/close.ts';
import { leaf64 } from '../../support/numbers.ts';

/* In-place operations and the version counter. The number in a title is the behaviour's in the list of what PyTorch's engine does. */

const plain = (...values: number[]): Tensor => tensor(values, { dtype: 'float64' });
const modified = 'one of the variables needed for gradient computation has been modified by an inplace operation';

describe('leaves', () => {
  const message = 'a leaf Variable that requires grad is being used in an in-place operation.';
  const changes: readonly ((x: Tensor) => unknown)[] = [
    (x) => x.add_(1),
    (x) => x.mul_(x.detach()),
    (x) => x.zero_(),
    (x) => x.copy_(plain(1, 2)),
    (x) => x.exp_(),
    (x) => x.uniform_(),
    (x) => x.setAt_([0], 1),
    (x) => x.unsqueeze_(0),
    (x) => x.t_(),
  ];

  it('AG120 that require grad are not changed in place', () => {
    for (const change of changes) {
      const x = leaf64(1, 2);
      expectError(() => change(x), AutogradError, message);
      expect([x.version, x.shape, x.toArray()]).toEqual([0, [2], [1, 2]]);
    }
  });

  it('AG121 nor through a view', () => {
    const x = leaf64(1, 2, 3, 4);
    const views: readonly ((x: Tensor) => Tensor)[] = [
      (t) => t.slice(0, 0, 1),
      (t) => t.view([2, 2]).T,
      (t) => t.view([2, 2]).diagonal(),
      (t) => t.select(0, 1),
    ];
    for (const view of views) {
      const at = view(x);
      expectError(() => at.add_(1), AutogradError, `a view of ${message}`);
    }
    expect(x.version).toBe(0);
  });

  it('AG122 are changed inside noGrad, and stay leaves', () => {
    const x = leaf64(1, 2);
    noGrad(() => {
      x.mul_(3);
      x.setAt_([0], 9);
    });
    expectValues(x.detach(), [2], [9, 6]);
    expect([x.isLeaf, x.requiresGrad, x.gradFn]).toEqual([true, true, null]);
    x.square().sum().backward();
    expectValues(x.grad, [2], [18, 12]);
  });

  it('AG123 that do not require grad come to when an operand does', () => {
    const x = leaf64(1, 2);
    const y = plain(0, 0);
    y.add_(x);
    expect([y.requiresGrad, y.isLeaf, y.gradFn?.name]).toEqual([true, false, 'AddBackward0']);
    const z = plain(3, 4);
    z.mul_(x);
    z.sum().backward();
    expectValues(x.grad, [2], [3, 4]);
  });

  it('AG124 are changed before requiresGrad is set, also through a view', () => {
    const x = plain(1, 2);
    x.mul_(3);
    x.narrow(0, 1, 1).add_(1);
    x.requiresGrad_();
    x.sum().backward();
    expectValues(x.detach(), [2], [3, 7]);
    expectValues(x.grad, [2], [1, 1]);
  });
});

describe('versions', () => {
  it('AG125 count in-place changes one by one', () => {
    const x = zeros([2, 3]);
    const changes: readonly (() => unknown)[] = [
      () => x.add_(1),
      () => x.mul_(2),
      () => x.fill_(3),
      () => x.copy_(zeros([3])),
      () => x.normal_(),
      () => x.setAt_([0], 1),
      () => x.relu_(),
      () => x.transpose_(0, 1),
      () => x.unsqueeze_(0),
    ];
    changes.forEach((change, k) => {
      change();
      expect(x.version).toBe(k + 1);
    });
    expect(x.add(1).version).toBe(0);
  });

  it('AG126 are those of the base in every view', () => {
    const x = zeros([2, 3]);
    const views = [x.T, x.view([6]), x.select(0, 1), x.diagonal(), x.unbind()[0], x.split(1)[1], x.unfold(1, 2, 1)];
    views[0].add_(1);
    views[3].mul_(2);
    x.zero_();
    for (const v of views) expect(v.version).toBe(3);
  });

  it('AG127 detach() shares them: a change of the detached tensor is noticed', () => {
    const x = leaf64(1, 2);
    const y = x.mul(1);
    const z = y.square().sum();
    const d = y.detach();
    d.zero_();
    expect([y.version, d.version]).toEqual([1, 1]);
    expectError(() => z.backward(), AutogradError, 'has been modified by an inplace operation');
  });

  it('AG128 x.data = values keeps them, and is not noticed', () => {
    const x = leaf64(1, 2);
    noGrad(() => x.add_(1).add_(1));
    const view = x.slice(0, 0, 1);
    const z = x.square().sum();
    x.setData(plain(5, 6, 7));
    expect([x.version, x.shape]).toEqual([2, [3]]);
    x.setData(plain(5, 6));
    noGrad(() => x.add_(1));
    // The version is still one with that of the view, though the memory is not.
    expect([x.version, view.version]).toEqual([3, 3]);
    noGrad(() => view.detach().add_(1));
    expect([x.version, view.version]).toEqual([4, 4]);
    expectError(() => z.backward(), AutogradError, modified);
    const w = x.square().sum();
    x.setData(plain(10, 20));
    w.backward();
    expectValues(x.grad, [2], [20, 40]);
  });

  it('of which there were many, for a view of the first', () => {
    const x = leaf64(1, 2);
    const view = noGrad(() => x.slice(0, 0, 1));
    for (let i = 0; i < 20_000; i++) x.setData(plain(i, i));
    noGrad(() => x.add_(1));
    expect([x.version, view.version, view.item()]).toEqual([1, 1, 1]);
  });

  it('of another shape: what is recorded from then on has gradients of that shape, what was recorded before of the old', () => {
    const x = leaf64(1, 2, 3);
    const seen: (readonly number[])[] = [];
    x.registerHook((g) => {
      seen.push(g.shape);
    });
    const before = x.sum();
    x.setData(plain(4, 5));
    x.mul(2).sum().backward();
    expectValues(x.grad, [2], [2, 2]);
    x.grad = null;
    before.backward();
    expectValues(x.grad, [3], [1, 1, 1]);
    expect(seen).toEqual([[2], [3]]);

    const row = leaf64(1, 2).unsqueeze(0).detach().requiresGrad_();
    const sum = row.sum();
    noGrad(() => row.t_());
    row.mul(3).sum().backward();
    expectValues(row.grad, [2, 1], [3, 3]);
    row.grad = null;
    sum.backward();
    expectValues(row.grad, [1, 2], [1, 1]);
  });

  it('AG128 … for leaves; and only floats can require grad', () => {
    const x = leaf64(1, 2);
    expectError(() => x.mul(1).setData(plain(1, 2)), AutogradError, 'only leaf tensors can be given other data');
    expectError(() => x.setData(tensor([1, 2], { dtype: 'int32' })), DTypeError, 'must be floating point');
    const y = plain(1, 2);
    const v = plain(7);
    y.setData(v);
    y.add_(1);
    expect([y.version, v.version, v.item()]).toEqual([1, 0, 8]);
  });

  it('AG129 of what is saved are checked by backward', () => {
    const x = leaf64(1, 2);
    const y = x.mul(1);
    const z = y.square().sum();
    y.add_(1);
    expectError(() => z.backward(), AutogradError, modified);
  });

  it('AG130 the error names the tensor, where it comes from, and both versions', () => {
    const x = leaf64(1, 2);
    const y = x.add(1);
    const z = y.square().sum();
    y.add_(1);
    expectError(
      () => z.backward(),
      AutogradError,
      'modified by an inplace operation: [float64 [2]], which is output 0 of AddBackward0, is at version 1; expected version 0 instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, with autograd.setDetectAnomaly(true).',
    );
    expectError(
      () => z.backward(),
      AutogradError,
      'PowBackward0 saved the tensor for backward. What changed it last was add_.',
    );
    const e = x.exp();
    e.setAt_([0], 0);
    expectError(
      () => e.sum().backward(),
      AutogradError,
      '[float64 [2]], which is output 0 of ExpBackward0, is at version 1;',
    );
    const w = x.square().sum();
    noGrad(() => x.relu_());
    expectError(() => w.backward(), AutogradError, '[float64 [2]] is at version 1; expected version 0 instead.');
  });

  it('AG131 do not matter to operations that do not need their input', () => {
    const x = leaf64(1, 2);
    const y = x.mul(1);
    const z = y
      .add(3)
      .add(y.sum())
      .add(y.view([2, 1]).sum(0));
    y.mul_(5);
    z.sum().backward();
    expectValues(x.grad, [2], [5, 5]);
  });

  it('AG132 of its input do not matter to an operation that saves its output; those of the output do', () => {
    for (const name of ['exp', 'sigmoid', 'tanh', 'sqrt'] as const) {
      const x = leaf64(1, 2);
      const y = x.mul(1);
      const z = y[name]();
      y.add_(1);
      z.sum().backward({ retainGraph: true });
      z.add_(1);
      expectError(() => z.sum().backward(), AutogradError, 'has been modified by an inplace operation');
    }
  });

  it('AG133 x times a number does not save x', () => {
    const x = leaf64(1, 2);
    const y = x.mul(1);
    const z = y.mul(3).sub(y.div(2));
    y.zero_();
    z.sum().backward();
    expectValues(x.grad, [2], [2.5, 2.5]);
  });

  it('AG134 the result has the new history', () => {
    const x = leaf64(1, 2);
    const y = x.clone();
    y.mul_(x).add_(1);
    y.square().sum().backward();
    // Σ (x² + 1)²
    expectValues(x.grad, [2], [8, 40]);
  });

  it('AG135 count changes inside noGrad too', () => {
    const x = leaf64(1, 2);
    const y = x.mul(1);
    const z = y.square().sum();
    noGrad(() => y.add_(1));
    expect(y.version).toBe(1);
    expectError(() => z.backward(), AutogradError, 'modified by an inplace operation');
    const w = x.square().sum();
    noGrad(() => x.sub_(1));
    expectError(() => w.backward(), AutogradError, 'modified by an inplace operation');
  });

  it('AG136 an activation in place saves its own output', () => {
    const x = leaf64(-1, 2);
    const y = x.mul(2).relu_();
    y.sum().backward();
    expectValues(x.grad, [2], [0, 2]);
    const z = x.mul(1).sigmoid_();
    const [g] = autograd.grad(z.sum(), x);
    expectClose(g, x.detach().sigmoid().mul(x.detach().sigmoid().neg().add(1)));
  });
});

describe('writing over', () => {
  it('AG137 copy_ sends the gradient to the source and cuts the old history', () => {
    const [x, src] = [leaf64(1, 2), leaf64(3)];
    const y = x.mul(2);
    y.copy_(src);
    y.mul(plain(10, 1)).sum().backward();
    expect(y.gradFn?.name).toBe('CopyBackwards');
    expectValues(x.grad, [2], [0, 0]);
    expectValues(src.grad, [1], [11]);
  });

  it('AG138 setAt_ with a number cuts the gradient there, with a tensor sends it to that; the version counts', () => {
    const [x, v] = [leaf64(1, 2, 3), leaf64(5)];
    const y = x.mul(2);
    y.setAt_([0], 7);
    y.setAt_([2], v.select(0, 0));
    expect(y.version).toBe(2);
    y.mul(plain(1, 10, 100))
      .sum()
      .backward();
    expectValues(x.grad, [3], [0, 20, 0]);
    expectValues(v.grad, [1], [100]);
    const z = x.square();
    const s = z.exp().sum();
    z.setAt_([1], 0);
    s.backward({ retainGraph: true });
    const w = z.square().sum();
    z.setAt_([tensor([true, false, false])], 0);
    expectError(() => w.backward(), AutogradError, 'modified by an inplace operation');
  });

  it('AG139 a value that is broadcast gets the sum', () => {
    const [x, v] = [leaf64(1, 2, 3, 4, 5, 6), leaf64(1, 2)];
    const y = x.mul(1).view([3, 2]).mul(1);
    y.setAt_([tensor([0, 2], { dtype: 'int32' })], v);
    y.mul(tensor([[1], [10], [100]], { dtype: 'float64' }))
      .sum()
      .backward();
    expectValues(v.grad, [2], [101, 101]);
    expectValues(x.grad, [6], [0, 0, 10, 10, 0, 0]);
  });

  it('AG140 into a tensor that does not require grad makes it', () => {
    const v = leaf64(2);
    const x = zeros([3], { dtype: 'float64' });
    x.setAt_([1], v.select(0, 0));
    expect([x.requiresGrad, x.isLeaf]).toEqual([true, false]);
    x.square().sum().backward();
    expectValues(v.grad, [1], [4]);
  });

  it('AG141 x[mask] = x[mask] works: reading by index does not keep what it reads from', () => {
    const x = leaf64(1, -2, 3);
    const y = x.mul(1);
    const mask = y.gt(0);
    y.setAt_([mask], y.at(mask));
    const at = tensor([0, 1], { dtype: 'int32' });
    y.setAt_([at], y.at(at));
    y.square().sum().backward();
    expectValues(x.grad, [3], [2, -4, 6]);
  });
});

describe('what is refused', () => {
  it('AG143 another shape', () => {
    const wide = zeros([1, 3]) as Tensor;
    expectError(
      () => wide.add_(zeros([2, 3])),
      ShapeError,
      "output with shape [1, 3] doesn't match the broadcast shape [2, 3]",
    );
    const short: Tensor = zeros([2]);
    expectError(() => short.setAt_([5], 1), IndexError, 'out of');
    expect(wide.version).toBe(0);
  });

  it('AG144 a result that the dtype cannot hold', () => {
    const i = zeros([2], { dtype: 'int32' });
    expectError(() => i.mul_(0.5), DTypeError, "result type float32 can't be cast to the desired output type int32");
    expectError(() => i.exp_(), DTypeError, "can't be cast to the desired output type int32");
    expect(i.version).toBe(0);
  });
});

describe('the version by hand', () => {
  const { incrementVersion, allowMutationOnSavedTensors } = autograd.graph;

  it('AG145 incrementVersion counts up, for one tensor or several', () => {
    const x = leaf64(1, 2);
    const [y, z] = [x.mul(1), x.mul(2)];
    const s = y.square().sum();
    incrementVersion(y);
    expect(y.version).toBe(1);
    incrementVersion([y, z]);
    expect([y.version, z.version]).toEqual([2, 1]);
    expectError(() => s.backward(), AutogradError, 'is at version 2; expected version 0 instead');
    expectError(() => s.backward(), AutogradError, 'What changed it last was incrementVersion.');
    expect(() => incrementVersion('x' as never)).toThrow('expected a Tensor');
  });

  it('AG146 resize_ counts only when it changes something', () => {
    const x = zeros([1]) as Tensor;
    x.resize_([1, 2]);
    expect([x.version, x.shape]).toEqual([1, [1, 2]]);
    x.resizeAs_(zeros([3]));
    expect([x.version, x.shape]).toEqual([2, [3]]);
    x.resize_([3]);
    x.resizeAs_(zeros([3]));
    expect(x.version).toBe(2);
    const y = plain(1, 2, 3, 4);
    y.resize_([2, 2]);
    y.resize_([3]);
    expectValues(y, [3], [1, 2, 3]);
    y.resize_([2, 4]);
    expectValues(y.select(0, 0), [4], [1, 2, 3, 4]);
    expectError(() => leaf64(1).resize_([2]), AutogradError, 'cannot resize variables that require grad');
  });

  it('AG147 allowMutationOnSavedTensors copies saved tensors when they are written over', () => {
    allowMutationOnSavedTensors(() => {
      const x = leaf64(1, 2);
      const y = x.mul(1);
      const z = y.square();
      const e = x.exp();
      const s = z.sum().add(e.sum());
      y.mul_(10);
      e.view([2, 1]).zero_();
      noGrad(() => x.add_(100));
      y.setAt_([0], 5);
      s.backward({ retainGraph: true });
      expectValues(x.grad, [2], [2 + Math.E, 4 + Math.E ** 2]);
      // What came after the changes is differentiated where it was.
      const w = y.sin().sum();
      y.zero_();
      const [g] = autograd.grad(w, x);
      expectValues(g, [2], [0, 10 * Math.cos(20)]);
    });
  });

  it('AG147 … again and again, and in double backward', () => {
    allowMutationOnSavedTensors(() => {
      const x = leaf64(2);
      const y = x.mul(1);
      let total: Tensor = tensor(0, { dtype: 'float64' });
      for (let k = 0; k < 40; k++) {
        total = total.add(y.square().sum());
        noGrad(() => y.add_(1));
      }
      const [g] = autograd.grad(total, x, { createGraph: true });
      expectValues(g.detach(), [1], [2 * (40 * 2 + (39 * 40) / 2)]);
      x.detach().zero_();
      const [h] = autograd.grad(g.sum(), x);
      expectValues(h, [1], [80]);
    });
  });

  it('AG148 backward outside of it is an error', () => {
    const x = leaf64(1, 2);
    const y = allowMutationOnSavedTensors(() => x.square().sum());
    const message =
      "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was originally recorded.";
    expectError(() => y.backward(), AutogradError, message);
    expectError(() => allowMutationOnSavedTensors(() => y.backward()), AutogradError, message);
  });

  it('AG149 it does not nest', () => {
    allowMutationOnSavedTensors(() => {
      expectError(
        () => allowMutationOnSavedTensors(() => undefined),
        AutogradError,
        'allow_mutation_on_saved_tensors contexts cannot be nested',
      );
    });
    {
      using _ = allowMutationOnSavedTensors();
    }
    allowMutationOnSavedTensors(() => undefined);
    const x = leaf64(1, 2);
    const y = x.mul(1);
    const z = y.square().sum();
    y.add_(1);
    expectError(() => z.backward(), AutogradError, modified);
  });
});
