/**
 * What is sorted: every element becomes a key that orders as an unsigned integer, and a record of the
 * key and the element's place. NaN orders after all numbers, and −0 equals 0. Records are sorted
 * stably, short lists by insertion, long ones by radix, a byte at a time from the lowest.
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import { advance, copyOf, times, whilst } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { scratch } from '../heap.ts';

/** Lists up to this length are sorted by insertion. */
export const INSERTION = 48;
export const BUCKETS = 256;
/** How many steps for each record insertion may take to finish what radix has begun. */
const INSERTION_STEPS = 8;

/**
 * What is sorted: a key and a place. Keys of 32 bits share a 64-bit word with the place; a 64-bit key
 * has an array of its own, and places another. `KEYS` is the array (or the only one), `PLACES` the other.
 */
export interface Records {
  readonly wide: boolean;
  /** The bytes of the key, lowest first, as shifts of the 64-bit word. */
  readonly digits: readonly number[];
  /** Bytes per record of each array. */
  readonly bytes: readonly number[];
}

const NARROW_RECORDS: Records = { wide: false, digits: [32, 40, 48, 56], bytes: [8] };
const WIDE_RECORDS: Records = { wide: true, digits: [0, 8, 16, 24, 32, 40, 48, 56], bytes: [8, 4] };

/** A record in locals. */
export interface Held {
  readonly key: Local;
  readonly place: Local | null;
}

export function hold(b: FunctionBody, records: Records): Held {
  return { key: b.local('i64'), place: records.wide ? b.local('i32') : null };
}

/** Pushes the address of record number `at` of an array. */
function pushAddress(b: FunctionBody, base: Local, at: Local, bytes: number): void {
  b.get(base).get(at).i32(Math.log2(bytes)).op('i32.shl', 'i32.add');
}

/** Loads record number `at`, or one `ahead` of it. */
export function loadRecord(b: FunctionBody, arrays: readonly Local[], at: Local, into: Held, ahead = 0): void {
  pushAddress(b, arrays[0], at, 8);
  b.mem('i64.load', 8 * ahead).set(into.key);
  if (into.place === null) return;
  pushAddress(b, arrays[1], at, 4);
  b.mem('i32.load', 4 * ahead).set(into.place);
}

export function storeRecord(b: FunctionBody, arrays: readonly Local[], at: Local, from: Held): void {
  pushAddress(b, arrays[0], at, 8);
  b.get(from.key).mem('i64.store');
  if (from.place === null) return;
  pushAddress(b, arrays[1], at, 4);
  b.get(from.place).mem('i32.store');
}

/** Runs `body` for `i` from its value up to `end`. */
export function upTo(b: FunctionBody, i: Local, end: Local, body: () => void): void {
  whilst(
    b,
    () => b.get(i).get(end).op('i32.lt_u'),
    () => {
      body();
      advance(b, i, 1);
    },
  );
}

/** sort(arrays…, spare arrays…, counters, n): the records end where they began. */
export function sortFunction(records: Records): FunctionBody {
  const arrays = records.bytes.length;
  const b = new FunctionBody('sort', new Array<'i32'>(2 * arrays + 2).fill('i32'), []);
  const home = b.params.slice(0, arrays);
  const spare = b.params.slice(arrays, 2 * arrays);
  const counters = b.params[2 * arrays];
  const n = b.params[2 * arrays + 1];
  b.get(n).i32(INSERTION).op('i32.le_u');
  b.if(
    () => insertionSort(b, records, home, n),
    () => {
      if (records.wide) sortWide(b, records, home, spare, counters, n);
      else radixSort(b, records, records.digits, home, spare, counters, n);
    },
  );
  return b;
}

/**
 * Keys of 64 bits are mostly told apart by their upper half: that is sorted by radix, and what is left
 * by insertion, a few steps for each record. Where that does not do, all digits are sorted.
 */
