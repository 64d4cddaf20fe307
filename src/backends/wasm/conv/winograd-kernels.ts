/** Code for the transforms of tiles (`winograd-scheme.ts`): of patches into places, and of places into results. */
import { advance, copyOf, times } from '../control.ts';
import { FunctionBody, type Local, type Locals } from '../encoder.ts';
import { transpose } from '../gemm-pack.ts';
import { type Lanes, multiplyAdd } from '../gemm-tile.ts';
import { storeFirst } from '../lanes.ts';
import { gatherLanes, nextEntry, placesOf } from './pack.ts';
import { type Matrix, type Transform, transposed } from './winograd-scheme.ts';

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

/** Pushes the address of place number `n` of some that are `place` bytes apart. */
function placeAt(b: FunctionBody, at: Local, place: Local, n: number): void {
  b.get(at);
  if (n > 0) b.get(place).i32(n).op('i32.mul', 'i32.add');
}

/** The first `count` elements of rows, one row for each lane: vectors of elements that are alike in their rows. */
function loadRows(b: FunctionBody, lanes: Lanes, rows: readonly Local[], count: number): Local[] {
  const vectors: Local[] = [];
  while (count - vectors.length >= lanes.count) {
    const square = rows.map((row) => {
      const x = b.local('v128');
      b.get(row)
        .mem('v128.load', vectors.length * lanes.bytes)
        .set(x);
      return x;
    });
    transpose(b, square);
    vectors.push(...square);
  }
  while (vectors.length < count) {
    const x = b.local('v128');
    gatherLanes(b, lanes, rows, null, vectors.length * lanes.bytes);
    b.set(x);
    vectors.push(x);
  }
  return vectors;
}

/** The only element of a row, if that is 1, else −1. */
const unitOf = (row: readonly number[]): number =>
  row.every((c) => c === 0 || c === 1) && row.filter((c) => c === 1).length === 1 ? row.indexOf(1) : -1;

/**
 * `(base, xs, ks, to, k, vectors, width, rowStep, place, kStep, panelStep)`: as the kernels of `pack.ts`, but elements
 * (x, k) are patches, of as many rows (`rowStep` apart) and columns as the matrix has columns. What goes into
 * panels of `width` vectors, `panelStep` bytes apart, with `kStep` bytes from k to k, is matrix · patch · matrixᵀ,
 * whose elements lie `place` bytes apart. The last panel may have fewer vectors.
 */
export function emitPackPatches(name: string, lanes: Lanes, { matrix, order }: Transform): FunctionBody {
  const b = new FunctionBody(name, new Array(11).fill('i32'), []);
  const [base, xs, ks, to, k, vectors, width, rowStep, place, kStep, panelStep] = b.params as Locals<11>;
  const size = matrix[0]!.length;
  const constants = new Constants(b, lanes, matrix);
  const [at, offset] = [b.local('i32'), b.local('i32')];
  const put = (i: number, j: number, value: Local): void => {
    placeAt(b, at, place, order[i]![j]!);
    b.get(value).mem('v128.store');
  };
  // A row of places that is a row of the patch is done with it at once.
  const units = matrix.map(unitOf);
  const mixed = matrix.filter((_, i) => units[i] === -1);
  const used = Array.from({ length: size }, (_, i) => i).filter((i) => mixed.some((row) => row[i] !== 0));
  const mixing = mixed.map((row) => used.map((i) => row[i]!));
  const mixedRows = matrix.flatMap((_, i) => (units[i] === -1 ? [i] : []));
  const patches = (entry: Local): void => {
    const corners = placesOf(b, base, entry, lanes.count);
    for (const corner of corners) b.get(corner).get(offset).op('i32.add').set(corner);
    const rows = Array.from({ length: size }, (_, i) => {
      if (i > 0) for (const corner of corners) advance(b, corner, rowStep);
      const patch = loadRows(b, lanes, corners, size);
      const row = constants.product(matrix, patch);
      b.release(...patch);
      units.forEach((unit, p) => {
        if (unit === i) row.forEach((value, j) => void put(p, j, value));
      });
      if (used.includes(i)) return row;
      b.release(...row);
      return [];
    });
    b.release(...corners);
    for (let j = 0; j < matrix.length; j++) {
      const column = constants.product(
        mixing,
        used.map((i) => rows[i]![j]!),
      );
      column.forEach((value, i) => void put(mixedRows[i]!, j, value));
      b.release(...column);
    }
    b.release(...rows.flat());
  };
  const [panels, some] = [b.local('i32'), b.local('i32')];
  b.get(vectors).get(width).op('i32.add').i32(1).op('i32.sub').get(width).op('i32.div_u').set(panels);
  times(b, panels, () => {
    b.get(vectors).get(width).get(vectors).get(width).op('i32.lt_s', 'select').set(some);
    const table = copyOf(b, ks);
    const left = copyOf(b, k);
    const row = copyOf(b, to);
    times(b, left, () => {
      nextEntry(b, table, offset);
      const entry = copyOf(b, xs);
      const turns = copyOf(b, some);
      b.get(row).set(at);
      times(b, turns, () => {
        patches(entry);
        advance(b, entry, 4 * lanes.count);
        advance(b, at, 16);
      });
      b.release(entry, turns);
      advance(b, row, kStep);
    });
    b.release(table, left, row);
    advance(b, to, panelStep);
    b.get(xs)
      .get(width)
      .i32(4 * lanes.count)
      .op('i32.mul', 'i32.add')
      .set(xs);
    b.get(vectors).get(width).op('i32.sub').set(vectors);
  });
  return b;
}

