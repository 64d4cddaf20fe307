/**
 * Singular values and vectors in float64: reflections make the matrix bidiagonal, of tall ones the R of
 * A = Q R, and implicit QR steps make that diagonal. Steps without a shift and tests that compare with the
 * numbers around (Demmel and Kahan, 1990) find small singular values of bidiagonal matrices to high relative
 * accuracy.
 */
import type { DType } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { hasLapack, lapackWithRoom } from '../blas/lapack.ts';
import { beginLaunch, f32, f64, i32, scratch } from '../heap.ts';
import { compiled, defineLargest, Items, Rooms, scaleFor } from './batch.ts';
import type { Routine, Routines } from './code.ts';
import { condensingRoom, defineBidiagonal } from './condense.ts';
import { Part } from './part.ts';
import { defineQr, roomFor } from './qr.ts';
import { defineRows, type RowRoutines } from './rows.ts';
import { defineTurns, noteBytes, notesFor, rotation, Sweep, stripsOf, type TurnRoutines } from './turns.ts';
import type { Float, FloatVar, I } from './values.ts';

const EPSILON = 2 ** -52;
/** Numbers beside the diagonal that are smaller than this part of what is around them are none. */
const TOLERANCE = 2 ** -48;
const SWEEPS_EACH = 60;
/** Columns from which on a library is faster. */
const WORTH_A_CALL = 16;

/** The smaller singular value of [f g; 0 h], which only tells how far to shift. */
function smallerValue(r: Routine, f: Float, g: Float, h: Float): FloatVar {
  const [x, y, z] = [r.float(f.abs()), r.float(h.abs()), r.float(g.abs())];
  const [larger, result] = [r.float(x.max(y)), r.float(0)];
  r.if(x.gt(y), () => x.set(y));
  r.if(x.gt(0).and(z.lt(larger.mul(2 ** 500))), () => {
    const [ratio, slope] = [r.float(x.div(larger)), r.float(z.div(larger))];
    slope.set(slope.mul(slope));
    const root = (by: number): Float => ratio.add(by).mul(ratio.add(by)).add(slope).sqrt();
    result.set(x.mul(2).div(root(1).add(root(-1))));
    r.release(ratio, slope);
  });
  r.release(x, y, z, larger);
  return result;
}

/** One sweep along a part: with a shift, or without, which loses nothing of small numbers. Rotations of columns and of rows. */
function chase(r: Routine, { count, d, e }: Part, shift: FloatVar, columns: Sweep, rows: Sweep): void {
  const [c, s, root, otherC, otherS] = [r.float(1), r.float(0), r.float(0), r.float(1), r.float(0)];
  const [f, g] = [r.float(0), r.float(0)];
  r.if(
    shift.eq(0),
    () => {
      r.for(0, count, (t) => {
        f.set(d(t).mul(c));
        g.set(e(t));
        rotation(r, f, g, c, s, root);
        r.if(t.gt(0), () => e(t.sub(1)).set(otherS.mul(root)));
        f.set(otherC.mul(root));
        g.set(d(t.add(1)).mul(s));
        rotation(r, f, g, otherC, otherS, root);
        d(t).set(root);
        columns.note(c, s);
        rows.note(otherC, otherS);
      });
      f.set(d(count).mul(c));
      d(count).set(f.mul(otherC));
      e(count.sub(1)).set(f.mul(otherS));
    },
    () => {
      const first = r.float(d(0));
      f.set(
        first
          .abs()
          .sub(shift)
          .mul(r.float(1).copysign(first).add(shift.div(first))),
      );
      g.set(e(0));
      r.for(0, count, (t) => {
        rotation(r, f, g, c, s, root);
        r.if(t.gt(0), () => e(t.sub(1)).set(root));
        f.set(c.mul(d(t)).add(s.mul(e(t))));
        e(t).set(c.mul(e(t)).sub(s.mul(d(t))));
        g.set(s.mul(d(t.add(1))));
        d(t.add(1)).set(c.mul(d(t.add(1))));
        rotation(r, f, g, otherC, otherS, root);
        d(t).set(root);
        f.set(otherC.mul(e(t)).add(otherS.mul(d(t.add(1)))));
        d(t.add(1)).set(otherC.mul(d(t.add(1))).sub(otherS.mul(e(t))));
        r.if(t.add(1).lt(count), () => {
          g.set(otherS.mul(e(t.add(1))));
          e(t.add(1)).set(otherC.mul(e(t.add(1))));
        });
        columns.note(c, s);
        rows.note(otherC, otherS);
      });
      e(count.sub(1)).set(f);
    },
  );
}

