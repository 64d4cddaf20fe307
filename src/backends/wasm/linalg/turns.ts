/**
 * Plane rotations of neighbouring rows, noted while a spectrum is found and carried out many at a time:
 * strip by strip, with the row that the next rotation needs in registers. Strips are as wide as a line of
 * the cache and lie in panels, strip for strip and row for row.
 */
import { fusing } from '../relaxed.ts';
import type { Callable, Routine, Routines } from './code.ts';
import type { F, FloatVar, I, Int, IntVar } from './values.ts';

const STRIP_BYTES = 64;
const HEAD_BYTES = 16;

/** Strips that a row of n numbers takes. */
export const stripsOf = (n: number, bytes: number): number => Math.ceil((n * bytes) / STRIP_BYTES);

/** Room for the notes of two sweeps over n rows at least, and for as many as a cache keeps. */
export const notesFor = (n: number, bytes: number): number =>
  Math.max(2 * (HEAD_BYTES + 2 * bytes * n), 2 ** 16 + 2 * HEAD_BYTES);

/** A sweep of rotations over rows that follow each other, (x, y) ← (c x + s y, c y − s x): `(pairs, count, row, step)`. */
function defineTurn(m: Routines): Callable<readonly ['int', 'int', 'int', 'int']> {
  const shape = m.width === 'f32' ? 'f32x4' : 'f64x2';
  return m.define('turn', ['int', 'int', 'int', 'int'], (r, pairs, count, row, step) => {
    const { body } = r;
    const vectors = [0, 16, 32, 48].map((at) => ({ at, x: body.local('v128') }));
    const [y, c, s] = [body.local('v128'), body.local('v128'), body.local('v128')];
    const next = r.int(0);
    const splat = m.width === 'f32' ? 'v128.load32_splat' : 'v128.load64_splat';
    for (const { at, x } of vectors) body.get(row.local).mem('v128.load', at).set(x);
    r.while(count.gt(0), () => {
      body.get(pairs.local).mem(splat).set(c).get(pairs.local).mem(splat, r.bytes).set(s);
      next.set(row.add(step));
      for (const { at, x } of vectors) {
        body.get(next.local).mem('v128.load', at).set(y);
        body.get(row.local);
        if (fusing()) body.get(s).get(y).get(c).get(x).op(`${shape}.mul`, `${shape}.relaxed_madd`);
        else body.get(c).get(x).op(`${shape}.mul`).get(s).get(y).op(`${shape}.mul`, `${shape}.add`);
        body.mem('v128.store', at);
        if (fusing()) body.get(s).get(x).get(c).get(y).op(`${shape}.mul`, `${shape}.relaxed_nmadd`);
        else body.get(c).get(y).op(`${shape}.mul`).get(s).get(x).op(`${shape}.mul`, `${shape}.sub`);
        body.set(x);
      }
      row.set(next);
      pairs.increase(2 * r.bytes);
      count.increase(-1);
    });
    for (const { at, x } of vectors) body.get(row.local).get(x).mem('v128.store', at);
  });
}

export interface TurnRoutines {
  /** Carries out the notes in a stretch of memory: `(from, to, rows, strips)`. */
  readonly turnAll: Callable<readonly ['int', 'int', 'int', 'int']>;
  /** Panels of n rows from n columns: `(n, matrix, step, panels)`; row i of the panels is column i of the matrix. */
  readonly pack: Callable<readonly ['int', 'int', 'int', 'int']>;
  /**
   * Rows of panels, in order, to wherever: `(n, panels, order, signs, to, step of rows, step of elements)`. Rows whose
   * number in `signs` is negative change sign, if it is not 0.
   */
  readonly unpack: Callable<readonly ['int', 'int', 'int', 'int', 'int', 'int', 'int']>;
  /** Numbers in ascending order, and the places they came from: `(n, numbers, order)`. */
  readonly sort: Callable<readonly ['int', 'int', 'int']>;
}

