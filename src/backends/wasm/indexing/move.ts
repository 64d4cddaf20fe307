/**
 * Moves along indices: elements are read from, written to, or joined to the places that an int32
 * tensor names, along one dimension or along several at once. Whole slices are the same with an index
 * that repeats along the other dimensions; where slices are contiguous they move as vectors.
 */

import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import { IndexError } from '../../../core/errors.ts';
import { numel } from '../../../core/shape.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { beginLaunch, beginLaunchBeside, f32, f64, i32, scratch, u8 } from '../heap.ts';
import { parameterWords } from '../linear-memory.ts';
import { joinLoops, type Loop, loopsOver, memoryOrder } from '../loops.ts';
import { trapped } from '../module.ts';
import { launching } from '../threads/pending.ts';
import { type Body, inTasks, leaveInTasks, shareOf, tasksFor } from '../threads/share.ts';
import { asVectors, HEAD, headWords, type Inner, type Join, kernelFor, type Move, UNSEEN } from './move-code.ts';
import { startOf, writeNest } from './nest.ts';

/** What moving an element takes, in steps of `tasksFor`. */
const MOVE_STEPS = 8;

interface Task {
  readonly shape: readonly number[];
  readonly to: Strided;
  /** A number is used for every element. */
  readonly from: Strided | number;
  readonly index: Strided;
  /** How the index moves along `shape`. */
  readonly indexStrides: readonly number[];
  /** From one row of the index to the next, in elements. */
  readonly rowStep?: number;
  /** The dimensions that rows of the index lead along. */
  readonly dims: readonly number[];
  /** Strides of the indexed tensor along `shape`, where its dimensions are not those of `shape`. */
  readonly indexedStrides?: readonly number[];
  readonly wraps?: boolean;
  readonly alpha?: number;
  /**
   * All indices have been in range before: what is queued before this need not be done to see it. One that is not is an
   * error where the work is done, which may be later.
   */
  readonly sure?: boolean;
  /** Goes before the message about an index out of range: PyTorch's words for this move. */
  readonly complaint?: (index: number, size: number) => string;
}

function run(move: Move, task: Task): void {
  const { shape, to, from, index, indexStrides, rowStep = 0, dims, wraps = false, alpha = 1, sure = false } = task;
  if (sure) beginLaunchBeside();
  else beginLaunch();
  if (shape.includes(0)) return;
  const indexed = move === 'take' ? (from as Strided) : to;
  const apart = task.indexedStrides ?? indexed.strides.map((step, d) => (dims.includes(d) ? 0 : step));
  const strides = (t: Strided | number): readonly number[] =>
    typeof t === 'number' ? new Array<number>(shape.length).fill(0) : t === indexed ? apart : t.strides;
  const all = shape.map((_, d) => d);
  const loops = joinLoops(memoryOrder(loopsOver(shape, all, [strides(to), strides(from), indexStrides])));
  const { bytes } = dtypeInfo(to.dtype);
  const starts = [startOf(to), typeof from === 'number' ? cell(to.dtype, from) : startOf(from), startOf(index)];
  const kernel = kernelFor({
    move,
    dtype: to.dtype,
    depth: Math.max(0, loops.length - 1),
    inner: innerOf(move, to.dtype, loops.at(-1)),
    rows: dims.length,
    wraps,
  });
  const block = (some: readonly Loop[], at: readonly number[]): number => {
    const params = writeNest(headWords(dims.length), some, at, [bytes, bytes, 4]);
    const words = parameterWords();
    const w = params >>> 2;
    words[w + HEAD.bad] = sure ? UNSEEN : 0;
    words[w + HEAD.rowStep] = 4 * rowStep;
    for (const [k, d] of dims.entries()) {
      words[w + HEAD.dims + 2 * k] = indexed.shape[d];
      words[w + HEAD.dims + 2 * k + 1] = indexed.strides[d] * bytes;
    }
    if (move === 'scaled') writeNumber(to.dtype, params + 4 * HEAD.alpha, alpha);
    return params;
  };
  // Turns of the outermost loop that write to places of their own may be dealt out.
  const [outermost, ...within] = loops;
  const apartAll = outermost !== undefined && outermost.steps[0] !== 0;
  const steps = MOVE_STEPS * numel(shape);
  const tasks = apartAll ? tasksFor(steps, outermost.size) : 1;
  const blocks: number[] = [];
  const body: Body = (t, later) => {
    if (tasks === 1 || outermost === undefined) blocks.push(block(loops, starts));
    else {
      const [first, end] = shareOf(t, tasks, outermost.size);
      const begin = starts.map((start, k) => start + first * outermost.steps[k] * (k === 2 ? 4 : bytes));
      blocks.push(block([{ ...outermost, size: end - first }, ...within], begin));
    }
    later(kernel, blocks[t]);
  };
  if (!sure) inTasks(tasks, body);
  else if (!trapped(() => leaveInTasks(tasks, steps, body))) return;
  const failed = blocks.find((at) => i32()[(at >>> 2) + HEAD.bad] > 0);
  if (failed === undefined) return;
  const words = i32();
  const dim = dims[words[(failed >>> 2) + HEAD.bad] - 1];
  const size = indexed.shape[dim];
  const value = words[(failed >>> 2) + HEAD.badValue];
  throw outOfBounds(value, dim, size, task.complaint);
}

