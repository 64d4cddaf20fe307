import { MapKernel } from '../backends/wasm/map.ts';
import { apply1, isBare } from '../core/apply.ts';
import { byDType, type DType, dtypeInfo } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { trace } from '../kernels/build.ts';
import type { Scalar, ScalarMask } from '../kernels/scalar.ts';
import { copyKernel } from './copy.ts';
import { integers, onesLike, vectorOf, zeros } from './create.ts';
import { eq, lt, mul, neg, where } from './elementwise.ts';
import { batch, gather, scatterAdd } from './indexing.ts';
import { stack } from './join.ts';
import { logsumexp } from './logsumexp.ts';
import { constantPad } from './pad.ts';
import { sum } from './reduce.ts';
import { narrow, select } from './slices.ts';
import { softmax } from './softmax.ts';
import { fused } from './user-elementwise.ts';
import { expand, flatten, movedim, reshape, unsqueeze } from './view.ts';

/*
 * Connectionist temporal classification (Graves et al. 2006, section 4). A reading goes from place to place: blanks and,
 * between them, labels. α is the log-probability to be at a place having read what comes before it, and β, with the
 * places and steps the other way round, to read from there what comes behind it; both have the place's own in them.
 */

/** The log of what is impossible, finite so that differences of such are numbers. */
const NEVER = -1e30;

/** The log of what adds nothing to 1, and is still one of the arguments for which exponentials are fast. */
const LEAST = -80;

const impossible = (p: Scalar): ScalarMask => p.le(NEVER / 2);

/**
 * log(eᵃ + eᵇ + eᶜ) + p: the log-probability to be at a place, having been there (a) before, at the one before it (b), or
 * two before it (c, where one may be skipped). While an example goes on; what it was, from then on.
 */
function step(...xs: readonly Scalar[]): Scalar {
  const [a, b, c, skips, time, t, p] = xs as [Scalar, Scalar, Scalar, Scalar, Scalar, Scalar, Scalar];
  const two = skips.gt(0).where(c, NEVER);
  const most = a.max(b).max(two);
  const share = (x: Scalar): Scalar => x.sub(most).max(LEAST).exp();
  const total = share(a).add(share(b)).add(share(two)).log().add(most);
  // Whatever came there, so that nothing passes from an example to its neighbour.
  return time.gt(t).where(impossible(p).where(NEVER, total.add(p)), a);
}

const stepOp = fused('ctcStep', step, 7);
const stepKernel = byDType((dtype) => {
  const ins = [dtype, dtype, dtype, dtype, dtype, 'scalar', dtype] as const;
  return new MapKernel(trace(step, 7, 'ctcStep'), dtypeInfo(dtype).compute, ins, [dtype]);
});

/** Log-probabilities at places, finite; none where there is no place. */
const emitted = fused('ctcEmitted', (p, place) => place.gt(0).where(p.lt(NEVER).where(NEVER, p), NEVER), 2);

/** The log of what goes through a place at a step. */
const through = fused('ctcThrough', (a, b, p) => impossible(p).where(NEVER, a.add(b).sub(p)), 3);

interface CtcAttrs {
  /** Of each example its labels, and for how many steps it goes on. */
  readonly labels: readonly (readonly number[])[];
  readonly times: readonly number[];
  readonly blank: number;
}

/** Columns beside the places of an example: where readings begin or end, and as far as two can be skipped from there. */
const EDGE = 2;

/** What all steps have in common: rows of all examples' places one behind the other. */
interface Places {
  readonly columns: number;
  /** [N, columns] */
  readonly path: TensorBase;
  readonly exist: TensorBase;
  readonly beginnings: TensorBase;
  readonly endings: TensorBase;
  /** [N · columns]; the first has columns behind it. */
  readonly skips: TensorBase;
  readonly times: TensorBase;
  /** Columns in which an example may end: [N, 2]. */
  readonly last: TensorBase;
}

function placesOf({ labels, times, blank }: CtcAttrs, dtype: DType): Places {
  const columns = 2 * Math.max(0, ...labels.map((row) => row.length)) + 1 + 2 * EDGE;
  const width = labels.length * columns;
  const path = new Int32Array(width).fill(blank);
  const exist = new Float64Array(width);
  const beginnings = new Float64Array(width).fill(NEVER);
  const endings = beginnings.slice();
  const skips = new Float64Array(width + EDGE);
  const last = new Int32Array(2 * labels.length);
  labels.forEach((row, i) => {
    const first = i * columns + EDGE;
    const behind = 2 * row.length + 1;
    exist.fill(1, first, first + behind);
    row.forEach((label, k) => {
      path[first + 2 * k + 1] = label;
      skips[first + 2 * k + 1] = Number(k === 0 || (label !== row[k - 1] && label !== blank));
    });
    skips[first + behind] = 1;
    beginnings[first - 1] = 0;
    endings[first + behind] = 0;
    last.set([EDGE + behind - 1, EDGE + behind - 2], 2 * i);
  });
  const rows = (values: Float64Array): TensorBase => reshape(vectorOf(values, dtype), [labels.length, columns]);
  return {
    columns,
    path: integers(path, [labels.length, columns]),
    exist: rows(exist),
    beginnings: rows(beginnings),
    endings: rows(endings),
    skips: vectorOf(skips, dtype),
    times: vectorOf(
      Float64Array.from({ length: width }, (_, k) => times[Math.floor(k / columns)] as number),
      dtype,
    ),
    last: integers(last, [labels.length, 2]),
  };
}

/**
 * The states before the first step and after each, or of readings backwards before the last step and before all that
 * are read after it: [T + 1, N, columns].
 */
