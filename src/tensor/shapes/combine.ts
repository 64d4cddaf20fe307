/** Operations on several tensors: broadcasting, products, joining, einsum, cross-entropy. */
import type {
  Clash,
  Disagree,
  Equal,
  IsNever,
  List,
  Meet,
  Shape,
  Show,
  ShowSize,
  Unranked,
  Writable,
} from './basics.ts';
import type { Add } from './digits.ts';
import type { Cut, Insert, NoDim } from './dims.ts';

// ---- broadcasting --------------------------------------------------------------------------------------------------

/** Two shapes stretched to one: aligned at the last dim, where a size 1 gives way to the other. */
export type Broadcast<A extends List, B extends List> =
  Unranked<A> extends true ? Shape : Unranked<B> extends true ? Shape : Align<A, B, A, B>;

/** Any number of shapes stretched to one. */
export type BroadcastAll<Shapes extends List, Sum extends List = []> = Shapes extends readonly [
  infer S extends List,
  ...infer More,
]
  ? Broadcast<Sum, S> extends infer R
    ? R extends List
      ? BroadcastAll<More, R>
      : R
    : never
  : Sum;

/** `B` stretched to `A`, which cannot itself stretch: what is written into a tensor in place. */
export type BroadcastInto<A extends List, B extends List> =
  Broadcast<A, B> extends infer R
    ? R extends List
      ? [Unranked<A>, Unranked<R>] extends [false, false]
        ? [A['length'], Disagree<A, R>] extends [R['length'], false]
          ? A
          : `in place: shape ${Show<A>} cannot take the broadcast shape ${Show<R>}`
        : Shape
      : R
    : never;

/** Takes the last dims off `A` and `B` one by one, collecting the result in `Done`. */
type Align<
  A extends List,
  B extends List,
  A0 extends List,
  B0 extends List,
  Done extends List = [],
> = A extends readonly [...infer I, infer X]
  ? B extends readonly [...infer J, infer Y]
    ? Equal<X, Y> extends true
      ? Align<I, J, A0, B0, [X & Y, ...Done]>
      : IsNever<Stretch<X, Y>> extends true
        ? `shapes ${Show<A0>} and ${Show<B0>} cannot be broadcast: dim ${Longer<I, J>['length']} is ${ShowSize<X>} vs ${ShowSize<Y>}`
        : Align<I, J, A0, B0, [Stretch<X, Y>, ...Done]>
    : [...A, ...Done]
  : [...B, ...Done];

/** The size two sizes are stretched to; `never` when they clash. */
type Stretch<X, Y> = X extends 1 ? Y : Y extends 1 ? X : X & Y;

type Longer<A extends List, B extends List> = A extends readonly [...{ [K in keyof B]: unknown }, ...unknown[]] ? A : B;

// ---- products ------------------------------------------------------------------------------------------------------

/** PyTorch's matmul: vectors, matrices, and stacks of matrices whose leading dims broadcast. */
export type MatMul<A extends List, B extends List> =
  Unranked<A> extends true
    ? Shape
    : Unranked<B> extends true
      ? Shape
      : A extends readonly []
        ? 'matmul: a scalar has no inner dim'
        : B extends readonly []
          ? 'matmul: a scalar has no inner dim'
          : [Left<A>, Right<B>] extends [
                [infer P extends List, infer M extends List, infer K],
                [infer Q extends List, infer K2, infer N extends List],
              ]
            ? Clash<K, K2> extends true
              ? InnerClash<'matmul', A, B, K, K2>
              : Batched<Equal<P, Q> extends true ? P & Q : Broadcast<P, Q>, M, N>
            : never;

/** The left operand as [batch dims, rows, inner size]; a vector has no rows. */
type Left<A extends List> = A extends readonly [infer K]
  ? [batch: [], rows: [], inner: K]
  : A extends readonly [...infer P, infer M, infer K]
    ? [batch: P, rows: [M], inner: K]
    : never;

