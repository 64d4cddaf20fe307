import {
  affineGrid as affineGridOp,
  type GridMode,
  type GridPadding,
  gridSample as gridSampleOp,
} from '../ops/grid-sample.ts';
import { type InterpolateMode, interpolate as interpolateOp } from '../ops/interpolate.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Shape } from '../tensor/shapes.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { FitGrid, FitResize, GridSampleOf, PerDim, ResizeOf } from './signatures.ts';

/**
 * - `size`: the spatial sizes of the result, or `scaleFactor`: by how much they are multiplied;
 * - `mode`: 'nearest' (by default), 'nearest-exact', 'linear' [N, C, l], 'bilinear' and 'bicubic'
 *   [N, C, h, w], 'trilinear' [N, C, d, h, w], or 'area', the mean of what an output covers;
 * - `alignCorners`: the first and the last elements stay where they are, instead of the outer edges;
 * - `recomputeScaleFactor`: elements are spaced by the sizes, also where a factor was given;
 * - `antialias`: filters as wide as outputs when an image shrinks ('bilinear' and 'bicubic').
 */
export interface InterpolateOptions<
  Z extends PerDim | null | undefined = PerDim | null | undefined,
  F extends PerDim | null | undefined = PerDim | null | undefined,
> {
  readonly size?: Z;
  readonly scaleFactor?: F;
  readonly mode?: InterpolateMode;
  readonly alignCorners?: boolean | null;
  readonly recomputeScaleFactor?: boolean | null;
  readonly antialias?: boolean;
}

type SizeOptions<Z extends PerDim | null | undefined, F extends PerDim | null | undefined> = Pick<
  InterpolateOptions<Z, F>,
  'size' | 'scaleFactor'
>;

/**
 * `x` [N, C, d…] with its spatial dimensions resized.
 *
 * @throws {ArgumentError} unless exactly one of `size` and `scaleFactor` is given; {ShapeError} when the
 * mode is for another number of dimensions.
 */
export function interpolate<
  X extends Tensor,
  const Z extends PerDim | null | undefined = undefined,
  const F extends PerDim | null | undefined = undefined,
>(x: FitResize<'interpolate', X, Z, F>, options: InterpolateOptions<Z, F>): Tensor<ResizeOf<'interpolate', X, Z, F>> {
  const known = ['size', 'scaleFactor', 'mode', 'alignCorners', 'recomputeScaleFactor', 'antialias'];
  checkOptions('interpolate', options, known);
  return interpolateOp('interpolate', x as Tensor, options ?? {}) as Tensor;
}

/** The former name of `interpolate`. */
export function upsample<
  X extends Tensor,
  const Z extends PerDim | null | undefined = undefined,
  const F extends PerDim | null | undefined = undefined,
>(
  x: FitResize<'upsample', X, Z, F>,
  options: Omit<InterpolateOptions<Z, F>, 'recomputeScaleFactor' | 'antialias'>,
): Tensor<ResizeOf<'upsample', X, Z, F>> {
  checkOptions('upsample', options, ['size', 'scaleFactor', 'mode', 'alignCorners']);
  return interpolateOp('upsample', x as Tensor, options ?? {}) as Tensor;
}

/** `interpolate` with mode 'nearest'. */
export function upsampleNearest<
  X extends Tensor,
  const Z extends PerDim | null | undefined = undefined,
  const F extends PerDim | null | undefined = undefined,
>(x: FitResize<'upsampleNearest', X, Z, F>, options: SizeOptions<Z, F>): Tensor<ResizeOf<'upsampleNearest', X, Z, F>> {
  checkOptions('upsampleNearest', options, ['size', 'scaleFactor']);
  return interpolateOp('upsampleNearest', x as Tensor, { ...options, mode: 'nearest' }) as Tensor;
}

/** `interpolate` with mode 'bilinear' and aligned corners. */
export function upsampleBilinear<
  X extends Tensor,
  const Z extends PerDim | null | undefined = undefined,
  const F extends PerDim | null | undefined = undefined,
>(
  x: FitResize<'upsampleBilinear', X, Z, F>,
  options: SizeOptions<Z, F>,
): Tensor<ResizeOf<'upsampleBilinear', X, Z, F>> {
  checkOptions('upsampleBilinear', options, ['size', 'scaleFactor']);
  return interpolateOp('upsampleBilinear', x as Tensor, { ...options, mode: 'bilinear', alignCorners: true }) as Tensor;
}

/**
 * - `mode`: 'bilinear' (by default; of three dimensions too), 'nearest', or 'bicubic' (two dimensions);
 * - `paddingMode`: what lies outside is 'zeros' (by default), the 'border', or a 'reflection';
 * - `alignCorners`: −1 and 1 are the middles of the outermost elements, instead of their outer edges.
 */
export interface GridSampleOptions {
  readonly mode?: GridMode;
  readonly paddingMode?: GridPadding;
  readonly alignCorners?: boolean | null;
}

/**
 * Values of `x` [N, C, h, w] (or [N, C, d, h, w]) at the places of `grid` [N, h′, w′, 2] (or
 * [N, d′, h′, w′, 3]), whose coordinates (x, y, and z) go from −1 to 1: [N, C, h′, w′]. Gradients go to
 * both.
 */
export function gridSample<X extends Tensor, G extends Tensor>(
  x: X,
  grid: FitGrid<X, G>,
  options?: GridSampleOptions,
): Tensor<GridSampleOf<X, G>> {
  checkOptions('gridSample', options, ['mode', 'paddingMode', 'alignCorners']);
  return gridSampleOp(x, grid as Tensor, options) as Tensor;
}

/**
 * The grid that makes `gridSample` an affine map: for every place of a result of `size` [N, C, h, w] the
 * place `theta` (x, y, 1) in the image, with `theta` [N, 2, 3]; in three dimensions likewise. The result is
 * [N, h, w, 2].
 */
export function affineGrid(theta: Tensor, size: Shape, options?: { readonly alignCorners?: boolean | null }): Tensor {
  checkOptions('affineGrid', options, ['alignCorners']);
  return affineGridOp(theta, size, options?.alignCorners ?? false) as Tensor;
}
