import type { Storage } from '../backends/wasm/heap.ts';
import type { DType } from '../core/dtype.ts';

/**
 * What a kernel needs to know of a tensor: element `[i0, i1, …]` lies at element
 * `offset + Σ ik · strides[k]` of its storage. Strides count elements and may be 0 (broadcast).
 */
export interface Strided {
  readonly storage: Storage;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly dtype: DType;
}
