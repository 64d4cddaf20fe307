/**
 * The matrix products of a convolution: weights times windows. Rows are channels of the result, columns
 * are places, and the sum runs over channels of the source and taps.
 */

import { dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import type { NativeGemm } from '../blas/product.ts';
import { clear } from '../clear.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { BLOCK_COLUMNS, BLOCK_ROWS } from '../gemm-product.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunchBeside } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { joinWorkers } from '../threads/pending.ts';
import { canShare } from '../threads/pool.ts';
import { leaveInTasks, type Run, shareOf, tasksFor } from '../threads/share.ts';
import { type Frame, frameOf, placesIn } from './frame.ts';
import { type ConvKernels, convKernels } from './kernels.ts';
import { type Mover, mover } from './move.ts';
import { NativeProducts, nativeFor, Rooms } from './native.ts';
import { WeightPanels } from './panels.ts';
import { areHonest, place, product } from './tables.ts';

/** With fewer rows than this, windows are not packed. */
const FEW_ROWS = 16;
/** With fewer places than this in an image, those of several images are columns of one product. */
const FEW_PLACES = 32;
const PLACES_TOGETHER = 256;
/** The same for products by the system's BLAS, which packs its weights for each. */
const NATIVE_FEW_PLACES = 100;
/** Bytes of a frame that holds several groups. */
const FRAME_BYTES = 1 << 22;
/** Columns of a piece are a multiple of this, which is one of every step of the kernels. */
const PIECE_COLUMNS = 64;

