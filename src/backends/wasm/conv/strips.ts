/**
 * Convolutions with short sums, as of images with few channels: windows would be packed for too few rows.
 * Where places and taps follow each other along the last dimension, tiles of the result read them as they
 * are, and begin with the bias.
 */
import type { Strided } from '../../../kernels/strided.ts';
import { clear } from '../clear.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunchBeside, scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { deal, inTurn } from '../threads/share.ts';
import { frameOf, isFramed, placesIn } from './frame.ts';
import { convKernels } from './kernels.ts';
import { mover } from './move.ts';
import { WeightPanels } from './panels.ts';
import type { Part, Task } from './products.ts';
import { STRIP_VECTORS } from './strip-kernels.ts';
import { place, product } from './tables.ts';

/** With fewer rows than this, other kernels make more places at once. */
const FEWEST_ROWS = 4;
/** Longest sums that are not worth packing for, and taps along the last dimension. */
export const LONGEST_SUMS = 64;
const MOST_TAPS = 8;
/** Bytes of images that are framed at a time. */
export const WAVE_BYTES = 1 << 20;

const neighbours = (list: readonly number[]): boolean => list.every((n, i) => i === 0 || n - list[i - 1] === 1);

/** Whether what taps along the last dimension reach goes from right to left, as in transposed convolutions. */
const goesBack = ({ reach }: Part): boolean => {
  const last = reach[reach.length - 1];
  return last[0] > last[last.length - 1];
};

/** Whether a part of a convolution is all of it, with short sums over neighbours. */
export function suitsStrips({ out, source, groups, before, after }: Task, part: Part): boolean {
  const d = part.sizes.length - 1;
  const width = part.sizes[d];
  const taps = part.taps[d].length;
  const k = (source.shape[1] / groups) * product(part.taps.map((t) => t.length));
  const lanes = kernelsFor('conv', out.dtype).lanes.count;
  return (
    out.shape[1] / groups >= FEWEST_ROWS &&
    k > 0 &&
    k <= LONGEST_SUMS &&
    taps <= MOST_TAPS &&
    width >= lanes &&
    product(out.shape) > 0 &&
    part.sizes.every((n, i) => n === out.shape[i + 2]) &&
    neighbours(part.columns[d]) &&
    (neighbours(part.reach[d]) || neighbours(part.reach[d].toReversed())) &&
    (isFramed(before, after) || source.strides[d + 2] === 1)
  );
}

/**
 * Vectors of places, from one end of a line to the other: the last one lies over what it must of the one
 * before. Words for where each is in the source and in the result.
 */
function tilesOf(columns: Int32Array, width: number, lanes: number, bytes: number): Int32Array {
  const words: number[] = [];
  for (let line = 0; line < columns.length; line += width) {
    for (let x = 0; x < width; x += lanes) {
      const at = line + Math.min(x, width - lanes);
      words.push(columns[at], at * bytes);
    }
  }
  while (words.length % (2 * STRIP_VECTORS) !== 0) words.push(...words.slice(-2));
  return Int32Array.from(words);
}

/** A convolution that suits, and `bias` [channels] added to it. */
export function convolveStrips(task: Task, part: Part, bias: Strided | null): void {
  const { out, source, weight, groups } = task;
  const gemm = kernelsFor(task.op, out.dtype);
  const { bytes, lanes } = gemm;
  beginLaunchBeside();
  const to = startOf(out);
  startOf(source);
  startOf(weight);
  const biasFrom = bias === null ? 0 : startOf(bias);
  const images = out.shape[0];
  const channels = source.shape[1] / groups;
  const d = part.sizes.length - 1;
  const imageBytes = product(source.shape.slice(1)) * bytes;
  const wave = Math.min(images, Math.max(1, Math.floor(WAVE_BYTES / imageBytes)));
  const frame = frameOf(source, task.before, task.after, wave, source.shape[1]);
  const weights = new WeightPanels(gemm, task, part);
  const { rows, k } = weights;
  const columns = placesIn(frame, {}, part.columns);
  const words = tilesOf(columns, part.sizes[d], lanes.count, bytes);
  const tiles = place(words);
  const count = words.length / (2 * STRIP_VECTORS);
  const lines = placesIn(frame, { channels }, part.reach.with(d, [Math.min(...part.reach[d])]));
  const lineTable = place(lines);
  const starts = scratch(Math.ceil(out.shape[1] / TILE_ROWS + 1) * TILE_ROWS * bytes);
  if (bias === null) clear(starts, out.shape[1] * bytes);
  else mover('put', out.dtype, [out.shape[1]], [1], bias.strides)(inTurn, starts, biasFrom);
  const row = out.strides[1] * bytes;
  const strip = convKernels(gemm).strips(part.taps[d].length, goesBack(part));
  const panels = Math.ceil(rows / TILE_ROWS);
  for (let n = 0; n < images; n += wave) {
    const some = Math.min(wave, images - n);
    const base = frame.at(n, some, 0);
    const units = some * groups * panels;
    deal(null, out.shape[1] * k * some * columns.length, units, (run, first, end) => {
      for (let unit = first; unit < end; unit++) {
        const [image, group] = [Math.floor(unit / (groups * panels)), Math.floor(unit / panels) % groups];
        const i = (unit % panels) * TILE_ROWS;
        const channel = group * rows + i;
        run(
          strip(Math.min(TILE_ROWS, rows - i)),
          weights.at(group, i, 0, k),
          base + image * frame.image + group * channels * frame.channel,
          tiles,
          count,
          to + (n + image) * out.strides[0] * bytes + channel * row,
          row,
          lineTable,
          lines.length,
          starts + channel * bytes,
          0,
        );
      }
    });
  }
}
