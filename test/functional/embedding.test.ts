import { autograd, functional as F, grad, jvp, stack, type Tensor, tensor, vmap, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../support/close.ts';
import { f64, spreadTensor } from '../support/numbers.ts';

const int = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  tensor(Int32Array.from(values), { shape });

describe('embedding', () => {
  const index = int([2, 0, 2, 1, 2, -0], [2, 3]);
  const table = (): Tensor => spreadTensor([4, 2], -1, 1).requiresGrad_();
  const gradient = (w: Tensor, options?: Parameters<typeof F.embedding>[2]): number[][] => {
    const [g] = autograd.grad(F.embedding(index, w, options).sum(), w);
    return g.toArray() as number[][];
  };

  it('sums the gradients of a row that is looked up several times', () => {
    expect(gradient(table())).toEqual([
      [2, 2],
      [1, 1],
      [3, 3],
      [0, 0],
    ]);
  });

  it('gives the padding row no gradient, counted from either end', () => {
    const expected = [
      [2, 2],
      [1, 1],
      [0, 0],
      [0, 0],
    ];
    expect(gradient(table(), { paddingIdx: 2 })).toEqual(expected);
    expect(gradient(table(), { paddingIdx: -2 })).toEqual(expected);
    const w = table();
    expectClose(F.embedding(index, w, { paddingIdx: 2 }), F.embedding(index, w));
  });

  it('scales gradients by how often a row is looked up', () => {
    expect(gradient(table(), { scaleGradByFreq: true })).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
      [0, 0],
    ]);
  });

  it('scales down what is too long, in the table, once', () => {
    const w = f64([3, 4, 0.3, 0.4, 6, 8, 30, 40], [4, 2]);
    const before = w.version;
    const y = F.embedding(int([0, 2, 0, 1]), w, { maxNorm: 1 });
    expect(w.version).toBeGreaterThan(before);
    expectClose(w, f64([0.6, 0.8, 0.3, 0.4, 0.6, 0.8, 30, 40], [4, 2]), { tol: 1e-6 });
    expectClose(y, w.at([0, 2, 0, 1]));
    F.embedding(int([3]), w, { maxNorm: 7, normType: 1 });
    expectClose(w.at(3), f64([3, 4], [2]), { tol: 1e-6 });
  });

  it('keeps padding and frequencies apart for every example of a batch', () => {
    const [tables, indices] = [spreadTensor([3, 4, 2], -1, 1), int([2, 0, 2, 1, 1, 2, 0, 3, 0], [3, 3])];
    for (const options of [{}, { paddingIdx: 2 }, { scaleGradByFreq: true }]) {
      const of = (i: Tensor) => (w: Tensor) => F.embedding(i, w, options).square().sum();
      const each = stack(Array.from({ length: 3 }, (_, b) => grad(of(indices.at(b)))(tables.at(b) as Tensor)));
      expectClose(vmap((w: Tensor, i: Tensor) => grad(of(i))(w))(tables, indices), each);
      const together = grad((w: Tensor) => vmap((t: Tensor, i: Tensor) => of(i)(t))(w, indices).sum())(tables);
      expectClose(together, each);
      const shared = tables.at(0) as Tensor;
      const summed = grad((w: Tensor) => vmap((i: Tensor) => of(i)(w))(indices).sum())(shared);
      const parts = Array.from({ length: 3 }, (_, b) => grad(of(indices.at(b)))(shared));
      expectClose(summed, stack(parts).sum(0));
    }
  });

  it('has a tangent in the padding row, as in PyTorch', () => {
    const [, dy] = jvp(
      (w: Tensor) => F.embedding(int([2]), w, { paddingIdx: 2 }),
      [table()],
      [zeros([4, 2]).to('float64').add(1)],
    );
    expect(dy.toArray()).toEqual([[1, 1]]);
  });
});

