import { ArgumentError, ShapeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { clone } from './copy.ts';
import { fill_ } from './fill.ts';
import { named } from './named.ts';
import { diagonal as diagonalOf, diagonalRegion } from './paths.ts';
import { intoRegion } from './region.ts';
import { slice } from './slices.ts';
import { flatten } from './view.ts';

/* Vectors put on diagonals, and diagonals taken out. */

function checkOffset(op: string, offset: number): void {
  if (!Number.isInteger(offset))
    throw new ArgumentError(`${op}: the diagonal must be a whole number, got ${String(offset)}`);
}

/** The last dimension put on a diagonal of two dimensions, zeros elsewhere. */
export function diagEmbed(x: TensorBase, offset = 0, dim1 = -2, dim2 = -1): TensorBase {
  checkTensors('diagEmbed', x);
  checkOffset('diagEmbed', offset);
  const rank = x.shape.length + 1;
  const [a, b] = [wrapDim('diagEmbed', dim1, rank), wrapDim('diagEmbed', dim2, rank)];
  if (a === b) throw new ShapeError(`diagEmbed: diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
  if (x.shape.length === 0) throw new ShapeError('diagEmbed: a 0-dim tensor has no dimension to put on a diagonal');
  const size = x.shape[x.shape.length - 1] + Math.abs(offset);
  const lead = x.shape.slice(0, -1);
  const shape = Array.from({ length: rank }, (_, d) => (d === a || d === b ? size : (lead.shift() as number)));
  return named(intoRegion(x, diagonalRegion(shape, { offset, dim1: a, dim2: b })), 'DiagEmbedBackward0');
}

/** A vector on a diagonal of a matrix, or the diagonal of a matrix as a vector of its own. */
export function diag(x: TensorBase, diagonal = 0): TensorBase {
  checkTensors('diag', x);
  checkOffset('diag', diagonal);
  const rank = x.shape.length;
  if (rank !== 1 && rank !== 2)
    throw new ShapeError(`diag: matrix or a vector expected, got shape ${shapeText(x.shape)}`);
  if (rank === 1) return named(diagEmbed(x, diagonal), 'DiagBackward0');
  return named(clone(diagonalOf(x, diagonal)), 'DiagBackward0');
}

/** All elements, in order, on a diagonal of a matrix. */
export function diagflat(x: TensorBase, offset = 0): TensorBase {
  checkTensors('diagflat', x);
  return diag(flatten(x), offset);
}

/** `value` on the main diagonal of `x`; with `wrap` again from the row below each end of it, of matrices. */
export function fillDiagonal_(x: TensorBase, value: number, wrap: boolean): void {
  const { shape } = x;
  if (shape.length < 2)
    throw new ShapeError(`fillDiagonal_: dimensions must larger than 1, got shape ${shapeText(shape)}`);
  if (shape.length > 2 && shape.some((n) => n !== shape[0]))
    throw new ShapeError(
      `fillDiagonal_: all dimensions of input must be of equal length, got shape ${shapeText(shape)}`,
    );
  const [rows, columns] = shape;
  const step = wrap && shape.length === 2 ? columns + 1 : Math.max(1, rows);
  for (let row = 0; row === 0 || row < rows; row += step) {
    let line = row === 0 ? x : slice(x, 0, row, Math.min(rows, row + columns));
    while (line.shape.length > 1) line = diagonalOf(line);
    within('fillDiagonal_', () => fill_(line, value));
  }
}
