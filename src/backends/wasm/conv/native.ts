/**
 * Products of windows by the system's BLAS: windows are laid out as a plain matrix, as many columns at a time as
 * fit in the cache, or used where they are if they are one already. Which columns go together depends on sizes
 * alone, so that no bit depends on who computes them.
 */
import type { DType } from '../../../core/dtype.ts';
import { type NativeGemm, nativeGemm } from '../blas/product.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { LINE } from '../room.ts';
import { inTurn, type Run, shareOf } from '../threads/share.ts';
import { convKernels } from './kernels.ts';
import { spreadColumns } from './pack.ts';
import type { Operands, Part, Task } from './products.ts';
import { place, steps, sums } from './tables.ts';

/** With fewer rows than this, laying windows out costs more than a library saves. */
const FEWEST_ROWS = 24;
/** Sums shorter than this are not worth a call. */
const SHORTEST_SUMS = 16;
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

/** A matrix in memory, element (r, x) at `base + rows[r] + columns[x]`. */
export class Matrix {
  readonly #gemm: GemmKernels;
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  readonly #plain: Plain | null;
  /** Tables for copies, in the current launch. */
  readonly #rowTable: number;
  readonly #columnTable: number;

  constructor(gemm: GemmKernels, rows: Int32Array, columns: Int32Array) {
    this.#gemm = gemm;
    this.rows = rows;
    this.columns = columns;
    this.#plain = plainOf(rows, columns, gemm.bytes);
    this.#rowTable = this.isPlain ? 0 : place(rows);
    this.#columnTable = this.isPlain ? 0 : place(columns, spreadColumns(gemm.lanes));
  }

  /** Whether it can be used as it lies. */
  get isPlain(): boolean {
    return this.#plain !== null;
  }

