/**
 * Between memory and vectors: loads widen or narrow elements of any dtype to lanes of the computing
 * type, stores do the reverse. A vector always holds `lanesOf(compute)` elements.
 *
 * On the memory side the same elements are one "packed" vector, or two if float64 elements meet
 * four-lane computing. Packed vectors are what lane loads and lane stores work on, so that contiguous,
 * strided and partial accesses share one conversion.
 */
import { type Compute, type DType, dtypeInfo } from '../../core/dtype.ts';
import type { Sort } from '../../kernels/expr.ts';
import type { FunctionBody, LaneMemoryOp, Local, MemoryOp } from './encoder.ts';
import { EVEN_DWORDS, LOW_HALVES } from './shuffles.ts';

/** Lanes per vector for a computing type: 4 for f32 and i32, 2 for f64. */
export function lanesOf(compute: Compute): 2 | 4 {
  return compute === 'f64' ? 2 : 4;
}

/** Byte shuffles: the high qword twice, the low byte of each lane. */
const HIGH_QWORD = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];
const BYTES_OF_DWORDS = [0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12];
const BYTES_OF_QWORDS = [0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 0, 8];

const LOAD_SPLAT: Readonly<Record<number, MemoryOp>> = {
  1: 'v128.load8_splat',
  4: 'v128.load32_splat',
  8: 'v128.load64_splat',
};
const LOAD_LANE: Readonly<Record<number, LaneMemoryOp>> = {
  1: 'v128.load8_lane',
  4: 'v128.load32_lane',
  8: 'v128.load64_lane',
};
const STORE_LANE: Readonly<Record<number, LaneMemoryOp>> = {
  1: 'v128.store8_lane',
  4: 'v128.store32_lane',
  8: 'v128.store64_lane',
};
/** By the bytes that a packed vector fills. */
const LOAD_BYTES: Readonly<Record<number, MemoryOp>> = {
  2: 'v128.load16_splat',
  4: 'v128.load32_zero',
  8: 'v128.load64_zero',
  16: 'v128.load',
};

function packedCount(dtype: DType, compute: Compute): 1 | 2 {
  return lanesOf(compute) * dtypeInfo(dtype).bytes > 16 ? 2 : 1;
}

// ─── loads ───────────────────────────────────────────────────────────────────────────────────────

/** Pushes one vector of elements at consecutive places, in the computing type. */
export function loadVector(body: FunctionBody, dtype: DType, compute: Compute, address: Local, offset = 0): void {
  const parts = packedCount(dtype, compute);
  const load = LOAD_BYTES[(lanesOf(compute) * dtypeInfo(dtype).bytes) / parts];
  for (let part = 0; part < parts; part++) {
    body.get(address).mem(load, offset + 16 * part);
    widen(body, dtype, compute);
  }
  if (parts === 2) joinHalves(body);
}

/** The same when only the first `count` elements (at least one) matter: reads less than 16 bytes past them. */
export function loadFirst(
  body: FunctionBody,
  dtype: DType,
  compute: Compute,
  count: Local,
  address: Local,
  offset = 0,
): void {
  if (packedCount(dtype, compute) === 1) {
    loadVector(body, dtype, compute, address, offset);
    return;
  }
  const high = body.local('v128');
  body.v128(new Uint8Array(16)).set(high);
  body
    .get(count)
    .i32(lanesOf(compute) / 2)
    .op('i32.gt_u');
  body.if(() =>
    body
      .get(address)
      .mem('v128.load', offset + 16)
      .set(high),
  );
  body.get(address).mem('v128.load', offset);
  widen(body, dtype, compute);
  body.get(high);
  widen(body, dtype, compute);
  joinHalves(body);
  body.release(high);
}

/** Pushes the element at the address in every lane. */
export function loadSplat(body: FunctionBody, dtype: DType, compute: Compute, address: Local, offset = 0): void {
  body.get(address).mem(LOAD_SPLAT[dtypeInfo(dtype).bytes], offset);
  widen(body, dtype, compute);
  if (packedCount(dtype, compute) === 2) {
    duplicate(body);
    body.shuffle(EVEN_DWORDS.map((b) => b & 3));
  }
}

/**
 * Pushes one vector of elements that lie `stride` bytes apart. With `count`, only the first `count`
 * (at least one) are read and the other lanes repeat some of them.
 */
