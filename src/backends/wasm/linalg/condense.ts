/**
 * Reflections that leave of a matrix its diagonal and what is beside it: bidiagonal in general, from both
 * sides, tridiagonal for symmetric ones. What the reflections of a block do to the rest of the matrix is
 * kept apart, A − P R with two columns of P and two rows of R for each, and taken off as one product
 * (Dongarra, Sorensen and Hammarling, 1989).
 */
import type { Local } from '../encoder.ts';
import { fusing } from '../relaxed.ts';
import type { Callable, Routine, Routines } from './code.ts';
import type { Reflector } from './qr.ts';
import type { RowRoutines } from './rows.ts';
import type { Float, I, Int, IntVar } from './values.ts';

const BLOCK = 16;
const DEPTH = 2 * BLOCK;

const ints = (n: number) => Array.from({ length: n }, () => 'int' as const);

/** Room for P, R, and a column and a row beside them: the size in bytes, and where each is. */
export function condensingRoom(n: number, bytes: number): { readonly size: number; readonly rooms: readonly number[] } {
  const size = (2 * DEPTH * n + n + DEPTH) * bytes;
  return { size, rooms: [0, DEPTH * n, 2 * DEPTH * n, 2 * DEPTH * n + n].map((at) => at * bytes) };
}

/** Where things are in a matrix of n rows, `step` bytes apart, and what both kinds do with it and with P and R. */
function condensing(r: Routine, rows: RowRoutines, n: Int, start: Int, step: Int, pStart: Int, rStart: Int, t: Int) {
  const { bytes } = r;
  const rStep = r.int(n.mul(bytes));
  const a = (i: I, j: I): Int => r.element(start.add(step.mul(i)), j).address;
  const p = (i: Int, l: I): Int => r.element(pStart.add(i.mul(DEPTH * bytes)), l).address;
  const rest = (l: I, j: I): Int => r.element(rStart.add(rStep.mul(l)), j).address;
  /** Takes the first `depth` terms off so many rows from row i and column j on. */
  const settle = (i: Int, j: Int, height: I, depth: Int): void =>
    r.call(
      rows.subtractProduct,
      height,
      n.sub(j),
      depth,
      a(i, j),
      step,
      p(i, 0),
      DEPTH * bytes,
      bytes,
      rest(0, j),
      rStep,
    );
  return {
    a,
    p,
    r: rest,
    settle,
    /** y ← τ (A − P R) x for the rows and columns from `from` on: `x` and `y` have as many elements. `times` does it for A. */
    product(from: Int, depth: Int, tau: Float, x: Int, y: Int, times: (count: Int, a: Int, step: Int) => void): void {
      const count = r.int(n.sub(from));
      r.for(0, depth, (l) => r.element(t, l).set(r.callFloat(rows.dot, count, rest(l, from), x)));
      times(count, a(from, from), step);
      r.for(0, count, (i) => {
        const correction = r.callFloat(rows.dot, depth, p(from.add(i), 0), t);
        r.element(y, i).set(r.element(y, i).sub(correction).mul(tau));
      });
      r.release(count);
    },
    /**
     * Calls `visit` for every row k, with the number of terms before it in its block, and takes the terms of every
     * block off what is left; of a symmetric matrix off what is right of the diagonal.
     */
    blocks(symmetric: boolean, visit: (k: Int, depth: IntVar) => void): void {
      r.for(
        0,
        n,
        (first) => {
          const end = r.int(n.min(first.add(BLOCK)));
          const depth = r.int(0);
          r.for(first, end, (k) => {
            visit(k, depth);
            depth.increase(2);
          });
          if (symmetric) r.for(end, n, (i) => settle(i, i, n.sub(i).min(BLOCK), depth), BLOCK);
          else r.if(end.lt(n), () => settle(end, end, n.sub(end), depth));
          r.release(end, depth);
        },
        BLOCK,
      );
    },
  };
}

/** Rows of a symmetric matrix that are read at once, each element for both places where it stands. */
const ROWS_AT_ONCE = 4;

