import {
  adaptiveAvgPoolNd,
  adaptiveMaxPoolNd,
  avgPoolNd,
  type AvgPoolOptions as GivenAvg,
  maxPoolNd,
  maxUnpoolNd,
  type UnpoolOptions,
} from '../ops/pool.ts';
import type { PoolOptions } from '../ops/pool-sizes.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Shape } from '../tensor/shapes.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { AdaptiveOf, FitAdaptive, FitPool, One, PerDim, PerDimOrNull, PoolOf, Three, Two } from './signatures.ts';

/**
 * - `stride`: how far apart windows are; the size of the window by default;
 * - `padding`: how far windows reach beyond both sides, at most half a window; 0 by default;
 * - `dilation`: how far apart the elements of a window are, 1 by default;
 * - `ceilMode`: also windows that begin inside and end outside;
 * - `returnIndices`: also where the maxima are.
 *
 * A number stands for every dimension, a list has one for each.
 */
export interface MaxPoolOptions<
  S extends PerDim | null | undefined = PerDim | null | undefined,
  P extends PerDim = PerDim,
  D extends PerDim = PerDim,
  C extends boolean = boolean,
  R extends boolean = boolean,
> {
  readonly stride?: S;
  readonly padding?: P;
  readonly dilation?: D;
  readonly ceilMode?: C;
  readonly returnIndices?: R;
}

/**
 * - `stride`, `padding`, `ceilMode`: as in `MaxPoolOptions`;
 * - `countIncludePad`: zeros at the sides count as elements; true by default;
 * - `divisorOverride`: divides every sum, instead of the number of its elements (not of one dimension).
 */
export interface AvgPoolOptions<
  S extends PerDim | null | undefined = PerDim | null | undefined,
  P extends PerDim = PerDim,
  C extends boolean = boolean,
> {
  readonly stride?: S;
  readonly padding?: P;
  readonly ceilMode?: C;
  readonly countIncludePad?: boolean;
  readonly divisorOverride?: number | null;
}

/** `returnIndices`: also where the maxima are. */
export interface AdaptiveMaxPoolOptions<R extends boolean = boolean> {
  readonly returnIndices?: R;
}

/** The window of the pooling that is undone; `outputSize` where several sizes would do. */
export interface MaxUnpoolOptions {
  readonly stride?: PerDim | null;
  readonly padding?: PerDim;
  readonly outputSize?: Shape;
}

/** Values, and if asked for their indices (int32, counted through all spatial dimensions of a channel). */
type Found<S extends Shape, R> = R extends true ? readonly [Tensor<S>, Tensor<S>] : Tensor<S>;

/** What is null is left out. */
function filled<O extends { readonly stride?: PerDim | null | undefined }>(options: O | undefined) {
  return { ...options, stride: options?.stride ?? undefined };
}

function max(op: string, dims: number, x: Tensor, kernelSize: unknown, options?: MaxPoolOptions): unknown {
  checkOptions(op, options, ['stride', 'padding', 'dilation', 'ceilMode', 'returnIndices']);
  const found = maxPoolNd(op, dims, x, kernelSize as PerDim, filled(options) as PoolOptions);
  return options?.returnIndices ? found : found[0];
}

function avg(op: string, dims: number, x: Tensor, kernelSize: unknown, options?: AvgPoolOptions): unknown {
  const known = ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride'];
  checkOptions(op, options, dims === 1 ? known.slice(0, 4) : known);
  return avgPoolNd(op, dims, x, kernelSize as PerDim, filled(options) as GivenAvg);
}

function adaptiveMax(op: string, dims: number, x: Tensor, size: unknown, options?: AdaptiveMaxPoolOptions): unknown {
  checkOptions(op, options, ['returnIndices']);
  const found = adaptiveMaxPoolNd(op, dims, x, size as PerDimOrNull);
  return options?.returnIndices ? found : found[0];
}