export function outOfBounds(index: number, dim: number, size: number, complaint: Task['complaint']): IndexError {
  const words = complaint?.(index, size) ?? '';
  return new IndexError(
    `${launching.name}: ${words}index ${index} is out of bounds for dimension ${dim} with size ${size}`,
  );
}

function innerOf(move: Move, dtype: DType, loop: Loop | undefined): Inner {
  if (loop === undefined) return 'each';
  if (loop.steps[2] !== 0) return loop.steps[2] === 1 && loop.steps[move === 'take' ? 0 : 1] === 1 ? 'packed' : 'each';
  const contiguous = loop.steps[0] === 1 && loop.steps[1] === 1;
  return contiguous && asVectors(move, dtype) ? 'run' : 'slice';
}

/** A place in scratch that holds a number. */
function cell(dtype: DType, value: number): number {
  const at = scratch(8);
  writeNumber(dtype, at, value);
  return at;
}

function writeNumber(dtype: DType, at: number, value: number): void {
  if (dtype === 'float32') f32()[at >>> 2] = value;
  else if (dtype === 'float64') f64()[at >>> 3] = value;
  else if (dtype === 'int32') i32()[at >>> 2] = value;
  else u8()[at] = dtype === 'bool' ? Number(value !== 0) : value;
}

/** The strides of a vector of indices laid along `dim`. */
function along(index: Strided, rank: number, dim: number): number[] {
  const strides = new Array<number>(rank).fill(0);
  strides[dim] = index.strides[0] ?? 0;
  return strides;
}

/** What PyTorch says where whole slices are selected. */
export const sliceComplaint = (): string => 'index out of range in self: ';

/** out[i, j] = input[index[i, j], j] for `dim` 0, and likewise along any dimension. */
export function gather(out: Strided, input: Strided, index: Strided, dim: number): void {
  run('take', { shape: index.shape, to: out, from: input, index, indexStrides: index.strides, dims: [dim] });
}

/** out[index[i, j], j] = src[i, j] for `dim` 0; of several for one place the last along `dim` stays. */
export function scatter(out: Strided, dim: number, index: Strided, src: Strided | number): void {
  run('put', { shape: index.shape, to: out, from: src, index, indexStrides: index.strides, dims: [dim] });
}

/** out[index[i, j], j] ∘= src[i, j] for `dim` 0, one after the other in a fixed order. */
export function scatterJoin(join: Join, out: Strided, dim: number, index: Strided, src: Strided | number): void {
  run(join, { shape: index.shape, to: out, from: src, index, indexStrides: index.strides, dims: [dim] });
}

