import { isFloat } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { broadcastAll, broadcastShapes, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type Operand, type TensorBase } from '../core/tensor.ts';
import { warn } from '../core/warnings.ts';
import { activations, lossTerms } from '../ops/activations.ts';
import { toFloat } from '../ops/copy.ts';
import { detach } from '../ops/detach.ts';
import { pairwiseDistance } from '../ops/distance.ts';
import * as e from '../ops/elementwise.ts';
import type { ElementwiseOp } from '../ops/elementwise-op.ts';
import { amax, amin } from '../ops/extrema.ts';
import { indexSelect } from '../ops/index-slices.ts';
import { gather, scatter } from '../ops/indexing.ts';
import { readElement } from '../ops/inspect.ts';
import { checkReduction } from '../ops/loss.ts';
import { totalLoss } from '../ops/loss-totals.ts';
import { named } from '../ops/named.ts';
import { mean, sum } from '../ops/reduce.ts';
import { fused } from '../ops/user-elementwise.ts';
import { vecdot } from '../ops/vecdot.ts';
import { reshape, unsqueeze } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Fit, Reduction } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** How the losses of the elements become one. */
export interface LossOptions {
  /** What becomes of the losses of the elements: `mean` (the default), `sum`, or `none`. */
  readonly reduction?: Reduction;
}

function reductionOf(op: string, options: LossOptions | undefined, known: readonly string[] = []): Reduction {
  checkOptions(op, options, ['reduction', ...known]);
  const reduction = options?.reduction ?? 'mean';
  checkReduction(op, reduction);
  return reduction;
}

function reduced(losses: TensorBase, reduction: Reduction, node?: string): Tensor {
  const y = reduction === 'none' ? losses : reduction === 'sum' ? sum(losses) : mean(losses);
  return (node === undefined || reduction === 'none' ? y : named(y, node)) as Tensor;
}

/** The losses a term gives, reduced; where only their sum or mean is asked for they are mostly not stored. */
function lossOf(
  term: ElementwiseOp,
  inputs: readonly [TensorBase, TensorBase, ...Operand[]],
  reduction: Reduction,
  node?: string,
): Tensor {
  const mean = reduction === 'mean';
  const total =
    reduction === 'none' ? null : totalLoss(term, inputs, mean, node ?? (mean ? 'MeanBackward0' : 'SumBackward0'));
  return (total ?? reduced(term.call(...inputs), reduction, node)) as Tensor;
}

/** Whether every value (for every example of a vmap) lies between two bounds; NaN does not. */
function allWithin(t: TensorBase, lo: number, hi: number): boolean {
  if (t.wrapped !== null) return allWithin(t.wrapped.value, lo, hi);
  const values = detach(t);
  return t.count === 0 || (readElement(amin(values), 0) >= lo && readElement(amax(values), 0) <= hi);
}

/** The shape to which tensors broadcast, in the name of a loss that is made of several operations. */
function commonShape(op: string, ...xs: readonly TensorBase[]): Shape {
  checkTensors(op, ...xs);
  return broadcastAll(op, ...xs);
}

/**
 * Refuses what does not broadcast, and warns of what does, as PyTorch: beside a row, a column gives the loss of
 * every pair.
 */
function checkPair(op: string, x: TensorBase, target: TensorBase): void {
  checkTensors(op, x, target);
  if (sameShape(x.shape, target.shape)) return;
  broadcastShapes(op, x.shape, target.shape);
  warn(
    'targetSize',
    () =>
      `${op}: Using a target size (${shapeText(target.shape)}) that is different to the input size (${shapeText(x.shape)}). This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.`,
  );
}

/** The mean of (x − target)². */
export function mseLoss<X extends Tensor, Y extends Tensor>(x: X, target: Fit<X, Y>, options?: LossOptions): Tensor {
  const reduction = reductionOf('mseLoss', options);
  checkPair('mseLoss', x, target as Tensor);
  return lossOf(lossTerms.squaredError, [x, target as Tensor], reduction, 'MseLossBackward0');
}

