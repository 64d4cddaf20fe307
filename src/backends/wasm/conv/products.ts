/**
 * The matrix products of a convolution: weights times windows. Rows are channels of the result, columns
 * are places, and the sum runs over channels of the source and taps.
 */

import { dtypeInfo } from '../../../core/dtype.ts';
import type { NativeGemm } from '../blas/product.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { BLOCK_COLUMNS, BLOCK_ROWS } from '../gemm-product.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import type { Operand, Plan } from '../plan.ts';
import { getNumThreads } from '../threads/pool.ts';
import { type Run, shareOf, tasksAmong } from '../threads/share.ts';
import { type Frame, frameOf, placesIn } from './frame.ts';
import { convKernels } from './kernels.ts';
import { type Mover, mover } from './move.ts';
import { FEWEST_COLUMNS, nativeFor, nativeProducts, roomsOf } from './native.ts';
import { weightPanels } from './panels.ts';
import { scattered } from './scatter.ts';
import { areHonest, perCount, product } from './tables.ts';

/** With fewer rows than this, windows are not packed. */
const FEW_ROWS = 16;
/** With fewer places than this in an image, those of several images are columns of one product. */
const FEW_PLACES = 32;
const PLACES_TOGETHER = 256;
/** The same for products by the system's BLAS, which packs its weights for each; with wide vectors however few rows there are. */
const NATIVE_FEW_PLACES = 100;
/** Bytes of a frame that holds several groups. */
const FRAME_BYTES = 1 << 22;
/** Columns of a piece are a multiple of this, which is one of every step of the kernels. */
const PIECE_COLUMNS = 64;

export interface Task {
  readonly plan: Plan;
  readonly op: string;
  /** [N, C, d…], contiguous. */
  readonly out: Operand;
  /** [N, C′, d′…] */
  readonly source: Operand;
  readonly weight: Operand;
  readonly groups: number;
  /** Zeros around the source, along each spatial dimension. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** See `frameOf`. */
  readonly phases: number;
  /** Strides of the weight, in elements: by channels of the result, channels of the source, and groups. */
  readonly rowStep: number;
  readonly channelStep: number;
  readonly groupStep: number;
  /** Adds to what is in `out`. */
  readonly accumulate: boolean;
}

/** Some places of the result, and the taps that they are summed from; a list or number per spatial dimension. */
export interface Part {
  /** Places of the result: `start`, a `step` apart. */
  readonly sizes: readonly number[];
  readonly start: readonly number[];
  readonly step: readonly number[];
  /** Coordinates in the source's frame that the places stand for. */
  readonly columns: readonly (readonly number[])[];
  /** Taps, and how far from a place each one reaches. */
  readonly taps: readonly (readonly number[])[];
  readonly reach: readonly (readonly number[])[];
}

/** `out[n, r, place] = Σ w[r, c, tap] source[n, c, column + reach]` at the places of all parts. */
export function products(task: Task, parts: readonly Part[]): void {
  const { plan, out, source, groups, accumulate } = task;
  const gemm = kernelsFor(task.op, out.dtype);
  const [images, outChannels, ...size] = out.shape as [number, number, ...number[]];
  const channels = source.shape[1] / groups;
  const inner = parts.filter(
    (part) => product(part.sizes) > 0 && channels * product(part.taps.map((t) => t.length)) > 0,
  );
  const covered = inner.reduce((sum, part) => sum + product(part.sizes), 0);
  if (!accumulate && covered < product(size)) {
    plan.clear(out.at, product(out.shape) * gemm.bytes);
  }
  if (inner.length === 0 || images * outChannels === 0 || scattered(task, inner)) return;
  const places = Math.max(...inner.map((part) => product(part.sizes)));
  const alone = nativeForParts(task, inner, 1);
  const ofRows = alone?.wide ? NATIVE_FEW_PLACES : Math.min(NATIVE_FEW_PLACES, outChannels / groups / 2);
  const few = alone === null ? FEW_PLACES : Math.max(FEW_PLACES, ofRows);
  const together = places < few ? evenLots(images, Math.ceil(PLACES_TOGETHER / places)) : 1;
  const wave = groupsTogether(groups, channels, source, together);
  const native = alone ?? nativeForParts(task, inner, together);
  const wanted = native === null ? WAVE_STEPS : NATIVE_WAVE_STEPS;
  const allLots = Math.ceil(images / together);
  const lots = lotsTogether(outChannels * channels * together, inner, allLots, wanted);
  const frame = frameOf(plan, source, task.before, task.after, lots * together, wave * channels, task.phases);
  const count = allLots * groups * inner.length;
  const runs = inner
    .map((part) => partProducts(gemm, native, task, part, frame, count))
    // The longest first, so that none waits for them at the end.
    .toSorted((a, b) => b.stepsOf(1) - a.stepsOf(1));
  for (let n = 0; n < images; n += lots * together) {
    const several = Math.min(lots * together, images - n);
    for (let g = 0; g < groups; g += wave) {
      const base = frame.at(n, several, g * channels);
      inWave(
        plan,
        runs,
        Math.min(wave, groups - g),
        several,
        together,
        native === null || native.shared,
        (part, [first, count], [from, some], piece, room, run) => {
          const at = base + first * channels * frame.channel + from * frame.image;
          part.run(run, room, { base: at, image: n + from, images: some, group: g + first, groups: count }, piece);
        },
      );
    }
  }
}

