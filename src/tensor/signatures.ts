/**
 * The shape algebra as methods and functions use it. Each signature takes a *parameter* from here,
 * which is the argument's own type or the message that refuses it, and a *result*, which is a shape:
 *
 *     matmul<T extends Tensor, X extends Tensor>(this: T, x: FitMatMul<T, X>): Tensor<MatMulOf<T, X>>
 *
 * `S`, the parameter of the class, appears only in `readonly shape: Known<S>`, in results
 * `Tensor<S>`, and in getters; every other method reads the shape of its receiver through `this: T`.
 * So whether a `Tensor<A>` is a `Tensor<B>` is decided by comparing `A` with `B` alone, and a union
 * of tensors is as callable as one.
 */
import type { TypedArray } from '../core/dtype.ts';
import type {
  Arange,
  Arg,
  As,
  At,
  AtLeast,
  AtMostMatrix,
  Axes,
  Broadcast,
  BroadcastAll,
  BroadcastInto,
  Cat,
  Chunk,
  CrossEntropy,
  Diag,
  Diagonal,
  Equal,
  EvenSplit,
  Expand,
  Eye,
  Flatten,
  Gather,
  GradientFor,
  Grid,
  Hstack,
  IndexSelect,
  InRange,
  Known,
  MatrixTranspose,
  MoveDim,
  Narrow,
  Nested,
  NllLoss,
  Numel,
  OneElement,
  Out,
  Padded,
  Permute,
  PixelShuffle,
  PixelUnshuffle,
  Reduce,
  Repeat,
  RepeatInterleave,
  Reshape,
  Reversed,
  Select,
  Shape,
  Shaped,
  ShapedArg,
  ShapeOfData,
  SizeOf,
  Slice,
  Split,
  Squeeze,
  Stack,
  TensorSplit,
  Tile,
  TopK,
  Transpose,
  Unbind,
  Unflatten,
  Unfold,
  Unsqueeze,
  Untyped,
  Vstack,
  Writable,
} from './shapes.ts';
import type { Tensor } from './tensor.ts';

/** What arithmetic takes beside a tensor. */
export type Operand = number | Tensor;

/** The shape of a tensor. Of a union of tensors, as a list of parameters holds them, nothing is known. */
export type ShapeOf<X, All = X> = X extends Tensor<infer S> ? ([All] extends [X] ? S : Untyped) : never;

/** The shapes of several tensors. */
export type ShapesOf<Xs extends readonly unknown[]> = { [K in keyof Xs]: ShapeOf<Xs[K]> };

/** The shapes of several operands; a number (or an operand left out) stretches like a scalar. */
type OperandShapes<Xs extends readonly unknown[]> = { [K in keyof Xs]: Xs[K] extends Tensor<infer S> ? S : [] };

// ---- element by element --------------------------------------------------------------------------------------------

/** An operand that broadcasts with the tensor. */
export type Fit<T, X> = Arg<X extends Tensor<infer B> ? Unfit<ShapeOf<T>, B> : Shape, X>;

/** The shape of both together. */
export type Both<T, X> = X extends Tensor<infer B> ? Pair<ShapeOf<T>, B> : ShapeOf<T>;

// Equal shapes, the common case and the only one TypeScript can settle in generic code, skip the algebra.
type Unfit<A extends Shape, B extends Shape> = Equal<A, B> extends true ? [] : Broadcast<A, B>;
type Pair<A extends Shape, B extends Shape> = Equal<A, B> extends true ? A & B : Out<Broadcast<A, B>>;

/** An operand that broadcasts with several others: `where(condition, a, b)`, `clamp(min, max)`. */
export type FitAll<Xs extends readonly unknown[], X> = Arg<BroadcastAll<OperandShapes<[...Xs, X]>>, X>;

/** The shape of several operands together. */
export type AllOf<Xs extends readonly unknown[]> = Out<BroadcastAll<OperandShapes<Xs>>>;

/** An operand that can be written over the tensor: it broadcasts, and the tensor need not grow. */
export type FitInto<T, X> = Arg<X extends Tensor<infer B> ? Into<ShapeOf<T>, B> : Shape, X>;

type Into<A extends Shape, B extends Shape> = Equal<A, B> extends true ? [] : BroadcastInto<A, B>;

