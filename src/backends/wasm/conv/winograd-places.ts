/**
 * What convolutions by Winograd's transforms share (`winograd-kernels.ts`): the matrices of all places of a tile,
 * how patches are transformed into them and how they are multiplied, and which tiles are looked at together.
 */
import type { Strided } from '../../../kernels/strided.ts';
import { type NativeGemm, nativeGemm } from '../blas/product.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { BLOCK_ROWS, blockLength } from '../gemm-product.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { i32, scratch } from '../heap.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { LINE } from '../residency.ts';
import { canShare } from '../threads/pool.ts';
import { deal, type Run } from '../threads/share.ts';
import { type Frame, placesIn } from './frame.ts';
import { place, product, steps, sums } from './tables.ts';
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
export const FEWEST_CHANNELS = 16;
export const FEWEST_TILES = 16;
/** Bytes of transformed weights at a time. */
const WEIGHT_BYTES = 12 << 20;
/** Bytes of transformed tiles and of their products at a time. */
const TILE_BYTES = 1 << 20;
const MOST_TILES = 256;

export const BYTES = 4;
export const WEIGHT_PATCH = TAPS * TAPS * BYTES;
export const VECTOR = 4;
/** What transforming a patch takes, in multiplications of a matrix product. */
export const TRANSFORM_STEPS = 128;

interface Kernels {
  readonly weights: WasmFunction;
  readonly reversed: WasmFunction;
  readonly inputs: WasmFunction;
  readonly outputs: WasmFunction;
  readonly toTiles: WasmFunction;
  readonly toWeights: WasmFunction;
}

const compiled = new WeakMap<GemmKernels, Kernels>();

