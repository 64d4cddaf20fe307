/**
 * The innermost part of matrix multiplication: a tile of the product is kept in registers while the
 * sum over k runs past it.
 *
 * Every element of a product is computed by the same additions in the same order whatever tile it
 * falls in: from zero, one product after the other. So an element's value depends on its row of `a`
 * and its column of `b` alone, not on the layout, on the batch, or on where in the matrix it lies.
 */
import { type Compute, type DType, dtypeInfo } from '../../core/dtype.ts';
import { advance } from './control.ts';
import { FunctionBody, type Local, type Locals, type MemoryOp, type PlainOp } from './encoder.ts';
import { storeFirst } from './lanes.ts';
import { pairsVectors } from './pairs.ts';

export type GemmDType = 'float32' | 'float64' | 'int32';

/** The instructions for one element type. */
export interface Lanes {
  readonly dtype: DType;
  readonly compute: Compute;
  /** Bytes per element. */
  readonly bytes: number;
  /** Elements per vector. */
  readonly count: number;
  readonly splat: MemoryOp;
  readonly mul: PlainOp;
  readonly add: PlainOp;
  /** The fused multiply-add, where it is wanted. */
  readonly madd: PlainOp | null;
  /** Vectors of columns in a full tile. */
  readonly tileVectors: number;
}

/**
 * Deno and Bun compare every address with the memory's length, so that there loads are dear and splats are
 * made by shuffles. Elsewhere the page table does that, and an element is spread by loading it.
 */
const LOADS_ARE_CHECKED = 'Deno' in globalThis || 'Bun' in globalThis;

const INSTRUCTIONS = {
  float32: {
    splat: 'v128.load32_splat',
    mul: 'f32x4.mul',
    add: 'f32x4.add',
    madd: 'f32x4.relaxed_madd',
    tileVectors: 2,
  },
  float64: {
    splat: 'v128.load64_splat',
    mul: 'f64x2.mul',
    add: 'f64x2.add',
    madd: 'f64x2.relaxed_madd',
    tileVectors: LOADS_ARE_CHECKED ? 2 : 4,
  },
  int32: { splat: 'v128.load32_splat', mul: 'i32x4.mul', add: 'i32x4.add', madd: null, tileVectors: 2 },
} as const;

export function lanesFor(dtype: GemmDType, relaxed: boolean, wide = false): Lanes {
  const { bytes, compute } = dtypeInfo(dtype);
  const instructions = INSTRUCTIONS[dtype];
  const madd = relaxed ? instructions.madd : null;
  const tileVectors = wide && madd !== null && !LOADS_ARE_CHECKED ? wideVectors() : instructions.tileVectors;
  return { dtype, compute, bytes, count: 16 / bytes, ...instructions, madd, tileVectors };
}

/** Rows in a packed panel of a: those of one tile, of two, or half of one. */
export const TILE_ROWS = 4;
/** With the operands of a step that is what V8 keeps in registers. */
const ACCUMULATORS = 8;
/**
 * Vectors of columns in the tiles of products, of two rows. Ten sums that wait for nothing but themselves keep two
 * multipliers of four cycles busy even where another thread of the core takes some of their turns; eight do not.
 */
const WIDE_VECTORS = 5;
/** Vectors of a wide tile before the way out behind which the others are loaded. */
const FIRST_VECTORS = 2;

/** Where two vectors become one there are as many of those. */
const wideVectors = (): number => (pairsVectors() ? 2 * WIDE_VECTORS : WIDE_VECTORS);
/** Whether tiles of so many vectors are wide ones. */
const isWide = (vectors: number): boolean => vectors % WIDE_VECTORS === 0;

/**
 * Rows of a tile of so many vectors of columns; of one vector they are those of two panels. In float64 full tiles
 * are 2 × 4 where loads are cheap: without fused multiply-adds that is a fifth faster than 4 × 2.
 */
export function tileRows(vectors: number): number {
  return isWide(vectors) ? 2 : Math.floor(ACCUMULATORS / vectors);
}

