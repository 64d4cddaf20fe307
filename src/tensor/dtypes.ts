import { type DType, promote } from '../core/dtype.ts';
import { resultType as typeOf } from '../core/promotion.ts';
import { checkTensors } from '../core/tensor.ts';
import { checkDType } from './options.ts';
import type { Operand } from './signatures.ts';

/** The smallest dtype that both can be converted to: that of a result of tensors of these, where none is a scalar. */
export function promoteTypes(a: DType, b: DType): DType {
  for (const dtype of [a, b]) checkDType('promoteTypes', dtype ?? null);
  return promote(a, b);
}

/** The dtype of arithmetic with both: numbers, and tensors of rank 0, count where they are of a higher kind than the other. */
export function resultType(a: Operand, b: Operand): DType {
  for (const x of [a, b]) if (typeof x !== 'number') checkTensors('resultType', x);
  return typeOf('resultType', [a, b]);
}
