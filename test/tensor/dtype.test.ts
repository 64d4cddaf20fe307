import {
  arange,
  type DType,
  DTypeError,
  eye,
  functional as F,
  full,
  getDefaultDtype,
  linspace,
  ones,
  rand,
  setDefaultDtype,
  stack,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from 'nabla';
import { afterEach, describe, expect, it } from 'vitest';
import { expectValues } from '../support/close.ts';

/*
 * PyTorch's promotion (torch.result_type). Tensors with dimensions decide; 0-dim tensors and numbers
 * count only by kind (bool, int, float). JavaScript's 2 is an integer and 2.5 a float; the default
 * integer is int32, the default float float32.
 */

const order = ['bool', 'uint8', 'int32', 'float32', 'float64'] as const;

const dimmed = (dtype: DType): Tensor => zeros([2], { dtype });
const scalar = (dtype: DType): Tensor => zeros([], { dtype });

/** What torch.result_type gives for rows of `order` with columns of `order`. */
const both: readonly (readonly DType[])[] = [
  ['bool', 'uint8', 'int32', 'float32', 'float64'],
  ['uint8', 'uint8', 'int32', 'float32', 'float64'],
  ['int32', 'int32', 'int32', 'float32', 'float64'],
  ['float32', 'float32', 'float32', 'float32', 'float64'],
  ['float64', 'float64', 'float64', 'float64', 'float64'],
];

/** A tensor with dimensions (row) with a 0-dim one (column). */
const withScalar: readonly (readonly DType[])[] = [
  ['bool', 'uint8', 'int32', 'float32', 'float64'],
  ['uint8', 'uint8', 'uint8', 'float32', 'float64'],
  ['int32', 'int32', 'int32', 'float32', 'float64'],
  ['float32', 'float32', 'float32', 'float32', 'float32'],
  ['float64', 'float64', 'float64', 'float64', 'float64'],
];

/** A tensor with 2 and with 2.5. */
const withNumber: readonly (readonly DType[])[] = [
  ['int32', 'float32'],
  ['uint8', 'float32'],
  ['int32', 'float32'],
  ['float32', 'float32'],
  ['float64', 'float64'],
];

describe('promotion', () => {
  order.forEach((a, i) => {
    order.forEach((b, j) => {
      it(`${a} with ${b}`, () => {
        expect(dimmed(a).mul(dimmed(b)).dtype).toBe(both[i][j]);
        expect(scalar(a).mul(scalar(b)).dtype).toBe(both[i][j]);
        expect(dimmed(a).mul(scalar(b)).dtype).toBe(withScalar[i][j]);
        expect(scalar(b).mul(dimmed(a)).dtype).toBe(withScalar[i][j]);
      });
    });
    it(`${a} with numbers`, () => {
      expect(dimmed(a).mul(2).dtype).toBe(withNumber[i][0]);
      expect(dimmed(a).mul(2.5).dtype).toBe(withNumber[i][1]);
      expect(scalar(a).mul(2).dtype).toBe(withNumber[i][0]);
      expect(scalar(a).mul(2.5).dtype).toBe(withNumber[i][1]);
    });
  });

  it('computes in the promoted type', () => {
    expectValues(tensor([200], { dtype: 'uint8' }).add(tensor([100], { dtype: 'int32' })), [1], [300]);
    expectValues(tensor([200], { dtype: 'uint8' }).add(100), [1], [44]);
    expect(
      tensor([1], { dtype: 'float32' })
        .add(tensor([1e-9], { dtype: 'float64' }))
        .item(),
    ).toBe(1 + 1e-9);
    expect(
      tensor([2 ** 24 + 1], { dtype: 'int32' })
        .mul(1)
        .item(),
    ).toBe(2 ** 24 + 1);
    expect(
      tensor([2 ** 31 - 1], { dtype: 'int32' })
        .add(1)
        .item(),
    ).toBe(-(2 ** 31));
  });
});

describe('results of', () => {
  const int = tensor([7, -7], { dtype: 'int32' });
  const truth = tensor([true, false]);

  it('division and functions are floats', () => {
    expect(int.div(2).dtype).toBe('float32');
    expect(truth.div(truth).dtype).toBe('float32');
    for (const t of [int.exp(), truth.sin(), int.sqrt(), int.sigmoid(), int.erf()]) expect(t.dtype).toBe('float32');
    expect(int.to('float64').exp().dtype).toBe('float64');
  });

  it('division with rounding keeps integers', () => {
    const floor = int.div(2, { roundingMode: 'floor' });
    const trunc = int.div(2, { roundingMode: 'trunc' });
    expect([floor.dtype, floor.toArray(), trunc.toArray()]).toEqual(['int32', [3, -4], [3, -3]]);
  });

  it.each(['int32', 'uint8'] as const)('division by zero is refused wherever the zero is, %s', (dtype) => {
    const x = full([3, 40], 7, { dtype });
    const whole = full([3, 40], 2, { dtype });
    const [first, last, left] = [whole.clone(), whole.clone(), whole.clone()];
    first.select(0, 0).select(0, 0).zero_();
    last.select(0, 2).select(0, 39).zero_();
    left.select(1, 0).zero_();
    for (const y of [first, last, left, left.select(0, 1), left.t().contiguous().t(), zeros([], { dtype })])
      expect(() => x.remainder(y)).toThrow('ZeroDivisionError');
    expect(() => vmap((a: Tensor, b: Tensor) => a.fmod(b))(x, last)).toThrow('ZeroDivisionError');
    // Those that a view leaves out do no harm.
    expect(x.slice(1, 1).div(left.slice(1, 1), { roundingMode: 'floor' }).sum().item()).toBe(3 * 39 * 3);
    expect(x.slice(0, 0, 0).fmod(left.slice(0, 0, 0)).shape).toEqual([0, 40]);
  });

  it('comparisons are truth values', () => {
    for (const t of [int.gt(0), int.eq(int), truth.logicalNot(), int.isnan()]) expect(t.dtype).toBe('bool');
  });

  it('sums and products of integers and truth values are int32', () => {
    for (const t of [truth.sum(), int.sum(), tensor([1], { dtype: 'uint8' }).prod()]) expect(t.dtype).toBe('int32');
    expect(full([300], 1, { dtype: 'uint8' }).sum().item()).toBe(300);
  });

  it('arithmetic of integers is integer', () => {
    expect([int.mul(3).dtype, int.neg().dtype, int.abs().dtype, int.pow(2).dtype]).toEqual([
      'int32',
      'int32',
      'int32',
      'int32',
    ]);
    expect(int.remainder(3).toArray()).toEqual([1, 2]);
    expect(int.fmod(3).toArray()).toEqual([1, -1]);
  });

  it.each([0, 1, 2, 3, 4, 5, 13])('powers of whole numbers wrap around, %i', (n) => {
    const power = (x: number): number => Array.from({ length: n }).reduce((y: number) => Math.imul(y, x), 1);
    const values = [0, 1, 2, 3, 7, 200, 255, -1, -2, 1291, -46341, 2 ** 31 - 1];
    expect(tensor(values, { dtype: 'int32' }).pow(n).toArray()).toEqual(values.map(power));
    const bytes = values.slice(0, 7);
    const y = tensor(bytes, { dtype: 'uint8' }).pow(n);
    expect([y.dtype, y.toArray()]).toEqual(['uint8', bytes.map((x) => power(x) & 255)]);
    expect(tensor([true, false]).pow(n).to('int32').toArray()).toEqual([1, Number(n === 0)]);
  });

  it('products of matrices of bytes are bytes, modulo 256', () => {
    const bytes = (values: readonly number[], shape: readonly number[]): Tensor =>
      tensor(values, { dtype: 'uint8' }).reshape(shape);
    const a = bytes([200, 3, 77, 9, 250, 31], [2, 3]);
    const b = bytes([1, 200, 255, 4, 17, 99], [3, 2]);
    const v = bytes([250, 3, 99], [3]);
    const products = [a.mm(b), a.mv(v), v.dot(v), stack([a, a.flip([0])]).bmm(stack([b, b])), a.T.matmul(b.T)];
    expect(products.map((t) => t.dtype)).toEqual(new Array(5).fill('uint8'));
    expect(products.map((t) => t.toArray())).toEqual([
      [
        [226, 19],
        [30, 237],
      ],
      [32, 181],
      118,
      [
        [
          [226, 19],
          [30, 237],
        ],
        [
          [30, 237],
          [226, 19],
        ],
      ],
      [
        [208, 92, 195],
        [83, 229, 225],
        [133, 47, 26],
      ],
    ]);
    expect(bytes([1, 2, 3, 4], [2, 2]).addmm(a, b).toArray()).toEqual([
      [227, 21],
      [33, 241],
    ]);
    expect(zeros([0, 3], { dtype: 'uint8' }).mm(b).shape).toEqual([0, 2]);
  });
});

describe('to', () => {
  it('converts between all dtypes', () => {
    const source = tensor([0, 1, 3], { dtype: 'uint8' });
    for (const from of order) {
      for (const dtype of order) {
        const t = source.to(from).to(dtype);
        expect(t.dtype).toBe(dtype);
        const last = from === 'bool' || dtype === 'bool' ? 1 : 3;
        expect(t.to('float64').toArray()).toEqual([0, 1, last]);
      }
    }
  });

  it('truncates toward zero', () => {
    expect(tensor([1.9, -1.9, 0.5]).to('int32').toArray()).toEqual([1, -1, 0]);
    expect(tensor([0.5, 0, -0.5, Number.NaN]).to('bool').toArray()).toEqual([true, false, true, true]);
  });

  it('returns the tensor itself when nothing changes', () => {
    const t = tensor([1, 2]);
    expect(t.to('float32')).toBe(t);
    expect(t.float()).toBe(t);
    expect([t.double().dtype, t.int().dtype, t.bool().dtype]).toEqual(['float64', 'int32', 'bool']);
  });

  it('passes gradients between floats', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    x.to('float64').mul(3).sum().backward();
    expectValues(x.grad, [2], [3, 3]);
    expect(x.to('float64').gradFn?.name).toBe('ToCopyBackward0');
  });
});

