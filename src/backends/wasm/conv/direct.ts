/**
 * Convolutions of few channels, as in depthwise ones: windows are read where they are, since there is
 * too little to do with each to be worth packing. Elements lie at `base + table entry + table entry`.
 */
import { advance, copyOf, times, whilst } from '../control.ts';
import { FunctionBody, type Local, type Locals } from '../encoder.ts';
import { type Lanes, multiplyAdd, TILE_ROWS } from '../gemm-tile.ts';
import { storeFirst } from '../lanes.ts';
import { gatherLanes, LOAD_ZERO, nextEntry, placesOf, sideBySide } from './pack.ts';

/** Sums under way at once: enough to hide how long an addition takes, few enough for registers. */
const SUMS = 8;
const LARGEST_WIDTH = 4;

export const directName = (rows: number): string => `direct${rows}`;

/** Vectors of columns that the kernel for so many rows makes at once. */
const directVectors = (rows: number): number => Math.min(LARGEST_WIDTH, Math.floor(SUMS / rows));

/**
 * `(a, base, xs, ks, c, cRow, n, k, accumulate, honest, groups, aStep, baseStep, cStep)`: c[r][x] = Σ_k a[k][r] ·
 * (element x, k), or that added to c, for `rows` rows of a panel `a` and `n` columns; and again for every
 * group, whose operands are steps further on. The table of columns is filled up to whole steps, and
 * `honest` says what `areHonest` says of it.
 */
export function emitDirect(lanes: Lanes, rows: number): FunctionBody {
  const b = new FunctionBody(directName(rows), new Array(14).fill('i32'), []);
  const [a, base, allXs, ks, allC, cRow, columns, k, accumulate, honest, groups, aStep, baseStep, cStep] =
    b.params as Locals<14>;
  const [xs, c, n] = [b.local('i32'), b.local('i32'), b.local('i32')];
  const vectors = directVectors(rows);
  const width = vectors * lanes.count;
  const offset = b.local('i32');
  const x = b.local('v128');
  const windows = Array.from({ length: vectors }, () => b.local('v128'));
  const acc = Array.from({ length: rows }, () => windows.map(() => b.local('v128')));
  const all = b.local('i32');

  /** `load` brings a vector of places into a local. */
  const overK = (load: (v: number, into: Local) => void): void => {
    const table = copyOf(b, ks);
    const at = copyOf(b, a);
    const left = copyOf(b, k);
    times(b, left, () => {
      nextEntry(b, table, offset);
      windows.forEach((window, v) => void load(v, window));
      acc.forEach((row, r) => {
        b.get(at)
          .mem(lanes.splat, r * lanes.bytes)
          .set(x);
        row.forEach((sum, v) => void multiplyAdd(b, lanes, sum, x, windows[v]!));
      });
      advance(b, at, TILE_ROWS * lanes.bytes);
    });
    b.release(table, at, left);
  };
  const storeRow = (row: readonly Local[], at: Local): void => {
    row.forEach((sum, v) => {
      const here = b.local('i32');
      const count = b.local('i32');
      b.get(n)
        .i32(v * lanes.count)
        .op('i32.sub')
        .set(count);
      b.get(count).i32(0).op('i32.gt_s');
      b.if(() => {
        b.get(at)
          .i32(16 * v)
          .op('i32.add')
          .set(here);
        b.get(accumulate).if(() => void b.get(here).mem('v128.load').get(sum).op(lanes.add).set(sum));
        b.get(count).i32(lanes.count).op('i32.ge_s');
        b.if(
          () => void b.get(here).get(sum).mem('v128.store'),
          () => storeFirst(b, lanes.dtype, lanes.compute, 'value', sum, count, here),
        );
      });
      b.release(here, count);
    });
  };

  const step = (): void => {
    for (const sum of acc.flat()) b.v128([]).set(sum);
    b.get(honest).set(all);
    for (let v = 0; v < vectors; v++) {
      sideBySide(b, lanes, xs, v * lanes.count, { honest: true });
      b.get(all).op('i32.and').set(all);
    }
    const vectorAt = (place: Local, into: Local): void => {
      b.get(place).get(offset).op('i32.add').mem('v128.load').set(into);
    };
    b.get(all).if(
      () => {
        const places = placesOf(b, base, xs, 1, lanes.count, vectors);
        overK((v, into) => vectorAt(places[v]!, into));
        b.release(...places);
      },
      () => {
        const places = placesOf(b, base, xs, lanes.count, lanes.count, vectors);
        overK((v, into) => {
          gatherLanes(b, lanes, places.slice(v * lanes.count, (v + 1) * lanes.count), offset);
          b.set(into);
        });
        b.release(...places);
      },
    );
    const at = copyOf(b, c);
    acc.forEach((row, r) => {
      if (r > 0) advance(b, at, cRow);
      storeRow(row, at);
    });
    b.release(at);
    advance(b, xs, 4 * width);
    advance(b, c, 16 * vectors);
    advance(b, n, -width);
  };
  times(b, groups, () => {
    b.get(allXs).set(xs).get(allC).set(c).get(columns).set(n);
    whilst(b, () => void b.get(n).i32(0).op('i32.gt_s'), step);
    advance(b, a, aStep);
    advance(b, base, baseStep);
    advance(b, allC, cStep);
  });
  return b;
}

