/**
 * LAPACK, which libraries that have a BLAS bring along. Its routines are Fortran's: all arguments are addresses,
 * and matrices lie column by column, so that what a routine is given is the transpose of what lies here.
 */
import { scratch } from '../heap.ts';
import { f32, f64, parameterWords } from '../linear-memory.ts';
import { currentBlas, originOf } from './product.ts';

/** An address in the linear memory, a whole number, or a letter. */
type Argument = { readonly at: number } | number | string;

/** A routine with its arguments, the last of which says what went wrong. */
export type Lapack = (...args: readonly Argument[]) => void;

/** The routine `name` with so many arguments for numbers of a dtype, null if there is none. To be called within the current launch. */
export function lapack(dtype: string, name: string, count: number): Lapack | null {
  const blas = currentBlas();
  const native = blas?.routine?.(`${dtype === 'float64' ? 'd' : 's'}${name}_`, count) ?? null;
  if (blas === null || native === null) return null;
  const words = scratch(8 * count);
  return (...args) => {
    const origin = originOf(blas);
    const addresses = args.map((x, i) => {
      if (typeof x === 'object') return origin + x.at;
      const at = words + 8 * i;
      parameterWords()[at >>> 2] = typeof x === 'string' ? x.charCodeAt(0) : x;
      return origin + at;
    });
    native(...addresses);
  };
}

/** The same for a routine that wants room, which follows `before`, and is asked how much of it; `after` follows. */
export function lapackWithRoom(
  dtype: string,
  name: string,
  count: number,
): ((before: readonly Argument[], after: readonly Argument[]) => void) | null {
  const routine = lapack(dtype, name, count);
  if (routine === null) return null;
  let room = 0;
  let size = 0;
  return (before, after) => {
    if (size === 0) {
      const answer = scratch(8);
      routine(...before, { at: answer }, -1, ...after);
      size = Math.ceil(dtype === 'float64' ? f64()[answer >>> 3] : f32()[answer >>> 2]);
      room = scratch(8 * size);
    }
    routine(...before, { at: room }, size, ...after);
  };
}

/** Whether matrices are so large that a library is faster, and there is one. */
export function hasLapack(smallest: number, least: number): boolean {
  return smallest >= least && currentBlas()?.routine?.('dgesdd_', 14) != null;
}