/** The right operand as [batch dims, inner size, columns]; a vector has no columns. */
type Right<B extends List> = B extends readonly [infer K]
  ? [batch: [], inner: K, columns: []]
  : B extends readonly [...infer Q, infer K, infer N]
    ? [batch: Q, inner: K, columns: [N]]
    : never;

type Batched<Batch, M extends List, N extends List> = Batch extends List
  ? [...Batch, ...M, ...N]
  : `matmul, batch dims: ${Batch & string}`;

type InnerClash<
  Name extends string,
  A extends List,
  B extends List,
  K,
  K2,
> = `${Name}: ${Show<A>} @ ${Show<B>}: inner sizes ${ShowSize<K>} and ${ShowSize<K2>} differ`;

/** The product of two vectors. */
export type Dot<A extends List, B extends List> = [Unranked<A>, Unranked<B>] extends [false, false]
  ? [A, B] extends [readonly [infer K], readonly [infer K2]]
    ? Clash<K, K2> extends true
      ? `dot: sizes ${ShowSize<K>} and ${ShowSize<K2>} differ`
      : []
    : `dot needs two vectors, got shapes ${Show<A>} and ${Show<B>}`
  : [];

/** The product of two matrices. */
export type MatrixProduct<A extends List, B extends List> = [Unranked<A>, Unranked<B>] extends [false, false]
  ? [A, B] extends [readonly [infer M, infer K], readonly [infer K2, infer N]]
    ? Clash<K, K2> extends true
      ? InnerClash<'mm', A, B, K, K2>
      : [M, N]
    : `mm needs two matrices, got shapes ${Show<A>} and ${Show<B>}`
  : [number, number];

/** The products of two stacks of matrices, without broadcasting. */
export type BatchedProduct<A extends List, B extends List> = [Unranked<A>, Unranked<B>] extends [false, false]
  ? [A, B] extends [readonly [infer P, infer M, infer K], readonly [infer Q, infer K2, infer N]]
    ? Clash<P, Q> extends true
      ? `bmm: ${Show<A>} @ ${Show<B>}: batch sizes ${ShowSize<P>} and ${ShowSize<Q>} differ`
      : Clash<K, K2> extends true
        ? InnerClash<'bmm', A, B, K, K2>
        : [P & Q, M, N]
    : `bmm needs two stacks of matrices, got shapes ${Show<A>} and ${Show<B>}`
  : [number, number, number];

/** A matrix times a vector. */
export type MatrixVector<A extends List, B extends List> = [Unranked<A>, Unranked<B>] extends [false, false]
  ? [A, B] extends [readonly [infer M, infer K], readonly [infer K2]]
    ? Clash<K, K2> extends true
      ? InnerClash<'mv', A, B, K, K2>
      : [M]
    : `mv needs a matrix and a vector, got shapes ${Show<A>} and ${Show<B>}`
  : [number];

/** A layer named `Name` that maps the last dim from size `I` to size `O`. */
export type MapLast<S extends List, I, O, Name extends string> =
  Unranked<S> extends true
    ? Shape
    : S extends readonly [...infer P, infer X]
      ? Clash<X, I> extends true
        ? `${Name} needs a last dim of ${ShowSize<I>}, got ${Show<S>}`
        : [...P, O]
      : `${Name} needs a last dim of ${ShowSize<I>}, got a scalar`;

// ---- joining -------------------------------------------------------------------------------------------------------

/** Tensors joined along an existing dim: the sizes along it add up, the others must agree. */
export type Cat<Shapes extends List, D extends number> =
  Unranked<Shapes> extends true
    ? CatMany<Shapes[number], D>
    : Shapes extends readonly [infer A extends List, infer B extends List, ...infer More]
      ? CatTwo<A, B, D> extends infer R
        ? R extends List
          ? Cat<[R, ...More], D>
          : R
        : never
      : Shapes extends readonly [infer A extends List]
        ? Writable<A>
        : 'cat needs at least one tensor';

