/**
 * Convolutions in float32 by Winograd's transforms (`winograd-kernels.ts`): of windows of 3 × 3 a quarter of the
 * products, in 36 products of matrices. Larger windows are cut into some of 3 × 3, and taps along other dimensions
 * are as many of them, over which products are summed as they are over channels. What is not finite would spread
 * over a tile, so if anything is, the convolution is left to the other way.
 */
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import type { Operand, Plan } from '../plan.ts';
import { OwnRooms } from '../threads/own.ts';
import { getNumThreads } from '../threads/pool.ts';
import { type Run, shareOf, tasksAmong } from '../threads/share.ts';
import { frameOf, placesIn } from './frame.ts';
import { nativeForParts, type Part, type Task } from './products.ts';
import { areApart, perCount, steps, sums } from './tables.ts';
import {
  abreast,
  byGroup,
  byPlace,
  type Matrices,
  multiplyPlaces,
  narrowed,
  nativeForPlaces,
  operands,
  packer,
  packPlaces,
  sharedSteps,
  type TakeRoom,
  TRANSFORM_STEPS,
  toTiles,
} from './winograd-places.ts';
import {
  dense,
  denseReversed,
  type Scheme,
  strided,
  TAPS,
  transposedFromEven,
  transposedFromOdd,
} from './winograd-scheme.ts';
import {
  BYTES,
  ceil,
  cornersOf,
  fillOf,
  lotsOf,
  rowsAtOnce,
  table,
  tileTable,
  tiling,
  VECTOR,
  waveOf,
  windowCount,
  windowPlaces,
  worthLeaving,
  worthTiles,
  zerosBehind,
} from './winograd-tiling.ts';

/** Bytes of images whose tiles are dealt out to threads at a time. */
const WAVE_BYTES = 8 << 20;
/** Lots of images for each thread that are enough to deal out. */
const LOTS_PER_THREAD = 2;

/** How the tiles of a convolution lie. */
interface Lie {
  readonly scheme: Scheme;
  readonly sizes: readonly number[];
  /** In the source's frame, where the inputs of the first tile begin in the last two dimensions, and places in those before. */
  readonly origin: readonly number[];
  readonly lead: readonly (readonly number[])[];
  /** Taps of the weights, and for dimensions before the last two how far they reach. */
  readonly taps: readonly (readonly number[])[];
  readonly reach: readonly (readonly number[])[];
}

/** The same, and how the work is divided. */
export interface Tiling extends Lie {
  readonly blocks: ReturnType<typeof blocksOf>;
}

/** The tiles of a convolution, if it is of windows over neighbouring places, and large enough. */
export function tilingOf(task: Task, parts: readonly Part[]): Tiling | null {
  const lie = parts.length === 1 ? alongOne(task, parts[0]!) : alongLattices(task, parts);
  if (lie === null) return null;
  const { out, source, weight, groups, before } = task;
  const images = out.shape[0]!;
  const { scheme, sizes } = lie;
  const taps = lie.taps.map((list) => list.length);
  const size = [scheme, taps, sizes, images, source.shape[1]! / groups, out.shape[1]! / groups] as const;
  const fits =
    out.dtype === 'float32' &&
    worthTiles(...size) &&
    (weight.strides.at(-1) === 1 || fillOf(taps).some((n) => n > 0)) &&
    (source.strides.at(-1) === 1 || before.some((n) => n > 0));
  if (!fits) return null;
  const blocks = blocksOf(task, lie);
  const whole = nativeForParts(task, parts, images);
  // Where each transform serves few products, a library with wide vectors is quicker without.
  if (whole?.wide && blocks.native === null) return null;
  return worthLeaving(...size, whole, blocks.native) ? { ...lie, blocks } : null;
}

/** What the products of a convolution are summed over, how its tiles go in blocks, rows at a time, and the library for them. */
function blocksOf({ plan, out, source, groups }: Task, { scheme, sizes, taps }: Lie) {
  const images = out.shape[0]!;
  const rows = out.shape[1]! / groups;
  const k = (source.shape[1]! / groups) * windowCount(taps.map((list) => list.length));
  const blocks = tiling(scheme, sizes, images, k, rows);
  const some = rowsAtOnce(scheme, rows, k);
  const count = Math.ceil((images * blocks.perImage) / blocks.block);
  const native = nativeForPlaces(plan, scheme, some, blocks.block, k, count);
  return { ...blocks, rows, k, some, native };
}

/** Whether taps go from left to right, 1, or from right to left, −1, as in transposed convolutions. */
const wayOf = ({ reach }: Part): 1 | -1 => (reach.at(-1)![0]! <= reach.at(-1)!.at(-1)! ? 1 : -1);

/** Where the inputs of the first tile begin. */
const originOf = ({ columns, reach }: Part): number[] =>
  columns.slice(-2).map((list, d) => list[0]! + Math.min(...reach.slice(-2)[d]!));

const SCHEMES: Readonly<Record<string, () => Scheme>> = { '1 1': dense, '1 -1': denseReversed, '2 1': strided };

