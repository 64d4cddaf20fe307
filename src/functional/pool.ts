import { checkTypes } from '../core/arguments.ts';
import { ArgumentError } from '../core/errors.ts';
import { checkTensors } from '../core/tensor.ts';
import { toFloat } from '../ops/copy.ts';
import * as e from '../ops/elementwise.ts';
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
import type {
  AdaptiveOf,
  Dims,
  FitAdaptive,
  FitPool,
  One,
  PerDim,
  PerDimOrNull,
  PoolOf,
  Three,
  Two,
} from './signatures.ts';

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

type MaxPool<N extends string, Q extends Dims> = <
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim | null | undefined = undefined,
  const P extends PerDim = 0,
  const D extends PerDim = 1,
  C extends boolean = false,
  R extends boolean = false,
>(
  x: X,
  kernelSize: FitPool<N, Q, X, K, S, P, D, C>,
  options?: MaxPoolOptions<S, P, D, C, R>,
) => Found<PoolOf<N, Q, X, K, S, P, D, C>, R>;

type AvgPool<N extends string, Q extends Dims, Without extends string = never> = <
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim | null | undefined = undefined,
  const P extends PerDim = 0,
  C extends boolean = false,
>(
  x: X,
  kernelSize: FitPool<N, Q, X, K, S, P, 1, C>,
  options?: Omit<AvgPoolOptions<S, P, C>, Without>,
) => Tensor<PoolOf<N, Q, X, K, S, P, 1, C>>;

type AdaptiveAvgPool<N extends string, Q extends Dims> = <X extends Tensor, const O extends PerDimOrNull>(
  x: X,
  outputSize: FitAdaptive<N, Q, X, O>,
) => Tensor<AdaptiveOf<N, Q, X, O>>;

type AdaptiveMaxPool<N extends string, Q extends Dims> = <
  X extends Tensor,
  const O extends PerDimOrNull,
  R extends boolean = false,
>(
  x: X,
  outputSize: FitAdaptive<N, Q, X, O>,
  options?: AdaptiveMaxPoolOptions<R>,
) => Found<AdaptiveOf<N, Q, X, O>, R>;

type LpPool<N extends string, Q extends Dims> = <
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim | null | undefined = undefined,
  C extends boolean = false,
>(
  x: X,
  normType: number,
  kernelSize: FitPool<N, Q, X, K, S, 0, 1, C>,
  options?: Pick<AvgPoolOptions<S, 0, C>, 'stride' | 'ceilMode'>,
) => Tensor<PoolOf<N, Q, X, K, S, 0, 1, C>>;

type MaxUnpool = (x: Tensor, indices: Tensor, kernelSize: PerDim, options?: MaxUnpoolOptions) => Tensor;

/** What the compiler has checked, as operations take it. */
type Plain<A, O> = (x: Tensor, argument: A, options?: O) => unknown;

function max<N extends string, Q extends Dims>(name: N, dims: Q['length']): MaxPool<N, Q> {
  const call: Plain<PerDim, MaxPoolOptions> = (x, kernelSize, options) => {
    checkOptions(name, options, ['stride', 'padding', 'dilation', 'ceilMode', 'returnIndices']);
    const found = maxPoolNd(name, dims, x, kernelSize, filled(options) as PoolOptions);
    return options?.returnIndices ? found : found[0];
  };
  return call as MaxPool<N, Q>;
}

function avg<N extends string, Q extends Dims>(name: N, dims: Q['length']): AvgPool<N, Q> {
  const known = ['stride', 'padding', 'ceilMode', 'countIncludePad', ...(dims === 1 ? [] : ['divisorOverride'])];
  const call: Plain<PerDim, AvgPoolOptions> = (x, kernelSize, options) => {
    checkOptions(name, options, known);
    return avgPoolNd(name, dims, x, kernelSize, filled(options) as GivenAvg);
  };
  return call as AvgPool<N, Q>;
}

function adaptiveAvg<N extends string, Q extends Dims>(name: N, dims: Q['length']): AdaptiveAvgPool<N, Q> {
  const call: Plain<PerDimOrNull, never> = (x, outputSize) => adaptiveAvgPoolNd(name, dims, x, outputSize);
  return call as AdaptiveAvgPool<N, Q>;
}

function adaptiveMax<N extends string, Q extends Dims>(name: N, dims: Q['length']): AdaptiveMaxPool<N, Q> {
  const call: Plain<PerDimOrNull, AdaptiveMaxPoolOptions> = (x, outputSize, options) => {
    checkOptions(name, options, ['returnIndices']);
    const found = adaptiveMaxPoolNd(name, dims, x, outputSize);
    return options?.returnIndices ? found : found[0];
  };
  return call as AdaptiveMaxPool<N, Q>;
}

function lp<N extends string, Q extends Dims>(name: N, dims: Q['length']): LpPool<N, Q> {
  const call = (x: Tensor, normType: number, kernelSize: PerDim, options?: AvgPoolOptions): unknown => {
    checkOptions(name, options, ['stride', 'ceilMode']);
    checkTypes(name, 'number', { normType });
    if (normType === 0) throw new ArgumentError(`${name}: norm_type (normType) must be a non-zero value, but got 0`);
    checkTensors(name, x);
    const means = avgPoolNd(name, dims, e.pow(toFloat(x), normType), kernelSize, filled(options) as GivenAvg);
    const size = typeof kernelSize === 'number' ? kernelSize ** dims : kernelSize.reduce((n, k) => n * k, 1);
    // As PyTorch has it: nothing is differentiated where a sum is 0.
    const sums = e.mul(e.mul(e.sign(means), e.relu(e.abs(means))), size);
    return e.pow(sums, 1 / normType);
  };
  return call as unknown as LpPool<N, Q>;
}