/** The mean of |x − target|. */
export function l1Loss<X extends Tensor, Y extends Tensor>(x: X, target: Fit<X, Y>, options?: LossOptions): Tensor {
  const reduction = reductionOf('l1Loss', options);
  checkPair('l1Loss', x, target as Tensor);
  return lossOf(lossTerms.absoluteError, [x, target as Tensor], reduction);
}

/** The mean of d²/2β where d = |x − target| < β, and of d − β/2 beyond. */
export function smoothL1Loss<X extends Tensor, Y extends Tensor>(
  x: X,
  target: Fit<X, Y>,
  options?: LossOptions & { readonly beta?: number },
): Tensor {
  const reduction = reductionOf('smoothL1Loss', options, ['beta']);
  checkPair('smoothL1Loss', x, target as Tensor);
  const beta = options?.beta ?? 1;
  if (!(beta >= 0)) throw new ArgumentError(`smoothL1Loss: smooth_l1_loss does not support negative values for beta.`);
  if (beta === 0) return lossOf(lossTerms.absoluteError, [x, target as Tensor], reduction);
  // With β = 1 it is Huber's loss, which does not divide.
  const terms = beta === 1 && isFloat(x.dtype) ? lossTerms.huber : lossTerms.smoothL1;
  return lossOf(terms, [x, target as Tensor, beta], reduction, 'SmoothL1LossBackward0');
}

/** The mean of d²/2 where d = |x − target| ≤ δ, and of δ (d − δ/2) beyond. */
export function huberLoss<X extends Tensor, Y extends Tensor>(
  x: X,
  target: Fit<X, Y>,
  options?: LossOptions & { readonly delta?: number },
): Tensor {
  const reduction = reductionOf('huberLoss', options, ['delta']);
  checkPair('huberLoss', x, target as Tensor);
  const delta = options?.delta ?? 1;
  if (!(delta > 0)) throw new ArgumentError('huberLoss: huber_loss does not support non-positive values for delta.');
  return lossOf(lossTerms.huber, [x, target as Tensor, delta], reduction, 'HuberLossBackward0');
}

/** The same with a weight for each element. */
export interface WeightedLossOptions extends LossOptions {
  /** Weights of the elements; broadcasts with them. */
  readonly weight?: Tensor | null;
}

/** The mean of −w (t log x + (1 − t) log(1 − x)) for probabilities `x`; logarithms are at least −100. */
export function binaryCrossEntropy(x: Tensor, target: Tensor, options?: WeightedLossOptions): Tensor {
  const reduction = reductionOf('binaryCrossEntropy', options, ['weight']);
  checkTensors('binaryCrossEntropy', x, target);
  if (!sameShape(x.shape, target.shape)) {
    throw new ShapeError(
      `binaryCrossEntropy: Using a target size (${shapeText(target.shape)}) that is different to the input size (${shapeText(x.shape)}) is deprecated. Please ensure they have the same size.`,
    );
  }
  if (!allWithin(x, 0, 1))
    throw new ArgumentError('binaryCrossEntropy: all elements of input should be between 0 and 1');
  const losses = lossTerms.binaryCrossEntropy.call2(x, target);
  const weight = options?.weight ?? null;
  return reduced(weight === null ? losses : e.mul(losses, weight), reduction, 'BinaryCrossEntropyBackward0');
}

/**
 * The binary cross entropy of σ(x), computed from the logits `x` without overflow:
 * w ((1 − t) x + (1 + (p − 1) t) log(1 + e⁻ˣ)), p the weight of positive targets.
 */
export function binaryCrossEntropyWithLogits(
  x: Tensor,
  target: Tensor,
  options?: WeightedLossOptions & { readonly posWeight?: Tensor | null },
): Tensor {
  const reduction = reductionOf('binaryCrossEntropyWithLogits', options, ['weight', 'posWeight']);
  checkTensors('binaryCrossEntropyWithLogits', x, target);
  if (!sameShape(x.shape, target.shape)) {
    throw new ShapeError(
      `binaryCrossEntropyWithLogits: Target size (${shapeText(target.shape)}) must be the same as input size (${shapeText(x.shape)})`,
    );
  }
  const losses = lossTerms.binaryCrossEntropyWithLogits.call(x, target, options?.posWeight ?? 1);
  const weight = options?.weight ?? null;
  return reduced(weight === null ? losses : e.mul(losses, weight), reduction, 'BinaryCrossEntropyWithLogitsBackward0');
}

