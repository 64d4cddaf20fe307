import * as fc from 'fast-check';
import { allocate, readBytes, writeBytes } from '../../src/backends/wasm/heap.ts';
import { type DType, dtypeInfo } from '../../src/core/dtype.ts';
import { contiguousStrides, numel } from '../../src/core/shape.ts';
import type { Strided } from '../../src/kernels/strided.ts';

const arrays = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** How values lie in memory. */
export interface Layout {
  /** Dimensions from the slowest to the fastest in memory. */
  readonly order: readonly number[];
  /** Per dimension, how many places one element takes: the rest is filled with what must not be read. */
  readonly gaps: readonly number[];
  readonly offset: number;
}

export const contiguous = (rank: number): Layout => ({
  order: Array.from({ length: rank }, (_, d) => d),
  gaps: new Array<number>(rank).fill(1),
  offset: 0,
});

export const layoutOf = (rank: number): fc.Arbitrary<Layout> =>
  fc.record({
    order: fc.oneof(
      fc.constant(contiguous(rank).order),
      fc.shuffledSubarray(contiguous(rank).order as number[], { minLength: rank, maxLength: rank }),
    ),
    gaps: fc.oneof(
      fc.constant(contiguous(rank).gaps),
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: rank, maxLength: rank }),
    ),
    offset: fc.integer({ min: 0, max: 5 }),
  });

/** A tensor with these values, in row-major order, laid out as asked. */
export function lay(
  dtype: DType,
  shape: readonly number[],
  values: readonly number[],
  layout: Layout = contiguous(shape.length),
): Strided {
  const strides = new Array<number>(shape.length).fill(0);
  let step = 1;
  for (const d of layout.order.toReversed()) {
    strides[d] = step * layout.gaps[d];
    step *= Math.max(1, shape[d] * layout.gaps[d]);
  }
  const data = new arrays[dtype](layout.offset + step).fill(dtype === 'bool' ? 1 : 77);
  const storage = allocate(data.byteLength);
  forEachIndex(shape, (index, k) => {
    data[layout.offset + index.reduce((at, i, d) => at + i * strides[d], 0)] = values[k];
  });
  writeBytes(storage, 0, data);
  return { storage, shape, strides, offset: layout.offset, dtype };
}

/** Calls back with every index of a shape and its row-major number; the index is reused. */
export function forEachIndex(shape: readonly number[], visit: (index: readonly number[], k: number) => void): void {
  const index = shape.map(() => 0);
  const n = numel(shape);
  for (let k = 0; k < n; k++) {
    visit(index, k);
    for (let d = shape.length - 1; d >= 0 && ++index[d] === shape[d]; d--) index[d] = 0;
  }
}

export const room = (dtype: DType, shape: readonly number[]): Strided => ({
  storage: allocate(Math.max(1, numel(shape)) * dtypeInfo(dtype).bytes),
  shape,
  strides: contiguousStrides(shape),
  offset: 0,
  dtype,
});

export function fill(t: Strided, data: ArrayBufferView): void {
  writeBytes(t.storage, 0, data);
}

/** The values in row-major order. */
export function values(t: Strided): number[] {
  const all = readBytes(t.storage, 0, t.storage.nbytes);
  const data = new arrays[t.dtype](all.buffer, 0, Math.floor(all.byteLength / dtypeInfo(t.dtype).bytes));
  const out: number[] = [];
  forEachIndex(t.shape, (index) => {
    out.push(data[t.offset + index.reduce((at, i, d) => at + i * t.strides[d], 0)]);
  });
  return out;
}