/** A list of unknown length, of tensors of shape `S`. */
type CatMany<S, D extends number> = S extends List
  ? Unranked<S> extends true
    ? Shape
    : number extends D
      ? Shape
      : Cut<S, D> extends [infer P extends List, unknown, infer Q extends List]
        ? [...P, number, ...Q]
        : NoDim<S, D>
  : never;

type CatTwo<A extends List, B extends List, D extends number> =
  Unranked<A> extends true
    ? Shape
    : Unranked<B> extends true
      ? Shape
      : number extends D
        ? Shape
        : A extends readonly [0] // PyTorch lets an empty vector join anything
          ? B
          : B extends readonly [0]
            ? A
            : A['length'] extends B['length']
              ? CatCut<Cut<A, D>, Cut<B, D>, A, B, D>
              : CatClash<A, B, D>;

type CatCut<CA, CB, A extends List, B extends List, D extends number> = [CA, CB] extends [
  [infer P extends List, infer X extends number, infer Q extends List],
  [infer P2 extends List, infer Y extends number, infer Q2 extends List],
]
  ? Disagree<[...P, ...Q], [...P2, ...Q2]> extends true
    ? CatClash<A, B, D>
    : [...Meet<P, P2>, Add<X, Y>, ...Meet<Q, Q2>]
  : NoDim<A, D>;

type CatClash<
  A extends List,
  B extends List,
  D extends number,
> = `cat along dim ${D}: shapes ${Show<A>} and ${Show<B>} differ elsewhere`;

/** Tensors of one shape joined along a new dim. */
export type Stack<Shapes extends List, D extends number> =
  Unranked<Shapes> extends true
    ? StackMany<Shapes[number], D>
    : StackAll<Shapes> extends infer S
      ? S extends List
        ? Insert<S, D, Shapes['length']>
        : S
      : never;

type StackMany<S, D extends number> = S extends List ? Insert<S, D, number> : never;

/** The shape that all have. */
type StackAll<Shapes extends List> = Shapes extends readonly [infer A extends List, infer B extends List, ...infer More]
  ? [Unranked<A>, Unranked<B>] extends [false, false]
    ? StackDiffer<A, B> extends true
      ? `stack: shapes ${Show<A>} and ${Show<B>} differ`
      : StackAll<[Meet<A, B>, ...More]>
    : Shape
  : Shapes extends readonly [infer A extends List]
    ? A
    : 'stack needs at least one tensor';

type StackDiffer<A extends List, B extends List> = A['length'] extends B['length'] ? Disagree<A, B> : true;

// ---- einsum --------------------------------------------------------------------------------------------------------

/** Einstein's summation: `ij,jk->ik`. Without an arrow, or with an ellipsis, nothing is said. */
export type Einsum<Equation extends string, Shapes extends List> = Equation extends `${infer Inputs}->${infer Output}`
  ? Inputs extends `${string}.${string}`
    ? Shape
    : Unranked<Shapes> extends true
      ? Shape
      : Terms<NoSpace<Inputs>, Shapes> extends infer Sizes
        ? Sizes extends string
          ? Sizes
          : OutputOf<NoSpace<Output>, Sizes>
        : never
  : Shape;

type NoSpace<S extends string> = S extends `${infer A} ${infer B}` ? NoSpace<`${A}${B}`> : S;

/** Reads the terms one by one into `Sizes`, a table from index letter to size. */
type Terms<Inputs extends string, Shapes extends List, Sizes = unknown> = Shapes extends readonly [
  infer S extends List,
  ...infer More extends List,
]
  ? Inputs extends `${infer First},${infer Others}`
    ? More extends readonly []
      ? 'einsum: more terms than tensors'
      : Term<First, S, Sizes, First, S> extends infer Found
        ? Found extends string
          ? Found
          : Terms<Others, More, Found>
        : never
    : More extends readonly []
      ? Term<Inputs, S, Sizes, Inputs, S>
      : 'einsum: fewer terms than tensors'
  : Sizes;