/** out[index[i, j], j] += src[i, j] for `dim` 0, one after the other in a fixed order. */
export function scatterAdd(out: Strided, dim: number, index: Strided, src: Strided | number): void {
  scatterJoin('add', out, dim, index, src);
}

/** out[…, k, …] = input[…, index[k], …] */
export function indexSelect(out: Strided, input: Strided, dim: number, index: Strided): void {
  const indexStrides = along(index, out.shape.length, dim);
  run('take', { shape: out.shape, to: out, from: input, index, indexStrides, dims: [dim], complaint: sliceComplaint });
}

/** out[…, index[k], …] += alpha · src[…, k, …]; `sure` where all indices have been in range before. */
export function indexAdd(out: Strided, dim: number, index: Strided, src: Strided, alpha = 1, sure = false): void {
  const indexStrides = along(index, src.shape.length, dim);
  const move = alpha === 1 ? 'add' : 'scaled';
  const dims = [dim];
  run(move, {
    shape: src.shape,
    to: out,
    from: src,
    index,
    indexStrides,
    dims,
    alpha,
    sure,
    complaint: sliceComplaint,
  });
}

/** out[…, index[k], …] = src[…, k, …] */
export function indexCopy(out: Strided, dim: number, index: Strided, src: Strided): void {
  const indexStrides = along(index, src.shape.length, dim);
  run('put', { shape: src.shape, to: out, from: src, index, indexStrides, dims: [dim], complaint: sliceComplaint });
}

/** out[…, index[k], …] = value */
export function indexFill(out: Strided, dim: number, index: Strided, value: number): void {
  const indexStrides = along(index, out.shape.length, dim);
  const shape = out.shape.with(dim, index.shape[0] ?? 1);
  run('put', { shape, to: out, from: value, index, indexStrides, dims: [dim], complaint: sliceComplaint });
}

/**
 * How several dimensions are indexed at once. The index has a row for each of `dims`, which are given
 * in order; its other dimensions stand in the result from dimension `at` on, in the place of those
 * indexed, and the dimensions that are not indexed keep their order around them.
 */
export interface Indexed {
  readonly dims: readonly number[];
  readonly at: number;
  /** The indexed tensor is another one seen as a row. */
  readonly row?: boolean;
}

const rowComplaint = (index: number, size: number): string =>
  `out of range: tried to access index ${index} on a tensor of ${size} elements: `;

/** The move between an indexed tensor `t` and what is at the places, the two of them as `to` and `from`. */
function places(
  t: Strided,
  result: Strided,
  index: Strided,
  { dims, at, row }: Indexed,
  to: Strided,
  from: Strided,
): Task {
  const among = index.strides.slice(1);
  const rest = t.strides.filter((_, d) => !dims.includes(d));
  const none = (steps: readonly number[]): number[] => steps.map(() => 0);
  const around = (middle: readonly number[], outer: readonly number[]): readonly number[] =>
    outer.length === 0 ? middle : outer.toSpliced(at, 0, ...middle);
  return {
    shape: result.shape,
    to,
    from,
    index,
    indexStrides: around(among, none(rest)),
    rowStep: index.strides[0],
    dims,
    indexedStrides: around(none(among), rest),
    wraps: true,
    complaint: row ? rowComplaint : undefined,
  };
}

/** out[…, i, …] = input[…, index[0, i], index[1, i], …]; negative indices count from the end. */
export function take(out: Strided, input: Strided, index: Strided, indexed: Indexed): void {
  run('take', places(input, out, index, indexed, out, input));
}

/** out[…, index[0, i], index[1, i], …] = src[…, i, …], or += with `accumulate`; negative indices count from the end. */
export function put(out: Strided, index: Strided, src: Strided, indexed: Indexed, accumulate: boolean): void {
  run(accumulate ? 'add' : 'put', places(out, src, index, indexed, out, src));
}
