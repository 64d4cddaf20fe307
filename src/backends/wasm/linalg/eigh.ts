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
import type { Routines } from './code.ts';
import { condensingRoom, defineTridiagonal } from './condense.ts';
import { defineQr, roomFor } from './qr.ts';
import { defineRows } from './rows.ts';
import { defineTurns, noteBytes, notesFor, Sweep, stripsOf, type TurnRoutines } from './turns.ts';

const EPSILON = 2 ** -52;
const STEPS_EACH = 50;
/** Rows from which on a library is faster. */
const WORTH_A_CALL = 32;

/**
 * Makes a tridiagonal matrix diagonal: `(n, d, e, panels, strips, room for notes, its end)`. Rows of the panels,
 * if there are any, turn with it. Gives 0, or the number of the eigenvalue that did not converge.
 */
function defineQl(f: Routines, turns: TurnRoutines) {
  return f.define(
    'ql',
    ['int', 'int', 'int', 'int', 'int', 'int', 'int'],
    (r, n, d, e, panels, strips, notes, end) => {
      const info = r.int(0);
      const [m, steps, turned] = [r.int(0), r.int(0), r.int(0)];
      const at = r.int(notes);
      const carryOut = (): void => {
        r.call(turns.turnAll, notes, at, n, strips);
        at.set(notes);
      };
      r.for(0, n, (l) => {
        steps.set(0);
        r.repeat((done) => {
          // The tridiagonal matrix falls apart after row m.
          m.set(l);
          r.repeat((found) => {
            found(m.ge(n.sub(1)));
            const beside = r
              .element(d, m)
              .abs()
              .add(r.element(d, m.add(1)).abs());
            found(r.element(e, m).abs().le(beside.mul(EPSILON)));
            m.increase(1);
          });
          done(m.eq(l));
          steps.increase(1);
          r.if(steps.gt(STEPS_EACH), () => info.set(l.add(1)));
          done(info);
          r.if(at.add(noteBytes(r, m.sub(l))).gt(end), carryOut);
          const sweep = new Sweep(r, at, panels, m, -1);
          turned.set(0);
          const [s, c, p, root] = [r.float(1), r.float(1), r.float(0), r.float(0)];
          const g = r.float(r.element(d, l.add(1)).sub(r.element(d, l)).div(r.element(e, l).mul(2)));
          root.set(g.mul(g).add(1).sqrt());
          g.set(
            r
              .element(d, m)
              .sub(r.element(d, l))
              .add(r.element(e, l).div(g.add(root.copysign(g)))),
          );
          r.leavable((split) => {
            r.forDown(m, l, (i) => {
              const [here, next] = [r.element(d, i), r.element(d, i.add(1))];
              const off = r.float(s.mul(r.element(e, i)));
              const b = r.float(c.mul(r.element(e, i)));
              root.set(off.mul(off).add(g.mul(g)).sqrt());
              r.element(e, i.add(1)).set(root);
              r.if(root.eq(0), () => {
                next.set(next.sub(p));
                r.element(e, m).set(0);
              });
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
            r.element(d, l).set(r.element(d, l).sub(p));
            r.element(e, l).set(g);
            r.element(e, m).set(0);
          });
          at.set(sweep.end(turned));
        });
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
 * A = Zᵀ diag(d) Z for every symmetric matrix of `a` [..., n, n], of the dtype above, of which the upper triangle
 * is given and zeros below it, and which is overwritten. `d` [..., n] in ascending order; the rows of `z` [..., n, n] are eigenvectors, null
 * leaves them out. `info` [...] int32 is 0, or the number of the eigenvalue that did not converge (n for
 * elements that are not finite).
 */
export function eigh(a: Strided, d: Strided, z: Strided | null, info: Strided): void {
  const f = kernelsFor(a);
  beginLaunch();
  const n = a.shape[a.shape.length - 1];
  const step = 8 * n;
  const strips = z === null ? 0 : stripsOf(n, 8);
  const [condensing, qr] = [condensingRoom(n, 8), roomFor(n, n, 8)];
  const square = z === null ? 0 : n * step;
  const rooms = new Rooms();
  const [e, taus, order, basis, notes] = [step, step, step, square, notesFor(n, 8)].map((size) => rooms.add(size));
  const panels = rooms.add(strips * 64 * n);
  const [condensingAt, qrAt] = [rooms.add(condensing.size), rooms.add(z === null ? 0 : qr.size)];
  const room = scratch(rooms.size);
  const [matrices, values, infos] = [new Items(a, 2), new Items(d, 1), new Items(info, 0)];
  const vectors = z === null ? null : new Items(z, 2);
  const words = i32();
  const syevd = n >= WORTH_A_CALL ? lapackWithRoom(a.dtype, 'syevd', 11) : null;
  if (syevd !== null) {
    const { bytes } = dtypeInfo(a.dtype);
    const whole = 5 * n + 3;
    const indices = { at: scratch(4 * whole) };
    for (let k = 0; k < matrices.count; k++) {
      const at = matrices.at(k);
      i32()[infos.at(k) >>> 2] = n;
      if (!Number.isFinite(f.largest(n * n, at))) continue;
      // Row by row the upper triangle is what column by column is the lower one, and rows are eigenvectors.
      const kind = [vectors === null ? 'N' : 'V', 'L', n];
      syevd([...kind, { at }, n, { at: values.at(k) }], [indices, whole, { at: infos.at(k) }]);
      if (vectors !== null) u8().copyWithin(vectors.at(k), at, at + n * n * bytes);
    }
    return;
  }
  for (let k = 0; k < matrices.count; k++) {
    const [at, numbers] = [matrices.at(k), values.at(k)];
    const size = f.largest(n * n, at);
    words[infos.at(k) >>> 2] = n;
    if (!Number.isFinite(size)) continue;
    f.mul(n * n, scaleFor(size), at);
    f.tridiagonal(n, at, step, numbers, room + e, room + taus, ...condensing.rooms.map((o) => room + condensingAt + o));
    if (vectors !== null) {
      // The vectors of the reflections lie right of the diagonal, and below it in the transpose.
      const [to, q] = [vectors.at(k), room + basis];
      f.transpose(n, n, at, to);
      f.identity(n, n, q, 0);
      const qrRooms = qr.rooms.map((o) => room + qrAt + o);
      if (n > 1) f.multiply(n - 1, n - 1, n - 1, to + step, step, room + taus, 0, q + step + 8, step, 1, ...qrRooms);
      f.pack(n, q, step, room + panels);
    }
    words[infos.at(k) >>> 2] = f.ql(
      n,
      numbers,
      room + e,
      vectors === null ? 0 : room + panels,
      strips,
      room + notes,
      room + notes + notesFor(n, 8),
    );
    f.sort(n, numbers, room + order);
    if (vectors !== null) f.unpack(n, room + panels, room + order, 0, vectors.at(k), step, 8);
    f.div(n, scaleFor(size), numbers);
  }
}