export function loadStrided(
  body: FunctionBody,
  dtype: DType,
  compute: Compute,
  address: Local,
  stride: Local,
  count?: Local,
): void {
  const lanes = lanesOf(compute);
  const { bytes } = dtypeInfo(dtype);
  const packed = Array.from({ length: packedCount(dtype, compute) }, () => body.local('v128'));
  const perPart = lanes / packed.length;
  const place = body.local('i32');
  body.get(address).tee(place).mem(LOAD_SPLAT[bytes]).set(packed[0]);
  if (packed.length === 2) body.get(packed[0]).set(packed[1]);
  const rest = (lane: number): void => {
    if (lane === lanes) return;
    const load = (): void => {
      const part = packed[Math.floor(lane / perPart)];
      body.get(place).get(stride).op('i32.add').tee(place);
      body
        .get(part)
        .laneMem(LOAD_LANE[bytes], lane % perPart)
        .set(part);
      rest(lane + 1);
    };
    if (count === undefined) load();
    else body.get(count).i32(lane).op('i32.gt_u').if(load);
  };
  rest(1);
  for (const part of packed) {
    body.get(part);
    widen(body, dtype, compute);
  }
  if (packed.length === 2) joinHalves(body);
  body.release(...packed, place);
}

/** Two vectors with results in their low halves become one. */
function joinHalves(body: FunctionBody): void {
  body.shuffle(LOW_HALVES);
}

/** Packed elements on the stack become lanes of the computing type (float64 for four lanes: the low two). */
function widen(body: FunctionBody, dtype: DType, compute: Compute): void {
  if (dtype === 'bool' || dtype === 'uint8') {
    body.op('i16x8.extend_low_i8x16_u', 'i32x4.extend_low_i16x8_u');
    if (compute === 'f32') body.op('f32x4.convert_i32x4_s');
    else if (compute === 'f64') body.op('f64x2.convert_low_i32x4_s');
  } else if (dtype === 'int32') {
    if (compute === 'f32') body.op('f32x4.convert_i32x4_s');
    else if (compute === 'f64') body.op('f64x2.convert_low_i32x4_s');
  } else if (dtype === 'float32') {
    if (compute === 'f64') body.op('f64x2.promote_low_f32x4');
    else if (compute === 'i32') body.op('i32x4.trunc_sat_f32x4_s');
  } else {
    dtype satisfies 'float64';
    if (compute === 'f32') body.op('f32x4.demote_f64x2_zero');
    else if (compute === 'i32') body.op('i32x4.trunc_sat_f64x2_s_zero');
  }
}

// ─── stores ──────────────────────────────────────────────────────────────────────────────────────

/** Stores all lanes at consecutive places. Writes exactly the elements' bytes. */
export function storeVector(
  body: FunctionBody,
  dtype: DType,
  compute: Compute,
  sort: Sort,
  value: Local,
  address: Local,
  offset = 0,
): void {
  const { bytes } = dtypeInfo(dtype);
  const packed = pack(body, dtype, compute, sort, value);
  const filled = (lanesOf(compute) * bytes) / packed.length;
  packed.forEach((part, i) => {
    body.get(address).get(part);
    if (filled === 16) body.mem('v128.store', offset + 16 * i);
    else
      body.laneMem(
        filled === 8 ? 'v128.store64_lane' : filled === 4 ? 'v128.store32_lane' : 'v128.store16_lane',
        0,
        offset,
      );
  });
  body.release(...packed);
}

/** Whether four vectors of a dtype fill one. */
export const fourFillOne = (dtype: DType, compute: Compute): boolean =>
  dtypeInfo(dtype).bytes === 1 && lanesOf(compute) === 4;

/** Stores four such vectors one behind the other. */
export function storeFour(
  body: FunctionBody,
  dtype: DType,
  compute: Compute,
  sort: Sort,
  values: readonly Local[],
  address: Local,
  offset = 0,
): void {
  const truth = sort === 'mask' || dtype === 'bool';
  const narrowed = (value: Local): void => {
    body.get(value);
    if (sort === 'mask') return;
    if (dtype === 'bool') compareWithZero(body, compute);
    else {
      if (compute === 'f32') body.op('i32x4.trunc_sat_f32x4_s');
      body.i32x4(0xff).op('v128.and');
    }
  };
  body.get(address);
  for (let i = 0; i < 4; i += 2) {
    narrowed(values[i]);
    narrowed(values[i + 1]);
    body.op('i16x8.narrow_i32x4_s');
  }
  body.op(truth ? 'i8x16.narrow_i16x8_s' : 'i8x16.narrow_i16x8_u');
  if (truth) body.v128(new Uint8Array(16).fill(1)).op('v128.and');
  body.mem('v128.store', offset);
}

/** Values become the mask of those that are not zero. */
function compareWithZero(body: FunctionBody, compute: Compute): void {
  if (compute === 'f32') body.f32x4(0).op('f32x4.ne');
  else if (compute === 'f64') body.f64x2(0).op('f64x2.ne');
  else body.i32x4(0).op('i32x4.ne');
}

