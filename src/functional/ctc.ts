import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { full, integers, vectorOf } from '../ops/create.ts';
import * as e from '../ops/elementwise.ts';
import { gather } from '../ops/indexing.ts';
import { logsumexp } from '../ops/logsumexp.ts';
import { checkReduction, type Reduction } from '../ops/loss.ts';
import { constantPad } from '../ops/pad.ts';
import { mean, sum } from '../ops/reduce.ts';
import { narrow, select } from '../ops/slices.ts';
import { fused } from '../ops/user-elementwise.ts';
import { expand, reshape, unsqueeze } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The log of what is impossible, finite so that differences of such are numbers. */
const NEVER = -1e30;

/**
 * log(eᵃ + eᵇ + eᶜ) + p: the log-probability to be at a label, having been there (a) before, at the one before it (b), or
 * two before it (c, where one may be skipped). While an example goes on; what it was, from then on.
 */
const step = fused(
  'ctcStep',
  (a, b, c, skips, goesOn, p) => {
    const two = skips.gt(0).where(c, NEVER);
    const most = a.max(b).max(two);
    const total = a.sub(most).exp().add(b.sub(most).exp()).add(two.sub(most).exp()).log().add(most);
    return goesOn.gt(0).where(total.add(p.lt(NEVER).where(NEVER, p)), a);
  },
  6,
);

/** Whole numbers that are read by the program: lengths and labels. */
function whole(name: string, x: Tensor | readonly number[]): readonly number[] {
  const listed = Array.isArray(x);
  if (!listed) checkTensors('ctcLoss', x);
  const values: readonly number[] = listed ? x : Array.from((x as Tensor).toTypedArray());
  if ((!listed && isFloat((x as Tensor).dtype)) || !values.every(Number.isInteger))
    throw new DTypeError(`ctcLoss: ${name} must be integral`);
  return values;
}

const ALL = [0, 0] as const;

interface Targets {
  /** Of each example its labels, as many as the longest has. */
  readonly labels: readonly number[][];
  readonly lengths: readonly number[];
  readonly longest: number;
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
  return { labels, lengths: given, longest };
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
  const losses = lossesOf(x, known, times, blank, zeroInfinity);
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

function lossesOf(
  x: TensorBase,
  { labels, lengths, longest }: Targets,
  times: readonly number[],
  blank: number,
  zeroInfinity: boolean,
): TensorBase {
  const [steps, n, classes] = x.shape as readonly [number, number, number];
  // Blanks stand before, between and behind the labels.
  const places = 2 * longest + 1;
  const numbers = (truths: readonly boolean[]): TensorBase => vectorOf(truths.map(Number), x.dtype);
  const path = new Int32Array(n * places).fill(blank);
  const skips = new Float64Array(n * places);
  labels.forEach((row, i) => {
    row.forEach((label, k) => {
      if (!(label >= 0 && label < classes))
        throw new ArgumentError(`ctcLoss: targets must be labels from 0 to ${classes - 1}, got ${label}`);
      path[i * places + 2 * k + 1] = label;
      skips[i * places + 2 * k + 1] = k === 0 || (label !== row[k - 1] && label !== blank) ? 1 : 0;
    });
  });
  const maySkip = reshape(vectorOf(skips, x.dtype), [n, places]);
  const at = expand(unsqueeze(integers(path, [n, places]), 0), [steps, n, places]);
  const emitted = gather(x, 2, at);
  // Two columns in front, in the second of which every path begins.
  const before = (state: TensorBase, columns: number, value: number): TensorBase =>
    constantPad(state, [ALL, [columns, 0]], value);
  let state = before(before(full([n, places], NEVER, x.dtype), 1, 0), 1, NEVER);
  for (let t = 0; t < steps; t++) {
    const [c, b, a] = [0, 1, 2].map((d) => narrow(state, 1, d, places)) as [TensorBase, TensorBase, TensorBase];
    const goesOn = unsqueeze(numbers(times.map((time) => t < time)), 1);
    state = before(step(a, b, c, maySkip, goesOn, select(emitted, 0, t)), 2, NEVER);
  }
  const ends = Int32Array.from(lengths.flatMap((m) => [2 * m + 2, 2 * m + 1]));
  const total = logsumexp(gather(state, 1, integers(ends, [n, 2])), [1]);
  const found = e.where(e.lt(total, NEVER / 2), zeroInfinity ? 0 : Number.POSITIVE_INFINITY, e.neg(total));
  // An example of no steps reads as no labels.
  const empty = times.map((time, i) => time === 0 && lengths[i] === 0);
  return empty.includes(true) ? e.where(e.ne(numbers(empty), 0), 0, found) : found;
}
