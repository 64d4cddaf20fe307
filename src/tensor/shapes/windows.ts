/** Convolutions and poolings: windows that move over the spatial dims, which come last. */
import type { Clash, List, Shape, Show, ShowSize, Unranked } from './basics.ts';
import type { Add, Divide, Mul, Numel, Sub } from './digits.ts';

/** One number for all spatial dims, or one for each. */
export type PerDim = number | readonly number[];

/** What such an argument says about spatial dim `I`. */
type At<V, I> = V extends readonly [infer One extends number]
  ? One
  : V extends List
    ? I extends keyof V
      ? V[I] & number
      : number
    : V & number;

// ---- places of windows ---------------------------------------------------------------------------------------------

/** ⌊(N + 2 P − D (K − 1) − 1) / S⌋ + 1, or `null` if the window is larger than what it moves over. */
type Place<N extends number, K extends number, S extends number, P extends number, D extends number> =
  Sub<Add<N, Mul<2, P>>, Span<K, D>> extends infer Room
    ? Room extends number
      ? Divide<Room, S> extends [infer Q extends number, unknown]
        ? Add<Q, 1>
        : never
      : null
    : never;

/** D (K − 1) + 1, from the first to the last element of a window. */
type Span<K extends number, D extends number> =
  Sub<K, 1> extends infer Steps extends number ? Add<Mul<D, Steps>, 1> : number;

type Places<In extends List, K, S, P, D> = {
  -readonly [I in keyof In]: Place<In[I] & number, At<K, I>, At<S, I>, At<P, I>, At<D, I>>;
};

/** (N − 1) S − 2 P + D (K − 1) + E + 1 */
type Origin<
  N extends number,
  K extends number,
  S extends number,
  P extends number,
  D extends number,
  E extends number,
> = Sub<N, 1> extends infer Steps extends number ? Sub<Add<Add<Mul<Steps, S>, Span<K, D>>, E>, Mul<2, P>> : null;

type Origins<In extends List, K, S, P, D, E> = {
  -readonly [I in keyof In]: Origin<In[I] & number, At<K, I>, At<S, I>, At<P, I>, At<D, I>, At<E, I>>;
};

// ---- batches and channels ------------------------------------------------------------------------------------------

/** A shape as [what is in front of the channels, channels, spatial sizes], of which there are as many as `Dims`; `null` if it is none. */
type Parts<S extends List, Dims extends List> = S extends readonly [infer N, infer C, ...infer In]
  ? In['length'] extends Dims['length']
    ? [[N], C, In]
    : [C, ...In]['length'] extends Dims['length']
      ? [[], N, [C, ...In]]
      : null
  : S extends readonly [infer C]
    ? Dims['length'] extends 0
      ? [[], C, []]
      : null
    : null;

type Ranks<
  Name extends string,
  S extends List,
  Dims extends List,
> = `${Name} takes ${[...Dims, 0]['length'] & number} dims, or ${[...Dims, 0, 0]['length'] & number} with a batch, not ${Show<S>}`;

type TooLarge<
  Name extends string,
  S extends List,
  K,
> = `${Name}: a window of ${ShowKernel<K>} does not fit into ${Show<S>}`;

type ShowKernel<K> = K extends List ? Show<K> : ShowSize<K>;

/** The shape of the result of windows over `S`, with `C` channels, or the complaint that one of them is larger. */
type Result<Name extends string, S extends List, K, Lead extends List, C, Sizes> = Sizes extends List
  ? null extends Sizes[number]
    ? TooLarge<Name, S, K>
    : [...Lead, C, ...Sizes]
  : never;

// ---- convolutions --------------------------------------------------------------------------------------------------

/** `x` [N, C, d…] with a weight [O, C / groups, k…]: [N, O, d′…]. */
export type Conv<Name extends string, Dims extends List, X extends List, W extends List, S, P, D, G extends number> =
  Unranked<X> extends true
    ? Shape
    : Unranked<W> extends true
      ? Shape
      : W extends readonly [infer O, infer I, ...infer K]
        ? K['length'] extends Dims['length']
          ? Parts<X, Dims> extends [infer Lead extends List, infer C, infer In extends List]
            ? Clash<C, Mul<I & number, G>> extends true
              ? Channels<Name, X, C, W, Mul<I & number, G>>
              : Result<Name, X, K, Lead, O, P extends 'same' ? In : Places<In, K, S, P extends 'valid' ? 0 : P, D>>
            : Ranks<Name, X, Dims>
          : Weights<Name, W, Dims>
        : Weights<Name, W, Dims>;

/** The transpose: `x` [N, C, d…] with a weight [C, O / groups, k…]: [N, O, d′…]. */
export type ConvTranspose<
  Name extends string,
  Dims extends List,
  X extends List,
  W extends List,
  S,
  P,
  D,
  E,
  G extends number,
> =
  Unranked<X> extends true
    ? Shape
    : Unranked<W> extends true
      ? Shape
      : W extends readonly [infer I, infer O, ...infer K]
        ? K['length'] extends Dims['length']
          ? Parts<X, Dims> extends [infer Lead extends List, infer C, infer In extends List]
            ? Clash<C, I> extends true
              ? Channels<Name, X, C, W, I>
              : Result<Name, X, K, Lead, Mul<O & number, G>, Origins<In, K, S, P, D, E>>
            : Ranks<Name, X, Dims>
          : Weights<Name, W, Dims>
        : Weights<Name, W, Dims>;

