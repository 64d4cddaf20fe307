/** Large products of floats go to the system's BLAS, in place: it reads and writes the linear memory. */
import { ArgumentError } from '../../../core/errors.ts';
import { parameterWords } from '../linear-memory.ts';
import type { WasmFunction } from '../module.ts';
import { isDeterministic } from '../relaxed.ts';
import { canShareNative } from '../threads/pool.ts';
import { type Call, isBusy } from '../threads/queue.ts';
import { NO_TRANSPOSE, ROW_MAJOR, TRANSPOSE } from './cblas.ts';
import { type Blas, findBlas, nameOf } from './library.ts';
import { callable, cutsProducts, introduce, piecesOf, runCalls } from './threads.ts';

/** Multiplications from which on a library is faster: a call through the foreign function interface costs about a microsecond. */
const WORTH_A_CALL = 24 ** 3;
/** The same for products of a matrix and a vector, which are fewer sums. */
const WORTH_A_VECTOR = 64 ** 2;
/** With so few bytes in a column of the result a library is no faster than the memory, and packs for nothing. */
const FEW_ROWS_BYTES = 64;
/** A library packs operands of so many multiplications also where the result is a few rows or columns and that does not pay. */
const PACKS_FROM = 10 ** 6;
const FEW_ROWS = 3;
const FEW_COLUMNS = 4;
/** Rows that are a multiple of this apart fall on the same places of a cache, where there are more than so many. */
const PAGE = 4096;
const ROWS_THAT_FIT = 32;

/** Looked for by the first product that is large enough, and never by importing the library. */
let found: Blas | string | null = null;
let wanted = true;

/** The view whose address is known; growth makes a new one, and may move the memory. */
let viewed: Int32Array | null = null;
let base = 0;

function current(): Blas | null {
  if (found === null) {
    found = findBlas();
    if (typeof found !== 'string') introduce(found);
  }
  return typeof found === 'string' ? null : found;
}

