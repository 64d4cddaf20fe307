/** The loss of connectionist temporal classification against the sum over all readings. */
import {
  ArgumentError,
  autograd,
  DTypeError,
  functional as F,
  grad,
  jvp,
  randn,
  ShapeError,
  type Tensor,
  tensor,
  vjp,
  vmap,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError } from '../support/close.ts';
import { spreadTensor } from '../support/numbers.ts';

/** −log Σ of the probabilities of all sequences of labels that read as `target`. */
function allReadings(logProbs: readonly (readonly number[])[], target: readonly number[], blank: number): number {
  const classes = (logProbs[0] as readonly number[]).length;
  let total = 0;
  for (let code = 0; code < classes ** logProbs.length; code++) {
    const path = logProbs.map((_, t) => Math.floor(code / classes ** t) % classes);
    const read = path.filter((label, t) => label !== blank && label !== path[t - 1]);
    if (read.join() === target.join())
      total += Math.exp(path.reduce((s, label, t) => s + (logProbs[t]?.[label] as number), 0));
  }
  return -Math.log(total);
}

const int = (values: number[] | number[][]): Tensor => tensor(values, { dtype: 'int32' });
const logits = spreadTensor([6, 3, 4], -2, 2, 5);
const logProbs = logits.logSoftmax(2);
const targets = int([
  [1, 1, 2],
  [3, 0, 0],
  [2, 1, 3],
]);
const [times, lengths] = [
  [6, 5, 4],
  [3, 1, 2],
];

