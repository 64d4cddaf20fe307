/**
 * What convolutions by Winograd's transforms share (`winograd-kernels.ts`): the matrices of all places of a tile,
 * how patches are transformed into them and how they are multiplied, and which tiles are looked at together.
 */
import type { NativeGemm } from '../blas/product.ts';
import type { FunctionBody } from '../encoder.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { BLOCK_ROWS } from '../gemm-product.ts';
import { blockLength } from '../gemm-room.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import type { Operand, Plan } from '../plan.ts';
import { LINE } from '../room.ts';
import { getNumThreads } from '../threads/pool.ts';
import type { Run } from '../threads/share.ts';
import { type Frame, placesIn } from './frame.ts';
import { product, steps } from './tables.ts';
import { emitPackPatches, emitTiles, emitWeights } from './winograd-kernels.ts';
import { type Scheme, SUMS, TAPS, type Transform } from './winograd-scheme.ts';

/** With fewer channels or tiles than these, transforms cost more than they save. */
const FEWEST_CHANNELS = 16;
const FEWEST_TILES = 16;
/** Bytes of transformed weights at a time. */
const WEIGHT_BYTES = 12 << 20;
/** Bytes of transformed tiles and of their products at a time. */
const TILE_BYTES = 2 << 20;
const MOST_TILES = 256;

export const BYTES = 4;
export const WEIGHT_PATCH = TAPS * TAPS * BYTES;
export const VECTOR = 4;
/** What transforming a patch takes, in multiplications of a matrix product. */
export const TRANSFORM_STEPS = 128;

const compiled = new WeakMap<GemmKernels, Map<Transform, Map<string, WasmFunction>>>();

function kernelOf(gemm: GemmKernels, transform: Transform, name: string, emit: () => FunctionBody): WasmFunction {
  const all = compiled.get(gemm) ?? new Map<Transform, Map<string, WasmFunction>>();
  compiled.set(gemm, all);
  const own = all.get(transform) ?? new Map<string, WasmFunction>();
  all.set(transform, own);
  let kernel = own.get(name);
  if (kernel === undefined) {
    kernel = Object.values(instantiate([emit()]))[0]!;
    own.set(name, kernel);
  }
  return kernel;
}

/** Transforms patches into panels. */
export const packer = (gemm: GemmKernels, transform: Transform): WasmFunction =>
  kernelOf(gemm, transform, 'pack', () => emitPackPatches('pack', gemm.lanes, transform));
/** Transforms places back into tiles of results. */
export const toTiles = (gemm: GemmKernels, { results }: Scheme): WasmFunction =>
  kernelOf(gemm, results, 'tiles', () => emitTiles(gemm.lanes, results));
/** Transforms groups of places back into weights. */
export const toWeights = (gemm: GemmKernels, { weights }: Scheme): WasmFunction =>
  kernelOf(gemm, weights, 'weights', () => emitWeights(gemm.lanes, weights));

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

/** The matrices of all places, packed or as they are: each `place` bytes from the last, and rows `row` bytes apart if they are not packed. */
export interface Matrices {
  readonly at: number;
  readonly place: number;
  readonly row: number;
  /** One for each group of places with the same weights, or for each place. */
  readonly grouped: boolean;
}

const oddLines = (bytes: number): number => (Math.ceil(bytes / LINE) | 1) * LINE;

/** How many matrices there are, and whether places with the same weights share one. */
export type Share = readonly [count: number, grouped: boolean];
export const byPlace = ({ places }: Scheme): Share => [places, false];
export const byGroup = ({ groups }: Scheme): Share => [groups, true];

/** Takes room: that of a plan, or in rooms of the threads' own. */
export type TakeRoom = (bytes: number) => number;

/** Room for matrices one after the other, an odd number of cache lines apart: transforms touch all of them at once, and would else find them in one set of the cache. */
export function matrices([count, grouped]: Share, rows: number, columns: number, take: TakeRoom): Matrices {
  const place = oddLines(rows * columns * BYTES);
  return { at: take(count * place), place, row: columns * BYTES, grouped };
}

/** Room for matrices side by side: what a transform touches lies in few pages. */
export function abreast([count, grouped]: Share, rows: number, columns: number, take: TakeRoom): Matrices {
  const place = columns * BYTES;
  const row = oddLines(count * place);
  return { at: take(rows * row), place, row, grouped };
}

/** The same with fewer columns. */
export const narrowed = (m: Matrices, columns: number): Matrices => ({ ...m, place: columns * BYTES });

/** Room for an operand of `count` rows or columns: panels of a `width`, or rows for a library to read. */
export const operands = (
  native: NativeGemm | null,
  share: Share,
  count: number,
  width: number,
  k: number,
  take: TakeRoom,
): Matrices =>
  native === null ? matrices(share, ceil(count, width), k, take) : abreast(share, k, ceil(count, width), take);

/** Multiplications of a place from which on a library is quicker. */
const WORTH_CALLS = 2 ** 17;

