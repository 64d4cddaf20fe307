/**
 * Factorisations of small matrices, and systems with them, for many matrices at once: every lane of a vector
 * has a matrix of its own. There are no branches, so that each may have pivots and failures of its own, and
 * the arithmetic is that of the routines for larger matrices, operation for operation.
 */
import { advance } from '../control.ts';
import { FunctionBody, type LaneMemoryOp, type Local } from '../encoder.ts';
import { Float } from '../float.ts';
import { transpose } from '../indexing/abreast.ts';
import { type Vec, VectorGraph } from '../vector.ts';
import type { Width } from './values.ts';

type Matrix = readonly (readonly Vec[])[];

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

// ─── the arithmetic ──────────────────────────────────────────────────────────────────────────────

/** P A = L U: both factors in one matrix, the rows that each was exchanged with, and the first zero on U's diagonal. */
function eliminated(f: Float, given: Matrix): { lu: Matrix; pivots: Vec[]; info: Vec } {
  const n = given.length;
  const a = given.map((row) => [...row]);
  let info = f.vec(0);
  const pivots = upTo(n).map((j) => {
    let [largest, pivot] = [f.abs(a[j][j]), f.vec(j)];
    for (let i = j + 1; i < n; i++) {
      const size = f.abs(a[i][j]);
      const more = f.gt(size, largest);
      [largest, pivot] = [f.select(more, size, largest), f.select(more, i, pivot)];
    }
    for (let i = j + 1; i < n; i++) exchange(f, f.eq(pivot, i), a[j], a[i]);
    const nothing = f.eq(a[j][j], 0);
    info = f.select(f.and(nothing, f.eq(info, 0)), j + 1, info);
    for (let i = j + 1; i < n; i++) {
      const factor = f.div(a[i][j], a[j][j]);
      a[i] = a[i].map((x, k) => {
        if (k < j) return x;
        return f.select(nothing, x, k === j ? factor : f.sub(x, f.mul(factor, a[j][k])));
      });
    }
    return f.add(pivot, 1);
  });
  return { lu: a, pivots, info };
}

/** Exchanges two rows in the lanes of a mask. */
function exchange(f: Float, mask: Vec, x: Vec[], y: Vec[]): void {
  x.forEach((first, k) => {
    const second = y[k];
    x[k] = f.select(mask, second, first);
    y[k] = f.select(mask, first, second);
  });
}

/** A = Uᵀ U from the upper triangle, and the order of the first leading minor that is not positive, at which a lane stops. */
function rooted(f: Float, given: Matrix): { u: Matrix; info: Vec } {
  const n = given.length;
  const a = given.map((row) => [...row]);
  let info = f.vec(0);
  for (let j = 0; j < n; j++) {
    const square = a[j][j];
    info = f.select(f.andnot(f.eq(info, 0), f.gt(square, 0)), j + 1, info);
    const goes = f.eq(info, 0);
    const root = f.sqrt(square);
    for (let k = j; k < n; k++) a[j][k] = f.select(goes, f.div(a[j][k], root), a[j][k]);
    for (let i = j + 1; i < n; i++)
      for (let k = i; k < n; k++) a[i][k] = f.select(goes, f.sub(a[i][k], f.mul(a[j][i], a[j][k])), a[i][k]);
  }
  return { u: a.map((row, i) => row.map((x, k) => (k < i ? f.vec(0) : x))), info };
}

/** A⁻¹ B for a triangle of A. */
function substituted(f: Float, a: Matrix, b: Matrix, upper: boolean, unit: boolean): Matrix {
  const x = [...b];
  const order = upper ? upTo(b.length).reverse() : upTo(b.length);
  order.forEach((i, before) => {
    for (const k of order.slice(0, before)) x[i] = x[i].map((y, j) => f.sub(y, f.mul(a[i][k], x[k][j])));
    if (!unit) x[i] = x[i].map((y) => f.div(y, a[i][i]));
  });
  return x;
}

/** P B for the exchanges of a factorisation. */
function exchanged(f: Float, b: Matrix, pivots: readonly Vec[]): Matrix {
  const rows = b.map((row) => [...row]);
  pivots.forEach((pivot, j) => {
    for (let i = j + 1; i < rows.length; i++) exchange(f, f.eq(pivot, i + 1), rows[j], rows[i]);
  });
  return rows;
}

// ─── between memory and lanes ────────────────────────────────────────────────────────────────────

interface Lanes {
  readonly b: FunctionBody;
  readonly width: Width;
  readonly bytes: 4 | 8;
}

