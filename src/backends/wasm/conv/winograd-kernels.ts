/**
 * Winograd's transforms for windows of 3 × 3 over tiles of 4 × 4 outputs, as generated code.
 *
 * y = Aᵀ [(G w Gᵀ) ∘ (Bᵀ x B)] A for a tile y of 4 × 4, its inputs x of 6 × 6 and weights w of 3 × 3: 36
 * products in the place of 144. Summed over channels, each of the 36 places is a product of matrices of
 * its own. The matrices evaluate polynomials at 0, ±2/3, ±3/2 and ∞. These points lose little more than
 * sums in float32 lose anyway, unlike the usual 0, ±1, ±2, ∞ (B. Barabasz et al., Error Analysis and
 * Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020, on their choice).
 */
import { advance, copyOf, times } from '../control.ts';
import { FunctionBody, type Local, type Locals } from '../encoder.ts';
import { transpose } from '../gemm-pack.ts';
import { type Lanes, multiplyAdd } from '../gemm-tile.ts';
import { storeFirst } from '../lanes.ts';
import { gatherLanes, nextEntry, placesOf } from './pack.ts';

/** Outputs and inputs of a tile along each dimension. */
export const OUTPUTS = 4;
export const INPUTS = 6;
export const TAPS = 3;
/** Products of a tile. */
export const PLACES = INPUTS * INPUTS;

type Matrix = readonly (readonly number[])[];

const POINTS: readonly number[] = [0, 2 / 3, -2 / 3, 3 / 2, -3 / 2];

const others = (j: number): number[] => POINTS.filter((_, k) => k !== j);

/** Coefficients of ∏ (x − r), that of x⁰ first. */
function polynomial(roots: readonly number[]): number[] {
  let c = [1];
  for (const r of roots) c = Array.from({ length: c.length + 1 }, (_, i) => (c[i - 1] ?? 0) - r * (c[i] ?? 0));
  return c;
}

/** Bᵀ: inputs to places. A row is the polynomial that vanishes at the other points. */
export const B_T: Matrix = [...POINTS.map((_, j) => [...polynomial(others(j)), 0]), polynomial(POINTS)];
/** G: weights to places, their polynomial at each point. */
export const G: Matrix = [
  ...POINTS.map((p, j) => {
    const scale = others(j).reduce((s, q) => s * (p - q), 1);
    return [1, p, p * p].map((c) => c / scale);
  }),
  [0, 0, 1],
];
/** A: outputs to places. */
export const A: Matrix = [...POINTS.map((p) => [1, p, p * p, p * p * p]), [0, 0, 0, 1]];

const transposed = (m: Matrix): Matrix => (m[0] ?? []).map((_, j) => m.map((row) => row[j]!));
/** Weights from last to first, for the transposed convolution. */
export const G_REVERSED: Matrix = G.map((row) => row.toReversed());
const A_T = transposed(A);
const G_T = transposed(G);

// ─── products with constant matrices ─────────────────────────────────────────────────────────────

/** Emits products of constant matrices with lists of vectors; constants are made once, at the beginning of a function. */
class Constants {
  readonly #body: FunctionBody;
  readonly #lanes: Lanes;
  readonly #known = new Map<number, Local>();

  constructor(body: FunctionBody, lanes: Lanes, matrix: Matrix) {
    this.#body = body;
    this.#lanes = lanes;
    for (const c of new Set(matrix.flat().flatMap((n) => [n, -n]))) {
      if (c === 0 || c === 1 || c === -1) continue;
      const local = body.local('v128');
      body.f32x4(c).set(local);
      this.#known.set(c, local);
    }
  }