/** Adds the lanes of a vector up; each then has the sum. */
export function addLanes(b: FunctionBody, lanes: Lanes, sum: Local): void {
  for (let half = lanes.count / 2; half >= 1; half /= 2) {
    const bytes = half * lanes.bytes;
    b.get(sum).get(sum).get(sum);
    b.shuffle(Array.from({ length: 16 }, (_, l) => (l + bytes) % 16));
    b.op(lanes.add).set(sum);
  }
}

/** How many inner products with one row are made at once. */
export const DOT_WIDTHS: readonly number[] = [9, 3, 1];

export const dotsName = (width: number): string => `dots${width}`;

/**
 * `(row, base, xs, runs, count, c, accumulate)`: `width` inner products of a row with elements (x, k),
 * for `width` entries x; or these added to c. The sum runs over `count` runs, stretches of k along
 * which both operands lie without gaps: words for the offset in the row, the offset from the base, and
 * the length. Vectors of a run add up in lanes, what is left of it in the first lane; lanes are added
 * at the end.
 */
export function emitDots(lanes: Lanes, width: number): FunctionBody {
  const b = new FunctionBody(dotsName(width), new Array(7).fill('i32'), []);
  const [row, base, xs, runs, count, c, accumulate] = b.params as Locals<7>;
  const offsets = placesOf(b, base, xs, 1, 1, width);
  const acc = offsets.map(() => b.local('v128'));
  const left = b.local('i32');
  const at = b.local('i32');
  const moved = b.local('i32');
  const y = b.local('v128');
  const x = b.local('v128');

  const step = (load: 'v128.load' | 'v128.load32_zero' | 'v128.load64_zero', elements: number): void => {
    b.get(at).mem(load).set(y);
    acc.forEach((sum, i) => {
      b.get(offsets[i]!).get(moved).op('i32.add').mem(load).set(x);
      multiplyAdd(b, lanes, sum, y, x);
    });
    advance(b, at, elements * lanes.bytes);
    advance(b, moved, elements * lanes.bytes);
    advance(b, left, -elements);
  };
  times(b, count, () => {
    b.get(row).get(runs).mem('i32.load').op('i32.add').set(at);
    b.get(runs).mem('i32.load', 4).set(moved);
    b.get(runs).mem('i32.load', 8).set(left);
    whilst(
      b,
      () => void b.get(left).i32(lanes.count).op('i32.ge_s'),
      () => step('v128.load', lanes.count),
    );
    whilst(
      b,
      () => void b.get(left),
      () => step(LOAD_ZERO[lanes.bytes] as 'v128.load32_zero', 1),
    );
    advance(b, runs, 12);
  });
  acc.forEach((sum, i) => {
    addLanes(b, lanes, sum);
    const one = b.local('i32');
    b.i32(1).set(one);
    const to = b.local('i32');
    b.get(c)
      .i32(i * lanes.bytes)
      .op('i32.add')
      .set(to);
    b.get(accumulate).if(() => void b.get(to).mem(lanes.splat).get(sum).op(lanes.add).set(sum));
    storeFirst(b, lanes.dtype, lanes.compute, 'value', sum, one, to);
    b.release(one, to);
  });
  return b;
}
