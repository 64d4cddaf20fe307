/**
 * Short rows are sorted two at a time, one in each lane of a vector, by a network: comparisons that do not
 * depend on the data, so that nothing has to be guessed. A record is the top of a key with the element's
 * place below it, as the mantissa of a float64 of one fixed exponent. Records order as their bits, the least
 * and the greatest of two are one instruction each, and as no two are equal the order is stable.
 */
import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import { advance, times, timesOrNever, whilst } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { pushKey, pushKeys, upTo } from './records.ts';

const PLACE_BITS = 10;
const EXPONENT = 0x433n << 52n;
/** Bytes from a record of a row to the next; the other row's lie between. */
export const RECORD_STEP = 16;
const STEP = RECORD_STEP;
/** Elements of a vector of 4 bytes each. */
const LANES = 4;
/** Places that are sorted in registers, of which the network is made. */
const BASE = 8;
/** The least records that can be had without sorting all. */
export const TOP = BASE;

/** Most places of a row that is sorted by itself, with nothing in the other lane, or whose keys have 64 bits. */
const SHORTEST = 128;

/** Whether so many rows of a length are best sorted by the network. Keys of 64 bits lose bits there, and are mended by insertion. */
export function isShort(n: number, dtype: DType, rows: number): boolean {
  return n <= (rows === 1 || dtypeInfo(dtype).bytes === 8 ? SHORTEST : 1 << PLACE_BITS);
}

/** How many places the network has for rows of `n`. */
export const networkSize = (n: number): number => Math.max(BASE, 2 ** Math.ceil(Math.log2(n)));

/** The least number of comparisons that sort eight. */
const SORT_8 = '02 13 46 57 04 15 26 37 01 23 45 67 24 35 14 36 12 34 56';
/** What sorts eight of which the first half rises and the second falls, or any rotation of that. */
const MERGE_8 = '04 15 26 37 02 13 46 57 01 23 45 67';

/**
 * network(records, n): sorts both lanes of n = `networkSize(…)` places, upwards; or only puts the least `TOP` of all
 * in order, at the front.
 */
export function networkFunction(top = false): FunctionBody {
  const b = new FunctionBody('network', ['i32', 'i32'], []);
  const [records, n] = b.params;
  const held = Array.from({ length: BASE }, () => b.local('v128'));
  const lesser = b.local('v128');
  const low = b.local('i32');
  const high = b.local('i32');
  const left = b.local('i32');
  const groups = b.local('i32');
  const width = b.local('i32');
  const order = (x: Local, y: Local): void => {
    b.get(x).get(y).op('f64x2.pmin').set(lesser);
    b.get(x).get(y).op('f64x2.pmax').set(y).get(lesser).set(x);
  };
  const load = (): void => {
    for (const [i, v] of held.entries())
      b.get(low)
        .mem('v128.load', STEP * i)
        .set(v);
  };
  const store = (): void => {
    for (const [i, v] of held.entries())
      b.get(low)
        .get(v)
        .mem('v128.store', STEP * i);
  };
  const compareAll = (comparisons: string): void => {
    for (const [i, j] of comparisons.split(' ')) order(held[Number(i)], held[Number(j)]);
  };
  const eights = (comparisons: string): void => {
    b.get(records).set(low).get(n).i32(BASE).op('i32.div_u').set(left);
    times(b, left, () => {
      load();
      compareAll(comparisons);
      store();
      advance(b, low, STEP * BASE);
    });
  };
  /** Orders `width` bytes at `low` against as many at `high`, which are met forwards or backwards. */
  const orderRuns = (backwards: boolean): void => {
    const [x, y] = held;
    b.get(width)
      .i32(4 * STEP)
      .op('i32.div_u')
      .set(left);
    times(b, left, () => {
      for (let i = 0; i < 4; i++) {
        const [atLow, atHigh] = [STEP * i, STEP * (backwards ? 3 - i : i)];
        b.get(low).mem('v128.load', atLow).set(x).get(high).mem('v128.load', atHigh).set(y);
        order(x, y);
        b.get(low).get(x).mem('v128.store', atLow).get(high).get(y).mem('v128.store', atHigh);
      }
      advance(b, low, 4 * STEP);
      advance(b, high, (backwards ? -4 : 4) * STEP);
    });
  };
  /** Does so for every pair of runs of `width` bytes. */
  const orderAll = (backwards: boolean): void => {
    b.get(records)
      .set(low)
      .get(n)
      .i32(STEP / 2)
      .op('i32.mul')
      .get(width)
      .op('i32.div_u')
      .set(groups);
    times(b, groups, () => {
      b.get(low).get(width).op('i32.add').set(high);
      if (backwards)
        b.get(high)
          .get(width)
          .op('i32.add')
          .i32(4 * STEP)
          .op('i32.sub')
          .set(high);
      orderRuns(backwards);
      advance(b, low, width);
    });
  };
  eights(SORT_8);
  if (top) {
    b.get(records).set(low).get(n).i32(BASE).op('i32.div_u').i32(1).op('i32.sub').set(left);
    load();
    timesOrNever(b, left, () => {
      advance(b, low, STEP * BASE);
      // Of what rises and what falls the lesser ones are the least of both, and rise and fall.
      for (const [i, v] of held.entries())
        b.get(v)
          .get(low)
          .mem('v128.load', STEP * (BASE - 1 - i))
          .op('f64x2.pmin')
          .set(v);
      compareAll(MERGE_8);
    });
    b.get(records).set(low);
    store();
    return b;
  }
  const run = b.local('i32');
  b.i32(BASE * STEP).set(run);
  whilst(
    b,
    () => b.get(run).get(n).i32(STEP).op('i32.mul', 'i32.lt_u'),
    () => {
      // Two runs that rise are one that rises and falls, if the second is read backwards.
      b.get(run).set(width);
      orderAll(true);
      b.get(width).i32(1).op('i32.shr_u').set(width);
      whilst(
        b,
        () =>
          b
            .get(width)
            .i32(BASE * STEP)
            .op('i32.ge_u'),
        () => {
          orderAll(false);
          b.get(width).i32(1).op('i32.shr_u').set(width);
        },
      );
      eights(MERGE_8);
      b.get(run).i32(1).op('i32.shl').set(run);
    },
  );
  return b;
}

