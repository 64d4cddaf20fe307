import { autograd, cat, functional as F, randn, type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { f64, spread, valuesOf } from '../support/numbers.ts';

const { NaN: nan } = Number;
const inf = Number.POSITIVE_INFINITY;
const gradOf = (x: Tensor, f: (t: Tensor) => Tensor): number[] => {
  const leaf = x.detach().clone().requiresGrad_();
  f(leaf).sum().backward();
  return valuesOf(leaf.grad as Tensor);
};

describe('variance', () => {
  it('loses nothing where the mean is large', () => {
    for (const [dtype, mean, tol] of [
      ['float64', 1e9, 1e-6],
      ['float32', 1e4, 1e-3],
    ] as const) {
      const xs = spread(1000, -1, 1).map((v) => v + mean);
      const stored = valuesOf(tensor(xs, { dtype }));
      const m = stored.reduce((a, b) => a + (b - mean), 0) / 1000;
      const exact = stored.reduce((a, b) => a + (b - mean - m) ** 2, 0) / 999;
      expect(Math.abs(tensor(xs, { dtype }).var().item() / exact - 1)).toBeLessThan(tol);
    }
  });

  it('is no number without freedom, nor is its gradient at the mean, which is infinite elsewhere', () => {
    const one = f64([3], [1]);
    expect(one.var().item()).toBeNaN();
    expect(one.var(0, { correction: 0 }).item()).toBe(0);
    expect(f64([1, 2], [2]).var(0, { correction: 2 }).item()).toBe(inf);
    expect(f64([1, 2], [2]).std(0, { correction: 3 }).item()).toBe(inf);
    expect(f64([], [0]).var().item()).toBeNaN();
    expect(gradOf(one, (x) => x.var())).toEqual([Number.NaN]);
    expect(gradOf(f64([1, 2], [2]), (x) => x.var(undefined, { correction: 2 }))).toEqual([inf, inf]);
    expect(gradOf(f64([1, 2], [2]), (x) => x.var(0, { correction: 2 }))).toEqual([-inf, inf]);
    expect(gradOf(f64([1, 2, 2, 3], [2, 2]), (x) => x.varMean(1, { correction: 2 }).var.sum())).toEqual([
      -inf,
      inf,
      -inf,
      inf,
    ]);
  });

  it('has the gradient 0 at a deviation of 0', () => {
    expect(gradOf(f64([2, 2, 2], [3]), (x) => x.std())).toEqual([0, 0, 0]);
    expect(gradOf(f64([2, 2, 2], [3]), (x) => x.stdMean().std)).toEqual([0, 0, 0]);
  });

  it('comes with the mean', () => {
    const x = f64([1, 2, 3, 4], [2, 2]);
    const { var: v, mean } = x.varMean(1, { unbiased: false });
    expect([...valuesOf(v), ...valuesOf(mean)]).toEqual([0.25, 0.25, 1.5, 3.5]);
    const { std, mean: kept } = x.stdMean(0, { keepdim: true });
    expect(std.shape).toEqual([1, 2]);
    expect(valuesOf(kept)).toEqual([2, 3]);
    expect(v.gradFn).toBe(null);
    expect(x.requiresGrad_().varMean().mean.gradFn?.name).toBe('VarMeanBackward0');
  });
});

describe('medians and modes', () => {
  it('take the lower of two middle elements', () => {
    expect(f64([4, 1, 3, 2], [4]).median().item()).toBe(2);
    const { values, indices } = f64([4, 1, 3, 2, 9, 7], [2, 3]).median(1);
    expect(valuesOf(values)).toEqual([3, 7]);
    expect(valuesOf(indices)).toEqual([2, 2]);
    expect(tensor([5, 1, 3], { dtype: 'int32' }).median().dtype).toBe('int32');
  });

  it('are NaN where there is one, at its place, unless it is ignored', () => {
    const x = f64([1, nan, 3, nan, 2, 7, nan, nan, nan], [3, 3]);
    const { values, indices } = x.median(1);
    expect(valuesOf(values)).toEqual([nan, nan, nan]);
    expect(valuesOf(indices)).toEqual([1, 0, 0]);
    const ignoring = x.nanmedian(1);
    expect(valuesOf(ignoring.values)).toEqual([1, 2, nan]);
    expect(valuesOf(ignoring.indices)).toEqual([0, 1, 0]);
    expect(x.median().item()).toBeNaN();
    expect(x.nanmedian().item()).toBe(2);
    expect(f64([], [0]).median().item()).toBeNaN();
  });

  it('share the gradient of a median over all', () => {
    expect(gradOf(f64([1, 2, 2, 3], [4]), (x) => x.median())).toEqual([0, 0.5, 0.5, 0]);
    expect(gradOf(f64([1, nan, nan], [3]), (x) => x.median())).toEqual([0, 0.5, 0.5]);
  });

  it('count what is there most often', () => {
    const { values, indices } = f64([3, 1, 3, 1, 2, 2, 2, 0], [2, 4]).mode();
    expect(valuesOf(values)).toEqual([1, 2]);
    expect(valuesOf(indices)).toEqual([3, 2]);
    expect(tensor([true, false, true]).mode().values.dtype).toBe('bool');
  });

  it('find the k-th, NaN last', () => {
    const x = f64([nan, 5, 1, 3], [4]);
    expect(x.kthvalue(3).values.item()).toBe(5);
    expect(x.kthvalue(4).indices.item()).toBe(0);
    expect(x.kthvalue(2, 0, { keepdim: true }).values.shape).toEqual([1]);
  });
});

describe('quantiles', () => {
  const x = f64([3, 1, 4, 1, 5], [5]);

  it('interpolate as asked', () => {
    const at = (interpolation: 'linear' | 'lower' | 'higher' | 'nearest' | 'midpoint'): number =>
      x.quantile(0.6, 0, { interpolation }).item();
    expect(at('linear')).toBeCloseTo(3.4, 12);
    expect([at('lower'), at('higher'), at('nearest'), at('midpoint')]).toEqual([3, 4, 3, 3.5]);
  });

  it('put several in front, and keep dimensions', () => {
    const m = f64(spread(12, 0, 1), [3, 4]);
    const q = f64([0, 0.5, 1], [3]);
    expect(m.quantile(q).shape).toEqual([3]);
    expect(m.quantile(q, 1).shape).toEqual([3, 3]);
    expect(m.quantile(q, 0, { keepdim: true }).shape).toEqual([3, 1, 4]);
    expect(m.quantile(q, undefined, { keepdim: true }).shape).toEqual([3, 1, 1]);
    expect(valuesOf(m.quantile(q, 1).select(0, 2))).toEqual(valuesOf(m.amax(1)));
  });

  it('are NaN with one, or ignore it', () => {
    const y = f64([1, nan, 3, nan, nan, nan], [2, 3]);
    expect(valuesOf(y.quantile(0.5, 1))).toEqual([nan, nan]);
    expect(valuesOf(y.nanquantile(0.5, 1))).toEqual([2, nan]);
  });
});

describe('counts', () => {
  it('bin numbers', () => {
    expect(valuesOf(f64([0, 0.5, 1, 2, nan, 3], [6]).histc({ bins: 2, min: 0, max: 2 }))).toEqual([2, 2]);
    expect(valuesOf(f64([1, 1], [2]).histc({ bins: 4 }))).toEqual([0, 0, 2, 0]);
    expect(() => f64([1, inf], [2]).histc()).toThrow('is not finite');
  });

  it('bin numbers between edges', () => {
    const x = f64([0, 0.5, 1, 2, nan, 3], [2, 3]);
    const { hist, binEdges } = x.histogram(f64([0, 1, 2], [3]));
    expect(valuesOf(hist)).toEqual([2, 2]);
    expect(valuesOf(binEdges)).toEqual([0, 1, 2]);
    const even = x.histogram(3, { range: [0, 3], density: true });
    expect(valuesOf(even.binEdges)).toEqual([0, 1, 2, 3]);
    expect(valuesOf(even.hist)).toEqual([0.4, 0.2, 0.4]);
    const weight = f64([1, 2, 3, 4, 5, 6], [2, 3]);
    expect(valuesOf(x.histogram(1, { range: [0, 1], weight }).hist)).toEqual([6]);
    const grid = f64([0, 0, 1, 1, 1, 0, 0.9, 0.9], [4, 2]).histogramdd([2, 2]);
    expect(valuesOf(grid.hist)).toEqual([1, 0, 1, 2]);
    expect(grid.binEdges.map(valuesOf)).toEqual([
      [0, 0.5, 1],
      [0, 0.5, 1],
    ]);
    const rows = vmap((t: Tensor) => t.histogram(2).hist)(f64([1, 2, 3, 3, 4, 9], [2, 3]));
    expect(valuesOf(rows)).toEqual([1, 2, 2, 1]);
  });

  it('count whole numbers', () => {
    const x = tensor([3, 1, 1], { dtype: 'int32' });
    expect(valuesOf(x.bincount())).toEqual([0, 2, 0, 1]);
    expect(x.bincount().dtype).toBe('int32');
    expect(valuesOf(x.bincount({ weights: tensor([0.5, 1, 2]), minlength: 6 }))).toEqual([0, 3, 0, 0.5, 0, 0]);
    expect(x.bincount({ weights: x }).dtype).toBe('float64');
    expect(() => tensor([-1, 2], { dtype: 'int32' }).bincount()).toThrow('non-negative');
  });

  it('leave out what is no number', () => {
    const x = f64([1, nan, 3, nan], [2, 2]);
    expect(x.nansum().item()).toBe(4);
    expect(valuesOf(x.nanmean(1))).toEqual([1, 3]);
    expect(valuesOf(x.countNonzero(0))).toEqual([2, 2]);
    expect(gradOf(x, (t) => t.nansum())).toEqual([1, 0, 1, 0]);
    expect(f64([nan], [1]).nanmean().item()).toBeNaN();
  });
});

describe('covariances', () => {
  it('of one variable are its variance', () => {
    const x = randn([20], { dtype: 'float64' });
    expect(x.cov().item()).toBeCloseTo(x.var().item(), 12);
    expect(x.corrcoef().item()).toBe(1);
  });

  it('count observations as weighed', () => {
    const x = f64([1, 2, 4, 8], [4]);
    const often = f64([1, 2, 2, 4, 8, 8, 8], [7]);
    const fweights = tensor([1, 2, 1, 3], { dtype: 'int32' });
    expect(x.cov({ fweights }).item()).toBeCloseTo(often.cov().item(), 12);
    expect(f64([1], [1]).cov().item()).toBeNaN();
    expect(() => x.cov({ aweights: f64([0, 0, 0, 0], [4]) })).toThrow('weights sum to zero');
  });
});

describe('distances', () => {
  it('of pairs of rows, with the gradient 0 at the distance 0', () => {
    const a = f64([0, 0, 3, 4], [2, 2]);
    expect(valuesOf(a.cdist(a))).toEqual([0, 5, 5, 0]);
    expect(valuesOf(F.pdist(a))).toEqual([5]);
    expect(gradOf(a, (t) => t.cdist(t))).toEqual([-1.2, -1.6, 1.2, 1.6].map((v) => expect.closeTo(v, 12)));
    expect(a.cdist(a, inf).select(0, 0).select(0, 1).item()).toBe(4);
    expect(F.pdist(f64([1, 2], [1, 2])).shape).toEqual([0]);
  });

  it.each([
    ['by a product', [2, 60, 50], 0],
    ['by a product, far from the origin', [60, 50], 1e4],
    ['where most are close', [60, 50], -1],
    ['by columns', [300, 3], 0],
  ] as const)(
    'of many rows %s are those of their differences, and so are two orders of gradients',
    (_, shape, offset) => {
      const draw = (): Tensor => randn(shape, { dtype: 'float64' });
      const a = (
        offset < 0
          ? draw()
              .mul(1e-3)
              .add(draw().narrow(-2, 0, 1))
          : draw().add(offset)
      ).requiresGrad_();
      // Some rows of both are the same.
      const others = offset < 0 ? a.detach().add(1e-4) : draw().add(offset);
      const b = cat([others, a.detach().narrow(-2, 3, 4)], -2).requiresGrad_();
      const weights = randn(a.cdist(b).shape, { dtype: 'float64' });
      const [found, expected] = [a.cdist(b), a.unsqueeze(-2).sub(b.unsqueeze(-3)).norm(2, -1)].map((y) => {
        const first = autograd.grad(y.mul(weights).sum(), [a, b], { createGraph: true });
        const second = autograd.grad(first[0].square().sum().add(first[1].square().sum()), [a, b]);
        return [y, ...first, ...second].map((t) => t.detach());
      });
      found.forEach((t, i) => {
        const scale = Math.max(1, expected[i].abs().max().item());
        expect(t.sub(expected[i]).abs().max().item() / scale).toBeLessThan(1e-10);
      });
    },
  );

  it.each([0.5, 1, 1.5, 2, 3, inf])('of order %d have one gradient, whether it can be differentiated or not', (p) => {
    const a = randn([2, 7, 3], { dtype: 'float64' }).requiresGrad_();
    const b = cat([randn([2, 4, 3], { dtype: 'float64' }), a.detach().narrow(1, 3, 2)], 1).requiresGrad_();
    const y = a.cdist(b, p);
    const weights = randn(y.shape, { dtype: 'float64' });
    const [once, again] = [false, true].map((createGraph) =>
      autograd.grad(y.mul(weights).sum(), [a, b], { retainGraph: true, createGraph }).map((g) => valuesOf(g.detach())),
    );
    expect(once).toEqual(again.map((g) => g.map((v) => expect.closeTo(v, 10))));
  });

  it('of no matrices of many rows are none, and pass none back', () => {
    const a = randn([0, 64, 40], { dtype: 'float64', requiresGrad: true });
    const b = randn([48, 40], { dtype: 'float64', requiresGrad: true });
    const y = a.cdist(b);
    expect(y.shape).toEqual([0, 64, 48]);
    y.sum().backward();
    expect([a.grad?.shape, b.grad?.abs().sum().item()]).toEqual([[0, 64, 40], 0]);
  });

  it('of many rows stay apart from rows that are not finite', () => {
    const a = randn([60, 50], { dtype: 'float64' });
    const b = randn([60, 50], { dtype: 'float64' });
    const y = a.cdist(b);
    a.at(3).fill_(inf);
    b.at(5).fill_(nan);
    const z = a.cdist(b);
    expect(z.at(3, 0).item()).toBe(inf);
    expect(z.at(0, 5).item()).toBeNaN();
    expect(z.at(0, 0).item()).toBeCloseTo(y.at(0, 0).item(), 12);
  });

  it('of many rows to themselves are 0, however long they are, unless they are not finite', () => {
    const a = randn([40, 50], { dtype: 'float64' });
    a.at(1).mul_(1e200);
    a.at(2).fill_(inf);
    const own = a.cdist(a).diagonal();
    expect(valuesOf(own.narrow(0, 0, 4))).toEqual([0, 0, nan, 0]);
    const expected = valuesOf(a.narrow(0, 1, 3).sub(a.at(0)).norm(2, 1));
    expect(valuesOf(F.pdist(a)).slice(0, 3)).toEqual(expected.map((v) => expect.closeTo(v, 12)));
  });

  it('scale down what is long', () => {
    const x = f64([3, 4, 0.3, 0.4], [2, 2]);
    const y = x.clone().renorm_(2, 0, 1);
    expect(valuesOf(y).map((v) => Math.round(v * 1e6) / 1e6)).toEqual([0.6, 0.8, 0.3, 0.4]);
    expect(valuesOf(F.normalize(x))).toEqual([0.6, 0.8, 0.6, 0.8].map((v) => expect.closeTo(v, 12)));
  });

  it('of directions', () => {
    const x = f64([1, 0, 0, 2], [2, 2]);
    expect(valuesOf(F.cosineSimilarity(x, f64([1, 1], [2])))).toEqual([
      expect.closeTo(Math.SQRT1_2, 12),
      expect.closeTo(Math.SQRT1_2, 12),
    ]);
  });
});
