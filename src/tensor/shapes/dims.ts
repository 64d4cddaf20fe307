/** Operations that take dims: reductions, moving, adding and dropping dims. */
import type { List, Shape, Show, Unranked, Unsized, Writable } from './basics.ts';

// ---- finding a dim -------------------------------------------------------------------------------------------------

/** So many dims, whatever they are. The table stops at rank 8: dims beyond are not checked, never refused. */
export interface Dims {
  '0': [];
  '1': [unknown];
  '2': [unknown, unknown];
  '3': [unknown, unknown, unknown];
  '4': [unknown, unknown, unknown, unknown];
  '5': [unknown, unknown, unknown, unknown, unknown];
  '6': [unknown, unknown, unknown, unknown, unknown, unknown];
  '7': [unknown, unknown, unknown, unknown, unknown, unknown, unknown];
}

/** How many dims follow dim -n. */
interface After {
  '1': Dims['0'];
  '2': Dims['1'];
  '3': Dims['2'];
  '4': Dims['3'];
  '5': Dims['4'];
  '6': Dims['5'];
  '7': Dims['6'];
  '8': Dims['7'];
}

/**
 * A shape cut at dim `D` (negative counts from the end): [dims before, the size, dims after], or
 * `null` when there is no such dim. Two pattern matches rather than a walk: every operation on a dim
 * begins here.
 */
export type Cut<S extends List, D extends number> = `${D}` extends `-${infer N extends keyof After}`
  ? S extends readonly [...infer P, infer X, ...After[N]]
    ? S extends readonly [...P, X, ...infer Q]
      ? [before: P, size: X, after: Q]
      : never
    : null
  : `${D}` extends keyof Dims
    ? S extends readonly [...Dims[`${D}`], infer X, ...infer Q]
      ? S extends readonly [...infer P, X, ...Q]
        ? [before: P, size: X, after: Q]
        : never
      : null
    : null;

/** The complaint about a dim that is not there. */
export type NoDim<S extends List, D> = Checkable<S, `dim ${D & number} is out of range for shape ${Show<S>}`>;

/** No complaints about ranks that the tables do not reach. */
type Checkable<S extends List, Message> = S extends readonly [...Dims['7'], unknown, unknown, ...unknown[]]
  ? Shape
  : Message;

/** Reductions and their like let a scalar pass for a vector, so that it has dims 0 and -1. */
export type NoDimUnlessScalar<S extends List, D> = S extends readonly []
  ? D extends 0 | -1
    ? []
    : NoDim<S, D>
  : NoDim<S, D>;

/** A dim that must exist, for operations that keep the shape: the shape, or a complaint. */
export type InRange<S extends List, D extends number> =
  Unranked<S> extends true ? S : number extends D ? S : Cut<S, D> extends null ? NoDimUnlessScalar<S, D> : S;

/** The size of a dim. */
export type SizeOf<S extends List, D extends number> =
  Unranked<S> extends true
    ? number
    : number extends D
      ? number
      : Cut<S, D> extends [List, infer X, List]
        ? X
        : NoDim<S, D>;

// ---- reductions ----------------------------------------------------------------------------------------------------

/** Which dims to reduce: one, several, or (undefined or none) all. */
export type Axes = number | readonly number[] | undefined;

/** The shape left after reducing dims `D`; kept dims have size 1. */
export type Reduce<S extends List, D, Keep> = D extends undefined | readonly []
  ? ReduceAll<S, Keep>
  : D extends List
    ? ReduceSeveral<S, D, Keep>
    : D extends number
      ? ReduceOne<S, D, Keep>
      : never;

type ReduceAll<S extends List, Keep> = Keep extends true
  ? Unranked<S> extends true
    ? Shape
    : { -readonly [K in keyof S]: 1 }
  : [];

type ReduceOne<S extends List, D extends number, Keep> =
  Unranked<S> extends true
    ? Shape
    : number extends D
      ? ReduceUnknown<S, Keep>
      : Cut<S, D> extends [infer P extends List, unknown, infer Q extends List]
        ? Keep extends true
          ? [...P, 1, ...Q]
          : [...P, ...Q]
        : NoDimUnlessScalar<S, D>;

/** Some dim, known only at run time. */
export type ReduceUnknown<S extends List, Keep> = Keep extends true
  ? Unsized<S>
  : S extends readonly [unknown, ...infer Q]
    ? Unsized<Q>
    : [];

type ReduceSeveral<S extends List, Ds extends List, Keep> =
  Unranked<S> extends true
    ? Shape
    : Unranked<Ds> extends true
      ? Keep extends true
        ? Unsized<S>
        : Shape
      : number extends Ds[number]
        ? Keep extends true
          ? Unsized<S>
          : Shape
        : Mark<S, Ds, S, Ds> extends infer M
          ? M extends List
            ? Keep extends true
              ? { -readonly [K in keyof M]: M[K] extends number ? M[K] : 1 }
              : Unmarked<M>
            : M
          : never;

/** Puts `null` in the place of every dim listed. */
type Mark<M extends List, Ds extends List, S extends List, All extends List> = Ds extends readonly [
  infer D extends number,
  ...infer More,
]
  ? Cut<M, D> extends [infer P extends List, infer X, infer Q extends List]
    ? [X] extends [number]
      ? Mark<[...P, null, ...Q], More, S, All>
      : `dim ${D} appears multiple times in ${Show<All>}`
    : S extends readonly []
      ? NoDimUnlessScalar<S, D> extends infer E extends string
        ? E
        : Mark<M, More, S, All>
      : NoDim<S, D>
  : M;

