import { arange, autograd, cat, functional, jvp, linalg, type Tensor, tensor, tensordot, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';

/* What PyTorch gives for dtypes, sizes and values that samples of operations seldom have. */

const bytes = (values: readonly number[]): Tensor => tensor(values, { dtype: 'uint8' });
const seen = (t: Tensor): unknown => [t.dtype, t.toArray()];

describe('dtypes', () => {
  it('any and all answer in uint8 for uint8', () => {
    expect(seen(bytes([0, 3]).any())).toEqual(['uint8', 1]);
    expect(seen(bytes([0, 3]).all(0, { keepdim: true }))).toEqual(['uint8', [0]]);
    expect(tensor([0, 3], { dtype: 'int32' }).all().dtype).toBe('bool');
  });

  it('sums and products have the dtype asked for, which they wrap around in', () => {
    const x = tensor([200, 100, 2], { dtype: 'int32' });
    expect(seen(x.sum(0, { dtype: 'uint8' }))).toEqual(['uint8', 46]);
    expect(seen(x.nansum(0, { dtype: 'uint8' }))).toEqual(['uint8', 46]);
    expect(seen(x.prod(0, { dtype: 'uint8' }))).toEqual(['uint8', 64]);
    expect(seen(x.cumsum(0, { dtype: 'uint8' }))).toEqual(['uint8', [200, 44, 46]]);
    expect(seen(x.cumprod(0, { dtype: 'uint8' }))).toEqual(['uint8', [200, 32, 64]]);
  });

  it('a Poisson loss exponentiates in the dtype of its rate', () => {
    const counts = tensor([0, 0], { dtype: 'float64' });
    const losses = functional.poissonNllLoss(tensor([1, 89]), counts, { reduction: 'none' });
    expect(seen(losses)).toEqual(['float64', [Math.fround(Math.E), Number.POSITIVE_INFINITY]]);
  });

  it('sumToSize to a scalar is a sum, which counts in int32', () => {
    expect(seen(bytes([200, 100]).sumToSize([]))).toEqual(['int32', 300]);
    expect(seen(tensor(true).sumToSize([]))).toEqual(['int32', 1]);
  });

  it('products of integers stay in their dtype', () => {
    const a = tensor([1, 2, 3, 4], { dtype: 'uint8' }).reshape([2, 1, 2]);
    const b = tensor([1, 1, 1, 1], { dtype: 'uint8' }).reshape([2, 2, 1]);
    expect(seen(tensor([[1]], { dtype: 'uint8' }).addbmm(a, b))).toEqual(['uint8', [[11]]]);
    expect(seen(tensordot(bytes([1]).reshape([1, 1]), bytes([1, 0, 2]).reshape([1, 3]), [[1], [1]]))).toEqual([
      'uint8',
      [[3]],
    ]);
    expect(seen(linalg.vander(bytes([20, 2]), { N: 3 }))).toEqual([
      'int32',
      [
        [1, 20, 400],
        [1, 2, 4],
      ],
    ]);
  });

  it('numbers beside integers are cut', () => {
    const x = tensor([1, -5], { dtype: 'int32' });
    expect(seen(x.addcmul(x, x, { value: 3.9 }))).toEqual(['int32', [4, 70]]);
    expect(seen(x.clone().addcmul_(x, x, { value: 3.9 }))).toEqual(['int32', [4, 70]]);
    expect(seen(functional.threshold(x, -0.5, 7.9))).toEqual(['int32', [1, 7]]);
    expect(() => x.addcmul(x, undefined as unknown as Tensor)).toThrow(/addcmul/);
  });

  it('what has no fractions is finite', () => {
    for (const dtype of ['uint8', 'bool', 'int32'] as const) {
      const x = tensor(
        Array.from({ length: 19 }, (_, i) => i % 2),
        { dtype },
      );
      expect(x.isfinite().all().item(), dtype).toBe(1);
      expect([x.isinf(), x.isnan(), x.isposinf(), x.isneginf()].map((t) => t.any().item())).toEqual([0, 0, 0, 0]);
    }
  });

  it('squares of truth values are integers, which do not fit in their place', () => {
    expect(seen(tensor([true, false]).square())).toEqual(['int32', [1, 0]]);
    expect(() => tensor([true, false]).square_()).toThrow(/result type \w+ can't be cast to the desired output type/);
  });

  it('distances of bytes are those of differences that wrap around', () => {
    const [x, y] = [bytes([4, 9, 3]), bytes([0, 3, 9])];
    expect(functional.pairwiseDistance(x, y).item()).toBeCloseTo(Math.sqrt(16 + 36 + 250 ** 2), 3);
    const away = functional.tripletMarginLoss(x, y, x);
    expect(away.item()).toBeCloseTo(Math.sqrt(16 + 36 + 250 ** 2) + 1, 3);
  });

  it('the margin of a ranking is added to a number that is no byte any more', () => {
    const losses = functional.marginRankingLoss(bytes([3, 7]), bytes([2, 2]), bytes([1, 1]), {
      margin: 1,
      reduction: 'none',
    });
    expect(seen(losses)).toEqual(['float32', [256, 252]]);
  });

  it('places are found in the dtype that both have room in', () => {
    const whole = tensor([1, 2], { dtype: 'int32' });
    expect(seen(whole.searchsorted(tensor([1.5, 2.5])))).toEqual(['int32', [1, 2]]);
    expect(seen(whole.searchsorted(1.5))).toEqual(['int32', 1]);
    expect(seen(tensor([1.5, 300]).searchsorted(bytes([1, 2, 255])))).toEqual(['int32', [0, 1, 1]]);
    expect(seen(tensor([1.5, 2.5], { dtype: 'float64' }).bucketize(whole))).toEqual(['int32', [1, 2]]);
  });

  it('arange of integers cuts the fractions of its limits and step', () => {
    expect(seen(arange(2.1, -2.9, -1, { dtype: 'int32' }))).toEqual(['int32', [2, 1, 0, -1]]);
    expect(seen(arange(0.1, -7.9, -4, { dtype: 'int32' }))).toEqual(['int32', [0, -4]]);
    expect(() => arange(0, 3, 0.5, { dtype: 'int32' })).toThrow('step must be nonzero');
  });
});

describe('sizes', () => {
  it('gather with an index of nothing gives nothing, whatever its rank', () => {
    const x = tensor([1, 2, 3], { dtype: 'float64', requiresGrad: true });
    const y = x.gather(0, zeros([2, 0], { dtype: 'int32' }) as Tensor);
    expect(y.shape).toEqual([2, 0]);
    y.sum().backward();
    expect(x.grad?.toArray()).toEqual([0, 0, 0]);
  });

  it('an empty vector joins anything and gets its gradient', () => {
    const none = zeros([0], { requiresGrad: true });
    const w = zeros([2, 3], { requiresGrad: true });
    for (const others of [[], [zeros([0])], [zeros([2, 3])], [w]]) {
      for (const list of [
        [none, ...others],
        [...others, none],
      ]) {
        none.grad = null;
        const y = cat(list as Tensor[]);
        expect(y.requiresGrad).toBe(true);
        expect(y.shape).toEqual(others.at(-1)?.shape ?? [0]);
        y.sum().backward();
        expect(none.grad).toMatchObject({ shape: [0] });
      }
    }
    expect(w.grad?.sum().item()).toBe(12);
    expect(() => cat([none, zeros([])])).toThrow('zero-dimensional tensor');
  });

  it('pdist of one point is empty and differentiable', () => {
    const x = tensor([[1, 2]], { dtype: 'float64', requiresGrad: true });
    const y = functional.pdist(x);
    expect(y.shape).toEqual([0]);
    y.sum().backward();
    expect(x.grad?.toArray()).toEqual([[0, 0]]);
  });

  it('a scalar is a vector of one element to vander', () => {
    expect(linalg.vander(tensor(3, { dtype: 'float64' }), { N: 3 }).toArray()).toEqual([[1, 3, 9]]);
  });

  it('bins of no width reach half a unit to either side', () => {
    const { hist, binEdges } = tensor([2, 2, 2], { dtype: 'float64' }).histogram(2);
    expect([hist.toArray(), binEdges.toArray()]).toEqual([
      [0, 3],
      [1.5, 2, 2.5],
    ]);
    expect(
      tensor([2.25])
        .histogram(1, { range: [2, 2] })
        .binEdges.toArray(),
    ).toEqual([1.5, 2.5]);
  });

  it('multiMarginLoss keeps the shape of its target', () => {
    const x = tensor([0.25, 0.5]);
    const loss = (target: Tensor): Tensor => functional.multiMarginLoss(x, target, { reduction: 'none' });
    expect(loss(tensor([1], { dtype: 'int32' })).shape).toEqual([1]);
    expect(loss(tensor(1, { dtype: 'int32' })).shape).toEqual([]);
  });

  it('an empty batch leaves the statistics of batchNorm alone', () => {
    const [mean, variance] = [tensor([1, 2]), tensor([3, 4])];
    expect(functional.batchNorm(zeros([0, 2, 3]), mean, variance, { training: true }).shape).toEqual([0, 2, 3]);
    expect([mean.toArray(), variance.toArray()]).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(functional.batchNorm(zeros([0]), null, null, { training: true }).shape).toEqual([0]);
  });
});

describe('derivatives', () => {
  it('of a norm that is 0 are 0 in every direction', () => {
    for (const p of [1.5, 2, 3]) {
      const x = zeros([2, 0], { dtype: 'float64', requiresGrad: true });
      const y = linalg.vectorNorm(x, p);
      const seed = tensor(0.5, { dtype: 'float64', requiresGrad: true });
      const [g] = autograd.grad(y, x, { gradOutputs: seed, createGraph: true });
      expect(autograd.grad(g.sum(), seed).map((t) => t.toArray())).toEqual([0]);
    }
  });

  it('second ones of elu, selu and celu are 0 at 0, as PyTorch counts 0 to the straight side there', () => {
    const { elu, selu, celu } = functional;
    for (const f of [(x: Tensor) => elu(x, { alpha: 0.8 }), (x: Tensor) => selu(x), (x: Tensor) => celu(x)]) {
      const x = tensor([0, -0, -1], { dtype: 'float64', requiresGrad: true });
      const [g] = autograd.grad(f(x).sum(), x, { createGraph: true });
      const second = autograd.grad(g.sum(), x)[0].toArray() as number[];
      expect(second.slice(0, 2).map(Math.abs)).toEqual([0, 0]);
      expect(second[2]).toBeGreaterThan(0.1);
      const ones = tensor([1, 1, 1], { dtype: 'float64' });
      expect(jvp((t) => f(t as Tensor), [x.detach()], [ones])[1].toArray()).toEqual(g.toArray());
    }
  });

  it('of smooth L1 with a β that has no reciprocal, and the loss, are numbers', () => {
    for (const [dtype, beta] of [
      ['float64', 1e-310],
      ['float32', 1e-40],
    ] as const) {
      const x = tensor([1, 2], { dtype, requiresGrad: true });
      const y = functional.smoothL1Loss(x, tensor([1, 3], { dtype }), { beta, reduction: 'none' });
      y.sum().backward();
      expect(y.toArray()).toEqual([0, 1]);
      expect(x.grad?.toArray()).toEqual([0, -1]);
    }
  });

  it('an infinite error costs infinitely much, whatever the δ of huber', () => {
    const far = tensor([Number.POSITIVE_INFINITY, 1]);
    for (const delta of [1, Number.POSITIVE_INFINITY])
      expect(functional.huberLoss(far, zeros([2]), { delta, reduction: 'none' }).toArray()).toEqual([
        Number.POSITIVE_INFINITY,
        0.5,
      ]);
  });

  it('a NaN in a loss is one in its gradient; at the ends of the square the second derivative is 0', () => {
    for (const f of [functional.huberLoss, functional.smoothL1Loss]) {
      const x = tensor([0.5, 1, -1, 2, Number.NaN], { dtype: 'float64', requiresGrad: true });
      const y = f(x, zeros([5], { dtype: 'float64' }), { reduction: 'sum' });
      const [g] = autograd.grad(y, x, { createGraph: true });
      expect(g.toArray()).toEqual([0.5, 1, -1, 1, Number.NaN]);
      expect(autograd.grad(g.narrow(0, 0, 4).sum(), x)[0].toArray()).toEqual([1, 0, 0, 0, 0]);
    }
    const x = tensor([0.5, Number.NaN], { requiresGrad: true });
    functional.smoothL1Loss(x, zeros([2]), { beta: 5, reduction: 'sum' }).backward();
    expect(x.grad?.toArray()).toEqual([Math.fround(0.1), Number.NaN]);
  });

  it('second ones of distances are numbers where rows have something in common', () => {
    const reference: Record<number, number[]> = {
      0.5: [-0.275278, 0.30792, -0.648483, -0.15, -0.128349, -0.028868],
      1.5: [0.073837, -0.06649, 0.125634, 0.059528, 0.051196, 0.011109],
      2.5: [0.100069, -0.084613, 0.15377, 0.148445, 0.129083, 0.025816],
    };
    for (const [p, expected] of Object.entries(reference)) {
      const x = tensor([0, 0, 2, 1, -1, 0], { dtype: 'float64', shape: [2, 3], requiresGrad: true });
      const y = x.cdist(tensor([0, 0, 0, 1, 3, 3], { dtype: 'float64', shape: [2, 3] }), Number(p));
      const [g] = autograd.grad(y.sum(), x, { createGraph: true });
      const along = tensor([0.3, -0.4, 0.5, 0.1, 0.2, 0.3], { dtype: 'float64', shape: [2, 3] });
      const second = autograd.grad(g.mul(along).sum(), x)[0].flatten().toArray() as number[];
      expect(second, p).toEqual(expected.map((v) => expect.closeTo(v, 5)));
      const z = tensor([0, 0.5], { dtype: 'float64', requiresGrad: true });
      const [h] = autograd.grad(linalg.vectorNorm(z, 2.5), z, { createGraph: true });
      expect(autograd.grad(h.sum(), z)[0].toArray()).toEqual([0, expect.closeTo(0, 12)]);
    }
  });

  it('a variance that is NaN is none that is negative', () => {
    const [x, t] = [tensor([1, 1]), tensor([0, 0])];
    const loss = (v: number): Tensor => functional.gaussianNllLoss(x, t, tensor([1, v]), { reduction: 'none' });
    expect(loss(Number.NaN).toArray()).toEqual([0.5, Number.NaN]);
    expect(() => loss(-1e-9)).toThrow('var has negative entry');
  });

  it('powers in place are those that are not', () => {
    const x = tensor([Number.NEGATIVE_INFINITY, -0, 0.3, 4], { dtype: 'float64' });
    for (const p of [0.5, -0.5, 2, 3, 1.5, -1])
      expect(x.clone().pow_(p).toArray(), String(p)).toEqual(x.pow(p).toArray());
    const y = zeros([1], { requiresGrad: true });
    y.mul(-1).pow_(2).backward();
    expect(y.grad?.toArray()).toEqual([0]);
    expect(() => tensor([true]).pow_(2)).toThrow(/can't be cast to the desired output type/);
    expect(() => tensor([2], { dtype: 'int32' }).pow_(0.5)).toThrow(/can't be cast to the desired output type/);
  });

  it('a quantile is reached from its nearer neighbour', () => {
    const q = tensor([Number.NEGATIVE_INFINITY, 1, 2, 5], { dtype: 'float64' });
    expect(q.quantile(0.2).item()).toBe(Number.NEGATIVE_INFINITY);
    expect(q.quantile(0.5).item()).toBe(1.5);
    expect(q.narrow(0, 0, 2).quantile(0.5, 0, { interpolation: 'midpoint' }).item()).toBe(Number.NEGATIVE_INFINITY);
  });

  it('nothing is left of what an infinite λ shrinks', () => {
    const far = tensor([Number.POSITIVE_INFINITY, -2, Number.NaN]);
    expect(functional.softshrink(far, { lambd: Number.POSITIVE_INFINITY }).toArray()).toEqual([0, 0, Number.NaN]);
  });
});
