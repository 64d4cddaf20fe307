/**
 * Moves along an index: elements are read from, written to, or added to the places that an int32
 * tensor names along one dimension. Whole slices are the same with an index that repeats along the
 * other dimensions; where slices are contiguous they move as vectors.
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import { IndexError } from '../../../core/errors.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, loadWord, times } from '../control.ts';
import { FunctionBody, type Local, type MemoryOp, type PlainOp } from '../encoder.ts';
import { beginLaunch, f32, f64, i32, scratch, u8 } from '../heap.ts';
import { joinLoops, type Loop, loopsOver, memoryOrder } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { emitNest, emitRun, type Innermost, startOf, writeNest } from './nest.ts';

/** `take`: to[i] ← from[at]; `put`: to[at] ← from[i]; `add`: to[at] ← to[at] + from[i]; `scaled`: … + α · from[i]. */
type Move = 'take' | 'put' | 'add' | 'scaled';

/** The innermost loop: every turn reads an index, or all turns share one, over elements apart or side by side. */
type Inner = 'each' | 'slice' | 'run';

/** Words of the head: an offending index and whether there was one, size and byte stride of the indexed dimension, α. */
const HEAD = { badValue: 0, bad: 1, size: 2, stride: 3, alpha: 4, words: 6 } as const;

/** How elements of one kind are read, added and written. */
interface Element {
  readonly bytes: number;
  readonly type: 'i32' | 'f32' | 'f64';
  readonly load: MemoryOp;
  readonly store: MemoryOp;
  readonly add: PlainOp;
  readonly mul: PlainOp;
  /** The vector addition, where vectors of stored elements can be added. */
  readonly addVector: PlainOp;
  readonly mulVector: PlainOp | null;
  readonly splat: PlainOp;
}

const BYTE: Element = {
  bytes: 1,
  type: 'i32',
  load: 'i32.load8_u',
  store: 'i32.store8',
  add: 'i32.add',
  mul: 'i32.mul',
  addVector: 'i8x16.add',
  mulVector: null,
  splat: 'i8x16.splat',
};
const INT: Element = {
  bytes: 4,
  type: 'i32',
  load: 'i32.load',
  store: 'i32.store',
  add: 'i32.add',
  mul: 'i32.mul',
  addVector: 'i32x4.add',
  mulVector: 'i32x4.mul',
  splat: 'i32x4.splat',
};
const float = (type: 'f32' | 'f64', shape: 'f32x4' | 'f64x2'): Element => ({
  bytes: type === 'f32' ? 4 : 8,
  type,
  load: `${type}.load`,
  store: `${type}.store`,
  add: `${type}.add`,
  mul: `${type}.mul`,
  addVector: `${shape}.add`,
  mulVector: `${shape}.mul`,
  splat: `${shape}.splat`,
});

const ELEMENTS: Readonly<Record<DType, Element>> = {
  bool: { ...BYTE, add: 'i32.or', mul: 'i32.and', addVector: 'v128.or' },
  uint8: BYTE,
  int32: INT,
  float32: float('f32', 'f32x4'),
  float64: float('f64', 'f64x2'),
};

const kernels = new Map<string, WasmFunction>();

