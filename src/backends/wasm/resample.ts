/**
 * Weighted sums along one dimension: y[…, o, …] = Σ w x[…, i, …] over the taps of o. The sums run in
 * the order of the taps, in the computing type.
 */

import { type DType, dtypeInfo } from '../../core/dtype.ts';
import { DTypeError } from '../../core/errors.ts';
import type { Strided } from '../../kernels/strided.ts';
import type { Taps } from '../../kernels/taps.ts';
import { clear } from './clear.ts';
import { advance, copyOf, times, timesOrNever, whilst } from './control.ts';
import { FunctionBody, type Local, type Locals } from './encoder.ts';
import { type GemmDType, type Lanes, lanesFor } from './gemm-tile.ts';
import { beginLaunch, i32, scratch } from './heap.ts';
import { startOf } from './indexing/nest.ts';
import { loadStrided, storeFirst, storeStrided } from './lanes.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { inTasks, shareOf, tasksFor } from './threads/share.ts';

interface Kernels {
  readonly alone: WasmFunction;
  readonly abreast: WasmFunction;
  readonly across: WasmFunction;
}

const compiled = new Map<DType, Kernels>();

function kernelsFor(op: string, dtype: DType): Kernels {
  let kernels = compiled.get(dtype);
  if (kernels === undefined) {
    if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'int32')
      throw new DTypeError(`${op}: not implemented for '${dtype}'; convert with .to('float32')`);
    const lanes = lanesFor(dtype, false);
    const { alone, abreast, across } = instantiate([emitAlone(lanes, dtype), emitAbreast(lanes), emitAcross(lanes)]);
    kernels = { alone: alone!, abreast: abreast!, across: across! };
    compiled.set(dtype, kernels);
  }
  return kernels;
}

/**
 * Entries of a table for each output: by what the sum of its taps is divided and how many these are, then the weight of
 * each and the byte offset of its input.
 */
function emitTaps(
  b: FunctionBody,
  { compute, bytes, splat }: Lanes,
  table: Local,
  sums: readonly Local[],
  tap: (offset: Local) => void,
): void {
  const head = copyOf(b, table);
  const count = b.local('i32');
  const offset = b.local('i32');
  b.get(table).mem('i32.load', bytes).set(count);
  advance(b, table, 2 * bytes);
  timesOrNever(b, count, () => {
    b.get(table).mem('i32.load', bytes).set(offset);
    tap(offset);
    advance(b, table, 2 * bytes);
  });
  if (compute !== 'i32') {
    b.get(head).mem(`${compute}.load`)[compute](1).op(`${compute}.ne`);
    b.if(() => {
      for (const sum of sums) {
        b.get(sum).get(head);
        if (sum.type === 'v128') b.mem(splat).op(compute === 'f32' ? 'f32x4.div' : 'f64x2.div');
        else b.mem(`${compute}.load`).op(`${compute}.div`);
        b.set(sum);
      }
    });
  }
  b.release(head, count, offset);
}

/** `(y, x, rows, rowBytes, table, outputs)`, along the last dimension. */
function emitAlone(lanes: Lanes, dtype: GemmDType): FunctionBody {
  const b = new FunctionBody('alone', new Array(6).fill('i32'), []);
  const [y, x, rows, rowBytes, table, outputs] = b.params as Locals<6>;
  const type = lanes.compute;
  const sum = b.local(type);
  const load = dtype === 'float64' ? 'f64.load' : dtype === 'float32' ? 'f32.load' : 'i32.load';
  const store = dtype === 'float64' ? 'f64.store' : dtype === 'float32' ? 'f32.store' : 'i32.store';
  times(b, rows, () => {
    const at = copyOf(b, table);
    const left = copyOf(b, outputs);
    timesOrNever(b, left, () => {
      if (type === 'i32') b.i32(0);
      else if (type === 'f32') b.f32(0);
      else b.f64(0);
      b.set(sum);
      emitTaps(b, lanes, at, [sum], (offset) => {
        b.get(sum).get(at).mem(load);
        b.get(x).get(offset).op('i32.add').mem(load);
        b.op(`${type}.mul`, `${type}.add`).set(sum);
      });
      b.get(y).get(sum).mem(store);
      advance(b, y, lanes.bytes);
    });
    b.release(at, left);
    advance(b, x, rowBytes);
  });
  return b;
}

/** The same for groups of rows, one in each lane, `yBytes` apart in the results; `rows` is the number of groups. */
function emitAbreast(lanes: Lanes): FunctionBody {
  const { dtype, compute, bytes, count } = lanes;
  const b = new FunctionBody('abreast', new Array(7).fill('i32'), []);
  const [y, x, rows, rowBytes, table, outputs, yBytes] = b.params as Locals<7>;
  const [sum, from] = [b.local('v128'), b.local('i32')];
  times(b, rows, () => {
    const at = copyOf(b, table);
    const left = copyOf(b, outputs);
    times(b, left, () => {
      b.v128([]).set(sum);
      emitTaps(b, lanes, at, [sum], (offset) => {
        b.get(x).get(offset).op('i32.add').set(from);
        b.get(sum).get(at).mem(lanes.splat);
        loadStrided(b, dtype, compute, from, rowBytes);
        b.op(lanes.mul, lanes.add).set(sum);
      });
      storeStrided(b, dtype, compute, 'value', sum, y, yBytes);
      advance(b, y, bytes);
    });
    b.release(at, left);
    for (let i = 1; i < count; i++) advance(b, y, yBytes);
    for (let i = 0; i < count; i++) advance(b, x, rowBytes);
  });
  return b;
}

/** Vectors that are summed at a time, so that a tap is looked up once for all of them. */
const SIDE_BY_SIDE = 4;

