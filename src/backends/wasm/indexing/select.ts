/**
 * The element of a given rank in every row, without sorting: the records whose highest byte is that of
 * the wanted one are kept, then of these the ones with the right second byte, and so on. Records keep
 * their order, so that of equal elements the one is found that a stable sort would put at the rank.
 */
import { type DType, dtypeInfo, isFloat } from '../../../core/dtype.ts';
import { numel } from '../../../core/shape.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, times, whilst } from '../control.ts';
import { FunctionBody } from '../encoder.ts';
import { beginLaunch, i32 } from '../heap.ts';
import { joinLoops, type Loop, loopsOver, memoryOrder, Walk } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { inBlocks, linesOf, tasksFor } from '../threads/share.ts';
import { MOVE, startOf } from './nest.ts';
import { isShort, networkFunction, networkSize } from './network.ts';
import {
  BUCKETS,
  hold,
  INSERTION,
  loadRecord,
  makeRecord,
  pushKey,
  pushPlace,
  type Room,
  recordsOf,
  roomFor,
  sortFunction,
  storeRecord,
  upTo,
} from './records.ts';
import { type Choice, emitMostFrequent, PARAM, parameters, shortFunction } from './select-short.ts';

export type { Choice } from './select-short.ts';

/** Calls function 0, `sort`, for short rows. */
function selectFunction(dtype: DType, choice: Choice): FunctionBody {
  const b = new FunctionBody('select', ['i32'], []);
  const records = recordsOf(dtype);
  const { bytes } = dtypeInfo(dtype);
  const [load, store] = MOVE[bytes];
  const word = parameters(b);
  const rows = word('rows');
  const n = word('n');
  const rank = word('rank');
  const arrays = [word('keys'), word('places')].slice(0, records.bytes.length);
  const spare = [word('spareKeys'), word('sparePlaces')].slice(0, records.bytes.length);
  const counters = word('counters');
  const input = word('input');
  const inputRow = word('inputRow');
  const inputStep = word('inputStep');
  const values = word('values');
  const valuesRow = word('valuesRow');
  const indices = word('indices');
  const indicesRow = word('indicesRow');
  const countsNaN = (choice === 'median' || choice === 'nanmedian') && isFloat(dtype);
  const i = b.local('i32');
  const at = b.local('i32');
  const nans = b.local('i32');
  const firstNaN = b.local('i32');
  const wanted = b.local('i32');
  const left = b.local('i32');
  const place = b.local('i32');
  const record = hold(b, records);
  const from = arrays.map((l) => copyOf(b, l));
  const to = spare.map((l) => copyOf(b, l));

  const collect = (): void => {
    b.get(input).set(at).i32(0).set(i).i32(0).set(nans);
    upTo(b, i, n, () => {
      pushKey(b, dtype, at);
      b.set(record.key);
      if (countsNaN) {
        b.get(record.key)
          .i64(bytes === 4 ? 0xffffffffn : -1n)
          .op('i64.eq');
        b.if(() => {
          b.get(i).get(firstNaN).get(nans).op('i32.eqz', 'select').set(firstNaN);
          advance(b, nans, 1);
        });
      }
      b.get(record.key);
      makeRecord(b, i, record);
      storeRecord(b, arrays, i, record);
      advance(b, at, inputStep);
    });
  };
  const choose = (): void => {
    if (choice === 'rank') {
      b.get(rank).set(wanted);
      return;
    }
    b.get(n);
    if (choice === 'nanmedian' && countsNaN) b.get(nans).op('i32.sub');
    b.i32(1).op('i32.sub').i32(1).op('i32.shr_s').set(wanted);
    // Where nothing is a number, the first NaN.
    b.i32(0).get(wanted).get(wanted).i32(0).op('i32.lt_s', 'select').set(wanted);
  };
  const setPlace = (): void => {
    loadRecord(b, from, wanted, record);
    pushPlace(b, record);
    b.set(place);
  };
  const sorted = (): void => {
    for (const l of [...arrays, ...spare]) b.get(l);
    b.get(counters).get(n).call(0);
    arrays.forEach((l, k) => {
      b.get(l).set(from[k]);
    });
    if (choice !== 'mode') setPlace();
    else {
      b.i32(0).set(wanted);
      emitMostFrequent(b, { dtype, input, inputStep, n }, place, () => {
        setPlace();
        advance(b, wanted, 1);
      });
    }
  };

  const shift = b.local('i32');
  const counter = b.local('i32');
  const bucket = b.local('i32');
  const kept = b.local('i32');
  const digit = (): void => {
    b.get(record.key).get(shift).op('i64.extend_i32_u', 'i64.shr_u', 'i32.wrap_i64').i32(0xff).op('i32.and');
  };
  /** Of `left` records those stay whose byte is the wanted one's; their rank among these is `wanted` again. */
  const narrow = (): void => {
    const zeros = b.local('i32');
    b.get(counters)
      .set(counter)
      .i32(BUCKETS / 4)
      .set(zeros);
    times(b, zeros, () => {
      b.get(counter).i32x4(0).mem('v128.store');
      advance(b, counter, 16);
    });
    b.release(zeros);
    b.i32(0).set(i);
    upTo(b, i, left, () => {
      loadRecord(b, from, i, record);
      digit();
      b.i32(2).op('i32.shl').get(counters).op('i32.add').tee(counter);
      b.get(counter).mem('i32.load').i32(1).op('i32.add').mem('i32.store');
    });
    b.get(counters).set(counter).i32(0).set(bucket);
    whilst(
      b,
      () => b.get(counter).mem('i32.load').tee(kept).get(wanted).op('i32.le_u'),
      () => {
        b.get(wanted).get(kept).op('i32.sub').set(wanted);
        advance(b, counter, 4);
        advance(b, bucket, 1);
      },
    );
    b.get(kept).get(left).op('i32.ne');
    b.if(() => {
      b.i32(0).set(i).i32(0).set(at);
      upTo(b, i, left, () => {
        loadRecord(b, from, i, record);
        // Written in any case, and overwritten by the next if it is not wanted.
        storeRecord(b, to, at, record);
        digit();
        b.get(bucket).op('i32.eq').get(at).op('i32.add').set(at);
      });
      b.get(kept).set(left);
      from.forEach((l, k) => {
        b.get(l).get(to[k]).set(l).set(to[k]);
      });
    });
  };
  const select = (): void => {
    arrays.forEach((l, k) => {
      b.get(l).set(from[k]).get(spare[k]).set(to[k]);
    });
    b.get(n).set(left).i32(56).set(shift);
    whilst(
      b,
      () => {
        b.get(left).i32(1).op('i32.gt_u');
        b.get(shift).i32(records.digits[0]).op('i32.ge_s', 'i32.and');
      },
      () => {
        narrow();
        advance(b, shift, -8);
      },
    );
    setPlace();
  };
  const find = (): void => {
    if (choice === 'mode') {
      sorted();
      return;
    }
    choose();
    b.get(n).i32(INSERTION).op('i32.le_u');
    b.if(sorted, select);
  };
  times(b, rows, () => {
    collect();
    if (choice === 'median' && countsNaN) b.get(nans).if(() => b.get(firstNaN).set(place), find);
    else find();
    b.get(indices).get(place).mem('i32.store');
    b.get(values).get(input).get(place).get(inputStep).op('i32.mul', 'i32.add').mem(load).mem(store);
    advance(b, input, inputRow);
    advance(b, values, valuesRow);
    advance(b, indices, indicesRow);
  });
  return b;
}

