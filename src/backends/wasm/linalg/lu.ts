/**
 * LU and Cholesky factorisations, and the solution of triangular systems. All work on rows, in blocks:
 * a narrow panel is factored, and what lies beyond is updated with a product of blocks.
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { hasLapack, lapack } from '../blas/lapack.ts';
import { beginLaunch, f32, f64, i32, scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { loopsOver, Walk } from '../loops.ts';
import { compiled, Items } from './batch.ts';
import type { Routines } from './code.ts';
import { defineRows, type RowRoutines } from './rows.ts';
import type { I, IntVar } from './values.ts';

const BLOCK = 32;
/** Rows from which on a library's factorisations are faster, and its triangular systems with so many right sides. */
const WORTH_A_CALL = 64;
const WORTH_SIDES = 4;

/**
 * P A = L U for an m × n matrix in place, with row exchanges: `(m, n, A, row step, pivots)` gives 0, or
 * the number of the first zero on the diagonal of U. Pivots count from 1, as LAPACK's do.
 */
function defineLu(f: Routines, rows: RowRoutines): void {
  f.define(
    'lu',
    ['int', 'int', 'int', 'int', 'int'],
    (r, m, n, start, step, pivots) => {
      const row = (i: I) => start.add(step.mul(i));
      const info = r.int(0);
      const size = r.int(m.min(n));
      r.for(
        0,
        size,
        (j0) => {
          const width = r.int(size.sub(j0).min(BLOCK));
          const end = r.int(j0.add(width));
          r.for(j0, end, (j) => {
            const top = r.int(row(j));
            const pivot = r.int(j);
            const largest = r.float(r.element(top, j).abs());
            r.for(j.add(1), m, (i) => {
              const x = r.element(row(i), j).abs();
              r.if(x.gt(largest), () => {
                largest.set(x);
                pivot.set(i);
              });
            });
            r.setIntAt(pivots.add(j.mul(4)), pivot.add(1));
            r.if(
              r.element(row(pivot), j).ne(0),
              () => {
                r.if(pivot.ne(j), () => r.call(rows.swap, n, top, row(pivot)));
                const diagonal = r.float(r.element(top, j));
                const next = r.int(j.add(1).mul(r.bytes));
                r.for(j.add(1), m, (i) => {
                  const here = r.int(row(i));
                  const factor = r.float(r.element(here, j).div(diagonal));
                  r.element(here, j).set(factor);
                  r.call(rows.axpy, end.sub(j).sub(1), factor.neg(), top.add(next), here.add(next));
                });
              },
              () => r.if(info.not(), () => info.set(j.add(1))),
            );
          });
          r.if(end.lt(n), () => {
            const right = r.int(end.mul(r.bytes));
            const left = r.int(j0.mul(r.bytes));
            const rest = r.int(n.sub(end));
            const above = r.int(row(j0).add(right));
            r.for(j0.add(1), end, (i) => {
              r.call(
                rows.subtractProduct,
                1,
                rest,
                i.sub(j0),
                row(i).add(right),
                step,
                row(i).add(left),
                step,
                r.bytes,
                above,
                step,
              );
            });
            r.call(
              rows.subtractProduct,
              m.sub(end),
              rest,
              width,
              row(end).add(right),
              step,
              row(end).add(left),
              step,
              r.bytes,
              above,
              step,
            );
          });
        },
        BLOCK,
      );
      r.result(info);
    },
    'int',
  );
}

/**
 * A = Uᵀ U for an n × n matrix of which the upper triangle is read and replaced: `(n, A, row step)`
 * gives 0, or the order of the first leading minor that is not positive.
 */