/** Reads the letters of one term beside the dims of its tensor. */
type Term<
  Letters extends string,
  S extends List,
  Sizes,
  Term0 extends string,
  S0 extends List,
> = Letters extends `${infer L}${infer More}`
  ? Unranked<S> extends true
    ? Term<More, S, L extends keyof Sizes ? Sizes : Sizes & { [K in L]: number }, Term0, S0>
    : S extends readonly [infer X, ...infer Others]
      ? L extends keyof Sizes
        ? IsNever<Stretch<Sizes[L], X>> extends true
          ? `einsum: index ${L} is ${ShowSize<Sizes[L]>} and ${ShowSize<X>}`
          : Term<More, Others, Omit<Sizes, L> & { [K in L]: Stretch<Sizes[L], X> }, Term0, S0>
        : Term<More, Others, Sizes & { [K in L]: X }, Term0, S0>
      : `einsum: term ${Term0} has more indices than shape ${Show<S0>}`
  : Unranked<S> extends true
    ? Sizes
    : S extends readonly []
      ? Sizes
      : `einsum: term ${Term0} has fewer indices than shape ${Show<S0>}`;

type OutputOf<Letters extends string, Sizes, Done extends List = []> = Letters extends `${infer L}${infer More}`
  ? L extends keyof Sizes
    ? OutputOf<More, Sizes, [...Done, Sizes[L]]>
    : `einsum: output index ${L} is in no input`
  : Done;

// ---- losses --------------------------------------------------------------------------------------------------------

/**
 * Cross-entropy of logits `[N, C, ...]` (or `[C]`) with class indices `[N, ...]` (or a scalar), or
 * with probabilities of the logits' own shape. Without a reduction it has the shape of the indices.
 */
export type CrossEntropy<Logits extends List, Target extends List, Reduction> =
  Unranked<Logits> extends true
    ? LossShape<Shape, Reduction>
    : Unranked<Target> extends true
      ? LossShape<ClassIndices<Logits>, Reduction>
      : Logits extends readonly []
        ? 'crossEntropy: the logits need a class dim, got a scalar'
        : TargetClash<Logits, Target> extends true
          ? `crossEntropy: logits ${Show<Logits>} go with class indices ${Show<ClassIndices<Logits>>} or probabilities ${Show<Logits>}, got ${Show<Target>}`
          : LossShape<ClassIndices<Logits>, Reduction>;

/** The negative log-likelihood of log-probabilities `[N, C, ...]` (or `[C]`) at class indices `[N, ...]` (or a scalar). */
export type NllLoss<Input extends List, Target extends List, Reduction> =
  Unranked<Input> extends true
    ? LossShape<Shape, Reduction>
    : Unranked<Target> extends true
      ? LossShape<ClassIndices<Input>, Reduction>
      : Input extends readonly []
        ? 'nllLoss: the input needs a class dim, got a scalar'
        : IndicesClash<Input, Target> extends true
          ? `nllLoss: input ${Show<Input>} goes with class indices ${Show<ClassIndices<Input>>}, got ${Show<Target>}`
          : LossShape<ClassIndices<Input>, Reduction>;

/** The logits' shape without the class dim, which is the second, or the only one. */
type ClassIndices<Logits extends List> = Logits extends readonly [infer N, unknown, ...infer More] ? [N, ...More] : [];

type TargetClash<Logits extends List, Target extends List> = Target['length'] extends Logits['length']
  ? Disagree<Target, Logits>
  : IndicesClash<Logits, Target>;

type IndicesClash<Logits extends List, Target extends List> = Target['length'] extends ClassIndices<Logits>['length']
  ? Disagree<Target, ClassIndices<Logits>>
  : true;

/** Losses are averaged or summed to a scalar unless `reduction` is `'none'`. */
type LossShape<S extends List, Reduction> = Reduction extends 'none' ? S : [];