// ---- reductions ----------------------------------------------------------------------------------------------------

/** The dims of a reduction: one, several, or none for all. */
export type FitReduce<T, D, K> = Arg<Reduce<ShapeOf<T>, D, K>, D>;

/** The shape left by a reduction. */
export type ReduceOf<T, D extends Axes, K> = Out<Reduce<ShapeOf<T>, D, K>>;

/** What `max` and `min` give: a scalar, or along one dim the values and where they stand. */
export type ExtremeOf<T, D extends number | undefined, K> = D extends number
  ? ValuesAndIndices<ReduceOf<T, D, K>>
  : Tensor<ReduceOf<T, D, K>>;

/** Values found along a dim, and the index of each. */
export interface ValuesAndIndices<S extends Shape> {
  readonly values: Tensor<S>;
  readonly indices: Tensor<S>;
}

/** A dim that the tensor must have. */
export type FitDim<T, D extends number> = Arg<InRange<ShapeOf<T>, D>, D>;

/** The size of a dim, or the shape. */
export type SizeOfDim<T, D> = D extends number
  ? SizeOf<ShapeOf<T>, D> extends infer N extends number
    ? N
    : number
  : Known<ShapeOf<T>>;

// ---- sizes and order of dims ---------------------------------------------------------------------------------------

export type FitReshape<T, R extends Shape> = Arg<Reshape<ShapeOf<T>, R>, R>;
export type ReshapeOf<T, R extends Shape> = Out<Reshape<ShapeOf<T>, R>>;

/** `view` is `reshape` under its own name. */
export type FitView<T, R extends Shape> = Arg<Reshape<ShapeOf<T>, R, 'view'>, R>;

/** The last dim to flatten; the first one is a plain `FitDim`. */
export type FitFlatten<T, Start extends number, End extends number> = Arg<Flatten<ShapeOf<T>, Start, End>, End>;
export type FlattenOf<T, Start extends number, End extends number> = Out<Flatten<ShapeOf<T>, Start, End>>;

export type FitExpand<T, R extends Shape> = Arg<Expand<ShapeOf<T>, R>, R>;
export type ExpandOf<T, R extends Shape> = Out<Expand<ShapeOf<T>, R>>;

/** Both dims of a transposition are a plain `FitDim`. */
export type TransposeOf<T, A extends number, B extends number> = Out<Transpose<ShapeOf<T>, A, B>>;

export type FitPermute<T, P extends Shape> = Arg<Permute<ShapeOf<T>, P>, P>;
export type PermuteOf<T, P extends Shape> = Out<Permute<ShapeOf<T>, P>>;

export type MoveDimOf<T, From extends number, To extends number> = Out<MoveDim<ShapeOf<T>, From, To>>;

/** The receiver of `t()`, and its transpose. */
export type FitTransposed<T> = Arg<AtMostMatrix<ShapeOf<T>>, T>;
export type TransposedOf<T> = Out<AtMostMatrix<ShapeOf<T>>>;

/** The results of the getters `mT` and `T`, which may name the class's own `S`: they only stand inside `Tensor<...>`. */
export type MatrixTransposeOf<S extends Shape> = Out<MatrixTranspose<S>>;
export type ReversedOf<S extends Shape> = Out<Reversed<S>>;

export type FitSqueeze<T, D> = Arg<Squeeze<ShapeOf<T>, D>, D>;
export type SqueezeOf<T, D> = Out<Squeeze<ShapeOf<T>, D>>;

export type FitUnsqueeze<T, D extends number> = Arg<Unsqueeze<ShapeOf<T>, D>, D>;
export type UnsqueezeOf<T, D extends number> = Out<Unsqueeze<ShapeOf<T>, D>>;

/** A shape that the tensor may turn out to have at run time. */
export type FitAs<T, R extends Shape> = Arg<As<ShapeOf<T>, R>, R>;
export type AsOf<T, R extends Shape> = Out<As<ShapeOf<T>, R>>;

// ---- picking and joining -------------------------------------------------------------------------------------------

/** An index within the dim. */
export type FitSelect<T, D extends number, I extends number> = Arg<Select<ShapeOf<T>, D, I>, I>;
export type SelectOf<T, D extends number, I extends number> = Out<Select<ShapeOf<T>, D, I>>;

