/**
 * Products with a vector, and of two: no tiles, and b packed only where it has no rows without gaps.
 */
import type { GemmKernels, InnerKernels } from './gemm-kernels.ts';
import { blockLength, FOR_A, FOR_B, room, SMALL_BYTES } from './gemm-room.ts';
import { f32, f64, i32 } from './heap.ts';

/** Columns of a matrix whose rows are read whole, so that what is added to stays in the cache. */
const ROW_CHUNK = 2048;
/** Columns of a matrix that are packed at a time for a vector, few enough that each is read as a stream. */
const PACKED_CHUNK = 16;

/** `c[j] = Σ_k x[k] b[k, j]`, for b of any strides. */
export function vectorTimesMatrix(
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
export function rowsOf(
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
export function inner(
  kernels: InnerKernels,
  c: number,
  a: number,
  aStep: number,
  b: number,
  bStep: number,
  k: number,
): void {
  const { bytes } = kernels;
  const left = aStep === bytes ? a : gathered(kernels, FOR_A, a, aStep, k);
  const right = bStep === bytes ? b : gathered(kernels, FOR_B, b, bStep, k);
  const sum = kernels.dot(left, right, k);
  if (kernels.dtype === 'float32') f32()[c >>> 2] = sum;
  else if (kernels.dtype === 'float64') f64()[c >>> 3] = sum;
  else i32()[c >>> 2] = sum;
}

function gathered(
  kernels: InnerKernels,
  which: typeof FOR_A | typeof FOR_B,
  from: number,
  step: number,
  k: number,
): number {
  const to = room(which, k * kernels.bytes);
  kernels.gather(from, step, to, k);
  return to;
}
