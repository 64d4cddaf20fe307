import { type DType, type DTypeKind, dtypeInfo, getDefaultDtype, isFloat, promote } from './dtype.ts';
import { ArgumentError } from './errors.ts';
import type { TensorBase } from './tensor.ts';

const ORDER: Readonly<Record<DTypeKind, number>> = { bool: 0, int: 1, float: 2 };

/** The dtype a number takes by itself: whole numbers are int32, others the default. */
function numberType(x: number): DType {
  return Number.isInteger(x) ? 'int32' : getDefaultDtype();
}

/**
 * The dtype of an operation over tensors and numbers (PyTorch's `result_type`). Tensors with
 * dimensions decide; a 0-dim tensor only counts when its kind (bool, int, float) is higher than
 * theirs, and a number only when its kind is higher than that of all tensors.
 */
export function resultType(op: string, inputs: readonly (number | Pick<TensorBase, 'shape' | 'dtype'>)[]): DType {
  let dimmed: DType | null = null;
  let scalar: DType | null = null;
  let number: DType | null = null;
  for (const x of inputs) {
    if (typeof x === 'number') number = number === null ? numberType(x) : promote(number, numberType(x));
    else if (x.shape.length === 0) scalar = scalar === null ? x.dtype : promote(scalar, x.dtype);
    else dimmed = dimmed === null ? x.dtype : promote(dimmed, x.dtype);
  }
  const out = higherKind(higherKind(dimmed, scalar), number);
  if (out === null) throw new ArgumentError(`${op}: needs at least one tensor or number`);
  return out;
}

/** Whether a result of one dtype can be stored in a tensor of another, as in-place operations must. */
export function canCast(from: DType, to: DType): boolean {
  return (
    dtypeInfo(to).rank >= dtypeInfo(from).rank ||
    (isFloat(from) && isFloat(to)) ||
    (dtypeInfo(from).kind === 'int' && dtypeInfo(to).kind === 'int')
  );
}

function higherKind(strong: DType | null, weak: DType | null): DType | null {
  if (strong === null || weak === null) return strong ?? weak;
  return ORDER[dtypeInfo(weak).kind] > ORDER[dtypeInfo(strong).kind] ? weak : strong;
}
