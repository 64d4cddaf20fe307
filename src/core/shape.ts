import { kindOf } from './arguments.ts';
import { ArgumentError, IndexError, ShapeError } from './errors.ts';

export type Shape = readonly number[];

export function numel(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i];
  return n;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  const rank = a.length;
  if (rank !== b.length) return false;
  for (let i = 0; i < rank; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The shape of a scalar, and its strides. */
export const NO_SIZES: Shape = Object.freeze([]);
const ONE: Shape = Object.freeze([1]);

/** Row-major strides. As in PyTorch a size of 0 counts as 1. */
export function contiguousStrides(shape: Shape): readonly number[] {
  const rank = shape.length;
  if (rank === 0) return NO_SIZES;
  if (rank === 1) return ONE;
  const strides = new Array<number>(rank);
  let step = 1;
  for (let i = rank - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i] || 1;
  }
  return strides;
}

/** Whether elements, if there are any, lie in row-major order without gaps (sizes of 1 may have any stride). */
export function isContiguous(shape: Shape, strides: readonly number[]): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== step) return shape.includes(0);
    step *= shape[i];
  }
  return true;
}

export function shapeText(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** The common shape of two broadcast operands; `op` names the operation in the error. */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  if (a === b) return a;
  const long = a.length >= b.length ? a : b;
  const short = long === a ? b : a;
  const lead = long.length - short.length;
  let out: number[] | null = null;
  for (let i = 0; i < short.length; i++) {
    const m = long[lead + i];
    const n = short[i];
    if (m === n || n === 1) continue;
    if (m !== 1) {
      const dim = lead + i;
      throw new ShapeError(
        `${op}: shapes ${shapeText(a)} and ${shapeText(b)} cannot be broadcast together. The size of tensor a (${a[a.length - long.length + dim]}) must match the size of tensor b (${b[b.length - long.length + dim]}) at non-singleton dimension ${dim}`,
      );
    }
    out ??= long.slice();
    out[lead + i] = n;
  }
  return out ?? long;
}

/** The common shape of what is broadcast by several operations under one name, which is that in the error. */
export function broadcastAll(op: string, ...operands: readonly { readonly shape: Shape }[]): Shape {
  return operands.reduce<Shape>((shape, t) => broadcastShapes(op, shape, t.shape), []);
}

/** Whether `from` broadcasts to `to` as it stands. */
export function isExpandable(from: Shape, to: Shape): boolean {
  const lead = to.length - from.length;
  return lead >= 0 && from.every((n, d) => n === 1 || n === to[lead + d]);
}

/** Resolves a possibly negative dimension of a tensor of `rank`; rank 0 takes 0 and -1. */
export function wrapDim(op: string, dim: number, rank: number): number {
  const n = rank === 0 ? 1 : rank;
  if (!Number.isInteger(dim) || dim < -n || dim >= n) {
    throw new IndexError(
      `${op}: Dimension out of range (expected to be in range of [${-n}, ${n - 1}], but got ${typeof dim === 'number' ? dim : kindOf(dim)})`,
    );
  }
  return dim < 0 ? dim + n : dim;
}

/** Resolves several dimensions, each at most once. */
export function wrapDims(op: string, dims: readonly number[], rank: number): number[] {
  checkList(op, 'dimensions', dims);
  const out = dims.map((d) => wrapDim(op, d, rank));
  for (let i = 0; i < out.length; i++) {
    if (out.indexOf(out[i]) !== i)
      throw new IndexError(
        `${op}: dim ${out[i]} appears multiple times in the list of dims, duplicate dims are not allowed`,
      );
  }
  return out;
}

/**
 * Checks that a shape given by a user is one, non-negative integers, and gives a copy: the array is the
 * user's, who may write other numbers into it.
 */
export function checkShape(op: string, shape: Shape): Shape {
  checkList(op, 'a shape', shape);
  for (const n of shape) {
    if (!Number.isInteger(n))
      throw new ShapeError(`${op}: shape ${shapeText(shape)} holds ${n}, sizes must be integers`);
    if (n < 0) throw new ShapeError(`${op}: Trying to create tensor with negative dimension ${n}: ${shapeText(shape)}`);
  }
  return shape.slice();
}

/** Refuses what is no array, whatever the compiler was told. */
export function checkList(op: string, what: string, list: unknown): void {
  if (Array.isArray(list)) return;
  const kind = kindOf(list);
  const given =
    kind === 'number'
      ? `the number ${list}; write [${list}]`
      : (list as object | undefined)?.constructor === Object
        ? 'object; options are the last argument'
        : kind;
  throw new ArgumentError(`${op}: expected ${what} as an array of numbers such as [2, 3], got ${given}`);
}
