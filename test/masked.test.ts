import { masked, type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { gradcheck, gradgradcheck } from './support/gradcheck.ts';
import { f64, spread, valuesOf } from './support/numbers.ts';

const { NaN: nan } = Number;
const inf = Number.POSITIVE_INFINITY;
const x = f64([1, -2, 3, 4, 0.5, -6], [2, 3]);
const mask = tensor([
  [true, false, true],
  [false, true, false],
]);
const none = tensor([false, false, false]);

describe('masked', () => {
  it('reduces what takes part', () => {
    expect(valuesOf(masked.sum(x, 1, { mask }))).toEqual([4, 0.5]);
    expect(valuesOf(masked.prod(x, [0, 1], { mask }))).toEqual([1.5]);
    expect(valuesOf(masked.mean(x, 1, { mask }))).toEqual([2, 0.5]);
    expect(valuesOf(masked.amax(x, 0, { mask }))).toEqual([1, 0.5, 3]);
    expect(valuesOf(masked.argmin(x, 1, { mask }))).toEqual([0, 1]);
    expect(masked.argmin(x, 1, { mask, dtype: 'int32' }).dtype).toBe('int32');
    expect(masked.var(x, undefined, { mask, unbiased: false }).item()).toBeCloseTo(7 / 6, 12);
    expect(masked.median(x, 1, { mask }).shape).toEqual([2]);
    expect(valuesOf(masked.median(x, 1, { mask }))).toEqual([1, 0.5]);
    expect(masked.norm(x, 2, undefined, { mask }).item()).toBeCloseTo(Math.sqrt(10.25), 12);
    expect(valuesOf(masked.cumsum(x, 1, { mask }))).toEqual([1, 1, 4, 0, 0.5, 0.5]);
    const bytes = tensor([200, 3, 100], { dtype: 'uint8' });
    const some = { mask: tensor([true, false, true]) };
    expect([masked.cumsum(bytes, 0, some), masked.cumprod(bytes, 0, some)].map((t) => [t.dtype, valuesOf(t)])).toEqual([
      ['uint8', [200, 200, 44]],
      ['uint8', [200, 200, 32]],
    ]);
    expect(masked.cumsum(tensor([true, true]), 0).toArray()).toEqual([1, 2]);
  });

  it('says of nothing what its operation does', () => {
    const of = (y: Tensor): number[] => valuesOf(y);
    expect(of(masked.sum(x, 1, { mask: none }))).toEqual([0, 0]);
    expect(of(masked.prod(x, 1, { mask: none }))).toEqual([1, 1]);
    expect(of(masked.amax(x, 1, { mask: none }))).toEqual([-inf, -inf]);
    expect(of(masked.amin(x, 1, { mask: none }))).toEqual([inf, inf]);
    expect(of(masked.mean(x, 1, { mask: none }))).toEqual([nan, nan]);
    expect(of(masked.logsumexp(x, 1, { mask: none }))).toEqual([-inf, -inf]);
    const whole = tensor([[3, 200]], { dtype: 'uint8' });
    expect(of(masked.amin(whole, 1, { mask: tensor([false, false]) }))).toEqual([255]);
  });

  it('gives no share to the rest', () => {
    const shares = masked.softmax(x, 1, { mask });
    expect(valuesOf(shares.sum(1))).toEqual([1, 1].map((v) => expect.closeTo(v, 12)));
    expect(valuesOf(masked.softmin(x, 1, { mask }))[4]).toBe(1);
    expect(valuesOf(masked.logSoftmax(x, 1, { mask }))[1]).toBe(-inf);
    expect(valuesOf(masked.normalize(x, 1, 1, { mask }))).toEqual([0.25, 0, 0.75, 0, 1, 0]);
  });

  it('has the derivatives of what takes part', () => {
    const at = f64(spread(6, 0.5, 2), [2, 3]);
    for (const f of [
      (t: Tensor) => masked.prod(t, 1, { mask }),
      (t: Tensor) => masked.std(t, undefined, { mask, correction: 0 }),
      (t: Tensor) => masked.logsumexp(t, 0, { mask }),
      (t: Tensor) => masked.softmax(t, 1, { mask }),
      (t: Tensor) => masked.normalize(t, 2, 0, { mask }),
      (t: Tensor) => masked.cumprod(t, 1, { mask }),
      (t: Tensor) => masked.logaddexp(t, t.mul(2), { inputMask: mask }),
    ]) {
      gradcheck(f, [at]);
      gradgradcheck(f, [at]);
    }
    const rows = vmap((t: Tensor, m: Tensor) => masked.mean(t, 0, { mask: m }))(x, mask);
    expect(valuesOf(rows)).toEqual([2, 0.5]);
  });

  it('refuses masks that are none', () => {
    expect(() => masked.sum(x, 0, { mask: x })).toThrow('expected mask of dtype bool');
    expect(() => masked.sum(x, 0, { mask: tensor([true, false]) })).toThrow('cannot be broadcast');
    expect(() => masked.sum(x.select(0, 0), 0, { mask })).toThrow('must broadcast');
    expect(() => masked.var(x, 0, { unbiased: true, correction: 1 })).toThrow('not both');
  });
});
