/**
 * What the routines do with whole rows of a matrix, as vector code: sums of rows, inner products, and
 * products of blocks. Rows lie side by side in memory; everything else is at any stride.
 */
import type { PlainOp } from '../encoder.ts';
import { fusing } from '../relaxed.ts';
import type { Callable, Routine, Routines } from './code.ts';
import { choose, type Float, type I, type Int, type IntVar } from './values.ts';

type Ints<N extends number, T extends readonly 'int'[] = []> = T['length'] extends N
  ? T
  : Ints<N, readonly [...T, 'int']>;

/** Emits a loop over n elements at moving addresses: two vectors at a time, then single elements. */
function strip(
  r: Routine,
  n: Int,
  places: readonly IntVar[],
  vectors: (offset: number) => void,
  element: () => void,
): void {
  const lanes = 16 / r.bytes;
  const left = r.int(n);
  r.while(left.ge(2 * lanes), () => {
    vectors(0);
    vectors(16);
    for (const p of places) p.increase(32);
    left.increase(-2 * lanes);
  });
  r.while(left.gt(0), () => {
    element();
    for (const p of places) p.increase(r.bytes);
    left.increase(-1);
  });
  r.release(left);
}

export interface RowRoutines {
  /** Σ xᵢ yᵢ */
  readonly dot: Callable<readonly ['int', 'int', 'int']>;
  /** y ← y + a x */
  readonly axpy: Callable<readonly ['int', 'float', 'int', 'int']>;
  /** x ← a x */
  readonly scale: Callable<readonly ['int', 'float', 'int']>;
  /** x ← x / a */
  readonly divide: Callable<readonly ['int', 'float', 'int']>;
  readonly swap: Callable<Ints<3>>;
  /** y ← x */
  readonly copy: Callable<Ints<3>>;
  /** y ← A x for rows of A that are a step apart: `(rows, n, A, step, x, y)`. */
  readonly dots: Callable<Ints<6>>;
  readonly clear: Callable<Ints<2>>;
  /** The columns of the identity from the one numbered `first` on: `(m, n, A, first)`. */
  readonly identity: Callable<Ints<4>>;
  /**
   * C ← C − A B: `(m, n, k, C, C row, A, A row, A column, B, B row)`, the last ones addresses and
   * strides in bytes. Rows of B and C lie side by side.
   */
  readonly subtractProduct: Callable<Ints<10>>;
}

/** Defines the operations on rows in a module. */
export function defineRows(m: Routines): RowRoutines {
  const { width } = m;
  const shape = width === 'f32' ? 'f32x4' : 'f64x2';
  const splatOf = (r: Routine, x: Float) => {
    const v = r.body.local('v128');
    x.push(r.body);
    r.body.op(`${shape}.splat`).set(v);
    return v;
  };
  const vector = (name: 'add' | 'sub' | 'mul' | 'div'): PlainOp => `${shape}.${name}`;

  const dot = m.define(
    'dot',
    ['int', 'int', 'int'],
    (r, n, x, y) => {
      const { body } = r;
      const sums = [body.local('v128'), body.local('v128')];
      const rest = r.float(0);
      strip(
        r,
        n,
        [x, y],
        (offset) => {
          const sum = sums[offset / 16];
          body.get(x.local).mem('v128.load', offset).get(y.local).mem('v128.load', offset);
          body.op(vector('mul')).get(sum).op(vector('add')).set(sum);
        },
        () => rest.set(rest.add(r.at(x).mul(r.at(y)))),
      );
      body.get(sums[0]).get(sums[1]).op(vector('add')).set(sums[0]);
      for (let lane = 0; lane < 16 / r.bytes; lane++) {
        body.get(rest.local).get(sums[0]).lane(`${shape}.extract_lane`, lane).op(`${width}.add`).set(rest.local);
      }
      r.result(rest);
    },
    'float',
  );

  const axpy = m.define('axpy', ['int', 'float', 'int', 'int'], (r, n, a, x, y) => {
    const { body } = r;
    const av = splatOf(r, a);
    strip(
      r,
      n,
      [x, y],
      (offset) => {
        body.get(y.local).get(y.local).mem('v128.load', offset);
        body.get(x.local).mem('v128.load', offset).get(av).op(vector('mul'), vector('add')).mem('v128.store', offset);
      },
      () => r.at(y).set(r.at(y).add(a.mul(r.at(x)))),
    );
  });

  const [scale, divide] = (['mul', 'div'] as const).map((op) =>
    m.define(op, ['int', 'float', 'int'], (r, n, a, x) => {
      const { body } = r;
      const av = splatOf(r, a);
      strip(
        r,
        n,
        [x],
        (offset) => {
          body.get(x.local).get(x.local).mem('v128.load', offset).get(av).op(vector(op)).mem('v128.store', offset);
        },
        () => r.at(x).set(r.at(x)[op](a)),
      );
    }),
  );

  const swap = m.define('swap', ['int', 'int', 'int'], (r, n, x, y) => {
    const { body } = r;
    const held = body.local('v128');
    const old = r.float(0);
    strip(
      r,
      n,
      [x, y],
      (offset) => {
        body.get(x.local).mem('v128.load', offset).set(held);
        body.get(x.local).get(y.local).mem('v128.load', offset).mem('v128.store', offset);
        body.get(y.local).get(held).mem('v128.store', offset);
      },
      () => {
        old.set(r.at(x));
        r.at(x).set(r.at(y));
        r.at(y).set(old);
      },
    );
  });

  const copy = m.define('copy', ['int', 'int', 'int'], (r, n, x, y) => {
    strip(
      r,
      n,
      [x, y],
      (offset) => r.body.get(y.local).get(x.local).mem('v128.load', offset).mem('v128.store', offset),
      () => r.at(y).set(r.at(x)),
    );
  });

  const clear = m.define('clear', ['int', 'int'], (r, n, x) => {
    strip(
      r,
      n,
      [x],
      (offset) => r.body.get(x.local).i32x4(0).mem('v128.store', offset),
      () => r.at(x).set(0),
    );
  });

  const identity = m.define('identity', ['int', 'int', 'int', 'int'], (r, height, n, a, first) => {
    r.call(clear, height.mul(n), a);
    r.for(first, height.min(n.add(first)), (i) => r.element(a, i.mul(n).add(i).sub(first)).set(1));
  });

  const [dots, subtractProduct] = [defineDots(m, dot), defineSubtractProduct(m)];
  return { dot, axpy, scale, divide, swap, copy, clear, identity, dots, subtractProduct };
}

