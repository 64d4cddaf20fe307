/**
 * Eigenvalues and eigenvectors of symmetric matrices, in float64: reflections make the matrix
 * tridiagonal, then implicit QL steps with Wilkinson's shift make it diagonal (Golub and Van Loan,
 * Matrix Computations, 8.3).
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { hasLapack, lapackWithRoom } from '../blas/lapack.ts';
import { beginLaunch, i32, scratch, u8 } from '../heap.ts';
import { compiled, defineLargest, Items, Rooms, scaleFor } from './batch.ts';
import type { Routine, Routines } from './code.ts';
import { condensingRoom, defineTridiagonal } from './condense.ts';
import { Part } from './part.ts';
import { defineQr, roomFor } from './qr.ts';
import { defineRows } from './rows.ts';
import { defineTurns, noteBytes, notesFor, Sweep, stripsOf, type TurnRoutines } from './turns.ts';
import type { IntVar } from './values.ts';

const EPSILON = 2 ** -52;
const STEPS_EACH = 50;
/** Rows from which on a library is faster. */
const WORTH_A_CALL = 32;

/** One QL step along a part, by which what is beside d(0) shrinks; rotations in order from the far end. */
function qlStep(r: Routine, { count, d, e }: Part, sweep: Sweep, turned: IntVar): void {
  const [s, c, p, root] = [r.float(1), r.float(1), r.float(0), r.float(0)];
  const g = r.float(d(1).sub(d(0)).div(e(0).mul(2)));
  root.set(g.mul(g).add(1).sqrt());
  g.set(
    d(count)
      .sub(d(0))
      .add(e(0).div(g.add(root.copysign(g)))),
  );
  turned.set(0);
  r.leavable((split) => {
    r.forDown(count, 0, (t) => {
      const [here, next] = [d(t), d(t.add(1))];
      const off = r.float(s.mul(e(t)));
      const b = r.float(c.mul(e(t)));
      root.set(off.mul(off).add(g.mul(g)).sqrt());
      r.if(t.add(1).lt(count), () => e(t.add(1)).set(root));
      r.if(root.eq(0), () => next.set(next.sub(p)));
      split(root.eq(0));
      s.set(off.div(root));
      c.set(g.div(root));
      g.set(next.sub(p));
      root.set(here.sub(g).mul(s).add(c.mul(b).mul(2)));
      p.set(s.mul(root));
      next.set(g.add(p));
      g.set(c.mul(root).sub(b));
      sweep.note(c, s);
      turned.increase(1);
    });
    d(0).set(d(0).sub(p));
    e(0).set(g);
  });
}

/**
 * Makes a tridiagonal matrix diagonal: `(n, d, e, panels, strips, room for notes, its end)`. Rows of the panels,
 * if there are any, turn with it. Gives 0, or the number of the eigenvalue that did not converge.
 */
function defineQl(f: Routines, turns: TurnRoutines) {
  return f.define(
    'ql',
    ['int', 'int', 'int', 'int', 'int', 'int', 'int'],
    (r, n, d, e, panels, strips, notes, end) => {
      const [info, steps, turned] = [r.int(0), r.int(0), r.int(0)];
      const at = r.int(notes);
      const carryOut = (): void => {
        r.call(turns.turnAll, notes, at, n, strips);
        at.set(notes);
      };
      const part = new Part(r, n, d, e);
      const { first, last, count, direction } = part;
      r.repeat((done) => {
        done(last.le(0));
        part.find((i) => {
          const beside = r
            .element(d, i)
            .abs()
            .add(r.element(d, i.add(1)).abs());
          return r.element(e, i).abs().le(beside.mul(EPSILON));
        });
        r.if(
          first.eq(last),
          () => last.increase(-1),
          () => {
            steps.increase(1);
            r.if(steps.gt(n.mul(STEPS_EACH)), () => info.set(last.add(1)));
            // Steps shrink what is beside the smaller end: from there the shift would be lost in larger numbers.
            part.turn(r.element(d, first).abs().le(r.element(d, last).abs()));
            r.if(at.add(noteBytes(r, count)).gt(end), carryOut);
            const far = r.int(first);
            r.if(direction.gt(0), () => far.set(last));
            const sweep = new Sweep(r, at, panels, far, r.int(0).sub(direction));
            qlStep(r, part, sweep, turned);
            at.set(sweep.end(turned));
          },
        );
        done(info);
      });
      carryOut();
      r.result(info);
    },
    'int',
  );
}

const kernelsFor = compiled((m) => {
  const rows = defineRows(m);
  defineTridiagonal(m, rows, defineQr(m, rows));
  defineQl(m, defineTurns(m));
  defineLargest(m);
});