function states(p: TensorBase, places: Places, forwards: boolean): TensorBase {
  const [steps, n, columns] = p.shape as readonly [number, number, number];
  const width = n * columns;
  const { times, beginnings, endings } = places;
  const start = reshape(forwards ? beginnings : endings, [width]);
  const skips = narrow(places.skips, 0, forwards ? 0 : EDGE, width);
  const order = Array.from({ length: steps }, (_, k) => (forwards ? k : steps - 1 - k));
  const towards = forwards ? -1 : 1;
  if (!isBare([p])) {
    const list = [start];
    for (const t of order) {
      const wide = constantPad(list[list.length - 1] as TensorBase, [[EDGE, EDGE]], NEVER);
      const [a, b, c] = [0, 1, 2].map((d) => narrow(wide, 0, EDGE + d * towards, width)) as TensorBase[];
      list.push(stepOp(a, b, c, skips, times, t, reshape(select(p, 0, t), [width])));
    }
    return reshape(stack(forwards ? list : list.toReversed()), [steps + 1, n, columns]);
  }
  // Rows one behind the other, so that what lies beside a place is beside it in memory.
  const rows = fresh([(steps + 1) * width + 2 * EDGE], p.dtype);
  const part = (of: TensorBase, at: number): TensorBase => alias(of, [width], [1], at);
  const row = (t: number, d = 0): TensorBase => part(rows, EDGE + t * width + d * towards);
  const kernel = stepKernel(p.dtype);
  copyKernel(p.dtype, p.dtype).run([row(forwards ? 0 : steps)], [start]);
  for (const t of order) {
    const [from, to] = forwards ? [t, t + 1] : [t + 1, t];
    kernel.run([row(to)], [row(from), row(from, 1), row(from, 2), skips, times, t, part(p, p.offset + t * width)]);
  }
  return alias(rows, [steps + 1, n, columns], [width, columns, 1], EDGE);
}

function emissions(x: TensorBase, { path, exist, columns }: Places): TensorBase {
  return emitted(gather(x, 2, expand(path, [x.shape[0] as number, path.shape[0] as number, columns])), exist);
}

function losses(x: TensorBase, attrs: CtcAttrs): TensorBase {
  const places = placesOf(attrs, x.dtype);
  const steps = x.shape[0] as number;
  const found = select(states(emissions(x, places), places, true), 0, steps);
  const total = logsumexp(gather(found, 1, places.last), [1]);
  const loss = where(lt(total, NEVER / 2), Number.POSITIVE_INFINITY, neg(total));
  // An example of no steps reads as no labels.
  const empty = attrs.times.map((time, i) => Number(time === 0 && attrs.labels[i]?.length === 0));
  return empty.includes(1) ? where(eq(vectorOf(empty, x.dtype), 0), loss, 0) : loss;
}

/**
 * x̄[t, n, c] = −ȳ[n] Σ softmax(α + β − p) over the places of label c at step t. At every step the sum of eᵅ⁺ᵝ⁻ᵖ over all
 * places is the probability of the target; to divide by it as it came out takes away what rounding has added up to then.
 */
function gradient(g: TensorBase, x: TensorBase, y: TensorBase, attrs: CtcAttrs): TensorBase {
  const places = placesOf(attrs, x.dtype);
  const [steps, n] = x.shape as readonly [number, number, number];
  const p = emissions(x, places);
  const [a, b] = [narrow(states(p, places, true), 0, 1, steps), narrow(states(p, places, false), 0, 0, steps)];
  const goesOn = Float64Array.from({ length: steps * n }, (_, k) =>
    Number((attrs.times[k % n] as number) > Math.floor(k / n)),
  );
  // As PyTorch's, so that nobody trains on with what has no direction; none where nothing is asked of the loss.
  const impassable = where(eq(g, 0), 0, Number.NaN);
  const within = eq(reshape(vectorOf(goesOn, x.dtype), [steps, n]), 1);
  const by = where(within, where(eq(y, Number.POSITIVE_INFINITY), impassable, neg(g)), 0);
  const terms = mul(softmax(through(a, b, p), 2), unsqueeze(by, 2));
  return scatterAdd(zeros(x.shape, x.dtype), 2, expand(places.path, p.shape), terms);
}

const ctcOp: Op<CtcAttrs> = defineOp({
  name: 'ctc',
  inputs: ['x'],
  forward: ([x], attrs) => internally(() => losses(x, attrs)),
  vjp: {
    x: [
      ['x', 'y'],
      (g, [x, y], { attrs }) => {
        const find = (): TensorBase => gradient(g, x, y, attrs);
        return isBare([g, x, y]) ? internally(find) : find();
      },
    ],
  },
  jvp: ({ inputs: [x], tangents: [tx], outputs: [y], attrs }) =>
    sum(mul(gradient(onesLike(y), x as TensorBase, y, attrs), tx as TensorBase), [0, 2]),
  vmap: ([x], batched, { labels, times, blank }, size) => {
    const all = movedim(batch(x, batched[0], size), 0, 1);
    const each = <T>(list: readonly T[]): T[] => Array.from({ length: size }, () => list).flat();
    const y = apply1(ctcOp, [flatten(all, 1, 2)], { labels: each(labels), times: each(times), blank });
    return reshape(y, [size, labels.length]);
  },
});

/** The losses of `x`, log-probabilities [T, N, C], by labels and numbers of steps of every example: [N]. */
export const ctcLosses = (
  x: TensorBase,
  labels: readonly (readonly number[])[],
  times: readonly number[],
  blank: number,
): TensorBase => apply1(ctcOp, [x], { labels, times, blank });
