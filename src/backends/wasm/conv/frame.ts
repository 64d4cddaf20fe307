/** Images as windows see them: with zeros around. */

import { dtypeInfo } from '../../../core/dtype.ts';
import type { Operand, Plan } from '../plan.ts';
import type { OwnRooms } from '../threads/own.ts';
import type { Run } from '../threads/share.ts';
import { type Manner, type Mover, mover } from './move.ts';
import { product, steps, sums } from './tables.ts';

/** All strides in bytes. */
export interface Frame {
  readonly image: number;
  readonly channel: number;
  readonly spatial: readonly number[];
  /** How far a coordinate along a spatial dimension is from zero. */
  offset(coordinate: number, dim: number): number;
  /**
   * The address of some images' channels, from a first one on, where the coordinates of the frame are zero;
   * good until the next call, or, where `by` is part of a task, for the rest of that.
   */
  at(image: number, images: number, channel: number, by?: Run): number;
}

/** Strides of images with zeros around, by image, channel and spatial dimensions, and where the inside begins; in elements. */
export function frameLayout(
  inner: readonly number[],
  before: readonly number[],
  after: readonly number[],
  channels: number,
): { readonly strides: readonly number[]; readonly inside: number } {
  const sizes = [channels, ...inner.map((n, d) => before[d] + n + after[d])];
  const strides = [1];
  for (const n of sizes.toReversed()) strides.unshift(n * strides[0]);
  return { strides, inside: before.reduce((sum, n, d) => sum + n * strides[d + 2], 0) };
}

/** How windows lie along each spatial dimension: stride s, zeros in front a, dilation d. */
export interface Spacing {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
}

/** How many zeros windows reach behind the last of so many elements, along each dimension. */
export const zerosAfter = (
  sizes: readonly number[],
  places: readonly number[],
  taps: readonly number[],
  { stride, padding, dilation }: Spacing,
): number[] =>
  places.map((n, d) => Math.max(0, (n - 1) * stride[d] + (taps[d] - 1) * dilation[d] + 1 - padding[d] - sizes[d]));

/** Whether there are any zeros around images. */
export const isFramed = (before: readonly number[], after: readonly number[]): boolean =>
  before.some((n) => n !== 0) || after.some((n) => n !== 0);

/** How many elements apart windows begin along the last dimension, if they have more than one there. */
export const phasesOf = (stride: readonly number[], taps: readonly number[]): number =>
  (taps[taps.length - 1] as number) > 1 ? (stride[stride.length - 1] as number) : 1;

/**
 * Images of `x` [N, C, d…] in a frame of `before` and `after` zeros along each spatial dimension. If
 * there are none the images are used where they are; else up to `images` images of `channels` channels are
 * copied at a time, into one frame whose borders stay zero. Lines in several `phases` have
 * elements that many apart first, then those behind each of these, and so on: what one tap of windows of such a
 * stride meets lies side by side. A frame for tasks lies in rooms of the threads' own.
 */
export function frameOf(
  plan: Plan,
  x: Operand,
  before: readonly number[],
  after: readonly number[],
  images: number,
  channels: number,
  phases = 1,
  own: OwnRooms | null = null,
): Frame {
  const { bytes } = dtypeInfo(x.dtype);
  const [imageStep, channelStep, ...spatialSteps] = x.strides.map((s) => s * bytes) as [number, number, ...number[]];
  const address = (image: number, channel: number): number => x.at + image * imageStep + channel * channelStep;
  if (!isFramed(before, after) && phases === 1) {
    return {
      image: imageStep,
      channel: channelStep,
      spatial: spatialSteps,
      offset: (coordinate, dim) => coordinate * spatialSteps[dim],
      at: (image, _images, channel) => address(image, channel),
    };
  }
  const inner = x.shape.slice(2);
  const last = inner.length - 1;
  const [zeros, size] = [before[last], inner[last]];
  /** Elements of a phase in a line. */
  const run = Math.ceil((zeros + size + after[last]) / phases);
  const behind = after.with(last, phases * run - zeros - size);
  const { strides, inside } = frameLayout(inner, before, behind, channels);
  const [frameImage, frameChannel, ...spatial] = strides.map((s) => s * bytes) as [number, number, ...number[]];
  const all = frameImage * images;
  const frame = own === null ? plan.room(all) : own.take(all, (shift) => plan.clear(frame + shift, all));
  if (own === null) plan.clear(frame, all);
  const inLine = (coordinate: number): number => (coordinate % phases) * run + Math.floor(coordinate / phases);
  /** The first element of each phase, and how many it has. */
  const firsts = steps(Math.min(phases, size), 1).map((i) => ({ i, count: Math.ceil((size - i) / phases) }));
  /** Whether both phases of a line can be made in one go. */
  const ravels = phases === 2 && size % 2 === 0 && size * bytes >= 32 && spatialSteps[last] === bytes;
  const apart = x.strides.with(-1, x.strides[last + 2] * phases);
  return {
    image: frameImage,
    channel: frameChannel,
    spatial,
    offset: (coordinate, dim) => (dim === last ? inLine(coordinate) * bytes : coordinate * spatial[dim]),
    at: (image, count, channel, by) => {
      const some = Math.min(channels, x.shape[1] - channel);
      plan.deal(by ?? null, 4 * count * some * product(inner), some, (run, from, to) => {
        const lines = firsts.map(({ i }) => {
          return frame + (inside - zeros + inLine(zeros + i)) * bytes + from * frameChannel;
        });
        const start = address(image, channel + from);
        const moverOf = (manner: Manner, length: number): Mover =>
          mover(plan, manner, x.dtype, [count, to - from, ...inner.with(last, length)], strides, apart);
        if (ravels) moverOf('ravel', size / 2)(run, lines[0], start, lines[1]);
        else {
          for (const { i, count: length } of firsts) {
            moverOf('put', length)(run, lines[i], start + i * spatialSteps[last]);
          }
        }
      });
      return frame;
    },
  };
}

/** Offsets of places in a frame, a list of coordinates for each spatial dimension, of several images or channels. */
export function placesIn(
  frame: Frame,
  lead: { readonly images?: number; readonly channels?: number },
  coordinates: readonly (readonly number[])[],
): Int32Array {
  const { images = 1, channels = 1 } = lead;
  return sums([
    steps(images, frame.image),
    steps(channels, frame.channel),
    ...coordinates.map((list, d) => list.map((i) => frame.offset(i, d))),
  ]);
}
