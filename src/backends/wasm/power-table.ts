/**
 * 2^(j/256) for 0 ≤ j < 256 as float64 in the linear memory, where kernels of all threads find them. What is filled
 * in when the first kernel asks for it lies between the address 0, which nothing has, and what `room.ts` gives out.
 */
import { memory } from './linear-memory.ts';

export const POWERS = 256;
const ADDRESS = 64;
/** What begins where the table ends. */
export const TABLE_END = ADDRESS + 8 * POWERS;

/** 2^(1/256), times 2¹²⁸. */
const ROOT = 0x100b1afa5abcbed6129ab13ec11dc9544n;

let filled = false;

/**
 * Where the table is. The j-th power lacks j / 256 in what its bits say about the exponent, so that the bits of
 * 2^(k/256) are those of the power of the lowest eight bits of k, plus k · 2⁴⁴.
 */
export function powerTable(): number {
  if (!filled) {
    filled = true;
    const bits = new BigInt64Array(memory.buffer, ADDRESS, POWERS);
    let power = 1n << 128n;
    for (let j = 0n; j < POWERS; j++) {
      const rounded = (power + (1n << 75n)) >> 76n;
      bits[Number(j)] = rounded + (1022n << 52n) - (j << 44n);
      power = (power * ROOT) >> 128n;
    }
  }
  return ADDRESS;
}
