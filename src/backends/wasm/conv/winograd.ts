/**
 * Convolutions of 3 × 3 windows in float32 by Winograd's transforms (`winograd-kernels.ts`): a quarter of
 * the products, in 36 products of matrices. What is not finite would spread over a tile, so if anything is,
 * the convolution is left to the other way.
 */
import type { Strided } from '../../../kernels/strided.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { BLOCK_ROWS, blockLength } from '../gemm-product.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunch, i32, scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { inTasks, shareOf, tasksFor } from '../threads/share.ts';
import { type Frame, frameOf, placesIn } from './frame.ts';
import type { Part, Task } from './products.ts';
import { place, product, steps, sums } from './tables.ts';
import type { WeightTask } from './weights.ts';
import {
  A,
  B_T,
  emitPackPatches,
  emitTiles,
  emitWeights,
  G,
  G_REVERSED,
  OUTPUTS,
  PLACES,
  TAPS,
} from './winograd-kernels.ts';

/** With fewer channels or tiles than these, transforms cost more than they save. */
const FEWEST_CHANNELS = 16;
const FEWEST_TILES = 16;
/** Bytes of transformed weights at a time. */
const WEIGHT_BYTES = 8 << 20;
/** Bytes of transformed tiles and of their products at a time. */
const TILE_BYTES = 1 << 20;
const MOST_TILES = 256;

const BYTES = 4;
const WEIGHT_PATCH = TAPS * TAPS * BYTES;
const VECTOR = 4;
const LINE = 64;
/** What transforming a patch takes, in multiplications of a matrix product. */
const TRANSFORM_STEPS = 128;

interface Kernels {
  readonly weights: WasmFunction;
  readonly reversed: WasmFunction;
  readonly inputs: WasmFunction;
  readonly outputs: WasmFunction;
  readonly toTiles: WasmFunction;
  readonly toWeights: WasmFunction;
}

const compiled = new WeakMap<GemmKernels, Kernels>();

function kernelsOf(gemm: GemmKernels): Kernels {
  let kernels = compiled.get(gemm);
  if (kernels === undefined) {
    const { lanes, columns } = gemm;
    const made = instantiate([
      emitPackPatches('weights', lanes, G, TILE_ROWS),
      emitPackPatches('reversed', lanes, G_REVERSED, TILE_ROWS),
      emitPackPatches('inputs', lanes, B_T, columns),
      emitPackPatches('outputs', lanes, A, TILE_ROWS),
      emitTiles(lanes),
      emitWeights(lanes),
    ]);
    kernels = {
      weights: made.weights!,
      reversed: made.reversed!,
      inputs: made.inputs!,
      outputs: made.outputs!,
      toTiles: made.tiles!,
      toWeights: made.gradients!,
    };
    compiled.set(gemm, kernels);
  }
  return kernels;
}

const ceil = (n: number, to: number): number => Math.ceil(n / to) * to;

/** The tiles of images of `sizes`, and how many are transformed together. */
function tiling(sizes: readonly number[], images: number, channels: number, rows: number) {
  const counts = sizes.map((n) => Math.ceil(n / OUTPUTS));
  const perImage = product(counts);
  const fitting = Math.floor(TILE_BYTES / (BYTES * PLACES * (channels + rows)));
  const block = Math.min(MOST_TILES, Math.max(FEWEST_TILES, ceil(fitting, 8)), ceil(perImage * images, 8));
  return { counts, perImage, block, together: Math.min(images, Math.ceil(block / perImage)) };
}

/** Rows whose transformed weights are held at a time. */
const rowsAtOnce = (rows: number, channels: number): number =>
  Math.min(rows, Math.max(TILE_ROWS, Math.floor(WEIGHT_BYTES / (BYTES * PLACES * channels) / TILE_ROWS) * TILE_ROWS));

/** The matrices of all places, packed or as they are: each `place` bytes from the last. */
interface Matrices {
  readonly at: number;
  readonly place: number;
}

/** Room for matrices, an odd number of cache lines apart: transforms touch all of them at once, and would else find them in one set of the cache. */
function matrices(rows: number, columns: number): Matrices {
  const bytes = (Math.ceil((rows * columns * BYTES) / LINE) | 1) * LINE;
  return { at: scratch(PLACES * bytes), place: bytes };
}

