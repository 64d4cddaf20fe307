import { fold as foldOp, unfold as unfoldOp } from '../ops/blocks.ts';
import { localResponseNorm as localResponseNormOp } from '../ops/pool.ts';
import { checkOptions } from '../tensor/options.ts';
import type { ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { FitFold, FitUnfold, FoldOf, PerDim, UnfoldOf } from './signatures.ts';

/** How windows lie: as in `ConvOptions`. */
export interface BlockOptions<S extends PerDim = PerDim, P extends PerDim = PerDim, D extends PerDim = PerDim> {
  readonly dilation?: D;
  readonly padding?: P;
  readonly stride?: S;
}

const KNOWN = ['dilation', 'padding', 'stride'];

/**
 * The blocks of an image `x` [N, C, h, w] or [C, h, w] under sliding windows, as columns: the result is
 * [N, C kh kw, blocks]. A convolution is a product of matrices with it.
 *
 * @throws {ShapeError} if no window fits.
 */
export function unfold<
  X extends Tensor,
  const K extends PerDim,
  const S extends PerDim = 1,
  const P extends PerDim = 0,
  const D extends PerDim = 1,
>(x: X, kernelSize: FitUnfold<X, K, S, P, D>, options?: BlockOptions<S, P, D>): Tensor<UnfoldOf<X, K, S, P, D>> {
  checkOptions('unfold', options, KNOWN);
  return unfoldOp(x, kernelSize as PerDim, options) as Tensor;
}

/**
 * The adjoint of `unfold`: columns `x` [N, C kh kw, blocks] added up, each where its block lies, into images
 * [N, C, h, w] of size `outputSize`.
 *
 * @throws {ShapeError} if the number of blocks is not that of the windows.
 */
export function fold<X extends Tensor, const O extends PerDim, const K extends PerDim>(
  x: X,
  outputSize: FitFold<X, O, K>,
  kernelSize: K,
  options?: BlockOptions,
): Tensor<FoldOf<X, O, K>> {
  checkOptions('fold', options, KNOWN);
  return foldOp(x, outputSize as PerDim, kernelSize, options) as Tensor;
}

/**
 * x / (k + α s)^β, where s is the mean of x² over `size` neighbouring channels of `x` [N, C, d…] (with zeros
 * beside them). α = 0.0001, β = 0.75, k = 1 by default.
 */
export function localResponseNorm<X extends Tensor>(
  x: X,
  size: number,
  options?: { readonly alpha?: number; readonly beta?: number; readonly k?: number },
): Tensor<ShapeOf<X>> {
  checkOptions('localResponseNorm', options, ['alpha', 'beta', 'k']);
  const { alpha = 1e-4, beta = 0.75, k = 1 } = options ?? {};
  return localResponseNormOp(x, size, alpha, beta, k) as Tensor;
}