export function kernelsOf(gemm: GemmKernels): Kernels {
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

export const ceil = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Multiplications that tiles must save to be worth their transforms, against the definition. */
const WORTH_TILES = 2.4;

/** Into how many windows of 3 × 3 those of `taps` are cut along the last two dimensions, filled up with zeros. */
export const windowsOf = (taps: readonly number[]): readonly number[] => taps.slice(-2).map((n) => Math.ceil(n / TAPS));

/** Whether there are at least two dimensions, and tiles save enough for windows of so many taps. */
export const savesEnough = (taps: readonly number[]): boolean =>
  taps.length >= 2 && product(taps.slice(-2)) * OUTPUTS ** 2 >= WORTH_TILES * PLACES * product(windowsOf(taps));

/** How many tiles cover images of `sizes`: along the last two dimensions; along others each place is an image of its own. */
export const tileCounts = (sizes: readonly number[]): number[] =>
  sizes.map((n, d) => (d < sizes.length - 2 ? n : Math.ceil(n / OUTPUTS)));

/** Where the windows of 3 × 3 begin along each of the last two dimensions, in windows of some taps. */
export const windowPlaces = (taps: readonly number[]): (readonly number[])[] =>
  windowsOf(taps).map((n) => steps(n, TAPS));

/** How many zeros fill windows of so many taps up, along each dimension. */
export const fillOf = (taps: readonly number[]): number[] =>
  taps.map((n, d) => (d < taps.length - 2 ? 0 : TAPS * Math.ceil(n / TAPS) - n));

/**
 * The tiles of images of `sizes`, and how many are transformed together: at least so many, if there are. Small
 * images go together, all in one block, in lots of about one size.
 */
export function tiling(sizes: readonly number[], images: number, channels: number, rows: number, least = FEWEST_TILES) {
  const counts = tileCounts(sizes);
  const perImage = product(counts);
  const fitting = Math.floor(TILE_BYTES / (BYTES * PLACES * (channels + rows)));
  const most = Math.min(MOST_TILES, Math.max(ceil(least, 8), ceil(fitting, 8)), ceil(perImage * images, 8));
  if (perImage >= most) return { counts, perImage, block: most, together: 1 };
  const lots = Math.ceil(images / Math.floor(most / perImage));
  const together = Math.ceil(images / lots);
  return { counts, perImage, block: ceil(perImage * together, 8), together };
}

/** Rows whose transformed weights are held at a time: all, or pieces of about one size. */
export function rowsAtOnce(rows: number, channels: number): number {
  const fitting = Math.max(TILE_ROWS, Math.floor(WEIGHT_BYTES / (BYTES * PLACES * channels)));
  return Math.min(rows, ceil(rows / Math.ceil(rows / fitting), TILE_ROWS));
}

/** The matrices of all places, packed or as they are: each `place` bytes from the last, and rows `row` bytes apart if they are not packed. */
export interface Matrices {
  readonly at: number;
  readonly place: number;
  readonly row: number;
}

const oddLines = (bytes: number): number => (Math.ceil(bytes / LINE) | 1) * LINE;

/** Room for matrices, an odd number of cache lines apart: transforms touch all of them at once, and would else find them in one set of the cache. */
export function matrices(rows: number, columns: number): Matrices {
  const place = oddLines(rows * columns * BYTES);
  return { at: scratch(PLACES * place), place, row: columns * BYTES };
}

/** Room for operands of products, `count` places x by `k`: panels of a `width`, or rows for a library to read. */
export function operands(native: NativeGemm | null, count: number, width: number, k: number): Matrices {
  const columns = ceil(count, width);
  if (native === null) return matrices(columns, k);
  const row = oddLines(columns * BYTES);
  return { at: scratch(PLACES * k * row), place: k * row, row };
}

/** Multiplications of a place from which on a library is quicker. */
const WORTH_CALLS = 2 ** 17;

/** The system's BLAS for the products of `count` blocks of tiles, if there is one and it is quicker. */
export const nativeForPlaces = (rows: number, columns: number, k: number, count: number): NativeGemm | null =>
  rows * columns * k < WORTH_CALLS ? null : nativeGemm('float32', rows * columns * k * PLACES * count);

/** Steps of products for `deal`: none, so that they are not shared, where workers cannot make them. */
export const sharedSteps = (native: NativeGemm | null, steps: number): number =>
  native === null || native.shared ? steps : 0;

/** c = a b (or c += a b) for places `from` to `end`; a and b are panels of `k`, whose blocks follow each other, or aᵀ and b for a library. */
export function multiplyPlaces(
  run: Run,
  { columns: width, repeated }: GemmKernels,
  native: NativeGemm | null,
  c: Matrices,
  a: Matrices,
  b: Matrices,
  rows: number,
  columns: number,
  k: number,
  accumulate: boolean,
  from: number,
  end: number,
): void {
  if (native !== null) {
    for (let p = from; p < end; p++) {
      const [x, y, z] = [a, b, c].map((m) => m.at + p * m.place) as [number, number, number];
      const sizes = [rows, columns, k] as const;
      native.multiply(run, sizes, [x, a.row / BYTES, true], [y, b.row / BYTES, false], [z, c.row / BYTES, accumulate]);
    }
    return;
  }
  const step = blockLength(k);
  // Where a place takes more than one call, it takes all of them before the next.
  const together = k <= step && rows <= BLOCK_ROWS ? end - from : 1;
  for (let p = from; p < end; p += together) {
    for (let at = 0; at < k; at += step) {
      const length = Math.min(step, k - at);
      const more = Number(accumulate || at > 0);
      const aBlock = a.at + p * a.place + ceil(rows, TILE_ROWS) * at * BYTES;
      const bBlock = b.at + p * b.place + ceil(columns, width) * at * BYTES;
      const [aPanel, bPanel] = [TILE_ROWS * length * BYTES, width * length * BYTES];
      for (let i = 0; i < rows; i += BLOCK_ROWS) {
        const height = Math.min(BLOCK_ROWS, rows - i);
        const [x, y] = [aBlock + i * length * BYTES, c.at + p * c.place + i * c.row];
        const sizes = [height, columns, length, more, together] as const;
        run(repeated, x, aPanel, bBlock, bPanel, y, c.row, ...sizes, a.place, b.place, c.place);
      }
    }
  }
}

/** `count` places x, by a table, in panels of `width`. */
interface Panels {
  readonly xs: number;
  readonly count: number;
  readonly width: number;
}

/** Transforms patches into panels, block by block of k, or into rows for a library. */
export function packPlaces(
  by: Run | null,
  native: NativeGemm | null,
  pack: WasmFunction,
  to: Matrices,
  base: number,
  { xs, count, width }: Panels,
  ks: number,
  k: number,
  rowStep: number,
): void {
  const step = native === null ? blockLength(k) : k;
  const panels = Math.ceil(count / width);
  const across = width * BYTES;
  deal(by, TRANSFORM_STEPS * count * k, panels, (run, from, end) => {
    for (let at = 0; at < k; at += step) {
      const length = Math.min(step, k - at);
      const [kStep, panelStep] = native === null ? [across, across * length] : [to.row, across];
      const block = to.at + (native === null ? panels * at * across : at * kStep) + from * panelStep;
      const places = xs + 4 * width * from;
      run(pack, base, places, ks + 4 * at, block, length, end - from, rowStep, to.place, kStep, panelStep);
    }
  });
}

/** Where tiles lie in a frame, for so many images; filled up to whole panels by the last one. */
export const tileTable = (frame: Frame, corners: readonly (readonly number[])[], images: number): number =>
  place(placesIn(frame, { images }, corners), 8);

/** Corners of tiles, whose first is at `origin` in the last two dimensions, and places in those before. */
export const cornersOf = (
  lead: readonly (readonly number[])[],
  origin: readonly number[],
  counts: readonly number[],
): (readonly number[])[] => [...lead, ...counts.slice(-2).map((n, d) => steps(n, OUTPUTS, origin[d]))];

/** Where lots of so many images begin, and how many images each has. */
export const lotsOf = (images: number, together: number): [first: number, images: number][] =>
  steps(Math.ceil(images / together), together).map((first) => [first, Math.min(together, images - first)]);

/** How many images are looked at together: some lots of `most` bytes, if threads can share them. */
export function waveOf({ shape }: Strided, images: number, together: number, channels: number, most: number): number {
  if (!canShare()) return together;
  const lot = together * channels * product(shape.slice(2)) * BYTES;
  return Math.min(images, together * Math.max(1, Math.floor(most / lot)));
}

/** A word in memory that kernels set when they see what is not finite. */
export function oddWord(): { readonly at: number; seen(): boolean } {
  const at = scratch(4);
  i32()[at >>> 2] = 0;
  return { at, seen: () => i32()[at >>> 2] !== 0 };
}

/** Something that is made once for each number of images. */
export function perImages<T>(make: (images: number) => T): (images: number) => T {
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

export const table = (count: number, step: number, multiple = 1): number => place(sums([steps(count, step)]), multiple);

/** How many zeros tiles, from `origin` on and with windows of some taps, ask for behind images; `after` in the dimensions before the last two. */
export function zerosBehind(
  x: Strided,
  before: readonly number[],
  after: readonly number[],
  origin: readonly number[],
  counts: readonly number[],
  taps: readonly number[],
): number[] {
  const lead = after.length - 2;
  const behind = windowsOf(taps).map((n, i) => {
    const d = lead + i;
    return Math.max(0, origin[i]! + OUTPUTS * counts[d]! + TAPS * n - 1 - before[d]! - x.shape[d + 2]!);
  });
  return [...after.slice(0, lead), ...behind];
}
