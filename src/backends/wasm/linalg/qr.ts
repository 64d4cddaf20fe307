/**
 * Householder's reflections: QR factorisations, and products with Q. Reflectors are gathered in blocks,
 * I − V T Vᵀ (the compact form of Schreiber and Van Loan, 1989), so that most of the work is products of
 * blocks. Signs are LAPACK's.
 */
import { dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { hasLapack, lapackWithRoom } from '../blas/lapack.ts';
import { beginLaunch, scratch } from '../heap.ts';
import { compiled, Items } from './batch.ts';
import type { Callable, Routines } from './code.ts';
import { defineRows, type RowRoutines } from './rows.ts';
import type { I, Int } from './values.ts';

const BLOCK = 16;
/** Elements of tall matrices from which on a library is faster. */
const WORTH_A_CALL = 512;

export type Reflector = Callable<readonly ['int', 'int', 'int']>;

/**
 * A column x becomes (β, 0, …, 0) under I − τ v vᵀ with v₀ = 1: `(n, x, step)` gives τ and leaves β and
 * the rest of v in the place of x.
 */
function defineReflector(f: Routines): Reflector {
  return f.define(
    'reflector',
    ['int', 'int', 'int'],
    (r, n, x, step) => {
      const element = (i: I) => r.at(x.add(step.mul(i)));
      const tau = r.float(0);
      const largest = r.float(0);
      r.for(1, n, (i) => largest.set(largest.max(element(i).abs())));
      // Not "> 0": NaN goes on.
      r.if(largest.ne(0), () => {
        const alpha = r.float(element(0));
        largest.set(largest.max(alpha.abs()));
        const sum = r.float(0);
        const scaled = r.float(0);
        r.for(0, n, (i) => {
          scaled.set(element(i).div(largest));
          sum.set(sum.add(scaled.mul(scaled)));
        });
        const beta = r.float(largest.mul(sum.sqrt()).copysign(alpha).neg());
        tau.set(beta.sub(alpha).div(beta));
        const divisor = r.float(alpha.sub(beta));
        r.for(1, n, (i) => element(i).set(element(i).div(divisor)));
        element(0).set(beta);
      });
      r.result(tau);
    },
    'float',
  );
}

/** Reflects the columns of an m × n matrix one by one: `(m, n, A, row step, τ, room for a row)`. */
function definePanel(
  f: Routines,
  rows: RowRoutines,
  reflector: Reflector,
): Callable<readonly ['int', 'int', 'int', 'int', 'int', 'int']> {
  return f.define('panel', ['int', 'int', 'int', 'int', 'int', 'int'], (r, m, n, a, step, taus, w) => {
    r.for(0, m.min(n), (j) => {
      const top = r.int(r.element(a.add(step.mul(j)), j).address);
      const tau = r.float(r.callFloat(reflector, m.sub(j), top, step));
      r.element(taus, j).set(tau);
      // w = vᵀ A, then A − τ v wᵀ, to the right of column j.
      const width = r.int(n.sub(j).sub(1));
      r.call(rows.clear, width, w);
      r.call(rows.axpy, width, 1, top.add(r.bytes), w);
      r.for(j.add(1), m, (i) => {
        const here = r.int(top.add(step.mul(i.sub(j))));
        r.call(rows.axpy, width, r.at(here), here.add(r.bytes), w);
      });
      r.call(rows.axpy, width, tau.neg(), w, top.add(r.bytes));
      r.for(j.add(1), m, (i) => {
        const here = r.int(top.add(step.mul(i.sub(j))));
        r.call(rows.axpy, width, tau.mul(r.at(here)).neg(), w, here.add(r.bytes));
      });
    });
  });
}

type Ints8 = readonly ['int', 'int', 'int', 'int', 'int', 'int', 'int', 'int'];

/**
 * V and T of k reflectors, from where they lie below the diagonal: `(m, k, A, row step, τ, V, T, room for
 * a row)`. V is m × BLOCK and T is BLOCK × BLOCK.
 */
function defineGather(f: Routines, rows: RowRoutines): Callable<Ints8> {
  return f.define(
    'gather',
    ['int', 'int', 'int', 'int', 'int', 'int', 'int', 'int'],
    (r, m, k, a, step, taus, v, t, z) => {
      const width = BLOCK * r.bytes;
      const row = (start: Int, i: I): Int => start.add(typeof i === 'number' ? i * width : i.mul(width));
      r.for(0, m, (i) => {
        r.call(rows.clear, k, row(v, i));
        r.call(rows.axpy, k.min(i), 1, a.add(step.mul(i)), row(v, i));
        r.if(i.lt(k), () => r.element(row(v, i), i).set(1));
      });
      r.for(0, k, (j) => {
        r.call(rows.clear, j, z);
        r.for(j, m, (i) => r.call(rows.axpy, j, r.element(row(v, i), j), row(v, i), z));
        const tau = r.float(r.element(taus, j));
        r.for(0, j, (i) => {
          const first = r.int(r.element(row(t, i), i).address);
          const sum = r.callFloat(rows.dot, j.sub(i), first, r.element(z, i).address);
          r.element(row(t, i), j).set(tau.mul(sum).neg());
        });
        r.element(row(t, j), j).set(tau);
      });
    },
  );
}

/**
 * C ← (I − V T Vᵀ) C, or with Tᵀ: `(m, n, k, V, T, transposed, C, C row step, room for k rows)`.
 */
function defineReflect(f: Routines, rows: RowRoutines) {
  return f.define(
    'reflect',
    ['int', 'int', 'int', 'int', 'int', 'int', 'int', 'int', 'int'],
    (r, m, n, k, v, t, transposed, c, step, w) => {
      const width = BLOCK * r.bytes;
      const wStep = r.int(n.mul(r.bytes));
      const row = (i: I): Int => w.add(wStep.mul(i));
      const factor = (i: Int, j: Int) => r.element(t.add(i.mul(width)), j);
      r.call(rows.clear, k.mul(n), w);
      r.call(rows.subtractProduct, k, n, m, w, wStep, v, r.bytes, width, c, step);
      // W is −Vᵀ C now; the sign goes with the factors of T.
      r.if(
        transposed,
        () =>
          r.forDown(k, 0, (i) => {
            r.call(rows.scale, n, factor(i, i).neg(), row(i));
            r.for(0, i, (l) => r.call(rows.axpy, n, factor(l, i).neg(), row(l), row(i)));
          }),
        () =>
          r.for(0, k, (i) => {
            r.call(rows.scale, n, factor(i, i).neg(), row(i));
            r.for(i.add(1), k, (l) => r.call(rows.axpy, n, factor(i, l).neg(), row(l), row(i)));
          }),
      );
      r.call(rows.subtractProduct, m, n, k, c, step, v, width, r.bytes, w, wStep);
    },
  );
}

/** The room that m rows and n columns need: its size in bytes, and where in it V, T, a row, and k rows are. */
export function roomFor(
  m: number,
  n: number,
  bytes: number,
): { readonly size: number; readonly rooms: readonly number[] } {
  const t = m * BLOCK;
  const row = t + BLOCK * BLOCK;
  const rows = row + Math.max(n, BLOCK);
  return { size: (rows + BLOCK * n) * bytes, rooms: [0, t, row, rows].map((at) => at * bytes) };
}

/** Defines `factor` and `multiply` (see below) in a module, and gives the reflection of one column. */
export function defineQr(f: Routines, rows: RowRoutines): Reflector {
  const reflector = defineReflector(f);
  const panel = definePanel(f, rows, reflector);
  const gather = defineGather(f, rows);
  const reflect = defineReflect(f, rows);

  // B ← Aᵀ: (rows and columns of A, A, B)
  f.define('transpose', ['int', 'int', 'int', 'int'], (r, m, n, a, b) => {
    r.for(0, m, (i) => r.for(0, n, (j) => r.element(b, j.mul(m).add(i)).set(r.element(a, i.mul(n).add(j)))));
  });

  // (m, n, A, row step, τ, and room: V, T, a row, k rows)
  f.define(
    'factor',
    ['int', 'int', 'int', 'int', 'int', 'int', 'int', 'int', 'int'],
    (r, m, n, a, step, taus, v, t, w, ws) => {
      const size = r.int(m.min(n));
      r.for(
        0,
        size,
        (j0) => {
          const k = r.int(size.sub(j0).min(BLOCK));
          const end = r.int(j0.add(k));
          const top = r.int(r.element(a.add(step.mul(j0)), j0).address);
          r.call(panel, m.sub(j0), k, top, step, r.element(taus, j0).address, w);
          r.if(end.lt(n), () => {
            r.call(gather, m.sub(j0), k, top, step, r.element(taus, j0).address, v, t, w);
            r.call(reflect, m.sub(j0), n.sub(end), k, v, t, 1, r.element(top, k).address, step, ws);
          });
        },
        BLOCK,
      );
    },
  );

  // C ← Q C or Qᵀ C for C of m × n: (m, n, k, A, row step, τ, transposed, C, row step, identity, and room: V, T, a row, k rows)
  f.define(
    'multiply',
    Array.from({ length: 14 }, () => 'int' as const),
    (r, ...given) => {
      const [m, n, k, a, step, taus, transposed, c, cStep, identity, v, t, w, ws] = given;
      const block = (j0: Int): void => {
        const width = r.int(k.sub(j0).min(BLOCK));
        const rest = r.int(m.sub(j0));
        // Of the identity, the columns to the left have nothing in these rows yet.
        const first = r.int(j0.mul(identity));
        const top = r.element(a.add(step.mul(j0)), j0).address;
        r.call(gather, rest, width, top, step, r.element(taus, j0).address, v, t, w);
        r.call(
          reflect,
          rest,
          n.sub(first),
          width,
          v,
          t,
          transposed,
          r.element(c.add(cStep.mul(j0)), first).address,
          cStep,
          ws,
        );
      };
      r.if(
        transposed,
        () => r.for(0, k, block, BLOCK),
        () => {
          const j0 = r.int(k.add(BLOCK - 1).and(-BLOCK));
          r.while(j0.gt(0), () => {
            j0.increase(-BLOCK);
            block(j0);
          });
        },
      );
    },
  );
  return reflector;
}

const kernelsFor = compiled((m) => void defineQr(m, defineRows(m)));

/**
 * A = Q R in place for every matrix of `a` [..., m, n]: R on and above the diagonal, below it the
 * vectors of the reflections whose product is Q, and their factors in `tau` [..., min(m, n)]. Both contiguous.
 */
export function factorQr(a: Strided, tau: Strided): void {
  const { factor } = kernelsFor(a);
  beginLaunch();
  const [m, n] = a.shape.slice(-2);
  const { bytes } = dtypeInfo(a.dtype);
  const { size, rooms } = roomFor(m, n, bytes);
  const room = scratch(size);
  const places = rooms.map((at) => room + at);
  const [matrices, taus] = [new Items(a, 2), new Items(tau, 1)];
  for (let i = 0; i < matrices.count; i++) factor(m, n, matrices.at(i), n * bytes, taus.at(i), ...places);
}

/**
 * C ← Q C, or Qᵀ C, in place for every matrix of `c` [..., m, n], where Q is the product of the reflections
 * in `a` [..., m, l] and `tau` [..., k]. All contiguous, of one batch shape. With `identity`, C is that to
 * begin with, whatever it holds.
 */
export function multiplyByQ(c: Strided, a: Strided, tau: Strided, transposed: boolean, identity = false): void {
  const { multiply, identity: write } = kernelsFor(c);
  beginLaunch();
  const [m, n] = c.shape.slice(-2);
  const columns = a.shape[a.shape.length - 1];
  const k = tau.shape[tau.shape.length - 1];
  const { bytes } = dtypeInfo(c.dtype);
  const { size, rooms } = roomFor(m, n, bytes);
  const room = scratch(size);
  const places = rooms.map((at) => room + at);
  const [targets, matrices, taus] = [new Items(c, 2), new Items(a, 2), new Items(tau, 1)];
  const flags = [Number(transposed), Number(identity)];
  for (let i = 0; i < targets.count; i++) {
    if (identity) write(m, n, targets.at(i), 0);
    multiply(
      m,
      n,
      k,
      matrices.at(i),
      columns * bytes,
      taus.at(i),
      flags[0],
      targets.at(i),
      n * bytes,
      flags[1],
      ...places,
    );
  }
}

// ─── column by column ────────────────────────────────────────────────────────────────────────────

/** Whether a library is faster for matrices of this shape, if they lie column by column. */
export function reflectsByColumns({ shape }: Strided): boolean {
  const [m, n] = shape.slice(-2);
  return m >= n && hasLapack(m * n, WORTH_A_CALL);
}

/** The same as `factorQr` by a library, for transposes: `a` [..., n, m]. */
export function factorColumns(a: Strided, tau: Strided): void {
  beginLaunch();
  const [n, m] = a.shape.slice(-2);
  const [matrices, taus] = [new Items(a, 2), new Items(tau, 1)];
  const geqrf = lapackWithRoom(a.dtype, 'geqrf', 8);
  const info = { at: scratch(4) };
  for (let i = 0; i < matrices.count; i++) geqrf?.([m, n, { at: matrices.at(i) }, m, { at: taus.at(i) }], [info]);
}

/** Columns of Q as rows of `q` [..., columns, m], for reflections as `factorColumns` leaves them in `a` and `tau` [..., k]. */
export function columnsOfQ(q: Strided, a: Strided, tau: Strided): void {
  const { copy } = kernelsFor(q);
  beginLaunch();
  const [columns, m] = q.shape.slice(-2);
  const k = tau.shape[tau.shape.length - 1];
  const [targets, matrices, taus] = [new Items(q, 2), new Items(a, 2), new Items(tau, 1)];
  const orgqr = lapackWithRoom(q.dtype, 'orgqr', 9);
  const info = { at: scratch(4) };
  for (let i = 0; i < targets.count; i++) {
    copy(k * m, matrices.at(i), targets.at(i));
    orgqr?.([m, columns, k, { at: targets.at(i) }, m, { at: taus.at(i) }], [info]);
  }
}