/** Where an item of a batch is, for every lane. */
type Places = readonly Local[];

const LOAD = { 4: 'v128.load32_zero', 8: 'v128.load64_zero' } as const;
const lane = (move: 'load' | 'store', bytes: 4 | 8): LaneMemoryOp => `v128.${move}${bytes === 4 ? 32 : 64}_lane`;

/** The numbers of `bytes` bytes at the same offset in every item, as a vector. */
function load({ b }: Lanes, bytes: 4 | 8, places: Places, offset: number): Local {
  const x = b.local('v128');
  places.forEach((at, l) => {
    b.get(at);
    if (l === 0) b.mem(LOAD[bytes], offset).set(x);
    else b.get(x).laneMem(lane('load', bytes), l, offset).set(x);
  });
  return x;
}

function store({ b }: Lanes, bytes: 4 | 8, places: Places, offset: number, x: Local): void {
  places.forEach((at, l) => void b.get(at).get(x).laneMem(lane('store', bytes), l, offset));
}

/** So many elements that lie side by side in every item, a vector for each: whole vectors of every item are transposed. */
function loadAll(lanes: Lanes, places: Places, count: number): Local[] {
  const { b, bytes } = lanes;
  const found: Local[] = [];
  for (; found.length + places.length <= count; ) {
    const offset = found.length * bytes;
    const vectors = places.map((at) => {
      const x = b.local('v128');
      b.get(at).mem('v128.load', offset).set(x);
      return x;
    });
    found.push(...transpose(b, vectors));
  }
  while (found.length < count) found.push(load(lanes, bytes, places, found.length * bytes));
  return found;
}

/** The reverse, which uses the vectors up. */
function storeAll(lanes: Lanes, places: Places, vectors: readonly Local[]): void {
  const { b, bytes } = lanes;
  let first = 0;
  for (; first + places.length <= vectors.length; first += places.length) {
    transpose(b, vectors.slice(first, first + places.length)).forEach((x, l) => {
      b.get(places[l])
        .get(x)
        .mem('v128.store', first * bytes);
    });
  }
  for (; first < vectors.length; first++) store(lanes, bytes, places, first * bytes, vectors[first]);
  b.release(...vectors);
}

/** Whole numbers from memory, as floats. */
function loadWhole(lanes: Lanes, places: Places, count: number): Local[] {
  const op = lanes.width === 'f32' ? 'f32x4.convert_i32x4_s' : 'f64x2.convert_low_i32x4_s';
  return upTo(count).map((i) => {
    const x = load(lanes, 4, places, 4 * i);
    lanes.b.get(x).op(op).set(x);
    return x;
  });
}

/** Floats as whole numbers to memory. */
function storeWhole(lanes: Lanes, places: Places, vectors: readonly Local[]): void {
  const op = lanes.width === 'f32' ? 'i32x4.trunc_sat_f32x4_s' : 'i32x4.trunc_sat_f64x2_s_zero';
  vectors.forEach((x, i) => {
    lanes.b.get(x).op(op).set(x);
    store(lanes, 4, places, 4 * i, x);
  });
  lanes.b.release(...vectors);
}

/** Matrices of arguments of a graph, from number `first` on: row by row, or (`turned`) column by column. */
function matrixOf(f: Float, rows: number, columns: number, turned = false, first = 0): Matrix {
  return upTo(rows).map((i) =>
    upTo(columns).map((k) => f.graph.arg(first + (turned ? k * rows + i : i * columns + k))),
  );
}

/** Computes what `compute` says of the arguments. */
function computed(
  { b, width }: Lanes,
  fused: boolean,
  args: readonly Local[],
  compute: (f: Float) => readonly Vec[],
): Local[] {
  const graph = new VectorGraph(fused);
  return graph.emit(b, compute(new Float(graph, width === 'f32' ? 'f32x4' : 'f64x2')), args);
}

/**
 * A function `(count, place and bytes to the next of every operand)` that does so many items of a batch, as many
 * at a time as there are lanes; lanes without an item do the last one once more.
 */