/** c = a b (or c += a b) for all places; a and b are panels of `k`, whose blocks follow each other. */
function multiplyPlaces(
  gemm: GemmKernels,
  c: Matrices & { readonly row: number },
  a: Matrices,
  b: Matrices,
  rows: number,
  columns: number,
  k: number,
  accumulate: boolean,
): void {
  const step = blockLength(k);
  const tasks = tasksFor(PLACES * rows * columns * k, PLACES);
  const { packed } = gemm;
  inTasks(tasks, (t, run) => {
    const [from, to] = shareOf(t, tasks, PLACES);
    for (let p = from; p < to; p++) {
      for (let at = 0; at < k; at += step) {
        const length = Math.min(step, k - at);
        const aBlock = a.at + p * a.place + ceil(rows, TILE_ROWS) * at * BYTES;
        const bBlock = b.at + p * b.place + ceil(columns, gemm.columns) * at * BYTES;
        const [aPanel, bPanel] = [TILE_ROWS * length * BYTES, gemm.columns * length * BYTES];
        for (let i = 0; i < rows; i += BLOCK_ROWS) {
          const height = Math.min(BLOCK_ROWS, rows - i);
          const [y, more] = [c.at + p * c.place + i * c.row, Number(accumulate || at > 0)];
          run(
            packed,
            aBlock + i * length * BYTES,
            0,
            0,
            aPanel,
            bBlock,
            0,
            bPanel,
            y,
            c.row,
            height,
            columns,
            length,
            more,
          );
        }
      }
    }
  });
}

/** `count` places x, by a table, in panels of `width`. */
interface Panels {
  readonly xs: number;
  readonly count: number;
  readonly width: number;
}

/** Transforms patches into panels, block by block of k. */
function packPlaces(
  pack: WasmFunction,
  to: Matrices,
  base: number,
  { xs, count, width }: Panels,
  ks: number,
  k: number,
  rowStep: number,
): void {
  const step = blockLength(k);
  const panels = Math.ceil(count / width);
  const tasks = tasksFor(TRANSFORM_STEPS * count * k, panels);
  inTasks(tasks, (t, run) => {
    const [from, end] = shareOf(t, tasks, panels);
    for (let at = 0; at < k; at += step) {
      const length = Math.min(step, k - at);
      const block = to.at + (panels * at + from * length) * width * BYTES;
      run(pack, base, xs + 4 * width * from, ks + 4 * at, block, length, end - from, rowStep, to.place);
    }
  });
}

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

/** Where tiles lie in a frame, for so many images; filled up to whole panels by the last one. */
function tileTable(frame: Frame, origin: readonly number[], counts: readonly number[], images: number): number {
  const corners = counts.map((n, d) => steps(n, OUTPUTS, origin[d]));
  return place(placesIn(frame, { images }, corners), 8);
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

/** A word in memory that kernels set when they see what is not finite. */
function oddWord(): { readonly at: number; seen(): boolean } {
  const at = scratch(4);
  i32()[at >>> 2] = 0;
  return { at, seen: () => i32()[at >>> 2] !== 0 };
}

/** Something that is made once for each number of images. */
function perImages<T>(make: (images: number) => T): (images: number) => T {
  const made = new Map<number, T>();
  return (images) => {
    let one = made.get(images);
    if (one === undefined) {
      one = make(images);
      made.set(images, one);
    }
    return one;
  };
}

const table = (count: number, step: number, multiple = 1): number => place(sums([steps(count, step)]), multiple);

/** How far tiles reach beyond the end of the images, along each dimension. */
const zerosBehind = (x: Strided, before: readonly number[], origin: readonly number[], counts: readonly number[]) =>
  counts.map((n, d) => Math.max(0, origin[d]! + OUTPUTS * n + TAPS - 1 - before[d]! - x.shape[d + 2]!));

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
  const frame = frameOf(source, before, zerosBehind(source, before, origin, counts), together, channels);
  const [imageBytes, channelBytes, lineBytes] = out.strides.map((s) => s * BYTES) as [number, number, number];
  const tilesOf = perImages((n) => ({
    inputs: tileTable(frame, origin, counts, n),
    outputs: extentTable(out, counts, n),
  }));
  const pack = part.reach[0]![1]! < part.reach[0]![0]! ? kernels.reversed : kernels.weights;
  const channelsOfWeight = table(channels, task.channelStep * BYTES);
  const channelsOfSource = table(channels, frame.channel);
  const some = rowsAtOnce(rows, channels);
  const [a, b] = [matrices(ceil(some, TILE_ROWS), channels), matrices(block, channels)];
  const c = { ...matrices(some, block), row: block * BYTES };
  const odd = oddWord();

  /** Rows of a group's result in a number of images, whose weights are in `a`. */
  const outputs = (y: number, base: number, several: number, height: number): boolean => {
    const tiles = tilesOf(several);
    const all = several * perImage;
    for (let t = 0; t < all; t += block) {
      // Whole vectors of tiles: behind the last tile it stands again.
      const width = ceil(Math.min(block, all - t), VECTOR);
      const panels = { xs: tiles.inputs + 4 * t, count: width, width: gemm.columns };
      packPlaces(kernels.inputs, b, base, panels, channelsOfSource, channels, frame.spatial[0]!);
      multiplyPlaces(gemm, c, a, b, height, width, channels, false);
      const [vectors, extents, add] = [width / VECTOR, tiles.outputs + 12 * t, Number(task.accumulate)];
      const tasks = tasksFor(TRANSFORM_STEPS * height * width, height);
      inTasks(tasks, (part, run) => {
        const [r0, r1] = shareOf(part, tasks, height);
        const [from, to] = [c.at + r0 * c.row, y + r0 * channelBytes];
        run(kernels.toTiles, from, c.place, r1 - r0, c.row, vectors, extents, to, channelBytes, lineBytes, add, odd.at);
      });
      if (odd.seen()) return false;
    }
    return true;
  };

  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < rows; r += some) {
      const height = Math.min(some, rows - r);
      const w = from + (g * task.groupStep + r * task.rowStep) * BYTES;
      const panels = { xs: table(height, task.rowStep * BYTES, TILE_ROWS), count: height, width: TILE_ROWS };
      packPlaces(pack, a, w, panels, channelsOfWeight, channels, weight.strides[2]! * BYTES);
      for (let n = 0; n < images; n += together) {
        const several = Math.min(together, images - n);
        const y = to + n * imageBytes + (g * rows + r) * channelBytes;
        if (!outputs(y, frame.at(n, several, g * channels), several, height)) return false;
      }
    }
  }
  return true;
}