/**
 * The divergence Σ t (log t − x) of the log-probabilities `x` from the probabilities `target` (or
 * their logarithms, with `logTarget`). `batchmean` divides the sum by the size of the first dimension.
 */
export function klDiv(
  x: Tensor,
  target: Tensor,
  options?: { readonly reduction?: Reduction | 'batchmean'; readonly logTarget?: boolean },
): Tensor {
  checkOptions('klDiv', options, ['reduction', 'logTarget']);
  commonShape('klDiv', x, target);
  const reduction = options?.reduction ?? 'mean';
  if (reduction !== 'batchmean') checkReduction('klDiv', reduction);
  const losses = options?.logTarget
    ? e.mul(e.exp(target), e.sub(target, x))
    : e.sub(e.xlogy(target, target), e.mul(target, x));
  if (reduction !== 'batchmean') return reduced(losses, reduction);
  return (x.ndim === 0 ? sum(losses) : e.div(sum(losses), (x.shape as readonly number[])[0])) as Tensor;
}

const poissonTerms = fused('poissonNll', (x, t) => x.exp().sub(t.mul(x)), 2);

/** For a logarithmic rate `x` (or a rate, with `logInput: false`) of a Poisson distribution: eˣ − t x, or x − t log(x + ε). */
export function poissonNllLoss(
  x: Tensor,
  target: Tensor,
  options?: LossOptions & { readonly logInput?: boolean; readonly full?: boolean; readonly eps?: number },
): Tensor {
  const reduction = reductionOf('poissonNllLoss', options, ['logInput', 'full', 'eps']);
  commonShape('poissonNllLoss', x, target);
  const { logInput = true, full = false, eps = 1e-8 } = options ?? {};
  // Of two dtypes the exponential is that of its own, which is not the result's.
  const ofRate = (): TensorBase =>
    x.dtype === target.dtype ? named(poissonTerms(x, target), 'SubBackward0') : e.sub(e.exp(x), e.mul(target, x));
  const loss = logInput ? ofRate() : e.sub(x, e.mul(target, e.log(e.add(x, eps))));
  if (!full) return reduced(loss, reduction);
  // Stirling's approximation of log t!, for counts above 1.
  const term = e.add(e.sub(e.mul(target, e.log(target)), target), e.mul(e.log(e.mul(target, 2 * Math.PI)), 0.5));
  return reduced(e.add(loss, e.where(e.le(target, 1), 0, term)), reduction);
}

/** The variances with a dimension in the place of the last one, if that was left out. */
function varianceOf(x: TensorBase, variance: TensorBase): TensorBase {
  const rows = x.shape.slice(0, -1);
  if (sameShape(x.shape, variance.shape)) return variance;
  if (sameShape(rows, variance.shape)) return unsqueeze(variance, -1);
  if (variance.shape.at(-1) === 1 && sameShape(rows, variance.shape.slice(0, -1))) return variance;
  throw new ShapeError(
    `gaussianNllLoss: var is of incorrect size: ${shapeText(variance.shape)} for an input of ${shapeText(x.shape)}`,
  );
}

/** ½ (log v + (x − t)²/v) with the variance v = s + r. */
const gaussianTerms = fused(
  'gaussianNll',
  (x, t, s, r) => {
    const v = s.add(r);
    return v.log().add(x.sub(t).square().div(v)).mul(0.5);
  },
  4,
);

