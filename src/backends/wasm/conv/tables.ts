/**
 * Where the elements of an operand lie. A convolution reads its operands as matrices whose elements
 * are at `row[i] + column[j]`: with the places of windows in one table and the places within a window
 * in another, no matrix of windows has to exist.
 */
import { scratch } from '../heap.ts';
import { parameterWords } from '../linear-memory.ts';

export const product = (sizes: readonly number[]): number => sizes.reduce((p, n) => p * n, 1);

/** Whether each number is so much more than the one before. */
export const areApart = (list: readonly number[], step: number): boolean =>
  list.every((n, i) => i === 0 || n - list[i - 1] === step);

/** `count` numbers from `start` on, `step` apart. */
export function steps(count: number, step: number, start = 0): number[] {
  const numbers = new Array<number>(count);
  for (let i = 0; i < count; i++) numbers[i] = start + i * step;
  return numbers;
}

/** All sums of one number from each list, those of the last list following each other. */
export function sums(lists: readonly (readonly number[])[]): Int32Array {
  let all = new Int32Array(1);
  for (const list of lists) {
    const next = new Int32Array(all.length * list.length);
    let at = 0;
    for (const base of all) for (const n of list) next[at++] = base + n;
    all = next;
  }
  return all;
}

/**
 * Whether of every `count` entries of a table, filled up by its last one, the first and the last are only as far
 * apart as elements side by side, of `bytes` bytes each, where all of them are side by side. So are those of
 * images whose lines lie one after the other.
 */
export function areHonest(table: Int32Array, count: number, bytes: number): boolean {
  const last = table.length - 1;
  for (let i = 0; i <= last; i += count) {
    const first = table[i];
    if (table[Math.min(last, i + count - 1)] - first !== (count - 1) * bytes) continue;
    for (let j = 1; j < count; j++) if (table[Math.min(last, i + j)] - first !== j * bytes) return false;
  }
  return true;
}

/**
 * Puts a table where kernels can read it, for the current launch. It is filled up to a multiple of
 * `multiple` by repeating its last entry, so that the last vector of elements reads what exists.
 */
export function place(table: Int32Array, multiple = 1): number {
  const length = Math.ceil(table.length / multiple) * multiple;
  const at = scratch(4 * Math.max(1, length));
  const words = parameterWords();
  words.set(table, at >>> 2);
  words.fill(table[table.length - 1] ?? 0, (at >>> 2) + table.length, (at >>> 2) + length);
  return at;
}
