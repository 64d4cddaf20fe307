/** Other sizes for the same elements, and the shapes of new tensors. */
import type { TypedArray } from '../../core/dtype.ts';
import type { Clash, Disagree, List, Literals, Meet, Shape, Show, ShowSize, Unranked, Writable } from './basics.ts';
import type { CeilDiv, Divide, Numel, Sub } from './digits.ts';
import type { Cut, NoDim } from './dims.ts';

// ---- reshape -------------------------------------------------------------------------------------------------------

/** The same elements under other sizes, one of which may be -1: whatever is left. */
export type Reshape<S extends List, To extends List, Name extends string = 'reshape'> =
  Unranked<To> extends true
    ? Shape
    : Unranked<S> extends true
      ? Fill<To, number>
      : Cancel<S, To> extends [infer Left extends List, infer Right extends List]
        ? -1 extends Literals<To>
          ? FillLast<S, To, Numel<Left>, Numel<Right>, Name>
          : Clash<Numel<Left>, Numel<Right>> extends true
            ? `${Name}: ${Show<S>} has ${Numel<S>} elements, ${Show<To>} has ${Numel<To>}`
            : Writable<To>
        : never;

/** -1 replaced. */
type Fill<To extends List, N> = { -readonly [K in keyof To]: To[K] extends -1 ? N : To[K] };

/** -1 replaced by what `Left` elements leave to it when the other sizes take `Right`. */
type FillLast<S extends List, To extends List, Left extends number, Right extends number, Name extends string> =
  OnlyOne<To> extends true
    ? Divide<Left, Right> extends [infer Quotient, infer Remainder]
      ? Clash<Remainder, 0> extends true
        ? `${Name}: the ${Numel<S>} elements of ${Show<S>} do not divide into ${Show<To>}`
        : Fill<To, Quotient>
      : never
    : `${Name}: only one dimension can be inferred, got ${Show<To>}`;

/** One -1 and no other. */
type OnlyOne<To extends List> = To extends readonly [infer X, ...infer More]
  ? X extends -1
    ? -1 extends Literals<More>
      ? false
      : true
    : OnlyOne<More>
  : true;

/**
 * Both shapes without the sizes they share: [of the tensor, of the target]. Most reshapes move or
 * merge one or two dims, and then little or nothing is left to multiply. An unknown size never
 * cancels another; nor does a zero, which would let any other size pass.
 */
type Cancel<S extends List, To extends List, Left extends List = []> = To extends readonly [infer X, ...infer More]
  ? X extends -1 | 1
    ? Cancel<S, More, Left>
    : number extends X
      ? Cancel<S, More, [...Left, X]>
      : X extends 0
        ? Cancel<S, More, [...Left, X]>
        : Without<S, X> extends infer Fewer extends List
          ? Cancel<Fewer, More, Left>
          : Cancel<S, More, [...Left, X]>
  : [S, Left];

/** The first dim of size `X` taken out of `S`; `null` when there is none. */
type Without<S extends List, X, Before extends List = []> = S extends readonly [infer Y, ...infer More]
  ? [X, Y] extends [Y, X]
    ? [...Before, ...More]
    : Without<More, X, [...Before, Y]>
  : null;

/** Dims `Start` to `End` merged into one; a scalar becomes a vector. */
export type Flatten<S extends List, Start extends number, End extends number> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly []
      ? [1]
      : number extends Start | End
        ? Shape
        : Cut<S, Start> extends [infer P extends List, unknown, List]
          ? Cut<S, End> extends [List, unknown, infer Q extends List]
            ? S extends readonly [...P, infer X, ...infer Merged, ...Q]
              ? [...P, Numel<[X, ...Merged]>, ...Q]
              : `flatten: dim ${Start} comes after dim ${End} in ${Show<S>}`
            : NoDim<S, End>
          : NoDim<S, Start>;

// ---- expand --------------------------------------------------------------------------------------------------------

/** Dims of size 1 repeated, and new dims in front; -1 keeps a size. */
export type Expand<S extends List, To extends List> =
  Unranked<To> extends true ? Shape : Unranked<S> extends true ? Fill<To, number> : ExpandEach<S, To, S, To>;

/** Takes the last dims off `S` and `To` one by one, collecting the result in `Done`. */
type ExpandEach<
  S extends List,
  To extends List,
  S0 extends List,
  To0 extends List,
  Done extends List = [],