  /** Σ c x over some columns; null is a sum without terms. */
  #combination(row: readonly number[], columns: readonly number[], xs: readonly Local[]): Local | null {
    const terms = columns.filter((j) => row[j] !== 0);
    if (terms.length === 0) return null;
    const b = this.#body;
    const sum = b.local('v128');
    // A term without a factor first, so that all others are multiplied and added at once.
    const [first, ...rest] = terms.toSorted(
      (i, j) => Number(Math.abs(row[i]!) !== 1) - Number(Math.abs(row[j]!) !== 1),
    );
    const factor = row[first!]!;
    b.get(xs[first!]!);
    if (factor === -1) b.op('f32x4.neg');
    else if (factor !== 1) b.get(this.#known.get(factor)!).op(this.#lanes.mul);
    b.set(sum);
    for (const j of rest) {
      const c = row[j]!;
      if (c === 1 || c === -1)
        b.get(sum)
          .get(xs[j]!)
          .op(c === 1 ? 'f32x4.add' : 'f32x4.sub')
          .set(sum);
      else multiplyAdd(b, this.#lanes, sum, xs[j]!, this.#known.get(c)!);
    }
    return sum;
  }

  /**
   * matrix · xs, in fresh locals. Rows of points p and −p have the same even and opposite odd parts:
   * one is their sum, the other their difference.
   */
  product(matrix: Matrix, xs: readonly Local[]): Local[] {
    const b = this.#body;
    const ys = new Array<Local | null>(matrix.length).fill(null);
    const columns = xs.map((_, j) => j);
    matrix.forEach((row, i) => {
      if (ys[i] !== null) return;
      const mirror = matrix.findIndex(
        (r, k) => k > i && r.every((c, j) => Math.abs(c) === Math.abs(row[j]!)) && r.some((c, j) => c !== row[j]),
      );
      if (mirror < 0) {
        ys[i] = this.#combination(row, columns, xs)!;
        return;
      }
      const even = this.#combination(
        row,
        columns.filter((j) => row[j] === matrix[mirror]![j]),
        xs,
      )!;
      const odd = this.#combination(
        row,
        columns.filter((j) => row[j] !== matrix[mirror]![j]),
        xs,
      )!;
      const [plus, minus] = [b.local('v128'), b.local('v128')];
      b.get(even).get(odd).op('f32x4.add').set(plus);
      b.get(even).get(odd).op('f32x4.sub').set(minus);
      b.release(even, odd);
      ys[i] = plus;
      ys[mirror] = minus;
    });
    return ys as Local[];
  }
}

// ─── packing ─────────────────────────────────────────────────────────────────────────────────────

/**
 * `(base, xs, ks, to, k, panels, rowStep, place, kStep, panelStep)`: as the kernels of `pack.ts`, but elements
 * (x, k) are patches, of as many rows (`rowStep` apart) and columns as the matrix has columns. What goes into
 * panels, `panelStep` bytes apart, with `kStep` bytes from k to k, is matrix · patch · matrixᵀ, whose elements lie
 * `place` bytes apart.
 */
export function emitPackPatches(name: string, lanes: Lanes, matrix: Matrix, width: number): FunctionBody {
  const b = new FunctionBody(name, new Array(10).fill('i32'), []);
  const [base, xs, ks, to, k, panels, rowStep, place, kStep, panelStep] = b.params as Locals<10>;
  const size = matrix[0]!.length;
  const constants = new Constants(b, lanes, matrix);
  const at = b.local('i32');
  times(b, panels, () => {
    const places = placesOf(b, base, xs, width);
    const table = copyOf(b, ks);
    const left = copyOf(b, k);
    const row = copyOf(b, to);
    times(b, left, () => {
      const offset = b.local('i32');
      nextEntry(b, table, offset);
      for (let v = 0; v < width / lanes.count; v++) {
        const corners = places.slice(v * lanes.count, (v + 1) * lanes.count).map((p) => {
          const corner = b.local('i32');
          b.get(p).get(offset).op('i32.add').set(corner);
          return corner;
        });
        const rows = Array.from({ length: size }, (_, i) => {
          if (i > 0) for (const corner of corners) advance(b, corner, rowStep);
          const patch = Array.from({ length: size }, (_, j) => {
            const x = b.local('v128');
            gatherLanes(b, lanes, corners, null, j * lanes.bytes);
            b.set(x);
            return x;
          });
          const row = constants.product(matrix, patch);
          b.release(...patch);
          return row;
        });
        b.release(...corners);
        b.get(row)
          .i32(16 * v)
          .op('i32.add')
          .set(at);
        for (let j = 0; j < INPUTS; j++) {
          const column = constants.product(
            matrix,
            rows.map((row) => row[j]!),
          );
          for (const y of column) {
            b.get(at).get(y).mem('v128.store');
            advance(b, at, place);
          }
          b.release(...column);
        }
        b.release(...rows.flat());
      }
      b.release(offset);
      advance(b, row, kStep);
    });
    b.release(...places, table, left, row);
    advance(b, to, panelStep);
    advance(b, xs, 4 * width);
  });
  return b;
}

// ─── results ─────────────────────────────────────────────────────────────────────────────────────

/** matrix · products · matrixᵀ for the products at `at`, whose places are `place` bytes apart. */
function patchOf(b: FunctionBody, constants: Constants, matrix: Matrix, at: Local, place: Local): Local[][] {
  const from = copyOf(b, at);
  const columns = Array.from({ length: INPUTS }, () => {
    const products = Array.from({ length: INPUTS }, () => {
      const x = b.local('v128');
      b.get(from).mem('v128.load').set(x);
      advance(b, from, place);
      return x;
    });
    const column = constants.product(matrix, products);
    b.release(...products);
    return column;
  });
  b.release(from);
  return matrix.map((_, i) => {
    const row = columns.map((column) => column[i]!);
    const patch = constants.product(matrix, row);
    b.release(...row);
    return patch;
  });
}

