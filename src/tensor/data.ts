import { address, beginLaunch, memory, readBytes, type Storage, writeBytes } from '../backends/wasm/heap.ts';
import { type DType, dtypeInfo, getDefaultDtype, type TypedArray } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { shapeText } from '../core/shape.ts';
import { fresh, isTensor, type TensorBase } from '../core/tensor.ts';

/** Numbers and truth values nested to any depth, all rows of one length. */
export type NestedArray = number | boolean | readonly NestedArray[];

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array };

/** An array in JavaScript's memory for `n` elements of a dtype. */
export const hostArray = (dtype: DType, n: number): TypedArray => new ARRAYS[dtype](n);

/** The first `n` elements of a storage, where they lie; good until memory is allocated. */
const arrayAt = (storage: Storage, dtype: DType, n: number): TypedArray =>
  new ARRAYS[dtype](memory.buffer, address(storage), n);

/**
 * A new plain tensor whose elements `write` writes where they lie, all of them. It must not make tensors: what it
 * is given is a view of memory that may move.
 */
export function written(shape: readonly number[], dtype: DType, write: (values: TypedArray) => void): TensorBase {
  beginLaunch();
  const t = fresh(shape, dtype);
  write(arrayAt(t.storage, dtype, t.count));
  return t;
}

/** The same for all of a storage that a tensor fills. */
export function rewrite(t: TensorBase, write: (values: TypedArray) => void): void {
  beginLaunch();
  write(arrayAt(t.storage, t.dtype, t.count));
}

/** A tensor holding a copy of `values`, which are of the dtype already. */
export function fromHost(values: TypedArray, shape: readonly number[], dtype: DType): TensorBase {
  beginLaunch();
  const t = fresh(shape, dtype);
  writeBytes(t.storage, 0, values);
  return t;
}

/** The elements of a contiguous plain tensor, copied. */
export function toHost(t: TensorBase): TypedArray {
  if (t.count === 0) return hostArray(t.dtype, 0);
  const { bytes } = dtypeInfo(t.dtype);
  // Or all that a program reads without computing between would have to stay in place.
  beginLaunch();
  const raw = readBytes(t.storage, t.offset * bytes, t.count * bytes);
  switch (t.dtype) {
    case 'float32':
      return new Float32Array(raw.buffer, raw.byteOffset, t.count);
    case 'float64':
      return new Float64Array(raw.buffer, raw.byteOffset, t.count);
    case 'int32':
      return new Int32Array(raw.buffer, raw.byteOffset, t.count);
    default:
      return raw;
  }
}

/** The shape of nested arrays; ragged ones are refused. */
export function nestedShape(data: NestedArray): number[] {
  const shape: number[] = [];
  for (let d: NestedArray = data; Array.isArray(d); d = (d as readonly NestedArray[])[0] ?? 0) {
    shape.push(d.length);
    if (d.length === 0) break;
  }
  return shape;
}

/** Writes nested arrays into a flat one, checking that every row has the length the first one has. */
export function flattenNested(data: NestedArray, shape: readonly number[]): (number | boolean)[] {
  const out: (number | boolean)[] = [];
  const walk = (d: NestedArray, depth: number, path: string): void => {
    if (depth === shape.length) {
      if (typeof d !== 'number' && typeof d !== 'boolean') throw bad(d, path, shape);
      out.push(d);
      return;
    }
    if (!Array.isArray(d)) {
      throw new ShapeError(
        `tensor: expected sequence of length ${shape[depth]} at dim ${depth}, got ${describe(d)} at data${path}; every row needs the same length (shape so far ${shapeText(shape)})`,
      );
    }
    if (d.length !== shape[depth])
      throw new ShapeError(
        `tensor: expected sequence of length ${shape[depth]} at dim ${depth} (got ${d.length}): data${path} is ragged, every row needs the same length`,
      );
    // forEach would skip holes.
    for (let i = 0; i < d.length; i++) walk(d[i], depth + 1, `${path}[${i}]`);
  };
  walk(data, 0, '');
  return out;
}

function describe(x: unknown): string {
  return x === null || x === undefined ? String(x) : Array.isArray(x) ? 'an array' : `${typeof x} ${String(x)}`;
}

function bad(x: unknown, path: string, shape: readonly number[]): Error {
  if (Array.isArray(x))
    return new ShapeError(
      `tensor: data${path} is nested more deeply than the rest (shape so far ${shapeText(shape)}); every row needs the same depth`,
    );
  return new DTypeError(
    isTensor(x)
      ? `tensor: data${path} is a tensor; tensors are joined by stack([…])`
      : `tensor: data${path} is ${describe(x)}; elements must be numbers or booleans`,
  );
}

/** The dtype of values: bool if all are truth values, else the default (JavaScript's 1 and 1.0 are one number). */
export function inferDType(values: readonly (number | boolean)[]): DType {
  return values.length > 0 && values.every((x) => typeof x === 'boolean') ? 'bool' : getDefaultDtype();
}

/** Refuses numbers that an integer dtype would change. */
export function checkFits(op: string, values: ArrayLike<number>, dtype: DType): void {
  const [low, high] = dtype === 'uint8' ? [0, 255] : [-(2 ** 31), 2 ** 31 - 1];
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    if (!Number.isInteger(x) || x < low || x > high)
      throw new ArgumentError(
        `${op}: ${x} does not fit ${dtype}; give whole numbers from ${low} to ${high} or another dtype`,
      );
  }
}
