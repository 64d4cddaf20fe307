/**
 * Matrix products.
 *
 * A product is cut into blocks that fit the caches, each block's operands are packed into panels, and
 * tiles of the product are computed in registers. Small products, and those with a vector, go without
 * packing where they can. The sum over k is cut into blocks by k alone, and every kernel adds up a
 * block in the same order, so an element's bits depend only on its row and its column. (Only the product
 * of one row and one column is made like `dot`, in lanes.) Where the system has a BLAS that may be used,
 * it gets the large products of floats, and their bits are its own.
 */

import { DTypeError } from '../../core/errors.ts';
import type { Strided } from '../../kernels/strided.ts';
import { planBlas } from './blas/product.ts';
import { clear } from './clear.ts';
import { type GemmKernels, gemmKernels } from './gemm-kernels.ts';
import { type GemmDType, TILE_ROWS } from './gemm-tile.ts';
import { address, beginLaunch, f32, f64, i32, scratch } from './heap.ts';
import type { WasmFunction } from './module.ts';
import { fusing, isDeterministic } from './relaxed.ts';
import { type Call, canShare, getNumThreads, runTasks, type Task } from './threads/pool.ts';

// ─── kernels by element type ─────────────────────────────────────────────────────────────────────

// Fused multiply-adds are a quarter faster and round once instead of twice, as PyTorch's kernels do: they
// are used where the host has them.
let relaxedWanted = true;
/** All that were compiled, by dtype: without fused multiply-adds and with them. */
const compiled: Record<GemmDType, [GemmKernels | null, GemmKernels | null]> = {
  float32: [null, null],
  float64: [null, null],
  int32: [null, null],
};

/** Allows or forbids fused multiply-adds in products of floats; results differ in the last bits. */
export function setRelaxedSimd(on: boolean): void {
  relaxedWanted = on;
}

/** @internal */
export function kernelsFor(op: string, dtype: string): GemmKernels {
  if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'int32') {
    throw new DTypeError(`${op}: not implemented for '${dtype}'; convert with .to('int32') or .to('float32')`);
  }
  const relaxed = dtype !== 'int32' && relaxedWanted && fusing();
  const which = relaxed ? 1 : 0;
  const known = compiled[dtype][which];
  if (known !== null) return known;
  const made = gemmKernels(dtype, relaxed);
  compiled[dtype][which] = made;
  return made;
}

// ─── packing room ────────────────────────────────────────────────────────────────────────────────

/** Two pieces of scratch, which all products of a batch share: for b's panels and sums, and for a's panels. */
const FOR_B = 0;
const FOR_A = 1;
const rooms: [number, number] = [0, 0];
const roomBytes: [number, number] = [0, 0];

function openLaunch(): void {
  beginLaunch();
  roomBytes[FOR_B] = 0;
  roomBytes[FOR_A] = 0;
}

function room(which: typeof FOR_A | typeof FOR_B, bytes: number): number {
  if (roomBytes[which] < bytes) {
    rooms[which] = scratch(bytes);
    roomBytes[which] = bytes;
  }
  return rooms[which];
}

// ─── the whole operation ─────────────────────────────────────────────────────────────────────────

/**
 * `out[…, m, n] = Σ_k a[…, m, k] · b[…, k, n]` for float32, float64 and int32 (which wraps). The batch
 * dimensions of all three agree (broadcast ones have stride 0), a and b have any strides, out is contiguous.
 */