function alongOne({ out }: Task, part: Part): Lie | null {
  const { sizes, step, columns, reach, taps } = part;
  const [x = 0, next = x + 1] = columns.at(-1) ?? [];
  const way = wayOf(part);
  const scheme = SCHEMES[`${next - x} ${way}`]?.();
  const fits =
    scheme !== undefined &&
    reach.length >= 2 &&
    sizes.every((n, d) => n === out.shape[d + 2] && step[d] === 1) &&
    reach.slice(-2).every((list) => areApart(list, way)) &&
    columns.slice(-2).every((list) => areApart(list, next - x));
  if (!fits) return null;
  return { scheme, sizes, origin: originOf(part), lead: columns.slice(0, -2), taps, reach: reach.slice(0, -2) };
}

/** Whether one or two neighbouring taps are what a lattice has of three. */
const isLattice = (reach: readonly number[]): boolean => reach.length <= 2 && areApart(reach, -1);

/** The four lattices of a transposed convolution of stride 2 along the last two dimensions, which make one tile. */
function alongLattices({ out, weight }: Task, parts: readonly Part[]): Lie | null {
  const dims = out.shape.length - 2;
  const first = parts.find(({ start }) => start.every((n) => n === 0));
  const fits =
    dims >= 2 &&
    first !== undefined &&
    parts.length === 4 &&
    first.step.every((n, d) => n === (d < dims - 2 ? 1 : 2)) &&
    weight.shape.slice(-2).every((n) => n === TAPS) &&
    parts.every(({ sizes, reach }) => !sizes.includes(0) && reach.slice(-2).every(isLattice));
  if (!fits) return null;
  const [down, across] = first.reach.slice(-2).map((list) => list.length) as [number, number];
  if (down !== across) return null;
  const origins = parts.map(originOf);
  return {
    scheme: down === 1 ? transposedFromOdd() : transposedFromEven(),
    sizes: out.shape.slice(2),
    origin: [0, 1].map((d) => Math.min(...origins.map((origin) => origin[d]!))),
    lead: first.columns.slice(0, -2),
    taps: [...first.taps.slice(0, -2), steps(TAPS, 1), steps(TAPS, 1)],
    reach: first.reach.slice(0, -2),
  };
}

/** For each tile of so many images where it lies in a channel of `out`, and how many rows and columns it has; some are none. */
function extentTable(plan: Plan, out: Operand, outputs: number, counts: readonly number[], images: number): number {
  const [height, width] = out.shape.slice(-2) as [number, number];
  const [line, column] = [out.strides.at(-2)!, out.strides.at(-1)!];
  const lead = counts.slice(0, -2).map((n, d) => steps(n, out.strides[d + 2]!));
  const words: number[] = [];
  for (const image of sums([steps(images, out.strides[0]!), ...lead])) {
    for (const top of steps(counts.at(-2)!, outputs)) {
      for (const left of steps(counts.at(-1)!, outputs)) {
        const at = image + top * line + left * column;
        words.push(at * BYTES, Math.min(outputs, height - top), Math.min(outputs, width - left));
      }
    }
  }
  while (words.length % (3 * VECTOR) !== 0) words.push(0, 0, 0);
  return plan.place(words);
}

