/**
 * The gradient of a convolution by its weights: the result times windows. Rows are channels of the
 * result, columns are channels of the source and taps, and the sum runs over images and places.
 */

import type { Strided } from '../../../kernels/strided.ts';
import { clear } from '../clear.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { BLOCK_COLUMNS, BLOCK_ROWS, blockLength, LONGEST_K } from '../gemm-product.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunch, scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { inTasks, shareOf, tasksFor } from '../threads/share.ts';
import { DOT_WIDTHS } from './direct.ts';
import { frameOf, placesIn } from './frame.ts';
import { convKernels } from './kernels.ts';
import { groupsTogether } from './products.ts';
import { place, product, steps, sums } from './tables.ts';

/** With fewer rows than this, the gradient is made of inner products. */
const FEW_ROWS = 8;
/** With fewer places than this in an image, those of several images are summed together. */
const PLACES_TOGETHER = 256;
/** Products that an inner product adds up before it is added to others. */
const DOT_LENGTH = 1024;

export interface WeightTask {
  /** [O, C / groups, k…], contiguous. */
  readonly out: Strided;
  /** [N, C, d…] */
  readonly x: Strided;
  /** [N, O, d′…] */
  readonly y: Strided;
  readonly groups: number;
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
}

/** The operands of a group: elements are at sums of an address and entries of two tables, in bytes. */
interface Sums {
  readonly rows: number;
  readonly count: number;
  /** Of y, by row and by place; of x, by channel and tap, and by place. */
  readonly rowStep: number;
  readonly rowPlaces: Int32Array;
  readonly columns: Int32Array;
  readonly columnPlaces: Int32Array;
}

/** Addresses of a group: its part of the result, and where its rows of y and its windows begin. */
interface Group {
  readonly c: number;
  readonly row: number;
  readonly base: number;
}

/** Sums the products of so many places, for some groups. */
type SumProducts = (groups: readonly Group[], places: number, accumulate: boolean) => void;

/** `out[o, c, k] = Σ x[n, c, s p − a + d k] y[n, o, p]` over images n and places p. */
export function weightProducts(task: WeightTask): void {
  const { out, x, y, groups, stride, dilation } = task;
  const gemm = kernelsFor('conv', out.dtype);
  const { bytes } = gemm;
  beginLaunch();
  const sizes = y.shape.slice(2);
  const taps = out.shape.slice(2);
  const places = product(sizes);
  const images = y.shape[0];
  const rows = out.shape[0] / groups;
  const channels = out.shape[1];
  const count = channels * product(taps);
  const c = startOf(out);
  if (images * places === 0) {
    clear(c, groups * rows * count * bytes);
    return;
  }
  if (groups * rows * count === 0) return;
  const together = places < PLACES_TOGETHER ? Math.min(images, Math.ceil(PLACES_TOGETHER / places)) : 1;
  const wave = groupsTogether(groups, channels, x, together);
  const frame = frameOf(x, task.before, task.after, together, wave * channels);
  const row = startOf(y);
  const [imageStep, rowStep, ...spatial] = y.strides.map((s) => s * bytes) as [number, number, ...number[]];
  const operands: Sums = {
    rows,
    count,
    rowStep,
    rowPlaces: sums([steps(together, imageStep), ...sizes.map((n, d) => steps(n, spatial[d]))]),
    columns: placesIn(
      frame,
      { channels },
      taps.map((n, d) => steps(n, dilation[d])),
    ),
    columnPlaces: placesIn(
      frame,
      { images: together },
      sizes.map((n, d) => steps(n, stride[d])),
    ),
  };
  const sum = rows < FEW_ROWS ? innerProducts(gemm, operands) : packedProducts(gemm, operands);
  for (let n = 0; n < images; n += together) {
    const several = Math.min(together, images - n);
    for (let g = 0; g < groups; g += wave) {
      const base = frame.at(n, several, g * channels);
      const some = Array.from({ length: Math.min(wave, groups - g) }, (_, i) => ({
        c: c + (g + i) * rows * count * bytes,
        row: row + n * imageStep + (g + i) * rows * rowStep,
        base: base + i * channels * frame.channel,
      }));
      sum(some, several * places, n > 0);
    }
  }
}

/** Places whose rows are packed at a time. */
const LONGEST_ROWS = 8 * LONGEST_K;