function unpool(
  op: string,
  dims: number,
  x: Tensor,
  indices: Tensor,
  kernelSize: PerDim,
  options?: MaxUnpoolOptions,
): Tensor {
  checkOptions(op, options, ['stride', 'padding', 'outputSize']);
  return maxUnpoolNd(op, dims, x, indices, kernelSize, filled(options) as UnpoolOptions) as Tensor;
}

/**
 * The maxima of windows over one dimension: `x` [N, C, l] or [C, l] becomes [N, C, l′] with sizes
 * ⌊(n + 2 padding − dilation (kernelSize − 1) − 1) / stride⌋ + 1. The gradient goes to where the maximum
 * is: the first of equals, or a NaN, which is larger than anything. With `returnIndices` also the
 * indices, which `maxUnpool1d` takes.
 *
 * @throws {ShapeError} if a window does not fit, {ArgumentError} if padding exceeds half a window.
 */
export function maxPool1d<
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim | null | undefined = undefined,
  const P extends PerDim = 0,
  const D extends PerDim = 1,
  C extends boolean = false,
  R extends boolean = false,
>(
  x: X,
  kernelSize: FitPool<'maxPool1d', One, X, K, S, P, D, C>,
  options?: MaxPoolOptions<S, P, D, C, R>,
): Found<PoolOf<'maxPool1d', One, X, K, S, P, D, C>, R> {
  return max('maxPool1d', 1, x, kernelSize, options) as Found<PoolOf<'maxPool1d', One, X, K, S, P, D, C>, R>;
}

/**
 * The maxima of windows over two dimensions: `x` [N, C, h, w] or [C, h, w] becomes [N, C, h′, w′] with sizes
 * ⌊(n + 2 padding − dilation (kernelSize − 1) − 1) / stride⌋ + 1. The gradient goes to where the maximum
 * is: the first of equals, or a NaN, which is larger than anything. With `returnIndices` also the
 * indices, which `maxUnpool2d` takes.
 *
 * @throws {ShapeError} if a window does not fit, {ArgumentError} if padding exceeds half a window.
 */
export function maxPool2d<
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim | null | undefined = undefined,
  const P extends PerDim = 0,
  const D extends PerDim = 1,
  C extends boolean = false,
  R extends boolean = false,
>(
  x: X,
  kernelSize: FitPool<'maxPool2d', Two, X, K, S, P, D, C>,
  options?: MaxPoolOptions<S, P, D, C, R>,
): Found<PoolOf<'maxPool2d', Two, X, K, S, P, D, C>, R> {
  return max('maxPool2d', 2, x, kernelSize, options) as Found<PoolOf<'maxPool2d', Two, X, K, S, P, D, C>, R>;
}

/**
 * The maxima of windows over three dimensions: `x` [N, C, d, h, w] or [C, d, h, w] becomes [N, C, d′, h′, w′] with sizes
 * ⌊(n + 2 padding − dilation (kernelSize − 1) − 1) / stride⌋ + 1. The gradient goes to where the maximum
 * is: the first of equals, or a NaN, which is larger than anything. With `returnIndices` also the
 * indices, which `maxUnpool3d` takes.
 *
 * @throws {ShapeError} if a window does not fit, {ArgumentError} if padding exceeds half a window.
 */
export function maxPool3d<
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim | null | undefined = undefined,
  const P extends PerDim = 0,
  const D extends PerDim = 1,
  C extends boolean = false,
  R extends boolean = false,
>(
  x: X,
  kernelSize: FitPool<'maxPool3d', Three, X, K, S, P, D, C>,
  options?: MaxPoolOptions<S, P, D, C, R>,
): Found<PoolOf<'maxPool3d', Three, X, K, S, P, D, C>, R> {
  return max('maxPool3d', 3, x, kernelSize, options) as Found<PoolOf<'maxPool3d', Three, X, K, S, P, D, C>, R>;
}

/**
 * The means of windows over one dimension: `x` [N, C, l] or [C, l] becomes [N, C, l′] with sizes
 * ⌊(n + 2 padding − kernelSize) / stride⌋ + 1.
 *
 * @throws {ShapeError} if a window does not fit, {ArgumentError} if padding exceeds half a window.
 */
