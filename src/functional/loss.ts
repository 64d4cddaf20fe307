import { isFloat } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { broadcastShapes, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type Operand, type TensorBase } from '../core/tensor.ts';
import { warn } from '../core/warnings.ts';
import { lossTerms } from '../ops/activations.ts';
import { detach } from '../ops/detach.ts';
import * as e from '../ops/elementwise.ts';
import type { ElementwiseOp } from '../ops/elementwise-op.ts';
import { amax, amin } from '../ops/extrema.ts';
import { readElement } from '../ops/inspect.ts';
import { checkReduction, type Reduction } from '../ops/loss.ts';
import { totalLoss } from '../ops/loss-totals.ts';
import { named } from '../ops/named.ts';
import { sum } from '../ops/reduce.ts';
import { fused } from '../ops/user-elementwise.ts';
import { unsqueeze } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Fit } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { commonShape, type LossOptions, reduced, reductionOf, type WeightedLossOptions } from './reduction.ts';

/** The losses a term gives, reduced; where only their sum or mean is asked for they are mostly not stored. */
function lossOf(
  op: string,
  term: ElementwiseOp,
  inputs: readonly [TensorBase, TensorBase, ...Operand[]],
  reduction: Reduction,
  node?: string,
): Tensor {
  const mean = reduction === 'mean';
  const total =
    reduction === 'none' ? null : totalLoss(term, inputs, mean, node ?? (mean ? 'MeanBackward0' : 'SumBackward0'));
  return (total ??
    reduced(
      op,
      within(op, () => term.call(...inputs)),
      reduction,
      node,
    )) as Tensor;
}

/** Whether every value (for every example of a vmap) lies between two bounds; NaN does not. */
function allWithin(t: TensorBase, lo: number, hi: number): boolean {
  if (t.wrapped !== null) return allWithin(t.wrapped.value, lo, hi);
  const values = detach(t);
  return t.count === 0 || (readElement(amin(values), 0) >= lo && readElement(amax(values), 0) <= hi);
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

/**
 * The mean of (x − target)².
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 * @throws {DTypeError} for the mean of integers.
 */
export function mseLoss<X extends Tensor, Y extends Tensor>(x: X, target: Fit<X, Y>, options?: LossOptions): Tensor {
  const reduction = reductionOf('mseLoss', options);
  checkPair('mseLoss', x, target as Tensor);
  return lossOf('mseLoss', lossTerms.squaredError, [x, target as Tensor], reduction, 'MseLossBackward0');
}

/**
 * The mean of |x − target|.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 * @throws {DTypeError} for the mean of integers.
 */
export function l1Loss<X extends Tensor, Y extends Tensor>(x: X, target: Fit<X, Y>, options?: LossOptions): Tensor {
  const reduction = reductionOf('l1Loss', options);
  checkPair('l1Loss', x, target as Tensor);
  return lossOf('l1Loss', lossTerms.absoluteError, [x, target as Tensor], reduction);
}

/**
 * The mean of d²/2β where d = |x − target| < β, and of d − β/2 beyond.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 * @throws {ArgumentError} when β is negative.
 */
export function smoothL1Loss<X extends Tensor, Y extends Tensor>(
  x: X,
  target: Fit<X, Y>,
  options?: LossOptions & { readonly beta?: number },
): Tensor {
  const reduction = reductionOf('smoothL1Loss', options, ['beta']);
  checkPair('smoothL1Loss', x, target as Tensor);
  const beta = options?.beta ?? 1;
  if (!(beta >= 0)) throw new ArgumentError(`smoothL1Loss: smooth_l1_loss does not support negative values for beta.`);
  if (beta === 0) return lossOf('smoothL1Loss', lossTerms.absoluteError, [x, target as Tensor], reduction);
  // With β = 1 it is Huber's loss, which does not divide.
  const terms = beta === 1 && isFloat(x.dtype) ? lossTerms.huber : lossTerms.smoothL1;
  return lossOf('smoothL1Loss', terms, [x, target as Tensor, beta], reduction, 'SmoothL1LossBackward0');
}

/**
 * The mean of d²/2 where d = |x − target| ≤ δ, and of δ (d − δ/2) beyond.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 * @throws {ArgumentError} unless δ is above 0.
 */
export function huberLoss<X extends Tensor, Y extends Tensor>(
  x: X,
  target: Fit<X, Y>,
  options?: LossOptions & { readonly delta?: number },
): Tensor {
  const reduction = reductionOf('huberLoss', options, ['delta']);
  checkPair('huberLoss', x, target as Tensor);
  const delta = options?.delta ?? 1;
  if (!(delta > 0)) throw new ArgumentError('huberLoss: huber_loss does not support non-positive values for delta.');
  return lossOf('huberLoss', lossTerms.huber, [x, target as Tensor, delta], reduction, 'HuberLossBackward0');
}

/**
 * The mean of −w (t log x + (1 − t) log(1 − x)) for probabilities `x`; logarithms are at least −100.
 *
 * @throws {ShapeError} when the shapes differ.
 * @throws {ArgumentError} for a probability in `x` that is not between 0 and 1.
 */
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
  return reduced(
    'binaryCrossEntropy',
    weight === null ? losses : e.mul(losses, weight),
    reduction,
    'BinaryCrossEntropyBackward0',
  );
}

/**
 * The binary cross entropy of σ(x), computed from the logits `x` without overflow:
 * w ((1 − t) x + (1 + (p − 1) t) log(1 + e⁻ˣ)), p the weight of positive targets.
 *
 * @throws {ShapeError} when the shapes differ.
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
  return reduced(
    'binaryCrossEntropyWithLogits',
    weight === null ? losses : e.mul(losses, weight),
    reduction,
    'BinaryCrossEntropyWithLogitsBackward0',
  );
}

/**
 * The divergence Σ t (log t − x) of the log-probabilities `x` from the probabilities `target` (or
 * their logarithms, with `logTarget`). `batchmean` divides the sum by the size of the first dimension.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
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
  const losses = within('klDiv', () =>
    options?.logTarget ? e.mul(e.exp(target), e.sub(target, x)) : e.sub(e.xlogy(target, target), e.mul(target, x)),
  );
  if (reduction !== 'batchmean') return reduced('klDiv', losses, reduction);
  return (x.ndim === 0 ? sum(losses) : e.div(sum(losses), (x.shape as readonly number[])[0])) as Tensor;
}

const poissonTerms = fused('poissonNll', (x, t) => x.exp().sub(t.mul(x)), 2);

/**
 * For a logarithmic rate `x` (or a rate, with `logInput: false`) of a Poisson distribution: eˣ − t x, or x − t log(x +
 * ε).
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 */
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
  if (!full) return reduced('poissonNllLoss', loss, reduction);
  // Stirling's approximation of log t!, for counts above 1.
  const term = e.add(e.sub(e.mul(target, e.log(target)), target), e.mul(e.log(e.mul(target, 2 * Math.PI)), 0.5));
  return reduced('poissonNllLoss', e.add(loss, e.where(e.le(target, 1), 0, term)), reduction);
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

/**
 * ½ (log v + (x − t)²/v), the variances v at least ε (their gradient is as if they were not raised); with `full` also
 * ½ log 2π.
 *
 * @throws {ShapeError} when the shapes do not broadcast.
 * @throws {ArgumentError} for a negative variance.
 */
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
  return reduced('gaussianNllLoss', full ? e.add(loss, 0.5 * Math.log(2 * Math.PI)) : loss, reduction);
}