/** Drops what `Mark` marked. */
type Unmarked<M extends List> = M extends readonly [infer X, ...infer More]
  ? [X] extends [number]
    ? [X, ...Unmarked<More>]
    : Unmarked<More>
  : [];

// ---- moving dims ---------------------------------------------------------------------------------------------------

/** Two dims exchanged. */
export type Transpose<S extends List, A extends number, B extends number> =
  Unranked<S> extends true
    ? Shape
    : number extends A | B
      ? Unsized<S>
      : Cut<S, A> extends [infer P extends List, infer X, List]
        ? Cut<S, B> extends [infer Q extends List, infer Y, List]
          ? Swap<S, `${P['length']}`, `${Q['length']}`, X, Y>
          : NoDim<S, B>
        : NoDimUnlessScalar<S, A>;

type Swap<S extends List, I extends string, J extends string, X, Y> = {
  -readonly [K in keyof S]: K extends I ? Y : K extends J ? X : S[K];
};

/** The last two dims exchanged. */
export type MatrixTranspose<S extends List> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly [...infer P, infer M, infer N]
      ? [...P, N, M]
      : `mT needs at least two dims, got shape ${Show<S>}`;

/** All dims in reverse order. */
export type Reversed<S extends List> =
  Unranked<S> extends true ? Shape : S extends readonly [infer X, ...infer More] ? [...Reversed<More>, X] : [];

/** The transpose of a matrix; vectors and scalars stay. */
export type AtMostMatrix<S extends List> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly [unknown, unknown, unknown, ...unknown[]]
      ? `t() needs at most two dims, got shape ${Show<S>}`
      : Reversed<S>;

/** Dim `From` taken out and put back in at `To`. */
export type MoveDim<S extends List, From extends number, To extends number> =
  Unranked<S> extends true
    ? Shape
    : number extends From | To
      ? Unsized<S>
      : Cut<S, From> extends [infer P extends List, infer X, infer Q extends List]
        ? Cut<S, To> extends null
          ? NoDim<S, To>
          : Insert<[...P, ...Q], To, X>
        : NoDimUnlessScalar<S, From>;

/** The dims in another order. */
export type Permute<S extends List, Order extends List> =
  Unranked<S> extends true
    ? Unranked<Order> extends true
      ? Shape
      : Unsized<Order>
    : Unranked<Order> extends true
      ? Unsized<S>
      : S['length'] extends Order['length']
        ? number extends Order[number]
          ? Unsized<S>
          : Exclude<Keys<S>, Places<S, Order>[number]> extends never
            ? { -readonly [K in keyof Order]: Order[K] extends number ? SizeOf<S, Order[K]> : never }
            : Checkable<S, `permute: ${Show<Order>} is not an order of the dims of ${Show<S>}`>
        : `permute: ${Order['length']} dims given for shape ${Show<S>}`;

/** The keys of a tuple: '0', '1', ... */
type Keys<S extends List> = { [K in keyof S]: K }[number];

/** Where each dim of an order stands in the shape, as keys. */
type Places<S extends List, Order extends List> = {
  [K in keyof Order]: Order[K] extends number
    ? Cut<S, Order[K]> extends [infer P extends List, unknown, List]
      ? `${P['length']}`
      : never
    : never;
};

// ---- dims of size 1 ------------------------------------------------------------------------------------------------

/** A new dim of size 1 at position `D`. */
export type Unsqueeze<S extends List, D extends number> = Insert<S, D, 1>;

/** A new dim of size `N` at position `D`. */
export type Insert<S extends List, D extends number, N> =
  Unranked<S> extends true
    ? Shape
    : number extends D
      ? Unsized<[...S, N]>
      : Cut<[...S, N], D> extends [infer P extends List, unknown, List]
        ? S extends readonly [...P, ...infer Q]
          ? [...P, N, ...Q]
          : never
        : NoDim<S, D>;

/** Without the dims of size 1, or without those listed that have size 1. */
export type Squeeze<S extends List, D> =
  Unranked<S> extends true
    ? Shape
    : D extends undefined
      ? number extends S[number]
        ? Shape
        : Unmarked<{ [K in keyof S]: S[K] extends 1 ? null : S[K] }>
      : D extends number
        ? SqueezeOne<S, D>
        : D extends List
          ? SqueezeEach<S, D, S>
          : never;

type SqueezeOne<S extends List, D extends number> = number extends D
  ? Shape
  : Cut<S, D> extends [infer P extends List, infer X, infer Q extends List]
    ? X extends 1
      ? [...P, ...Q]
      : number extends X
        ? Shape
        : Writable<S>
    : NoDimUnlessScalar<S, D>;

/** Puts `null` in the place of every dim listed that has size 1, then drops these. */
type SqueezeEach<M extends List, Ds extends List, S extends List> = Ds extends readonly [
  infer D extends number,
  ...infer More,
]
  ? number extends D
    ? Shape
    : Cut<S, D> extends [infer P extends List, infer X, List]
      ? X extends 1
        ? SqueezeEach<Replace<M, `${P['length']}`, null>, More, S>
        : number extends X
          ? Shape
          : SqueezeEach<M, More, S>
      : NoDimUnlessScalar<S, D>
  : Ds extends readonly []
    ? Unmarked<M>
    : Shape;

/** The entry at key `I` replaced. */
type Replace<S extends List, I extends string, X> = { -readonly [K in keyof S]: K extends I ? X : S[K] };
