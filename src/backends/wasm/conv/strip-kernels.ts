/**
 * The code of convolutions with short sums (`strips.ts`): tiles of a few channels times some vectors of
 * places, whose windows are read where they are. Taps along the last dimension lie side by side: their
 * places are constants, and those of the other dimensions and channels come from a table.
 */
import { advance, times } from '../control.ts';
import { FunctionBody, type Local, type Locals } from '../encoder.ts';
import { type Lanes, multiplyAdd } from '../gemm-tile.ts';
import { storeFirst } from '../lanes.ts';
import { addLanes } from './direct.ts';
import { nextEntry } from './pack.ts';

/**
 * Sums of a tile, which registers hold: fewer rows have more vectors of places. V8 loads all places of a tap before it
 * multiplies, for which one row of eight has no registers left.
 */
const SUMS = 8;
export const stripVectors = (rows: number): number => (rows === 1 ? 7 : Math.floor(SUMS / (rows === 3 ? 4 : rows)));

export const stripName = (rows: number, pitch: number): string => `strip${rows}of${pitch}`;

/**
 * `(a, base, tiles, count, c, cRow, lines, lineCount, bias, never, groups, aStep, baseStep)`: c[r][x] = bias[r] + Σ_k
 * a[k][r] · (element x, k) for `rows` rows of a panel `a`, whose rows for k are `pitch` elements apart, and `count`
 * tiles: words for the places of each vector, in the source from `base` on and in the result from `c` on. A table has
 * the `lineCount` places of taps that are followed by others of the same line, `taps` in all, from the last one on if
 * they are `reversed`. `never` is zero. The same again for every group, whose operands are steps further on.
 */
export function emitStrip(lanes: Lanes, taps: number, reversed: boolean, rows: number, pitch: number): FunctionBody {
  const b = new FunctionBody(stripName(rows, pitch), new Array(13).fill('i32'), []);
  const [panel, base, allTiles, allCount, c, cRow, lines, lineCount, bias, never, groups, aStep, baseStep] =
    b.params as Locals<13>;
  const vectors = Array.from({ length: stripVectors(rows) }, (_, v) => v);
  const acc = Array.from({ length: rows }, () => vectors.map(() => b.local('v128')));
  const corners = vectors.map(() => b.local('i32'));
  const places = vectors.map(() => b.local('i32'));
  const [tiles, count, table, at, left, offset] = Array.from({ length: 6 }, () => b.local('i32')) as Locals<6>;
  const [x, window] = [b.local('v128'), b.local('v128')];
  const weights = acc.map(() => b.local('v128'));
  const load = (v: number, t: number, into: Local): void => {
    b.get(places[v]!)
      .mem('v128.load', (reversed ? taps - 1 - t : t) * lanes.bytes)
      .set(into);
  };
  const splat = (r: number, t: number, into: Local): void => {
    b.get(at)
      .mem(lanes.splat, (t * pitch + r) * lanes.bytes)
      .set(into);
  };
  /** Of rows and vectors, what there is less of stays in registers, and of the other there is one at a time. */
  const tap = (t: number): void => {
    if (rows > vectors.length) {
      for (const v of vectors) load(v, t, weights[v]!);
      acc.forEach((row, r) => {
        splat(r, t, x);
        row.forEach((sum, v) => void multiplyAdd(b, lanes, sum, x, weights[v]!));
      });
    } else {
      weights.forEach((weight, r) => void splat(r, t, weight));
      for (const v of vectors) {
        load(v, t, window);
        acc.forEach((row, r) => void multiplyAdd(b, lanes, row[v]!, weights[r]!, window));
      }
    }
  };
  const tile = (): void => {
    acc.forEach((row, r) => {
      b.get(bias)
        .mem(lanes.splat, r * lanes.bytes)
        .set(row[0]!);
      for (const sum of row.slice(1)) b.get(row[0]!).set(sum);
    });
    corners.forEach((corner, v) => {
      b.get(base)
        .get(tiles)
        .mem('i32.load', 8 * v)
        .op('i32.add')
        .set(corner);
    });
    b.get(lines).set(table).get(panel).set(at).get(lineCount).set(left);
    b.block(() => {
      b.loop(() => {
        nextEntry(b, table, offset);
        places.forEach((place, v) => void b.get(corners[v]!).get(offset).op('i32.add').set(place));
        for (let t = 0; t < taps; t++) {
          // A way out after each step, as in the tiles of products: V8 orders nothing across it.
          if (t > 0) b.get(never).i32(t).op('i32.eq').brIf(1);
          tap(t);
        }
        advance(b, at, taps * pitch * lanes.bytes);
        b.get(left).i32(1).op('i32.sub').tee(left).brIf(0);
      });
    });
    corners.forEach((place, v) => {
      b.get(c)
        .get(tiles)
        .mem('i32.load', 8 * v + 4)
        .op('i32.add')
        .set(place);
      acc.forEach((row, r) => {
        if (r > 0) advance(b, place, cRow);
        b.get(place).get(row[v]!).mem('v128.store');
      });
    });
    advance(b, tiles, 8 * vectors.length);
  };
  times(b, groups, () => {
    b.get(allTiles).set(tiles).get(allCount).set(count);
    times(b, count, tile);
    advance(b, panel, aStep);
    advance(b, base, baseStep);
    for (const _ of acc) advance(b, c, cRow);
    advance(b, bias, rows * lanes.bytes);
  });
  return b;
}

