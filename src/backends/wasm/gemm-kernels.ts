/**
 * The functions of a matrix multiplication module, for one element type.
 */
import { advance, times, whilst } from './control.ts';
import { FunctionBody, type Locals } from './encoder.ts';
import { emitDot } from './gemm-dot.ts';
import { emitPack, packName } from './gemm-pack.ts';
import {
  emitTile,
  type GemmDType,
  type Lanes,
  lanesFor,
  multiplyAdd,
  type Operands,
  TILE_ROWS,
  tileColumns,
  tileName,
  tileRows,
} from './gemm-tile.ts';
import { storeFirst } from './lanes.ts';
import { instantiate, type WasmFunction } from './module.ts';

/** The kernels of inner products, which go without fused multiply-adds. */
export interface InnerKernels {
  readonly dtype: GemmDType;
  readonly bytes: number;
  /** `(from, stride, to, n)`: copies elements that lie apart next to each other. */
  readonly gather: WasmFunction;
  /** `(a, b, n)`: the inner product, as f64 for floats. */
  readonly dot: WasmFunction;
}

export interface GemmKernels extends InnerKernels {
  /** The instructions that the kernels are made of, for others that sum alike. */
  readonly lanes: Lanes;
  /** Columns of a panel of b. */
  readonly columns: number;
  /**
   * `(a, aRow, aK, aPanel, b, bK, bPanel, c, cRow, m, n, k, accumulate)`: c = a b or c += a b over
   * tiles. Operands lie at byte strides; `aPanel` and `bPanel` lead from one tile's rows and columns to the next's.
   */
  readonly strided: WasmFunction;
  /** The same for packed operands, whose strides are implied. */
  readonly packed: WasmFunction;
  /**
   * `(a, aPanel, b, bPanel, c, cRow, m, n, k, accumulate, count, aStep, bStep, cStep)`: `packed` for `count`
   * products, whose operands and results are steps apart.
   */
  readonly repeated: WasmFunction;
  /** `(from, kStride, xStride, to, k, rows)`: panels of a. */
  readonly packA: WasmFunction;
  /** `(from, kStride, xStride, to, k, columns)`: panels of b. */
  readonly packB: WasmFunction;
  /** `(a, aRow, aK, b, bK, c, cRow, m, n, k)`: c = a b, row by row, for b with rows without gaps, which are read whole. */
  readonly rows: WasmFunction;
  /** `(from, to, n)`: to += from. */
  readonly add: WasmFunction;
}

export function innerKernels(dtype: GemmDType): InnerKernels {
  const lanes = lanesFor(dtype, false);
  const { gather, dot } = instantiate([emitGather(lanes), emitDot(lanes)]);
  return { dtype, bytes: lanes.bytes, gather: gather!, dot: dot! };
}

/** The kernels of one dtype. Those for tiles are a larger module, compiled when a product first asks for one. */
export function gemmKernels(inner: InnerKernels, relaxed: boolean, wide: boolean): GemmKernels {
  const lanes = lanesFor(inner.dtype, relaxed, wide);
  const columns = tileColumns(lanes);
  const { rows, add } = instantiate([emitRows(lanes), emitAdd(lanes)]);
  let tiles: Readonly<Record<string, WasmFunction>> | null = null;
  const tile = (name: string): WasmFunction => {
    tiles ??= tileKernels(lanes, columns);
    return tiles[name]!;
  };
  return {
    ...inner,
    lanes,
    columns,
    get strided() {
      return tile('strided');
    },
    get packed() {
      return tile('packed');
    },
    get repeated() {
      return tile('repeated');
    },
    get packA() {
      return tile(packName(TILE_ROWS));
    },
    get packB() {
      return tile(packName(columns));
    },
    rows: rows!,
    add: add!,
  };
}

function tileKernels(lanes: ReturnType<typeof lanesFor>, columns: number): Readonly<Record<string, WasmFunction>> {
  const functions: FunctionBody[] = [];
  for (const operands of ['packed', 'strided'] as const) {
    for (const vectors of tileWidths(lanes, operands)) {
      const most = tileRows(vectors);
      for (let rows = 1; rows <= Math.min(most, TILE_ROWS); rows++)
        functions.push(emitTile(lanes, operands, rows, vectors));
      if (most > TILE_ROWS) functions.push(emitTile(lanes, operands, most, vectors));
    }
  }
  const index = (name: string): number => functions.findIndex((f) => f.name === name);
  functions.push(emitTiles(lanes, 'packed', index), emitTiles(lanes, 'strided', index));
  functions.push(emitRepeated(index('packed')));
  functions.push(emitPack(lanes, TILE_ROWS));
  if (columns !== TILE_ROWS) functions.push(emitPack(lanes, columns));
  return instantiate(functions);
}

