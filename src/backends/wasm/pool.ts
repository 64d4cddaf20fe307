/**
 * Maxima over windows, in up to three dimensions, and where they are. Of equal elements the first
 * counts; a NaN is larger than anything, and of several the last counts: as in PyTorch.
 */
import { type DType, dtypeInfo } from '../../core/dtype.ts';
import { DTypeError } from '../../core/errors.ts';
import type { Strided } from '../../kernels/strided.ts';
import { advance, copyOf, times, timesOrNever } from './control.ts';
import { FunctionBody, type Local, type Locals, type MemoryOp, type PlainOp } from './encoder.ts';
import { beginLaunch, i32, scratch } from './heap.ts';
import { startOf } from './indexing/nest.ts';
import { loadStrided } from './lanes.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { inTasks, shareOf, tasksFor } from './threads/share.ts';

/** The windows of one dimension: for each output where its window begins and of how many elements it is, `step` apart. */
export interface Reach {
  readonly size: number;
  readonly start: readonly number[];
  readonly count: readonly number[];
  readonly step: number;
}

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

const RANK = 3;
/** Windows side by side that one vector of float32 takes. */
const LANES = 4;

/**
 * How windows along the last dimension are walked: one at a time, or (float32) four at a time where they
 * are alike and begin one element, two elements, or any number of elements apart.
 */
type Walk = 'single' | 'adjacent' | 'alternate' | 'apart';

const kernels = new Map<string, WasmFunction>();

