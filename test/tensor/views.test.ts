import { arange, grad, ones, ShapeError, type Tensor, tensor, vmap, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../support/close.ts';

/* Views share memory: what is written through one is seen through all. */

const m = (): Tensor => arange(6).reshape([2, 3]);

const cases: Readonly<
  Record<string, readonly [view: (t: Tensor) => Tensor, values: unknown, strides: readonly number[]]>
> = {
  reshape: [
    (t) => t.reshape([3, 2]),
    [
      [0, 1],
      [2, 3],
      [4, 5],
    ],
    [2, 1],
  ],
  'reshape with a size to infer': [(t) => t.reshape([-1]), [0, 1, 2, 3, 4, 5], [1]],
  view: [(t) => t.view([6]), [0, 1, 2, 3, 4, 5], [1]],
  T: [
    (t) => t.T,
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
    [1, 3],
  ],
  mT: [
    (t) => t.mT,
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
    [1, 3],
  ],
  t: [
    (t) => t.t(),
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
    [1, 3],
  ],
  transpose: [
    (t) => t.transpose(-1, 0),
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
    [1, 3],
  ],
  permute: [
    (t) => t.permute([1, 0]),
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
    [1, 3],
  ],
  movedim: [
    (t) => t.movedim(0, 1),
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
    [1, 3],
  ],
  unsqueeze: [(t) => t.unsqueeze(0), [m().toArray()], [6, 3, 1]],
  squeeze: [(t) => t.narrow(0, 1, 1).squeeze(0), [3, 4, 5], [1]],
  select: [(t) => t.select(1, -1), [2, 5], [3]],
  slice: [
    (t) => t.slice(1, 0, 3, 2),
    [
      [0, 2],
      [3, 5],
    ],
    [3, 2],
  ],
  'slice from the end': [(t) => t.slice(1, -1), [[2], [5]], [3, 1]],
  narrow: [
    (t) => t.narrow(1, 1, 2),
    [
      [1, 2],
      [4, 5],
    ],
    [3, 1],
  ],
  flatten: [(t) => t.flatten(), [0, 1, 2, 3, 4, 5], [1]],
  'flatten of one dimension': [(t) => t.flatten(1), m().toArray(), [3, 1]],
  detach: [(t) => t.detach(), m().toArray(), [3, 1]],
  'a view of a view of a view': [(t) => t.T.slice(0, 1).select(1, 1), [4, 5], [1]],
};

for (const [name, [view, values, strides]] of Object.entries(cases)) {
  describe(name, () => {
    it('reads the right elements', () => {
      const v = view(m());
      expect(v.toArray()).toEqual(values);
      expect(v.stride()).toEqual(strides);
    });

    it('shares memory both ways', () => {
      const t = m();
      const v = view(t);
      expect(v.storage).toBe(t.storage);
      v.add_(100);
      const written = v.numel();
      expect([...t.toTypedArray()].filter((x) => x >= 100)).toHaveLength(written);
      t.zero_();
      expect([...v.toTypedArray()].every((x) => x === 0)).toBe(true);
    });
  });
}

describe('expand', () => {
  it('repeats without copying', () => {
    const t = tensor([[1], [2]]);
    const e = t.expand([3, 2, 2]);
    expect(e.stride()).toEqual([0, 1, 0]);
    expect(e.storage).toBe(t.storage);
    expectValues(e, [3, 2, 2], [1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2]);
    t.mul_(10);
    expectValues(e.select(0, 2), [2, 2], [10, 10, 20, 20]);
    expect(e.contiguous().storage).not.toBe(t.storage);
  });
});

describe('reshape', () => {
  it('copies when the elements do not lie so', () => {
    const t = m().T;
    const r = t.reshape([6]);
    expectValues(r, [6], [0, 3, 1, 4, 2, 5]);
    expect(r.storage).not.toBe(t.storage);
    expectError(() => t.view([6]), ShapeError, 'Use .reshape(...) instead.');
  });

  it('shares where part of the dimensions allow it', () => {
    const t = zeros([4, 6, 5]).narrow(1, 0, 3);
    expect(t.view([4, 15]).storage).toBe(t.storage);
    expect(t.view([2, 2, 3, 5]).stride()).toEqual([60, 30, 5, 1]);
    expectError(() => t.view([60]), ShapeError, 'not compatible');
    expect(t.T.view([5, 3, 2, 2]).storage).toBe(t.storage);
  });

  it('moves sizes of 1 freely', () => {
    const t = m().T;
    expect(t.view([1, 3, 1, 2]).toArray()).toEqual([[[[0, 3]], [[1, 4]], [[2, 5]]]]);
    expect(tensor(5).view([1, 1]).toArray()).toEqual([[5]]);
    expect(
      tensor([[5]])
        .view([])
        .item(),
    ).toBe(5);
  });

  it('of nothing', () => {
    expect(zeros([0, 3]).reshape([3, 0]).shape).toEqual([3, 0]);
    expect(zeros([0, 3]).reshape([-1]).shape).toEqual([0]);
    expect(zeros([2, 0]).T.view([0, 7]).shape).toEqual([0, 7]);
  });
});

describe('contiguity', () => {
  it('is what strides say', () => {
    expect(m().isContiguous()).toBe(true);
    expect(m().T.isContiguous()).toBe(false);
    expect(m().T.contiguous().isContiguous()).toBe(true);
    expect(m().narrow(0, 1, 1).isContiguous()).toBe(true);
    expect(m().narrow(1, 0, 2).isContiguous()).toBe(false);
    expect(zeros([1, 3]).T.isContiguous()).toBe(true);
    const t = m();
    expect(t.contiguous()).toBe(t);
  });

  it('is that of any tensor without elements', () => {
    for (const t of [
      zeros([2, 0, 3]).transpose(0, 2),
      zeros([0, 4]).slice(1, 0, 4, 2),
      zeros([2, 3, 0]).transpose(0, 1),
    ]) {
      expect(t.isContiguous()).toBe(true);
      expect(t.contiguous()).toBe(t);
    }
  });
});

describe('in place between overlapping views', () => {
  it('reads what was there before', () => {
    const t = arange(6);
    t.slice(0, 1).copy_(t.slice(0, 0, 5));
    expectValues(t, [6], [0, 0, 1, 2, 3, 4]);
    const q = m().narrow(1, 0, 2);
    q.copy_(q.T);
    expectValues(q, [2, 2], [0, 3, 1, 4]);
    q.add_(q.select(0, 0));
    expectValues(q, [2, 2], [0, 6, 1, 7]);
    const large = arange(10_000);
    large.slice(0, 1).add_(large.slice(0, 0, 9_999));
    expectValues(large.slice(0, -2), [2], [19_995, 19_997]);
  });

  it('passes gradients as if it were a copy', () => {
    const x = tensor([1, 2, 3], { requiresGrad: true });
    const y = x.mul(1);
    y.slice(0, 1).mul_(y.slice(0, 0, 2));
    expectValues(y.detach(), [3], [1, 2, 6]);
    y.sum().backward();
    expectValues(x.grad, [3], [3, 4, 2]);
  });
});

describe('fillDiagonal_', () => {
  it('sets the main diagonal, and in tall matrices those below it if asked', () => {
    expect(zeros([2, 3]).fillDiagonal_(5).toArray()).toEqual([
      [5, 0, 0],
      [0, 5, 0],
    ]);
    const rows = (n: number, wrap: boolean): number[] =>
      (zeros([n, 2]).fillDiagonal_(1, wrap).toArray() as number[][]).map(
        ([a, b]) => 10 * (a as number) + (b as number),
      );
    expect(rows(6, false)).toEqual([10, 1, 0, 0, 0, 0]);
    expect(rows(6, true)).toEqual([10, 1, 0, 10, 1, 0]);
    expect(rows(7, true)).toEqual([10, 1, 0, 10, 1, 0, 10]);
    expect(zeros([2, 2, 2]).fillDiagonal_(1).nonzero().toArray()).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
    expect(zeros([0, 2]).fillDiagonal_(1).shape).toEqual([0, 2]);
    expect(() => zeros([3]).fillDiagonal_(1)).toThrow('dimensions must larger than 1');
    expect(() => zeros([3, 3, 2]).fillDiagonal_(1)).toThrow('all dimensions of input must be of equal length');
  });

  it('passes no gradient to what it replaces, inside transforms too', () => {
    const f = (x: Tensor): Tensor => x.mul(3).fillDiagonal_(7).sum();
    const expected = [
      [0, 3],
      [3, 0],
    ];
    const x = ones([2, 2], { requiresGrad: true });
    f(x).backward();
    expect(x.grad?.toArray()).toEqual(expected);
    expect(grad(f)(ones([2, 2])).toArray()).toEqual(expected);
    expect(vmap(grad(f))(ones([2, 2, 2])).toArray()).toEqual([expected, expected]);
  });
});
