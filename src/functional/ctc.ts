import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { vectorOf } from '../ops/create.ts';
import { ctcLosses } from '../ops/ctc.ts';
import * as e from '../ops/elementwise.ts';
import { checkReduction, type Reduction } from '../ops/loss.ts';
import { mean, sum } from '../ops/reduce.ts';
import { select } from '../ops/slices.ts';
import { unsqueeze } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Whole numbers that are read by the program: lengths and labels. */
function whole(name: string, x: Tensor | readonly number[]): readonly number[] {
  const listed = Array.isArray(x);
  if (!listed) checkTensors('ctcLoss', x);
  const values: readonly number[] = listed ? x : Array.from((x as Tensor).toTypedArray());
  if ((!listed && isFloat((x as Tensor).dtype)) || !values.every(Number.isInteger))
    throw new DTypeError(`ctcLoss: ${name} must be integral`);
  return values;
}

interface Targets {
  /** Of each example its labels, as many as the longest has. */
  readonly labels: readonly number[][];
  readonly lengths: readonly number[];
}

function targetsOf(targets: Tensor, given: readonly number[], n: number): Targets {
  if (given.length !== n)
    throw new ShapeError(`ctcLoss: target_lengths must be of size batch_size, ${n}, got ${given.length}`);
  for (const length of given)
    if (length < 0)
      throw new ArgumentError(`ctcLoss: Expected target_lengths to have value at least 0, but got value ${length}`);
  const longest = Math.max(0, ...given);
  const all = whole('targets', targets);
  const { shape } = targets as { readonly shape: readonly number[] };
  const rows = shape.length > 1;
  const columns = shape[shape.length - 1] ?? 1;
  const room = given.reduce((s, m) => s + m, 0);
  if (rows ? shape[0] !== n : columns !== room)
    throw new ShapeError(
      `ctcLoss: Expected tensor to have size ${rows ? n : room} at dimension 0, but got size ${shape[0] ?? 1} for argument 'targets'`,
    );
  if (rows && longest > columns)
    throw new ShapeError(
      `ctcLoss: Expected tensor to have size at least ${longest} at dimension 1, but got size ${columns} for argument 'targets'`,
    );
  let from = 0;
  const labels = given.map((length, i) => {
    const at = rows ? i * columns : from;
    from += length;
    return all.slice(at, at + length);
  });
  return { labels, lengths: given };
}

export interface CtcLossOptions {
  /** The label that stands for none, 0 by default. */
  readonly blank?: number;
  readonly reduction?: Reduction;
  /** Losses that are infinite, of targets that do not fit, count 0 and have no gradient. */
  readonly zeroInfinity?: boolean;
}

/**
 * Connectionist temporal classification (Graves et al. 2006): −log of the probability that `logProbs`, [T, N, C] or
 * [T, C], reads as the targets when repeated labels are taken for one and blanks are left out. `targets` are int32, a row
 * [N, S] for each example or all one after the other; lengths are those of each example, in steps and labels. The mean is
 * that of losses divided by the length of their target.
 *
 * The gradient is that by `logProbs`; PyTorch's has in it what `logSoftmax` adds. Behind a `logSoftmax` they are the same.
 * That of an infinite loss is NaN.
 *
 * @throws {ArgumentError} when a length or a label is out of range, or the blank is no label.
 * @throws {ShapeError} when lengths are not as many as examples, or targets not as many as their lengths say.
 * @throws {DTypeError} when `logProbs` are not floating point, or targets or lengths not whole numbers.
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Tensor | readonly number[],
  targetLengths: Tensor | readonly number[],
  options?: CtcLossOptions,
): Tensor {
  checkOptions('ctcLoss', options, ['blank', 'reduction', 'zeroInfinity']);
  checkTensors('ctcLoss', logProbs, targets);
  const { blank = 0, reduction = 'mean', zeroInfinity = false } = options ?? {};
  checkReduction('ctcLoss', reduction);
  const rank = logProbs.ndim;
  if (rank !== 2 && rank !== 3)
    throw new ShapeError(
      `ctcLoss: Expected 3-dimensional tensor, but got ${rank}-dimensional tensor for argument 'logProbs' (2-dimensional without a batch)`,
    );
  if (!isFloat(logProbs.dtype)) throw new DTypeError(`ctcLoss: "ctc_loss_cpu" not implemented for '${logProbs.dtype}'`);
  const x = rank === 3 ? (logProbs as TensorBase) : unsqueeze(logProbs, 1);
  const [steps, n, classes] = x.shape as readonly [number, number, number];
  if (!(Number.isInteger(blank) && blank >= 0 && blank < classes))
    throw new ArgumentError(`ctcLoss: blank must be in label range, 0 to ${classes - 1}, got ${String(blank)}`);
  const times = whole('input_lengths', inputLengths);
  if (times.length !== n)
    throw new ShapeError(`ctcLoss: input_lengths must be of size batch_size, ${n}, got ${times.length}`);
  for (const time of times)
    if (!(time >= 0 && time <= steps))
      throw new ArgumentError(
        `ctcLoss: Expected input_lengths to have value at most ${steps} (and at least 0), but got value ${time}`,
      );
  const known = targetsOf(targets, whole('target_lengths', targetLengths), n);
  for (const label of known.labels.flat())
    if (!(label >= 0 && label < classes))
      throw new ArgumentError(`ctcLoss: targets must be labels from 0 to ${classes - 1}, got ${label}`);
  const found = ctcLosses(x, known.labels, times, blank);
  const losses = zeroInfinity ? e.where(e.eq(found, Number.POSITIVE_INFINITY), 0, found) : found;
  if (reduction === 'sum') return sum(losses) as Tensor;
  if (reduction === 'none') return (rank === 3 ? losses : select(losses, 0, 0)) as Tensor;
  return mean(
    e.div(
      losses,
      vectorOf(
        known.lengths.map((m) => Math.max(1, m)),
        x.dtype,
      ),
    ),
  ) as Tensor;
}
