/**
 * The code of depthwise convolutions over planes (`strips.ts`): tiles of several lines of a channel's result, so that what
 * is read of a line of the source serves all lines of the result that it belongs to.
 */
import { advance, times } from '../control.ts';
import { FunctionBody, type Local, type Locals } from '../encoder.ts';
import { type Lanes, multiplyAdd } from '../gemm-tile.ts';

/** How windows lie: taps down and across, and strides. */
export interface BandWindows {
  readonly taps: readonly [down: number, across: number];
  readonly stride: readonly [down: number, across: number];
}

/** Lines of the source that are loaded before a way out. */
const TOGETHER = 3;
/** Lines of a tile, at most. */
export const BAND_LINES = 8;

/**
 * `(panel, base, tiles, count, c, row, pitch, phase, line, bias, never, groups, aStep, baseStep)`: c[i][x] = bias +
 * Σ panel[k][l] · (source line s i + k, place x + l) for `count` tiles of so many lines by a vector of places: words for
 * where each begins, in the source from `base` on and in the result from `c` on. Lines are `pitch` bytes apart in the
 * source and `line` in the result; places that are alike modulo the stride lie side by side, those of the next kind
 * `phase` bytes on. `never` is zero. The same again for every group, whose operands are steps further on.
 */
export function emitBand(lanes: Lanes, { taps, stride }: BandWindows, height: number): FunctionBody {
  const b = new FunctionBody('band', new Array(14).fill('i32'), []);
  const [panel, base, allTiles, allCount, c, row, pitch, phase, line, bias, never, groups, aStep, baseStep] =
    b.params as Locals<14>;
  const [down, across] = taps;
  const acc = Array.from({ length: height }, () => b.local('v128'));
  const weights = Array.from({ length: down }, () => b.local('v128'));
  const sources = Array.from({ length: (height - 1) * stride[0] + down }, () => b.local('i32'));
  const [tiles, count, to] = Array.from({ length: 3 }, () => b.local('i32')) as Locals<3>;
  const window = b.local('v128');
  const tap = (across: number, place: number): void => {
    weights.forEach((weight, k) => {
      b.get(panel)
        .mem(lanes.splat, (k * taps[1] + across) * lanes.bytes)
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
  times(b, groups, () => {
    b.get(allTiles).set(tiles).get(allCount).set(count);
    times(b, count, () => {
      for (const sum of acc) b.get(bias).mem(lanes.splat).set(sum);
      sources.forEach((source, i) => {
        if (i === 0) b.get(base).get(tiles).mem('i32.load');
        else b.get(sources[i - 1]!).get(pitch);
        b.op('i32.add').set(source);
      });
      b.block(() => {
        for (let first = 0; first < Math.min(across, stride[1]); first++) {
          if (first > 0) for (const source of sources) advance(b, source, phase);
          for (let t = first; t < across; t += stride[1]) {
            if (t > 0) b.get(never).i32(t).op('i32.eq').brIf(0);
            tap(t, (t - first) / stride[1]);
          }
        }
      });
      b.get(c).get(tiles).mem('i32.load', 4).op('i32.add').set(to);
      acc.forEach((sum, i) => {
        if (i > 0) advance(b, to, line);
        b.get(to).get(sum).mem('v128.store');
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
