/**
 * Eigenvalues and eigenvectors of symmetric matrices, in float64: reflections make the matrix
 * tridiagonal, then implicit QL steps with Wilkinson's shift make it diagonal (Golub and Van Loan,
 * Matrix Computations, 8.3).
 */
import type { Strided } from '../../../kernels/strided.ts';
import { beginLaunch, i32, scratch } from '../heap.ts';
import { compiled, defineLargest, Items, scaleFor } from './batch.ts';
import type { Routines } from './code.ts';
import { defineReflector } from './qr.ts';
import { defineRows, type RowRoutines } from './rows.ts';
import type { I } from './values.ts';

const EPSILON = 2 ** -52;
const STEPS_EACH = 50;

/**
 * Makes a symmetric matrix tridiagonal: `(n, A, row step, d, e, τ, room for a row)`. The vectors of
 * the reflections stay in the rows of A, right of the diagonal.
 */
function defineTridiagonal(f: Routines, rows: RowRoutines) {
  const reflector = defineReflector(f);
  return f.define('tridiagonal', ['int', 'int', 'int', 'int', 'int', 'int', 'int'], (r, n, a, step, d, e, taus, w) => {
    r.for(0, n, (k) => {
      const diagonal = r.int(r.element(a.add(step.mul(k)), k).address);
      r.element(d, k).set(r.at(diagonal));
      const count = r.int(n.sub(k).sub(1));
      r.if(count.gt(0), () => {
        const v = r.int(diagonal.add(r.bytes));
        const tau = r.float(r.callFloat(reflector, count, v, r.bytes));
        r.element(taus, k).set(tau);
        r.element(e, k).set(r.at(v));
        r.at(v).set(1);
        // p = τ A v,  w = p − ½ τ (pᵀ v) v,  A ← A − v wᵀ − w vᵀ
        const below = (i: I) => r.element(a.add(step.mul(k.add(1).add(i))), k.add(1)).address;
        r.for(0, count, (i) => r.element(w, i).set(tau.mul(r.callFloat(rows.dot, count, below(i), v))));
        r.call(rows.axpy, count, r.float(tau.mul(-0.5).mul(r.callFloat(rows.dot, count, w, v))), v, w);
        r.for(0, count, (i) => {
          const here = r.int(below(i));
          r.call(rows.axpy, count, r.element(v, i).neg(), w, here);
          r.call(rows.axpy, count, r.element(w, i).neg(), v, here);
        });
      });
    });
  });
}

/**
 * Z ← Qᵀ, where Q is the product of the reflections: `(n, A, row step, τ, Z, room for a row and a matrix)`.
 */
function defineBasis(f: Routines, rows: RowRoutines) {
  return f.define('basis', ['int', 'int', 'int', 'int', 'int', 'int', 'int'], (r, n, a, step, taus, z, w, q) => {
    r.call(rows.clear, n.mul(n), q);
    r.for(0, n, (i) => r.element(q.add(step.mul(i)), i).set(1));
    r.forDown(n.sub(1), 0, (k) => {
      const count = r.int(n.sub(k).sub(1));
      const v = r.element(a.add(step.mul(k)), k.add(1)).address;
      const below = (i: I) => r.element(q.add(step.mul(k.add(1).add(i))), k.add(1)).address;
      r.call(rows.clear, count, w);
      r.for(0, count, (i) => r.call(rows.axpy, count, r.element(v, i), below(i), w));
      const tau = r.float(r.element(taus, k));
      r.for(0, count, (i) => r.call(rows.axpy, count, tau.mul(r.element(v, i)).neg(), w, below(i)));
    });
    r.for(0, n, (i) => r.for(0, n, (j) => r.element(z.add(step.mul(j)), i).set(r.element(q.add(step.mul(i)), j))));
  });
}

/**
 * Makes a tridiagonal matrix diagonal: `(n, d, e, Z, row step, width)`. Rows of Z, of the given width, turn
 * with it. Gives 0, or the number of the eigenvalue that did not converge.
 */
function defineQl(f: Routines, rows: RowRoutines) {
  return f.define(
    'ql',
    ['int', 'int', 'int', 'int', 'int', 'int'],
    (r, n, d, e, z, step, width) => {
      const info = r.int(0);
      const m = r.int(0);
      const steps = r.int(0);
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
              r.call(rows.rotate, width, c, s, z.add(step.mul(i.add(1))), z.add(step.mul(i)));
            });
            r.element(d, l).set(r.element(d, l).sub(p));
            r.element(e, l).set(g);
            r.element(e, m).set(0);
          });
        });
      });
      r.result(info);
    },
    'int',
  );
}

/** Orders numbers upward, and the rows of Z with them: `(n, d, Z, row step, width)`. */
function defineOrder(f: Routines, rows: RowRoutines) {
  return f.define('order', ['int', 'int', 'int', 'int', 'int'], (r, n, d, z, step, width) => {
    const least = r.int(0);
    const value = r.float(0);
    r.for(0, n, (i) => {
      least.set(i);
      r.for(i.add(1), n, (j) => r.if(r.element(d, j).lt(r.element(d, least)), () => least.set(j)));
      r.if(least.ne(i), () => {
        value.set(r.element(d, i));
        r.element(d, i).set(r.element(d, least));
        r.element(d, least).set(value);
        r.call(rows.swap, width, z.add(step.mul(i)), z.add(step.mul(least)));
      });
    });
  });
}

const kernelsFor = compiled((m) => {
  const rows = defineRows(m);
  defineTridiagonal(m, rows);
  defineBasis(m, rows);
  defineQl(m, rows);
  defineOrder(m, rows);
  defineLargest(m);
});

/**
 * A = Zᵀ diag(d) Z for every symmetric matrix of `a` [..., n, n], float64, both triangles given, which is
 * overwritten. `d` [..., n] in ascending order; the rows of `z` [..., n, n] are eigenvectors, null
 * leaves them out. `info` [...] int32 is 0, or the number of the eigenvalue that did not converge (n for
 * elements that are not finite).
 */
export function eigh(a: Strided, d: Strided, z: Strided | null, info: Strided): void {
  const { tridiagonal, basis, ql, order, largest, mul, div } = kernelsFor(a);
  beginLaunch();
  const n = a.shape[a.shape.length - 1];
  const step = 8 * n;
  const [e, taus, w, q] = [0, 1, 2, 3].map((k) => k * step);
  const room = scratch((z === null ? 3 : 3 + n) * step);
  const [matrices, values, infos] = [new Items(a, 2), new Items(d, 1), new Items(info, 0)];
  const vectors = z === null ? null : new Items(z, 2);
  const words = i32();
  for (let k = 0; k < matrices.count; k++) {
    const to = vectors === null ? 0 : vectors.at(k);
    const width = vectors === null ? 0 : n;
    const size = largest(n * n, matrices.at(k));
    words[infos.at(k) >>> 2] = n;
    if (!Number.isFinite(size)) continue;
    mul(n * n, scaleFor(size), matrices.at(k));
    tridiagonal(n, matrices.at(k), step, values.at(k), room + e, room + taus, room + w);
    if (vectors !== null) basis(n, matrices.at(k), step, room + taus, to, room + w, room + q);
    words[infos.at(k) >>> 2] = ql(n, values.at(k), room + e, to, step, width);
    order(n, values.at(k), to, step, width);
    div(n, scaleFor(size), values.at(k));
  }
}
