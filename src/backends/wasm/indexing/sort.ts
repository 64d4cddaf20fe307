/**
 * Sorting rows: every element becomes a key that orders as an unsigned integer, keys are sorted
 * together with their places, stably, and the places then tell which elements to write. NaN orders
 * after all numbers, and −0 equals 0.
 *
 * Short lists are sorted by insertion, long ones by radix, a byte at a time from the lowest. `topk`
 * keeps a list of candidates that is sorted and cut whenever it is full.
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, loadWord, times, whilst } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { beginLaunch, i32, scratch } from '../heap.ts';
import { joinLoops, type Loop, loopsOver, memoryOrder, Walk } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { MOVE, startOf } from './nest.ts';

/** Lists up to this length are sorted by insertion. */
const INSERTION = 48;
const BUCKETS = 256;

/**
 * What is sorted: a key and a place. Keys of 32 bits share a 64-bit word with the place; a 64-bit key
 * has an array of its own, and places another. `KEYS` is the array (or the only one), `PLACES` the other.
 */
interface Records {
  readonly wide: boolean;
  /** The bytes of the key, lowest first, as shifts of the 64-bit word. */
  readonly digits: readonly number[];
  /** Bytes per record of each array. */
  readonly bytes: readonly number[];
}

const NARROW_RECORDS: Records = { wide: false, digits: [32, 40, 48, 56], bytes: [8] };
const WIDE_RECORDS: Records = { wide: true, digits: [0, 8, 16, 24, 32, 40, 48, 56], bytes: [8, 4] };

/** A record in locals. */
interface Held {
  readonly key: Local;
  readonly place: Local | null;
}

function hold(b: FunctionBody, records: Records): Held {
  return { key: b.local('i64'), place: records.wide ? b.local('i32') : null };
}

/** Pushes the address of record number `at` of an array. */
function pushAddress(b: FunctionBody, base: Local, at: Local, bytes: number): void {
  b.get(base).get(at).i32(Math.log2(bytes)).op('i32.shl', 'i32.add');
}

/** Loads record number `at`, or one `ahead` of it. */
function loadRecord(b: FunctionBody, arrays: readonly Local[], at: Local, into: Held, ahead = 0): void {
  pushAddress(b, arrays[0], at, 8);
  b.mem('i64.load', 8 * ahead).set(into.key);
  if (into.place === null) return;
  pushAddress(b, arrays[1], at, 4);
  b.mem('i32.load', 4 * ahead).set(into.place);
}

function storeRecord(b: FunctionBody, arrays: readonly Local[], at: Local, from: Held): void {
  pushAddress(b, arrays[0], at, 8);
  b.get(from.key).mem('i64.store');
  if (from.place === null) return;
  pushAddress(b, arrays[1], at, 4);
  b.get(from.place).mem('i32.store');
}

/** Runs `body` for `i` from its value up to `end`. */
function upTo(b: FunctionBody, i: Local, end: Local, body: () => void): void {
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
function sortFunction(records: Records): FunctionBody {
  const arrays = records.bytes.length;
  const b = new FunctionBody('sort', new Array<'i32'>(2 * arrays + 2).fill('i32'), []);
  const home = b.params.slice(0, arrays);
  const spare = b.params.slice(arrays, 2 * arrays);
  const counters = b.params[2 * arrays];
  const n = b.params[2 * arrays + 1];
  b.get(n).i32(INSERTION).op('i32.le_u');
  b.if(
    () => insertionSort(b, records, home, n),
    () => radixSort(b, records, home, spare, counters, n),
  );
  return b;
}

function insertionSort(b: FunctionBody, records: Records, arrays: readonly Local[], n: Local): void {
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
        b.get(before).set(j).br(0);
      });
    });
    storeRecord(b, arrays, j, moving);
  });
}

function radixSort(
  b: FunctionBody,
  records: Records,
  home: readonly Local[],
  spare: readonly Local[],
  counters: Local,
  n: Local,
): void {
  const { digits, bytes } = records;
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
      // Arrays have room up to a whole vector.
      const target = copyOf(b, l);
      const source = copyOf(b, from[k]);
      b.get(n).i32(bytes[k]).op('i32.mul').i32(15).op('i32.add').i32(4).op('i32.shr_u').set(left);
      times(b, left, () => {
        b.get(target).get(source).mem('v128.load').mem('v128.store');
        advance(b, target, 16);
        advance(b, source, 16);
      });
      b.release(target, source);
    });
  });
}

