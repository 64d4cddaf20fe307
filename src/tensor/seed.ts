import { ArgumentError } from '../core/errors.ts';

/** A seed as PyTorch takes it, an integer in [-2⁶³, 2⁶⁴), to its 64 bits. */
export function toUint64(what: string, value: number | bigint): bigint {
  const integer = typeof value === 'bigint' || Number.isInteger(value) ? BigInt(value) : null;
  if (integer === null || integer < -(2n ** 63n) || integer >= 2n ** 64n) {
    throw new ArgumentError(`${what} must be an integer in [-2^63, 2^64), but got ${String(value)}`);
  }
  return BigInt.asUintN(64, integer);
}
