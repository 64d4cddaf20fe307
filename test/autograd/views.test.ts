import { AutogradError, autograd, noGrad, ShapeError, type Tensor, tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64, spread, spreadTensor, valuesOf } from '../support/numbers.ts';

/* In-place changes of views and of what they view, with gradients: base and views are one memory. */

const leaf = (values: readonly number[]): Tensor => f64(values, [values.length]).requiresGrad_();

describe('a change of a view', () => {
  it('is seen by the base, in value and gradient', () => {
    const x = leaf([1, 2, 3, 4]);
    const b = x.mul(1);
    const v = b.slice(0, 0, 2);
    v.mul_(3);
    expectValues(b.detach(), [4], [3, 6, 3, 4]);
    expect(b.gradFn?.name).toBe('CopySlices');
    b.square().sum().backward();
    expectValues(x.grad, [4], [18, 36, 6, 8]);
  });

  it('is seen by the other views', () => {
    const x = leaf([1, 2, 3, 4]);
    const b = x.mul(1);
    const [v, w] = [b.slice(0, 0, 3), b.view([2, 2]).T];
    v.mul_(w.select(0, 0).sum());
    // Σ of the first column of b is x0 + x2 = 4.
    expectValues(w.detach(), [2, 2], [4, 12, 8, 4]);
    w.select(1, 1).sum().backward();
    // w[:, 1] = [x2 s, x3], s = x0 + x2
    expectValues(x.grad, [4], [3, 0, 4 + 3, 1]);
  });

  it('of a view works', () => {
    const x = leaf([1, 2, 3, 4, 5, 6]);
    const b = x.mul(1);
    b.view([2, 3]).select(0, 1).narrow(0, 1, 2).mul_(10);
    b.sum().backward();
    expectValues(b.detach(), [6], [1, 2, 3, 4, 50, 60]);
    expectValues(x.grad, [6], [1, 1, 1, 1, 10, 10]);
  });

  it('makes a base require grad that did not', () => {
    const x = leaf([1, 2]);
    const b = zeros([4], { dtype: 'float64' });
    b.slice(0, 1, 3).copy_(x);
    expect(b.requiresGrad).toBe(true);
    b.mul(f64([1, 10, 100, 1000], [4]))
      .sum()
      .backward();
    expectValues(x.grad, [2], [10, 100]);
  });

  it('cuts what it overwrites', () => {
    const x = leaf([1, 2, 3]);
    const b = x.mul(2);
    b.select(0, 1).zero_();
    b.sum().backward();
    expectValues(x.grad, [3], [2, 0, 2]);
  });

  it('by a broadcast value sums the value’s gradient', () => {
    const x = leaf([1, 2, 3, 4]);
    const s = f64([5], []).requiresGrad_();
    const b = x.mul(2).view([2, 2]);
    b.select(0, 0).copy_(s);
    b.sum().backward();
    expectValues(s.grad, [], [2]);
    expectValues(x.grad, [4], [0, 0, 2, 2]);
  });

  it('happens in transposed, strided, selected and unsqueezed views', () => {
    const views: readonly ((b: Tensor) => Tensor)[] = [
      (b) => b.T,
      (b) => b.T.slice(0, 1, 3),
      (b) => b.slice(1, 0, 3, 2),
      (b) => b.select(1, 2),
      (b) => b.unsqueeze(1).squeeze(1),
      (b) => b.permute([1, 0]).select(0, 1),
      (b) => b.flatten().slice(0, 2, 5),
      (b) => b.reshape([3, 2]).select(1, 0),
      (b) => b.select(0, 1).select(0, 2),
    ];
    for (const view of views) {
      const x = spreadTensor([2, 3], -1, 1, 3).requiresGrad_();
      const b = x.mul(1);
      view(b).mul_(5).add_(1);
      const weights = spreadTensor([2, 3], 1, 2, 4);
      const [g] = autograd.grad(b.mul(weights).sum(), x);
      // Where the view lies, found by writing into it.
      const mark = zeros([2, 3], { dtype: 'float64' });
      view(mark).fill_(1);
      expectClose(g, weights.mul(mark.mul(4).add(1)));
      expectClose(b.detach(), x.detach().mul(mark.mul(4).add(1)).add(mark));
    }
  });
});

describe('a change of the base', () => {
  it('is seen by views taken before, in value and gradient', () => {
    const x = leaf([1, 2, 3, 4]);
    const b = x.mul(1);
    const v = b.view([2, 2]).T;
    b.mul_(x);
    expectValues(v.detach(), [2, 2], [1, 9, 4, 16]);
    v.select(0, 1).sum().backward();
    expectValues(x.grad, [4], [0, 4, 0, 8]);
  });

  it('makes views require grad that did not', () => {
    const x = leaf([1, 2]);
    const b = zeros([2], { dtype: 'float64' });
    const v = b.slice(0, 1);
    expect(v.requiresGrad).toBe(false);
    b.add_(x);
    expect([v.requiresGrad, v.isLeaf]).toEqual([true, false]);
    v.mul(3).sum().backward();
    expectValues(x.grad, [2], [0, 3]);
  });

  it('does not touch what was computed from a view before', () => {
    const x = leaf([1, 2]);
    const b = x.mul(1);
    const before = b.slice(0, 0, 1).mul(3);
    b.zero_();
    before.sum().add(b.sum()).backward();
    expectValues(x.grad, [2], [3, 0]);
  });

  it('by detach_ leaves existing views in the graph', () => {
    const x = leaf([1, 2]);
    const b = x.mul(3);
    const v = b.slice(0, 0, 1);
    b.detach_();
    v.sum().backward();
    expectValues(x.grad, [2], [3, 0]);
  });
});

