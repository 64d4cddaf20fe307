import {
  ArgumentError,
  arange,
  elementwise,
  grad,
  jvp,
  noGrad,
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

  it('writes its results over tensors, which may be its arguments', () => {
    const swapped = elementwise((a, b) => [b, a], 'swapped');
    for (const n of [0, 1, 5, 100]) {
      const [a, b] = [arange(n, f64), arange(n, f64).add(100)];
      const [a0, b0] = [a.toArray(), b.toArray()];
      const { version } = a;
      swapped.into([a, b], a, b);
      expect([a.toArray(), b.toArray(), a.version]).toEqual([b0, a0, version + 1]);
    }
    // Views that cross: a vector over the same one shifted, a matrix over its transpose.
    const x = arange(5, f64);
    elementwise((a) => a.add(1), 'next').into(x.slice(0, 1), x.slice(0, 0, -1));
    expect(x.toArray()).toEqual([0, 1, 2, 3, 4]);
    const m = arange(4, f64).reshape([2, 2]);
    elementwise((a, b) => a.add(b), 'symmetric').into(m, m, m.t());
    expect(m.toArray()).toEqual([
      [0, 3],
      [3, 6],
    ]);
    // A column of a larger tensor, with a number and a broadcast argument.
    const wide = ones([2, 3], f64);
    elementwise((a, b, c) => a.mul(b).add(c), 'line').into(wide.select(1, 1), wide.select(1, 1), 2, tensor(5, f64));
    expect(wide.toArray()).toEqual([
      [1, 7, 1],
      [1, 7, 1],
    ]);
  });

  it('writes in place as far as graphs allow it', () => {
    const shifted = elementwise((a, b) => [a.mul(b), a.add(b)], 'shifted');
    const leaf = tensor([1, 2], { ...f64, requiresGrad: true });
    expect(() => shifted.into([leaf, ones([2], f64)], leaf, 3)).toThrow(/a leaf Variable that requires grad/);
    noGrad(() => shifted.into([leaf, ones([2], f64)], leaf, 3));
    expect(leaf.toArray()).toEqual([3, 6]);
    // Recorded like other changes in place, and inside transforms.
    const [p, q] = [ones([2], f64), ones([2], f64)];
    shifted.into([p, q], leaf, leaf);
    p.add(q.mul(10)).sum().backward();
    expect(leaf.grad?.toArray()).toEqual([26, 32]);
    const inside = (a: Tensor): Tensor => {
      const [u, v] = [a.clone(), a.clone()];
      shifted.into([u, v], u, v);
      return u.sub(v).sum();
    };
    expect(grad(inside)(tensor([3, 6], f64)).toArray()).toEqual([4, 10]);
    const saved = leaf.square();
    noGrad(() => shifted.into([leaf, ones([2], f64)], leaf, 2));
    expect(() => saved.sum().backward()).toThrow(/modified by an inplace operation/);
  });

  it('refuses targets that do not fit', () => {
    const both = elementwise((a, b) => [a.mul(b), a.add(b)], 'both');
    const [x, y] = [ones([2], f64), ones([2], f64)];
    expect(() => both.into([x] as never, x, y)).toThrow(/both: into takes a Tensor for each of 2 results, got 1/);
    expect(() => both.into([x, x], x, y)).toThrow(/results 0 and 1 would be written to the same memory/);
    expect(() => both.into([x, ones([3], f64)], x, y)).toThrow(
      /of shape \[2\] cannot be written to a tensor of shape \[3\]/,
    );
    expect(() => both.into([x, ones([2])], x, y)).toThrow(/float64 and cannot be written to a tensor of dtype float32/);
    expect(() => both.into([x, ones([1], f64).expand([2])], x, y)).toThrow(/more than one element/);
    expect([x.toArray(), x.version]).toEqual([[1, 1], 0]);
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
