import {
  ArgumentError,
  AutogradError,
  autograd,
  cat,
  ones,
  onesLike,
  ShapeError,
  stack,
  type Tensor,
  tensor,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64 } from '../support/numbers.ts';

const leaf = (values: readonly number[]): Tensor => f64(values, [values.length]).requiresGrad_();

describe('accumulation', () => {
  it('creates .grad, then adds into the same buffer', () => {
    const x = leaf([1, 2]);
    x.square().sum().backward();
    const { grad } = x;
    const storage = grad?.storage;
    expectValues(grad, [2], [2, 4]);
    x.square().sum().backward();
    expect(x.grad).toBe(grad);
    expect(x.grad?.storage).toBe(storage);
    expectValues(x.grad, [2], [4, 8]);
    expect(x.grad?.requiresGrad).toBe(false);
  });

  it('is out of place with createGraph: the earlier gradient stays what it was', () => {
    const x = leaf([1, 2]);
    x.square().sum().backward();
    const before = x.grad;
    x.pow(3).sum().backward({ createGraph: true });
    expect(x.grad).not.toBe(before);
    expectValues(before, [2], [2, 4]);
    expectValues(x.grad?.detach(), [2], [5, 16]);
    expect(x.grad?.requiresGrad).toBe(true);
  });

  it('with createGraph shares no memory with what was given, or with other gradients', () => {
    const [x, y] = [leaf([1, 2]), leaf([3, 4])];
    const given = f64([1, 10], [2]);
    x.add(y).backward({ gradient: given, createGraph: true });
    x.mul(2).sum().backward();
    for (const [t, expected] of [
      [x.grad, [3, 12]],
      [y.grad, [1, 10]],
      [given, [1, 10]],
    ] as const)
      expectValues(t, [2], expected);
    x.sum().backward({ createGraph: true, inputs: [x] });
    y.pow(3).sum().backward({ createGraph: true });
    expect(y.grad?.gradFn?.name).toBe('AddBackward0');
    const z = leaf([2]);
    z.pow(3).sum().backward({ createGraph: true });
    expect(z.grad?.gradFn?.name).toBe('CopyBackwards');
  });

  it('counts every use of a leaf', () => {
    const x = leaf([1, 2]);
    x.mul(x).add(x).add(x.sum()).sum().backward();
    // x² + x + Σx, summed over two elements
    expectValues(x.grad, [2], [2 + 1 + 2, 4 + 1 + 2]);
  });

  it('reaches every leaf with its own shape and dtype', () => {
    const a = tensor([[1], [2]], { requiresGrad: true });
    const b = f64([3, 4, 5], [3]).requiresGrad_();
    const c = tensor(2, { requiresGrad: true });
    a.mul(b).mul(c).sum().backward();
    expectValues(a.grad, [2, 1], [24, 24]);
    expectValues(b.grad, [3], [6, 6, 6]);
    expectValues(c.grad, [], [36]);
    expect([a, b, c].map((t) => t.grad?.dtype)).toEqual(['float32', 'float64', 'float32']);
  });

  it('sums over broadcast dimensions, also of size 0', () => {
    const row = leaf([1, 2, 3]);
    zeros([0, 3], { dtype: 'float64' }).add(row).sum().backward();
    expectValues(row.grad, [3], [0, 0, 0]);
    const column = f64([1, 2], [2, 1]).requiresGrad_();
    column
      .mul(zeros([2, 0], { dtype: 'float64' }))
      .sum()
      .backward();
    expectValues(column.grad, [2, 1], [0, 0]);
    const lead = f64([1], [1, 1]).requiresGrad_();
    lead
      .add(zeros([4, 2, 3], { dtype: 'float64' }))
      .sum()
      .backward();
    expectValues(lead.grad, [1, 1], [24]);
  });

  it('works for rank-0 leaves', () => {
    const x = tensor(3, { requiresGrad: true });
    x.mul(x).backward();
    expectValues(x.grad, [], [6]);
  });

  it('skips leaves that do not require grad', () => {
    const x = leaf([1, 2]);
    const y = leaf([3, 4]).requiresGrad_(false);
    x.mul(y).sum().backward();
    expect(y.grad).toBeNull();
  });
});