/** The system's BLAS, if there is one and it is quicker for these parts. */
export function nativeForParts(
  { plan, out, source, groups }: Task,
  parts: readonly Part[],
  together: number,
): NativeGemm | null {
  const rows = out.shape[1] / groups;
  const channels = source.shape[1] / groups;
  const most = (sizes: (part: Part) => readonly number[]): number =>
    Math.max(...parts.map((part) => product(sizes(part))));
  const k = channels * most(({ taps }) => taps.map((t) => t.length));
  const columns = together * most(({ sizes }) => sizes);
  const count = (out.shape[0] * groups * parts.length) / together;
  return nativeFor(plan, out.dtype, rows, k, columns, count, FEWEST_COLUMNS);
}

/** How many of some images go together, at most `most` or as many as make all lots alike. */
const evenLots = (images: number, most: number): number => Math.ceil(images / Math.ceil(images / most));

/** Multiplications that a wave should have, so that its threads do not wait for each other all the time. */
const WAVE_STEPS = 2 ** 23;
/** The same for the system's BLAS, which takes larger pieces. */
const NATIVE_WAVE_STEPS = 2 ** 27;

/** How many lots of images make a wave: one, unless threads can share it. */
function lotsTogether(channels: number, parts: readonly Part[], lots: number, wanted: number): number {
  if (lots < 2 || getNumThreads() === 1) return 1;
  const steps = parts.reduce((sum, { sizes, taps }) => sum + product(sizes) * product(taps.map((t) => t.length)), 0);
  return Math.max(1, Math.min(lots, Math.ceil(wanted / (channels * steps))));
}

/** How many groups are looked at together: as many as a frame of moderate size holds. */
export function groupsTogether(groups: number, channels: number, { shape, dtype }: Operand, images: number): number {
  const bytes = channels * product(shape.slice(2)) * images * dtypeInfo(dtype).bytes;
  return Math.min(groups, Math.max(1, Math.floor(FRAME_BYTES / Math.max(1, bytes))));
}

/** A stretch of columns, of so many that they are cut into. */
type Piece = readonly [index: number, of: number];

/** Some that follow each other. */
type Span = readonly [first: number, count: number];

type Visit = (part: PartProducts, groups: Span, images: Span, piece: Piece, room: number, run: Run) => void;

