import { checkBytes } from '../backends/wasm/heap.ts';
import { dtypeInfo, isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { numel, type Shape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import type { Taps } from '../kernels/taps.ts';
import { vectorOf } from './create.ts';
import { indexSelect } from './index-slices.ts';
import { adaptiveAvgPoolNd } from './pool.ts';
import { recentTaps, resample } from './resample.ts';
import { cubicTaps, linearTaps, nearestTaps, type Resize, smoothTaps } from './resize-taps.ts';

export type InterpolateMode = 'nearest' | 'nearest-exact' | 'linear' | 'bilinear' | 'bicubic' | 'trilinear' | 'area';

export interface InterpolateOptions {
  /** Sizes of the result. */
  readonly size?: number | Shape | null;
  /** By how much sizes are multiplied. */
  readonly scaleFactor?: number | readonly number[] | null;
  readonly mode?: InterpolateMode;
  readonly alignCorners?: boolean | null;
  readonly recomputeScaleFactor?: boolean | null;
  readonly antialias?: boolean;
}

/** The numbers of spatial dimensions a mode is for, and its node. */
const MODES: Readonly<Record<InterpolateMode, readonly [dims: readonly number[], node: string]>> = {
  nearest: [[1, 2, 3], 'Nearest'],
  'nearest-exact': [[1, 2, 3], 'NearestExact'],
  area: [[1, 2, 3], ''],
  linear: [[1], 'Linear'],
  bilinear: [[2], 'Bilinear'],
  bicubic: [[2], 'Bicubic'],
  trilinear: [[3], 'Trilinear'],
};

const corners = 'linear | bilinear | bicubic | trilinear';
const allModes = 'nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact';

function checkMode(op: string, x: TensorBase, mode: InterpolateMode, options: InterpolateOptions): void {
  const dims = x.shape.length - 2;
  if (!Object.hasOwn(MODES, mode) || dims < 1 || dims > 3) {
    throw new ShapeError(
      `${op}: Input Error: Only 3D, 4D and 5D input Tensors supported (got ${x.shape.length}D) for the modes: ${allModes} (got ${mode})`,
    );
  }
  const [fit] = MODES[mode];
  if (!fit.includes(dims))
    throw new ShapeError(
      `${op}: Got ${dims + 2}D input, but ${mode} mode needs ${fit.map((d) => d + 2).join(' or ')}D input`,
    );
  const { alignCorners = null, antialias = false } = options;
  if (alignCorners !== null && !corners.includes(mode)) {
    throw new ArgumentError(
      `${op}: align_corners (alignCorners) option can only be set with the interpolating modes: ${corners}`,
    );
  }
  if (antialias && mode !== 'bilinear' && mode !== 'bicubic')
    throw new ArgumentError(`${op}: Anti-alias option is only supported for bilinear and bicubic modes`);
  if (!isFloat(x.dtype) && !mode.startsWith('nearest'))
    throw new DTypeError(`${op}: not implemented for '${x.dtype}'; convert with .to('float32')`);
}

/** A number for each spatial dimension. */
function each(op: string, what: string, value: number | readonly number[], x: TensorBase): readonly number[] {
  const spatial = x.shape.slice(2);
  if (typeof value === 'number') return spatial.map(() => value);
  if (Array.isArray(value) && value.length === spatial.length) return value;
  throw new ShapeError(
    `${op}: Input and ${what} must have the same number of spatial dimensions, but got input with spatial dimensions of ${shapeText(spatial)} and ${what} of ${Array.isArray(value) ? shapeText(value) : String(value)}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and ${what} in ${what === 'output size' ? '(o1, o2, ...,oK)' : '(s1, s2, ...,sK)'} format.`,
  );
}

/** Sizes of the result, and factors where these count. */
function target(op: string, x: TensorBase, options: InterpolateOptions, mode: InterpolateMode) {
  const { size = null, scaleFactor = null } = options;
  if (size !== null && scaleFactor !== null)
    throw new ArgumentError(`${op}: only one of size or scale_factor (scaleFactor) should be defined`);
  const recompute = options.recomputeScaleFactor ?? false;
  if (size !== null) {
    if (recompute)
      throw new ArgumentError(
        `${op}: recompute_scale_factor (recomputeScaleFactor) is not meaningful with an explicit size.`,
      );
    return { sizes: each(op, 'output size', size, x), factors: null };
  }
  if (scaleFactor === null)
    throw new ArgumentError(`${op}: either size or scale_factor (scaleFactor) should be defined`);
  const factors = each(op, 'scale_factor', scaleFactor, x);
  const sizes = x.shape.slice(2).map((n, d) => Math.floor(n * factors[d]));
  return { sizes, factors: recompute || mode === 'area' ? null : factors };
}

function tapsOf(mode: InterpolateMode, resize: Resize, antialias: boolean): Taps {
  switch (mode) {
    case 'nearest':
    case 'nearest-exact':
      return nearestTaps(resize, mode === 'nearest-exact');
    case 'bicubic':
      return antialias ? smoothTaps(resize, 'cubic') : cubicTaps(resize);
    default:
      return antialias ? smoothTaps(resize, 'linear') : linearTaps(resize);
  }
}

/** Resizes the spatial dimensions of `x` [N, C, d…]; `op` is the function's name in messages. */
export function interpolate(op: string, x: TensorBase, options: InterpolateOptions): TensorBase {
  checkTensors(op, x);
  const mode = options.mode ?? 'nearest';
  checkMode(op, x, mode, options);
  const { sizes, factors } = target(op, x, options, mode);
  const dims = sizes.length;
  const spatial = x.shape.slice(2);
  if ([...spatial, ...sizes].some((n) => !Number.isInteger(n) || n <= 0)) {
    throw new ShapeError(
      `${op}: Input and output sizes should be greater than 0, but got input (${spatial.join(', ')}) output (${sizes.join(', ')})`,
    );
  }
  checkBytes(numel(sizes) * dtypeInfo(x.dtype).bytes, op);
  if (x.shape[1] === 0)
    throw new ShapeError(
      `${op}: Non-empty ${dims + 2}D data tensor expected but got a tensor with sizes ${shapeText(x.shape)}`,
    );
  if (mode === 'area') return adaptiveAvgPoolNd(op, dims, x, sizes);
  const { alignCorners = null, antialias = false } = options;
  const round = x.dtype === 'float64' ? (n: number): number => n : Math.fround;
  const taps = spatial.map((from, d) => {
    const factor = factors === null ? null : factors[d];
    const key = [mode, x.dtype, from, sizes[d], factor, alignCorners, antialias].join();
    return recentTaps(key, () =>
      tapsOf(mode, { from, to: sizes[d], factor, alignCorners: alignCorners ?? false, round }, antialias),
    );
  });
  // Whole numbers have no weights, and need none.
  if (!isFloat(x.dtype)) return taps.reduce((y, t, d) => indexSelect(y, d + 2, picked(t)), x);
  const node = `Upsample${MODES[mode][1]}${dims}D${antialias ? 'Aa' : ''}Backward1`;
  return resample(op, x, taps, node);
}

/** The only input of each output. */
function picked({ index }: Taps): TensorBase {
  return vectorOf(index, 'int32');
}
