/**
 * Convolutions with short sums, as of images with few channels, or of few rows, as depthwise ones: windows would be
 * packed for too little. Where places follow each other along the last dimension, tiles of the result read them as
 * they are, and begin with the bias.
 */
import type { GemmKernels } from '../gemm-kernels.ts';
import { kernelsFor } from '../gemm-select.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import type { Operand, Plan } from '../plan.ts';
import { OwnRooms } from '../threads/own.ts';
import { type Run, tasksAmong, tasksWanted } from '../threads/share.ts';
import { BAND_VECTORS } from './band-kernels.ts';
import { type Frame, frameOf, isFramed, placesIn } from './frame.ts';
import { convKernels } from './kernels.ts';
import { type Manner, mover } from './move.ts';
import { roomsOf } from './native.ts';
import { weightPanels } from './panels.ts';
import type { Part, Task } from './products.ts';
import { stripVectors } from './strip-kernels.ts';
import { areApart, perCount, product, steps } from './tables.ts';

/** Longest sums that are not worth packing for; and with fewer rows than so many, where packing gains less. */
export const LONGEST_SUMS = 72;
const FEW_ROWS = 24;
const LONGEST_OF_FEW = 512;
/** The same in lattices that are woven together. */
const LONGEST_WOVEN = 32;
/** Taps along the last dimension whose places are constants, at most. */
const MOST_TAPS = 8;
/** Bytes of results in lattices that wait to be put together. */
const LATTICE_BYTES = 1 << 17;
/** Bytes of images that are framed at a time. */
export const WAVE_BYTES = 1 << 20;

/** How taps along the last dimension lie: so many that follow each other, or go back, as in transposed convolutions. */
function tapsOf({ reach }: Part, phases: number): { readonly taps: number; readonly reversed: boolean } {
  const last = reach[reach.length - 1];
  const reversed = last[0] > last[last.length - 1];
  const together = phases === 1 && last.length <= MOST_TAPS && areApart(last, reversed ? -1 : 1);
  return together ? { taps: last.length, reversed } : { taps: 1, reversed: false };
}

/**
 * Whether a convolution has short sums or few rows, and places that lie side by side: in one part that is all of it, or
 * in lattices two places apart along the last dimension.
 */
export function suitsStrips({ out, source, groups, before, after, phases }: Task, parts: readonly Part[]): boolean {
  const d = out.shape.length - 3;
  const lanes = kernelsFor('conv', out.dtype).lanes.count;
  const channels = source.shape[1] / groups;
  const whole = parts.length === 1;
  const most = out.shape[1] / groups < FEW_ROWS ? LONGEST_OF_FEW : LONGEST_SUMS;
  const longest = whole ? most : LONGEST_WOVEN;
  return (
    product(out.shape) > 0 &&
    (isFramed(before, after) || phases > 1 || source.strides[d + 2] === 1) &&
    parts.every((part) => {
      const k = channels * product(part.taps.map((t) => t.length));
      return (
        product(part.sizes) * k > 0 &&
        k <= longest &&
        (whole || part.step[d] === 2) &&
        part.sizes[d] >= lanes &&
        areApart(part.columns[d], phases)
      );
    })
  );
}

/**
 * Vectors of places, from one end of a line to the other, `vectors` of them in a tile: the last one of a line lies over
 * what it must of the one before. Words for where each is in the source and in the result, whose lines are `pitch` places apart.
 */
function tilesOf(
  plan: Plan,
  columns: Int32Array,
  width: number,
  pitch: number,
  lanes: number,
  bytes: number,
  vectors: number,
) {
  const words: number[] = [];
  for (let line = 0; line * width < columns.length; line++) {
    for (let x = 0; x < width; x += lanes) {
      const at = Math.min(x, width - lanes);
      words.push(columns[line * width + at], (line * pitch + at) * bytes);
    }
  }
  while (words.length % (2 * vectors) !== 0) words.push(...words.slice(-2));
  return { table: plan.place(words), count: words.length / (2 * vectors) };
}