type Channels<
  Name extends string,
  X extends List,
  C,
  W extends List,
  Wanted,
> = `${Name}: ${Show<X>} has ${ShowSize<C>} channels, weight ${Show<W>} takes ${ShowSize<Wanted>}`;

type Weights<
  Name extends string,
  W extends List,
  Dims extends List,
> = `${Name}: a weight has ${[...Dims, 0, 0]['length'] & number} dims, not ${Show<W>}`;

/** A bias for `O` channels. */
export type Bias<Name extends string, O, B> = B extends List
  ? Unranked<B> extends true
    ? Shape
    : B extends readonly [infer N]
      ? Clash<N, O> extends true
        ? `${Name}: a bias of size ${ShowSize<N>} for ${ShowSize<O>} channels`
        : Shape
      : `${Name}: a bias is a vector, not ${Show<B>}`
  : Shape;

/** How many channels a weight gives: its first size; its second, in every group, when transposed. */
export type OutChannels<W extends List> = W extends readonly [infer O, ...unknown[]] ? O : number;
export type OutChannelsTransposed<W extends List, G extends number> = W extends readonly [
  unknown,
  infer O,
  ...unknown[],
]
  ? Mul<O & number, G>
  : number;

// ---- poolings ------------------------------------------------------------------------------------------------------

/** Windows over [N, C, d…] or [C, d…]; the size is open where the last window may hang over the end. */
export type Pool<Name extends string, Dims extends List, X extends List, K, S, P, D, Ceil> =
  Unranked<X> extends true
    ? Shape
    : Parts<X, Dims> extends [infer Lead extends List, infer C, infer In extends List]
      ? Ceil extends false
        ? Result<Name, X, K, Lead, C, Places<In, K, S extends undefined ? K : S, P, D>>
        : [...Lead, C, ...{ -readonly [I in keyof In]: number }]
      : Ranks<Name, X, Dims>;

/** Windows for results of given sizes; `null` keeps a size. */
export type AdaptivePool<Name extends string, Dims extends List, X extends List, Out> =
  Unranked<X> extends true
    ? Shape
    : Parts<X, Dims> extends [infer Lead extends List, infer C, infer In extends List]
      ? [...Lead, C, ...{ -readonly [I in keyof In]: Asked<AtOrNull<Out, I>, In[I]> }]
      : Ranks<Name, X, Dims>;

type AtOrNull<V, I> = V extends readonly [infer One] ? One : V extends List ? (I extends keyof V ? V[I] : number) : V;
type Asked<Out, In> = Out extends null ? In : Out;

// ---- blocks, sizes and places --------------------------------------------------------------------------------------

/** Blocks of [N, C, h, w] as columns [N, C kh kw, blocks]. */
export type Unfold<X extends List, K, S, P, D> =
  Unranked<X> extends true
    ? Shape
    : Parts<X, [0, 0]> extends [infer Lead extends List, infer C extends number, infer In extends List]
      ? Places<In, K, S, P, D> extends infer Out extends List
        ? null extends Out[number]
          ? TooLarge<'unfold', X, K>
          : [...Lead, Mul<C, Mul<At<K, '0'>, At<K, '1'>>>, Numel<Out>]
        : never
      : Ranks<'unfold', X, [0, 0]>;

/** Columns [N, C kh kw, blocks] added up into an image of size `Out`. */
export type Fold<X extends List, Out, K> =
  Unranked<X> extends true
    ? Shape
    : X extends readonly [...infer Lead, infer Rows extends number, unknown]
      ? Lead['length'] extends 0 | 1
        ? Divide<Rows, Mul<At<K, '0'>, At<K, '1'>>> extends [infer C, unknown]
          ? [...Lead, C, At<Out, '0'>, At<Out, '1'>]
          : never
        : `fold takes 2 dims, or 3 with a batch, not ${Show<X>}`
      : `fold takes 2 dims, or 3 with a batch, not ${Show<X>}`;

/** [N, C, d…] with other spatial sizes: those given, or multiples. */
export type Resize<Name extends string, X extends List, Size, Scale> =
  Unranked<X> extends true
    ? Shape
    : X extends readonly [infer N, infer C, infer First, ...infer More]
      ? [N, C, ...Resized<[First, ...More], Size, Scale>]
      : `${Name} takes [N, C, d…], not ${Show<X>}`;

type Resized<In extends List, Size, Scale> = Size extends PerDim
  ? { -readonly [I in keyof In]: At<Size, I> }
  : { -readonly [I in keyof In]: Scale extends PerDim ? Mul<In[I] & number, At<Scale, I>> : number };

/** Values of [N, C, d…] at the places of a grid [N, p…, dims]: [N, C, p…]. */
export type GridSample<X extends List, G extends List> =
  Unranked<X> extends true
    ? Shape
    : Unranked<G> extends true
      ? Shape
      : [X, G] extends [
            readonly [infer N, infer C, ...infer In],
            readonly [infer M, ...infer Grid extends List, infer Dims],
          ]
        ? X['length'] extends G['length']
          ? Clash<N, M> extends true
            ? `gridSample: batches of ${ShowSize<N>} and ${ShowSize<M>}`
            : Clash<Dims, In['length']> extends true
              ? `gridSample: places of ${ShowSize<Dims>} coordinates in an image of ${In['length'] & number} dims`
              : [N & M, C, ...Grid]
          : `gridSample: an image of ${X['length'] & number} dims and a grid of ${G['length'] & number}`
        : `gridSample: an image of shape ${Show<X>} and a grid of ${Show<G>}`;