export function gemm(out: Strided, a: Strided, b: Strided): void {
  const kernels = kernelsFor('matmul', out.dtype);
  const { bytes } = kernels;
  const rank = out.shape.length;
  const n = out.shape[rank - 1]!;
  const k = a.shape[rank - 1]!;
  let m = out.shape[rank - 2]!;
  const aRow = a.strides[rank - 2]! * bytes;
  const aK = a.strides[rank - 1]! * bytes;
  const bK = b.strides[rank - 2]! * bytes;
  const bN = b.strides[rank - 1]! * bytes;
  openLaunch();
  const c = address(out.storage) + out.offset * bytes;
  const aAt = address(a.storage) + a.offset * bytes;
  const bAt = address(b.storage) + b.offset * bytes;

  // Batches that share b and follow each other in a are rows of one product.
  let batchDims = rank - 2;
  while (batchDims > 0) {
    const size = out.shape[batchDims - 1]!;
    if (size !== 1 && (b.strides[batchDims - 1] !== 0 || a.strides[batchDims - 1]! * bytes !== m * aRow || m === 0))
      break;
    m *= size;
    batchDims--;
  }
  let batches = 1;
  for (let d = 0; d < batchDims; d++) batches *= out.shape[d]!;
  if (batches === 0 || m === 0 || n === 0) return;
  if (k === 0) {
    clear(c, batches * m * n * bytes);
    return;
  }
  const byBlas =
    isDeterministic() || isShortSum(n, k)
      ? null
      : planBlas(out.dtype, { row: aRow, column: aK }, { row: bK, column: bN }, m, n, k);
  if (batches === 1) {
    if (byBlas !== null) byBlas(aAt, bAt, c);
    else product(kernels, c, aAt, aRow, aK, bAt, bK, bN, m, n, k);
    return;
  }
  // Small products are shared by the batch; a large one is shared in itself.
  const shares =
    byBlas === null && m * n * k < SHARED_PRODUCT && batches * m * n * k >= SHARED_PRODUCT && m * n > 1 && canShare();
  const perTask = Math.ceil(batches / (4 * getNumThreads()));
  const tasks: Call[][] = [];
  const index = new Array<number>(batchDims).fill(0);
  let aOffset = aAt;
  let bOffset = bAt;
  for (let batch = 0; batch < batches; batch++) {
    if (shares && batch % perTask === 0) {
      // Tasks that run side by side pack in rooms of their own.
      roomBytes[FOR_A] = 0;
      roomBytes[FOR_B] = 0;
      tasks.push([]);
    }
    const to = c + batch * m * n * bytes;
    const by = shares ? recording(kernels, tasks[tasks.length - 1]) : kernels;
    if (byBlas !== null) byBlas(aOffset, bOffset, to);
    else product(by, to, aOffset, aRow, aK, bOffset, bK, bN, m, n, k);
    for (let d = batchDims - 1; d >= 0; d--) {
      aOffset += a.strides[d]! * bytes;
      bOffset += b.strides[d]! * bytes;
      if (++index[d]! < out.shape[d]!) break;
      aOffset -= a.strides[d]! * bytes * out.shape[d]!;
      bOffset -= b.strides[d]! * bytes * out.shape[d]!;
      index[d] = 0;
    }
  }
  if (shares) runTasks(tasks);
}

/** Kernels that are not run but noted, for a task. */
function recording(kernels: GemmKernels, calls: Call[]): GemmKernels {
  const noting =
    (kernel: WasmFunction): WasmFunction =>
    (...args) => {
      calls.push({ kernel, args });
      return 0;
    };
  const { strided, packed, packA, packB, rows, add, gather } = kernels;
  return {
    ...kernels,
    strided: noting(strided),
    packed: noting(packed),
    packA: noting(packA),
    packB: noting(packB),
    rows: noting(rows),
    add: noting(add),
    gather: noting(gather),
  };
}

/** `out = Σ a · b` for vectors of equal length, any strides; out has one element. */
export function dot(out: Strided, a: Strided, b: Strided): void {
  const kernels = kernelsFor('dot', out.dtype);
  const { bytes } = kernels;
  openLaunch();
  const c = address(out.storage) + out.offset * bytes;
  const aAt = address(a.storage) + a.offset * bytes;
  const bAt = address(b.storage) + b.offset * bytes;
  inner(kernels, c, aAt, a.strides[0]! * bytes, bAt, b.strides[0]! * bytes, a.shape[0]!);
}

// ─── one product, all strides in bytes ───────────────────────────────────────────────────────────

/** Bytes of a small operand, which stays in the first-level cache however it is read. */
const SMALL_BYTES = 16384;
/** Rows of a and columns of b that are packed at a time; with blocks of k they fill half the second-level cache. */
export const BLOCK_ROWS = 128;
export const BLOCK_COLUMNS = 512;
/** With fewer rows than this, a is read where it is. */
const FEW_ROWS = 16;
/** With no more rows than this, each is a vector times b. */
const ROWS_ALONE = 4;
export const LONGEST_K = 384;
const BLOCK_K = 256;
/** Multiplications from which on a product is shared between threads: some hundred microseconds of work. */
const SHARED_PRODUCT = 2 ** 21;

/** Blocks of k are of about equal length, and depend on nothing else. */
export function blockLength(k: number): number {
  if (k <= LONGEST_K) return k;
  const blocks = Math.ceil(k / BLOCK_K);
  return Math.ceil(k / blocks / 8) * 8;
}

