import { ArgumentError } from '../core/errors.ts';
import { shapeText } from '../core/shape.ts';

/* What convolutions and poolings ask of the arguments that describe windows. */

/** One number for all spatial dimensions, or one for each. */
export type PerDim = number | readonly number[];

/**
 * An argument as one whole number for each of `dims` dimensions, in a list of its own: rules read it later. A single
 * number (or a list of one) stands for all.
 */
export function perDim(op: string, name: string, value: PerDim, dims: number): readonly number[] {
  if (Number.isInteger(value)) return new Array<number>(dims).fill(value as number);
  const list = typeof value === 'number' ? [value] : value;
  if (!Array.isArray(list) || (list.length !== 1 && list.length !== dims)) {
    const given = Array.isArray(list) ? shapeText(list) : String(list);
    throw new ArgumentError(
      `${op}: expected ${name} to be a single integer value or a list of ${dims} values to match the ${op.startsWith('conv') ? 'convolution ' : ''}dimensions, but got ${name}=${given}`,
    );
  }
  for (const n of list) {
    if (!Number.isInteger(n)) throw new ArgumentError(`${op}: ${name} must be of whole numbers, got ${String(n)}`);
  }
  return list.length === dims ? [...list] : new Array<number>(dims).fill(list[0] as number);
}
