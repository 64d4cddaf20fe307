import { groupByTable, groupRuns, settleTies } from '../backends/wasm/indexing.ts';
import { apply } from '../core/apply.ts';
import { dtypeInfo } from '../core/dtype.ts';
import { NotImplementedError, ShapeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, notDifferentiable, type Op } from '../core/op.ts';
import { numel, shapeText, wrapDim } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { clone, contiguous, toDType } from './copy.ts';
import { counting, full } from './create.ts';
import { ne } from './elementwise.ts';
import { indexSelect } from './index-slices.ts';
import { cat } from './join.ts';
import { maskedSelect } from './mask.ts';
import { narrow, select } from './slices.ts';
import { argsort } from './sorting.ts';
import { movedim, reshape } from './view.ts';

interface UniqueAttrs {
  /** Whether anybody asks for the group of each row. */
  readonly inverse: boolean;
  /** Only neighbours are compared. */
  readonly consecutive: boolean;
}

/** Columns of many rows that are sorted by; few rows, and what these leave, are put in order by comparing. */
const SORTED = 2;
const NARROW = 4;
const MANY = 256;

/** The order of the rows, by their first element, then by their second, and so on; stable. */
function lexicographic(rows: TensorBase): TensorBase {
  const [n, width] = rows.shape;
  const sorted = width === 1 ? 1 : n < MANY ? 0 : width <= NARROW ? width : SORTED;
  let order: TensorBase | null = null;
  // From the least significant on: each sort keeps the order of those before it among equals.
  for (let k = sorted - 1; k >= 0; k--) {
    const keys = select(rows, 1, k);
    order = order === null ? argsort(keys, 0) : indexSelect(order, 0, argsort(indexSelect(keys, 0, order), 0));
  }
  order ??= counting(n);
  if (sorted < width) settleTies(order, rows, sorted);
  return order;
}

/**
 * Groups of equal rows of a matrix: the first row of each group, the group of each row, and how many
 * rows each has.
 */
const groupsOp: Op<UniqueAttrs> = defineOp({
  name: 'groups',
  cheap: () => 'at need',
  inputs: ['rows'],
  forward: ([rows], { consecutive, inverse }) =>
    internally(() => {
      const [n, width] = rows.shape;
      if (n === 0) return [full([0], 0, 'int32'), full([0], 0, 'int32'), full([0], 0, 'int32')];
      const list = width === 1 && !consecutive;
      const values = contiguous(list && dtypeInfo(rows.dtype).bytes === 1 ? toDType(rows, 'int32') : rows);
      const words = fresh([2, n], 'int32');
      const [firsts, counts] = [0, 1].map((row) => alias(words, [n], [1], row * n));
      const out = { firsts, groups: inverse ? fresh([n], 'int32') : null, counts };
      const found =
        (list && values.dtype === 'int32' ? groupByTable(out, values) : null) ??
        groupRuns(out, values, consecutive ? null : lexicographic(values));
      const part = (t: TensorBase): TensorBase => clone(narrow(t, 0, 0, found));
      return [part(firsts), out.groups ?? full([0], 0, 'int32'), part(counts)];
    }),
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: () => {
    throw new NotImplementedError(
      'vmap: unique: We do not support batching operators that can output dynamic shape: how many are different hangs on the values of every example',
    );
  },
});

export interface Unique {
  readonly output: TensorBase;
  /** For every element (or slice) which of the output it is. */
  readonly inverseIndices: TensorBase;
  readonly counts: TensorBase;
}

/** Different elements, or slices along `dim`, and where they are. Gradients go to the first of equals. */
function uniqueOf(
  name: string,
  x: TensorBase,
  dim: number | undefined,
  consecutive: boolean,
  inverse: boolean,
): Unique {
  const list = dim === undefined || x.shape.length === 0;
  const d = dim === undefined ? 0 : wrapDim(name, dim, x.shape.length);
  if (!list && x.count === 0 && x.shape[d] !== 0)
    throw new ShapeError(
      `${name}: There are 0 sized dimensions, and they aren't selected, so ${name} cannot be applied: shape ${shapeText(x.shape)}, dim ${d}`,
    );
  const slices = list ? reshape(x, [x.count]) : x;
  const along = list ? 0 : d;
  const n = slices.shape[along];
  const width = list ? 1 : numel(slices.shape.toSpliced(along, 1));
  const rows = reshape(along === 0 ? slices : movedim(slices, along, 0), [n, width]);
  const [first, group, counts] = apply(groupsOp, [rows], { consecutive, inverse }) as readonly TensorBase[];
  return {
    output: indexSelect(slices, along, first),
    inverseIndices: dim === undefined && inverse ? reshape(group, x.shape) : group,
    counts,
  };
}

/** The different elements (or slices along `dim`), sorted. */
export const unique = (x: TensorBase, dim?: number, inverse = false): Unique =>
  uniqueOf('unique', x, dim, false, inverse);

/** The first of every run of equal elements (or slices along `dim`). */
export const uniqueConsecutive = (x: TensorBase, dim?: number, inverse = false): Unique =>
  uniqueOf('uniqueConsecutive', x, dim, true, inverse);

/** The first element of every run of equals, for those who ask for nothing else. */
export function firstsOfRuns(x: TensorBase): TensorBase {
  const list = reshape(x, [x.count]);
  if (x.count === 0) return list;
  const changed = ne(narrow(list, 0, 1, x.count - 1), narrow(list, 0, 0, x.count - 1));
  return maskedSelect(list, cat([full([1], 1, 'bool'), changed]));
}
