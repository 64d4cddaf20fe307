/**
 * One product of two matrices, as calls of the kernels: blocks, packing, and what goes without.
 */
import type { GemmKernels } from './gemm-kernels.ts';
import { blockLength, FOR_A, FOR_B, inTask, leaveRooms, room, SMALL_BYTES } from './gemm-room.ts';
import { TILE_ROWS } from './gemm-tile.ts';
import { inner, rowsOf, vectorTimesMatrix } from './gemm-vector.ts';
import { canShare, getNumThreads } from './threads/pool.ts';
import { type Call, leaveTasks } from './threads/queue.ts';
import { inTurn, now, shareOf } from './threads/share.ts';

/** Rows of a that are packed at a time; with blocks of k they fill an eighth of the second-level cache. */
export const BLOCK_ROWS = 128;
/** Columns of b that convolutions pack at a time, and bytes of those that products do: b's panels pass by once for all these rows. */
export const BLOCK_COLUMNS = 512;
const BLOCK_ROW_BYTES = 4096;
/** With fewer rows than this, a is read where it is, as it is if it is small, or read along its rows for few columns. */
const FEW_ROWS = 16;
const FEW_COLUMNS = 32;
/** With no more rows than this, each is a vector times b. */
const ROWS_ALONE = 4;
/** Multiplications from which on a product is shared between threads: some forty microseconds of work. */
export const SHARED_PRODUCT = 2 ** 20;
/** Multiplications from which on there are two pieces for each thread, so that none waits long for another. */
const MANY_PIECES = 2 ** 26;

/**
 * The product of one pair of matrices, or with `into` its sum with what c holds (see `addsUp`); strides are in bytes.
 * The rows of c may be apart, if there is more than one column.
 */
export function product(
  kernels: GemmKernels,
  c: number,
  cRow: number,
  a: number,
  aRow: number,
  aK: number,
  b: number,
  bK: number,
  bN: number,
  m: number,
  n: number,
  k: number,
  into: 0 | 1 = 0,
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
    shortSums(kernels, c, cRow, a, aRow, aK, b, bK, bN, m, n, k);
    return;
  }
  const { bytes, lanes } = kernels;
  // What lies behind the last row would be multiplied as well: it may be denormal, which takes a hundred times as long.
  if (bN === bytes && n * k * bytes <= SMALL_BYTES && n % lanes.count === 0) {
    smallRight(kernels, c, cRow, a, aRow, aK, b, bK, m, n, k, into);
    return;
  }
  if (bN === bytes && m <= ROWS_ALONE) {
    for (let j = 0; j < n; j += BLOCK_COLUMNS) {
      const width = Math.min(BLOCK_COLUMNS, n - j);
      for (let i = 0; i < m; i++)
        rowsOf(kernels, c + i * cRow + j * bytes, a + i * aRow, aK, b + j * bytes, bK, width, k);
    }
    return;
  }
  blocked(kernels, c, cRow, a, aRow, aK, b, bK, bN, m, n, k, into);
}

/** Sums that cost less than the tiles they are made in, in rows that are long: outer products, and a few of them added up. */
const SHORT_SUM = 4;
const LONG_ROW = 64;

export function isShortSum(n: number, k: number): boolean {
  return k <= SHORT_SUM && n >= LONG_ROW;
}

/** Whether products of such sizes can be added to what is there as they are made: those made in tiles can. */
export function addsUp(m: number, n: number, k: number): boolean {
  return m > ROWS_ALONE && n > 1 && !isShortSum(n, k);
}

/** Rows of the product are made whole, by one step of the kernel each, from rows of b that lie in the first-level cache. */
function shortSums(
  kernels: GemmKernels,
  c: number,
  cRow: number,
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
  const chunk = Math.min(n, Math.floor(SMALL_BYTES / (k * bytes)));
  const shares = m * n * k >= SHARED_PRODUCT && canShare(m * n * k);
  const band = shares ? Math.ceil(m / (4 * getNumThreads())) : m;
  // Between kernels that are shared, or else at once.
  const run = shares ? inTurn : now;
  for (let j = 0; j < n; j += chunk) {
    const width = Math.min(chunk, n - j);
    let [from, row] = [b + j * bN, bK];
    if (bN !== bytes) {
      [from, row] = [room(FOR_B, k * chunk * bytes), chunk * bytes];
      for (let r = 0; r < k; r++) run(kernels.gather, b + r * bK + j * bN, bN, from + r * row, width);
    }
    const tasks: Call[][] = [];
    for (let i = 0; i < m; i += band) {
      const by = shares ? inTask(kernels, tasks) : kernels;
      const to = c + i * cRow + j * bytes;
      by.rows(a + i * aRow, aRow, aK, from, row, to, cRow, Math.min(band, m - i), width, k);
    }
    if (shares) leaveTasks(tasks, m * width * k);
  }
}

/** Rows rounded up to whole tiles. */
const tiles = (rows: number): number => Math.ceil(rows / TILE_ROWS) * TILE_ROWS;

/** Whether the rows of a product are shared between threads, and all that is done for it is done in its turn. */
export const sharesRows = (m: number, n: number, k: number): boolean =>
  m >= FEW_ROWS && m * n * k >= SHARED_PRODUCT && canShare(m * n * k);

