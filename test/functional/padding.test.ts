import * as fc from 'fast-check';
import { arange, functional as F, grad, randn, segmentReduce, type Tensor, tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../support/close.ts';

const values = (t: Tensor): unknown => t.toArray();

describe('pad', () => {
  it('puts around, mirrors, continues and goes round', () => {
    const x = arange(4).reshape([1, 4]) as Tensor;
    expect(values(F.pad(x, [1, 2], { value: 9 }))).toEqual([[9, 0, 1, 2, 3, 9, 9]]);
    expect(values(F.pad(x, [2, 3], { mode: 'reflect' }))).toEqual([[2, 1, 0, 1, 2, 3, 2, 1, 0]]);
    expect(values(F.pad(x, [2, 1], { mode: 'replicate' }))).toEqual([[0, 0, 0, 1, 2, 3, 3]]);
    expect(values(F.pad(x, [2, 1], { mode: 'circular' }))).toEqual([[2, 3, 0, 1, 2, 3, 0]]);
    expect(values(F.pad(x, [-1, 2], { mode: 'circular' }))).toEqual([[1, 2, 3, 1, 2]]);
    expect(values(F.pad(x, [-1, 2], { mode: 'reflect' }))).toEqual([[1, 2, 3, 2, 1]]);
    expect(values(F.pad(x, [-1, -1], { mode: 'replicate' }))).toEqual([[1, 2]]);
    expect(values(F.pad(x, [3, -2], { mode: 'circular' }))).toEqual([[1, 0, 1, 0, 1]]);
    expect(values(F.pad(x, [-1, -1]))).toEqual([[1, 2]]);
    expect(values(F.pad(x, [0, 0, 1, 0], { value: -1 }))).toEqual([
      [-1, -1, -1, -1],
      [0, 1, 2, 3],
    ]);
  });

  it('is a copy, also when nothing is padded', () => {
    for (const mode of ['constant', 'reflect', 'replicate', 'circular'] as const) {
      const x = arange(4).reshape([1, 4]) as Tensor;
      F.pad(x, [0, 0], { mode }).add_(1);
      expect(values(x)).toEqual([[0, 1, 2, 3]]);
    }
  });

  it('gives every element the sum of the gradients of its places', () => {
    for (const [rows, columns] of [
      [5, 7],
      [120, 90],
    ]) {
      const numbers = arange(rows * columns, { dtype: 'float64' }).reshape([1, rows, columns]) as Tensor;
      for (const mode of ['reflect', 'replicate', 'circular'] as const) {
        for (const pads of [
          [2, 3, 1, 4],
          [0, 3, 2, 0],
          [5, 0, 0, 0],
        ]) {
          const places = F.pad(numbers, pads, { mode });
          const weights = randn(places.shape as number[], { dtype: 'float64' });
          const g = grad((x: Tensor) => F.pad(x, pads, { mode }).mul(weights).sum())(numbers);
          const sums = zeros([rows * columns]).to('float64');
          const expected = sums.indexAdd(0, places.flatten().to('int32'), weights.flatten());
          expectClose(g.flatten(), expected);
        }
      }
    }
  });

  it('keeps dtypes', () => {
    const x = tensor([[1, 2]], { dtype: 'int32' });
    expect(F.pad(x, [1, 0], { value: 7 }).dtype).toBe('int32');
    expect(values(F.pad(tensor([true]), [1, 1], { value: 1 }))).toEqual([true, true, true]);
  });
});

describe('pixelShuffle', () => {
  it('is undone by pixelUnshuffle', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.nat(2), fc.integer({ min: 1, max: 3 }), (r, lead, size) => {
        const shape = [...new Array<number>(lead).fill(2), r * r, size, 2];
        const x = arange(shape.reduce((a, b) => a * b, 1)).reshape(shape) as Tensor;
        const fine = F.pixelShuffle(x, r);
        expect(fine.shape).toEqual([...shape.slice(0, lead), 1, size * r, 2 * r]);
        expect(values(F.pixelUnshuffle(fine, r))).toEqual(values(x));
      }),
    );
    const x = arange(4).reshape([4, 1, 1]) as Tensor;
    expect(values(F.pixelShuffle(x, 2))).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
    ]);
  });

  it('has memory of its own, also where the order stays', () => {
    const x = arange(8).reshape([2, 4, 1, 1]) as Tensor;
    const once = arange(4).reshape([1, 2, 2]) as Tensor;
    for (const y of [F.pixelShuffle(x, 2), F.pixelShuffle(x, 1), F.pixelUnshuffle(x, 1)]) y.zero_();
    F.pixelUnshuffle(once.view([2, 2, 1]), 1).zero_();
    expect([x.sum().item(), once.sum().item()]).toEqual([28, 6]);
  });
});

describe('segmentReduce', () => {
  const data = tensor([1, 2, 3, 4, 5]);
  const lengths = tensor([2, 0, 3], { dtype: 'int32' });

  it('reduces consecutive segments, empty ones to where the reduction begins', () => {
    const of = (how: Parameters<typeof segmentReduce>[1], initial?: number): unknown =>
      segmentReduce(data, how, { lengths, ...(initial === undefined ? {} : { initial }) }).toArray();
    expect(of('sum')).toEqual([3, 0, 12]);
    expect(of('mean')).toEqual([1.5, Number.NaN, 4]);
    expect(of('max')).toEqual([2, Number.NEGATIVE_INFINITY, 5]);
    expect(of('min')).toEqual([1, Number.POSITIVE_INFINITY, 3]);
    expect(of('prod')).toEqual([2, 1, 60]);
    expect(of('max', 3)).toEqual([3, 3, 5]);
    expect(of('mean', 1)).toEqual([2, 1, 13 / 3].map(Math.fround));
  });

  it('takes borders instead of lengths, and may leave elements out', () => {
    const offsets = tensor([0, 2, 4], { dtype: 'int32' });
    expect(segmentReduce(data, 'sum', { offsets }).toArray()).toEqual([3, 7]);
    const fewer = tensor([1, 2], { dtype: 'int32' });
    expect(segmentReduce(data, 'sum', { lengths: fewer, unsafe: true }).toArray()).toEqual([1, 5]);
  });
});
