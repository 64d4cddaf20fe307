import {
  arange,
  type DType,
  empty,
  emptyLike,
  eye,
  full,
  fullLike,
  linspace,
  logspace,
  ones,
  onesLike,
  type Tensor,
  tensor,
  zeros,
  zerosLike,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectValues } from '../support/close.ts';

const dtypes: readonly DType[] = ['bool', 'uint8', 'int32', 'float32', 'float64'];

describe('tensor', () => {
  it('takes numbers nested to any depth', () => {
    expectValues(tensor(3), [], [3]);
    expectValues(tensor([1, 2, 3]), [3], [1, 2, 3]);
    expectValues(
      tensor([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
      [3, 2],
      [1, 2, 3, 4, 5, 6],
    );
    expect(tensor([[[[1]]]]).shape).toEqual([1, 1, 1, 1]);
  });

  it('takes empty lists', () => {
    expect(tensor([]).shape).toEqual([0]);
    expect(tensor([[], []]).shape).toEqual([2, 0]);
    expect(tensor([[[]]]).shape).toEqual([1, 1, 0]);
    expect(tensor([]).dtype).toBe('float32');
  });

  it('infers float32 from numbers and bool from truth values', () => {
    expect(tensor([1, 2]).dtype).toBe('float32');
    expect(tensor([true, false]).dtype).toBe('bool');
    expect(tensor(true).dtype).toBe('bool');
    expect(tensor([true, 2]).dtype).toBe('float32');
    expect(tensor([true, 2]).toArray()).toEqual([1, 2]);
  });

  it('takes typed arrays with their type, copied', () => {
    const sources = [
      [new Float32Array([1, 2]), 'float32'],
      [new Float64Array([1, 2]), 'float64'],
      [new Int32Array([1, 2]), 'int32'],
      [new Uint8Array([1, 2]), 'uint8'],
    ] as const;
    for (const [source, dtype] of sources) {
      const t = tensor(source);
      expect([t.dtype, t.shape, t.toArray()]).toEqual([dtype, [2], [1, 2]]);
      source[0] = 9;
      expect(t.toArray()).toEqual([1, 2]);
    }
    const part = new Float64Array([0, 1, 2, 3]).subarray(1, 3);
    expect(tensor(part).toArray()).toEqual([1, 2]);
    expect(tensor(new Float32Array(6), { shape: [2, 3] }).shape).toEqual([2, 3]);
    expect(tensor(new Float32Array(0), { shape: [0, 3] }).shape).toEqual([0, 3]);
  });

  it('converts on request', () => {
    expect(tensor([0, 2, -1], { dtype: 'bool' }).toArray()).toEqual([false, true, true]);
    expect(tensor(new Float64Array([1, 2]), { dtype: 'int32' }).dtype).toBe('int32');
    expect(tensor([true, false], { dtype: 'float64' }).toArray()).toEqual([1, 0]);
    expect(tensor([0.1], { dtype: 'float32' }).item()).toBe(Math.fround(0.1));
    expect(tensor([0.1], { dtype: 'float64' }).item()).toBe(0.1);
    expect(tensor([-(2 ** 31), 2 ** 31 - 1], { dtype: 'int32' }).toArray()).toEqual([-(2 ** 31), 2 ** 31 - 1]);
  });

  it('keeps special numbers', () => {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 5e-324];
    const values = tensor(special, { dtype: 'float64' }).toArray() as number[];
    values.forEach((x, i) => {
      expect(Object.is(x, special[i])).toBe(true);
    });
    expect(tensor([1e39]).item()).toBe(Number.POSITIVE_INFINITY);
    expect(tensor([1e-46]).item()).toBe(0);
  });

  it('sets requiresGrad', () => {
    expect(tensor([1], { requiresGrad: true }).requiresGrad).toBe(true);
    expect(tensor([1], { requiresGrad: false }).requiresGrad).toBe(false);
  });
});

describe('filled tensors', () => {
  it('of every dtype', () => {
    for (const dtype of dtypes) {
      const bool = dtype === 'bool';
      expect(zeros([2], { dtype }).toArray()).toEqual(bool ? [false, false] : [0, 0]);
      expect(ones([2], { dtype }).toArray()).toEqual(bool ? [true, true] : [1, 1]);
      expect(full([], 1, { dtype }).toArray()).toEqual(bool ? true : 1);
      expect(empty([3, 0], { dtype }).shape).toEqual([3, 0]);
      expect(eye(2, { dtype }).toArray()).toEqual(
        bool
          ? [
              [true, false],
              [false, true],
            ]
          : [
              [1, 0],
              [0, 1],
            ],
      );
    }
  });

  it('default to float32', () => {
    for (const t of [zeros([1]), ones([1]), full([1], 2), empty([1]), eye(1), arange(2), linspace(0, 1, 2)])
      expect(t.dtype).toBe('float32');
  });

  it('of any shape', () => {
    for (const shape of [[], [0], [3], [2, 0, 3], [1, 1, 1], [2, 3, 4, 5]]) {
      const t: Tensor = zeros(shape);
      expect([t.shape, t.ndim, t.numel()]).toEqual([shape, shape.length, shape.reduce((p, n) => p * n, 1)]);
      expect(t.isContiguous()).toBe(true);
    }
  });

  it('in the likeness of another', () => {
    const t = tensor([[1, 2]], { dtype: 'float64', requiresGrad: true });
    for (const like of [zerosLike(t), onesLike(t), fullLike(t, 3), emptyLike(t)])
      expect([like.shape, like.dtype, like.requiresGrad]).toEqual([[1, 2], 'float64', false]);
    expect(onesLike(t, { dtype: 'int32' }).dtype).toBe('int32');
    expect(zerosLike(t, { requiresGrad: true }).requiresGrad).toBe(true);
    expectValues(fullLike(t, 3), [1, 2], [3, 3]);
  });

  it('eye of other than square', () => {
    expectValues(eye(2, 3), [2, 3], [1, 0, 0, 0, 1, 0]);
    expectValues(eye(3, 1), [3, 1], [1, 0, 0]);
    expect(eye(0).shape).toEqual([0, 0]);
    expect(eye(2, 0).shape).toEqual([2, 0]);
  });
});

describe('ranges', () => {
  it('arange counts from start by step, end excluded', () => {
    expectValues(arange(4), [4], [0, 1, 2, 3]);
    expectValues(arange(1, 4), [3], [1, 2, 3]);
    expectValues(arange(0, 1, 0.25), [4], [0, 0.25, 0.5, 0.75]);
    expectValues(arange(3, 0, -1), [3], [3, 2, 1]);
    expectValues(arange(2.5), [3], [0, 1, 2]);
    expectValues(arange(0), [0], []);
    expectValues(arange(5, { dtype: 'int32' }), [5], [0, 1, 2, 3, 4]);
    expectValues(
      arange(0, 1, 0.1, { dtype: 'float64' }),
      [10],
      [0, 0.1, 0.2, 3 * 0.1, 0.4, 0.5, 6 * 0.1, 7 * 0.1, 0.8, 0.9],
    );
    expect(arange(3, { requiresGrad: true }).requiresGrad).toBe(true);
  });

  it('linspace has both ends', () => {
    expectValues(linspace(0, 1, 5), [5], [0, 0.25, 0.5, 0.75, 1]);
    expectValues(linspace(1, -1, 3), [3], [1, 0, -1]);
    expectValues(linspace(2, 3, 1), [1], [2]);
    expectValues(linspace(2, 3, 0), [0], []);
    // A zero on the way is a zero.
    expectValues(linspace(-1, 3, 5), [5], [-1, 0, 1, 2, 3]);
    const t = linspace(-3, 7, 101, { dtype: 'float64' }).toTypedArray();
    expect([t[0], t[50], t[100]]).toEqual([-3, 2, 7]);
  });
});

describe('logspace', () => {
  it('gives powers, whole ones exactly', () => {
    expect(String(logspace(0, 2, 3))).toBe('tensor([  1.,  10., 100.])');
    expect(logspace(0, 9, 10, { dtype: 'int32' }).toArray()).toEqual(Array.from({ length: 10 }, (_, i) => 10 ** i));
    expect(logspace(0, 20, 21, { dtype: 'float64' }).toArray()).toEqual(
      Array.from({ length: 21 }, (_, i) => Number(`1e${i}`)),
    );
    expect(logspace(0, 2, 3, { base: 2, requiresGrad: true }).requiresGrad).toBe(true);
    expect(String(logspace(-2, 3, 7, { dtype: 'float64' }))).toBe(
      String(
        tensor([0.01, 0.0681292069, 0.4641588834, 3.1622776602, 21.5443469003, 146.7799267622, 1000], {
          dtype: 'float64',
        }),
      ),
    );
    expect(() => logspace(0, 1, -1)).toThrow('logspace: number of steps must be non-negative');
  });
});
