import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { checkList, numel, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { contiguous, toDType } from './copy.ts';
import { full } from './create.ts';
import { diff } from './differences.ts';
import { add, div, eq, ge, isfinite, le, logicalAnd, logicalNot, lt, minimum, mul, sub, where } from './elementwise.ts';
import { amax, amin } from './extrema.ts';
import { scatterAdd } from './indexing.ts';
import { anyNonzero } from './inspect.ts';
import { sum } from './reduce.ts';
import { cumsum } from './scans.ts';
import { searchsorted } from './search.ts';
import { select } from './slices.ts';
import { expand, reshape } from './view.ts';

/* Histograms with the edges of their bins, in any number of dimensions. */

export interface HistogramOptions {
  /** The least and the largest for each dimension, one after the other; of the data by default. */
  readonly range?: readonly number[] | null;
  /** What each sample counts. */
  readonly weight?: TensorBase | null;
  /** Whether the counts become a density, which integrates to 1. */
  readonly density?: boolean;
}

/** `n` + 1 numbers from `low` to `high`, from both ends, so that they are symmetric. */
function edgesBetween(low: TensorBase, high: TensorBase, n: number): TensorBase {
  const k = sub(cumsum(full([n + 1], 1, low.dtype), 0), 1);
  const step = div(sub(high, low), n);
  const down = sub(high, mul(sub(n, k), step));
  return where(lt(k, Math.floor((n + 1) / 2)), add(low, mul(k, step)), down);
}

/** Equal bins between two numbers; bins of no width reach half a unit to either side. */
function edgesAround(low: TensorBase, high: TensorBase, bins: number): TensorBase {
  const half = mul(toDType(eq(low, high), low.dtype), 0.5);
  return edgesBetween(sub(low, half), add(high, half), bins);
}

/** The edges of bins in one dimension: as given, or equal ones over the range or the data. */
function edgesOf(
  name: string,
  x: TensorBase,
  bins: TensorBase | number,
  range: readonly [number, number] | null,
): TensorBase {
  if (typeof bins !== 'number') {
    checkTensors(name, bins);
    if (bins.shape.length !== 1 || bins.count < 2 || bins.dtype !== x.dtype)
      throw new ArgumentError(
        `${name}: torch.histogramdd(): bins tensor should have one dimension, two or more edges and the dtype ${x.dtype} of the input, got shape ${shapeText(bins.shape)} and ${bins.dtype}`,
      );
    return bins;
  }
  if (!Number.isInteger(bins) || bins <= 0)
    throw new ArgumentError(`${name}: torch.histogramdd(): bins must be > 0, but got ${bins}`);
  if (range !== null) {
    const [low, high] = range;
    if (!(Number.isFinite(low) && Number.isFinite(high) && low <= high))
      throw new ArgumentError(
        `${name}: torch.histogramdd(): min should not exceed max, and both be finite, but got min ${low} max ${high}`,
      );
    return edgesAround(full([], low, x.dtype), full([], high, x.dtype), bins);
  }
  if (x.count === 0) return edgesBetween(full([], 0, x.dtype), full([], 1, x.dtype), bins);
  const [low, high] = [amin(x), amax(x)];
  if (anyNonzero(logicalNot(logicalAnd(isfinite(low), isfinite(high)))))
    throw new ArgumentError(
      `${name}: torch.histogramdd(): dimension's range of the elements is not finite; give a range`,
    );
  return edgesAround(low, high, bins);
}

/** Counts (or sums of weights) of samples [n, d] in a grid of bins with the given edges. */
function gridCounts(
  samples: TensorBase,
  edges: readonly TensorBase[],
  weight: TensorBase | null,
  density: boolean,
): TensorBase {
  const sizes = edges.map((e) => e.count - 1);
  const n = samples.shape[0];
  let place: TensorBase = full([n], 0, 'int32');
  let inside: TensorBase = full([n], 1, 'bool');
  edges.forEach((e, d) => {
    const x = select(samples, 1, d);
    // The last bin has its upper edge.
    const bin = minimum(sub(searchsorted(e, contiguous(x), true), 1), sizes[d] - 1);
    inside = logicalAnd(inside, logicalAnd(ge(x, select(e, 0, 0)), le(x, select(e, 0, -1))));
    place = add(mul(place, sizes[d]), bin);
  });
  const counted = mul(weight ?? full([], 1, samples.dtype), toDType(inside, samples.dtype));
  const zero = full([numel(sizes)], 0, samples.dtype);
  const hist = reshape(scatterAdd(zero, 0, where(inside, place, 0), expand(counted, [n])), sizes);
  if (!density) return hist;
  const volumes = edges
    .map((e, d) =>
      reshape(
        diff(e),
        sizes.map((size, k) => (k === d ? size : 1)),
      ),
    )
    .reduce((a, b) => mul(a, b));
  return div(div(hist, sum(hist)), volumes);
}

function checkSamples(name: string, x: TensorBase, weight: TensorBase | null, shape: readonly number[]): void {
  if (!isFloat(x.dtype))
    throw new DTypeError(`${name}: "${name}_cpu" not implemented for '${x.dtype}'; convert with x.to('float32') first`);
  if (weight === null) return;
  if (weight.dtype !== x.dtype)
    throw new DTypeError(
      `${name}: torch.histogramdd(): if weight tensor is provided, input tensor and weight tensor should have the same dtype, got ${x.dtype} and ${weight.dtype}`,
    );
  if (!sameShape(weight.shape, shape))
    throw new ShapeError(
      `${name}: torch.histogramdd(): if weight tensor is provided it should have the same shape as the input tensor excluding its innermost dimension: ${shapeText(shape)}, got ${shapeText(weight.shape)}`,
    );
}

/** How many elements lie in each of some bins, and the edges of these. */
export function histogram(
  x: TensorBase,
  bins: TensorBase | number = 100,
  { range = null, weight = null, density = false }: HistogramOptions = {},
): { readonly hist: TensorBase; readonly binEdges: TensorBase } {
  checkSamples('histogram', x, weight, x.shape);
  const binEdges = edgesOf('histogram', x, bins, pairOf('histogram', range, 1, 0));
  const flat = (t: TensorBase): TensorBase => reshape(t, [x.count]);
  const hist = gridCounts(reshape(x, [x.count, 1]), [binEdges], weight === null ? null : flat(weight), density);
  return { hist, binEdges };
}

function pairOf(name: string, range: readonly number[] | null, dims: number, d: number): [number, number] | null {
  if (range === null) return null;
  if (range.length !== 2 * dims)
    throw new ArgumentError(
      `${name}: torch.histogramdd(): for a ${dims}-dimensional histogram range should have ${2 * dims} elements, but got ${range.length}`,
    );
  return [range[2 * d], range[2 * d + 1]];
}

/** How many of the points, rows of `x` [… × d], lie in each cell of a grid of bins, and the edges for each dimension. */
export function histogramdd(
  x: TensorBase,
  bins: number | readonly (number | TensorBase)[],
  { range = null, weight = null, density = false }: HistogramOptions = {},
): { readonly hist: TensorBase; readonly binEdges: readonly TensorBase[] } {
  if (x.shape.length < 2)
    throw new ShapeError(
      `histogramdd: torch.histogramdd(): input tensor should have at least 2 dimensions, but got ${x.shape.length}`,
    );
  const points = x.shape.slice(0, -1);
  const dims = x.shape[x.shape.length - 1];
  checkSamples('histogramdd', x, weight, points);
  const list = typeof bins === 'number' ? new Array<number>(dims).fill(bins) : bins;
  checkList('histogramdd', 'bins', list);
  if (list.length !== dims)
    throw new ArgumentError(
      `histogramdd: torch.histogramdd(): expected ${dims} sequences of bin edges for a ${dims}-dimensional histogram but got ${list.length}`,
    );
  const samples = reshape(x, [numel(points), dims]);
  const binEdges = list.map((b, d) =>
    edgesOf('histogramdd', select(samples, 1, d), b, pairOf('histogramdd', range, dims, d)),
  );
  const each = weight === null ? null : reshape(weight, [numel(points)]);
  return { hist: gridCounts(samples, binEdges, each, density), binEdges };
}
