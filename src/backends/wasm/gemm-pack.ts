/**
 * Packing: parts of a matrix in any layout are copied into panels, in which the tile reads memory
 * straight through.
 */
import { FunctionBody, type Local, type Locals } from './encoder.ts';
import type { Lanes } from './gemm-tile.ts';

/** Panels that are filled together where rows can be read through: a whole cache line of the source. */
const PANELS_AT_ONCE = 2;

export function packName(width: number): string {
  return `pack${width}`;
}

/**
 * `pack(from, kStride, xStride, to, k, xs)`: panel p holds, for each k, the elements of columns
 * `width·p …` side by side; strides are in bytes. The last panel may not be full.
 */
export function emitPack(lanes: Lanes, width: number): FunctionBody {
  const body = new FunctionBody(packName(width), new Array(6).fill('i32'), []);
  const [from, kStride, xStride, to, k, xs] = body.params as Locals<6>;
  const source = body.local('i32');
  const left = body.local('i32');
  const target = body.local('i32');
  const panelBytes = body.local('i32');
  const rowBytes = width * lanes.bytes;
  const vectors = width / lanes.count;
  const add = (p: Local, amount: Local | number): void => {
    body.get(p);
    if (typeof amount === 'number') body.i32(amount);
    else body.get(amount);
    body.op('i32.add').set(p);
  };
  /** Runs while `counter` ≥ `step`; the body counts it down by `step`. */
  const whileAtLeast = (counter: Local, step: number, turn: () => void): void => {
    body.block(() => {
      body.loop(() => {
        body.get(counter).i32(step).op('i32.lt_s').brIf(1);
        turn();
        add(counter, -step);
        body.br(0);
      });
    });
  };

  /**
   * One k of a panel element by element, of the last one as many as there are: behind them zeros, since whatever lay
   * there would be multiplied as well, and what is denormal, as small integers are, takes a hundred times as long.
   */
  const scalars = (partial: boolean): void => {
    const p = body.local('i32');
    const [load, store] =
      lanes.bytes === 8 ? (['i64.load', 'i64.store'] as const) : (['i32.load', 'i32.store'] as const);
    body.get(source).set(p);
    for (let v = 0; partial && v < vectors; v++)
      body
        .get(to)
        .i32x4(0)
        .mem('v128.store', v * 16);
    body.block(() => {
      for (let x = 0; x < width; x++) {
        if (partial) body.get(xs).i32(x).op('i32.le_s').brIf(0);
        body
          .get(to)
          .get(p)
          .mem(load)
          .mem(store, x * lanes.bytes);
        if (x + 1 < width) add(p, xStride);
      }
    });
    body.release(p);
    add(source, kStride);
    add(to, rowBytes);
  };

  /** One k of several panels that lie side by side in the source too, `panelBytes` apart in the target. */
  const contiguous = (panels: number): void => {
    body.get(to).set(target);
    for (let p = 0; p < panels; p++) {
      if (p > 0) add(target, panelBytes);
      for (let v = 0; v < vectors; v++) {
        body
          .get(target)
          .get(source)
          .mem('v128.load', p * rowBytes + v * 16);
        body.mem('v128.store', v * 16);
      }
    }
    add(source, kStride);
    add(to, rowBytes);
  };

  /** As many k as a vector has lanes, for a whole panel: squares of that size are transposed in registers. */
  const transposed = (): void => {
    const p = body.local('i32');
    body.get(source).set(p);
    for (let v = 0; v < vectors; v++) {
      const rows = Array.from({ length: lanes.count }, (_, i) => {
        const row = body.local('v128');
        if (v + i > 0) add(p, xStride);
        body.get(p).mem('v128.load').set(row);
        return row;
      });
      transpose(body, rows);
      rows.forEach(
        (row, i) =>
          void body
            .get(to)
            .get(row)
            .mem('v128.store', i * rowBytes + v * 16),
      );
      body.release(...rows);
    }
    body.release(p);
    add(source, 16);
    add(to, lanes.count * rowBytes);
  };

  const nextPanels = (panels: number): void => {
    body
      .get(from)
      .get(xStride)
      .i32(panels * width)
      .op('i32.mul', 'i32.add')
      .set(from);
  };
  body.get(k).i32(rowBytes).op('i32.mul').set(panelBytes);
  body.get(xStride).i32(lanes.bytes).op('i32.eq');
  body.if(() => {
    for (const panels of [PANELS_AT_ONCE, 1]) {
      whileAtLeast(xs, panels * width, () => {
        body.get(from).set(source).get(k).set(left);
        whileAtLeast(left, 1, () => contiguous(panels));
        if (panels > 1) add(to, panelBytes);
        nextPanels(panels);
      });
    }
  });
  whileAtLeast(xs, width, () => {
    body.get(from).set(source).get(k).set(left);
    body.get(kStride).i32(lanes.bytes).op('i32.eq');
    body.if(() => whileAtLeast(left, lanes.count, transposed));
    whileAtLeast(left, 1, () => scalars(false));
    nextPanels(1);
  });
  body.get(xs).if(() => {
    body.get(from).set(source).get(k).set(left);
    whileAtLeast(left, 1, () => scalars(true));
  });
  return body;
}

const DWORDS = (...lanes: readonly number[]): number[] =>
  lanes.flatMap((l) => [4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3]);
const LOW = DWORDS(0, 4, 1, 5);
const HIGH = DWORDS(2, 6, 3, 7);
const FIRST_HALVES = DWORDS(0, 1, 4, 5);
const SECOND_HALVES = DWORDS(2, 3, 6, 7);

/** Transposes a square matrix of vectors in place. */
export function transpose(body: FunctionBody, rows: readonly Local[]): void {
  const combine = (into: readonly [Local, Local], a: Local, b: Local, first: number[], second: number[]): void => {
    body.get(a).get(b).shuffle(first).set(into[0]);
    body.get(a).get(b).shuffle(second).set(into[1]);
  };
  const [r0, r1, r2, r3] = rows as Locals<4>;
  const t = rows.map(() => body.local('v128')) as Locals<4>;
  if (rows.length === 2) {
    combine([t[0], t[1]], r0, r1, FIRST_HALVES, SECOND_HALVES);
    body.get(t[0]).set(r0).get(t[1]).set(r1);
  } else {
    combine([t[0], t[1]], r0, r1, LOW, HIGH);
    combine([t[2], t[3]], r2, r3, LOW, HIGH);
    combine([r0, r1], t[0], t[2], FIRST_HALVES, SECOND_HALVES);
    combine([r2, r3], t[1], t[3], FIRST_HALVES, SECOND_HALVES);
  }
  body.release(...t);
}