/** Deals the parts of some groups of some images, `together` at a time, out to tasks, cut into pieces where there are too few. */
function inWave(
  plan: Plan,
  parts: readonly PartProducts[],
  groups: number,
  images: number,
  together: number,
  shared: boolean,
  visit: Visit,
): void {
  const lots = Math.ceil(images / together);
  const most = Math.min(together, images);
  const steps = groups * parts.reduce((sum, part) => sum + part.stepsOf(images), 0);
  const pieces = lots * groups * parts.reduce((sum, part) => sum + part.mostPieces(most), 0);
  const tasks = shared ? tasksAmong(steps, pieces) : 1;
  const each = Math.ceil(tasks / (parts.length * lots));
  const units: (readonly [PartProducts, groups: Span, images: Span, Piece])[] = [];
  for (const part of parts) {
    const ranges = part.spansGroups ? Math.min(groups, each) : groups;
    const pieces = Math.min(part.mostPieces(most), Math.ceil(each / ranges));
    for (let lot = 0; lot < lots; lot++) {
      const some: Span = [lot * together, Math.min(together, images - lot * together)];
      for (let r = 0; r < ranges; r++) {
        const [from, to] = shareOf(r, ranges, groups);
        for (let p = 0; p < pieces; p++) units.push([part, [from, to - from], some, [p, pieces]]);
      }
    }
  }
  plan.inTasks(Math.min(tasks, units.length), shared ? steps : 0, (t, run) => {
    const [from, to] = shareOf(t, Math.min(tasks, units.length), units.length);
    for (let u = from; u < to; u++) {
      const [part, some, few, piece] = units[u];
      visit(part, some, few, piece, t, run);
    }
  });
}

/** The columns of a number of images: how many, and their table. */
interface Columns {
  readonly count: number;
  readonly table: number;
  readonly honest: boolean;
}

/** Some images and groups of a task; their windows begin at `base`. */
interface Where {
  readonly base: number;
  readonly image: number;
  readonly images: number;
  readonly group: number;
  readonly groups: number;
}

/** How the products of a part are made. */
export interface Products {
  /** Into how many pieces that many columns may be cut, if they may. */
  pieces(columns: number, mayCut: boolean): number;
  /** Pieces `from` to `to` of some images and groups, as task `task`. Tells which rows were made. */
  multiply(
    run: Run,
    task: number,
    operands: Operands,
    [from, to]: readonly [number, number],
    mayCut: boolean,
  ): readonly [first: number, end: number];
}

/** The products of a part: for each group of a lot of images, on `count` of which the work is dealt out. */
interface PartProducts {
  /** Multiplications for a group of some images. */
  stepsOf(images: number): number;
  /** Into how many pieces a group may be cut: what is delivered goes in one, or in bands of rows. */
  mostPieces(images: number): number;
  /** Whether groups of few channels are done at a time. */
  readonly spansGroups: boolean;
  /** A piece of the products of some groups and images. */
  run(run: Run, room: number, where: Where, piece: Piece): void;
}

