/**
 * Factorisations of small matrices, and systems with them, for many matrices at once: every lane of a vector
 * has a matrix of its own. There are no branches, so that each may have pivots and failures of its own, and
 * the arithmetic is that of the routines for larger matrices, operation for operation.
 */
import { advance, copyOf, times } from '../control.ts';
import { FunctionBody, type LaneMemoryOp, type Local } from '../encoder.ts';
import { Float } from '../float.ts';
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

/** A⁻¹ b for a triangle, whose elements are asked for row by row. */
function substituted(
  f: Float,
  b: readonly Vec[],
  upper: boolean,
  unit: boolean,
  a: (i: number, k: number) => Vec,
): Vec[] {
  const n = b.length;
  const x = [...b];
  const order = upper ? upTo(n).reverse() : upTo(n);
  order.forEach((i, before) => {
    for (const k of order.slice(0, before)) x[i] = f.sub(x[i], f.mul(a(i, k), x[k]));
    if (!unit) x[i] = f.div(x[i], a(i, i));
  });
  return x;
}

/** P b for the exchanges of a factorisation. */
function exchanged(f: Float, b: readonly Vec[], pivots: readonly Vec[]): Vec[] {
  const rows = b.map((x) => [x]);
  pivots.forEach((pivot, j) => {
    for (let i = j + 1; i < rows.length; i++) exchange(f, f.eq(pivot, i + 1), rows[j], rows[i]);
  });
  return rows.flat();
}

// ─── between memory and lanes ────────────────────────────────────────────────────────────────────

interface Lanes {
  readonly b: FunctionBody;
  readonly width: Width;
  readonly bytes: 4 | 8;
}

/** An element's place in every matrix: bytes from where it begins. */
type Offset = Local | number;

function push(b: FunctionBody, at: Local, offset: Offset): number {
  b.get(at);
  if (typeof offset === 'number') return offset;
  b.get(offset).op('i32.add');
  return 0;
}

const LOAD = { 4: 'v128.load32_zero', 8: 'v128.load64_zero' } as const;
const lane = (move: 'load' | 'store', bytes: 4 | 8): LaneMemoryOp => `v128.${move}${bytes === 4 ? 32 : 64}_lane`;

/** The elements of `bytes` bytes at the same offset from each place, in a local. */
function load({ b }: Lanes, bytes: 4 | 8, places: readonly Local[], offset: Offset): Local {
  const x = b.local('v128');
  places.forEach((at, l) => {
    const constant = push(b, at, offset);
    if (l === 0) b.mem(LOAD[bytes], constant).set(x);
    else b.get(x).laneMem(lane('load', bytes), l, constant).set(x);
  });
  return x;
}

function store({ b }: Lanes, bytes: 4 | 8, places: readonly Local[], offset: Offset, x: Local): void {
  places.forEach((at, l) => {
    const constant = push(b, at, offset);
    b.get(x).laneMem(lane('store', bytes), l, constant);
  });
}

/** Whole numbers from memory, as floats. */
function loadWhole(lanes: Lanes, places: readonly Local[], offset: number): Local {
  const x = load(lanes, 4, places, offset);
  lanes.b
    .get(x)
    .op(lanes.width === 'f32' ? 'f32x4.convert_i32x4_s' : 'f64x2.convert_low_i32x4_s')
    .set(x);
  return x;
}

/** Floats as whole numbers to memory. */
function storeWhole(lanes: Lanes, places: readonly Local[], offset: number, x: Local): void {
  lanes.b
    .get(x)
    .op(lanes.width === 'f32' ? 'i32x4.trunc_sat_f32x4_s' : 'i32x4.trunc_sat_f64x2_s_zero')
    .set(x);
  store(lanes, 4, places, offset, x);
}

/**
 * A function `(count, place and bytes to the next of every operand, more)` that does so many items of a batch,
 * as many at a time as there are lanes. `body` gets the operands' places, a local for each lane; lanes without
 * an item do the last one once more.
 */
function overBatch(
  name: string,
  width: Width,
  operands: number,
  more: number,
  prepare: (lanes: Lanes, more: readonly Local[]) => (places: readonly (readonly Local[])[]) => void,
): FunctionBody {
  const b = new FunctionBody(name, new Array<'i32'>(1 + 2 * operands + more).fill('i32'), []);
  const [count, ...given] = b.params;
  const lanes: Lanes = { b, width, bytes: width === 'f32' ? 4 : 8 };
  const body = prepare(lanes, given.slice(2 * operands));
  const places = upTo(operands).map(() => upTo(16 / lanes.bytes).map(() => b.local('i32')));
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
    body(places);
    advance(b, count, -places[0].length);
    b.get(count).i32(0).op('i32.gt_s').brIf(0);
  });
  return b;
}

const graphFor = (width: Width): Float => new Float(new VectorGraph(false), width === 'f32' ? 'f32x4' : 'f64x2');

/** Matrices of arguments of a graph, row by row. */
const matrixOf = (f: Float, n: number): Matrix => upTo(n).map((i) => upTo(n).map((k) => f.graph.arg(i * n + k)));

