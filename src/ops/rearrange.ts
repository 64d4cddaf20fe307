import { checkBytes } from '../backends/wasm/heap.ts';
import { flip as flipKernel, tril as trilKernel, triu as triuKernel } from '../backends/wasm/indexing.ts';
import { apply1, sync, topLevel } from '../core/apply.ts';
import { noteChange, willChange } from '../core/changes.ts';
import { ArgumentError, IndexError, ShapeError } from '../core/errors.ts';
import { forwardLevel } from '../core/forward.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { checkList, checkShape, type Shape, shapeText, wrapDim, wrapDims } from '../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { clone, contiguous, copyKernel } from './copy.ts';
import { full, integers, zeros } from './create.ts';
import { where } from './elementwise.ts';
import { indexSelect } from './index-slices.ts';
import { checkIndex } from './indexing.ts';
import { checkInPlace, inPlaceOf } from './inplace.ts';
import { integersOf } from './inspect.ts';
import { named } from './named.ts';
import { changesGraph } from './rebase.ts';
import { aliasAt, slicePlace } from './slices.ts';
import { expand, flatten, reshape, transpose, unsqueeze } from './view.ts';

/*
 * The same elements in another order, left out or repeated. All are linear, and what is left out or
 * repeated in one direction is made zero or summed in the other.
 */

// y[…, i, …] = x[…, n − 1 − i, …]; it is its own adjoint
const flipOp: Op<{ readonly dims: readonly number[] }> = defineOp({
  name: 'flip',
  cheap: true,
  inputs: ['x'],
  forward: ([x], { dims }) =>
    internally(() => {
      const y = fresh(x.shape, x.dtype);
      // Across the lines of the cache, transposing first is several times as fast.
      const apart = x.shape.length > 1 && x.strides[x.shape.length - 1] > 1;
      flipKernel(y, apart ? contiguous(x) : x, dims);
      return y;
    }),
  vjp: { x: [[], (g, _, { attrs }) => apply1(flipOp, [g], attrs)] },
  jvp: 'linear',
  vmap: ([x], _, { dims }) => apply1(flipOp, [x], { dims: dims.map((d) => d + 1) }),
});

/** The order along every one of `dims` reversed. */
export function flip(x: TensorBase, dims: number | readonly number[]): TensorBase {
  checkTensors('flip', x);
  const list = wrapDims('flip', typeof dims === 'number' ? [dims] : dims, x.shape.length);
  return apply1(flipOp, [x], { dims: x.shape.length === 0 ? [] : list });
}

export function fliplr(x: TensorBase): TensorBase {
  if (x.shape.length < 2) throw new ShapeError(`fliplr: Input must be >= 2-d, got shape ${shapeText(x.shape)}`);
  return flip(x, [1]);
}

export function flipud(x: TensorBase): TensorBase {
  if (x.shape.length < 1) throw new ShapeError(`flipud: Input must be >= 1-d, got shape ${shapeText(x.shape)}`);
  return flip(x, [0]);
}

interface TriangleAttrs {
  readonly diagonal: number;
}

/** Many matrices of few columns go by a mask that they share. */
const FEW_COLUMNS = 16;
const MANY_MATRICES = 128;

const masked = (x: TensorBase): boolean => {
  const [rows, columns] = x.shape.slice(-2);
  return x.count > 0 && columns <= FEW_COLUMNS && x.count >= MANY_MATRICES * rows * columns;
};

/** The elements of matrices on one side of a diagonal, zeros on the other; it is its own adjoint. */
function defineTriangle(name: 'tril' | 'triu', kernel: typeof trilKernel): Op<TriangleAttrs> {
  const op: Op<TriangleAttrs> = defineOp({
    name,
    cheap: true,
    inputs: ['x'],
    forward: ([x], { diagonal }) =>
      internally(() => {
        const taken = (t: TensorBase): TensorBase => {
          const y = fresh(t.shape, t.dtype);
          kernel(y, contiguous(t), diagonal);
          return y;
        };
        return masked(x) ? where(taken(full(x.shape.slice(-2), 1, 'bool')), x, zeros([], x.dtype)) : taken(x);
      }),
    vjp: { x: [[], (g, _, { attrs }) => apply1(op, [g], attrs)] },
    jvp: 'linear',
    vmap: ([x], _, attrs) => apply1(op, [x], attrs),
  });
  return op;
}

const trilOp = defineTriangle('tril', trilKernel);
const triuOp = defineTriangle('triu', triuKernel);

