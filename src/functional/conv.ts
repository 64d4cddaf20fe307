import {
  convolution,
  type ConvOptions as Given,
  type ConvTransposeOptions as GivenTransposed,
  transposedConvolution,
} from '../ops/convolution.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type {
  ConvOf,
  ConvTransposeOf,
  FitBias,
  FitBiasTransposed,
  FitConv,
  FitConvTranspose,
  One,
  PerDim,
  Three,
  Two,
} from './signatures.ts';

/**
 * - `stride`: how far apart windows are, 1 by default;
 * - `padding`: zeros on both sides, 0 by default; 'same' keeps the sizes (stride 1), 'valid' is 0;
 * - `dilation`: how far apart the elements of a window are, 1 by default;
 * - `groups`: into how many groups of their own the channels fall, 1 by default.
 *
 * A number stands for every dimension, a list has one for each.
 */
export interface ConvOptions<
  S extends PerDim = PerDim,
  P extends PerDim | 'same' | 'valid' = PerDim | 'same' | 'valid',
  D extends PerDim = PerDim,
  G extends number = number,
> {
  readonly stride?: S;
  readonly padding?: P;
  readonly dilation?: D;
  readonly groups?: G;
}

/** As in `ConvOptions`; `outputPadding` adds to the sizes of the result, at the end, where they are ambiguous. */
export interface ConvTransposeOptions<
  S extends PerDim = PerDim,
  P extends PerDim = PerDim,
  D extends PerDim = PerDim,
  E extends PerDim = PerDim,
  G extends number = number,
> {
  readonly stride?: S;
  readonly padding?: P;
  readonly outputPadding?: E;
  readonly groups?: G;
  readonly dilation?: D;
}

function run(name: string, dims: number, x: Tensor, weight: unknown, bias: unknown, options?: ConvOptions): Tensor {
  checkOptions(name, options, ['stride', 'padding', 'dilation', 'groups']);
  const b = (bias ?? null) as Tensor | null;
  return convolution(name, dims, x, weight as Tensor, b, options as Given) as Tensor;
}

function transposed(
  name: string,
  dims: number,
  x: Tensor,
  weight: unknown,
  bias: unknown,
  options?: ConvTransposeOptions,
): Tensor {
  checkOptions(name, options, ['stride', 'padding', 'outputPadding', 'groups', 'dilation']);
  const b = (bias ?? null) as Tensor | null;
  return transposedConvolution(name, dims, x, weight as Tensor, b, options as GivenTransposed) as Tensor;
}

/**
 * The convolution (as always in neural networks, the correlation) of `x` [N, C, l] or [C, l] with
 * `weight` [O, C / groups, k], plus `bias` [O]:
 * y[n, o, p] = b[o] + Σ x[n, c, s p − a + d k] w[o, c, k], with stride s, padding a and dilation d, over
 * the channels of o's group and the window's elements, zero outside of x. The result is [N, O, l′] with
 * sizes ⌊(n + 2 a − d (k − 1) − 1) / s⌋ + 1. float32, float64 and int32.
 *
 * @throws {ShapeError} if channels or windows do not fit, {DTypeError} if dtypes differ.
 */
export function conv1d<
  X extends Tensor,
  W extends Tensor,
  B extends Tensor | null = null,
  const S extends PerDim = 1,
  const P extends PerDim | 'same' | 'valid' = 0,
  const D extends PerDim = 1,
  G extends number = 1,
>(
  x: X,
  weight: FitConv<'conv1d', One, X, W, S, P, D, G>,
  bias?: FitBias<'conv1d', W, B>,
  options?: ConvOptions<S, P, D, G>,
): Tensor<ConvOf<'conv1d', One, X, W, S, P, D, G>> {
  return run('conv1d', 1, x, weight, bias, options);
}

/**
 * The convolution (as always in neural networks, the correlation) of `x` [N, C, h, w] or [C, h, w] with
 * `weight` [O, C / groups, kh, kw], plus `bias` [O]:
 * y[n, o, p] = b[o] + Σ x[n, c, s p − a + d k] w[o, c, k], with stride s, padding a and dilation d, over
 * the channels of o's group and the window's elements, zero outside of x. The result is [N, O, h′, w′] with
 * sizes ⌊(n + 2 a − d (k − 1) − 1) / s⌋ + 1. float32, float64 and int32.
 *
 * @throws {ShapeError} if channels or windows do not fit, {DTypeError} if dtypes differ.
 */
export function conv2d<
  X extends Tensor,
  W extends Tensor,
  B extends Tensor | null = null,
  const S extends PerDim = 1,
  const P extends PerDim | 'same' | 'valid' = 0,
  const D extends PerDim = 1,
  G extends number = 1,
>(
  x: X,
  weight: FitConv<'conv2d', Two, X, W, S, P, D, G>,
  bias?: FitBias<'conv2d', W, B>,
  options?: ConvOptions<S, P, D, G>,
): Tensor<ConvOf<'conv2d', Two, X, W, S, P, D, G>> {
  return run('conv2d', 2, x, weight, bias, options);
}

