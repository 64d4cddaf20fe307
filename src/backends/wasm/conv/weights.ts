/**
 * The gradient of a convolution by its weights: the result times windows. Rows are channels of the
 * result, columns are channels of the source and taps, and the sum runs over images and places.
 */

import type { NativeGemm } from '../blas/product.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { BLOCK_COLUMNS, BLOCK_ROWS } from '../gemm-product.ts';
import { blockLength, LONGEST_K } from '../gemm-room.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import type { Operand, Plan } from '../plan.ts';
import type { Run } from '../threads/share.ts';
import { DOT_WIDTHS } from './direct.ts';
import { frameOf, phasesOf, placesIn } from './frame.ts';
import { convKernels } from './kernels.ts';
import { columnsTogether, evenly, matrixOf, nativeFor, roomsOf, UNIT } from './native.ts';
import { groupsTogether } from './products.ts';
import { perCount, product, steps, sums } from './tables.ts';

/** With fewer rows than this, the gradient is made of inner products. */
export const FEW_ROWS = 8;
/** With fewer places than this in an image, those of several images are summed together. */
const PLACES_TOGETHER = 256;
/** The same for products by the system's BLAS. */
const NATIVE_TOGETHER = 64;
/** Products that an inner product adds up before it is added to others. */
const DOT_LENGTH = 1024;

