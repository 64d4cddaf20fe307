/** Gradients of convolutions by their weights, by the same transforms as in `winograd.ts`: sums over tiles of images. */
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunchBeside, scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { OwnRooms } from '../threads/own.ts';
import { joinWorkers } from '../threads/pending.ts';
import { canShare } from '../threads/pool.ts';
import { deal, leaveInTasks, now, type Run, shareOf, tasksFor } from '../threads/share.ts';
import { frameOf, placesIn } from './frame.ts';
import { mover } from './move.ts';
import { place, product, steps } from './tables.ts';
import { nativeForGradient, type WeightTask } from './weights.ts';
import {
  BYTES,
  byGroup,
  byPlace,
  cornersOf,
  lotsOf,
  type Matrices,
  matrices,
  multiplyPlaces,
  nativeForPlaces,
  oddWord,
  operands,
  packer,
  packPlaces,
  perImages,
  rowsAtOnce,
  sharedSteps,
  type TakeRoom,
  TRANSFORM_STEPS,
  table,
  tileTable,
  tiling,
  toWeights,
  VECTOR,
  WEIGHT_PATCH,
  waveOf,
  windowCount,
  windowPlaces,
  windowsOf,
  worthLeaving,
  worthTiles,
  zerosBehind,
} from './winograd-places.ts';
import { dense, type Scheme, strided, TAPS } from './winograd-scheme.ts';

/** Bytes of images whose tiles are dealt out to threads at a time; tiles are looked at twice. */
const WAVE_BYTES = 3 << 20;
/** Blocks of tiles that threads transform before they multiply them. */
const BLOCKS_TOGETHER = 4;

/** Where sums are so many bytes, they are made in so many parts, each by one thread, and added up in order. */
const PART_BYTES = 1 << 20;
const PARTS = 8;
const FEWEST_LOTS = 4;

const partsOf = ({ groups }: Scheme, rows: number, columns: number, lots: number): number =>
  lots >= FEWEST_LOTS && groups * rows * columns * BYTES <= PART_BYTES ? Math.min(PARTS, lots) : 1;

/** Tiles for which sums are moved no more often than what is summed, where products are added up over tiles. */
const balanced = (rows: number, channels: number): number => Math.floor((rows * channels) / (rows + channels));

/** How tiles lie for windows with some strides, if there is a scheme for them. */
function schemeOf(stride: readonly number[]): Scheme | null {
  const [down, across] = stride.slice(-2);
  if (down !== across) return null;
  return down === 1 ? dense() : down === 2 ? strided() : null;
}

/** The scheme and the blocks for a gradient, if it is of windows over neighbouring places, and large enough. */
function tilingOf(task: WeightTask) {
  const { out, x, y, groups, before, stride, dilation } = task;
  const [rows, channels, ...taps] = [out.shape[0]! / groups, ...out.shape.slice(1)] as [number, number, ...number[]];
  const sizes = y.shape.slice(2);
  const scheme = schemeOf(stride);
  const fits =
    scheme !== null &&
    out.dtype === 'float32' &&
    worthTiles(scheme, taps, sizes, y.shape[0]!, channels, rows) &&
    dilation.slice(-2).every((n) => n === 1) &&
    (channels * windowCount(taps)) % VECTOR === 0 &&
    (x.strides.at(-1) === 1 || before.some((n) => n > 0)) &&
    (y.strides.at(-1) === 1 || sizes.slice(-2).some((n) => n % scheme.outputs > 0));
  if (!fits) return null;
  const blocks = blocksOf(task, scheme);
  return worthLeaving(scheme, sizes, nativeForGradient(task), blocks.native) ? { scheme, ...blocks } : null;
}

/** How the tiles of a gradient go in blocks, rows at a time, and the library for their products. */
function blocksOf({ out, y, groups }: WeightTask, scheme: Scheme) {
  const rows = out.shape[0]! / groups;
  const images = y.shape[0]!;
  const windows = out.shape[1]! * windowCount(out.shape.slice(2));
  const some = rowsAtOnce(scheme, rows, windows);
  const blocks = tiling(scheme, y.shape.slice(2), images, windows, rows, balanced(some, windows));
  const { perImage, block } = blocks;
  const native = nativeForPlaces(scheme, some, windows, block, Math.ceil((images * perImage) / block));
  return { ...blocks, rows, windows, some, native };
}

