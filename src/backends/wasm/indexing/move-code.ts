/**
 * The code of moves along indices: loops that read, write or join elements at the places that rows of
 * an int32 tensor name.
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import { advance, copyOf, loadWord, times, timesOrNever } from '../control.ts';
import { FunctionBody, type Local, type MemoryOp, type PlainOp } from '../encoder.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { emitNest, emitRun, type Innermost } from './nest.ts';

/** What is put together at a place: `scaled` adds α · from[i]. */
export type Join = 'add' | 'scaled' | 'mul' | 'max' | 'min';

/** `take`: to[i] ← from[at]; `put`: to[at] ← from[i]; a join: to[at] ← to[at] ∘ from[i]. */
export type Move = 'take' | 'put' | Join;

/**
 * The innermost loop: every turn reads an index, or all turns share one, over elements apart or side by side.
 * `packed` is `each` where indices lie side by side, and so do the elements that they move.
 */
export type Inner = 'each' | 'packed' | 'slice' | 'run';

/** One kernel. */
export interface MoveKind {
  readonly move: Move;
  readonly dtype: DType;
  /** Loops around the innermost one. */
  readonly depth: number;
  readonly inner: Inner;
  /** How many dimensions are indexed, each by a row of the index. */
  readonly rows: number;
  /** Whether negative indices count from the end. */
  readonly wraps: boolean;
}

/**
 * Words of the head: an offending index and the row it stood in (from 1 on, 0 for none, and `UNSEEN` where nobody is
 * going to look: then it is a trap), α, bytes from row to row of the index; then, for every row, size and byte stride of
 * the dimension it indexes.
 */
export const HEAD = { badValue: 0, bad: 1, alpha: 2, rowStep: 4, dims: 5 } as const;
export const UNSEEN = -1;
export const headWords = (rows: number): number => HEAD.dims + 2 * rows;

/** How elements of one kind are read, put together and written. */
interface Element {
  readonly bytes: number;
  readonly type: 'i32' | 'f32' | 'f64';
  readonly load: MemoryOp;
  readonly store: MemoryOp;
  readonly splat: PlainOp;
  readonly add: PlainOp;
  readonly mul: PlainOp;
  /** Of vectors of floats, whose `max` and `min` are comparisons to choose by as well. */
  readonly noNumber?: PlainOp;
  /** The same for vectors of stored elements, where there is such an instruction. */
  readonly vector: Readonly<Record<'add' | 'mul' | 'max' | 'min', PlainOp | null>>;
}

const BYTE: Element = {
  bytes: 1,
  type: 'i32',
  load: 'i32.load8_u',
  store: 'i32.store8',
  splat: 'i8x16.splat',
  add: 'i32.add',
  mul: 'i32.mul',
  vector: { add: 'i8x16.add', mul: null, max: null, min: null },
};
const INT: Element = {
  bytes: 4,
  type: 'i32',
  load: 'i32.load',
  store: 'i32.store',
  splat: 'i32x4.splat',
  add: 'i32.add',
  mul: 'i32.mul',
  vector: { add: 'i32x4.add', mul: 'i32x4.mul', max: 'i32x4.max_s', min: 'i32x4.min_s' },
};
const float = (type: 'f32' | 'f64', shape: 'f32x4' | 'f64x2'): Element => ({
  bytes: type === 'f32' ? 4 : 8,
  type,
  load: `${type}.load`,
  store: `${type}.store`,
  splat: `${shape}.splat`,
  add: `${type}.add`,
  mul: `${type}.mul`,
  vector: { add: `${shape}.add`, mul: `${shape}.mul`, max: `${shape}.gt`, min: `${shape}.lt` },
  noNumber: `${shape}.ne`,
});

const ELEMENTS: Readonly<Record<DType, Element>> = {
  bool: {
    ...BYTE,
    add: 'i32.or',
    mul: 'i32.and',
    vector: { add: 'v128.or', mul: 'v128.and', max: 'v128.or', min: 'v128.and' },
  },
  uint8: BYTE,
  int32: INT,
  float32: float('f32', 'f32x4'),
  float64: float('f64', 'f64x2'),
};

const isJoin = (move: Move): move is Join => move !== 'take' && move !== 'put';

