import { arange, functional as F, Generator, grad, manualSeed, type Tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';

describe('gumbelSoftmax', () => {
  const x = (): Tensor => arange(12, { dtype: 'float32' }).reshape([3, 4]).div(4);

  it("draws PyTorch's numbers", () => {
    manualSeed(3);
    expect(F.gumbelSoftmax(x(), { tau: 0.7 }).toString()).toBe(
      'tensor([[0.7588, 0.0420, 0.0073, 0.1920],\n        [0.0233, 0.0596, 0.6683, 0.2488],\n        [0.0975, 0.0304, 0.7431, 0.1291]])',
    );
    expect(F.gumbelSoftmax(x(), { hard: true }).toArray()).toEqual([
      [0, 0, 0, 1],
      [0, 0, 0, 1],
      [0, 0, 1, 0],
    ]);
    expect(F.gumbelSoftmax(x().double(), { dim: 0 }).select(0, 2).toString()).toBe(
      'tensor([0.9971, 0.8419, 0.9414, 0.0547], dtype=float64)',
    );
  });

  it('gives choices the gradient of the soft samples', () => {
    const slope = (hard: boolean): Tensor =>
      grad((t: Tensor) =>
        F.gumbelSoftmax(t, { hard, generator: new Generator(5) })
          .mul(x())
          .sum(),
      )(x());
    expect(slope(true).allclose(slope(false), { rtol: 1e-5, atol: 1e-6 })).toBe(true);
    expect(slope(true).abs().max().item()).toBeGreaterThan(0.1);
  });

  it('chooses for every example of a batch', () => {
    const all = vmap((t: Tensor) => F.gumbelSoftmax(t, { hard: true }), { randomness: 'different' })(x());
    expect(all.sum(1).toArray()).toEqual([1, 1, 1]);
  });

  it('refuses temperatures and dtypes without a meaning', () => {
    expect(() => F.gumbelSoftmax(x(), { tau: 0 })).toThrow('tau must be positive, got 0');
    expect(() => F.gumbelSoftmax(x().int())).toThrow('floating point');
  });
});
