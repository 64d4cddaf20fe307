import { ArgumentError } from '../core/errors.ts';
import type { TensorBase } from '../core/tensor.ts';
import type { CovarianceOptions } from '../ops/covariance.ts';
import * as covariance from '../ops/covariance.ts';
import * as histogram from '../ops/histogram.ts';
import type { HistogramOptions } from '../ops/histogram-grid.ts';
import * as grids from '../ops/histogram-grid.ts';
import type { QuantileOptions } from '../ops/quantile.ts';
import * as quantiles from '../ops/quantile.ts';
import * as selection from '../ops/selection.ts';
import * as variance from '../ops/variance.ts';
import { checkOptions } from './options.ts';
import { type Dims, type Keeping, keeping, TensorReductions } from './reductions.ts';
import type { Axes, Shape, Untyped } from './shapes.ts';
import type { ExtremeOf, FitReduce, Operand, ReduceOf, ValuesAndIndices } from './signatures.ts';
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

  /** The lower median; along a dimension, also where it is. NaN where there is one. Of a median over all, ties share the gradient evenly. */
  median<T extends Tensor, D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): ExtremeOf<T, D, K> {
    const keepdim = keeping('median', options);
    const found: unknown =
      dim === undefined ? selection.medianAll(this) : selection.medianAt(this, dim as number, keepdim);
    return found as ExtremeOf<T, D, K>;
  }

  /** The lower median of what is a number; along a dimension, also where it is. */
  nanmedian<T extends Tensor, D extends number | undefined = undefined, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): ExtremeOf<T, D, K> {
    const keepdim = keeping('nanmedian', options);
    const found: unknown =
      dim === undefined ? selection.nanmedianAll(this) : selection.nanmedianAt(this, dim as number, keepdim);
    return found as ExtremeOf<T, D, K>;
  }

  /** The most frequent element along `dim` (the last by default), the smallest of several, and where it is last. */
  mode<T extends Tensor, D extends number = -1, K extends boolean = false>(
    this: T,
    dim?: FitReduce<T, D, K>,
    options?: Keeping<K>,
  ): ValuesAndIndices<ReduceOf<T, D, K>> {
    const found: unknown = selection.mode(this, dim as number | undefined, keeping('mode', options));
    return found as ValuesAndIndices<ReduceOf<T, D, K>>;
  }

  /**
   * Quantiles over everything or along `dim`: elements of rank q (n − 1) in order, interpolated. `q` is
   * from 0 to 1: a number, or a tensor of them, whose dimension then comes first. NaN where a line has
   * one. Gradients reach `q` too.
   */
  quantile(q: Operand, dim?: number, options?: QuantileOptions): Tensor {
    checkOptions('quantile', options, ['keepdim', 'interpolation']);
    return as(quantiles.quantile(this, q, dim, options));
  }

  /** Quantiles of what is a number. */
  nanquantile(q: Operand, dim?: number, options?: QuantileOptions): Tensor {
    checkOptions('nanquantile', options, ['keepdim', 'interpolation']);
    return as(quantiles.nanquantile(this, q, dim, options));
  }

  /**
   * The covariances of variables (rows) over observations (columns), divided by n − `correction`, 1 by
   * default; of a vector its variance. `fweights` (whole) say how often an observation was made,
   * `aweights` how much it counts.
   */
  cov(options?: CovarianceOptions): Tensor {
    checkOptions('cov', options, ['correction', 'fweights', 'aweights']);
    return as(covariance.cov(this, options));
  }

  /** The correlations of variables (rows) over observations (columns), within [−1, 1]. */
  corrcoef(): Tensor {
    return as(covariance.corrcoef(this));
  }

  /** How often each of 0, 1, 2, … occurs in a vector of whole numbers, or the sum of `weights` there. */
  bincount(options?: { readonly weights?: Tensor | null; readonly minlength?: number }): Tensor<[number]> {
    checkOptions('bincount', options, ['weights', 'minlength']);
    return as(histogram.bincount(this, options?.weights, options?.minlength));
  }

  /** How many elements lie in each of `bins` (100) equal bins from `min` to `max`, or over all that is there. */
  histc(options?: { readonly bins?: number; readonly min?: number; readonly max?: number }): Tensor<[number]> {
    checkOptions('histc', options, ['bins', 'min', 'max']);
    return as(histogram.histc(this, options?.bins, options?.min, options?.max));
  }

  /**
   * How many elements lie in each of `bins` (equal ones, 100 by default, or with the edges given), and the
   * edges. Elements on the last edge are in the last bin.
   */
  histogram(bins?: Operand, options?: HistogramOptions): { readonly hist: Tensor; readonly binEdges: Tensor } {
    checkOptions('histogram', options, ['range', 'weight', 'density']);
    const { hist, binEdges } = grids.histogram(this, bins, options);
    return { hist: as(hist), binEdges: as(binEdges) };
  }

  /** How many of the points, rows of the tensor, lie in each cell of a grid of bins, and the edges for each dimension. */
  histogramdd(
    bins: number | readonly Operand[],
    options?: HistogramOptions,
  ): { readonly hist: Tensor; readonly binEdges: readonly Tensor[] } {
    checkOptions('histogramdd', options, ['range', 'weight', 'density']);
    const { hist, binEdges } = grids.histogramdd(this, bins, options);
    return { hist: as(hist), binEdges: binEdges.map(as) };
  }
}
