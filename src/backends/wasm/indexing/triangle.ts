/**
 * Copies that rearrange: triangles of matrices, and flipped dimensions.
 */
import { dtypeInfo } from '../../../core/dtype.ts';
import { numel } from '../../../core/shape.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, times } from '../control.ts';
import { FunctionBody, type Local, type Locals } from '../encoder.ts';
import { beginLaunch } from '../heap.ts';
import { joinLoops, loopsOver, memoryOrder } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { emitNest, emitRun, emitWalk, MOVE, startOf, writeNest } from './nest.ts';

/** Triangles by how many bytes an element has. */
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
 * `(out, input, matrices, rows, columns, border, lower)`: rows lie one behind the other. In the first one of each matrix the
 * columns before the border are copied if `lower`, those from it on if not; it is one further in each row. In place what
 * would be copied stays.
 */
function triangleFunction(bytes: number): FunctionBody {
  const b = new FunctionBody('triangle', new Array(7).fill('i32'), []);
  const [to, from, matrices, rows, columns, first, lower] = b.params as Locals<7>;
  const [load, store] = MOVE[bytes];
  const before = b.local('i32');
  const behind = b.local('i32');
  const pass = (count: Local, ...places: readonly Local[]): void => {
    for (const place of places) b.get(place).get(count).i32(bytes).op('i32.mul', 'i32.add').set(place);
  };
  const copy = (count: Local): void => {
    b.get(to).get(from).op('i32.eq');
    b.if(
      () => pass(count, to, from),
      () =>
        emitRun(
          b,
          count,
          [to, from],
          bytes,
          () => b.get(to).get(from).mem('v128.load').mem('v128.store'),
          () => b.get(to).get(from).mem(load).mem(store),
        ),
    );
  };
  const clear = (count: Local): void => {
    emitRun(
      b,
      count,
      [to],
      bytes,
      () => b.get(to).i32x4(0).mem('v128.store'),
      () => {
        b.get(to);
        if (bytes === 8) b.i64(0n);
        else b.i32(0);
        b.mem(store);
      },
    );
    pass(count, from);
  };
  times(b, matrices, () => {
    const border = copyOf(b, first);
    const left = copyOf(b, rows);
    times(b, left, () => {
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
    });
  });
  return b;
}

function triangle(out: Strided, input: Strided, border: number, lower: boolean): void {
  beginLaunch();
  const [rows, columns] = out.shape.slice(-2);
  const count = numel(out.shape);
  if (count === 0) return;
  const { bytes } = dtypeInfo(out.dtype);
  const kernel = kernelFor(bytes, () => triangleFunction(bytes));
  const first = Math.max(-(2 ** 30), Math.min(2 ** 30, border));
  kernel(startOf(out), startOf(input), count / (rows * columns), rows, columns, first, Number(lower));
}

/** The elements of every matrix on and below its `k`-th diagonal; the others are 0. Both are contiguous, or one. */
export function tril(out: Strided, input: Strided, k = 0): void {
  triangle(out, input, k + 1, true);
}

/** The elements of every matrix on and above its `k`-th diagonal; the others are 0. Both are contiguous, or one. */
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
