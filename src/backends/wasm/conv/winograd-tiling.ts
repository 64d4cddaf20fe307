/**
 * The tiles of convolutions by Winograd's transforms: what they save, how images and windows are cut into them, and
 * which are looked at together.
 */
import type { NativeGemm } from '../blas/product.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import type { Operand, Plan } from '../plan.ts';
import { getNumThreads } from '../threads/pool.ts';
import { type Frame, placesIn } from './frame.ts';
import { product, steps } from './tables.ts';
import { type Scheme, SUMS, TAPS } from './winograd-scheme.ts';

/** With fewer channels or tiles than these, transforms cost more than they save. */
const FEWEST_CHANNELS = 16;
const FEWEST_TILES = 16;
/** Bytes of transformed weights at a time. */
const WEIGHT_BYTES = 12 << 20;
/** Bytes of transformed tiles and of their products at a time. */
const TILE_BYTES = 2 << 20;
const MOST_TILES = 256;

export const BYTES = 4;
export const VECTOR = 4;

export const ceil = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Into how many windows of 3 × 3 those of `taps` are cut along the last two dimensions, filled up with zeros. */
export const windowsOf = (taps: readonly number[]): readonly number[] => taps.slice(-2).map((n) => Math.ceil(n / TAPS));

/** How many windows of 3 × 3 there are in windows of `taps`, in all dimensions. */
export const windowCount = (taps: readonly number[]): number => product(taps.slice(0, -2)) * product(windowsOf(taps));

/** How many tiles cover images of `sizes`: along the last two dimensions; along others each place is an image of its own. */
export const tileCounts = ({ outputs }: Scheme, sizes: readonly number[]): number[] =>
  sizes.map((n, d) => (d < sizes.length - 2 ? n : Math.ceil(n / outputs)));

/** How much of all tiles lies in images. */
const usedOf = (scheme: Scheme, sizes: readonly number[]): number =>
  product(sizes.slice(-2)) / product(tileCounts(scheme, sizes).slice(-2)) / scheme.outputs ** 2;

/** Whether tiles save enough for windows of so many taps, results or their cotangents of `sizes`, and channels of a group. */
export function worthTiles(
  scheme: Scheme,
  taps: readonly number[],
  sizes: readonly number[],
  images: number,
  channels: number,
  rows: number,
): boolean {
  const { products, spared, perChannel } = scheme.worth;
  const counts = tileCounts(scheme, sizes);
  const tiles = images * product(counts);
  return (
    taps.length >= 2 &&
    product(taps.slice(-2)) * SUMS >= products * scheme.places * product(windowsOf(taps)) &&
    Math.min(channels, rows) >= FEWEST_CHANNELS &&
    tiles >= Math.max(FEWEST_TILES, perChannel * (channels + rows)) &&
    usedOf(scheme, sizes) >= 1 - spared &&
    sizes.slice(-2).every((n) => n >= TAPS)
  );
}

/** Where the windows of 3 × 3 begin along each of the last two dimensions, in windows of some taps. */
export const windowPlaces = (taps: readonly number[]): (readonly number[])[] =>
  windowsOf(taps).map((n) => steps(n, TAPS));

/** How many zeros fill windows of so many taps up, along each dimension. */
export const fillOf = (taps: readonly number[]): number[] =>
  taps.map((n, d) => (d < taps.length - 2 ? 0 : TAPS * Math.ceil(n / TAPS) - n));

/**
 * The tiles of images of `sizes`, and how many are transformed together: at least so many, if they are what is summed
 * over. Small images go together, all in one block, in lots of about one size; so do twice as many where they
 * leave fewer columns of products empty.
 */
