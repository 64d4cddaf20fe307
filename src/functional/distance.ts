import { within } from '../core/naming.ts';
import { broadcastAll, wrapDims } from '../core/shape.ts';
import { checkTensors } from '../core/tensor.ts';
import * as distance from '../ops/distance.ts';
import * as pairs from '../ops/pair-distances.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Fit, ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Which norm becomes 1, and along what. */
export interface NormalizeOptions {
  /** The order of the norm, 2 by default. */
  readonly p?: number;
  /** The dimension (or dimensions) of each vector, 1 by default. */
  readonly dim?: number | readonly number[];
  /** The least that is divided by. */
  readonly eps?: number;
}

/**
 * x / max(‖x‖_p, ε) along `dim`.
 *
 * @throws {DTypeError} for a tensor that is not floating point.
 */
export function normalize<T extends Tensor>(x: T, options?: NormalizeOptions): Tensor<ShapeOf<T>> {
  checkTensors('normalize', x);
  checkOptions('normalize', options, ['p', 'dim', 'eps']);
  const { p = 2, dim = 1, eps = 1e-12 } = options ?? {};
  wrapDims('normalize', typeof dim === 'number' ? [dim] : dim, x.ndim);
  return distance.normalize(x, p, dim, eps) as Tensor;
}

/**
 * x·y / (‖x‖ ‖y‖) along `dim` (1 by default), with norms of at least ε; the two broadcast.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 */
export function cosineSimilarity<X extends Tensor, Y extends Tensor>(
  x: X,
  y: Fit<X, Y>,
  options?: { readonly dim?: number; readonly eps?: number },
): Tensor {
  checkTensors('cosineSimilarity', x, y);
  checkOptions('cosineSimilarity', options, ['dim', 'eps']);
  return within('cosineSimilarity', () =>
    distance.cosineSimilarity(x, y as Tensor, options?.dim ?? 1, options?.eps ?? 1e-8),
  ) as Tensor;
}

/**
 * ‖x − y + ε‖_p over the last dimension; the two broadcast.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 */
export function pairwiseDistance<X extends Tensor, Y extends Tensor>(
  x: X,
  y: Fit<X, Y>,
  options?: { readonly p?: number; readonly eps?: number; readonly keepdim?: boolean },
): Tensor {
  checkTensors('pairwiseDistance', x, y);
  checkOptions('pairwiseDistance', options, ['p', 'eps', 'keepdim']);
  broadcastAll('pairwiseDistance', x, y as Tensor);
  const { p = 2, eps = 1e-6, keepdim = false } = options ?? {};
  return within('pairwiseDistance', () => distance.pairwiseDistance(x, y as Tensor, p, eps, keepdim)) as Tensor;
}

/** ‖x[i] − x[j]‖_p for all pairs i < j of the rows of a matrix. */
export function pdist(x: Tensor, p?: number): Tensor<[number]> {
  return pairs.pdist(x, p) as Tensor;
}