/** Stores one lane. */
export function storeLane(
  body: FunctionBody,
  dtype: DType,
  compute: Compute,
  sort: Sort,
  value: Local,
  lane: number,
  address: Local,
  offset = 0,
): void {
  const packed = pack(body, dtype, compute, sort, value);
  storePacked(body, dtype, compute, packed, lane, address, offset);
  body.release(...packed);
}

/** Stores the first `count` lanes (1 to all) at consecutive places. */
export function storeFirst(
  body: FunctionBody,
  dtype: DType,
  compute: Compute,
  sort: Sort,
  value: Local,
  count: Local,
  address: Local,
  offset = 0,
): void {
  const { bytes } = dtypeInfo(dtype);
  const packed = pack(body, dtype, compute, sort, value);
  const rest = (lane: number): void => {
    if (lane === lanesOf(compute)) return;
    const store = (): void => {
      storePacked(body, dtype, compute, packed, lane, address, offset + lane * bytes);
      rest(lane + 1);
    };
    if (lane === 0) store();
    else body.get(count).i32(lane).op('i32.gt_u').if(store);
  };
  rest(0);
  body.release(...packed);
}

/** Stores lanes `stride` bytes apart: all of them, or the first `count` (1 to all). */
export function storeStrided(
  body: FunctionBody,
  dtype: DType,
  compute: Compute,
  sort: Sort,
  value: Local,
  address: Local,
  stride: Local,
  count?: Local,
): void {
  const packed = pack(body, dtype, compute, sort, value);
  const place = body.local('i32');
  body.get(address).set(place);
  const rest = (lane: number): void => {
    if (lane === lanesOf(compute)) return;
    const store = (): void => {
      if (lane > 0) body.get(place).get(stride).op('i32.add').set(place);
      storePacked(body, dtype, compute, packed, lane, place, 0);
      rest(lane + 1);
    };
    if (lane === 0 || count === undefined) store();
    else body.get(count).i32(lane).op('i32.gt_u').if(store);
  };
  rest(0);
  body.release(...packed, place);
}

function storePacked(
  body: FunctionBody,
  dtype: DType,
  compute: Compute,
  packed: readonly Local[],
  lane: number,
  address: Local,
  offset: number,
): void {
  const perPart = lanesOf(compute) / packed.length;
  body.get(address).get(packed[Math.floor(lane / perPart)]);
  body.laneMem(STORE_LANE[dtypeInfo(dtype).bytes], lane % perPart, offset);
}

/** Lanes of the computing type to packed elements, in locals of their own. */
function pack(body: FunctionBody, dtype: DType, compute: Compute, sort: Sort, value: Local): Local[] {
  const packed = Array.from({ length: packedCount(dtype, compute) }, () => body.local('v128'));
  packed.forEach((part, i) => {
    body.get(value);
    if (i === 1) body.get(value).shuffle(HIGH_QWORD);
    if (sort === 'mask') packMask(body, dtype, compute);
    else packValue(body, dtype, compute);
    body.set(part);
  });
  return packed;
}

function packMask(body: FunctionBody, dtype: DType, compute: Compute): void {
  const wide = compute === 'f64';
  if (dtype === 'bool' || dtype === 'uint8') {
    duplicate(body);
    body
      .shuffle(wide ? BYTES_OF_QWORDS : BYTES_OF_DWORDS)
      .v128(new Uint8Array(16).fill(1))
      .op('v128.and');
  } else if (dtype === 'float64') {
    if (!wide) body.op('i64x2.extend_low_i32x4_s');
    body.f64x2(1).op('v128.and');
  } else {
    if (wide) {
      duplicate(body);
      body.shuffle(EVEN_DWORDS);
    }
    if (dtype === 'float32') body.f32x4(1);
    else body.i32x4(1);
    body.op('v128.and');
  }
}

function packValue(body: FunctionBody, dtype: DType, compute: Compute): void {
  if (dtype === 'bool') {
    compareWithZero(body, compute);
    packMask(body, dtype, compute);
  } else if (dtype === 'uint8' || dtype === 'int32') {
    if (compute === 'f32') body.op('i32x4.trunc_sat_f32x4_s');
    else if (compute === 'f64') body.op('i32x4.trunc_sat_f64x2_s_zero');
    if (dtype === 'uint8') {
      duplicate(body);
      body.shuffle(BYTES_OF_DWORDS);
    }
  } else if (dtype === 'float32') {
    if (compute === 'f64') body.op('f32x4.demote_f64x2_zero');
    else if (compute === 'i32') body.op('f32x4.convert_i32x4_s');
  } else {
    dtype satisfies 'float64';
    if (compute === 'f32') body.op('f64x2.promote_low_f32x4');
    else if (compute === 'i32') body.op('f64x2.convert_low_i32x4_s');
  }
}

function duplicate(body: FunctionBody): void {
  const x = body.local('v128');
  body.tee(x).get(x);
  body.release(x);
}
