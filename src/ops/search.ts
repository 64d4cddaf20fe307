import { searchSorted } from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { ArgumentError, DTypeError, IndexError, ShapeError } from '../core/errors.ts';
import { defineOp, notDifferentiable, type Op } from '../core/op.ts';
import { resultType } from '../core/promotion.ts';
import { numel, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, fresh, type Operand, type TensorBase } from '../core/tensor.ts';
import { contiguous, toDType } from './copy.ts';
import { full } from './create.ts';
import { ge, logicalOr, lt } from './elementwise.ts';
import { batch } from './indexing.ts';
import { anyNonzero } from './inspect.ts';
import { reshape } from './view.ts';

interface SearchAttrs {
  /** After equals, not before them. */
  readonly after: boolean;
}

/** As rows: all dimensions but the last are one. */
const rowsOf = (x: TensorBase): TensorBase => reshape(x, [numel(x.shape.slice(0, -1)), x.shape[x.shape.length - 1]]);

/** Places of `values` in `sequence`: a vector, or rows for the rows of `values`. A third input puts the sequence in order. */
const searchOp: Op<SearchAttrs> = defineOp({
  name: 'searchsorted',
  cheap: () => 'at need',
  inputs: ['sequence', 'values', 'sorter'],
  forward: ([sequence, values, sorter], { after }) => {
    const y = fresh(values.shape, 'int32');
    const shared = sequence.shape.length === 1;
    const rows = (x: TensorBase): TensorBase => contiguous(shared ? x : rowsOf(x));
    const list = shared ? reshape(contiguous(values), [1, values.count]) : rows(values);
    const out = { storage: y.storage, shape: list.shape, strides: list.strides, offset: 0, dtype: y.dtype };
    searchSorted(out, rows(sequence), list, sorter === undefined ? null : rows(sorter), after);
    return y;
  },
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([sequence, values, ...sorter], [inSequence, inValues, inSorter], attrs, size) => {
    if (!inSequence && !inSorter && sequence.shape.length === 1)
      return apply1(searchOp, [sequence, values, ...sorter], attrs);
    const [sequences, lists] = [batch(sequence, inSequence, size), batch(values, inValues, size)];
    const sorters = sorter.map((s) => batch(s, inSorter, size));
    if (sequences.shape.length > 2) return apply1(searchOp, [sequences, lists, ...sorters], attrs);
    const flat = reshape(lists, [size, numel(lists.shape.slice(1))]);
    return reshape(apply1(searchOp, [sequences, flat, ...sorters], attrs), lists.shape);
  },
});

/**
 * For every value the place in `sequence`, sorted along its last dimension, where it could be inserted:
 * before its equals, or with `right` after them. The sequence is a vector, or has a row for every row of
 * `values`; `sorter` are the indices that sort it, if it is not.
 */
export function searchsorted(
  sequence: TensorBase,
  values: Operand,
  right = false,
  sorter: TensorBase | null = null,
): TensorBase {
  checkTensors('searchsorted', sequence, ...(typeof values === 'number' ? [] : [values]));
  const dtype = resultType('searchsorted', [sequence, values]);
  const wanted = typeof values === 'number' ? full([], values, dtype) : toDType(values, dtype);
  const { shape } = sequence;
  if (shape.length === 0)
    throw new ShapeError(
      'searchsorted: torch.searchsorted(): boundaries tensor should have positive dimension, got a scalar; reshape it to [1]',
    );
  const rows = shape.slice(0, -1);
  if (shape.length > 1 && !(wanted.shape.length === shape.length && sameShape(rows, wanted.shape.slice(0, -1))))
    throw new ShapeError(
      `searchsorted: torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor ${shapeText(shape)} and input value tensor ${shapeText(wanted.shape)}`,
    );
  const ordered = toDType(sequence, dtype);
  if (sorter === null) return apply1(searchOp, [ordered, wanted], { after: right });
  if (!sameShape(sorter.shape, shape))
    throw new ShapeError(
      `searchsorted: torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor ${shapeText(shape)} and got sorter tensor ${shapeText(sorter.shape)}`,
    );
  if (sorter.dtype !== 'int32')
    throw new DTypeError(
      `searchsorted: torch.searchsorted(): sorter must be a tensor of long dtype but got dtype ${sorter.dtype}; here it is int32, as argsort gives it`,
    );
  if (anyNonzero(logicalOr(lt(sorter, 0), ge(sorter, shape[shape.length - 1]))))
    throw new IndexError(
      `searchsorted: torch.searchsorted(): sorter index out of range: all must be from 0 to ${shape[shape.length - 1] - 1}`,
    );
  return apply1(searchOp, [ordered, wanted, sorter], { after: right });
}

/** The number of boundaries (a sorted vector) below each element of `x`, or with `right` not above it. */
export function bucketize(x: TensorBase, boundaries: TensorBase, right = false): TensorBase {
  checkTensors('bucketize', boundaries);
  if (boundaries.shape.length !== 1)
    throw new ShapeError(
      `bucketize: boundaries tensor must be 1 dimension, but got dim(${boundaries.shape.length}), shape ${shapeText(boundaries.shape)}`,
    );
  return searchsorted(boundaries, x, right);
}

/** Resolves the two ways to say on which side of equals. */
export function sideOf(side: 'left' | 'right' | undefined, right: boolean | undefined): boolean {
  if (side === undefined) return right ?? false;
  if (side !== 'left' && side !== 'right')
    throw new ArgumentError(
      `searchsorted: torch.searchsorted(): side can only be 'left' or 'right' but got ${String(side)}`,
    );
  if (side === 'left' && right === true)
    throw new ArgumentError(
      "searchsorted: torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True",
    );
  return side === 'right';
}
