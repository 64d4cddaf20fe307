/** What stands in brackets: `x.at(0, slice(1, 3), '...', null)`. */
import type { Slice } from '../../ops/subscript.ts';
import type { List, Shape, Show, Unranked } from './basics.ts';
import type { Dims } from './dims.ts';
import type { OutOfBounds, Sliced } from './pick.ts';
import type { ShapeOfData } from './resize.ts';

/**
 * The shape of what brackets read. Numbers, slices, new axes, the ellipsis and one list of places are
 * computed; index tensors and masks (whose dtype no type tells) leave the shape open.
 */
export type At<S extends List, I extends List> =
  Unranked<S> extends true
    ? Shape
    : Unranked<I> extends true
      ? Shape
      : Kinds<I> extends infer K extends List
        ? 'open' extends K[number]
          ? Shape
          : Several<K> extends true
            ? Shape
            : Walk<S, I, K, [], S>
        : never;

type Kind = 'new' | 'rest' | 'all' | 'one' | 'some' | 'list' | 'open';

type KindOf<X> = 0 extends 1 & X
  ? 'open'
  : [X] extends [null]
    ? 'new'
    : [X] extends ['...']
      ? 'rest'
      : [X] extends [':']
        ? 'all'
        : [X] extends [number]
          ? 'one'
          : [X] extends [Slice]
            ? 'some'
            : [X] extends [readonly number[] | readonly (readonly number[])[]]
              ? 'list'
              : 'open';

type Kinds<I extends List> = { -readonly [K in keyof I]: KindOf<I[K]> };

/** More than one list of places: they broadcast, and where they stand decides about the order. */
type Several<K extends List> = K extends readonly [infer X, ...infer More]
  ? X extends 'list'
    ? 'list' extends More[number]
      ? true
      : false
    : Several<More>
  : false;

/** Kinds that stand for a dim, as a list of that length. */
type Consumed<K extends List> = K extends readonly [infer X extends Kind, ...infer More]
  ? X extends 'new' | 'rest'
    ? Consumed<More>
    : [unknown, ...Consumed<More>]
  : [];

/** Takes subscripts and the dims they stand for off in front, collecting the result in `Done`. */
type Walk<S extends List, I extends List, K extends List, Done extends List, S0 extends List> = I extends readonly [
  infer X,
  ...infer More,
]
  ? K extends readonly [infer Is extends Kind, ...infer Kinds]
    ? Is extends 'new'
      ? Walk<S, More, Kinds, [...Done, 1], S0>
      : Is extends 'rest'
        ? S extends readonly [...infer Mid, ...Consumed<Kinds>]
          ? S extends readonly [...Mid, ...infer Last]
            ? Walk<Last, More, Kinds, [...Done, ...Mid], S0>
            : never
          : TooMany<S0>
        : S extends readonly [infer N extends number, ...infer Rest]
          ? Is extends 'one'
            ? OutOfBounds<N, X> extends true
              ? `at: index ${X & number} is out of bounds for a dim of size ${N} of ${Show<S0>}`
              : Walk<Rest, More, Kinds, Done, S0>
            : Walk<Rest, More, Kinds, [...Done, ...Chosen<N, X, Is>], S0>
          : TooMany<S0>
    : never
  : [...Done, ...S];

/** No complaint about ranks that are not looked at. */
type TooMany<S extends List> = S extends readonly [...Dims['7'], unknown, ...unknown[]]
  ? Shape
  : `at: too many indices for shape ${Show<S>}`;

type Chosen<N extends number, X, Is> = Is extends 'all'
  ? [N]
  : X extends Slice<infer Start, infer End, infer Step>
    ? [Sliced<N, Bound<Start>, Bound<End>, Bound<Step>>]
    : ShapeOfData<X> extends infer Places extends List
      ? Places
      : [number];

/** Null is no bound. */
type Bound<X> = X extends null ? undefined : X;
