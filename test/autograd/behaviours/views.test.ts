import { AutogradError, autograd, noGrad, ones, ShapeError, type Tensor, tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { sameMemory } from '../../../src/backends/wasm/heap.ts';
import { expectClose, expectError, expectValues } from '../../support/close.ts';
import { leaf64, spreadTensor } from '../../support/numbers.ts';

/* Views and their bases. The number in a title is the behaviour's in the list of what PyTorch's engine does. */

const plain = (...values: number[]): Tensor => tensor(values, { dtype: 'float64' });
const matrix = (rows: number, columns: number, seed = 1): Tensor => spreadTensor([rows, columns], -1, 1, seed);

/** Every way to see a 3 × 4 matrix otherwise. */
const views: Readonly<Record<string, (t: Tensor) => Tensor>> = {
  reshape: (t) => t.reshape([4, 3]),
  view: (t) => t.view([2, 6]),
  viewAs: (t) => t.viewAs(zeros([12])),
  transpose: (t) => t.transpose(0, 1),
  permute: (t) => t.permute([1, 0]),
  T: (t) => t.T,
  mT: (t) => t.mT,
  H: (t) => t.H,
  adjoint: (t) => t.adjoint(),
  t: (t) => t.t(),
  squeeze: (t) => t.squeeze(0),
  unsqueeze: (t) => t.unsqueeze(1),
  select: (t) => t.select(1, 2),
  slice: (t) => t.slice(1, 0, 4, 2),
  narrow: (t) => t.narrow(0, 1, 2),
  flatten: (t) => t.flatten(),
  ravel: (t) => t.ravel(),
  unflatten: (t) => t.unflatten(1, [2, 2]),
  movedim: (t) => t.movedim(0, 1),
  diagonal: (t) => t.diagonal(1),
  unfold: (t) => t.unfold(1, 2, 2),
  asStrided: (t) => t.asStrided([2, 2], [4, 2], 1),
  atleast3d: (t) => t.atleast3d(),
  tensorSplit: (t) => t.tensorSplit(2, 1)[1],
  hsplit: (t) => t.hsplit(2)[0],
};

describe('views', () => {
  for (const [name, view] of Object.entries(views)) {
    it(`AG150 ${name} shares memory, and changes go both ways`, () => {
      const x = matrix(3, 4);
      const v = view(x);
      expect([v.isView(), v.base === x, x.isView(), sameMemory(v.storage, x.storage)]).toEqual([
        true,
        true,
        false,
        true,
      ]);
      v.fill_(7);
      expect(x.eq(7).sum().item()).toBe(v.numel());
      x.fill_(3);
      expect(v.eq(3).all().item()).toBe(1);
      // The base of a view of a view is the first of them.
      expect(v.unsqueeze(0).base).toBe(x);
    });

    it(`AG167 ${name} is differentiable and may be written to`, () => {
      const x = matrix(3, 4).requiresGrad_();
      const weights = matrix(3, 4, 2);
      const b = x.mul(1);
      view(b).mul_(5).add_(1);
      const [g] = autograd.grad(b.mul(weights).sum(), x);
      const mark = zeros([3, 4], { dtype: 'float64' });
      view(mark).fill_(1);
      expectClose(g, weights.mul(mark.mul(4).add(1)));
      expectClose(b.detach(), x.detach().mul(mark.mul(4).add(1)).add(mark));
      // A view taken before the base is changed is one of what the base has become.
      const late = x.mul(1);
      const early = view(late);
      late.mul_(x);
      const [h] = autograd.grad(early.sum(), x);
      expectClose(h, mark.mul(x.detach()).mul(2));
    });
  }

  it('AG150 expand and the views of several have a base too', () => {
    const x = matrix(1, 4);
    expect(x.expand([3, 4]).base).toBe(x);
    for (const v of [...x.unbind(1), ...x.split(3, 1), ...x.chunk(2, 1)]) expect(v.base).toBe(x);
    const parts = x.unsafeSplit(2, 1);
    expect(parts.map((p) => [p.isView(), sameMemory(p.storage, x.storage)])).toEqual([
      [false, true],
      [false, true],
    ]);
    expect([x.clone().isView(), x.add(1).base]).toEqual([false, null]);
  });
});

describe('a change of a view', () => {
  it('AG151 changes the history of the base', () => {
    const x = leaf64(1, 2, 3, 4);
    const b = x.mul(1);
    b.narrow(0, 1, 2).mul_(3);
    expect(b.gradFn?.name).toBe('CopySlices');
    b.sum().backward();
    expectValues(x.grad, [4], [1, 3, 3, 1]);
  });

  it('AG152 and that of the other views', () => {
    const x = leaf64(1, 2, 3, 4);
    const b = x.mul(1);
    const [v, w] = [b.view([2, 2]).T, b.slice(0, 1)];
    w.mul_(2);
    // v = [[x0, 2 x2], [2 x1, 2 x3]]
    expect(v.gradFn?.name).toBe('AsStridedBackward0');
    v.mul(
      tensor(
        [
          [1, 10],
          [100, 1000],
        ],
        { dtype: 'float64' },
      ),
    )
      .sum()
      .backward();
    expectValues(x.grad, [4], [1, 200, 20, 2000]);
  });

  it('AG153 of a view works', () => {
    const x = leaf64(1, 2, 3, 4, 5, 6);
    const b = x.mul(1);
    b.view([2, 3]).narrow(0, 1, 1).narrow(1, 1, 2).mul_(10);
    b.sum().backward();
    expectValues(x.grad, [6], [1, 1, 1, 1, 10, 10]);
  });

  it('AG154 makes a base require grad that did not', () => {
    const w = leaf64(2, 3);
    const b = plain(1, 1, 1, 1);
    expect(b.requiresGrad).toBe(false);
    const v = b.narrow(0, 2, 2);
    v.mul_(w);
    expect([b.requiresGrad, v.requiresGrad, b.isLeaf]).toEqual([true, true, false]);
    b.square().sum().backward();
    expectValues(w.grad, [2], [4, 6]);
  });

  it('AG155 of the base makes views require grad that did not', () => {
    const r = leaf64(1);
    const b = ones([5], { dtype: 'float64' });
    const v = b.select(0, 1);
    expect([v.requiresGrad, v.gradFn]).toEqual([false, null]);
    b.add_(r);
    expect([v.requiresGrad, v.isLeaf]).toEqual([true, false]);
    v.backward();
    expectValues(r.grad, [1], [1]);
  });
});

describe('views of several', () => {
  const message =
    'This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace.';
  const several: Readonly<Record<string, readonly [(t: Tensor) => readonly Tensor[], string]>> = {
    unbind: [(t) => t.unbind(), 'UnbindBackward0'],
    split: [(t) => t.split(2), 'SplitBackward0'],
    'split by sizes': [(t) => t.split([1, 2]), 'SplitWithSizesBackward0'],
    chunk: [(t) => t.chunk(2, 1), 'SplitBackward0'],
  };

  for (const [name, [split, node]] of Object.entries(several)) {
    it(`AG156 from ${name} are not changed in place`, () => {
      const b = matrix(3, 4).requiresGrad_().mul(1);
      split(b).forEach((v, k) => {
        expectError(
          () => v.add_(1),
          AutogradError,
          `Output ${k} of ${node} is a view and is being modified inplace. ${message}`,
        );
      });
      expect(b.version).toBe(0);
      noGrad(() => split(b)[0].zero_());
      // Where no gradient is concerned they are.
      const c = matrix(3, 4);
      split(c)[0].zero_();
      expect(c.sum().item()).not.toBe(matrix(3, 4).sum().item());
    });

    it(`AG157 nor are views of those from ${name}`, () => {
      const b = matrix(3, 4).requiresGrad_().mul(1);
      const v = split(b)[0].unsqueeze(0);
      expectError(
        () => v.add_(1),
        AutogradError,
        'Output 0 of UnsqueezeBackward0 is a view and is being modified inplace.',
      );
    });

    it(`AG156 those from ${name} do not follow a change of the base`, () => {
      const b = matrix(3, 4).requiresGrad_().mul(1);
      const v = split(b)[0];
      b.mul_(2);
      expectError(
        () => v.add(1),
        AutogradError,
        `Output 0 of ${node} is a view and its base or another view of its base has been modified inplace. ${message}`,
      );
      expect(String(v)).toContain('grad_fn=<Invalid>');
    });
  }

  it('AG156 an operand that requires grad is enough', () => {
    const b = matrix(3, 4);
    const w = leaf64(1, 2, 3, 4);
    const [v] = b.unbind();
    expectError(() => v.mul_(w), AutogradError, message);
    expect(b.requiresGrad).toBe(false);
  });

  it('AG156 slices, as tensorSplit and its kin give, are changed in place', () => {
    const x = matrix(3, 4).requiresGrad_();
    const b = x.mul(1);
    b.tensorSplit(3)[1].mul_(2);
    b.vsplit(3)[2].mul_(3);
    const [g] = autograd.grad(b.sum(), x);
    expectClose(g.sum(1), plain(4, 8, 12));
  });

  it('AG158 from unsafeSplit and unsafeChunk are changed in place', () => {
    for (const split of [(t: Tensor) => t.unsafeSplit(2), (t: Tensor) => t.unsafeChunk(2)]) {
      const x = leaf64(1, 2, 3, 4);
      const [v, w] = split(x.mul(1));
      expect(v.gradFn?.name).toBe('UnsafeSplitBackward0');
      v.mul_(2);
      expect([v.version, w.version]).toEqual([1, 0]);
      v.sum().add(w.square().sum()).backward();
      expectValues(x.grad, [4], [2, 2, 6, 8]);
    }
  });
});

describe('views and noGrad', () => {
  const message = 'A view was created in no_grad mode and is being modified inplace with grad mode enabled.';

  it('AG159 one taken inside is not changed in place outside', () => {
    const b = matrix(3, 4).requiresGrad_().mul(1);
    for (const v of noGrad(() => [b.viewAs(b), b.T, ...b.unbind(), b.select(0, 0).select(0, 1)])) {
      expectError(() => v.add_(1), AutogradError, message);
      expect([v.requiresGrad, v.gradFn]).toEqual([false, null]);
    }
    const x = leaf64(1, 2);
    const v = noGrad(() => x.slice(0, 0, 1));
    expectError(() => v.add_(1), AutogradError, message);
    expectError(
      () => v.add_(1),
      AutogradError,
      'moving both the view and the inplace either both inside the no_grad block',
    );
    const c = matrix(3, 4);
    noGrad(() => c.unbind())[1].zero_();
    expect(c.select(0, 1).any().item()).toBe(0);
  });

  it('AG160 one taken and changed inside is fine, and prints grad_fn=<Invalid>', () => {
    const a = tensor([1], { requiresGrad: true });
    expect([String(a), String(a.clone())]).toEqual([
      'tensor([1.], requires_grad=True)',
      'tensor([1.], grad_fn=<CloneBackward0>)',
    ]);
    const b = noGrad(() => a.slice(0).mul_(2));
    expect(String(b)).toBe('tensor([2.], grad_fn=<Invalid>)');
    expect([b.requiresGrad, b.isLeaf, b.item()]).toEqual([true, true, 2]);
    expectError(
      () => b.mul(2),
      AutogradError,
      'A view was created in no_grad mode and its base or another view of its base has been modified inplace with grad mode enabled.',
    );
    expect(noGrad(() => b.mul(2)).item()).toBe(4);
  });

  it('AG161 a view of one made inside is not changed outside', () => {
    const x = zeros([2], { dtype: 'float64' });
    const y = noGrad(() => x.view([2]));
    y.requiresGrad_(true);
    const z = y.view([2]);
    expectError(() => z.div_(2), AutogradError, /a view of a view .* is being .* inside the no_grad block/);
    expectError(
      () => z.div_(2),
      AutogradError,
      'Output 0 of ViewBackward0 is a view of a view which was created in no_grad mode and is being modified inplace with grad mode enabled.',
    );
  });
});

describe('detach', () => {
  it('AG162 in place is refused for views', () => {
    const v = leaf64(1, 2, 3).narrow(0, 1, 2);
    expectError(() => v.detach_(), AutogradError, "Can't detach views in-place. Use detach() instead.");
    expectError(() => plain(1, 2).unbind()[0].detach_(), AutogradError, "Can't detach views in-place.");
  });

  it('AG163 of the base in place does not detach its views', () => {
    const x = leaf64(1, 2, 3);
    const y = x.mul(2);
    const v = y.narrow(0, 1, 2);
    y.detach_();
    expect([y.requiresGrad, v.requiresGrad, v.gradFn?.name, v.base === y]).toEqual([
      false,
      true,
      'SliceBackward0',
      true,
    ]);
    v.sum().backward();
    expectValues(x.grad, [3], [0, 2, 2]);
  });

  it('AG164 gives no view, but the same memory outside of the graph', () => {
    const y = leaf64(1, 2).mul(2);
    const d = y.detach();
    expect([d.isView(), d.requiresGrad, d.gradFn, sameMemory(d.storage, y.storage)]).toEqual([
      false,
      false,
      null,
      true,
    ]);
    d.add_(1);
    expectValues(y.detach(), [2], [3, 5]);
  });

  it('AG165 stops the gradient, but on this path alone', () => {
    const x = leaf64(1, 2);
    const y = x.mul(2);
    x.add(y.detach()).sum().backward();
    expectValues(x.grad, [2], [1, 1]);
  });

  it('AG347 variableData is the memory outside of the graph with a version of its own', () => {
    const x = leaf64(1, 2);
    const y = x.mul(1);
    const z = y.square().sum();
    const d = y.variableData();
    expect([d.requiresGrad, d.isView(), d.version, sameMemory(d.storage, y.storage)]).toEqual([false, false, 0, true]);
    d.mul_(10);
    expect([d.version, y.version]).toEqual([1, 0]);
    expectValues(y.detach(), [2], [10, 20]);
    // Not noticed, so that the gradient is that of the new values.
    z.backward();
    expectValues(x.grad, [2], [20, 40]);
    // Writing reads rightly from the same memory.
    d.slice(0, 1).copy_(y.detach().slice(0, 0, 1));
    expectValues(d, [2], [10, 10]);
  });
});

describe('layouts', () => {
  it('AG166 elements that share memory are not written to', () => {
    const message =
      'unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation.';
    const x = leaf64(1).mul(1);
    for (const v of [x.expand([3]), zeros([3]).asStrided([2, 2], [1, 1]), zeros([4]).unfold(0, 2, 1)]) {
      expectError(() => v.add_(1), ShapeError, message);
    }
    // Strides that interleave need not meet.
    const y = zeros([6]);
    y.asStrided([2, 2], [3, 2]).add_(1);
    expectValues(y, [6], [1, 0, 1, 1, 0, 1]);
  });

  it('AG168 a base that is not contiguous is changed through its views', () => {
    const x = matrix(2, 3).mul(1).T;
    const old = x.select(0, 0).select(0, 1).item();
    const b = x.detach();
    expect(b.isContiguous()).toBe(false);
    const w = leaf64(2);
    const v = b.narrow(0, 0, 1).narrow(1, 1, 1);
    const row = b.select(0, 0);
    v.mul_(w);
    expect([b.requiresGrad, row.requiresGrad]).toEqual([true, true]);
    const [g] = autograd.grad(row.sum().add(b.square().sum()), w);
    expectValues(g, [1], [old + 2 * old * old * 2]);
  });

  it('AG168 … with gradients of the base itself, of every order', () => {
    const x = matrix(3, 4).requiresGrad_();
    const run = (changed: (b: Tensor) => Tensor): Tensor[] => {
      // A permuted result keeps its strides: the base of the views below.
      const b = changed(x.mul(2).T.unsafeSplit(4)[0]);
      const [g] = autograd.grad(b.square().sum(), x, { createGraph: true });
      const [h] = autograd.grad(g.square().sum(), x);
      return [b.detach(), g.detach(), h];
    };
    const mark = zeros([4, 3], { dtype: 'float64' });
    mark.slice(0, 1, 3).fill_(1);
    const expected = run((b) => b.mul(mark.mul(2).add(1)));
    const actual = run((b) => {
      expect([b.isContiguous(), b.isView()]).toEqual([false, false]);
      b.slice(0, 1, 3).mul_(3);
      return b;
    });
    actual.forEach((t, k) => {
      expectClose(t, expected[k]);
    });
  });

  it('AG169 view refuses strides that do not fit, and suggests reshape', () => {
    expectError(
      () => matrix(2, 3).T.view([6]),
      ShapeError,
      "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
    );
    expectValues(plain(1, 2, 3, 4).view([2, 2]).T.reshape([4]), [4], [1, 3, 2, 4]);
  });
});

describe('this tensor as its own view', () => {
  it('takes the place of the view in the graph', () => {
    const x = matrix(2, 3).requiresGrad_();
    const y = x.mul(2);
    expect(y.t_()).toBe(y);
    expect([y.shape, y.gradFn?.name, y.isView(), y.version]).toEqual([[3, 2], 'TBackward0', false, 1]);
    y.unsqueeze_(1).squeeze_(1).transpose_(0, 1);
    const weights = matrix(2, 3, 2);
    const [g] = autograd.grad(y.mul(weights).sum(), x);
    expectClose(g, weights.mul(2));
  });

  it('is noticed by what saved it, and keeps other views right', () => {
    const x = matrix(2, 3).requiresGrad_();
    const y = x.mul(2);
    const row = y.select(0, 1);
    const s = y.square().sum();
    y.t_();
    expectError(() => s.backward(), AutogradError, 'has been modified by an inplace operation');
    y.select(0, 0).mul_(10);
    // y[0] of the transposed is the first column.
    const [g] = autograd.grad(row.sum(), x);
    expectValues(g, [2, 3], [0, 0, 0, 20, 2, 2]);
  });

  it('inside noGrad moves leaves and results alike', () => {
    const w = matrix(2, 3).requiresGrad_();
    const y = w.mul(2);
    noGrad(() => {
      w.t_();
      y.t_();
    });
    expect([w.shape, w.isLeaf, w.requiresGrad, y.shape]).toEqual([[3, 2], true, true, [3, 2]]);
    w.sum().backward();
    expect(w.grad?.shape).toEqual([3, 2]);
  });
});
