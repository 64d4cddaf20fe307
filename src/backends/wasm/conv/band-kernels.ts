/**
 * The code of depthwise convolutions over planes (`strips.ts`): tiles of several lines of a channel's result, so that what
 * is read of a line of the source serves all lines of the result that it belongs to.
 */
import { advance, times, timesOrNever } from '../control.ts';
import { FunctionBody, type Local, type Locals } from '../encoder.ts';
import { type Lanes, multiplyAdd } from '../gemm-tile.ts';
import { LINE } from '../room.ts';
import { putSums } from './strip-kernels.ts';

/** How windows lie: taps down, and across from a first place on, in one lattice of results or two that alternate; and strides. */
export interface BandWindows {
  readonly down: number;
  readonly across: readonly (readonly [first: number, taps: number])[];
  readonly stride: readonly [down: number, across: number];
}

/** Lines of the source that are loaded before a way out. */
const TOGETHER = 3;
/** Vectors of a tile, at most. */
export const BAND_VECTORS = 8;

/**
 * `(panel, base, tiles, count, c, row, pitch, phase, line, bias, never, groups, aStep, baseStep)`: c[i][x] = bias +
 * Σ panel[k][l] · (source line s i + k, place x + l) for `count` tiles of so many lines by a vector of places: words for
 * where each begins, in the source from `base` on and in the result from `c` on. Lines are `pitch` bytes apart in the
 * source and `line` in the result; places that are alike modulo the stride lie side by side, those of the next kind
 * `phase` bytes on. Of two lattices the weights follow each other, and results are woven. `never` is zero. The same again
 * for every group, whose operands are steps further on.
 */
export function emitBand(lanes: Lanes, { down, across, stride }: BandWindows, height: number): FunctionBody {
  const b = new FunctionBody('band', new Array(14).fill('i32'), []);
  const [panel, base, allTiles, allCount, c, row, pitch, phase, line, bias, never, groups, aStep, baseStep] =
    b.params as Locals<14>;
  const lattices = across.map(() => Array.from({ length: height }, () => b.local('v128')));
  const weights = Array.from({ length: down }, () => b.local('v128'));
  const sources = Array.from({ length: (height - 1) * stride[0] + down }, () => b.local('i32'));
  const [tiles, count, to] = Array.from({ length: 3 }, () => b.local('i32')) as Locals<3>;
  const window = b.local('v128');
  /** Weights from the element `first` on, `pitch` apart. */
  const tap = (acc: readonly Local[], first: number, pitch: number, place: number): void => {
    weights.forEach((weight, k) => {
      b.get(panel)
        .mem(lanes.splat, (first + k * pitch) * lanes.bytes)
        .set(weight);
    });
    sources.forEach((source, i) => {
      // A way out, as in strips.
      if (i > 0 && i % TOGETHER === 0) b.get(never).i32(i).op('i32.eq').brIf(0);
      b.get(source)
        .mem('v128.load', place * lanes.bytes)
        .set(window);
      weights.forEach((weight, k) => {
        const sum: Local | undefined = acc[(i - k) / stride[0]];
        if (sum !== undefined) multiplyAdd(b, lanes, sum, weight, window);
      });
    });
  };
  const halves = [0, lanes.count / 2].map((half) =>
    Array.from({ length: 16 }, (_, i) => {
      const lane = Math.floor(i / lanes.bytes);
      return 16 * (lane % 2) + (half + Math.floor(lane / 2)) * lanes.bytes + (i % lanes.bytes);
    }),
  );
  times(b, groups, () => {
    b.get(allTiles).set(tiles).get(allCount).set(count);
    times(b, count, () => {
      for (const sum of lattices.flat()) b.get(bias).mem(lanes.splat).set(sum);
      sources.forEach((source, i) => {
        if (i === 0) b.get(base).get(tiles).mem('i32.load');
        else b.get(sources[i - 1]!).get(pitch);
        b.op('i32.add').set(source);
      });
      b.block(() => {
        let before = 0;
        across.forEach(([from, taps], l) => {
          for (let first = 0; first < Math.min(taps, stride[1]); first++) {
            if (first > 0) for (const source of sources) advance(b, source, phase);
            for (let t = first; t < taps; t += stride[1]) {
              // Other than those within taps, for V8 makes no test twice.
              if (l + t > 0)
                b.get(never)
                  .i32(-before - t)
                  .op('i32.eq')
                  .brIf(0);
              tap(lattices[l]!, before + t, taps, from + (t - first) / stride[1]);
            }
          }
          before += down * taps;
        });
      });
      b.get(c).get(tiles).mem('i32.load', 4).op('i32.add').set(to);
      lattices[0]!.forEach((sum, i) => {
        if (i > 0) advance(b, to, line);
        const other = lattices[1]?.[i];
        if (other === undefined) b.get(to).get(sum).mem('v128.store');
        else
          halves.forEach(
            (half, h) =>
              void b
                .get(to)
                .get(sum)
                .get(other)
                .shuffle(half)
                .mem('v128.store', 16 * h),
          );
      });
      advance(b, tiles, 8);
    });
    advance(b, panel, aStep);
    advance(b, base, baseStep);
    advance(b, c, row);
    advance(b, bias, lanes.bytes);
  });
  return b;
}

