/** The weights of a convolution, as the panels of rows that tiles of its result read. */
import type { GemmKernels } from '../gemm-kernels.ts';
import { blockLength } from '../gemm-product.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { deal } from '../threads/share.ts';
import { convKernels } from './kernels.ts';
import type { Part, Task } from './products.ts';
import { place, product, steps, sums } from './tables.ts';

export class WeightPanels {
  /** Rows of a group, and the length of its sums over channels and taps. */
  readonly rows: number;
  readonly k: number;
  /** Bytes of a group. */
  readonly groupBytes: number;
  readonly #step: number;
  readonly #bytes: number;
  readonly #to: number;

  /** Packs the weights of all groups for the taps of a part, for the current launch, for sums in blocks or `whole` ones. */
  constructor(gemm: GemmKernels, task: Task, part: Part, whole = false) {
    const { out, source, weight, groups, rowStep, channelStep, groupStep } = task;
    const { bytes } = gemm;
    const channels = source.shape[1] / groups;
    this.rows = out.shape[1] / groups;
    this.k = channels * product(part.taps.map((t) => t.length));
    this.#step = whole ? this.k : blockLength(this.k);
    this.#bytes = bytes;
    this.groupBytes = Math.ceil(this.rows / TILE_ROWS) * TILE_ROWS * this.k * bytes;
    this.#to = scratch(groups * this.groupBytes);
    const xs = place(sums([steps(this.rows, rowStep * bytes)]), TILE_ROWS);
    const taps = part.taps.map((list, d) => list.map((k) => k * weight.strides[d + 2] * bytes));
    const ks = place(sums([steps(channels, channelStep * bytes), ...taps]));
    const pack = convKernels(gemm).pack(rowStep === 1 ? 'across' : 'along', TILE_ROWS);
    const panels = Math.ceil(this.rows / TILE_ROWS);
    deal(null, 4 * groups * this.rows * this.k, groups, (run, first, end) => {
      for (let g = first; g < end; g++) {
        const base = startOf(weight) + g * groupStep * bytes;
        this.eachBlock((at, length) => run(pack, base, xs, ks + 4 * at, this.at(g, 0, at, length), length, panels));
      }
    });
  }

  /** Where the panel that holds row `i` lies, of the block of k that begins at `at`. */
  at(group: number, i: number, at: number, length: number): number {
    const rows = Math.ceil(this.rows / TILE_ROWS) * TILE_ROWS;
    return this.#to + group * this.groupBytes + (rows * at + i * length) * this.#bytes;
  }

  eachBlock(visit: (at: number, length: number) => void): void {
    for (let at = 0; at < this.k; at += this.#step) visit(at, Math.min(this.#step, this.k - at));
  }

  /** The length of the longest block. */
  get longest(): number {
    return this.#step;
  }
}
