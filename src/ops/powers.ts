import { DTypeError } from '../core/errors.ts';
import type { Operand, TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { mul, ops, pow } from './elementwise.ts';

/** aᵇ in float64, to be written to `target` if there is one. */
export function floatPower(a: TensorBase, b: Operand, target: TensorBase | null = null): TensorBase {
  if (target !== null && target.dtype !== 'float64')
    throw new DTypeError(
      `floatPower_: the base given to float_power_ has dtype ${target.dtype} but the operation's result requires dtype float64; write x.floatPower(…)`,
    );
  return pow(toDType(a, 'float64'), typeof b === 'number' ? b : toDType(b, 'float64'));
}

/** x 2ʸ */
export const ldexp = (x: TensorBase, y: Operand): TensorBase =>
  mul(x, typeof y === 'number' ? 2 ** y : ops.exp2.call1(y));