function defineCholesky(f: Routines, rows: RowRoutines): void {
  f.define(
    'cholesky',
    ['int', 'int', 'int'],
    (r, n, start, step) => {
      const element = (i: I, j: I) => r.element(start.add(step.mul(i)), j).address;
      const info = r.int(0);
      r.leavable((leave) => {
        r.for(
          0,
          n,
          (j0) => {
            const end = r.int(n.min(j0.add(BLOCK)));
            r.for(j0, end, (j) => {
              const at = r.int(element(j, j));
              const square = r.float(r.at(at));
              // Not "≤ 0": a NaN is not positive either.
              r.if(square.gt(0).not(), () => info.set(j.add(1)));
              leave(info);
              r.call(rows.divide, n.sub(j), square.sqrt(), at);
              r.for(j.add(1), end, (i) => {
                r.call(rows.axpy, n.sub(i), r.at(element(j, i)).neg(), element(j, i), element(i, i));
              });
            });
            // Strips of rows, each from its own diagonal on: below it nothing is read.
            r.for(
              end,
              n,
              (i) => {
                r.call(
                  rows.subtractProduct,
                  n.sub(i).min(BLOCK),
                  n.sub(i),
                  end.sub(j0),
                  element(i, i),
                  step,
                  element(j0, i),
                  r.bytes,
                  step,
                  element(j0, i),
                  step,
                );
              },
              BLOCK,
            );
          },
          BLOCK,
        );
      });
      r.result(info);
    },
    'int',
  );
  // Zeros below the diagonal: (n, A, row step)
  f.define('clearBelow', ['int', 'int', 'int'], (r, n, start, step) => {
    r.for(1, n, (i) => r.call(rows.clear, i, start.add(step.mul(i))));
  });
}

/**
 * B ← L⁻¹ B for lower triangular L of any strides: `(n, columns, L, row step, column step, unit, B, row
 * step)`. Seen from its last row and column, an upper triangle is a lower one.
 */
function defineSolve(f: Routines, rows: RowRoutines): void {
  f.define(
    'solve',
    ['int', 'int', 'int', 'int', 'int', 'int', 'int', 'int'],
    (r, n, columns, l, lRow, lColumn, unit, b, bRow) => {
      const factor = (i: I, j: I) => l.add(lRow.mul(i)).add(lColumn.mul(j));
      const row = (i: I) => b.add(bRow.mul(i));
      r.for(
        0,
        n,
        (j0) => {
          const end = r.int(n.min(j0.add(BLOCK)));
          const subtract = (count: I, i: I, terms: IntVar): void =>
            r.call(
              rows.subtractProduct,
              count,
              columns,
              terms.sub(j0),
              row(i),
              bRow,
              factor(i, j0),
              lRow,
              lColumn,
              row(j0),
              bRow,
            );
          r.for(j0, end, (i) => {
            subtract(1, i, i);
            r.if(unit.not(), () => r.call(rows.divide, columns, r.at(factor(i, i)), row(i)));
          });
          subtract(n.sub(end), end, end);
        },
        BLOCK,
      );
    },
  );
}

/** Exchanges rows as pivots say, or (`inverse`) back: `(count, columns, pivots, B, row step, inverse)`. */
function defineExchange(f: Routines, rows: RowRoutines): void {
  f.define('exchange', ['int', 'int', 'int', 'int', 'int', 'int'], (r, count, columns, pivots, b, step, inverse) => {
    const row = (i: I) => b.add(step.mul(i));
    const exchange = (i: IntVar): void => {
      const j = r.int(r.intAt(pivots.add(i.mul(4))).sub(1));
      r.if(j.ne(i), () => r.call(rows.swap, columns, row(i), row(j)));
      r.release(j);
    };
    r.if(
      inverse,
      () => r.forDown(count, 0, exchange),
      () => r.for(0, count, exchange),
    );
  });
}

const kernelsFor = compiled((m) => {
  const rows = defineRows(m);
  defineLu(m, rows);
  defineCholesky(m, rows);
  defineSolve(m, rows);
  defineExchange(m, rows);
});

/** Whether a library factors matrices of this shape that lie column by column faster than the routines here. */
export const factorsByColumns = ({ shape }: Strided): boolean => hasLapack(Math.min(...shape.slice(-2)), WORTH_A_CALL);

/**
 * P A = L U in place for every matrix of `a` [..., m, n]; row i was exchanged with row `pivots[i]` − 1.
 * `info` [...] is 0, or says which element on the diagonal of U is zero, counted from 1. All contiguous,
 * `pivots` [..., min(m, n)] and `info` int32. Where it is done `byColumns`, `a` [..., n, m] is the transpose.
 */
