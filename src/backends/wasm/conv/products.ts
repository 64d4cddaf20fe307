/**
 * The matrix products of a convolution: weights times windows. Rows are channels of the result, columns
 * are places, and the sum runs over channels of the source and taps.
 */

import type { Strided } from '../../../kernels/strided.ts';
import { clear } from '../clear.ts';
import { BLOCK_COLUMNS, BLOCK_ROWS, blockLength, kernelsFor } from '../gemm.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { beginLaunch, scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { type Frame, frameOf, placesIn } from './frame.ts';
import { type ConvKernels, convKernels } from './kernels.ts';
import { mover } from './move.ts';
import { place, product, steps, sums } from './tables.ts';

/** With fewer rows than this, windows are not packed. */
const FEW_ROWS = 16;
/** With fewer places than this in an image, those of several images are columns of one product. */
const FEW_PLACES = 32;
const PLACES_TOGETHER = 256;

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
  beginLaunch();
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
  const together = places < FEW_PLACES ? Math.min(images, Math.ceil(PLACES_TOGETHER / places)) : 1;
  startOf(weight);
  const frame = frameOf(source, task.before, task.after, together, channels);
  const runs = inner.map((part) => new PartProducts(gemm, task, part, frame, address));
  for (let n = 0; n < images; n += together) {
    const several = Math.min(together, images - n);
    for (let g = 0; g < groups; g++) {
      const base = frame.at(n, several, g);
      for (const run of runs) run.at(base, n, several, g);
    }
  }
}

/** The tables of a number of images' columns. */
interface Columns {
  readonly count: number;
  readonly table: number;
  /** Brings a result from where it was made to its lattice, if it is not there. */
  readonly deliver: ((to: number, from: number) => void) | null;
}

class PartProducts {
  readonly #gemm: GemmKernels;
  readonly #kernels: ConvKernels;
  readonly #task: Task;
  readonly #part: Part;
  readonly #frame: Frame;
  readonly #out: number;
  readonly #rows: number;
  readonly #k: number;
  readonly #step: number;
  /** Packed weights of all groups, and the offsets of k in the frame. */
  readonly #weights: number;
  readonly #reach: number;
  readonly #columns = new Map<number, Columns>();
  #panels = 0;
  #result = 0;

  constructor(gemm: GemmKernels, task: Task, part: Part, frame: Frame, out: number) {
    this.#gemm = gemm;
    this.#kernels = convKernels(gemm);
    this.#task = task;
    this.#part = part;
    this.#frame = frame;
    this.#out = out;
    this.#rows = task.out.shape[1] / task.groups;
    const channels = task.source.shape[1] / task.groups;
    this.#k = channels * product(part.taps.map((t) => t.length));
    this.#step = blockLength(this.#k);
    this.#weights = this.#packWeights(channels);
    this.#reach = place(placesIn(frame, { channels }, part.reach));
  }

  /** Bytes of a group's packed weights. */
  get #groupBytes(): number {
    return Math.ceil(this.#rows / TILE_ROWS) * TILE_ROWS * this.#k * this.#gemm.bytes;
  }

