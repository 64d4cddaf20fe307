/**
 * Packing by tables: parts of a matrix whose element (x, k) lies at `base + xs[x] + ks[k]` are copied
 * into the panels that the tiles of matrix products read. Tables hold int32 byte offsets; that of x is
 * filled up to whole panels.
 */
import { advance, copyOf, times, whilst } from '../control.ts';
import { FunctionBody, type LaneMemoryOp, type Local, type Locals, type MemoryOp } from '../encoder.ts';
import { transpose } from '../gemm-pack.ts';
import type { Lanes } from '../gemm-tile.ts';
import { everySecond } from './move.ts';

const LOAD_LANE: Readonly<Record<number, LaneMemoryOp>> = { 4: 'v128.load32_lane', 8: 'v128.load64_lane' };
export const LOAD_ZERO: Readonly<Record<number, MemoryOp>> = { 4: 'v128.load32_zero', 8: 'v128.load64_zero' };

/** Pushes the elements at `places + offset` (plus a constant) as one vector. */
export function gatherLanes(
  b: FunctionBody,
  lanes: Lanes,
  places: readonly Local[],
  offset: Local | null,
  constant = 0,
): void {
  const vector = b.local('v128');
  places.forEach((place, i) => {
    b.get(place);
    if (offset !== null) b.get(offset).op('i32.add');
    if (i === 0) b.mem(LOAD_ZERO[lanes.bytes]!, constant);
    else b.get(vector).laneMem(LOAD_LANE[lanes.bytes]!, i, constant);
    b.set(vector);
  });
  b.get(vector);
  b.release(vector);
}

/** Loads the next table entry into a local and moves on. */
export function nextEntry(b: FunctionBody, table: Local, into: Local): void {
  b.get(table).mem('i32.load').set(into);
  advance(b, table, 4);
}

/**
 * Whether the `count` table entries from `table` (plus a constant) on are those of elements side by side, or so
 * many elements apart. The last one is enough in tables that `areHonest`.
 */
export function sideBySide(
  b: FunctionBody,
  lanes: Lanes,
  table: Local,
  entry = 0,
  { apart = 1, honest = false }: { readonly apart?: number; readonly honest?: boolean } = {},
): void {
  const first = honest ? lanes.count - 1 : 1;
  for (let i = first; i < lanes.count; i++) {
    b.get(table).mem('i32.load', 4 * (entry + i));
    b.get(table)
      .mem('i32.load', 4 * entry)
      .op('i32.sub');
    b.i32(i * apart * lanes.bytes).op('i32.eq');
    if (i > first) b.op('i32.and');
  }
}

/**
 * Places of elements, by entries of a table: the first `count` of every `step` entries, `times` over.
 * All entries by default.
 */
export function placesOf(
  b: FunctionBody,
  base: Local,
  table: Local,
  count: number,
  step: number = count,
  times = 1,
): Local[] {
  return Array.from({ length: count * times }, (_, i) => {
    const place = b.local('i32');
    b.get(base)
      .get(table)
      .mem('i32.load', 4 * (Math.floor(i / count) * step + (i % count)))
      .op('i32.add')
      .set(place);
    return place;
  });
}

/**
 * Whether four table entries are those of elements that lie side by side up to one of them and from there on, as at the
 * end of a line; `mask` then has the lanes of the former.
 */
function inTwo(b: FunctionBody, table: Local, entry: number, mask: Local): void {
  const from = (lane: number): void => {
    b.get(table).mem('v128.load', 4 * entry);
    b.get(table)
      .mem('v128.load32_splat', 4 * (entry + lane))
      .op('i32x4.sub');
    b.v128(new Uint8Array(Int32Array.from([0, 1, 2, 3], (i) => 4 * (i - lane)).buffer)).op('i32x4.eq');
  };
  from(0);
  b.tee(mask);
  from(3);
  b.op('v128.or').op('i32x4.all_true');
  b.get(table).mem('i32.load', 4 * (entry + 3));
  b.get(table)
    .mem('i32.load', 4 * entry)
    .op('i32.sub')
    .i32(12)
    .op('i32.ge_s')
    .op('i32.and');
}

/** Columns of a plain matrix that are written at a time: those of a line of the cache. */
export const spreadColumns = (lanes: Lanes): number => 4 * lanes.count;

/**
 * `(base, xs, ks, to, k, steps, pitch)`: element (x, k) goes to row k and column x of a plain matrix whose rows are `pitch`
 * bytes apart, in `steps` times `spreadColumns` columns.
 */