// ─── results ─────────────────────────────────────────────────────────────────────────────────────

/** matrix · products for columns of the products at `at`, whose places are `place` bytes apart. */
function columnsOf(
  b: FunctionBody,
  constants: Constants,
  matrix: Matrix,
  order: Transform['order'],
  at: Local,
  place: Local,
): Local[][] {
  return order.map((_, j) => {
    const products = order.map((row) => {
      const x = b.local('v128');
      placeAt(b, at, place, row[j]!);
      b.mem('v128.load').set(x);
      return x;
    });
    const column = constants.product(matrix, products);
    b.release(...products);
    return column;
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
export function emitTiles(lanes: Lanes, { matrix, order }: Transform): FunctionBody {
  const b = new FunctionBody('tiles', new Array(11).fill('i32'), []);
  const [products, place, rows, rowBytes, groups, table, y, channelStep, rowStep, accumulate, odd] =
    b.params as Locals<11>;
  const toResults = transposed(matrix);
  const constants = new Constants(b, lanes, toResults);
  const watch = new Watch(b);
  const tiles = Array.from({ length: lanes.count }, (_, i) => i);
  const [left, whole] = [b.local('i32'), b.local('i32')];
  times(b, rows, () => {
    const at = copyOf(b, products);
    const entry = copyOf(b, table);
    const turns = copyOf(b, groups);
    const extent = (tile: number, word: number): FunctionBody => b.get(entry).mem('i32.load', 4 * (3 * tile + word));
    times(b, turns, () => {
      const columns = columnsOf(b, constants, toResults, order, at, place);
      const lines = tiles.map((tile) => {
        const to = b.local('i32');
        b.get(y);
        extent(tile, 0).op('i32.add').set(to);
        return to;
      });
      b.i32(1);
      for (const tile of tiles) {
        extent(tile, 1).i32(toResults.length).op('i32.eq', 'i32.and');
        extent(tile, 2).i32(toResults.length).op('i32.eq', 'i32.and');
      }
      b.set(whole);
      toResults.forEach((_, i) => {
        const row = constants.product(
          toResults,
          columns.map((column) => column[i]!),
        );
        watch.see(row);
        for (let j = 0; j < row.length; j += lanes.count) {
          const square = row.slice(j, j + lanes.count);
          transpose(b, square);
          const offset = j * lanes.bytes;
          const add = (to: Local, line: Local): void =>
            void b
              .get(accumulate)
              .if(() => void b.get(to).mem('v128.load', offset).get(line).op('f32x4.add').set(line));
          const put = (tile: number): void => {
            const [to, line] = [lines[tile]!, square[tile]!];
            add(to, line);
            b.get(to).get(line).mem('v128.store', offset);
          };
          const putSome = (tile: number): void => {
            const [to, line] = [lines[tile]!, square[tile]!];
            // A line that does not exist has no columns.
            extent(tile, 2).i32(j).op('i32.sub');
            extent(tile, 1).i32(i).op('i32.gt_s', 'i32.mul').tee(left).i32(0).op('i32.gt_s');
            b.if(() => {
              b.get(left).i32(lanes.count).op('i32.ge_s');
              b.if(
                () => put(tile),
                () => {
                  add(to, line);
                  storeFirst(b, lanes.dtype, lanes.compute, 'value', line, left, to, offset);
                },
              );
            });
          };
          b.get(whole).if(
            () => tiles.forEach(put),
            () => tiles.forEach(putSome),
          );
        }
        b.release(...row);
        for (const to of lines) advance(b, to, rowStep);
      });
      b.release(...columns.flat(), ...lines);
      advance(b, at, 16);
      advance(b, entry, 12 * lanes.count);
    });
    watch.settle();
    b.release(at, entry, turns);
    advance(b, products, rowBytes);
    advance(b, y, channelStep);
  });
  watch.report(odd);
  return b;
}

/**
 * `(products, place, groups, w, odd)`: gradients of 3 × 3 weights, in the order of the products, four at a time.
 */
export function emitWeights(lanes: Lanes, { matrix, order }: Transform): FunctionBody {
  const b = new FunctionBody('gradients', new Array(5).fill('i32'), []);
  const [products, place, groups, w, odd] = b.params as Locals<5>;
  const toTaps = transposed(matrix);
  const constants = new Constants(b, lanes, toTaps);
  const watch = new Watch(b);
  times(b, groups, () => {
    const columns = columnsOf(b, constants, toTaps, order, products, place);
    const patch = toTaps.flatMap((_, i) => {
      const row = constants.product(
        toTaps,
        columns.map((column) => column[i]!),
      );
      watch.see(row);
      return row;
    });
    b.release(...columns.flat());
    watch.settle();
    for (let lane = 0; lane < lanes.count; lane++) {
      const to = lanes.bytes * patch.length * lane;
      patch.forEach(
        (value, i) =>
          void b
            .get(w)
            .get(value)
            .laneMem('v128.store32_lane', lane, to + lanes.bytes * i),
      );
    }
    b.release(...patch);
    advance(b, products, 16);
    advance(b, w, lanes.bytes * patch.length * lanes.count);
  });
  watch.report(odd);
  return b;
}
