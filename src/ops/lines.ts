import { LONGEST_LINE } from '../backends/wasm/lines.ts';
import type { Shape } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { copied } from './copy.ts';

/** A tensor as lines: how many, and of how many elements each. */
export interface Lines {
  readonly lines: number;
  readonly length: number;
}

/** The lines that a function over `dims` works on: null where the dimensions are not the last ones. */
export function asLines(shape: Shape, dims: readonly number[]): Lines | null {
  let lines = 1;
  let length = 1;
  for (let d = 0; d < shape.length; d++) {
    if (dims.includes(d)) length *= shape[d];
    else if (length > 1 && shape[d] > 1) return null;
    else lines *= shape[d];
  }
  return { lines, length };
}

/** The same, and null where a line is too long to stay in the cache. */
export function linesOver(shape: Shape, dims: readonly number[]): Lines | null {
  const found = asLines(shape, dims);
  return found !== null && found.length > LONGEST_LINE ? null : found;
}

/** A plain tensor with its elements in order. */
export const inOrder = (x: TensorBase): TensorBase => (x.flat ? x : copied(x));
