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
import { LINE } from '../residency.ts';
import { now, type Run } from '../threads/share.ts';
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
/** Columns that are laid out at a time are a multiple of this. */
const COLUMNS = 64;

/** Columns of windows of so many elements each that are multiplied at a time. */
export function columnsTogether(k: number, bytes: number): number {
  return Math.max(2, Math.round(WINDOW_BYTES / (k * bytes) / COLUMNS)) * COLUMNS;
}

/** Whether the entries of a table follow each other by so many bytes. */
const follow = (table: Int32Array, step: number): boolean => table.every((n, i) => n === table[0] + i * step);

/** Bytes from row to row of a matrix with so many columns: an odd number of lines, so that rows do not meet in the cache. */
const pitchOf = (columns: number, bytes: number): number => (Math.ceil((columns * bytes) / LINE) | 1) * LINE;

/** A matrix in memory, element (r, x) at `base + rows[r] + columns[x]`. */
export class Matrix {
  readonly #gemm: GemmKernels;
  readonly rows: number;
  readonly columns: number;
  readonly #most: number;
  readonly #rowTable: number;
  readonly #columnTable: number;
  /** Bytes between rows, if columns lie side by side and rows equally far apart, and where the first one begins. */
  readonly #plain: { readonly row: number; readonly at: number } | null;
  readonly #columnPlaces: Int32Array;

  /** Of at most `most` columns at a time copies are made, in the current launch. */
  constructor(gemm: GemmKernels, rows: Int32Array, columns: Int32Array, most: number) {
    const { bytes } = gemm;
    this.#gemm = gemm;
    [this.rows, this.columns] = [rows.length, columns.length];
    this.#most = Math.min(most, columns.length);
    const row = rows.length > 1 ? rows[1] - rows[0] : columns.length * bytes;
    const plain = follow(columns, bytes) && follow(rows, row) && row >= columns.length * bytes && row % bytes === 0;
    this.#plain = plain ? { row, at: rows[0] } : null;
    this.#columnPlaces = columns;
    this.#rowTable = plain ? 0 : place(rows);
    this.#columnTable = plain ? 0 : place(columns, spreadColumns(gemm.lanes));
  }

  /** Bytes of room for a copy of so many rows. */
  room(rows: number = this.rows): number {
    return this.#plain === null ? rows * pitchOf(this.#most, this.#gemm.bytes) : 0;
  }

  /**
   * Where columns `from` to `to` of some rows are, all by default, and the leading dimension; they are brought
   * to `room` if they must.
   */
  at(
    run: Run,
    base: number,
    [from, to]: readonly [number, number],
    room: number,
    [first, end]: readonly [number, number] = [0, this.rows],
  ): readonly [at: number, leading: number] {
    const { bytes } = this.#gemm;
    if (this.#plain !== null) {
      const { row, at } = this.#plain;
      return [base + at + first * row + this.#columnPlaces[from], row / bytes];
    }
    const pitch = pitchOf(this.#most, bytes);
    const steps = Math.ceil((to - from) / spreadColumns(this.#gemm.lanes));
    const [xs, ks] = [this.#columnTable + 4 * from, this.#rowTable + 4 * first];
    run(convKernels(this.#gemm).spread, base, xs, ks, room, end - first, steps, pitch);
    return [room, pitch / bytes];
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
  readonly #weights: readonly (readonly [at: number, leading: number])[];
  readonly #reach: Int32Array;
  readonly #rows: number;
  readonly #columnsOf: (images: number) => Int32Array;
  readonly #windows = new Map<number, Matrix>();
  readonly #rooms = new Rooms();
  /** Columns that are multiplied at a time. */
  readonly columns: number;

  constructor(
    gemm: GemmKernels,
    native: NativeGemm,
    { out, source, weight, groups, rowStep, channelStep, groupStep }: Task,
    { taps }: Part,
    reach: Int32Array,
    columnsOf: (images: number) => Int32Array,
  ) {
    const { bytes } = gemm;
    this.#gemm = gemm;
    this.#native = native;
    this.#reach = reach;
    this.#columnsOf = columnsOf;
    this.#rows = out.shape[1] / groups;
    this.columns = columnsTogether(reach.length, bytes);
    const inside = taps.map((list, d) => list.map((k) => k * weight.strides[d + 2] * bytes));
    const ks = sums([steps(source.shape[1] / groups, channelStep * bytes), ...inside]);
    const matrix = new Matrix(gemm, sums([steps(this.#rows, rowStep * bytes)]), ks, ks.length);
    const from = startOf(weight);
    this.#weights = steps(groups, groupStep * bytes).map((step) =>
      matrix.at(now, from + step, [0, ks.length], scratch(matrix.room())),
    );
  }

  /** Columns `from` to `to` of a group of some images, whose windows begin at `base`; rows of the result at `c` are `row` bytes apart. */
  multiply(
    run: Run,
    task: number,
    { c, row, base, images, group, accumulate }: Operands,
    from: number,
    to: number,
  ): void {
    let windows = this.#windows.get(images);
    if (windows === undefined) {
      windows = new Matrix(this.#gemm, this.#reach, this.#columnsOf(images), this.columns);
      this.#windows.set(images, windows);
    }
    const { bytes } = this.#gemm;
    const room = this.#rooms.of(task, windows.room());
    for (let j = from; j < to; j += this.columns) {
      const end = Math.min(to, j + this.columns);
      const sizes = [this.#rows, end - j, this.#reach.length] as const;
      const b = windows.at(run, base, [j, end], room);
      const result = [c + j * bytes, row / bytes, accumulate] as const;
      this.#native.multiply(run, sizes, this.#weights[group], [...b, false], result);
    }
  }
}

/** The system's BLAS for `count` products of such sizes, if there is one and it is quicker. */
export function nativeFor(dtype: DType, rows: number, k: number, columns: number, count: number): NativeGemm | null {
  const steps = rows * k * columns * count;
  if (rows < FEWEST_ROWS || Math.min(k, columns) < SHORTEST_SUMS || steps < WORTH_CALLS) return null;
  return nativeGemm(dtype, steps);
}