/** The same for the gradient of a convolution by its weights. */
export function gradientSuitsTiles({ out, x, y, groups, before, stride, dilation }: WeightTask): boolean {
  const [rows, channels, ...taps] = [out.shape[0]! / groups, ...out.shape.slice(1)] as [number, number, ...number[]];
  const sizes = y.shape.slice(2);
  const tiles = y.shape[0]! * product(sizes.map((n) => Math.ceil(n / OUTPUTS)));
  return (
    out.dtype === 'float32' &&
    sizes.length === 2 &&
    taps.every((n) => n === TAPS) &&
    [...stride, ...dilation].every((n) => n === 1) &&
    channels % VECTOR === 0 &&
    Math.min(channels, rows) >= FEWEST_CHANNELS &&
    tiles >= FEWEST_TILES &&
    sizes.every((n) => n >= TAPS) &&
    (x.strides[3] === 1 || before.some((n) => n > 0)) &&
    (y.strides[3] === 1 || sizes.some((n) => n % OUTPUTS > 0))
  );
}

/** Such a gradient; false as in `convolveTiles`. */
export function gradientByTiles(task: WeightTask): boolean {
  const { out, x, y, groups, before } = task;
  const [channels, rows] = [out.shape[1]!, out.shape[0]! / groups];
  const sizes = y.shape.slice(2);
  const images = y.shape[0]!;
  const { counts, perImage, block, together } = tiling(sizes, images, channels, rows);
  const gemm = kernelsFor('conv', out.dtype);
  const kernels = kernelsOf(gemm);
  beginLaunch();
  const w = startOf(out);
  const none = sizes.map(() => 0);
  const inputs = frameOf(x, before, zerosBehind(x, before, none, counts), together, channels);
  const behind = counts.map((n, d) => OUTPUTS * n - sizes[d]!);
  const some = rowsAtOnce(rows, channels);
  const outputs = frameOf(y, none, behind, together, some);
  const tilesOf = perImages((n) => ({
    inputs: tileTable(inputs, none, counts, n),
    outputs: tileTable(outputs, none, counts, n),
  }));
  const columns = { xs: table(channels, inputs.channel, gemm.columns), count: channels, width: gemm.columns };
  const [a, b] = [matrices(ceil(some, TILE_ROWS), block), matrices(ceil(channels, gemm.columns), block)];
  const c = { ...matrices(some, channels), row: channels * BYTES };
  const odd = oddWord();
  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < rows; r += some) {
      const height = Math.min(some, rows - r);
      const lines = { xs: table(height, outputs.channel, TILE_ROWS), count: height, width: TILE_ROWS };
      for (let n = 0; n < images; n += together) {
        const several = Math.min(together, images - n);
        const tiles = tilesOf(several);
        const source = inputs.at(n, several, g * channels);
        const result = outputs.at(n, several, g * rows + r);
        for (let t = 0; t < several * perImage; t += block) {
          const count = Math.min(block, several * perImage - t);
          packPlaces(kernels.outputs, a, result, lines, tiles.outputs + 4 * t, count, outputs.spatial[0]!);
          packPlaces(kernels.inputs, b, source, columns, tiles.inputs + 4 * t, count, inputs.spatial[0]!);
          multiplyPlaces(gemm, c, a, b, height, channels, count, n + t > 0);
        }
      }
      const to = w + (g * rows + r) * channels * WEIGHT_PATCH;
      const vectors = (height * channels) / VECTOR;
      const tasks = tasksFor(TRANSFORM_STEPS * height * channels, vectors);
      inTasks(tasks, (part, run) => {
        const [v0, v1] = shareOf(part, tasks, vectors);
        const from = c.at + v0 * VECTOR * BYTES;
        run(kernels.toWeights, from, c.place, v1 - v0, to + v0 * VECTOR * WEIGHT_PATCH, odd.at);
      });
      if (odd.seen()) return false;
    }
  }
  return true;
}
