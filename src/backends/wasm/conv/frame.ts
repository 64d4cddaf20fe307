/** Images as windows see them: with zeros around. */

import { dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { clear } from '../clear.ts';
import { scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { mover } from './move.ts';
import { steps, sums } from './tables.ts';

/** All strides in bytes. */
export interface Frame {
  readonly image: number;
  readonly channel: number;
  readonly spatial: readonly number[];
  /** The address of a group's channels of some images, where the coordinates of the frame are zero; good until the next call. */
  at(first: number, images: number, group: number): number;
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

/**
 * Images of `x` [N, C, d…] in a frame of `before` and `after` zeros along each spatial dimension. If
 * there are none the images are used where they are; else up to `images` images of a group's
 * `channels` are copied at a time, into one frame whose borders stay zero.
 */
export function frameOf(
  x: Strided,
  before: readonly number[],
  after: readonly number[],
  images: number,
  channels: number,
): Frame {
  const { bytes } = dtypeInfo(x.dtype);
  const start = startOf(x);
  const [imageStep, channelStep, ...spatialSteps] = x.strides.map((s) => s * bytes) as [number, number, ...number[]];
  const address = (first: number, group: number): number => start + first * imageStep + group * channels * channelStep;
  if (before.every((n) => n === 0) && after.every((n) => n === 0)) {
    return {
      image: imageStep,
      channel: channelStep,
      spatial: spatialSteps,
      at: (first, _images, group) => address(first, group),
    };
  }
  const inner = x.shape.slice(2);
  const { strides, inside } = frameLayout(inner, before, after, channels);
  const all = strides[0] * images * bytes;
  const frame = scratch(all);
  clear(frame, all);
  const moves = new Map<number, ReturnType<typeof mover>>();
  return {
    image: strides[0] * bytes,
    channel: strides[1] * bytes,
    spatial: strides.slice(2).map((s) => s * bytes),
    at: (first, count, group) => {
      let move = moves.get(count);
      if (move === undefined) {
        move = mover('put', x.dtype, [count, channels, ...inner], strides, x.strides);
        moves.set(count, move);
      }
      move(frame + inside * bytes, address(first, group));
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
    ...coordinates.map((list, d) => list.map((i) => i * frame.spatial[d])),
  ]);
}
