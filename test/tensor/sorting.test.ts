import { type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { f64, spread, valuesOf } from '../support/numbers.ts';

const { NaN: nan } = Number;
const inf = Number.POSITIVE_INFINITY;

describe('sorting', () => {
  it('is stable, NaN last going up and first going down', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const x = tensor([0, nan, -0, inf, -inf, 0], { dtype });
      const up = x.sort();
      expect(valuesOf(up.values).map((v) => v + 0)).toEqual([-inf, 0, 0, 0, inf, nan]);
      expect(valuesOf(up.indices)).toEqual([4, 0, 2, 5, 3, 1]);
      expect(valuesOf(x.argsort(0, { descending: true }))).toEqual([1, 3, 0, 2, 5, 4]);
    }
  });

  it('sorts every dtype, and any dimension', () => {
    expect(valuesOf(tensor([true, false, true]).sort().values)).toEqual([0, 1, 1]);
    expect(valuesOf(tensor(Uint8Array.from([200, 3, 255])).sort().values)).toEqual([3, 200, 255]);
    expect(valuesOf(tensor(Int32Array.from([1, -(2 ** 31), 2 ** 31 - 1])).sort().values)).toEqual([
      -(2 ** 31),
      1,
      2 ** 31 - 1,
    ]);
    expect(valuesOf(f64([3, 1, 2, 4], [2, 2]).msort())).toEqual([2, 1, 3, 4]);
  });

  it('sorts long lists as JavaScript does', () => {
    for (const dtype of ['float32', 'float64', 'int32'] as const) {
      const random = f64(spread(20_000, -1000, 1000), [20_000]);
      const xs = valuesOf(random.to(dtype));
      const { values, indices } = tensor(xs, { dtype }).sort();
      expect(valuesOf(values)).toEqual(xs.toSorted((a, b) => a - b));
      expect(valuesOf(indices).map((i) => xs[i])).toEqual(valuesOf(values));
    }
  });

  it('sorts float64 that differ in their last bits only', () => {
    const last = (k: number): number => 1 + ((k * 7919) % 5000) * 2 ** -52;
    for (const n of [100, 20_000]) {
      const xs = Array.from({ length: n }, (_, k) => last(k));
      const { values, indices } = f64(xs, [n]).sort();
      expect(valuesOf(values)).toEqual(xs.toSorted((a, b) => a - b));
      const order = valuesOf(indices);
      expect(order.every((i, k) => k === 0 || xs[order[k - 1]] < xs[i] || order[k - 1] < i)).toBe(true);
    }
  });

  it('puts gradients where elements came from', () => {
    const x = f64([3, 1, 2], [3]).requiresGrad_();
    x.sort()
      .values.mul(f64([1, 10, 100], [3]))
      .sum()
      .backward();
    expect(valuesOf(x.grad as Tensor)).toEqual([100, 1, 10]);
    expect(x.sort(0).values.gradFn?.name).toBe('SortBackward0');
    expect(x.sort(0, { stable: true }).values.gradFn?.name).toBe('SortBackward1');
  });

  it('finds the first in order', () => {
    const x = tensor([1, 5, nan, 3, 5]);
    const { values, indices } = x.topk(3);
    expect(valuesOf(values)).toEqual([nan, 5, 5]);
    expect(valuesOf(indices)).toEqual([2, 1, 4]);
    expect(valuesOf(x.topk(2, 0, { largest: false }).values)).toEqual([1, 3]);
    expect(x.topk(0).values.shape).toEqual([0]);
    expect(tensor(2).topk(1).values.item()).toBe(2);
  });
});