describe('buffers', () => {
  it('of two leaves that receive the same gradient are not shared', () => {
    const x = leaf([1, 2]);
    const y = leaf([3, 4]);
    x.add(y).backward({ gradient: f64([1, 1], [2]) });
    expect(x.grad?.storage).not.toBe(y.grad?.storage);
    x.grad?.mul_(10);
    expectValues(y.grad, [2], [1, 1]);
  });

  it('of the gradient passed in are never written nor kept', () => {
    const x = leaf([1, 2]);
    const g = f64([1, 1], [2]);
    const y = x.add(0);
    y.add(y).add(y).backward({ gradient: g });
    x.clone().backward({ gradient: g });
    x.view([2]).backward({ gradient: g });
    expectValues(g, [2], [1, 1]);
    expectValues(x.grad, [2], [5, 5]);
    expect(x.grad?.storage).not.toBe(g.storage);
    x.grad?.zero_();
    expectValues(g, [2], [1, 1]);
  });

  it('of a gradient put into a leaf directly are its own', () => {
    const x = leaf([1, 2]);
    const g = f64([5, 6], [2]);
    x.backward({ gradient: g });
    expectValues(x.grad, [2], [5, 6]);
    x.grad?.add_(1);
    expectValues(g, [2], [5, 6]);
  });

  it('of an expanded gradient are made whole', () => {
    const x = leaf([1, 2, 3]);
    const g = f64([2], []).expand([3]);
    x.mul(1).backward({ gradient: g });
    expectValues(x.grad, [3], [2, 2, 2]);
    x.grad?.add_(f64([1, 2, 3], [3]));
    expectValues(x.grad, [3], [3, 4, 5]);
    const y = leaf([1, 2, 3]);
    y.backward({ gradient: g });
    y.grad?.mul_(2);
    expectValues(g, [3], [2, 2, 2]);
  });

  it('of .grad may be detached from, kept and changed by the user', () => {
    const x = leaf([1, 2]);
    x.square().sum().backward();
    const kept = x.grad?.clone();
    x.grad?.zero_();
    x.sum().backward();
    expectValues(kept, [2], [2, 4]);
    expectValues(x.grad, [2], [1, 1]);
  });

  it('a gradient that goes several ways is changed for none of them', () => {
    const x = leaf([1, 2]);
    const y = x.mul(1);
    const [a, b] = [y.reshape([2, 1]), y.reshape([1, 2])];
    a.add(b).sum().add(y.sum()).backward();
    expectValues(x.grad, [2], [5, 5]);
  });
});

describe('gradient', () => {
  it('may be left out for one element of any rank', () => {
    const x = f64([3], [1, 1, 1]).requiresGrad_();
    x.square().backward();
    expectValues(x.grad, [1, 1, 1], [6]);
  });

  it('is needed for more', () => {
    const y = leaf([1, 2]).mul(2);
    const message = 'grad can be implicitly created only for scalar outputs';
    expectError(() => y.backward(), AutogradError, message);
    expectError(() => y.backward({ gradient: null }), AutogradError, message);
    expectError(() => f64([], [0]).requiresGrad_().mul(2).backward(), AutogradError, message);
  });

  it('weighs the elements', () => {
    const x = leaf([1, 2, 3]);
    x.square().backward({ gradient: f64([1, 10, 100], [3]) });
    expectValues(x.grad, [3], [2, 40, 600]);
  });

  it('has the shape of the tensor', () => {
    expectError(
      () =>
        leaf([1, 2])
          .mul(2)
          .backward({ gradient: ones([3], { dtype: 'float64' }) }),
      ShapeError,
      'Mismatch in shape: grad_output[0] has a shape of [3] and output[0] has a shape of [2].',
    );
    expectError(
      () =>
        leaf([1])
          .sum()
          .backward({ gradient: f64([1], [1]) }),
      ShapeError,
      'Mismatch in shape',
    );
  });

  it('is a tensor', () => {
    const y = leaf([1, 2]).mul(2);
    expectError(() => y.backward({ gradient: 1 as never }), ArgumentError, 'gradients can be either Tensors or null');
  });

  it('is brought to the dtype of the leaf', () => {
    const x = leaf([1, 2]);
    x.backward({ gradient: tensor([1, 2]) });
    expect(x.grad?.dtype).toBe('float64');
    const y = tensor([1, 2], { requiresGrad: true });
    y.to('float64')
      .mul(f64([3, 4], [2]))
      .sum()
      .backward();
    expect(y.grad?.dtype).toBe('float32');
    expectValues(y.grad, [2], [3, 4]);
  });
});

