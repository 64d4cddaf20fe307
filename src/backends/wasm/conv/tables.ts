/**
 * Where the elements of an operand lie. A convolution reads its operands as matrices whose elements
 * are at `row[i] + column[j]`: with the places of windows in one table and the places within a window
 * in another, no matrix of windows has to exist.
 */
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

/** One of each list, in all ways, the last list's following each other. */
export const choicesOf = <T>(lists: readonly (readonly T[])[]): T[][] =>
  lists.reduce<T[][]>((all, list) => all.flatMap((some) => list.map((one) => [...some, one])), [[]]);

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

/** What is made once for each number of images, or places. */
export function perCount<T>(make: (count: number) => T): (count: number) => T {
  const made = new Map<number, T>();
  return (count) => {
    let one = made.get(count);
    if (one === undefined) {
      one = make(count);
      made.set(count, one);
    }
    return one;
  };
}
