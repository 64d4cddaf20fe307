import { DTypeError, ShapeError } from '../core/errors.ts';
import { broadcastShapes, checkList, checkShape, numel, type Shape, shapeText, wrapDim } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { contiguous } from './copy.ts';
import { inferShape } from './reshaping.ts';
import { expand, mT, reshape, transpose, unsqueeze, view } from './view.ts';

/* Plain functions of the view operations. */

/** The elements in one dimension. */
export const ravel = (x: TensorBase): TensorBase => view(contiguous(x), [x.count]);

/** One dimension as several, of which one size may be -1. */
export function unflatten(x: TensorBase, dim: number, sizes: Shape): TensorBase {
  checkList('unflatten', 'sizes', sizes);
  const d = wrapDim('unflatten', dim, x.shape.length);
  if (sizes.length === 0) throw new ShapeError('unflatten: sizes must be non-empty');
  const whole = x.shape[d] ?? 1;
  const open = sizes.indexOf(-1) >= 0;
  if (!open && numel(sizes) !== whole) {
    throw new ShapeError(
      `unflatten: Provided sizes ${shapeText(sizes)} don't multiply up to the size of dim ${d} (${whole}) in the input tensor`,
    );
  }
  return view(x, [...x.shape.slice(0, d), ...inferShape('unflatten', sizes, whole), ...x.shape.slice(d + 1)]);
}

export const atleast1d = (x: TensorBase): TensorBase => (x.shape.length === 0 ? reshape(x, [1]) : x);

export function atleast2d(x: TensorBase): TensorBase {
  if (x.shape.length === 0) return reshape(x, [1, 1]);
  return x.shape.length === 1 ? unsqueeze(x, 0) : x;
}

export function atleast3d(x: TensorBase): TensorBase {
  if (x.shape.length === 0) return reshape(x, [1, 1, 1]);
  if (x.shape.length === 1) return unsqueeze(unsqueeze(x, 0), -1);
  return x.shape.length === 2 ? unsqueeze(x, -1) : x;
}

/** The conjugate transpose of the last two dimensions; numbers are real here. */
export function adjoint(x: TensorBase): TensorBase {
  if (x.shape.length === 1)
    throw new ShapeError(
      'adjoint: tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor.',
    );
  return mT(x);
}

/** The conjugate transpose of a matrix; numbers are real here. */
export function H(x: TensorBase): TensorBase {
  if (x.shape.length === 0) return x;
  if (x.shape.length !== 2)
    throw new ShapeError(`H: tensor.H is only supported on matrices (2-D tensors). Got ${x.shape.length}-D tensor.`);
  return transpose(x, 0, 1);
}

export function positive(x: TensorBase): TensorBase {
  if (x.dtype === 'bool') throw new DTypeError('positive: The `+` operator, on a bool tensor is not supported.');
  return x;
}

/** The shape that tensors of these shapes broadcast to. */
export function broadcastShape(shapes: readonly Shape[]): Shape {
  checkList('broadcastShapes', 'shapes', shapes);
  for (const s of shapes) checkShape('broadcastShapes', s);
  return shapes.reduce((a, b) => broadcastShapes('broadcastShapes', a, b), []);
}

/** Each tensor expanded to the shape they have together. */
export function broadcastTensors(tensors: readonly TensorBase[]): readonly TensorBase[] {
  const shape = tensors.map((t) => t.shape).reduce((a, b) => broadcastShapes('broadcastTensors', a, b), []);
  return tensors.map((t) => expand(t, shape));
}
