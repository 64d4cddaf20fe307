/**
 * The code of max pooling: a plane of windows, whose elements are found by tables. Windows along the last dimension that
 * are alike go four at a time, one in each lane.
 */
import type { DType } from '../../core/dtype.ts';
import { DTypeError } from '../../core/errors.ts';
import { advance, copyOf, loadWord, times, timesOrNever } from './control.ts';
import { FunctionBody, type Local, type Locals, type MemoryOp, type PlainOp } from './encoder.ts';
import { loadStrided } from './lanes.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { EVEN_DWORDS, ODD_DWORDS } from './shuffles.ts';

interface Element {
  readonly dtype: DType;
  readonly bytes: number;
  readonly type: 'i32' | 'f32' | 'f64';
  readonly load: MemoryOp;
  readonly store: MemoryOp;
  readonly greater: PlainOp;
  readonly differs: PlainOp | null;
}

const float = (dtype: DType, type: 'f32' | 'f64', bytes: number): Element => ({
  dtype,
  bytes,
  type,
  load: `${type}.load`,
  store: `${type}.store`,
  greater: `${type}.gt`,
  differs: `${type}.ne`,
});

const whole = (dtype: DType, bytes: number, load: MemoryOp, store: MemoryOp): Element => ({
  dtype,
  bytes,
  type: 'i32',
  load,
  store,
  greater: 'i32.gt_s',
  differs: null,
});

const ELEMENTS: Readonly<Record<DType, Element | null>> = {
  bool: null,
  uint8: whole('uint8', 1, 'i32.load8_u', 'i32.store8'),
  int32: whole('int32', 4, 'i32.load', 'i32.store'),
  float32: float('float32', 'f32', 4),
  float64: float('float64', 'f64', 8),
};

/** Dimensions that windows have at most. */
export const RANK = 3;
/** Windows side by side that one vector of float32 takes. */
export const LANES = 4;

/**
 * How windows along the last dimension are walked: one at a time, or (float32) four at a time where they
 * are alike and begin one element, two elements, or any number of elements apart.
 */
export type Walk = 'single' | 'adjacent' | 'alternate' | 'apart';

/** Windows that are walked without loops: their elements along each dimension, and whether these lie side by side along the last. */
export interface Usual {
  readonly sizes: readonly number[];
  readonly dense: boolean;
}

const kernels = new Map<string, WasmFunction>();