function checkTriangle(name: string, x: TensorBase, diagonal: number): void {
  checkTensors(name, x);
  if (x.shape.length < 2)
    throw new ShapeError(`${name}: input tensor must have at least 2 dimensions, got shape ${shapeText(x.shape)}`);
  if (!Number.isInteger(diagonal))
    throw new ArgumentError(`${name}: the diagonal must be a whole number, got ${String(diagonal)}`);
}

function triangle(op: Op<TriangleAttrs>, x: TensorBase, diagonal: number): TensorBase {
  checkTriangle(op.name, x, diagonal);
  return apply1(op, [x], { diagonal });
}

/** Each matrix on and below its `diagonal`-th diagonal; zeros above. */
export const tril = (x: TensorBase, diagonal = 0): TensorBase => triangle(trilOp, x, diagonal);

/** Each matrix on and above its `diagonal`-th diagonal; zeros below. */
export const triu = (x: TensorBase, diagonal = 0): TensorBase => triangle(triuOp, x, diagonal);

/** The same in the memory of `x`: where nobody asks what it was, only the zeros are written. */
export function triangleInPlace(name: 'tril' | 'triu', x: TensorBase, diagonal: number): void {
  const op = name === 'tril' ? trilOp : triuOp;
  checkTriangle(name, x, diagonal);
  const plain = forwardLevel === null && topLevel(name, [x]) === null && x.flat;
  if (!plain || changesGraph(sync(x), [])) {
    inPlaceOf(name, x, [], (t) => triangle(op, t, diagonal));
    return;
  }
  checkInPlace(name, x);
  willChange(x);
  (name === 'tril' ? trilKernel : triuKernel)(x, x, diagonal);
  noteChange(x, `${name}_`);
}

const listOf = (n: number | readonly number[]): readonly number[] => (typeof n === 'number' ? [n] : n);

/** Elements moved on by `shifts` along `dims`, those that leave at the end coming in at the start; without dims as one row. */
export function roll(
  x: TensorBase,
  shifts: number | readonly number[],
  dims: number | readonly number[] = [],
): TensorBase {
  checkTensors('roll', x);
  const [by, along] = [listOf(shifts), listOf(dims)];
  checkList('roll', 'shifts', by);
  checkList('roll', 'dims', along);
  if (by.length === 0) throw new ArgumentError('roll: `shifts` required');
  const whole = along.length === 0 && by.length === 1;
  if (!whole && by.length !== along.length)
    throw new ArgumentError(`roll: shifts and dimensions must align. shifts: ${by.length}, dims:${along.length}`);
  if (!by.every(Number.isInteger)) throw new ArgumentError(`roll: shifts must be whole numbers, got ${shapeText(by)}`);
  if (!whole && x.shape.length === 0)
    throw new IndexError(`roll: Dimension specified as ${along[0]} but tensor has no dimensions`);
  const start = whole ? flatten(x) : x;
  const y = whole
    ? rolled(start, by[0], 0)
    : along.reduce((t, d, k) => rolled(t, by[k], wrapDim('roll', d, x.shape.length)), x);
  return named(y === start ? clone(x) : reshape(y, x.shape), 'RollBackward0');
}

// y[…, (i + shift) mod n, …] = x[…, i, …]; its adjoint rolls back
const rollOp: Op<{ readonly front: number; readonly dim: number }> = defineOp({
  name: 'roll',
  cheap: true,
  inputs: ['x'],
  forward: ([x], { front, dim }) => {
    const y = fresh(x.shape, x.dtype);
    const rest = x.shape[dim] - front;
    const part = (t: TensorBase, start: number, length: number): TensorBase =>
      aliasAt(t, slicePlace(t, { dim, start, step: 1, length }));
    copyKernel(x.dtype, x.dtype).runEach(
      [part(y, 0, front), part(y, front, rest)],
      [part(x, rest, front), part(x, 0, rest)],
    );
    return y;
  },
  vjp: { x: [[], (g, _, { attrs: { front, dim } }) => rolled(g, -front, dim)] },
  jvp: 'linear',
  vmap: ([x], _, { front, dim }) => apply1(rollOp, [x], { front, dim: dim + 1 }),
});

function rolled(x: TensorBase, shift: number, dim: number): TensorBase {
  const size = x.shape.length === 0 ? 1 : x.shape[dim];
  const front = size === 0 ? 0 : ((shift % size) + size) % size;
  return front === 0 ? x : apply1(rollOp, [x], { front, dim });
}