/** Words of the parameter block; values with address 0 are not wanted. Strides: from row to row, from element to element. */
const PARAM = {
  rows: 0,
  n: 1,
  k: 2,
  capacity: 3,
  keys: 4,
  places: 5,
  spareKeys: 6,
  sparePlaces: 7,
  counters: 8,
  flip: 9,
  input: 10,
  values: 13,
  indices: 16,
  words: 19,
} as const;

/** Pushes the key of the element at an address, in 64 bits, of 32-bit keys the low half. */
function pushKey(b: FunctionBody, dtype: DType, at: Local): void {
  switch (dtype) {
    case 'bool':
    case 'uint8':
      b.get(at).mem('i32.load8_u').op('i64.extend_i32_u');
      return;
    case 'int32':
      b.get(at)
        .mem('i32.load')
        .i32(-(2 ** 31))
        .op('i32.xor', 'i64.extend_i32_u');
      return;
    case 'float32': {
      const x = b.local('f32');
      const bits = b.local('i32');
      b.get(at).mem('f32.load').set(x);
      // Negative numbers order backwards by their bits, and after positive ones.
      b.i32(0).get(x).op('i32.reinterpret_f32').get(x).f32(0).op('f32.eq', 'select').set(bits);
      b.i32(-1)
        .get(bits)
        .get(bits)
        .i32(31)
        .op('i32.shr_s')
        .i32(-(2 ** 31))
        .op('i32.or', 'i32.xor');
      b.get(x).get(x).op('f32.ne', 'select', 'i64.extend_i32_u');
      b.release(x, bits);
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

/** rows(parameters): the first k elements of each sorted row. Calls function 0, `sort`. */
function rowsFunction(dtype: DType, records: Records): FunctionBody {
  const b = new FunctionBody('rows', ['i32'], []);
  const { bytes } = dtypeInfo(dtype);
  const [load, store] = MOVE[bytes];
  const word = (name: keyof typeof PARAM): Local => loadWord(b, PARAM[name]);
  const steps = (name: 'input' | 'values' | 'indices'): [Local, Local, Local] => [
    loadWord(b, PARAM[name]),
    loadWord(b, PARAM[name] + 1),
    loadWord(b, PARAM[name] + 2),
  ];
  const rows = word('rows');
  const n = word('n');
  const k = word('k');
  const capacity = word('capacity');
  const counters = word('counters');
  const arrays = [word('keys'), word('places')].slice(0, records.bytes.length);
  const spare = [word('spareKeys'), word('sparePlaces')].slice(0, records.bytes.length);
  const [input, inputRow, inputStep] = steps('input');
  const [values, valuesRow, valuesStep] = steps('values');
  const [indices, indicesRow, indicesStep] = steps('indices');
  /** All ones to order downwards. */
  const flip = b.local('i64');
  b.get(b.params[0])
    .mem('i32.load', 4 * PARAM.flip)
    .op('i64.extend_i32_s')
    .set(flip);
  const i = b.local('i32');
  const at = b.local('i32');
  const toValue = b.local('i32');
  const toIndex = b.local('i32');
  const filled = b.local('i32');
  const last = b.local('i32');
  const worst = b.local('i64');
  const record = hold(b, records);
  const place = record.place ?? b.local('i32');

  const sort = (): void => {
    for (const l of [...arrays, ...spare]) b.get(l);
    b.get(counters).get(filled).call(0);
  };
  const collect = (): void => {
    b.i32(0).set(filled).i64(-1n).set(worst).get(input).set(at).i32(0).set(i);
    upTo(b, i, n, () => {
      pushKey(b, dtype, at);
      b.get(flip).op('i64.xor');
      if (records.wide) b.set(record.key).get(i).set(place);
      else b.i64(32n).op('i64.shl').get(i).op('i64.extend_i32_u', 'i64.or').set(record.key);
      b.get(filled).get(k).op('i32.lt_u').get(record.key).get(worst).op('i64.lt_u', 'i32.or');
      b.if(() => {
        storeRecord(b, arrays, filled, record);
        advance(b, filled, 1);
        b.get(filled).get(capacity).op('i32.eq');
        b.if(() => {
          sort();
          b.get(k).tee(filled).i32(1).op('i32.sub').set(last);
          loadRecord(b, arrays, last, record);
          b.get(record.key).set(worst);
        });
      });
      advance(b, at, inputStep);
    });
  };
  const write = (): void => {
    b.get(values).set(toValue).get(indices).set(toIndex).i32(0).set(i);
    upTo(b, i, k, () => {
      loadRecord(b, arrays, i, record);
      if (!records.wide) b.get(record.key).op('i32.wrap_i64').set(place);
      b.get(toIndex).get(place).mem('i32.store');
      b.get(values).if(() => {
        b.get(toValue).get(input).get(place).get(inputStep).op('i32.mul', 'i32.add').mem(load).mem(store);
        advance(b, toValue, valuesStep);
      });
      advance(b, toIndex, indicesStep);
    });
  };
  times(b, rows, () => {
    collect();
    sort();
    write();
    advance(b, input, inputRow);
    b.get(values).if(() => advance(b, values, valuesRow));
    advance(b, indices, indicesRow);
  });
  return b;
}

const kernels = new Map<DType, WasmFunction>();

function kernelFor(dtype: DType, records: Records): WasmFunction {
  let kernel = kernels.get(dtype);
  if (kernel === undefined) {
    kernel = instantiate([sortFunction(records), rowsFunction(dtype, records)]).rows;
    kernels.set(dtype, kernel);
  }
  return kernel;
}

function run(values: Strided | null, indices: Strided, input: Strided, dim: number, k: number, down: boolean): void {
  beginLaunch();
  const { shape } = input;
  if (shape.includes(0) || k === 0) return;
  const n = shape[dim] ?? 1;
  const { bytes } = dtypeInfo(input.dtype);
  const records = bytes === 8 ? WIDE_RECORDS : NARROW_RECORDS;
  const kernel = kernelFor(input.dtype, records);
  const tensors = [input, values ?? indices, indices];
  const elementBytes = tensors.map((t) => dtypeInfo(t.dtype).bytes);
  const strides = tensors.map((t) => t.strides);
  const others = shape.map((_, d) => d).filter((d) => d !== dim);
  const loops = joinLoops(memoryOrder(loopsOver(shape, others, strides)));
  const lines: Loop = loops.pop() ?? { size: 1, steps: [0, 0, 0] };
  // A full list of twice as many candidates is sorted and cut to k.
  const capacity = 8 * k < n ? Math.max(2 * k, INSERTION) : n + 1;
  const starts = tensors.map(startOf);
  const at = (bytesEach: number): number => scratch(bytesEach * capacity + 16);
  const [keys, places, spareKeys, sparePlaces] = [8, 4, 8, 4].map((each) =>
    each === 8 || records.wide ? at(each) : 0,
  );
  const counters = scratch(4 * BUCKETS * records.digits.length);
  const params = scratch(4 * PARAM.words);
  const words = i32();
  const w = params >>> 2;
  const write = (name: keyof typeof PARAM, value: number): void => {
    words[w + PARAM[name]] = value;
  };
  write('rows', lines.size);
  write('n', n);
  write('k', k);
  write('capacity', capacity);
  write('keys', keys);
  write('places', places);
  write('spareKeys', spareKeys);
  write('sparePlaces', sparePlaces);
  write('counters', counters);
  write('flip', down ? -1 : 0);
  const walk = new Walk(loops, 3);
  do {
    for (const [t, name] of (['input', 'values', 'indices'] as const).entries()) {
      const wanted = name !== 'values' || values !== null;
      words[w + PARAM[name]] = wanted ? starts[t] + walk.places[t] * elementBytes[t] : 0;
      words[w + PARAM[name] + 1] = lines.steps[t] * elementBytes[t];
      words[w + PARAM[name] + 2] = (strides[t][dim] ?? 0) * elementBytes[t];
    }
    kernel(params);
  } while (walk.next());
}

/** Sorts along `dim`, stably; `indices` (int32) tell where the values were. NaN is the largest. */
export function sort(values: Strided, indices: Strided, input: Strided, dim: number, descending = false): void {
  run(values, indices, input, dim, input.shape[dim] ?? 1, descending);
}

/** The indices that sort along `dim`, stably. NaN is the largest. */
export function argsort(indices: Strided, input: Strided, dim: number, descending = false): void {
  run(null, indices, input, dim, input.shape[dim] ?? 1, descending);
}

/** The `k` ≤ n largest (or smallest) elements along `dim`, in order, and where they were; of equals the first. */
export function topk(values: Strided, indices: Strided, input: Strided, dim: number, k: number, largest = true): void {
  run(values, indices, input, dim, k, largest);
}