export function poolKernel(op: string, dtype: DType, walk: Walk, usual: Usual | null): WasmFunction {
  const key = `${dtype} ${walk} ${usual === null ? '' : `${usual.sizes.join('×')} ${usual.dense}`}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    const element = ELEMENTS[dtype];
    if (element === null) throw new DTypeError(`${op}: not implemented for '${dtype}'; convert with .to('uint8')`);
    kernel = instantiate([new Maxima(element, walk, usual).body]).max!;
    kernels.set(key, kernel);
  }
  return kernel;
}

/** Parameters of a dimension: its table of windows, how many there are, bytes between a window's elements. */
type Dim = readonly [table: Local, outputs: Local, step: Local];

/** Words in front of the tables. */
export const HEAD = 3 * RANK + 4;

/**
 * `(record, values, indices, x, planes, planeBytes)`: the record has (table, outputs, step) for each dimension, `before`,
 * `groups`, `rest`, `apart`, and the tables. These lie so many bytes behind its beginning and hold the byte offset of a
 * window's first element and the number of its elements; steps are in bytes. Of the windows along the last dimension
 * `before` go alone, then `groups` times four and `rest` together that begin `apart` bytes apart, then all others alone.
 */
class Maxima {
  readonly body: FunctionBody;
  readonly #element: Element;
  readonly #walk: Walk;
  readonly #usual: Usual | null;
  /** Of walks by four: from an index to the next in a window, and from one window to the next. */
  readonly #forward: Local;
  readonly #between: Local;
  readonly #values: Local;
  readonly #indices: Local;
  readonly #x: Local;
  readonly #dims: readonly Dim[];
  readonly #before: Local;
  readonly #groups: Local;
  readonly #rest: Local;
  readonly #apart: Local;

  constructor(element: Element, walk: Walk, usual: Usual | null) {
    this.#element = element;
    this.#walk = walk;
    this.#usual = usual;
    const b = new FunctionBody('max', new Array(6).fill('i32'), []);
    this.body = b;
    const [record, values, indices, x, planes, planeBytes] = b.params as Locals<6>;
    [this.#values, this.#indices, this.#x] = [values, indices, x];
    const words = Array.from({ length: HEAD }, (_, k) => loadWord(b, k));
    this.#dims = Array.from({ length: RANK }, (_, d) => words.slice(3 * d, 3 * d + 3) as unknown as Dim);
    for (const [table] of this.#dims) advance(b, table, record);
    [this.#before, this.#groups, this.#rest, this.#apart] = words.slice(3 * RANK) as Locals<4>;
    [this.#forward, this.#between] = [b.local('v128'), b.local('v128')];
    if (walk !== 'single') {
      const indices = (bytes: Local): void => void b.get(bytes).i32(2).op('i32.shr_u', 'i32x4.splat');
      indices(this.#dims[RANK - 1]![2]);
      b.set(this.#forward);
      indices(this.#apart);
      b.v128(new Uint8Array(Int32Array.of(0, 1, 2, 3).buffer))
        .op('i32x4.mul')
        .set(this.#between);
    }
    times(b, planes, () => {
      this.#outputs(x, [], 0);
      advance(b, x, planeBytes);
    });
  }

  /** Walks the outputs of a plane; `at` is where the window begins along the dimensions so far, `counts` its sizes. */
  #outputs(at: Local, counts: readonly Local[], d: number): void {
    const b = this.body;
    const [start, outputs] = this.#dims[d]!;
    const table = copyOf(b, start);
    const windows = (left: Local, entries: number, visit: (place: Local, counts: readonly Local[]) => void): void => {
      timesOrNever(b, left, () => {
        const [place, count] = [b.local('i32'), b.local('i32')];
        b.get(at).get(table).mem('i32.load').op('i32.add').set(place);
        b.get(table).mem('i32.load', 4).set(count);
        visit(place, [...counts, count]);
        advance(b, table, 8 * entries);
        b.release(place, count);
      });
    };
    const left = copyOf(b, outputs);
    if (d < RANK - 1) windows(left, 1, (place, all) => this.#outputs(place, all, d + 1));
    else if (this.#walk === 'single') windows(left, 1, (place, all) => this.#single(place, all));
    else {
      const alone = copyOf(b, this.#before);
      windows(alone, 1, (place, all) => this.#single(place, all));
      const fours = (): void => windows(alone, LANES, (place, all) => this.#four(place, all));
      b.get(this.#groups).set(alone);
      fours();
      // Fewer than four that are left go with some of those before, whose results are written again.
      b.get(this.#rest).if(() => {
        b.get(this.#rest).i32(LANES).op('i32.sub').i32(2).op('i32.shl').set(alone);
        for (const place of [this.#values, this.#indices, table, table]) advance(b, place, alone);
        b.i32(1).set(alone);
        fours();
      });
      b.get(left).get(this.#before).get(this.#rest).op('i32.add').get(this.#groups).i32(LANES);
      b.op('i32.mul', 'i32.add', 'i32.sub').set(left);
      windows(left, 1, (place, all) => this.#single(place, all));
      b.release(alone);
    }
    b.release(table, left);
  }

  /** Walks the elements of a window; `row` is called before the elements that lie along the last dimension. */
  #window(
    at: Local,
    counts: readonly Local[],
    visit: (place: Local) => void,
    row?: (place: Local) => void,
    d = 0,
  ): void {
    const b = this.body;
    if (d === RANK) {
      visit(at);
      return;
    }
    const place = copyOf(b, at);
    const left = copyOf(b, counts[d]!);
    if (d === RANK - 1) row?.(place);
    times(b, left, () => {
      this.#window(place, counts, visit, row, d + 1);
      advance(b, place, this.#dims[d]![2]);
    });
    b.release(place, left);
  }

  #single(at: Local, counts: readonly Local[]): void {
    const b = this.body;
    const { type, load, store, greater, differs, bytes } = this.#element;
    const [best, value] = [b.local(type), b.local(type)];
    const [where, larger] = [b.local('i32'), b.local('i32')];
    b.get(at).tee(where).mem(load).set(best);
    this.#window(at, counts, (place) => {
      b.get(place).mem(load).set(value);
      b.get(value).get(best).op(greater);
      if (differs !== null) b.get(value).get(value).op(differs, 'i32.or');
      b.set(larger);
      // Which element is the largest cannot be predicted: no branches.
      b.get(value).get(best).get(larger).op('select').set(best);
      b.get(place).get(where).get(larger).op('select').set(where);
    });
    b.get(this.#values).get(best).mem(store);
    advance(b, this.#values, bytes);
    b.get(this.#indices);
    b.get(where).get(this.#x).op('i32.sub').i32(Math.log2(bytes)).op('i32.shr_u');
    b.mem('i32.store');
    advance(b, this.#indices, 4);
    b.release(best, value, where, larger);
  }

  /** Pushes the elements at the same place of four windows. */
  #load(place: Local): void {
    const b = this.body;
    if (this.#walk === 'apart') loadStrided(b, 'float32', 'f32', place, this.#apart);
    else if (this.#walk === 'adjacent') b.get(place).mem('v128.load');
    else b.get(place).mem('v128.load').get(place).mem('v128.load', 16).shuffle(EVEN_DWORDS);
  }

  #four(at: Local, counts: readonly Local[]): void {
    const b = this.body;
    const found = { best: b.local('v128'), where: b.local('v128') };
    const [value, here] = [b.local('v128'), b.local('v128')];
    const looped = (): void => {
      this.#load(at);
      b.set(found.best);
      this.#indicesAt(at, found.where);
      this.#window(
        at,
        counts,
        (place) => {
          this.#load(place);
          b.set(value);
          this.#compare(found, value, here);
          b.get(here).get(this.#forward).op('i32x4.add').set(here);
        },
        (place) => this.#indicesAt(place, here),
      );
    };
    const usual = this.#usual;
    if (usual === null) looped();
    else {
      // Along the last dimension windows that go together are whole.
      counts.slice(0, -1).forEach((count, d) => {
        b.get(count).i32(usual.sizes[d]!).op('i32.eq');
        if (d > 0) b.op('i32.and');
      });
      b.if(() => this.#unrolled(at, usual, found, value, here), looped);
    }
    b.get(this.#values).get(found.best).mem('v128.store');
    b.get(this.#indices).get(found.where).mem('v128.store');
    advance(b, this.#values, 16);
    advance(b, this.#indices, 16);
    b.release(found.best, found.where, value, here);
  }

  /** The indices of the elements at a place of the four windows. */
  #indicesAt(place: Local, to: Local): void {
    const b = this.body;
    b.get(place).get(this.#x).op('i32.sub').i32(2).op('i32.shr_u', 'i32x4.splat');
    b.get(this.#between).op('i32x4.add').set(to);
  }

  #compare({ best, where }: Found, value: Local, here: Local): void {
    const b = this.body;
    const larger = b.local('v128');
    b.get(value).get(best).op('f32x4.gt').get(value).get(value).op('f32x4.ne', 'v128.or').set(larger);
    b.get(value).get(best).get(larger).op('v128.bitselect').set(best);
    b.get(here).get(where).get(larger).op('v128.bitselect').set(where);
    b.release(larger);
  }

  /** Four whole windows, element after element. */
  #unrolled(at: Local, { sizes, dense }: Usual, found: Found, value: Local, here: Local): void {
    const b = this.body;
    const place = b.local('i32');
    const [near, far] = [b.local('v128'), b.local('v128')];
    const [planes, rows, columns] = sizes as [number, number, number];
    const [[, , toPlane], [, , toRow], [, , toColumn]] = this.#dims as [Dim, Dim, Dim];
    // Of windows that begin two elements apart, vectors have elements of two places.
    const paired = this.#walk === 'alternate' && dense;
    const plane = copyOf(b, at);
    for (let i = 0; i < planes; i++) {
      const row = copyOf(b, plane);
      for (let j = 0; j < rows; j++) {
        b.get(row).set(place);
        this.#indicesAt(row, here);
        for (let k = 0; k < columns; k++) {
          if (!paired) this.#load(place);
          else {
            if (k % 2 === 0) b.get(place).mem('v128.load').set(near).get(place).mem('v128.load', 16).set(far);
            b.get(near)
              .get(far)
              .shuffle(k % 2 === 0 ? EVEN_DWORDS : ODD_DWORDS);
            if (k % 2 === 1) advance(b, place, 2 * 4);
          }
          if (i + j + k === 0) b.set(found.best).get(here).set(found.where);
          else {
            b.set(value);
            this.#compare(found, value, here);
          }
          if (k === columns - 1) continue;
          b.get(here).get(this.#forward).op('i32x4.add').set(here);
          if (!paired) advance(b, place, toColumn);
        }
        advance(b, row, toRow);
      }
      b.release(row);
      advance(b, plane, toPlane);
    }
    b.release(plane, place, near, far);
  }
}

/** What was largest so far in four windows, and where. */
interface Found {
  readonly best: Local;
  readonly where: Local;
}
