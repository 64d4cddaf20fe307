/**
 * Products of windows by the system's BLAS: windows are laid out as a plain matrix, as many columns at a time as
 * fit in the cache, or used where they are if they are one already. Which columns go together depends on sizes
 * alone, so that no bit depends on who computes them.
 */
import type { DType } from '../../../core/dtype.ts';
import { WORTH_WIDE } from '../blas/onednn.ts';
import type { NativeGemm } from '../blas/product.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import type { Plan } from '../plan.ts';
import { LINE } from '../room.ts';
import { type Run, shareOf } from '../threads/share.ts';
import { convKernels } from './kernels.ts';
import { LINE_VECTORS, spreadColumns } from './pack.ts';
import type { Part, Products, Task } from './products.ts';
import { perCount, steps, sums } from './tables.ts';

/** With fewer rows than this, laying windows out costs more than a library saves. */
const FEWEST_ROWS = 12;
/** Sums shorter than this are not worth a call. */
const SHORTEST_SUMS = 16;
/** The same for one with wider vectors, and the multiplications of a product that it takes. */
const FEWEST_WIDE = 6;
const SHORTEST_WIDE = 8;
/** With so many rows it takes fewer columns than `SHORTEST_SUMS`, and fewer still where sums are short. */
const ROWS_OF_FEW = 64;
const FEWEST_OF_LONG = 9;
export const FEWEST_COLUMNS = 4;
/** Multiplications of a whole convolution from which on a library is looked for. */
const WORTH_CALLS = 2 ** 19;
/** Bytes of windows that are laid out at a time. */
const WINDOW_BYTES = 1 << 19;
/** Columns and rows of a piece are a multiple of this, so that tiles of the library stay whole. */
export const UNIT = 16;
/** The same for rows of weights: some kernels take twelve at a time. */
const ROW_UNIT = 48;
/** Pieces that there should be of a whole convolution for threads to share, and the fewest rows of one. */
const WANTED_PIECES = 4;
const FEWEST_ROWS_OF_PIECE = 64;

/** Columns of windows of so many elements each that are multiplied at a time. */
export function columnsTogether(k: number, bytes: number): number {
  return Math.max(8, Math.round(WINDOW_BYTES / (k * bytes) / UNIT)) * UNIT;
}

/** The first and the one behind the last in a piece of `count` columns or rows, which are cut as evenly as whole units can be. */
export function evenly(
  piece: number,
  pieces: number,
  count: number,
  unit: number = UNIT,
): readonly [from: number, to: number] {
  const [from, to] = shareOf(piece, pieces, Math.ceil(count / unit));
  return [Math.min(count, from * unit), Math.min(count, to * unit)];
}

/** Whether the entries of a table follow each other by so many bytes. */
const follow = (table: Int32Array, step: number): boolean => table.every((n, i) => n === table[0] + i * step);

/** Bytes from row to row of a matrix with so many columns: an odd number of lines, so that rows do not meet in the cache. */
const pitchOf = (columns: number, bytes: number): number => (Math.ceil((columns * bytes) / LINE) | 1) * LINE;

/** How many entries of a table are those of elements side by side, all along it, if as many always are: else none. */
function lineOf(table: Int32Array, bytes: number): number {
  const breaks = table.findIndex((at, i) => i > 0 && at - table[i - 1] !== bytes);
  const width = breaks < 0 ? table.length : breaks;
  return table.length % width === 0 && table.every((at, i) => i % width === 0 || at - table[i - 1] === bytes)
    ? width
    : 0;
}

/** Where a matrix lies for a library; `transposed` if it is its columns that have no gaps. */
type Laid = readonly [at: number, leading: number, transposed: boolean];

/** A matrix without gaps along its rows or its columns: where it begins, and the bytes from row to row and from column to column. */
interface Plain {
  readonly at: number;
  readonly row: number;
  readonly column: number;
}

function plainOf(rows: Int32Array, columns: Int32Array, bytes: number): Plain | null {
  const row = rows.length > 1 ? rows[1] - rows[0] : columns.length * bytes;
  const column = columns.length > 1 ? columns[1] - columns[0] : rows.length * bytes;
  const fits = (inner: number, outer: number, count: number): boolean =>
    inner === bytes && outer >= count * bytes && outer % bytes === 0;
  const dense = fits(column, row, columns.length) || fits(row, column, rows.length);
  return dense && follow(columns, column) && follow(rows, row) ? { at: rows[0] + columns[0], row, column } : null;
}

/** A matrix in memory. */
export interface Matrix {
  /** Whether it can be used as it lies. */
  readonly isPlain: boolean;
  /** Bytes of room for a copy of so many rows and columns. */
  room(rows: number, columns: number): number;
  /** Where columns `from` to `to` of some rows are, all by default; they are brought to `room` if they must. */
  at(
    run: Run,
    base: number,
    [from, to]: readonly [number, number],
    room: number,
    [first, end]?: readonly [number, number],
  ): Laid;
}

