import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { numel, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { blend } from './blend.ts';
import { toDType } from './copy.ts';
import { vectorOf } from './create.ts';
import { add, floor, ge, logicalAnd, lt, mul, round, sub, where } from './elementwise.ts';
import { stack } from './join.ts';
import { bmm } from './matmul.ts';
import { named } from './named.ts';
import { select } from './slices.ts';
import { fused } from './user-elementwise.ts';
import { expand, mT, reshape, unsqueeze } from './view.ts';

/*
 * Values of an image between its elements, at places that a grid names: a sum over the neighbours of
 * each place, of elements times weights (functions of the grid). Every derivative follows,
 * by image and by grid. Formulas are those of aten/src/ATen/native/GridSampler.h.
 */

export type GridMode = 'bilinear' | 'nearest' | 'bicubic';
export type GridPadding = 'zeros' | 'border' | 'reflection';

export interface GridSampleOptions {
  readonly mode?: GridMode;
  readonly paddingMode?: GridPadding;
  readonly alignCorners?: boolean | null;
}

// From −1 … 1 to the places of elements: −1 is the middle of the first one, or its outer edge.
const fromMiddles = fused('fromMiddles', (g, n) => g.add(1).div(2).mul(n.sub(1)), 2);
const fromEdges = fused('fromEdges', (g, n) => g.add(1).mul(n).sub(1).div(2), 2);

/** Places outside become the nearest ones inside, and do not move there. */
const clipped = fused('clipped', (x, last) => x.gt(0).where(x.lt(last).where(x, last), 0), 2);

/** Places outside are mirrored, at `low` and at a `span` from there, as often as it takes. */
const reflected = fused(
  'reflected',
  (x, low, span) => {
    const away = x.lt(low).where(low.sub(x), x.sub(low));
    const rest = away.fmod(span);
    return away.div(span).floor().fmod(2).eq(0).where(rest.add(low), span.sub(rest).add(low));
  },
  3,
);

/** Keys's cubic convolution, a = −3/4, at a distance below 1 and from 1 to 2. */
const near = fused('cubicNear', (t) => t.mul(1.25).sub(2.25).mul(t).mul(t).add(1), 1);
const far = fused('cubicFar', (t) => t.mul(-0.75).add(3.75).mul(t).sub(6).mul(t).add(3), 1);

/** Zero, for the sake of a place that nothing hangs on: its gradient is zero and not missing. */
const nothing = fused('nothing', (x) => x.gt(0).where(x.clamp(0, 1).floor().mul(0), 0), 1);

function padded(x: TensorBase, size: number, padding: GridPadding, align: boolean): TensorBase {
  if (padding === 'zeros') return x;
  if (padding === 'border' || (align && size === 1)) return clipped(x, size - 1);
  return clipped(align ? reflected(x, 0, size - 1) : reflected(x, -0.5, size), size - 1);
}

/** Neighbours of each place, [N, neighbours, places]: where they lie in a plane, and their weights. */
interface Neighbours {
  readonly index: TensorBase;
  readonly weight: TensorBase;
}

/** Below 0 whatever is added to it within a plane of no more elements, and three of them are an int32. */
const OUTSIDE = -7e8;

/** The neighbours along one dimension, whose elements lie `step` apart. */
function neighbours(g: TensorBase, size: number, step: number, options: Required<GridSampleOptions>): Neighbours {
  const { mode, paddingMode } = options;
  const align = options.alignCorners ?? false;
  const place = align ? fromMiddles(g, size) : fromEdges(g, size);
  const of = (places: readonly TensorBase[], weights: readonly TensorBase[]): Neighbours => {
    const at = stack(places, 1);
    const inside = logicalAnd(ge(at, 0), lt(at, size));
    return { index: where(inside, mul(toDType(at, 'int32'), step), OUTSIDE), weight: stack(weights, 1) };
  };
  if (mode === 'bicubic') {
    const first = floor(place);
    const t = sub(place, first);
    const [u, v] = [add(t, 1), sub(1, t)];
    const weights = [far(u), near(t), near(v), far(add(v, 1))];
    return of(
      weights.map((_, k) => padded(add(first, k - 1), size, paddingMode, align)),
      weights,
    );
  }
  const x = padded(place, size, paddingMode, align);
  if (mode === 'nearest') return of([round(x)], [add(nothing(x), 1)]);
  const first = floor(x);
  const second = add(first, 1);
  return of([first, second], [sub(second, x), sub(x, first)]);
}

/** All choices of one neighbour along each of two groups of dimensions. */
function both(a: Neighbours, b: Neighbours): Neighbours {
  const join = (f: (s: TensorBase, t: TensorBase) => TensorBase, s: TensorBase, t: TensorBase): TensorBase =>
    reshape(f(unsqueeze(s, 2), unsqueeze(t, 1)), [s.shape[0], s.shape[1] * t.shape[1], s.shape[2]]);
  return { index: join(add, a.index, b.index), weight: join(mul, a.weight, b.weight) };
}

/** y[n, c, p] = Σ x[n, c, i] w[i, p] over the neighbours i of the places grid[n, p] = (x, y, …), in −1 … 1. */
function sampled(x: TensorBase, grid: TensorBase, options: Required<GridSampleOptions>): TensorBase {
  const [images, channels, ...sizes] = x.shape;
  const places = grid.shape.slice(1, -1);
  const dims = sizes.length;
  const flat = reshape(grid, [images, numel(places), dims]);
  // The grid names the last dimension first.
  const { index, weight } = sizes
    .map((n, d) => neighbours(select(flat, 2, dims - 1 - d), n, numel(sizes.slice(d + 1)), options))
    .reduce(both);
  return reshape(blend(reshape(x, [images, channels, numel(sizes)]), index, weight), [images, channels, ...places]);
}

const MODES: readonly string[] = ['bilinear', 'nearest', 'bicubic'];
const PADDINGS: readonly string[] = ['zeros', 'border', 'reflection'];

function oneOf(what: string, value: string, list: readonly string[]): void {
  if (list.includes(value)) return;
  const [last] = list.slice(-1);
  const others = list.slice(0, -1).map((m) => `'${m}'`);
  throw new ArgumentError(
    `gridSample: nn.functional.grid_sample(): expected ${what} to be ${others.join(', ')} or '${last}', but got: '${value}'`,
  );
}

function checkShapes(x: Shape, grid: Shape): void {
  const both = `input with sizes ${shapeText(x)} and grid with sizes ${shapeText(grid)}`;
  if ((x.length !== 4 && x.length !== 5) || x.length !== grid.length) {
    throw new ShapeError(
      `gridSample: grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got ${both}`,
    );
  }
  if (x[0] !== grid[0])
    throw new ShapeError(
      `gridSample: grid_sampler(): expected grid and input to have same batch size, but got ${both}`,
    );
  const dims = x.length - 2;
  if (grid[dims + 1] !== dims)
    throw new ShapeError(
      `gridSample: grid_sampler(): expected grid to have size ${dims} in last dimension, but got grid with sizes ${shapeText(grid)}`,
    );
  const elements = numel(x.slice(2));
  if (elements > -OUTSIDE)
    throw new NotImplementedError(
      `gridSample: not implemented for images of more than ${-OUTSIDE} elements in a channel, got ${elements} in input with sizes ${shapeText(x)}: sample parts of it`,
    );
  const empty = x.findIndex((n, d) => d >= 2 && n === 0);
  if (empty >= 0)
    throw new ShapeError(
      `gridSample: grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ${shapeText(x)} with dimension ${empty} being empty`,
    );
}

/** `x` [N, C, d…] at the places of `grid` [N, p…, dims]: [N, C, p…]. */
export function gridSample(x: TensorBase, grid: TensorBase, options: GridSampleOptions = {}): TensorBase {
  checkTensors('gridSample', x, grid);
  const { mode = 'bilinear', paddingMode = 'zeros', alignCorners = null } = options;
  oneOf('mode', mode, MODES);
  oneOf('padding_mode', paddingMode, PADDINGS);
  if (x.dtype !== grid.dtype)
    throw new DTypeError(
      `gridSample: grid_sampler(): expected input and grid to have same dtype, but input has ${x.dtype} and grid has ${grid.dtype}`,
    );
  if (!isFloat(x.dtype))
    throw new DTypeError(`gridSample: not implemented for '${x.dtype}'; convert with .to('float32')`);
  checkShapes(x.shape, grid.shape);
  if (mode === 'bicubic' && x.shape.length === 5)
    throw new ArgumentError('gridSample: grid_sampler(): bicubic interpolation only supports 4D input');
  const y = sampled(x, grid, { mode, paddingMode, alignCorners });
  return named(y, `GridSampler${x.shape.length - 2}DBackward0`);
}

/**
 * The grid of `gridSample` for an affine map: the places `theta` [N, dims, dims + 1] times (x, y, …, 1)
 * for a result of `size` [N, C, d…].
 */
export function affineGrid(theta: TensorBase, size: Shape, alignCorners: boolean): TensorBase {
  checkTensors('affineGrid', theta);
  if (!isFloat(theta.dtype))
    throw new DTypeError(`affineGrid: Expected theta to have floating point type, but got ${theta.dtype}`);
  const dims = size.length - 2;
  if (dims !== 2 && dims !== 3) {
    throw new ShapeError(
      `affineGrid: affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size ${shapeText(size)}.`,
    );
  }
  const [images, , ...sizes] = size;
  if (!sameShape(theta.shape, [images, dims, dims + 1])) {
    throw new ShapeError(
      `affineGrid: Expected a batch of ${dims}D affine matrices of shape Nx${dims}x${dims + 1} for size ${shapeText(size)}. Got ${shapeText(theta.shape)}.`,
    );
  }
  if (size.some((n) => !Number.isInteger(n) || n <= 0))
    throw new ShapeError(`affineGrid: Expected non-zero, positive output size. Got ${shapeText(size)}`);
  // Coordinates of the last dimension come first, and a 1 last.
  const columns = sizes.map((n, d) => {
    const places = Array.from({ length: n }, (_, i) => {
      if (alignCorners) return n > 1 ? (2 * i) / (n - 1) - 1 : 0;
      return (2 * i + 1) / n - 1;
    });
    return expand(reshape(vectorOf(places, theta.dtype), [n, ...sizes.slice(d + 1).map(() => 1)]), sizes);
  });
  const base = stack([...columns.toReversed(), expand(vectorOf([1], theta.dtype), sizes)], -1);
  const rows = expand(reshape(base, [1, numel(sizes), dims + 1]), [images, numel(sizes), dims + 1]);
  return reshape(bmm(rows, mT(theta)), [images, ...sizes, dims]);
}