describe('ctcLoss', () => {
  it('is the sum over all readings', () => {
    const rows = logProbs.toArray() as number[][][];
    const losses = F.ctcLoss(logProbs, targets, times, lengths, { reduction: 'none' });
    const expected = times.map((time, i) =>
      allReadings(
        rows.slice(0, time).map((step) => step[i] as number[]),
        (targets.toArray() as number[][])[i]?.slice(0, lengths[i]) as number[],
        0,
      ),
    );
    expectClose(losses, tensor(expected, { dtype: 'float64' }));
    expect(F.ctcLoss(logProbs, targets, times, lengths, { reduction: 'sum' }).item()).toBeCloseTo(
      losses.sum().item(),
      12,
    );
    expect(F.ctcLoss(logProbs, targets, times, lengths).item()).toBeCloseTo(
      losses
        .div(tensor(lengths, { dtype: 'float64' }))
        .mean()
        .item(),
      12,
    );
    // All targets one after the other, and without a batch.
    expectClose(F.ctcLoss(logProbs, int([1, 1, 2, 3, 2, 1]), int(times), int(lengths), { reduction: 'none' }), losses);
    expectClose(
      F.ctcLoss(logProbs.select(1, 0), int([1, 1, 2]), int([6]), [3], { reduction: 'none' }),
      losses.select(0, 0),
    );
    const other = F.ctcLoss(
      logProbs,
      int([
        [0, 1, 1],
        [2, 0, 0],
        [1, 1, 0],
      ]),
      times,
      lengths,
      { reduction: 'none', blank: 3 },
    );
    expect(other.select(0, 0).item()).toBeCloseTo(
      allReadings(
        rows.map((step) => step[0] as number[]),
        [0, 1, 1],
        3,
      ),
      10,
    );
  });

  it('has its derivatives', () => {
    const f = (x: Tensor): Tensor => F.ctcLoss(x.logSoftmax(-1), targets, times, lengths);
    expect(autograd.gradcheck(f, [logits.clone().requiresGrad_()])).toBe(true);
    expect(autograd.gradgradcheck(f, [logits.clone().requiresGrad_()])).toBe(true);
    // Of log-probabilities that nothing normalizes as well.
    const plain = (x: Tensor): Tensor => F.ctcLoss(x, targets, times, lengths, { reduction: 'sum' });
    expect(autograd.gradcheck(plain, [logProbs.clone().requiresGrad_()])).toBe(true);
    const v = randn([6, 3, 4], { dtype: 'float64' });
    const [, tangent] = jvp(f, [logits], [v]);
    expect(tangent.item()).toBeCloseTo(grad(f)(logits).mul(v).sum().item(), 10);
    const many = spreadTensor([2, 6, 3, 4], -2, 2, 7);
    const mapped = vmap(grad(f))(many);
    expectClose(mapped.select(0, 1), grad(f)(many.select(0, 1)));
  });

  it('of what cannot be is infinite, or nothing', () => {
    const options = { reduction: 'none' } as const;
    const short = F.ctcLoss(logProbs, targets, [3, 5, 4], lengths, options);
    expect(short.select(0, 0).item()).toBe(Number.POSITIVE_INFINITY);
    const f = (x: Tensor): Tensor =>
      F.ctcLoss(x, targets, [3, 5, 0], lengths, { reduction: 'sum', zeroInfinity: true });
    expect(f(logProbs).item()).toBeCloseTo(short.select(0, 1).item(), 12);
    const g = grad(f)(logProbs);
    expect(g.select(1, 0).abs().sum().item()).toBe(0);
    expect(g.select(1, 2).abs().sum().item()).toBe(0);
    expect(g.select(1, 1).slice(0, 0, 5).sum().item()).toBeCloseTo(-5, 10);
    expect(F.ctcLoss(logProbs, targets, [0, 0, 0], [0, 0, 1], options).toArray()).toEqual([
      0,
      0,
      Number.POSITIVE_INFINITY,
    ]);
    // As in PyTorch, for as many steps as the example has.
    const open = (x: Tensor): Tensor => F.ctcLoss(x.logSoftmax(-1), targets, [3, 5, 4], lengths, options);
    const [, back] = vjp(open, logits);
    const [asked] = back(tensor([1, 1, 1], { dtype: 'float64' }));
    expect(asked.select(1, 0).slice(0, 0, 3).isnan().all().item()).toBe(1);
    expect(asked.select(1, 0).slice(0, 3).abs().sum().item()).toBe(0);
    expect(asked.slice(1, 1).isfinite().all().item()).toBe(1);
    expectClose(back(tensor([0, 1, 1], { dtype: 'float64' }))[0].slice(1, 1), asked.slice(1, 1));
    expect(
      back(tensor([0, 1, 1], { dtype: 'float64' }))[0]
        .isfinite()
        .all()
        .item(),
    ).toBe(1);
    // A probability of 0 is possible, and in nobody's way.
    const never = logProbs.clone().setAt_([':', ':', 1], Number.NEGATIVE_INFINITY);
    expect(F.ctcLoss(never, targets, times, lengths, options).toArray()).toEqual([
      Number.POSITIVE_INFINITY,
      F.ctcLoss(never, int([[3], [3], [3]]), times, [1, 1, 1], options)
        .select(0, 1)
        .item(),
      Number.POSITIVE_INFINITY,
    ]);
    expect(F.ctcLoss(logProbs.mul(Number.NaN), targets, times, lengths).item()).toBeNaN();
  });

  it('refuses what does not fit, in PyTorch’s words', () => {
    expectError(
      () => F.ctcLoss(logProbs, targets, times, lengths, { blank: 4 }),
      ArgumentError,
      'blank must be in label range',
    );
    expectError(
      () => F.ctcLoss(logProbs, targets, [6], lengths),
      ShapeError,
      'input_lengths must be of size batch_size',
    );
    expectError(() => F.ctcLoss(logProbs, targets, 6 as never, lengths), ArgumentError, 'ctcLoss: expected a Tensor');
    expectError(
      () => F.ctcLoss(logProbs, targets, times, [3]),
      ShapeError,
      'target_lengths must be of size batch_size',
    );
    expectError(
      () => F.ctcLoss(logProbs, targets, [7, 5, 4], lengths),
      ArgumentError,
      'Expected input_lengths to have value at most 6',
    );
    expectError(
      () => F.ctcLoss(logProbs, targets, times, [4, 1, 2]),
      ShapeError,
      'Expected tensor to have size at least 4 at dimension 1',
    );
    expectError(
      () => F.ctcLoss(logProbs, int([1, 2]), times, lengths),
      ShapeError,
      'Expected tensor to have size 6 at dimension 0',
    );
    expectError(() => F.ctcLoss(logProbs, targets.float(), times, lengths), DTypeError, 'targets must be integral');
    expectError(
      () => F.ctcLoss(logProbs, targets.add(9), times, lengths),
      ArgumentError,
      'targets must be labels from 0 to 3',
    );
    expectError(
      () => F.ctcLoss(logProbs.select(0, 0).select(0, 0), targets, times, lengths),
      ShapeError,
      'Expected 3-dimensional tensor',
    );
  });
});
