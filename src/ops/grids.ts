import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { contiguous } from './copy.ts';
import { full, integers } from './create.ts';
import { indexSelect } from './index-slices.ts';
import { stack } from './join.ts';
import { nonzero } from './mask.ts';
import { named } from './named.ts';
import { tril, triu } from './rearrange.ts';
import { expand, flatten, reshape, t } from './view.ts';

/* Tensors spread over the combinations of their elements or indices. */

/**
 * Coordinates of a grid: each vector along a dimension of its own, repeated along the others. With
 * 'xy' the first two dimensions are exchanged.
 */
export function meshgrid(tensors: readonly TensorBase[], indexing: 'ij' | 'xy' = 'ij'): TensorBase[] {
  checkTensors('meshgrid', ...tensors);
  if (tensors.length === 0) throw new ArgumentError('meshgrid: meshgrid expects a non-empty TensorList');
  if (indexing !== 'ij' && indexing !== 'xy')
    throw new ArgumentError(
      `meshgrid: torch.meshgrid: indexing must be one of "xy" or "ij", but received: ${String(indexing)}`,
    );
  for (const x of tensors) {
    if (x.shape.length > 1)
      throw new ShapeError(
        `meshgrid: torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: a tensor of shape ${shapeText(x.shape)}`,
      );
    if (x.dtype !== tensors[0].dtype)
      throw new DTypeError(
        `meshgrid: torch.meshgrid expects all tensors to have the same dtype, got ${tensors[0].dtype} and ${x.dtype}`,
      );
  }
  const swaps = indexing === 'xy' && tensors.length >= 2;
  const list = swaps ? [tensors[1], tensors[0], ...tensors.slice(2)] : tensors;
  const shape = list.map((x) => x.count);
  const grids = list.map((x, d) =>
    expand(
      reshape(
        x,
        shape.map((_, k) => (k === d ? -1 : 1)),
      ),
      shape,
    ),
  );
  if (!swaps) return grids;
  const [first, second, ...rest] = grids;
  return [second, first, ...rest];
}

/** Every combination of an element of each vector, in rows; of a single vector, the vector. */
export function cartesianProd(tensors: readonly TensorBase[]): TensorBase {
  checkTensors('cartesianProd', ...tensors);
  for (const x of tensors)
    if (x.shape.length !== 1)
      throw new ShapeError(`cartesianProd: Expect a 1D vector, but got shape ${shapeText(x.shape)}`);
  if (tensors.length === 1) return tensors[0];
  return stack(
    meshgrid(tensors).map((x) => flatten(x)),
    1,
  );
}

/** Visits the ascending choices of `r` out of `n`, each perhaps several times. */
function eachChoice(n: number, r: number, again: boolean, visit: (chosen: readonly number[]) => void): void {
  const chosen: number[] = [];
  const go = (from: number): void => {
    if (chosen.length === r) {
      visit(chosen);
      return;
    }
    for (let i = from; i < n; i++) {
      chosen.push(i);
      go(again ? i : i + 1);
      chosen.pop();
    }
  };
  go(0);
}

/** Every choice of `r` elements of a vector, in rows, in the order of the vector. */
export function combinations(x: TensorBase, r = 2, withReplacement = false): TensorBase {
  checkTensors('combinations', x);
  if (x.shape.length !== 1)
    throw new ShapeError(`combinations: Expect a 1D vector, but got shape ${shapeText(x.shape)}`);
  if (!Number.isInteger(r) || r < 0)
    throw new ArgumentError(`combinations: Expect a non-negative number, but got ${r}`);
  if (r === 0) return full([0], 0, x.dtype);
  const places: number[] = [];
  eachChoice(x.shape[0], r, withReplacement, (chosen) => places.push(...chosen));
  const rows = places.length / r;
  return named(reshape(indexSelect(x, 0, integers(Int32Array.from(places))), [rows, r]), 'StackBackward0');
}

/** Rows and columns of the elements of a triangle of a matrix, in row-major order: int32, [2, count]. */
export function triangleIndices(side: 'tril' | 'triu', rows: number, columns: number, offset: number): TensorBase {
  const op = `${side}Indices`;
  for (const [name, n] of [
    ['row', rows],
    ['col', columns],
  ] as const)
    if (!Number.isInteger(n) || n < 0) throw new ArgumentError(`${op}: ${name} must be non-negative, got ${n}`);
  const ones = full([rows, columns], 1, 'bool');
  return contiguous(t(nonzero((side === 'tril' ? tril : triu)(ones, offset))));
}
