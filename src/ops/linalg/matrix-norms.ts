import type { DType } from '../../core/dtype.ts';
import { ArgumentError, ShapeError } from '../../core/errors.ts';
import { within } from '../../core/naming.ts';
import { checkList, shapeText, wrapDims } from '../../core/shape.ts';
import type { TensorBase } from '../../core/tensor.ts';
import { toDType } from '../copy.ts';
import { zeros } from '../create.ts';
import { abs, div, mul, ne, where } from '../elementwise.ts';
import { amax, amin } from '../extrema.ts';
import { named } from '../named.ts';
import { norm as vectorNorm } from '../norm.ts';
import { type Dims, sum } from '../reduce.ts';
import { select } from '../slices.ts';
import { movedim, unsqueeze } from '../view.ts';
import { batchOf, checkFloat, checkMatrix, checkSquare } from './matrices.ts';
import { invEx } from './solve.ts';
import { svdvals } from './svd.ts';

/** The order of a matrix norm: Frobenius, nuclear (Σ singular values), or ±1, ±2, ±∞. */
export type MatrixOrder = number | 'fro' | 'nuc';

const INF = Number.POSITIVE_INFINITY;

function checkOrder(op: string, order: MatrixOrder): void {
  const known = typeof order === 'number' ? [1, 2, INF].includes(Math.abs(order)) : order === 'fro' || order === 'nuc';
  if (!known) throw new ArgumentError(`${op}: Order ${String(order)} not supported`);
}

interface Options {
  readonly dim?: readonly number[];
  readonly keepdim?: boolean;
  readonly dtype?: DType;
}

/** The norm of the matrices along two dimensions, by default the last two. */
export function matrixNorm(
  given: TensorBase,
  order: MatrixOrder = 'fro',
  { dim = [-2, -1], keepdim = false, dtype }: Options = {},
  op = 'linalg.matrix_norm',
): TensorBase {
  checkMatrix(op, given);
  checkFloat(op, given);
  checkOrder(op, order);
  checkList(op, 'dim', dim);
  if (dim.length !== 2) throw new ArgumentError(`${op}: dim must be a 2-tuple. Got ${dim.join(', ')}`);
  const x = dtype === undefined ? given : toDType(given, dtype);
  const [a, b] = dim.map((d) => wrapDims(op, [d], x.shape.length)[0]);
  if (a === b) throw new ArgumentError(`${op}: dims must be different. Got (${dim.join(', ')})`);
  if (order === 'fro') return named(vectorNorm(x, 2, [a, b], keepdim), 'LinalgVectorNormBackward0');
  if (order === 'nuc' || Math.abs(order) === 2) {
    const values = svdvals(movedim(x, [a, b], [-2, -1]), op);
    const y = order === 'nuc' ? sum(values, -1) : (order > 0 ? amax : amin)(values, -1);
    if (!keepdim) return y;
    const [first, second] = a < b ? [a, b] : [b, a];
    return unsqueeze(unsqueeze(y, first), second);
  }
  // Sums along the one dimension, then the largest or smallest along the other.
  const [inner, outer] = Math.abs(order) === 1 ? [a, b] : [b, a];
  const sums = sum(abs(x), inner, true);
  const y = (order > 0 ? amax : amin)(sums, outer, true);
  return keepdim ? y : [Math.max(a, b), Math.min(a, b)].reduce((t, d) => select(t, d, 0), y);
}

/** The norm of vectors or of matrices: of matrices when there are two dimensions, given or in all, and an order. */
export function norm(x: TensorBase, order?: MatrixOrder, dim?: Dims, keepdim = false, dtype?: DType): TensorBase {
  const op = 'linalg.norm';
  checkFloat(op, x);
  const dims = dim === undefined ? undefined : typeof dim === 'number' ? [dim] : dim;
  if (dims !== undefined) checkList(op, 'dim', dims);
  if (dims !== undefined && order !== undefined && dims.length !== 1 && dims.length !== 2) {
    throw new ArgumentError(
      `${op}: linalg.norm: If dim is specified, it must be of length 1 or 2. Got ${shapeText(dims)}`,
    );
  }
  if (dims === undefined && order !== undefined && x.shape.length !== 1 && x.shape.length !== 2) {
    throw new ShapeError(
      `${op}: linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ${x.shape.length}D.`,
    );
  }
  const ofMatrices = order !== undefined && (dims?.length ?? x.shape.length) === 2;
  if (ofMatrices) return matrixNorm(x, order, { dim: dims ?? [0, 1], keepdim, dtype }, op);
  if (order === 'fro' || order === 'nuc')
    throw new ArgumentError(`${op}: linalg.norm: the order '${order}' is one of matrices, and this is a vector`);
  return named(
    within(op, () => vectorNorm(x, order ?? 2, dim, keepdim, dtype)),
    'LinalgVectorNormBackward0',
  );
}

/** Σ singular values over two dimensions (those of a matrix if none are given). */
export function nuclearNorm(x: TensorBase, dim?: Dims, keepdim = false, dtype?: DType): TensorBase {
  const dims = dim === undefined ? undefined : typeof dim === 'number' ? [dim] : dim;
  if (dims === undefined && x.shape.length !== 2) {
    throw new ShapeError(
      `norm: Expected a tensor with 2 dimensions, but got a tensor with ${x.shape.length} dimension${x.shape.length === 1 ? '' : 's'} instead.`,
    );
  }
  return matrixNorm(x, 'nuc', { dim: dims ?? [0, 1], keepdim, dtype }, 'norm');
}

/** How much A⁻¹ can magnify an error: ‖A‖ ‖A⁻¹‖, ∞ for singular matrices. */
export function cond(a: TensorBase, order: MatrixOrder = 2): TensorBase {
  const op = 'linalg.cond';
  checkMatrix(op, a);
  checkFloat(op, a);
  if (typeof order === 'number' ? ![1, 2, INF].includes(Math.abs(order)) : order !== 'fro' && order !== 'nuc')
    throw new ArgumentError(`${op}: linalg.cond got an invalid norm type: ${String(order)}`);
  if (a.count === 0) return zeros(batchOf(a), a.dtype);
  if (order === 2 || order === -2) {
    const values = svdvals(a, op);
    const [largest, smallest] = [select(values, -1, 0), select(values, -1, -1)];
    return order > 0 ? div(largest, smallest) : div(smallest, largest);
  }
  checkSquare(op, a);
  const [inverse, info] = invEx(a);
  const finite = where(unsqueeze(unsqueeze(ne(info, 0), -1), -1), INF, inverse);
  return mul(matrixNorm(a, order, {}, op), matrixNorm(finite, order, {}, op));
}
