/** Convolutions and poolings: windows that move over the spatial dims, which come last. */
import type { Clash, List, Shape, Show, ShowSize, Unranked } from './basics.ts';
import type { Add, Divide, Mul, Sub } from './digits.ts';

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
