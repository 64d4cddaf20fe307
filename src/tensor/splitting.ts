import type { TensorBase } from '../core/tensor.ts';
import * as op from '../ops/split.ts';
import type { Shape, Untyped } from './shapes.ts';
import type {
  ChunkOf,
  DSplitOf,
  FitChunk,
  FitDSplit,
  FitHSplit,
  FitSplit,
  FitTensorSplit,
  FitUnbind,
  FitVSplit,
  HSplitOf,
  SplitOf,
  TensorSplitOf,
  UnbindOf,
  VSplitOf,
} from './signatures.ts';
import type { Tensor } from './tensor.ts';
import { TensorViews } from './views.ts';

type Sizes = number | Shape;

/** Where to cut, from a tensor of whole numbers if it is one. */
function cutsOf(name: string, cuts: Sizes | Tensor): Sizes {
  if (typeof cuts === 'number' || Array.isArray(cuts)) return cuts as Sizes;
  return op.cutsFrom(name, cuts as TensorBase, (t) => Array.from((t as Tensor).toTypedArray()));
}

/** One tensor as several, which share its memory. */
export abstract class TensorSplitting<S extends Shape = Untyped> extends TensorViews<S> {
  /**
   * The slices along `dim`, without it. As one operation gives them all, none of them may be changed
   * in place while gradients are recorded.
   */
  unbind<T extends Tensor, D extends number = 0>(this: T, dim?: FitUnbind<T, D>): UnbindOf<T, D> {
    return op.unbind(this, dim as number | undefined) as UnbindOf<T, D>;
  }

  /**
   * Parts of `size` elements along `dim`, the last one smaller if it must be; or, given an array, parts
   * of those sizes, which must add up to the size of `dim`. None of them may be changed in place while
   * gradients are recorded.
   */
  split<T extends Tensor, const N extends Sizes, D extends number = 0>(
    this: T,
    size: FitSplit<T, N, D>,
    dim?: D,
  ): SplitOf<T, N, D> {
    return op.split(this, size as Sizes, dim) as SplitOf<T, N, D>;
  }

  /** At most `chunks` parts along `dim`, of one size but the last. Otherwise as `split`. */
  chunk<T extends Tensor, N extends number, D extends number = 0>(
    this: T,
    chunks: FitChunk<T, N, D>,
    dim?: D,
  ): ChunkOf<T, N, D> {
    return op.chunk(this, chunks as number, dim) as ChunkOf<T, N, D>;
  }

  /**
   * `split` into parts that may be changed in place: each has a history and a version of its own, though
   * they share memory with this tensor. Right as long as this tensor is not used any more.
   */
  unsafeSplit<T extends Tensor, const N extends Sizes, D extends number = 0>(
    this: T,
    size: FitSplit<T, N, D>,
    dim?: D,
  ): SplitOf<T, N, D> {
    return op.split(this, size as Sizes, dim, 'unsafe') as SplitOf<T, N, D>;
  }

  /** `chunk` into parts that may be changed in place, as those of `unsafeSplit`. */
  unsafeChunk<T extends Tensor, N extends number, D extends number = 0>(
    this: T,
    chunks: FitChunk<T, N, D>,
    dim?: D,
  ): ChunkOf<T, N, D> {
    return op.chunk(this, chunks as number, dim, 'unsafe') as ChunkOf<T, N, D>;
  }

  /**
   * So many parts along `dim`, whose sizes differ by one at most, the larger ones first; or, given an
   * array or an int32 vector of indices, the parts before, between and after these. They are slices and
   * may be changed in place.
   */
  tensorSplit<T extends Tensor, const N extends Sizes | Tensor, D extends number = 0>(
    this: T,
    cuts: FitTensorSplit<T, N, D>,
    dim?: D,
  ): TensorSplitOf<T, N, D> {
    return op.tensorSplit(this, cutsOf('tensorSplit', cuts as Sizes | Tensor), dim) as TensorSplitOf<T, N, D>;
  }

  /** `tensorSplit` along the columns; a number of parts must divide their number. A vector is cut along its elements. */
  hsplit<T extends Tensor, const N extends Sizes>(this: T, cuts: FitHSplit<T, N>): HSplitOf<T, N> {
    return op.hsplit(this, cuts as Sizes) as HSplitOf<T, N>;
  }

  /** `tensorSplit` along the rows; a number of parts must divide their number. */
  vsplit<T extends Tensor, const N extends Sizes>(this: T, cuts: FitVSplit<T, N>): VSplitOf<T, N> {
    return op.vsplit(this, cuts as Sizes) as VSplitOf<T, N>;
  }

  /** `tensorSplit` along the third dimension; a number of parts must divide its size. */
  dsplit<T extends Tensor, const N extends Sizes>(this: T, cuts: FitDSplit<T, N>): DSplitOf<T, N> {
    return op.dsplit(this, cuts as Sizes) as DSplitOf<T, N>;
  }
}
