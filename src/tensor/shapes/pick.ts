/** Operations that pick along a dim: one index, a range, or those that a tensor names. */
import type { List, Shape, Show, Unranked, Unsized, Writable } from './basics.ts';
import type { Add, CeilDiv, Exceeds, Sub } from './digits.ts';
import type { Cut, NoDim, NoDimUnlessScalar, ReduceUnknown } from './dims.ts';

/** One index of dim `D`; the dim is gone. */
export type Select<S extends List, D extends number, I> =
  Unranked<S> extends true
    ? Shape
    : number extends D
      ? ReduceUnknown<S, false>
      : Cut<S, D> extends [infer P extends List, infer X extends number, infer Q extends List]
        ? OutOfBounds<X, I> extends true
          ? `index ${I & number} is out of bounds for dim ${D} with size ${ShowLiteral<X>}`
          : [...P, ...Q]
        : NoDim<S, D>;

type ShowLiteral<N extends number> = `${N}`;

/** An index that is not one of `N` elements for certain; negative counts from the end. */
export type OutOfBounds<N extends number, I> = I extends number
  ? number extends I | N
    ? false
    : `${I}` extends `-${infer Back extends number}`
      ? Exceeds<Back, N>
      : Exceeds<Add<I, 1>, N>
  : false;

/** `Length` elements of dim `D` from `Start` on. */
export type Narrow<S extends List, D extends number, Start extends number, Length extends number> =
  Unranked<S> extends true
    ? Shape
    : number extends D
      ? Unsized<S>
      : Cut<S, D> extends [infer P extends List, infer X extends number, infer Q extends List]
        ? Exceeds<Add<FromStart<Start, X>, Length>, X> extends true
          ? `narrow: ${Length} from ${Start} on exceeds dim ${D} of ${Show<S>}`
          : [...P, Length, ...Q]
        : NoDim<S, D>;

/** A position with negative ones counted from the end. */
type FromStart<I extends number, N extends number> = `${I}` extends `-${infer Back extends number}`
  ? Sub<N, Back> extends infer At extends number
    ? At
    : number
  : I;

/** The first `K` in order along dim `D`; of a scalar, itself. */
export type TopK<S extends List, D extends number, K extends number> =
  Unranked<S> extends true
    ? Shape
    : number extends D
      ? Unsized<S>
      : Cut<S, D> extends [infer P extends List, infer X extends number, infer Q extends List]
        ? Exceeds<K, X> extends true
          ? `topk: k = ${K} is more than dim ${D} of ${Show<S>} has`
          : [...P, K, ...Q]
        : NoDimUnlessScalar<S, D>;

/** Every `Step`th element of dim `D` from `Start` up to `End`; bounds beyond the dim are drawn in. */
export type Slice<S extends List, D extends number, Start, End, Step> =
  Unranked<S> extends true
    ? Shape
    : number extends D
      ? Unsized<S>
      : Cut<S, D> extends [infer P extends List, infer X extends number, infer Q extends List]
        ? [...P, Sliced<X, Start, End, Step>, ...Q]
        : NoDim<S, D>;

export type Sliced<N extends number, Start, End, Step> = [Start, End, Step] extends [
  0 | undefined,
  undefined,
  1 | undefined,
]
  ? N
  : Between<
        Start extends number ? DrawnIn<Start, N> : 0,
        End extends number ? DrawnIn<End, N> : N
      > extends infer Count extends number
    ? CeilDiv<Count, Step extends number ? Step : 1>
    : 0;

/** How many there are from `Start` to `End`; `null` when they have crossed. */
type Between<Start extends number, End extends number> = Sub<End, Start>;

/** A bound of a slice, drawn in between 0 and `N`. */
type DrawnIn<I extends number, N extends number> = `${I}` extends `-${infer Back extends number}`
  ? Sub<N, Back> extends infer At extends number
    ? At
    : 0
  : Sub<N, I> extends infer Left
    ? Left extends number
      ? number extends Left
        ? number
        : I
      : N
    : never;

/** The elements of dim `D` named by a vector of indices. */
export type IndexSelect<S extends List, D extends number, Index extends List> =
  Unranked<Index> extends true
    ? PutSize<S, D, number>
    : Index extends readonly []
      ? PutSize<S, D, 1>
      : Index extends readonly [infer N]
        ? PutSize<S, D, N>
        : `indexSelect: the index must be a vector, got shape ${Show<Index>}`;

/** Dim `D` with size `N` instead of its own. */
type PutSize<S extends List, D extends number, N> =
  Unranked<S> extends true
    ? Shape
    : number extends D
      ? Unsized<S>
      : Cut<S, D> extends [infer P extends List, unknown, infer Q extends List]
        ? [...P, N, ...Q]
        : NoDimUnlessScalar<S, D>;

/** One element along `D` for each index; the index is no longer than the tensor in any other dim. */
export type Gather<S extends List, D extends number, Index extends List> =
  Unranked<Index> extends true
    ? Shape
    : Unranked<S> extends true
      ? Writable<Index>
      : S extends readonly []
        ? Writable<Index>
        : S['length'] extends Index['length']
          ? number extends D
            ? Writable<Index>
            : [Cut<S, D>, Cut<Index, D>] extends [
                  [infer P extends List, unknown, infer Q extends List],
                  [infer P2 extends List, unknown, infer Q2 extends List],
                ]
              ? AnyExceeds<[...P2, ...Q2], [...P, ...Q]> extends true
                ? `gather: index of shape ${Show<Index>} exceeds ${Show<S>} apart from dim ${D}`
                : Writable<Index>
              : NoDim<S, D>
          : Index extends readonly []
            ? []
            : `gather: index of shape ${Show<Index>} for shape ${Show<S>}: the ranks differ`;

type AnyExceeds<A extends List, B extends List> = true extends {
  [K in keyof A]: K extends keyof B
    ? [A[K], B[K]] extends [infer N extends number, infer M extends number]
      ? Exceeds<N, M>
      : false
    : false;
}[number]
  ? true
  : false;