function product(
  kernels: GemmKernels,
  c: number,
  a: number,
  aRow: number,
  aK: number,
  b: number,
  bK: number,
  bN: number,
  m: number,
  n: number,
  k: number,
): void {
  if (n === 1) {
    if (m === 1) inner(kernels, c, a, aK, b, bK, k);
    else vectorTimesMatrix(kernels, c, b, bK, a, aK, aRow, m, k);
    return;
  }
  if (m === 1) {
    vectorTimesMatrix(kernels, c, a, aK, b, bK, bN, n, k);
    return;
  }
  if (isShortSum(n, k)) {
    shortSums(kernels, c, a, aRow, aK, b, bK, bN, m, n, k);
    return;
  }
  const { bytes, columns } = kernels;
  const step = blockLength(k);
  if (bN === bytes && n * k * bytes <= SMALL_BYTES) {
    for (let at = 0; at < k; at += step) {
      const length = Math.min(step, k - at);
      kernels.strided(
        a + at * aK,
        aRow,
        aK,
        TILE_ROWS * aRow,
        b + at * bK,
        bK,
        columns * bytes,
        c,
        n * bytes,
        m,
        n,
        length,
        at,
      );
    }
    return;
  }
  if (bN === bytes && m <= ROWS_ALONE) {
    for (let j = 0; j < n; j += BLOCK_COLUMNS) {
      const width = Math.min(BLOCK_COLUMNS, n - j);
      for (let i = 0; i < m; i++)
        rowsOf(kernels, c + (i * n + j) * bytes, a + i * aRow, aK, b + j * bytes, bK, width, k);
    }
    return;
  }
  blocked(kernels, c, a, aRow, aK, b, bK, bN, m, n, k);
}

/** Sums that cost less than the tiles they are made in, in rows that are long: outer products, and a few of them added up. */
const SHORT_SUM = 4;
const LONG_ROW = 64;

function isShortSum(n: number, k: number): boolean {
  return k <= SHORT_SUM && n >= LONG_ROW;
}

/** Rows of the product are made whole, by one step of the kernel each, from rows of b that lie in the first-level cache. */
function shortSums(
  kernels: GemmKernels,
  c: number,
  a: number,
  aRow: number,
  aK: number,
  b: number,
  bK: number,
  bN: number,
  m: number,
  n: number,
  k: number,
): void {
  const { bytes } = kernels;
  const cRow = n * bytes;
  const chunk = Math.min(n, Math.floor(SMALL_BYTES / (k * bytes)));
  const shares = m * n * k >= SHARED_PRODUCT && canShare();
  const band = shares ? Math.ceil(m / (4 * getNumThreads())) : m;
  for (let j = 0; j < n; j += chunk) {
    const width = Math.min(chunk, n - j);
    let [from, row] = [b + j * bN, bK];
    if (bN !== bytes) {
      [from, row] = [room(FOR_B, k * chunk * bytes), chunk * bytes];
      for (let r = 0; r < k; r++) kernels.gather(b + r * bK + j * bN, bN, from + r * row, width);
    }
    const tasks: Task[] = [];
    for (let i = 0; i < m; i += band) {
      const args = [a + i * aRow, aRow, aK, from, row, c + i * cRow + j * bytes, cRow, Math.min(band, m - i), width, k];
      if (shares) tasks.push([{ kernel: kernels.rows, args }]);
      else kernels.rows(...args);
    }
    if (shares) runTasks(tasks);
  }
}

/** Rows rounded up to whole tiles. */
const tiles = (rows: number): number => Math.ceil(rows / TILE_ROWS) * TILE_ROWS;

function blocked(
  kernels: GemmKernels,
  c: number,
  a: number,
  aRow: number,
  aK: number,
  b: number,
  bK: number,
  bN: number,
  m: number,
  n: number,
  k: number,
): void {
  const { bytes, columns } = kernels;
  const cRow = n * bytes;
  const step = blockLength(k);
  const few = m < FEW_ROWS;
  const shares = !few && m * n * k >= SHARED_PRODUCT && canShare();
  const blockColumns = Math.min(n, BLOCK_COLUMNS);
  const panels = room(FOR_B, Math.ceil(blockColumns / columns) * columns * step * bytes);
  // Rows that are packed at a time; when the product is shared, every band of rows has panels of its own.
  const band = shares ? Math.min(BLOCK_ROWS, tiles(m / (2 * getNumThreads()))) : Math.min(BLOCK_ROWS, tiles(m));
  const bandBytes = band * step * bytes;
  const rows = few ? 0 : room(FOR_A, bandBytes * (shares ? Math.ceil(m / band) : 1));
  for (let j = 0; j < n; j += blockColumns) {
    const width = Math.min(blockColumns, n - j);
    for (let at = 0; at < k; at += step) {
      const length = Math.min(step, k - at);
      const bPanel = columns * length * bytes;
      kernels.packB(b + at * bK + j * bN, bK, bN, panels, length, width);
      if (few) {
        kernels.strided(
          a + at * aK,
          aRow,
          aK,
          TILE_ROWS * aRow,
          panels,
          columns * bytes,
          bPanel,
          c + j * bytes,
          cRow,
          m,
          width,
          length,
          at,
        );
        continue;
      }
      const aPanel = TILE_ROWS * length * bytes;
      if (shares) {
        const tasks: Task[] = [];
        for (let i = 0; i < m; i += band) {
          const height = Math.min(band, m - i);
          const own = rows + (i / band) * bandBytes;
          const to = c + i * cRow + j * bytes;
          tasks.push([
            { kernel: kernels.packA, args: [a + at * aK + i * aRow, aK, aRow, own, length, height] },
            {
              kernel: kernels.packed,
              args: [own, 0, 0, aPanel, panels, 0, bPanel, to, cRow, height, width, length, at],
            },
          ]);
        }
        runTasks(tasks);
        continue;
      }
      for (let i = 0; i < m; i += BLOCK_ROWS) {
        const height = Math.min(BLOCK_ROWS, m - i);
        kernels.packA(a + at * aK + i * aRow, aK, aRow, rows, length, height);
        kernels.packed(
          rows,
          0,
          0,
          aPanel,
          panels,
          0,
          bPanel,
          c + i * cRow + j * bytes,
          cRow,
          height,
          width,
          length,
          at,
        );
      }
    }
  }
}

