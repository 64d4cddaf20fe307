/**
 * Signatures of products and of linear algebra, as `signatures.ts` has those of everything
 * else.
 */

import type {
  Added,
  Inner,
  Kron,
  MatrixParts,
  Outer,
  PerMatrix,
  PerSquare,
  Smaller,
  Solved,
  Square,
} from './shapes/linear.ts';
import type {
  Arg,
  BatchedProduct,
  Dot,
  Einsum,
  MapLast,
  MatMul,
  MatrixProduct,
  MatrixVector,
  Out,
  Untyped,
} from './shapes.ts';
import type { ShapeOf, ShapesOf } from './signatures.ts';

// ---- products ------------------------------------------------------------------------------------------------------

export type FitMatMul<T, X> = Arg<MatMul<ShapeOf<T>, ShapeOf<X>>, X>;
export type MatMulOf<T, X> = Out<MatMul<ShapeOf<T>, ShapeOf<X>>>;

/** A vector of the same size; the result is a scalar. */
export type FitDot<T, X> = Arg<Dot<ShapeOf<T>, ShapeOf<X>>, X>;

export type FitMm<T, X> = Arg<MatrixProduct<ShapeOf<T>, ShapeOf<X>>, X>;
export type MmOf<T, X> = Out<MatrixProduct<ShapeOf<T>, ShapeOf<X>>>;

export type FitBmm<T, X> = Arg<BatchedProduct<ShapeOf<T>, ShapeOf<X>>, X>;
export type BmmOf<T, X> = Out<BatchedProduct<ShapeOf<T>, ShapeOf<X>>>;

export type FitMv<T, X> = Arg<MatrixVector<ShapeOf<T>, ShapeOf<X>>, X>;
export type MvOf<T, X> = Out<MatrixVector<ShapeOf<T>, ShapeOf<X>>>;

/** An equation that fits the shapes of the tensors; with labels as numbers, the first tensor stands in its place. */
export type FitEinsum<E, Xs extends readonly unknown[]> = E extends string ? Arg<Einsum<E, ShapesOf<Xs>>, E> : E;
export type EinsumOf<E, Xs extends readonly unknown[]> = E extends string ? Out<Einsum<E, ShapesOf<Xs>>> : Untyped;

/** The input of a layer called `Name` that maps the last dim from size `I` to size `O`. */
export type FitLayer<X, I, O, Name extends string> = Arg<MapLast<ShapeOf<X>, I, O, Name>, X>;
export type LayerOf<X, I, O, Name extends string> = Out<MapLast<ShapeOf<X>, I, O, Name>>;

export type FitOuter<T, X> = Arg<Outer<ShapeOf<T>, ShapeOf<X>>, X>;
export type OuterOf<T, X> = Out<Outer<ShapeOf<T>, ShapeOf<X>>>;

export type FitInner<T, X> = Arg<Inner<ShapeOf<T>, ShapeOf<X>>, X>;
export type InnerOf<T, X> = Out<Inner<ShapeOf<T>, ShapeOf<X>>>;

export type KronOf<T, X> = Out<Kron<ShapeOf<T>, ShapeOf<X>>>;

type Addmm<T, A, B> = Added<'addmm', ShapeOf<T>, MatrixProduct<ShapeOf<A>, ShapeOf<B>>>;
export type FitAddmm<T, A, B> = Arg<Addmm<T, A, B>, B>;
export type AddmmOf<T, A, B> = Out<Addmm<T, A, B>>;

type Addmv<T, A, B> = Added<'addmv', ShapeOf<T>, MatrixVector<ShapeOf<A>, ShapeOf<B>>>;
export type FitAddmv<T, A, B> = Arg<Addmv<T, A, B>, B>;
export type AddmvOf<T, A, B> = Out<Addmv<T, A, B>>;

type Addr<T, A, B> = Added<'addr', ShapeOf<T>, Outer<ShapeOf<A>, ShapeOf<B>>>;
export type FitAddr<T, A, B> = Arg<Addr<T, A, B>, B>;
export type AddrOf<T, A, B> = Out<Addr<T, A, B>>;