/**
 * Makes an upper bidiagonal matrix diagonal: `(n, n as a float, d, e, panels of the left and of the right vectors,
 * strips, room for notes, its end)`. Rows of the panels turn with it; numbers may come out negative. Gives 0, or 1 if it
 * did not converge.
 */
function defineDiagonal(f: Routines, turns: TurnRoutines): void {
  f.define(
    'diagonal',
    ['int', 'float', 'int', 'int', 'int', 'int', 'int', 'int', 'int'],
    (r, n, size, d, e, left, right, strips, notes, end) => {
      const info = r.int(0);
      const at = r.int(notes);
      const carryOut = (): void => {
        r.call(turns.turnAll, notes, at, n, strips);
        at.set(notes);
      };
      // A lower bound of all singular values.
      const [mu, least, largest] = [r.float(r.element(d, 0).abs()), r.float(0), r.float(0)];
      least.set(mu);
      r.for(1, n, (i) => {
        r.if(mu.gt(0), () => mu.set(mu.div(mu.add(r.element(e, i.sub(1)).abs()))));
        mu.set(mu.mul(r.element(d, i).abs()));
        r.if(mu.lt(least), () => least.set(mu));
      });
      const negligible = r.float(
        least
          .div(size.sqrt())
          .mul(TOLERANCE)
          .max(2 ** -960),
      );
      const part = new Part(r, n, d, e);
      const { first, last, count, direction } = part;
      const sweeps = r.int(0);
      const shift = r.float(0);
      r.repeat((done) => {
        done(last.le(0));
        r.leavable((again) => {
          // The part that ends at the last row and has nothing beside its diagonal that vanishes.
          largest.set(r.element(d, last).abs());
          part.find((i) => {
            const beside = r.float(r.element(e, i).abs());
            r.if(beside.gt(negligible), () => largest.set(largest.max(beside).max(r.element(d, i).abs())));
            return beside.le(negligible);
          });
          r.if(first.eq(last), () => last.increase(-1));
          again(first.gt(last));
          sweeps.increase(1);
          r.if(sweeps.gt(n.mul(SWEEPS_EACH)), () => info.set(1));
          again(info);
          // Small numbers are to come last on the way.
          part.turn(r.element(d, first).abs().ge(r.element(d, last).abs()));
          const split = (t: I, size: Float): void => {
            const small = r.int(part.e(t).abs().le(size.mul(TOLERANCE)));
            r.if(small, () => part.e(t).set(0));
            again(small);
            r.release(small);
          };
          split(count.sub(1), part.d(count).abs());
          mu.set(part.d(0).abs());
          least.set(mu);
          r.for(0, count, (t) => {
            split(t, mu);
            mu.set(
              part
                .d(t.add(1))
                .abs()
                .mul(mu.div(mu.add(part.e(t).abs()))),
            );
            r.if(mu.lt(least), () => least.set(mu));
          });
          shift.set(0);
          // A shift would drown the smallest number in rounding.
          r.if(least.mul(size).mul(TOLERANCE).gt(largest.mul(EPSILON)), () => {
            shift.set(smallerValue(r, part.d(count.sub(1)), part.e(count.sub(1)), part.d(count)));
            const quotient = r.float(shift.div(part.d(0)));
            r.if(quotient.mul(quotient).lt(EPSILON), () => shift.set(0));
          });
          const room = r.int(noteBytes(r, count));
          r.if(at.add(room.mul(2)).gt(end), carryOut);
          const [start, columns, rows] = [r.int(first), r.int(right), r.int(left)];
          r.if(direction.lt(0), () => {
            // From the other end the transpose is what is chased along.
            start.set(last);
            columns.set(left);
            rows.set(right);
          });
          const [onColumns, onRows] = [
            new Sweep(r, at, columns, start, direction),
            new Sweep(r, at.add(room), rows, start, direction),
          ];
          chase(r, part, shift, onColumns, onRows);
          onColumns.end(count);
          at.set(onRows.end(count));
        });
        done(info);
      });
      carryOut();
      r.result(info);
    },
    'int',
  );
}