export function avgPool1d<
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim | null | undefined = undefined,
  const P extends PerDim = 0,
  C extends boolean = false,
>(
  x: X,
  kernelSize: FitPool<'avgPool1d', One, X, K, S, P, 1, C>,
  options?: Omit<AvgPoolOptions<S, P, C>, 'divisorOverride'>,
): Tensor<PoolOf<'avgPool1d', One, X, K, S, P, 1, C>> {
  return avg('avgPool1d', 1, x, kernelSize, options) as Tensor;
}

/**
 * The means of windows over two dimensions: `x` [N, C, h, w] or [C, h, w] becomes [N, C, h′, w′] with sizes
 * ⌊(n + 2 padding − kernelSize) / stride⌋ + 1.
 *
 * @throws {ShapeError} if a window does not fit, {ArgumentError} if padding exceeds half a window.
 */
export function avgPool2d<
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim | null | undefined = undefined,
  const P extends PerDim = 0,
  C extends boolean = false,
>(
  x: X,
  kernelSize: FitPool<'avgPool2d', Two, X, K, S, P, 1, C>,
  options?: AvgPoolOptions<S, P, C>,
): Tensor<PoolOf<'avgPool2d', Two, X, K, S, P, 1, C>> {
  return avg('avgPool2d', 2, x, kernelSize, options) as Tensor;
}

/**
 * The means of windows over three dimensions: `x` [N, C, d, h, w] or [C, d, h, w] becomes [N, C, d′, h′, w′] with sizes
 * ⌊(n + 2 padding − kernelSize) / stride⌋ + 1.
 *
 * @throws {ShapeError} if a window does not fit, {ArgumentError} if padding exceeds half a window.
 */
export function avgPool3d<
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim | null | undefined = undefined,
  const P extends PerDim = 0,
  C extends boolean = false,
>(
  x: X,
  kernelSize: FitPool<'avgPool3d', Three, X, K, S, P, 1, C>,
  options?: AvgPoolOptions<S, P, C>,
): Tensor<PoolOf<'avgPool3d', Three, X, K, S, P, 1, C>> {
  return avg('avgPool3d', 3, x, kernelSize, options) as Tensor;
}

/**
 * The means of windows over one dimension that cover [N, C, l] (or [C, l]) evenly and give a result of
 * size `outputSize`; null keeps a size. Window o of m reaches from ⌊o n / m⌋ to ⌈(o + 1) n / m⌉.
 */
export function adaptiveAvgPool1d<X extends Tensor, const O extends PerDimOrNull>(
  x: X,
  outputSize: FitAdaptive<'adaptiveAvgPool1d', One, X, O>,
): Tensor<AdaptiveOf<'adaptiveAvgPool1d', One, X, O>> {
  return adaptiveAvgPoolNd('adaptiveAvgPool1d', 1, x, outputSize as PerDimOrNull) as Tensor;
}

/**
 * The means of windows over two dimensions that cover [N, C, h, w] (or [C, h, w]) evenly and give a result of
 * size `outputSize`; null keeps a size. Window o of m reaches from ⌊o n / m⌋ to ⌈(o + 1) n / m⌉.
 */
export function adaptiveAvgPool2d<X extends Tensor, const O extends PerDimOrNull>(
  x: X,
  outputSize: FitAdaptive<'adaptiveAvgPool2d', Two, X, O>,
): Tensor<AdaptiveOf<'adaptiveAvgPool2d', Two, X, O>> {
  return adaptiveAvgPoolNd('adaptiveAvgPool2d', 2, x, outputSize as PerDimOrNull) as Tensor;
}

/**
 * The means of windows over three dimensions that cover [N, C, d, h, w] (or [C, d, h, w]) evenly and give a result of
 * size `outputSize`; null keeps a size. Window o of m reaches from ⌊o n / m⌋ to ⌈(o + 1) n / m⌉.
 */
