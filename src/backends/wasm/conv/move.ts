/** Copies between parts of memory with strides of their own: images into a frame, results into a lattice. */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import { advance, copyOf } from '../control.ts';
import { FunctionBody, type Local, type MemoryOp, type PlainOp } from '../encoder.ts';
import { emitNest, emitRun, emitWalk, fillNest, type Innermost, MOVE } from '../indexing/nest.ts';
import { joinLoops, loopsOver } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import type { Plan } from '../plan.ts';
import type { Run } from '../threads/share.ts';

/**
 * `put`: to ← from; `add`: to ← to + from; `weave`: places two apart ← from, and those behind them ← a second one;
 * `ravel`, its reverse: to ← places two apart, and a second one ← those behind them, at
 * least a vector of each.
 */
export type Manner = 'put' | 'add' | 'weave' | 'ravel';

const ADD: Readonly<Record<DType, readonly [PlainOp, PlainOp]>> = {
  bool: ['i32.or', 'v128.or'],
  uint8: ['i32.add', 'i8x16.add'],
  int32: ['i32.add', 'i32x4.add'],
  float32: ['f32.add', 'f32x4.add'],
  float64: ['f64.add', 'f64x2.add'],
};

const kernels = new Map<string, WasmFunction>();

/** How elements of the innermost loop follow each other: side by side, every second one to places side by side, or woven. */
type Steps = 'along' | 'from second' | 'weave' | 'ravel' | 'any';

function stepsOf(manner: Manner, dtype: DType, to: number, from: number): Steps {
  if (manner === 'weave' || manner === 'ravel') return manner;
  if (to === 1 && from === 1) return 'along';
  if (manner !== 'put' || dtypeInfo(dtype).bytes === 1) return 'any';
  return to === 1 && from === 2 ? 'from second' : 'any';
}

/** Most vectors of lines whose kernels have no loop over them: there are as many kernels as such lengths. */
const MOST_VECTORS = 8;

