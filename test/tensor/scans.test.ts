import { tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { gradcheck, gradgradcheck } from '../support/gradcheck.ts';
import { f64, spread, valuesOf } from '../support/numbers.ts';

const { NaN: nan } = Number;
const inf = Number.POSITIVE_INFINITY;

describe('scans', () => {
  it('sum integers and truth values as int32', () => {
    expect(tensor([true, false, true]).cumsum(0).dtype).toBe('int32');
    expect(valuesOf(tensor([true, false, true]).cumsum(0))).toEqual([1, 1, 2]);
    const bytes = tensor(Uint8Array.from([200, 100, 2]));
    expect(valuesOf(bytes.cumsum(0))).toEqual([200, 300, 302]);
    expect(valuesOf(bytes.cumprod(0))).toEqual([200, 20000, 40000]);
    expect(valuesOf(bytes.cumsum(0, { dtype: 'float64' }))).toEqual([200, 300, 302]);
  });

  it('work in place, in the dtype there is', () => {
    const bytes = tensor(Uint8Array.from([200, 100, 2]));
    expect(bytes.cumsum_(0)).toBe(bytes);
    expect(valuesOf(bytes)).toEqual([200, 44, 46]);
    const x = f64([1, 2, 3], [3]).requiresGrad_();
    const y = x.mul(2).cumprod_(0);
    expect(valuesOf(y)).toEqual([2, 8, 48]);
    expect(y.gradFn?.name).toBe('CumprodBackward0');
    y.sum().backward();
    // ∂/∂x of 2a + 4ab + 8abc
    expect(valuesOf(x.grad as never)).toEqual([2 + 8 + 48, 4 + 24, 16]);
    const whole = f64([1, 2, 3, 4], [2, 2]);
    whole.select(0, 1).cumsum_(0);
    expect(valuesOf(whole)).toEqual([1, 2, 3, 7]);
  });

  it('keep the latest of equal extremes, and NaN', () => {
    const { values, indices } = f64([1, 1, 0, nan, 5, nan], [6]).cummax(0);
    expect(valuesOf(values)).toEqual([1, 1, 1, nan, nan, nan]);
    expect(valuesOf(indices)).toEqual([0, 1, 1, 3, 3, 5]);
    const least = tensor([3, 1, 1, 2]).cummin(0);
    expect(valuesOf(least.values)).toEqual([3, 1, 1, 1]);
    expect(valuesOf(least.indices)).toEqual([0, 1, 2, 2]);
  });

  it('give the gradient of a running extreme to where it was found', () => {
    const x = f64([1, 3, 2, 3], [4]).requiresGrad_();
    x.cummax(0).values.sum().backward();
    expect(valuesOf(x.grad as never)).toEqual([1, 2, 0, 1]);
  });

  it('have exact gradients of products with zeros', () => {
    const x = f64([2, 0, 3, 0, 5], [5]).requiresGrad_();
    x.cumprod(0).sum().backward();
    expect(valuesOf(x.grad as never)).toEqual([1, 2 + 6, 0, 0, 0]);
  });

  it('sum exponentials without overflow or loss, infinities and NaN included', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const of = (...xs: number[]): number[] => valuesOf(tensor(xs, { dtype }).logcumsumexp(0));
      expect(of(-1000, -1000 + Math.log(3), 1000, -1000)).toEqual([
        -1000,
        dtype === 'float32' ? Math.fround(-1000 + Math.log(4)) : expect.closeTo(-1000 + Math.log(4), 12),
        1000,
        1000,
      ]);
      expect(of(-inf, -inf, 0, inf, 1, inf)).toEqual([-inf, -inf, 0, inf, inf, inf]);
      expect(of(0, nan, inf)).toEqual([0, nan, nan]);
    }
  });

  it('differ by exclusive or where truth values do, and not at all 0 times', () => {
    expect(valuesOf(tensor([true, true, false]).diff())).toEqual([0, 1]);
    const x = f64([1, 4, 9], [3]);
    expect(valuesOf(x.diff(0))).toEqual([1, 4, 9]);
    expect(valuesOf(x.diff(2))).toEqual([2]);
    expect(x.diff(7).shape).toEqual([0]);
    expect(valuesOf(x.diff(1, 0, { prepend: f64([0], [1]), append: f64([16], [1]) }))).toEqual([1, 3, 5, 7]);
  });

  it('integrate by trapezoids', () => {
    const y = f64([1, 5, 10], [3]);
    expect(y.trapezoid().item()).toBe(10.5);
    expect(y.trapezoid(2).item()).toBe(21);
    expect(y.trapezoid(f64([1, 3, 6], [3])).item()).toBe(6 + 22.5);
    expect(valuesOf(y.cumulativeTrapezoid(f64([1, 3, 6], [3])))).toEqual([6, 28.5]);
    expect(tensor([1, 2], { dtype: 'int32' }).trapezoid().dtype).toBe('float32');
    expect(f64([], [0, 2]).trapezoid(1, 0).shape).toEqual([2]);
    expect(valuesOf(f64([], [2, 0]).trapezoid())).toEqual([0, 0]);
  });

  it('differentiate what is sampled', () => {
    const places = f64([0, 1, 3, 6], [4]);
    const squares = places.square();
    expect(valuesOf(squares.gradient({ spacing: [places], edgeOrder: 2 })[0])).toEqual(
      [0, 2, 6, 12].map((v) => expect.closeTo(v, 12)),
    );
    expect(valuesOf(squares.gradient({ spacing: [places] })[0])).toEqual(
      [1, 2, 6, 9].map((v) => expect.closeTo(v, 12)),
    );
    expect(valuesOf(f64([0, 1, 4, 9], [4]).gradient()[0])).toEqual([1, 2, 4, 5]);
    expect(valuesOf(f64([0, 1, 4, 9], [4]).gradient({ spacing: 2, edgeOrder: 2 })[0])).toEqual([0, 1, 2, 3]);
    const both = f64(spread(12, -1, 1), [3, 4]).gradient();
    expect(both.map((t) => t.shape)).toEqual([
      [3, 4],
      [3, 4],
    ]);
    for (const edgeOrder of [1, 2] as const) {
      gradcheck((t) => t.gradient({ spacing: [2, 0.5], edgeOrder }), [f64(spread(12, -1, 1), [3, 4])]);
      gradgradcheck(
        (t, at) => t.gradient({ spacing: [at], dim: 0, edgeOrder }),
        [f64(spread(8, -1, 1), [4, 2]), f64([0, 1, 2.5, 3], [4])],
      );
    }
  });
});
