import { elementwise, type Scalar, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';

const f64 = { dtype: 'float64' } as const;

/** Σ xᵢ 2^(i−n+1), nested so that every argument has a derivative of its own. */
const nested = (n: number): ((...xs: (Tensor | number)[]) => Tensor) => {
  const f = (...xs: Scalar[]): Scalar => xs.reduce((sum, x) => sum.mul(0.5).add(x));
  Object.defineProperty(f, 'length', { value: n });
  return elementwise(f as (x: Scalar) => Scalar, `nested${n}`) as (...xs: (Tensor | number)[]) => Tensor;
};
const expected = (xs: readonly number[]): number => xs.reduce((sum, x) => sum * 0.5 + x);

describe.each([3, 16, 17, 18, 20, 22, 33, 40])('elementwise functions of %i arguments', (n) => {
  const f = nested(n);
  const values = Array.from({ length: n }, (_, i) => i + 1);
  const tensors = (dtype: 'float32' | 'float64'): Tensor[] => values.map((v) => tensor([v, v], { dtype }) as Tensor);

  it('tell numbers from tensors, and dtypes from each other, in every place', () => {
    for (let k = n - 1; k >= 0; k--) {
      const want = expected(values.map((v, i) => (i === k ? 100 : v)));
      const all = tensors('float64');
      for (const x of [100, tensor([100, 100]), tensor([100, 100], f64), tensor(100, f64)]) {
        const args: (Tensor | number)[] = [...all];
        args[k] = x as Tensor | number;
        expect(f(...args).toArray()).toEqual([want, want]);
        expect(f(...all).toArray()).toEqual([expected(values), expected(values)]);
      }
    }
  });

  it('have the gradients of those arguments that need one', () => {
    const gradient = (i: number): number => 0.5 ** (n - 1 - i);
    for (const wanted of [[0], [n - 1], [0, n - 1], [Math.floor(n / 2)], values.map((_, i) => i)]) {
      const args = tensors('float64').map((t, i) => (wanted.includes(i) ? t.requiresGrad_() : t));
      f(...args)
        .sum()
        .backward();
      args.forEach((t, i) => {
        expect(t.grad?.toArray() ?? null).toEqual(wanted.includes(i) ? [gradient(i), gradient(i)] : null);
      });
    }
  });
});