export function adaptiveAvgPool3d<X extends Tensor, const O extends PerDimOrNull>(
  x: X,
  outputSize: FitAdaptive<'adaptiveAvgPool3d', Three, X, O>,
): Tensor<AdaptiveOf<'adaptiveAvgPool3d', Three, X, O>> {
  return adaptiveAvgPoolNd('adaptiveAvgPool3d', 3, x, outputSize as PerDimOrNull) as Tensor;
}

/** The maxima of the windows of `adaptiveAvgPool1d`; with `returnIndices` also where they are. */
export function adaptiveMaxPool1d<X extends Tensor, const O extends PerDimOrNull, R extends boolean = false>(
  x: X,
  outputSize: FitAdaptive<'adaptiveMaxPool1d', One, X, O>,
  options?: AdaptiveMaxPoolOptions<R>,
): Found<AdaptiveOf<'adaptiveMaxPool1d', One, X, O>, R> {
  return adaptiveMax('adaptiveMaxPool1d', 1, x, outputSize, options) as Found<
    AdaptiveOf<'adaptiveMaxPool1d', One, X, O>,
    R
  >;
}

/** The maxima of the windows of `adaptiveAvgPool2d`; with `returnIndices` also where they are. */
export function adaptiveMaxPool2d<X extends Tensor, const O extends PerDimOrNull, R extends boolean = false>(
  x: X,
  outputSize: FitAdaptive<'adaptiveMaxPool2d', Two, X, O>,
  options?: AdaptiveMaxPoolOptions<R>,
): Found<AdaptiveOf<'adaptiveMaxPool2d', Two, X, O>, R> {
  return adaptiveMax('adaptiveMaxPool2d', 2, x, outputSize, options) as Found<
    AdaptiveOf<'adaptiveMaxPool2d', Two, X, O>,
    R
  >;
}

/** The maxima of the windows of `adaptiveAvgPool3d`; with `returnIndices` also where they are. */
export function adaptiveMaxPool3d<X extends Tensor, const O extends PerDimOrNull, R extends boolean = false>(
  x: X,
  outputSize: FitAdaptive<'adaptiveMaxPool3d', Three, X, O>,
  options?: AdaptiveMaxPoolOptions<R>,
): Found<AdaptiveOf<'adaptiveMaxPool3d', Three, X, O>, R> {
  return adaptiveMax('adaptiveMaxPool3d', 3, x, outputSize, options) as Found<
    AdaptiveOf<'adaptiveMaxPool3d', Three, X, O>,
    R
  >;
}

/**
 * What `maxPool1d` found, put back where it was among zeros: `x` and `indices` are its results. Sizes are
 * (n − 1) stride − 2 padding + kernelSize, or `outputSize`.
 *
 * @throws {IndexError} if an index lies outside of the result.
 */
export function maxUnpool1d(x: Tensor, indices: Tensor, kernelSize: PerDim, options?: MaxUnpoolOptions): Tensor {
  return unpool('maxUnpool1d', 1, x, indices, kernelSize, options);
}

/**
 * What `maxPool2d` found, put back where it was among zeros: `x` and `indices` are its results. Sizes are
 * (n − 1) stride − 2 padding + kernelSize, or `outputSize`.
 *
 * @throws {IndexError} if an index lies outside of the result.
 */
export function maxUnpool2d(x: Tensor, indices: Tensor, kernelSize: PerDim, options?: MaxUnpoolOptions): Tensor {
  return unpool('maxUnpool2d', 2, x, indices, kernelSize, options);
}

/**
 * What `maxPool3d` found, put back where it was among zeros: `x` and `indices` are its results. Sizes are
 * (n − 1) stride − 2 padding + kernelSize, or `outputSize`.
 *
 * @throws {IndexError} if an index lies outside of the result.
 */
export function maxUnpool3d(x: Tensor, indices: Tensor, kernelSize: PerDim, options?: MaxUnpoolOptions): Tensor {
  return unpool('maxUnpool3d', 3, x, indices, kernelSize, options);
}