/** Small steps on the way, for one matrix each. */
function defineSteps(f: Routines, rows: RowRoutines): void {
  // W ← the upper triangle of A: (n, A, row step, W)
  f.define('upper', ['int', 'int', 'int', 'int'], (r, n, a, step, w) => {
    r.call(rows.clear, n.mul(n), w);
    r.for(0, n, (i) => {
      const to = r.element(w, i.mul(n.add(1))).address;
      r.call(rows.copy, n.sub(i), r.element(a.add(step.mul(i)), i).address, to);
    });
  });
  // y ← −|x|: (n, x, y)
  f.define('descending', ['int', 'int', 'int'], (r, n, x, y) => {
    r.for(0, n, (i) => r.element(y, i).set(r.element(x, i).abs().neg()));
  });
}

const kernelsFor = compiled((m) => {
  const rows = defineRows(m);
  defineBidiagonal(m, rows, defineQr(m, rows));
  defineDiagonal(m, defineTurns(m));
  defineSteps(m, rows);
  defineLargest(m);
});

/** What an SVD fills; without vectors, singular values are all. */
export interface SvdParts {
  /** Singular values, [..., n], descending. */
  readonly s: Strided;
  /** U, [..., m, n] or [..., m, m], and Vᵀ, [..., n, n]. */
  readonly vectors: { readonly u: Strided; readonly v: Strided } | null;
}

/** `info` for a matrix that holds NaN, as LAPACK has it. */
const NOT_A_NUMBER = -4;

/** The parts, matrix by matrix. */
interface PartItems {
  readonly s: Items;
  readonly vectors: { readonly u: Items; readonly v: Items } | null;
}

/**
 * What LAPACK makes of a matrix whose largest element is not finite: NaN fails, and of infinities all parts are NaN.
 * Gives `info`.
 */
function partsOfInfinite(largest: number, dtype: DType, { s, vectors }: PartItems, k: number): number {
  if (Number.isNaN(largest)) return NOT_A_NUMBER;
  const numbers = dtype === 'float64' ? f64() : f32();
  for (const items of vectors === null ? [s] : [s, vectors.u, vectors.v]) {
    const start = items.at(k) / numbers.BYTES_PER_ELEMENT;
    numbers.fill(Number.NaN, start, start + items.step / numbers.BYTES_PER_ELEMENT);
  }
  return 0;
}

/** In which dtype spectra of matrices of such a shape are found: their own by a library, float64 by the routines here. */
export const dtypeForSvd = ({ dtype, shape }: Strided): DType =>
  hasLapack(Math.min(...shape.slice(-2)), WORTH_A_CALL) ? dtype : 'float64';

/**
 * The parts of A = U diag(s) Vᵀ for every matrix of `a` [..., m, n], m ≥ n, of the dtype above, which is
 * overwritten. `info` [...] int32 is 0, or 1 without convergence, or -4 for a matrix that holds NaN.
 */
export function svd(a: Strided, { s, vectors }: SvdParts, info: Strided): void {
  beginLaunch();
  const parts: PartItems = {
    s: new Items(s, 1),
    vectors: vectors === null ? null : { u: new Items(vectors.u, 2), v: new Items(vectors.v, 2) },
  };
  const columns = vectors === null ? 0 : vectors.u.shape[vectors.u.shape.length - 1];
  if (!byLibrary(a, parts, columns, info)) byRoutines(a, parts, columns, info);
}

/** The same by a library's routine; false if there is none, or matrices are small. `columns` are those of U, 0 without vectors. */
function byLibrary(a: Strided, parts: PartItems, columns: number, info: Strided): boolean {
  const [m, n] = a.shape.slice(-2);
  const gesdd = n >= WORTH_A_CALL ? lapackWithRoom(a.dtype, 'gesdd', 14) : null;
  if (gesdd === null) return false;
  const f = kernelsFor(a);
  const [matrices, infos] = [new Items(a, 2), new Items(info, 0)];
  const indices = { at: scratch(32 * n) };
  // It sees Aᵀ = V diag(s) Uᵀ.
  const kind = columns === 0 ? 'N' : columns === n ? 'S' : 'A';
  for (let k = 0; k < matrices.count; k++) {
    const start = matrices.at(k);
    const largest = f.largest(m * n, start);
    if (!Number.isFinite(largest)) {
      i32()[infos.at(k) >>> 2] = partsOfInfinite(largest, a.dtype, parts, k);
      continue;
    }
    const { s, vectors } = parts;
    const [u, v] = [vectors?.u, vectors?.v].map((items) => ({ at: items?.at(k) ?? 0 }));
    const given = [kind, n, m, { at: start }, n, { at: s.at(k) }, v, n, u, Math.max(columns, 1)];
    gesdd(given, [indices, { at: infos.at(k) }]);
  }
  return true;
}