/** y ← A x for a symmetric matrix of which the upper triangle is read: `(n, A, row step, x, y)`. */
function defineSymmetricProduct(f: Routines, rows: RowRoutines): Callable<readonly 'int'[]> {
  const shape = f.width === 'f32' ? 'f32x4' : 'f64x2';
  const lanes = f.width === 'f32' ? 4 : 2;
  return f.define('symmetricProduct', ints(5), (r, ...given) => {
    const [n, a, step, x, y] = given;
    const { body } = r;
    /** `sum += p q`, of what is in the locals. */
    const add = (sum: Local, p: Local, q: Local): void => {
      if (fusing()) body.get(p).get(q).get(sum).op(`${shape}.relaxed_madd`).set(sum);
      else body.get(sum).get(p).get(q).op(`${shape}.mul`, `${shape}.add`).set(sum);
    };
    const [xs, sums] = [0, 1].map(() => Array.from({ length: ROWS_AT_ONCE }, () => body.local('v128')));
    const [element, xHere, yHere] = [0, 1, 2].map(() => body.local('v128'));
    const places = sums.map(() => r.int(0));
    const [xAt, yAt, left, i] = [r.int(0), r.int(0), r.int(0), r.int(0)];
    r.call(rows.clear, n, y);
    const at = (k: Int, j: I) => r.element(a.add(step.mul(k)), j);
    const both = (k: Int, j: Int): void => {
      r.element(y, k).set(r.element(y, k).add(at(k, j).mul(r.element(x, j))));
      r.if(j.ne(k), () => r.element(y, j).set(r.element(y, j).add(at(k, j).mul(r.element(x, k)))));
    };
    r.while(i.add(ROWS_AT_ONCE).le(n), () => {
      const end = r.int(i.add(ROWS_AT_ONCE));
      r.for(i, end, (k) => r.for(k, end, (j) => both(k, j)));
      places.forEach((place, k) => {
        place.set(at(i.add(k), end).address);
        r.element(x, i.add(k)).push(body);
        body.op(`${shape}.splat`).set(xs[k]).v128([]).set(sums[k]);
      });
      xAt.set(r.element(x, end).address);
      yAt.set(r.element(y, end).address);
      left.set(n.sub(end));
      r.while(left.ge(lanes), () => {
        body.get(xAt.local).mem('v128.load').set(xHere).get(yAt.local).mem('v128.load').set(yHere);
        places.forEach((place, k) => {
          body.get(place.local).mem('v128.load').set(element);
          add(sums[k], element, xHere);
          add(yHere, element, xs[k]);
        });
        body.get(yAt.local).get(yHere).mem('v128.store');
        for (const p of [xAt, yAt, ...places]) p.increase(16);
        left.increase(-lanes);
      });
      sums.forEach((sum, k) => {
        const to = r.element(y, i.add(k));
        const total = r.float(to);
        for (let lane = 0; lane < lanes; lane++)
          body.get(total.local).get(sum).lane(`${shape}.extract_lane`, lane).op(`${f.width}.add`).set(total.local);
        to.set(total);
        r.for(n.sub(left), n, (j) => both(i.add(k), j));
        r.release(total);
      });
      i.set(end);
      r.release(end);
    });
    r.for(i, n, (k) => r.for(k, n, (j) => both(k, j)));
  });
}

/**
 * Makes a symmetric matrix tridiagonal, of which the upper triangle is read: `(n, A, row step, d, e, τ, room: P, R, a column, a row)`. The vectors of
 * the reflections stay in the rows of A, right of the diagonal.
 */