function overBatch(
  name: string,
  width: Width,
  operands: number,
  body: (lanes: Lanes, places: readonly Places[]) => void,
): FunctionBody {
  const b = new FunctionBody(name, new Array<'i32'>(1 + 2 * operands).fill('i32'), []);
  const [count, ...given] = b.params;
  const bytes = width === 'f32' ? 4 : 8;
  const places = upTo(operands).map(() => upTo(16 / bytes).map(() => b.local('i32')));
  b.loop(() => {
    places.forEach((ofLanes, k) => {
      const [at, step] = given.slice(2 * k);
      ofLanes.forEach((place, l) => {
        if (l === 0) b.get(at).set(place);
        else
          b.get(ofLanes[l - 1])
            .get(step)
            .i32(0)
            .get(count)
            .i32(l)
            .op('i32.gt_s', 'select', 'i32.add')
            .set(place);
      });
      b.get(step).i32(ofLanes.length).op('i32.mul').get(at).op('i32.add').set(at);
    });
    body({ b, width, bytes }, places);
    advance(b, count, -places[0].length);
    b.get(count).i32(0).op('i32.gt_s').brIf(0);
  });
  return b;
}

// ─── the functions ───────────────────────────────────────────────────────────────────────────────

/** In place, of A, pivots and info. */
export function smallLu(width: Width, n: number): FunctionBody {
  return overBatch('lu', width, 3, (lanes, [a, pivots, info]) => {
    const args = loadAll(lanes, a, n * n);
    const results = computed(lanes, false, args, (f) => {
      const found = eliminated(f, matrixOf(f, n, n));
      return [...found.lu.flat(), ...found.pivots, found.info];
    });
    lanes.b.release(...args);
    storeAll(lanes, a, results.slice(0, n * n));
    storeWhole(lanes, pivots, results.slice(n * n, -1));
    storeWhole(lanes, info, results.slice(-1));
  });
}

/** In place, of A and info; with zeros below the diagonal. */
export function smallCholesky(width: Width, n: number): FunctionBody {
  return overBatch('cholesky', width, 2, (lanes, [a, info]) => {
    const args = loadAll(lanes, a, n * n);
    const results = computed(lanes, false, args, (f) => {
      const found = rooted(f, matrixOf(f, n, n));
      return [...found.u.flat(), found.info];
    });
    lanes.b.release(...args);
    storeAll(lanes, a, results.slice(0, -1));
    storeWhole(lanes, info, results.slice(-1));
  });
}

/** What of triangles is read, and how their elements lie. */
export interface SmallTriangle {
  readonly upper: boolean;
  readonly unit: boolean;
  /** Column by column. */
  readonly turned: boolean;
}

/** B ← A⁻¹ B, of a triangle A and B. */
export function smallSolve(
  width: Width,
  n: number,
  columns: number,
  { upper, unit, turned }: SmallTriangle,
): FunctionBody {
  return overBatch('solve', width, 2, (lanes, [a, sides]) => {
    const args = [...loadAll(lanes, sides, n * columns), ...loadAll(lanes, a, n * n)];
    const results = computed(lanes, false, args, (f) =>
      substituted(f, matrixOf(f, n, n, turned, n * columns), matrixOf(f, n, columns), upper, unit).flat(),
    );
    lanes.b.release(...args);
    storeAll(lanes, sides, results);
  });
}

/** B ← A⁻¹ B, of L and U in one matrix, pivots and B. */
export function smallSolveFactored(width: Width, n: number, columns: number): FunctionBody {
  return overBatch('solveFactored', width, 3, (lanes, [lu, exchanges, sides]) => {
    const args = [
      ...loadAll(lanes, sides, n * columns),
      ...loadAll(lanes, lu, n * n),
      ...loadWhole(lanes, exchanges, n),
    ];
    const results = computed(lanes, false, args, (f) => {
      const a = matrixOf(f, n, n, false, n * columns);
      const [pivots] = matrixOf(f, 1, n, false, n * columns + n * n);
      const inOrder = exchanged(f, matrixOf(f, n, columns), pivots);
      return substituted(f, a, substituted(f, a, inOrder, false, true), true, false).flat();
    });
    lanes.b.release(...args);
    storeAll(lanes, sides, results);
  });
}

/** C ← A B, of A (m × k), B (k × n) and C, which are `turned` where they lie column by column. */
export function smallProduct(
  width: Width,
  [m, k, n]: readonly [number, number, number],
  turned: readonly [boolean, boolean],
  fused: boolean,
): FunctionBody {
  return overBatch('product', width, 3, (lanes, [a, b, c]) => {
    const args = [...loadAll(lanes, a, m * k), ...loadAll(lanes, b, k * n)];
    const results = computed(lanes, fused, args, (f) => {
      const [left, right] = [matrixOf(f, m, k, turned[0]), matrixOf(f, k, n, turned[1], m * k)];
      return left.flatMap((row) =>
        upTo(n).map((j) => row.reduce((sum, x, l) => f.madd(x, right[l][j], sum), f.vec(0))),
      );
    });
    lanes.b.release(...args);
    storeAll(lanes, c, results);
  });
}
