/** Gradients of convolutions by their weights, by the same transforms as in `winograd.ts`: sums over tiles of images. */
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import type { Plan } from '../plan.ts';
import { OwnRooms } from '../threads/own.ts';
import { type Run, shareOf, tasksAmong } from '../threads/share.ts';
import { frameOf, placesIn } from './frame.ts';
import { mover } from './move.ts';
import { perCount, product, steps } from './tables.ts';
import { nativeForGradient, type WeightTask } from './weights.ts';
import {
  byGroup,
  byPlace,
  matrices,
  multiplyPlaces,
  nativeForPlaces,
  operands,
  packer,
  packPlaces,
  sharedSteps,
  TRANSFORM_STEPS,
  toWeights,
  WEIGHT_PATCH,
} from './winograd-places.ts';
import { dense, type Scheme, strided, TAPS } from './winograd-scheme.ts';
import {
  BYTES,
  cornersOf,
  lotsOf,
  rowsAtOnce,
  table,
  tileTable,
  tiling,
  VECTOR,
  windowCount,
  windowPlaces,
  windowsOf,
  worthLeaving,
  worthTiles,
  zerosBehind,
} from './winograd-tiling.ts';

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
  if (scheme === null) return null;
  const size = [scheme, taps, sizes, y.shape[0]!, channels, rows] as const;
  const fits =
    out.dtype === 'float32' &&
    worthTiles(...size) &&
    dilation.slice(-2).every((n) => n === 1) &&
    (channels * windowCount(taps)) % VECTOR === 0 &&
    (x.strides.at(-1) === 1 || before.some((n) => n > 0)) &&
    (y.strides.at(-1) === 1 || sizes.slice(-2).some((n) => n % scheme.outputs > 0));
  if (!fits) return null;
  const blocks = blocksOf(task, scheme);
  return worthLeaving(...size, nativeForGradient(task), blocks.native) ? { scheme, ...blocks } : null;
}

/** How the tiles of a gradient go in blocks, rows at a time, and the library for their products. */
function blocksOf({ plan, out, y, groups }: WeightTask, scheme: Scheme) {
  const rows = out.shape[0]! / groups;
  const images = y.shape[0]!;
  const windows = out.shape[1]! * windowCount(out.shape.slice(2));
  const some = rowsAtOnce(scheme, rows, windows);
  const blocks = tiling(scheme, y.shape.slice(2), images, windows, rows, balanced(some, windows));
  const { perImage, block } = blocks;
  const native = nativeForPlaces(plan, scheme, some, windows, block, Math.ceil((images * perImage) / block));
  return { ...blocks, rows, windows, some, native };
}

/** Brings patches of 3 × 3, of so many rows, channels and taps, to the places in larger or smaller windows that they are of. */
function putTogether(plan: Plan, to: number, from: number, count: number, taps: readonly number[]): void {
  const [height, width] = taps.slice(-2) as [number, number];
  const [down, across] = windowsOf(taps) as [number, number];
  for (let i = 0; i < down; i++) {
    for (let j = 0; j < across; j++) {
      const shape = [count, Math.min(TAPS, height - TAPS * i), Math.min(TAPS, width - TAPS * j)];
      const move = mover(
        plan,
        'put',
        'float32',
        shape,
        [height * width, width, 1],
        [down * across * TAPS ** 2, TAPS, 1],
      );
      move(plan.call, to + TAPS * (i * width + j) * BYTES, from + (i * across + j) * WEIGHT_PATCH);
    }
  }
}

