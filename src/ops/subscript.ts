import type { Indexed } from '../backends/wasm/indexing.ts';
import { ArgumentError, DTypeError, IndexError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { broadcastShapes, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { TensorBase } from '../core/tensor.ts';
import { integers } from './create.ts';
import { ne } from './elementwise.ts';
import { elementOf } from './inspect.ts';
import { stack } from './join.ts';
import { nonzero } from './mask.ts';
import { oneRow, takeAt } from './places.ts';
import { select, slice } from './slices.ts';
import { expand, t, unsqueeze } from './view.ts';

/*
 * What stands between the brackets of x[…], with PyTorch's meaning. Numbers, slices, new axes and the
 * ellipsis give a view, taken step by step; then index tensors and masks pick from it. The dimensions
 * of the picked elements stand where the first index did if the indices stood side by side, else in front.
 */

/** A range of a dimension: `start`, `start + step`, … before `end`. Left out or null, a bound is that of the dimension. */
export class Slice<
  Start extends number | null = number | null,
  End extends number | null = number | null,
  Step extends number | null = number | null,
> {
  readonly start: Start;
  readonly end: End;
  readonly step: Step;

  constructor(start: Start, end: End, step: Step) {
    this.start = start;
    this.end = end;
    this.step = step;
  }
}

/** Whole numbers, or truth values, in nested arrays. */
export type NestedIndex = readonly (number | NestedIndex)[] | readonly (boolean | NestedIndex)[];

export type Subscript = number | boolean | null | '...' | ':' | Slice | NestedIndex | TensorBase;

/** One step from a tensor to a view of it. */
export type Step =
  | { readonly kind: 'select'; readonly dim: number; readonly index: number }
  | { readonly kind: 'slice'; readonly dim: number; readonly by: Slice }
  | { readonly kind: 'unsqueeze'; readonly dim: number };

/** Brackets read: the view, and what picks from it. */
export interface Reading {
  readonly view: TensorBase;
  readonly steps: readonly Step[];
  readonly picks: Picks | null;
}

/** Index tensors (int32) and masks, each at a dimension of the view. */
export type Picks = readonly { readonly dim: number; readonly index: TensorBase }[];

export function taken(x: TensorBase, step: Step): TensorBase {
  switch (step.kind) {
    case 'select':
      return select(x, step.dim, step.index);
    case 'slice': {
      const { start, end, step: by } = step.by;
      return slice(x, step.dim, start ?? undefined, end ?? undefined, by ?? undefined);
    }
    case 'unsqueeze':
      return unsqueeze(x, step.dim);
  }
}

const kindOf = (s: unknown): string =>
  s === null ? 'null' : Array.isArray(s) ? 'an array' : typeof s === 'string' ? `'${s}'` : typeof s;

function invalid(op: string, s: unknown): IndexError {
  return new IndexError(
    `${op}: only integers, slices (\`:\`), ellipsis (\`...\`), None and long or byte Variables are valid indices (got ${typeof s === 'number' ? `float ${s}` : kindOf(s)}): a whole number, slice(start, end, step), ':', '...', null, true or false, nested arrays of whole numbers, or an int32 or bool tensor`,
  );
}

/** Nested arrays as an index tensor, or as a mask if they hold truth values. */
function fromNested(op: string, data: NestedIndex): TensorBase {
  const shape: number[] = [];
  for (let d: unknown = data; Array.isArray(d); d = d[0]) {
    shape.push(d.length);
    if (d.length === 0) break;
  }
  const flat = (data as readonly unknown[]).flat(Number.POSITIVE_INFINITY) as unknown[];
  const truth = flat.length > 0 && flat.every((v) => typeof v === 'boolean');
  const bad = truth ? -1 : flat.findIndex((v) => !Number.isInteger(v));
  if (bad >= 0) throw invalid(op, flat[bad]);
  const ragged = (d: unknown, depth: number): boolean =>
    depth === shape.length
      ? Array.isArray(d)
      : !Array.isArray(d) || d.length !== shape[depth] || d.some((row) => ragged(row, depth + 1));
  if (ragged(data, 0))
    throw new ArgumentError(`${op}: the rows of an index must have one length (shape so far ${shapeText(shape)})`);
  const index = integers(Int32Array.from(flat, Number), shape);
  return truth ? ne(index, 0) : index;
}

export function checkPick(op: string, index: TensorBase): void {
  if (index.dtype === 'int32' || index.dtype === 'bool') return;
  throw new DTypeError(
    index.dtype === 'uint8'
      ? `${op}: indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead: index.bool() for a mask, index.int() for places (tensors used as indices must be long, byte or bool tensors)`
      : `${op}: tensors used as indices must be long, byte or bool tensors, got ${index.dtype}; convert with index.int()`,
  );
}

/** A subscript without nested arrays. */
type Plain = Exclude<Subscript, NestedIndex>;

/** What is in the brackets: how many dimensions they stand for, and how many index tensors or truth values they hold. */
interface Contents {
  readonly list: readonly Plain[];
  readonly wanted: number;
  readonly tensors: number;
}

function contentsOf(op: string, x: TensorBase, subscripts: readonly Subscript[]): Contents {
  const rank = x.shape.length;
  const list = new Array<Plain>(subscripts.length);
  let wanted = 0;
  let tensors = 0;
  let ellipses = 0;
  for (let i = 0; i < list.length; i++) {
    const given = subscripts[i];
    const s = (Array.isArray(given) ? fromNested(op, given as NestedIndex) : given) as Plain;
    list[i] = s;
    if (s === '...') ellipses += 1;
    else if (typeof s === 'boolean') tensors += 1;
    else if (s instanceof TensorBase) {
      tensors += 1;
      wanted += s.dtype === 'bool' ? s.shape.length : 1;
    } else if (s !== null) wanted += 1;
  }
  if (rank === 0 && typeof list[0] === 'number')
    throw new IndexError(
      `${op}: invalid index of a 0-dim tensor. Use \`tensor.item()\` to convert a 0-dim tensor to a number (too many indices for tensor of dimension 0)`,
    );
  if (wanted > rank)
    throw new IndexError(
      `${op}: too many indices for tensor of dimension ${rank}: ${wanted} for shape ${shapeText(x.shape)}`,
    );
  if (ellipses > 1) throw new IndexError(`${op}: an index can only have a single ellipsis ('...')`);
  return { list, wanted, tensors };
}

/** Goes through brackets from view to view, and collects what picks from the last one. */
class Reader implements Reading {
  view: TensorBase;
  readonly steps: Step[] = [];
  #picks: { readonly dim: number; readonly index: TensorBase }[] | null = null;
  readonly #op: string;
  /** The dimension of the view that the next subscript stands for. */
  #dim = 0;

  constructor(op: string, x: TensorBase) {
    this.#op = op;
    this.view = x;
  }

  get picks(): Picks | null {
    return this.#picks;
  }

  #go(step: Step): void {
    this.steps.push(step);
    this.view = taken(this.view, step);
  }

  skip(dims: number): void {
    this.#dim += dims;
  }

  /** `position` is that of the subscript, for the message. */
  select(index: number, position: number): void {
    const size = this.view.shape[this.#dim];
    if (!Number.isInteger(index)) throw invalid(this.#op, index);
    if (index < -size || index >= size)
      throw new IndexError(`${this.#op}: index ${index} is out of bounds for dimension ${position} with size ${size}`);
    this.#go({ kind: 'select', dim: this.#dim, index });
  }

  slice(by: Slice): void {
    if (by.step !== null && !(by.step > 0))
      throw new ArgumentError(
        `${this.#op}: step must be greater than zero, got ${by.step}; flip([dim]) reverses the order of a dimension`,
      );
    this.#go({ kind: 'slice', dim: this.#dim, by });
    this.#dim += 1;
  }

  newAxis(): void {
    this.#go({ kind: 'unsqueeze', dim: this.#dim });
    this.#dim += 1;
  }

  /** A new dimension of which its one element is chosen, or none. */
  truth(chosen: boolean): void {
    this.#go({ kind: 'unsqueeze', dim: this.#dim });
    this.pick(integers(Int32Array.from(chosen ? [0] : [])), 1);
  }

  pick(index: TensorBase, dims: number): void {
    this.#picks ??= [];
    this.#picks.push({ dim: this.#dim, index });
    this.#dim += dims;
  }

  /** One number per example. Like any number it is no part of what the other indices broadcast to. */
  selectEach(index: TensorBase): void {
    this.view = takeAt(this.view, oneRow(index), { dims: [this.#dim], at: this.#dim });
  }
}

/**
 * Reads brackets: takes the view and collects what picks from it. `writing` asks for a view that can be
 * written through.
 */
export function read(op: string, x: TensorBase, subscripts: readonly Subscript[], writing = false): Reading {
  const { list, wanted, tensors } = contentsOf(op, x, subscripts);
  const reader = new Reader(op, x);
  for (let i = 0; i < list.length; i++) {
    const s = list[i];
    if (typeof s === 'number') reader.select(s, i);
    else if (s === null) reader.newAxis();
    else if (s === '...') reader.skip(x.shape.length - wanted);
    else if (s === ':') reader.skip(1);
    else if (typeof s === 'boolean') reader.truth(s);
    else if (s instanceof Slice) reader.slice(s);
    else if (s instanceof TensorBase) readTensor(op, reader, s, i, tensors > 1, writing);
    else throw invalid(op, s);
  }
  return reader;
}

function readTensor(
  op: string,
  reader: Reader,
  s: TensorBase,
  position: number,
  several: boolean,
  writing: boolean,
): void {
  checkPick(op, s);
  const { dtype, shape } = s;
  const known = shape.length === 0 ? elementOf(s) : null;
  if (known !== null) {
    if (dtype === 'bool') reader.truth(known !== 0);
    else reader.select(known, position);
  } else if (shape.length > 0 || dtype === 'bool' || !several) reader.pick(s, dtype === 'bool' ? shape.length : 1);
  else if (!writing) reader.selectEach(s);
  else
    throw new NotImplementedError(
      `${op}: vmap: a number of each example beside other index tensors is not implemented for writing; make it a vector and let the indices broadcast: i.unsqueeze(0)`,
    );
}

/** Index tensors and masks as one index with a row for each dimension. */
export interface Picked {
  readonly index: TensorBase;
  readonly indexed: Indexed;
}

function checkMaskShape(op: string, view: TensorBase, dim: number, mask: TensorBase): void {
  mask.shape.forEach((n, k) => {
    if (n !== view.shape[dim + k])
      throw new IndexError(
        `${op}: The shape of the mask ${shapeText(mask.shape)} at index ${k} does not match the shape of the indexed tensor ${shapeText(view.shape)} at index ${dim + k}`,
      );
  });
}

/** The one mask that alone picks, if it is as large as the view. */
export function wholeMask(op: string, { view, picks }: Reading): TensorBase | null {
  if (picks === null || picks.length > 1) return null;
  const [{ dim, index }] = picks;
  if (index.dtype !== 'bool') return null;
  checkMaskShape(op, view, dim, index);
  return sameShape(index.shape, view.shape) ? index : null;
}

export function picked(op: string, view: TensorBase, picks: Picks): Picked {
  const dims: number[] = [];
  const rows: TensorBase[] = [];
  for (const { dim, index } of picks) {
    if (index.dtype !== 'bool') {
      dims.push(dim);
      rows.push(index);
      continue;
    }
    checkMaskShape(op, view, dim, index);
    const found = t(nonzero(index));
    const masked = index.shape.map((_, k) => dim + k);
    if (picks.length === 1) return { index: found, indexed: { dims: masked, at: dim } };
    dims.push(...masked);
    rows.push(...masked.map((_, k) => select(found, 0, k)));
  }
  const sideBySide = dims.every((d, k) => k === 0 || d === dims[k - 1] + 1);
  const indexed = { dims, at: sideBySide ? dims[0] : 0 };
  if (rows.length === 1) return { index: oneRow(rows[0]), indexed };
  const shape = together(op, rows);
  return { index: stack(rows.map((row) => expand(row, shape))), indexed };
}

/** The shape that index tensors broadcast to. */
function together(op: string, rows: readonly TensorBase[]): Shape {
  try {
    return rows.reduce<Shape>((shape, row) => broadcastShapes(op, shape, row.shape), []);
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const shapes = rows.map((row) => shapeText(row.shape)).join(', ');
    throw new IndexError(
      `${op}: shape mismatch: indexing tensors could not be broadcast together with shapes ${shapes}`,
    );
  }
}
