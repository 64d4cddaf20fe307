import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { full } from './create.ts';
import { ceil, floor, ge, isnan, le, logicalAnd, logicalNot, lt, mul, ops, round, sub, where } from './elementwise.ts';
import { gather } from './indexing.ts';
import { anyNonzero } from './inspect.ts';
import { sumOver } from './reduce.ts';
import { narrow } from './slices.ts';
import { sort } from './sorting.ts';
import { expand, movedim, reshape, squeeze, unsqueeze } from './view.ts';

/** Which of the two neighbours of a rank that is no whole number, or what between them. */
type Interpolation = 'linear' | 'lower' | 'higher' | 'nearest' | 'midpoint';

const interpolations: readonly string[] = ['linear', 'lower', 'higher', 'nearest', 'midpoint'];

export interface QuantileOptions {
  readonly keepdim?: boolean;
  readonly interpolation?: Interpolation;
}

function checkQuantile(name: string, x: TensorBase, q: TensorBase | number, interpolation: string): TensorBase {
  if (!isFloat(x.dtype))
    throw new DTypeError(
      `${name}: ${name}() input tensor must be either float or double dtype, got ${x.dtype}; convert with x.to('float32') first`,
    );
  if (x.count === 0)
    throw new ShapeError(`${name}: ${name}() input tensor must be non-empty, got shape ${shapeText(x.shape)}`);
  if (!interpolations.includes(interpolation))
    throw new ArgumentError(
      `${name}: ${name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got ${interpolation}`,
    );
  const range = (found: string): ArgumentError =>
    new ArgumentError(`${name}: ${name}() q values must be in the range [0, 1]${found}`);
  if (typeof q === 'number') {
    if (!(q >= 0 && q <= 1)) throw range(`, got ${q}`);
    return full([], q, x.dtype);
  }
  checkTensors(name, q);
  if (q.shape.length > 1)
    throw new ShapeError(`${name}: ${name}() q must be a scalar or 1D tensor, got shape ${shapeText(q.shape)}`);
  if (q.dtype !== x.dtype)
    throw new DTypeError(
      `${name}: ${name}() q tensor must be same dtype as the input tensor, got ${q.dtype} for ${x.dtype}; convert with q.to('${x.dtype}')`,
    );
  if (anyNonzero(logicalNot(logicalAnd(ge(q, 0), le(q, 1))))) throw range('');
  return q;
}

/** Where each quantile lies among the sorted elements, counted from 0: a row for each of `sorted`, or one for all. */
function ranksOf(q: TensorBase, sorted: TensorBase, ignoreNaN: boolean): TensorBase {
  const last = sorted.shape.length - 1;
  const n = sorted.shape[last];
  if (ignoreNaN) {
    const counted = sumOver(logicalNot(isnan(sorted)), [last], true);
    const ranks = mul(q, sub(toDType(counted, q.dtype), 1));
    return where(lt(ranks, 0), 0, ranks);
  }
  // NaNs stand last: the quantile of a line that has one is NaN.
  return where(isnan(narrow(sorted, last, n - 1, 1)), n - 1, mul(q, n - 1));
}

const rounded = { lower: floor, higher: ceil, nearest: round } as const;

function quantileOf(
  name: string,
  ignoreNaN: boolean,
  x: TensorBase,
  at: TensorBase | number,
  dim: number | undefined,
  { keepdim = false, interpolation = 'linear' }: QuantileOptions,
): TensorBase {
  const q = checkQuantile(name, x, at, interpolation);
  const rank = x.shape.length;
  const d = dim === undefined ? null : wrapDim(name, dim, rank);
  const lines = rank === 0 || d === null ? reshape(x, [x.count]) : movedim(x, d, -1);
  const sorted = sort(lines, -1).values;
  const ranks = ranksOf(reshape(q, [q.count]), sorted, ignoreNaN);
  const pick = (place: TensorBase): TensorBase =>
    gather(sorted, -1, expand(toDType(place, 'int32'), [...sorted.shape.slice(0, -1), q.count]));
  let y: TensorBase;
  if (interpolation === 'linear' || interpolation === 'midpoint') {
    const below = floor(ranks);
    const weight = interpolation === 'midpoint' ? 0.5 : sub(ranks, below);
    const low = pick(below);
    y = ops.lerp.call(low, pick(ceil(ranks)), weight);
  } else {
    y = pick(rounded[interpolation](ranks));
  }
  // The quantiles stand last; if there are several they come first, and the reduced dimension where it was.
  const first = q.shape.length === 0 ? squeeze(y, -1) : movedim(y, -1, 0);
  if (!keepdim || rank === 0) return first;
  const lead = q.shape.length;
  if (d !== null) return unsqueeze(first, lead + d);
  return reshape(first, [...q.shape, ...new Array<number>(rank).fill(1)]);
}

/**
 * The quantiles `q` (a number, or a tensor of rank 0 or 1) over everything or along `dim`: elements of
 * rank q (n − 1) in order. NaN where a line has one.
 */
export function quantile(
  x: TensorBase,
  q: TensorBase | number,
  dim?: number,
  options: QuantileOptions = {},
): TensorBase {
  return quantileOf('quantile', false, x, q, dim, options);
}

/** The quantiles of what is a number; NaN where nothing is. */
export function nanquantile(
  x: TensorBase,
  q: TensorBase | number,
  dim?: number,
  options: QuantileOptions = {},
): TensorBase {
  return quantileOf('nanquantile', true, x, q, dim, options);
}