/** Columns in a tile, and in a packed panel of b. */
export function tileColumns(lanes: Lanes): number {
  return lanes.tileVectors * lanes.count;
}

/** `acc += a · b`. */
export function multiplyAdd(body: FunctionBody, lanes: Lanes, acc: Local, a: Local, b: Local): void {
  if (lanes.madd !== null) body.get(a).get(b).get(acc).op(lanes.madd).set(acc);
  else body.get(acc).get(a).get(b).op(lanes.mul, lanes.add).set(acc);
}

/**
 * Steps along k in a turn of a full tile's loop, which saves what a turn costs beside them. Each step can be the
 * last: sums that are wanted behind the loop are not moved to the next step, where V8, which sorts what it may
 * move by accumulator, would run out of registers. JavaScriptCore keeps what is written and is a tenth faster
 * with one.
 */
const STEPS = 'Bun' in globalThis ? 1 : LOADS_ARE_CHECKED ? 4 : 8;
/** Elements of a that are reached from one address: V8 keeps a register for each, which it has no more of. */
const SPREAD_AT_ONCE = 8;

/**
 * Packed operands lie in panels: for each k the rows of a tile (of a) or its columns (of b) side by
 * side, so that all offsets are constants. Strided ones lie in a matrix of any row and k stride; b's
 * columns always lie side by side.
 */
export type Operands = 'packed' | 'strided';

export function tileName(operands: Operands, rows: number, vectors: number): string {
  return `${operands}${rows}x${vectors}`;
}

/**
 * `tile(a, aRow, aK, b, bK, bPanel, c, cRow, k, lanes, accumulate)`: c = a b, or c += a b, for a tile
 * of `rows` rows and `vectors` vectors of columns, of which the last has only `lanes` elements. k > 0. Rows of
 * packed operands beyond a panel are in the next, `aRow` bytes on.
 * Vectors beyond a panel's width are read from the next panel, `bPanel` bytes on.
 */
