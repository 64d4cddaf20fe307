/**
 * Groups of equal elements of a list, or rows of a matrix: where each has its first, which group every one is in,
 * and how many it has. They are gone through in an order that puts equals side by side; whole numbers of a short
 * range have a table instead, and need no order.
 */
import { byDType, type DType, dtypeInfo } from '../../../core/dtype.ts';
import { numel } from '../../../core/shape.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { clear } from '../clear.ts';
import { advance, copyOf, times, timesOrNever, whilst } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { beginLaunch, f32, f64, i32, scratch, u8 } from '../heap.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { foldLanes } from '../reduce/fold.ts';
import { LOAD } from './compact.ts';
import { startOf } from './nest.ts';

/** Pushes the address of element `at` of an array. */
function pushAt(b: FunctionBody, base: Local, at: Local, bytes: number): FunctionBody {
  return b.get(base).get(at).i32(Math.log2(bytes)).op('i32.shl', 'i32.add');
}

/** runs(values, order or 0, n, width, firsts, groups or 0, counts): how many groups of rows of `width` there are. */
function runsFunction(dtype: DType): FunctionBody {
  const b = new FunctionBody('runs', new Array<'i32'>(7).fill('i32'), ['i32']);
  const [values, order, n, width, firsts, groups, counts] = b.params;
  const { bytes, compute } = dtypeInfo(dtype);
  const place = b.local('i32');
  const row = b.local('i32');
  const before = b.local('i32');
  const starts = b.local('i32');
  const at = b.local('i32');
  const group = b.local('i32');
  const left = b.local('i32');
  const differ = (offset: Local | null): void => {
    for (const r of [row, before]) {
      b.get(r);
      if (offset !== null) b.get(offset).op('i32.add');
      b.mem(LOAD[dtype]);
    }
    b.op(`${compute}.ne`);
  };
  const rowBytes = copyOf(b, width);
  b.get(rowBytes).i32(bytes).op('i32.mul').set(rowBytes);
  b.get(n).set(left).get(values).set(before);
  times(b, left, () => {
    b.get(at).set(place);
    b.get(order).if(() => {
      pushAt(b, order, at, 4).mem('i32.load').set(place);
    });
    // Written in any case, and overwritten by the next if no group begins here. Counts hold where groups begin.
    pushAt(b, firsts, group, 4).get(place).mem('i32.store');
    pushAt(b, counts, group, 4).get(at).mem('i32.store');
    b.get(values).get(place).get(rowBytes).op('i32.mul', 'i32.add').set(row);
    differ(null);
    b.get(at).op('i32.eqz', 'i32.or').set(starts);
    b.get(starts).i32(bytes).get(rowBytes).op('i32.ge_u', 'i32.or', 'i32.eqz');
    b.if(() => {
      const offset = b.local('i32');
      b.i32(bytes).set(offset);
      whilst(
        b,
        () => b.get(offset).get(rowBytes).op('i32.lt_u').get(starts).op('i32.gt_u'),
        () => {
          differ(offset);
          b.set(starts);
          advance(b, offset, bytes);
        },
      );
      b.release(offset);
    });
    advance(b, group, starts);
    b.get(row).set(before);
    b.get(groups).if(() => {
      pushAt(b, groups, place, 4).get(group).i32(1).op('i32.sub').mem('i32.store');
    });
    advance(b, at, 1);
  });
  b.get(group).i32(1).op('i32.sub').tee(left);
  b.if(() =>
    times(b, left, () => {
      b.get(counts).get(counts).mem('i32.load', 4).get(counts).mem('i32.load').op('i32.sub').mem('i32.store');
      advance(b, counts, 4);
    }),
  );
  b.get(counts).get(n).get(counts).mem('i32.load').op('i32.sub').mem('i32.store');
  return b.get(group);
}

/** range(values, n, at): writes the least and the greatest. */
function rangeFunction(): FunctionBody {
  const b = new FunctionBody('range', ['i32', 'i32', 'i32'], []);
  const [values, n, at] = b.params;
  const [value, least, most] = [b.local('v128'), b.local('v128'), b.local('v128')];
  const left = b.local('i32');
  const ends = [
    [least, 'i32x4.min_s'],
    [most, 'i32x4.max_s'],
  ] as const;
  b.get(values).mem('v128.load32_splat').tee(least).set(most);
  for (const [load, part, by, bytes] of [
    ['v128.load', 'i32.shr_u', 2, 16],
    ['v128.load32_splat', 'i32.and', 3, 4],
  ] as const) {
    b.get(n).i32(by).op(part).set(left);
    timesOrNever(b, left, () => {
      b.get(values).mem(load).set(value);
      for (const [end, op] of ends) b.get(end).get(value).op(op).set(end);
      advance(b, values, bytes);
    });
  }
  ends.forEach(([end, op], i) => {
    foldLanes(b, 'i32', end, (x, y) => b.get(x).get(y).op(op).set(x));
    b.get(at)
      .get(end)
      .lane('i32x4.extract_lane', 0)
      .mem('i32.store', 4 * i);
  });
  return b;
}

/** tally(values, n, table): adds 1 at the place of each number. */
function tallyFunction(): FunctionBody {
  const b = new FunctionBody('tally', ['i32', 'i32', 'i32'], []);
  const [values, n, table] = b.params;
  const entry = b.local('i32');
  times(b, n, () => {
    b.get(table).get(values).mem('i32.load').i32(2).op('i32.shl', 'i32.add').tee(entry);
    b.get(entry).mem('i32.load').i32(1).op('i32.add').mem('i32.store');
    advance(b, values, 4);
  });
  return b;
}

