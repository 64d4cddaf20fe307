/** The weights of a convolution, as the panels of rows that tiles of its result read. */
import type { GemmKernels } from '../gemm-kernels.ts';
import { blockLength } from '../gemm-room.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { convKernels } from './kernels.ts';
import type { Part, Task } from './products.ts';
import { product, steps, sums } from './tables.ts';

export interface WeightPanels {
  /** Bytes of a group. */
  readonly groupBytes: number;
  /** The length of the longest block. */
  readonly longest: number;
  /** Where the panel that holds row `i` lies, of the block of k that begins at `at`. */
  at(group: number, i: number, at: number, length: number): number;
  eachBlock(visit: (at: number, length: number) => void): void;
}

/** Packs the weights of all groups for the taps of a part, for sums in blocks or `whole` ones. */
export function weightPanels(gemm: GemmKernels, task: Task, part: Part, whole = false): WeightPanels {
  const { plan, out, source, weight, groups, rowStep, channelStep, groupStep } = task;
  const { bytes } = gemm;
  const channels = source.shape[1] / groups;
  const rows = out.shape[1] / groups;
  const k = channels * product(part.taps.map((t) => t.length));
  const longest = whole ? k : blockLength(k);
  const count = Math.ceil(rows / TILE_ROWS);
  const groupBytes = count * TILE_ROWS * k * bytes;
  const to = plan.room(groups * groupBytes);
  const panels: WeightPanels = {
    groupBytes,
    longest,
    at: (group, i, at, length) => to + group * groupBytes + (count * TILE_ROWS * at + i * length) * bytes,
    eachBlock: (visit) => {
      for (let at = 0; at < k; at += longest) visit(at, Math.min(longest, k - at));
    },
  };
  const xs = plan.place(steps(rows, rowStep * bytes), TILE_ROWS);
  const taps = part.taps.map((list, d) => list.map((k) => k * weight.strides[d + 2] * bytes));
  const ks = plan.place(sums([steps(channels, channelStep * bytes), ...taps]));
  const pack = convKernels(gemm).pack(rowStep === 1 ? 'across' : 'along', TILE_ROWS);
  plan.deal(null, 4 * groups * rows * k, groups, (run, first, end) => {
    for (let g = first; g < end; g++) {
      const base = weight.at + g * groupStep * bytes;
      panels.eachBlock((at, length) => run(pack, base, xs, ks + 4 * at, panels.at(g, 0, at, length), length, count));
    }
  });
  return panels;
}
