/**
 * One long row sorted by several threads: its records are dealt to buckets by the highest bits in which their keys
 * differ, in order, and every bucket is sorted and written by itself, in the cache.
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import { advance, copyOf, times } from '../control.ts';
import { FunctionBody, type Local, type Locals } from '../encoder.ts';
import { i32, scratch } from '../heap.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { inTasks, shareOf } from '../threads/share.ts';
import { MOVE } from './nest.ts';
import {
  BUCKETS,
  hold,
  loadRecord,
  makeRecord,
  pushKey,
  pushPlace,
  type Records,
  recordsOf,
  roomFor,
  sortFunction,
  storeRecord,
  upTo,
} from './records.ts';

const BITS = 11;
const PARTS = 2 ** BITS;
/** Ranges of buckets for every thread, so that none waits long for the last. */
const RANGES = 8;

export interface LongRows {
  readonly dtype: DType;
  readonly n: number;
  readonly down: boolean;
}

/** A row, its values (address 0 if they are not wanted) and indices: addresses, and bytes from element to element. */
export interface LongRow {
  readonly input: readonly [at: number, step: number];
  readonly values: readonly [at: number, step: number];
  readonly indices: readonly [at: number, step: number];
}

/** collect(from, to, input, step, flip, keys, places, answer): makes records, and says in which bits keys differ from the first. */
function collectFunction(dtype: DType, records: Records): FunctionBody {
  const b = new FunctionBody('collect', new Array<'i32'>(8).fill('i32'), []);
  const [i, to, input, step, down, keys, places, answer] = b.params as Locals<8>;
  const [flip, first, differ] = [b.local('i64'), b.local('i64'), b.local('i64')];
  const record = hold(b, records);
  const at = b.local('i32');
  b.get(down).op('i64.extend_i32_s').set(flip);
  pushKey(b, dtype, input);
  b.get(flip).op('i64.xor').set(first);
  b.get(i).get(step).op('i32.mul').get(input).op('i32.add').set(at);
  upTo(b, i, to, () => {
    pushKey(b, dtype, at);
    b.get(flip).op('i64.xor').set(record.key);
    b.get(record.key).get(first).op('i64.xor').get(differ).op('i64.or').set(differ);
    b.get(record.key);
    makeRecord(b, i, record);
    storeRecord(b, [keys, places], i, record);
    advance(b, at, step);
  });
  b.get(answer).get(differ).mem('i64.store');
  return b;
}

/** Makes `counter` the address of the word of `table` for a record's bits from `shift` on. */
function select(b: FunctionBody, key: Local, shift: Local, table: Local, counter: Local): void {
  b.get(key).get(shift).op('i64.extend_i32_u', 'i64.shr_u', 'i32.wrap_i64');
  b.i32(PARTS - 1)
    .op('i32.and')
    .i32(2)
    .op('i32.shl')
    .get(table)
    .op('i32.add')
    .set(counter);
}

/** count(from, to, keys, shift, table): how many records there are for every bucket. */
function countFunction(): FunctionBody {
  const b = new FunctionBody('count', new Array<'i32'>(5).fill('i32'), []);
  const [i, to, keys, shift, table] = b.params as Locals<5>;
  const [counter, left] = [copyOf(b, table), b.local('i32')];
  const key = b.local('i64');
  b.i32(PARTS / 4).set(left);
  times(b, left, () => {
    b.get(counter).i32x4(0).mem('v128.store');
    advance(b, counter, 16);
  });
  upTo(b, i, to, () => {
    loadRecord(b, [keys], i, { key, place: null });
    select(b, key, shift, table, counter);
    b.get(counter).get(counter).mem('i32.load').i32(1).op('i32.add').mem('i32.store');
  });
  return b;
}

/** scatter(from, to, keys, places, shift, table, keys, places): records to where the table has their buckets, which move on. */
function scatterFunction(records: Records): FunctionBody {
  const b = new FunctionBody('scatter', new Array<'i32'>(8).fill('i32'), []);
  const [i, to, keys, places, shift, table, toKeys, toPlaces] = b.params as Locals<8>;
  const [counter, place] = [b.local('i32'), b.local('i32')];
  const record = hold(b, records);
  upTo(b, i, to, () => {
    loadRecord(b, [keys, places], i, record);
    select(b, record.key, shift, table, counter);
    b.get(counter).mem('i32.load').set(place);
    storeRecord(b, [toKeys, toPlaces], place, record);
    b.get(counter).get(place).i32(1).op('i32.add').mem('i32.store');
  });
  return b;
}

/**
 * finish(bucket, to, table of their ends, keys, places, spare keys, spare places, counters, input, values, indices, each
 * with its step): sorts some buckets and writes what they hold. Calls function 0, `sort`.
 */