/**
 * `(y, yLine, x, lines, images, vectors, rest, mask, reach, c, cRow, cTap, accumulate, groups, yStep, xStep, cStep, xLine,
 * height, ahead)`: as the gradients of strips for one row, of taps in neighbouring lines. Vectors of places are walked
 * down all `height` lines of an image, so that what is read of a line of x serves all lines of y that it belongs to. So
 * many lines of the cache of y are called for `ahead` of that, in the order of memory, in which they come quickest.
 */
export function emitColumnGradient(lanes: Lanes, taps: number, tapLines: number): FunctionBody {
  const b = new FunctionBody('columns', new Array(20).fill('i32'), []);
  const [y, yLine, x, allLines, images, vectors, rest, mask, reach, c, cRow, cTap, accumulate, groups, ...more] =
    b.params as Locals<20>;
  const [yStep, xStep, cStep, xLine, height, ahead] = more;
  const before = tapLines - 1;
  const acc = Array.from({ length: tapLines }, () => Array.from({ length: taps }, () => b.local('v128')));
  /** Of y the line that is met first, and those before it. */
  const ys = Array.from({ length: before + 1 }, () => b.local('v128'));
  const [window, kept] = [b.local('v128'), b.local('v128')];
  const [first, count, atY, atX, toY, toX, left, lines] = Array.from({ length: 8 }, () => b.local('i32')) as Locals<8>;
  let masked = false;
  const load = (place: Local, offset: number, to: Local): void => {
    b.get(place).mem('v128.load', offset);
    if (masked) b.get(kept).op('v128.and');
    b.set(to);
  };
  /** The next line of y, which its first taps meet, and of x; `has` tells which of `ys` there are. */
  const line = (has: (back: number) => boolean): void => {
    if (has(0)) load(toY, 0, ys[0]!);
    for (let t = 0; t < taps; t++) {
      // A way out, as in strips.
      b.get(accumulate)
        .i32(t + 2)
        .op('i32.eq')
        .brIf(0);
      load(toX, t * lanes.bytes, window);
      acc.forEach((sums, back) => {
        if (has(back)) multiplyAdd(b, lanes, sums[t]!, ys[back]!, window);
      });
    }
    for (let back = before; back > 0; back--) b.get(ys[back - 1]!).set(ys[back]!);
    advance(b, toX, xLine);
    advance(b, toY, yLine);
  };
  times(b, groups, () => {
    b.get(allLines).set(first).get(images).set(count);
    for (const sum of acc.flat()) b.v128([]).set(sum);
    times(b, count, () => {
      b.get(y).get(first).mem('i32.load').op('i32.add').set(atY);
      b.get(x).get(first).mem('i32.load', 4).op('i32.add').get(reach).mem('i32.load').op('i32.add').set(atX);
      b.get(atY).set(toY).get(ahead).set(lines);
      timesOrNever(b, lines, () => {
        b.get(toY).mem('v128.load').get(kept).op('v128.or').set(kept);
        advance(b, toY, LINE);
      });
      const column = (): void => {
        b.get(atY).set(toY).get(atX).set(toX);
        for (let i = 0; i < before; i++) line((back) => back <= i);
        b.get(height).i32(before).op('i32.sub').set(lines);
        times(b, lines, () => line(() => true));
        for (let i = 0; i < before; i++) line((back) => back > i);
      };
      b.get(vectors).set(left);
      times(b, left, () => {
        column();
        for (const place of [atY, atX]) advance(b, place, 16);
      });
      b.get(rest).if(() => {
        for (const place of [atY, atX]) advance(b, place, rest);
        b.get(mask).mem('v128.load').set(kept);
        masked = true;
        column();
        masked = false;
      });
      b.get(first).get(height).i32(8).op('i32.mul', 'i32.add').set(first);
    });
    putSums(
      b,
      lanes,
      acc.map((line) => [line]),
      { reach, c, cRow, cTap, accumulate },
    );
    advance(b, y, yStep);
    advance(b, x, xStep);
    advance(b, c, cStep);
  });
  return b;
}