/** In which dtype spectra of matrices of so many rows are found: their own by a library, float64 by the routines here. */
export const dtypeForEigh = ({ dtype, shape }: Strided): DType =>
  hasLapack(shape[shape.length - 1], WORTH_A_CALL) ? dtype : 'float64';

/**
 * A = Zᵀ diag(d) Z for every symmetric matrix of `a` [..., n, n], of the dtype above, of which the upper triangle is
 * given and zeros below it, and which is overwritten. `d` [..., n] in ascending order; the rows of `z` [..., n, n] are
 * eigenvectors, null leaves them out. `info` [...] int32 is 0, or the number of the eigenvalue that did not converge (n
 * for elements that are not finite).
 */
export function eigh(a: Strided, d: Strided, z: Strided | null, info: Strided): void {
  beginLaunch();
  if (!byLibrary(a, d, z, info)) byRoutines(a, d, z, info);
}

/** The same by a library's routine; false if there is none, or matrices are small. */
function byLibrary(a: Strided, d: Strided, z: Strided | null, info: Strided): boolean {
  const n = a.shape[a.shape.length - 1];
  const syevd = n >= WORTH_A_CALL ? lapackWithRoom(a.dtype, 'syevd', 11) : null;
  if (syevd === null) return false;
  const f = kernelsFor(a);
  const { bytes } = dtypeInfo(a.dtype);
  const [matrices, values, infos] = [new Items(a, 2), new Items(d, 1), new Items(info, 0)];
  const vectors = z === null ? null : new Items(z, 2);
  const whole = 5 * n + 3;
  const indices = { at: scratch(4 * whole) };
  // Row by row the upper triangle is what column by column is the lower one, and rows are eigenvectors.
  const kind = [vectors === null ? 'N' : 'V', 'L', n];
  for (let k = 0; k < matrices.count; k++) {
    const at = matrices.at(k);
    i32()[infos.at(k) >>> 2] = n;
    if (!Number.isFinite(f.largest(n * n, at))) continue;
    syevd([...kind, { at }, n, { at: values.at(k) }], [indices, whole, { at: infos.at(k) }]);
    if (vectors !== null) u8().copyWithin(vectors.at(k), at, at + n * n * bytes);
  }
  return true;
}

/** The same by the routines here, in float64. */
function byRoutines(a: Strided, d: Strided, z: Strided | null, info: Strided): void {
  const f = kernelsFor(a);
  const n = a.shape[a.shape.length - 1];
  const step = 8 * n;
  const strips = z === null ? 0 : stripsOf(n, 8);
  const [condensing, qr] = [condensingRoom(n, 8), roomFor(n, n, 8)];
  const rooms = new Rooms();
  const square = z === null ? 0 : n * step;
  const [e, taus, order, basis, notes] = [step, step, step, square, notesFor(n, 8)].map((size) => rooms.add(size));
  const panels = rooms.add(strips * 64 * n);
  const [condensingAt, qrAt] = [rooms.add(condensing.size), rooms.add(z === null ? 0 : qr.size)];
  const room = scratch(rooms.size);
  const at = (offset: number): number => room + offset;
  const condensingRooms = condensing.rooms.map((offset) => at(condensingAt + offset));
  const qrRooms = qr.rooms.map((offset) => at(qrAt + offset));
  const [matrices, values, infos] = [new Items(a, 2), new Items(d, 1), new Items(info, 0)];
  const vectors = z === null ? null : new Items(z, 2);
  const words = i32();
  for (let k = 0; k < matrices.count; k++) {
    const [start, numbers] = [matrices.at(k), values.at(k)];
    const size = f.largest(n * n, start);
    words[infos.at(k) >>> 2] = n;
    if (!Number.isFinite(size)) continue;
    const scale = scaleFor(size);
    if (scale !== 1) f.mul(n * n, scale, start);
    f.tridiagonal(n, start, step, numbers, at(e), at(taus), ...condensingRooms);
    if (vectors !== null) {
      // The vectors of the reflections lie right of the diagonal, and below it in the transpose.
      const [to, q] = [vectors.at(k), at(basis)];
      f.identity(n, n, q, 0);
      if (n > 2) {
        f.transpose(n, n, start, to);
        f.multiply(n - 1, n - 1, n - 1, to + step, step, at(taus), 0, q + step + 8, step, 1, ...qrRooms);
      }
      f.pack(n, q, step, at(panels));
    }
    const turning = vectors === null ? 0 : at(panels);
    words[infos.at(k) >>> 2] = f.ql(n, numbers, at(e), turning, strips, at(notes), at(notes) + notesFor(n, 8));
    f.sort(n, numbers, at(order));
    if (vectors !== null) f.unpack(n, at(panels), at(order), 0, vectors.at(k), step, 8);
    if (scale !== 1) f.div(n, scale, numbers);
  }
}
