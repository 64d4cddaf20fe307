/** The log posterior of a mixture of Gaussians with a Wishart prior on the precision matrices. */
import { cat, grad, ones, type Tensor, tensor } from 'nabla';
import { defined, type Fields, float64, int32, type Module, value } from './eval.ts';

interface Parameters {
  /** [k] */
  readonly alpha: Tensor;
  /** [k, d] */
  readonly mu: Tensor;
  /** [k, d], logarithms of the diagonals of Q */
  readonly q: Tensor;
  /** [k, d (d − 1) / 2], what is below them, column by column */
  readonly l: Tensor;
}

interface Input {
  readonly parameters: Parameters;
  /** The points, transposed, and below them a row of ones: [d + 1, n] */
  readonly x: Tensor;
  readonly m: number;
  readonly gamma: number;
  /** Where each element of a lower triangular Q is in [exp q, l, 0]. */
  readonly places: Tensor;
}

function lowerTriangle(d: number): Tensor {
  const below = (d * (d - 1)) / 2;
  const place = new Int32Array(d * d).fill(d + below);
  for (let column = 0, next = d; column < d; column++) {
    place[column * d + column] = column;
    for (let row = column + 1; row < d; row++) place[row * d + column] = next++;
  }
  return tensor(place, int32);
}

/** log Γ_d(a) = d (d − 1) / 4 log π + Σⱼ log Γ(a + (1 − j) / 2), for whole and half numbers a. */
function logMultigamma(a: number, d: number): number {
  let sum = ((d * (d - 1)) / 4) * Math.log(Math.PI);
  for (let j = 1; j <= d; j++) {
    let y = a + (1 - j) / 2;
    for (; y > 1; y--) sum += Math.log(y - 1);
    if (y === 0.5) sum += 0.5 * Math.log(Math.PI);
  }
  return sum;
}

function objective({ parameters, x, m, gamma, places }: Input): Tensor {
  const { alpha, mu, q, l } = parameters;
  const [k, d] = mu.shape;
  const n = x.shape[1];
  const diagonal = q.exp();
  const zero = q.narrow(1, 0, 1).detach().mul(0);
  const precision = cat([diagonal, l, zero], 1).indexSelect(1, places).reshape([k, d, d]);
  const logDeterminants = q.sum(1);

  // Q (x − μ) for all points and components is one product of matrices, [Q, −Q μ] with the points and ones.
  const centres = precision.bmm(mu.unsqueeze(2)).neg();
  const away = cat([precision, centres], 2)
    .reshape([k * d, d + 1])
    .mm(x)
    .square()
    .reshape([k, d, n])
    .sum(1);
  const beta = alpha.add(logDeterminants).unsqueeze(1).sub(away.mul(0.5));
  const likelihood = beta.logsumexp(0).sum().sub(alpha.logsumexp(0).mul(n));

  const norm = diagonal.square().sum().add(l.square().sum());
  const prior = logDeterminants
    .sum()
    .mul(m)
    .sub(norm.mul(gamma ** 2 / 2));

  const freedom = d + m + 1;
  const constant =
    k * (freedom * d * Math.log(gamma / Math.SQRT2) - logMultigamma(freedom / 2, d)) -
    n * (d / 2) * Math.log(2 * Math.PI);
  return likelihood.add(prior).add(constant);
}

const gradient = (input: Input): Parameters =>
  grad((parameters: Parameters) => objective({ ...input, parameters }))(input.parameters);

function prepare(input: Fields): Input {
  const d = input.integer('d');
  const k = input.integer('k');
  const l = input.tensor('l', 2);
  const points = input.tensor('x', 2);
  return {
    parameters: {
      alpha: input.tensor('alpha', 1),
      mu: input.tensor('mu', 2),
      q: input.tensor('q', 2),
      // With d = 1 there is nothing below the diagonal, and the empty rows have no length of their own.
      l: l.reshape([k, (d * (d - 1)) / 2]),
    },
    x: cat([points.t(), ones([1, points.shape[0]], float64)]),
    m: input.integer('m'),
    gamma: input.number('gamma'),
    places: lowerTriangle(d),
  };
}

const lists = ({ alpha, mu, q, l }: Parameters): unknown => ({
  alpha: alpha.toArray(),
  mu: mu.toArray(),
  q: q.toArray(),
  l: l.toArray(),
});

export const gmm: Module = {
  objective: defined(prepare, objective, value),
  jacobian: defined(prepare, gradient, lists),
};
