import { autograd, elementwise, functional, grad, hessian, jvp, ones, type Tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { f64 } from '../support/numbers.ts';

/* Second derivatives where a first one is infinite or NaN, at the ends of a domain, and where digits cancel. */

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const listed = (t: Tensor): number[] => Array.from(t.toTypedArray());
const vector = (xs: readonly number[]): Tensor => f64(xs, [xs.length]);

/** The derivatives by x and by y of ∂f/∂x, which was computed beside ∂f/∂y. */
function secondsOf(f: (x: Tensor, y: Tensor) => Tensor, xs: readonly number[], ys: readonly number[]): number[][] {
  const inputs = [vector(xs).requiresGrad_(), vector(ys).requiresGrad_()];
  const [byX] = autograd.grad([f(...(inputs as [Tensor, Tensor])).sum()], inputs, { createGraph: true });
  return autograd.grad([byX.sum()], inputs).map(listed);
}

describe('a gradient that is differentiated without the others that were computed with it', () => {
  it('of a power of what is not above 0', () => {
    const [byX, byY] = secondsOf((x, y) => x.pow(y), [-1, -2, 0, 0, 0], [2, 3, 0.5, -1, 2]);
    expect(byX).toEqual([2, -12, -inf, inf, 2]);
    // log x belongs to it.
    expect(byY).toEqual([nan, nan, nan, inf, 0]);
  });

  it('of x log y and x log(1 + y) where the logarithm is infinite', () => {
    expect(secondsOf((x, y) => x.xlogy(y), [1, 0, inf, 2], [0, 0, 1, 2])).toEqual([
      [0, 0, 0, 0],
      [inf, 0, 1, 0.5],
    ]);
    expect(secondsOf((x, y) => x.xlog1py(y), [1, 0, inf, 2], [-1, -1, 0, 1])).toEqual([
      [0, 0, 0, 0],
      [inf, 0, 1, 0.5],
    ]);
  });

  it('of a cross entropy whose targets have infinite gradients', () => {
    const loss = (x: Tensor, y: Tensor): Tensor => functional.binaryCrossEntropy(x, y, { reduction: 'sum' });
    const [byX, byTarget] = secondsOf(loss, [0, 1, 0.5], [0, 1, 0.5]);
    expect(byX).toEqual([0, 0, expect.closeTo(4, 9)]);
    expect(byTarget).toEqual([-1e12, -1e12, -4]);
  });

  it('of one’s own function of several results', () => {
    const both = elementwise((x) => [x.square(), x.sqrt()]);
    const x = vector([0, 2]).requiresGrad_();
    const [square] = both(x) as readonly Tensor[];
    expect(listed(autograd.grad([square.sum()], [x])[0])).toEqual([0, 4]);
  });
});

it('the second derivative of a binary cross entropy is PyTorch’s at 0 and 1, where the first has a floor', () => {
  const second = (xs: readonly number[], t: number): number[] => {
    const target = vector(xs.map(() => t));
    const loss = (x: Tensor): Tensor => functional.binaryCrossEntropy(x, target, { reduction: 'sum' });
    return listed(grad((x: Tensor) => grad(loss)(x).sum())(vector(xs)));
  };
  const close = (xs: readonly number[]): unknown[] => xs.map((x) => expect.closeTo(x, 8));
  // Of float64 and at 1/4: t/x² + (1 − t)/(1 − x)².
  expect(second([0, 0.25, 1], 0).map((v) => v / 1e24)).toEqual(close([0, 16 / 9 / 1e24, 1]));
  expect(second([0, 0.25, 1], 1).map((v) => v / 1e24)).toEqual(close([1, 16 / 1e24, 0]));
  expect(second([0, 1], 0.5).map((v) => v / 1e24)).toEqual(close([0.5, 0.5]));
  expect(second([0.25], 0)[0]).toBeCloseTo(16 / 9, 9);
});

it('slopes of erfcx keep their digits where the function is nearly 1 / (√π x)', () => {
  // By mpmath with 60 digits.
  const known: readonly (readonly [x: number, first: number, second: number])[] = [
    [5, -0.02133278976482631, 0.0080813778178741508],
    [10, -0.0055593122190608567, 0.0010957411064280368],
    [12, -0.003877862738062271, 0.00063973631629302061],
    [12.5, -0.0035766920698145528, 0.00056689625669202235],
    [50, -0.00022554056313532388, 9.0162171151572226e-6],
    [1e3, -5.6418873726549667e-7, 1.1283757819707055e-9],
    [1e5, -5.6418958346312785e-11, 1.1283791667569988e-15],
  ];
  const slope = (t: Tensor): Tensor => grad((s: Tensor) => s.erfcx().sum())(t);
  const x = vector(known.map(([at]) => at));
  const [first, second] = [listed(slope(x)), listed(grad((t: Tensor) => slope(t).sum())(x))];
  known.forEach(([at, one, two], i) => {
    expect(Math.abs((first[i] as number) / one - 1), `erfcx'(${at})`).toBeLessThan(2e-13);
    expect(Math.abs((second[i] as number) / two - 1), `erfcx''(${at})`).toBeLessThan(2e-11);
  });
  expect(listed(slope(vector([1e200, inf]))).map(Math.abs)).toEqual([0, 0]);
});

it('derivatives of a norm with a broken exponent are 0 where it is 0, in all modes', () => {
  const x = vector([0, 0]);
  const u = ones([2], { dtype: 'float64' });
  const norm = (t: Tensor): Tensor => t.norm(1.5);
  const [, along] = jvp((s: Tensor) => jvp(norm, [s], [u])[1], [x], [u]);
  expect(along.item()).toBe(0);
  expect(listed(hessian(norm)(x) as Tensor)).toEqual([0, 0, 0, 0]);
  expect(listed(grad((s: Tensor) => grad(norm)(s).sum())(x))).toEqual([0, 0]);
});