> = To extends readonly [...infer Target, infer Y]
  ? S extends readonly [...infer Source, infer X]
    ? Expanded<X, Y> extends infer R
      ? [R] extends [never]
        ? `expand: ${Show<S0>} cannot become ${Show<To0>}: dim ${Target['length']} is ${ShowSize<X>} vs ${ShowSize<Y>}`
        : ExpandEach<Source, Target, S0, To0, [R, ...Done]>
      : never
    : -1 extends Literals<To>
      ? `expand: ${Show<To0>} has -1 for a dim that ${Show<S0>} does not have`
      : [...To, ...Done]
  : S extends readonly []
    ? Done
    : `expand: ${Show<To0>} has fewer dims than ${Show<S0>}`;

/** Size `X` expanded to `Y`; an unknown `Y` may be -1, or the size itself, and changes only a 1. */
type Expanded<X, Y> = Y extends -1 ? X : X extends 1 ? Y : number extends Y ? X : X & Y;

// ---- known at run time ----------------------------------------------------------------------------------------------

/** A shape that the tensor may turn out to have, refined by what was known already; -1 asks nothing. */
export type As<S extends List, To extends List> =
  Unranked<To> extends true
    ? Shape
    : Unranked<S> extends true
      ? Fill<To, number>
      : SameShape<Asked<To>, S> extends true
        ? Meet<Asked<To>, S>
        : `as: the tensor has shape ${Show<S>}, not ${Show<To>}`;

/** Sizes asked for, those of -1 left open. */
type Asked<To extends List> = Fill<To, number>;

/** A gradient is of the shape of what it belongs to, and so is a tangent. */
export type GradientFor<S extends List, G extends List, What extends string = 'backward: the gradient'> =
  Unranked<S> extends true
    ? Shape
    : Unranked<G> extends true
      ? Shape
      : SameShape<S, G> extends true
        ? G
        : `${What} has shape ${Show<G>}, the tensor ${Show<S>}`;

/** Two shapes of known rank that may be equal. */
type SameShape<A extends List, B extends List> = A['length'] extends B['length']
  ? Disagree<A, B> extends true
    ? false
    : true
  : false;

// ---- elements and sizes that decide --------------------------------------------------------------------------------

/** A shape of one element, or of what may be one; otherwise the message with the shape. */
export type OneElement<S extends List, Message extends string> =
  Unranked<S> extends true ? Shape : [Exclude<Literals<S>, 1>] extends [never] ? S : `${Message} of shape ${Show<S>}`;

// ---- new tensors ---------------------------------------------------------------------------------------------------

/** `n` rows and `m` columns, or as many as rows. */
export type Eye<N, M> = M extends number ? [N, M] : [N, N];

/** The numbers from `Start` up to `End` by `Step`; with one number, from 0 up to that. */
export type Arange<Start extends number, End, Step> = End extends number
  ? Step extends number
    ? [Steps<Start, End, Step>]
    : [Steps<Start, End, 1>]
  : [Steps<0, Start, 1>];

/** Exact for whole literals that go up; `number` otherwise. */
type Steps<Start extends number, End extends number, Step extends number> =
  Sub<End, Start> extends infer Count extends number ? CeilDiv<Count, Step> : number;

/**
 * Numbers and truth values in nested lists. (`readonly []` is what makes TypeScript infer tuples, so
 * that the lengths are known.)
 */
export type Nested = number | boolean | readonly [] | readonly Nested[];

/** The shape of data; each member of a union for itself. */
export type ShapeOfData<D> = D extends unknown ? DataShape<D> : never;

/**
 * One size per level, read from all elements of a level at once, so that a matrix of 100 by 100 is two
 * steps and not ten thousand. Rows of different literal lengths show as a union of lengths.
 */
type DataShape<D> = 0 extends 1 & D
  ? Shape
  : [D] extends [never]
    ? []
    : [D] extends [number | boolean]
      ? []
      : [D] extends [List | TypedArray]
        ? DataRow<D['length'], D[number]>
        : Shape;

type DataRow<Length, Element> =
  IsUnion<Length> extends true
    ? 'tensor: rows have different lengths'
    : DataShape<Element> extends infer Inner
      ? Inner extends List
        ? MixedRow<Length, Element> extends true
          ? 'tensor: numbers and lists side by side'
          : [Length, ...Inner]
        : Inner
      : never;

/** Numbers beside lists in a row written out; in a list of unknown length, the type may just be loose. */
type MixedRow<Length, Element> = number extends Length
  ? false
  : [Extract<Element, number | boolean>] extends [never]
    ? false
    : [Exclude<Element, number | boolean>] extends [never]
      ? false
      : true;

type IsUnion<X, Whole = X> = [X] extends [never]
  ? false
  : X extends unknown
    ? [Whole] extends [X]
      ? false
      : true
    : never;