function emitRepeated(packed: number): FunctionBody {
  const body = new FunctionBody('repeated', new Array(14).fill('i32'), []);
  const [a, aPanel, b, bPanel, c, cRow, m, n, k, accumulate, count, aStep, bStep, cStep] = body.params as Locals<14>;
  times(body, count, () => {
    body.get(a).i32(0).i32(0).get(aPanel).get(b).i32(0).get(bPanel);
    body.get(c).get(cRow).get(m).get(n).get(k).get(accumulate).call(packed);
    advance(body, a, aStep);
    advance(body, b, bStep);
    advance(body, c, cStep);
  });
  return body;
}

/** Vectors of columns that one or two rows alone take at a time, for enough sums to be under way at once. */
const WIDEST = 4;

/** Three vectors are two and one, which have more sums under way. */
function tileWidths({ tileVectors }: Lanes, operands: Operands): readonly number[] {
  const widths = [tileVectors, 4, 2, 1].filter((v, i) => i === 0 || v < tileVectors);
  return operands === 'strided' && tileVectors < WIDEST ? [...widths, WIDEST] : widths;
}

/** Runs over all tiles of a product: a panel of b stays in the cache while all rows of a pass by. */
function emitTiles(lanes: Lanes, operands: Operands, index: (name: string) => number): FunctionBody {
  const body = new FunctionBody(operands, new Array(13).fill('i32'), []);
  const [a, aRow, aK, aPanel, b, bK, bPanel, c, cRow, m, n, k, accumulate] = body.params as Locals<13>;
  const i = body.local('i32');
  const aAt = body.local('i32');
  const cAt = body.local('i32');
  const last = body.local('i32');

  /** `rows` rows of a panel or of two, one tile after the other. */
  const callTiles = (rows: number, vectors: number): void => {
    for (let r = 0; r < rows; r += tileRows(vectors)) {
      body.get(aAt);
      if (r > 0 && operands === 'packed') body.i32(r * lanes.bytes).op('i32.add');
      if (r > 0 && operands === 'strided') body.get(aRow).i32(r).op('i32.mul', 'i32.add');
      for (const l of [operands === 'packed' ? aPanel : aRow, aK, b, bK, bPanel]) body.get(l);
      body.get(cAt);
      if (r > 0) body.get(cRow).i32(r).op('i32.mul', 'i32.add');
      for (const l of [cRow, k, last, accumulate]) body.get(l);
      body.call(index(tileName(operands, Math.min(tileRows(vectors), rows - r), vectors)));
    }
  };
  /** All rows for one step of columns. */
  const column = (vectors: number, rowCounts: readonly number[]): void => {
    body
      .get(n)
      .i32((vectors - 1) * lanes.count)
      .op('i32.sub')
      .tee(last);
    body.i32(lanes.count).get(last).i32(lanes.count).op('i32.lt_s', 'select').set(last);
    body.get(a).set(aAt).get(c).set(cAt).get(m).set(i);
    for (const rows of rowCounts) {
      if (rows < TILE_ROWS) continue;
      whilst(
        body,
        () => void body.get(i).i32(rows).op('i32.ge_s'),
        () => {
          callTiles(rows, vectors);
          for (let panel = 0; panel < rows; panel += TILE_ROWS) advance(body, aAt, aPanel);
          body.get(cAt).get(cRow).i32(rows).op('i32.mul', 'i32.add').set(cAt);
          advance(body, i, -rows);
        },
      );
    }
    for (const rows of rowCounts) {
      if (rows < TILE_ROWS)
        body
          .get(i)
          .i32(rows)
          .op('i32.eq')
          .if(() => callTiles(rows, vectors));
    }
  };
  /** Steps while more than `(vectors - 1)` vectors of columns are left. */
  const columns = (vectors: number, rowCounts: readonly number[]): void => {
    body.block(() => {
      body.loop(() => {
        body
          .get(n)
          .i32((vectors - 1) * lanes.count)
          .op('i32.le_s')
          .brIf(1);
        column(vectors, rowCounts);
        const step = vectors * lanes.count;
        body.get(n).i32(step).op('i32.sub').set(n);
        body
          .get(c)
          .i32(step * lanes.bytes)
          .op('i32.add')
          .set(c);
        // Narrower ones than a panel are parts of the last.
        if (vectors < lanes.tileVectors) advance(body, b, 16 * vectors);
        else for (let panel = 0; panel < vectors; panel += lanes.tileVectors) advance(body, b, bPanel);
        body.br(0);
      });
    });
  };
  if (operands === 'strided' && lanes.tileVectors < WIDEST)
    body
      .get(m)
      .i32(2)
      .op('i32.le_s')
      .if(() => columns(WIDEST, [1, 2]));
  for (const vectors of tileWidths(lanes, operands).filter((v) => v <= lanes.tileVectors)) {
    const whole = tileRows(vectors) > TILE_ROWS ? [tileRows(vectors)] : [];
    columns(vectors, [...whole, 4, 3, 2, 1]);
  }
  return body;
}

