/**
 * Bunch and Kaufman's factorisation of symmetric matrices, A = P L D Lᵀ Pᵀ with D of 1 × 1 and 2 × 2
 * blocks, on the lower triangle; the steps are those of LAPACK's sytf2 and sytrs, so that pivots mean
 * the same.
 */
import { dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { beginLaunch, i32 } from '../heap.ts';
import { compiled, Items } from './batch.ts';
import type { Routine, Routines } from './code.ts';
import { defineRows, type RowRoutines } from './rows.ts';
import { choose, type FloatVar, type I, type Int, type IntVar, type Place } from './values.ts';

/** Bounds the growth of elements: (1 + √17) / 8. */
const ALPHA = (1 + Math.sqrt(17)) / 8;

type At = (i: I, j: I) => Place;

function exchange(held: FloatVar, a: Place, b: Place): void {
  held.set(a);
  a.set(b);
  b.set(held);
}

/** Exchanges rows and columns kk and kp > kk of the lower triangle, from column kk on. */
function exchangeSymmetric(r: Routine, at: At, n: Int, kk: Int, kp: Int): void {
  const held = r.float(0);
  r.for(kp.add(1), n, (i) => exchange(held, at(i, kk), at(i, kp)));
  r.for(kk.add(1), kp, (i) => exchange(held, at(i, kk), at(kp, i)));
  exchange(held, at(kk, kk), at(kp, kp));
}

/** Which diagonal block comes next: sets `kp`, the row it is exchanged with, and `size`, 1 or 2. */
function choosePivot(r: Routine, at: At, n: Int, k: Int, kp: IntVar, size: IntVar): Int {
  const own = r.float(at(k, k).abs());
  const [largest, row] = [r.float(0), r.int(k)];
  r.for(k.add(1), n, (i) => {
    r.if(at(i, k).abs().gt(largest), () => {
      largest.set(at(i, k).abs());
      row.set(i);
    });
  });
  kp.set(k);
  size.set(1);
  r.if(own.lt(largest.mul(ALPHA)), () => {
    const inRow = r.float(0);
    r.for(k, row, (j) => inRow.set(inRow.max(at(row, j).abs())));
    r.for(row.add(1), n, (i) => inRow.set(inRow.max(at(i, row).abs())));
    r.if(own.lt(largest.mul(largest.div(inRow)).mul(ALPHA)), () => {
      kp.set(row);
      r.if(at(row, row).abs().lt(inRow.mul(ALPHA)), () => size.set(2));
    });
  });
  return own.max(largest).eq(0);
}

/** Takes the block in rows k and k + 1 out of the rest of the triangle, and leaves its columns of L. */
function eliminatePair(r: Routine, at: At, n: Int, k: Int): void {
  const [k1, d21] = [k.add(1), r.float(at(k.add(1), k))];
  const [d11, d22] = [r.float(at(k1, k1).div(d21)), r.float(at(k, k).div(d21))];
  const scale = r.float(1);
  scale.set(scale.div(d11.mul(d22).sub(1)).div(d21));
  r.for(k.add(2), n, (j) => {
    const [x, y] = [r.float(at(j, k)), r.float(at(j, k1))];
    const first = r.float(scale.mul(d11.mul(x).sub(y)));
    const second = r.float(scale.mul(d22.mul(y).sub(x)));
    r.for(j, n, (i) => at(i, j).set(at(i, j).sub(at(i, k).mul(first)).sub(at(i, k1).mul(second))));
    at(j, k).set(first);
    at(j, k1).set(second);
  });
}

/** `(n, A, row step, pivots)` gives 0, or the number of the first column in which nothing was left. */
function defineFactor(f: Routines): void {
  f.define(
    'factor',
    ['int', 'int', 'int', 'int'],
    (r, n, a, step, pivots) => {
      const at: At = (i, j) => r.element(a.add(step.mul(i)), j);
      const [info, k, kp, size, kk, code] = Array.from({ length: 6 }, () => r.int(0));
      r.while(k.lt(n), () => {
        const empty = choosePivot(r, at, n, k, kp, size);
        r.if(
          empty,
          () => r.if(info.not(), () => info.set(k.add(1))),
          () => {
            kk.set(k.add(size).sub(1));
            r.if(kp.ne(kk), () => {
              exchangeSymmetric(r, at, n, kk, kp);
              r.if(size.eq(2), () => exchange(r.float(0), at(k.add(1), k), at(kp, k)));
            });
            r.if(
              size.eq(1),
              () => {
                const inverse = r.float(1);
                inverse.set(inverse.div(at(k, k)));
                r.for(k.add(1), n, (i) => {
                  const factor = r.float(at(i, k).mul(inverse));
                  r.for(k.add(1), i.add(1), (j) => at(i, j).set(at(i, j).sub(factor.mul(at(j, k)))));
                });
                r.for(k.add(1), n, (i) => at(i, k).set(at(i, k).mul(inverse)));
              },
              () => eliminatePair(r, at, n, k),
            );
          },
        );
        // Counted from 1; a block of two has the same negative number twice.
        code.set(choose(size.eq(1), kp.add(1), kp.mul(-1).sub(1)));
        r.setIntAt(pivots.add(k.mul(4)), code);
        r.if(size.eq(2), () => r.setIntAt(pivots.add(k.add(1).mul(4)), code));
        k.increase(size);
      });
      r.result(info);
    },
    'int',
  );
}

/** `(n, columns, A, row step, pivots, B, row step)`: B ← A⁻¹ B. */
function defineSolve(f: Routines, rows: RowRoutines): void {
  f.define('solve', ['int', 'int', 'int', 'int', 'int', 'int', 'int'], (r, n, columns, a, step, pivots, b, bStep) => {
    const at: At = (i, j) => r.element(a.add(step.mul(i)), j);
    const row = (i: Int): Int => b.add(bStep.mul(i));
    const code = (i: Int): Int => r.intAt(pivots.add(i.mul(4)));
    const [k, kp] = [r.int(0), r.int(0)];
    const swap = (i: Int): void => r.if(kp.ne(i), () => r.call(rows.swap, columns, row(i), row(kp)));
    const eliminate = (from: Int, j: Int): void =>
      r.for(from, n, (i) => r.call(rows.axpy, columns, at(i, j).neg(), row(j), row(i)));
    r.while(k.lt(n), () => {
      r.if(
        code(k).gt(0),
        () => {
          kp.set(code(k).sub(1));
          swap(k);
          eliminate(k.add(1), k);
          r.call(rows.divide, columns, at(k, k), row(k));
          k.increase(1);
        },
        () => {
          const k1 = r.int(k.add(1));
          kp.set(code(k).mul(-1).sub(1));
          swap(k1);
          eliminate(k.add(2), k);
          eliminate(k.add(2), k1);
          const off = r.float(at(k1, k));
          const [d11, d22] = [r.float(at(k, k).div(off)), r.float(at(k1, k1).div(off))];
          const denominator = r.float(d11.mul(d22).sub(1));
          r.for(0, columns, (j) => {
            const [first, second] = [r.element(row(k), j), r.element(row(k1), j)];
            const [x, y] = [r.float(first.div(off)), r.float(second.div(off))];
            first.set(d22.mul(x).sub(y).div(denominator));
            second.set(d11.mul(y).sub(x).div(denominator));
          });
          k.increase(2);
        },
      );
    });
    const substitute = (j: Int): void =>
      r.for(k.add(1), n, (i) => r.call(rows.axpy, columns, at(i, j).neg(), row(i), row(j)));
    k.set(n.sub(1));
    r.while(k.ge(0), () => {
      substitute(k);
      r.if(
        code(k).gt(0),
        () => {
          kp.set(code(k).sub(1));
          swap(k);
          k.increase(-1);
        },
        () => {
          substitute(k.sub(1));
          kp.set(code(k).mul(-1).sub(1));
          swap(k);
          k.increase(-2);
        },
      );
    });
  });
}

const kernelsFor = compiled((m) => {
  defineFactor(m);
  defineSolve(m, defineRows(m));
});

/**
 * The factors of every symmetric matrix of `a` [..., n, n] in place of its lower triangle, the exchanges
 * in `pivots` [..., n], and `info` [...]: 0, or the first column in which nothing was left. All contiguous.
 */
export function factorLdl(a: Strided, pivots: Strided, info: Strided): void {
  const { factor } = kernelsFor(a);
  beginLaunch();
  const n = a.shape[a.shape.length - 1];
  const [matrices, exchanges, infos] = [new Items(a, 2), new Items(pivots, 1), new Items(info, 0)];
  const words = i32();
  const step = n * dtypeInfo(a.dtype).bytes;
  for (let i = 0; i < matrices.count; i++) words[infos.at(i) >>> 2] = factor(n, matrices.at(i), step, exchanges.at(i));
}

/** B ← A⁻¹ B for every matrix of `b` [..., n, k], given the factors `a` [..., n, n] and `pivots`. All contiguous, of one batch shape. */
export function solveLdl(a: Strided, pivots: Strided, b: Strided): void {
  const { solve } = kernelsFor(b);
  beginLaunch();
  const [n, columns] = b.shape.slice(-2);
  const { bytes } = dtypeInfo(b.dtype);
  const [matrices, exchanges, sides] = [new Items(a, 2), new Items(pivots, 1), new Items(b, 2)];
  for (let i = 0; i < sides.count; i++)
    solve(n, columns, matrices.at(i), n * bytes, exchanges.at(i), sides.at(i), columns * bytes);
}
