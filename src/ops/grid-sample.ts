import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { checkList, numel, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type Operand, type TensorBase } from '../core/tensor.ts';
import type { Scalar } from '../kernels/scalar.ts';
import { blend } from './blend.ts';
import { contiguous, toDType } from './copy.ts';
import { evenly, vectorOf } from './create.ts';
import { add, lt, mul, where } from './elementwise.ts';
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

/** From −1 … 1 to the places of elements: −1 is the middle of the first one, or its outer edge. */
const placeOf = (g: Scalar, n: Scalar, align: boolean): Scalar =>
  align ? g.add(1).div(2).mul(n.sub(1)) : g.add(1).mul(n).sub(1).div(2);

/** Places outside become the nearest ones inside, and do not move there. */
const clipped = (x: Scalar, last: Scalar): Scalar => x.gt(0).where(x.lt(last).where(x, last), 0);

/** Places outside are mirrored, at `low` and at a `span` from there, as often as it takes. */
function reflected(x: Scalar, low: number, span: Scalar): Scalar {
  const away = x.lt(low).where(x.neg().add(low), x.sub(low));
  const rest = away.fmod(span);
  return away.div(span).floor().fmod(2).eq(0).where(rest.add(low), span.sub(rest).add(low));
}

/** Keys's cubic convolution, a = −3/4, at a distance below 1 and from 1 to 2. */
const near = (t: Scalar): Scalar => t.mul(1.25).sub(2.25).mul(t).mul(t).add(1);
const far = (t: Scalar): Scalar => t.mul(-0.75).add(3.75).mul(t).sub(6).mul(t).add(3);

/** Zero, for the sake of a place that nothing hangs on: its gradient is zero and not missing. */
const nothing = (x: Scalar): Scalar => x.gt(0).where(x.clamp(0, 1).floor().mul(0), 0);

/** Below 0 whatever is added to it within a plane of no more elements, and three of them are an int32. */
const OUTSIDE = -7e8;
/** Elements of a plane up to which a float32 tells where they lie. */
const TOLD = 2 ** 24;

/**
 * Functions of the number of a neighbour, coordinates and sizes along each dimension: its weight, and where it lies,
 * of elements so many places apart along each, or `OUTSIDE`.
 */
interface Rules {
  readonly at: (...xs: readonly Operand[]) => TensorBase;
  readonly weight: (...xs: readonly Operand[]) => TensorBase;
}

const rules = new Map<string, Rules>();
const NEIGHBOURS = { bilinear: 2, nearest: 1, bicubic: 4 } as const;

function rulesFor(mode: GridMode, paddings: readonly GridPadding[], align: boolean): Rules {
  const key = `${mode} ${paddings} ${align}`;
  const known = rules.get(key);
  if (known !== undefined) return known;
  const padded = (x: Scalar, n: Scalar, padding: GridPadding): Scalar => {
    if (padding === 'zeros') return x;
    const inside = padding === 'border' ? x : align ? reflected(x, 0, n.sub(1)) : reflected(x, -0.5, n);
    return clipped(inside, n.sub(1));
  };
  const at = (g: Scalar, k: Scalar, n: Scalar, padding: GridPadding): Scalar => {
    const place = placeOf(g, n, align);
    if (mode === 'bicubic') return padded(place.floor().add(k.sub(1)), n, padding);
    const x = padded(place, n, padding);
    return (mode === 'nearest' ? x.round() : x.floor()).add(k);
  };
  const weight = (g: Scalar, k: Scalar, n: Scalar, padding: GridPadding): Scalar => {
    const place = placeOf(g, n, align);
    if (mode === 'bicubic') {
      const ahead = place.sub(place.floor()).add(1).sub(k);
      // Not the absolute value, which has no second derivative at 0.
      const away = k.lt(2).where(ahead, ahead.neg());
      return k.eq(0).or(k.eq(3)).where(far(away), near(away));
    }
    const x = padded(place, n, padding);
    if (mode === 'nearest') return nothing(x).add(k).add(1);
    const first = x.floor();
    return k.eq(0).where(first.add(1).sub(x), x.sub(first));
  };
  const dims = paddings.length;
  const choices = NEIGHBOURS[mode];
  /** The results of one of the functions along each dimension, along which a neighbour has a digit of its number. */
  const each = (f: typeof at, [k, ...xs]: readonly Scalar[]): Scalar[] => {
    let rest = k;
    return paddings.map((padding, d) => {
      const unit = choices ** (dims - 1 - d);
      const digit = rest.div(unit).floor();
      rest = rest.sub(digit.mul(unit));
      return f(xs[d], digit, xs[dims + d], padding);
    });
  };
  const made: Rules = {
    at: fused(
      'neighbours',
      (...xs) => {
        const found = each(at, xs);
        const inside = found.map((place, d) => place.ge(0).and(place.lt(xs[1 + dims + d]))).reduce((a, b) => a.and(b));
        const sum = found.map((place, d) => place.mul(xs[1 + 2 * dims + d])).reduce((a, b) => a.add(b));
        return inside.where(sum, OUTSIDE);
      },
      1 + 3 * dims,
      // Of the dtype of the number.
      { kind: 'first', differentiable: false },
    ),
    weight: fused('weights', (...xs) => each(weight, xs).reduce((a, b) => a.mul(b)), 1 + 2 * dims),
  };
  rules.set(key, made);
  return made;
}

/** y[n, c, p] = Σ x[n, c, i] w[i, p] over the neighbours i of the places grid[n, p] = (x, y, …), in −1 … 1. */
function sampled(x: TensorBase, grid: TensorBase, options: Required<GridSampleOptions>): TensorBase {
  const [images, channels, ...sizes] = x.shape;
  const { mode, paddingMode } = options;
  const align = options.alignCorners ?? false;
  const dims = sizes.length;
  const elements = numel(sizes);
  const told = x.dtype === 'float64' || elements <= TOLD;
  const targets = reshape(grid, [images, 1, numel(grid.shape.slice(1, -1)), dims]);
  const k = unsqueeze(evenly(NEIGHBOURS[mode] ** dims, 0, 1, 'int32'), 1);
  const { at, weight } = rulesFor(
    mode,
    sizes.map((n) => (align && n === 1 && paddingMode === 'reflection' ? 'border' : paddingMode)),
    align,
  );
  // The grid names the last dimension first.
  const places = sizes.map((_, d) => select(targets, 3, dims - 1 - d));
  const steps = sizes.map((_, d) => numel(sizes.slice(d + 1)));
  const index = told
    ? at(k, ...places, ...sizes, ...steps)
    : steps
        .map((step, d) => {
          const unit = steps.map((_, e) => Number(e === d));
          const found = toDType(at(k, ...places, ...sizes, ...unit), 'float64');
          return where(lt(found, 0), OUTSIDE, mul(found, step));
        })
        .reduce(add);
  const weights = weight(k, ...places, ...sizes);
  const y = blend(reshape(x, [images, channels, elements]), toDType(index, 'int32'), weights);
  return reshape(y, [images, channels, ...grid.shape.slice(1, -1)]);
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
  checkList('affineGrid', 'a size', size);
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
  // In planes, which are copied and multiplied by rows; elements of three numbers are not.
  const base = stack([...columns.toReversed(), expand(vectorOf([1], theta.dtype), sizes)]);
  const planes = expand(reshape(base, [1, dims + 1, numel(sizes)]), [images, dims + 1, numel(sizes)]);
  return reshape(contiguous(mT(bmm(theta, planes))), [images, ...sizes, dims]);
}