/** How many rows of the matrix `rows` reads at once, and vectors of its columns. */
const ROWS_AT_ONCE = 4;
const VECTORS_AT_ONCE = 4;

function emitRows(lanes: Lanes): FunctionBody {
  const body = new FunctionBody('rows', new Array(10).fill('i32'), []);
  const [a, aRow, aK, b, bK, c, cRow, m, n, k] = body.params as Locals<10>;
  const acc = body.local('v128');
  const xs = Array.from({ length: ROWS_AT_ONCE }, () => body.local('v128'));
  const rowAt = Array.from({ length: ROWS_AT_ONCE }, () => body.local('i32'));
  const [x, bAt, cAt, left, kLeft] = Array.from({ length: 5 }, () => body.local('i32')) as Locals<5>;

  /** c = Σ x b over all columns, or c + Σ x b, for the next `rows` rows of b. */
  const sweep = (rows: number, accumulate: boolean): void => {
    const used = rowAt.slice(0, rows);
    used.forEach((at, r) => {
      body.get(x).mem(lanes.splat).set(xs[r]!);
      body.get(x).get(aK).op('i32.add').set(x);
      body.get(bAt).set(at);
      body.get(bAt).get(bK).op('i32.add').set(bAt);
    });
    const vector = (v: number): void => {
      if (accumulate) body.get(cAt).mem('v128.load', v * 16);
      else body.v128([]);
      body.set(acc);
      const element = body.local('v128');
      used.forEach((at, r) => {
        body
          .get(at)
          .mem('v128.load', v * 16)
          .set(element);
        multiplyAdd(body, lanes, acc, xs[r]!, element);
      });
      body.release(element);
    };
    body.get(c).set(cAt).get(n).set(left);
    for (const vectors of [VECTORS_AT_ONCE, 1]) {
      whilst(
        body,
        () =>
          void body
            .get(left)
            .i32(vectors * lanes.count)
            .op('i32.ge_s'),
        () => {
          for (let v = 0; v < vectors; v++) {
            vector(v);
            body
              .get(cAt)
              .get(acc)
              .mem('v128.store', v * 16);
          }
          for (const at of [cAt, ...used]) advance(body, at, vectors * 16);
          advance(body, left, -vectors * lanes.count);
        },
      );
    }
    body.get(left).if(() => {
      vector(0);
      storeFirst(body, lanes.dtype, lanes.compute, 'value', acc, left, cAt);
    });
    advance(body, kLeft, -rows);
  };
  whilst(
    body,
    () => void body.get(m),
    () => {
      body.get(a).set(x).get(b).set(bAt).get(k).set(kLeft);
      // What whole groups of rows leave over comes first, so that c is never read before it is written.
      for (let rows = 1; rows <= ROWS_AT_ONCE; rows++) {
        body
          .get(k)
          .i32(ROWS_AT_ONCE - 1)
          .op('i32.and')
          .i32(rows % ROWS_AT_ONCE)
          .op('i32.eq')
          .if(() => sweep(rows, false));
      }
      whilst(
        body,
        () => void body.get(kLeft),
        () => sweep(ROWS_AT_ONCE, true),
      );
      advance(body, a, aRow);
      advance(body, c, cRow);
      advance(body, m, -1);
    },
  );
  return body;
}

function emitAdd(lanes: Lanes): FunctionBody {
  const body = new FunctionBody('add', new Array(3).fill('i32'), []);
  const [from, to, n] = body.params as Locals<3>;
  const sum = body.local('v128');
  const vector = (): void => {
    body.get(to).mem('v128.load').get(from).mem('v128.load').op(lanes.add).set(sum);
  };
  body.block(() => {
    body.loop(() => {
      body.get(n).i32(lanes.count).op('i32.lt_s').brIf(1);
      vector();
      body.get(to).get(sum).mem('v128.store');
      for (const p of [from, to]) body.get(p).i32(16).op('i32.add').set(p);
      body.get(n).i32(lanes.count).op('i32.sub').set(n);
      body.br(0);
    });
  });
  body.get(n).if(() => {
    vector();
    storeFirst(body, lanes.dtype, lanes.compute, 'value', sum, n, to);
  });
  return body;
}

function emitGather(lanes: Lanes): FunctionBody {
  const body = new FunctionBody('gather', new Array(4).fill('i32'), []);
  const [from, stride, to, n] = body.params as Locals<4>;
  body.block(() => {
    body.loop(() => {
      body.get(n).op('i32.eqz').brIf(1);
      if (lanes.bytes === 8) body.get(to).get(from).mem('i64.load').mem('i64.store');
      else body.get(to).get(from).mem('i32.load').mem('i32.store');
      body.get(from).get(stride).op('i32.add').set(from);
      body.get(to).i32(lanes.bytes).op('i32.add').set(to);
      body.get(n).i32(1).op('i32.sub').set(n);
      body.br(0);
    });
  });
  return body;
}
