import { type Join, scatterJoin } from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { type DType, isFloat } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';
import { sameShape } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { counting, full, onesLike, zeros, zerosLike } from './create.ts';
import { div, eq, logicalAnd, logicalNot, mul, where } from './elementwise.ts';
import { checkSlices } from './index-slices.ts';
import { batch, checkScatter, gather, scatter, scatterAdd, vector } from './indexing.ts';
import { anyNonzero } from './inspect.ts';
import { named } from './named.ts';
import { padTo } from './pad.ts';
import { narrow } from './slices.ts';
import { storable } from './storable.ts';
import { expand, reshape } from './view.ts';
import { defineWriting, type WritingOp } from './writing.ts';

/*
 * Elements joined where an index says: sums, means, products, extremes. Formulas are PyTorch's
 * (scatter_reduce_backward in torch/csrc/autograd/FunctionsManual.cpp), but that products are exact at
 * zeros in every order, and that `x` has no part in ties where it is left out.
 */

export type ScatterReduction = 'sum' | 'prod' | 'mean' | 'amax' | 'amin';

const REDUCTIONS: readonly string[] = ['sum', 'prod', 'mean', 'amax', 'amin'];

interface ReduceAttrs {
  readonly dim: number;
  readonly reduce: 'prod' | 'amax' | 'amin';
}

const JOINS: Readonly<Record<ReduceAttrs['reduce'], Join>> = { prod: 'mul', amax: 'max', amin: 'min' };

/** What changes nothing when it is joined to something. */
function identityOf(reduce: ReduceAttrs['reduce'], dtype: DType): number {
  if (reduce === 'prod') return 1;
  const [low, high] =
    dtype === 'bool'
      ? [0, 1]
      : dtype === 'uint8'
        ? [0, 255]
        : dtype === 'int32'
          ? [-(2 ** 31), 2 ** 31 - 1]
          : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return reduce === 'amax' ? low : high;
}

/** The elements of `src` that the index speaks of: it may be smaller. */
function used(src: TensorBase, index: TensorBase): TensorBase {
  return index.shape.reduce((t, n, d) => (t.shape[d] === n ? t : narrow(t, d, 0, n)), src);
}

/** The factors ∂y/∂x and ∂y/∂src, each in the shape of what it belongs to (that of the index for `src`). */
type Slopes = readonly [x: TensorBase, src: TensorBase];

/** At ties all share evenly. */
function slopesOfExtreme(x: TensorBase, index: TensorBase, src: TensorBase, y: TensorBase, dim: number): Slopes {
  const xHits = toDType(eq(x, y), x.dtype);
  const srcHits = toDType(eq(src, gather(y, dim, index)), x.dtype);
  const hits = scatterAdd(xHits, dim, index, srcHits);
  return [div(xHits, hits), div(srcHits, gather(hits, dim, index))];
}

/**
 * y = x · ∏ src. The elements that are not zero are divided out of their product. Zeros are taken one
 * layer after the other, each layer with at most one of a place, so that what is left out of a
 * product is left out exactly, and derivatives of these factors are exact as well.
 */
function slopesOfProduct(x: TensorBase, index: TensorBase, src: TensorBase, dim: number): Slopes {
  const isZero = eq(src, 0);
  const others = where(isZero, 1, src);
  const product = join('prod', onesLike(x), dim, index, others);
  const layers = layersOf(isZero, index, x.shape, dim);
  const factors = layers.map((layer) => placed(layer, index, src, x, dim));
  const all = factors.reduce(mul, product);
  let ofSrc = div(gather(mul(x, all), dim, index), others);
  layers.forEach((layer, r) => {
    const rest = factors.reduce((p, f, k) => (k === r ? p : mul(p, f)), product);
    ofSrc = where(layer, gather(mul(x, rest), dim, index), ofSrc);
  });
  return [all, ofSrc];
}

/** Ones, but for the elements of `src` in one layer, each in its place. */
function placed(layer: TensorBase, index: TensorBase, src: TensorBase, x: TensorBase, dim: number): TensorBase {
  const chosen = where(layer, src, 0);
  const taken = scatterAdd(zeros(x.shape, x.dtype), dim, index, chosen);
  const here = scatterAdd(zeros(x.shape, 'int32'), dim, index, toDType(layer, 'int32'));
  return where(eq(here, 0), 1, taken);
}

/** Masks that together are `mask`, none of which has two elements for one place. */
function layersOf(mask: TensorBase, index: TensorBase, shape: readonly number[], dim: number): TensorBase[] {
  const layers: TensorBase[] = [];
  let left = mask;
  while (anyNonzero(left)) {
    // The last of those left in each place, found by the number it has along the dimension.
    const numbers = numbersAlong(index.shape, dim);
    const last = join('amax', full(shape, -1, 'int32'), dim, index, where(left, numbers, -1));
    const layer = logicalAnd(left, eq(gather(last, dim, index), numbers));
    layers.push(layer);
    left = logicalAnd(left, logicalNot(layer));
  }
  return layers;
}

/** 0, 1, 2, … along one dimension. */
function numbersAlong(shape: readonly number[], dim: number): TensorBase {
  const line = counting(shape[dim]);
  return expand(
    reshape(
      line,
      shape.map((n, d) => (d === dim ? n : 1)),
    ),
    shape,
  );
}

function slopesOf({ dim, reduce }: ReduceAttrs, x: TensorBase, index: TensorBase, src: TensorBase, y: TensorBase) {
  return reduce === 'prod' ? slopesOfProduct(x, index, src, dim) : slopesOfExtreme(x, index, src, y, dim);
}

