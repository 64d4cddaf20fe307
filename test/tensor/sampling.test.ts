/** Distributions that are filled in place or given by tensors: PyTorch's numbers for the seed 0. */
import {
  ArgumentError,
  DTypeError,
  empty,
  grad,
  manualSeed,
  NotImplementedError,
  normal,
  ones,
  poisson,
  randintLike,
  ShapeError,
  setDeterministic,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../support/close.ts';

const seeded = (draw: () => Tensor): Tensor => {
  manualSeed(0);
  return draw();
};
const float = { tol: 1e-7 };

describe('in place', () => {
  it('logNormal_, cauchy_, geometric_ and random_ draw PyTorch’s numbers', () => {
    expectValues(
      seeded(() => empty([5]).logNormal_()),
      [5],
      [59.2634163, 1.51155996, 0.0348194614, 8.47281265, 0.310663581],
      float,
    );
    expectValues(
      seeded(() => empty([5], { dtype: 'float64' }).cauchy_(1, 3)),
      [5],
      [32.79318798, 3.29430178, 0.61510197, 12.79921993, 2.46996673],
      float,
    );
    expect(seeded(() => empty([5], { dtype: 'int32' }).geometric_(0.3)).toArray()).toEqual([1, 1, 3, 1, 2]);
    expect(seeded(() => empty([5]).random_()).toArray()).toEqual([8325664, 12888472, 1484222, 2214888, 5157545]);
    expect(seeded(() => empty([5]).random_(10)).toArray()).toEqual([4, 9, 3, 0, 3]);
    expect(seeded(() => empty([5], { dtype: 'int32' }).random_(3, 10)).toArray()).toEqual([7, 6, 3, 5, 4]);
    expect(seeded(() => randintLike(empty([5]), 10)).toArray()).toEqual([4, 9, 3, 0, 3]);
    expect(seeded(() => randintLike(empty([2], { dtype: 'float64' }), 3, 5)).dtype).toBe('float64');
  });

  it('refuse what they have no numbers for', () => {
    expectError(() => empty([3]).random_('a' as never), ArgumentError, "random_: argument 'from' must be number");
    expectError(() => empty([3]).random_(undefined, 5), ArgumentError, "random_: argument 'from' must be number");
    expectError(() => empty([3]).geometric_(0), ArgumentError, 'geometric_ expects p to be in (0, 1), but got p=0');
    expectError(() => empty([3]).logNormal_(0, -1), ArgumentError, 'log_normal_ expects std > 0.0, but found std=-1');
    expectError(() => empty([3], { dtype: 'int32' }).cauchy_(), DTypeError, 'floating point');
    expectError(() => empty([3], { dtype: 'bool' }).geometric_(0.5), DTypeError, "not implemented for 'Bool'");
    expect(() => ones([2], { requiresGrad: true }).cauchy_()).toThrow('a leaf Variable that requires grad');
  });

  it('pass no gradient', () => {
    expect(grad((x: Tensor) => x.mul(2).logNormal_().sum())(ones([2])).toArray()).toEqual([0, 0]);
  });
});

describe('by tensors', () => {
  it('normal has a mean and a deviation in every place', () => {
    const [mean, std] = [tensor([0, 1, 2]), tensor([1, 2, 3])];
    expectValues(
      seeded(() => normal(mean, std)),
      [3],
      [1.54099607, 0.4131422, -4.53636837],
      float,
    );
    expectValues(
      seeded(() => normal(2, std)),
      [3],
      [3.54099607, 1.4131422, -4.53636837],
      float,
    );
    expectValues(
      seeded(() => normal(mean, 2)),
      [3],
      [3.08199215, 0.4131422, -2.35757875],
      float,
    );
    expectValues(
      seeded(() => normal(1, 2, [3])),
      [3],
      [4.08199215, 0.41314217, -3.35757875],
      float,
    );
    expect(normal(zeros([2, 1]), ones([3])).shape).toEqual([2, 3]);
    expect(normal(1, 2, [3], { dtype: 'float64', requiresGrad: true }).requiresGrad).toBe(true);
    expect(normal(ones([2], { requiresGrad: true }), 1).requiresGrad).toBe(false);
    expect(
      vmap((m: Tensor) => normal(m, 1e-9), { randomness: 'same' })(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ).toArray(),
    ).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expectError(() => normal(0, tensor([-1])), ArgumentError, 'normal expects all elements of std >= 0.0');
    expectError(() => normal(0, -1, [2]), ArgumentError, 'normal expects all elements of std >= 0.0');
    expectError(() => normal(zeros([2]), ones([3])), ShapeError, 'must match');
    expectError(() => normal(tensor([1], { dtype: 'int32' }), 1), DTypeError, '"normal_kernel_cpu" not implemented');
  });

  it('poisson has a rate in every place', () => {
    const rates = [0.5, 1, 3, 12, 50, 0];
    for (const dtype of ['float32', 'float64'] as const)
      expect(seeded(() => poisson(tensor(rates, { dtype }))).toArray()).toEqual([2, 3, 3, 8, 52, 0]);
    // Means and variances are the rates.
    for (const rate of [3, 30, 4000]) {
      const drawn = seeded(() => poisson(zeros([20000], { dtype: 'float64' }).add(rate)));
      expect(Math.abs(drawn.mean().item() / rate - 1)).toBeLessThan(0.02);
      expect(Math.abs(drawn.var().item() / rate - 1)).toBeLessThan(0.05);
    }
    expectError(() => poisson(tensor([-1])), ArgumentError, 'invalid Poisson rate, expected rate to be non-negative');
    expectError(() => poisson(tensor([1], { dtype: 'int32' })), DTypeError, '"poisson_cpu" not implemented');
    const same = 'Vmap does not currently support same randomness with a batched tensor input';
    expectError(() => vmap(poisson)(ones([2, 2])), NotImplementedError, same);
    manualSeed(3);
    const outside = poisson(ones([4, 5]).mul(9));
    manualSeed(3);
    const inside = vmap((rates: Tensor) => poisson(rates), { randomness: 'different' })(ones([4, 5]).mul(9));
    expectValues(inside, [4, 5], Array.from(outside.toTypedArray()));
  });

  it('are the same where results must not hang on the host', () => {
    const drawn = seeded(() => empty([50], { dtype: 'float64' }).cauchy_()).toArray();
    setDeterministic(true);
    try {
      expect(seeded(() => empty([50], { dtype: 'float64' }).cauchy_()).toArray()).toEqual(drawn);
    } finally {
      setDeterministic(false);
    }
  });
});
