/**
 * The elements that a condition holds for, in row-major order: picked out, found, and filled in.
 */
import { byDType, type DType, dtypeInfo } from '../../../core/dtype.ts';
import { arg, compare, select } from '../../../kernels/expr.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, loadWord, times } from '../control.ts';
import { FunctionBody, type Local, type MemoryOp } from '../encoder.ts';
import { allocate, beginLaunch, free, i32, scratch } from '../heap.ts';
import { joinLoops, loopsOver, stridesOver } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { ReduceKernel } from '../reduce.ts';
import { emitNest, MOVE, startOf, writeNest } from './nest.ts';

const counterFor = byDType((dtype): ReduceKernel => {
  // float32 could not count beyond 2²⁴.
  const compute = dtypeInfo(dtype).compute === 'i32' ? 'i32' : 'f64';
  const pre = select(compare('ne', arg(0), 0), 1, 0);
  return new ReduceKernel({ name: 'count', fold: 'sum', pre, compute, ins: [dtype], out: 'int32' });
});

/** How many elements are not zero, with `t` broadcast to `shape`. NaN is not zero. */
export function countNonzero(t: Strided, shape: readonly number[] = t.shape): number {
  beginLaunch();
  const storage = allocate(4);
  const out: Strided = { storage, shape: [], strides: [], offset: 0, dtype: 'int32' };
  const axes = shape.map((_, d) => d);
  counterFor(t.dtype).run(out, [t], shape, axes);
  const count = i32()[startOf(out) >>> 2];
  free(storage);
  return count;
}

/** Words of the head: where results go, and where they end. */
const HEAD = { to: 0, end: 1, words: 2 } as const;

/** How an element is loaded to be looked at. */
export const LOAD: Readonly<Record<DType, MemoryOp>> = {
  bool: 'i32.load8_u',
  uint8: 'i32.load8_u',
  int32: 'i32.load',
  float32: 'f32.load',
  float64: 'f64.load',
};

/** Pushes 1 if the element at `at` is not zero, else 0. */
function pushHolds(b: FunctionBody, condition: DType, at: Local): void {
  b.get(at).mem(LOAD[condition]);
  if (condition === 'float32') b.f32(0).op('f32.ne');
  else if (condition === 'float64') b.f64(0).op('f64.ne');
  else b.i32(0).op('i32.ne');
}

/** Walks the condition and an input; writes input elements of `bytes` bytes, or with 0 row-major places. */
function compactFunction(condition: DType, bytes: number, depth: number): FunctionBody {
  const b = new FunctionBody('compact', ['i32'], []);
  const to = loadWord(b, HEAD.to);
  const end = loadWord(b, HEAD.end);
  const place = b.local('i32');
  const written = bytes === 0 ? 4 : bytes;
  emitNest(b, HEAD.words, 2, depth, ({ count, places, steps }) => {
    const [at, from] = places.map((p) => copyOf(b, p));
    const left = copyOf(b, count);
    times(b, left, () => {
      // Without a branch on the mask, for nobody can guess it: what is not wanted is overwritten by the next.
      b.get(to);
      if (bytes === 0) b.get(place).mem('i32.store');
      else b.get(from).mem(MOVE[bytes][0]).mem(MOVE[bytes][1]);
      b.get(to);
      pushHolds(b, condition, at);
      b.i32(written).op('i32.mul', 'i32.add').tee(to).get(end).op('i32.eq');
      b.if(() => b.op('return'));
      advance(b, at, steps[0]);
      advance(b, from, steps[1]);
      advance(b, place, 1);
    });
    b.release(at, from, left);
  });
  return b;
}

const kernels = new Map<string, WasmFunction>();

