import type { Reach } from '../backends/wasm/pool.ts';
import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, IndexError, ShapeError } from '../core/errors.ts';
import { checkList, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { Taps } from '../kernels/taps.ts';
import { vectorOf } from './create.ts';
import { add, div, mul, pow } from './elementwise.ts';
import { maxPool, unpool } from './max-pool.ts';
import { adaptiveSizes, adaptiveWindows, type PoolOptions, poolWindows, type Windows } from './pool-sizes.ts';
import { mean } from './reduce.ts';
import { resample } from './resample.ts';
import { reshape, squeeze, unsqueeze } from './view.ts';
import { type PerDim, perDim } from './windows.ts';

/*
 * Poolings over the last one, two or three dimensions. Those over one dimension are in PyTorch those over two of which the
 * first has size 1, and their nodes have the name of what takes it away.
 */

// ---- maxima --------------------------------------------------------------------------------------------------------

/** Values and places of the maxima in windows that lie over the last dimensions. */
function maxima(
  op: string,
  node: (dims: number) => string,
  x: TensorBase,
  reach: readonly Reach[],
): readonly [TensorBase, TensorBase] {
  return maxPool(op, reach.length === 1 ? 'SqueezeBackward1' : node(reach.length), x, reach);
}

/** The maxima of windows and where they are in the plane of each channel. */
export function maxPoolNd(
  op: string,
  dims: number,
  x: TensorBase,
  kernelSize: PerDim,
  options: PoolOptions = {},
): readonly [TensorBase, TensorBase] {
  checkTensors(op, x);
  const reach = poolWindows(op, dims, x.shape, kernelSize, options);
  return maxima(op, (n) => `MaxPool${n}DWithIndicesBackward0`, x, reach);
}

/** The maxima of as many windows as the result shall have places. */
export function adaptiveMaxPoolNd(
  op: string,
  dims: number,
  x: TensorBase,
  outputSize: number | null | readonly (number | null)[],
): readonly [TensorBase, TensorBase] {
  checkTensors(op, x);
  const sizes = adaptiveSizes(op, dims, x, outputSize);
  return maxima(op, (n) => `AdaptiveMaxPool${n}DBackward0`, x, adaptiveWindows(x.shape.slice(-dims), sizes));
}

export interface UnpoolOptions {
  readonly stride?: PerDim;
  readonly padding?: PerDim;
  /** The sizes of the result, with or without those of batch and channels, where several would do. */
  readonly outputSize?: Shape;
}

/** Zeros, with the elements of `x` where a max pooling of these windows found them. */
export function maxUnpoolNd(
  op: string,
  dims: number,
  x: TensorBase,
  indices: TensorBase,
  kernelSize: PerDim,
  options: UnpoolOptions = {},
): TensorBase {
  checkTensors(op, x, indices);
  const kernel = perDim(op, 'kernel_size (kernelSize)', kernelSize, dims);
  const stride = perDim(op, 'stride', options.stride ?? kernel, dims);
  const padding = perDim(op, 'padding', options.padding ?? 0, dims);
  if (indices.dtype !== 'int32')
    throw new DTypeError(`${op}: elements in indices should be type int32/int64 but got: ${indices.dtype}`);
  if (x.shape.length !== dims + 1 && x.shape.length !== dims + 2)
    throw new ShapeError(
      `${op}: Input to max_unpooling${dims}d should be a ${dims + 1}d or ${dims + 2}d Tensor, but got a tensor with ${x.shape.length} dimensions.`,
    );
  if (!sameShape(x.shape, indices.shape))
    throw new ShapeError(
      `${op}: Expected shape of indices to be same as that of the input tensor (${shapeText(x.shape)}) but got indices tensor with shape: ${shapeText(indices.shape)}. Shape of indices should match shape of input`,
    );
  if (dims === 3 && !stride.every((s) => s > 0))
    throw new ArgumentError(`${op}: strides should be greater than zero, but got stride: ${shapeText(stride)}`);
  const usual = x.shape.slice(-dims).map((n, d) => (n - 1) * stride[d] + kernel[d] - 2 * padding[d]);
  const size = options.outputSize === undefined ? usual : unpooledSize(op, options.outputSize, usual, stride);
  try {
    if (dims > 1) return unpool(x, indices, size, false);
    return squeeze(unpool(unsqueeze(x, -1), unsqueeze(indices, -1), [...size, 1], false), -1);
  } catch (error) {
    if (!(error instanceof IndexError)) throw error;
    throw new IndexError(
      `${op}: Found an invalid max index (output volumes are of size ${size.join('x')}): ${error.message}`,
    );
  }
}

function unpooledSize(op: string, given: Shape, usual: Shape, stride: Shape): Shape {
  checkList(op, 'outputSize', given);
  const dims = usual.length;
  const size = given.slice(given.length === dims + 2 ? 2 : 0);
  if (size.length !== dims)
    throw new ArgumentError(
      `${op}: output_size (outputSize) should be a sequence containing ${dims} or ${dims + 2} elements, but it has a length of '${given.length}'`,
    );
  size.forEach((n, d) => {
    const [least, most] = [usual[d] - stride[d], usual[d] + stride[d]];
    if (!(least < n && n < most))
      throw new ArgumentError(
        `${op}: invalid output_size "${shapeText(size)}" (dim ${d} must be between ${least} and ${most})`,
      );
  });
  return size;
}

// ---- means ---------------------------------------------------------------------------------------------------------

/** By what the sums of windows are divided: how many elements they have, with or without zeros at the sides, or a number. */
type Divisor = 'withZeros' | 'count' | number;

interface Weights {
  readonly by: Divisor;
  readonly taps: readonly Taps[];
}

/** The weights of windows, which are listed once for poolings that are often the same. */
const weights = new WeakMap<readonly Windows[], Weights>();

function tapsOf(windows: readonly Windows[], by: Divisor): readonly Taps[] {
  let known = weights.get(windows);
  if (known?.by !== by) {
    const divisors = windows.map((w) => (typeof by === 'number' ? [by] : w[by]));
    const alike = typeof by === 'number' || divisors.every((list) => list.every((n) => n === list[0]));
    // Sums over all dimensions are divided once, where all are alike.
    const all = typeof by === 'number' ? by : divisors.reduce((p, list) => p * (list[0] ?? 1), 1);
    const last = windows.length - 1;
    const taps = windows.map(({ size, start, count }, d) =>
      Taps.ofWindows(size, start, count, !alike ? divisors[d] : d === last ? all : 1),
    );
    known = { by, taps };
    weights.set(windows, known);
  }
  return known.taps;
}

/** The means of windows over the last dimensions. Those of whole numbers are rounded towards zero. */
function means(op: string, node: string, x: TensorBase, windows: readonly Windows[], by: Divisor): TensorBase {
  if (isFloat(x.dtype)) return resample(op, x, tapsOf(windows, by), node);
  const counts = windows.map((w) => (typeof by === 'number' ? [1] : w[by]));
  const numbers = counts
    .map((list, d) => reshape(vectorOf(list, x.dtype), [list.length, ...counts.slice(d + 1).map(() => 1)]))
    .reduce((a, b) => mul(a, b));
  return div(resample(op, x, tapsOf(windows, 1)), typeof by === 'number' ? by : numbers, 'trunc');
}

export interface AvgPoolOptions extends Omit<PoolOptions, 'dilation'> {
  /** Zeros at the sides count as elements; true by default. */
  readonly countIncludePad?: boolean;
  /** Divides every sum instead of the number of its elements. */
  readonly divisorOverride?: number | null;
}

/** The means of windows. */
export function avgPoolNd(
  op: string,
  dims: number,
  x: TensorBase,
  kernelSize: PerDim,
  options: AvgPoolOptions = {},
): TensorBase {
  checkTensors(op, x);
  const { countIncludePad = true, divisorOverride = null } = options;
  const windows = poolWindows(op, dims, x.shape, kernelSize, options);
  if (divisorOverride === 0) throw new ArgumentError(`${op}: divisor must be not zero`);
  const by = divisorOverride ?? (countIncludePad ? 'withZeros' : 'count');
  return means(op, dims === 1 ? 'SqueezeBackward1' : `AvgPool${dims}DBackward0`, x, windows, by);
}

/** The means of as many windows as the result shall have places. */
export function adaptiveAvgPoolNd(
  op: string,
  dims: number,
  x: TensorBase,
  outputSize: number | null | readonly (number | null)[],
): TensorBase {
  checkTensors(op, x);
  const sizes = adaptiveSizes(op, dims, x, outputSize);
  if (!isFloat(x.dtype))
    throw new DTypeError(`${op}: "${op}" not implemented for '${x.dtype}'; convert with .to('float32')`);
  const spatial = Array.from({ length: dims }, (_, d) => d - dims);
  if (dims > 1 && sizes.every((n) => n === 1)) return mean(x, spatial, true);
  const node = dims === 1 ? 'SqueezeBackward1' : `AdaptiveAvgPool${dims}DBackward0`;
  return means(op, node, x, adaptiveWindows(x.shape.slice(-dims), sizes), 'count');
}

/** x / (k + α · mean of x² over `size` neighbouring channels)^β; the mean counts zeros beside the channels. */
export function localResponseNorm(x: TensorBase, size: number, alpha: number, beta: number, k: number): TensorBase {
  checkTensors('localResponseNorm', x);
  if (x.shape.length < 3)
    throw new ShapeError(
      `localResponseNorm: Expected 3D or higher dimensionality input (got ${x.shape.length} dimensions)`,
    );
  if (!Number.isInteger(size) || size <= 0)
    throw new ArgumentError(`localResponseNorm: size must be a positive whole number, got ${size}`);
  if (x.count === 0) return x;
  const channels = x.shape[1];
  const places = Array.from({ length: channels }, (_, c) => c - Math.floor(size / 2));
  const start = places.map((p) => Math.max(0, p));
  const count = places.map((p, c) => Math.min(p + size, channels) - start[c]);
  const squares = resample('localResponseNorm', mul(x, x), [
    Taps.ofWindows(channels, start, count, size),
    ...x.shape.slice(2).map(() => null),
  ]);
  return div(x, pow(add(mul(squares, alpha), k), beta));
}
