import {
  arange,
  cat,
  concat,
  concatenate,
  full,
  isTensor,
  ones,
  rowStack,
  type Tensor,
  tensor,
  unravelIndex,
  vstack,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectValues } from '../support/close.ts';

describe('item', () => {
  it('reads the one element of a tensor of any rank, dtype and layout', () => {
    expect(tensor(1.5).item()).toBe(1.5);
    expect(tensor([[7]]).item()).toBe(7);
    expect(tensor(true).item()).toBe(1);
    expect(tensor([3], { dtype: 'int32' }).item()).toBe(3);
    expect(tensor([3], { dtype: 'uint8' }).item()).toBe(3);
    expect(tensor([0.1], { dtype: 'float64' }).item()).toBe(0.1);
    expect(arange(6).reshape([2, 3]).T.select(0, 1).select(0, 1).item()).toBe(4);
  });

  it('is what a tensor is in arithmetic and comparison of JavaScript', () => {
    const t = tensor(2.5);
    expect(+t).toBe(2.5);
    expect(Number(t)).toBe(2.5);
    expect((t as unknown as number) * 2).toBe(5);
    expect((t as unknown as number) > 2).toBe(true);
    expect(Math.max(+t, 1)).toBe(2.5);
  });
});

describe('toArray, toTypedArray and data', () => {
  const t = arange(6).reshape([2, 3]);

  it('give the elements in row-major order, whatever the layout', () => {
    expect(t.toArray()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect([...t.T.toTypedArray()]).toEqual([0, 3, 1, 4, 2, 5]);
    expect([...t.slice(1, 0, 3, 2).toTypedArray()]).toEqual([0, 2, 3, 5]);
    expect([
      ...tensor([[1]])
        .expand([2, 2])
        .toTypedArray(),
    ]).toEqual([1, 1, 1, 1]);
    expect(tensor(7).toArray()).toBe(7);
    expect(zeros([0]).toArray()).toEqual([]);
    expect(zeros([2, 0]).toArray()).toEqual([[], []]);
    expect(zeros([0, 2]).toTypedArray()).toHaveLength(0);
  });

  it('have the type of the dtype; truth values are booleans in arrays and bytes in typed arrays', () => {
    expect(tensor([1.5]).toTypedArray()).toBeInstanceOf(Float32Array);
    expect(tensor([1.5], { dtype: 'float64' }).toTypedArray()).toBeInstanceOf(Float64Array);
    expect(tensor([1], { dtype: 'int32' }).toTypedArray()).toBeInstanceOf(Int32Array);
    expect(tensor([1], { dtype: 'uint8' }).toTypedArray()).toBeInstanceOf(Uint8Array);
    const truth = tensor([true, false]);
    expect(truth.toArray()).toEqual([true, false]);
    expect(truth.toTypedArray()).toEqual(new Uint8Array([1, 0]));
  });

  it('are copies', () => {
    const s = tensor([1, 2]);
    s.toTypedArray()[0] = 9;
    expect(s.toArray()).toEqual([1, 2]);
    const array = s.toTypedArray();
    s.mul_(10);
    expect([...array]).toEqual([1, 2]);
  });

  it('data gives the same, awaited', async () => {
    expect([...(await t.T.data())]).toEqual([0, 3, 1, 4, 2, 5]);
  });

  it('do not disturb the graph', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = x.mul(2);
    expect(y.toArray()).toEqual([2, 4]);
    y.sum().backward();
    expectValues(x.grad, [2], [2, 2]);
  });
});

