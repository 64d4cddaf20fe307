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

  it('is the same for rows that are sorted and for rows that are compared', () => {
    for (const [n, width] of [
      [40, 3],
      [300, 1],
      [300, 3],
      [300, 6],
      [700, 6],
    ]) {
      const numbers = Array.from({ length: n * width }, (_, i) => Math.floor(i ** 1.7) % 3);
      const rows = Array.from({ length: n }, (_, i) => numbers.slice(i * width, (i + 1) * width));
      const keys = rows.map(String);
      const different = [...new Set(keys)].sort();
      const options = { dim: 0, returnInverse: true, returnCounts: true } as const;
      for (const dtype of ['float32', 'float64', 'int32', 'uint8'] as const) {
        const x = tensor(rows, { dtype });
        const { output, inverseIndices, counts } = x.unique(options);
        expect(valuesOf(output)).toEqual(different.flatMap((key) => key.split(',').map(Number)));
        expect(valuesOf(inverseIndices)).toEqual(keys.map((key) => different.indexOf(key)));
        expect(valuesOf(counts)).toEqual(different.map((key) => keys.filter((k) => k === key).length));
        const starts = keys.flatMap((key, i) => (key === keys[i - 1] ? [] : [i]));
        const runs = x.uniqueConsecutive(options);
        expect(valuesOf(runs.output)).toEqual(starts.flatMap((i) => rows[i]));
        expect(valuesOf(runs.counts)).toEqual(starts.map((s, i) => (starts[i + 1] ?? n) - s));
        expect(valuesOf(runs.inverseIndices)).toEqual(keys.map((_, i) => starts.filter((s) => s <= i).length - 1));
      }
      // No number comes last, and is no other's equal.
      const x = tensor([...rows, new Array<number>(width).fill(nan), new Array<number>(width).fill(nan)]);
      expect(x.unique({ dim: 0 }).shape).toEqual([different.length + 2, width]);
      expect(valuesOf(x.unique({ dim: 0 }).at(-1))).toEqual(new Array<number>(width).fill(nan));
    }
  });

  it('the largest of long columns are those of rows', () => {
    const rows = tensor(
      Array.from({ length: 40 }, (_, i) => Array.from({ length: 500 }, (_, k) => (i * 7 + k) ** 3 % 101)),
    );
    const columns = rows.t().contiguous();
    for (const x of [columns, rows.t()]) {
      const [found, want] = [x.topk(5, 0), rows.topk(5, 1)];
      expect(valuesOf(found.values.t())).toEqual(valuesOf(want.values));
      expect(valuesOf(found.indices.t())).toEqual(valuesOf(want.indices));
    }
    const x = columns.detach().requiresGrad_();
    x.topk(5, 0).values.sum().backward();
    expect((x.grad as Tensor).sum().item()).toBe(200);
  });

  it('is found among numbers of a short range and of a long one, few and many', () => {
    const [least, most] = [-(2 ** 31), 2 ** 31 - 1];
    for (const values of [[3, -2, 7], [5], [least, least + 2], [most - 1, most], [least, most], [0, 255], [0, 100000]])
      for (const dtype of ['int32', 'uint8', 'bool', 'float32', 'float64'] as const) {
        const numbers = [0, 1, -2, 3, 4, 5, 7, 8, 255, 256, 100000, least, least + 1, least + 2, most - 1, most];
        const few = tensor(numbers, { dtype: 'int32' }).to(dtype);

        const among = tensor(values, { dtype: 'int32' }).to(dtype);
        const list = valuesOf(among);
        for (const x of [few, few.repeat([20])])
          expect(valuesOf(x.isin(among))).toEqual(valuesOf(x).map((k) => Number(list.includes(k))));
      }
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

describe('zeros of either sign', () => {
  it('are equal, and the value that is found is what is at its index', () => {
    const signs = (t: Tensor): boolean[] => [...t.reshape([-1]).toTypedArray()].map((v) => Object.is(v, -0));
    for (const dtype of ['float32', 'float64'] as const)
      for (const n of [1, 2, 3, 4, 5, 8, 9, 64, 1000])
        for (const last of [1, -1]) {
          const x = tensor(
            Array.from({ length: 3 * n }, (_, i) => (i % 7 === 6 ? last : ((i * i) % 11) % 2 === 0 ? 0 : -0)),
            { dtype },
          );
          for (const [y, dim] of [
            [x.reshape([3, n]), 1],
            [x.reshape([n, 3]), 0],
            [x.reshape([n, 3]).T, 1],
          ] as const)
            for (const found of [y.max(dim), y.min(dim), y.median(dim), y.kthvalue(1, dim), y.topk(1, dim)]) {
              const at = found.indices.reshape(dim === 1 ? [3, 1] : [1, 3]);
              expect(signs(found.values)).toEqual(signs(y.gather(dim, at)));
            }
        }
  });
});
