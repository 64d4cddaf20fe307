/** The cost of k-means clustering, Σᵢ minⱼ |cⱼ − pᵢ|², and Newton's direction for it. */
import { grad, jvp, onesLike, type Tensor } from 'nabla';
import { defined, type Fields, list, type Module, value } from './eval.ts';

interface Input {
  /** [n, d] */
  readonly points: Tensor;
  /** [k, d] */
  readonly centroids: Tensor;
}

/** For every point the index of its centroid: |c − p|² is least where ½|c|² − c·p is. */
function nearest({ points, centroids }: Input): Tensor {
  const half = centroids.square().sum(1).mul(0.5);
  return half.sub(points.mm(centroids.t())).argmin(1);
}

/** The minimum over centroids is the distance to the nearest one, and so are its derivatives. */
function cost({ points, centroids }: Input): Tensor {
  const mine = centroids.indexSelect(0, nearest({ points, centroids: centroids.detach() }));
  return mine.sub(points).square().sum();
}

/** Gradient over the diagonal of the Hessian H. H is diagonal, so that diagonal is H 1: forward over reverse. */
function direction({ points, centroids }: Input): Tensor {
  const gradient = grad((c: Tensor) => cost({ points, centroids: c }));
  const [g, h] = jvp(gradient, [centroids], [onesLike(centroids)]);
  return g.div(h);
}

const prepare = (input: Fields): Input => ({
  points: input.tensor('points', 2),
  centroids: input.tensor('centroids', 2),
});

export const kmeans: Module = {
  cost: defined(prepare, cost, value),
  dir: defined(prepare, direction, list),
};
