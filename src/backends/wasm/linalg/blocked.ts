/**
 * Large LU and Cholesky factorisations, by blocks. A library's LAPACK factors one after the other on the calling thread,
 * and what they take off the rest of the matrix is pieces of products for all threads. While others make them the
 * calling thread brings the next block up to date and factors it. Pieces depend on sizes alone: one thread makes the same.
 *
 * Matrices are the transposes of what LAPACK sees: a column of its A is a row here.
 */
import type { DType } from '../../../core/dtype.ts';
import { GIVEN, LEFT, NO_TRANSPOSE, ONES, RIGHT, ROW_MAJOR, TRANSPOSE, UPPER } from '../blas/cblas.ts';
import { lapack } from '../blas/lapack.ts';
import { currentBlas, isWide, originOf } from '../blas/product.ts';
import { callable, edge, shareTasks } from '../blas/threads.ts';
import { parameterWords } from '../linear-memory.ts';
import type { WasmFunction } from '../module.ts';
import { joinWorkers } from '../threads/pending.ts';
import type { Call, Task } from '../threads/queue.ts';

/**
 * Rows of numbers of so many bytes from which on blocks pay. Of float32 they do where products go to wider vectors than
 * LAPACK has: one thread gains as well. Of float64 it loses a twentieth, and two gain a third.
 */
const WORTH_BLOCKS = { 4: 512, 8: 1000 } as const;
/** Rows of a block. */
const BLOCK = 64;
/** Rows of a piece of LU, about, each of which packs the block for itself, and of Cholesky, whose pieces reach into the half that nobody reads. */
const PIECE = 320;
const TRIANGLE_PIECE = 96;

/** What both do with the matrix at `at`, whose rows are `step` elements apart. Null if the library's own routine is to factor it. */
function plan(dtype: DType, least: number, at: number, step: number, name: string, count: number) {
  const bytes = dtype === 'float64' ? 8 : 4;
  const blas = least >= WORTH_BLOCKS[bytes] && (bytes === 8 || isWide()) ? currentBlas() : null;
  const factor = blas?.alone ? lapack(dtype, name, count) : null;
  if (!blas || factor === null) return null;
  const [gemm, trsm] = bytes === 8 ? [blas.dgemm, blas.dtrsm] : [blas.sgemm, blas.strsm];
  const place = (row: number, column: number): number => at + bytes * (row * step + column);
  const origin = originOf(blas);
  const native = (row: number, column: number): number => origin + place(row, column);
  type At = readonly [row: number, column: number];
  return {
    factor,
    place,
    /** C ← C − A B, or C − Aᵀ B, of m × n numbers and k terms. */
    subtract: (layout: number, [m, n, k]: readonly number[], a: At, b: At, c: At): Call => ({
      kernel: callable(gemm),
      args: [
        ROW_MAJOR,
        layout,
        NO_TRANSPOSE,
        m,
        n,
        k,
        -1,
        native(...a),
        step,
        native(...b),
        step,
        1,
        native(...c),
        step,
      ],
    }),
    /** B ← B U⁻¹ with ones on the diagonal of U, or U⁻ᵀ B, of m × n numbers. */
    divide: (kind: readonly number[], [m, n]: readonly number[], u: At, b: At): Call => ({
      kernel: callable(trsm),
      args: [ROW_MAJOR, ...kind, m, n, 1, native(...u), step, native(...b), step],
    }),
    share: (tasks: readonly Task[], steps: number): void => shareTasks(blas, tasks, steps),
  };
}

const run = ({ kernel, args }: Call): void => void kernel(...args);

/**
 * P A = L U for one m × n matrix, n rows of m numbers here, as `lu` leaves it (`lu.ts`), whose kernel `exchange` turns rows
 * of A; false if it is not for here, and nothing is done.
 */