/**
 * The convolution (as always in neural networks, the correlation) of `x` [N, C, d, h, w] or [C, d, h, w] with
 * `weight` [O, C / groups, kd, kh, kw], plus `bias` [O]:
 * y[n, o, p] = b[o] + Σ x[n, c, s p − a + d k] w[o, c, k], with stride s, padding a and dilation d, over
 * the channels of o's group and the window's elements, zero outside of x. The result is [N, O, d′, h′, w′] with
 * sizes ⌊(n + 2 a − d (k − 1) − 1) / s⌋ + 1. float32, float64 and int32.
 *
 * @throws {ShapeError} if channels or windows do not fit, {DTypeError} if dtypes differ.
 */
export function conv3d<
  X extends Tensor,
  W extends Tensor,
  B extends Tensor | null = null,
  const S extends PerDim = 1,
  const P extends PerDim | 'same' | 'valid' = 0,
  const D extends PerDim = 1,
  G extends number = 1,
>(
  x: X,
  weight: FitConv<'conv3d', Three, X, W, S, P, D, G>,
  bias?: FitBias<'conv3d', W, B>,
  options?: ConvOptions<S, P, D, G>,
): Tensor<ConvOf<'conv3d', Three, X, W, S, P, D, G>> {
  return run('conv3d', 3, x, weight, bias, options);
}

/**
 * The adjoint of `conv1d` as a function of its own ("deconvolution"): `x` [N, C, l] or [C, l], `weight`
 * [C, O / groups, k], `bias` [O]. Every element of x spreads over a window of the result [N, O, l′],
 * y[n, o, s p − a + d k] += x[n, c, p] w[c, o, k], whose sizes are
 * (n − 1) s − 2 a + d (k − 1) + outputPadding + 1.
 *
 * @throws {ShapeError} if channels or sizes do not fit, {DTypeError} if dtypes differ.
 */
export function convTranspose1d<
  X extends Tensor,
  W extends Tensor,
  B extends Tensor | null = null,
  const S extends PerDim = 1,
  const P extends PerDim = 0,
  const D extends PerDim = 1,
  const E extends PerDim = 0,
  G extends number = 1,
>(
  x: X,
  weight: FitConvTranspose<'convTranspose1d', One, X, W, S, P, D, E, G>,
  bias?: FitBiasTransposed<'convTranspose1d', W, B, G>,
  options?: ConvTransposeOptions<S, P, D, E, G>,
): Tensor<ConvTransposeOf<'convTranspose1d', One, X, W, S, P, D, E, G>> {
  return transposed('convTranspose1d', 1, x, weight, bias, options);
}

/**
 * The adjoint of `conv2d` as a function of its own ("deconvolution"): `x` [N, C, h, w] or [C, h, w], `weight`
 * [C, O / groups, kh, kw], `bias` [O]. Every element of x spreads over a window of the result [N, O, h′, w′],
 * y[n, o, s p − a + d k] += x[n, c, p] w[c, o, k], whose sizes are
 * (n − 1) s − 2 a + d (k − 1) + outputPadding + 1.
 *
 * @throws {ShapeError} if channels or sizes do not fit, {DTypeError} if dtypes differ.
 */
export function convTranspose2d<
  X extends Tensor,
  W extends Tensor,
  B extends Tensor | null = null,
  const S extends PerDim = 1,
  const P extends PerDim = 0,
  const D extends PerDim = 1,
  const E extends PerDim = 0,
  G extends number = 1,
>(
  x: X,
  weight: FitConvTranspose<'convTranspose2d', Two, X, W, S, P, D, E, G>,
  bias?: FitBiasTransposed<'convTranspose2d', W, B, G>,
  options?: ConvTransposeOptions<S, P, D, E, G>,
): Tensor<ConvTransposeOf<'convTranspose2d', Two, X, W, S, P, D, E, G>> {
  return transposed('convTranspose2d', 2, x, weight, bias, options);
}

/**
 * The adjoint of `conv3d` as a function of its own ("deconvolution"): `x` [N, C, d, h, w] or [C, d, h, w], `weight`
 * [C, O / groups, kd, kh, kw], `bias` [O]. Every element of x spreads over a window of the result [N, O, d′, h′, w′],
 * y[n, o, s p − a + d k] += x[n, c, p] w[c, o, k], whose sizes are
 * (n − 1) s − 2 a + d (k − 1) + outputPadding + 1.
 *
 * @throws {ShapeError} if channels or sizes do not fit, {DTypeError} if dtypes differ.
 */
export function convTranspose3d<
  X extends Tensor,
  W extends Tensor,
  B extends Tensor | null = null,
  const S extends PerDim = 1,
  const P extends PerDim = 0,
  const D extends PerDim = 1,
  const E extends PerDim = 0,
  G extends number = 1,
>(
  x: X,
  weight: FitConvTranspose<'convTranspose3d', Three, X, W, S, P, D, E, G>,
  bias?: FitBiasTransposed<'convTranspose3d', W, B, G>,
  options?: ConvTransposeOptions<S, P, D, E, G>,
): Tensor<ConvTransposeOf<'convTranspose3d', Three, X, W, S, P, D, E, G>> {
  return transposed('convTranspose3d', 3, x, weight, bias, options);
}
