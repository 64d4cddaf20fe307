/**
 * Singular values and vectors in float64, by one-sided Jacobi rotations (Hestenes, 1958; de Rijk,
 * 1989): pairs of rows are turned until all are orthogonal. Slower than bidiagonalisation for large
 * matrices, but small singular values come out to high relative accuracy.
 */
import type { Strided } from '../../../kernels/strided.ts';
import { beginLaunch, f64, i32, scratch } from '../heap.ts';
import type { WasmFunction } from '../module.ts';
import { compiled, defineLargest, Items, scaleFor } from './batch.ts';
import type { Routines } from './code.ts';
import { defineQr, roomFor } from './qr.ts';
import { defineRows, type RowRoutines } from './rows.ts';

const EPSILON = 2 ** -52;
const MOST_SWEEPS = 60;

/**
 * Turns the rows of W, n × n, until they are orthogonal, and the rows of J, of the given width, with
 * them: `(n, W, J, width, squares, tolerance)`. Longer rows come first. Gives 0, or 1 if it did not converge.
 */
function defineJacobi(f: Routines, rows: RowRoutines) {
  return f.define(
    'jacobi',
    ['int', 'int', 'int', 'int', 'int', 'float'],
    (r, n, w, j, width, squares, tolerance) => {
      const step = r.int(n.mul(r.bytes));
      const jStep = r.int(width.mul(r.bytes));
      const sweeps = r.int(0);
      const turned = r.int(1);
      r.while(turned.and(sweeps.lt(MOST_SWEEPS)), () => {
        turned.set(0);
        sweeps.increase(1);
        r.for(0, n, (p) => {
          const row = w.add(step.mul(p));
          r.element(squares, p).set(r.callFloat(rows.dot, n, row, row));
        });
        r.for(0, n, (p) => {
          r.for(p.add(1), n, (q) => {
            const [x, y] = [r.int(w.add(step.mul(p))), r.int(w.add(step.mul(q)))];
            const [jx, jy] = [r.int(j.add(jStep.mul(p))), r.int(j.add(jStep.mul(q)))];
            r.if(r.element(squares, p).lt(r.element(squares, q)), () => {
              r.call(rows.swap, n, x, y);
              r.call(rows.swap, width, jx, jy);
              const held = r.float(r.element(squares, p));
              r.element(squares, p).set(r.element(squares, q));
              r.element(squares, q).set(held);
            });
            const [a, b] = [r.float(r.element(squares, p)), r.float(r.element(squares, q))];
            const c = r.float(r.callFloat(rows.dot, n, x, y));
            r.if(c.abs().gt(a.mul(b).sqrt().mul(tolerance)), () => {
              turned.set(1);
              const zeta = r.float(b.sub(a).div(c.mul(2)));
              const t = r.float(zeta.mul(zeta).add(1).sqrt().add(zeta.abs()));
              t.set(r.float(1).div(t).copysign(zeta));
              const cosine = r.float(r.float(1).div(t.mul(t).add(1).sqrt()));
              const sine = r.float(cosine.mul(t).neg());
              r.call(rows.rotate, n, cosine, sine, x, y);
              r.call(rows.rotate, width, cosine, sine, jx, jy);
              r.element(squares, p).set(r.callFloat(rows.dot, n, x, x));
              r.element(squares, q).set(r.callFloat(rows.dot, n, y, y));
            });
          });
        });
      });
      r.result(turned);
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
      r.call(rows.axpy, n.sub(i), 1, r.element(a.add(step.mul(i)), i).address, to);
    });
  });
  // B ← Aᵀ: (rows and columns of A, A, B)
  f.define('transpose', ['int', 'int', 'int', 'int'], (r, m, n, a, b) => {
    r.for(0, m, (i) => r.for(0, n, (j) => r.element(b, j.mul(m).add(i)).set(r.element(a, i.mul(n).add(j)))));
  });
  // Every row to length 1, its length to s; a zero row stays: (n, W, s)
  f.define('normalize', ['int', 'int', 'int'], (r, n, w, s) => {
    r.for(0, n, (i) => {
      const row = r.int(r.element(w, i.mul(n)).address);
      const length = r.float(r.callFloat(rows.dot, n, row, row).sqrt());
      r.element(s, i).set(length);
      r.if(length.gt(0), () => r.call(rows.divide, n, length, row));
    });
  });
}

