/** Gradients of convolutions by their weights, by the same transforms as in `winograd.ts`: sums over tiles of images. */
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { canShare } from '../threads/pool.ts';
import { deal } from '../threads/share.ts';
import { frameOf } from './frame.ts';
import { product, steps } from './tables.ts';
import type { WeightTask } from './weights.ts';
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
  WEIGHT_PATCH,
  waveOf,
  zerosBehind,
} from './winograd-places.ts';

/** Bytes of images whose tiles are dealt out to threads at a time; tiles are looked at twice. */
const WAVE_BYTES = 3 << 20;
/** Blocks of tiles that threads transform before they multiply them. */
const BLOCKS_TOGETHER = 4;

/** Tiles for which sums are moved no more often than what is summed, where products are added up over tiles. */
const balanced = (rows: number, channels: number): number => Math.floor((rows * channels) / (rows + channels));

/** Whether a gradient is of 3 × 3 windows over neighbouring places, and large enough. */
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

/** Such a gradient. False if something was not finite; what `out` holds is then of no use. */
export function gradientByTiles(task: WeightTask): boolean {
  const { out, x, y, groups, before } = task;
  const [channels, rows] = [out.shape[1]!, out.shape[0]! / groups];
  const sizes = y.shape.slice(2);
  const images = y.shape[0]!;
  const some = rowsAtOnce(rows, channels);
  const { counts, perImage, block, together } = tiling(sizes, images, channels, rows, balanced(some, channels));
  const blocksTogether = canShare() ? BLOCKS_TOGETHER : 1;
  const gemm = kernelsFor('conv', out.dtype);
  const kernels = kernelsOf(gemm);
  beginLaunch();
  const w = startOf(out);
  const none = sizes.map(() => 0);
  const wave = waveOf(x, images, together, channels, WAVE_BYTES);
  const inputs = frameOf(x, before, zerosBehind(x, before, none, counts), wave, channels);
  const behind = counts.map((n, d) => OUTPUTS * n - sizes[d]!);
  const outputs = frameOf(y, none, behind, wave, some);
  const tilesOf = perImages((n) => ({
    inputs: tileTable(inputs, none, counts, n),
    outputs: tileTable(outputs, none, counts, n),
  }));
  const columns = { xs: table(channels, inputs.channel, gemm.columns), count: channels, width: gemm.columns };
  /** Room for the transformed tiles of each block that is looked at together with others. */
  const rooms: { readonly a: Matrices; readonly b: Matrices }[] = [];
  const roomOf = (i: number): { readonly a: Matrices; readonly b: Matrices } => {
    rooms[i] ??= { a: matrices(ceil(some, TILE_ROWS), block), b: matrices(ceil(channels, gemm.columns), block) };
    return rooms[i];
  };
  const c = { ...matrices(some, channels), row: channels * BYTES };
  const odd = oddWord();
  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < rows; r += some) {
      const height = Math.min(some, rows - r);
      const lines = { xs: table(height, outputs.channel, TILE_ROWS), count: height, width: TILE_ROWS };
      for (let n = 0; n < images; n += wave) {
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
              [kernels.outputs, a, from, lines, tiles.outputs + 4 * t, count, outputs.spatial[0]!] as const,
              [kernels.inputs, b, x, columns, tiles.inputs + 4 * t, count, inputs.spatial[0]!] as const,
            ];
          });
          const tiles = group.reduce((sum, { count }) => sum + count, 0);
          deal(null, TRANSFORM_STEPS * (height + channels) * tiles, units.length, (run, from, end) => {
            for (const unit of units.slice(from, end)) packPlaces(run, ...unit);
          });
          deal(null, PLACES * height * channels * tiles, PLACES, (run, from, end) => {
            group.forEach(({ first, t, count }, i) => {
              const { a, b } = roomOf(i);
              multiplyPlaces(run, gemm, c, a, b, height, channels, count, n + first + t > 0, from, end);
            });
          });
        }
      }
      const to = w + (g * rows + r) * channels * WEIGHT_PATCH;
      deal(null, TRANSFORM_STEPS * height * channels, (height * channels) / VECTOR, (run, v0, v1) => {
        const from = c.at + v0 * VECTOR * BYTES;
        run(kernels.toWeights, from, c.place, v1 - v0, to + v0 * VECTOR * WEIGHT_PATCH, odd.at);
      });
      if (odd.seen()) return false;
    }
  }
  return true;
}
