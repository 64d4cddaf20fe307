import { topLevel } from '../core/apply.ts';
import { ArgumentError, DTypeError, IndexError, ShapeError } from '../core/errors.ts';
import { contiguousStrides, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { alias, checkTensors, type Operand, TensorBase } from '../core/tensor.ts';
import { clone, toDType } from './copy.ts';
import { full } from './create.ts';
import { add, ops } from './elementwise.ts';
import { copy_ } from './fill.ts';
import { inPlace, inPlaceOf, writeInPlace } from './inplace.ts';
import { maskedFill, maskedFillInputs, maskedSelect } from './mask.ts';
import { named } from './named.ts';
import { indexPutOp, takeAt, takenShape } from './places.ts';
import { inOrder, type Region, regionBetween, replaceRegion } from './region.ts';
import { storable } from './storable.ts';
import {
  checkPick,
  type Picked,
  type Picks,
  picked,
  type Reading,
  read,
  type Step,
  type Subscript,
  taken,
  wholeMask,
} from './subscript.ts';
import { expand, permute, reshape } from './view.ts';
import { type Writing, writing, written } from './writing.ts';

/* x[…], and x[…] = v in place and out of place. */

/** x[subscripts] */
export function at(x: TensorBase, subscripts: readonly Subscript[]): TensorBase {
  checkTensors('at', x);
  const reading = read('at', x, subscripts);
  const { view, picks } = reading;
  if (picks === null) return view === x ? permute(x, [...x.shape.keys()], 'AliasBackward0') : view;
  const mask = wholeMask('at', reading);
  if (mask !== null) return named(maskedSelect(view, mask), 'IndexBackward0');
  const { index, indexed } = picked('at', view, picks);
  return takeAt(view, index, indexed);
}

/** A value in the shape of what it is written to. */
function fitted(op: string, value: TensorBase, shape: Shape): TensorBase {
  const missing = value.shape.length - shape.length;
  const lead = value.shape.findIndex((n, d) => n !== 1 || d >= missing);
  const v = missing > 0 && (lead < 0 || lead >= missing) ? reshape(value, value.shape.slice(missing)) : value;
  if (sameShape(v.shape, shape)) return v;
  const room = shape.length - v.shape.length;
  if (room < 0 || v.shape.some((n, d) => n !== 1 && n !== shape[room + d]))
    throw new ShapeError(
      `${op}: shape mismatch: value tensor of shape ${shapeText(value.shape)} cannot be broadcast to indexing result of shape ${shapeText(shape)}`,
    );
  return expand(v, shape);
}

/** The value of an assignment as a tensor, and the rest of its arguments checked. */
function assigned(op: string, x: TensorBase, subscripts: unknown, value: Operand | boolean): TensorBase {
  checkTensors(op, x);
  if (!Array.isArray(subscripts))
    throw new ArgumentError(
      `${op}: the first argument is the list of what stands in the brackets: x.${op}([0, slice(1, 3)], value)`,
    );
  if (value instanceof TensorBase) return value;
  if (typeof value !== 'number' && typeof value !== 'boolean')
    throw new ArgumentError(
      `${op}: the value must be a number or a tensor, got ${typeof value}; make it a tensor: tensor([…])`,
    );
  return full([], storable(op, Number(value), x.dtype), x.dtype);
}

/** Index tensors write what is of the same dtype. */
function checkDTypes(op: string, target: TensorBase, value: TensorBase): void {
  if (target.dtype !== value.dtype)
    throw new DTypeError(
      `${op}: Index put requires the source and destination dtypes match, got ${target.dtype} for the destination and ${value.dtype} for the source; convert with value.to('${target.dtype}')`,
    );
}

/** One value written where a mask as large as the view holds: then its places need not be found. */
function fillMask(op: string, reading: Reading, value: TensorBase, accumulate: boolean): TensorBase | null {
  return accumulate || value.count !== 1 ? null : wholeMask(op, reading);
}

function putCall(
  op: string,
  view: TensorBase,
  { index, indexed }: Picked,
  value: TensorBase,
  accumulate: boolean,
): Writing {
  checkDTypes(op, view, value);
  return writing(indexPutOp, [index, fitted(op, value, takenShape(view, index, indexed))], { ...indexed, accumulate });
}

/** x[subscripts] = value (or += with `accumulate`), in place. */
export function setAt_(
  x: TensorBase,
  subscripts: readonly Subscript[],
  given: Operand | boolean,
  accumulate = false,
): TensorBase {
  const op = 'setAt';
  const value = assigned(op, x, subscripts, given);
  const others = [value, ...subscripts.filter((s) => s instanceof TensorBase)];
  if (topLevel(op, [x, ...others]) !== null)
    return inPlaceOf(op, x, others, (now) => setAt(now, subscripts, value, accumulate));
  const reading = read(op, x, subscripts, true);
  const { view, picks } = reading;
  if (picks === null) {
    const v = fitted(op, value, view.shape);
    if (accumulate) inPlace(ops.add, [view, v]);
    else copy_(view, v);
    return x;
  }
  const mask = fillMask(op, reading, value, accumulate);
  if (mask !== null) {
    checkDTypes(op, view, value);
    inPlace(ops.maskedFillTensor, maskedFillInputs(view, mask, reshape(value, [])));
    return x;
  }
  const places = picked(op, view, picks);
  writeInPlace('indexPut', view, putCall(op, view, places, value, accumulate));
  return x;
}

/** A copy of `x` with x[subscripts] = value (or += with `accumulate`). */
export function setAt(
  x: TensorBase,
  subscripts: readonly Subscript[],
  given: Operand | boolean,
  accumulate = false,
): TensorBase {
  const op = 'setAt';
  const value = assigned(op, x, subscripts, given);
  const reading = read(op, x, subscripts, true);
  const changed = changedView(op, reading, value, accumulate);
  return reading.steps.length === 0 ? changed : replaceRegion(x, changed, regionOf(x.shape, reading.steps));
}

function changedView(op: string, reading: Reading, value: TensorBase, accumulate: boolean): TensorBase {
  const { view, picks } = reading;
  if (picks === null) {
    const v = fitted(op, value, view.shape);
    // What is all replaced is the value, in memory of its own.
    return toDType(accumulate ? add(view, v) : clone(v), view.dtype);
  }
  const mask = fillMask(op, reading, value, accumulate);
  if (mask !== null) {
    checkDTypes(op, view, value);
    return maskedFill(view, mask, reshape(value, []));
  }
  return written(view, putCall(op, view, picked(op, view, picks), value, accumulate));
}

/** Where the view that steps lead to lies in a tensor whose elements stand in order. */
function regionOf(shape: Shape, steps: readonly Step[]): Region {
  // Only shape and strides are looked at: there is one element of memory, which nobody reads.
  const whole = alias(full([], 0, 'bool'), shape, contiguousStrides(shape), 0);
  return regionBetween(inOrder(shape), steps.reduce(taken, whole));
}

// ── index tensors in a list ──

/** Index tensors by dimension, null for a whole dimension; a mask stands for as many dimensions as it has. */
export type Indices = readonly (TensorBase | null)[];

function picksOf(op: string, x: TensorBase, indices: Indices): Picks {
  if (!Array.isArray(indices))
    throw new ArgumentError(`${op}: expected an array of index tensors, and null for whole dimensions`);
  const picks: { dim: number; index: TensorBase }[] = [];
  let dim = 0;
  for (const index of indices as Indices) {
    if (index === null) dim += 1;
    else {
      checkTensors(op, index);
      checkPick(op, index);
      picks.push({ dim, index });
      dim += index.dtype === 'bool' ? index.shape.length : 1;
    }
  }
  if (dim > x.shape.length)
    throw new IndexError(
      `${op}: too many indices for tensor of dimension ${x.shape.length} (got ${dim}) for shape ${shapeText(x.shape)}`,
    );
  if (picks.length === 0) throw new IndexError(`${op}: at least one index must be a tensor`);
  return picks;
}

/** `x` with `values` written (or added) where index tensors say. */
export function indexPutCall(x: TensorBase, indices: Indices, values: TensorBase, accumulate = false): Writing {
  const op = 'indexPut';
  checkTensors(op, x, values);
  return putCall(op, x, picked(op, x, picksOf(op, x, indices)), values, accumulate);
}
