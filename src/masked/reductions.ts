import { type DType, isFloat } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';
import type { TensorBase } from '../core/tensor.ts';
import { toDType, toFloat } from '../ops/copy.ts';
import { onesLike } from '../ops/create.ts';
import { div, maximum, mul, sqrt, sub } from '../ops/elementwise.ts';
import * as extrema from '../ops/extrema.ts';
import { logsumexp as logsumexpOf } from '../ops/logsumexp.ts';
import { norm as normOf } from '../ops/norm.ts';
import { type Dims, prod as prodOf, reduceAttrs, sum as sumOf } from '../ops/reduce.ts';
import { nanmedianAt } from '../ops/selection.ts';
import type { Axes } from '../tensor/shapes.ts';
import type { FitReduce, ReduceOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { fill, limitOf, type Masking, maskFor } from './fill.ts';

/** Options of a masked reduction. */
export interface MaskedReduction<K extends boolean = boolean> extends Masking {
  readonly keepdim?: K;
}

const converted = (y: TensorBase, dtype: DType): Tensor => toDType(y, dtype) as Tensor;

/** Σ of what takes part; of nothing, 0. */
export function sum<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('sum', x, options, ['keepdim']);
  return sumOf(fill(x, mask, 0), dim as Dims, options?.keepdim, options?.dtype) as Tensor;
}

/** ∏ of what takes part; of nothing, 1. */
export function prod<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('prod', x, options, ['keepdim']);
  const filled = fill(x, mask, 1);
  const { dims, all } = reduceAttrs('prod', x, dim as Dims);
  if (all && !options?.keepdim) return prodOf(filled, undefined, false, options?.dtype) as Tensor;
  const first = isFloat(filled.dtype) ? filled : toDType(filled, 'int32');
  return dims.reduceRight((y, d) => prodOf(y, d, options?.keepdim, options?.dtype), first) as Tensor;
}

/** The largest of what takes part; of nothing, the least there is. */
export function amax<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('amax', x, options, ['keepdim']);
  const y = extrema.amax(fill(x, mask, limitOf(x.dtype, false)), dim as Dims, options?.keepdim);
  return converted(y, options?.dtype ?? x.dtype);
}

/** The smallest of what takes part; of nothing, the greatest there is. */
export function amin<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('amin', x, options, ['keepdim']);
  const y = extrema.amin(fill(x, mask, limitOf(x.dtype, true)), dim as Dims, options?.keepdim);
  return converted(y, options?.dtype ?? x.dtype);
}

/** Where the largest of what takes part is; as in PyTorch in the dtype of the input, if no other is asked for. */
export function argmax<T extends Tensor, const D extends number | undefined = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('argmax', x, options, ['keepdim']);
  const y = extrema.argmax(fill(x, mask, limitOf(x.dtype, false)), dim as number | undefined, options?.keepdim);
  return converted(y, options?.dtype ?? x.dtype);
}

/** Where the smallest of what takes part is; as in PyTorch in the dtype of the input, if no other is asked for. */
export function argmin<T extends Tensor, const D extends number | undefined = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('argmin', x, options, ['keepdim']);
  const y = extrema.argmin(fill(x, mask, limitOf(x.dtype, true)), dim as number | undefined, options?.keepdim);
  return converted(y, options?.dtype ?? x.dtype);
}

/** How many elements take part. */
function counted(x: TensorBase, mask: TensorBase | null, dim: Dims, keepdim: boolean): TensorBase {
  return sumOf(mask ?? toDType(onesLike(x), 'bool'), dim, keepdim);
}

/** The mean of what takes part; of nothing, NaN. */
export function mean<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('mean', x, options, ['keepdim']);
  const keepdim = options?.keepdim ?? false;
  const total = sumOf(fill(x, mask, 0), dim as Dims, keepdim, options?.dtype);
  return div(total, counted(x, mask, dim as Dims, keepdim)) as Tensor;
}

/** Options of a masked variance: it divides by n − `correction`; `unbiased` says 1 or 0. */
export interface MaskedSpread<K extends boolean = boolean> extends MaskedReduction<K> {
  readonly correction?: number;
  readonly unbiased?: boolean;
}

function spread(op: string, x: TensorBase, dim: Dims, options: MaskedSpread | undefined): TensorBase {
  const mask = maskFor(op, x, options, ['keepdim', 'correction', 'unbiased']);
  const { keepdim = false, correction, unbiased } = options ?? {};
  if (correction !== undefined && unbiased !== undefined)
    throw new ArgumentError(`${op}: give either correction or unbiased, not both`);
  const taken = correction ?? (unbiased === false ? 0 : 1);
  const at = toFloat(x);
  const total = sumOf(fill(at, mask, 0), dim, true);
  const deviation = sub(at, div(total, counted(x, mask, dim, true)));
  const squares = sumOf(fill(mul(deviation, deviation), mask, 0), dim, keepdim, options?.dtype);
  const freedom = sub(counted(x, mask, dim, keepdim), taken);
  return div(squares, taken === 0 ? freedom : maximum(freedom, 0));
}

/** The variance of what takes part. */
export function variance<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedSpread<K>,
): Tensor<ReduceOf<T, D, K>> {
  return spread('var', x, dim as Dims, options) as Tensor;
}

/** The standard deviation of what takes part. */
export function std<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedSpread<K>,
): Tensor<ReduceOf<T, D, K>> {
  return sqrt(spread('std', x, dim as Dims, options)) as Tensor;
}

/** The lower median of what takes part along `dim`, the last by default; of nothing, NaN. */
export function median<T extends Tensor, const D extends number = -1, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('median', x, options, ['keepdim']);
  const at = toFloat(x);
  const { values } = nanmedianAt(fill(at, mask, Number.NaN), (dim ?? -1) as number, options?.keepdim);
  return converted(values, options?.dtype ?? at.dtype);
}

/** The p-norm of what takes part. */
export function norm<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
  x: T,
  p = 2,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('norm', x, options, ['keepdim']);
  const nothing = p === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : 0;
  return normOf(fill(x, mask, nothing), p, dim as Dims, options?.keepdim, options?.dtype) as Tensor;
}

/** log Σ eˣ of what takes part; of nothing, −∞. */
export function logsumexp<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
  x: T,
  dim?: FitReduce<T, D, K>,
  options?: MaskedReduction<K>,
): Tensor<ReduceOf<T, D, K>> {
  const mask = maskFor('logsumexp', x, options, ['keepdim']);
  const y = logsumexpOf(fill(x, mask, limitOf(x.dtype, false)), dim as Dims, options?.keepdim);
  return converted(y, options?.dtype ?? x.dtype);
}
