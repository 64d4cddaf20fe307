/**
 * Picking out the elements that a condition holds for, in row-major order.
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import { arg, compare, select } from '../../../kernels/expr.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, loadWord, times } from '../control.ts';
import { FunctionBody, type MemoryOp } from '../encoder.ts';
import { allocate, beginLaunch, free, i32, scratch } from '../heap.ts';
import { joinLoops, loopsOver, stridesOver } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { ReduceKernel } from '../reduce.ts';
import { emitNest, MOVE, startOf, writeNest } from './nest.ts';

const counters = new Map<DType, ReduceKernel>();

function counterFor(dtype: DType): ReduceKernel {
  let kernel = counters.get(dtype);
  if (kernel === undefined) {
    // float32 could not count beyond 2²⁴.
    const compute = dtypeInfo(dtype).compute === 'i32' ? 'i32' : 'f64';
    const pre = select(compare('ne', arg(0), 0), 1, 0);
    kernel = new ReduceKernel({ name: 'count', fold: 'sum', pre, compute, ins: [dtype], out: 'int32' });
    counters.set(dtype, kernel);
  }
  return kernel;
}

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

const LOAD: Readonly<Record<DType, MemoryOp>> = {
  bool: 'i32.load8_u',
  uint8: 'i32.load8_u',
  int32: 'i32.load',
  float32: 'f32.load',
  float64: 'f64.load',
};

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
      b.get(to).get(at).mem(LOAD[condition]);
      if (condition === 'float32') b.f32(0).op('f32.ne');
      else if (condition === 'float64') b.f64(0).op('f64.ne');
      else b.i32(0).op('i32.ne');
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

/** A row of indices for every element that is not zero. `out` is contiguous, [countNonzero(input), rank], int32. */
export function nonzero(out: Strided, input: Strided): void {
  beginLaunch();
  const [count, rank] = out.shape;
  if (count === 0 || rank === 0) return;
  const to = startOf(out) >>> 2;
  const found = scratch(4 * count);
  compact(input, null, input.shape, found, count);
  const words = i32();
  const from = found >>> 2;
  for (let i = 0; i < count; i++) {
    let place = words[from + i];
    for (let d = rank - 1; d > 0; d--) {
      const rest = (place / input.shape[d]) | 0;
      words[to + i * rank + d] = place - rest * input.shape[d];
      place = rest;
    }
    words[to + i * rank] = place;
  }
}