/** A length that the dim has from `Start` on. */
export type FitNarrow<T, D extends number, Start, L extends number> = Arg<Narrow<ShapeOf<T>, D, First<Start>, L>, L>;
export type NarrowOf<T, D extends number, Start, L extends number> = Out<Narrow<ShapeOf<T>, D, First<Start>, L>>;

/** A start that is a tensor is known at run time only; it is 0 at least. */
type First<Start> = Start extends number ? Start : 0;

/** How many to find along a dim: no more than it has. */
export type FitTopK<T, D extends number, K extends number> = Arg<TopK<ShapeOf<T>, D, K>, K>;
export type TopKOf<T, D extends number, K extends number> = Out<TopK<ShapeOf<T>, D, K>>;

/** Slices draw their bounds in, so that only the dim (a plain `FitDim`) can be wrong. */
export type SliceOf<T, D extends number, Start, End, Step> = Out<Slice<ShapeOf<T>, D, Start, End, Step>>;

/** A vector of indices. */
export type FitIndexSelect<T, D extends number, X> = Arg<IndexSelect<ShapeOf<T>, D, ShapeOf<X>>, X>;
export type IndexSelectOf<T, D extends number, X> = Out<IndexSelect<ShapeOf<T>, D, ShapeOf<X>>>;

/** Indices of the tensor's rank, no longer than it apart from the dim. */
export type FitGather<T, D extends number, X> = Arg<Gather<ShapeOf<T>, D, ShapeOf<X>>, X>;
export type GatherOf<T, D extends number, X> = Out<Gather<ShapeOf<T>, D, ShapeOf<X>>>;

export type FitCat<L extends readonly Tensor[], D extends number> = Arg<Cat<ShapesOf<L>, D>, L>;
export type CatOf<L extends readonly Tensor[], D extends number> = Out<Cat<ShapesOf<L>, D>>;

export type FitStack<L extends readonly Tensor[], D extends number> = Arg<Stack<ShapesOf<L>, D>, L>;
export type StackOf<L extends readonly Tensor[], D extends number> = Out<Stack<ShapesOf<L>, D>>;

// ---- one tensor as several -----------------------------------------------------------------------------------------

/** Tensors of a list of shapes. */
type Tensors<R> = R extends readonly Shape[] ? { -readonly [K in keyof R]: Tensor<Out<R[K]>> } : Untyped;

export type FitUnbind<T, D extends number> = Arg<Unbind<ShapeOf<T>, D>, D>;
export type UnbindOf<T, D extends number> = Tensors<Unbind<ShapeOf<T>, D>>;

/** The size of the parts, or the sizes. */
export type FitSplit<T, N, D extends number> = Arg<Split<ShapeOf<T>, N, D>, N>;
export type SplitOf<T, N, D extends number> = Tensors<Split<ShapeOf<T>, N, D>>;

export type FitChunk<T, N extends number, D extends number> = Arg<Chunk<ShapeOf<T>, N, D>, N>;
export type ChunkOf<T, N extends number, D extends number> = Tensors<Chunk<ShapeOf<T>, N, D>>;

export type FitTensorSplit<T, N, D extends number> = Arg<TensorSplit<ShapeOf<T>, N, D>, N>;
export type TensorSplitOf<T, N, D extends number> = Tensors<TensorSplit<ShapeOf<T>, N, D>>;

/** Where `hsplit` cuts: a vector along its one dim, everything else along the second. */
type Columns<T> = ShapeOf<T> extends readonly [unknown] ? 0 : 1;
export type FitHSplit<T, N> = Arg<EvenSplit<ShapeOf<T>, N, Columns<T>, Columns<T>, 'hsplit'>, N>;
export type HSplitOf<T, N> = Tensors<EvenSplit<ShapeOf<T>, N, Columns<T>, Columns<T>, 'hsplit'>>;
export type FitVSplit<T, N> = Arg<EvenSplit<ShapeOf<T>, N, 0, 1, 'vsplit'>, N>;
export type VSplitOf<T, N> = Tensors<EvenSplit<ShapeOf<T>, N, 0, 1, 'vsplit'>>;
export type FitDSplit<T, N> = Arg<EvenSplit<ShapeOf<T>, N, 2, 2, 'dsplit'>, N>;
export type DSplitOf<T, N> = Tensors<EvenSplit<ShapeOf<T>, N, 2, 2, 'dsplit'>>;