export function emitSpread(lanes: Lanes): FunctionBody {
  const b = new FunctionBody('spread', new Array(7).fill('i32'), []);
  const [base, xs, ks, to, k, columns, pitch] = b.params as Locals<7>;
  const width = spreadColumns(lanes);
  const vectors = Array.from({ length: width / lanes.count }, (_, v) => v);
  const [offset, here] = [b.local('i32'), b.local('i32')];
  const [at, table, left] = [b.local('i32'), b.local('i32'), b.local('i32')];
  const overK = (push: (v: number) => void): void => {
    b.get(ks).set(table).get(to).set(at).get(k).set(left);
    times(b, left, () => {
      nextEntry(b, table, offset);
      for (const v of vectors) {
        b.get(at);
        push(v);
        b.mem('v128.store', 16 * v);
      }
      advance(b, at, pitch);
    });
  };
  const regular = (apart: number): void => {
    b.i32(1);
    for (const v of vectors) {
      sideBySide(b, lanes, xs, v * lanes.count, { apart });
      b.op('i32.and');
    }
  };
  /** Runs over k for the places of the first lane of each vector. */
  const byVectors = (push: (place: Local) => void): void => {
    const places = placesOf(b, base, xs, 1, lanes.count, vectors.length);
    overK((v) => {
      b.get(places[v]!).get(offset).op('i32.add').set(here);
      push(here);
    });
    b.release(...places);
  };
  // Every second element: those in even lanes, and from the last of these on those in odd lanes.
  const behind = (lanes.count - 1) * lanes.bytes;
  const alternate = everySecond(lanes.bytes);
  // Vectors that end with an element begin three before it.
  const before = b.local('i32');
  b.get(base).i32(12).op('i32.sub').set(before);
  times(b, columns, () => {
    regular(1);
    b.if(
      () => byVectors((place) => void b.get(place).mem('v128.load')),
      () => {
        regular(2);
        b.if(
          () =>
            byVectors((place) => {
              b.get(place).mem('v128.load').get(place).mem('v128.load', behind).shuffle(alternate);
            }),
          () => {
            const masks = vectors.map(() => b.local('v128'));
            const [places, ends] = [base, before].map((from) => placesOf(b, from, xs, width)) as [Local[], Local[]];
            b.i32(Number(lanes.count === 4));
            vectors.forEach((v) => {
              inTwo(b, xs, lanes.count * v, masks[v]!);
              b.op('i32.and');
            });
            b.if(
              () =>
                overK((v) => {
                  for (const place of [places[lanes.count * v]!, ends[lanes.count * (v + 1) - 1]!]) {
                    b.get(place).get(offset).op('i32.add').mem('v128.load');
                  }
                  b.get(masks[v]!).op('v128.bitselect');
                }),
              () => overK((v) => gatherLanes(b, lanes, places.slice(v * lanes.count, (v + 1) * lanes.count), offset)),
            );
            b.release(...masks, ...places, ...ends);
          },
        );
      },
    );
    advance(b, xs, 4 * width);
    advance(b, to, 16 * vectors.length);
  });
  return b;
}

/** Vectors of a line, at most, that `emitSpreadLines` writes one after the other. */
export const LINE_VECTORS = 8;

/**
 * `(base, xs, ks, to, k, lines, pitch, last)`: the same for places in `lines` lines of some vectors each, of which one begins
 * `last` bytes from the line's start, over what it must of the one before.
 */
export function emitSpreadLines(lanes: Lanes, vectors: number): FunctionBody {
  const b = new FunctionBody('lines', new Array(8).fill('i32'), []);
  const [base, xs, ks, to, k, lines, pitch, last] = b.params as Locals<8>;
  const [from, table, at, left, place, line, entries] = Array.from({ length: 7 }, () => b.local('i32')) as Locals<7>;
  b.get(last)
    .i32(16)
    .op('i32.add')
    .tee(line)
    .i32(Math.floor(lanes.bytes / 8))
    .op('i32.shr_u')
    .set(entries);
  times(b, k, () => {
    b.get(base);
    nextEntry(b, ks, from);
    b.get(from).op('i32.add').set(from);
    b.get(xs).set(table).get(to).set(at).get(lines).set(left);
    times(b, left, () => {
      b.get(from).get(table).mem('i32.load').op('i32.add').set(place);
      for (let v = 0; v < vectors - 1; v++) {
        b.get(at)
          .get(place)
          .mem('v128.load', 16 * v)
          .mem('v128.store', 16 * v);
      }
      b.get(at).get(last).op('i32.add').get(place).get(last).op('i32.add').mem('v128.load').mem('v128.store');
      advance(b, table, entries);
      advance(b, at, line);
    });
    advance(b, to, pitch);
  });
  return b;
}

