import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { numel, sameShape, shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { full, integers } from './create.ts';
import { div, eq, where } from './elementwise.ts';
import { checkIndex } from './indexing.ts';
import { integersOf } from './inspect.ts';
import { named } from './named.ts';
import { type ScatterReduction, scatterReduce } from './scatter-reduce.ts';
import { narrow } from './slices.ts';
import { expand } from './view.ts';

/* Reductions of consecutive pieces of a dimension, of lengths of their own. */

export type SegmentReduction = 'sum' | 'mean' | 'max' | 'min' | 'prod';

const REDUCTIONS: Readonly<Record<Exclude<SegmentReduction, 'mean'>, ScatterReduction>> = {
  sum: 'sum',
  max: 'amax',
  min: 'amin',
  prod: 'prod',
};

const INITIAL: Readonly<Record<SegmentReduction, number>> = {
  sum: 0,
  mean: 0,
  max: Number.NEGATIVE_INFINITY,
  min: Number.POSITIVE_INFINITY,
  prod: 1,
};

export interface SegmentOptions {
  readonly lengths?: TensorBase;
  readonly offsets?: TensorBase;
  readonly axis?: number;
  readonly unsafe?: boolean;
  readonly initial?: number;
}

/** Segments of every row along the axis: where they begin and end. */
interface Segments {
  readonly count: number;
  readonly rows: readonly (readonly (readonly [start: number, end: number])[])[];
}

function segmentsOf(data: TensorBase, axis: number, { lengths, offsets, unsafe = false }: SegmentOptions): Segments {
  const op = 'segmentReduce';
  const given = lengths ?? offsets;
  if (given === undefined || (lengths !== undefined && offsets !== undefined))
    throw new ArgumentError(`${op}: segment_reduce(): Either lengths or offsets must be defined, and not both`);
  checkTensors(op, given);
  checkIndex(op, given);
  const lead = data.shape.slice(0, axis);
  if (given.shape.length !== axis + 1 || !sameShape(given.shape.slice(0, axis), lead))
    throw new ShapeError(
      `${op}: segment_reduce(): Expected ${lengths === undefined ? 'offsets' : 'lengths'} of shape ${shapeText(lead)} and one more dimension for axis ${axis} of data of shape ${shapeText(data.shape)}, got ${shapeText(given.shape)}`,
    );
  const size = data.shape[axis];
  const per = given.shape[axis];
  const values = integersOf(op, given);
  const rows = Array.from({ length: numel(lead) }, (_, r) => {
    const row = values.slice(r * per, (r + 1) * per);
    let end = 0;
    const borders = lengths === undefined ? row : [0, ...row.map((n) => (end += n))];
    if (row.some((n) => n < 0) || borders.some((b, i) => b > size || (i > 0 && b < borders[i - 1])))
      throw new ArgumentError(
        `${op}: segment_reduce(): lengths contains negative value, or segments reach beyond the ${size} elements of axis ${axis}: ${row.join(', ')}`,
      );
    if (lengths !== undefined && !unsafe && end !== size)
      throw new ArgumentError(
        `${op}: segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe: ${row.join(', ')} for ${size}`,
      );
    return borders.slice(1).map((b, i) => [borders[i], b] as const);
  });
  return { count: lengths === undefined ? Math.max(0, per - 1) : per, rows };
}

/**
 * Segments of `data` along `axis` reduced. They are given by their lengths or by their borders, for
 * every row before the axis; each begins with `initial`. Without `initial` an empty segment gives what
 * the reduction begins with, and a mean NaN.
 */
export function segmentReduce(data: TensorBase, reduce: SegmentReduction, options: SegmentOptions): TensorBase {
  const op = 'segmentReduce';
  checkTensors(op, data);
  if (!Object.hasOwn(INITIAL, reduce))
    throw new ArgumentError(`${op}: reduce must be one of sum, mean, max, min and prod, got ${String(reduce)}`);
  if (!isFloat(data.dtype))
    throw new DTypeError(`${op}: "segment_reduce" not implemented for '${data.dtype}'; convert with x.to('float32')`);
  if (data.count === 0) throw new ShapeError(`${op}: segment_reduce(): Expected data to be non-empty`);
  const axis = wrapDim(op, options.axis ?? 0, data.shape.length);
  const { count, rows } = segmentsOf(data, axis, options);
  const size = data.shape[axis];
  // What lies in no segment goes to one more, which is cut off.
  const numbers = new Int32Array(rows.length * size).fill(count);
  const lengths = new Int32Array(rows.length * count);
  rows.forEach((row, r) => {
    row.forEach(([start, end], k) => {
      numbers.fill(k, r * size + start, r * size + end);
      lengths[r * count + k] = end - start;
    });
  });
  const lead = data.shape.slice(0, axis);
  const after = data.shape.slice(axis + 1);
  const ones = after.map(() => 1);
  const index = expand(integers(numbers, [...lead, size, ...ones]), data.shape);
  const result = data.shape.with(axis, count);
  const { initial = INITIAL[reduce] } = options;
  const start = full(result.with(axis, count + 1), initial, data.dtype);
  const join = reduce === 'mean' ? 'sum' : REDUCTIONS[reduce];
  let y = narrow(scatterReduce(start, axis, index, data, join), axis, 0, count);
  if (reduce === 'mean') {
    const counts = integers(lengths, [...lead, count, ...ones]);
    const empty = eq(counts, 0);
    // 0 / 0 where there is nothing and nothing to begin with.
    y = options.initial === undefined ? div(y, counts) : div(y, where(empty, 1, counts));
  }
  return named(y, 'SegmentReduceBackward0');
}