export function emitTile(lanes: Lanes, operands: Operands, rows: number, vectors: number): FunctionBody {
  const body = new FunctionBody(tileName(operands, rows, vectors), new Array(11).fill('i32'), []);
  const [a, aRow, aK, b, bK, bPanel, c, cRow, k, lastLanes, accumulate] = body.params as Locals<11>;
  const acc = Array.from({ length: rows }, () => Array.from({ length: vectors }, () => body.local('v128')));
  const bs = Array.from({ length: vectors }, () => body.local('v128'));
  const xs = Array.from({ length: isWide(vectors) ? rows : 1 }, () => body.local('v128'));
  const column = body.local('v128');
  const packed = operands === 'packed';
  const panelRowBytes = TILE_ROWS * lanes.bytes;
  const panelBytes = lanes.tileVectors * 16;

  // Rows beyond the first four are reached from a base of their own, which takes fewer registers than an offset each.
  const base = rows > TILE_ROWS ? [a, body.local('i32')] : [a];
  if (rows > TILE_ROWS) {
    body.get(a).get(aRow);
    if (!packed) body.i32(TILE_ROWS).op('i32.mul');
    body.op('i32.add').set(base[1]!);
  }
  const rowOffsets = Array.from({ length: packed ? 0 : Math.min(rows, TILE_ROWS) - 1 }, () => body.local('i32'));
  rowOffsets.forEach((offset, r) => {
    body
      .get(aRow)
      .i32(r + 1)
      .op('i32.mul')
      .set(offset);
  });
  const loadB = (v: number, at: number): void => {
    const from = packed ? at * panelBytes : 0;
    body.get(b);
    if (v >= lanes.tileVectors) body.get(bPanel).op('i32.add');
    body.mem('v128.load', from + (v % lanes.tileVectors) * 16).set(bs[v]!);
  };
  /** Sets x to row r's element in every lane. */
  const loadA = (row: number, at: number, x: Local): void => {
    const from = (at % stepsAtOnce) * panelRowBytes;
    const a = base[Math.floor(row / TILE_ROWS)]!;
    const r = row % TILE_ROWS;
    const lane = r % lanes.count;
    if (!packed) {
      body.get(a);
      if (r > 0) body.get(rowOffsets[r - 1]!).op('i32.add');
      body.mem(lanes.splat).set(x);
    } else if (r === 0 || !LOADS_ARE_CHECKED) {
      body
        .get(a)
        .mem(lanes.splat, from + r * lanes.bytes)
        .set(x);
    } else {
      if (r === 1 || lane === 0)
        body
          .get(a)
          .mem('v128.load', from + (r - lane) * lanes.bytes)
          .set(column);
      body.get(column).get(column);
      body.shuffle(Array.from({ length: 16 }, (_, i) => lane * lanes.bytes + (i % lanes.bytes))).set(x);
    }
  };
  const steps = rows * vectors >= ACCUMULATORS && rows <= TILE_ROWS ? STEPS : 1;
  const stepsAtOnce = Math.min(steps, SPREAD_AT_ONCE / rows);
  /** Never taken: it keeps V8 from loading what is behind it before it multiplies what is here, and is another one in every step. */
  const wayOut = (at: number): void => void body.get(k).i32(-at).op('i32.lt_s').brIf(1);
  const step = (at: number): void => {
    if (isWide(vectors)) {
      for (let r = 0; r < rows; r++) loadA(r, at, xs[r]!);
      for (let v = 0; v < vectors; v++) {
        if (v === (FIRST_VECTORS * vectors) / WIDE_VECTORS) wayOut(at);
        loadB(v, at);
        for (let r = 0; r < rows; r++) multiplyAdd(body, lanes, acc[r]![v]!, xs[r]!, bs[v]!);
      }
    } else {
      for (let v = 0; v < vectors; v++) loadB(v, at);
      for (let r = 0; r < rows; r++) {
        if (r === TILE_ROWS) wayOut(at);
        loadA(r, at, xs[0]!);
        for (let v = 0; v < vectors; v++) multiplyAdd(body, lanes, acc[r]![v]!, xs[0]!, bs[v]!);
      }
    }
    if (!packed) {
      for (const at of base) advance(body, at, aK);
      advance(body, b, bK);
    } else if ((at + 1) % stepsAtOnce === 0) {
      for (const at of base) advance(body, at, stepsAtOnce * panelRowBytes);
    }
  };
  body.block(() => {
    body.loop(() => {
      for (let at = 0; at < steps; at++) {
        if (at > 0) body.get(k).i32(at).op('i32.eq').brIf(1);
        step(at);
      }
      if (packed) advance(body, b, steps * panelBytes);
      body.get(k).i32(steps).op('i32.sub').tee(k).brIf(0);
    });
  });

  const place = body.local('i32');
  const eachRow = (visit: (row: readonly Local[]) => void): void => {
    body.get(c).set(place);
    acc.forEach((row, r) => {
      if (r > 0) body.get(place).get(cRow).op('i32.add').set(place);
      visit(row);
    });
  };
  const store = (row: readonly Local[], whole: number): void => {
    for (let v = 0; v < whole; v++)
      body
        .get(place)
        .get(row[v]!)
        .mem('v128.store', v * 16);
  };
  body.get(accumulate).if(() => {
    eachRow((row) => {
      row.forEach((value, v) => {
        body
          .get(place)
          .mem('v128.load', v * 16)
          .get(value)
          .op(lanes.add)
          .set(value);
      });
    });
  });
  body
    .get(lastLanes)
    .i32(lanes.count)
    .op('i32.eq')
    .if(
      () => eachRow((row) => store(row, vectors)),
      () =>
        eachRow((row) => {
          store(row, vectors - 1);
          const last = row[vectors - 1]!;
          storeFirst(body, lanes.dtype, lanes.compute, 'value', last, lastLanes, place, (vectors - 1) * 16);
        }),
    );
  return body;
}