export function defineTurns(m: Routines): TurnRoutines {
  const turn = defineTurn(m);
  const turnAll = m.define('turnAll', ['int', 'int', 'int', 'int'], (r, from, to, rows, strips) => {
    r.for(0, strips, (strip) => {
      const note = r.int(from);
      r.while(note.lt(to), () => {
        const [panels, first, direction, count] = [0, 4, 8, 12].map((at) => r.intAt(note.add(at)));
        const n = r.int(count);
        const row = r.int(panels.add(strip.mul(rows).add(first).mul(STRIP_BYTES)));
        r.if(panels, () => r.call(turn, note.add(HEAD_BYTES), n, row, direction.mul(STRIP_BYTES)));
        note.increase(n.mul(2 * r.bytes).add(HEAD_BYTES));
      });
    });
  });

  /** Visits element c of every row of the panels; `place` leads to the first and is moved on by a strip a row. */
  const eachElement = (r: Routine, n: Int, panels: Int, visit: (c: IntVar, place: IntVar) => void): void => {
    const lanes = STRIP_BYTES / r.bytes;
    const start = r.int(panels);
    r.for(
      0,
      n,
      (first) => {
        r.for(first, n.min(first.add(lanes)), (c) => {
          const place = r.int(start.add(c.sub(first).mul(r.bytes)));
          visit(c, place);
          r.release(place);
        });
        start.increase(n.mul(STRIP_BYTES));
      },
      lanes,
    );
  };

  const pack = m.define('pack', ['int', 'int', 'int', 'int'], (r, n, matrix, step, panels) => {
    eachElement(r, n, panels, (c, place) => {
      const row = r.int(matrix.add(step.mul(c)));
      r.for(0, n, (i) => {
        r.at(place).set(r.element(row, i));
        place.increase(STRIP_BYTES);
      });
    });
  });

  const unpack = m.define(
    'unpack',
    ['int', 'int', 'int', 'int', 'int', 'int', 'int'],
    (r, n, panels, order, signs, to, rowStep, step) => {
      eachElement(r, n, panels, (c, place) => {
        r.for(0, n, (i) => {
          const from = r.int(r.intAt(order.add(i.mul(4))));
          const x = r.float(r.at(place.add(from.mul(STRIP_BYTES))));
          r.if(signs, () => r.if(r.element(signs, from).lt(0), () => x.set(x.neg())));
          r.at(to.add(rowStep.mul(i)).add(step.mul(c))).set(x);
          r.release(from, x);
        });
      });
    },
  );

  const sort = m.define('sort', ['int', 'int', 'int'], (r, n, numbers, order) => {
    r.for(0, n, (i) => {
      const x = r.float(r.element(numbers, i));
      const j = r.int(i);
      r.repeat((found) => {
        found(j.eq(0));
        found(r.element(numbers, j.sub(1)).le(x));
        r.element(numbers, j).set(r.element(numbers, j.sub(1)));
        r.setIntAt(order.add(j.mul(4)), r.intAt(order.add(j.mul(4)).sub(4)));
        j.increase(-1);
      });
      r.element(numbers, j).set(x);
      r.setIntAt(order.add(j.mul(4)), i);
    });
  });
  return { turnAll, pack, unpack, sort };
}

/** One sweep being noted: `first`, the row it begins with, `direction`, 1 or −1, and the rotations in order. */
export class Sweep {
  readonly #r: Routine;
  readonly #head: IntVar;
  readonly #at: IntVar;

  /** Notes begin at `at`. Rotations of no panels (0) are noted and forgotten. */
  constructor(r: Routine, at: Int, panels: I, first: Int, direction: I) {
    this.#r = r;
    this.#head = r.int(at);
    this.#at = r.int(at.add(HEAD_BYTES));
    [panels, first, direction].forEach((x, i) => {
      r.setIntAt(this.#head.add(4 * i), x);
    });
  }

  note(c: F, s: F): void {
    const r = this.#r;
    r.at(this.#at).set(c);
    r.element(this.#at, 1).set(s);
    this.#at.increase(2 * r.bytes);
  }

  /** So many rotations it was; gives where the next notes may begin. */
  end(count: Int): Int {
    this.#r.setIntAt(this.#head.add(12), count);
    return this.#at;
  }
}

/** The room that the notes of a sweep of so many rotations take. */
export const noteBytes = (r: Routine, count: Int): Int => count.mul(2 * r.bytes).add(HEAD_BYTES);

/** Sets c, s and root to the rotation that takes (f, g) to (root, 0); squares that would vanish are taken of larger numbers. */
export function rotation(r: Routine, f: FloatVar, g: FloatVar, c: FloatVar, s: FloatVar, root: FloatVar): void {
  root.set(f.mul(f).add(g.mul(g)));
  r.if(
    root.gt(2 ** -900),
    () => {
      root.set(root.sqrt());
      c.set(f.div(root));
      s.set(g.div(root));
    },
    () => {
      const [a, b] = [r.float(f.mul(2 ** 500)), r.float(g.mul(2 ** 500))];
      root.set(a.mul(a).add(b.mul(b)).sqrt());
      r.if(
        root.eq(0),
        () => {
          c.set(1);
          s.set(0);
        },
        () => {
          c.set(a.div(root));
          s.set(b.div(root));
          root.set(root.mul(2 ** -500));
        },
      );
      r.release(a, b);
    },
  );
}
