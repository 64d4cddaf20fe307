/**
 * The gradient of a convolution by its weights: the result times windows. Rows are channels of the
 * result, columns are channels of the source and taps, and the sum runs over images and places.
 */

import type { Strided } from '../../../kernels/strided.ts';
import { clear } from '../clear.ts';
import { BLOCK_COLUMNS, BLOCK_ROWS, blockLength, kernelsFor, LONGEST_K } from '../gemm.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunch, scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { DOT_WIDTHS } from './direct.ts';
import { frameOf, placesIn } from './frame.ts';
import { convKernels } from './kernels.ts';
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

/** The operands of a group of rows: elements are at sums of an address and entries of two tables, in bytes. */
interface Sums {
  readonly rows: number;
  readonly count: number;
  /** Of y, by row and by place; of x, by channel and tap, and by place. */
  readonly rowStep: number;
  readonly rowPlaces: Int32Array;
  readonly columns: Int32Array;
  readonly columnPlaces: Int32Array;
}

/** `(c, row, base, places, accumulate)`: the products of as many places. */
type SumProducts = (c: number, row: number, base: number, places: number, accumulate: boolean) => void;

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
  const frame = frameOf(x, task.before, task.after, together, channels);
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
    for (let g = 0; g < groups; g++) {
      const base = frame.at(n, several, g);
      const rowsAt = row + n * imageStep + g * rows * rowStep;
      sum(c + g * rows * count * bytes, rowsAt, base, several * places, n > 0);
    }
  }
}

function packedProducts(gemm: GemmKernels, { rows, count, rowStep, ...of }: Sums): SumProducts {
  const { bytes, columns, packed } = gemm;
  const kernels = convKernels(gemm);
  const packRows = kernels.pack('along', TILE_ROWS);
  const packColumns = kernels.pack('along', columns);
  const rowTable = place(sums([steps(rows, rowStep)]), TILE_ROWS);
  const rowPlaces = place(of.rowPlaces);
  const columnTable = place(of.columns, columns);
  const columnPlaces = place(of.columnPlaces);
  const panels = (n: number, width: number): number => Math.ceil(n / width);
  const longest = Math.min(of.rowPlaces.length, LONGEST_K);
  const a = scratch(panels(rows, TILE_ROWS) * TILE_ROWS * longest * bytes);
  const b = scratch(panels(Math.min(count, BLOCK_COLUMNS), columns) * columns * longest * bytes);
  const cRow = count * bytes;
  return (c, row, base, places, accumulate) => {
    const step = blockLength(places);
    for (let at = 0; at < places; at += step) {
      const length = Math.min(step, places - at);
      packRows(row, rowTable, rowPlaces + 4 * at, a, length, panels(rows, TILE_ROWS));
      for (let j = 0; j < count; j += BLOCK_COLUMNS) {
        const width = Math.min(BLOCK_COLUMNS, count - j);
        packColumns(base, columnTable + 4 * j, columnPlaces + 4 * at, b, length, panels(width, columns));
        for (let i = 0; i < rows; i += BLOCK_ROWS) {
          const height = Math.min(BLOCK_ROWS, rows - i);
          const to = c + i * cRow + j * bytes;
          const [aPanel, bPanel] = [TILE_ROWS * length * bytes, columns * length * bytes];
          const more = Number(accumulate || at > 0);
          packed(a + i * length * bytes, 0, 0, aPanel, b, 0, bPanel, to, cRow, height, width, length, more);
        }
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
  return (c, row, base, places, accumulate) => {
    let list = blocks.get(places);
    if (list === undefined) {
      list = runsOf(of.rowPlaces, of.columnPlaces, places, bytes);
      blocks.set(places, list);
    }
    list.forEach(({ table, runs }, block) => {
      const more = Number(accumulate || block > 0);
      for (let r = 0; r < rows; r++) {
        let j = 0;
        for (const width of DOT_WIDTHS) {
          const dots = kernels.dots(width);
          for (; j + width <= count; j += width) {
            dots(row + r * rowStep, base, columnTable + 4 * j, table, runs, c + (r * count + j) * bytes, more);
          }
        }
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