/** The same by the routines here, in float64. */
function byRoutines(a: Strided, parts: PartItems, columns: number, info: Strided): void {
  const f = kernelsFor(a);
  const [m, n] = a.shape.slice(-2);
  const step = 8 * n;
  const strips = columns === 0 ? 0 : stripsOf(n, 8);
  const rooms = new Rooms();
  const [qr, condensing] = [roomFor(m, Math.max(columns, n), 8), condensingRoom(n, 8)];
  const [taus, left, right, d, e, order] = Array.from({ length: 6 }, () => rooms.add(step));
  const [triangle, basis, notes] = [m > n ? n * step : 0, n * step, notesFor(n, 8)].map((size) => rooms.add(size));
  const [us, vs] = [0, 0].map(() => rooms.add(strips * 64 * n));
  const [qrAt, condensingAt] = [rooms.add(qr.size), rooms.add(condensing.size)];
  const room = scratch(rooms.size);
  const at = (offset: number): number => room + offset;
  const qrRooms = qr.rooms.map((offset) => at(qrAt + offset));
  const condensingRooms = condensing.rooms.map((offset) => at(condensingAt + offset));
  const [matrices, infos] = [new Items(a, 2), new Items(info, 0)];
  const words = i32();
  for (let k = 0; k < matrices.count; k++) {
    const [start, lengths] = [matrices.at(k), parts.s.at(k)];
    const largest = f.largest(m * n, start);
    words[infos.at(k) >>> 2] = Number.isFinite(largest) ? 0 : partsOfInfinite(largest, a.dtype, parts, k);
    const [u, v] = [parts.vectors?.u.at(k) ?? 0, parts.vectors?.v.at(k) ?? 0];
    if (n === 0 && columns > 0) f.identity(m, columns, u, 0);
    if (!Number.isFinite(largest) || n === 0) continue;
    const scale = scaleFor(largest);
    if (scale !== 1) f.mul(m * n, scale, start);
    const w = m > n ? at(triangle) : start;
    if (m > n) {
      f.factor(m, n, start, step, at(taus), ...qrRooms);
      f.upper(n, start, step, w);
    }
    f.bidiagonal(n, w, step, at(d), at(e), at(left), at(right), ...condensingRooms);
    if (columns > 0) {
      const q = at(basis);
      f.identity(n, n, q, 0);
      f.multiply(n, n, n, w, step, at(left), 0, q, step, 1, ...qrRooms);
      f.pack(n, q, step, at(us));
      // The right vectors lie right of the diagonal, and below it in the transpose.
      f.identity(n, n, q, 0);
      if (n > 2) {
        f.transpose(n, n, w, v);
        f.multiply(n - 1, n - 1, n - 1, v + step, step, at(right), 0, q + step + 8, step, 1, ...qrRooms);
      }
      f.pack(n, q, step, at(vs));
    }
    const panels = columns === 0 ? [0, 0] : [at(us), at(vs)];
    words[infos.at(k) >>> 2] = f.diagonal(n, n, at(d), at(e), ...panels, strips, at(notes), at(notes) + notesFor(n, 8));
    f.descending(n, at(d), lengths);
    f.sort(n, lengths, at(order));
    if (columns > 0) {
      f.unpack(n, at(vs), at(order), at(d), v, step, 8);
      if (m > n) {
        // Q times the left vectors of R, with the other columns of the identity beside them.
        f.identity(m, columns, u, 0);
        f.unpack(n, at(us), at(order), 0, u, 8, 8 * columns);
        f.multiply(m, columns, n, start, step, at(taus), 0, u, 8 * columns, 0, ...qrRooms);
      } else f.unpack(n, at(us), at(order), 0, u, 8, step);
    }
    f.div(n, -scale, lengths);
  }
}