  /** Bytes of room for a copy of so many rows and columns. */
  room(rows: number, columns: number): number {
    return this.isPlain ? 0 : rows * pitchOf(Math.min(columns, this.columns.length), this.#gemm.bytes);
  }

  /** Where columns `from` to `to` of some rows are, all by default; they are brought to `room` if they must. */
  at(
    run: Run,
    base: number,
    [from, to]: readonly [number, number],
    room: number,
    [first, end]: readonly [number, number] = [0, this.rows.length],
  ): Laid {
    const { bytes, lanes } = this.#gemm;
    if (this.#plain !== null) {
      const { at, row, column } = this.#plain;
      const transposed = column !== bytes;
      return [base + at + first * row + from * column, (transposed ? column : row) / bytes, transposed];
    }
    const pitch = pitchOf(to - from, bytes);
    const steps = Math.ceil((to - from) / spreadColumns(lanes));
    const [xs, ks] = [this.#columnTable + 4 * from, this.#rowTable + 4 * first];
    run(convKernels(this.#gemm).spread, base, xs, ks, room, end - first, steps, pitch);
    return [room, pitch / bytes, false];
  }
}

/** Room of a task's own, enlarged where it must be. */
export class Rooms {
  readonly #rooms: ({ readonly at: number; readonly bytes: number } | undefined)[] = [];

  of(task: number, bytes: number): number {
    let room = this.#rooms[task];
    if (room === undefined || room.bytes < bytes) {
      room = { at: scratch(bytes), bytes };
      this.#rooms[task] = room;
    }
    return room.at;
  }
}

/** Products of a matrix of weights for each group with windows. */
export class NativeProducts {
  readonly #gemm: GemmKernels;
  readonly #native: NativeGemm;
  readonly #weights: readonly Laid[];
  readonly #reach: Int32Array;
  readonly #rows: number;
  readonly #columnsOf: (images: number) => Int32Array;
  readonly #windows = new Map<number, Matrix>();
  readonly #rooms = new Rooms();
  /** Into how many bands rows are cut where columns are not. */
  readonly #bands: number;

  /** One of so many that make a convolution. */
  constructor(
    gemm: GemmKernels,
    native: NativeGemm,
    { out, source, weight, groups, rowStep, channelStep, groupStep }: Task,
    { taps }: Part,
    reach: Int32Array,
    columnsOf: (images: number) => Int32Array,
    count: number,
  ) {
    const { bytes } = gemm;
    this.#gemm = gemm;
    this.#native = native;
    this.#reach = reach;
    this.#columnsOf = columnsOf;
    this.#rows = out.shape[1] / groups;
    this.#bands = Math.max(
      1,
      Math.min(Math.ceil(WANTED_PIECES / count), Math.floor(this.#rows / FEWEST_ROWS_OF_PIECE)),
    );
    const inside = taps.map((list, d) => list.map((k) => k * weight.strides[d + 2] * bytes));
    const ks = sums([steps(source.shape[1] / groups, channelStep * bytes), ...inside]);
    const matrix = new Matrix(gemm, sums([steps(this.#rows, rowStep * bytes)]), ks);
    const from = startOf(weight);
    const room = matrix.room(this.#rows, ks.length);
    this.#weights = steps(groups, groupStep * bytes).map((step) =>
      matrix.at(inTurn, from + step, [0, ks.length], scratch(room)),
    );
  }

  /** Columns that are multiplied at a time, about. */
  get #together(): number {
    return columnsTogether(this.#reach.length, this.#gemm.bytes);
  }

  /** Into how many stretches that many columns are cut: an even number, or one. */
  #stretches(columns: number): number {
    const count = Math.ceil(columns / this.#together);
    return count === 1 ? 1 : count + (count % 2);
  }

  /** Into how many pieces that many columns are cut, or the rows if columns are few or must stay together. */
  pieces(columns: number, mayCut: boolean): number {
    const stretches = mayCut ? this.#stretches(columns) : 1;
    return stretches > 1 ? stretches : this.#bands;
  }

  /**
   * Pieces `from` to `to` of a group of some images, whose windows begin at `base`; rows of the result at `c` are
   * `row` bytes apart. Tells which rows were made.
   */
  multiply(
    run: Run,
    task: number,
    { c, row, base, images, group, accumulate }: Operands,
    [from, to]: readonly [number, number],
    mayCut: boolean,
  ): readonly [first: number, end: number] {
    let windows = this.#windows.get(images);
    if (windows === undefined) {
      windows = new Matrix(this.#gemm, this.#reach, this.#columnsOf(images));
      this.#windows.set(images, windows);
    }
    const { bytes } = this.#gemm;
    const { length: columns } = windows.columns;
    const room = this.#rooms.of(task, windows.room(this.#reach.length, this.#together + UNIT));
    const stretches = this.#stretches(columns);
    const cut = mayCut && stretches > 1;
    const first = cut ? 0 : evenly(from, this.#bands, this.#rows, ROW_UNIT)[0];
    const end = cut ? this.#rows : evenly(to - 1, this.#bands, this.#rows, ROW_UNIT)[1];
    const [at, leading, transposed] = this.#weights[group];
    const a = [at + first * (transposed ? 1 : leading) * bytes, leading, transposed] as const;
    for (let s = cut ? from : 0; s < (cut ? to : stretches); s++) {
      const [j, last] = evenly(s, stretches, columns);
      const b = windows.at(run, base, [j, last], room);
      const result = [c + first * row + j * bytes, row / bytes, accumulate] as const;
      this.#native.multiply(run, [end - first, last - j, this.#reach.length], a, b, result);
    }
    return [first, end];
  }
}

/** The system's BLAS for `count` products of such sizes, if there is one and it is quicker. */
export function nativeFor(dtype: DType, rows: number, k: number, columns: number, count: number): NativeGemm | null {
  const steps = rows * k * columns * count;
  if (rows < FEWEST_ROWS || Math.min(k, columns) < SHORTEST_SUMS || steps < WORTH_CALLS) return null;
  return nativeGemm(dtype, steps);
}