export const acrossName = (width: number): string => `across${width}`;
export const alongName = (width: number): string => `along${width}`;

/** `(base, xs, ks, to, k, panels)`, for matrices whose elements follow each other along x, at least in stretches. */
export function emitPackAcross(lanes: Lanes, width: number): FunctionBody {
  const b = new FunctionBody(acrossName(width), new Array(6).fill('i32'), []);
  const [base, xs, ks, to, k, panels] = b.params as Locals<6>;
  const vectors = width / lanes.count;
  const offset = b.local('i32');
  const rowBytes = width * lanes.bytes;
  const whole = Array.from({ length: vectors }, () => b.local('i32'));
  const all = b.local('i32');

  times(b, panels, () => {
    b.i32(1).set(all);
    whole.forEach((flag, v) => {
      sideBySide(b, lanes, xs, v * lanes.count);
      b.tee(flag).get(all).op('i32.and').set(all);
    });
    const places = placesOf(b, base, xs, width);
    const table = copyOf(b, ks);
    const left = copyOf(b, k);
    const vectorAt = (v: number): void => {
      b.get(places[v * lanes.count]!)
        .get(offset)
        .op('i32.add')
        .mem('v128.load');
    };
    b.get(all).if(
      () =>
        times(b, left, () => {
          nextEntry(b, table, offset);
          for (let v = 0; v < vectors; v++) {
            b.get(to);
            vectorAt(v);
            b.mem('v128.store', 16 * v);
          }
          advance(b, to, rowBytes);
        }),
      () =>
        times(b, left, () => {
          nextEntry(b, table, offset);
          for (let v = 0; v < vectors; v++) {
            const vector = b.local('v128');
            b.get(whole[v]!).if(
              () => {
                vectorAt(v);
                b.set(vector);
              },
              () => {
                gatherLanes(b, lanes, places.slice(v * lanes.count, (v + 1) * lanes.count), offset);
                b.set(vector);
              },
            );
            b.get(to)
              .get(vector)
              .mem('v128.store', 16 * v);
            b.release(vector);
          }
          advance(b, to, rowBytes);
        }),
    );
    b.release(...places, table, left);
    advance(b, xs, 4 * width);
  });
  return b;
}

/** The same for matrices whose elements follow each other along k: squares are transposed in registers. */
export function emitPackAlong(lanes: Lanes, width: number): FunctionBody {
  const b = new FunctionBody(alongName(width), new Array(6).fill('i32'), []);
  const [base, xs, ks, to, k, panels] = b.params as Locals<6>;
  const vectors = width / lanes.count;
  const offset = b.local('i32');
  const rowBytes = width * lanes.bytes;

  times(b, panels, () => {
    const places = placesOf(b, base, xs, width);
    const table = copyOf(b, ks);
    const left = copyOf(b, k);
    const single = (): void => {
      nextEntry(b, table, offset);
      for (let v = 0; v < vectors; v++) {
        b.get(to);
        gatherLanes(b, lanes, places.slice(v * lanes.count, (v + 1) * lanes.count), offset);
        b.mem('v128.store', 16 * v);
      }
      advance(b, to, rowBytes);
      advance(b, left, -1);
    };
    const square = (): void => {
      b.get(table).mem('i32.load').set(offset);
      for (let v = 0; v < vectors; v++) {
        const rows = Array.from({ length: lanes.count }, (_, i) => {
          const row = b.local('v128');
          b.get(places[v * lanes.count + i]!)
            .get(offset)
            .op('i32.add')
            .mem('v128.load')
            .set(row);
          return row;
        });
        transpose(b, rows);
        rows.forEach(
          (row, i) =>
            void b
              .get(to)
              .get(row)
              .mem('v128.store', i * rowBytes + 16 * v),
        );
        b.release(...rows);
      }
      advance(b, table, 4 * lanes.count);
      advance(b, to, lanes.count * rowBytes);
      advance(b, left, -lanes.count);
    };
    whilst(
      b,
      () => void b.get(left).i32(0).op('i32.gt_s'),
      () => {
        const fits = b.local('i32');
        b.i32(0).set(fits);
        b.get(left)
          .i32(lanes.count)
          .op('i32.ge_s')
          .if(() => {
            sideBySide(b, lanes, table);
            b.set(fits);
          });
        b.get(fits).if(square, single);
        b.release(fits);
      },
    );
    b.release(...places, table, left);
    advance(b, xs, 4 * width);
  });
  return b;
}