/** Whether elements that lie side by side can move as vectors. */
export function asVectors(move: Move, dtype: DType): boolean {
  if (!isJoin(move)) return true;
  const { vector } = ELEMENTS[dtype];
  return vector[move === 'scaled' ? 'mul' : move] !== null;
}

const kernels = new Map<number, WasmFunction>();

const MOVES: readonly Move[] = ['take', 'put', 'add', 'scaled', 'mul', 'max', 'min'];
const INNERS: readonly Inner[] = ['each', 'packed', 'slice', 'run'];

export function kernelFor(kind: MoveKind): WasmFunction {
  const { move, dtype, depth, inner, rows, wraps } = kind;
  const { bytes, index } = dtypeInfo(dtype);
  // What only moves is not looked at: one kernel per element size. Loops are of two turns at least, and so fewer than 64.
  const of = isJoin(move) ? index : bytes;
  const kernelOf = 8 * (16 * MOVES.indexOf(move) + of) + 2 * INNERS.indexOf(inner) + Number(wraps);
  const key = 1024 * (64 * rows + depth) + kernelOf;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = instantiate([moveFunction(kind)]).move;
    kernels.set(key, kernel);
  }
  return kernel;
}

/** Replaces the two values on the stack, what is there and what comes, by what they make together. */
function emitJoin(b: FunctionBody, join: Exclude<Join, 'scaled'>, element: Element): void {
  if (join === 'add' || join === 'mul') {
    b.op(element[join]);
    return;
  }
  const [x, y] = [b.local('i32'), b.local('i32')];
  b.set(y).set(x).get(y).get(x).get(y).get(x);
  b.op(join === 'max' ? 'i32.gt_s' : 'i32.lt_s', 'select');
  b.release(x, y);
}

function emitVectorJoin(b: FunctionBody, join: Exclude<Join, 'scaled'>, { vector, noNumber }: Element): void {
  const op = vector[join] as PlainOp;
  if (noNumber === undefined || join === 'add' || join === 'mul') {
    b.op(op);
    return;
  }
  const [x, y] = [b.local('v128'), b.local('v128')];
  b.set(y).set(x).get(y).get(x).get(y).get(x).op(op).get(y).get(y).op(noNumber, 'v128.or', 'v128.bitselect');
  b.release(x, y);
}

/** A float in the first lane of a vector. */
const LONE = {
  f32: ['v128.load32_zero', 'v128.store32_lane'],
  f64: ['v128.load64_zero', 'v128.store64_lane'],
} as const;

/** Turns of the innermost loop that are written out, where steps are known. */
const UNROLLED = 4;

