/**
 * Copies that rearrange: triangles of matrices, and flipped dimensions.
 */
import { dtypeInfo } from '../../../core/dtype.ts';
import { isContiguous, numel } from '../../../core/shape.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, loadWord, times, timesOrNever } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { beginLaunch, i32, scratch } from '../heap.ts';
import { joinLoops, loopsOver, memoryOrder, Walk } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { emitNest, emitRun, emitWalk, MOVE, startOf, writeNest } from './nest.ts';

/** Triangles by how many bytes an element has, negative where elements do not lie side by side. */
const kernels = new Map<string | number, WasmFunction>();

function kernelFor(key: string | number, make: () => FunctionBody): WasmFunction {
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    const body = make();
    kernel = instantiate([body])[body.name];
    kernels.set(key, kernel);
  }
  return kernel;
}

/**
 * Words of the parameter block: rows, columns, the first row's border (columns below it are copied if
 * `lower`, from it on if not), address, row step and column step of output and input, and how many matrices follow
 * each other there, the rows of one after those of the other.
 */
const PARAM = { rows: 0, columns: 1, border: 2, lower: 3, out: 4, input: 7, matrices: 10, words: 11 } as const;

function triangleFunction(bytes: number, unit: boolean): FunctionBody {
  const b = new FunctionBody('triangle', ['i32'], []);
  const [load, store] = MOVE[bytes];
  const rows = loadWord(b, PARAM.rows);
  const columns = loadWord(b, PARAM.columns);
  const first = loadWord(b, PARAM.border);
  const matrices = loadWord(b, PARAM.matrices);
  const lower = loadWord(b, PARAM.lower);
  const [out, outRow, outColumn] = [0, 1, 2].map((i) => loadWord(b, PARAM.out + i));
  const [input, inputRow, inputColumn] = [0, 1, 2].map((i) => loadWord(b, PARAM.input + i));
  const to = b.local('i32');
  const from = b.local('i32');
  const before = b.local('i32');
  const behind = b.local('i32');

  const copy = (count: Local): void => {
    const element = (): void => {
      b.get(to).get(from).mem(load).mem(store);
    };
    if (unit) {
      emitRun(b, count, [to, from], bytes, () => b.get(to).get(from).mem('v128.load').mem('v128.store'), element);
      return;
    }
    const left = copyOf(b, count);
    timesOrNever(b, left, () => {
      element();
      advance(b, to, outColumn);
      advance(b, from, inputColumn);
    });
    b.release(left);
  };
  const clear = (count: Local): void => {
    const element = (): void => {
      b.get(to);
      if (bytes === 8) b.i64(0n);
      else b.i32(0);
      b.mem(store);
    };
    if (unit) emitRun(b, count, [to], bytes, () => b.get(to).i32x4(0).mem('v128.store'), element);
    else {
      const left = copyOf(b, count);
      timesOrNever(b, left, () => {
        element();
        advance(b, to, outColumn);
      });
      b.release(left);
    }
    b.get(from).get(count).get(inputColumn).op('i32.mul', 'i32.add').set(from);
  };

  times(b, matrices, () => {
    const border = copyOf(b, first);
    const left = copyOf(b, rows);
    times(b, left, () => {
      b.get(out).set(to).get(input).set(from);
      // The columns before the border, between 0 and all of them.
      b.get(border).i32(0).get(border).i32(0).op('i32.gt_s', 'select').tee(before);
      b.get(columns).get(before).get(columns).op('i32.lt_s', 'select').set(before);
      b.get(columns).get(before).op('i32.sub').set(behind);
      b.get(lower).if(
        () => {
          copy(before);
          clear(behind);
        },
        () => {
          clear(before);
          copy(behind);
        },
      );
      advance(b, border, 1);
      advance(b, out, outRow);
      advance(b, input, inputRow);
    });
  });
  return b;
}

