import { ArgumentError } from '../core/errors.ts';
import type { TensorBase } from '../core/tensor.ts';
import * as variance from '../ops/variance.ts';
import { checkOptions } from './options.ts';
import { type Dims, type Keeping, TensorReductions } from './reductions.ts';
import type { Axes, Shape, Untyped } from './shapes.ts';
import type { FitReduce, ReduceOf } from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/**
 * Options of a variance: it divides by n − `correction`, 1 by default. `unbiased` is the older way to
 * say 1 (true) or 0 (false).
 */
export interface Spreading<K extends boolean = boolean> extends Keeping<K> {
  readonly correction?: number;
  readonly unbiased?: boolean;
}

function correctionOf(op: string, options: Spreading | undefined): number {
  checkOptions(op, options, ['correction', 'unbiased', 'keepdim']);
  const { correction, unbiased } = options ?? {};
  if (unbiased === undefined) return correction ?? 1;
  if (correction !== undefined) throw new ArgumentError(`${op}: give either correction or unbiased, not both`);
  return unbiased ? 1 : 0;
}

/** How the elements are spread: variances, medians, quantiles, histograms. */
export abstract class TensorStatistics<S extends Shape = Untyped> extends TensorReductions<S> {
  /**
   * The variance Σ (x − mean)² / (n − correction) over `dim` (all by default), computed in two passes
   * in float64.
   *
   * @throws {DTypeError} for integers and truth values.
   */
  var<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Spreading<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(variance.variance(this, dim as Dims, correctionOf('var', options), options?.keepdim));
  }

  /** The standard deviation, the root of the variance, over `dim` (all by default). Its gradient is 0 where it is 0. */
  std<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Spreading<K>,
  ): Tensor<ReduceOf<T, D, K>> {
    return as(variance.std(this, dim as Dims, correctionOf('std', options), options?.keepdim));
  }

  /** The variance and the mean over `dim` (all by default), which costs no more than the variance. */
  varMean<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Spreading<K>,
  ): { readonly var: Tensor<ReduceOf<T, D, K>>; readonly mean: Tensor<ReduceOf<T, D, K>> } {
    const [v, m] = variance.varMean(this, dim as Dims, correctionOf('varMean', options), options?.keepdim);
    return { var: as(v), mean: as(m) };
  }

  /** The standard deviation and the mean over `dim` (all by default). */
  stdMean<T extends Tensor, const D extends Axes = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Spreading<K>,
  ): { readonly std: Tensor<ReduceOf<T, D, K>>; readonly mean: Tensor<ReduceOf<T, D, K>> } {
    const [s, m] = variance.stdMean(this, dim as Dims, correctionOf('stdMean', options), options?.keepdim);
    return { std: as(s), mean: as(m) };
  }
}
