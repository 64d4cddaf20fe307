import { describe, expect, it } from 'vitest';
import { autograd, functional as F, ones, randn, type Tensor, tensor } from '../../src/index.ts';

/** Along the last dimension it goes line by line, along others by lines side by side, or by sums and maps: all must agree. */
describe.each(['float32', 'float64'] as const)('softmax along any dimension, %s', (dtype) => {
  const digits = dtype === 'float32' ? 5 : 12;
  const close = (a: Tensor, b: Tensor): void => {
    expect(a.shape).toEqual(b.shape);
    const others = b.flatten().toArray() as number[];
    for (const [i, v] of (a.flatten().toArray() as number[]).entries()) {
      if (Number.isFinite(others[i])) expect(v).toBeCloseTo(others[i], digits);
      else expect(v).toBe(others[i]);
    }
  };
  const both = (f: (x: Tensor, dim: number) => Tensor, values: Tensor, weights: Tensor, dim: number): void => {
    const [x, last] = [values.detach().requiresGrad_(), values.detach().requiresGrad_()];
    const y = f(x, dim);
    const z = f(last.transpose(dim, -1).contiguous(), -1).transpose(dim, -1);
    close(y, z);
    y.backward({ gradient: weights });
    z.backward({ gradient: weights });
    close(x.grad as Tensor, last.grad as Tensor);
  };
  const functions = {
    softmax: (x: Tensor, dim: number): Tensor => x.softmax(dim),
    logSoftmax: (x: Tensor, dim: number): Tensor => x.logSoftmax(dim),
    logsumexp: (x: Tensor, dim: number): Tensor =>
      x.logsumexp(dim, { keepdim: true }).mul(ones(x.shape, { dtype }).div(x.shape.at(dim) as number)),
  };

  it.each(Object.entries(functions))('%s and its gradient', (_, f) => {
    for (const shape of [
      [2, 1],
      [3, 5],
      [10, 100],
      [33, 18],
      [4, 7, 9],
      [3, 20, 1, 17],
      // Lines side by side that lie in too few places of the cache for all passes at once.
      [25, 512],
    ])
      for (let dim = 0; dim < shape.length; dim++)
        both(f, randn(shape, { dtype }).mul(4), randn(shape, { dtype }).div(9), dim);
    const views: Tensor = randn([6, 40, 5], { dtype }).transpose(0, 2);
    both(f, views, ones(views.shape, { dtype }), 0);
    both(f, views, ones(views.shape, { dtype }), 1);
  });

  it.each(Object.entries(functions))('%s of what is infinite or no number', (_, f) => {
    const x: Tensor = tensor(
      [
        [0, -Infinity, -Infinity, Infinity, NaN, 1e4],
        [1, 0, -Infinity, 0, 0, -1e4],
        [2, 1, -Infinity, 1, 1, 0],
      ],
      { dtype },
    );
    both(f, x, ones([3, 6], { dtype }), 0);
  });

  // Short lines go some at a time, and whatever is in one of them must not be seen in the others.
  it.each([
    [200, 5],
    [201, 37],
    [3, 700],
    [2, 9001],
  ])('logsumexp of %i lines of %i, some of them infinite', (lines, length) => {
    const strange = [[Infinity], [-Infinity], [Infinity, -Infinity], [NaN], [Infinity, NaN], []];
    const rows = Array.from({ length: lines }, (_, i) => {
      const row = Array.from({ length }, (_, j) => ((i * 31 + j * 17) % 23) - 11);
      strange[i % strange.length].forEach((v, k) => {
        row[(i + 2 * k) % length] = v;
      });
      return i % 7 === 3 ? row.fill(-Infinity) : row;
    });
    const expected = rows.map((row) => {
      const most = Math.max(...row);
      const total = row.reduce((sum, v) => sum + Math.exp(v - most), 0);
      return Number.isFinite(most) ? most + Math.log(total) : most;
    });
    const x: Tensor = tensor(rows, { dtype });
    close(x.logsumexp(1), tensor(expected, { dtype }));
    close(x.T.contiguous().logsumexp(0), tensor(expected, { dtype }));
  });

  it('is differentiated twice across lines', () => {
    const x: Tensor = randn([4, 6], { dtype: 'float64', requiresGrad: true });
    const loss = (dim: number, t: Tensor): Tensor => F.logSoftmax(t, dim).mul(t.softmax(dim)).sum();
    const second = (dim: number, t: Tensor): Tensor => {
      const [first] = autograd.grad(loss(dim, t), [t], { createGraph: true }) as [Tensor];
      const [twice] = autograd.grad(first.square().sum(), [t]) as [Tensor];
      return twice;
    };
    const across = second(0, x).t();
    const turned: Tensor = x.detach().t().contiguous().requiresGrad_();
    close(across, second(1, turned));
  });
});