function sortWide(
  b: FunctionBody,
  records: Records,
  home: readonly Local[],
  spare: readonly Local[],
  counters: Local,
  n: Local,
): void {
  const { digits } = records;
  radixSort(b, records, digits.slice(digits.length / 2), home, spare, counters, n);
  const steps = b.local('i32');
  b.get(n).i32(INSERTION_STEPS).op('i32.mul').set(steps);
  insertionSort(b, records, home, n, steps);
  b.get(steps).i32(0).op('i32.lt_s');
  b.if(() => radixSort(b, records, digits, home, spare, counters, n));
  b.release(steps);
}

/** With `steps` it gives up, leaving some order of the records, when that many moves are made and counted below zero. */
function insertionSort(
  b: FunctionBody,
  records: Records,
  arrays: readonly Local[],
  n: Local,
  steps: Local | null = null,
): void {
  const i = b.local('i32');
  const j = b.local('i32');
  const before = b.local('i32');
  const moving = hold(b, records);
  const other = hold(b, records);
  b.i32(1).set(i);
  upTo(b, i, n, () => {
    loadRecord(b, arrays, i, moving);
    b.get(i).set(j);
    b.block(() => {
      b.loop(() => {
        b.get(j).op('i32.eqz').brIf(1);
        b.get(j).i32(1).op('i32.sub').set(before);
        loadRecord(b, arrays, before, other);
        // The places in narrow records order equal keys as they came.
        b.get(other.key).get(moving.key).op('i64.gt_u', 'i32.eqz').brIf(1);
        storeRecord(b, arrays, j, other);
        b.get(before).set(j);
        if (steps !== null) {
          advance(b, steps, -1);
          b.get(steps).i32(0).op('i32.lt_s').brIf(1);
        }
        b.br(0);
      });
    });
    storeRecord(b, arrays, j, moving);
    if (steps !== null) b.get(steps).i32(0).op('i32.lt_s').brIf(1);
  });
}

/** Sorts by some bytes of the keys, given as shifts, lowest first. */
function radixSort(
  b: FunctionBody,
  records: Records,
  digits: readonly number[],
  home: readonly Local[],
  spare: readonly Local[],
  counters: Local,
  n: Local,
): void {
  const { bytes } = records;
  const from = home.map((l) => copyOf(b, l));
  const to = spare.map((l) => copyOf(b, l));
  const i = b.local('i32');
  const counter = b.local('i32');
  const sum = b.local('i32');
  const count = b.local('i32');
  const left = b.local('i32');
  const record = hold(b, records);
  /** Makes `counter` the address of the counter that digit `d` of the record selects. */
  const select = (d: number): void => {
    b.get(record.key).i64(BigInt(digits[d])).op('i64.shr_u', 'i32.wrap_i64').i32(0xff).op('i32.and');
    b.i32(2)
      .op('i32.shl')
      .get(counters)
      .op('i32.add')
      .i32(4 * BUCKETS * d)
      .op('i32.add')
      .set(counter);
  };
  b.get(counters)
    .set(counter)
    .i32((digits.length * BUCKETS) / 4)
    .set(left);
  times(b, left, () => {
    b.get(counter).i32x4(0).mem('v128.store');
    advance(b, counter, 16);
  });
  b.i32(0).set(i);
  upTo(b, i, n, () => {
    loadRecord(b, home, i, record);
    digits.forEach((_, d) => {
      select(d);
      b.get(counter).get(counter).mem('i32.load').i32(1).op('i32.add').mem('i32.store');
    });
  });
  digits.forEach((_, d) => {
    b.i32(0).set(i);
    loadRecord(b, from, i, record);
    select(d);
    // A byte that all keys share orders nothing.
    b.get(counter).mem('i32.load').get(n).op('i32.ne');
    b.if(() => {
      b.get(counters)
        .i32(4 * BUCKETS * d)
        .op('i32.add')
        .set(counter);
      b.i32(0).set(sum).i32(BUCKETS).set(left);
      times(b, left, () => {
        b.get(counter).mem('i32.load').set(count);
        b.get(counter).get(sum).mem('i32.store');
        advance(b, sum, count);
        advance(b, counter, 4);
      });
      upTo(b, i, n, () => {
        loadRecord(b, from, i, record);
        select(d);
        b.get(counter).mem('i32.load').set(count);
        storeRecord(b, to, count, record);
        b.get(counter).get(count).i32(1).op('i32.add').mem('i32.store');
      });
      from.forEach((l, k) => {
        b.get(l).get(to[k]).set(l).set(to[k]);
      });
    });
  });
  b.get(from[0]).get(home[0]).op('i32.ne');
  b.if(() => {
    home.forEach((l, k) => {
      b.get(l).get(from[k]).get(n).i32(bytes[k]).op('i32.mul').memoryCopy();
    });
  });
}