function partProducts(
  gemm: GemmKernels,
  native: NativeGemm | null,
  task: Task,
  part: Part,
  frame: Frame,
  count: number,
): PartProducts {
  const { plan, out, source, groups, accumulate } = task;
  const { bytes, columns: panel, lanes, packed } = gemm;
  const kernels = convKernels(gemm);
  const rows = out.shape[1] / groups;
  const channels = source.shape[1] / groups;
  const offsets = placesIn(frame, { channels }, part.reach);
  const places = product(part.sizes);
  const spansGroups = native === null && rows < FEW_ROWS;
  const results = roomsOf(plan);

  const columnsOf = perCount((images): Columns => {
    const list = placesIn(frame, { images }, part.columns);
    return { count: list.length, table: plan.place(list, PIECE_COLUMNS), honest: areHonest(list, lanes.count, bytes) };
  });

  /** Whether columns lie in the result as they are made: not if they are of several images, or of a lattice. */
  const isInPlace = (images: number): boolean => images === 1 && places === product(out.shape.slice(2));

  /** Brings so many rows of results to their places. */
  const delivererOf = (images: number, some: number): Mover => {
    const { sizes, step } = part;
    const [imageStep, channelStep, ...spatial] = out.strides as [number, number, ...number[]];
    const within = sizes.map((_, d) => product(sizes.slice(d + 1)));
    return mover(
      plan,
      accumulate ? 'add' : 'put',
      out.dtype,
      [some, images, ...sizes],
      [channelStep, imageStep, ...spatial.map((s, d) => s * step[d])],
      [images * places, places, ...within],
    );
  };

  const generated = (): Products => {
    const panels = weightPanels(gemm, task, part);
    const reach = plan.place(offsets);
    const rooms = roomsOf(plan);

    const direct = (run: Run, of: Operands, from: number, to: number): void => {
      const { c, row, base, xs, honest, group, groups, accumulate } = of;
      const steps = [panels.groupBytes, channels * frame.channel, rows * row];
      panels.eachBlock((at, length) => {
        for (let i = 0; i < rows; i += TILE_ROWS) {
          const kernel = kernels.direct(Math.min(TILE_ROWS, rows - i));
          const a = panels.at(group, i, at, length);
          const more = Number(accumulate || at > 0);
          const [x, k, y] = [xs + 4 * from, reach + 4 * at, c + i * row + from * bytes];
          run(kernel, a, base, x, k, y, row, to - from, length, more, Number(honest), groups, ...steps);
        }
      });
    };

    const pack = (run: Run, room: number, of: Operands, from: number, to: number): void => {
      const { c, row, base, xs, group, accumulate } = of;
      const packWindows = kernels.pack('across', panel);
      const widest = Math.ceil(Math.min(to - from, BLOCK_COLUMNS) / panel) * panel;
      const windows = rooms(room, widest * panels.longest * bytes);
      for (let j = from; j < to; j += BLOCK_COLUMNS) {
        const width = Math.min(BLOCK_COLUMNS, to - j);
        panels.eachBlock((at, length) => {
          run(packWindows, base, xs + 4 * j, reach + 4 * at, windows, length, Math.ceil(width / panel));
          for (let i = 0; i < rows; i += BLOCK_ROWS) {
            const height = Math.min(BLOCK_ROWS, rows - i);
            const a = panels.at(group, i, at, length);
            const [aPanel, bPanel] = [TILE_ROWS * length * bytes, panel * length * bytes];
            const [y, more] = [c + i * row + j * bytes, Number(accumulate || at > 0)];
            run(packed, a, 0, 0, aPanel, windows, 0, bPanel, y, row, height, width, length, more);
          }
        });
      }
    };

    return {
      pieces: (count, mayCut) => (mayCut ? Math.ceil(count / PIECE_COLUMNS) : 1),
      multiply: (run, room, of, span, mayCut) => {
        const [from, last] = mayCut ? span.map((n) => Math.min(of.count, n * PIECE_COLUMNS)) : [0, of.count];
        if (spansGroups) direct(run, of, from, last);
        else pack(run, room, of, from, last);
        return [0, of.groups * rows];
      },
    };
  };

  const by =
    native === null
      ? generated()
      : nativeProducts(gemm, native, task, part, offsets, (images) => placesIn(frame, { images }, part.columns), count);
  const mostPieces = (images: number): number => by.pieces(columnsOf(images).count, isInPlace(images));

  return {
    stepsOf: (images) => rows * offsets.length * images * places,
    mostPieces,
    spansGroups,
    run: (run, room, where, [piece, pieces]) => {
      const { images, group, groups } = where;
      const { count, table, honest } = columnsOf(images);
      const start = part.start.reduce((sum, s, d) => sum + s * out.strides[d + 2], 0);
      const to = out.at + (where.image * out.strides[0] + group * rows * out.strides[1] + start) * bytes;
      const inPlace = isInPlace(images);
      const result = inPlace ? to : results(room, groups * rows * count * bytes);
      const more = inPlace && accumulate;
      const operands = { ...where, count, xs: table, honest, row: count * bytes, c: result, accumulate: more };
      const [first, end] = by.multiply(run, room, operands, shareOf(piece, pieces, mostPieces(images)), inPlace);
      if (inPlace) return;
      const deliver = delivererOf(images, end - first);
      deliver(run, to + first * out.strides[1] * bytes, result + first * count * bytes);
    },
  };
}

/** The operands of some groups: the result and bytes between its rows, and windows at `base` and the entries of a table. */
interface Operands extends Where {
  readonly c: number;
  readonly row: number;
  readonly count: number;
  readonly xs: number;
  readonly honest: boolean;
  readonly accumulate: boolean;
}
