/**
 * What convolutions by Winograd's transforms share (`winograd-kernels.ts`): the matrices of all places of a tile,
 * how patches are transformed into them, and how they are multiplied.
 */
import type { NativeGemm } from '../blas/product.ts';
import type { FunctionBody } from '../encoder.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { BLOCK_ROWS } from '../gemm-product.ts';
import { blockLength } from '../gemm-room.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import type { Plan } from '../plan.ts';
import { LINE } from '../room.ts';
import type { Run } from '../threads/share.ts';
import { emitPackPatches, emitTiles, emitWeights } from './winograd-kernels.ts';
import { type Scheme, TAPS, type Transform } from './winograd-scheme.ts';
import { BYTES, ceil, VECTOR } from './winograd-tiling.ts';

export const WEIGHT_PATCH = TAPS * TAPS * BYTES;
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
