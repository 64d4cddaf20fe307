/**
 * Compile-time shapes. Types only: nothing here exists at run time.
 *
 * Every operation is *one* type, which evaluates to the shape of the result or to a message:
 *
 *     MatMul<[2, 3], [3, 4]>   is   [2, 4]
 *     MatMul<[2, 3], [5, 4]>   is   'matmul: [2, 3] @ [5, 4]: inner sizes 3 and 5 differ'
 *
 * A method uses it twice (see signatures.ts): `Arg` turns a message into the type of the parameter,
 * so that the editor underlines the argument and says why; `Out` turns it into `any`, so that one
 * mistake is one error.
 *
 * Shapes are gradual. What is not known is never refused: `number` is an unknown size, `any` and
 * `number[]` an unknown rank, and dims beyond the eighth are not looked at.
 */
export type {
  Diag,
  Grid,
  Hstack,
  Padded,
  PixelShuffle,
  PixelUnshuffle,
  Repeat,
  RepeatInterleave,
  Tile,
  Vstack,
} from './shapes/arrange.ts';
export type {
  Arg,
  Config,
  Dim,
  Equal,
  Known,
  Out,
  Shape,
  Shaped,
  ShapedArg,
  Untyped,
  Writable,
} from './shapes/basics.ts';
export type {
  BatchedProduct,
  Broadcast,
  BroadcastAll,
  BroadcastInto,
  Cat,
  CrossEntropy,
  Dot,
  Einsum,
  MapLast,
  MatMul,
  MatrixProduct,
  MatrixVector,
  NllLoss,
  Stack,
} from './shapes/combine.ts';
export type { Numel } from './shapes/digits.ts';
export type {
  AtMostMatrix,
  Axes,
  InRange,
  MatrixTranspose,
  MoveDim,
  Permute,
  Reduce,
  Reversed,
  SizeOf,
  Squeeze,
  Transpose,
  Unsqueeze,
} from './shapes/dims.ts';
export type { AtLeast, Diagonal, Unflatten, Unfold } from './shapes/paths.ts';
export type { Gather, IndexSelect, Narrow, Select, Slice, TopK } from './shapes/pick.ts';
export type {
  Arange,
  As,
  Expand,
  Eye,
  Flatten,
  GradientFor,
  Nested,
  OneElement,
  Reshape,
  ShapeOfData,
} from './shapes/resize.ts';
export type { Chunk, EvenSplit, Split, TensorSplit, Unbind } from './shapes/split.ts';
export type { At } from './shapes/subscript.ts';