describe('what is equal', () => {
  it('is found once', () => {
    const x = f64([2, 1, 2, nan, 1, nan], [2, 3]);
    expect(valuesOf(x.unique())).toEqual([1, 2, nan, nan]);
    const { output, inverseIndices, counts } = x.unique({ returnInverse: true, returnCounts: true });
    expect(valuesOf(counts)).toEqual([2, 2, 1, 1]);
    expect(inverseIndices.shape).toEqual([2, 3]);
    expect(valuesOf(inverseIndices)).toEqual([1, 0, 1, 2, 0, 3]);
    expect(valuesOf(output)).toEqual([1, 2, nan, nan]);
    expect(x.unique({ returnCounts: true })).not.toHaveProperty('inverseIndices');
    expect(valuesOf(tensor(7).unique())).toEqual([7]);
    expect(valuesOf(tensor([true, false, true]).unique())).toEqual([0, 1]);
    expect(valuesOf(tensor([-0, 0, -0]).unique({ returnCounts: true }).counts)).toEqual([3]);
    expect(f64([], [0, 2]).unique().shape).toEqual([0]);
  });

  it('is compared slice by slice', () => {
    const rows = f64([1, 2, 0, 5, 1, 2, 1, 0], [4, 2]);
    const { output, inverseIndices, counts } = rows.unique({ dim: 0, returnInverse: true, returnCounts: true });
    expect(valuesOf(output)).toEqual([0, 5, 1, 0, 1, 2]);
    expect(valuesOf(inverseIndices)).toEqual([2, 0, 2, 1]);
    expect(valuesOf(counts)).toEqual([1, 1, 2]);
    expect(rows.T.unique({ dim: 1 }).shape).toEqual([2, 3]);
    expect(() => f64([], [2, 0]).unique({ dim: 0 })).toThrow('0 sized dimensions');
  });

  it('counts whole numbers, wherever the least and the greatest are', () => {
    for (let n = 1; n <= 13; n++)
      for (let place = 0; place < n; place++) {
        const xs = Array.from({ length: n }, (_, i) => (i === place ? 9 : i % 3));
        const counts = xs.reduce((c, x) => c.with(x, (c[x] as number) + 1), new Array<number>(10).fill(0));
        expect(valuesOf(tensor(xs, { dtype: 'int32' }).bincount())).toEqual(counts);
        const bad = tensor(xs.with(place, -1), { dtype: 'int32' });
        expect(() => bad.bincount()).toThrow('non-negative');
      }
  });

  it('is joined where it is next to each other', () => {
    const x = f64([1, 1, 2, 1], [4]);
    const { output, counts } = x.uniqueConsecutive({ returnCounts: true });
    expect(valuesOf(output)).toEqual([1, 2, 1]);
    expect(valuesOf(counts)).toEqual([2, 1, 1]);
    expect(f64([1, 1, 2, 2, 1, 1], [3, 2]).uniqueConsecutive({ dim: 1 }).shape).toEqual([3, 1]);
  });

  it('gives gradients to the first, and has none under vmap', () => {
    const x = f64([2, 1, 2], [3]).requiresGrad_();
    x.unique().sum().backward();
    expect(valuesOf(x.grad as Tensor)).toEqual([1, 1, 0]);
    expect(() => vmap((t: Tensor) => t.unique())(f64([1, 2], [2, 1]))).toThrow('dynamic shape');
    expect(() => vmap((t: Tensor) => t.bincount())(tensor([[1], [2]], { dtype: 'int32' }))).toThrow('dynamic shape');
  });
});

describe('searching', () => {
  const s = f64([1, 3, 3, 5], [4]);

  it('stays left of equals, or goes right', () => {
    const x = f64([0, 3, 6, nan], [2, 2]);
    expect(valuesOf(s.searchsorted(x))).toEqual([0, 1, 4, 4]);
    expect(valuesOf(s.searchsorted(x, { right: true }))).toEqual([0, 3, 4, 4]);
    expect(valuesOf(s.searchsorted(x, { side: 'right' }))).toEqual([0, 3, 4, 4]);
    expect(s.searchsorted(3).item()).toBe(1);
    expect(x.bucketize(s).shape).toEqual([2, 2]);
    expect(valuesOf(x.bucketize(s, { right: true }))).toEqual([0, 3, 4, 4]);
  });

  it('takes a row for a row, and an order', () => {
    const rows = f64([1, 2, 3, 10, 20, 30], [2, 3]);
    expect(valuesOf(rows.searchsorted(f64([2, 20], [2, 1])))).toEqual([1, 1]);
    const mixed = f64([5, 1, 3], [3]);
    expect(valuesOf(mixed.searchsorted(f64([2, 4], [2]), { sorter: mixed.argsort() }))).toEqual([1, 2]);
    expect(valuesOf(rows.T.T.searchsorted(f64([2, 20], [2, 1])))).toEqual([1, 1]);
  });
});