// ─── the functions ───────────────────────────────────────────────────────────────────────────────

/** In place: lu(count, A, step, pivots, step, info, step) for n × n matrices. */
export function smallLu(width: Width, n: number): FunctionBody {
  return overBatch('lu', width, 3, 0, (lanes) => ([a, pivots, info]) => {
    const { b, bytes } = lanes;
    const f = graphFor(width);
    const found = eliminated(f, matrixOf(f, n));
    const args = upTo(n * n).map((e) => load(lanes, bytes, a, e * bytes));
    const results = f.graph.emit(b, [...found.lu.flat(), ...found.pivots, found.info], args);
    results.slice(0, n * n).forEach((x, e) => void store(lanes, bytes, a, e * bytes, x));
    results.slice(n * n, -1).forEach((x, j) => void storeWhole(lanes, pivots, 4 * j, x));
    storeWhole(lanes, info, 0, results[results.length - 1]);
  });
}

/** In place: cholesky(count, A, step, info, step) for n × n matrices, zeros below the diagonal. */
export function smallCholesky(width: Width, n: number): FunctionBody {
  return overBatch('cholesky', width, 2, 0, (lanes) => ([a, info]) => {
    const { b, bytes } = lanes;
    const f = graphFor(width);
    const found = rooted(f, matrixOf(f, n));
    const args = upTo(n * n).map((e) => load(lanes, bytes, a, e * bytes));
    const results = f.graph.emit(b, [...found.u.flat(), found.info], args);
    results.slice(0, -1).forEach((x, e) => void store(lanes, bytes, a, e * bytes, x));
    storeWhole(lanes, info, 0, results[results.length - 1]);
  });
}

/** A loop over the columns of B, n elements each, every one replaced by what `solved` makes of it. */
function overColumns(
  lanes: Lanes,
  n: number,
  columns: Local,
  places: readonly Local[],
  solved: (column: readonly Local[]) => readonly Local[],
): void {
  const { b, bytes } = lanes;
  const offsets = upTo(n).map((i) => {
    const offset = b.local('i32');
    b.get(columns)
      .i32(i * bytes)
      .op('i32.mul')
      .set(offset);
    return offset;
  });
  const left = copyOf(b, columns);
  times(b, left, () => {
    const column = offsets.map((offset) => load(lanes, bytes, places, offset));
    const results = solved(column);
    results.forEach((x, i) => void store(lanes, bytes, places, offsets[i], x));
    for (const place of places) advance(b, place, bytes);
    b.release(...column, ...results);
  });
  b.release(left, ...offsets);
}

/**
 * B ← A⁻¹ B: solve(count, A, step, B, step, A's row step, A's column step, columns) for triangles of n rows; rows of B
 * are as long as there are columns.
 */
export function smallSolve(width: Width, n: number, upper: boolean, unit: boolean): FunctionBody {
  return overBatch('solve', width, 2, 3, (lanes, [rowStep, columnStep, columns]) => {
    const { b, bytes } = lanes;
    const read = upTo(n).flatMap((i) =>
      upTo(n)
        .filter((k) => (k === i ? !unit : upper === k > i))
        .map((k) => ({ i, k })),
    );
    const offsets = read.map(({ i, k }) => {
      const offset = b.local('i32');
      b.get(rowStep).i32(i).op('i32.mul').get(columnStep).i32(k).op('i32.mul', 'i32.add').set(offset);
      return offset;
    });
    return ([a, sides]) => {
      const triangle = offsets.map((offset) => load(lanes, bytes, a, offset));
      overColumns(lanes, n, columns, sides, (column) => {
        const f = graphFor(width);
        const element = (i: number, k: number): Vec => f.graph.arg(n + read.findIndex((e) => e.i === i && e.k === k));
        const x = substituted(
          f,
          upTo(n).map((i) => f.graph.arg(i)),
          upper,
          unit,
          element,
        );
        return f.graph.emit(b, x, [...column, ...triangle]);
      });
      b.release(...triangle);
    };
  });
}

/**
 * B ← A⁻¹ B, given P A = L U: solveFactored(count, LU, step, pivots, step, B, step, columns) for n × n matrices, row
 * by row.
 */
export function smallSolveFactored(width: Width, n: number): FunctionBody {
  return overBatch('solveFactored', width, 3, 1, (lanes, [columns]) => ([lu, exchanges, sides]) => {
    const { b, bytes } = lanes;
    const factors = upTo(n * n).map((e) => load(lanes, bytes, lu, e * bytes));
    const pivots = upTo(n).map((j) => loadWhole(lanes, exchanges, 4 * j));
    overColumns(lanes, n, columns, sides, (column) => {
      const f = graphFor(width);
      const args = (from: number): Vec[] => upTo(n).map((i) => f.graph.arg(from + i));
      const element = (i: number, k: number): Vec => f.graph.arg(2 * n + i * n + k);
      const inOrder = exchanged(f, args(0), args(n));
      const x = substituted(f, substituted(f, inOrder, false, true, element), true, false, element);
      return f.graph.emit(b, x, [...column, ...pivots, ...factors]);
    });
    b.release(...factors, ...pivots);
  });
}