describe('saved values', () => {
  const modified = 'has been modified by an inplace operation';

  it('in another part of the same memory count as changed, as in PyTorch', () => {
    const x = leaf([1, 2, 3, 4]);
    const b = x.mul(1);
    const z = b.slice(0, 0, 2).square().sum();
    b.slice(0, 2, 4).zero_();
    expectError(() => z.backward(), AutogradError, modified);
  });

  it('survive the change of a clone', () => {
    const x = leaf([1, 2, 3, 4]);
    const b = x.mul(1);
    const z = b.slice(0, 0, 2).square().sum();
    b.clone().zero_();
    z.backward();
    expectValues(x.grad, [4], [2, 4, 0, 0]);
  });
});

describe('grad modes', () => {
  it('a change inside noGrad is a change of values alone', () => {
    const x = leaf([1, 2]);
    const b = x.mul(3);
    noGrad(() => b.slice(0, 0, 1).fill_(7));
    expectValues(b.detach(), [2], [7, 6]);
    b.sum().backward();
    expectValues(x.grad, [2], [3, 3]);
  });

  it('a view taken inside noGrad has no place for a recorded change, and is left as it is', () => {
    const x = leaf([1, 2]);
    const b = x.mul(3);
    const v = noGrad(() => b.slice(0, 0, 1));
    expectError(() => v.mul_(2), AutogradError, 'A view was created in no_grad mode and is being modified inplace');
    expectValues(b.detach(), [2], [3, 6]);
    b.sum().backward();
    expectValues(x.grad, [2], [3, 3]);
  });
});

describe('what is refused', () => {
  it('a change of elements that share memory', () => {
    const message = 'more than one element of the written-to tensor refers to a single memory location';
    expectError(() => zeros([1]).expand([3]).add_(1), ShapeError, message);
    expectError(
      () =>
        zeros([])
          .expand([2, 2])
          .copy_(tensor([1, 2])),
      ShapeError,
      message,
    );
    expectError(() => zeros([1]).expand([3]).uniform_(), ShapeError, message);
    const x = leaf([1]);
    expectError(() => x.mul(1).expand([3]).zero_(), ShapeError, message);
  });

  it('an expanded dimension of one element is none of these', () => {
    const x = tensor([[1], [2]]);
    x.expand([2, 1]).add_(1);
    expectValues(x, [2, 1], [2, 3]);
  });
});

/* Random programs of in-place changes of views, against the same program on whole tensors. */

interface Step {
  readonly start: number;
  readonly length: number;
  readonly factor: number;
  readonly kind: number;
}

const SIZE = 6;

/** The step on the whole tensor, out of place: the region is replaced by mask arithmetic. */
function functional(b: Tensor, x: Tensor, { start, length, factor, kind }: Step): Tensor {
  const mask = f64(
    Array.from({ length: SIZE }, (_, i) => (i >= start && i < start + length ? 1 : 0)),
    [SIZE],
  );
  const replaced =
    kind === 0 ? b.mul(factor) : kind === 1 ? b.add(x.mul(factor)) : kind === 2 ? b.sin() : x.mul(factor).add(b.mul(0));
  return replaced.mul(mask).add(b.mul(mask.neg().add(1)));
}

function inPlace(b: Tensor, x: Tensor, { start, length, factor, kind }: Step): void {
  const v = start === 0 && length === SIZE ? b : b.narrow(0, start, length);
  const part = x.narrow(0, start, length);
  if (kind === 0) v.mul_(factor);
  else if (kind === 1) v.add_(part.mul(factor));
  else if (kind === 2) v.sin_();
  else v.copy_(part.mul(factor));
}

describe('random programs', () => {
  for (let seed = 0; seed < 40; seed++) {
    it(`number ${seed}`, () => {
      const r = spread(40, 0, 1, seed);
      let k = 0;
      const next = (n: number): number => Math.floor(r[k++] * n);
      const steps = Array.from({ length: 4 }, (): Step => {
        const start = next(SIZE);
        return { start, length: 1 + next(SIZE - start), factor: 1 + r[k++], kind: next(4) };
      });
      const values = spreadTensor([SIZE], -1, 1, seed);
      const run = (change: (b: Tensor, x: Tensor) => Tensor): number[] => {
        const x = values.clone().requiresGrad_();
        const b = change(x.mul(1.5), x);
        const [g] = autograd.grad(
          b
            .square()
            .sum()
            .add(b.view([2, 3]).select(1, 1).exp().sum()),
          x,
          { createGraph: true },
        );
        const [h] = autograd.grad(g.square().sum(), x);
        return [b, g, h].flatMap((t) => valuesOf(t.detach()));
      };
      const expected = run((b, x) => steps.reduce((now, s) => functional(now, x, s), b));
      const actual = run((b, x) => {
        // A view taken before all changes must follow them.
        const early = b.view([3, 2]);
        for (const s of steps) inPlace(b, x, s);
        return early.view([SIZE]).add(b).div(2);
      });
      expectClose(f64(actual, [actual.length]), f64(expected, [expected.length]));
    });
  }
});
