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
  Dims,
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

/** A convolution over `Q` dimensions, called `N`. */
type Convolution<N extends string, Q extends Dims> = <
  X extends Tensor,
  W extends Tensor,
  B extends Tensor | null = null,
  const S extends PerDim = 1,
  const P extends PerDim | 'same' | 'valid' = 0,
  const D extends PerDim = 1,
  G extends number = 1,
>(
  x: X,
  weight: FitConv<N, Q, X, W, S, P, D, G>,
  bias?: FitBias<N, W, B>,
  options?: ConvOptions<S, P, D, G>,
) => Tensor<ConvOf<N, Q, X, W, S, P, D, G>>;

type Transposed<N extends string, Q extends Dims> = <
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
  weight: FitConvTranspose<N, Q, X, W, S, P, D, E, G>,
  bias?: FitBiasTransposed<N, W, B, G>,
  options?: ConvTransposeOptions<S, P, D, E, G>,
) => Tensor<ConvTransposeOf<N, Q, X, W, S, P, D, E, G>>;

/** What the compiler has checked, as the operation takes it. */
type Plain<O> = (x: Tensor, weight: Tensor, bias?: Tensor | null, options?: O) => Tensor;

function forward<N extends string, Q extends Dims>(name: N, dims: Q['length']): Convolution<N, Q> {
  const call: Plain<ConvOptions> = (x, weight, bias, options) => {
    checkOptions(name, options, ['stride', 'padding', 'dilation', 'groups']);
    return convolution(name, dims, x, weight, bias ?? null, options as Given) as Tensor;
  };
  return call as Convolution<N, Q>;
}

function transposed<N extends string, Q extends Dims>(name: N, dims: Q['length']): Transposed<N, Q> {
  const call: Plain<ConvTransposeOptions> = (x, weight, bias, options) => {
    checkOptions(name, options, ['stride', 'padding', 'outputPadding', 'groups', 'dilation']);
    return transposedConvolution(name, dims, x, weight, bias ?? null, options as GivenTransposed) as Tensor;
  };
  return call as Transposed<N, Q>;
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
export const conv2d: Convolution<'conv2d', Two> = forward('conv2d', 2);

/**
 * The convolution of `x` [N, C, l] or [C, l] with `weight` [O, C / groups, k], plus `bias` [O]: as `conv2d`,
 * over one dimension. The result is [N, O, l′].
 */
export const conv1d: Convolution<'conv1d', One> = forward('conv1d', 1);

/**
 * The convolution of `x` [N, C, d, h, w] or [C, d, h, w] with `weight` [O, C / groups, kd, kh, kw], plus
 * `bias` [O]: as `conv2d`, over three dimensions. The result is [N, O, d′, h′, w′].
 */
export const conv3d: Convolution<'conv3d', Three> = forward('conv3d', 3);

/**
 * The adjoint of `conv2d` as a function of its own ("deconvolution"): `x` [N, C, h, w] or [C, h, w], `weight`
 * [C, O / groups, kh, kw], `bias` [O]. Every element of x spreads over a window of the result [N, O, h′, w′],
 * y[n, o, s p − a + d k] += x[n, c, p] w[c, o, k], whose sizes are
 * (n − 1) s − 2 a + d (k − 1) + outputPadding + 1.
 *
 * @throws {ShapeError} if channels or sizes do not fit, {DTypeError} if dtypes differ.
 */
export const convTranspose2d: Transposed<'convTranspose2d', Two> = transposed('convTranspose2d', 2);

/**
 * The adjoint of `conv1d` as a function of its own, as `convTranspose2d`: `x` [N, C, l] or [C, l], `weight`
 * [C, O / groups, k], `bias` [O]. The result is [N, O, l′].
 */
export const convTranspose1d: Transposed<'convTranspose1d', One> = transposed('convTranspose1d', 1);

/**
 * The adjoint of `conv3d` as a function of its own, as `convTranspose2d`: `x` [N, C, d, h, w] or
 * [C, d, h, w], `weight` [C, O / groups, kd, kh, kw], `bias` [O]. The result is [N, O, d′, h′, w′].
 */
export const convTranspose3d: Transposed<'convTranspose3d', Three> = transposed('convTranspose3d', 3);
