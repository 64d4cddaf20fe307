import { DTypeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { checkTensors, type Operand, type TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { mul, ops, pow } from './elementwise.ts';

/** Operands of a function that is made of several, which would refuse others by names of their own. */
const checkOperands = (op: string, ...xs: readonly Operand[]): void =>
  checkTensors(op, ...xs.filter((x) => typeof x !== 'number'));

/** aᵇ in float64, to be written to `target` if there is one. */
export function floatPower(a: TensorBase, b: Operand, target: TensorBase | null = null): TensorBase {
  checkOperands('floatPower', b);
  if (target !== null && target.dtype !== 'float64')
    throw new DTypeError(
      `floatPower_: the base given to float_power_ has dtype ${target.dtype} but the operation's result requires dtype float64; write x.floatPower(…)`,
    );
  return within('floatPower', () => pow(toDType(a, 'float64'), typeof b === 'number' ? b : toDType(b, 'float64')));
}

/** x 2ʸ */
export function ldexp(x: TensorBase, y: Operand): TensorBase {
  checkOperands('ldexp', y);
  return within('ldexp', () => mul(x, typeof y === 'number' ? 2 ** y : ops.exp2.call1(y)));
}