/** Pushes the keys of a vector of elements; zeros of it lose their sign. */
export function pushKeys(b: FunctionBody, dtype: 'float32' | 'int32', x: Local): void {
  b.get(x);
  if (dtype === 'int32') {
    b.i32x4(-(2 ** 31)).op('v128.xor');
    return;
  }
  // Negative numbers order backwards by their bits, and after positive ones.
  b.get(x).f32x4(0).op('f32x4.ne', 'v128.and').tee(x).get(x).i32(31).op('i32x4.shr_s');
  b.i32x4(-(2 ** 31))
    .op('v128.or', 'v128.xor')
    .get(x)
    .get(x)
    .op('f32x4.ne', 'v128.or');
}

/** Pushes the key of the element at an address, in 64 bits, of 32-bit keys the low half. */
export function pushKey(b: FunctionBody, dtype: DType, at: Local): void {
  switch (dtype) {
    case 'bool':
    case 'uint8':
      b.get(at).mem('i32.load8_u').op('i64.extend_i32_u');
      return;
    case 'int32':
    case 'float32': {
      const x = b.local('v128');
      b.get(at).mem('v128.load32_splat').set(x);
      pushKeys(b, dtype, x);
      b.lane('i32x4.extract_lane', 0).op('i64.extend_i32_u');
      b.release(x);
      return;
    }
    default: {
      dtype satisfies 'float64';
      const x = b.local('f64');
      const bits = b.local('i64');
      b.get(at).mem('f64.load').set(x);
      b.i64(0n).get(x).op('i64.reinterpret_f64').get(x).f64(0).op('f64.eq', 'select').set(bits);
      b.i64(-1n)
        .get(bits)
        .get(bits)
        .i64(63n)
        .op('i64.shr_s')
        .i64(-(2n ** 63n))
        .op('i64.or', 'i64.xor');
      b.get(x).get(x).op('f64.ne', 'select');
      b.release(x, bits);
    }
  }
}

export function recordsOf(dtype: DType): Records {
  return dtypeInfo(dtype).bytes === 8 ? WIDE_RECORDS : NARROW_RECORDS;
}

/** Makes the record of place `i` from the key on the stack. */
export function makeRecord(b: FunctionBody, i: Local, into: Held): void {
  if (into.place !== null) b.set(into.key).get(i).set(into.place);
  else b.i64(32n).op('i64.shl').get(i).op('i64.extend_i32_u', 'i64.or').set(into.key);
}

/** Pushes the place of a record. */
export function pushPlace(b: FunctionBody, { key, place }: Held): void {
  if (place !== null) b.get(place);
  else b.get(key).op('i32.wrap_i64');
}

/** Where the records of a row lie, the records on their way, and counters. */
export interface Room {
  readonly keys: number;
  readonly places: number;
  readonly spareKeys: number;
  readonly sparePlaces: number;
  readonly counters: number;
}

/** Room for so many records, for the current launch. */
export function roomFor(records: Records, count: number): Room {
  const at = (bytes: number): number => (bytes === 8 || records.wide ? scratch(bytes * count + 16) : 0);
  const [keys, places, spareKeys, sparePlaces] = [at(8), at(4), at(8), at(4)];
  return { keys, places, spareKeys, sparePlaces, counters: scratch(4 * BUCKETS * records.digits.length) };
}
