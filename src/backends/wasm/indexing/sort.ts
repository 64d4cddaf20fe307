/**
 * Sorting rows: the records of a row are sorted, and their places then tell which elements to write.
 * `topk` keeps a list of candidates: a short one in order all the time, a long one is sorted and cut whenever
 * it is full.
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import { numel } from '../../../core/shape.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, loadWord, times, whilst } from '../control.ts';
import { FunctionBody, type Local, type MemoryOp, type PlainOp } from '../encoder.ts';
import { beginLaunch, i32 } from '../heap.ts';
import { joinLoops, type Loop, loopsOver, memoryOrder, Walk } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { canShare, getNumThreads } from '../threads/pool.ts';
import { inBlocks, linesOf, tasksFor } from '../threads/share.ts';
import { MOVE, startOf } from './nest.ts';
import {
  emitPairs,
  isShort,
  networkFunction,
  networkSize,
  pushElementAt,
  pushPlaceAt,
  RECORD_STEP,
  TOP,
} from './network.ts';
import { type LongRow, sortLongRows } from './partition.ts';
import {
  type Held,
  hold,
  INSERTION,
  loadRecord,
  makeRecord,
  pushKey,
  pushPlace,
  type Records,
  type Room,
  recordsOf,
  roomFor,
  sortFunction,
  storeRecord,
  upTo,
} from './records.ts';

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

/** How elements are compared as vectors. */
const VECTORS: Readonly<
  Partial<Record<DType, { shape: string; lanes: number; splat: MemoryOp; whole: 'i32x4' | 'i64x2' }>>
> = {
  float32: { shape: 'f32x4', lanes: 4, splat: 'v128.load32_splat', whole: 'i32x4' },
  int32: { shape: 'i32x4', lanes: 4, splat: 'v128.load32_splat', whole: 'i32x4' },
  float64: { shape: 'f64x2', lanes: 2, splat: 'v128.load64_splat', whole: 'i64x2' },
};

/** All ones to order downwards. */
function loadFlip(b: FunctionBody): Local {
  const flip = b.local('i64');
  b.get(b.params[0])
    .mem('i32.load', 4 * PARAM.flip)
    .op('i64.extend_i32_s')
    .set(flip);
  return flip;
}

