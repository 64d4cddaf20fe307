/**
 * Transposed convolutions the other way round, by the system's BLAS: the weights of all taps are multiplied with the
 * source where it lies, and what each tap gives is added up where it belongs. So nothing is multiplied with zeros, and
 * lattices share one product.
 */
import { contiguousStrides, isContiguous } from '../../../core/shape.ts';
import { clearing } from '../clear.ts';
import { kernelsFor } from '../gemm-select.ts';
import { type Mover, mover } from './move.ts';
import { nativeFor, roomsOf } from './native.ts';
import type { Part, Task } from './products.ts';
import { choicesOf, product } from './tables.ts';

/** Channels of the result, and bytes of products that wait to be added up, from which on it does not pay. */
const MOST_ROWS = 64;
const MOST_BYTES = 1 << 19;
/** Places of an image from which on it pays: small ones go together else. Without lattices there must be more. */
const FEWEST_PLACES = 48;
const FEWEST_ALONE = 100;
/** Places of the result for one of the source, times channels of the source for one of the result, from which on it pays without lattices. */
const SPARES = 1.5;

/** Moves, from and to so many bytes behind the first. */
type Moves = (readonly [move: Mover, to: number, ...from: number[]])[];

/** Plans such a convolution if it is one, and quicker so. */
export function scattered(task: Task, parts: readonly Part[]): boolean {
  const { plan, op, out, source, weight, groups, before, accumulate, channelStep, groupStep } = task;
  const { dtype, strides } = out;
  const { bytes } = kernelsFor(op, dtype);
  const [rows, channels] = [out.shape[1] / groups, source.shape[1] / groups];
  const [size, sizes, taps] = [out, source, weight].map(({ shape }) => shape.slice(2));
  const [count, places] = [product(taps), product(sizes)];
  const { step } = parts[0];
  const lattices = product(step) > 1;
  const units = out.shape[0] * groups;
  const room = rows * count * places * bytes;
  const fits =
    op === 'convTranspose' &&
    count > 1 &&
    rows < MOST_ROWS &&
    rows <= channels &&
    room <= MOST_BYTES &&
    places >= (lattices ? FEWEST_PLACES : FEWEST_ALONE) &&
    (lattices || channels * product(size) >= SPARES * rows * places) &&
    [source, weight].every((operand) => isContiguous(operand.shape, operand.strides));
  const native = fits ? nativeFor(plan, dtype, rows * count, channels, places, units) : null;
  if (!native?.wide) return false;

  // Lattices follow each other in room of the task, all as large as the largest.
  const largest = lattices ? sizes.map((_, d) => Math.max(...parts.map((part) => part.sizes[d]))) : size;
  const [from, order, to] = [sizes, taps, [rows, ...largest]].map(contiguousStrides);
  const lattice = rows * to[0] * bytes;
  const all = parts.length * lattice;
  const last = step.length - 1;
  const isWoven = parts.length === product(step) && step[last] === 2;
  const apart = strides.slice(1).map((stride, d) => stride * (d === 0 ? 1 : step[d - 1]));
  const [takes, adds, puts]: [Moves, Moves, Moves] = [[], [], []];
  parts.forEach(({ sizes: own, start, columns, taps: lists, reach }, l) => {
    /** What each tap adds along each dimension, to and from places that there are. */
    const spans = lists.map((list, d) =>
      list.map((k, t) => {
        const shift = columns[d][0] + reach[d][t] - before[d];
        const first = Math.max(0, -shift);
        const length = Math.max(0, Math.min(own[d], sizes[d] - shift) - first);
        return [length, first * to[d + 1], k * order[d] * places + (first + shift) * from[d]];
      }),
    );
    for (const choice of choicesOf(spans)) {
      const [a, b] = [1, 2].map((i) => choice.reduce((sum, span) => sum + span[i] * bytes, 0));
      const lengths = [rows, ...choice.map(([length]) => length)];
      adds.push([mover(plan, 'add', dtype, lengths, to, [count * places, ...from]), l * lattice + a, b]);
    }
    const at = start.reduce((sum, n, d) => sum + n * strides[d + 2] * bytes, 0);
    const put = (manner: 'put' | 'weave', width: number): Mover =>
      mover(plan, manner, dtype, [rows, ...own.with(last, width)], apart, to);
    takes.push([mover(plan, 'put', dtype, [rows, ...own], to, apart), l * lattice, at]);
    // Lattices that differ along lines follow each other; the one that begins lines has as many places as the other, or one more.
    const other = isWoven ? l ^ 1 : l;
    const width = isWoven ? parts[other].sizes[last] : 0;
    if (isWoven && start[last] > 0) return;
    puts.push(
      [put('weave', width), at, l * lattice, other * lattice],
      [put('put', own[last] - width), at + width * step[last] * bytes, l * lattice + width * bytes],
    );
  });
  const [rooms, ofLattices] = [roomsOf(plan), roomsOf(plan)];
  plan.deal(null, native.shared ? units * rows * count * channels * places : 0, units, (run, begin, end, t) => {
    const make = (moves: Moves, x: number, y: number): void => {
      for (const [move, to, from, ...second] of moves) move(run, x + to, y + from, ...second.map((at) => y + at));
    };
    for (let unit = begin; unit < end; unit++) {
      const c = rooms(t, room);
      const a = weight.at + (unit % groups) * groupStep * bytes;
      const b = source.at + unit * channels * places * bytes;
      const result = out.at + unit * rows * product(size) * bytes;
      const sum = lattices ? ofLattices(t, all) : result;
      native.multiply(
        run,
        [rows * count, places, channels],
        [a, channelStep, true],
        [b, places, false],
        [c, places, false],
      );
      if (!accumulate) run(clearing(all), sum, all);
      else if (lattices) make(takes, sum, result);
      make(adds, sum, c);
      if (lattices) make(puts, result, sum);
    }
  });
  return true;
}