/** Turned by `k` right angles in the plane of two dimensions, from the first towards the second. */
export function rot90(x: TensorBase, k = 1, dims: readonly number[] = [0, 1]): TensorBase {
  checkTensors('rot90', x);
  if (!Number.isInteger(k)) throw new ArgumentError(`rot90: k must be a whole number, got ${String(k)}`);
  checkList('rot90', 'dims', dims);
  const rank = x.shape.length;
  if (dims.length !== 2)
    throw new ArgumentError(`rot90: expected total rotation dims == 2, but got dims = ${dims.length}`);
  if (rank < 2) throw new ShapeError(`rot90: expected total dims >= 2, but got total dims = ${rank}`);
  const [a, b] = dims.map((d) => wrapDim('rot90', d, rank));
  if (a === b)
    throw new ArgumentError(
      `rot90: expected rotation dims to be different, but got dim0 = ${dims[0]} and dim1 = ${dims[1]}`,
    );
  switch (((k % 4) + 4) % 4) {
    case 1:
      return named(transpose(flip(x, [b]), a, b), 'Rot90Backward0');
    case 2:
      return named(flip(x, [a, b]), 'Rot90Backward0');
    case 3:
      return named(transpose(flip(x, [a]), a, b), 'Rot90Backward0');
    default:
      return named(clone(x), 'Rot90Backward0');
  }
}

/** `x` again and again: `repeats` times along each dimension, new ones in front. */
export function repeat(x: TensorBase, repeats: Shape): TensorBase {
  checkTensors('repeat', x);
  checkList('repeat', 'repeats', repeats);
  const lead = repeats.length - x.shape.length;
  if (lead < 0)
    throw new ShapeError(
      `repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: ${shapeText(repeats)} for shape ${shapeText(x.shape)}`,
    );
  checkShape('repeat', repeats);
  const sizes = repeats.map((_, d) => (d < lead ? 1 : x.shape[d - lead]));
  const apart = sizes.flatMap((n) => [1, n]);
  const beside = sizes.flatMap((n, d) => [repeats[d], n]);
  const shape = sizes.map((n, d) => n * repeats[d]);
  return named(reshape(clone(expand(reshape(x, apart), beside)), shape), 'RepeatBackward0');
}

/** `repeat`, with as many dimensions as the longer of the two has. */
export function tile(x: TensorBase, dims: Shape): TensorBase {
  checkTensors('tile', x);
  checkList('tile', 'dims', dims);
  const missing = Math.max(0, x.shape.length - dims.length);
  return repeat(x, [...new Array<number>(missing).fill(1), ...dims]);
}

/** Each element as often as `repeats` says, one after the other: along `dim`, or as one row. */
export function repeatInterleave(x: TensorBase, repeats: TensorBase | number, dim?: number): TensorBase {
  checkTensors('repeatInterleave', x, ...(typeof repeats === 'number' ? [] : [repeats]));
  const [from, d] = dim === undefined ? [flatten(x), 0] : [x, wrapDim('repeatInterleave', dim, x.shape.length)];
  const line = from.shape.length === 0 ? reshape(from, [1]) : from;
  const size = line.shape[d];
  if (typeof repeats !== 'number' && (repeats.shape.length > 1 || (repeats.count !== 1 && repeats.count !== size)))
    throw new ShapeError(
      `repeatInterleave: repeats must have the same size as input along dim, but got repeats of shape ${shapeText(repeats.shape)} for ${shapeText(x.shape)}, dim ${d}`,
    );
  if (typeof repeats === 'number') {
    checkRepeats([repeats]);
    const beside = line.shape.toSpliced(d + 1, 0, repeats);
    const all = clone(expand(unsqueeze(line, d + 1), beside));
    return named(reshape(all, line.shape.with(d, size * repeats)), 'IndexSelectBackward0');
  }
  const counts = countsOf(repeats);
  return indexSelect(line, d, places(counts.length === size ? counts : new Array<number>(size).fill(counts[0])));
}

function countsOf(repeats: TensorBase): readonly number[] {
  checkIndex('repeatInterleave', repeats);
  const counts = integersOf('repeatInterleave', repeats);
  checkRepeats(counts);
  return counts;
}

/** How many there are in all. */
function checkRepeats(counts: readonly number[]): number {
  let total = 0;
  for (const n of counts) {
    if (!Number.isInteger(n) || n < 0)
      throw new ArgumentError(`repeatInterleave: repeats can not be negative, and must be whole numbers: got ${n}`);
    total += n;
  }
  return total;
}

function places(counts: readonly number[]): TensorBase {
  const total = checkRepeats(counts);
  checkBytes(4 * total, 'repeatInterleave');
  // How many end at a place, added up: loops of a few turns for each would be guessed wrong.
  const out = new Int32Array(total + 1);
  let end = 0;
  for (let i = 0; i < counts.length; i++) {
    end += counts[i];
    out[end]++;
  }
  for (let k = 1; k < total; k++) out[k] += out[k - 1];
  return integers(out.subarray(0, total));
}
