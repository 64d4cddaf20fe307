/** Large products of floats go to the system's BLAS, in place: it reads and writes the linear memory. */
import { ArgumentError } from '../../../core/errors.ts';
import { u8 } from '../linear-memory.ts';
import { getNumThreads } from '../threads/pool.ts';
import { type Blas, findBlas, NO_TRANSPOSE, ROW_MAJOR, TRANSPOSE } from './library.ts';

/** Multiplications from which on a library is faster: a call through the foreign function interface costs about a microsecond. */
const WORTH_A_CALL = 24 ** 3;
/** The same for products of a matrix and a vector, which are fewer sums. */
const WORTH_A_VECTOR = 64 ** 2;
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

/** The library, ready for a call with addresses that begin at `origin`. */
function ready(blas: Blas): { readonly blas: Blas; readonly origin: number } {
  if (threads !== getNumThreads()) {
    threads = getNumThreads();
    blas.setThreads(threads);
  }
  const view = u8();
  if (viewed !== view) {
    base = blas.addressOf(view);
    viewed = view;
  }
  return { blas, origin: base };
}

/**
 * How to compute products of m times k and k times n elements with such strides, or null if the
 * generated kernels are to do it: they are better at small ones, and read any strides.
 */
export function planBlas(dtype: string, a: Strides, b: Strides, m: number, n: number, k: number): Run | null {
  if (!wanted || dtype === 'int32') return null;
  const bytes = dtype === 'float64' ? 8 : 4;
  if (n === 1) return planVector(bytes, a, b.row, m, k);
  if (m === 1) {
    const run = planVector(bytes, { row: b.column, column: b.row }, a.column, n, k);
    return run === null ? null : (atA, atB, atC) => run(atB, atA, atC);
  }
  if (m * n * k < WORTH_A_CALL) return null;
  const lda = leading(a, m, k, bytes);
  const ldb = leading(b, k, n, bytes);
  if (lda === 0 || ldb === 0) return null;
  if (ldb < 0 && m * bytes <= FEW_ROWS_BYTES && b.column % PAGE === 0) return null;
  const library = current();
  if (library === null) return null;
  const { blas, origin } = ready(library);
  const gemm = dtype === 'float64' ? blas.dgemm : blas.sgemm;
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

/**
 * The same for the inner products of a matrix's rows, which have no gaps, with a vector. For combinations of
 * rows the generated kernels are as fast as the memory.
 */
function planVector(bytes: number, a: Strides, step: number, m: number, k: number): Run | null {
  if (m * k < WORTH_A_VECTOR || m === 1) return null;
  const lda = a.column === bytes ? leading(a, m, k, bytes) : 0;
  if (lda <= 0 || step <= 0 || step % bytes !== 0) return null;
  const library = current();
  if (library === null) return null;
  const { blas, origin } = ready(library);
  const gemv = bytes === 8 ? blas.dgemv : blas.sgemv;
  return (atA, atX, atY) =>
    gemv(ROW_MAJOR, NO_TRANSPOSE, m, k, 1, origin + atA, lda, origin + atX, step / bytes, 0, origin + atY, 1);
}
