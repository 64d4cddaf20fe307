/** Batches of small matrices: where each lane of a vector has a matrix of its own, and in pieces for all threads. */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import type { FunctionBody } from '../encoder.ts';
import { joinLoops, loopsOver } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { deal } from '../threads/share.ts';
import { Items } from './batch.ts';
import { smallCholesky, smallLu, smallSolve, smallSolveFactored } from './small-code.ts';
import type { Width } from './values.ts';

/** Most rows of a small matrix: from there on the routines for one matrix fill the vectors. */
const MOST_ROWS = 6;
/** Most columns of the right side of a small system, for the same reason. */
const MOST_COLUMNS = 8;
/** Least matrices of a batch. */
const FEWEST = 8;
/** What an element of a small matrix takes, in steps of `deal`. */
const STEPS = 40;

/** Whether matrices of so many rows are small, and enough. */
export const areSmall = (count: number, n: number): boolean => n > 0 && n <= MOST_ROWS && count >= FEWEST;

/** Whether systems of so many rows and right sides are. */
export const systemsAreSmall = (count: number, n: number, columns: number): boolean =>
  areSmall(count, n) && columns > 0 && columns <= MOST_COLUMNS;

const kernels = new Map<string, WasmFunction>();

/** One operand of a batch: where its first item is, and how many bytes on the next. */
type Operand = readonly [start: number, step: number];
const operand = ({ start, step }: Items): Operand => [start, step];

/** Compiles what `make` writes, once for each `key` and width, and does `count` matrices of n rows with it. */
function run(
  dtype: DType,
  n: number,
  key: string,
  make: (width: Width, n: number) => FunctionBody,
  count: number,
  operands: readonly Operand[],
  ...more: readonly number[]
): void {
  const width = dtype === 'float64' ? 'f64' : 'f32';
  const name = `${key} ${width} ${n}`;
  let kernel = kernels.get(name);
  if (kernel === undefined) {
    const body = make(width, n);
    kernel = instantiate([body])[body.name];
    kernels.set(name, kernel);
  }
  const found = kernel;
  const lanes = 16 / dtypeInfo(dtype).bytes;
  deal(null, STEPS * n * n * count, Math.ceil(count / lanes), (later, from, to) => {
    const first = from * lanes;
    const places = operands.flatMap(([start, step]) => [start + first * step, step]);
    later(found, Math.min(count, to * lanes) - first, ...places, ...more);
  });
}

/** See `lu`; for square matrices that `areSmall`. */
export function luOfSmall(a: Strided, pivots: Strided, info: Strided): void {
  const items = new Items(a, 2);
  const n = a.shape[a.shape.length - 1];
  run(a.dtype, n, 'lu', smallLu, items.count, [items, new Items(pivots, 1), new Items(info, 0)].map(operand));
}

/** See `cholesky`; for matrices that `areSmall`. */
export function choleskyOfSmall(a: Strided, info: Strided): void {
  const items = new Items(a, 2);
  const n = a.shape[a.shape.length - 1];
  run(a.dtype, n, 'cholesky', smallCholesky, items.count, [items, new Items(info, 0)].map(operand));
}

/** See `solveTriangular`; false if the matrices of `a` are not a constant step apart. */
export function solveSmallTriangles(a: Strided, b: Strided, upper: boolean, unit: boolean, start: number): boolean {
  const { bytes } = dtypeInfo(a.dtype);
  const batch = a.shape.slice(0, -2);
  const dims = batch.map((_, d) => d);
  const loops = joinLoops(loopsOver(batch, dims, [a.strides]));
  if (loops.length > 1) return false;
  const sides = new Items(b, 2);
  const [n, columns] = b.shape.slice(-2);
  const steps = a.strides.slice(-2).map((s) => s * bytes);
  const triangles: Operand = [start, (loops[0]?.steps[0] ?? 0) * bytes];
  const make = (width: Width, rows: number): FunctionBody => smallSolve(width, rows, upper, unit);
  run(a.dtype, n, `solve ${upper} ${unit}`, make, sides.count, [triangles, operand(sides)], ...steps, columns);
  return true;
}

/** See `solveFactored`; for systems that `systemsAreSmall`. */
export function solveSmallFactored(f: Strided, pivots: Strided, b: Strided): void {
  const [n, columns] = b.shape.slice(-2);
  const items = [new Items(f, 2), new Items(pivots, 1), new Items(b, 2)];
  run(b.dtype, n, 'solveFactored', smallSolveFactored, items[0].count, items.map(operand), columns);
}