/** rows(parameters): the first k elements of each sorted row. Calls function 0, `sort`. */
function rowsFunction(dtype: DType, records: Records): FunctionBody {
  const b = new FunctionBody('rows', ['i32'], []);
  const { bytes } = dtypeInfo(dtype);
  const [load, store] = MOVE[bytes];
  const vectors = VECTORS[dtype] ?? null;
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
  const flip = loadFlip(b);
  const i = b.local('i32');
  const at = b.local('i32');
  const toValue = b.local('i32');
  const toIndex = b.local('i32');
  const filled = b.local('i32');
  const last = b.local('i32');
  const worst = b.local('i64');
  const record = hold(b, records);
  const other = hold(b, records);
  const hole = b.local('i32');
  const before = b.local('i32');
  const place = b.local('i32');
  /** Whether the list is kept in order, which is what it has no room beyond k for. */
  const ordered = b.local('i32');
  b.get(capacity).get(k).op('i32.eq').set(ordered);

  const sort = (): void => {
    for (const l of [...arrays, ...spare]) b.get(l);
    b.get(counters).get(filled).call(0);
  };
  const limit = b.local('v128');
  /** The record before which others must go now, and its element. */
  const setWorst = (of: Held): void => {
    b.get(of.key).set(worst);
    pushPlace(b, of);
    b.set(place);
    pushElementAt(b, input, place, inputStep);
    if (vectors !== null) b.mem(vectors.splat).set(limit);
    else b.op('drop');
  };
  /** Passes over whole vectors of elements that do not go before the worst, and are no NaN. */
  const skip = (): void => {
    if (vectors === null) return;
    const { shape, lanes } = vectors;
    const sign = dtype === 'int32' ? '_s' : '';
    const end = b.local('i32');
    b.get(n)
      .i32(lanes - 1)
      .op('i32.sub')
      .set(end);
    const go = (op: 'le' | 'ge'): void => {
      whilst(
        b,
        () => {
          b.i32(0).set(hole);
          b.get(i).get(end).op('i32.lt_s');
          b.if(() => {
            b.get(at).mem('v128.load').get(limit);
            b.op(`${shape}.${op}${sign}` as PlainOp, `${vectors.whole}.all_true`).set(hole);
          });
          b.get(hole);
        },
        () => {
          advance(b, i, lanes);
          advance(b, at, 16);
        },
      );
    };
    b.get(filled).get(k).op('i32.ge_u').get(worst).i64(-1n).op('i64.ne', 'i32.and');
    b.get(inputStep).i32(bytes).op('i32.eq', 'i32.and');
    b.if(() => {
      b.get(flip).op('i64.eqz');
      b.if(
        () => go('ge'),
        () => go('le'),
      );
    });
    b.release(end);
  };
  /** Puts the record into an ordered list of at most k, whose last one makes way. */
  const insert = (): void => {
    b.get(filled).get(k).op('i32.lt_u');
    b.if(() => advance(b, filled, 1));
    b.get(filled).i32(1).op('i32.sub').tee(last).set(hole);
    b.block(() => {
      b.loop(() => {
        b.get(hole).op('i32.eqz').brIf(1);
        b.get(hole).i32(1).op('i32.sub').set(before);
        loadRecord(b, arrays, before, other);
        b.get(other.key).get(record.key).op('i64.gt_u', 'i32.eqz').brIf(1);
        storeRecord(b, arrays, hole, other);
        b.get(before).set(hole).br(0);
      });
    });
    storeRecord(b, arrays, hole, record);
    loadRecord(b, arrays, last, other);
    setWorst(other);
  };
  const append = (): void => {
    storeRecord(b, arrays, filled, record);
    advance(b, filled, 1);
    b.get(filled).get(capacity).op('i32.eq');
    b.if(() => {
      sort();
      b.get(k).tee(filled).i32(1).op('i32.sub').set(last);
      loadRecord(b, arrays, last, record);
      setWorst(record);
    });
  };
  const collect = (): void => {
    b.i32(0).set(filled).i64(-1n).set(worst).get(input).set(at).i32(0).set(i);
    upTo(b, i, n, () => {
      skip();
      b.get(i).get(n).op('i32.eq').brIf(1);
      pushKey(b, dtype, at);
      b.get(flip).op('i64.xor');
      makeRecord(b, i, record);
      b.get(filled).get(k).op('i32.lt_u').get(record.key).get(worst).op('i64.lt_u', 'i32.or');
      b.if(() => b.get(ordered).if(insert, append));
      advance(b, at, inputStep);
    });
  };
  const write = (): void => {
    b.get(values).set(toValue).get(indices).set(toIndex).i32(0).set(i);
    upTo(b, i, k, () => {
      loadRecord(b, arrays, i, record);
      pushPlace(b, record);
      b.set(place);
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
    b.get(ordered).op('i32.eqz').if(sort);
    write();
    advance(b, input, inputRow);
    b.get(values).if(() => advance(b, values, valuesRow));
    advance(b, indices, indicesRow);
  });
  return b;
}

/** pairs(parameters): the same for short rows. The capacity is the size of the network, which is function 0. */
function pairsFunction(dtype: DType): FunctionBody {
  const b = new FunctionBody('pairs', ['i32'], []);
  const [load, store] = MOVE[dtypeInfo(dtype).bytes];
  const word = (name: keyof typeof PARAM, further = 0): Local => loadWord(b, PARAM[name] + further);
  const [rows, n, k, size, records] = (['rows', 'n', 'k', 'capacity', 'keys'] as const).map((name) => word(name));
  const [input, inputRow, inputStep] = [0, 1, 2].map((w) => word('input', w));
  const [values, valuesRow, valuesStep] = [0, 1, 2].map((w) => word('values', w));
  const [indices, indicesRow, indicesStep] = [0, 1, 2].map((w) => word('indices', w));
  const flip = loadFlip(b);
  const toValue = b.local('i32');
  const toIndex = b.local('i32');
  const left = b.local('i32');
  const place = b.local('i32');
  const at = b.local('i32');
  const write = (first: Local): void => {
    b.get(first).set(at).get(values).set(toValue).get(indices).set(toIndex).get(k).set(left);
    times(b, left, () => {
      pushPlaceAt(b, at);
      b.set(place).get(toIndex).get(place).mem('i32.store');
      b.get(values).if(() => {
        b.get(toValue);
        pushElementAt(b, input, place, inputStep);
        b.mem(load).mem(store);
        advance(b, toValue, valuesStep);
      });
      advance(b, toIndex, indicesStep);
      advance(b, at, RECORD_STEP);
    });
    b.get(values).if(() => advance(b, values, valuesRow));
    advance(b, indices, indicesRow);
  };
  emitPairs(b, size, { dtype, records, input, inputRow, inputStep, rows, n, flip }, write);
  return b;
}

const kernels = new Map<string, WasmFunction>();

function kernelFor(dtype: DType, records: Records, short: boolean, top: boolean): WasmFunction {
  const key = `${dtype} ${short} ${top}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = short
      ? instantiate([networkFunction(top), pairsFunction(dtype)]).pairs
      : instantiate([sortFunction(records), rowsFunction(dtype, records)]).rows;
    kernels.set(key, kernel);
  }
  return kernel;
}

/** Lists up to this length are kept in order. */
const ORDERED = INSERTION / 2;
/** Room of all tasks together. */
const ROOM_BYTES = 64 << 20;
/** Elements from which on a row is sorted by several threads. */
const LONG_ROW = 2 ** 16;
/** What an element takes, in steps of `tasksFor`. */
const SORT_STEPS = 100;

function run(values: Strided | null, indices: Strided, input: Strided, dim: number, k: number, down: boolean): void {
  beginLaunch();
  const { shape } = input;
  if (shape.includes(0) || k === 0) return;
  const n = shape[dim] ?? 1;
  const records = recordsOf(input.dtype);
  const tensors = [input, values ?? indices, indices];
  const elementBytes = tensors.map((t) => dtypeInfo(t.dtype).bytes);
  const strides = tensors.map((t) => t.strides);
  const others = shape.map((_, d) => d).filter((d) => d !== dim);
  const loops = joinLoops(memoryOrder(loopsOver(shape, others, strides)));
  const lines: Loop = loops.pop() ?? { size: 1, steps: [0, 0, 0] };
  const rowsInAll = lines.size * loops.reduce((p, { size }) => p * size, 1);
  if (k === n && n >= LONG_ROW && rowsInAll < getNumThreads() && canShare(SORT_STEPS * n)) {
    const walk = new Walk([...loops, lines], 3);
    const rows: LongRow[] = [];
    do {
      const [from, toValues, toIndices] = walk.places.map((place, t): [number, number] => [
        startOf(tensors[t]) + place * elementBytes[t],
        (strides[t][dim] ?? 0) * elementBytes[t],
      ]);
      rows.push({ input: from, values: values === null ? [0, 0] : toValues, indices: toIndices });
    } while (walk.next());
    sortLongRows({ dtype: input.dtype, n, down }, rows, getNumThreads());
    return;
  }
  // A short list is kept in order, but the network needs fewer steps where most of a row goes into it; a full one of
  // twice as many candidates is sorted and cut to k.
  const few = !records.wide && k <= TOP;
  const short = (k === n || n <= (few ? 16 * (k + 3) : 64)) && isShort(n, input.dtype, lines.size);
  const kernel = kernelFor(input.dtype, records, short, short && few);
  const capacity = short ? networkSize(n) : k <= ORDERED ? k : 8 * k < n ? Math.max(2 * k, INSERTION) : n + 1;
  const starts = tensors.map(startOf);
  const positions = loops.reduce((p, { size }) => p * size, 1);
  const most = Math.max(1, Math.floor(ROOM_BYTES / (24 * capacity)));
  const tasks = tasksFor(SORT_STEPS * numel(shape), Math.min(most, positions * lines.size));
  const piece = linesOf(lines.size, positions, tasks);
  const pieces = Math.ceil(lines.size / piece);
  const rooms = Array.from({ length: tasks }, () => roomFor(records, short ? 2 * capacity : capacity));
  const walk = new Walk(loops, 3);
  inBlocks(kernel, PARAM.words, positions * pieces, tasks, (i, task, w) => {
    const line = (i % pieces) * piece;
    if (line === 0 && i > 0) walk.next();
    const words = i32();
    const write = (name: keyof typeof PARAM, value: number): void => {
      words[w + PARAM[name]] = value;
    };
    write('rows', Math.min(piece, lines.size - line));
    write('n', n);
    write('k', k);
    write('capacity', capacity);
    write('flip', down ? -1 : 0);
    for (const [name, place] of Object.entries(rooms[task])) write(name as keyof Room, place);
    for (const [t, name] of (['input', 'values', 'indices'] as const).entries()) {
      const wanted = name !== 'values' || values !== null;
      const place = walk.places[t] + line * lines.steps[t];
      words[w + PARAM[name]] = wanted ? starts[t] + place * elementBytes[t] : 0;
      words[w + PARAM[name] + 1] = lines.steps[t] * elementBytes[t];
      words[w + PARAM[name] + 2] = (strides[t][dim] ?? 0) * elementBytes[t];
    }
  });
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