// y = x,  y[index[i,j], j] ∘= src[i,j]        x̄ = ȳ ∂y/∂x,  src̄ = gather(ȳ, index) ∂y/∂src
const scatterReduceOp: WritingOp<ReduceAttrs> = defineWriting({
  name: 'scatterReduce',
  cheap: true,
  inputs: ['x', 'index', 'src'],
  write: (y, [index, src], { dim, reduce }) => scatterJoin(JOINS[reduce], y, dim, index, src),
  vjp: {
    saves: ['x', 'index', 'src', 'y'],
    rule: ([g], [x, index, src, y], { attrs }) => {
      if (g === null) return [null, null, null];
      const [ofX, ofSrc] = slopesOf(attrs, x, index, used(src, index), y);
      const back = mul(gather(g, attrs.dim, index), ofSrc);
      return [mul(g, ofX), null, sameShape(back.shape, src.shape) ? back : padTo(back, src.shape)];
    },
  },
  jvp: ({ inputs, tangents: [tx, , ts], outputs: [y], attrs }) => {
    if (tx === null && ts === null) return null;
    const [x, index, src] = inputs as readonly TensorBase[];
    const [ofX, ofSrc] = slopesOf(attrs, x, index, used(src, index), y);
    const first = tx === null ? zerosLike(x) : mul(tx, ofX);
    return ts === null ? first : scatterAdd(first, attrs.dim, index, mul(used(ts, index), ofSrc));
  },
  vmap: (inputs, batched, attrs, size) =>
    apply1(
      scatterReduceOp,
      inputs.map((x, i) => batch(x, batched[i], size)),
      { ...attrs, dim: attrs.dim + 1 },
    ),
});

function join(
  reduce: ReduceAttrs['reduce'],
  x: TensorBase,
  dim: number,
  index: TensorBase,
  src: TensorBase,
): TensorBase {
  return apply1(scatterReduceOp, [x, index, src], { dim, reduce });
}

function checkReduction(op: string, reduce: string, allowed: readonly string[]): void {
  if (!allowed.includes(reduce))
    throw new ArgumentError(
      `${op}: reduce argument must be either ${allowed.join(', ').replace(/, (\w+)$/, ' or $1')}, got ${String(reduce)}`,
    );
}

/** How many elements go to each place. */
function countsOf(x: TensorBase, dim: number, index: TensorBase, includeSelf: boolean): TensorBase {
  const start = full(x.shape, includeSelf ? 1 : 0, x.dtype);
  const counts = scatterAdd(start, dim, index, expand(full([], 1, x.dtype), index.shape));
  return where(eq(counts, 0), 1, counts);
}

/**
 * `x` with the elements of `src` joined where `index` says, along `dim`: by their sum, product, mean, or
 * largest or smallest. Without `includeSelf` what `x` has at these places does not count.
 */
export function scatterReduce(
  x: TensorBase,
  dim: number,
  index: TensorBase,
  src: TensorBase,
  reduce: ScatterReduction,
  includeSelf = true,
): TensorBase {
  const d = checkScatter('scatterReduce', x, dim, index, src);
  checkReduction('scatterReduce', reduce, REDUCTIONS);
  return reduced(x, d, index, src, reduce, includeSelf, 'ScatterReduceBackward0');
}

function reduced(
  self: TensorBase,
  dim: number,
  at: TensorBase,
  source: TensorBase,
  reduce: ScatterReduction,
  includeSelf: boolean,
  node: string,
): TensorBase {
  const [x, index, src] = [vector(self), vector(at), vector(source)];
  const total = reduce === 'sum' || reduce === 'mean';
  const start = includeSelf ? x : scatter(x, dim, index, total ? 0 : identityOf(reduce, x.dtype));
  let y = total ? scatterAdd(start, dim, index, src) : join(reduce, start, dim, index, src);
  if (reduce === 'mean') {
    y = div(y, countsOf(x, dim, index, includeSelf), isFloat(x.dtype) ? null : 'floor');
    if (y.dtype !== x.dtype) y = toDType(y, x.dtype);
  }
  return named(self.shape.length === 0 ? reshape(y, []) : y, node);
}

/**
 * `x` with the slices of `src` joined at the places in `index` along `dim`: by their product, mean, or
 * largest or smallest. Without `includeSelf` what `x` has at these places does not count.
 */
export function indexReduce(
  x: TensorBase,
  dim: number,
  index: TensorBase,
  src: TensorBase,
  reduce: Exclude<ScatterReduction, 'sum'>,
  includeSelf = true,
): TensorBase {
  const d = checkSlices('indexReduce', x, dim, index, src);
  checkReduction('indexReduce', reduce, REDUCTIONS.slice(1));
  const from = vector(src);
  const line = reshape(
    index,
    from.shape.map((n, k) => (k === d ? n : 1)),
  );
  return reduced(x, d, expand(line, from.shape), src, reduce, includeSelf, 'IndexReduceBackward0');
}

/** `scatter`, adding or multiplying instead of writing. */
export function scatterWith(
  x: TensorBase,
  dim: number,
  index: TensorBase,
  src: TensorBase | number,
  reduce?: 'add' | 'multiply',
): TensorBase {
  if (reduce === undefined) return scatter(x, dim, index, src);
  if (reduce !== 'add' && reduce !== 'multiply')
    throw new ArgumentError(`scatter: reduce argument must be either add or multiply, got ${String(reduce)}`);
  const source =
    typeof src === 'number' ? expand(full([], storable('scatter', src, x.dtype), x.dtype), index.shape) : src;
  return scatterReduce(x, dim, index, source, reduce === 'add' ? 'sum' : 'prod');
}