export interface WeightTask {
  readonly plan: Plan;
  /** [O, C / groups, k…], contiguous. */
  readonly out: Operand;
  /** [N, C, d…] */
  readonly x: Operand;
  /** [N, O, d′…] */
  readonly y: Operand;
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

/** Sums the products of so many places, for some groups: as part of task `task`, or in tasks of its own. */
type SumProducts = (
  by: Run | null,
  task: number,
  groups: readonly Group[],
  places: number,
  accumulate: boolean,
) => void;

/**
 * Where there are few sums, those of so many parts of the images are made apart, by threads that need not wait
 * for each other, and added up in order.
 */
export const PARTS = 4;
const PART_SUMS = 2 ** 16;
/** Images whose sums are made in one go, in lots of them and bytes of their frame. */
const LOTS_AT_ONCE = 64;
const LOTS_BYTES = 1 << 22;

/** The system's BLAS, if there is one and it is quicker for a gradient. */
export function nativeForGradient({ plan, out, y, groups }: WeightTask): NativeGemm | null {
  const places = y.shape[0] * product(y.shape.slice(2));
  return nativeFor(plan, out.dtype, out.shape[0] / groups, places, product(out.shape.slice(1)), groups);
}

/** `out[o, c, k] = Σ x[n, c, s p − a + d k] y[n, o, p]` over images n and places p. */
export function weightProducts(task: WeightTask): void {
  const { plan, out, x, y, groups, stride, dilation } = task;
  const gemm = kernelsFor('conv', out.dtype);
  const { bytes } = gemm;
  const sizes = y.shape.slice(2);
  const taps = out.shape.slice(2);
  const places = product(sizes);
  const images = y.shape[0];
  const rows = out.shape[0] / groups;
  const channels = out.shape[1];
  const count = channels * product(taps);
  const c = out.at;
  if (images * places === 0) {
    plan.clear(c, groups * rows * count * bytes);
    return;
  }
  if (groups * rows * count === 0) return;
  const native = nativeForGradient(task);
  const most = native === null ? PLACES_TOGETHER : NATIVE_TOGETHER;
  const together = places < most ? Math.min(images, Math.ceil(most / places)) : 1;
  const wave = groupsTogether(groups, channels, x, together);
  const lots = Math.ceil(images / together);
  const parts = groups === 1 && rows * count <= PART_SUMS && lots >= PARTS ? PARTS : 1;
  const lotBytes = together * channels * product(x.shape.slice(2)) * bytes;
  // As many of each part.
  const fitting = PARTS * Math.max(1, Math.floor(LOTS_BYTES / lotBytes / PARTS));
  const atOnce = parts === 1 ? 1 : Math.min(lots, LOTS_AT_ONCE, fitting);
  const phases = phasesOf(stride, taps);
  const frame = frameOf(plan, x, task.before, task.after, atOnce * together, wave * channels, phases);
  const row = y.at;
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
  const sum = sumsBy(plan, gemm, native, operands, parts > 1 ? NATIVE_PIECES : groups);
  /** A lot of images, numbered from the first one that lies in the frame at `base`; its sums go to those of its part. */
  const sumLot = (by: Run | null, t: number, first: number, lot: number, base: number, g: number): void => {
    const n = first + lot * together;
    const i = n / together;
    const some = Array.from({ length: Math.min(wave, groups - g) }, (_, j) => ({
      c: sumsOf[i % parts] + (g + j) * rows * count * bytes,
      row: row + n * imageStep + (g + j) * rows * rowStep,
      base: base + lot * together * frame.image + j * channels * frame.channel,
    }));
    sum(by, t, some, Math.min(together, images - n) * places, i >= parts);
  };
  const sumsOf = Array.from({ length: parts }, (_, part) => (part === 0 ? c : plan.room(rows * count * bytes)));
  for (let n = 0; n < images; n += atOnce * together) {
    const several = Math.min(atOnce * together, images - n);
    const some = Math.ceil(several / together);
    for (let g = 0; g < groups; g += wave) {
      const base = frame.at(n, several, g * channels);
      if (parts === 1) {
        sumLot(null, 0, n, 0, base, g);
        continue;
      }
      const steps = native === null || native.shared ? rows * count * several * places : 0;
      plan.deal(null, steps, parts, (run, from, end, t) => {
        for (let part = from; part < end; part++) {
          // Of the lots in the frame those of this part, which is where the first of all goes and every fourth after it.
          const first = (part + parts - ((n / together) % parts)) % parts;
          for (let lot = first; lot < some; lot += parts) sumLot(run, t, n, lot, base, g);
        }
      });
    }
  }
  for (const more of sumsOf.slice(1)) plan.call(gemm.add, more, c, rows * count);
}

function sumsBy(plan: Plan, gemm: GemmKernels, native: NativeGemm | null, operands: Sums, units: number): SumProducts {
  if (native !== null) return nativeProducts(plan, gemm, native, operands, units);
  return operands.rows < FEW_ROWS ? innerProducts(plan, gemm, operands) : packedProducts(plan, gemm, operands);
}

/** Into how many pieces all products are cut for a library, about, and the fewest columns or rows of one. */
const NATIVE_PIECES = 8;
const NATIVE_FEWEST = 64;

/**
 * By the system's BLAS: a stretch of places after the other is laid out, of some columns or rows at a time unless
 * threads have `units` enough to share.
 */
function nativeProducts(
  plan: Plan,
  gemm: GemmKernels,
  native: NativeGemm,
  { rows, count, rowStep, ...of }: Sums,
  units: number,
): SumProducts {
  const { bytes } = gemm;
  const resultRows = Int32Array.from(steps(rows, rowStep));
  // A last lot of fewer images has tables of its own, which end where its images do: whole vectors are read.
  const matricesOf = perCount((places) => ({
    results: matrixOf(plan, gemm, resultRows, of.rowPlaces.subarray(0, places)),
    windows: matrixOf(plan, gemm, of.columns, of.columnPlaces.subarray(0, places)),
  }));
  const whole = matricesOf(of.rowPlaces.length).windows.isPlain;
  // Rows only where nothing is laid out again for each piece of them.
  const cutsRows = whole && rows > count;
  const cut = cutsRows ? rows : count;
  const pieces = Math.max(1, Math.min(Math.floor(NATIVE_PIECES / units), Math.floor(cut / NATIVE_FEWEST)));
  const widest = cutsRows ? count : UNIT * Math.ceil(count / UNIT / pieces);
  const together = columnsTogether(widest, bytes);
  const [roomsOfResults, roomsOfWindows] = [roomsOf(plan), roomsOf(plan)];
  return (by, task, groups, places, accumulate) => {
    const shares = by !== null || native.shared ? rows * count * places * groups.length : 0;
    const stretches = Math.ceil(places / together);
    const { results, windows } = matricesOf(places);
    plan.deal(by, shares, groups.length * pieces, (run, from, to, t) => {
      const rooms = [
        roomsOfResults(task + t, results.room(rows, together + UNIT)),
        roomsOfWindows(task + t, windows.room(widest, together + UNIT)),
      ] as const;
      for (let unit = from; unit < to; unit++) {
        const { c, row, base } = groups[Math.floor(unit / pieces)];
        const piece = evenly(unit % pieces, pieces, cut);
        const [r, end] = cutsRows ? piece : [0, rows];
        const [j, last] = cutsRows ? [0, count] : piece;
        for (let s = 0; s < stretches; s++) {
          const span = evenly(s, stretches, places);
          const a = results.at(run, row, span, rooms[0], [r, end]);
          const [at, leading, transposed] = windows.at(run, base, span, rooms[1], [j, last]);
          const sizes = [end - r, last - j, span[1] - span[0]] as const;
          const to = [c + (r * count + j) * bytes, count, accumulate || s > 0] as const;
          native.multiply(run, sizes, a, [at, leading, !transposed], to);
        }
      }
    });
  };
}

/** Places whose rows are packed at a time. */
const LONGEST_ROWS = 8 * LONGEST_K;

/** Rows are packed, then for each stretch of columns windows, block by block, and multiplied. */
function packedProducts(plan: Plan, gemm: GemmKernels, { rows, count, rowStep, ...of }: Sums): SumProducts {
  const { bytes, columns, packed } = gemm;
  const kernels = convKernels(gemm);
  const packRows = kernels.pack('along', TILE_ROWS);
  const packColumns = kernels.pack('along', columns);
  const rowTable = plan.place(sums([steps(rows, rowStep)]), TILE_ROWS);
  const rowPlaces = plan.place(of.rowPlaces);
  const columnTable = plan.place(of.columns, columns);
  const columnPlaces = plan.place(of.columnPlaces);
  const rowPanels = Math.ceil(rows / TILE_ROWS);
  const packedRows: number[] = [];
  const rooms: number[] = [];
  const cRow = count * bytes;

  /** The products of places `start` to `end` in blocks of `step`. */
  const stretch = (
    by: Run | null,
    task: number,
    { c, row, base }: Group,
    start: number,
    end: number,
    step: number,
    accumulate: boolean,
  ): void => {
    packedRows[task] ??= plan.room(rowPanels * TILE_ROWS * Math.min(of.rowPlaces.length, LONGEST_ROWS) * bytes);
    const a = packedRows[task];
    const eachBlock = (visit: (at: number, length: number, rowsAt: number) => void): void => {
      for (let at = start; at < end; at += step) {
        visit(at, Math.min(step, end - at), a + rowPanels * TILE_ROWS * (at - start) * bytes);
      }
    };
    const blocks = Math.ceil((end - start) / step);
    plan.deal(by, 4 * rows * (end - start), blocks, (run, first, last) => {
      eachBlock((at, length, to) => {
        const block = (at - start) / step;
        if (block >= first && block < last) run(packRows, row, rowTable, rowPlaces + 4 * at, to, length, rowPanels);
      });
    });
    const units = Math.ceil(count / columns);
    plan.deal(by, rows * count * (end - start), units, (run, first, last, t) => {
      const [from, to] = [Math.min(count, first * columns), Math.min(count, last * columns)];
      const room = task + t;
      rooms[room] ??= plan.room(Math.ceil(BLOCK_COLUMNS / columns) * columns * LONGEST_K * bytes);
      for (let j = from; j < to; j += BLOCK_COLUMNS) {
        const width = Math.min(BLOCK_COLUMNS, to - j);
        eachBlock((at, length, rowsAt) => {
          const panels = Math.ceil(width / columns);
          run(packColumns, base, columnTable + 4 * j, columnPlaces + 4 * at, rooms[room], length, panels);
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
              rooms[room],
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
  return (by, task, groups, places, accumulate) => {
    const step = blockLength(places);
    const most = Math.max(1, Math.floor(LONGEST_ROWS / step)) * step;
    for (const group of groups) {
      for (let start = 0; start < places; start += most) {
        stretch(by, task, group, start, Math.min(places, start + most), step, accumulate);
      }
    }
  };
}

/** The inner products of one row at a time, along stretches in which the places of both operands follow each other. */
function innerProducts(plan: Plan, gemm: GemmKernels, { rows, count, rowStep, ...of }: Sums): SumProducts {
  const { bytes } = gemm;
  const kernels = convKernels(gemm);
  const columnTable = plan.place(of.columns);
  const blocksOf = perCount((places) => runsOf(plan, of.rowPlaces, of.columnPlaces, places, bytes));
  return (by, _task, groups, places, accumulate) => {
    const list = blocksOf(places);
    const units = groups.length * rows;
    plan.deal(by, units * count * places, units, (run, from, to) => {
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

function runsOf(plan: Plan, rowPlaces: Int32Array, columnPlaces: Int32Array, places: number, bytes: number): Block[] {
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
    blocks.push({ table: plan.place(words), runs: words.length / 3 });
  }
  return blocks;
}