function moveFunction({ move, dtype, depth, inner: innermost, rows, wraps }: MoveKind): FunctionBody {
  const element = ELEMENTS[dtype];
  const b = new FunctionBody('move', ['i32'], []);
  const [block] = b.params;
  const rowStep = loadWord(b, HEAD.rowStep);
  const sizes = Array.from({ length: rows }, (_, k) => loadWord(b, HEAD.dims + 2 * k));
  const strides = Array.from({ length: rows }, (_, k) => loadWord(b, HEAD.dims + 2 * k + 1));
  const at = b.local('i32');
  const index = b.local('i32');
  const row = b.local('i32');
  const turns = b.local('i32');
  const alpha = b.local(element.type);
  b.get(block)
    .mem(element.load, 4 * HEAD.alpha)
    .set(alpha);
  const alphas = b.local('v128');
  b.get(alpha).op(element.splat).set(alphas);
  const joins = isJoin(move) ? (move === 'scaled' ? 'add' : move) : null;

  /** Reads the index of every row and makes one byte distance of them; notes one out of range and leaves. */
  const readIndex = (place: Local, offset = 0): void => {
    if (rows > 1) b.get(place).set(row);
    const from = rows > 1 ? row : place;
    for (let k = 0; k < rows; k++) {
      b.get(from).mem('i32.load', offset).tee(index);
      if (wraps) {
        b.i32(0).op('i32.lt_s');
        b.if(() => advance(b, index, sizes[k]));
        b.get(index);
      }
      b.get(sizes[k]).op('i32.ge_u');
      b.if(() => {
        b.get(block)
          .mem('i32.load', 4 * HEAD.bad)
          .set(index);
        b.get(block)
          .get(from)
          .mem('i32.load', offset)
          .mem('i32.store', 4 * HEAD.badValue);
        b.get(block)
          .i32(k + 1)
          .mem('i32.store', 4 * HEAD.bad);
        b.get(index).i32(UNSEEN).op('i32.eq');
        b.if(() => b.op('unreachable'));
        b.op('return');
      });
      b.get(index).get(strides[k]).op('i32.mul');
      if (k > 0) b.get(at).op('i32.add');
      b.set(at);
      if (k < rows - 1) advance(b, row, rowStep);
    }
  };
  const moveElement = (to: Local, from: Local, toOffset = 0, fromOffset = 0): void => {
    b.get(to);
    // A float is chosen in a vector: without a branch, and NaNs are carried on, as in PyTorch.
    if ((joins === 'max' || joins === 'min') && element.type !== 'i32') {
      const [load, store] = LONE[element.type];
      b.get(to).mem(load, toOffset).get(from).mem(load, fromOffset);
      emitVectorJoin(b, joins, element);
      b.laneMem(store, 0, toOffset);
      return;
    }
    if (joins !== null) b.get(to).mem(element.load, toOffset);
    b.get(from).mem(element.load, fromOffset);
    if (move === 'scaled') b.get(alpha).op(element.mul);
    if (joins !== null) emitJoin(b, joins, element);
    b.mem(element.store, toOffset);
  };
  const moveVector = (to: Local, from: Local, offset = 0): void => {
    b.get(to);
    if (joins !== null) b.get(to).mem('v128.load', offset);
    b.get(from).mem('v128.load', offset);
    if (move === 'scaled') b.get(alphas).op(element.vector.mul as PlainOp);
    if (joins !== null) emitVectorJoin(b, joins, element);
    b.mem('v128.store', offset);
  };
  const inner = ({ count, places, steps }: Innermost): void => {
    const [to, from, where] = places.map((p) => copyOf(b, p));
    const indexed = move === 'take' ? from : to;
    const left = copyOf(b, count);
    if (innermost === 'each' || innermost === 'packed') {
      const shifted = b.local('i32');
      const step = move === 'take' ? steps[1] : steps[0];
      const moveOne = (turn: number): void => {
        readIndex(where, 4 * turn);
        b.get(indexed).get(at).op('i32.add').set(shifted);
        if (move === 'take') moveElement(to, shifted, element.bytes * turn);
        else moveElement(shifted, from, 0, element.bytes * turn);
      };
      if (innermost === 'packed') {
        b.get(left).i32(UNROLLED).op('i32.div_u').tee(turns);
        b.if(() =>
          times(b, turns, () => {
            for (let turn = 0; turn < UNROLLED; turn++) {
              moveOne(turn);
              advance(b, indexed, step);
            }
            advance(b, move === 'take' ? to : from, UNROLLED * element.bytes);
            advance(b, where, UNROLLED * 4);
          }),
        );
        b.get(left)
          .i32(UNROLLED - 1)
          .op('i32.and')
          .set(left);
      }
      timesOrNever(b, left, () => {
        moveOne(0);
        for (const [k, place] of [to, from, where].entries()) advance(b, place, steps[k]);
      });
      b.release(shifted);
    } else {
      readIndex(where);
      advance(b, indexed, at);
      if (innermost === 'slice') {
        times(b, left, () => {
          moveElement(to, from);
          advance(b, to, steps[0]);
          advance(b, from, steps[1]);
        });
      } else {
        const vector = (): void => moveVector(to, from);
        b.get(count)
          .i32((UNROLLED * 16) / element.bytes)
          .op('i32.div_u')
          .tee(turns);
        b.if(() =>
          times(b, turns, () => {
            for (let turn = 0; turn < UNROLLED; turn++) moveVector(to, from, 16 * turn);
            advance(b, to, UNROLLED * 16);
            advance(b, from, UNROLLED * 16);
          }),
        );
        b.get(left)
          .i32((UNROLLED * 16) / element.bytes - 1)
          .op('i32.and')
          .set(left);
        emitRun(b, left, [to, from], element.bytes, vector, () => moveElement(to, from));
      }
    }
    b.release(to, from, where, left);
  };
  emitNest(b, headWords(rows), 3, depth, inner);
  return b;
}