/** Rows are packed, then for each stretch of columns windows, block by block, and multiplied. */
function packedProducts(gemm: GemmKernels, { rows, count, rowStep, ...of }: Sums): SumProducts {
  const { bytes, columns, packed } = gemm;
  const kernels = convKernels(gemm);
  const packRows = kernels.pack('along', TILE_ROWS);
  const packColumns = kernels.pack('along', columns);
  const rowTable = place(sums([steps(rows, rowStep)]), TILE_ROWS);
  const rowPlaces = place(of.rowPlaces);
  const columnTable = place(of.columns, columns);
  const columnPlaces = place(of.columnPlaces);
  const rowPanels = Math.ceil(rows / TILE_ROWS);
  const a = scratch(rowPanels * TILE_ROWS * Math.min(of.rowPlaces.length, LONGEST_ROWS) * bytes);
  const rooms: number[] = [];
  const cRow = count * bytes;

  /** The products of places `start` to `end` in blocks of `step`. */
  const stretch = ({ c, row, base }: Group, start: number, end: number, step: number, accumulate: boolean): void => {
    const eachBlock = (visit: (at: number, length: number, rowsAt: number) => void): void => {
      for (let at = start; at < end; at += step) {
        visit(at, Math.min(step, end - at), a + rowPanels * TILE_ROWS * (at - start) * bytes);
      }
    };
    const blocks = Math.ceil((end - start) / step);
    const packs = tasksFor(4 * rows * (end - start), blocks);
    inTasks(packs, (t, run) => {
      const [first, last] = shareOf(t, packs, blocks);
      eachBlock((at, length, to) => {
        const block = (at - start) / step;
        if (block >= first && block < last) run(packRows, row, rowTable, rowPlaces + 4 * at, to, length, rowPanels);
      });
    });
    const units = Math.ceil(count / columns);
    const tasks = tasksFor(rows * count * (end - start), units);
    inTasks(tasks, (t, run) => {
      const [from, to] = shareOf(t, tasks, units).map((unit) => Math.min(count, unit * columns)) as [number, number];
      rooms[t] ??= scratch(Math.ceil(BLOCK_COLUMNS / columns) * columns * LONGEST_K * bytes);
      for (let j = from; j < to; j += BLOCK_COLUMNS) {
        const width = Math.min(BLOCK_COLUMNS, to - j);
        eachBlock((at, length, rowsAt) => {
          const panels = Math.ceil(width / columns);
          run(packColumns, base, columnTable + 4 * j, columnPlaces + 4 * at, rooms[t], length, panels);
          for (let i = 0; i < rows; i += BLOCK_ROWS) {
            const height = Math.min(BLOCK_ROWS, rows - i);
            const [aPanel, bPanel] = [TILE_ROWS * length * bytes, columns * length * bytes];
            const [y, more] = [c + i * cRow + j * bytes, Number(accumulate || at > 0)];
            run(
              packed,
              rowsAt + i * length * bytes,
              0,
              0,
              aPanel,
              rooms[t],
              0,
              bPanel,
              y,
              cRow,
              height,
              width,
              length,
              more,
            );
          }
        });
      }
    });
  };
  return (groups, places, accumulate) => {
    const step = blockLength(places);
    const most = Math.max(1, Math.floor(LONGEST_ROWS / step)) * step;
    for (const group of groups) {
      for (let start = 0; start < places; start += most) {
        stretch(group, start, Math.min(places, start + most), step, accumulate);
      }
    }
  };
}

/** The inner products of one row at a time, along stretches in which the places of both operands follow each other. */
function innerProducts(gemm: GemmKernels, { rows, count, rowStep, ...of }: Sums): SumProducts {
  const { bytes } = gemm;
  const kernels = convKernels(gemm);
  const columnTable = place(of.columns);
  const blocks = new Map<number, readonly Block[]>();
  return (groups, places, accumulate) => {
    let list = blocks.get(places);
    if (list === undefined) {
      list = runsOf(of.rowPlaces, of.columnPlaces, places, bytes);
      blocks.set(places, list);
    }
    const units = groups.length * rows;
    const tasks = tasksFor(units * count * places, units);
    inTasks(tasks, (t, run) => {
      const [from, to] = shareOf(t, tasks, units);
      for (let unit = from; unit < to; unit++) {
        const { c, row, base } = groups[Math.floor(unit / rows)];
        const r = unit % rows;
        list.forEach(({ table, runs }, block) => {
          let j = 0;
          for (const width of DOT_WIDTHS) {
            const dots = kernels.dots(width);
            for (; j + width <= count; j += width) {
              const [y, more] = [c + (r * count + j) * bytes, Number(accumulate || block > 0)];
              run(dots, row + r * rowStep, base, columnTable + 4 * j, table, runs, y, more);
            }
          }
        });
      }
    });
  };
}

/** A table of runs whose products are summed before they are added to others. */
interface Block {
  readonly table: number;
  readonly runs: number;
}

function runsOf(rowPlaces: Int32Array, columnPlaces: Int32Array, places: number, bytes: number): Block[] {
  const blocks: Block[] = [];
  for (let start = 0; start < places; start += DOT_LENGTH) {
    const end = Math.min(places, start + DOT_LENGTH);
    const words: number[] = [];
    for (let at = start; at < end; ) {
      let next = at + 1;
      while (
        next < end &&
        rowPlaces[next] - rowPlaces[next - 1] === bytes &&
        columnPlaces[next] - columnPlaces[next - 1] === bytes
      )
        next++;
      words.push(rowPlaces[at], columnPlaces[at], next - at);
      at = next;
    }
    blocks.push({ table: place(Int32Array.from(words)), runs: words.length / 3 });
  }
  return blocks;
}
