/**
 * Transposed convolutions the other way round, by the system's BLAS: the weights of all taps are multiplied with the
 * source where it lies, and what each tap gives is added up where it belongs. So nothing is multiplied with zeros, and
 * lattices share one product.
 */
import { clearing } from '../clear.ts';
import { kernelsFor } from '../gemm-select.ts';
import { shareOf, tasksAmong } from '../threads/share.ts';
import { type Manner, type Mover, mover } from './move.ts';
import { matrixOf, nativeFor, roomsOf } from './native.ts';
import type { Part, Task } from './products.ts';
import { product, steps, sums } from './tables.ts';

/** Bytes of products that wait to be added up, at most. */
const MOST_BYTES = 1 << 19;
/** Places of an image from which on it pays: small ones go together else. Without lattices there must be more. */
const FEWEST_PLACES = 48;
const FEWEST_ALONE = 100;
/** Places of the result for one of the source, times channels of the source for one of the result, from which on it pays without lattices. */
const SPARES = 1.5;

/** Strides of rows of such sizes without gaps. */
const within = (sizes: readonly number[]): number[] => sizes.map((_, d) => product(sizes.slice(d + 1)));

/** Plans such a convolution if it is one, and quicker so. */
export function scattered(task: Task, parts: readonly Part[]): boolean {
  const { plan, op, out, source, weight, groups, before, accumulate, rowStep, channelStep, groupStep } = task;
  const gemm = kernelsFor(op, out.dtype);
  const { bytes } = gemm;
  const [images, outputs, ...size] = out.shape as [number, number, ...number[]];
  const [rows, channels] = [outputs / groups, source.shape[1] / groups];
  const sizes = source.shape.slice(2);
  const taps = weight.shape.slice(2);
  const [count, places] = [product(taps), product(sizes)];
  const lattices = parts[0].step.some((n) => n > 1);
  const fits =
    op === 'convTranspose' &&
    count > 1 &&
    rows <= channels &&
    rows * count * places * bytes <= MOST_BYTES &&
    places >= (lattices ? FEWEST_PLACES : FEWEST_ALONE) &&
    (lattices || channels * product(size) >= SPARES * rows * places);
  const native = fits ? nativeFor(plan, out.dtype, rows * count, channels, places, images * groups) : null;
  if (!native?.wide) return false;

  const inside = taps.map((n, d) => steps(n, weight.strides[d + 2] * bytes));
  const weights = matrixOf(
    plan,
    gemm,
    sums([steps(rows, rowStep * bytes), ...inside]),
    Int32Array.from(steps(channels, channelStep * bytes)),
  );
  const operands = steps(groups, groupStep * bytes).map((step) =>
    weights.at(plan.call, weight.at + step, [0, channels], plan.room(weights.room(rows * count, channels))),
  );
  const [imageStep, sourceStep, ...spatial] = source.strides.map((s) => s * bytes) as [number, number, ...number[]];
  const sources = matrixOf(
    plan,
    gemm,
    Int32Array.from(steps(channels, sourceStep)),
    sums(sizes.map((n, d) => steps(n, spatial[d]))),
  );
  const from = within(sizes);
  const order = within(taps);
  // Lattices follow each other in room of the task, all as large as the largest.
  const largest = lattices ? from.map((_, d) => Math.max(...parts.map((part) => part.sizes[d]))) : size;
  const [to, plane] = [within(largest), product(largest)];
  const lattice = rows * plane * bytes;
  const moves: (readonly [move: Mover, to: number, from: number])[] = [];
  parts.forEach(({ sizes: own, columns, taps: lists, reach }, l) => {
    for (const code of steps(product(lists.map((list) => list.length)), 1)) {
      const at = within(lists.map((list) => list.length)).map((n, d) => Math.floor(code / n) % lists[d].length);
      // From places of the lattice to those of the source.
      const shift = at.map((t, d) => columns[d][0] + reach[d][t] - before[d]);
      const first = shift.map((n) => Math.max(0, -n));
      const shape = shift.map((n, d) => Math.max(0, Math.min(own[d], sizes[d] - n) - first[d]));
      const tap = at.reduce((sum, t, d) => sum + lists[d][t] * order[d], 0);
      moves.push([
        mover(plan, 'add', out.dtype, [rows, ...shape], [plane, ...to], [count * places, ...from]),
        l * lattice + first.reduce((sum, n, d) => sum + n * to[d], 0) * bytes,
        first.reduce((sum, n, d) => sum + (n + shift[d]) * from[d], tap * places) * bytes,
      ]);
    }
  });
  const last = sizes.length - 1;
  const isWoven = parts.length === product(parts[0].step) && parts[0].step[last] === 2;
  const deliveries: (readonly [move: Mover, to: number, ...from: number[]])[] = [];
  const takes: (readonly [move: Mover, to: number, from: number])[] = [];
  parts.forEach(({ sizes: own, start, step }, l) => {
    const apart = out.strides.slice(1).map((stride, d) => stride * (d === 0 ? 1 : step[d - 1]));
    const at = start.reduce((sum, n, d) => sum + n * out.strides[d + 2], 0) * bytes;
    const inRoom = [plane, ...to];
    const moverOf = (manner: Manner, width: number): Mover =>
      mover(plan, manner, out.dtype, [rows, ...own.with(last, width)], apart, inRoom);
    takes.push([mover(plan, 'put', out.dtype, [rows, ...own], inRoom, apart), l * lattice, at]);
    if (!isWoven) deliveries.push([moverOf('put', own[last]), at, l * lattice]);
    else if (start[last] === 0) {
      // Lattices that differ along lines follow each other; the one that begins lines has as many places as the other, or one more.
      const other = l ^ 1;
      const width = parts[other].sizes[last];
      deliveries.push(
        [moverOf('weave', width), at, l * lattice, other * lattice],
        [moverOf('put', own[last] - width), at + 2 * width * bytes, l * lattice + width * bytes],
      );
    }
  });
  const [rooms, ofLattices] = [roomsOf(plan), roomsOf(plan)];
  const work = rows * count * channels * places * images * groups;
  const tasks = native.shared ? tasksAmong(work, images * groups) : 1;
  plan.inTasks(tasks, native.shared ? work : 0, (t, run) => {
    const [start, end] = shareOf(t, tasks, images * groups);
    for (let unit = start; unit < end; unit++) {
      const [n, g] = [Math.floor(unit / groups), unit % groups];
      const size = rows * count * places * bytes;
      const all = rooms(t, size + sources.room(channels, places));
      const b = sources.at(run, source.at + n * imageStep + g * channels * sourceStep, [0, places], all + size);
      native.multiply(run, [rows * count, places, channels], operands[g], b, [all, places, false]);
      const result = out.at + (n * out.strides[0] + g * rows * out.strides[1]) * bytes;
      const sum = lattices ? ofLattices(t, parts.length * lattice) : result;
      if (!accumulate) run(clearing(parts.length * lattice), sum, parts.length * lattice);
      else if (lattices) for (const [move, to, from] of takes) move(run, sum + to, result + from);
      for (const [move, to, from] of moves) move(run, sum + to, all + from);
      if (!lattices) continue;
      for (const [move, to, ...from] of deliveries) {
        const [first, ...second] = from.map((at) => sum + at);
        move(run, result + to, first, ...second);
      }
    }
  });
  return true;
}