describe('several roots', () => {
  it('add their contributions', () => {
    const x = leaf([1, 2]);
    autograd.backward([x.square().sum(), x.mul(3)], { gradient: [null, f64([1, 10], [2])] });
    expectValues(x.grad, [2], [5, 34]);
  });

  it('may occur twice, and depend on one another', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    const z = y.square().sum();
    autograd.backward([z, z], { retainGraph: true });
    expectValues(x.grad, [2], [16, 32]);
    x.grad = null;
    autograd.backward([y, z], { gradient: [ones([2], { dtype: 'float64' }), null] });
    expectValues(x.grad, [2], [2 + 8, 2 + 16]);
  });

  it('are checked one by one', () => {
    const x = leaf([1, 2]);
    const two = [x.sum(), tensor([1]).sum()];
    expectError(() => autograd.backward(two), AutogradError, 'element 1 of tensors does not require grad');
    expectError(
      () => autograd.backward([x.sum(), x.sum()], { gradient: [null] }),
      AutogradError,
      'got 2 tensors and 1 gradients',
    );
    expectError(() => autograd.backward([]), ArgumentError, 'at least one');
    expectError(() => autograd.backward([3 as never]), ArgumentError, 'element 0 of tensors is number');
  });
});

describe('inputs', () => {
  it('limits accumulation to some leaves', () => {
    const x = leaf([1, 2]);
    const y = leaf([3, 4]);
    x.mul(y)
      .sum()
      .backward({ inputs: [x] });
    expectValues(x.grad, [2], [3, 4]);
    expect(y.grad).toBeNull();
    x.mul(y).sum().backward({ inputs: y });
    expectValues(y.grad, [2], [1, 2]);
    expectValues(x.grad, [2], [3, 4]);
  });

  it('may be results, and then gradients go no further', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    y.square()
      .sum()
      .backward({ inputs: [y] });
    expectValues(y.grad, [2], [4, 8]);
    expect(x.grad).toBeNull();
  });

  it('may name both a result and the leaf behind it', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    y.square()
      .sum()
      .backward({ inputs: [y, x] });
    expectValues(y.grad, [2], [4, 8]);
    expectValues(x.grad, [2], [8, 16]);
  });

  it('that are not reached get nothing', () => {
    const x = leaf([1, 2]);
    const other = leaf([1]);
    x.sum().backward({ inputs: [other] });
    expect([x.grad, other.grad]).toEqual([null, null]);
  });

  it('must be some, and require grad', () => {
    const x = leaf([1, 2]);
    expectError(() => x.sum().backward({ inputs: [] }), AutogradError, 'cannot be empty');
    expectError(() => x.sum().backward({ inputs: [tensor([1])] }), AutogradError, 'does not require grad');
  });

  it('agree with a retained gradient', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    y.retainGrad();
    y.square()
      .sum()
      .backward({ inputs: [y] });
    expectValues(y.grad, [2], [4, 8]);
  });
});