/** The matrix with element (r, x) at `base + rows[r] + columns[x]`. */
export function matrixOf(plan: Plan, gemm: GemmKernels, rows: Int32Array, columns: Int32Array): Matrix {
  const { bytes, lanes } = gemm;
  const plain = plainOf(rows, columns, bytes);
  const width = spreadColumns(lanes);
  const line = lineOf(columns, bytes);
  const vectors = Math.ceil(line / lanes.count);
  const inLines = line >= lanes.count && vectors <= LINE_VECTORS;
  const [rowTable, columnTable] = plain === null ? [plan.place(rows), plan.place(columns, width)] : [0, 0];
  return {
    isPlain: plain !== null,
    room: (count, wide) => (plain === null ? count * pitchOf(Math.min(wide, columns.length), bytes) : 0),
    at: (run, base, [from, to], room, [first, end] = [0, rows.length]) => {
      if (plain !== null) {
        const { at, row, column } = plain;
        const transposed = column !== bytes;
        return [base + at + first * row + from * column, (transposed ? column : row) / bytes, transposed];
      }
      const pitch = pitchOf(to - from, bytes);
      if (inLines && from % line === 0 && to % line === 0) {
        const [xs, ks, last] = [columnTable + 4 * from, rowTable + 4 * first, (line - lanes.count) * bytes];
        run(convKernels(gemm).spreadLines(vectors), base, xs, ks, room, end - first, (to - from) / line, pitch, last);
        return [room, pitch / bytes, false];
      }
      const spread = (x: number, blocks: number): void => {
        const [xs, ks] = [columnTable + 4 * x, rowTable + 4 * first];
        run(convKernels(gemm).spread, base, xs, ks, room + (x - from) * bytes, end - first, blocks, pitch);
      };
      const whole = Math.floor((to - from) / width);
      if (whole > 0) spread(from, whole);
      // A last block goes over the one before.
      if ((to - from) % width > 0) spread(Math.max(from, to - width), 1);
      return [room, pitch / bytes, false];
    },
  };
}

/** Room of a task's own, enlarged where it must be. */
export function roomsOf(plan: Plan): (task: number, bytes: number) => number {
  const rooms: ({ readonly at: number; readonly bytes: number } | undefined)[] = [];
  return (task, bytes) => {
    let room = rooms[task];
    if (room === undefined || room.bytes < bytes) {
      room = { at: plan.room(bytes), bytes };
      rooms[task] = room;
    }
    return room.at;
  };
}

/** Products of a matrix of weights for each group with windows at some places; one of `count` that make a convolution. */
export function nativeProducts(
  gemm: GemmKernels,
  native: NativeGemm,
  { plan, out, source, weight, groups, rowStep, channelStep, groupStep }: Task,
  { taps }: Part,
  reach: Int32Array,
  columnsOf: (images: number) => Int32Array,
  count: number,
): Products {
  const { bytes } = gemm;
  const rows = out.shape[1] / groups;
  /** Into how many bands rows are cut where columns are not. */
  const bands = Math.max(1, Math.min(Math.ceil(WANTED_PIECES / count), Math.floor(rows / FEWEST_ROWS_OF_PIECE)));
  const inside = taps.map((list, d) => list.map((k) => k * weight.strides[d + 2] * bytes));
  const ks = sums([steps(source.shape[1] / groups, channelStep * bytes), ...inside]);
  const matrix = matrixOf(plan, gemm, Int32Array.from(steps(rows, rowStep * bytes)), ks);
  const weights = steps(groups, groupStep * bytes).map((step) =>
    matrix.at(plan.call, weight.at + step, [0, ks.length], plan.room(matrix.room(rows, ks.length))),
  );
  const windowsOf = perCount((images) => matrixOf(plan, gemm, reach, columnsOf(images)));
  const rooms = roomsOf(plan);
  /** Columns that are multiplied at a time, about, and into how many stretches some are cut: an even number, or one. */
  const together = columnsTogether(reach.length, bytes);
  const stretchesOf = (columns: number): number => {
    const stretches = Math.ceil(columns / together);
    return stretches === 1 ? 1 : stretches + (stretches % 2);
  };
  return {
    // Rows are cut if columns are few or must stay together.
    pieces: (columns, mayCut) => {
      const stretches = mayCut ? stretchesOf(columns) : 1;
      return stretches > 1 ? stretches : bands;
    },
    multiply: (run, task, { c, row, base, images, count, group, accumulate }, [from, to], mayCut) => {
      const windows = windowsOf(images);
      const room = rooms(task, windows.room(reach.length, together + UNIT));
      const stretches = stretchesOf(count);
      const cut = mayCut && stretches > 1;
      const [firstBand, endBand] = cut ? [0, 1] : [from, to];
      const bandOf = (i: number) => (cut ? ([0, rows] as const) : evenly(i, bands, rows, ROW_UNIT));
      const [at, leading, transposed] = weights[group];
      for (let s = cut ? from : 0; s < (cut ? to : stretches); s++) {
        const [j, last] = evenly(s, stretches, count);
        const b = windows.at(run, base, [j, last], room);
        // Not at once even where one thread makes several: a library's last bits may depend on how many rows there are.
        for (let i = firstBand; i < endBand; i++) {
          const [first, end] = bandOf(i);
          const a = [at + first * (transposed ? 1 : leading) * bytes, leading, transposed] as const;
          const result = [c + first * row + j * bytes, row / bytes, accumulate] as const;
          native.multiply(run, [end - first, last - j, reach.length], a, b, result);
        }
      }
      return [bandOf(firstBand)[0], bandOf(endBand - 1)[1]];
    },
  };
}

/** The system's BLAS for `count` products of such sizes, if there is one and it is quicker. */
export function nativeFor(
  plan: Plan,
  dtype: DType,
  rows: number,
  k: number,
  columns: number,
  count: number,
  fewest: number = FEWEST_OF_LONG,
): NativeGemm | null {
  const steps = rows * k * columns * count;
  const least = rows < ROWS_OF_FEW ? SHORTEST_SUMS : fewest;
  if (rows < FEWEST_WIDE || k < SHORTEST_WIDE || columns < least || steps < WORTH_CALLS) return null;
  const native = plan.native(dtype, steps);
  const suits = rows >= FEWEST_ROWS && Math.min(k, columns) >= SHORTEST_SUMS;
  return suits || (native?.wide && rows * k * columns >= WORTH_WIDE) ? native : null;
}
