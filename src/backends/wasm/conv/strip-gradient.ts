/**
 * Gradients of convolutions with short sums by their weights, without packing: products of lines of the result
 * with lines of the images, as many at a time as fit in registers.
 */
import { kernelsFor } from '../gemm-select.ts';
import { LINE } from '../room.ts';
import type { Run } from '../threads/share.ts';
import { frameOf, isFramed, phasesOf, placesIn } from './frame.ts';
import { convKernels } from './kernels.ts';
import { gradientLines, gradientRows, TAPS_TOGETHER } from './strip-kernels.ts';
import { LONGEST_SUMS, lotsAmong, WAVE_BYTES } from './strips.ts';
import { perCount, product, steps, sums } from './tables.ts';
import { FEW_ROWS, PARTS, type WeightTask } from './weights.ts';

/** Places that are summed before the sums are added to others, at least. */
const SUMMED_TOGETHER = 2048;

/** Bytes of an image's channel and its cotangent that are read again and again, with those of other groups beside it. */
const GROUP_BYTES = 1 << 14;

/** Whether there are few columns, and places and taps follow each other along the last dimension, or places of few rows do. */
export function gradientSuitsStrips({ out, x, y, groups, before, after, stride, dilation }: WeightTask): boolean {
  const d = stride.length - 1;
  const columns = product(out.shape.slice(1));
  const taps = out.shape[d + 2];
  const few = out.shape[0] / groups < FEW_ROWS;
  return (
    (taps > 1 || (few && stride[d] === 1)) &&
    columns > 0 &&
    columns <= LONGEST_SUMS &&
    (stride[d] === 1 || few) &&
    dilation[d] === 1 &&
    y.shape[d + 2] >= kernelsFor('conv', out.dtype).lanes.count &&
    product(y.shape) > 0 &&
    y.strides[d + 2] === 1 &&
    (isFramed(before, after) || stride[d] > 1 || x.strides[d + 2] === 1)
  );
}

/** Taps side by side in some lines of the windows: where these are in a frame and in the gradient. */
interface Block {
  readonly taps: number;
  readonly lines: number;
  readonly reach: number;
}