type Baddbmm<T, A, B> = Added<'baddbmm', ShapeOf<T>, BatchedProduct<ShapeOf<A>, ShapeOf<B>>>;
export type FitBaddbmm<T, A, B> = Arg<Baddbmm<T, A, B>, B>;
export type BaddbmmOf<T, A, B> = Out<Baddbmm<T, A, B>>;

type SumOfProducts<A, B> =
  BatchedProduct<ShapeOf<A>, ShapeOf<B>> extends infer R
    ? R extends readonly [unknown, infer M, infer N]
      ? [M, N]
      : R
    : never;
type Addbmm<T, A, B> = Added<'addbmm', ShapeOf<T>, SumOfProducts<A, B>>;
export type FitAddbmm<T, A, B> = Arg<Addbmm<T, A, B>, B>;
export type AddbmmOf<T, A, B> = Out<Addbmm<T, A, B>>;

// ---- square matrices -----------------------------------------------------------------------------------------------

/** A batch of square matrices, for an operation called `Name`. */
export type FitSquare<Name extends string, T> = Arg<Square<Name, ShapeOf<T>>, T>;

/** A number for each of a batch of square matrices. */
export type PerSquareOf<T> = Out<PerSquare<'', ShapeOf<T>>>;

/** A batch of matrices, for an operation called `Name`. */
export type FitMatrix<Name extends string, T> = Arg<PerMatrix<Name, ShapeOf<T>>, T>;
export type PerMatrixOf<T> = Out<PerMatrix<'', ShapeOf<T>>>;

/** The right side of A X = B. */
export type FitSolve<Name extends string, A, B> = Arg<Solved<Name, ShapeOf<A>, ShapeOf<B>>, B>;
type SolveOf<A, B> = Out<Solved<'', ShapeOf<A>, ShapeOf<B>>>;
/** The same if the unknown stands on the left. */
export type SolveOn<Left, A, B> = Left extends false ? ShapeOf<B> : SolveOf<A, B>;

// ---- factorisations ------------------------------------------------------------------------------------------------

/** A vector for each of a batch of square matrices. */
export type VectorsOf<T> =
  MatrixParts<ShapeOf<T>> extends [infer P extends readonly number[], infer M extends number, unknown]
    ? Out<[...P, M]>
    : Untyped;

type Split<T, R> = MatrixParts<ShapeOf<T>> extends infer S ? (S extends null ? Untyped : Out<R>) : never;
type Batch<T> = MatrixParts<ShapeOf<T>> extends [infer P extends readonly number[], unknown, unknown] ? P : [];
type Rows<T> = MatrixParts<ShapeOf<T>> extends [unknown, infer M extends number, unknown] ? M : number;
type Columns<T> = MatrixParts<ShapeOf<T>> extends [unknown, unknown, infer N extends number] ? N : number;
type Rank<T> = Smaller<Rows<T>, Columns<T>>;

/** Orthonormal columns and the triangle of a QR factorisation. */
export type QOf<T, Mode> = Mode extends 'r'
  ? [0]
  : Split<T, [...Batch<T>, Rows<T>, Mode extends 'complete' ? Rows<T> : Rank<T>]>;
export type ROf<T, Mode> = Split<T, [...Batch<T>, Mode extends 'complete' ? Rows<T> : Rank<T>, Columns<T>]>;

/** Singular values, and the vectors on either side. */
export type SOf<T> = Split<T, [...Batch<T>, Rank<T>]>;
export type UOf<T, Full> = Split<T, [...Batch<T>, Rows<T>, Full extends false ? Rank<T> : Rows<T>]>;
export type VhOf<T, Full> = Split<T, [...Batch<T>, Full extends false ? Rank<T> : Columns<T>, Columns<T>]>;

/** A matrix that maps the other way. */
export type PinvOf<T> = Split<T, [...Batch<T>, Columns<T>, Rows<T>]>;