/** Writes `count` (> 0) results from the address `to` on. */
function compact(condition: Strided, input: Strided | null, shape: readonly number[], to: number, count: number): void {
  const bytes = input === null ? 0 : dtypeInfo(input.dtype).bytes;
  const tensors = [condition, input ?? condition];
  const strides = tensors.map((t) => stridesOver(t, shape));
  const dims = shape.map((_, d) => d);
  const loops = joinLoops(loopsOver(shape, dims, strides));
  const depth = Math.max(0, loops.length - 1);
  const key = `${condition.dtype} ${bytes} ${depth}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = instantiate([compactFunction(condition.dtype, bytes, depth)]).compact;
    kernels.set(key, kernel);
  }
  const elementBytes = tensors.map((t) => dtypeInfo(t.dtype).bytes);
  const params = writeNest(HEAD.words, loops, tensors.map(startOf), elementBytes);
  const words = i32();
  words[(params >>> 2) + HEAD.to] = to;
  words[(params >>> 2) + HEAD.end] = to + count * (bytes || 4);
  kernel(params);
}

/**
 * The elements of `input` where `mask` is not zero, both broadcast to `shape`. `out` is contiguous and
 * has as many elements as `countNonzero(mask, shape)` tells.
 */
export function maskedSelect(out: Strided, input: Strided, mask: Strided, shape: readonly number[]): void {
  beginLaunch();
  const [count] = out.shape;
  if (count > 0) compact(mask, input, shape, startOf(out), count);
}

/** Splits row-major places into indices by dimension. Parameters: where to, from where, how many, the sizes. */
function splitFunction(rank: number): FunctionBody {
  const b = new FunctionBody('split', ['i32', 'i32', 'i32', 'i32'], []);
  const [to, from, count, shape] = b.params;
  const sizes = Array.from({ length: rank }, (_, d) => {
    const size = b.local('i32');
    b.get(shape)
      .mem('i32.load', 4 * d)
      .set(size);
    return size;
  });
  const place = b.local('i32');
  const rest = b.local('i32');
  times(b, count, () => {
    b.get(from).mem('i32.load').set(place);
    for (let d = rank - 1; d > 0; d--) {
      b.get(place).get(sizes[d]).op('i32.div_u').set(rest);
      b.get(to).get(place).get(rest).get(sizes[d]).op('i32.mul', 'i32.sub');
      b.mem('i32.store', 4 * d);
      b.get(rest).set(place);
    }
    b.get(to).get(place).mem('i32.store');
    advance(b, to, 4 * rank);
    advance(b, from, 4);
  });
  return b;
}

const splitters: (WasmFunction | undefined)[] = [];

/** A row of indices for every element that is not zero. `out` is contiguous, [countNonzero(input), rank], int32. */
export function nonzero(out: Strided, input: Strided): void {
  beginLaunch();
  const [count, rank] = out.shape;
  if (count === 0 || rank === 0) return;
  if (rank === 1) {
    compact(input, null, input.shape, startOf(out), count);
    return;
  }
  const found = scratch(4 * count);
  compact(input, null, input.shape, found, count);
  const sizes = scratch(4 * rank);
  i32().set(input.shape, sizes >>> 2);
  splitters[rank] ??= instantiate([splitFunction(rank)]).split;
  splitters[rank](startOf(out), found, count, sizes);
}

/** Walks the condition and an output; where the condition holds, the next of the contiguous `from` is written. */
function fillInFunction(condition: DType, bytes: number, depth: number): FunctionBody {
  const b = new FunctionBody('fillIn', ['i32'], []);
  const from = loadWord(b, 0);
  emitNest(b, 1, 2, depth, ({ count, places, steps }) => {
    const [at, to] = places.map((p) => copyOf(b, p));
    const left = copyOf(b, count);
    times(b, left, () => {
      pushHolds(b, condition, at);
      b.if(() => {
        b.get(to).get(from).mem(MOVE[bytes][0]).mem(MOVE[bytes][1]);
        advance(b, from, bytes);
      });
      advance(b, at, steps[0]);
      advance(b, to, steps[1]);
    });
    b.release(at, to, left);
  });
  return b;
}

/**
 * out[i] = the next element of `src` wherever `mask`, broadcast to the shape of `out`, is not zero.
 * `src` is contiguous and has at least as many elements as `countNonzero(mask, out.shape)` tells.
 */
export function maskedScatter(out: Strided, mask: Strided, src: Strided): void {
  beginLaunch();
  const { shape } = out;
  if (shape.includes(0)) return;
  const { bytes } = dtypeInfo(out.dtype);
  const all = shape.map((_, d) => d);
  const loops = joinLoops(loopsOver(shape, all, [stridesOver(mask, shape), out.strides]));
  const depth = Math.max(0, loops.length - 1);
  const key = `fill in ${mask.dtype} ${bytes} ${depth}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = instantiate([fillInFunction(mask.dtype, bytes, depth)]).fillIn;
    kernels.set(key, kernel);
  }
  const params = writeNest(1, loops, [startOf(mask), startOf(out)], [dtypeInfo(mask.dtype).bytes, bytes]);
  i32()[params >>> 2] = startOf(src);
  kernel(params);
}