/**
 * table(values, n, least, table, size, firsts, groups or 0, counts): how many groups there are. The table,
 * cleared, has two words for each number: how often it occurs, and its first place, then its group.
 */
function tableFunction(): FunctionBody {
  const b = new FunctionBody('table', new Array<'i32'>(8).fill('i32'), ['i32']);
  const [values, n, least, table, size, firsts, groups, counts] = b.params;
  const at = b.local('i32');
  const entry = b.local('i32');
  const count = b.local('i32');
  const group = b.local('i32');
  const left = b.local('i32');
  const entryOf = (): void => {
    b.get(table);
    pushAt(b, values, at, 4).mem('i32.load').get(least).op('i32.sub').i32(3).op('i32.shl', 'i32.add').set(entry);
  };
  // From the end, so that the first of equals is written last.
  b.get(n).set(at);
  times(b, at, () => {
    b.get(at).i32(1).op('i32.sub').set(at);
    entryOf();
    b.get(entry).get(entry).mem('i32.load').i32(1).op('i32.add').mem('i32.store');
    b.get(entry).get(at).mem('i32.store', 4);
    advance(b, at, 1);
  });
  b.get(table).set(entry).get(size).set(left);
  times(b, left, () => {
    b.get(entry).mem('i32.load').tee(count);
    b.if(() => {
      pushAt(b, firsts, group, 4).get(entry).mem('i32.load', 4).mem('i32.store');
      pushAt(b, counts, group, 4).get(count).mem('i32.store');
      b.get(entry).get(group).mem('i32.store', 4);
      advance(b, group, 1);
    });
    advance(b, entry, 8);
  });
  b.get(groups).if(() => {
    b.get(n).set(left).i32(0).set(at);
    times(b, left, () => {
      entryOf();
      pushAt(b, groups, at, 4).get(entry).mem('i32.load', 4).mem('i32.store');
      advance(b, at, 1);
    });
  });
  return b.get(group);
}

const runsKernel = byDType((dtype) => instantiate([runsFunction(dtype)]).runs);
let tables: Readonly<Record<string, WasmFunction>> | null = null;

function tableKernels(): Readonly<Record<string, WasmFunction>> {
  tables ??= instantiate([rangeFunction(), tallyFunction(), tableFunction()]);
  return tables;
}

/** Results: contiguous int32 with room for as many groups as there are elements; `groups` is not always wanted. */
export interface Groups {
  readonly firsts: Strided;
  readonly groups: Strided | null;
  readonly counts: Strided;
}

const placeOf = (t: Strided | null): number => (t === null ? 0 : startOf(t));

/** Groups of the rows of a contiguous matrix, whose equals stand side by side, in `order` (int32) if there is one. How many there are. */
export function groupRuns(out: Groups, rows: Strided, order: Strided | null): number {
  beginLaunch();
  const { dtype, shape } = rows;
  const [at, by, ...results] = [rows, order, out.firsts, out.groups, out.counts].map(placeOf);
  return runsKernel(dtype)(at, by, shape[0], shape[1], ...results);
}

/** Puts the rows of a contiguous matrix in order: `order` has them in that of their first `known` columns, and equals as they stand. */
export function settleTies(order: Strided, rows: Strided, known: number): void {
  beginLaunch();
  const [n, width] = rows.shape;
  const { bytes } = dtypeInfo(rows.dtype);
  const [at, start] = [startOf(order) / 4, startOf(rows) / bytes];
  const values = rows.dtype === 'float32' ? f32() : rows.dtype === 'float64' ? f64() : bytes === 4 ? i32() : u8();
  const compare = (a: number, b: number, from: number, end: number): number => {
    const [left, right] = [start + a * width, start + b * width];
    for (let k = from; k < end; k++) {
      const [x, y] = [values[left + k], values[right + k]];
      if (x < y) return -1;
      if (x > y) return 1;
      // NaN comes last, and all are alike.
      const last = Number(Number.isNaN(x)) - Number(Number.isNaN(y));
      if (last !== 0) return last;
    }
    return 0;
  };
  const places = i32().subarray(at, at + n);
  for (let first = 0, end = 1; first < n; first = end++) {
    while (end < n && compare(places[first], places[end], 0, known) === 0) end++;
    if (end - first > 1) places.subarray(first, end).sort((a, b) => compare(a, b, known, width) || a - b);
  }
}

/** Entries of a table: as many as there are elements, and a few more. */
const FEW = 256;

/** The least and the greatest of the elements (at least one) of a contiguous int32 tensor. */
export function integerRange(values: Strided): readonly [least: number, most: number] {
  beginLaunch();
  const ends = scratch(8);
  tableKernels().range(startOf(values), numel(values.shape), ends);
  const words = i32();
  return [words[ends >>> 2], words[(ends >>> 2) + 1]];
}

/** Adds to each of `counts`, cleared, how often the contiguous int32 tensor `values` (not empty, in range) holds its place. */
export function tally(counts: Strided, values: Strided): void {
  beginLaunch();
  const [at, to] = [startOf(values), startOf(counts)];
  tableKernels().tally(at, numel(values.shape), to);
}

/** The same for int32 by the numbers themselves, if they are of a short range; else null. */
export function groupByTable(out: Groups, values: Strided): number | null {
  const [least, most] = integerRange(values);
  beginLaunch();
  const [n] = values.shape;
  const at = startOf(values);
  const size = most - least + 1;
  if (size > n + FEW) return null;
  const table = scratch(8 * size);
  const places = [out.firsts, out.groups, out.counts].map(placeOf);
  clear(table, 8 * size);
  return tableKernels().table(at, n, least, table, size, ...places);
}