export function luByBlocks(
  dtype: DType,
  [m, n]: readonly [rows: number, columns: number],
  at: number,
  pivots: number,
  info: number,
  exchange: WasmFunction,
): boolean {
  const size = Math.min(m, n);
  const by = plan(dtype, size, at, m, 'getrf', 6);
  if (by === null) return false;
  const { factor, place, share } = by;
  const words = parameterWords();
  let singular = 0;
  const panel = (j: number, end: number): void => {
    factor(m - j, end - j, { at: place(j, j) }, m, { at: pivots + 4 * j }, { at: info });
    if (words[info >>> 2] !== 0) singular ||= j + words[info >>> 2];
    for (let i = j; i < end; i++) words[(pivots >>> 2) + i] += j;
  };
  /** Exchanges, of those columns of A, what the pivots of some say. */
  const turn = (column: number, columns: number, from: number, to: number): Call => ({
    kernel: exchange,
    args: [from, to, columns, pivots, place(column, 0), place(1, 0) - at],
  });
  /** Brings columns of A up to date with the block from j to `end`. */
  const update = (j: number, end: number, column: number, columns: number): Task => {
    const solved = [column, j] as const;
    const task = [
      turn(column, columns, j, end),
      by.divide([RIGHT, UPPER, NO_TRANSPOSE, ONES], [columns, end - j], [j, j], solved),
    ];
    if (end < m) task.push(by.subtract(NO_TRANSPOSE, [columns, m - end, end - j], solved, [j, end], [column, end]));
    return task;
  };
  panel(0, BLOCK);
  for (let j = 0; j < size; j += BLOCK) {
    const end = Math.min(size, j + BLOCK);
    const next = Math.min(size, end + BLOCK);
    const rest = n - next;
    const pieces = Math.max(2, Math.round(rest / PIECE));
    const tasks = Array.from({ length: pieces }, (_, i) => {
      const [from, to] = [edge(i, pieces, rest), edge(i + 1, pieces, rest)];
      return from === to ? [] : update(j, end, next + from, to - from);
    });
    share(tasks, (m - j) * rest * BLOCK);
    if (end < next) {
      update(j, end, end, next - end).forEach(run);
      panel(end, next);
    }
    joinWorkers();
  }
  // What lies left of a block takes its exchanges at last.
  const blocks = Math.ceil(size / BLOCK) - 1;
  const tasks = Array.from({ length: blocks }, (_, i) => [turn(BLOCK * i, BLOCK, BLOCK * (i + 1), size)]);
  share(tasks, size * size);
  joinWorkers();
  words[info >>> 2] = singular;
  return true;
}

/** A = Uᵀ U for one matrix of n rows, as `cholesky` leaves it (`cholesky.ts`), of whose other half nothing is kept; false as above. */
export function choleskyByBlocks(dtype: DType, n: number, at: number, info: number): boolean {
  const by = plan(dtype, n, at, n, 'potrf', 5);
  if (by === null) return false;
  const { factor, place, share } = by;
  const words = parameterWords();
  const panel = (j: number, end: number): void => {
    factor('L', end - j, { at: place(j, j) }, n, { at: info });
    if (words[info >>> 2] !== 0) words[info >>> 2] += j;
    else if (end < n) run(by.divide([LEFT, UPPER, TRANSPOSE, GIVEN], [end - j, n - end], [j, j], [j, end]));
  };
  const update = (j: number, row: number, end: number): Call =>
    by.subtract(TRANSPOSE, [end - row, n - row, BLOCK], [j, row], [j, row], [row, row]);
  panel(0, BLOCK);
  for (let end = BLOCK; end < n && words[info >>> 2] === 0; end += BLOCK) {
    const next = Math.min(n, end + BLOCK);
    const tasks: Task[] = [];
    for (let row = next; row < n; row += TRIANGLE_PIECE)
      tasks.push([update(end - BLOCK, row, Math.min(n, row + TRIANGLE_PIECE))]);
    share(tasks, ((n - next) ** 2 * BLOCK) / 2);
    run(update(end - BLOCK, end, next));
    panel(end, next);
    joinWorkers();
  }
  return true;
}