/** The weights of all groups as windows of 3 × 3: where they begin, a table of what is summed over, and steps in bytes. */
function windowsOfWeights({ plan, op, weight, groups }: Task, { scheme, taps: lists }: Tiling, channels: number) {
  const taps = lists.map((list) => list.length);
  const fill = fillOf(taps);
  const none = fill.map(() => 0);
  const reversed = scheme === denseReversed();
  const [before, after] = reversed ? [fill, none] : [none, fill];
  const [outputs, inputs] = weight.shape as [number, number];
  const frame = frameOf(plan, weight, before, after, outputs, inputs);
  const [row, channel] = op === 'conv' ? [frame.image, frame.channel] : [frame.channel, frame.image];
  // What comes first in the source comes last in weights that go back.
  const windows = windowPlaces(taps).map((list) => (reversed ? list.toReversed() : list));
  const inside = [...lists.slice(0, -2), ...windows].map((list, d) => list.map((i) => frame.offset(i, d)));
  return {
    at: frame.at(0, outputs, 0),
    ks: plan.place(sums([steps(channels, channel), ...inside])),
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

/** A convolution that suits. If something is not finite, what `out` holds then is of no use. */
export function convolveTiles(task: Task, tiles: Tiling): void {
  const { plan, out, source, groups, before, after } = task;
  const { scheme, origin } = tiles;
  const gemm = kernelsFor(task.op, out.dtype);
  const images = out.shape[0]!;
  const channels = source.shape[1]! / groups;
  const taps = tiles.taps.map((list) => list.length);
  const { counts, perImage, block, together, rows, k, some, native } = tiles.blocks;
  const lots = lotsOf(images, together);
  // Where there are enough lots each is framed by the thread that transforms it, which has it in its cache.
  const apart = getNumThreads() > 1 && lots.length >= LOTS_PER_THREAD * getNumThreads();
  const wave = apart ? images : waveOf(source, images, together, channels, WAVE_BYTES);
  const rooms = new OwnRooms(plan.room);
  const behind = zerosBehind(scheme, source, before, after, origin, counts, taps);
  const frame = frameOf(plan, source, before, behind, apart ? together : wave, channels, 1, apart ? rooms : null);
  const [imageBytes, channelBytes] = out.strides.map((s) => s * BYTES) as [number, number];
  const [line, lineBytes] = [frame.spatial.at(-2)!, out.strides.at(-2)! * BYTES];
  const corners = cornersOf(tiles.lead, origin, counts, scheme.pitch);
  const tilesOf = perCount((n) => ({
    inputs: tileTable(plan, frame, corners, n),
    outputs: extentTable(plan, out, scheme.outputs, counts, n),
  }));
  const packWeights = packer(gemm, scheme.weights);
  const packInputs = packer(gemm, scheme.inputs);
  const results = toTiles(gemm, scheme);
  const ks = plan.place(placesIn(frame, { channels }, [...tiles.reach, ...windowPlaces(taps)]));
  const weights = windowsOfWeights(task, tiles, channels);
  const a = operands(native, byGroup(scheme), some, TILE_ROWS, k, plan.room);
  /** Room for the transformed tiles of a block, and for their products. */
  const roomFor = (take: TakeRoom): { readonly b: Matrices; readonly c: Matrices } => ({
    b: operands(native, byPlace(scheme), block, gemm.columns, k, take),
    c: abreast(byPlace(scheme), some, block, take),
  });
  const ofTasks = roomFor((bytes) => rooms.take(bytes));
  let alone: typeof ofTasks | null = null;
  const odd = plan.oddWord();

  /** The tiles from number `t` on of a number of images, for rows of a group whose weights are in `a`. */
  const outputs = (by: Run | null, room: typeof ofTasks, lot: Lot, t: number, height: number): void => {
    const tables = tilesOf(lot.images);
    const count = Math.min(block, lot.images * perImage - t);
    // Whole vectors of tiles: behind the last tile it stands again.
    const width = ceil(count, VECTOR);
    const panels = { xs: tables.inputs + 4 * t, count: width, width: gemm.columns };
    const b = native === null ? room.b : narrowed(room.b, width);
    const c = narrowed(room.c, width);
    const { row } = c;
    packPlaces(plan, by, native, packInputs, b, lot.from, panels, ks, k, line);
    plan.deal(by, sharedSteps(native, scheme.places * height * k * width), scheme.places, (run, from, end) => {
      multiplyPlaces(run, scheme, gemm, native, c, a, b, height, width, k, false, from, end);
    });
    const [vectors, extents, add] = [Math.ceil(count / VECTOR), tables.outputs + 12 * t, Number(task.accumulate)];
    plan.deal(by, TRANSFORM_STEPS * height * width, height, (run, r0, r1) => {
      const [from, y] = [c.at + r0 * row, lot.to + r0 * channelBytes];
      run(results, from, c.place, r1 - r0, row, vectors, extents, y, channelBytes, lineBytes, add, odd);
    });
  };

  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < rows; r += some) {
      const height = Math.min(some, rows - r);
      const w = weights.at + g * weights.group + r * weights.row;
      const panels = { xs: table(plan, height, weights.row, TILE_ROWS), count: height, width: TILE_ROWS };
      packPlaces(plan, null, native, packWeights, a, w, panels, weights.ks, k, weights.line);
      const resultOf = (n: number): number => out.at + n * imageBytes + (g * rows + r) * channelBytes;
      for (let n = 0; n < images; n += wave) {
        const many = Math.min(wave, images - n);
        const of = sharedSteps(native, scheme.places * height * k * many * perImage);
        const base = apart ? 0 : frame.at(n, many, g * channels);
        const units = lotsOf(many, together).flatMap(([first, several]) => {
          const tiles = steps(Math.ceil((several * perImage) / block), block);
          return (apart ? [tiles] : tiles.map((t) => [t])).map((some) => [first, several, some] as const);
        });
        const work = (by: Run | null, room: typeof ofTasks, from: number, end: number): void => {
          for (const [first, several, tiles] of units.slice(from, end)) {
            const at = apart && by ? frame.at(n + first, several, g * channels, by) : base + first * frame.image;
            const lot = { images: several, from: at, to: resultOf(n + first) };
            for (const t of tiles) outputs(by, room, lot, t, height);
          }
        };
        const tasks = tasksAmong(of, units.length);
        if (tasks === 1 && !apart) {
          alone ??= roomFor(plan.room);
          work(null, alone, 0, units.length);
        } else {
          plan.inTasks(tasks, of, (i, run) => work(run, ofTasks, ...shareOf(i, tasks, units.length)), rooms.laid);
        }
      }
    }
  }
}
