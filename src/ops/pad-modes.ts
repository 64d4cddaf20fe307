import { ArgumentError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { shapeText } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { clone } from './copy.ts';
import { integers } from './create.ts';
import { indexSelect } from './indexing.ts';
import { named } from './named.ts';
import { constantPad, type Pad } from './pad.ts';
import { storable } from './storable.ts';

/*
 * Padding by what the tensor holds: each padded dimension is picked anew from itself, so that gradients
 * of elements that appear several times are summed.
 */

export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

const NAMES: Readonly<Record<Exclude<PadMode, 'constant'>, (rank: number) => string>> = {
  reflect: (n) => `ReflectionPad${n}DBackward0`,
  replicate: (n) => `ReplicationPad${n}DBackward0`,
  circular: () => 'CopySlices',
};

type Place = (i: number, size: number, pad: Pad) => number;

/** Which element of a dimension of `size` elements stands `i` after its first. */
const PLACES: Readonly<Record<Exclude<PadMode, 'constant'>, Place>> = {
  reflect: (i, size) => (i < 0 ? -i : i < size ? i : 2 * (size - 1) - i),
  replicate: (i, size) => Math.min(Math.max(i, 0), size - 1),
  // What is cut off on one side does not come back on the other.
  circular: (i, size, [before, after]) => {
    const first = Math.max(0, -before);
    const round = size - first - Math.max(0, -after);
    return first + ((((i - first) % round) + round) % round);
  },
};

/** PyTorch's list of pads, last dimension first, as a pair for every dimension. */
function pairsOf(x: TensorBase, pad: readonly number[]): Pad[] {
  if (!Array.isArray(pad) || !pad.every(Number.isInteger))
    throw new ArgumentError('pad: expected the padding as an array of whole numbers such as [left, right]');
  if (pad.length % 2 !== 0)
    throw new ArgumentError(`pad: Padding length must be divisible by 2, got ${pad.length} numbers`);
  const rank = x.shape.length;
  if (pad.length > 2 * rank)
    throw new ArgumentError(
      `pad: Padding length should be less than or equal to two times the input dimension but got padding length ${pad.length} and input of dimension ${rank}. Length of pad should be no more than twice the number of dimensions of the input.`,
    );
  return x.shape.map((_, d) => {
    const k = 2 * (rank - 1 - d);
    return k < pad.length ? [pad[k], pad[k + 1]] : [0, 0];
  });
}

/** The last one, two or three dimensions of signals with channels, and perhaps with a batch. */
function checkRanks(x: TensorBase, padded: number): void {
  const rank = x.shape.length;
  if (padded >= 1 && padded <= 3 && (rank === padded + 1 || rank === padded + 2)) return;
  throw new NotImplementedError(
    `pad: Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: 2 numbers for a 2D or 3D input, 4 for 3D or 4D, 6 for 4D or 5D; got ${2 * padded} for shape ${shapeText(x.shape)}`,
  );
}

function checkExtent(x: TensorBase, d: number, [before, after]: Pad, mode: Exclude<PadMode, 'constant'>): void {
  const size = x.shape[d];
  const where = `padding (${before}, ${after}) at dimension ${d} of input ${shapeText(x.shape)}`;
  if (mode === 'reflect' && (before >= size || after >= size))
    throw new ShapeError(`pad: Padding size should be less than the corresponding input dimension, but got: ${where}`);
  if (mode === 'circular' && (before > size || after > size))
    throw new ShapeError(`pad: Padding value causes wrapping around more than once: ${where}`);
  if (size + before + after <= 0)
    throw new ShapeError(
      mode === 'circular'
        ? `pad: Negative padding value is resulting in an empty dimension: ${where}`
        : `pad: input (${size}) is too small: the padded dimension would have ${size + before + after} elements: ${where}`,
    );
}

/**
 * `x` padded at the end of its dimensions: `pad` has two numbers for the last dimension, then two for
 * the one before it, and so on. Negative ones cut off.
 */
export function pad(x: TensorBase, numbers: readonly number[], mode: PadMode = 'constant', value?: number): TensorBase {
  const pads = pairsOf(x, numbers);
  if (mode === 'constant') return constantPad(x, pads, storable('pad', value ?? 0, x.dtype));
  if (!Object.hasOwn(PLACES, mode))
    throw new NotImplementedError(
      `pad: Unrecognised padding mode ${String(mode)}; modes are constant, reflect, replicate and circular`,
    );
  if (value !== undefined && value !== 0)
    throw new ArgumentError(`pad: Padding mode "${mode}" doesn't take in value argument`);
  const padded = numbers.length / 2;
  checkRanks(x, padded);
  const empty = x.shape.slice(1).includes(0);
  if (empty && x.count === 0)
    throw new ShapeError(
      `pad: Expected ${padded + 1}D or ${padded + 2}D input tensor with possibly 0 batch size and other non-zero dimensions, got shape ${shapeText(x.shape)}`,
    );
  const y = pads.reduce((t, [before, after], d) => {
    if (before === 0 && after === 0) return t;
    checkExtent(x, d, pads[d], mode);
    const size = x.shape[d];
    const places = Int32Array.from({ length: size + before + after }, (_, i) =>
      PLACES[mode](i - before, size, pads[d]),
    );
    return indexSelect(t, d, integers(places));
  }, x);
  return named(y === x ? clone(x) : y, NAMES[mode](padded));
}