describe('embeddingBag', () => {
  const w = f64([1, 10, 2, 20, 3, 30, 4, 40], [4, 2]);
  const index = int([1, 3, 3, 0, 1]);
  const offsets = int([0, 2, 2, 4]);

  it('sums, averages and takes the largest over each bag; of nothing it is 0', () => {
    const of = (options: Parameters<typeof F.embeddingBag>[3]): unknown =>
      F.embeddingBag(index, w, offsets, options).toArray();
    expect(of({ mode: 'sum' })).toEqual([
      [6, 60],
      [0, 0],
      [5, 50],
      [2, 20],
    ]);
    expect(of({})).toEqual([
      [3, 30],
      [0, 0],
      [2.5, 25],
      [2, 20],
    ]);
    expect(of({ mode: 'max' })).toEqual([
      [4, 40],
      [0, 0],
      [4, 40],
      [2, 20],
    ]);
    expect(of({ mode: 'sum', includeLastOffset: true })).toEqual([
      [6, 60],
      [0, 0],
      [5, 50],
    ]);
    expect(of({ mode: 'sum', perSampleWeights: f64([1, 2, 3, 4, 5], [5]) })).toEqual([
      [10, 100],
      [0, 0],
      [16, 160],
      [10, 100],
    ]);
  });

  it('does not count padding', () => {
    const of = (mode: 'sum' | 'mean' | 'max'): unknown =>
      F.embeddingBag(index, w, offsets, { mode, paddingIdx: 3 }).toArray();
    expect(of('sum')).toEqual([
      [2, 20],
      [0, 0],
      [1, 10],
      [2, 20],
    ]);
    expect(of('mean')).toEqual([
      [2, 20],
      [0, 0],
      [1, 10],
      [2, 20],
    ]);
    expect(of('max')).toEqual([
      [2, 20],
      [0, 0],
      [1, 10],
      [2, 20],
    ]);
    const t = w.clone().requiresGrad_();
    F.embeddingBag(index, t, offsets, { mode: 'mean', paddingIdx: -1 }).sum().backward();
    expect(t.grad?.toArray()).toEqual([
      [1, 1],
      [2, 2],
      [0, 0],
      [0, 0],
    ]);
  });

  it('gives what rows looked up one by one give, however wide they are', () => {
    const numbers = int([3, 0, 3, 1, 4, 2, 2, 0, 4, 4, 1]);
    const ends = [0, 4, 5, 5, 11];
    for (const dtype of ['float32', 'float64'] as const) {
      for (const width of [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 70]) {
        const t = spreadTensor([5, width], -1, 1).to(dtype);
        for (const table of [t, t.T.contiguous().T]) {
          for (const mode of ['sum', 'mean'] as const) {
            const bag = (x: Tensor): Tensor =>
              F.embeddingBag(numbers, x, int([0, ...ends.slice(0, -1)]), { mode }) as Tensor;
            const one = (x: Tensor): Tensor => {
              const rows = F.embedding(numbers, x);
              const bags = [0, ...ends].slice(0, -1).map((from, i) => {
                const size = ends[i] - from;
                return rows
                  .narrow(0, from, size)
                  .sum(0)
                  .div(mode === 'sum' ? 1 : Math.max(size, 1));
              });
              return stack(bags);
            };
            const tol = { tol: dtype === 'float32' ? 1e-5 : 1e-12 };
            expectClose(bag(table), one(table), tol);
            const g = grad((x: Tensor) => bag(x).mul(bag(x)).sum());
            expectClose(g(table), grad((x: Tensor) => one(x).mul(one(x)).sum())(table), tol);
          }
        }
      }
    }
    expect(() => F.embeddingBag(int([0, 4, -1], [1, 3]), w, null, { mode: 'sum' })).toThrow(
      /index -1 is out of bounds/,
    );
    expect(() => F.embeddingBag(int([0, 4, 1], [1, 3]), w, null, { mode: 'sum' })).toThrow(
      /index out of range in self/,
    );
  });

  it('keeps the bags of every example of a batch apart', () => {
    const [tables, indices] = [spreadTensor([3, 4, 2], -1, 1), int([2, 0, 2, 1, 1, 2, 0, 3, 0], [3, 3])];
    const from = int([0, 2]);
    const of = (t: Tensor, i: Tensor): Tensor => F.embeddingBag(i, t, from, { mode: 'mean' }) as Tensor;
    const at = (k: number): [Tensor, Tensor] => [tables.at(k) as Tensor, indices.at(k) as Tensor];
    expectClose(vmap(of)(tables, indices), stack([0, 1, 2].map((k) => of(...at(k)))));
    const shared = tables.at(0) as Tensor;
    expectClose(vmap((i: Tensor) => of(shared, i))(indices), stack([0, 1, 2].map((k) => of(shared, at(k)[1]))));
    const pull = (t: Tensor, i: Tensor): Tensor => grad((x: Tensor) => of(x, i).square().sum())(t);
    expectClose(vmap(pull)(tables, indices), stack([0, 1, 2].map((k) => pull(...at(k)))));
  });

  it('gives the gradient of a maximum to the first of equals', () => {
    const t = f64([5, 5, 5], [3, 1]).requiresGrad_();
    F.embeddingBag(int([2, 0, 1]), t, int([0]), { mode: 'max' })
      .sum()
      .backward();
    expect(t.grad?.toArray()).toEqual([[0], [0], [1]]);
  });

  it('takes as many bags as there are', () => {
    const many = zeros([200_000, 1]).to('int32');
    for (const mode of ['max', 'sum', 'mean'] as const) {
      const y = F.embeddingBag(many, w, null, { mode });
      expect([y.shape, y.sum(0).toArray()]).toEqual([
        [200_000, 2],
        [200_000, 2_000_000],
      ]);
    }
  });

  it('takes rows of a matrix as bags', () => {
    const y = F.embeddingBag(int([1, 3, 0, 0], [2, 2]), w);
    expect(y.toArray()).toEqual([
      [3, 30],
      [1, 10],
    ]);
  });
});

describe('oneHot', () => {
  it('has as many classes as are asked for, or needed', () => {
    expect(F.oneHot(int([2, 0])).toArray()).toEqual([
      [0, 0, 1],
      [1, 0, 0],
    ]);
    expect(F.oneHot(int([1], []), 3).toArray()).toEqual([0, 1, 0]);
    expect(F.oneHot(int([], [0, 2]), 3).shape).toEqual([0, 2, 3]);
    expect(F.oneHot(int([1])).dtype).toBe('int32');
    expect(vmap((i: Tensor) => F.oneHot(i, 2))(int([0, 1])).toArray()).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });
});