export function tiling(
  scheme: Scheme,
  sizes: readonly number[],
  images: number,
  channels: number,
  rows: number,
  least?: number,
) {
  const counts = tileCounts(scheme, sizes);
  const perImage = product(counts);
  const fitting = Math.floor(TILE_BYTES / (BYTES * scheme.places * (channels + rows)));
  const most = Math.min(MOST_TILES, ceil(Math.max(least ?? FEWEST_TILES, fitting), 8), ceil(perImage * images, 8));
  const lots = Math.ceil(images / Math.max(1, Math.floor(most / perImage)));
  const some = Math.ceil(images / lots);
  const columns = (n: number): number => ceil(n * perImage, VECTOR);
  const doubles = least === undefined && 2 * some <= images && columns(2 * some) < 1.96 * columns(some);
  const together = doubles ? 2 * some : some;
  const all = together * perImage;
  if (!doubles) return { counts, perImage, block: Math.min(most, ceil(all, 8)), together };
  const blocks = Math.ceil(all / Math.min(MOST_TILES, 2 * most));
  return { counts, perImage, block: ceil(all / blocks, 8), together };
}

/** Rows whose transformed weights are held at a time: all, or pieces of about one size. */
export function rowsAtOnce({ groups }: Scheme, rows: number, channels: number): number {
  const fitting = Math.max(TILE_ROWS, Math.floor(WEIGHT_BYTES / (BYTES * groups * channels)));
  return Math.min(rows, ceil(rows / Math.ceil(rows / fitting), TILE_ROWS));
}

/** Channels of the source and of the result for each tile from which on several windows of weights take more than tiles save. */
const MOST_CHANNELS = 8;
/** How much of all tiles must lie in images for products of places made here to be quicker than a library with wide vectors. */
const LEAST_OF_WIDE = 0.9;

/**
 * Whether tiles may take what `worthTiles` says from a library, if there is one for `whole`: where windows are cut into
 * several there must be enough tiles to transform so many weights for, and without a library for products of places
 * they must save more than it is quicker by.
 */
export const worthLeaving = (
  scheme: Scheme,
  taps: readonly number[],
  sizes: readonly number[],
  images: number,
  channels: number,
  rows: number,
  whole: NativeGemm | null,
  ofPlaces: NativeGemm | null,
): boolean =>
  whole === null ||
  ((product(windowsOf(taps)) === 1 || images * product(tileCounts(scheme, sizes)) * MOST_CHANNELS > channels + rows) &&
    (ofPlaces !== null || usedOf(scheme, sizes) >= (whole.wide ? LEAST_OF_WIDE : scheme.worth.leaves)));

/** Where tiles lie in a frame, for so many images; filled up to whole panels by the last one. */
export const tileTable = (plan: Plan, frame: Frame, corners: readonly (readonly number[])[], images: number): number =>
  plan.place(placesIn(frame, { images }, corners), 8);

/** Corners of tiles, whose first is at `origin` in the last two dimensions, and places in those before. */
export const cornersOf = (
  lead: readonly (readonly number[])[],
  origin: readonly number[],
  counts: readonly number[],
  pitch: number,
): (readonly number[])[] => [...lead, ...counts.slice(-2).map((n, d) => steps(n, pitch, origin[d]))];

/** Where lots of so many images begin, and how many images each has. */
export const lotsOf = (images: number, together: number): [first: number, images: number][] =>
  steps(Math.ceil(images / together), together).map((first) => [first, Math.min(together, images - first)]);

/** How many images are looked at together: some lots of `most` bytes, if threads can share them. */
export function waveOf({ shape }: Operand, images: number, together: number, channels: number, most: number): number {
  if (getNumThreads() === 1) return together;
  const lot = together * channels * product(shape.slice(2)) * BYTES;
  return Math.min(images, together * Math.max(1, Math.floor(most / lot)));
}

export const table = (plan: Plan, count: number, step: number, multiple = 1): number =>
  plan.place(steps(count, step), multiple);

/** How many zeros tiles, from `origin` on and with windows of some taps, ask for behind images; `after` in the dimensions before the last two. */
export function zerosBehind(
  { inputs, pitch }: Scheme,
  x: Operand,
  before: readonly number[],
  after: readonly number[],
  origin: readonly number[],
  counts: readonly number[],
  taps: readonly number[],
): number[] {
  const lead = after.length - 2;
  const size = inputs.matrix[0]!.length;
  const behind = windowsOf(taps).map((n, i) => {
    const d = lead + i;
    return Math.max(0, origin[i]! + pitch * (counts[d]! - 1) + size + TAPS * (n - 1) - before[d]! - x.shape[d + 2]!);
  });
  return [...after.slice(0, lead), ...behind];
}
