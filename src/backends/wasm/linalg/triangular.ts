/** Triangular systems, by blocks of rows. */
import { dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { lapack } from '../blas/lapack.ts';
import { planTriangle } from '../blas/product.ts';
import { beginLaunch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { loopsOver, Walk } from '../loops.ts';
import { joinWorkers } from '../threads/pending.ts';
import { BLOCK, compiled, Items, WORTH_A_CALL } from './batch.ts';
import type { Routines } from './code.ts';
import { defineRows, type RowRoutines } from './rows.ts';
import { solveSmallTriangles } from './small.ts';
import type { I, IntVar } from './values.ts';

/** Right sides from which on a library solves for all of them at once, and not for one after the other. */
const WORTH_SIDES = 4;

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

const kernelsFor = compiled((m) => defineSolve(m, defineRows(m)));

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
  if (solveSmallTriangles(a, b, upper, unitriangular)) return;
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
  const native = n >= WORTH_A_CALL ? nativeSolve(a, columns, { upper, unitriangular }) : null;
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
  joinWorkers();
}

/** The same for one triangle and its sides at such addresses by a library; LAPACK sees transposes. */
function nativeSolve(
  { dtype, shape, strides }: Strided,
  columns: number,
  { upper, unitriangular }: Triangle,
): ((a: number, b: number) => void) | null {
  const n = shape[shape.length - 1];
  const [row, column] = strides.slice(-2);
  const step = Math.max(row, column);
  if (Math.min(row, column) !== 1 || step < n) return null;
  const turned = column !== 1;
  const half = upper === turned ? 'U' : 'L';
  const diagonal = unitriangular ? 'U' : 'N';
  if (columns < WORTH_SIDES) {
    const trsv = lapack(dtype, 'trsv', 8);
    if (trsv === null) return null;
    const { bytes } = dtypeInfo(dtype);
    return (a, b) => {
      for (let k = 0; k < columns; k++)
        trsv(half, turned ? 'N' : 'T', diagonal, n, { at: a }, step, { at: b + k * bytes }, columns);
    };
  }
  return planTriangle(dtype, [half === 'L', turned, unitriangular], step, n, columns);
}
