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
import { isContiguous } from '../../core/shape.ts';
import type { Strided } from '../../kernels/strided.ts';
import { planBlas } from './blas/product.ts';
import { clear } from './clear.ts';
import { isShortSum, product, SHARED_PRODUCT, sharesRows } from './gemm-product.ts';
import { inTask, leaveRooms, openLaunch } from './gemm-room.ts';
import { innerKernelsFor, kernelsFor } from './gemm-select.ts';
import { inner } from './gemm-vector.ts';
import { address } from './heap.ts';
import { multiplySmall } from './linalg/small.ts';
import { isDeterministic } from './relaxed.ts';
import { joinWorkers } from './threads/pending.ts';
import { canShare, getNumThreads } from './threads/pool.ts';
import { type Call, isBusy, leaveTasks } from './threads/queue.ts';

/** Columns and rows from which on tiles are wide: they would not be filled, and few rows are not worth wide panels. */
const WIDE_COLUMNS = 20;
const WIDE_ROWS = 5;
/** Products of a batch that are shared at a time, so that the job has room for their calls. */
const BATCH_OF_A_JOB = 2048;
/** Products of a batch that are one task, where they are not worth being shared. */
const BATCH_OF_A_TASK = 64;

/**
 * `out[…, m, n] = Σ_k a[…, m, k] · b[…, k, n]` for float32, float64 and int32 (which wraps). The batch
 * dimensions of all three agree (broadcast ones have stride 0), a and b have any strides; rows of out have no
 * gaps, but its rows and its matrices may be apart, save for sums over nothing and products with a vector that the
 * system's BLAS does not take: false for those.
 * With `into` the products are added to what out holds, for sizes of which `addsUp` says that they can be.
 */
export function gemm(out: Strided, a: Strided, b: Strided, into: 0 | 1 = 0): boolean {
  const rank = out.shape.length;
  const n = out.shape[rank - 1]!;
  const kernels = kernelsFor('matmul', out.dtype, n >= WIDE_COLUMNS && out.shape[rank - 2]! >= WIDE_ROWS);
  const { bytes } = kernels;
  openLaunch();
  if (!into && isContiguous(out.shape, out.strides) && multiplySmall(out, a, b)) return true;
  const k = a.shape[rank - 1]!;
  let m = out.shape[rank - 2]!;
  const aRow = a.strides[rank - 2]! * bytes;
  const aK = a.strides[rank - 1]! * bytes;
  const bK = b.strides[rank - 2]! * bytes;
  const bN = b.strides[rank - 1]! * bytes;
  const c = address(out.storage) + out.offset * bytes;
  const aAt = address(a.storage) + a.offset * bytes;
  const bAt = address(b.storage) + b.offset * bytes;

  // Batches that share b and follow each other in a are rows of one product.
  const closed = isContiguous(out.shape, out.strides);
  let batchDims = rank - 2;
  while (closed && batchDims > 0) {
    const size = out.shape[batchDims - 1]!;
    if (size !== 1 && (b.strides[batchDims - 1] !== 0 || a.strides[batchDims - 1]! * bytes !== m * aRow || m === 0))
      break;
    m *= size;
    batchDims--;
  }
  let batches = 1;
  for (let d = 0; d < batchDims; d++) batches *= out.shape[d]!;
  if (batches === 0 || m === 0 || n === 0) return true;
  if (k === 0) {
    if (closed && !into) clear(c, batches * m * n * bytes);
    return closed;
  }
  const pitch = closed ? n : out.strides[rank - 2]!;
  const byBlas =
    isDeterministic() || isShortSum(n, k)
      ? null
      : planBlas(out.dtype, { row: aRow, column: aK }, { row: bK, column: bN }, m, n, k, batches, pitch, into);
  if (byBlas === null && !closed && n === 1) return false;
  // Small products are shared by the batch, or take their place in the queue; a large one is shared in itself.
  const steps = m * n * k;
  const small = byBlas === null && steps < SHARED_PRODUCT && m * n > 1;
  const shares = small && batches > 1 && batches * steps >= SHARED_PRODUCT && canShare(batches * steps);
  const notes = small && !shares && batches <= BATCH_OF_A_TASK && isBusy();
  const tasks: Call[][] = [];
  let by = notes ? inTask(kernels, tasks) : kernels;
  if (byBlas === null && !shares && !notes && !(n > 1 && sharesRows(m, n, k))) joinWorkers();
  if (batches === 1) {
    if (byBlas === null) product(by, c, pitch * bytes, aAt, aRow, aK, bAt, bK, bN, m, n, k, into);
    else {
      byBlas.run(aAt, bAt, c);
      byBlas.finish();
    }
    if (notes) leaveTasks(tasks, steps);
    return true;
  }
  const perTask = Math.ceil(Math.min(batches, BATCH_OF_A_JOB) / (4 * getNumThreads()));
  const index = new Array<number>(batchDims).fill(0);
  let aOffset = aAt;
  let bOffset = bAt;
  let to = c;
  for (let batch = 0; batch < batches; batch++) {
    if (shares && batch % perTask === 0) {
      if (tasks.length * perTask >= BATCH_OF_A_JOB) leaveTasks(tasks.splice(0), BATCH_OF_A_JOB * steps);
      leaveRooms();
      by = inTask(kernels, tasks);
    }
    if (byBlas !== null) byBlas.run(aOffset, bOffset, to);
    else product(by, to, pitch * bytes, aOffset, aRow, aK, bOffset, bK, bN, m, n, k, into);
    for (let d = batchDims - 1; d >= 0; d--) {
      aOffset += a.strides[d]! * bytes;
      bOffset += b.strides[d]! * bytes;
      to += out.strides[d]! * bytes;
      if (++index[d]! < out.shape[d]!) break;
      aOffset -= a.strides[d]! * bytes * out.shape[d]!;
      bOffset -= b.strides[d]! * bytes * out.shape[d]!;
      to -= out.strides[d]! * bytes * out.shape[d]!;
      index[d] = 0;
    }
  }
  byBlas?.finish();
  if (shares || notes) leaveTasks(tasks, (batches % BATCH_OF_A_JOB) * steps);
  return true;
}

/** `out = Σ a · b` for vectors of equal length, any strides; out has one element. */
export function dot(out: Strided, a: Strided, b: Strided): void {
  const kernels = innerKernelsFor('dot', out.dtype);
  const { bytes } = kernels;
  openLaunch();
  joinWorkers();
  const c = address(out.storage) + out.offset * bytes;
  const aAt = address(a.storage) + a.offset * bytes;
  const bAt = address(b.storage) + b.offset * bytes;
  inner(kernels, c, aAt, a.strides[0]! * bytes, bAt, b.strides[0]! * bytes, a.shape[0]!);
}