/** Adds values up to see whether one of them was infinite or NaN. */
class Watch {
  readonly #body: FunctionBody;
  readonly #sum: Local;
  readonly #odd: Local;

  constructor(body: FunctionBody) {
    this.#body = body;
    this.#sum = body.local('v128');
    this.#odd = body.local('v128');
  }

  see(values: readonly Local[]): void {
    for (const v of values) this.#body.get(this.#sum).get(v).op('f32x4.add').set(this.#sum);
  }

  /** Ends a sum: what is seen must not hang on how work is shared. */
  settle(): void {
    const b = this.#body;
    b.get(this.#sum).get(this.#sum).op('f32x4.sub').f32x4(0).op('f32x4.ne');
    b.get(this.#odd).op('v128.or').set(this.#odd);
    b.v128([]).set(this.#sum);
  }

  /** Writes 1 if something was not finite (or so large that a sum was not). */
  report(to: Local): void {
    const b = this.#body;
    b.get(this.#odd).op('v128.any_true');
    b.if(() => void b.get(to).i32(1).mem('i32.store'));
  }
}

/**
 * `(products, place, rows, rowBytes, groups, table, y, channelStep, rowStep, accumulate, odd)`: tiles of outputs.
 * A row of products is a channel, whose tiles are taken four at a time; the table holds for each tile
 * where it lies in the channel, and how many of its rows and columns there are. Whether something was not
 * finite is said at `odd`.
 */
export function emitTiles(lanes: Lanes): FunctionBody {
  const b = new FunctionBody('tiles', new Array(11).fill('i32'), []);
  const [products, place, rows, rowBytes, groups, table, y, channelStep, rowStep, accumulate, odd] =
    b.params as Locals<11>;
  const constants = new Constants(b, lanes, A_T);
  const watch = new Watch(b);
  const height = b.local('i32');
  const width = b.local('i32');
  times(b, rows, () => {
    const at = copyOf(b, products);
    const entry = copyOf(b, table);
    const left = copyOf(b, groups);
    times(b, left, () => {
      const patch = patchOf(b, constants, A_T, at, place);
      patch.forEach((row) => {
        watch.see(row);
        transpose(b, row);
      });
      for (let tile = 0; tile < lanes.count; tile++) {
        const to = b.local('i32');
        b.get(y)
          .get(entry)
          .mem('i32.load', 12 * tile)
          .op('i32.add')
          .set(to);
        b.get(entry)
          .mem('i32.load', 12 * tile + 4)
          .set(height);
        b.get(entry)
          .mem('i32.load', 12 * tile + 8)
          .set(width);
        patch.forEach((row, i) => {
          const line = row[tile]!;
          b.get(height).i32(i).op('i32.gt_s');
          b.if(() => {
            b.get(accumulate).if(() => void b.get(to).mem('v128.load').get(line).op('f32x4.add').set(line));
            b.get(width).i32(OUTPUTS).op('i32.eq');
            b.if(
              () => void b.get(to).get(line).mem('v128.store'),
              () => storeFirst(b, lanes.dtype, lanes.compute, 'value', line, width, to),
            );
            advance(b, to, rowStep);
          });
        });
        b.release(to);
      }
      b.release(...patch.flat());
      advance(b, at, 16);
      advance(b, entry, 12 * lanes.count);
    });
    watch.settle();
    b.release(at, entry, left);
    advance(b, products, rowBytes);
    advance(b, y, channelStep);
  });
  watch.report(odd);
  return b;
}

/**
 * `(products, place, groups, w, odd)`: gradients of 3 × 3 weights, in the order of the products, four at a time.
 */
export function emitWeights(lanes: Lanes): FunctionBody {
  const b = new FunctionBody('gradients', new Array(5).fill('i32'), []);
  const [products, place, groups, w, odd] = b.params as Locals<5>;
  const constants = new Constants(b, lanes, G_T);
  const watch = new Watch(b);
  times(b, groups, () => {
    const patch = patchOf(b, constants, G_T, products, place);
    for (const row of patch) watch.see(row);
    watch.settle();
    for (let lane = 0; lane < lanes.count; lane++) {
      const to = 4 * TAPS * TAPS * lane;
      patch.flat().forEach(
        (value, i) =>
          void b
            .get(w)
            .get(value)
            .laneMem('v128.store32_lane', lane, to + 4 * i),
      );
    }
    b.release(...patch.flat());
    advance(b, products, 16);
    advance(b, w, 4 * TAPS * TAPS * lanes.count);
  });
  watch.report(odd);
  return b;
}
