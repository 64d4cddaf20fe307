import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { clone, toFloat } from './copy.ts';
import { zeros } from './create.ts';
import { add, div, logicalXor, mul, sub } from './elementwise.ts';
import { cat } from './join.ts';
import { sumOver } from './reduce.ts';
import { cumsum } from './scans.ts';
import { narrow, select } from './slices.ts';
import { reshape } from './view.ts';

/* Differences of neighbours along a dimension, and integrals by the trapezoidal rule. */

/** Every element but the last, and every element but the first. */
function neighbours(x: TensorBase, dim: number): readonly [left: TensorBase, right: TensorBase] {
  const n = Math.max(0, x.shape[dim] - 1);
  return [narrow(x, dim, 0, n), narrow(x, dim, x.shape[dim] - n, n)];
}

/** The `n`-th difference x[k+1] − x[k] along `dim`, after joining `prepend` and `append`. Truth values differ by exclusive or. */
export function diff(
  x: TensorBase,
  n = 1,
  dim = -1,
  prepend: TensorBase | null = null,
  append: TensorBase | null = null,
): TensorBase {
  const d = wrapDim('diff', dim, x.shape.length);
  if (x.shape.length === 0)
    throw new ShapeError('diff: diff expects input to be at least one-dimensional; reshape the scalar to [1] first');
  for (const t of [prepend, append]) {
    if (t !== null && t.shape.length !== x.shape.length)
      throw new ShapeError(
        `diff: diff expects prepend or append to be the same dimension as input, got ${shapeText(t.shape)} for ${shapeText(x.shape)}`,
      );
    t?.shape.forEach((size, k) => {
      if (k !== d && size !== x.shape[k])
        throw new ShapeError(
          `diff: diff expects the shape of tensor to prepend or append to match that of input except along the differencing dimension; input.size(${k}) = ${x.shape[k]}, but got tensor.size(${k}) = ${size}`,
        );
    });
  }
  if (!Number.isInteger(n) || n < 0) throw new ArgumentError(`diff: order must be non-negative but got ${n}`);
  if (n === 0) return clone(x);
  const parts = [prepend, x, append].filter((t) => t !== null);
  let y = parts.length === 1 ? x : cat(parts, d);
  for (let k = 0; k < n && (k === 0 || y.shape[d] > 0); k++) {
    const [left, right] = neighbours(y, d);
    y = y.dtype === 'bool' ? logicalXor(right, left) : sub(right, left);
  }
  return y;
}

/** Places of samples in the shape they broadcast from: of a vector, along `dim` alone. */
function placesAlong(op: string, y: TensorBase, x: TensorBase, dim: number): TensorBase {
  checkTensors(op, x);
  if (y.dtype === 'bool' || x.dtype === 'bool')
    throw new DTypeError(`${op}: received a bool input for \`x\` or \`y\`, but bool is not supported`);
  if (x.shape.length !== 1)
    return x.shape.length < y.shape.length
      ? reshape(x, [...new Array<number>(y.shape.length - x.shape.length).fill(1), ...x.shape])
      : x;
  if (x.shape[0] !== y.shape[dim])
    throw new ShapeError(
      `${op}: There must be one \`x\` value for each sample point: got ${x.shape[0]} for the ${y.shape[dim]} along dimension ${dim} of ${shapeText(y.shape)}`,
    );
  return reshape(
    x,
    y.shape.map((_, d) => (d === dim ? x.shape[0] : 1)),
  );
}

/** Twice the areas between neighbouring samples of `y` at the places `x`. */
function doubledAreas(op: string, y: TensorBase, x: TensorBase, dim: number): TensorBase {
  const places = placesAlong(op, y, x, dim);
  const [from, to] = neighbours(places, places.shape.length - y.shape.length + dim);
  return mul(sub(to, from), sumOfNeighbours(y, dim));
}

function sumOfNeighbours(y: TensorBase, dim: number): TensorBase {
  const [left, right] = neighbours(y, dim);
  return add(left, right);
}

function samples(op: string, y: TensorBase): TensorBase {
  if (y.shape.length === 0)
    throw new ShapeError(`${op}: expected samples along a dimension, got a scalar; reshape it to [1] first`);
  if (y.dtype === 'bool')
    throw new DTypeError(`${op}: received a bool input for \`y\`, but bool is not supported; convert it first`);
  return toFloat(y);
}

/** ∫ y dx along `dim` by the trapezoidal rule, for samples at the places `x` or a distance of `x` apart. */
export function trapezoid(y: TensorBase, x: TensorBase | number = 1, dim = -1): TensorBase {
  const d = wrapDim('trapezoid', dim, y.shape.length);
  if (typeof x !== 'number') {
    samples('trapezoid', y);
    if (y.shape[d] === 0) return zeros(y.shape.toSpliced(d, 1), y.dtype);
    const areas = doubledAreas('trapezoid', y, x, d);
    return div(sumOver(areas, [areas.shape.length - y.shape.length + d], false), 2);
  }
  const at = samples('trapezoid', y);
  if (y.shape[d] === 0) return zeros(y.shape.toSpliced(d, 1), y.dtype);
  const ends = add(select(at, d, 0), select(at, d, -1));
  return mul(sub(sumOver(at, [d], false), mul(ends, 0.5)), x);
}

/** The running `trapezoid`: the integral up to every sample but the first. */
export function cumulativeTrapezoid(y: TensorBase, x: TensorBase | number = 1, dim = -1): TensorBase {
  const d = wrapDim('cumulativeTrapezoid', dim, y.shape.length);
  const at = samples('cumulativeTrapezoid', y);
  if (typeof x === 'number') return cumsum(mul(sumOfNeighbours(at, d), x / 2), d);
  const areas = doubledAreas('cumulativeTrapezoid', y, x, d);
  return div(cumsum(areas, areas.shape.length - y.shape.length + d), 2);
}
