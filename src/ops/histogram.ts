import { integerRange, scatterAdd as scatterAddKernel, tally } from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, notDifferentiable, type Op } from '../core/op.ts';
import { numel, shapeText } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { contiguous, toDType } from './copy.ts';
import { full, zeros } from './create.ts';
import { add, eq, isfinite, logicalAnd, logicalNot, sub } from './elementwise.ts';
import { amax, amin } from './extrema.ts';
import { anyNonzero } from './inspect.ts';
import { narrow } from './slices.ts';
import { fused } from './user-elementwise.ts';
import { expand, reshape } from './view.ts';

/* How many elements there are of each number, or in each bin. */

const nonNegative = (x: TensorBase): ArgumentError =>
  new ArgumentError(
    `bincount: bincount only supports 1-d non-negative integral inputs. The input has shape ${shapeText(x.shape)} and dtype ${x.dtype}`,
  );

const bincountOp: Op<{ readonly minlength: number }> = defineOp({
  name: 'bincount',
  inputs: ['x', 'weights'],
  forward: ([x, weights], { minlength }) => {
    const dtype = weights === undefined ? 'int32' : weights.dtype;
    if (x.count === 0) return zeros([minlength], dtype);
    return internally(() => {
      const places = contiguous(toDType(x, 'int32'));
      const [least, most] = integerRange(places);
      if (least < 0) throw nonNegative(x);
      const y = zeros([Math.max(minlength, most + 1)], dtype);
      if (weights === undefined) tally(y, places);
      else scatterAddKernel(y, 0, places, weights);
      return y;
    });
  },
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: () => {
    throw new NotImplementedError(
      'vmap: bincount: We do not support batching operators that can output dynamic shape: its size is the largest number of every example',
    );
  },
});

/** y[k] is how often k occurs in `x`, or the sum of the weights where it does; y has at least `minlength` elements. */
export function bincount(x: TensorBase, weights: TensorBase | null = null, minlength = 0): TensorBase {
  if (x.shape.length !== 1 || isFloat(x.dtype) || x.dtype === 'bool') throw nonNegative(x);
  if (!Number.isInteger(minlength) || minlength < 0)
    throw new ArgumentError(`bincount: minlength should be >= 0, got ${minlength}`);
  if (weights === null) return apply1(bincountOp, [x], { minlength });
  if (weights.shape.length !== 1 || weights.count !== x.count)
    throw new ShapeError(
      `bincount: weights should be 1-d and have the same length as input, got ${shapeText(weights.shape)} for ${shapeText(x.shape)}`,
    );
  return apply1(bincountOp, [x, weights.dtype === 'float32' ? weights : toDType(weights, 'float64')], { minlength });
}

interface HistcAttrs {
  readonly bins: number;
  readonly min: number;
  readonly max: number;
  /** Leading dimensions that have a histogram each. */
  readonly lead: number;
}

/** The ends of the histogram for each row: those given, or if they are one, those of the data, apart by at least 2. */
function endsOf(rows: TensorBase, { min, max }: HistcAttrs): readonly [low: TensorBase, high: TensorBase] {
  if (min !== max || rows.shape[1] === 0) {
    const [low, high] = min === max ? [min - 1, max + 1] : [min, max];
    return [full([1, 1], low, rows.dtype), full([1, 1], high, rows.dtype)];
  }
  const [low, high] = [amin(rows, 1, true), amax(rows, 1, true)];
  if (anyNonzero(logicalNot(logicalAnd(isfinite(low), isfinite(high)))))
    throw new ArgumentError('histc: torch.histc: range of the elements is not finite; give min and max');
  const apart = toDType(eq(low, high), rows.dtype);
  return [sub(low, apart), add(high, apart)];
}

/** The bin of a number, of which the last has its upper end; what is in none comes behind them. */
const binOf = fused(
  'bin',
  (x, low, high, bins) => {
    const place = x.sub(low).div(high.sub(low)).mul(bins).floor();
    return x
      .ge(low)
      .and(x.le(high))
      .where(place.min(bins.sub(1)), bins);
  },
  4,
);

const histcOp: Op<HistcAttrs> = defineOp({
  name: 'histc',
  inputs: ['x'],
  forward: ([x], attrs) =>
    internally(() => {
      const { bins, lead } = attrs;
      const outer = x.shape.slice(0, lead);
      const rows = reshape(x, [numel(outer), numel(x.shape.slice(lead))]);
      const [low, high] = endsOf(rows, attrs);
      const bin = toDType(binOf(rows, low, high, bins), 'int32');
      const counts = zeros([rows.shape[0], bins + 1], x.dtype);
      scatterAddKernel(counts, 1, bin, expand(full([], 1, x.dtype), bin.shape));
      return reshape(narrow(counts, 1, 0, bins), [...outer, bins]);
    }),
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([x], _, attrs) => apply1(histcOp, [x], { ...attrs, lead: attrs.lead + 1 }),
});

/** How many elements lie in each of `bins` equal bins from `min` to `max` (of the data if they are equal). */
export function histc(x: TensorBase, bins = 100, min = 0, max = 0): TensorBase {
  if (!isFloat(x.dtype))
    throw new DTypeError(`histc: "histogram_cpu" not implemented for '${x.dtype}'; convert with x.to('float32') first`);
  if (!Number.isInteger(bins) || bins <= 0) throw new ArgumentError(`histc: bins must be > 0, got ${bins}`);
  if (!Number.isFinite(min) || !Number.isFinite(max))
    throw new ArgumentError(`histc: torch.histc: range of [${min}, ${max}] is not finite`);
  if (max < min)
    throw new ArgumentError(`histc: torch.histc: max must be larger than min, got min = ${min}, max = ${max}`);
  return apply1(histcOp, [x], { bins, min, max, lead: 0 });
}
