import { type DType, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { spread, valuesOf } from '../support/numbers.ts';

/* Short rows go through a network two at a time, lists by tables or runs: against plain JavaScript. */

const { NaN: nan } = Number;
const inf = Number.POSITIVE_INFINITY;

const compare = (a: number, b: number): number =>
  Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b;

/** Places in stable order, NaN last. */
function order(xs: readonly number[], descending = false): number[] {
  const sign = descending ? -1 : 1;
  return xs.map((_, i) => i).sort((p, q) => sign * compare(xs[p], xs[q]) || p - q);
}

const kinds: Readonly<Record<string, (v: number, k: number) => number>> = {
  'all different': (v) => v,
  'many equal': (v) => Math.floor(v) % 4,
  'alike but for the last bits': (v) => 1.7e9 + v / 1000,
  'not finite': (v, k) => [nan, inf, -inf, 0, -0, v][(k * k + Math.floor(Math.abs(v))) % 6],
};

/** Rows of numbers, and the tensor of them: along either dimension. */
function make(dtype: DType, kind: string, rows: number, n: number, dim: number): [number[][], Tensor] {
  const whole = dtype === 'int32' || dtype === 'uint8';
  const all = spread(rows * n, whole ? 0 : -100, 100).map((v, k) => {
    const x = kinds[kind]((v * 7919) % 100, k);
    return whole ? Math.abs(Math.trunc(Number.isFinite(x) ? x : 0)) % 200 : x;
  });
  const x = tensor(all, { dtype }).reshape([rows, n]) as Tensor;
  const xs = Array.from({ length: rows }, (_, r) => valuesOf(x.select(0, r)));
  return [xs, dim === 1 ? x : (x.t().contiguous() as Tensor)];
}

const row = (t: Tensor, dim: number, r: number): number[] => valuesOf(t.select(1 - dim, r));
const dtypes = ['float32', 'float64', 'int32', 'uint8'] as const;

describe('rows of every length', () => {
  for (const dtype of dtypes)
    for (const kind of Object.keys(kinds))
      it(`${dtype}, ${kind}`, () => {
        for (const n of [1, 2, 7, 8, 9, 16, 33, 64, 65, 128, 129, 300, 1024, 1025])
          for (const rows of n > 300 ? [1, 3] : [1, 2, 5])
            for (const dim of [0, 1]) {
              const [xs, x] = make(dtype, kind, rows, n, dim);
              const k = Math.ceil(n / 3);
              const [up, down, some] = [x.sort(dim), x.sort(dim, { descending: true }), x.topk(k, dim)];
              const [kth, middle, most] = [x.kthvalue(k, dim), x.median(dim), x.mode(dim)];
              const numbers = x.nanmedian(dim);
              for (let r = 0; r < rows; r++) {
                const want = order(xs[r]);
                const wantDown = order(xs[r], true);
                expect(row(up.indices, dim, r)).toEqual(want);
                expect(row(up.values, dim, r)).toEqual(want.map((i) => xs[r][i]));
                expect(row(down.indices, dim, r)).toEqual(wantDown);
                expect(row(some.indices, dim, r)).toEqual(wantDown.slice(0, k));
                expect(valuesOf(kth.indices)[r]).toBe(want[k - 1]);
                const count = xs[r].filter((v) => !Number.isNaN(v)).length;
                expect(valuesOf(middle.indices)[r]).toBe(want[count < n ? count : (n - 1) >> 1]);
                expect(valuesOf(numbers.indices)[r]).toBe(want[Math.max(0, (count - 1) >> 1)]);
                expect([valuesOf(most.values)[r], valuesOf(most.indices)[r]]).toEqual(mostFrequent(xs[r], want));
              }
            }
      });
});

/** The end of the first of the longest runs. */
function mostFrequent(xs: readonly number[], sorted: readonly number[]): [value: number, place: number] {
  let [run, longest, end] = [0, 0, 0];
  sorted.forEach((p, k) => {
    run = k > 0 && xs[p] === xs[sorted[k - 1]] ? run + 1 : 1;
    if (run > longest) [longest, end] = [run, p];
  });
  return [xs[end], end];
}

describe('lists', () => {
  for (const dtype of dtypes)
    it(`${dtype}: what is different, where, and how often`, () => {
      for (const kind of Object.keys(kinds))
        for (const n of [1, 2, 3, 50, 1000]) {
          const [[xs], x] = make(dtype, kind, 1, n, 1);
          for (const consecutive of [false, true]) {
            const sorted = consecutive ? xs.map((_, i) => i) : order(xs);
            const starts = sorted.filter((p, k) => k === 0 || xs[p] !== xs[sorted[k - 1]]);
            let group = -1;
            const groups = new Array<number>(n).fill(0);
            const counts = starts.map(() => 0);
            sorted.forEach((p, k) => {
              if (k === 0 || xs[p] !== xs[sorted[k - 1]]) group += 1;
              groups[p] = group;
              counts[group] += 1;
            });
            const both = { returnInverse: true, returnCounts: true } as const;
            const found = consecutive ? x.uniqueConsecutive(both) : x.unique(both);
            const { output: values, inverseIndices: inverse, counts: numbers } = found;
            expect(valuesOf(values)).toEqual(starts.map((p) => xs[p]));
            expect(inverse.shape).toEqual([1, n]);
            expect(valuesOf(inverse)).toEqual(groups);
            expect(valuesOf(numbers)).toEqual(counts);
            expect(valuesOf(consecutive ? x.uniqueConsecutive() : x.unique())).toEqual(starts.map((p) => xs[p]));
          }
        }
    });

  it('whole numbers far apart, and at the ends of their range', () => {
    const x = tensor([2 ** 31 - 1, -(2 ** 31), 5, 5, -(2 ** 31)], { dtype: 'int32' });
    expect(valuesOf(x.unique())).toEqual([-(2 ** 31), 5, 2 ** 31 - 1]);
  });
});

describe('moves and searches of every count', () => {
  it('are those of single elements', () => {
    for (const n of [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 64, 65]) {
      const xs = spread(2 * n, -9, 9);
      const is = Array.from({ length: 2 * n }, (_, k) => (k * 5 + 3) % n);
      const x = tensor(xs, { dtype: 'float64' }).reshape([2, n]) as Tensor;
      const i = tensor(is, { dtype: 'int32' }).reshape([2, n]) as Tensor;
      const at = (k: number): number => (k < n ? 0 : n) + is[k];
      expect(valuesOf(x.gather(1, i))).toEqual(is.map((_, k) => xs[at(k)]));
      const sums = new Array<number>(2 * n).fill(0);
      const last = [...xs];
      const most = [...xs];
      is.forEach((_, k) => {
        sums[at(k)] += xs[k];
        last[at(k)] = xs[k];
        most[at(k)] = Math.max(most[at(k)], xs[k]);
      });
      expect(valuesOf(x.mul(0).scatterAdd(1, i, x)).map((v) => v + 0)).toEqual(sums.map((v) => v + 0));
      expect(valuesOf(x.scatter(1, i, x))).toEqual(last);
      expect(valuesOf(x.scatterReduce(1, i, x, 'amax'))).toEqual(most);
      const rows = tensor(
        Array.from({ length: 3 }, (_, k) => (k * 2) % 2),
        { dtype: 'int32' },
      );
      expect(valuesOf(x.indexSelect(0, rows))).toEqual([...xs.slice(0, n), ...xs.slice(0, n), ...xs.slice(0, n)]);
      const bounds = xs.toSorted((a, b) => a - b);
      const sequence = tensor(bounds, { dtype: 'float64' });
      for (const right of [false, true])
        expect(valuesOf(sequence.searchsorted(x, { right }))).toEqual(
          xs.map((v) => bounds.filter((b) => (right ? b <= v : b < v)).length),
        );
    }
  });

  it('an extreme keeps NaN, and the zero that was there', () => {
    const x = tensor([0, 1, nan, 4]);
    const y = x.scatterReduce(0, tensor([0, 1, 2, 3], { dtype: 'int32' }), tensor([-0, nan, 1, 5]), 'amax');
    expect(valuesOf(y)).toEqual([0, nan, nan, 5]);
  });
});
