import { type DType, dtypeInfo } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';

/**
 * A number as elements of a dtype hold it: whole in integers, 0 or 1 in truth values.
 *
 * @throws {ArgumentError} for a number that the dtype has no place for.
 */
export function storable(op: string, value: number, dtype: DType): number {
  const { kind } = dtypeInfo(dtype);
  if (kind === 'float') return value;
  if (kind === 'bool') return value === 0 ? 0 : 1;
  const whole = Math.trunc(value);
  // As in C, negative numbers of one byte wrap around.
  const [low, high] = dtype === 'uint8' ? [-255, 255] : [-(2 ** 31), 2 ** 31 - 1];
  if (whole >= low && whole <= high) return whole;
  throw new ArgumentError(
    `${op}: value cannot be converted to type ${dtype} without overflow: ${value} is not from ${low} to ${high}; convert the tensor first, x.to('float32')`,
  );
}
