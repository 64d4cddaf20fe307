/** Half the squared error of a polynomial with coefficients x, fitted to the sign function at n points of [−1, 1]. */
import { arange, elementwise, functional, type Tensor } from 'nabla';
import { defined, type Fields, float64, gradientAt, list, type Module, value } from './eval.ts';

interface Input {
  readonly x: Tensor;
  readonly n: number;
}

/** t⁰, t¹, …, a row each. */
function powers(t: Tensor, count: number): Tensor {
  return factor(arange(count, float64).unsqueeze(1), t).cumprod(0);
}

/** What the power k has above the one before. */
const factor = elementwise((k, t) => k.eq(0).where(1, t), 'factor');

/**
 * Σⱼ xⱼ tʲ. With j = a r + b and 0 ≤ b < r this is Σₐ tᵃʳ Σ_b x[a, b] tᵇ: the inner sums are a product
 * of matrices, and of about √m rows each.
 */
function polynomial(x: Tensor, t: Tensor): Tensor {
  const m = x.shape[0];
  const r = 2 ** Math.ceil(Math.log2(m) / 2);
  const blocks = Math.ceil(m / r);
  const low = powers(t, r);
  const high = powers(low.select(0, r - 1).mul(t), blocks);
  const coefficients: Tensor = m === r * blocks ? x : functional.pad(x, [0, r * blocks - m]);
  return coefficients.reshape([blocks, r]).mm(low).mul(high).sum(0);
}

/** The point i of [−1, 1] when `last` is the last. */
const place = elementwise((i, last) => i.mul(2).div(last).sub(1), 'place');
const halfSquare = elementwise((t, y) => t.sign().sub(y).square().mul(0.5), 'halfSquare');

function objective({ x, n }: Input): Tensor {
  const t = place(arange(n, float64), n - 1);
  return halfSquare(t, polynomial(x, t)).sum();
}

const prepare = (input: Fields): Input => ({ x: input.tensor('x', 1), n: input.integer('n') });
const gradient = ({ x, n }: Input): Tensor => gradientAt((y) => objective({ x: y, n }), x);

export const llsq: Module = {
  primal: defined(prepare, objective, value),
  gradient: defined(prepare, gradient, list),
};
