import { ShapeError } from '../core/errors.ts';
import { isTensor, type Operand, type TensorBase } from '../core/tensor.ts';
import { ops } from './elementwise.ts';
import { inPlace } from './inplace.ts';

/** `target = source`, broadcast and converted to the dtype of `target`. */
export function copy_(target: TensorBase, source: Operand): TensorBase {
  return inPlace(ops.copy, [target, source]);
}

/** Every element becomes `value`. */
export function fill_(target: TensorBase, value: Operand): TensorBase {
  if (isTensor(value) && value.shape.length > 0)
    throw new ShapeError(
      `fill_: fill_ only supports 0-dimension value tensor but got tensor with ${value.shape.length} dimensions`,
    );
  return inPlace(ops.fill, [target, value]);
}