function kernelFor(manner: Manner, dtype: DType, depth: number, steps: Steps, size: number): WasmFunction {
  const { bytes } = dtypeInfo(dtype);
  const short = steps !== 'any' && size * bytes >= 16 && size * bytes <= 16 * MOST_VECTORS;
  const length = short ? size : 0;
  const key = `${manner} ${manner === 'add' ? dtype : bytes} ${depth} ${steps} ${length}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = instantiate([moveFunction(manner, dtype, depth, steps, length)]).move;
    kernels.set(key, kernel);
  }
  return kernel;
}

/** Code that moves the element, or the vector of elements, at one place to another. */
export function elementMoves(b: FunctionBody, manner: Manner, dtype: DType) {
  const { bytes, compute } = dtypeInfo(dtype);
  const [load, store] =
    manner !== 'add' || compute === 'i32' ? MOVE[bytes] : ([`${compute}.load`, `${compute}.store`] as const);
  const [add, addVector] = ADD[dtype];
  const move =
    (l: MemoryOp, s: MemoryOp, plus: PlainOp) =>
    (to: Local, from: Local, offset = 0, ahead = 0) => {
      b.get(to);
      if (manner === 'add') b.get(to).mem(l, offset);
      b.get(from).mem(l, ahead);
      if (manner === 'add') b.op(plus);
      b.mem(s, offset);
    };
  return { element: move(load, store, add), vector: move('v128.load', 'v128.store', addVector) };
}

/** The even lanes of vectors of which the second begins with the last element of the first. */
export const everySecond = (bytes: number): number[] => {
  const count = 16 / bytes;
  const lanes = Array.from({ length: count }, (_, i) => (2 * i < count ? 2 * i : 2 * i + 1));
  return lanes.flatMap((lane) => Array.from({ length: bytes }, (_, i) => lane * bytes + i));
};

/** `length` is that of innermost loops, if it is known. */
function moveFunction(manner: Manner, dtype: DType, depth: number, how: Steps, length: number): FunctionBody {
  // (nest, to, from, second): the loops, and where what they write and read begins; the second one only to weave and to ravel.
  const [woven, raveled] = [how === 'weave', how === 'ravel'];
  const b = new FunctionBody('move', new Array(woven || raveled ? 4 : 3).fill('i32'), []);
  const starts = b.params.slice(1);
  const { bytes } = dtypeInfo(dtype);
  const moves = elementMoves(b, manner, dtype);
  emitNest(b, 0, 2, depth, ({ count, places, steps }: Innermost) => {
    const all = starts.map((_, i) => copyOf(b, places[i < 2 ? i : Number(woven)]));
    all.forEach((place, i) => void advance(b, place, starts[i]!));
    const [to, from, second] = all;
    const element = (): void => {
      moves.element(to, from);
      if (woven) moves.element(to, second, bytes);
    };
    /** Moves a vector, so many bytes on where elements lie side by side. */
    const vectors: Readonly<Record<Exclude<Steps, 'any'>, (on: number) => void>> = {
      along: (on) => moves.vector(to, from, on, on),
      'from second': (on) => {
        b.get(to);
        b.get(from)
          .mem('v128.load', 2 * on)
          .get(from)
          .mem('v128.load', 2 * on + 16 - bytes);
        b.shuffle(everySecond(bytes)).mem('v128.store', on);
      },
      weave: (on) => {
        for (const half of [0, 8]) {
          const bytesOf = (i: number): number => half + (i % bytes) + bytes * Math.floor(i / bytes / 2);
          b.get(to).get(from).mem('v128.load', on).get(second).mem('v128.load', on);
          b.shuffle(Array.from({ length: 16 }, (_, i) => bytesOf(i) + 16 * (Math.floor(i / bytes) % 2)));
          b.mem('v128.store', 2 * (on + half));
        }
      },
      ravel: (on) => {
        const halves = [0, 16].map((offset) => {
          const half = b.local('v128');
          b.get(from)
            .mem('v128.load', 2 * on + offset)
            .set(half);
          return half;
        });
        for (const [place, first] of [
          [to, 0],
          [second, bytes],
        ] as const) {
          b.get(place);
          for (const half of halves) b.get(half);
          b.shuffle(Array.from({ length: 16 }, (_, i) => first + (i % bytes) + 2 * bytes * Math.floor(i / bytes)));
          b.mem('v128.store', on);
        }
        b.release(...halves);
      },
    };
    if (how !== 'any' && length > 0) {
      const end = length * bytes - 16;
      // A last vector lies over what it must of the one before; what is added to is read before that is written.
      const sum = b.local('v128');
      if (manner === 'add') b.get(to).mem('v128.load', end).get(from).mem('v128.load', end).op(ADD[dtype][1]).set(sum);
      for (let on = 0; on < end; on += 16) vectors[how](on);
      if (manner === 'add') b.get(to).get(sum).mem('v128.store', end);
      else vectors[how](end);
      b.release(sum);
    } else if (how !== 'any') {
      emitRun(
        b,
        count,
        all,
        bytes,
        () => vectors[how](0),
        element,
        [woven ? 2 : 1, raveled || how === 'from second' ? 2 : 1, 1],
        manner !== 'add',
      );
    } else {
      emitWalk(b, count, all, steps, element);
    }
    b.release(...all);
  });
  return b;
}

/** A move whose shape and strides stay, from and to any addresses. */
export type Mover = (run: Run, to: number, from: number, ...second: number[]) => void;

/** Prepares a move; strides are in elements. */
export function mover(
  plan: Plan,
  manner: Manner,
  dtype: DType,
  shape: readonly number[],
  toStrides: readonly number[],
  fromStrides: readonly number[],
): Mover {
  if (shape.includes(0)) return () => undefined;
  const { bytes } = dtypeInfo(dtype);
  const dims = shape.map((_, d) => d);
  const loops = joinLoops(loopsOver(shape, dims, [toStrides, fromStrides]));
  const inner = loops.at(-1);
  const how = inner === undefined ? 'any' : stepsOf(manner, dtype, inner.steps[0], inner.steps[1]);
  const kernel = kernelFor(manner, dtype, Math.max(0, loops.length - 1), how, inner?.size ?? 1);
  const words: number[] = [];
  fillNest(words, 0, loops, [0, 0], [bytes, bytes]);
  const nest = plan.place(words);
  return (run, ...starts) => run(kernel, nest, ...starts);
}
