/** Large products of floats go to the system's BLAS, in place: it reads and writes the linear memory. */
import { ArgumentError } from '../../../core/errors.ts';
import { parameterWords } from '../linear-memory.ts';
import type { WasmFunction } from '../module.ts';
import { isDeterministic } from '../relaxed.ts';
import { canShareNative } from '../threads/pool.ts';
import { type Call, isBusy } from '../threads/queue.ts';
import { GIVEN, LEFT, LOWER, NO_TRANSPOSE, ONES, ROW_MAJOR, TRANSPOSE, UPPER } from './cblas.ts';
import { type Blas, findBlas, nameOf } from './library.ts';
import { callable, introduce, piecesOf, runCalls, sharesProducts } from './threads.ts';

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

/** Kernels of wide vectors do no worse with rows of a piece, and want more than half so many columns. */
const FEWER_COLUMNS = 256;
/** Where the second operand is transposed they pack both for each piece: not for fewer columns or rows than this. */
const FEWEST_TO_PACK = 128;
/** Where there are too few columns for two pieces, rows are cut, and a piece has at least as many as this. */
const FEWEST_ROWS = 32;
/** Multiplications of matrices that take as long as an element of a product with a vector, about. */
const STEPS_OF_ELEMENT = 2;

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
 * its own, which depends on the processor.
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
  const whole = m * n * k;
  const wide = bytes === 4 && !!blas.wide;
  const packs = wide && ldb < 0;
  const narrow = packs && n < 2 * FEWEST_TO_PACK;
  const byRows = m > n || narrow || (wide && !packs && n <= Math.max(m, FEWER_COLUMNS));
  const fewest = narrow ? FEWEST_ROWS : packs ? FEWEST_TO_PACK : undefined;
  const pieces = piecesOf([m, n], bytes, isCut(blas, batches) ? whole : 0, byRows, fewest);
  const steps = batches * whole;
  const calls = callsFor(blas, steps);
  const kernel = callable(gemm);
  const run: Plan['run'] = (x, y, z) => {
    for (const [row, rows, column, columns] of pieces) {
      const atA = origin + x + row * a.row;
      const atB = origin + y + column * b.column;
      const atC = origin + z + (row * apart + column) * bytes;
      if (calls === null) gemm(ROW_MAJOR, layA, layB, rows, columns, k, 1, atA, stepA, atB, stepB, beta, atC, apart);
      else {
        const args = [ROW_MAJOR, layA, layB, rows, columns, k, 1, atA, stepA, atB, stepB, beta, atC, apart];
        calls.push({ kernel, args });
      }
    }
  };
  if (calls !== null) return { run, finish: () => runCalls(blas, calls, steps) };
  if (pieces.length === 1 || !blas.together) return { run, finish: nothing };
  const { together } = blas;
  return { run: (x, y, z) => together(() => run(x, y, z)), finish: nothing };
}

/** Whether products are cut: those of a batch are enough of them, and a library that does not tell of its threads uses those it likes. */
const isCut = (blas: Blas, batches: number): boolean => batches === 1 && blas.alone;

/** Where to note calls of so many steps that workers share, or that have something before them; null if they are to be made at once. */
const callsFor = (blas: Blas, steps: number): Call[] | null => (sharesProducts(blas, steps) || isBusy() ? [] : null);

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
  const shared = sharesProducts(blas, steps) && canShareNative(callable(blas.sgemm)) === true;
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
function planVector(bytes: 4 | 8, a: Strides, step: number, m: number, k: number, batches: number): Plan | null {
  if (m * k < WORTH_A_VECTOR || m === 1) return null;
  const lda = a.column === bytes ? leading(a, m, k, bytes) : 0;
  if (lda <= 0 || step <= 0 || step % bytes !== 0) return null;
  const blas = current();
  if (blas === null) return null;
  const origin = originOf(blas);
  const gemv = bytes === 8 ? blas.dgemv : blas.sgemv;
  const steps = batches * m * k;
  // Moving an element takes as long as some multiplications of matrices.
  const pieces = piecesOf([m, 1], bytes, isCut(blas, batches) ? STEPS_OF_ELEMENT * steps : 0, true);
  const calls = callsFor(blas, steps);
  const kernel = callable(gemv);
  return {
    run: (x, y, z) => {
      for (const [row, rows] of pieces) {
        const [atX, atZ] = [origin + x + row * a.row, origin + z + row * bytes];
        const args = [ROW_MAJOR, NO_TRANSPOSE, rows, k, 1, atX, lda, origin + y, step / bytes, 0, atZ, 1];
        if (calls === null) kernel(...args);
        else calls.push({ kernel, args });
      }
    },
    finish: calls === null ? nothing : () => runCalls(blas, calls, steps),
  };
}

/**
 * How to solve for the sides at `b`, m rows of n columns without gaps, by the triangle at `a`, whose rows are `lda`
 * elements apart, or its transpose; null if no library is in force. Whoever does has to wait for it.
 */
export function planTriangle(
  dtype: string,
  [upper, transposed, ones]: readonly [upper: boolean, transposed: boolean, ones: boolean],
  lda: number,
  m: number,
  n: number,
): ((a: number, b: number) => void) | null {
  const blas = currentBlas();
  if (blas === null) return null;
  const [bytes, trsm] = dtype === 'float64' ? ([8, blas.dtrsm] as const) : ([4, blas.strsm] as const);
  const steps = m * m * n;
  const kind = [upper ? UPPER : LOWER, transposed ? TRANSPOSE : NO_TRANSPOSE, ones ? ONES : GIVEN];
  // What a side is solved for hangs together along its rows.
  const pieces = piecesOf([1, n], bytes, isCut(blas, 1) ? steps : 0, false);
  return (a, b) => {
    const origin = originOf(blas);
    const kernel = callable(trsm);
    const calls = pieces.map(([, , column, columns]) => {
      const sides = origin + b + column * bytes;
      return { kernel, args: [ROW_MAJOR, LEFT, ...kind, m, columns, 1, origin + a, lda, sides, n] };
    });
    if (sharesProducts(blas, steps)) runCalls(blas, calls, steps);
    else for (const { args } of calls) kernel(...args);
  };
}
