/** Large products of floats go to the system's BLAS, in place: it reads and writes the linear memory. */
import { ArgumentError } from '../../../core/errors.ts';
import { u8 } from '../linear-memory.ts';
import { getNumThreads } from '../threads/pool.ts';
import { type Blas, findBlas, NO_TRANSPOSE, ROW_MAJOR, TRANSPOSE } from './library.ts';

/** Multiplications from which on a library is faster: a call through the foreign function interface costs about a microsecond. */
const WORTH_A_CALL = 24 ** 3;
/** With so few bytes in a column of the result a library is no faster than the memory, and packs for nothing. */
const FEW_ROWS_BYTES = 64;
/** Rows that are a multiple of this apart fall on the same places of a cache. */
const PAGE = 4096;

/** Looked for by the first product that is large enough, and never by importing the library. */
let found: Blas | string | null = null;
let wanted = true;
/** The threads that the library was last told to use. */
let threads = 0;

/** The view whose address is known; growth makes a new one, and may move the memory. */
let viewed: Uint8Array | null = null;
let base = 0;

function current(): Blas | null {
  found ??= findBlas();
  return typeof found === 'string' ? null : found;
}

/** Which library large float products go to, null if none. Looks for one if nothing has yet. */
export function blasLibrary(): string | null {
  return wanted ? (current()?.library ?? null) : null;
}

/** Why the kernels made here do everything, null if they do not. */
export function blasTrouble(): string | null {
  if (!wanted) return 'setBlas(false)';
  current();
  return typeof found === 'string' ? found : null;
}

/**
 * Whether large products of float32 and float64 matrices may go to the system's BLAS, where the
 * package `koffi` and a library are installed (`backendInfo().blas` says which). They do unless they
 * are told not to, here or by `NABLA_BLAS=off` in the environment. Its sums are made in an order of
 * its own, which depends on the processor and the number of threads.
 *
 * @throws {ArgumentError} if `on` is not a boolean.
 */
export function setBlas(on: boolean): void {
  if (typeof on !== 'boolean') throw new ArgumentError(`setBlas: expected true or false, got ${on}`);
  wanted = on;
}

export function isBlasWanted(): boolean {
  return wanted;
}

/** Puts another library in place of the system's, or lets it be looked for again (null). @internal */
export function replaceBlas(blas: Blas | null): void {
  found = blas;
  threads = 0;
  viewed = null;
}

/** Strides of a matrix, in bytes. */
export interface Strides {
  readonly row: number;
  readonly column: number;
}

/**
 * The leading dimension of a matrix of `rows` times `columns` without gaps along its columns (positive)
 * or its rows (negative: it is transposed), 0 if it is neither.
 */
function leading({ row, column }: Strides, rows: number, columns: number, bytes: number): number {
  if (column === bytes && row >= columns * bytes) return row % bytes === 0 ? row / bytes : 0;
  if (row === bytes && column >= rows * bytes) return column % bytes === 0 ? -column / bytes : 0;
  return 0;
}

/** Makes one product of a batch from the addresses of its operands and its result. */
type Run = (a: number, b: number, c: number) => void;

/**
 * How to compute products of m times k and k times n elements with such strides, or null if the
 * generated kernels are to do it: they are better at small ones, and read any strides.
 */
export function planBlas(dtype: string, a: Strides, b: Strides, m: number, n: number, k: number): Run | null {
  if (!wanted || m === 1 || n === 1 || m * n * k < WORTH_A_CALL || dtype === 'int32') return null;
  const bytes = dtype === 'float64' ? 8 : 4;
  const lda = leading(a, m, k, bytes);
  const ldb = leading(b, k, n, bytes);
  if (lda === 0 || ldb === 0) return null;
  if (ldb < 0 && m * bytes <= FEW_ROWS_BYTES && b.column % PAGE === 0) return null;
  const blas = current();
  if (blas === null) return null;
  const gemm = dtype === 'float64' ? blas.dgemm : blas.sgemm;
  if (threads !== getNumThreads()) {
    threads = getNumThreads();
    blas.setThreads(threads);
  }
  const view = u8();
  if (viewed !== view) {
    base = blas.addressOf(view);
    viewed = view;
  }
  const origin = base;
  return (atA, atB, atC) =>
    gemm(
      ROW_MAJOR,
      lda > 0 ? NO_TRANSPOSE : TRANSPOSE,
      ldb > 0 ? NO_TRANSPOSE : TRANSPOSE,
      m,
      n,
      k,
      1,
      origin + atA,
      Math.abs(lda),
      origin + atB,
      Math.abs(ldb),
      0,
      origin + atC,
      n,
    );
}
