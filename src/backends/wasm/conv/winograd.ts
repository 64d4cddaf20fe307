/**
 * Convolutions in float32 by Winograd's transforms (`winograd-kernels.ts`): of windows of 3 × 3 a quarter of the
 * products, in 36 products of matrices. Larger windows are cut into some of 3 × 3, and taps along other dimensions
 * are as many of them, over which products are summed as they are over channels. What is not finite would spread
 * over a tile, so if anything is, the convolution is left to the other way.
 */
import type { Strided } from '../../../kernels/strided.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { getNumThreads } from '../threads/pool.ts';
import { deal, inTasks, type Run, shareOf, tasksFor } from '../threads/share.ts';
import { frameOf, placesIn } from './frame.ts';
import type { Part, Task } from './products.ts';
import { place, product, steps, sums } from './tables.ts';
import { OUTPUTS, PLACES, TAPS } from './winograd-kernels.ts';
import {
  BYTES,
  ceil,
  cornersOf,
  FEWEST_CHANNELS,
  FEWEST_TILES,
  fillOf,
  kernelsOf,
  lotsOf,
  type Matrices,
  matrices,
  multiplyPlaces,
  nativeForPlaces,
  oddWord,
  operands,
  packPlaces,
  perImages,
  rowsAtOnce,
  savesEnough,
  sharedSteps,
  TRANSFORM_STEPS,
  table,
  tileCounts,
  tileTable,
  tiling,
  VECTOR,
  waveOf,
  windowPlaces,
  windowsOf,
  zerosBehind,
} from './winograd-places.ts';

/** With fewer tiles than a row in so many, products are left to the generated kernels. */
const FEW_TILES = 3;
/** Bytes of images whose tiles are dealt out to threads at a time. */
const WAVE_BYTES = 8 << 20;

const consecutive = (list: readonly number[], step: number): boolean =>
  list.every((n, i) => i === 0 || n - list[i - 1]! === step);

/** Whether a part of a convolution is all of it, of windows over neighbouring places, and large enough. */
export function suitsTiles({ out, source, weight, groups, before }: Task, part: Part): boolean {
  const { sizes, step, columns, reach } = part;
  const taps = reach.map((list) => list.length);
  const channels = source.shape[1]! / groups;
  const rows = out.shape[1]! / groups;
  const way = wayOf(part);
  return (
    out.dtype === 'float32' &&
    savesEnough(taps) &&
    Math.min(channels, rows) >= FEWEST_CHANNELS &&
    out.shape[0]! * product(tileCounts(sizes)) >= FEWEST_TILES &&
    sizes.every((n, d) => n === out.shape[d + 2] && step[d] === 1) &&
    sizes.slice(-2).every((n) => n >= TAPS) &&
    reach.slice(-2).every((list) => consecutive(list, way)) &&
    columns.slice(-2).every((list) => consecutive(list, 1)) &&
    (weight.strides.at(-1) === 1 || fillOf(taps).some((n) => n > 0)) &&
    (source.strides.at(-1) === 1 || before.some((n) => n > 0))
  );
}

/** Whether taps go from left to right, 1, or from right to left, −1, as in transposed convolutions. */
const wayOf = ({ reach }: Part): 1 | -1 => (reach.at(-1)![0]! <= reach.at(-1)!.at(-1)! ? 1 : -1);

/** For each tile of so many images where it lies in a channel of `out`, and how many rows and columns it has; some are none. */
function extentTable(out: Strided, counts: readonly number[], images: number): number {
  const [height, width] = out.shape.slice(-2) as [number, number];
  const [line, column] = [out.strides.at(-2)!, out.strides.at(-1)!];
  const lead = counts.slice(0, -2).map((n, d) => steps(n, out.strides[d + 2]!));
  const words: number[] = [];
  for (const image of sums([steps(images, out.strides[0]!), ...lead])) {
    for (const top of steps(counts.at(-2)!, OUTPUTS)) {
      for (const left of steps(counts.at(-1)!, OUTPUTS)) {
        const at = image + top * line + left * column;
        words.push(at * BYTES, Math.min(OUTPUTS, height - top), Math.min(OUTPUTS, width - left));
      }
    }
  }
  while (words.length % (3 * VECTOR) !== 0) words.push(0, 0, 0);
  return place(Int32Array.from(words));
}

/** The weights of all groups as windows of 3 × 3: where they begin, a table of what is summed over, and steps in bytes. */
function windowsOfWeights({ op, weight, groups }: Task, part: Part, channels: number) {
  const taps = part.taps.map((list) => list.length);
  const fill = fillOf(taps);
  const none = fill.map(() => 0);
  const [before, after] = wayOf(part) === 1 ? [none, fill] : [fill, none];
  const [outputs, inputs] = weight.shape as [number, number];
  const frame = frameOf(weight, before, after, outputs, inputs);
  const [row, channel] = op === 'conv' ? [frame.image, frame.channel] : [frame.channel, frame.image];
  // What comes first in the source comes last in weights that go back.
  const windows = windowPlaces(taps).map((list) => (wayOf(part) === 1 ? list : list.toReversed()));
  const inside = [...part.taps.slice(0, -2), ...windows].map((list, d) => list.map((i) => frame.offset(i, d)));
  return {
    at: frame.at(0, outputs, 0),
    ks: place(sums([steps(channels, channel), ...inside])),
    row,
    group: (outputs / groups) * frame.image,
    line: frame.spatial.at(-2)!,
  };
}