// ---- diagonals, windows, ranks -------------------------------------------------------------------------------------

export type FitDiagonal<T, K extends number, A extends number, B extends number> = Arg<
  Diagonal<ShapeOf<T>, K, A, B>,
  B
>;
export type DiagonalOf<T, K extends number, A extends number, B extends number> = Out<Diagonal<ShapeOf<T>, K, A, B>>;

export type FitUnfold<T, D extends number, N extends number, K extends number> = Arg<Unfold<ShapeOf<T>, D, N, K>, N>;
export type UnfoldOf<T, D extends number, N extends number, K extends number> = Out<Unfold<ShapeOf<T>, D, N, K>>;

export type FitUnflatten<T, D extends number, N extends Shape> = Arg<Unflatten<ShapeOf<T>, D, N>, N>;
export type UnflattenOf<T, D extends number, N extends Shape> = Out<Unflatten<ShapeOf<T>, D, N>>;

export type AtLeastOf<T, Rank extends 1 | 2 | 3> = Out<AtLeast<ShapeOf<T>, Rank>>;

/** A tensor whose shape this one can be expanded to, or reshaped to. */
export type FitExpandAs<T, X> = Arg<Expand<ShapeOf<T>, ShapeOf<X>>, X>;
export type FitReshapeAs<T, X> = Arg<Reshape<ShapeOf<T>, ShapeOf<X>>, X>;
export type FitViewAs<T, X> = Arg<Reshape<ShapeOf<T>, ShapeOf<X>, 'view'>, X>;
/** Brackets: the receiver is refused where they do not fit. */
export type FitAt<T, I extends readonly unknown[]> = Arg<At<ShapeOf<T>, I>, T>;
export type AtOf<T, I extends readonly unknown[]> = Out<At<ShapeOf<T>, I>>;

/** Brackets as a list, and a value that broadcasts to what they name. */
export type FitBrackets<T, I extends readonly unknown[]> = Arg<At<ShapeOf<T>, I>, I>;
export type FitValue<T, I extends readonly unknown[], X> = Arg<
  X extends Tensor<infer B> ? (At<ShapeOf<T>, I> extends infer R extends Shape ? Into<R, B> : Shape) : Shape,
  X
>;

/** The place of everything that is not zero: a row of as many numbers as there are dims. */
export type NonzeroOf<T> =
  ShapeOf<T> extends infer S extends Shape
    ? number extends S['length']
      ? Tensor<[number, number]>
      : Tensor<[number, S['length']]>
    : never;

/** The shape of a tensor of places, one element for each. */
export type TakenOf<X, D> = D extends number ? Tensor : Tensor<[Numel<ShapeOf<X>>]>;

// ---- arranging -----------------------------------------------------------------------------------------------------

export type FitRepeat<T, R extends Shape> = Arg<Repeat<ShapeOf<T>, R>, R>;
export type RepeatOf<T, R extends Shape> = Out<Repeat<ShapeOf<T>, R>>;
export type TileOf<T, R extends Shape> = Out<Tile<ShapeOf<T>, R>>;
export type FitRepeatDim<T, R, D> = Arg<RepeatInterleave<ShapeOf<T>, R, D>, D>;
export type RepeatInterleaveOf<T, R, D> = Out<RepeatInterleave<ShapeOf<T>, R, D>>;
export type FitDiag<T, K> = Arg<Diag<ShapeOf<T>, K>, T>;
export type DiagOf<T, K> = Out<Diag<ShapeOf<T>, K>>;
export type FitPad<T, P extends Shape> = Arg<Padded<ShapeOf<T>, P>, P>;
export type PadOf<T, P extends Shape> = Out<Padded<ShapeOf<T>, P>>;
export type FitShuffle<T, R extends number> = Arg<PixelShuffle<ShapeOf<T>, R>, R>;
export type ShuffleOf<T, R extends number> = Out<PixelShuffle<ShapeOf<T>, R>>;
export type FitUnshuffle<T, R extends number> = Arg<PixelUnshuffle<ShapeOf<T>, R>, R>;
export type UnshuffleOf<T, R extends number> = Out<PixelUnshuffle<ShapeOf<T>, R>>;
export type FitHstack<L extends readonly Tensor[]> = Arg<Hstack<ShapesOf<L>>, L>;
export type HstackOf<L extends readonly Tensor[]> = Out<Hstack<ShapesOf<L>>>;
export type FitVstack<L extends readonly Tensor[]> = Arg<Vstack<ShapesOf<L>>, L>;
export type VstackOf<L extends readonly Tensor[]> = Out<Vstack<ShapesOf<L>>>;
export type FitGrid<L extends readonly Tensor[]> = Arg<Grid<ShapesOf<L>, 'ij'>, L>;
export type GridOf<L extends readonly Tensor[], I> = { -readonly [K in keyof L]: Tensor<Out<Grid<ShapesOf<L>, I>>> };
/** Rows of a table at an index; classes as rows. */
export type LookupOf<X, W> =
  ShapeOf<W> extends readonly [unknown, infer D extends number] ? Out<[...ShapeOf<X>, D]> : Untyped;
