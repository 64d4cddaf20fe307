/** The cost of k-means clustering, Σᵢ minⱼ |cⱼ − pᵢ|², and Newton's direction for it. */
import { elementwise, grad, jvp, onesLike, type Tensor } from 'nabla';
import { defined, type Fields, list, type Module, value } from './eval.ts';

interface Input {
  /** [n, d] */
  readonly points: Tensor;
  /** The same, [d, n] */
  readonly transposed: Tensor;
  /** [k, d] */
  readonly centroids: Tensor;
}

/** ½|c|² − c·p for every centroid and point: half of what |c − p|² is above |p|². */
function excess({ transposed, centroids }: Input): Tensor {
  const half = centroids.square().sum(1, { keepdim: true }).mul(0.5);
  return half.addmm(centroids, transposed, { alpha: -1 });
}

/** The cost when the points have these centroids. With their nearest ones this is the minimum, and so are its derivatives. */
function costOf(points: Tensor, centroids: Tensor, index: Tensor): Tensor {
  return squaredDistance(centroids.indexSelect(0, index), points).sum();
}

const squaredDistance = elementwise((a, b) => a.sub(b).square(), 'squaredDistance');

/** Differences of large squares say nothing of a cost below this share of them: where points are centroids. */
const CANCELLED = 1e-6;

function cost(input: Input): Tensor {
  const { points, centroids } = input;
  const squares = points.square().sum();
  const parts = excess(input);
  const total = parts.amin(0).sum().mul(2).add(squares);
  return total.item() < CANCELLED * squares.item() ? costOf(points, centroids, parts.argmin(0)) : total;
}

/** Gradient over the diagonal of the Hessian H. H is diagonal, so that diagonal is H 1: forward over reverse. */
function direction(input: Input): Tensor {
  const { points, centroids } = input;
  const index = excess(input).argmin(0);
  const gradient = grad((c: Tensor) => costOf(points, c, index));
  const [g, h] = jvp(gradient, [centroids], [onesLike(centroids)]);
  return g.div(h);
}

function prepare(input: Fields): Input {
  const points = input.tensor('points', 2);
  return { points, transposed: points.t().contiguous(), centroids: input.tensor('centroids', 2) };
}

export const kmeans: Module = {
  cost: defined(prepare, cost, value),
  dir: defined(prepare, direction, list),
};
