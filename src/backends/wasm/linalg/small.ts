/** Batches of small matrices: where each lane of a vector has a matrix of its own, and in pieces for all threads. */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import type { FunctionBody } from '../encoder.ts';
import { startOf } from '../indexing/nest.ts';
import { joinLoops, loopsOver } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { fusing } from '../relaxed.ts';
import { joinWorkers } from '../threads/pending.ts';
import { deal } from '../threads/share.ts';
import { Items } from './batch.ts';
import { smallCholesky, smallLu, smallProduct, smallSolve, smallSolveFactored } from './small-code.ts';
import type { Width } from './values.ts';

/** Most rows and columns of a small matrix: from there on the routines for one matrix fill the vectors. */
const LONGEST = 6;
/** Least matrices of a batch. */
const FEWEST = 8;
/** What a multiplication takes here, with the loads and stores, in steps of `deal`. */
const STEPS = 10;

/** Whether matrices are so small, with sides of these lengths, and so many, that they are best done side by side. */
export const areSmall = (count: number, ...sides: readonly number[]): boolean =>
  count >= FEWEST && sides.every((n) => n > 0 && n <= LONGEST);

const kernels = new Map<string, WasmFunction>();

/** One operand of a batch: where its first item is, and how many bytes on the next. */
interface Operand {
  readonly start: number;
  readonly step: number;
}

/** Does `count` items with what `make` writes, which is compiled once for each `key` and width. */
function run(
  dtype: DType,
  key: string,
  make: (width: Width) => FunctionBody,
  count: number,
  multiplications: number,
  operands: readonly Operand[],
): void {
  const width = dtype === 'float64' ? 'f64' : 'f32';
  const name = `${key} ${width}`;
  let kernel = kernels.get(name);
  if (kernel === undefined) {
    const body = make(width);
    kernel = instantiate([body])[body.name];
    kernels.set(name, kernel);
  }
  const found = kernel;
  const lanes = 16 / dtypeInfo(dtype).bytes;
  deal(STEPS * multiplications * count, Math.ceil(count / lanes), (later, from, to) => {
    const first = from * lanes;
    const places = operands.flatMap(({ start, step }) => [start + first * step, step]);
    later(found, Math.min(count, to * lanes) - first, ...places);
  });
  joinWorkers();
}

/**
 * Matrices that are a constant step apart and have their elements side by side, row by row or (`turned`) column by
 * column; null if these do not.
 */
function dense(t: Strided): (Operand & { readonly turned: boolean }) | null {
  const { shape, strides } = t;
  const rank = shape.length;
  const [rows, columns] = shape.slice(-2);
  const [row, column] = strides.slice(-2);
  const liesIn = (inner: number, outer: number, n: number, m: number): boolean =>
    (inner === 1 || n === 1) && (outer === n || m === 1);
  const straight = liesIn(column, row, columns, rows);
  if (!straight && !liesIn(row, column, rows, columns)) return null;
  const dims = shape.slice(0, rank - 2).map((_, d) => d);
  const loops = joinLoops(loopsOver(shape, dims, [strides]));
  if (loops.length > 1) return null;
  const { bytes } = dtypeInfo(t.dtype);
  return { start: startOf(t), step: (loops[0]?.steps[0] ?? 0) * bytes, turned: !straight };
}

/** See `lu`; for square matrices that `areSmall`. */
export function luOfSmall(a: Strided, pivots: Strided, info: Strided): void {
  const items = new Items(a, 2);
  const n = a.shape[a.shape.length - 1];
  const operands = [items, new Items(pivots, 1), new Items(info, 0)];
  run(a.dtype, `lu ${n}`, (width) => smallLu(width, n), items.count, n ** 3, operands);
}

/** See `cholesky`; for matrices that `areSmall`. */
export function choleskyOfSmall(a: Strided, info: Strided): void {
  const items = new Items(a, 2);
  const n = a.shape[a.shape.length - 1];
  run(a.dtype, `cholesky ${n}`, (width) => smallCholesky(width, n), items.count, n ** 3, [items, new Items(info, 0)]);
}

/** See `solveTriangular`; false if the matrices are not small, or lie in no order that the kernels know. */
export function solveSmallTriangles(a: Strided, b: Strided, upper: boolean, unit: boolean): boolean {
  const sides = new Items(b, 2);
  const [n, columns] = b.shape.slice(-2);
  const triangles = areSmall(sides.count, n, columns) ? dense(a) : null;
  if (triangles === null) return false;
  const { turned } = triangles;
  const make = (width: Width): FunctionBody => smallSolve(width, n, columns, { upper, unit, turned });
  const key = `solve ${n} ${columns} ${upper} ${unit} ${turned}`;
  run(a.dtype, key, make, sides.count, n * n * columns, [triangles, sides]);
  return true;
}

/** See `solveFactored`; for systems that `areSmall`. */
export function solveSmallFactored(f: Strided, pivots: Strided, b: Strided): void {
  const [n, columns] = b.shape.slice(-2);
  const items = [new Items(f, 2), new Items(pivots, 1), new Items(b, 2)];
  const make = (width: Width): FunctionBody => smallSolveFactored(width, n, columns);
  run(b.dtype, `solveFactored ${n} ${columns}`, make, items[0].count, 2 * n * n * columns, items);
}

/** Products of a batch of matrices of floats, `out` contiguous; false as above. Elements are summed as in any product. */
export function multiplySmall(out: Strided, a: Strided, b: Strided): boolean {
  const [m, n] = out.shape.slice(-2);
  const k = a.shape[a.shape.length - 1];
  const products = new Items(out, 2);
  // Products with a vector have fewer multiplications, and pay with longer sides, from more of them on.
  const by = m === 1 || n === 1 ? 2 : 1;
  if (out.dtype === 'int32' || m * n === 1 || !areSmall(products.count / by, m / by, k / by, n / by)) return false;
  const [left, right] = [dense(a), dense(b)];
  if (left === null || right === null) return false;
  const fused = fusing();
  const make = (width: Width): FunctionBody => smallProduct(width, [m, k, n], [left.turned, right.turned], fused);
  const key = `product ${m} ${k} ${n} ${left.turned} ${right.turned} ${fused}`;
  run(out.dtype, key, make, products.count, m * k * n, [left, right, products]);
  return true;
}
