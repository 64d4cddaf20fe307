/** Diagonals, windows, and ranks that must be reached. */
import type { List, Shape, Show, Unranked, Unsized } from './basics.ts';
import type { Add, Divide, Exceeds, Sub } from './digits.ts';
import type { Cut, NoDim, Reduce } from './dims.ts';
import type { Reshape } from './resize.ts';

/** The diagonal of two dims, at the end. */
export type Diagonal<S extends List, Offset extends number, A extends number, B extends number> =
  Unranked<S> extends true
    ? Shape
    : number extends A | B
      ? S extends readonly [unknown, ...infer Q]
        ? Unsized<Q>
        : Shape
      : Reduce<S, [A, B], false> extends infer Rest
        ? Rest extends List
          ? [Cut<S, A>, Cut<S, B>] extends [[List, infer N extends number, List], [List, infer M extends number, List]]
            ? [...Rest, Along<N, M, Offset>]
            : Shape
          : Rest
        : never;

/** How long a diagonal is; `null` in a subtraction is below zero. */
type Along<
  N extends number,
  M extends number,
  Offset extends number,
> = `${Offset}` extends `-${infer Below extends number}` ? Least<Sub<N, Below>, M> : Least<Sub<M, Offset>, N>;

type Least<A, B extends number> = A extends number
  ? number extends A | B
    ? number
    : Exceeds<A, B> extends true
      ? B
      : A
  : 0;

/** Windows of `Size` along `D`, every `Step`, with what they hold as a new last dim. */
export type Unfold<S extends List, D extends number, Size extends number, Step extends number> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly []
      ? [Size]
      : number extends D
        ? [...Unsized<S>, Size]
        : Cut<S, D> extends [infer P extends List, infer X extends number, infer Q extends List]
          ? Exceeds<Size, X> extends true
            ? `unfold: windows of ${Size} in dim ${D} of ${Show<S>}`
            : [...P, Windows<X, Size, Step>, ...Q, Size]
          : NoDim<S, D>;

type Windows<X extends number, Size extends number, Step extends number> = number extends X | Size | Step
  ? number
  : Sub<X, Size> extends infer Room extends number
    ? Divide<Room, Step> extends [infer Count extends number, unknown]
      ? Add<Count, 1>
      : number
    : number;

/** Dim `D` as several. */
export type Unflatten<S extends List, D extends number, Sizes extends List> =
  Unranked<S> extends true
    ? Shape
    : number extends D
      ? Shape
      : Cut<S, D> extends [infer P extends List, infer X extends number, infer Q extends List]
        ? Reshape<[X], Sizes, 'unflatten'> extends infer R
          ? R extends List
            ? [...P, ...R, ...Q]
            : R
          : never
        : NoDim<S, D>;

/** Dims of size 1 added until there are two, or three: in front, and for a matrix at the end. */
export type AtLeast<S extends List, Rank extends 1 | 2 | 3> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly []
      ? { 1: [1]; 2: [1, 1]; 3: [1, 1, 1] }[Rank]
      : S extends readonly [infer X]
        ? { 1: [X]; 2: [1, X]; 3: [1, X, 1] }[Rank]
        : S extends readonly [infer X, infer Y]
          ? { 1: [X, Y]; 2: [X, Y]; 3: [X, Y, 1] }[Rank]
          : S;
