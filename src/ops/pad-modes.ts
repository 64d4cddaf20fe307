import { resample as resampleKernel } from '../backends/wasm/resample.ts';
import { apply1 } from '../core/apply.ts';
import { dtypeInfo } from '../core/dtype.ts';
import { ArgumentError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { numel, shapeText } from '../core/shape.ts';
import { alias, fresh, type TensorBase, tensorOver } from '../core/tensor.ts';
import { Taps } from '../kernels/taps.ts';
import { clone, contiguous, copyKernel } from './copy.ts';
import { named } from './named.ts';
import { constantPad, type Pad } from './pad.ts';
import { recentTaps, resample } from './resample.ts';
import { narrow } from './slices.ts';
import { storable } from './storable.ts';

/*
 * Padding by what the tensor holds: one dimension after the other copies its border from what is there by
 * then, so that gradients of elements that appear several times are summed.
 */

export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

const NAMES: Readonly<Record<Mode, (rank: number) => string>> = {
  reflect: (n) => `ReflectionPad${n}DBackward0`,
  replicate: (n) => `ReplicationPad${n}DBackward0`,
  circular: () => 'CopySlices',
};

/** What padding by elements does, all pads being zero or more. */
type Mode = Exclude<PadMode, 'constant'>;

/** Which element of a dimension of `size` elements stands `i` after its first. */
const PLACES: Readonly<Record<Mode, (i: number, size: number) => number>> = {
  reflect: (i, size) => (i < 0 ? -i : i < size ? i : 2 * (size - 1) - i),
  replicate: (i, size) => Math.min(Math.max(i, 0), size - 1),
  circular: (i, size) => ((i % size) + size) % size,
};

/** How places move on from one element of a border to the next. */
const STEPS: Readonly<Record<Mode, number>> = { reflect: -1, replicate: 0, circular: 1 };

interface BorderAttrs {
  readonly mode: Mode;
  readonly node: string;
  /** For every dimension. */
  readonly pads: readonly Pad[];
}

/** The elements of a dimension with those around it. */
function tapsOf(mode: Mode, size: number, [before, after]: Pad): Taps {
  return recentTaps(`${mode} ${size} ${before} ${after}`, () => {
    const places = Array.from({ length: before + size + after }, (_, i) => PLACES[mode](i - before, size));
    return Taps.ofWindows(
      size,
      places,
      places.map(() => 1),
    );
  });
}

/** Elements below which it takes longer to copy border by border than to look up every place. */
const FEW = 2 ** 13;

/** The same bits as whole numbers, which weights of 1 leave as they are. */
const bits = (x: TensorBase): TensorBase => tensorOver(x.storage, x.shape, x.strides, x.offset, 'int32');

// y = x with elements of its own around it        x̄ = the same places of ȳ, each with what was taken from it
const borderPadOp: Op<BorderAttrs> = defineOp({
  name: 'borderPad',
  cheap: true,
  node: ({ node }) => node,
  inputs: ['x'],
  forward: ([x], { mode, pads }) => {
    const grown = x.shape.map((n, d) => n + pads[d][0] + pads[d][1]);
    if (dtypeInfo(x.dtype).bytes === 4 && numel(grown) < FEW)
      return internally(() => {
        let y = contiguous(x);
        pads.forEach(([before, after], d) => {
          if (before + after === 0) return;
          const from = y;
          y = fresh(from.shape.with(d, grown[d]), x.dtype);
          resampleKernel('pad', bits(y), bits(from), d, tapsOf(mode, from.shape[d], pads[d]));
        });
        return y;
      });
    const y = fresh(grown, x.dtype);
    const copy = copyKernel(x.dtype, x.dtype);
    /** The part of y that is filled by now. */
    const shape = [...x.shape];
    let start = pads.reduce((at, [before], d) => at + before * y.strides[d], 0);
    copy.run([alias(y, shape, y.strides, start)], [x]);
    pads.forEach(([before, after], d) => {
      const [size, step] = [x.shape[d], y.strides[d]];
      const fill = (from: number, count: number): void => {
        const part = shape.with(d, count);
        const at = start + PLACES[mode](from, size) * step;
        const source = alias(y, part, y.strides.with(d, STEPS[mode] * step), at);
        copy.run([alias(y, part, y.strides, start + from * step)], [source]);
      };
      // No more at a time than there is to be copied.
      const most = (done: number, all: number): number => Math.min(size, all - done);
      for (let done = 0; done < before; done += size) fill(-done - most(done, before), most(done, before));
      for (let done = 0; done < after; done += size) fill(size + done, most(done, after));
      start -= before * step;
      shape[d] = y.shape[d];
    });
    return y;
  },
  vjp: {
    x: [
      [],
      (g, _, c) =>
        resample(
          'pad',
          g,
          c.attrs.pads.map((p, d) => (p[0] + p[1] === 0 ? null : tapsOf(c.attrs.mode, c.shape(0)[d], p).transposed)),
        ),
    ],
  },
  jvp: 'linear',
  vmap: ([x], _, attrs) => apply1(borderPadOp, [x], { ...attrs, pads: [[0, 0], ...attrs.pads] }),
});

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

function checkExtent(x: TensorBase, d: number, [before, after]: Pad, mode: Mode): void {
  const size = x.shape[d];
  const where = (): string => `padding (${before}, ${after}) at dimension ${d} of input ${shapeText(x.shape)}`;
  if (mode === 'reflect' && (before >= size || after >= size))
    throw new ShapeError(
      `pad: Padding size should be less than the corresponding input dimension, but got: ${where()}`,
    );
  if (mode === 'circular' && (before > size || after > size))
    throw new ShapeError(`pad: Padding value causes wrapping around more than once: ${where()}`);
  const left = mode === 'circular' ? size + Math.min(0, before) + Math.min(0, after) : size + before + after;
  if (left <= 0)
    throw new ShapeError(
      mode === 'circular'
        ? `pad: Negative padding value is resulting in an empty dimension: ${where()}`
        : `pad: input (${size}) is too small: the padded dimension would have ${left} elements: ${where()}`,
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
  pads.forEach((p, d) => {
    if (p[0] !== 0 || p[1] !== 0) checkExtent(x, d, p, mode);
  });
  // What is cut off on one side does not come back on the other where dimensions go round; elsewhere it can be seen.
  const first = mode === 'circular' ? cut(x, pads) : x;
  const added = pads.map(([before, after]): Pad => [Math.max(0, before), Math.max(0, after)]);
  const node = NAMES[mode](padded);
  const grown = added.some(([before, after]) => before + after > 0)
    ? apply1(borderPadOp, [first], { mode, node, pads: added })
    : first;
  const y = mode === 'circular' ? grown : cut(grown, pads);
  return y === grown && y !== first ? y : named(clone(y), node);
}

/** Without what negative pads cut off. */
function cut(x: TensorBase, pads: readonly Pad[]): TensorBase {
  return pads.reduce((t, [before, after], d) => {
    const [start, end] = [Math.max(0, -before), Math.max(0, -after)];
    return start === 0 && end === 0 ? t : narrow(t, d, start, t.shape[d] - start - end);
  }, x);
}