/** Columns of a matrix whose rows are read whole, so that what is added to stays in the cache. */
const ROW_CHUNK = 2048;
/** Columns of a matrix that are packed at a time for a vector, few enough that each is read as a stream. */
const PACKED_CHUNK = 16;

/** `c[j] = Σ_k x[k] b[k, j]`, for b of any strides. */
function vectorTimesMatrix(
  kernels: GemmKernels,
  c: number,
  x: number,
  xK: number,
  b: number,
  bK: number,
  bN: number,
  n: number,
  k: number,
): void {
  const { bytes, columns } = kernels;
  const step = blockLength(k);
  if (bN === bytes && n * k * bytes <= SMALL_BYTES) {
    for (let at = 0; at < k; at += step) {
      const length = Math.min(step, k - at);
      kernels.strided(x + at * xK, 0, xK, 0, b + at * bK, bK, columns * bytes, c, 0, 1, n, length, at);
    }
  } else if (bN === bytes) {
    for (let j = 0; j < n; j += ROW_CHUNK) {
      rowsOf(kernels, c + j * bytes, x, xK, b + j * bytes, bK, Math.min(ROW_CHUNK, n - j), k);
    }
  } else {
    const chunk = Math.min(n, PACKED_CHUNK);
    const panels = room(FOR_B, Math.ceil(chunk / columns) * columns * step * bytes);
    for (let j = 0; j < n; j += chunk) {
      const width = Math.min(chunk, n - j);
      for (let at = 0; at < k; at += step) {
        const length = Math.min(step, k - at);
        kernels.packB(b + at * bK + j * bN, bK, bN, panels, length, width);
        const bPanel = columns * length * bytes;
        kernels.strided(x + at * xK, 0, xK, 0, panels, columns * bytes, bPanel, c + j * bytes, 0, 1, width, length, at);
      }
    }
  }
}

/** The same for a matrix with rows without gaps, read row by row; c and a block of sums fit the first-level cache. */
function rowsOf(
  kernels: GemmKernels,
  c: number,
  x: number,
  xK: number,
  b: number,
  bK: number,
  n: number,
  k: number,
): void {
  const step = blockLength(k);
  kernels.rows(x, 0, xK, b, bK, c, 0, 1, n, Math.min(step, k));
  if (k <= step) return;
  const sums = room(FOR_B, n * kernels.bytes);
  for (let at = step; at < k; at += step) {
    kernels.rows(x + at * xK, 0, xK, b + at * bK, bK, sums, 0, 1, n, Math.min(step, k - at));
    kernels.add(sums, c, n);
  }
}

/** `c = Σ a b`. */
function inner(kernels: GemmKernels, c: number, a: number, aStep: number, b: number, bStep: number, k: number): void {
  const { bytes } = kernels;
  const left = aStep === bytes ? a : gathered(kernels, FOR_A, a, aStep, k);
  const right = bStep === bytes ? b : gathered(kernels, FOR_B, b, bStep, k);
  const sum = kernels.dot(left, right, k);
  if (kernels.dtype === 'float32') f32()[c >>> 2] = sum;
  else if (kernels.dtype === 'float64') f64()[c >>> 3] = sum;
  else i32()[c >>> 2] = sum;
}

function gathered(
  kernels: GemmKernels,
  which: typeof FOR_A | typeof FOR_B,
  from: number,
  step: number,
  k: number,
): number {
  const to = room(which, k * kernels.bytes);
  kernels.gather(from, step, to, k);
  return to;
}
