import { ShapeError } from '../core/errors.ts';
import { checkList, checkShape, contiguousStrides, numel, type Shape, shapeText } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';

/* Which shapes the same elements can have, and how they lie then. */

/**
 * Strides under which `t` reads as `shape` without copying, or null when there are none: every new
 * dimension must lie within a run of old ones that is contiguous by itself.
 */
export function viewStrides(t: TensorBase, shape: Shape): readonly number[] | null {
  if (t.flat || t.count === 0) return contiguousStrides(shape);
  const strides = new Array<number>(shape.length);
  let to = shape.length - 1;
  let run = 1;
  let used = 1;
  let step = t.strides[t.shape.length - 1] ?? 1;
  for (let from = t.shape.length - 1; from >= 0; from--) {
    run *= t.shape[from];
    const endsRun = from === 0 || (t.shape[from - 1] !== 1 && t.strides[from - 1] !== run * step);
    if (!endsRun) continue;
    while (to >= 0 && (used < run || shape[to] === 1)) {
      strides[to] = used * step;
      used *= shape[to];
      to -= 1;
    }
    if (used !== run) return null;
    if (from > 0) {
      step = t.strides[from - 1];
      run = 1;
      used = 1;
    }
  }
  return to === -1 ? strides : null;
}

/** Resolves one -1 in a shape against a number of elements. */
export function inferShape(op: string, shape: Shape, size: number): Shape {
  checkList(op, 'a shape', shape);
  const hole = shape.indexOf(-1);
  if (hole >= 0) {
    if (shape.indexOf(-1, hole + 1) >= 0)
      throw new ShapeError(`${op}: only one dimension can be inferred, got ${shapeText(shape)}`);
    const rest = shape.reduce((p, n, i) => (i === hole ? p : p * n), 1);
    if (rest === 0 && size === 0)
      throw new ShapeError(
        `${op}: cannot reshape tensor of ${size} elements into shape ${shapeText(shape)} because the unspecified dimension size -1 can be any value and is ambiguous`,
      );
    if (rest === 0 || size % rest !== 0) throw invalidShape(op, shape, size);
    return shape.with(hole, size / rest);
  }
  const own = checkShape(op, shape);
  if (numel(own) !== size) throw invalidShape(op, shape, size);
  return own;
}

function invalidShape(op: string, shape: Shape, size: number): ShapeError {
  return new ShapeError(`${op}: shape '${shapeText(shape)}' is invalid for input of size ${size}`);
}
