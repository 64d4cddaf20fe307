import type { Indexed } from '../backends/wasm/indexing.ts';
import { ArgumentError, DTypeError, IndexError, ShapeError } from '../core/errors.ts';
import { broadcastShapes, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { TensorBase } from '../core/tensor.ts';
import { integers } from './create.ts';
import { ne } from './elementwise.ts';
import { elementOf } from './inspect.ts';
import { stack } from './join.ts';
import { nonzero } from './mask.ts';
import { expand, select, slice, t, unsqueeze } from './view.ts';

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
  const bad = truth ? undefined : flat.find((v) => !Number.isInteger(v));
  if (bad !== undefined) throw invalid(op, bad);
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

/** How many dimensions a subscript stands for. */
function consumed(s: Subscript): number {
  if (s === null || s === '...' || typeof s === 'boolean') return 0;
  if (s instanceof TensorBase && s.dtype === 'bool') return s.shape.length;
  return 1;
}

/** Reads brackets: takes the view and collects what picks from it. */
export function read(op: string, x: TensorBase, subscripts: readonly Subscript[]): Reading {
  const list = subscripts.map((s) => (Array.isArray(s) ? fromNested(op, s as NestedIndex) : s)) as Exclude<
    Subscript,
    NestedIndex
  >[];
  const rank = x.shape.length;
  const wanted = list.reduce<number>((n, s) => n + consumed(s), 0);
  if (rank === 0 && typeof list[0] === 'number')
    throw new IndexError(
      `${op}: invalid index of a 0-dim tensor. Use \`tensor.item()\` to convert a 0-dim tensor to a number (too many indices for tensor of dimension 0)`,
    );
  if (wanted > rank)
    throw new IndexError(
      `${op}: too many indices for tensor of dimension ${rank}: ${wanted} for shape ${shapeText(x.shape)}`,
    );
  if (list.filter((s) => s === '...').length > 1)
    throw new IndexError(`${op}: an index can only have a single ellipsis ('...')`);

  const steps: Step[] = [];
  const picks: { dim: number; index: TensorBase }[] = [];
  let view = x;
  let dim = 0;
  const go = (step: Step): void => {
    steps.push(step);
    view = taken(view, step);
  };
  const pickOne = (chosen: boolean): void => {
    go({ kind: 'unsqueeze', dim });
    picks.push({ dim, index: integers(Int32Array.from(chosen ? [0] : [])) });
    dim += 1;
  };
  const selectOne = (index: number, position: number): void => {
    const size = view.shape[dim];
    if (!Number.isInteger(index)) throw invalid(op, index);
    if (index < -size || index >= size)
      throw new IndexError(`${op}: index ${index} is out of bounds for dimension ${position} with size ${size}`);
    go({ kind: 'select', dim, index });
  };
  for (const [position, s] of list.entries()) {
    if (typeof s === 'number') selectOne(s, position);
    else if (s === null) {
      go({ kind: 'unsqueeze', dim });
      dim += 1;
    } else if (s === '...') dim += rank - wanted;
    else if (s === ':') dim += 1;
    else if (typeof s === 'boolean') pickOne(s);
    else if (s instanceof Slice) {
      if (s.step !== null && !(s.step > 0))
        throw new ArgumentError(
          `${op}: step must be greater than zero, got ${s.step}; flip([dim]) reverses the order of a dimension`,
        );
      go({ kind: 'slice', dim, by: s });
      dim += 1;
    } else if (s instanceof TensorBase) {
      checkPick(op, s);
      const known = s.shape.length === 0 ? elementOf(s) : null;
      if (known === null) {
        picks.push({ dim, index: s });
        dim += s.dtype === 'bool' ? s.shape.length : 1;
      } else if (s.dtype === 'bool') pickOne(known !== 0);
      else selectOne(known, position);
    } else throw invalid(op, s);
  }
  return { view, steps, picks: picks.length === 0 ? null : picks };
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
  if (rows.length === 1) return { index: unsqueeze(rows[0], 0), indexed };
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