function triangle(out: Strided, input: Strided, border: number, lower: boolean): void {
  beginLaunch();
  const { shape } = input;
  if (shape.includes(0)) return;
  const rank = shape.length;
  const { bytes } = dtypeInfo(out.dtype);
  const tensors = [out, input];
  const [row, column] = [rank - 2, rank - 1];
  const unit = tensors.every((t) => t.strides[column] === 1);
  const kernel = kernelFor(unit ? bytes : -bytes, () => triangleFunction(bytes, unit));
  const together = tensors.every((t) => isContiguous(shape, t.strides));
  const batch = together ? [] : [...shape.keys()].slice(0, -2);
  const starts = tensors.map(startOf);
  const params = scratch(4 * PARAM.words);
  const words = i32();
  const w = params >>> 2;
  words[w + PARAM.rows] = shape[row];
  words[w + PARAM.columns] = shape[column];
  words[w + PARAM.border] = Math.max(-(2 ** 30), Math.min(2 ** 30, border));
  words[w + PARAM.lower] = Number(lower);
  words[w + PARAM.matrices] = together ? numel(shape) / (shape[row] * shape[column]) : 1;
  const call = (places: readonly number[]): void => {
    for (let k = 0; k < 2; k++) {
      const at = w + (k === 0 ? PARAM.out : PARAM.input);
      words[at] = starts[k] + places[k] * bytes;
      words[at + 1] = tensors[k].strides[row] * bytes;
      words[at + 2] = tensors[k].strides[column] * bytes;
    }
    kernel(params);
  };
  if (batch.length === 0) {
    call([0, 0]);
    return;
  }
  const strides = tensors.map((t) => t.strides);
  const walk = new Walk(joinLoops(loopsOver(shape, batch, strides)), 2);
  do call(walk.places);
  while (walk.next());
}

/** The elements of every matrix on and below its `k`-th diagonal; the others are 0. */
export function tril(out: Strided, input: Strided, k = 0): void {
  triangle(out, input, k + 1, true);
}

/** The elements of every matrix on and above its `k`-th diagonal; the others are 0. */
export function triu(out: Strided, input: Strided, k = 0): void {
  triangle(out, input, k, false);
}

/** How the input's elements lie along the innermost loop: side by side forward or backward as vectors can move them, or apart. */
type Along = 'forward' | 'backward' | 'apart';

function copyFunction(bytes: number, depth: number, along: Along): FunctionBody {
  const b = new FunctionBody('copy', ['i32'], []);
  const [load, store] = MOVE[bytes];
  emitNest(b, 0, 2, depth, ({ count, places, steps }) => {
    const [to, from] = places.map((p) => copyOf(b, p));
    const element = (): void => {
      b.get(to).get(from).mem(load).mem(store);
    };
    if (along === 'forward') {
      emitRun(b, count, [to, from], bytes, () => b.get(to).get(from).mem('v128.load').mem('v128.store'), element);
    } else if (along === 'backward') {
      const turned = Array.from({ length: 16 }, (_, i) => 16 - bytes - i + 2 * (i % bytes));
      const vector = (): void => {
        b.get(to);
        for (let k = 0; k < 2; k++)
          b.get(from)
            .i32(16 - bytes)
            .op('i32.sub')
            .mem('v128.load');
        b.shuffle(turned).mem('v128.store');
        advance(b, from, -16);
      };
      emitRun(b, count, [to], bytes, vector, () => {
        element();
        advance(b, from, -bytes);
      });
    } else {
      emitWalk(b, count, [to, from], steps, element);
    }
    b.release(to, from);
  });
  return b;
}

/** out[…, i, …] = input[…, n − 1 − i, …] for every one of `dims`. */
export function flip(out: Strided, input: Strided, dims: readonly number[]): void {
  beginLaunch();
  const { shape } = input;
  if (shape.includes(0)) return;
  const { bytes } = dtypeInfo(out.dtype);
  const backwards = input.strides.map((s, d) => (dims.includes(d) ? -s : s));
  const last = dims.reduce((at, d) => at + (shape[d] - 1) * input.strides[d], 0);
  const all = shape.map((_, d) => d);
  const loops = joinLoops(memoryOrder(loopsOver(shape, all, [out.strides, backwards])));
  const depth = Math.max(0, loops.length - 1);
  const [to, from] = loops.at(-1)?.steps ?? [0, 0];
  const along = to !== 1 || Math.abs(from) !== 1 ? 'apart' : from > 0 ? 'forward' : 'backward';
  const kernel = kernelFor(`copy ${bytes} ${depth} ${along}`, () => copyFunction(bytes, depth, along));
  kernel(writeNest(0, loops, [startOf(out), startOf(input) + last * bytes], [bytes, bytes]));
}
