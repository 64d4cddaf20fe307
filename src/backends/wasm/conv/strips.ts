/**
 * Convolutions with short sums, as of images with few channels, or of few rows, as depthwise ones: windows would be
 * packed for too little. Where places follow each other along the last dimension, tiles of the result read them as
 * they are, and begin with the bias.
 */
import type { GemmKernels } from '../gemm-kernels.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import type { Operand, Plan } from '../plan.ts';
import { frameOf, isFramed, placesIn } from './frame.ts';
import { convKernels } from './kernels.ts';
import { mover } from './move.ts';
import { weightPanels } from './panels.ts';
import type { Part, Task } from './products.ts';
import { stripVectors } from './strip-kernels.ts';
import { areApart, product } from './tables.ts';

/** Longest sums that are not worth packing for; and with fewer rows than so many, where packing gains less. */
export const LONGEST_SUMS = 64;
const FEW_ROWS = 24;
const LONGEST_OF_FEW = 512;
/** Taps along the last dimension whose places are constants, at most. */
const MOST_TAPS = 8;
/** Bytes of images that are framed at a time. */
export const WAVE_BYTES = 1 << 20;

/** How taps along the last dimension lie: so many that follow each other, or go back, as in transposed convolutions. */
function tapsOf({ reach }: Part, phases: number): { readonly taps: number; readonly reversed: boolean } {
  const last = reach[reach.length - 1];
  const reversed = last[0] > last[last.length - 1];
  const together = phases === 1 && last.length <= MOST_TAPS && areApart(last, reversed ? -1 : 1);
  return together ? { taps: last.length, reversed } : { taps: 1, reversed: false };
}

/** Whether a part of a convolution is all of it, with short sums or few rows, and places that lie side by side. */
export function suitsStrips({ out, source, groups, before, after, phases }: Task, part: Part): boolean {
  const d = part.sizes.length - 1;
  const k = (source.shape[1] / groups) * product(part.taps.map((t) => t.length));
  const lanes = kernelsFor('conv', out.dtype).lanes.count;
  return (
    k > 0 &&
    k <= (out.shape[1] / groups < FEW_ROWS ? LONGEST_OF_FEW : LONGEST_SUMS) &&
    part.sizes[d] >= lanes &&
    product(out.shape) > 0 &&
    part.sizes.every((n, i) => n === out.shape[i + 2]) &&
    areApart(part.columns[d], phases) &&
    (isFramed(before, after) || phases > 1 || source.strides[d + 2] === 1)
  );
}

/**
 * Vectors of places, from one end of a line to the other, `vectors` of them in a tile: the last one of a line lies over
 * what it must of the one before. Words for where each is in the source and in the result.
 */
function tilesOf(plan: Plan, columns: Int32Array, width: number, lanes: number, bytes: number, vectors: number) {
  const words: number[] = [];
  for (let line = 0; line < columns.length; line += width) {
    for (let x = 0; x < width; x += lanes) {
      const at = line + Math.min(x, width - lanes);
      words.push(columns[at], at * bytes);
    }
  }
  while (words.length % (2 * vectors) !== 0) words.push(...words.slice(-2));
  return { table: plan.place(words), count: words.length / (2 * vectors) };
}

/** The weights of groups of one row, one after the other. */
function loneWeights(gemm: GemmKernels, { plan, source, weight, groups, channelStep, groupStep }: Task): number {
  const [channels, taps] = [source.shape[1] / groups, weight.shape.slice(2)];
  const shape = [groups, channels, ...taps];
  const to = plan.room(product(shape) * gemm.bytes);
  const strides = shape.map((_, d) => product(shape.slice(d + 1)));
  const from = [groupStep, channelStep, ...weight.strides.slice(2)];
  mover(plan, 'put', weight.dtype, shape, strides, from)(plan.call, to, weight.at);
  return to;
}

/** A convolution that suits, and `bias` [channels] added to it. */
export function convolveStrips(task: Task, part: Part, bias: Operand | null): void {
  const { plan, out, source, groups } = task;
  const gemm = kernelsFor(task.op, out.dtype);
  const { bytes, lanes } = gemm;
  const images = out.shape[0];
  const channels = source.shape[1] / groups;
  const d = part.sizes.length - 1;
  const imageBytes = product(source.shape.slice(1)) * bytes;
  const wave = Math.min(images, Math.max(1, Math.floor(WAVE_BYTES / imageBytes)));
  const frame = frameOf(plan, source, task.before, task.after, wave, source.shape[1], task.phases);
  const rows = out.shape[1] / groups;
  const k = channels * product(part.taps.map((t) => t.length));
  const panels = Math.ceil(rows / TILE_ROWS);
  const weights = rows > 1 ? weightPanels(gemm, task, part, true) : null;
  const lone = weights === null ? loneWeights(gemm, task) : 0;
  const groupBytes = weights?.groupBytes ?? k * bytes;
  const columns = placesIn(frame, {}, part.columns);
  const tiles = new Map<number, ReturnType<typeof tilesOf>>();
  for (const some of new Set([Math.min(TILE_ROWS, rows), rows % TILE_ROWS || TILE_ROWS])) {
    tiles.set(some, tilesOf(plan, columns, part.sizes[d], lanes.count, bytes, stripVectors(some)));
  }
  const { taps, reversed } = tapsOf(part, task.phases);
  const reach = taps === 1 ? part.reach : part.reach.with(d, [Math.min(...part.reach[d])]);
  const lines = placesIn(frame, { channels }, reach);
  const lineTable = plan.place(lines);
  const starts = plan.room(Math.ceil(out.shape[1] / TILE_ROWS + 1) * TILE_ROWS * bytes);
  if (bias === null) plan.clear(starts, out.shape[1] * bytes);
  else mover(plan, 'put', out.dtype, [out.shape[1]], [1], bias.strides)(plan.call, starts, bias.at);
  const row = out.strides[1] * bytes;
  const strip = convKernels(gemm).strips(taps, reversed);
  for (let n = 0; n < images; n += wave) {
    const some = Math.min(wave, images - n);
    const base = frame.at(n, some, 0);
    const units = some * groups * panels;
    plan.deal(null, out.shape[1] * k * some * columns.length, units, (run, first, end) => {
      for (let unit = first, together = 1; unit < end; unit += together) {
        const [image, group] = [Math.floor(unit / (groups * panels)), Math.floor(unit / panels) % groups];
        const i = (unit % panels) * TILE_ROWS;
        const channel = group * rows + i;
        const height = Math.min(TILE_ROWS, rows - i);
        const { table, count } = tiles.get(height)!;
        if (panels === 1) together = Math.min(end - unit, groups - group);
        run(
          strip(height, rows === 1 ? 1 : TILE_ROWS),
          weights?.at(group, i, 0, k) ?? lone + group * groupBytes,
          base + image * frame.image + group * channels * frame.channel,
          table,
          count,
          out.at + (n + image) * out.strides[0] * bytes + channel * row,
          row,
          lineTable,
          lines.length,
          starts + channel * bytes,
          0,
          together,
          groupBytes,
          channels * frame.channel,
        );
      }
    });
  }
}
