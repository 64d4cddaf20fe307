import { ArgumentError, ShapeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { broadcastShapes, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { activations, lossTerms } from '../ops/activations.ts';
import { toFloat } from '../ops/copy.ts';
import { pairwiseDistance } from '../ops/distance.ts';
import * as e from '../ops/elementwise.ts';
import { indexSelect } from '../ops/index-slices.ts';
import { gather, scatter } from '../ops/indexing.ts';
import type { Reduction } from '../ops/loss.ts';
import { mean } from '../ops/reduce.ts';
import { fused } from '../ops/user-elementwise.ts';
import { vecdot } from '../ops/vecdot.ts';
import { reshape } from '../ops/view.ts';
import type { Fit } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { commonShape, type LossOptions, reduced, reductionOf, type WeightedLossOptions } from './reduction.ts';

interface MarginOptions extends LossOptions {
  /** How much farther apart the two must be to cost nothing. */
  readonly margin?: number;
}

/**
 * The mean of log(1 + e^(−t x)) for targets of ±1.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 */
export function softMarginLoss<X extends Tensor, Y extends Tensor>(
  x: X,
  target: Fit<X, Y>,
  options?: LossOptions,
): Tensor {
  const reduction = reductionOf('softMarginLoss', options);
  commonShape('softMarginLoss', x, target as Tensor);
  return reduced(
    'softMarginLoss',
    lossTerms.softMargin.call2(x, target as Tensor),
    reduction,
    'SoftMarginLossBackward0',
  );
}

/**
 * x where the target is 1, max(0, margin − x) where it is −1.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 */
export function hingeEmbeddingLoss(x: Tensor, target: Tensor, options?: MarginOptions): Tensor {
  const reduction = reductionOf('hingeEmbeddingLoss', options, ['margin']);
  commonShape('hingeEmbeddingLoss', x, target);
  const short = within('hingeEmbeddingLoss', () => e.clamp(e.sub(options?.margin ?? 1, x), 0, null));
  return reduced(
    'hingeEmbeddingLoss',
    e.add(e.where(e.ne(target, 1), short, 0), e.where(e.ne(target, -1), x, 0)),
    reduction,
  );
}

/**
 * max(0, −t (x₁ − x₂) + margin): the first shall be the larger where t is 1, the second where it is −1.
 *
 * @throws {ShapeError} when the ranks differ, or the shapes do not broadcast.
 */
export function marginRankingLoss(x1: Tensor, x2: Tensor, target: Tensor, options?: MarginOptions): Tensor {
  const reduction = reductionOf('marginRankingLoss', options, ['margin']);
  checkTensors('marginRankingLoss', x1, x2, target);
  if (x1.ndim !== x2.ndim || x1.ndim !== target.ndim) {
    throw new ShapeError(
      `marginRankingLoss: margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: ${shapeText(x1.shape)}, input2: ${shapeText(x2.shape)}, target: ${shapeText(target.shape)} `,
    );
  }
  commonShape('marginRankingLoss', x1, x2, target);
  const wrong = e.mul(e.neg(target), e.sub(x1, x2));
  // A margin is a floating point number, also when it is 0.
  const late = e.add(toFloat(wrong), options?.margin ?? 0);
  return reduced('marginRankingLoss', e.clamp(late, 0, null), reduction);
}

/**
 * 1 − cos(x₁, x₂) where the target is 1, max(0, cos − margin) where it is −1; rows are vectors.
 *
 * @throws {ShapeError} for inputs that are neither two matrices nor two vectors, or targets of another number.
 */
export function cosineEmbeddingLoss(x1: Tensor, x2: Tensor, target: Tensor, options?: MarginOptions): Tensor {
  const reduction = reductionOf('cosineEmbeddingLoss', options, ['margin']);
  checkTensors('cosineEmbeddingLoss', x1, x2, target);
  const vectors = target.ndim === 0 ? 1 : 2;
  if (target.ndim > 1 || x1.ndim !== vectors || x2.ndim !== vectors) {
    throw new ShapeError(
      `cosineEmbeddingLoss: ${target.ndim > 1 ? '0D or 1D target tensor expected, multi-target not supported' : `${target.ndim}D target tensor expects ${vectors}D input tensors`}, but found inputs with sizes ${shapeText(x1.shape)}, ${shapeText(x2.shape)}; target ${shapeText(target.shape)}.`,
    );
  }
  const pairs = commonShape('cosineEmbeddingLoss', x1, x2).slice(0, -1);
  broadcastShapes('cosineEmbeddingLoss', pairs, target.shape);
  // PyTorch's ε, which keeps the gradient finite at 0.
  const squares = (x: TensorBase): TensorBase => e.add(vecdot(x, x, -1), 1e-12);
  const cosine = e.div(vecdot(x1, x2, -1), e.sqrt(e.mul(squares(x1), squares(x2))));
  const apart = e.clamp(e.sub(cosine, options?.margin ?? 0), 0, null);
  return reduced(
    'cosineEmbeddingLoss',
    e.add(e.where(e.eq(target, 1), e.sub(1, cosine), 0), e.where(e.eq(target, -1), apart, 0)),
    reduction,
  );
}

/** The distance that triplets are compared by, and the margin between them. */
export interface TripletOptions extends MarginOptions {
  /** The order of the norm. */
  readonly p?: number;
  /** Added to every difference, 1e-6 by default. */
  readonly eps?: number;
  /** Takes the distance between positive and negative if that is smaller than that of the anchor. */
  readonly swap?: boolean;
}

/**
 * max(0, margin + d(anchor, positive) − d(anchor, negative)) with d(a, b) = ‖a − b + ε‖_p over the last dimension.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options?: TripletOptions,
): Tensor {
  const reduction = reductionOf('tripletMarginLoss', options, ['margin', 'p', 'eps', 'swap']);
  const { p = 2, eps = 1e-6 } = options ?? {};
  commonShape('tripletMarginLoss', anchor, positive, negative);
  const distance = (a: TensorBase, b: TensorBase): TensorBase => pairwiseDistance(a, b, p, eps, false);
  return tripletLoss('tripletMarginLoss', anchor, positive, negative, distance, options, reduction);
}

/** `tripletMarginLoss` with a distance of one's own. */
export function tripletMarginWithDistanceLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options?: MarginOptions & {
    readonly swap?: boolean;
    readonly distanceFunction?: (a: Tensor, b: Tensor) => Tensor;
  },
): Tensor {
  const op = 'tripletMarginWithDistanceLoss';
  const reduction = reductionOf(op, options, ['margin', 'swap', 'distanceFunction']);
  const given = options?.distanceFunction;
  const distance = (a: TensorBase, b: TensorBase): TensorBase =>
    given ? given(a as Tensor, b as Tensor) : within(op, () => pairwiseDistance(a, b, 2, 1e-6, false));
  return tripletLoss(op, anchor, positive, negative, distance, options, reduction);
}

function tripletLoss(
  op: string,
  anchor: TensorBase,
  positive: TensorBase,
  negative: TensorBase,
  distance: (a: TensorBase, b: TensorBase) => TensorBase,
  options: { readonly margin?: number; readonly swap?: boolean } | undefined,
  reduction: Reduction,
): Tensor {
  checkTensors(op, anchor, positive, negative);
  const ranks = [anchor, positive, negative].map((t) => t.shape.length);
  if (ranks.some((r) => r !== ranks[0])) {
    throw new ShapeError(
      `${op}: The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor ${ranks[0]}D, positive ${ranks[1]}D, and negative ${ranks[2]}D inputs`,
    );
  }
  const near = distance(anchor, positive);
  const far = distance(anchor, negative);
  const away = options?.swap ? e.minimum(far, distance(positive, negative)) : far;
  return reduced(op, e.clamp(e.sub(e.add(near, options?.margin ?? 1), away), 0, null), reduction);
}

/**
 * −Σ_c w_c (t_c log σ(x_c) + (1 − t_c) log σ(−x_c)) / C over the classes, the last dimension.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 */
export function multilabelSoftMarginLoss(x: Tensor, target: Tensor, options?: WeightedLossOptions): Tensor {
  const reduction = reductionOf('multilabelSoftMarginLoss', options, ['weight']);
  commonShape('multilabelSoftMarginLoss', x, target);
  const logSigmoid = (t: TensorBase): TensorBase => activations.logSigmoid.call1(t);
  const terms = within('multilabelSoftMarginLoss', () =>
    e.neg(e.add(e.mul(target, logSigmoid(x)), e.mul(e.sub(1, target), logSigmoid(e.neg(x))))),
  );
  const weight = options?.weight ?? null;
  return reduced('multilabelSoftMarginLoss', mean(weight === null ? terms : e.mul(terms, weight), -1), reduction);
}

const lacking = fused(
  'lacking',
  (x, own, margin) => {
    const z = x.sub(own).add(margin);
    return z.gt(0).where(z, 0);
  },
  3,
);

/**
 * Σ_{j≠t} w_t max(0, margin − x_t + x_j)^p / C over the classes of each row of `x`, [C] or [N, C], with
 * target classes t (int32, [] or [N]).
 *
 * @throws {ShapeError} when targets or weights are not as many as rows and classes.
 * @throws {ArgumentError} for another p than 1 and 2.
 */
export function multiMarginLoss(
  x: Tensor,
  target: Tensor,
  options?: MarginOptions & { readonly p?: 1 | 2; readonly weight?: Tensor | null },
): Tensor {
  const reduction = reductionOf('multiMarginLoss', options, ['margin', 'p', 'weight']);
  checkTensors('multiMarginLoss', x, target);
  const { p = 1, margin = 1, weight = null } = options ?? {};
  if (p !== 1 && p !== 2) throw new ArgumentError('multiMarginLoss: only p == 1 and p == 2 supported');
  const rows = x.ndim === 2 ? x : (reshape(x, [1, x.numel()]) as Tensor);
  const [n, classes] = rows.shape as readonly number[];
  if (x.ndim > 2 || classes === 0)
    throw new ShapeError(
      `multiMarginLoss: Expected non-empty vector or matrix with optional 0-dim batch size, but got: ${shapeText(x.shape)}`,
    );
  if (target.numel() !== n || target.ndim > 1)
    throw new ShapeError(`multiMarginLoss: inconsistent target size, expected ${n} but got ${shapeText(target.shape)}`);
  if (weight !== null && weight.numel() !== classes)
    throw new ShapeError(
      `multiMarginLoss: inconsistent weight size, expected ${classes} but got ${shapeText(weight.shape)}`,
    );
  const classOf = reshape(target, [n, 1]);
  const own = within('multiMarginLoss', () => gather(rows, 1, classOf));
  const short = lacking(rows, own, margin);
  const others = scatter(p === 1 ? short : e.square(short), 1, classOf, 0);
  const weighted =
    weight === null ? others : e.mul(others, reshape(indexSelect(weight, 0, reshape(target, [n])), [n, 1]));
  if (reduction === 'mean') return mean(weighted) as Tensor;
  return reduced('multiMarginLoss', reshape(mean(weighted, 1), target.ndim === 0 ? [] : [n]) as Tensor, reduction);
}