/** Brings patches of 3 × 3, of so many rows, channels and taps, to the places in larger or smaller windows that they are of. */
function putTogether(to: number, from: number, count: number, taps: readonly number[]): void {
  const [height, width] = taps.slice(-2) as [number, number];
  const [down, across] = windowsOf(taps) as [number, number];
  for (let i = 0; i < down; i++) {
    for (let j = 0; j < across; j++) {
      const shape = [count, Math.min(TAPS, height - TAPS * i), Math.min(TAPS, width - TAPS * j)];
      const move = mover('put', 'float32', shape, [height * width, width, 1], [down * across * TAPS ** 2, TAPS, 1]);
      move(now, to + TAPS * (i * width + j) * BYTES, from + (i * across + j) * WEIGHT_PATCH);
    }
  }
}

/** A gradient that suits tiles. False if it does not, or something was not finite; what `out` holds is then of no use. */
export function gradientByTiles(task: WeightTask): boolean {
  const lie = tilingOf(task);
  if (lie === null) return false;
  const { out, x, y, groups, before, after, stride, dilation } = task;
  const channels = out.shape[1]!;
  const taps = out.shape.slice(2);
  const sizes = y.shape.slice(2);
  const images = y.shape[0]!;
  const { scheme, counts, perImage, block, together, rows, windows, some, native } = lie;
  const blocksTogether = canShare() ? BLOCKS_TOGETHER : 1;
  const gemm = kernelsFor('conv', out.dtype);
  const packInputs = packer(gemm, scheme.inputs, gemm.columns);
  const packResults = packer(gemm, scheme.results, TILE_ROWS);
  const weights = toWeights(gemm, scheme);
  beginLaunchBeside();
  const w = startOf(out);
  const none = sizes.map(() => 0);
  const lots = lotsOf(images, together);
  const parts = partsOf(scheme, some, windows, lots.length);
  const wave = parts > 1 ? together : waveOf(x, images, together, channels, WAVE_BYTES);
  const ownRooms = parts > 1 ? new OwnRooms() : null;
  const inputs = frameOf(
    x,
    before,
    zerosBehind(scheme, x, before, after, none, counts, taps),
    wave,
    channels,
    1,
    ownRooms,
  );
  const behind = counts.map((n, d) => (d < counts.length - 2 ? 0 : scheme.outputs * n - sizes[d]!));
  const outputs = frameOf(y, none, behind, wave, some, 1, ownRooms);
  const lead = counts.slice(0, -2);
  const corners = (step: readonly number[], pitch: number): (readonly number[])[] =>
    cornersOf(
      lead.map((n, d) => steps(n, step[d]!)),
      none,
      counts,
      pitch,
    );
  const inputCorners = corners(stride, scheme.pitch);
  const outputCorners = corners(
    none.map(() => 1),
    scheme.outputs,
  );
  const tilesOf = perImages((n) => ({
    inputs: tileTable(inputs, inputCorners, n),
    outputs: tileTable(outputs, outputCorners, n),
  }));
  const [inputLine, outputLine] = [inputs.spatial.at(-2)!, outputs.spatial.at(-2)!];
  const leadTaps = lead.map((_, d) => steps(taps[d]!, dilation[d]));
  const xs = place(placesIn(inputs, { channels }, [...leadTaps, ...windowPlaces(taps)]), gemm.columns);
  const columns = { xs, count: windows, width: gemm.columns };
  /** Room for the transformed tiles of each block that is looked at together with others. */
  const rooms: { readonly a: Matrices; readonly b: Matrices }[] = [];
  const roomFor = (take: TakeRoom): { readonly a: Matrices; readonly b: Matrices } => ({
    a: operands(native, byPlace(scheme), some, TILE_ROWS, block, take),
    b: operands(native, byPlace(scheme), windows, gemm.columns, block, take),
  });
  const roomOf = (i: number): { readonly a: Matrices; readonly b: Matrices } => {
    rooms[i] ??= roomFor(scratch);
    return rooms[i];
  };
  const ofTasks = ownRooms === null ? null : roomFor((bytes) => ownRooms.take(bytes));
  const sumsOf = Array.from({ length: parts }, () => matrices(byGroup(scheme), some, windows));
  const c = sumsOf[0]!;
  const whole = taps.slice(-2).every((n) => n === TAPS);
  const patches = whole ? 0 : scratch(some * windows * WEIGHT_PATCH);
  const odd = oddWord();
  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < rows; r += some) {
      const height = Math.min(some, rows - r);
      const lines = { xs: table(height, outputs.channel, TILE_ROWS), count: height, width: TILE_ROWS };
      if (ownRooms !== null && ofTasks !== null) {
        const of = sharedSteps(native, scheme.places * height * windows * images * perImage);
        if (of === 0) joinWorkers();
        const tasks = tasksFor(of, parts);
        const sum = (run: Run, part: number): void => {
          const [begin, end] = shareOf(part, parts, lots.length);
          lots.slice(begin, end).forEach(([n, several], i) => {
            const tiles = tilesOf(several);
            const [from, x] = [outputs.at(n, several, g * rows + r, run), inputs.at(n, several, g * channels, run)];
            const { a, b } = ofTasks;
            for (let t = 0; t < several * perImage; t += block) {
              const count = Math.min(block, several * perImage - t);
              packPlaces(run, native, packResults, a, from, lines, tiles.outputs + 4 * t, count, outputLine);
              packPlaces(run, native, packInputs, b, x, columns, tiles.inputs + 4 * t, count, inputLine);
              const [to, more] = [sumsOf[part]!, i + t > 0];
              multiplyPlaces(run, scheme, gemm, native, to, a, b, height, windows, count, more, 0, scheme.places);
            }
          });
        };
        const work = (task: number, run: Run): void => {
          for (const part of steps(parts, 1).slice(...shareOf(task, tasks, parts))) sum(run, part);
        };
        leaveInTasks(tasks, of, work, ownRooms.laid);
        deal(null, ((parts - 1) * scheme.groups * c.place) / VECTOR / BYTES, scheme.groups, (run, from, end) => {
          const [skip, size] = [from * c.place, ((end - from) * c.place) / BYTES];
          for (const { at } of sumsOf.slice(1)) run(gemm.add, at + skip, c.at + skip, size);
        });
      }
      for (let n = 0; ownRooms === null && n < images; n += wave) {
        const many = Math.min(wave, images - n);
        const source = inputs.at(n, many, g * channels);
        const result = outputs.at(n, many, g * rows + r);
        const blocks = lotsOf(many, together).flatMap(([first, several]) =>
          steps(Math.ceil((several * perImage) / block), block).map((t) => ({
            first,
            t,
            count: Math.min(block, several * perImage - t),
            tiles: tilesOf(several),
          })),
        );
        for (let at = 0; at < blocks.length; at += blocksTogether) {
          const group = blocks.slice(at, at + blocksTogether);
          // Of each block there are two operands to transform, and each is many panels.
          const units = group.flatMap(({ first, t, count, tiles }, i) => {
            const { a, b } = roomOf(i);
            const [from, x] = [result + first * outputs.image, source + first * inputs.image];
            return [
              [packResults, a, from, lines, tiles.outputs + 4 * t, count, outputLine] as const,
              [packInputs, b, x, columns, tiles.inputs + 4 * t, count, inputLine] as const,
            ];
          });
          const tiles = group.reduce((sum, { count }) => sum + count, 0);
          deal(null, TRANSFORM_STEPS * (height + windows) * tiles, units.length, (run, from, end) => {
            for (const unit of units.slice(from, end)) packPlaces(run, native, ...unit);
          });
          deal(null, sharedSteps(native, scheme.places * height * windows * tiles), scheme.places, (run, from, end) => {
            group.forEach(({ first, t, count }, i) => {
              const { a, b } = roomOf(i);
              multiplyPlaces(run, scheme, gemm, native, c, a, b, height, windows, count, n + first + t > 0, from, end);
            });
          });
        }
      }
      const to = w + (g * rows + r) * channels * product(taps) * BYTES;
      deal(null, TRANSFORM_STEPS * height * windows, (height * windows) / VECTOR, (run, v0, v1) => {
        const from = c.at + v0 * VECTOR * BYTES;
        run(weights, from, c.place, v1 - v0, (whole ? to : patches) + v0 * VECTOR * WEIGHT_PATCH, odd.at);
      });
      if (odd.seen()) return false;
      if (!whole) putTogether(to, patches, height * channels * product(taps.slice(0, -2)), taps);
    }
  }
  return true;
}