export interface Task {
  readonly op: string;
  /** [N, C, d…], contiguous. */
  readonly out: Strided;
  /** [N, C′, d′…] */
  readonly source: Strided;
  readonly weight: Strided;
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
  const { out, source, weight, groups, accumulate } = task;
  const gemm = kernelsFor(task.op, out.dtype);
  beginLaunchBeside();
  const [images, outChannels, ...size] = out.shape as [number, number, ...number[]];
  const channels = source.shape[1] / groups;
  const inner = parts.filter(
    (part) => product(part.sizes) > 0 && channels * product(part.taps.map((t) => t.length)) > 0,
  );
  const address = startOf(out);
  const covered = inner.reduce((sum, part) => sum + product(part.sizes), 0);
  if (!accumulate && covered < product(size)) {
    clear(address, product(out.shape) * gemm.bytes);
  }
  if (inner.length === 0 || images * outChannels === 0) return;
  const places = Math.max(...inner.map((part) => product(part.sizes)));
  const alone = nativeForParts(task, inner, 1);
  const few = alone === null ? FEW_PLACES : Math.max(FEW_PLACES, Math.min(NATIVE_FEW_PLACES, outChannels / groups / 2));
  const together = places < few ? evenLots(images, Math.ceil(PLACES_TOGETHER / places)) : 1;
  startOf(weight);
  const wave = groupsTogether(groups, channels, source, together);
  const native = alone ?? nativeForParts(task, inner, together);
  const wanted = native === null ? WAVE_STEPS : NATIVE_WAVE_STEPS;
  const allLots = Math.ceil(images / together);
  const lots = lotsTogether(outChannels * channels * together, inner, allLots, wanted);
  const frame = frameOf(source, task.before, task.after, lots * together, wave * channels, task.phases);
  const count = allLots * groups * inner.length;
  const runs = inner
    .map((part) => new PartProducts(gemm, native, task, part, frame, address, count))
    // The longest first, so that none waits for them at the end.
    .toSorted((a, b) => b.stepsOf(1) - a.stepsOf(1));
  for (let n = 0; n < images; n += lots * together) {
    const several = Math.min(lots * together, images - n);
    for (let g = 0; g < groups; g += wave) {
      const base = frame.at(n, several, g * channels);
      inWave(
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
  { out, source, groups }: Task,
  parts: readonly Part[],
  together: number,
): NativeGemm | null {
  const rows = out.shape[1] / groups;
  const channels = source.shape[1] / groups;
  const most = (sizes: (part: Part) => readonly number[]): number =>
    Math.max(...parts.map((part) => product(sizes(part))));
  const k = channels * most(({ taps }) => taps.map((t) => t.length));
  const columns = together * most(({ sizes }) => sizes);
  return nativeFor(out.dtype, rows, k, columns, (out.shape[0] * groups * parts.length) / together);
}

/** How many of some images go together, at most `most` or as many as make all lots alike. */
const evenLots = (images: number, most: number): number => Math.ceil(images / Math.ceil(images / most));

/** Multiplications that a wave should have, so that its threads do not wait for each other all the time. */
const WAVE_STEPS = 2 ** 23;
/** The same for the system's BLAS, which takes larger pieces. */
const NATIVE_WAVE_STEPS = 2 ** 27;

/** How many lots of images make a wave: one, unless threads can share it. */
function lotsTogether(channels: number, parts: readonly Part[], lots: number, wanted: number): number {
  if (lots < 2 || !canShare()) return 1;
  const steps = parts.reduce((sum, { sizes, taps }) => sum + product(sizes) * product(taps.map((t) => t.length)), 0);
  return Math.max(1, Math.min(lots, Math.ceil(wanted / (channels * steps))));
}

/** How many groups are looked at together: as many as a frame of moderate size holds. */
export function groupsTogether(groups: number, channels: number, { shape, dtype }: Strided, images: number): number {
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
  const tasks = shared ? tasksFor(steps, pieces) : 1;
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
  if (!shared) joinWorkers();
  leaveInTasks(Math.min(tasks, units.length), steps, (t, run) => {
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

class PartProducts {
  readonly #gemm: GemmKernels;
  readonly #kernels: ConvKernels;
  readonly #task: Task;
  readonly #part: Part;
  readonly #frame: Frame;
  readonly #out: number;
  readonly #rows: number;
  readonly #channels: number;
  /** The length of sums. */
  readonly #k: number;
  /** Packed weights of all groups, or what does without, and the offsets of k in the frame. */
  readonly #weights: WeightPanels | NativeProducts;
  readonly #reach: number;
  readonly #columns = new Map<number, Columns>();
  /** Room for packed windows, and for results on their way, of each task. */
  readonly #panels = new Rooms();
  readonly #results = new Rooms();
  readonly #deliverers = new Map<string, Mover>();

  /** One of `count` of a task, each for a lot of images and a group. */
  constructor(
    gemm: GemmKernels,
    native: NativeGemm | null,
    task: Task,
    part: Part,
    frame: Frame,
    out: number,
    count: number,
  ) {
    this.#gemm = gemm;
    this.#kernels = convKernels(gemm);
    this.#task = task;
    this.#part = part;
    this.#frame = frame;
    this.#out = out;
    this.#rows = task.out.shape[1] / task.groups;
    const channels = task.source.shape[1] / task.groups;
    this.#channels = channels;
    const reach = placesIn(frame, { channels }, part.reach);
    this.#k = reach.length;
    this.#weights =
      native === null
        ? new WeightPanels(gemm, task, part)
        : new NativeProducts(
            gemm,
            native,
            task,
            part,
            reach,
            (images) => placesIn(frame, { images }, part.columns),
            count,
          );
    this.#reach = place(reach);
  }

  #columnsOf(images: number): Columns {
    let columns = this.#columns.get(images);
    if (columns === undefined) {
      columns = this.#makeColumns(images);
      this.#columns.set(images, columns);
    }
    return columns;
  }

  #makeColumns(images: number): Columns {
    const { bytes, lanes } = this.#gemm;
    const places = placesIn(this.#frame, { images }, this.#part.columns);
    return { count: places.length, table: place(places, PIECE_COLUMNS), honest: areHonest(places, lanes.count, bytes) };
  }

  /** Whether columns lie in the result as they are made: not if they are of several images, or of a lattice. */
  #inPlace(images: number): boolean {
    return images === 1 && product(this.#part.sizes) === product(this.#task.out.shape.slice(2));
  }

  /** Brings so many rows of results to their places. */
  #delivererOf(images: number, rows: number): Mover {
    const key = `${images} ${rows}`;
    let deliver = this.#deliverers.get(key);
    if (deliver === undefined) {
      const { out, accumulate } = this.#task;
      const { sizes, step } = this.#part;
      const [imageStep, channelStep, ...spatial] = out.strides as [number, number, ...number[]];
      const places = product(sizes);
      const within = sizes.map((_, d) => product(sizes.slice(d + 1)));
      deliver = mover(
        accumulate ? 'add' : 'put',
        out.dtype,
        [rows, images, ...sizes],
        [channelStep, imageStep, ...spatial.map((s, d) => s * step[d])],
        [images * places, places, ...within],
      );
      this.#deliverers.set(key, deliver);
    }
    return deliver;
  }

  /** Multiplications for a group of some images. */
  stepsOf(images: number): number {
    return this.#rows * this.#k * images * product(this.#part.sizes);
  }

  /** Into how many pieces a group may be cut: what is delivered goes in one, or in bands of rows. */
  mostPieces(images: number): number {
    const { count } = this.#columnsOf(images);
    if (this.#weights instanceof NativeProducts) return this.#weights.pieces(count, this.#inPlace(images));
    return this.#inPlace(images) ? Math.ceil(count / PIECE_COLUMNS) : 1;
  }

  /** Whether groups of few channels are done at a time. */
  get spansGroups(): boolean {
    return this.#rows < FEW_ROWS;
  }

  /** A piece of the products of some groups and images. */
  run(run: Run, room: number, where: Where, [piece, pieces]: Piece): void {
    const { out, accumulate } = this.#task;
    const { bytes } = this.#gemm;
    const { images, group, groups } = where;
    const { count, table, honest } = this.#columnsOf(images);
    const start = this.#part.start.reduce((sum, s, d) => sum + s * out.strides[d + 2], 0);
    const to = this.#out + (where.image * out.strides[0] + group * this.#rows * out.strides[1] + start) * bytes;
    const of = { ...where, xs: table, honest, row: count * bytes };
    const inPlace = this.#inPlace(images);
    const result = inPlace ? to : this.#results.of(room, groups * this.#rows * count * bytes);
    const operands = { ...of, c: result, accumulate: inPlace && accumulate };
    const span = shareOf(piece, pieces, this.mostPieces(images));
    const weights = this.#weights;
    let [first, end] = [0, groups * this.#rows];
    if (weights instanceof NativeProducts) [first, end] = weights.multiply(run, room, operands, span, inPlace);
    else {
      const [from, last] = inPlace ? span.map((n) => Math.min(count, n * PIECE_COLUMNS)) : [0, count];
      if (this.spansGroups) this.#direct(run, weights, operands, from, last);
      else this.#packed(run, room, weights, operands, from, last);
    }
    if (inPlace) return;
    const deliver = this.#delivererOf(images, end - first);
    deliver(run, to + first * out.strides[1] * bytes, result + first * count * bytes);
  }

  #direct(
    run: Run,
    weights: WeightPanels,
    { c, row, base, xs, honest, group, groups, accumulate }: Operands,
    from: number,
    to: number,
  ): void {
    const { bytes } = this.#gemm;
    const steps = [weights.groupBytes, this.#channels * this.#frame.channel, this.#rows * row];
    weights.eachBlock((at, length) => {
      for (let i = 0; i < this.#rows; i += TILE_ROWS) {
        const kernel = this.#kernels.direct(Math.min(TILE_ROWS, this.#rows - i));
        const a = weights.at(group, i, at, length);
        const more = Number(accumulate || at > 0);
        const y = c + i * row + from * bytes;
        run(
          kernel,
          a,
          base,
          xs + 4 * from,
          this.#reach + 4 * at,
          y,
          row,
          to - from,
          length,
          more,
          Number(honest),
          groups,
          ...steps,
        );
      }
    });
  }

  #packed(
    run: Run,
    room: number,
    weights: WeightPanels,
    { c, row, base, xs, group, accumulate }: Operands,
    from: number,
    to: number,
  ): void {
    const { bytes, columns, packed } = this.#gemm;
    const pack = this.#kernels.pack('across', columns);
    const widest = Math.ceil(Math.min(to - from, BLOCK_COLUMNS) / columns) * columns;
    const panels = this.#panels.of(room, widest * weights.longest * bytes);
    for (let j = from; j < to; j += BLOCK_COLUMNS) {
      const width = Math.min(BLOCK_COLUMNS, to - j);
      weights.eachBlock((at, length) => {
        run(pack, base, xs + 4 * j, this.#reach + 4 * at, panels, length, Math.ceil(width / columns));
        for (let i = 0; i < this.#rows; i += BLOCK_ROWS) {
          const height = Math.min(BLOCK_ROWS, this.#rows - i);
          const a = weights.at(group, i, at, length);
          const [aPanel, bPanel] = [TILE_ROWS * length * bytes, columns * length * bytes];
          const [y, more] = [c + i * row + j * bytes, Number(accumulate || at > 0)];
          run(packed, a, 0, 0, aPanel, panels, 0, bPanel, y, row, height, width, length, more);
        }
      });
    }
  }
}

/** The operands of some groups: the result and bytes between its rows, and windows at `base` and the entries of a table. */
export interface Operands extends Where {
  readonly c: number;
  readonly row: number;
  readonly xs: number;
  readonly honest: boolean;
  readonly accumulate: boolean;
}