/** The rows of a kernel: where the next one begins, how many are left, their length, and the room for two. */
export interface Rows {
  readonly dtype: DType;
  readonly records: Local;
  readonly input: Local;
  readonly inputRow: Local;
  readonly inputStep: Local;
  readonly rows: Local;
  readonly n: Local;
  /** All ones to order downwards, if given. */
  readonly flip: Local | null;
}

/** Pushes the place of the record at an address. */
export function pushPlaceAt(b: FunctionBody, record: Local): void {
  b.get(record)
    .mem('i32.load')
    .i32(2 ** PLACE_BITS - 1)
    .op('i32.and');
}

/** Pushes the address of the element at a place. */
export function pushElementAt(b: FunctionBody, input: Local, place: Local, step: Local): void {
  b.get(input).get(place).get(step).op('i32.mul', 'i32.add');
}

/**
 * Emits a loop over all rows, two at a time. `use` is run for each with the address of its first record,
 * those of others being a `RECORD_STEP` apart; input then is the row. Calls function 0, the network.
 */
export function emitPairs(b: FunctionBody, size: Local, r: Rows, use: (first: Local) => void): void {
  const { dtype, input, n, rows } = r;
  const wide = dtypeInfo(dtype).bytes === 8;
  const i = b.local('i32');
  const at = b.local('i32');
  const to = b.local('i32');
  const lane = b.local('i32');
  const begin = b.local('i32');
  const both = b.local('i32');
  const eachRow = (body: () => void): void => {
    b.get(begin).set(input).get(r.records).set(lane);
    b.get(rows).i32(2).get(rows).i32(2).op('i32.lt_u', 'select').set(both);
    times(b, both, () => {
      body();
      advance(b, input, r.inputRow);
      advance(b, lane, STEP / 2);
    });
  };
  /** Whole vectors of elements that lie side by side. */
  const collectVectors = (type: 'float32' | 'int32'): void => {
    const x = b.local('v128');
    const flip = b.local('v128');
    const [low, high] = [0, 2].map((first) => {
      const l = b.local('v128');
      b.v128(new Uint8Array(new BigInt64Array([first, first + 1].map((k) => EXPONENT | BigInt(k))).buffer)).set(l);
      return l;
    });
    if (r.flip === null) b.i32x4(0).set(flip);
    else b.get(r.flip).op('i64x2.splat').set(flip);
    whilst(
      b,
      () => b.get(i).i32(LANES).op('i32.add').get(n).op('i32.le_u'),
      () => {
        b.get(at).mem('v128.load').set(x);
        pushKeys(b, type, x);
        b.get(flip).op('v128.xor').set(x);
        [low, high].forEach((places, half) => {
          b.get(x)
            .op(half === 0 ? 'i64x2.extend_low_i32x4_u' : 'i64x2.extend_high_i32x4_u')
            .i32(PLACE_BITS)
            .op('i64x2.shl')
            .get(places)
            .op('v128.or')
            .set(key);
          for (const k of [0, 1])
            b.get(to)
              .get(key)
              .laneMem('v128.store64_lane', k, STEP * (2 * half + k));
          b.get(places).i64(BigInt(LANES)).op('i64x2.splat', 'i64x2.add').set(places);
        });
        advance(b, i, LANES);
        advance(b, at, 4 * LANES);
        advance(b, to, LANES * STEP);
      },
    );
    b.release(x, flip, low, high);
  };
  const key = b.local('v128');
  const collect = (): void => {
    b.get(input).set(at).get(lane).set(to).i32(0).set(i);
    if (dtype === 'float32' || dtype === 'int32') {
      b.get(r.inputStep).i32(4).op('i32.eq');
      b.if(() => collectVectors(dtype));
    }
    upTo(b, i, n, () => {
      b.get(to);
      pushKey(b, dtype, at);
      if (r.flip !== null) b.get(r.flip).op('i64.xor');
      if (wide) b.i64(BigInt(12 + PLACE_BITS)).op('i64.shr_u');
      else b.i64(32n).op('i64.shl').i64(22n).op('i64.shr_u');
      if (wide) b.i64(BigInt(PLACE_BITS)).op('i64.shl');
      b.get(i).op('i64.extend_i32_u', 'i64.or').i64(EXPONENT).op('i64.or').mem('i64.store');
      advance(b, at, r.inputStep);
      advance(b, to, STEP);
    });
  };
  // What fills the network up stays behind all records.
  b.get(r.records).get(n).i32(STEP).op('i32.mul', 'i32.add').set(to);
  b.get(n).set(i);
  upTo(b, i, size, () => {
    b.get(to).f64x2(Number.POSITIVE_INFINITY).mem('v128.store');
    advance(b, to, STEP);
  });
  b.loop(() => {
    b.get(input).set(begin);
    eachRow(collect);
    b.get(r.records).get(size).call(0);
    eachRow(() => {
      if (wide) mend(b, r, lane);
      use(lane);
    });
    b.get(rows).i32(2).op('i32.gt_u');
    b.if(() => {
      advance(b, rows, -2);
      b.br(1);
    });
  });
}