function finishFunction(dtype: DType, records: Records): FunctionBody {
  const b = new FunctionBody('finish', new Array<'i32'>(14).fill('i32'), []);
  const [bucket, to, table, keys, places, spareKeys, sparePlaces, counters, ...rows] = b.params as Locals<14>;
  const [input, inputStep, values, valuesStep, indices, indicesStep] = rows as unknown as Locals<6>;
  const [load, store] = MOVE[dtypeInfo(dtype).bytes];
  const [i, from, end, place, toValue, toIndex] = Array.from({ length: 6 }, () => b.local('i32')) as Locals<6>;
  const record = hold(b, records);
  const pushEnd = (before: number): void => {
    b.get(table).get(bucket).i32(before).op('i32.sub').i32(2).op('i32.shl', 'i32.add').mem('i32.load');
  };
  const pushArrays = (arrays: readonly Local[]): void =>
    records.bytes.forEach((bytes, a) => {
      b.get(arrays[a]).get(from).i32(bytes).op('i32.mul', 'i32.add');
    });
  upTo(b, bucket, to, () => {
    b.get(bucket).if(
      () => {
        pushEnd(1);
        b.set(from);
      },
      () => b.i32(0).set(from),
    );
    pushEnd(0);
    b.set(end).get(end).get(from).op('i32.sub').i32(1).op('i32.gt_s');
    b.if(() => {
      pushArrays([keys, places]);
      pushArrays([spareKeys, sparePlaces]);
      b.get(counters).get(end).get(from).op('i32.sub').call(0);
    });
    b.get(values).get(from).get(valuesStep).op('i32.mul', 'i32.add').set(toValue);
    b.get(indices).get(from).get(indicesStep).op('i32.mul', 'i32.add').set(toIndex);
    b.get(from).set(i);
    upTo(b, i, end, () => {
      loadRecord(b, [keys, places], i, record);
      pushPlace(b, record);
      b.set(place).get(toIndex).get(place).mem('i32.store');
      b.get(values).if(() => {
        b.get(toValue).get(input).get(place).get(inputStep).op('i32.mul', 'i32.add').mem(load).mem(store);
        advance(b, toValue, valuesStep);
      });
      advance(b, toIndex, indicesStep);
    });
  });
  return b;
}

const kernels = new Map<DType, Readonly<Record<string, WasmFunction>>>();

function kernelsFor(dtype: DType, records: Records): Readonly<Record<string, WasmFunction>> {
  let found = kernels.get(dtype);
  if (found === undefined) {
    const functions = [
      sortFunction(records),
      collectFunction(dtype, records),
      countFunction(),
      scatterFunction(records),
    ];
    found = instantiate([...functions, finishFunction(dtype, records)]);
    kernels.set(dtype, found);
  }
  return found;
}

/** The lowest of the bits that tell buckets apart, for the bits in which keys differ in each task. */
function shiftFor(answers: number, tasks: number, { wide }: Records): number {
  let [low, high] = [0, 0];
  for (let t = 0; t < tasks; t++) {
    low |= i32()[(answers >>> 2) + 2 * t];
    high |= i32()[(answers >>> 2) + 2 * t + 1];
  }
  const top = high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(low);
  // Keys of 32 bits are the upper half of their records.
  return wide ? Math.max(0, top - BITS) : 32 + Math.max(0, top - BITS);
}

/** Adds up what chunks counted, so that each chunk has where its records of every bucket begin. */
function placeBuckets(tables: readonly number[]): void {
  const words = i32();
  let sum = 0;
  for (let part = 0; part < PARTS; part++)
    for (const table of tables) {
      const at = (table >>> 2) + part;
      const count = words[at];
      words[at] = sum;
      sum += count;
    }
}

/** Ranges of buckets with about as many records each, given where the buckets end. */
function rangesOf(table: number, n: number, tasks: number): (readonly [from: number, to: number])[] {
  const words = i32();
  const ranges: (readonly [number, number])[] = [];
  let [from, begun] = [0, 0];
  for (let part = 0; part < PARTS; part++) {
    const end = words[(table >>> 2) + part];
    if (end - begun < n / tasks && part < PARTS - 1) continue;
    ranges.push([from, part + 1]);
    [from, begun] = [part + 1, end];
  }
  return ranges;
}

/** Sorts rows of one length stably, one after the other, each in so many tasks at a time. */
export function sortLongRows({ dtype, n, down }: LongRows, rows: readonly LongRow[], tasks: number): void {
  const records = recordsOf(dtype);
  const { collect, count, scatter, finish } = kernelsFor(dtype, records);
  const { keys, places, spareKeys, sparePlaces } = roomFor(records, n);
  const tables = Array.from({ length: tasks }, () => scratch(4 * PARTS));
  const answers = scratch(8 * tasks);
  const counters = Array.from({ length: RANGES * tasks }, () => scratch(4 * BUCKETS * records.digits.length));
  for (const { input, values, indices } of rows) {
    inTasks(tasks, (t, run) => {
      run(collect, ...shareOf(t, tasks, n), ...input, down ? -1 : 0, keys, places, answers + 8 * t);
    });
    const shift = shiftFor(answers, tasks, records);
    inTasks(tasks, (t, run) => run(count, ...shareOf(t, tasks, n), keys, shift, tables[t]));
    placeBuckets(tables);
    inTasks(tasks, (t, run) => {
      run(scatter, ...shareOf(t, tasks, n), keys, places, shift, tables[t], spareKeys, sparePlaces);
    });
    // By now the last chunk's buckets are where all of them end.
    const ends = tables[tasks - 1];
    const ranges = rangesOf(ends, n, counters.length);
    inTasks(ranges.length, (t, run) => {
      const rooms = [ends, spareKeys, sparePlaces, keys, places, counters[t]];
      run(finish, ...ranges[t], ...rooms, ...input, ...values, ...indices);
    });
  }
}