describe('the graph after a pass', () => {
  const again = 'Trying to backward through the graph a second time';

  it('is freed where it saved something', () => {
    const x = leaf([1, 2]);
    const y = x.square().sum();
    y.backward();
    expectError(() => y.backward(), AutogradError, again);
    expectError(() => y.backward(), AutogradError, 'Specify retainGraph: true');
    expectValues(x.grad, [2], [2, 4]);
  });

  it('is kept on request, and the last pass may free it', () => {
    const x = leaf([1, 2]);
    const y = x.square().sum();
    y.backward({ retainGraph: true });
    y.backward({ retainGraph: true });
    y.backward();
    expectValues(x.grad, [2], [6, 12]);
    expectError(() => y.backward(), AutogradError, again);
  });

  it('works again where nothing was saved', () => {
    const x = leaf([1, 2]);
    const y = x.add(1).sum();
    y.backward();
    y.backward();
    expectValues(x.grad, [2], [2, 2]);
  });

  it('is kept by createGraph, unless retainGraph says no', () => {
    const x = leaf([1, 2]);
    const y = x.pow(3).sum();
    y.backward({ createGraph: true });
    y.backward();
    expectValues(x.grad?.detach(), [2], [6, 24]);
    const z = x.pow(3).sum();
    z.backward({ createGraph: true, retainGraph: false });
    expectError(() => z.backward(), AutogradError, again);
  });

  it('shared by two results is freed for both', () => {
    const x = leaf([1, 2]);
    const shared = x.exp();
    const [a, b] = [shared.sum(), shared.mul(2).sum()];
    a.backward();
    expectError(() => b.backward(), AutogradError, again);
  });

  it('behind a part that was not run stays', () => {
    const x = leaf([1, 2]);
    const y = leaf([3, 4]);
    const [ex, ey] = [x.exp(), y.exp()];
    const z = ex.mul(ey).sum();
    z.backward({ inputs: [x], retainGraph: false });
    ey.sum().backward();
    expectClose(y.grad as Tensor, y.detach().exp());
  });
});

describe('branches', () => {
  it('of whole numbers and truth values are cut, the rest flows', () => {
    const x = leaf([1, 2, 3]);
    const top = x.argmax();
    const mask = x.gt(1.5).to('float64');
    x.mul(mask).mul(top.to('float64')).sum().backward();
    expectValues(x.grad, [3], [0, 2, 2]);
    expectError(() => x.gt(1).sum().backward(), AutogradError, 'does not require grad and does not have a grad_fn');
  });

  it('that end in unused results give zeros', () => {
    const x = f64([1, 5, 2, 4], [2, 2]).requiresGrad_();
    x.max(1).values.select(0, 0).backward();
    expectValues(x.grad, [2, 2], [0, 1, 0, 0]);
  });

  it('select along an expanded tensor', () => {
    const x = f64([1], [1]).requiresGrad_();
    x.expand([4])
      .select(0, 2)
      .backward({ gradient: f64([3], []) });
    expectValues(x.grad, [1], [3]);
  });
});

describe('operations of very many inputs', () => {
  it('give each its gradient, whichever require one', () => {
    for (const wanted of [[0], [31], [32], [35], [3, 35], [0, 31, 32, 63, 69]]) {
      const parts = Array.from({ length: 70 }, (_, i) => f64([i, i], [2]));
      for (const i of wanted) parts[i].requiresGrad_();
      const weights = f64(
        Array.from({ length: 140 }, (_, k) => k),
        [140],
      );
      cat(parts).mul(weights).sum().backward();
      parts.forEach((p, i) => {
        if (wanted.includes(i)) expectValues(p.grad, [2], [2 * i, 2 * i + 1]);
        else expect(p.grad).toBeNull();
        p.grad = null;
      });
      stack(parts, 1)
        .mul(weights.view([2, 70]))
        .sum()
        .backward();
      for (const i of wanted) expectValues(parts[i].grad, [2], [i, 70 + i]);
    }
  });
});

describe('misuse', () => {
  it('is refused: nothing recorded', () => {
    const message = 'element 0 of tensors does not require grad and does not have a grad_fn';
    expectError(() => tensor([1]).backward(), AutogradError, message);
    expectError(() => tensor([1]).mul(2).sum().backward(), AutogradError, message);
    expectError(() => leaf([1]).detach().sum().backward(), AutogradError, message);
  });

  it('is refused: options there are not', () => {
    const y = leaf([1]).sum();
    expectError(() => y.backward({ retain_graph: true } as object), ArgumentError, "unexpected option 'retain_graph'");
    expectError(() => y.backward(ones([]) as object), ArgumentError, 'backward: ');
    expectError(() => autograd.backward(y, { retain: true } as object), ArgumentError, "unexpected option 'retain'");
    y.backward({ gradient: onesLike(y) });
  });
});