/** Rows that inner products are taken of at once, so that their sums do not wait for each other. */
const ROWS_AT_ONCE = 4;

function defineDots(m: Routines, dot: RowRoutines['dot']): Callable<Ints<6>> {
  const shape = m.width === 'f32' ? 'f32x4' : 'f64x2';
  return m.define('dots', ['int', 'int', 'int', 'int', 'int', 'int'], (r, rows, n, a, step, x, y) => {
    const { body } = r;
    const lanes = 16 / r.bytes;
    const i = r.int(0);
    r.while(i.add(ROWS_AT_ONCE).le(rows), () => {
      const places = Array.from({ length: ROWS_AT_ONCE }, (_, k) => r.int(a.add(step.mul(i.add(k)))));
      const sums = places.map(() => body.local('v128'));
      const held = body.local('v128');
      for (const sum of sums) body.v128([]).set(sum);
      const at = r.int(x);
      const left = r.int(n);
      r.while(left.ge(lanes), () => {
        body.get(at.local).mem('v128.load').set(held);
        places.forEach((place, k) => {
          body.get(place.local).mem('v128.load').get(held);
          if (fusing()) body.get(sums[k]).op(`${shape}.relaxed_madd`).set(sums[k]);
          else body.op(`${shape}.mul`).get(sums[k]).op(`${shape}.add`).set(sums[k]);
        });
        for (const p of [at, ...places]) p.increase(16);
        left.increase(-lanes);
      });
      const total = r.float(0);
      places.forEach((place, k) => {
        total.set(0);
        for (let lane = 0; lane < lanes; lane++)
          body.get(total.local).get(sums[k]).lane(`${shape}.extract_lane`, lane).op(`${m.width}.add`).set(total.local);
        r.for(0, left, (j) => total.set(total.add(r.element(place, j).mul(r.element(at, j)))));
        r.element(y, i.add(k)).set(total);
      });
      i.increase(ROWS_AT_ONCE);
    });
    r.for(i, rows, (k) => r.element(y, k).set(r.callFloat(dot, n, a.add(step.mul(k)), x)));
  });
}

/** Columns that a row is worked on at a time, so that rows of B stay in the cache. */
const STRIPE_BYTES = 2048;

type Tile = Callable<Ints<8>>;

/** Emits a row of C minus `depth` terms of the sum over k, along n elements: `(n, C, A, A column, B, B row)`. */
function defineTerms(m: Routines, depth: number): Callable<Ints<6>> {
  const shape = m.width === 'f32' ? 'f32x4' : 'f64x2';
  return m.define(`terms${depth}`, ['int', 'int', 'int', 'int', 'int', 'int'], (r, n, c, a, aColumn, b, bRow) => {
    const { body } = r;
    const lanes = 16 / r.bytes;
    const bs = Array.from({ length: depth }, (_, j) => r.int(b.add(bRow.mul(j))));
    const factors = bs.map((_b, j) => r.float(r.at(a.add(aColumn.mul(j)))));
    const splats = factors.map((x) => {
      const v = body.local('v128');
      body.get(x.local).op(`${shape}.splat`).set(v);
      return v;
    });
    const left = r.int(n);
    const places = [c, ...bs];
    r.while(left.ge(lanes), () => {
      body.get(c.local).get(c.local).mem('v128.load');
      bs.forEach((place, j) => {
        body.get(place.local).mem('v128.load').get(splats[j]).op(`${shape}.mul`, `${shape}.sub`);
      });
      body.mem('v128.store');
      for (const p of places) p.increase(16);
      left.increase(-lanes);
    });
    r.while(left.gt(0), () => {
      r.at(c).set(bs.reduce<Float>((sum, p, j) => sum.sub(factors[j].mul(r.at(p))), r.at(c)));
      for (const p of places) p.increase(r.bytes);
      left.increase(-1);
    });
  });
}