export function defineTridiagonal(f: Routines, rows: RowRoutines, reflector: Reflector): Callable<readonly 'int'[]> {
  const symmetric = defineSymmetricProduct(f, rows);
  return f.define('tridiagonal', ints(10), (r, ...given) => {
    const [n, a, step, d, e, taus, p, rs, w, t] = given;
    const at = condensing(r, rows, n, a, step, p, rs, t);
    at.blocks(true, (k, depth) => {
      at.settle(k, k, 1, depth);
      r.element(d, k).set(r.at(at.a(k, k)));
      const next = r.int(k.add(1));
      const count = r.int(n.sub(next));
      r.if(count.gt(0), () => {
        const v = r.int(at.a(k, next));
        const tau = r.float(r.callFloat(reflector, count, v, r.bytes));
        r.element(taus, k).set(tau);
        r.element(e, k).set(r.at(v));
        r.at(v).set(1);
        // w = τ A v − ½ τ² (vᵀ A v) v,  A ← A − v wᵀ − w vᵀ
        at.product(next, depth, tau, v, w, (size, start, row) => r.call(symmetric, size, start, row, v, w));
        r.call(rows.axpy, count, r.float(tau.mul(-0.5).mul(r.callFloat(rows.dot, count, w, v))), v, w);
        r.for(0, count, (i) => {
          const place = r.int(at.p(next.add(i), depth));
          r.at(place).set(r.element(v, i));
          r.element(place, 1).set(r.element(w, i));
        });
        r.call(rows.copy, count, w, at.r(depth, next));
        r.call(rows.copy, count, v, at.r(depth.add(1), next));
      });
    });
  });
}

/**
 * Makes an n × n matrix upper bidiagonal: `(n, A, row step, d, e, τ of the left and of the right reflections, room:
 * P, R, a column, a row)`. The vectors stay in A, below the diagonal and right of what is beside it.
 */
export function defineBidiagonal(f: Routines, rows: RowRoutines, reflector: Reflector): Callable<readonly 'int'[]> {
  return f.define('bidiagonal', ints(11), (r, ...given) => {
    const [n, a, step, d, e, left, right, p, rs, v, t] = given;
    const at = condensing(r, rows, n, a, step, p, rs, t);
    at.blocks(false, (k, depth) => {
      const count = r.int(n.sub(k));
      // Column k as it is by now.
      r.for(0, depth, (l) => r.element(t, l).set(r.at(at.r(l, k))));
      r.for(0, count, (i) => {
        const row = k.add(i);
        r.element(v, i).set(r.at(at.a(row, k)).sub(r.callFloat(rows.dot, depth, at.p(row, 0), t)));
      });
      const tau = r.float(r.callFloat(reflector, count, v, r.bytes));
      r.element(left, k).set(tau);
      r.element(d, k).set(r.at(v));
      r.at(v).set(1);
      r.for(0, count, (i) => {
        const x = r.float(r.element(v, i));
        r.at(at.a(k.add(i), k)).set(x);
        r.at(at.p(k.add(i), depth)).set(x);
      });
      const next = r.int(k.add(1));
      const width = r.int(n.sub(next));
      r.if(width.gt(0), () => {
        // wᵀ = τ vᵀ (A − P R)
        const w = r.int(at.r(depth, next));
        r.call(rows.clear, width, w);
        r.call(rows.clear, depth, t);
        r.call(rows.subtractProduct, 1, width, count, w, 0, v, 0, r.bytes, at.a(k, next), step);
        r.call(rows.subtractProduct, 1, depth, count, t, 0, v, 0, r.bytes, at.p(k, 0), DEPTH * r.bytes);
        r.call(rows.subtractProduct, 1, width, depth, w, 0, t, 0, r.bytes, at.r(0, next), n.mul(r.bytes));
        r.call(rows.scale, width, tau.neg(), w);
        const terms = r.int(depth.add(1));
        at.settle(k, next, 1, terms);
        const u = r.int(at.a(k, next));
        tau.set(r.callFloat(reflector, width, u, r.bytes));
        r.element(right, k).set(tau);
        r.element(e, k).set(r.at(u));
        r.at(u).set(1);
        r.call(rows.copy, width, u, at.r(terms, next));
        // y = τ (A − P R) u
        at.product(next, terms, tau, u, v, (size, start, row) => r.call(rows.dots, size, size, start, row, u, v));
        r.for(0, width, (i) => r.at(at.p(next.add(i), terms)).set(r.element(v, i)));
      });
    });
  });
}