describe('the default dtype', () => {
  afterEach(() => setDefaultDtype('float32'));
  const whole = (...xs: number[]): Tensor => tensor(xs, { dtype: 'int32' });

  it('is that of new tensors, fractions and functions of integers', () => {
    const made = (): Tensor[] => [
      tensor([1.5]),
      zeros([2]),
      ones([2]),
      full([1], 2),
      arange(3),
      linspace(0, 1, 3),
      eye(2),
      rand([2]),
      whole(1, 2).sqrt(),
      whole(1, 2).mul(0.5),
      whole(1, 2).div(2),
      whole(1, 2).div(whole(3, 4)),
      whole(1, 2).logsumexp(0),
      F.pairwiseDistance(whole(1, 2).view([1, 2]), whole(3, 4).view([1, 2])),
    ];
    for (const dtype of ['float32', 'float64', 'float32', 'float64'] as const) {
      setDefaultDtype(dtype);
      expect(getDefaultDtype()).toBe(dtype);
      expect(made().map((t) => t.dtype)).toEqual(made().map(() => dtype));
    }
    expect(whole(2).sqrt().item()).toBe(Math.SQRT2);
  });

  it('leaves what has a dtype as it is', () => {
    const x = ones([2], { requiresGrad: true });
    setDefaultDtype('float64');
    expect(x.mul(0.5).sum().dtype).toBe('float32');
    x.mul(0.5).sum().backward();
    expect(x.grad?.dtype).toBe('float32');
    expect(tensor(new Float32Array(2)).dtype).toBe('float32');
    expect(tensor([true]).dtype).toBe('bool');
    expect(whole(1).add(1).dtype).toBe('int32');
    expect(whole(1).float().dtype).toBe('float32');
  });

  it('is not named when tensors are printed', () => {
    setDefaultDtype('float64');
    expect(String(tensor([1.5]))).toBe('tensor([1.5000])');
    expect(String(ones([2], { dtype: 'float32' }))).toBe('tensor([1., 1.], dtype=float32)');
  });

  it('is the one of their time for results that are made again', () => {
    const x = arange(300_000, { dtype: 'int32' });
    const roots = Array.from({ length: 12 }, () => x.sqrt());
    setDefaultDtype('float64');
    const others = Array.from({ length: 12 }, () => x.sqrt());
    setDefaultDtype('float32');
    for (const [list, dtype, root] of [
      [roots, 'float32', Math.fround(Math.sqrt(299_999))],
      [others, 'float64', Math.sqrt(299_999)],
    ] as const)
      for (const y of list) {
        expect(y.dtype).toBe(dtype);
        expect(y.select(0, -1).item()).toBe(root);
      }
  });

  it('is one of floats', () => {
    for (const dtype of ['int32', 'bool', 'half', undefined])
      expect(() => setDefaultDtype(dtype as DType)).toThrow(
        'only floating-point types are supported as the default type',
      );
    expect(() => setDefaultDtype('uint8')).toThrow(DTypeError);
    expect(getDefaultDtype()).toBe('float32');
  });
});