/** Keys that agree in what records have of them are put in order by insertion. */
function mend(b: FunctionBody, r: Rows, first: Local): void {
  const at = b.local('i32');
  const hole = b.local('i32');
  const end = b.local('i32');
  const element = b.local('i32');
  const record = b.local('i64');
  const before = b.local('i64');
  const key = b.local('i64');
  const sameTop = (): void =>
    void b.get(record).get(before).op('i64.xor').i64(BigInt(PLACE_BITS)).op('i64.shr_u', 'i64.eqz');
  const pushKeyOf = (of: Local): void => {
    b.get(r.input)
      .get(of)
      .op('i32.wrap_i64')
      .i32(2 ** PLACE_BITS - 1)
      .op('i32.and');
    b.get(r.inputStep).op('i32.mul', 'i32.add').set(element);
    pushKey(b, r.dtype, element);
    if (r.flip !== null) b.get(r.flip).op('i64.xor');
  };
  b.get(first).get(r.n).i32(STEP).op('i32.mul', 'i32.add').set(end);
  b.get(first).set(at).get(at).mem('i64.load').set(before);
  whilst(
    b,
    () => {
      advance(b, at, STEP);
      b.get(at).get(end).op('i32.lt_u');
    },
    () => {
      b.get(at).mem('i64.load').set(record);
      sameTop();
      b.if(() => {
        pushKeyOf(record);
        b.set(key).get(at).set(hole);
        b.block(() => {
          b.loop(() => {
            b.get(hole).get(first).op('i32.eq').brIf(1);
            b.get(hole).i32(STEP).op('i32.sub').mem('i64.load').set(before);
            sameTop();
            b.op('i32.eqz').brIf(1);
            pushKeyOf(before);
            b.get(key).op('i64.gt_u', 'i32.eqz').brIf(1);
            b.get(hole).get(before).mem('i64.store');
            advance(b, hole, -STEP);
            b.br(0);
          });
        });
        b.get(hole).get(record).mem('i64.store');
      });
      b.get(at).mem('i64.load').set(before);
    },
  );
  b.release(at, hole, end, element, record, before, key);
}
