/** The log posterior of a mixture of Gaussians with a Wishart prior on the precision matrices. */
import { cat, elementwise, grad, ones, onesLike, type Tensor, tensor, vjp, zeros } from 'nabla';
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
  readonly n: number;
  /** The points in blocks, transposed, and below them a row of ones: [d + 1, block] */
  readonly blocks: readonly Tensor[];
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

/** [Q, −Q μ] of all components, [k d, d + 1], and what a component adds to the exponent of every point, [k]. */
function mixture({ alpha, mu, q, l }: Parameters, places: Tensor): [Tensor, Tensor] {
  const [k, d] = mu.shape;
  const zero: Tensor = zeros([k, 1], float64);
  const precision = cat([q.exp(), l, zero], 1).indexSelect(1, places).reshape([k, d, d]);
  const centres = precision.bmm(mu.unsqueeze(2)).neg();
  return [cat([precision, centres], 2).reshape([k * d, d + 1]), alpha.add(q.sum(1))];
}

/** Σ over the points of a block log Σ over components. Q (x − μ) is one product for all of both. */
function likelihood(transforms: Tensor, offsets: Tensor, x: Tensor): Tensor {
  const k = offsets.shape[0];
  const away = transforms.mm(x).square().reshape([k, -1, x.shape[1]]).sum(1);
  return exponent(offsets.unsqueeze(1), away).logsumexp(0).sum();
}

const exponent = elementwise((offset, away) => offset.sub(away.mul(0.5)), 'exponent');

/** The prior, and what of the likelihood does not depend on the points. */
function prior({ alpha, mu, q, l }: Parameters, { n, m, gamma }: Input): Tensor {
  const [k, d] = mu.shape;
  const norm = q.mul(2).exp().sum().add(l.square().sum());
  const freedom = d + m + 1;
  const constant =
    k * (freedom * d * Math.log(gamma / Math.SQRT2) - logMultigamma(freedom / 2, d)) -
    n * (d / 2) * Math.log(2 * Math.PI);
  return q
    .sum()
    .mul(m)
    .sub(norm.mul(gamma ** 2 / 2))
    .sub(alpha.logsumexp(0).mul(n))
    .add(constant);
}

function objective(input: Input): Tensor {
  const [transforms, offsets] = mixture(input.parameters, input.places);
  return input.blocks.reduce(
    (sum: Tensor, x) => sum.add(likelihood(transforms, offsets, x)),
    prior(input.parameters, input),
  );
}

/** Block by block to the mixture, whose gradients add up, then back to the parameters: memory does not grow with n. */
function gradient(input: Input): Parameters {
  const [[transforms, offsets, own], pullback] = vjp(
    (p: Parameters) => [...mixture(p, input.places), prior(p, input)],
    input.parameters,
  );
  const slope = grad(likelihood, { argnums: [0, 1] });
  const sums = slope(transforms, offsets, input.blocks[0]);
  for (const x of input.blocks.slice(1)) {
    slope(transforms, offsets, x).forEach((g, i) => {
      sums[i].add_(g);
    });
  }
  return pullback([...sums, onesLike(own)])[0];
}

/** Elements of Q (x − μ) for a block of points: few enough to stay in a cache. */
const BLOCK = 2 ** 20;

function prepare(input: Fields): Input {
  const d = input.integer('d');
  const k = input.integer('k');
  const l = input.tensor('l', 2);
  const points = input.tensor('x', 2);
  const n = points.shape[0];
  return {
    parameters: {
      alpha: input.tensor('alpha', 1),
      mu: input.tensor('mu', 2),
      q: input.tensor('q', 2),
      // With d = 1 there is nothing below the diagonal, and the empty rows have no length of their own.
      l: l.reshape([k, (d * (d - 1)) / 2]),
    },
    n,
    blocks: cat([points.t(), ones([1, n], float64)])
      .split(Math.max(64, Math.floor(BLOCK / (k * d))), 1)
      .map((x) => x.contiguous()),
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
