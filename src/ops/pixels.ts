import { ArgumentError, ShapeError } from '../core/errors.ts';
import { shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { clone } from './copy.ts';
import { named } from './named.ts';
import { permute, reshape } from './view.ts';

/* Channels turned into finer images, and back: nothing but an order of elements. */

function checkImages(op: string, words: string, x: TensorBase, factor: number): void {
  checkTensors(op, x);
  if (x.shape.length < 3)
    throw new ShapeError(
      `${op}: ${words} expects input to have at least 3 dimensions, but got input with ${x.shape.length} dimension(s): shape ${shapeText(x.shape)}`,
    );
  const name = op === 'pixelShuffle' ? 'upscale_factor' : 'downscale_factor';
  if (!Number.isInteger(factor) || factor <= 0)
    throw new ArgumentError(`${op}: ${words} expects a positive ${name}, but got ${String(factor)}`);
}

/** The elements of a view of `x` in such a shape, always in memory of their own. */
function inOrder(x: TensorBase, view: TensorBase, shape: readonly number[]): TensorBase {
  const y = reshape(view, shape);
  return y.storage === x.storage ? clone(y) : y;
}

/** [… C r², H, W] → [… C, H r, W r] */
export function pixelShuffle(x: TensorBase, r: number): TensorBase {
  checkImages('pixelShuffle', 'pixel_shuffle', x, r);
  const lead = x.shape.slice(0, -3);
  const [c, h, w] = x.shape.slice(-3);
  if (c % (r * r) !== 0)
    throw new ShapeError(
      `pixelShuffle: pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=${c} is not divisible by ${r * r}`,
    );
  const n = lead.length;
  const order = [...lead.keys(), n, n + 3, n + 1, n + 4, n + 2];
  const fine = permute(reshape(x, [...lead, c / (r * r), r, r, h, w]), order);
  return named(inOrder(x, fine, [...lead, c / (r * r), h * r, w * r]), 'PixelShuffleBackward0');
}

/** [… C, H r, W r] → [… C r², H, W] */
export function pixelUnshuffle(x: TensorBase, r: number): TensorBase {
  checkImages('pixelUnshuffle', 'pixel_unshuffle', x, r);
  const lead = x.shape.slice(0, -3);
  const [c, h, w] = x.shape.slice(-3);
  for (const [name, size, at] of [
    ['height', h, -2],
    ['width', w, -1],
  ] as const)
    if (size % r !== 0)
      throw new ShapeError(
        `pixelUnshuffle: pixel_unshuffle expects ${name} to be divisible by downscale_factor, but input.size(${at})=${size} is not divisible by ${r}`,
      );
  const n = lead.length;
  const order = [...lead.keys(), n, n + 2, n + 4, n + 1, n + 3];
  const coarse = permute(reshape(x, [...lead, c, h / r, r, w / r, r]), order);
  return named(inOrder(x, coarse, [...lead, c * r * r, h / r, w / r]), 'PixelUnshuffleBackward0');
}