describe('clone and copy_', () => {
  it('clone has memory of its own, in order', () => {
    const x = arange(6).reshape([2, 3]).T;
    const c = x.clone();
    expect([c.storage === x.storage, c.isContiguous(), c.dtype]).toEqual([false, true, 'float32']);
    c.add_(1);
    expectValues(x, [3, 2], [0, 3, 1, 4, 2, 5]);
  });

  it('copy_ broadcasts and converts', () => {
    const x = zeros([2, 3], { dtype: 'int32' });
    expect(x.copy_(tensor([1.9, -1.9, 3]))).toBe(x);
    expectValues(x, [2, 3], [1, -1, 3, 1, -1, 3]);
    x.copy_(7);
    expectValues(x, [2, 3], [7, 7, 7, 7, 7, 7]);
    const view = zeros([3, 2]);
    view.T.copy_(arange(6).reshape([2, 3]));
    expectValues(view, [3, 2], [0, 3, 1, 4, 2, 5]);
  });

  it('fill_ and zero_ take any layout', () => {
    const x = ones([2, 3]);
    x.T.slice(0, 0, 3, 2).fill_(5);
    expectValues(x, [2, 3], [5, 1, 5, 5, 1, 5]);
    x.select(1, 1).zero_();
    expectValues(x, [2, 3], [5, 0, 5, 5, 0, 5]);
    x.fill_(tensor(2));
    expectValues(x, [2, 3], [2, 2, 2, 2, 2, 2]);
  });
});

describe('arithmetic', () => {
  it('broadcasts', () => {
    const column = tensor([[1], [2]]);
    expectValues(column.add(tensor([10, 20, 30])), [2, 3], [11, 21, 31, 12, 22, 32]);
    expectValues(tensor(5).mul(column), [2, 1], [5, 10]);
    expectValues(zeros([2, 1, 3]).add(zeros([4, 1])), [2, 4, 3], new Array<number>(24).fill(0));
    expectValues(zeros([0, 3]).add(zeros([1, 3])), [0, 3], []);
    expectValues(zeros([0]).add(zeros([1])), [0], []);
  });

  it('does not depend on the size of the vectors underneath', () => {
    for (const dtype of ['float32', 'float64', 'int32', 'uint8'] as const) {
      for (const n of [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 100, 1001]) {
        const x = arange(n, { dtype: 'float64' }).remainder(100).to(dtype);
        const y = x.mul(2).add(x).sub(1).toTypedArray();
        const wrap = (v: number): number => (dtype === 'uint8' ? v & 255 : v);
        expect(Array.from(y).every((v, i) => v === wrap(3 * (i % 100) - 1))).toBe(true);
      }
    }
  });

  it('of large tensors is right to the last element', () => {
    const n = 300_001;
    const x = full([n], 1).add(arange(n));
    expect(x.sum(0, { dtype: 'float64' }).item()).toBe((n * (n + 1)) / 2);
    expect([x.max().item(), x.argmax().item(), x.min().item()]).toEqual([n, n - 1, 1]);
    const parts: Tensor = x.narrow(0, 1, n - 1).view([1000, 300]);
    expect(parts.sum(1, { dtype: 'float64' }).sum().item()).toBe((n * (n + 1)) / 2 - 1);
  });
});

describe('unravelIndex', () => {
  it('finds the indices of places', () => {
    const [rows, columns] = unravelIndex(tensor([0, 5, 4], { dtype: 'int32' }), [2, 3]);
    expect(rows?.toArray()).toEqual([0, 1, 1]);
    expect(columns?.toArray()).toEqual([0, 2, 1]);
    expect(rows?.dtype).toBe('int32');
    const x = arange(24).reshape([2, 3, 4]).mul(-1).add(7).abs();
    const at = unravelIndex(x.argmax() as Tensor, [2, 3, 4]).map((i) => i.item());
    expect(x.at(...at).item()).toBe(x.max().item());
    expect(unravelIndex(tensor([], { dtype: 'int32' }), [2, 3]).map((i) => i.shape)).toEqual([[0], [0]]);
    const zero = (places: number[]) => unravelIndex(tensor(places, { dtype: 'int32' }), [2, 0]);
    expect(zero([]).length).toBe(2);
    expect(() => zero([1])).toThrow("unravelIndex: 'shape' cannot have zero dimensions when 'indices' is non-empty");
    expect(() => unravelIndex(tensor([true]), [2])).toThrow("expected 'indices' to be integer dtype, but got bool");
    expect(() => unravelIndex(tensor([1]), [2])).toThrow("expected 'indices' to be integer dtype, but got float32");
  });
});

describe('isTensor and names of joins', () => {
  it('are what they say', () => {
    expect([isTensor(tensor(1)), isTensor(1), isTensor(null), isTensor([tensor(1)])]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect([concat, concatenate, rowStack]).toEqual([cat, cat, vstack]);
  });
});