/** Such a gradient. */
export function gradientByStrips({ plan, out, x, y, groups, before, after, stride, dilation }: WeightTask): void {
  const gemm = kernelsFor('conv', out.dtype);
  const { bytes, lanes } = gemm;
  const kernels = convKernels(gemm);
  const images = y.shape[0];
  const [outputs, channels, ...taps] = out.shape as [number, number, ...number[]];
  const rows = outputs / groups;
  const count = channels * product(taps);
  const sizes = y.shape.slice(2);
  const d = sizes.length - 1;
  const places = product(sizes);
  const together = Math.min(images, Math.ceil(SUMMED_TOGETHER / places));
  const imageBytes = product(x.shape.slice(1)) * bytes;
  const lots = Math.ceil(images / together);
  const parts = Math.min(PARTS, lots);
  const of = outputs * count * places;
  const apart = lotsAmong(plan, groups, imageBytes * together, parts, of * images);
  const { some: framed = groups, rooms = null } = apart ?? {};
  const most = apart === null ? Math.max(1, Math.floor(WAVE_BYTES / (imageBytes * together))) : 1;
  const wave = Math.min(images, together * most);
  const frame = frameOf(plan, x, before, after, wave, framed * channels, phasesOf(stride, taps), rooms);
  const [imageStep, rowStep, ...spatial] = y.strides.map((s) => s * bytes) as [number, number, ...number[]];

  // Where lines of places begin: in y, and in the frame.
  const first = (list: readonly number[], dim: number): readonly number[] => (dim === d ? [0] : list);
  const linesOfY = sums([steps(together, imageStep), ...sizes.map((n, dim) => first(steps(n, spatial[dim]), dim))]);
  const linesOfX = placesIn(
    frame,
    { images: together },
    sizes.map((n, dim) => first(steps(n, stride[dim]), dim)),
  );
  const lines = plan.place([...linesOfY].flatMap((at, i) => [at, linesOfX[i]]));
  const linesOfImage = linesOfY.length / together;
  /** Whether lines of images and of taps follow each other, and vectors of places are walked down them. */
  const isPlane = d === 1 && rows === 1 && channels === 1 && dilation[0] === 1 && stride[0] === 1;
  const ahead = spatial[0] === sizes[d] * bytes ? Math.floor((places * bytes) / LINE) : 0;
  const vectors = Math.floor(sizes[d] / lanes.count);
  const left = sizes[d] % lanes.count;
  const rest = left === 0 ? 0 : (left - lanes.count) * bytes;
  const mask = plan.place(steps(4, 0).fill(-1, 4 - (left * bytes) / 4));

  const tapLines = placesIn(
    frame,
    { channels },
    taps.map((n, dim) => first(steps(n, dilation[dim]), dim)),
  );
  // Taps a stride apart lie side by side.
  const [across, step] = [taps[d], stride[d]];
  const runs = steps(Math.min(step, across), 1).flatMap((phase) =>
    steps(Math.ceil((across - phase) / step / TAPS_TOGETHER), TAPS_TOGETHER * step, phase).map((tap) => ({
      tap,
      length: Math.min(TAPS_TOGETHER, Math.ceil((across - tap) / step)),
    })),
  );
  const blocksOf = perCount((rows) => {
    const most = gradientLines(rows);
    return runs.flatMap(({ tap, length }) =>
      steps(Math.ceil(tapLines.length / most), most).map((first): Block => {
        const some = tapLines.subarray(first, first + most);
        const words = [...some].flatMap((at, i) => [at + frame.offset(tap, d), ((first + i) * across + tap) * bytes]);
        return { taps: length, lines: some.length, reach: plan.place(words) };
      }),
    );
  });
  const height = gradientRows(runs[0].length);
  const bands = Math.ceil(rows / height);
  const atOnce = Math.ceil(GROUP_BYTES / (imageBytes / groups));
  const sumBytes = outputs * count * bytes;
  const sumsOf = Array.from({ length: parts }, (_, part) => (part === 0 ? out.at : plan.room(sumBytes)));

  /** Bands `from` to `end` of some groups from `g` on, of a lot of images whose frame begins at `base`; of the first lot of a part, sums begin. */
  const sumOf = (run: Run, base: number, lot: number, g: number, some: number, from: number, end: number): void => {
    const image = lot * together;
    const imagesOfLot = Math.min(together, images - image);
    const more = Number(lot >= parts);
    for (let unit = from, several = 1; unit < end; unit += several) {
      const group = Math.floor(unit / bands);
      const r = (unit % bands) * height;
      const row = (g + group) * rows + r;
      const tall = Math.min(height, rows - r);
      const blocks = blocksOf(tall);
      several = bands > 1 ? 1 : Math.min(end - unit, blocks.length === 1 ? some : atOnce);
      const atY = y.at + image * imageStep + row * rowStep;
      const atX = base + group * channels * frame.channel;
      const c = sumsOf[lot % parts] + row * count * bytes;
      for (const block of blocks) {
        const columns = isPlane && block.lines > 1 && sizes[0] >= block.lines;
        run(
          columns
            ? kernels.columnGradient(block.taps, block.lines)
            : kernels.stripGradient(block.taps, tall, block.lines),
          atY,
          columns ? spatial[0] : rowStep,
          atX,
          lines,
          columns ? imagesOfLot : imagesOfLot * linesOfImage,
          vectors,
          rest,
          mask,
          block.reach,
          c,
          count * bytes,
          step * bytes,
          more,
          several,
          rows * rowStep,
          channels * frame.channel,
          rows * count * bytes,
          ...(columns ? [frame.spatial[0], linesOfImage, ahead] : []),
        );
      }
    }
  };
  const perPart = Math.ceil(groups / framed);
  const dealt = (run: Run, from: number, end: number): void => {
    for (let unit = from; unit < end; unit++) {
      const g = (unit % perPart) * framed;
      const some = Math.min(framed, groups - g);
      for (let lot = Math.floor(unit / perPart); lot < lots; lot += parts) {
        const base = frame.at(lot * together, Math.min(together, images - lot * together), g * channels, run);
        sumOf(run, base, lot, g, some, 0, some * bands);
      }
    }
  };
  if (apart !== null) plan.deal(null, of * images, parts * perPart, dealt, rooms);
  else {
    for (let n = 0; n < images; n += wave) {
      const several = Math.min(wave, images - n);
      const base = frame.at(n, several, 0);
      plan.deal(null, of * several, parts * groups * bands, (run, from, end) => {
        for (let unit = from, some = 1; unit < end; unit += some) {
          const [part, first] = [Math.floor(unit / (groups * bands)), unit % (groups * bands)];
          some = Math.min(end - unit, groups * bands - first);
          // Lots are dealt out to parts in turn.
          const lot = n / together;
          for (let i = lot + ((part + parts - (lot % parts)) % parts); i * together < n + several; i += parts) {
            sumOf(run, base + (i * together - n) * frame.image, i, 0, groups, first, first + some);
          }
        }
      });
    }
  }
  for (const more of sumsOf.slice(1)) plan.call(gemm.add, more, out.at, outputs * count);
}