/** Rows and vectors of a tile of C that is kept in registers. */
const TILE_ROWS = 4;
const TILE_VECTORS = 2;

/** Emits all terms of a tile of C: `(k, C, C row, A, A row, A column, B, B row)`. */
function defineTile(m: Routines): Tile {
  const shape = m.width === 'f32' ? 'f32x4' : 'f64x2';
  const splat = m.width === 'f32' ? 'v128.load32_splat' : 'v128.load64_splat';
  return m.define('tile', Array.from({ length: 8 }, () => 'int' as const) as unknown as Ints<8>, (r, ...given) => {
    const [k, c, cRow, a, aRow, aColumn, b, bRow] = given;
    const { body } = r;
    const vectors = Array.from({ length: TILE_VECTORS }, () => body.local('v128'));
    const factor = body.local('v128');
    const cs = Array.from({ length: TILE_ROWS }, (_, i) => r.int(c.add(cRow.mul(i))));
    const as = cs.map((_, i) => r.int(a.add(aRow.mul(i))));
    const sums = cs.map((place) =>
      vectors.map((_, v) => {
        const sum = body.local('v128');
        body
          .get(place.local)
          .mem('v128.load', 16 * v)
          .set(sum);
        return sum;
      }),
    );
    r.while(k.gt(0), () => {
      vectors.forEach((x, v) => {
        body.get(b.local);
        body.mem('v128.load', 16 * v).set(x);
      });
      as.forEach((place, i) => {
        body.get(place.local).mem(splat).set(factor);
        vectors.forEach((x, v) => {
          const sum = sums[i][v];
          if (fusing()) body.get(factor).get(x).get(sum).op(`${shape}.relaxed_nmadd`).set(sum);
          else body.get(sum).get(factor).get(x).op(`${shape}.mul`, `${shape}.sub`).set(sum);
        });
        place.increase(aColumn);
      });
      b.increase(bRow);
      k.increase(-1);
    });
    cs.forEach((place, i) => {
      sums[i].forEach((sum, v) => {
        body.get(place.local).get(sum);
        body.mem('v128.store', 16 * v);
      });
    });
  });
}

function defineSubtractProduct(m: Routines): Callable<Ints<10>> {
  const terms = { 4: defineTerms(m, 4), 1: defineTerms(m, 1) };
  const tile = defineTile(m);
  return m.define(
    'subtractProduct',
    ['int', 'int', 'int', 'int', 'int', 'int', 'int', 'int', 'int', 'int'],
    (r, rows, n, k, c, cRow, a, aRow, aColumn, b, bRow) => {
      /** Rows from `first` on, and columns from `from` on, row by row. */
      const byRows = (first: I, from: I): void =>
        r.for(
          from,
          n,
          (j) => {
            const count = r.int(n.sub(j).min(STRIPE_BYTES / r.bytes));
            const [cAt, bAt] = [r.int(r.element(c, j).address), r.int(r.element(b, j).address)];
            r.for(first, rows, (i) => {
              const l = r.int(0);
              for (const depth of [4, 1] as const) {
                r.while(l.add(depth).le(k), () => {
                  const factors = a.add(i.mul(aRow)).add(l.mul(aColumn));
                  r.call(terms[depth], count, cAt.add(i.mul(cRow)), factors, aColumn, bAt.add(l.mul(bRow)), bRow);
                  l.increase(depth);
                });
              }
              r.release(l);
            });
            r.release(count, cAt, bAt);
          },
          STRIPE_BYTES / r.bytes,
        );
      const [i, j] = [r.int(0), r.int(0)];
      const width = (TILE_VECTORS * 16) / r.bytes;
      r.if(rows.ge(TILE_ROWS), () => {
        r.while(j.add(width).le(n), () => {
          i.set(0);
          r.while(i.add(TILE_ROWS).le(rows), () => {
            const to = r.element(c.add(i.mul(cRow)), j).address;
            r.call(tile, k, to, cRow, a.add(i.mul(aRow)), aRow, aColumn, r.element(b, j).address, bRow);
            i.increase(TILE_ROWS);
          });
          j.increase(width);
        });
        r.if(j.lt(n), () => byRows(0, j));
      });
      n.set(choose(rows.ge(TILE_ROWS), j, n));
      byRows(i, 0);
    },
  );
}