/** Which library large float products go to, null if none. Looks for one if nothing has yet. */
export function blasLibrary(): string | null {
  const blas = wanted ? current() : null;
  return blas === null ? null : nameOf(blas);
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

/** How products of a batch are made. */
interface Plan {
  /** Makes one from the addresses of its operands and its result, or notes it for `finish`. */
  run(a: number, b: number, c: number): void;
  finish(): void;
}

const nothing = (): void => undefined;

/** The library in force, if there is one: none where results are to be the same on every host. */
export const currentBlas = (): Blas | null => (wanted && !isDeterministic() ? current() : null);

/** Whether larger products of float32 matrices go to one with wider vectors than its own. */
export const isWide = (): boolean => typeof currentBlas()?.wide === 'string';

/** The address that offsets in the linear memory count from. */
export function originOf(blas: Blas): number {
  const view = parameterWords();
  if (viewed !== view) {
    base = blas.addressOf(new Uint8Array(view.buffer));
    viewed = view;
  }
  return base;
}

/**
 * How to compute products of m times k and k times n elements with such strides, or null if the
 * generated kernels are to do it: they are better at small ones, and read any strides. Rows of a result are
 * `apart` elements apart; with `beta` = 1 the product of two matrices is added to what they hold.
 */
export function planBlas(
  dtype: string,
  a: Strides,
  b: Strides,
  m: number,
  n: number,
  k: number,
  batches: number,
  apart: number = n,
  beta: 0 | 1 = 0,
): Plan | null {
  if (!wanted || dtype === 'int32') return null;
  const bytes = dtype === 'float64' ? 8 : 4;
  if (apart !== n && (m === 1 || n === 1)) return null;
  if (n === 1) return planVector(bytes, a, b.row, m, k, batches);
  if (m === 1) {
    const plan = planVector(bytes, { row: b.column, column: b.row }, a.column, n, k, batches);
    return plan === null ? null : { run: (atA, atB, atC) => plan.run(atB, atA, atC), finish: plan.finish };
  }
  if (m * n * k < WORTH_A_CALL) return null;
  const lda = leading(a, m, k, bytes);
  const ldb = leading(b, k, n, bytes);
  if (lda === 0 || ldb === 0) return null;
  if (ldb < 0 && m * bytes <= FEW_ROWS_BYTES && n > ROWS_THAT_FIT && b.column % PAGE === 0) return null;
  // Two columns of float32 fill half a vector, and rows of a transposed matrix are packed here, too.
  const fewColumns = n <= FEW_COLUMNS && (bytes === 8 || (n > 2 && lda > 0));
  if (m * n * k > PACKS_FROM && (fewColumns || (ldb > 0 && m <= FEW_ROWS))) return null;
  const blas = current();
  if (blas === null) return null;
  const origin = originOf(blas);
  const gemm = dtype === 'float64' ? blas.dgemm : blas.sgemm;
  const layA = lda > 0 ? NO_TRANSPOSE : TRANSPOSE;
  const layB = ldb > 0 ? NO_TRANSPOSE : TRANSPOSE;
  const [stepA, stepB] = [Math.abs(lda), Math.abs(ldb)];
  const cuts = cutsProducts(blas, batches * m * n * k);
  if (!cuts && !isBusy()) {
    const run = (x: number, y: number, z: number): void =>
      gemm(ROW_MAJOR, layA, layB, m, n, k, 1, origin + x, stepA, origin + y, stepB, beta, origin + z, apart);
    return { run, finish: nothing };
  }
  const steps = batches * m * n * k;
  const calls: Call[] = [];
  const pieces = cuts && batches === 1 ? piecesOf(m, n, k) : [[0, Math.max(m, n)] as const];
  return {
    run: (x, y, z) => {
      for (const [from, to] of pieces) {
        const [row, column] = m >= n ? [from, 0] : [0, from];
        const [rows, columns] = m >= n ? [to - from, n] : [m, to - from];
        const atA = origin + x + row * a.row;
        const atB = origin + y + column * b.column;
        const atC = origin + z + (row * apart + column) * bytes;
        const args = [ROW_MAJOR, layA, layB, rows, columns, k, 1, atA, stepA, atB, stepB, beta, atC, apart];
        calls.push({ kernel: callable(gemm), args });
      }
    },
    finish: () => runCalls(blas, calls, steps),
  };
}

/** Products of row-major matrices, whose leading dimensions are in elements, as calls for tasks. */
export interface NativeGemm {
  /** What makes them, and the address that offsets in the memory counted from when this was asked for. */
  readonly gemm: WasmFunction;
  readonly origin: number;
  /** Whether workers can make them; else they are for the calling thread alone. */
  readonly shared: boolean;
  /** Whether larger products go to wider vectors. */
  readonly wide: boolean;
  /** c = a b, or c + a b; where an operand is `transposed` its rows are what lies side by side. */
  multiply(
    run: (kernel: WasmFunction, ...args: number[]) => void,
    sizes: readonly [m: number, n: number, k: number],
    a: readonly [at: number, leading: number, transposed: boolean],
    b: readonly [at: number, leading: number, transposed: boolean],
    c: readonly [at: number, leading: number, accumulate: boolean],
  ): void;
}

/** The system's BLAS for operations that lay out operands of their own, for so many multiplications in all; null if there is none. */
export function nativeGemm(dtype: string, steps: number): NativeGemm | null {
  const blas = dtype === 'int32' ? null : currentBlas();
  if (blas === null) return null;
  const gemm = callable(dtype === 'float64' ? blas.dgemm : blas.sgemm);
  const shared = cutsProducts(blas, steps) && canShareNative(callable(blas.sgemm)) === true;
  const origin = originOf(blas);
  return {
    gemm,
    origin,
    shared,
    wide: dtype === 'float32' && isWide(),
    multiply: (run, [m, n, k], [a, lda, across], [b, ldb, transposed], [c, ldc, accumulate]) => {
      const [layA, layB] = [across, transposed].map((is) => (is ? TRANSPOSE : NO_TRANSPOSE));
      const operands = [origin + a, lda, origin + b, ldb, Number(accumulate), origin + c, ldc];
      run(gemm, ROW_MAJOR, layA, layB, m, n, k, 1, ...operands);
    },
  };
}

/**
 * The same for the inner products of a matrix's rows, which have no gaps, with a vector. For combinations of
 * rows the generated kernels are as fast as the memory.
 */
function planVector(bytes: number, a: Strides, step: number, m: number, k: number, batches: number): Plan | null {
  if (m * k < WORTH_A_VECTOR || m === 1) return null;
  const lda = a.column === bytes ? leading(a, m, k, bytes) : 0;
  if (lda <= 0 || step <= 0 || step % bytes !== 0) return null;
  const blas = current();
  if (blas === null) return null;
  const origin = originOf(blas);
  const gemv = bytes === 8 ? blas.dgemv : blas.sgemv;
  const cuts = cutsProducts(blas, batches * m * k);
  if (!cuts && !isBusy()) {
    const run = (x: number, y: number, z: number): void =>
      gemv(ROW_MAJOR, NO_TRANSPOSE, m, k, 1, origin + x, lda, origin + y, step / bytes, 0, origin + z, 1);
    return { run, finish: nothing };
  }
  const steps = batches * m * k;
  const calls: Call[] = [];
  const pieces = cuts && batches === 1 ? piecesOf(m, 1, k) : [[0, m] as const];
  return {
    run: (x, y, z) => {
      for (const [from, to] of pieces) {
        const [atX, atZ] = [x + from * a.row, z + from * bytes];
        const args = [ROW_MAJOR, NO_TRANSPOSE, to - from, k, 1, origin + atX, lda];
        args.push(origin + y, step / bytes, 0, origin + atZ, 1);
        calls.push({ kernel: callable(gemv), args });
      }
    },
    finish: () => runCalls(blas, calls, steps),
  };
}