  #packWeights(channels: number): number {
    const { weight, groups, rowStep, channelStep, groupStep } = this.#task;
    const { bytes } = this.#gemm;
    const to = scratch(groups * this.#groupBytes);
    const xs = place(sums([steps(this.#rows, rowStep * bytes)]), TILE_ROWS);
    const taps = this.#part.taps.map((list, d) => list.map((k) => k * weight.strides[d + 2] * bytes));
    const ks = place(sums([steps(channels, channelStep * bytes), ...taps]));
    const pack = this.#kernels.pack(rowStep === 1 ? 'across' : 'along', TILE_ROWS);
    const panels = Math.ceil(this.#rows / TILE_ROWS);
    for (let g = 0; g < groups; g++) {
      const base = startOf(weight) + g * groupStep * bytes;
      this.#blocks((at, length) => {
        pack(base, xs, ks + 4 * at, this.#weightsAt(to, g, 0, at, length), length, panels);
      });
    }
    return to;
  }

  /** Where the panel that holds row `i` lies, of the block of k that begins at `at`. */
  #weightsAt(start: number, group: number, i: number, at: number, length: number): number {
    const rows = Math.ceil(this.#rows / TILE_ROWS) * TILE_ROWS;
    return start + group * this.#groupBytes + (rows * at + i * length) * this.#gemm.bytes;
  }

  #blocks(visit: (at: number, length: number) => void): void {
    for (let at = 0; at < this.#k; at += this.#step) visit(at, Math.min(this.#step, this.#k - at));
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
    const { out, accumulate } = this.#task;
    const { sizes, step } = this.#part;
    const places = product(sizes);
    const count = images * places;
    const table = place(placesIn(this.#frame, { images }, this.#part.columns), 4 * this.#gemm.columns);
    if (images === 1 && places === product(out.shape.slice(2))) return { count, table, deliver: null };
    const [imageStep, channelStep, ...spatial] = out.strides as [number, number, ...number[]];
    const within = sizes.map((_, d) => product(sizes.slice(d + 1)));
    const deliver = mover(
      accumulate ? 'add' : 'put',
      out.dtype,
      [this.#rows, images, ...sizes],
      [channelStep, imageStep, ...spatial.map((s, d) => s * step[d])],
      [count, places, ...within],
    );
    return { count, table, deliver };
  }

  /** The products of a group of `images` images from the `n`th on, whose windows begin at `base`. */
  at(base: number, n: number, images: number, group: number): void {
    const { out, accumulate } = this.#task;
    const { bytes } = this.#gemm;
    const { count, table, deliver } = this.#columnsOf(images);
    const start = this.#part.start.reduce((sum, s, d) => sum + s * out.strides[d + 2], 0);
    const to = this.#out + (n * out.strides[0] + group * this.#rows * out.strides[1] + start) * bytes;
    if (deliver === null) {
      this.#multiply(to, base, table, count, group, accumulate);
      return;
    }
    // The first images are the most.
    this.#result ||= scratch(this.#rows * count * bytes);
    this.#multiply(this.#result, base, table, count, group, false);
    deliver(to, this.#result);
  }

  #multiply(c: number, base: number, xs: number, count: number, group: number, accumulate: boolean): void {
    if (this.#rows < FEW_ROWS) this.#direct(c, base, xs, count, group, accumulate);
    else this.#packed(c, base, xs, count, group, accumulate);
  }

  #direct(c: number, base: number, xs: number, count: number, group: number, accumulate: boolean): void {
    const cRow = count * this.#gemm.bytes;
    this.#blocks((at, length) => {
      for (let i = 0; i < this.#rows; i += TILE_ROWS) {
        const kernel = this.#kernels.direct(Math.min(TILE_ROWS, this.#rows - i));
        const a = this.#weightsAt(this.#weights, group, i, at, length);
        kernel(a, base, xs, this.#reach + 4 * at, c + i * cRow, cRow, count, length, Number(accumulate || at > 0));
      }
    });
  }

  #packed(c: number, base: number, xs: number, count: number, group: number, accumulate: boolean): void {
    const { bytes, columns, packed } = this.#gemm;
    const pack = this.#kernels.pack('across', columns);
    const cRow = count * bytes;
    this.#panels ||= scratch(Math.ceil(Math.min(count, BLOCK_COLUMNS) / columns) * columns * this.#step * bytes);
    for (let j = 0; j < count; j += BLOCK_COLUMNS) {
      const width = Math.min(BLOCK_COLUMNS, count - j);
      this.#blocks((at, length) => {
        pack(base, xs + 4 * j, this.#reach + 4 * at, this.#panels, length, Math.ceil(width / columns));
        for (let i = 0; i < this.#rows; i += BLOCK_ROWS) {
          packed(
            this.#weightsAt(this.#weights, group, i, at, length),
            0,
            0,
            TILE_ROWS * length * bytes,
            this.#panels,
            0,
            columns * length * bytes,
            c + i * cRow + j * bytes,
            cRow,
            Math.min(BLOCK_ROWS, this.#rows - i),
            width,
            length,
            Number(accumulate || at > 0),
          );
        }
      });
    }
  }
}
