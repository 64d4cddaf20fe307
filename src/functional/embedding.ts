import { within } from '../core/naming.ts';
import * as ops from '../ops/embedding.ts';
import { type BagMode, embeddingBag as embeddingBagOp } from '../ops/embedding-bag.ts';
import { checkOptions } from '../tensor/options.ts';
import type { LookupOf, OneHotOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What is done with rows beside being looked up. */
export interface EmbeddingOptions {
  /** The row that gets no gradient: it stands for padding. Negative ones count from the end. */
  readonly paddingIdx?: number;
  /** Rows looked up whose norm is larger are scaled down to it, in the table itself, before they are read. */
  readonly maxNorm?: number;
  /** Which norm `maxNorm` means; 2 by default. */
  readonly normType?: number;
  /** Gradients are divided by how often a row is looked up. */
  readonly scaleGradByFreq?: boolean;
}

const LOOKUP = ['paddingIdx', 'maxNorm', 'normType', 'scaleGradByFreq'] as const;

/**
 * The rows of `weight`, [rows, size], at `index` (int32, any shape): of shape [...index, size].
 *
 * @throws {IndexError} for an index that is no row.
 */
export function embedding<X extends Tensor, W extends Tensor>(
  index: X,
  weight: W,
  options?: EmbeddingOptions,
): Tensor<LookupOf<X, W>> {
  checkOptions('embedding', options, LOOKUP);
  return ops.embedding(index, weight, options) as Tensor;
}

/** How the rows of a bag become one. */
export interface EmbeddingBagOptions extends EmbeddingOptions {
  /** How a bag becomes one row; the mean by default. Of equal maxima the first gets the gradient. */
  readonly mode?: BagMode;
  /** A weight for every index, for sums. */
  readonly perSampleWeights?: Tensor;
  /** The offsets end with the end of the last bag. */
  readonly includeLastOffset?: boolean;
}

/**
 * Sums, means or maxima of rows of `weight` over bags of indices, without the rows in between being
 * kept: the rows of a matrix `index`, or pieces of a vector that begin at `offsets`. Padding does not
 * count; a bag of nothing is 0.
 */
export function embeddingBag(
  index: Tensor,
  weight: Tensor,
  offsets?: Tensor | null,
  options?: EmbeddingBagOptions,
): Tensor {
  checkOptions('embeddingBag', options, [...LOOKUP, 'mode', 'perSampleWeights', 'includeLastOffset']);
  return within('embeddingBag', () => embeddingBagOp(index, weight, offsets ?? undefined, options)) as Tensor;
}

/**
 * Each whole number as a row of zeros with a one at its place (int32); as many classes as the largest
 * number asks for unless `numClasses` is given.
 *
 * @throws {ArgumentError} for a number that is no class.
 */
export function oneHot<X extends Tensor, C extends number | undefined = undefined>(
  x: X,
  numClasses?: C,
): Tensor<OneHotOf<X, C>> {
  return ops.oneHot(x, numClasses) as Tensor;
}
