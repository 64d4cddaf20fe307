/** Operations that give several tensors: lists of shapes, as long as is known, or of any length. */
import type { List, Shape, Show, Unranked, Unsized } from './basics.ts';
import type { Add, CeilDiv, Divide, Sub } from './digits.ts';
import type { Cut, NoDim } from './dims.ts';

/** Lists up to this long are written out; longer ones are arrays. */
type Longest = 16;

/** So many times nothing, to be filled; `null` for too many, or an unknown number. */
type Places<N, Done extends List = []> = number extends N
  ? null
  : Done['length'] extends N
    ? Done
    : Done['length'] extends Longest
      ? null
      : Places<N, [...Done, 0]>;

/** One shape in each place. */
type Each<Ps, S extends List> = Ps extends List ? { -readonly [K in keyof Ps]: S } : S[];

/** The slices along `D`, without it. */
export type Unbind<S extends List, D extends number> =
  Unranked<S> extends true
    ? Shape[]
    : number extends D
      ? (S extends readonly [unknown, ...infer Q] ? Unsized<Q> : Shape)[]
      : Cut<S, D> extends [infer P extends List, infer X, infer Q extends List]
        ? Each<Places<X>, [...P, ...Q]>
        : NoDim<S, D>;

/** Parts of size `N` along `D`, the last one smaller if it must be; or parts of the sizes in the list `N`. */
export type Split<S extends List, N, D extends number> =
  Unranked<S> extends true
    ? Shape[]
    : number extends D
      ? Unsized<S>[]
      : Cut<S, D> extends [infer P extends List, infer X extends number, infer Q extends List]
        ? N extends List
          ? Sizes<N, X, P, Q, S>
          : N extends number
            ? Equal<X, N, P, Q>
            : never
        : NoDim<S, D>;

type Sizes<N extends List, X extends number, P extends List, Q extends List, S extends List> =
  Unranked<N> extends true
    ? [...P, number, ...Q][]
    : Sum<N> extends infer Total extends number
      ? number extends Total | X
        ? { -readonly [K in keyof N]: [...P, N[K], ...Q] }
        : [Total, X] extends [X, Total]
          ? { -readonly [K in keyof N]: [...P, N[K], ...Q] }
          : `split: the sizes ${Show<N>} sum to ${Total}, the dim of ${Show<S>} has ${X}`
      : never;

type Sum<N extends List, Done extends number = 0> = N extends readonly [infer X extends number, ...infer More]
  ? Sum<More, Add<Done, X>>
  : Done;

/** All of size `N` but the last, which has what is left. */
type Equal<X extends number, N extends number, P extends List, Q extends List> = number extends X | N
  ? [...P, number, ...Q][]
  : N extends 0
    ? [[...P, X, ...Q]]
    : X extends 0
      ? [[...P, 0, ...Q]]
      : Divide<X, N> extends [infer Count extends number, infer Rest]
        ? Places<Count> extends infer Whole extends List
          ? Rest extends 0
            ? Each<Whole, [...P, N, ...Q]>
            : Rest extends number
              ? [...Extract<Each<Whole, [...P, N, ...Q]>, List>, [...P, Rest, ...Q]]
              : [...P, number, ...Q][]
          : [...P, number, ...Q][]
        : [...P, number, ...Q][];

/** At most `N` parts along `D`, of one size but the last. */
export type Chunk<S extends List, N extends number, D extends number> =
  Unranked<S> extends true
    ? Shape[]
    : number extends D
      ? Unsized<S>[]
      : Cut<S, D> extends [infer P extends List, infer X extends number, infer Q extends List]
        ? number extends X | N
          ? [...P, number, ...Q][]
          : X extends 0
            ? Each<Places<N>, [...P, 0, ...Q]>
            : Equal<X, CeilDiv<X, N>, P, Q>
        : NoDim<S, D>;

/** `N` parts along `D` whose sizes differ by one at most, the larger ones first; a list says where to cut. */
export type TensorSplit<S extends List, N, D extends number> =
  Unranked<S> extends true
    ? Shape[]
    : number extends D
      ? Unsized<S>[]
      : Cut<S, D> extends [infer P extends List, infer X extends number, infer Q extends List]
        ? N extends List
          ? Unranked<N> extends true
            ? [...P, number, ...Q][]
            : Each<[...N, 0], [...P, number, ...Q]>
          : N extends number
            ? Sections<X, N, P, Q>
            : [...P, number, ...Q][]
        : NoDim<S, D>;

type Sections<X extends number, N extends number, P extends List, Q extends List> = number extends X | N
  ? [...P, number, ...Q][]
  : Divide<X, N> extends [infer Size extends number, infer Larger extends number]
    ? [Places<Larger>, Places<Sub<N, Larger>>] extends [infer A extends List, infer B extends List]
      ? [...Extract<Each<A, [...P, Add<Size, 1>, ...Q]>, List>, ...Extract<Each<B, [...P, Size, ...Q]>, List>]
      : [...P, number, ...Q][]
    : [...P, number, ...Q][];

/** `TensorSplit` where a number of parts must divide the size, and there must be a dim `Last`. */
export type EvenSplit<S extends List, N, D extends number, Last extends number, Name extends string> =
  Unranked<S> extends true
    ? Shape[]
    : [Cut<S, D>, Cut<S, Last>] extends [[List, infer X extends number, List], List]
      ? N extends number
        ? number extends X | N
          ? TensorSplit<S, N, D>
          : Divide<X, N> extends [unknown, 0]
            ? TensorSplit<S, N, D>
            : `${Name}: ${N} does not divide dim ${D} of ${Show<S>}`
        : TensorSplit<S, N, D>
      : `${Name}: shape ${Show<S>} has no dim ${Last}`;
