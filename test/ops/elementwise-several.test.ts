import {
  ArgumentError,
  arange,
  elementwise,
  grad,
  jvp,
  ones,
  type Scalar,
  type Tensor,
  tensor,
  vjp,
  vmap,
} from 'nabla';
import { describe, expect, it } from 'vitest';

const f64 = { dtype: 'float64' } as const;
const polar = elementwise((r, t) => [r.mul(t.cos()), r.mul(t.sin())], 'polar');

describe('elementwise functions with several results', () => {
  const r = tensor([1, 2, 3], f64);
  const t = tensor([0.1, -0.7, 2], f64);

  it('gives a tensor for each', () => {
    const [x, y] = polar(r, t);
    expect(x.sub(r.mul(t.cos())).abs().max().item()).toBeLessThan(1e-15);
    expect(y.sub(r.mul(t.sin())).abs().max().item()).toBeLessThan(1e-15);
    expect(elementwise((a) => [a.exp()])(t)).toHaveLength(1);
  });

  it('broadcasts, and takes numbers and views', () => {
    const [x, y] = polar(r.unsqueeze(1), t);
    expect([x.shape, y.shape]).toEqual([
      [3, 3],
      [3, 3],
    ]);
    const [u] = polar(2, arange(6, f64).reshape([2, 3]).t());
    expect(
      u
        .sub(arange(6, f64).reshape([2, 3]).t().cos().mul(2))
        .abs()
        .max()
        .item(),
    ).toBe(0);
  });

  it('passes gradients of any of them, to both orders', () => {
    const second = (a: Tensor, b: Tensor): Tensor => polar(a, b)[1].sum();
    const plain = (a: Tensor, b: Tensor): Tensor => a.mul(b.sin()).sum();
    const both = { argnums: [0, 1] } as const;
    for (const [g, h] of [
      [grad(second, both)(r, t), grad(plain, both)(r, t)],
      [
        grad((a: Tensor, b: Tensor) => grad(second, { argnums: 1 })(a, b).sum(), both)(r, t),
        grad((a: Tensor, b: Tensor) => grad(plain, { argnums: 1 })(a, b).sum(), both)(r, t),
      ],
    ])
      g.forEach((x, i) => {
        expect(x.sub(h[i]).abs().max().item()).toBeLessThan(1e-14);
      });
  });

  it('agrees between the modes, and with itself under vmap', () => {
    const [, [dx, dy]] = jvp(polar, [r, t], [ones([3], f64), t]);
    const [, pullback] = vjp(polar, r, t);
    const [gr, gt] = pullback([r, t]);
    const forward = dx.mul(r).sum().add(dy.mul(t).sum()).item();
    expect(gr.sum().add(gt.mul(t).sum()).item()).toBeCloseTo(forward, 12);
    const [x, y] = vmap((a: Tensor) => polar(a, t))(ones([4, 3], f64));
    expect(
      x
        .select(0, 2)
        .eq(polar(ones([3], f64), t)[0])
        .all()
        .item(),
    ).toBe(1);
    expect(y.shape).toEqual([4, 3]);
  });

  it('takes the tape', () => {
    const a = tensor([1, 2], { requiresGrad: true });
    const [x, y] = polar(a, 0.5);
    x.sum().add(y.sum()).backward();
    expect(
      a.grad
        ?.sub(Math.cos(0.5) + Math.sin(0.5))
        .abs()
        .max()
        .item(),
    ).toBeLessThan(1e-6);
  });

  it('has many arguments', () => {
    const sum = elementwise((a, b, c, d, e, f) => [a.add(b).add(c), d.add(e).mul(f)]);
    const x = tensor([1, 2], f64);
    const [u, v] = sum(x, 1, x, x, tensor(3, f64), x);
    expect([u.toArray(), v.toArray()]).toEqual([
      [3, 5],
      [4, 10],
    ]);
    const [w] = sum(x, x, x.unsqueeze(1), x, x, x);
    expect(w.toArray()).toEqual([
      [3, 5],
      [4, 6],
    ]);
  });

  it('takes as many arguments as it is told to', () => {
    const mean = elementwise((...xs: readonly Scalar[]) => xs.reduce((a, b) => a.add(b)).div(xs.length), 'mean', 3);
    expect(mean(r, t, 4).sub(r.add(t).add(4).div(3)).abs().max().item()).toBeLessThan(1e-15);
    expect(() => elementwise((...xs: readonly Scalar[]) => xs[0])).toThrow(/at least one named parameter/);
    expect(() => mean(r, t)).toThrow(/takes 3 arguments, got 2/);
  });

  it('refuses arrays of anything else', () => {
    const refused =
      (f: unknown): (() => unknown) =>
      () =>
        elementwise(f as (x: Scalar) => Scalar);
    expect(refused((x: Scalar) => [x, 1])).toThrow(ArgumentError);
    expect(refused((x: Scalar) => [x, 1])).toThrow(/an array with the number 1/);
    expect(refused((_: Scalar) => [])).toThrow(/an array without elements/);
  });
});