// ─── gradients by the weights ────────────────────────────────────────────────────────────────────

/** Taps side by side that the kernels for gradients take at a time, rows, and lines of taps of one row: their products are sums in registers. */
export const TAPS_TOGETHER = 3;
export const gradientRows = (taps: number): number => (taps === TAPS_TOGETHER ? 3 : 4);
export const gradientLines = (rows: number): number => (rows === 1 ? 3 : 1);

export const gradientName = (taps: number, rows: number, lines: number): string => `gradient${taps}x${rows}x${lines}`;

/**
 * `(y, yRow, x, lines, lineCount, vectors, rest, mask, reach, c, cRow, cTap, accumulate, groups, yStep, xStep, cStep)`:
 * c[r][l][t] = Σ y[r][p] · x[l][p + t] for `rows` rows of y, `taps` taps in each of some lines, and the places p of
 * `lineCount` lines, or that added to c. Words of `lines` say where each line begins in y and in x, those of `reach`
 * where each line of taps begins in x and in c; a line has so many vectors of places. If a `rest` is left over, a last
 * vector goes `rest` bytes on, over some places that were seen: of them the mask has zeros. The same again for every
 * group, whose operands are steps further on.
 */
export function emitStripGradient(lanes: Lanes, taps: number, rows: number, tapLines: number): FunctionBody {
  const b = new FunctionBody(gradientName(taps, rows, tapLines), new Array(17).fill('i32'), []);
  const [y, yRow, x, allLines, allCount, vectors, rest, mask, reach, c, cRow, cTap, accumulate, groups, ...groupSteps] =
    b.params as Locals<17>;
  const [yStep, xStep, cStep] = groupSteps;
  const list = <T>(length: number, make: () => T): T[] => Array.from({ length }, make);
  const acc = list(tapLines, () => list(rows, () => list(taps, () => b.local('v128'))));
  const xs = list(taps, () => b.local('v128'));
  const ats = list(tapLines, () => b.local('i32'));
  const places = list(rows, () => b.local('i32'));
  const [lines, lineCount, left] = list(3, () => b.local('i32')) as Locals<3>;
  const value = b.local('v128');
  const kept = b.local('v128');
  const step = (masked: boolean): void => {
    const load = (place: Local, offset: number, to: Local): void => {
      b.get(place).mem('v128.load', offset);
      if (masked) b.get(kept).op('v128.and');
      b.set(to);
    };
    ats.forEach((at, l) => {
      // A way out, as in strips.
      if (l > 0)
        b.get(accumulate)
          .i32(l + 1)
          .op('i32.eq')
          .brIf(masked ? 0 : 1);
      for (const [t, window] of xs.entries()) load(at, t * lanes.bytes, window);
      acc[l]!.forEach((row, r) => {
        if (l === 0) load(places[r]!, 0, value);
        row.forEach((sum, t) => void multiplyAdd(b, lanes, sum, value, xs[t]!));
      });
    });
  };
  const move = (by: Local | number): void => {
    for (const place of [...ats, ...places]) advance(b, place, by);
  };
  times(b, groups, () => {
    b.get(allLines).set(lines).get(allCount).set(lineCount);
    for (const sum of acc.flat(2)) b.v128([]).set(sum);
    times(b, lineCount, () => {
      ats.forEach((at, l) => {
        b.get(x).get(lines).mem('i32.load', 4).op('i32.add');
        b.get(reach)
          .mem('i32.load', 8 * l)
          .op('i32.add')
          .set(at);
      });
      places.forEach((place, r) => {
        if (r === 0) b.get(y).get(lines).mem('i32.load').op('i32.add').set(place);
        else
          b.get(places[r - 1]!)
            .get(yRow)
            .op('i32.add')
            .set(place);
      });
      b.get(vectors).set(left);
      b.block(() => {
        times(b, left, () => {
          step(false);
          move(16);
        });
      });
      b.get(rest).if(() => {
        move(rest);
        b.get(mask).mem('v128.load').set(kept);
        step(true);
      });
      advance(b, lines, 8);
    });
    putSums(b, lanes, acc, { reach, c, cRow, cTap, accumulate });
    advance(b, y, yStep);
    advance(b, x, xStep);
    advance(b, c, cStep);
  });
  return b;
}

/** Where sums go. */
interface Sums {
  readonly reach: Local;
  readonly c: Local;
  readonly cRow: Local;
  readonly cTap: Local;
  readonly accumulate: Local;
}

/** Writes sums over lanes, by lines of taps, rows and taps, or adds them. */
export function putSums(
  b: FunctionBody,
  lanes: Lanes,
  acc: readonly (readonly (readonly Local[])[])[],
  { reach, c, cRow, cTap, accumulate }: Sums,
): void {
  const [row, to, one] = Array.from({ length: 3 }, () => b.local('i32')) as Locals<3>;
  b.i32(1).set(one);
  acc.forEach((line, l) => {
    b.get(c)
      .get(reach)
      .mem('i32.load', 8 * l + 4)
      .op('i32.add')
      .set(row);
    for (const sums of line) {
      b.get(row).set(to);
      for (const sum of sums) {
        addLanes(b, lanes, sum);
        b.get(accumulate).if(() => void b.get(to).mem(lanes.splat).get(sum).op(lanes.add).set(sum));
        storeFirst(b, lanes.dtype, lanes.compute, 'value', sum, one, to);
        advance(b, to, cTap);
      }
      advance(b, row, cRow);
    }
  });
  b.release(row, to, one);
}
