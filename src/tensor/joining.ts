import { kindOf } from '../core/arguments.ts';
import { ArgumentError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { toDType } from '../ops/copy.ts';
import * as grids from '../ops/grids.ts';
import * as join from '../ops/join.ts';
import {
  type SegmentReduction,
  type SegmentOptions as Segments,
  segmentReduce as segmentReduceOp,
} from '../ops/segment.ts';
import { type Slice, Slice as SliceClass } from '../ops/subscript.ts';
import { checkOptions, type TensorOptions } from './options.ts';
import type {
  CatOf,
  FitCat,
  FitGrid,
  FitHstack,
  FitStack,
  FitVstack,
  GridOf,
  HstackOf,
  StackOf,
  VstackOf,
} from './signatures.ts';
import type { Tensor } from './tensor.ts';

/* Functions of several tensors, or of none: joins, grids, and the ranges that stand in brackets. */

function checkList(op: string, tensors: unknown): asserts tensors is readonly TensorBase[] {
  if (!Array.isArray(tensors)) throw new ArgumentError(`${op}: expected an array of Tensors, got ${kindOf(tensors)}`);
  checkTensors(op, ...tensors);
}

/**
 * Joins tensors along an existing dimension.
 *
 * @throws {ShapeError} when the sizes differ along another dimension than that one.
 * @throws {ArgumentError} for an empty list.
 */
export function cat<const L extends readonly Tensor[], D extends number = 0>(
  tensors: FitCat<L, D>,
  dim?: D,
): Tensor<CatOf<L, D>> {
  checkList('cat', tensors);
  return join.cat(tensors, dim ?? 0) as Tensor;
}

/** The same as `cat`. */
export const concat: typeof cat = cat;
/** The same as `cat`. */
export const concatenate: typeof cat = cat;

/**
 * Joins tensors of one shape along a new dimension.
 *
 * @throws {ShapeError} when the shapes differ.
 * @throws {ArgumentError} for an empty list.
 */
export function stack<const L extends readonly Tensor[], D extends number = 0>(
  tensors: FitStack<L, D>,
  dim?: D,
): Tensor<StackOf<L, D>> {
  checkList('stack', tensors);
  return join.stack(tensors, dim ?? 0) as Tensor;
}

/** Side by side: along the second dimension, vectors along their only one. */
export function hstack<const L extends readonly Tensor[]>(tensors: FitHstack<L>): Tensor<HstackOf<L>> {
  checkList('hstack', tensors);
  return within('hstack', () => join.hstack(tensors)) as Tensor;
}

/** One below the other; vectors are rows. */
export function vstack<const L extends readonly Tensor[]>(tensors: FitVstack<L>): Tensor<VstackOf<L>> {
  checkList('vstack', tensors);
  return within('vstack', () => join.vstack(tensors)) as Tensor;
}

/** The same as `vstack`. */
export const rowStack: typeof vstack = vstack;

/** One behind the other, along the third dimension. */
export function dstack(tensors: readonly Tensor[]): Tensor {
  checkList('dstack', tensors);
  return within('dstack', () => join.dstack(tensors)) as Tensor;
}

/** Side by side; vectors are columns. */
export function columnStack(tensors: readonly Tensor[]): Tensor {
  checkList('columnStack', tensors);
  return within('columnStack', () => join.columnStack(tensors)) as Tensor;
}

/** Matrices along the diagonal of a larger one, zeros elsewhere; vectors are rows. */
export function blockDiag(tensors: readonly Tensor[]): Tensor<[number, number]> {
  checkList('blockDiag', tensors);
  return join.blockDiag(tensors) as Tensor;
}

/**
 * Coordinates of a grid: each vector along a dimension of its own, expanded along the others. With
 * `indexing: 'xy'` the first two dimensions are exchanged, as plots have them.
 */
export function meshgrid<const L extends readonly Tensor[], I extends 'ij' | 'xy' = 'ij'>(
  tensors: FitGrid<L>,
  options?: { readonly indexing?: I },
): GridOf<L, I> {
  checkList('meshgrid', tensors);
  checkOptions('meshgrid', options, ['indexing']);
  return grids.meshgrid(tensors, options?.indexing) as unknown as GridOf<L, I>;
}

/** Every combination of an element of each vector, in rows; of a single vector, the vector. */
export function cartesianProd(tensors: readonly Tensor[]): Tensor {
  checkList('cartesianProd', tensors);
  return within('cartesianProd', () => grids.cartesianProd(tensors)) as Tensor;
}

export type IndicesOptions = Omit<TensorOptions, 'requiresGrad'> & { readonly offset?: number };

function triangleIndices(
  side: 'tril' | 'triu',
  rows: number,
  columns: number,
  options: IndicesOptions | undefined,
): Tensor<[2, number]> {
  const op = `${side}Indices`;
  checkOptions(op, options, ['offset', 'dtype']);
  return toDType(grids.triangleIndices(side, rows, columns, options?.offset ?? 0), options?.dtype ?? 'int32') as Tensor;
}

/** Rows and columns of the elements on and below the `offset`-th diagonal of a matrix, in row-major order. */
export function trilIndices(rows: number, columns: number, options?: IndicesOptions): Tensor<[2, number]> {
  return triangleIndices('tril', rows, columns, options);
}

/** Rows and columns of the elements on and above the `offset`-th diagonal of a matrix, in row-major order. */
export function triuIndices(rows: number, columns: number, options?: IndicesOptions): Tensor<[2, number]> {
  return triangleIndices('triu', rows, columns, options);
}

export interface SegmentOptions {
  /** Lengths of the segments (int32), for every row before the axis. */
  readonly lengths?: Tensor;
  /** Or their borders: one more than there are segments. */
  readonly offsets?: Tensor;
  readonly axis?: number;
  /** Lengths need not add up to the size of the axis; what they leave out is in no segment. */
  readonly unsafe?: boolean;
  /** What each segment begins with. */
  readonly initial?: number;
}

/**
 * Consecutive segments of `data` along `axis`, each reduced to one element. At ties maxima and minima
 * share the gradient evenly. Without `initial` an empty segment gives 0 for sums, 1 for products, ∓∞
 * for extremes and NaN for means.
 */
export function segmentReduce(data: Tensor, reduce: SegmentReduction, options: SegmentOptions): Tensor {
  checkOptions('segmentReduce', options, ['lengths', 'offsets', 'axis', 'unsafe', 'initial']);
  return segmentReduceOp(data, reduce, options as Segments) as Tensor;
}

/** The bound itself, out of reach of what the surroundings expect: a bound left out stays null. */
type Exactly<X> = X extends infer Y extends number | null ? Y : never;

/**
 * A range of a dimension for `x.at(…)` and `x.setAt_([…], value)`: Python's `start:end:step`. Null and
 * what is left out are the bounds of the dimension; negative bounds count from its end.
 */
export function slice<A extends number | null = null, B extends number | null = null, C extends number | null = null>(
  start?: A,
  end?: B,
  step?: C,
): Slice<Exactly<A>, Exactly<B>, Exactly<C>> {
  for (const bound of [start, end, step])
    if (bound !== undefined && bound !== null && !Number.isInteger(bound))
      throw new ArgumentError(`slice: slice indices must be integers or null, got ${String(bound)}`);
  const [from, to, by] = [start ?? null, end ?? null, step ?? null];
  return new SliceClass(from as Exactly<A>, to as Exactly<B>, by as Exactly<C>);
}