export type OneHotOf<X, C> = Out<[...ShapeOf<X>, C extends number ? C : number]>;

// ---- receivers that need one element -------------------------------------------------------------------------------

/** The receiver of `item()`. */
export type Single<T> = Arg<OneElement<ShapeOf<T>, 'item() needs one element, not a tensor'>, T>;

/** The receiver of `backward()`: one element, unless a gradient `G` says where to start from. */
export type Root<T, G> = [G] extends [never]
  ? T
  : [G] extends [null | undefined]
    ? Arg<OneElement<ShapeOf<T>, 'backward() needs a gradient argument for a tensor'>, T>
    : T;

/** The gradient given to `backward()`: of the tensor's own shape. */
export type FitGradient<T, G> = Arg<G extends Tensor<infer B> ? GradientFor<ShapeOf<T>, B> : Shape, G>;

/** The tangent given to `makeDual`. */
export type FitTangent<T, V> = Arg<
  V extends Tensor<infer B> ? GradientFor<ShapeOf<T>, B, 'makeDual: the tangent'> : Shape,
  V
>;

// ---- losses --------------------------------------------------------------------------------------------------------

export type FitTarget<X, Y, Reduction> = Arg<CrossEntropy<ShapeOf<X>, ShapeOf<Y>, Reduction>, Y>;
export type CrossEntropyOf<X, Y, Reduction> = Out<CrossEntropy<ShapeOf<X>, ShapeOf<Y>, Reduction>>;

/** The target of `nllLoss`: class indices only. */
export type FitClasses<X, Y, R> = Arg<NllLoss<ShapeOf<X>, ShapeOf<Y>, R>, Y>;
export type NllLossOf<X, Y, R> = Out<NllLoss<ShapeOf<X>, ShapeOf<Y>, R>>;

// ---- creation ------------------------------------------------------------------------------------------------------

/** A new tensor of the given sizes: `zeros`, `ones`, `full`, `empty`, `rand`, `randn`. */
export type CreatedOf<N extends Shape> = Shaped<Writable<N>>;

/** `arange(end)`, `arange(start, end)`, `arange(start, end, step)`: options in these places count as left out. */
export type ArangeOf<Start extends number, End, Step> = Shaped<Arange<Start, End, Step>>;
export type LinspaceOf<Steps extends number> = Shaped<[Steps]>;
export type EyeOf<N extends number, M> = Shaped<Eye<N, M>>;

/** What `tensor()` takes. */
export type Data = Nested | TypedArray | Tensor;

/** Data whose rows have one length, and as many elements as a shape `R` given beside it. */
export type FitData<D, R> = ShapedArg<DataShape<D, R>, D>;
export type DataOf<D, R> = Shaped<DataShape<D, R>>;

type DataShape<D, R> = R extends Shape ? Reshaped<GivenShape<D>, R> : GivenShape<D>;
type Reshaped<Given, R extends Shape> = Given extends Shape ? Reshape<Given, R, 'tensor'> : Given;
type GivenShape<D> = D extends Tensor<infer S> ? (number extends S['length'] ? Shape : S) : ShapeOfData<D>;