export function lu(a: Strided, pivots: Strided, info: Strided, byColumns = false): void {
  const { lu: kernel } = kernelsFor(a);
  beginLaunch();
  const [m, n] = a.shape.slice(-2);
  const [matrices, exchanges, infos] = [new Items(a, 2), new Items(pivots, 1), new Items(info, 0)];
  const getrf = byColumns ? lapack(a.dtype, 'getrf', 6) : null;
  if (getrf !== null) {
    for (let k = 0; k < matrices.count; k++)
      getrf(n, m, { at: matrices.at(k) }, n, { at: exchanges.at(k) }, { at: infos.at(k) });
    return;
  }
  const step = n * dtypeInfo(a.dtype).bytes;
  const words = i32();
  for (let k = 0; k < matrices.count; k++)
    words[infos.at(k) >>> 2] = kernel(m, n, matrices.at(k), step, exchanges.at(k));
}

/** Which diagonal element of a factor is NaN, counted from 1, as are all that follow it then; 0 if none is: libraries may not say. */
function firstNaN(dtype: DType, n: number, at: number): number {
  const numbers = dtype === 'float64' ? f64() : f32();
  const element = (i: number): number => numbers[at / numbers.BYTES_PER_ELEMENT + i * (n + 1)];
  if (!Number.isNaN(element(n - 1))) return 0;
  let i = 0;
  while (!Number.isNaN(element(i))) i++;
  return i + 1;
}

/**
 * A = Uᵀ U in place for every matrix of `a` [..., n, n]: only the upper triangle is read, and below it
 * zeros are written. `info` [...] int32 is 0, or the order of the first leading minor that is not positive.
 */
export function cholesky(a: Strided, info: Strided): void {
  const { cholesky: kernel, clearBelow } = kernelsFor(a);
  beginLaunch();
  const n = a.shape[a.shape.length - 1];
  const [matrices, infos] = [new Items(a, 2), new Items(info, 0)];
  const step = n * dtypeInfo(a.dtype).bytes;
  const words = i32();
  const potrf = n >= WORTH_A_CALL ? lapack(a.dtype, 'potrf', 5) : null;
  for (let k = 0; k < matrices.count; k++) {
    const at = matrices.at(k);
    if (potrf === null) words[infos.at(k) >>> 2] = kernel(n, at, step);
    else {
      potrf('L', n, { at }, n, { at: infos.at(k) });
      words[infos.at(k) >>> 2] ||= firstNaN(a.dtype, n, at);
    }
    clearBelow(n, at, step);
  }
}

export interface Triangle {
  readonly upper: boolean;
  /** The diagonal counts as ones. */
  readonly unitriangular: boolean;
}

/**
 * B ← A⁻¹ B for every pair of matrices of `a` [..., n, n], of which one triangle is read and which may
 * have any strides, and `b` [..., n, k], contiguous. The batch dimensions agree.
 */
export function solveTriangular(a: Strided, b: Strided, { upper, unitriangular }: Triangle): void {
  const { solve: kernel } = kernelsFor(b);
  beginLaunch();
  const rank = a.shape.length;
  const [n, columns] = b.shape.slice(-2);
  const { bytes } = dtypeInfo(b.dtype);
  const sides = new Items(b, 2);
  if (sides.count * sides.step === 0) return;
  const [row, column] = a.strides.slice(-2).map((s) => s * bytes);
  const step = columns * bytes;
  const batch = a.shape.slice(0, rank - 2);
  const places = new Walk(
    loopsOver(
      batch,
      batch.map((_, d) => d),
      [a.strides],
    ),
    1,
  );
  const start = startOf(a);
  const native = n >= WORTH_A_CALL && columns >= WORTH_SIDES ? nativeSolve(a, columns, { upper, unitriangular }) : null;
  let k = 0;
  do {
    const at = start + places.places[0] * bytes;
    const to = sides.at(k++);
    if (native !== null) native(at, to);
    else if (upper) {
      const last = at + (n - 1) * (row + column);
      kernel(n, columns, last, -row, -column, Number(unitriangular), to + (n - 1) * step, -step);
    } else kernel(n, columns, at, row, column, Number(unitriangular), to, step);
  } while (places.next());
}

