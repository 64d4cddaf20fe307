/** Products by name, and linear algebra: factorisations, systems, functions of square matrices. */
import type { Clash, Disagree, List, Shape, Show, ShowSize, Unranked } from './basics.ts';
import type { Broadcast, BroadcastInto } from './combine.ts';
import type { Exceeds, Mul } from './digits.ts';

// ---- products ------------------------------------------------------------------------------------------------------

/** A column times a row. */
export type Outer<A extends List, B extends List> = [Unranked<A>, Unranked<B>] extends [false, false]
  ? [A, B] extends [readonly [infer M], readonly [infer N]]
    ? [M, N]
    : `outer needs two vectors, got shapes ${Show<A>} and ${Show<B>}`
  : [number, number];

/** Sums over the last dims of both; a scalar only scales. */
export type Inner<A extends List, B extends List> =
  Unranked<A> extends true
    ? Shape
    : Unranked<B> extends true
      ? Shape
      : A extends readonly []
        ? B
        : B extends readonly []
          ? A
          : [A, B] extends [readonly [...infer P, infer K], readonly [...infer Q, infer K2]]
            ? Clash<K, K2> extends true
              ? `inner: ${Show<A>} and ${Show<B>}: last sizes ${ShowSize<K>} and ${ShowSize<K2>} differ`
              : [...P, ...Q]
            : never;

/** The Kronecker product: sizes are multiplied, aligned at the last dim. */
export type Kron<A extends List, B extends List> =
  Unranked<A> extends true ? Shape : Unranked<B> extends true ? Shape : Multiplied<A, B>;

type Multiplied<A extends List, B extends List, Done extends List = []> = A extends readonly [
  ...infer P,
  infer M extends number,
]
  ? B extends readonly [...infer Q, infer N extends number]
    ? Multiplied<P, Q, [Mul<M, N>, ...Done]>
    : [...A, ...Done]
  : [...B, ...Done];

/** What is added to a product of shape `R` (or the complaint about its factors): it broadcasts to it. */
export type Added<Name extends string, X extends List, R> = R extends List
  ? Unranked<R> extends true
    ? Shape
    : Unranked<X> extends true
      ? R
      : BroadcastInto<R, X> extends infer Y
        ? Y extends List
          ? Y
          : `${Name}: shape ${Show<X>} does not broadcast to the product's shape ${Show<R>}`
        : never
  : R;

// ---- square matrices -----------------------------------------------------------------------------------------------

/** A batch of square matrices. */
export type Square<Name extends string, S extends List> =
  Unranked<S> extends true
    ? S
    : S extends readonly [...List, infer M, infer N]
      ? Clash<M, N> extends true
        ? `${Name} needs square matrices, got shape ${Show<S>}`
        : S
      : `${Name} needs matrices, got shape ${Show<S>}`;

/** A number for each of a batch of square matrices. */
export type PerSquare<Name extends string, S extends List> =
  Square<Name, S> extends infer R ? (R extends string ? R : PerMatrix<Name, S>) : never;

/** A number for each of a batch of matrices. */
export type PerMatrix<Name extends string, S extends List> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly [...infer P, unknown, unknown]
      ? P
      : `${Name} needs matrices, got shape ${Show<S>}`;

/** The solution of A X = B; a vector on the right gives a vector. */
export type Solved<Name extends string, A extends List, B extends List> =
  Square<Name, A> extends infer R
    ? R extends string
      ? R
      : Unranked<A> extends true
        ? Shape
        : Unranked<B> extends true
          ? Shape
          : SolvedFor<Name, A, B>
    : never;

type SolvedFor<Name extends string, A extends List, B extends List> = A extends readonly [...infer P, infer M, unknown]
  ? B extends readonly [infer K]
    ? Clash<M, K> extends true
      ? SystemClash<Name, A, B>
      : [...P, M]
    : B extends readonly [...infer Q, infer K, infer N]
      ? IsVectors<P, M, B> extends true
        ? B
        : Clash<M, K> extends true
          ? SystemClash<Name, A, B>
          : Broadcast<P, Q> extends infer Batch
            ? Batch extends List
              ? [...Batch, K & M, N]
              : `${Name}, batch dims: ${Batch & string}`
            : never
      : `${Name} needs a vector or matrices on the right, got shape ${Show<B>}`
  : never;

/** A batch of vectors, one for each of the matrices. */
type IsVectors<P extends List, M, B extends List> = P extends readonly []
  ? false
  : B['length'] extends [...P, M]['length']
    ? Disagree<B, [...P, M]> extends true
      ? false
      : true
    : false;

type SystemClash<
  Name extends string,
  A extends List,
  B extends List,
> = `${Name}: the systems of ${Show<A>} have no right side ${Show<B>}`;

// ---- factorisations ------------------------------------------------------------------------------------------------

/** The smaller of two sizes. */
export type Smaller<M extends number, N extends number> = M extends N
  ? M
  : number extends M | N
    ? number
    : Exceeds<M, N> extends true
      ? N
      : M;

/** A matrix as [batch dims, rows, columns]; `null` for what is none. */
export type MatrixParts<S extends List> = S extends readonly [
  ...infer P,
  infer M extends number,
  infer N extends number,
]
  ? [batch: P, rows: M, columns: N]
  : null;
