import { ArgumentError, ShapeError } from '../../core/errors.ts';
import { within } from '../../core/naming.ts';
import { numel, shapeText, wrapDims } from '../../core/shape.ts';
import { checkTensors, type TensorBase } from '../../core/tensor.ts';
import { movedim, reshape } from '../view.ts';
import { inv, solve } from './solve.ts';

/* Tensors as linear maps: some dimensions in, the others out. */

/** The inverse of the map whose result has the first `ind` dimensions: those come last. */
export function tensorinv(a: TensorBase, ind = 2): TensorBase {
  const op = 'linalg.tensorinv';
  checkTensors(op, a);
  if (!Number.isInteger(ind) || ind <= 0)
    throw new ArgumentError(`${op}: Expected a strictly positive integer for 'ind', got ${String(ind)}`);
  const [rows, columns] = [a.shape.slice(0, ind), a.shape.slice(ind)];
  const [m, n] = [numel(rows), numel(columns)];
  if (m !== n) {
    throw new ShapeError(
      `${op}: Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got ${n} != ${m}`,
    );
  }
  return reshape(inv(reshape(a, [m, n]), op), [...columns, ...rows]);
}

/** The X with A X = B, over the last dimensions of A; `dims` of A are moved there first. */
export function tensorsolve(a: TensorBase, b: TensorBase, dims?: readonly number[]): TensorBase {
  const op = 'linalg.tensorsolve';
  checkTensors(op, a, b);
  const rank = a.shape.length;
  const taken = dims === undefined ? [] : wrapDims(op, dims, rank);
  const moved =
    taken.length === 0
      ? a
      : movedim(
          a,
          taken,
          taken.map((_, k) => rank - taken.length + k),
        );
  const unknown = moved.shape.slice(b.shape.length);
  const [m, n] = [numel(b.shape), numel(unknown)];
  if (m !== n) {
    throw new ShapeError(
      `${op}: Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got ${n} != ${m} for shapes ${shapeText(moved.shape)} and ${shapeText(b.shape)}`,
    );
  }
  return within(op, () => reshape(solve(reshape(moved, [m, n]), reshape(b, [m])), unknown));
}