/** The system's BLAS for the products of `count` blocks of tiles, if there is one and it is quicker. */
export const nativeForPlaces = (
  plan: Plan,
  { places }: Scheme,
  rows: number,
  columns: number,
  k: number,
  count: number,
): NativeGemm | null =>
  rows * columns * k < WORTH_CALLS ? null : plan.native('float32', rows * columns * k * places * count);

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

/** Steps of products for `deal`: none, so that they are not shared, where workers cannot make them. */
export const sharedSteps = (native: NativeGemm | null, steps: number): number =>
  native === null || native.shared ? steps : 0;

/**
 * c = a b (or c += a b) for places `from` to `end`; a and b are panels of `k`, whose blocks follow each other, or aᵀ and
 * b for a library. Where c is of groups, each is made with its first place.
 */
export function multiplyPlaces(
  run: Run,
  { stretches }: Scheme,
  gemm: GemmKernels,
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
  for (const { place, count, group, alike } of stretches) {
    const folds = alike && c.grouped;
    if (folds && (place < from || place >= end)) continue;
    const [first, last] = folds ? [place, place + count] : [Math.max(from, place), Math.min(end, place + count)];
    const steps = [c, a, b].map((m) => (alike && m.grouped ? 0 : m.place)) as [number, number, number];
    const starts = [c, a, b].map(
      (m, i) => m.at + (m.grouped ? group * m.place : place * m.place) + (first - place) * steps[i]!,
    );
    let [z, x, y] = starts as [number, number, number];
    for (let p = first; p < last; ) {
      const more = accumulate || (folds && p > place);
      const done = multiplySome(
        run,
        gemm,
        native,
        [c, a, b],
        [z, x, y],
        steps,
        rows,
        columns,
        k,
        more,
        folds ? 1 : last - p,
      );
      p += done;
      [z, x, y] = [z + done * steps[0], x + done * steps[1], y + done * steps[2]];
    }
  }
}

/** The first of some such products, `steps` apart, as many as go at a time; tells how many that is. */
function multiplySome(
  run: Run,
  { columns: width, repeated }: GemmKernels,
  native: NativeGemm | null,
  [c, a, b]: readonly [Matrices, Matrices, Matrices],
  [z, x, y]: readonly [number, number, number],
  [zStep, xStep, yStep]: readonly [number, number, number],
  rows: number,
  columns: number,
  k: number,
  accumulate: boolean,
  count: number,
): number {
  if (native !== null) {
    const across = columns * BYTES;
    const wide = xStep === 0 && yStep === across && zStep === across ? count : 1;
    const sizes = [rows, columns * wide, k] as const;
    native.multiply(run, sizes, [x, a.row / BYTES, true], [y, b.row / BYTES, false], [z, c.row / BYTES, accumulate]);
    return wide;
  }
  const step = blockLength(k);
  // Where a place takes more than one call, it takes all of them before the next.
  const together = k <= step && rows <= BLOCK_ROWS ? count : 1;
  for (let at = 0; at < k; at += step) {
    const length = Math.min(step, k - at);
    const more = Number(accumulate || at > 0);
    const aBlock = x + ceil(rows, TILE_ROWS) * at * BYTES;
    const bBlock = y + ceil(columns, width) * at * BYTES;
    const [aPanel, bPanel] = [TILE_ROWS * length * BYTES, width * length * BYTES];
    for (let i = 0; i < rows; i += BLOCK_ROWS) {
      const height = Math.min(BLOCK_ROWS, rows - i);
      const sizes = [height, columns, length, more, together] as const;
      run(
        repeated,
        aBlock + i * length * BYTES,
        aPanel,
        bBlock,
        bPanel,
        z + i * c.row,
        c.row,
        ...sizes,
        xStep,
        yStep,
        zStep,
      );
    }
  }
  return together;
}

/** `count` places x, by a table, in panels of `width`. */
interface Panels {
  readonly xs: number;
  readonly count: number;
  readonly width: number;
}

/** Transforms patches into panels, block by block of k, or into rows for a library, whole lines of the cache at a time. */
export function packPlaces(
  plan: Plan,
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
  const work = TRANSFORM_STEPS * count * k;
  if (native !== null) {
    plan.deal(by, work, k, (run, from, end) => {
      const sizes = [end - from, Math.ceil(count / VECTOR), LINE / BYTES / VECTOR] as const;
      run(pack, base, xs, ks + 4 * from, to.at + from * to.row, ...sizes, rowStep, to.place, to.row, LINE);
    });
    return;
  }
  const step = blockLength(k);
  const panels = Math.ceil(count / width);
  const across = width * BYTES;
  plan.deal(by, work, panels, (run, from, end) => {
    for (let at = 0; at < k; at += step) {
      const length = Math.min(step, k - at);
      const block = to.at + (panels * at + from * length) * across;
      const sizes = [length, ((end - from) * width) / VECTOR, width / VECTOR] as const;
      run(pack, base, xs + 4 * width * from, ks + 4 * at, block, ...sizes, rowStep, to.place, across, across * length);
    }
  });
}

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