function kernelFor(op: string, dtype: DType, walk: Walk): WasmFunction {
  const key = `${dtype} ${walk}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    const element = ELEMENTS[dtype];
    if (element === null) throw new DTypeError(`${op}: not implemented for '${dtype}'; convert with .to('uint8')`);
    kernel = instantiate([new Maxima(element, walk).body]).max!;
    kernels.set(key, kernel);
  }
  return kernel;
}

/** Parameters of a dimension: its table of windows, how many there are, bytes between a window's elements. */
type Dim = readonly [table: Local, outputs: Local, step: Local];

/**
 * `(values, indices, x, planes, planeBytes, (table, outputs, step) for each dimension, before, groups, apart)`:
 * tables hold the byte offset of a window's first element and the number of its elements, steps are in
 * bytes. Of the windows along the last dimension `before` go alone, then `groups` times four together
 * that begin `apart` bytes apart, then the rest alone.
 */
class Maxima {
  readonly body: FunctionBody;
  readonly #element: Element;
  readonly #walk: Walk;
  readonly #values: Local;
  readonly #indices: Local;
  readonly #x: Local;
  readonly #dims: readonly Dim[];
  readonly #before: Local;
  readonly #groups: Local;
  readonly #apart: Local;

  constructor(element: Element, walk: Walk) {
    this.#element = element;
    this.#walk = walk;
    const b = new FunctionBody('max', new Array(8 + 3 * RANK).fill('i32'), []);
    this.body = b;
    const [values, indices, x, planes, planeBytes, ...more] = b.params as [
      Local,
      Local,
      Local,
      Local,
      Local,
      ...Local[],
    ];
    [this.#values, this.#indices, this.#x] = [values, indices, x];
    this.#dims = Array.from({ length: RANK }, (_, d) => more.slice(3 * d, 3 * d + 3) as unknown as Dim);
    [this.#before, this.#groups, this.#apart] = more.slice(3 * RANK) as Locals<3>;
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
      b.get(this.#groups).set(alone);
      windows(alone, LANES, (place, all) => this.#four(place, all));
      b.get(left).get(this.#before).op('i32.sub').get(this.#groups).i32(LANES).op('i32.mul', 'i32.sub').set(left);
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
    const [best, value, where, here, larger, forward, between] = Array.from({ length: 7 }, () =>
      b.local('v128'),
    ) as Locals<7>;
    const shifted = (bytes: Local): void => void b.get(bytes).i32(2).op('i32.shr_u');
    shifted(this.#dims[RANK - 1]![2]);
    b.op('i32x4.splat').set(forward);
    shifted(this.#apart);
    b.op('i32x4.splat')
      .v128(new Uint8Array(Int32Array.of(0, 1, 2, 3).buffer))
      .op('i32x4.mul')
      .set(between);
    /** The indices of the elements at a place of the four windows. */
    const indicesAt = (place: Local): void => {
      b.get(place).get(this.#x).op('i32.sub').i32(2).op('i32.shr_u', 'i32x4.splat');
      b.get(between).op('i32x4.add').set(here);
    };
    this.#load(at);
    b.set(best);
    indicesAt(at);
    b.get(here).set(where);
    this.#window(
      at,
      counts,
      (place) => {
        this.#load(place);
        b.set(value);
        b.get(value).get(best).op('f32x4.gt').get(value).get(value).op('f32x4.ne', 'v128.or').set(larger);
        b.get(value).get(best).get(larger).op('v128.bitselect').set(best);
        b.get(here).get(where).get(larger).op('v128.bitselect').set(where);
        b.get(here).get(forward).op('i32x4.add').set(here);
      },
      indicesAt,
    );
    b.get(this.#values).get(best).mem('v128.store');
    b.get(this.#indices).get(where).mem('v128.store');
    advance(b, this.#values, 16);
    advance(b, this.#indices, 16);
    b.release(best, value, where, here, larger, forward, between);
  }
}

const EVEN_DWORDS = [0, 2, 4, 6].flatMap((d) => [4 * d, 4 * d + 1, 4 * d + 2, 4 * d + 3]);

/** Windows along a dimension that are alike and begin equally far apart: the first one, and how many fours there are. */
function alike({ start, count }: Reach): { readonly before: number; readonly groups: number; readonly apart: number } {
  const usual = count[count.length >> 1];
  const before = count.findIndex((n, o) => n === usual && count[o + 1] === usual);
  if (before < 0) return { before: 0, groups: 0, apart: 0 };
  const apart = start[before + 1]! - start[before]!;
  let end = before + 1;
  while (end < start.length && count[end] === usual && start[end]! - start[end - 1]! === apart) end++;
  return { before, groups: Math.floor((end - before) / LANES), apart };
}

/**
 * The maxima of windows over the last dimensions of `x`, which is contiguous like the results:
 * `indices` (int32) are places in the plane of these dimensions. No window is empty.
 */
export function maxPool(op: string, values: Strided, indices: Strided, x: Strided, reach: readonly Reach[]): void {
  const { bytes } = dtypeInfo(x.dtype);
  const { before, groups, apart } = alike(reach.at(-1) ?? SINGLE);
  const together = x.dtype === 'float32' && groups > 0;
  const walk = !together ? 'single' : apart === 1 ? 'adjacent' : apart === 2 ? 'alternate' : 'apart';
  const kernel = kernelFor(op, x.dtype, walk);
  beginLaunch();
  const plane = reach.reduce((p, { size }) => p * size, 1);
  const planes = x.shape.slice(0, x.shape.length - reach.length).reduce((p, n) => p * n, 1);
  const [to, at, from] = [startOf(values), startOf(indices), startOf(x)];
  if (planes === 0 || reach.some(({ start }) => start.length === 0)) return;
  const all = [...new Array<Reach>(RANK - reach.length).fill(SINGLE), ...reach];
  const words = all.map((dim, d) => {
    const step = all.slice(d + 1).reduce((p, { size }) => p * size, bytes);
    return [tableOf(dim, step), dim.start.length, dim.step * step];
  });
  const outputs = reach.reduce((p, { start }) => p * start.length, 1);
  const window = reach.reduce((p, { count }) => p * Math.max(...count), 1);
  const tasks = tasksFor(4 * planes * outputs * window, planes);
  inTasks(tasks, (t, run) => {
    const [p, end] = shareOf(t, tasks, planes);
    const places = [to + p * outputs * bytes, at + p * outputs * 4, from + p * plane * bytes];
    run(kernel, ...places, end - p, plane * bytes, ...words.flat(), before, groups, apart * bytes);
  });
}

const SINGLE: Reach = { size: 1, start: [0], count: [1], step: 1 };

function tableOf({ start, count }: Reach, step: number): number {
  const at = scratch(8 * start.length);
  const words = i32();
  start.forEach((s, o) => {
    words[(at >>> 2) + 2 * o] = s * step;
    words[(at >>> 2) + 2 * o + 1] = count[o]!;
  });
  return at;
}
