/** The shape algebra of functions of neural networks; see tensor/signatures.ts for how it is used. */

import type {
  AdaptivePool,
  Bias,
  Conv,
  ConvTranspose,
  Fold,
  GridSample,
  OutChannels,
  OutChannelsTransposed,
  Pool,
  Resize,
  Unfold,
} from '../tensor/shapes/windows.ts';
import type { Arg, Out } from '../tensor/shapes.ts';
import type { ShapeOf } from '../tensor/signatures.ts';

export type { PerDim } from '../tensor/shapes/windows.ts';

/** Sizes for each spatial dim; null keeps one. */
export type PerDimOrNull = number | null | readonly (number | null)[];

/** As many spatial dims. */
export type One = [0];
export type Two = [0, 0];
export type Three = [0, 0, 0];

export type Dims = readonly 0[];

// ---- convolutions --------------------------------------------------------------------------------------------------

/** A weight whose channels are those of the input, and whose windows fit into it. */
export type FitConv<N extends string, Q extends Dims, X, W, S, P, D, G extends number> = Arg<
  Conv<N, Q, ShapeOf<X>, ShapeOf<W>, S, P, D, G>,
  W
>;
export type ConvOf<N extends string, Q extends Dims, X, W, S, P, D, G extends number> = Out<
  Conv<N, Q, ShapeOf<X>, ShapeOf<W>, S, P, D, G>
>;

export type FitConvTranspose<N extends string, Q extends Dims, X, W, S, P, D, E, G extends number> = Arg<
  ConvTranspose<N, Q, ShapeOf<X>, ShapeOf<W>, S, P, D, E, G>,
  W
>;
export type ConvTransposeOf<N extends string, Q extends Dims, X, W, S, P, D, E, G extends number> = Out<
  ConvTranspose<N, Q, ShapeOf<X>, ShapeOf<W>, S, P, D, E, G>
>;

type ShapeOrNone<X> = X extends null ? null : ShapeOf<X>;

/** A bias for each channel of the result. */
export type FitBias<N extends string, W, B> = Arg<Bias<N, OutChannels<ShapeOf<W>>, ShapeOrNone<B>>, B>;
export type FitBiasTransposed<N extends string, W, B, G extends number> = Arg<
  Bias<N, OutChannelsTransposed<ShapeOf<W>, G>, ShapeOrNone<B>>,
  B
>;

// ---- poolings ------------------------------------------------------------------------------------------------------

/** A window that fits into the input. */
export type FitPool<N extends string, Q extends Dims, X, K, S, P, D, C> = Arg<Pool<N, Q, ShapeOf<X>, K, S, P, D, C>, K>;
export type PoolOf<N extends string, Q extends Dims, X, K, S, P, D, C> = Out<Pool<N, Q, ShapeOf<X>, K, S, P, D, C>>;

/** Sizes of the result. */
export type FitAdaptive<N extends string, Q extends Dims, X, O> = Arg<AdaptivePool<N, Q, ShapeOf<X>, O>, O>;
export type AdaptiveOf<N extends string, Q extends Dims, X, O> = Out<AdaptivePool<N, Q, ShapeOf<X>, O>>;

// ---- blocks, sizes and places --------------------------------------------------------------------------------------

export type FitUnfold<X, K, S, P, D> = Arg<Unfold<ShapeOf<X>, K, S, P, D>, K>;
export type UnfoldOf<X, K, S, P, D> = Out<Unfold<ShapeOf<X>, K, S, P, D>>;

export type FitFold<X, O, K> = Arg<Fold<ShapeOf<X>, O, K>, O>;
export type FoldOf<X, O, K> = Out<Fold<ShapeOf<X>, O, K>>;

export type FitResize<N extends string, X, Z, F> = Arg<Resize<N, ShapeOf<X>, Z, F>, X>;
export type ResizeOf<N extends string, X, Z, F> = Out<Resize<N, ShapeOf<X>, Z, F>>;

/** A grid for the batch and the dims of an image. */
export type FitGrid<X, G> = Arg<GridSample<ShapeOf<X>, ShapeOf<G>>, G>;
export type GridSampleOf<X, G> = Out<GridSample<ShapeOf<X>, ShapeOf<G>>>;
