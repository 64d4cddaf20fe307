/**
 * LU factorisations, and systems solved with them. A narrow panel of columns is factored, row by row, and what lies
 * beyond is updated with a product of blocks.
 */
import { dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { hasLapack, lapack } from '../blas/lapack.ts';
import { beginLaunch, f32, f64, i32 } from '../heap.ts';
import { BLOCK, compiled, Items, WORTH_A_CALL } from './batch.ts';
import { luByBlocks } from './blocked.ts';
import type { Routines } from './code.ts';
import { defineRows, type RowRoutines } from './rows.ts';
import { areSmall, luOfSmall, solveSmallFactored } from './small.ts';
import { solveTriangular } from './triangular.ts';
import type { I } from './values.ts';

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

/** Exchanges rows as pivots say: `(count, columns, pivots, B, row step)`. */
function defineExchange(f: Routines, rows: RowRoutines): void {
  f.define('exchange', ['int', 'int', 'int', 'int', 'int'], (r, count, columns, pivots, b, step) => {
    const row = (i: I) => b.add(step.mul(i));
    r.for(0, count, (i) => {
      const j = r.int(r.intAt(pivots.add(i.mul(4))).sub(1));
      r.if(j.ne(i), () => r.call(rows.swap, columns, row(i), row(j)));
    });
  });
}

/** Exchanges elements of rows as the pivots from `from` up to `to` say: `(from, to, rows, pivots, A, row step)`. */
function defineTurn(f: Routines): void {
  f.define('turn', ['int', 'int', 'int', 'int', 'int', 'int'], (r, from, to, rows, pivots, a, step) => {
    r.for(0, rows, (row) => {
      const start = r.int(a.add(step.mul(row)));
      r.for(from, to, (i) => {
        const [x, y] = [
          r.element(start, i),
          r.at(r.int(r.element(start, r.intAt(pivots.add(i.mul(4))).sub(1)).address)),
        ];
        const held = r.float(x);
        x.set(y);
        y.set(held);
      });
    });
  });
}

const kernelsFor = compiled((m) => {
  const rows = defineRows(m);
  defineTurn(m);
  defineLu(m, rows);
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
  const { lu: kernel, turn } = kernelsFor(a);
  beginLaunch();
  const [m, n] = a.shape.slice(-2);
  const [matrices, exchanges, infos] = [new Items(a, 2), new Items(pivots, 1), new Items(info, 0)];
  if (m === n && areSmall(matrices.count, n)) {
    luOfSmall(a, pivots, info);
    return;
  }
  const getrf = byColumns ? lapack(a.dtype, 'getrf', 6) : null;
  if (getrf !== null) {
    for (let k = 0; k < matrices.count; k++)
      if (!luByBlocks(a.dtype, [n, m], matrices.at(k), exchanges.at(k), infos.at(k), turn))
        getrf(n, m, { at: matrices.at(k) }, n, { at: exchanges.at(k) }, { at: infos.at(k) });
    return;
  }
  const step = n * dtypeInfo(a.dtype).bytes;
  const words = i32();
  for (let k = 0; k < matrices.count; k++)
    words[infos.at(k) >>> 2] = kernel(m, n, matrices.at(k), step, exchanges.at(k));
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
  const count = exchanges.step / 4;
  for (let k = 0; k < orders.count; k++) {
    const [from, to] = [exchanges.at(k) >>> 2, orders.at(k) >>> 2];
    for (let i = 0; i < rows; i++) words[to + i] = i;
    for (let turn = 0; turn < count; turn++) {
      const i = inverse ? count - 1 - turn : turn;
      const j = words[from + i] - 1;
      if (j < 0 || j >= rows) return false;
      const place = words[to + i];
      words[to + i] = words[to + j];
      words[to + j] = place;
    }
  }
  return true;
}

/**
 * B ← A⁻¹ B for every matrix of `b` [..., n, k], given `a` [..., n, n] and `pivots` [..., n] as `lu` leaves them. The
 * right sides and the pivots are contiguous, and all of one batch shape.
 */
export function solveFactored(a: Strided, pivots: Strided, b: Strided): void {
  const { exchange } = kernelsFor(b);
  beginLaunch();
  const [n, columns] = b.shape.slice(-2);
  const [sides, exchanges] = [new Items(b, 2), new Items(pivots, 1)];
  if (areSmall(sides.count, n, columns)) {
    solveSmallFactored(a, pivots, b);
    return;
  }
  const step = columns * dtypeInfo(b.dtype).bytes;
  for (let k = 0; k < sides.count; k++) exchange(n, columns, exchanges.at(k), sides.at(k), step);
  solveTriangular(a, b, { upper: false, unitriangular: true });
  solveTriangular(a, b, { upper: true, unitriangular: false });
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