/** A gradient, if it suits tiles. If something is not finite, what `out` holds then is of no use. */
export function gradientByTiles(task: WeightTask): boolean {
  const lie = tilingOf(task);
  if (lie === null) return false;
  const { plan, out, x, y, groups, before, after, stride, dilation } = task;
  const channels = out.shape[1]!;
  const taps = out.shape.slice(2);
  const sizes = y.shape.slice(2);
  const images = y.shape[0]!;
  const { scheme, counts, perImage, block, together, rows, windows, some, native } = lie;
  const gemm = kernelsFor('conv', out.dtype);
  const packInputs = packer(gemm, scheme.inputs);
  const packResults = packer(gemm, scheme.results);
  const weights = toWeights(gemm, scheme);
  const none = sizes.map(() => 0);
  const lots = lotsOf(images, together);
  const parts = partsOf(scheme, some, windows, lots.length);
  const ownRooms = parts > 1 ? new OwnRooms(plan.room) : null;
  const take = (bytes: number): number => (ownRooms === null ? plan.room(bytes) : ownRooms.take(bytes));
  const inputs = frameOf(
    plan,
    x,
    before,
    zerosBehind(scheme, x, before, after, none, counts, taps),
    together,
    channels,
    1,
    ownRooms,
  );
  const behind = counts.map((n, d) => (d < counts.length - 2 ? 0 : scheme.outputs * n - sizes[d]!));
  const outputs = frameOf(plan, y, none, behind, together, some, 1, ownRooms);
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
  const tilesOf = perCount((n) => ({
    inputs: tileTable(plan, inputs, inputCorners, n),
    outputs: tileTable(plan, outputs, outputCorners, n),
  }));
  const [inputLine, outputLine] = [inputs.spatial.at(-2)!, outputs.spatial.at(-2)!];
  const leadTaps = lead.map((_, d) => steps(taps[d]!, dilation[d]));
  const xs = plan.place(placesIn(inputs, { channels }, [...leadTaps, ...windowPlaces(taps)]), gemm.columns);
  const columns = { xs, count: windows, width: gemm.columns };
  const a = operands(native, byPlace(scheme), some, TILE_ROWS, block, take);
  const b = operands(native, byPlace(scheme), windows, gemm.columns, block, take);
  const sumsOf = Array.from({ length: parts }, () => matrices(byGroup(scheme), some, windows, plan.room));
  const c = sumsOf[0]!;
  const whole = taps.slice(-2).every((n) => n === TAPS);
  const patches = whole ? 0 : plan.room(some * windows * WEIGHT_PATCH);
  const odd = plan.oddWord();
  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < rows; r += some) {
      const height = Math.min(some, rows - r);
      const lines = { xs: table(plan, height, outputs.channel, TILE_ROWS), count: height, width: TILE_ROWS };
      const of = sharedSteps(native, scheme.places * height * windows * images * perImage);
      const sum = (by: Run | null, part: number): void => {
        lots.slice(...shareOf(part, parts, lots.length)).forEach(([n, several], i) => {
          const tiles = tilesOf(several);
          const run = by ?? undefined;
          const [from, x] = [outputs.at(n, several, g * rows + r, run), inputs.at(n, several, g * channels, run)];
          for (let t = 0; t < several * perImage; t += block) {
            const count = Math.min(block, several * perImage - t);
            packPlaces(plan, by, native, packResults, a, from, lines, tiles.outputs + 4 * t, count, outputLine);
            packPlaces(plan, by, native, packInputs, b, x, columns, tiles.inputs + 4 * t, count, inputLine);
            const [to, more] = [sumsOf[part]!, i + t > 0];
            const size = sharedSteps(native, scheme.places * height * windows * count);
            plan.deal(by, size, scheme.places, (run, first, end) => {
              multiplyPlaces(run, scheme, gemm, native, to, a, b, height, windows, count, more, first, end);
            });
          }
        });
      };
      if (ownRooms === null) sum(null, 0);
      else {
        const tasks = tasksAmong(of, parts);
        const work = (task: number, run: Run): void => {
          for (const part of steps(parts, 1).slice(...shareOf(task, tasks, parts))) sum(run, part);
        };
        plan.inTasks(tasks, of, work, ownRooms.laid);
        plan.deal(null, ((parts - 1) * scheme.groups * c.place) / VECTOR / BYTES, scheme.groups, (run, from, end) => {
          const [skip, size] = [from * c.place, ((end - from) * c.place) / BYTES];
          for (const { at } of sumsOf.slice(1)) run(gemm.add, at + skip, c.at + skip, size);
        });
      }
      const to = out.at + (g * rows + r) * channels * product(taps) * BYTES;
      plan.deal(null, TRANSFORM_STEPS * height * windows, (height * windows) / VECTOR, (run, v0, v1) => {
        const from = c.at + v0 * VECTOR * BYTES;
        run(weights, from, c.place, v1 - v0, (whole ? to : patches) + v0 * VECTOR * WEIGHT_PATCH, odd);
      });
      if (!whole) putTogether(plan, to, patches, height * channels * product(taps.slice(0, -2)), taps);
    }
  }
  return true;
}