/** Some images of a frame, and where they and their results begin. */
interface Lot {
  readonly images: number;
  readonly from: number;
  readonly to: number;
}

/** A convolution that suits. False if something was not finite; what `out` holds is then of no use. */
export function convolveTiles(task: Task, part: Part): boolean {
  const { out, source, weight, groups, before, after } = task;
  const gemm = kernelsFor(task.op, out.dtype);
  const kernels = kernelsOf(gemm);
  beginLaunch();
  const images = out.shape[0]!;
  const [channels, rows] = [source.shape[1]! / groups, out.shape[1]! / groups];
  const taps = part.reach.map((list) => list.length);
  const k = channels * product(taps.slice(0, -2)) * product(windowsOf(taps));
  const { counts, perImage, block, together } = tiling(part.sizes, images, k, rows);
  const to = startOf(out);
  startOf(weight);
  const origin = part.columns.slice(-2).map((list, d) => list[0]! + Math.min(...part.reach.slice(-2)[d]!));
  const wave = waveOf(source, images, together, channels, WAVE_BYTES);
  const frame = frameOf(source, before, zerosBehind(source, before, after, origin, counts, taps), wave, channels);
  const [imageBytes, channelBytes] = out.strides.map((s) => s * BYTES) as [number, number];
  const [line, lineBytes] = [frame.spatial.at(-2)!, out.strides.at(-2)! * BYTES];
  const corners = cornersOf(part.columns.slice(0, -2), origin, counts);
  const tilesOf = perImages((n) => ({ inputs: tileTable(frame, corners, n), outputs: extentTable(out, counts, n) }));
  const pack = wayOf(part) === 1 ? kernels.weights : kernels.reversed;
  const ks = place(placesIn(frame, { channels }, [...part.reach.slice(0, -2), ...windowPlaces(taps)]));
  const weights = windowsOfWeights(task, part, channels);
  const some = rowsAtOnce(rows, k);
  // Weights are slower to write as a library wants them, which few tiles do not make up for.
  const tiles = images * perImage;
  const native = tiles * FEW_TILES < rows ? null : nativeForPlaces(some, block, k, Math.ceil(tiles / block));
  const a = operands(native, some, TILE_ROWS, k);
  /** Room of a task for the transformed tiles of a block, and for their products. */
  const rooms: { readonly b: Matrices; readonly c: Matrices }[] = [];
  const odd = oddWord();

  /** The tiles from number `t` on of a number of images, for rows of a group whose weights are in `a`. */
  const outputs = (by: Run | null, room: number, lot: Lot, t: number, height: number): void => {
    const tiles = tilesOf(lot.images);
    // Whole vectors of tiles: behind the last tile it stands again.
    const width = ceil(Math.min(block, lot.images * perImage - t), VECTOR);
    const panels = { xs: tiles.inputs + 4 * t, count: width, width: gemm.columns };
    rooms[room] ??= { b: operands(native, block, gemm.columns, k), c: matrices(some, block) };
    const { b, c } = rooms[room];
    const { row } = c;
    packPlaces(by, native, kernels.inputs, b, lot.from, panels, ks, k, line);
    deal(by, sharedSteps(native, PLACES * height * k * width), PLACES, (run, from, end) => {
      multiplyPlaces(run, gemm, native, c, a, b, height, width, k, false, from, end);
    });
    const [vectors, extents, add] = [width / VECTOR, tiles.outputs + 12 * t, Number(task.accumulate)];
    deal(by, TRANSFORM_STEPS * height * width, height, (run, r0, r1) => {
      const [from, y] = [c.at + r0 * row, lot.to + r0 * channelBytes];
      run(kernels.toTiles, from, c.place, r1 - r0, row, vectors, extents, y, channelBytes, lineBytes, add, odd.at);
    });
  };

  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < rows; r += some) {
      const height = Math.min(some, rows - r);
      const w = weights.at + g * weights.group + r * weights.row;
      const panels = { xs: table(height, weights.row, TILE_ROWS), count: height, width: TILE_ROWS };
      packPlaces(null, native, pack, a, w, panels, weights.ks, k, weights.line);
      for (let n = 0; n < images; n += wave) {
        const many = Math.min(wave, images - n);
        const base = frame.at(n, many, g * channels);
        const blocks = lotsOf(many, together).flatMap(([first, several]) => {
          const y = to + (n + first) * imageBytes + (g * rows + r) * channelBytes;
          const lot = { images: several, from: base + first * frame.image, to: y };
          return steps(Math.ceil((several * perImage) / block), block).map((t) => ({ lot, t }));
        });
        const tasks = tasksFor(
          sharedSteps(native, PLACES * height * k * many * perImage),
          Math.min(blocks.length, 2 * getNumThreads()),
        );
        if (tasks === 1) for (const { lot, t } of blocks) outputs(null, 0, lot, t, height);
        else {
          inTasks(tasks, (i, run) => {
            for (const { lot, t } of blocks.slice(...shareOf(i, tasks, blocks.length))) outputs(run, i, lot, t, height);
          });
        }
        if (odd.seen()) return false;
      }
    }
  }
  return true;
}
