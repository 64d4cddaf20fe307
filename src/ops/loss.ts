import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { numel, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { full } from './create.ts';
import { add, div, eq, mul, neg, where } from './elementwise.ts';
import { indexSelect } from './index-slices.ts';
import { named } from './named.ts';
import { pickLoss, type Reduction } from './nll.ts';
import { sum } from './reduce.ts';
import { logSoftmax } from './softmax.ts';
import { vecdot } from './vecdot.ts';
import { expand, reshape } from './view.ts';

export type { Reduction } from './nll.ts';

const reductions: readonly string[] = ['none', 'mean', 'sum'];

/** Refuses what is no reduction. */
export function checkReduction(op: string, reduction: string): void {
  if (!reductions.includes(reduction))
    throw new ArgumentError(
      `${op}: ${reduction} is not a valid value for reduction: ${reduction} is not valid, it is one of ${reductions.join(', ')}`,
    );
}

export interface NllLossOptions {
  readonly weight?: TensorBase | null;
  readonly ignoreIndex?: number;
  readonly reduction?: Reduction;
}

/**
 * The negative log likelihood loss: −w[c] x[c] at each target class c. `x` is [C], [N, C] or
 * [N, C, d…] with targets of shape [], [N] or [N, d…] (int32). Targets equal to `ignoreIndex` count
 * nothing; the mean is over the weights of those that count.
 */
export function nllLoss(
  x: TensorBase,
  target: TensorBase,
  { weight = null, ignoreIndex = -100, reduction = 'mean' }: NllLossOptions = {},
  op = 'nllLoss',
): TensorBase {
  checkTensors(op, x, target);
  checkReduction(op, reduction);
  const rank = x.shape.length;
  if (rank === 0) throw new ShapeError(`${op}: input tensor should be 1D or more, got a 0-dim tensor`);
  if (target.dtype !== 'int32' && target.dtype !== 'uint8')
    throw new DTypeError(
      `${op}: expected scalar type Int for the target classes but found ${target.dtype}; convert with target.to('int32')`,
    );
  const classDim = rank === 1 ? 0 : 1;
  const classes = x.shape[classDim];
  const expected = x.shape.toSpliced(classDim, 1);
  if (!sameShape(target.shape, expected)) {
    const batch =
      rank > 1 && target.shape.length > 0 && target.shape[0] !== x.shape[0]
        ? `Expected input batch_size (${x.shape[0]}) to match target batch_size (${target.shape[0]}). `
        : '';
    throw new ShapeError(
      `${op}: ${batch}size mismatch (got input: ${shapeText(x.shape)}, target: ${shapeText(target.shape)}); the target needs shape ${shapeText(expected)}`,
    );
  }
  if (weight !== null && (weight.shape.length !== 1 || weight.shape[0] !== classes)) {
    throw new ShapeError(
      `${op}: weight tensor should be defined either for all ${classes} classes or no classes but got weight tensor of shape: ${shapeText(weight.shape)}`,
    );
  }
  if (!isFloat(x.dtype))
    throw new DTypeError(
      `${op}: "nll_loss_out_frame" not implemented for '${x.dtype}'; convert with x.to('float32') first`,
    );
  const classOf = toDType(target, 'int32');
  if (weight === null) return pickLoss(x, classOf, ignoreIndex, reduction);
  // −x at the targets that count, 0 at the others.
  const picked = pickLoss(x, classOf, ignoreIndex, 'none');
  const ignored = eq(classOf, ignoreIndex);
  const safe = reshape(where(ignored, 0, classOf), [numel(target.shape)]);
  const w = where(ignored, 0, reshape(indexSelect(weight, 0, safe), target.shape));
  const losses = mul(picked, w);
  const y = reduction === 'none' ? losses : reduction === 'sum' ? sum(losses) : div(sum(losses), sum(w));
  return named(y, rank > 2 ? 'NllLoss2DBackward0' : 'NllLossBackward0');
}

export interface CrossEntropyOptions extends NllLossOptions {
  readonly labelSmoothing?: number;
}

/**
 * The cross entropy of logits `x` ([C], [N, C] or [N, C, d…]) with target classes (int32, without the
 * class dimension) or target probabilities (of the shape of `x`):
 * ℓ = −Σ_c w_c t_c log softmax(x)_c, the targets smoothed to (1 − ε) t + ε/C.
 */
export function crossEntropy(x: TensorBase, target: TensorBase, options: CrossEntropyOptions = {}): TensorBase {
  checkTensors('crossEntropy', x, target);
  const { weight = null, ignoreIndex = -100, reduction = 'mean', labelSmoothing = 0 } = options;
  checkReduction('crossEntropy', reduction);
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new ArgumentError(
      `crossEntropy: labelSmoothing (label_smoothing) must be between 0.0 and 1.0. Got: ${labelSmoothing}`,
    );
  const rank = x.shape.length;
  if (rank === 0) throw new ShapeError('crossEntropy: input tensor should be 1D or more, got a 0-dim tensor');
  const classDim = rank === 1 ? 0 : 1;
  const logp = within('crossEntropy', () => logSoftmax(x, classDim));
  const along = (w: TensorBase): TensorBase =>
    reshape(
      w,
      x.shape.map((_, d) => (d === classDim ? w.shape[0] : 1)),
    );
  if (sameShape(x.shape, target.shape)) {
    if (ignoreIndex >= 0)
      throw new ArgumentError('crossEntropy: ignore_index (ignoreIndex) is not supported for floating point target');
    return withProbabilities(logp, target, weight === null ? null : along(weight), classDim, reduction, labelSmoothing);
  }
  const exact = nllLoss(logp, target, { weight, ignoreIndex, reduction }, 'crossEntropy');
  if (labelSmoothing === 0) return exact;
  return smoothed(logp, exact, target, weight, classDim, ignoreIndex, reduction, labelSmoothing);
}

function withProbabilities(
  logp: TensorBase,
  target: TensorBase,
  weight: TensorBase | null,
  classDim: number,
  reduction: Reduction,
  eps: number,
): TensorBase {
  if (!isFloat(target.dtype))
    throw new DTypeError(
      `crossEntropy: Expected floating point type for target with class probabilities, got ${target.dtype}`,
    );
  const classes = logp.shape[classDim];
  const t = eps > 0 ? add(mul(target, 1 - eps), eps / classes) : target;
  const losses = neg(vecdot(logp, weight === null ? t : mul(t, weight), classDim));
  if (reduction === 'none') return losses;
  const total = sum(losses);
  return reduction === 'sum' ? total : div(total, logp.count / classes);
}

/** (1 − ε) ℓ + ε/C Σ_c ℓ_c over the targets that count. */
function smoothed(
  logp: TensorBase,
  exact: TensorBase,
  target: TensorBase,
  weight: TensorBase | null,
  classDim: number,
  ignoreIndex: number,
  reduction: Reduction,
  eps: number,
): TensorBase {
  const classes = logp.shape[classDim];
  const perClass =
    weight === null
      ? logp
      : mul(
          logp,
          reshape(
            weight,
            logp.shape.map((_, d) => (d === classDim ? classes : 1)),
          ),
        );
  const ignored = eq(target, ignoreIndex);
  const even = where(ignored, 0, neg(sum(perClass, classDim)));
  const combine = (smooth: TensorBase): TensorBase => add(mul(exact, 1 - eps), mul(smooth, eps / classes));
  if (reduction === 'none') return combine(even);
  if (reduction === 'sum') return combine(sum(even));
  const counted = where(
    ignored,
    0,
    weight === null
      ? expand(full([], 1, logp.dtype), target.shape)
      : reshape(indexSelect(weight, 0, reshape(where(ignored, 0, target), [target.count])), target.shape),
  );
  return combine(div(sum(even), sum(counted)));
}
