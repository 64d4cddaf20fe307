/**
 * Binary search in sorted rows: for every value the first place where it could be put without breaking
 * the order, before its equals or after them. NaN goes after all numbers.
 */
import type { DType } from '../../../core/dtype.ts';
import { dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, loadWord, times, timesOrNever } from '../control.ts';
import { FunctionBody, type MemoryOp } from '../encoder.ts';
import { beginLaunch, i32 } from '../heap.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { inBlocks, linesOf, shareOf, tasksFor } from '../threads/share.ts';
import { startOf } from './nest.ts';

/** Words of the parameter block. Steps lead from row to row, in bytes; with none, all rows are the first. */
const PARAM = {
  rows: 0,
  size: 1,
  count: 2,
  sequence: 3,
  sequenceStep: 4,
  sorter: 5,
  sorterStep: 6,
  values: 7,
  out: 8,
  words: 9,
} as const;

const LOAD: Readonly<Record<DType, readonly ['i32' | 'f32' | 'f64', MemoryOp]>> = {
  bool: ['i32', 'i32.load8_u'],
  uint8: ['i32', 'i32.load8_u'],
  int32: ['i32', 'i32.load'],
  float32: ['f32', 'f32.load'],
  float64: ['f64', 'f64.load'],
};

/** Searches that go on side by side, since each waits for memory and for what it has compared. Whole numbers need the registers. */
const ABREAST = { i32: 4, f32: 8, f64: 8 } as const;

function searchFunction(dtype: DType, after: boolean, sorted: boolean): FunctionBody {
  const b = new FunctionBody('search', ['i32'], []);
  const { bytes } = dtypeInfo(dtype);
  const [type, load] = LOAD[dtype];
  const abreast = ABREAST[type];
  const word = (name: keyof typeof PARAM) => loadWord(b, PARAM[name]);
  const rows = word('rows');
  const size = word('size');
  const count = word('count');
  const sequence = word('sequence');
  const sequenceStep = word('sequenceStep');
  const sorter = word('sorter');
  const sorterStep = word('sorterStep');
  const values = word('values');
  const out = word('out');
  const goesOn = b.local('i32');
  const middle = b.local('i32');
  const steps = b.local('i32');
  const left = b.local('i32');
  const searches = Array.from({ length: abreast }, () => ({
    value: b.local(type),
    low: b.local('i32'),
    among: b.local('i32'),
  }));
  type Search = (typeof searches)[number];

  /** Of `among` places from `low` on, half are left. */
  const halve = ({ value, low, among }: Search): void => {
    b.get(low).get(among).i32(1).op('i32.shr_u', 'i32.add').set(middle);
    b.get(sequence);
    if (sorted) b.get(sorter).get(middle).i32(2).op('i32.shl', 'i32.add').mem('i32.load');
    else b.get(middle);
    b.i32(Math.log2(bytes)).op('i32.shl', 'i32.add').mem(load).get(value);
    const name = after ? 'gt' : 'ge';
    b.op(type === 'i32' ? `i32.${name}_s` : `${type}.${name}`);
    b.op('i32.eqz').set(goesOn);
    b.get(middle).i32(1).op('i32.add').get(low).get(goesOn).op('select').set(low);
    b.get(among).get(goesOn).op('i32.sub').i32(1).op('i32.shr_u').set(among);
  };
  const search = (some: readonly Search[]): void => {
    for (const [k, { value, low, among }] of some.entries())
      b.get(values)
        .mem(load, bytes * k)
        .set(value)
        .i32(0)
        .set(low)
        .get(size)
        .set(among);
    // So many steps are needed at least, and at most one more.
    b.i32(31).get(size).i32(1).op('i32.add', 'i32.clz', 'i32.sub').set(steps);
    timesOrNever(b, steps, () => {
      for (const one of some) halve(one);
    });
    for (const [k, one] of some.entries()) {
      b.get(one.among).if(() => halve(one));
      b.get(out)
        .get(one.low)
        .mem('i32.store', 4 * k);
    }
    advance(b, values, bytes * some.length);
    advance(b, out, 4 * some.length);
  };
  times(b, rows, () => {
    b.get(count).i32(abreast).op('i32.div_u').set(left);
    timesOrNever(b, left, () => search(searches));
    b.get(count).i32(abreast).op('i32.rem_u').set(left);
    timesOrNever(b, left, () => search(searches.slice(0, 1)));
    advance(b, sequence, sequenceStep);
    advance(b, sorter, sorterStep);
  });
  return b;
}

/** What a step of a search takes, in steps of `tasksFor`. */
const SEARCH_STEPS = 8;

const kernels = new Map<string, WasmFunction>();

/**
 * The places of `values` ([rows, count], contiguous) in `sequence` ([size], or [rows, size], contiguous),
 * which `sorter` (int32, of its shape) puts in order if it is given. Indices of a sorter are the
 * caller's to check.
 */
export function searchSorted(
  out: Strided,
  sequence: Strided,
  values: Strided,
  sorter: Strided | null,
  after: boolean,
): void {
  beginLaunch();
  const [rows, count] = values.shape;
  if (rows === 0 || count === 0) return;
  const key = `${values.dtype} ${after} ${sorter !== null}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = instantiate([searchFunction(values.dtype, after, sorter !== null)]).search;
    kernels.set(key, kernel);
  }
  const size = sequence.shape[sequence.shape.length - 1];
  const step = sequence.shape.length === 1 ? 0 : size;
  const starts = [sequence, values, out, sorter ?? sequence].map(startOf);
  const tasks = tasksFor(SEARCH_STEPS * rows * count * Math.ceil(Math.log2(size + 2)), rows * count);
  // Whole rows to each task, or pieces of rows.
  const whole = rows >= tasks;
  const piece = whole ? count : linesOf(count, rows, tasks);
  const pieces = Math.ceil(count / piece);
  inBlocks(kernel, PARAM.words, whole ? tasks : rows * pieces, tasks, (i, _, w) => {
    const [row, end] = whole ? shareOf(i, tasks, rows) : [Math.floor(i / pieces), Math.floor(i / pieces) + 1];
    const from = (i % pieces) * piece;
    const words = i32();
    const set = (name: keyof typeof PARAM, value: number): void => {
      words[w + PARAM[name]] = value;
    };
    set('rows', end - row);
    set('size', size);
    set('count', Math.min(piece, count - from));
    set('sequence', starts[0] + row * step * dtypeInfo(sequence.dtype).bytes);
    set('sequenceStep', step * dtypeInfo(sequence.dtype).bytes);
    set('sorter', starts[3] + row * step * 4);
    set('sorterStep', step * 4);
    set('values', starts[1] + (row * count + from) * dtypeInfo(values.dtype).bytes);
    set('out', starts[2] + (row * count + from) * 4);
  });
}
