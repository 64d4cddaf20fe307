/** Cholesky factorisations, by blocks of rows. */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { lapack } from '../blas/lapack.ts';
import { beginLaunch, f32, f64, i32 } from '../heap.ts';
import { BLOCK, compiled, Items, WORTH_A_CALL } from './batch.ts';
import { choleskyByBlocks } from './blocked.ts';
import type { Routines } from './code.ts';
import { defineRows, type RowRoutines } from './rows.ts';
import { areSmall, choleskyOfSmall } from './small.ts';
import type { I } from './values.ts';

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

const kernelsFor = compiled((m) => defineCholesky(m, defineRows(m)));

/** Which of the leading minors is the first that is not positive, where a library stopped at `info` or (0) went through: of a NaN it may not say so. */
function firstNotPositive(dtype: DType, n: number, at: number, info: number): number {
  const numbers = dtype === 'float64' ? f64() : f32();
  const first = at / numbers.BYTES_PER_ELEMENT;
  for (let i = 0; i < (info || n); i++) if (Number.isNaN(numbers[first + i * (n + 1)])) return i + 1;
  return info;
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
  if (areSmall(matrices.count, n)) {
    choleskyOfSmall(a, info);
    return;
  }
  const step = n * dtypeInfo(a.dtype).bytes;
  const words = i32();
  const potrf = n >= WORTH_A_CALL ? lapack(a.dtype, 'potrf', 5) : null;
  for (let k = 0; k < matrices.count; k++) {
    const at = matrices.at(k);
    const place = infos.at(k);
    if (potrf === null) words[place >>> 2] = kernel(n, at, step);
    else {
      if (!choleskyByBlocks(a.dtype, n, at, place)) potrf('L', n, { at }, n, { at: place });
      words[place >>> 2] = firstNotPositive(a.dtype, n, at, words[place >>> 2]);
    }
    clearBelow(n, at, step);
  }
}