/** The weights of groups of one row for the taps of parts, one after the other. */
function loneWeights(
  gemm: GemmKernels,
  { plan, source, weight, groups, channelStep, groupStep }: Task,
  parts: readonly Part[],
): number {
  const channels = source.shape[1] / groups;
  const counts = parts.map(({ taps }) => channels * product(taps.map((list) => list.length)));
  const step = counts.reduce((sum, n) => sum + n, 0);
  const to = plan.room(groups * step * gemm.bytes);
  let behind = to;
  parts.forEach(({ taps }, i) => {
    const shape = [groups, channels, ...taps.map((list) => list.length)];
    const strides = [step, ...shape.slice(1).map((_, d) => product(shape.slice(d + 2)))];
    const tapSteps = taps.map((list, d) => (list.length > 1 ? list[1] - list[0] : 1) * weight.strides[d + 2]);
    const first = taps.reduce((sum, list, d) => sum + list[0] * weight.strides[d + 2], 0);
    const move = mover(plan, 'put', weight.dtype, shape, strides, [groupStep, channelStep, ...tapSteps]);
    move(plan.call, behind, weight.at + first * gemm.bytes);
    behind += counts[i] * gemm.bytes;
  });
  return to;
}

/** Most taps, and largest strides, of windows over a plane whose code has no loops: there are as many kernels as such windows. */
const MOST_IN_BANDS = 49;
const WIDEST_STRIDE = 2;
/** Fewest lines of a tile. */
const FEWEST_LINES = 4;

/** What the parts of a convolution have in common. */
interface Prepared {
  readonly gemm: GemmKernels;
  readonly task: Task;
  readonly frame: Frame;
  readonly starts: number;
}

/**
 * Plans rows of an image at `base`, whose results lie from `c` on, as part of a task: `height` from row `i` on of each
 * of so many groups, from this one on.
 */
type Strips = (
  run: Run,
  task: number,
  base: number,
  c: number,
  group: number,
  groups: number,
  i: number,
  height: number,
) => void;

/** By bands of lines, if it is of windows over a plane, with one channel on each side: a part, or two that alternate along lines. */
function bandsOf(
  { gemm, task, frame, starts }: Prepared,
  parts: readonly Part[],
  pitch: number,
  row: number,
): Strips | null {
  const { plan, out, source, groups, phases } = task;
  const { bytes, lanes } = gemm;
  const [part, other] = parts;
  const [height, width] = part.sizes;
  const stride = (part.columns[0][1] ?? 0) - part.columns[0][0];
  const lines = Math.ceil(height / Math.ceil((height * parts.length) / BAND_VECTORS));
  const fits =
    part.sizes.length === 2 &&
    out.shape[1] === groups &&
    source.shape[1] === groups &&
    lines * parts.length >= FEWEST_LINES &&
    stride <= WIDEST_STRIDE &&
    phases <= WIDEST_STRIDE &&
    (other === undefined ? part.taps[0].length > 1 : width === other.sizes[1]) &&
    parts.every(
      ({ taps, reach }) =>
        product(taps.map((list) => list.length)) <= MOST_IN_BANDS &&
        [1, -1].some((way) => reach.every((list) => areApart(list, way))),
    );
  if (!fits) return null;
  const corners = parts.map(({ columns, reach }) => reach.map((list, d) => columns[d][0] + Math.min(...list)));
  const left = Math.min(...corners.map((corner) => corner[1]));
  const words: number[] = [];
  for (let y = 0; y < height; y += lines) {
    const i = Math.min(y, height - lines);
    for (let x = 0; x < width; x += lanes.count) {
      const j = Math.min(x, width - lanes.count);
      const at = frame.offset(corners[0][0] + stride * i, 0) + frame.offset(left + phases * j, 1);
      words.push(at, (i * pitch + j * parts.length) * bytes);
    }
  }
  const [tiles, count] = [plan.place(words), words.length / 2];
  const isSorted = ({ reach }: Part): boolean => reach.every((list) => areApart(list, 1));
  const ordered = parts.map((p) => (isSorted(p) ? p : { ...p, taps: p.taps.map((list) => list.toReversed()) }));
  const weights = loneWeights(gemm, task, ordered);
  const down = part.taps[0].length;
  const across = parts.map(({ taps }, l) => [corners[l][1] - left, taps[1].length] as const);
  const kernel = convKernels(gemm).band({ down, across, stride: [stride, phases] }, lines);
  const phase = phases > 1 ? frame.offset(1, 1) : 0;
  const step = down * across.reduce((sum, [, taps]) => sum + taps, 0) * bytes;
  const { channel } = frame;
  return (run, _t, base, c, group, some) => {
    const [a, from, bias] = [weights + group * step, base + group * channel, starts + group * bytes];
    run(kernel, a, from, tiles, count, c, row, frame.spatial[0], phase, pitch * bytes, bias, 0, some, step, channel);
  };
}