const kernelsFor = compiled((m) => {
  const rows = defineRows(m);
  defineQr(m, rows);
  defineJacobi(m, rows);
  defineSteps(m, rows);
  defineLargest(m);
});

/** What an SVD fills; null leaves it out. */
export interface SvdParts {
  /** Singular values, [..., n], descending. */
  readonly s: Strided;
  /** Vᵀ, [..., n, n]; without it, the singular values are all. */
  readonly v: Strided | null;
  /** Q of A = Q R, [..., m, n] or [..., m, m], and the rotations J [..., n, n]: U is Q Jᵀ in its first n columns. */
  readonly q: Strided | null;
  readonly j: Strided | null;
}

/** `info` for a matrix that holds NaN or infinities, as LAPACK has it. */
const NOT_FINITE = -4;

/**
 * The parts of A = U diag(s) Vᵀ for every matrix of `a` [..., m, n], m ≥ n, float64, which is
 * overwritten. `info` [...] int32 is 0, or 1 without convergence, or -4 for elements that are not finite.
 */
export function svd(a: Strided, { s, v, q, j }: SvdParts, info: Strided): void {
  const f = kernelsFor(a);
  beginLaunch();
  const [m, n] = a.shape.slice(-2);
  const columns = q === null ? 0 : q.shape[q.shape.length - 1];
  const { size, rooms } = roomFor(m, Math.max(columns, n), 8);
  const room = scratch(size + 8 * (2 * n + 2 * n * n));
  const qrRooms = rooms.map((at) => room + at);
  const [taus, squares, spare, other] = [0, n, 2 * n, 2 * n + n * n].map((at) => room + size + 8 * at);
  const [matrices, values, infos] = [new Items(a, 2), new Items(s, 1), new Items(info, 0)];
  const [vs, qs, js] = [v, q, j].map((t) => (t === null ? null : new Items(t, 2)));
  const words = i32();
  for (let k = 0; k < matrices.count; k++) {
    const [at, lengths] = [matrices.at(k), values.at(k)];
    const [w, rotations] = [vs === null ? spare : vs.at(k), js === null ? 0 : js.at(k)];
    const largest = f.largest(m * n, at);
    words[infos.at(k) >>> 2] = Number.isFinite(largest) ? 0 : NOT_FINITE;
    if (!Number.isFinite(largest)) continue;
    const scale = scaleFor(largest);
    f.mul(m * n, scale, at);
    f.factor(m, n, at, 8 * n, taus, ...qrRooms);
    f.upper(n, at, 8 * n, w);
    if (qs !== null) {
      f.identity(m, columns, qs.at(k), 0);
      f.multiply(m, columns, n, at, 8 * n, taus, 0, qs.at(k), 8 * columns, 1, ...qrRooms);
    }
    const width = js === null ? 0 : n;
    f.identity(width, width, rotations, 0);
    words[infos.at(k) >>> 2] = f.jacobi(n, w, rotations, width, squares, EPSILON * Math.sqrt(n));
    f.normalize(n, w, lengths);
    const rank = f64()
      .subarray(lengths >>> 3, (lengths >>> 3) + n)
      .indexOf(0);
    if (vs !== null && rank >= 0) complete(f, rank, n, w, [spare, other, taus], qrRooms);
    f.div(n, scale, lengths);
  }
}

/** Rows from `rank` on, which are zero, made orthogonal to those before and to each other. */
function complete(
  f: Readonly<Record<string, WasmFunction>>,
  rank: number,
  n: number,
  w: number,
  [spare, other, taus]: readonly number[],
  qrRooms: readonly number[],
): void {
  const rest = n - rank;
  f.transpose(rank, n, w, spare);
  f.factor(n, rank, spare, 8 * rank, taus, ...qrRooms);
  f.identity(n, rest, other, rank);
  f.multiply(n, rest, rank, spare, 8 * rank, taus, 0, other, 8 * rest, 0, ...qrRooms);
  f.transpose(n, rest, other, w + 8 * n * rank);
}
