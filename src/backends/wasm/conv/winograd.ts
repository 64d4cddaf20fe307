/**
 * Convolutions of 3 × 3 windows in float32 by Winograd's transforms (`winograd-kernels.ts`): a quarter of
 * the products, in 36 products of matrices. What is not finite would spread over a tile, so if anything is,
 * the convolution is left to the other way.
 */
import type { Strided } from '../../../kernels/strided.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { getNumThreads } from '../threads/pool.ts';
import { deal, inTasks, type Run, shareOf, tasksFor } from '../threads/share.ts';
import { frameOf } from './frame.ts';
import type { Part, Task } from './products.ts';
import { place, product, steps } from './tables.ts';
import { OUTPUTS, PLACES, TAPS } from './winograd-kernels.ts';
import {
  BYTES,
  ceil,
  FEWEST_CHANNELS,
  FEWEST_TILES,
  kernelsOf,
  lotsOf,
  type Matrices,
  matrices,
  multiplyPlaces,
  oddWord,
  packPlaces,
  perImages,
  rowsAtOnce,
  TRANSFORM_STEPS,
  table,
  tileTable,
  tiling,
  VECTOR,
  waveOf,
  zerosBehind,
} from './winograd-places.ts';

/** Bytes of images whose tiles are dealt out to threads at a time. */
const WAVE_BYTES = 8 << 20;

const consecutive = (list: readonly number[], step: number): boolean =>
  list.every((n, i) => i === 0 || n - list[i - 1]! === step);

/** Whether a part of a convolution is all of it, of 3 × 3 windows over neighbouring places, and large enough. */
export function suitsTiles({ out, source, weight, groups, before }: Task, part: Part): boolean {
  const { sizes, step, columns, reach } = part;
  const channels = source.shape[1]! / groups;
  const rows = out.shape[1]! / groups;
  const tiles = out.shape[0]! * product(sizes.map((n) => Math.ceil(n / OUTPUTS)));
  const way = reach[0]?.[1] === 1 + (reach[0]?.[0] ?? 0) ? 1 : -1;
  return (
    out.dtype === 'float32' &&
    sizes.length === 2 &&
    Math.min(channels, rows) >= FEWEST_CHANNELS &&
    tiles >= FEWEST_TILES &&
    sizes.every((n, d) => n === out.shape[d + 2] && n >= TAPS) &&
    step.every((s) => s === 1) &&
    reach.every((list) => list.length === TAPS && consecutive(list, way)) &&
    columns.every((list) => consecutive(list, 1)) &&
    weight.strides[3] === 1 &&
    (source.strides[3] === 1 || before.some((n) => n > 0))
  );
}

/** For each tile of so many images where it lies in a channel of `out`, and how many rows and columns it has; some are none. */
function extentTable(out: Strided, counts: readonly number[], images: number): number {
  const [height, width] = out.shape.slice(2) as [number, number];
  const words: number[] = [];
  for (let n = 0; n < images; n++) {
    for (let i = 0; i < counts[0]!; i++) {
      for (let j = 0; j < counts[1]!; j++) {
        const [top, left] = [OUTPUTS * i, OUTPUTS * j];
        const at = n * out.strides[0]! + top * out.strides[2]! + left;
        words.push(at * BYTES, Math.min(OUTPUTS, height - top), Math.min(OUTPUTS, width - left));
      }
    }
  }
  while (words.length % (3 * VECTOR) !== 0) words.push(0, 0, 0);
  return place(Int32Array.from(words));
}

/** Some images of a frame, and where they and their results begin. */
interface Lot {
  readonly images: number;
  readonly from: number;
  readonly to: number;
}

/** A convolution that suits. False if something was not finite; what `out` holds is then of no use. */
export function convolveTiles(task: Task, part: Part): boolean {
  const { out, source, weight, groups, before } = task;
  const gemm = kernelsFor(task.op, out.dtype);
  const kernels = kernelsOf(gemm);
  beginLaunch();
  const images = out.shape[0]!;
  const [channels, rows] = [source.shape[1]! / groups, out.shape[1]! / groups];
  const { counts, perImage, block, together } = tiling(part.sizes, images, channels, rows);
  const [to, from] = [startOf(out), startOf(weight)];
  const origin = part.columns.map((list, d) => list[0]! + Math.min(...part.reach[d]!));
  const wave = waveOf(source, images, together, channels, WAVE_BYTES);
  const frame = frameOf(source, before, zerosBehind(source, before, origin, counts), wave, channels);
  const [imageBytes, channelBytes, lineBytes] = out.strides.map((s) => s * BYTES) as [number, number, number];
  const tilesOf = perImages((n) => ({
    inputs: tileTable(frame, origin, counts, n),
    outputs: extentTable(out, counts, n),
  }));
  const pack = part.reach[0]![1]! < part.reach[0]![0]! ? kernels.reversed : kernels.weights;
  const channelsOfWeight = table(channels, task.channelStep * BYTES);
  const channelsOfSource = table(channels, frame.channel);
  const some = rowsAtOnce(rows, channels);
  const a = matrices(ceil(some, TILE_ROWS), channels);
  /** Room of a task for the transformed tiles of a block, and for their products. */
  const rooms: { readonly b: Matrices; readonly c: Matrices }[] = [];
  const odd = oddWord();

  /** The tiles from number `t` on of a number of images, for rows of a group whose weights are in `a`. */
  const outputs = (by: Run | null, room: number, lot: Lot, t: number, height: number): void => {
    const tiles = tilesOf(lot.images);
    // Whole vectors of tiles: behind the last tile it stands again.
    const width = ceil(Math.min(block, lot.images * perImage - t), VECTOR);
    const panels = { xs: tiles.inputs + 4 * t, count: width, width: gemm.columns };
    rooms[room] ??= { b: matrices(block, channels), c: matrices(some, block) };
    const { b, c } = rooms[room];
    const row = block * BYTES;
    packPlaces(by, kernels.inputs, b, lot.from, panels, channelsOfSource, channels, frame.spatial[0]!);
    deal(by, PLACES * height * channels * width, PLACES, (run, from, end) => {
      multiplyPlaces(run, gemm, { ...c, row }, a, b, height, width, channels, false, from, end);
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
      const w = from + (g * task.groupStep + r * task.rowStep) * BYTES;
      const panels = { xs: table(height, task.rowStep * BYTES, TILE_ROWS), count: height, width: TILE_ROWS };
      packPlaces(null, pack, a, w, panels, channelsOfWeight, channels, weight.strides[2]! * BYTES);
      for (let n = 0; n < images; n += wave) {
        const many = Math.min(wave, images - n);
        const base = frame.at(n, many, g * channels);
        const blocks = lotsOf(many, together).flatMap(([first, several]) => {
          const y = to + (n + first) * imageBytes + (g * rows + r) * channelBytes;
          const lot = { images: several, from: base + first * frame.image, to: y };
          return steps(Math.ceil((several * perImage) / block), block).map((t) => ({ lot, t }));
        });
        const tasks = tasksFor(
          PLACES * height * channels * many * perImage,
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