/** A part with lines `pitch` places apart in rows of the result, of `row` bytes; results begin with what is at `starts`. */
function stripsOf({ gemm, task, frame, starts }: Prepared, part: Part, pitch: number, row: number): Strips {
  const bands = bandsOf({ gemm, task, frame, starts }, [part], pitch, row);
  if (bands !== null) return bands;
  const { bytes, lanes } = gemm;
  const { plan, out, source, groups } = task;
  const [rows, channels] = [out.shape[1] / groups, source.shape[1] / groups];
  const k = channels * product(part.taps.map((t) => t.length));
  const weights = rows > 1 ? weightPanels(gemm, task, part, true) : null;
  const lone = weights === null ? loneWeights(gemm, task, [part]) : 0;
  const groupBytes = weights?.groupBytes ?? k * bytes;
  const d = part.reach.length - 1;
  const columns = placesIn(frame, {}, part.columns);
  const tiles = new Map<number, ReturnType<typeof tilesOf>>();
  for (const some of new Set([Math.min(TILE_ROWS, rows), rows % TILE_ROWS || TILE_ROWS])) {
    tiles.set(some, tilesOf(plan, columns, part.sizes[d], pitch, lanes.count, bytes, stripVectors(some)));
  }
  const { taps, reversed } = tapsOf(part, task.phases);
  const reach = taps === 1 ? part.reach : part.reach.with(d, [Math.min(...part.reach[d])]);
  const tapLines = placesIn(frame, { channels }, reach);
  const lineTable = plan.place(tapLines);
  const strip = convKernels(gemm).strips(taps, reversed);
  return (run, _t, base, c, group, groups, i, height) => {
    const { table, count } = tiles.get(height)!;
    run(
      strip(height, rows === 1 ? 1 : TILE_ROWS),
      weights?.at(group, i, 0, k) ?? lone + group * groupBytes,
      base + group * channels * frame.channel,
      table,
      count,
      c,
      row,
      lineTable,
      tapLines.length,
      starts + (group * rows + i) * bytes,
      0,
      groups,
      groupBytes,
      channels * frame.channel,
    );
  };
}

/** Two lattices whose places alternate along lines: as one band, or made apart, in room of each task, and then put together. */
function woven(prepared: Prepared, first: Part, second: Part): Strips {
  const { plan, out } = prepared.task;
  const { bytes } = prepared.gemm;
  const { sizes, step } = first;
  const start = first.start.reduce((sum, n, d) => sum + n * out.strides[d + 2] * bytes, 0);
  const bands = bandsOf(prepared, [first, second], step[0] * out.strides[2], out.strides[1] * bytes);
  if (bands !== null) return (run, t, base, c, ...rest) => bands(run, t, base, c + start, ...rest);
  const lines = sizes.slice(0, -1);
  const pitch = sizes.at(-1) as number;
  const row = product(lines) * pitch * bytes;
  const [one, other] = [first, second].map((part) => stripsOf(prepared, part, pitch, row));
  const rooms = roomsOf(plan);
  const width = second.sizes.at(-1) as number;
  const to = out.strides.slice(1).map((stride, d) => stride * (d === 0 ? 1 : step[d - 1]));
  const from = [...sizes.map((_, d) => product(sizes.slice(d))), 1];
  const move = (manner: Manner, rows: number, width: number) =>
    mover(plan, manner, out.dtype, [rows, ...lines, width], to, from);
  const movesOf = perCount((rows) => [move('weave', rows, width), move('put', rows, pitch - width)]);
  return (run, t, base, c, group, groups, i, height) => {
    const count = groups * height;
    const room = rooms(t, 2 * count * row);
    const next = room + count * row;
    one(run, t, base, room, group, groups, i, height);
    other(run, t, base, next, group, groups, i, height);
    const [weave, end] = movesOf(count);
    weave(run, c + start, room, next);
    end(run, c + start + 2 * width * bytes, room + width * bytes);
  };
}

/** Bytes of images that a thread frames at a time, at most: it is in less that they cease to come in the order of memory. */
const LOT_BYTES = 1 << 21;

/** Groups that are framed at a time, by the thread that reads them then, and where. */
export interface Lots {
  readonly some: number;
  readonly rooms: OwnRooms | null;
}

