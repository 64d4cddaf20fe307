/** Elements repeated, padded, spread over grids and diagonals. */
import type { List, Shape, Show, Unranked, Unsized } from './basics.ts';
import type { Cat } from './combine.ts';
import type { Add, Divide, Mul, Numel } from './digits.ts';
import type { Cut, NoDimUnlessScalar } from './dims.ts';

/** Every dim as often as `R` says; more counts than dims are new dims in front. */
export type Repeat<S extends List, R extends List> =
  Unranked<S> extends true
    ? Unranked<R> extends true
      ? Shape
      : Unsized<R>
    : Unranked<R> extends true
      ? Shape
      : RepeatEach<S, R, S, R>;

type RepeatEach<
  S extends List,
  R extends List,
  S0 extends List,
  R0 extends List,
  Done extends List = [],
> = S extends readonly [...infer Dims, infer N extends number]
  ? R extends readonly [...infer Times, infer K extends number]
    ? RepeatEach<Dims, Times, S0, R0, [Mul<N, K>, ...Done]>
    : `repeat: ${Show<R0>} has fewer counts than ${Show<S0>} has dims`
  : [...R, ...Done];

/** `repeat` where dims without a count stay. */
export type Tile<S extends List, R extends List> =
  Unranked<S> extends true ? Shape : Unranked<R> extends true ? Shape : TileEach<S, R>;

type TileEach<S extends List, R extends List, Done extends List = []> = S extends readonly [
  ...infer Dims,
  infer N extends number,
]
  ? R extends readonly [...infer Times, infer K extends number]
    ? TileEach<Dims, Times, [Mul<N, K>, ...Done]>
    : [...S, ...Done]
  : [...R, ...Done];

/** Each element of dim `D` (or of all) `Times` times. */
export type RepeatInterleave<S extends List, Times, D> =
  Unranked<S> extends true
    ? D extends number
      ? Shape
      : [number]
    : D extends number
      ? number extends D
        ? Unsized<S>
        : Cut<S, D> extends [infer P extends List, infer N extends number, infer Q extends List]
          ? [...P, Times extends number ? Mul<N, Times> : number, ...Q]
          : S extends readonly []
            ? [Times extends number ? Times : number]
            : NoDimUnlessScalar<S, D>
      : [Times extends number ? Mul<Numel<S>, Times> : number];

/** A vector becomes a square matrix; a matrix gives its diagonal, whose length is not computed. */
export type Diag<S extends List, K> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly [infer N]
      ? K extends 0
        ? [N, N]
        : [number, number]
      : S extends readonly [unknown, unknown]
        ? [number]
        : `diag: matrix or a vector expected, got shape ${Show<S>}`;

/** Two numbers for the last dim, two for the one before it, and so on. */
export type Padded<S extends List, P extends List> =
  Unranked<S> extends true ? Shape : Unranked<P> extends true ? Unsized<S> : PadEach<S, P, S, P>;

type PadEach<
  S extends List,
  P extends List,
  S0 extends List,
  P0 extends List,
  Done extends List = [],
> = P extends readonly [infer A extends number, infer B extends number, ...infer More]
  ? S extends readonly [...infer Dims, infer N extends number]
    ? PadEach<Dims, More, S0, P0, [Add<Add<N, A>, B>, ...Done]>
    : `pad: ${Show<P0>} has more pairs than ${Show<S0>} has dims`
  : P extends readonly []
    ? [...S, ...Done]
    : `pad: ${Show<P0>} must hold pairs`;

/** Channels turned into `R` times larger images, or back. */
export type PixelShuffle<S extends List, R extends number> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly [...infer P, infer C extends number, infer H extends number, infer W extends number]
      ? Divide<C, Mul<R, R>> extends [infer Q, infer Left]
        ? Left extends 0
          ? [...P, Q, Mul<H, R>, Mul<W, R>]
          : number extends Left
            ? [...P, number, Mul<H, R>, Mul<W, R>]
            : `pixelShuffle: ${C} channels are not divisible by ${R} · ${R}`
        : never
      : `pixelShuffle needs channels and two dims, got shape ${Show<S>}`;

export type PixelUnshuffle<S extends List, R extends number> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly [...infer P, infer C extends number, infer H extends number, infer W extends number]
      ? [Divide<H, R>, Divide<W, R>] extends [
          [infer Rows, infer LeftH extends number],
          [infer Columns, infer LeftW extends number],
        ]
        ? [LeftH | LeftW] extends [0]
          ? [...P, Mul<C, Mul<R, R>>, Rows, Columns]
          : number extends LeftH | LeftW
            ? [...P, Mul<C, Mul<R, R>>, number, number]
            : `pixelUnshuffle: ${H} × ${W} is not divisible by ${R}`
        : never
      : `pixelUnshuffle needs channels and two dims, got shape ${Show<S>}`;

/** Side by side: along dim 1, vectors along their only dim. */
export type Hstack<Shapes extends List> =
  Unranked<Shapes> extends true
    ? Shape
    : Shapes extends readonly [infer A extends List, ...List]
      ? Unranked<A> extends true
        ? Shape
        : A extends readonly []
          ? [Shapes['length']]
          : Cat<Shapes, A extends readonly [unknown] ? 0 : 1>
      : Cat<Shapes, 0>;

/** One below the other: vectors are rows. */
export type Vstack<Shapes extends List> =
  Unranked<Shapes> extends true
    ? Shape
    : Shapes extends readonly [infer A extends List, ...List]
      ? Unranked<A> extends true
        ? Shape
        : A extends readonly [infer N]
          ? [number, N]
          : A extends readonly []
            ? [Shapes['length'], 1]
            : Cat<Shapes, 0>
      : Cat<Shapes, 0>;

/** The grid over vectors: a dim for each, of its length; the first two exchanged for 'xy'. */
export type Grid<Shapes extends List, Indexing> =
  Unranked<Shapes> extends true
    ? Shape
    : Lengths<Shapes> extends infer L
      ? L extends List
        ? Indexing extends 'ij'
          ? L
          : Indexing extends 'xy'
            ? L extends readonly [infer X, infer Y, ...infer More]
              ? [Y, X, ...More]
              : L
            : Unsized<L>
        : L
      : never;

type Lengths<Shapes extends List, Done extends List = []> = Shapes extends readonly [
  infer A extends List,
  ...infer More,
]
  ? Unranked<A> extends true
    ? Lengths<More, [...Done, number]>
    : A extends readonly [infer N]
      ? Lengths<More, [...Done, N]>
      : A extends readonly []
        ? Lengths<More, [...Done, 1]>
        : `meshgrid needs vectors, got shape ${Show<A>}`
  : Done;