function unpool(name: string, dims: number): MaxUnpool {
  return (x, indices, kernelSize, options) => {
    checkOptions(name, options, ['stride', 'padding', 'outputSize']);
    return maxUnpoolNd(name, dims, x, indices, kernelSize, filled(options) as UnpoolOptions) as Tensor;
  };
}

/**
 * The maxima of windows over two dimensions: `x` [N, C, h, w] or [C, h, w] becomes [N, C, h′, w′] with sizes
 * ⌊(n + 2 padding − dilation (kernelSize − 1) − 1) / stride⌋ + 1. The gradient goes to where the maximum
 * is: the first of equals, or a NaN, which is larger than anything. With `returnIndices` also the
 * indices, which `maxUnpool2d` takes.
 *
 * @throws {ShapeError} if a window does not fit, {ArgumentError} if padding exceeds half a window.
 */
export const maxPool2d: MaxPool<'maxPool2d', Two> = max('maxPool2d', 2);

/** The maxima of windows over [N, C, l] or [C, l], as `maxPool2d`. */
export const maxPool1d: MaxPool<'maxPool1d', One> = max('maxPool1d', 1);

/** The maxima of windows over [N, C, d, h, w] or [C, d, h, w], as `maxPool2d`. */
export const maxPool3d: MaxPool<'maxPool3d', Three> = max('maxPool3d', 3);

/**
 * The means of windows over two dimensions: `x` [N, C, h, w] or [C, h, w] becomes [N, C, h′, w′] with sizes
 * ⌊(n + 2 padding − kernelSize) / stride⌋ + 1.
 *
 * @throws {ShapeError} if a window does not fit, {ArgumentError} if padding exceeds half a window.
 */
export const avgPool2d: AvgPool<'avgPool2d', Two> = avg('avgPool2d', 2);

/** The means of windows over [N, C, l] or [C, l], as `avgPool2d`. */
export const avgPool1d: AvgPool<'avgPool1d', One, 'divisorOverride'> = avg('avgPool1d', 1);

/** The means of windows over [N, C, d, h, w] or [C, d, h, w], as `avgPool2d`. */
export const avgPool3d: AvgPool<'avgPool3d', Three> = avg('avgPool3d', 3);

/**
 * (Σ xᵖ)^(1/p) of windows over [N, C, h, w] or [C, h, w], p being `normType`, with the sizes of `avgPool2d`. A negative sum,
 * which an odd p may have, has no root and gives NaN.
 *
 * @throws {ArgumentError} when p is 0.
 */
export const lpPool2d: LpPool<'lpPool2d', Two> = lp('lpPool2d', 2);

/** (Σ xᵖ)^(1/p) of windows over [N, C, l] or [C, l], as `lpPool2d`. */
export const lpPool1d: LpPool<'lpPool1d', One> = lp('lpPool1d', 1);

/** (Σ xᵖ)^(1/p) of windows over [N, C, d, h, w] or [C, d, h, w], as `lpPool2d`. */
export const lpPool3d: LpPool<'lpPool3d', Three> = lp('lpPool3d', 3);

/**
 * The means of windows that cover `x` [N, C, h, w] (or [C, h, w]) evenly and give a result of size
 * `outputSize`; null keeps a size. Window o of m reaches from ⌊o n / m⌋ to ⌈(o + 1) n / m⌉.
 */
export const adaptiveAvgPool2d: AdaptiveAvgPool<'adaptiveAvgPool2d', Two> = adaptiveAvg('adaptiveAvgPool2d', 2);

/** The means of windows that cover [N, C, l] or [C, l] evenly, as `adaptiveAvgPool2d`. */
export const adaptiveAvgPool1d: AdaptiveAvgPool<'adaptiveAvgPool1d', One> = adaptiveAvg('adaptiveAvgPool1d', 1);

/** The means of windows that cover [N, C, d, h, w] or [C, d, h, w] evenly, as `adaptiveAvgPool2d`. */
export const adaptiveAvgPool3d: AdaptiveAvgPool<'adaptiveAvgPool3d', Three> = adaptiveAvg('adaptiveAvgPool3d', 3);

/** The maxima of the windows of `adaptiveAvgPool2d`; with `returnIndices` also where they are. */
export const adaptiveMaxPool2d: AdaptiveMaxPool<'adaptiveMaxPool2d', Two> = adaptiveMax('adaptiveMaxPool2d', 2);

/** The maxima of the windows of `adaptiveAvgPool1d`; with `returnIndices` also where they are. */
export const adaptiveMaxPool1d: AdaptiveMaxPool<'adaptiveMaxPool1d', One> = adaptiveMax('adaptiveMaxPool1d', 1);

/** The maxima of the windows of `adaptiveAvgPool3d`; with `returnIndices` also where they are. */
export const adaptiveMaxPool3d: AdaptiveMaxPool<'adaptiveMaxPool3d', Three> = adaptiveMax('adaptiveMaxPool3d', 3);

/**
 * What `maxPool2d` found, put back where it was among zeros: `x` and `indices` are its results. Sizes are
 * (n − 1) stride − 2 padding + kernelSize, or `outputSize`.
 *
 * @throws {IndexError} if an index lies outside of the result.
 */
export const maxUnpool2d: MaxUnpool = unpool('maxUnpool2d', 2);

/** What `maxPool1d` found, put back where it was, as `maxUnpool2d`. */
export const maxUnpool1d: MaxUnpool = unpool('maxUnpool1d', 1);

/** What `maxPool3d` found, put back where it was, as `maxUnpool2d`. */
export const maxUnpool3d: MaxUnpool = unpool('maxUnpool3d', 3);