/** Rows that are worked on at a time: what is read of a stays in the second-level cache while columns of tiles pass by. */
const bandOf = (m: number, shares: boolean): number =>
  Math.min(BLOCK_ROWS, tiles(shares ? m / (2 * getNumThreads()) : m));

/** For a matrix b with rows without gaps that the first-level cache holds: neither operand is packed. */
function smallRight(
  kernels: GemmKernels,
  c: number,
  cRow: number,
  a: number,
  aRow: number,
  aK: number,
  b: number,
  bK: number,
  m: number,
  n: number,
  k: number,
  into: 0 | 1,
): void {
  const { bytes, columns } = kernels;
  const step = blockLength(k);
  const shares = sharesRows(m, n, k);
  const band = bandOf(m, shares);
  const perTask = shares ? Math.max(band, Math.ceil(m / (8 * getNumThreads()))) : m;
  const [aPanel, bPanel] = [TILE_ROWS * aRow, columns * bytes];
  const tasks: Call[][] = [];
  let by = kernels;
  let end = 0;
  for (let i = 0; i < m; i += band) {
    if (shares && i >= end) {
      by = inTask(kernels, tasks);
      end += perTask;
    }
    const height = Math.min(band, m - i);
    for (let at = 0; at < k; at += step) {
      const [x, y, length] = [a + i * aRow + at * aK, b + at * bK, Math.min(step, k - at)];
      by.strided(x, aRow, aK, aPanel, y, bK, bPanel, c + i * cRow, cRow, height, n, length, at | into);
    }
  }
  if (shares) leaveTasks(tasks, m * n * k);
}

/** Columns or rows of a piece that a thread makes by itself are a multiple of this, so that tiles stay whole. */
const UNIT = 32;

/**
 * With both operands packed, or one of them. A product that is shared is cut by its columns or rows, whichever are more,
 * and who makes a piece packs all it reads itself: what another thread has packed is in another processor's
 * cache, from where it takes longer to come than to be packed again.
 */
function blocked(
  kernels: GemmKernels,
  c: number,
  cRow: number,
  a: number,
  aRow: number,
  aK: number,
  b: number,
  bK: number,
  bN: number,
  m: number,
  n: number,
  k: number,
  into: 0 | 1,
): void {
  const { bytes } = kernels;
  const inPlace = m < FEW_ROWS || (n <= FEW_COLUMNS && aK === bytes) || m * k * bytes <= SMALL_BYTES;
  if (!sharesRows(m, n, k)) {
    blocks(kernels, c, cRow, a, aRow, aK, b, bK, bN, m, n, k, into, inPlace);
    return;
  }
  const byRows = m > n;
  const units = Math.ceil(Math.max(m, n) / UNIT);
  const pieces = Math.min(units, getNumThreads() * (m * n * k >= MANY_PIECES ? 2 : 1));
  const tasks: Call[][] = [];
  for (let i = 0; i < pieces; i++) {
    const [first, behind] = shareOf(i, pieces, units);
    const [from, size] = [UNIT * first, Math.min(Math.max(m, n), UNIT * behind) - UNIT * first];
    const by = inTask(kernels, tasks);
    leaveRooms();
    if (byRows) blocks(by, c + from * cRow, cRow, a + from * aRow, aRow, aK, b, bK, bN, size, n, k, into, inPlace);
    else blocks(by, c + from * bytes, cRow, a, aRow, aK, b + from * bN, bK, bN, m, size, k, into, inPlace);
  }
  leaveTasks(tasks, m * n * k);
  leaveRooms();
}

function blocks(
  kernels: GemmKernels,
  c: number,
  cRow: number,
  a: number,
  aRow: number,
  aK: number,
  b: number,
  bK: number,
  bN: number,
  m: number,
  n: number,
  k: number,
  into: 0 | 1,
  inPlace: boolean,
): void {
  const { bytes, columns } = kernels;
  const step = blockLength(k);
  const blockColumns = Math.min(n, Math.floor(BLOCK_ROW_BYTES / bytes / columns) * columns);
  const panels = room(FOR_B, Math.ceil(blockColumns / columns) * columns * step * bytes);
  const band = bandOf(m, false);
  const rows = room(FOR_A, inPlace ? 0 : band * step * bytes);
  for (let j = 0; j < n; j += blockColumns) {
    const width = Math.min(blockColumns, n - j);
    for (let at = 0; at < k; at += step) {
      const length = Math.min(step, k - at);
      const adds = at | into;
      const [aPanel, bPanel] = [TILE_ROWS * length * bytes, columns * length * bytes];
      kernels.packB(b + at * bK + j * bN, bK, bN, panels, length, width);
      for (let i = 0; i < m; i += band) {
        const height = Math.min(band, m - i);
        const from = a + at * aK + i * aRow;
        const to = c + i * cRow + j * bytes;
        if (inPlace) {
          const side = columns * bytes;
          kernels.strided(
            from,
            aRow,
            aK,
            TILE_ROWS * aRow,
            panels,
            side,
            bPanel,
            to,
            cRow,
            height,
            width,
            length,
            adds,
          );
        } else {
          kernels.packA(from, aK, aRow, rows, length, height);
          kernels.packed(rows, 0, 0, aPanel, panels, 0, bPanel, to, cRow, height, width, length, adds);
        }
      }
    }
  }
}