const kernels = new Map<string, WasmFunction>();

function kernelFor(dtype: DType, choice: Choice, short: boolean): WasmFunction {
  const key = `${dtype} ${choice} ${short}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    const functions = short
      ? [networkFunction(), shortFunction(dtype, choice)]
      : [sortFunction(recordsOf(dtype)), selectFunction(dtype, choice)];
    kernel = instantiate(functions).select;
    kernels.set(key, kernel);
  }
  return kernel;
}

/** Rows up to this length are sorted as a whole, whatever is wanted of them. */
const SHORT = 128;
/** Room of all tasks together. */
const ROOM_BYTES = 64 << 20;
/** What an element takes, in steps of `tasksFor`. */
const SELECT_STEPS = 50;

/**
 * One element of every line of `input` along `dim`, and where it is (int32): outputs have the size 1
 * there, or lack the dimension if the input has none. `rank` counts from 0 and must be one of the line's.
 * NaN is the largest.
 */
export function selectRank(
  values: Strided,
  indices: Strided,
  input: Strided,
  dim: number,
  choice: Choice,
  rank = 0,
): void {
  beginLaunch();
  const { shape } = input;
  if (shape.includes(0)) return;
  const n = shape[dim] ?? 1;
  const records = recordsOf(input.dtype);
  const tensors = [input, values, indices];
  const bytes = tensors.map((t) => dtypeInfo(t.dtype).bytes);
  const others = shape.map((_, d) => d).filter((d) => d !== dim);
  const strides = tensors.map((t) => t.strides);
  const loops = joinLoops(memoryOrder(loopsOver(shape, others, strides)));
  const lines: Loop = loops.pop() ?? { size: 1, steps: [0, 0, 0] };
  const short = choice === 'mode' ? isShort(n, input.dtype, lines.size) : n <= SHORT;
  const kernel = kernelFor(input.dtype, choice, short);
  const size = networkSize(n);
  const starts = tensors.map(startOf);
  const positions = loops.reduce((p, { size }) => p * size, 1);
  const most = Math.max(1, Math.floor(ROOM_BYTES / (24 * n)));
  const tasks = tasksFor(SELECT_STEPS * numel(shape), Math.min(most, positions * lines.size));
  const piece = linesOf(lines.size, positions, tasks);
  const pieces = Math.ceil(lines.size / piece);
  const rooms = Array.from({ length: tasks }, () => roomFor(records, short ? 2 * size : n + 1));
  const walk = new Walk(loops, 3);
  inBlocks(kernel, PARAM.words, positions * pieces, tasks, (i, task, w) => {
    const line = (i % pieces) * piece;
    if (line === 0 && i > 0) walk.next();
    const words = i32();
    const set = (name: keyof typeof PARAM, value: number): void => {
      words[w + PARAM[name]] = value;
    };
    const at = (t: number): number => starts[t] + (walk.places[t] + line * lines.steps[t]) * bytes[t];
    set('rows', Math.min(piece, lines.size - line));
    set('n', n);
    set('rank', rank);
    set('size', size);
    for (const [name, place] of Object.entries(rooms[task])) set(name as keyof Room, place);
    set('input', at(0));
    set('inputRow', lines.steps[0] * bytes[0]);
    set('inputStep', (strides[0][dim] ?? 0) * bytes[0]);
    set('values', at(1));
    set('valuesRow', lines.steps[1] * bytes[1]);
    set('indices', at(2));
    set('indicesRow', lines.steps[2] * bytes[2]);
  });
}