/** The same for images of so many bytes and work of so many steps; null where there would be too few for all threads. */
export function lotsAmong(plan: Plan, groups: number, imageBytes: number, images: number, steps: number): Lots | null {
  const tasks = tasksAmong(steps, tasksWanted());
  if (tasks === 1) return { some: groups, rooms: null };
  const some = Math.ceil(groups / Math.ceil(Math.max(imageBytes / LOT_BYTES, tasks / images)));
  return images * Math.ceil(groups / some) < tasks ? null : { some, rooms: new OwnRooms(plan.room) };
}

/** A convolution that suits, and `bias` [channels] added to it. */
export function convolveStrips(task: Task, parts: readonly Part[], bias: Operand | null): void {
  const { plan, out, source, groups } = task;
  const gemm = kernelsFor(task.op, out.dtype);
  const { bytes } = gemm;
  const images = out.shape[0];
  const channels = source.shape[1] / groups;
  const imageBytes = product(source.shape.slice(1)) * bytes;
  const k = parts.reduce((sum, { sizes, taps }) => sum + product(sizes) * product(taps.map((t) => t.length)), 0);
  const of = out.shape[1] * channels * k;
  const lots = lotsAmong(plan, groups, imageBytes, images, of * images);
  const { some = groups, rooms = null } = lots ?? {};
  const wave = lots === null ? Math.min(images, Math.max(1, Math.floor(WAVE_BYTES / imageBytes))) : 1;
  const frame = frameOf(plan, source, task.before, task.after, wave, some * channels, task.phases, rooms);
  const rows = out.shape[1] / groups;
  const panels = Math.ceil(rows / TILE_ROWS);
  const starts = plan.room(Math.ceil(out.shape[1] / TILE_ROWS + 1) * TILE_ROWS * bytes);
  if (bias === null) plan.clear(starts, out.shape[1] * bytes);
  else mover(plan, 'put', out.dtype, [out.shape[1]], [1], bias.strides)(plan.call, starts, bias.at);
  const row = out.strides[1] * bytes;
  const prepared = { gemm, task, frame, starts };
  const last = task.before.length - 1;
  // Of two lattices that differ along lines only, one begins at the first place, the other at the second.
  const all =
    parts.length === 1
      ? parts.map((part) => stripsOf(prepared, part, part.sizes[last], row))
      : steps(parts.length / 2, 2).map((p) => {
          const odd = parts[p].start[last];
          return woven(prepared, parts[p + odd], parts[p + 1 - odd]);
        });
  const lattice = product(parts[0].sizes) * rows * bytes;
  const atOnce = parts.length === 1 ? groups : Math.ceil(LATTICE_BYTES / lattice);

  /** Panels `first` to `end` of some images, whose frame from group `g` on begins at `base`. */
  const rowsOf = (
    run: Run,
    t: number,
    base: number,
    n: number,
    g: number,
    some: number,
    first: number,
    end: number,
  ) => {
    for (let unit = first, together = 1; unit < end; unit += together) {
      const [image, group] = [Math.floor(unit / (some * panels)), Math.floor(unit / panels) % some];
      const i = (unit % panels) * TILE_ROWS;
      if (panels === 1) together = Math.min(end - unit, some - group, atOnce);
      const c = out.at + (n + image) * out.strides[0] * bytes + ((g + group) * rows + i) * row;
      const height = Math.min(TILE_ROWS, rows - i);
      const from = base + image * frame.image - g * channels * frame.channel;
      for (const strips of all) strips(run, t, from, c, g + group, together, i, height);
    }
  };

  if (lots === null) {
    for (let n = 0; n < images; n += wave) {
      const several = Math.min(wave, images - n);
      const base = frame.at(n, several, 0);
      plan.deal(null, of * several, several * groups * panels, (run, first, end, t) => {
        rowsOf(run, t, base, n, 0, groups, first, end);
      });
    }
    return;
  }
  const perImage = Math.ceil(groups / some);
  const work = (run: Run, first: number, end: number, t: number): void => {
    for (let lot = first; lot < end; lot++) {
      const [n, g] = [Math.floor(lot / perImage), (lot % perImage) * some];
      const count = Math.min(some, groups - g);
      rowsOf(run, t, frame.at(n, 1, g * channels, run), n, g, count, 0, count * panels);
    }
  };
  plan.deal(null, of * images, images * perImage, work, rooms);
}