function kernelFor(move: Move, dtype: DType, depth: number, inner: Inner): WasmFunction {
  // What only moves is not looked at: one kernel per element size.
  const kind = move === 'take' || move === 'put' ? dtypeInfo(dtype).bytes : dtype;
  const key = `${move} ${kind} ${depth} ${inner}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = instantiate([moveFunction(move, ELEMENTS[dtype], depth, inner)]).move;
    kernels.set(key, kernel);
  }
  return kernel;
}

function moveFunction(move: Move, element: Element, depth: number, innermost: Inner): FunctionBody {
  const b = new FunctionBody('move', ['i32'], []);
  const [block] = b.params;
  const size = loadWord(b, HEAD.size);
  const stride = loadWord(b, HEAD.stride);
  const at = b.local('i32');
  const alpha = b.local(element.type);
  b.get(block)
    .mem(element.load, 4 * HEAD.alpha)
    .set(alpha);
  const alphas = b.local('v128');
  b.get(alpha).op(element.splat).set(alphas);

  /** Reads an index and makes a byte distance of it; notes one that is out of range and leaves. */
  const readIndex = (place: Local): void => {
    b.get(place).mem('i32.load').tee(at).get(size).op('i32.ge_u');
    b.if(() => {
      b.get(block)
        .get(at)
        .mem('i32.store', 4 * HEAD.badValue);
      b.get(block)
        .i32(1)
        .mem('i32.store', 4 * HEAD.bad);
      b.op('return');
    });
    b.get(at).get(stride).op('i32.mul').set(at);
  };
  const moveElement = (to: Local, from: Local): void => {
    b.get(to);
    if (move === 'add' || move === 'scaled') b.get(to).mem(element.load);
    b.get(from).mem(element.load);
    if (move === 'scaled') b.get(alpha).op(element.mul);
    if (move === 'add' || move === 'scaled') b.op(element.add);
    b.mem(element.store);
  };
  const moveVector = (to: Local, from: Local): void => {
    b.get(to);
    if (move === 'add' || move === 'scaled') b.get(to).mem('v128.load');
    b.get(from).mem('v128.load');
    if (move === 'scaled' && element.mulVector !== null) b.get(alphas).op(element.mulVector);
    if (move === 'add' || move === 'scaled') b.op(element.addVector);
    b.mem('v128.store');
  };
  const inner = ({ count, places, steps }: Innermost): void => {
    const [to, from, index] = places.map((p) => copyOf(b, p));
    const indexed = move === 'take' ? from : to;
    const left = copyOf(b, count);
    if (innermost === 'each') {
      const shifted = b.local('i32');
      times(b, left, () => {
        readIndex(index);
        b.get(indexed).get(at).op('i32.add').set(shifted);
        if (move === 'take') moveElement(to, shifted);
        else moveElement(shifted, from);
        for (const [k, place] of [to, from, index].entries()) advance(b, place, steps[k]);
      });
      b.release(shifted);
    } else {
      readIndex(index);
      advance(b, indexed, at);
      if (innermost === 'slice') {
        times(b, left, () => {
          moveElement(to, from);
          advance(b, to, steps[0]);
          advance(b, from, steps[1]);
        });
      } else {
        const vector = (): void => moveVector(to, from);
        emitRun(b, count, [to, from], element.bytes, vector, () => moveElement(to, from));
      }
    }
    b.release(to, from, index, left);
  };
  emitNest(b, HEAD.words, 3, depth, inner);
  return b;
}

interface Task {
  readonly shape: readonly number[];
  readonly to: Strided;
  /** A number is used for every element. */
  readonly from: Strided | number;
  readonly index: Strided;
  readonly indexStrides: readonly number[];
  readonly dim: number;
  readonly alpha?: number;
  /** Goes before the message about an index out of range. */
  readonly complaint?: string;
}

function run(move: Move, task: Task): void {
  const { shape, to, from, index, indexStrides, dim, alpha = 1, complaint = '' } = task;
  beginLaunch();
  if (shape.includes(0)) return;
  const rank = shape.length;
  const indexed = move === 'take' ? (from as Strided) : to;
  const without = (t: Strided): readonly number[] => (t === indexed ? t.strides.with(dim, 0) : t.strides);
  const fromStrides = typeof from === 'number' ? new Array<number>(rank).fill(0) : without(from);
  const dims = shape.map((_, d) => d);
  const loops = joinLoops(memoryOrder(loopsOver(shape, dims, [without(to), fromStrides, indexStrides])));
  const { bytes } = dtypeInfo(to.dtype);
  const starts = [startOf(to), typeof from === 'number' ? cell(to.dtype, from) : startOf(from), startOf(index)];
  const params = writeNest(HEAD.words, loops, starts, [bytes, bytes, 4]);
  const words = i32();
  const w = params >>> 2;
  words[w + HEAD.bad] = 0;
  words[w + HEAD.size] = indexed.shape[dim];
  words[w + HEAD.stride] = indexed.strides[dim] * bytes;
  if (move === 'scaled') writeNumber(to.dtype, params + 4 * HEAD.alpha, alpha);
  kernelFor(move, to.dtype, Math.max(0, loops.length - 1), innerOf(move, to.dtype, loops.at(-1)))(params);
  if (i32()[w + HEAD.bad] !== 0) {
    const size = indexed.shape[dim];
    throw new IndexError(
      `${complaint}index ${i32()[w + HEAD.badValue]} is out of bounds for dimension ${dim} with size ${size}`,
    );
  }
}

function innerOf(move: Move, dtype: DType, loop: Loop | undefined): Inner {
  if (loop === undefined || loop.steps[2] !== 0) return 'each';
  const contiguous = loop.steps[0] === 1 && loop.steps[1] === 1;
  const asVectors = move !== 'scaled' || ELEMENTS[dtype].mulVector !== null;
  return contiguous && asVectors ? 'run' : 'slice';
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
  return Array.from({ length: rank }, (_, d) => (d === dim ? (index.strides[0] ?? 0) : 0));
}

/** What PyTorch says where whole slices are selected. */
const SLICE_COMPLAINT = 'index out of range in self: ';

/** out[i, j] = input[index[i, j], j] for `dim` 0, and likewise along any dimension. */
export function gather(out: Strided, input: Strided, index: Strided, dim: number): void {
  run('take', { shape: index.shape, to: out, from: input, index, indexStrides: index.strides, dim });
}

/** out[index[i, j], j] = src[i, j] for `dim` 0; of several for one place the last in memory order stays. */
export function scatter(out: Strided, dim: number, index: Strided, src: Strided | number): void {
  run('put', { shape: index.shape, to: out, from: src, index, indexStrides: index.strides, dim });
}

/** out[index[i, j], j] += src[i, j] for `dim` 0, one after the other in a fixed order. */
export function scatterAdd(out: Strided, dim: number, index: Strided, src: Strided | number): void {
  run('add', { shape: index.shape, to: out, from: src, index, indexStrides: index.strides, dim });
}

/** out[…, k, …] = input[…, index[k], …] */
export function indexSelect(out: Strided, input: Strided, dim: number, index: Strided): void {
  const indexStrides = along(index, out.shape.length, dim);
  run('take', { shape: out.shape, to: out, from: input, index, indexStrides, dim, complaint: SLICE_COMPLAINT });
}

/** out[…, index[k], …] += alpha · src[…, k, …] */
export function indexAdd(out: Strided, dim: number, index: Strided, src: Strided, alpha = 1): void {
  const indexStrides = along(index, src.shape.length, dim);
  const move = alpha === 1 ? 'add' : 'scaled';
  run(move, { shape: src.shape, to: out, from: src, index, indexStrides, dim, alpha, complaint: SLICE_COMPLAINT });
}

/** out[…, index[k], …] = src[…, k, …] */
export function indexCopy(out: Strided, dim: number, index: Strided, src: Strided): void {
  const indexStrides = along(index, src.shape.length, dim);
  run('put', { shape: src.shape, to: out, from: src, index, indexStrides, dim, complaint: SLICE_COMPLAINT });
}

/** out[…, index[k], …] = value */
export function indexFill(out: Strided, dim: number, index: Strided, value: number): void {
  const indexStrides = along(index, out.shape.length, dim);
  const shape = out.shape.with(dim, index.shape[0] ?? 1);
  run('put', { shape, to: out, from: value, index, indexStrides, dim, complaint: SLICE_COMPLAINT });
}