/** ½ (log v + (x − t)²/v), the variances v at least ε (their gradient is as if they were not raised); with `full` also ½ log 2π. */
export function gaussianNllLoss(
  x: Tensor,
  target: Tensor,
  variance: Tensor,
  options?: LossOptions & { readonly full?: boolean; readonly eps?: number },
): Tensor {
  const reduction = reductionOf('gaussianNllLoss', options, ['full', 'eps']);
  checkTensors('gaussianNllLoss', variance);
  commonShape('gaussianNllLoss', x, target);
  const [full, eps] = [options?.full ?? false, options?.eps ?? 1e-6];
  const given = varianceOf(x, variance);
  if (!allWithin(e.lt(given, 0), 0, 0)) throw new ArgumentError('gaussianNllLoss: var has negative entry/entries');
  const raised = e.clamp(e.sub(eps, detach(given)), 0, null);
  const loss = named(gaussianTerms(x, target, given, raised), 'MulBackward0');
  return reduced(full ? e.add(loss, 0.5 * Math.log(2 * Math.PI)) : loss, reduction);
}

// ── margins ──

interface MarginOptions extends LossOptions {
  /** How much farther apart the two must be to cost nothing. */
  readonly margin?: number;
}

/** The mean of log(1 + e^(−t x)) for targets of ±1. */
export function softMarginLoss<X extends Tensor, Y extends Tensor>(
  x: X,
  target: Fit<X, Y>,
  options?: LossOptions,
): Tensor {
  const reduction = reductionOf('softMarginLoss', options);
  commonShape('softMarginLoss', x, target as Tensor);
  return reduced(lossTerms.softMargin.call2(x, target as Tensor), reduction, 'SoftMarginLossBackward0');
}

/** x where the target is 1, max(0, margin − x) where it is −1. */
export function hingeEmbeddingLoss(x: Tensor, target: Tensor, options?: MarginOptions): Tensor {
  const reduction = reductionOf('hingeEmbeddingLoss', options, ['margin']);
  commonShape('hingeEmbeddingLoss', x, target);
  const short = e.clamp(e.sub(options?.margin ?? 1, x), 0, null);
  return reduced(e.add(e.where(e.ne(target, 1), short, 0), e.where(e.ne(target, -1), x, 0)), reduction);
}

/** max(0, −t (x₁ − x₂) + margin): the first shall be the larger where t is 1, the second where it is −1. */
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
  return reduced(e.clamp(late, 0, null), reduction);
}

/** 1 − cos(x₁, x₂) where the target is 1, max(0, cos − margin) where it is −1; rows are vectors. */
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
  return reduced(e.add(e.where(e.eq(target, 1), e.sub(1, cosine), 0), e.where(e.eq(target, -1), apart, 0)), reduction);
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

/** max(0, margin + d(anchor, positive) − d(anchor, negative)) with d(a, b) = ‖a − b + ε‖_p over the last dimension. */
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
    given ? given(a as Tensor, b as Tensor) : pairwiseDistance(a, b, 2, 1e-6, false);
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
  return reduced(e.clamp(e.sub(e.add(near, options?.margin ?? 1), away), 0, null), reduction);
}

/** −Σ_c w_c (t_c log σ(x_c) + (1 − t_c) log σ(−x_c)) / C over the classes, the last dimension. */
export function multilabelSoftMarginLoss(x: Tensor, target: Tensor, options?: WeightedLossOptions): Tensor {
  const reduction = reductionOf('multilabelSoftMarginLoss', options, ['weight']);
  commonShape('multilabelSoftMarginLoss', x, target);
  const logSigmoid = (t: TensorBase): TensorBase => activations.logSigmoid.call1(t);
  const terms = e.neg(e.add(e.mul(target, logSigmoid(x)), e.mul(e.sub(1, target), logSigmoid(e.neg(x)))));
  const weight = options?.weight ?? null;
  return reduced(mean(weight === null ? terms : e.mul(terms, weight), -1), reduction);
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
  const own = gather(rows, 1, classOf);
  const short = lacking(rows, own, margin);
  const others = scatter(p === 1 ? short : e.square(short), 1, classOf, 0);
  const weighted =
    weight === null ? others : e.mul(others, reshape(indexSelect(weight, 0, reshape(target, [n])), [n, 1]));
  if (reduction === 'mean') return mean(weighted) as Tensor;
  return reduced(reshape(mean(weighted, 1), target.ndim === 0 ? [] : [n]) as Tensor, reduction);
}