/** The same for one triangle and its sides at such addresses by a library: Xᵀ Aᵀ = Bᵀ, since it sees transposes. */
function nativeSolve(
  { dtype, shape, strides }: Strided,
  columns: number,
  { upper, unitriangular }: Triangle,
): ((a: number, b: number) => void) | null {
  const n = shape[shape.length - 1];
  const [row, column] = strides.slice(-2);
  const trsm = column === 1 || row === 1 ? lapack(dtype, 'trsm', 11) : null;
  if (trsm === null || Math.max(row, column) < n) return null;
  const one = scratch(8);
  if (dtype === 'float64') f64()[one >>> 3] = 1;
  else f32()[one >>> 2] = 1;
  const turned = column !== 1;
  const kind = ['R', upper === turned ? 'U' : 'L', turned ? 'T' : 'N', unitriangular ? 'U' : 'N'];
  return (a, b) => trsm(...kind, columns, n, { at: one }, { at: a }, Math.max(row, column), { at: b }, columns);
}

/**
 * The order of rows that the exchanges `pivots` [..., k] lead to, or (`inverse`) the one that undoes
 * them: `order` [..., rows]. Both contiguous int32. False if a pivot is no row.
 */
export function rowOrder(order: Strided, pivots: Strided, inverse: boolean): boolean {
  beginLaunch();
  const [orders, exchanges] = [new Items(order, 1), new Items(pivots, 1)];
  const rows = order.shape[order.shape.length - 1];
  const words = i32();
  for (let k = 0; k < orders.count; k++) {
    const places = Array.from({ length: rows }, (_, i) => i);
    for (let i = 0; i < exchanges.step / 4; i++) {
      const j = words[(exchanges.at(k) >>> 2) + i] - 1;
      if (j < 0 || j >= rows) return false;
      [places[i], places[j]] = [places[j], places[i]];
    }
    const to = orders.at(k) >>> 2;
    places.forEach((place, i) => {
      if (inverse) words[to + place] = i;
      else words[to + i] = place;
    });
  }
  return true;
}

/**
 * B ← P B, or Pᵀ B (`inverse`), for every matrix of `b` [..., m, n], with the exchanges of `pivots` [..., k],
 * which must be rows. Both contiguous, of one batch shape.
 */
export function exchangeRows(b: Strided, pivots: Strided, inverse = false): void {
  const { exchange } = kernelsFor(b);
  beginLaunch();
  const count = pivots.shape[pivots.shape.length - 1];
  const columns = b.shape[b.shape.length - 1];
  const step = columns * dtypeInfo(b.dtype).bytes;
  const [matrices, exchanges] = [new Items(b, 2), new Items(pivots, 1)];
  for (let k = 0; k < matrices.count; k++)
    exchange(count, columns, exchanges.at(k), matrices.at(k), step, Number(inverse));
}

/** The identity, in every matrix of `b` [..., n, n], contiguous. */
export function writeIdentity(b: Strided): void {
  const { identity } = kernelsFor(b);
  beginLaunch();
  const n = b.shape[b.shape.length - 1];
  const matrices = new Items(b, 2);
  for (let k = 0; k < matrices.count; k++) identity(n, n, matrices.at(k), 0);
}

/** 1 for an even number of exchanges in `pivots` [..., n], −1 for an odd one: `sign` [...]. Both contiguous. */
export function signOfExchanges(sign: Strided, pivots: Strided): void {
  beginLaunch();
  const [signs, exchanges] = [new Items(sign, 0), new Items(pivots, 1)];
  const words = i32();
  const numbers = sign.dtype === 'float64' ? f64() : f32();
  for (let k = 0; k < signs.count; k++) {
    let value = 1;
    for (let i = 0; i < exchanges.step / 4; i++) if (words[(exchanges.at(k) >>> 2) + i] !== i + 1) value = -value;
    numbers[signs.at(k) / numbers.BYTES_PER_ELEMENT] = value;
  }
}
