import { LONGEST_LINE } from '../backends/wasm/lines.ts';
import { type DType, dtypeInfo } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { copied } from './copy.ts';

/** What kernels of lines compute in, for a float dtype. */
export const computeOf = (dtype: DType): 'f32' | 'f64' => (dtype === 'float64' ? 'f64' : 'f32');

/** A tensor as lines: how many of how many elements each, and how many stand side by side for each of these. */
export interface Lines {
  readonly lines: number;
  readonly length: number;
  readonly beside: number;
}

/** The lines that a function over `dims` works on: null where other dimensions lie between them. */
export function asLines(shape: Shape, dims: readonly number[]): Lines | null {
  let lines = 1;
  let length = 1;
  let beside = 1;
  for (let d = 0; d < shape.length; d++) {
    const size = shape[d];
    if (!dims.includes(d)) {
      if (length > 1) beside *= size;
      else lines *= size;
    } else if (beside === 1) length *= size;
    else if (size !== 1) return null;
  }
  return { lines, length, beside };
}

/** Bytes of a page, and how many pages lines side by side of all operands may touch. */
const PAGE = 2 ** 12;
const MOST_PAGES = 192;
/** Where elements of a line have the same few places of the cache, how many of them there may be. */
const MOST_CROWDED = 48;

/**
 * The same for so many operands like x, and null where lines do not stay in the cache while they are passed over.
 * Without a number lines do not stand side by side.
 */
export function linesOver(x: TensorBase, dims: readonly number[], operands = Number.POSITIVE_INFINITY): Lines | null {
  const found = asLines(x.shape, dims);
  if (found === null || found.length > LONGEST_LINE) return null;
  const { length, beside } = found;
  if (beside === 1) return found;
  const apart = beside * dtypeInfo(x.dtype).bytes;
  const touched = length * operands;
  const fits = apart % (PAGE / 2) === 0 ? touched < MOST_CROWDED : touched * Math.min(1, apart / PAGE) < MOST_PAGES;
  return fits ? found : null;
}

/** A plain tensor with its elements in order. */
export const inOrder = (x: TensorBase): TensorBase => (x.flat ? x : copied(x));