/** `(y, x, rows, rowBytes, table, outputs, inner)`, along a dimension with `inner` elements behind it. */
function emitAcross(lanes: Lanes): FunctionBody {
  const b = new FunctionBody('across', new Array(7).fill('i32'), []);
  const [y, x, rows, rowBytes, table, outputs, inner] = b.params as Locals<7>;
  const sums = Array.from({ length: SIDE_BY_SIDE }, () => b.local('v128'));
  times(b, rows, () => {
    const at = copyOf(b, table);
    const left = copyOf(b, outputs);
    timesOrNever(b, left, () => {
      const from = copyOf(b, x);
      const n = copyOf(b, inner);
      const taps = copyOf(b, at);
      const add = (vectors: number): void => {
        b.get(taps).set(at);
        const some = sums.slice(0, vectors);
        for (const sum of some) b.v128([]).set(sum);
        emitTaps(b, lanes, at, some, (offset) => {
          advance(b, offset, from);
          for (const [k, sum] of some.entries()) {
            b.get(sum).get(at).mem(lanes.splat);
            b.get(offset).mem('v128.load', 16 * k);
            b.op(lanes.mul, lanes.add).set(sum);
          }
        });
      };
      const wide = SIDE_BY_SIDE * lanes.count;
      whilst(
        b,
        () => b.get(n).i32(wide).op('i32.ge_s'),
        () => {
          add(SIDE_BY_SIDE);
          for (const [k, sum] of sums.entries())
            b.get(y)
              .get(sum)
              .mem('v128.store', 16 * k);
          advance(b, y, 16 * SIDE_BY_SIDE);
          advance(b, from, 16 * SIDE_BY_SIDE);
          advance(b, n, -wide);
        },
      );
      whilst(
        b,
        () => b.get(n).i32(0).op('i32.gt_s'),
        () => {
          add(1);
          b.get(n).i32(lanes.count).op('i32.ge_s');
          b.if(
            () => {
              b.get(y).get(sums[0]).mem('v128.store');
              advance(b, y, 16);
            },
            () => {
              storeFirst(b, lanes.dtype, lanes.compute, 'value', sums[0], n, y);
              b.get(y).get(n).i32(lanes.bytes).op('i32.mul', 'i32.add').set(y);
            },
          );
          advance(b, from, 16);
          advance(b, n, -lanes.count);
        },
      );
      b.release(from, n, taps);
    });
    b.release(at, left);
    advance(b, x, rowBytes);
  });
  return b;
}

interface Table {
  readonly dtype: DType;
  readonly stepBytes: number;
  readonly words: Int32Array;
}

/** The last table of taps that are used again. */
const tables = new WeakMap<Taps, Table>();
/** Larger ones would only fill memory. */
const KEPT_WORDS = 4096;

/** The table of taps that kernels read: see `emitTaps`. Entries are as wide as elements. */
function tableOf(dtype: DType, taps: Taps, stepBytes: number): Int32Array {
  const known = tables.get(taps);
  if (known !== undefined && known.dtype === dtype && known.stepBytes === stepBytes) return known.words;
  const { bytes } = dtypeInfo(dtype);
  const { start, index, weight, outputs, divisor } = taps;
  const words = new Int32Array((bytes / 2) * (outputs + index.length));
  const weights = dtype === 'int32' ? words : new (dtype === 'float64' ? Float64Array : Float32Array)(words.buffer);
  let place = 0;
  const put = (value: number, word: number): void => {
    weights[2 * place] = value;
    words[(bytes / 4) * (2 * place++ + 1)] = word;
  };
  for (let o = 0; o < outputs; o++) {
    put(typeof divisor === 'number' ? divisor : divisor[o], start[o + 1] - start[o]);
    for (let t = start[o]; t < start[o + 1]; t++) put(weight[t], index[t] * stepBytes);
  }
  if (words.length <= KEPT_WORDS) tables.set(taps, { dtype, stepBytes, words });
  return words;
}

/** `y[…, o, …] = Σ weight x[…, index, …]` along `dim`. Both are contiguous, of one float dtype or int32. */
export function resample(op: string, y: Strided, x: Strided, dim: number, taps: Taps): void {
  const { alone, abreast, across } = kernelsFor(op, x.dtype);
  const { bytes } = dtypeInfo(x.dtype);
  beginLaunch();
  let [rows, inner] = [1, 1];
  for (let d = 0; d < x.shape.length; d++) {
    if (d < dim) rows *= x.shape[d];
    else if (d > dim) inner *= x.shape[d];
  }
  const [to, from] = [startOf(y), startOf(x)];
  if (rows * inner * taps.outputs === 0) return;
  if (taps.inputs === 0) {
    clear(to, rows * inner * taps.outputs * bytes);
    return;
  }
  const words = tableOf(x.dtype, taps, inner * bytes);
  const table = scratch(words.byteLength);
  i32().set(words, table >>> 2);
  const rowBytes = taps.inputs * inner * bytes;
  const yBytes = taps.outputs * inner * bytes;
  const lanes = 16 / bytes;
  const tasks = tasksFor(4 * rows * inner * taps.index.length, rows);
  inTasks(tasks, (t, run) => {
    const [r, end] = shareOf(t, tasks, rows);
    const call = (kernel: WasmFunction, at: number, count: number, ...more: number[]): void => {
      if (count > 0) run(kernel, to + at * yBytes, from + at * rowBytes, count, rowBytes, table, taps.outputs, ...more);
    };
    if (inner > 1) call(across, r, end - r, inner);
    else {
      const groups = Math.floor((end - r) / lanes);
      call(abreast, r, groups, yBytes);
      call(alone, r + groups * lanes, end - r - groups * lanes);
    }
  });
}
