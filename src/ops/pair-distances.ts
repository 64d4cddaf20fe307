import { apply1 } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { contiguousStrides, numel, shapeText } from '../core/shape.ts';
import { alias, checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { integers, zeros } from './create.ts';
import {
  byProduct,
  type CdistAttrs,
  cdist,
  cdistGradients,
  cdistTangent,
  checkOrder,
  distances,
  euclidean,
} from './distance.ts';
import { add } from './elementwise.ts';
import { indexAddOp, indexSelect } from './index-slices.ts';
import { slice } from './slices.ts';
import { mT, reshape, unsqueeze } from './view.ts';
import { onZeros } from './writing.ts';

/* Distances between the rows of one matrix. */

/** Bands of rows that pairs i < j are computed in, each with all rows from its first on: no shorter than this, and no more than that. */
const BANDS = { rows: 16, most: 16 } as const;

/** Where the pairs i < j lie in matrices of all pairs of a band's rows with those from its first on, one behind the other. */
function pairsBelow(n: number, band = n): TensorBase {
  const places = new Int32Array((n * (n - 1)) / 2);
  let k = 0;
  for (let first = 0, at = 0; first < n; first += band)
    for (let i = first, end = Math.min(n, first + band); i < end; i++, at += n - first)
      for (let j = i + 1; j < n; j++) places[k++] = at + j - first;
  return integers(places);
}

/** The pairs i < j of a matrix of all. */
const pairsOf = (all: TensorBase, n: number): TensorBase =>
  indexSelect(reshape(all, [...all.shape.slice(0, -2), n * n]), -1, pairsBelow(n));

/** A symmetric matrix of what pairs i < j have, 0 on its diagonal. */
function symmetric(pairs: TensorBase, n: number): TensorBase {
  const upper = reshape(onZeros(indexAddOp, [n * n], [pairsBelow(n), pairs], { dim: 0, sure: true }), [n, n]);
  return add(upper, mT(upper));
}

// y[k] = ‖x[i] − x[j]‖_p for the k-th pair i < j
const pdistOp: Op<CdistAttrs> = defineOp({
  name: 'pdist',
  cheap: () => 'at need',
  inputs: ['x'],
  forward: ([x], { p }) => {
    const [n, columns] = x.shape;
    const count = Math.max(0, (n * (n - 1)) / 2);
    if (columns === 0 || count === 0) return zeros([count], x.dtype);
    return internally(() => {
      const found = byProduct(x, x, p) ? euclidean(x, x) : null;
      if (found !== null) return pairsOf(found, n);
      const band = Math.max(BANDS.rows, Math.ceil(n / BANDS.most));
      const firsts = Array.from({ length: Math.ceil(n / band) }, (_, k) => k * band);
      const shapes = firsts.map((first) => [Math.min(band, n - first), n - first]);
      const all = fresh([shapes.reduce((sum, shape) => sum + numel(shape), 0)], x.dtype);
      let at = all.offset;
      for (const [k, shape] of shapes.entries()) {
        const others = slice(x, 0, firsts[k], n);
        const y = alias(all, shape, contiguousStrides(shape), at);
        distances(y, unsqueeze(slice(others, 0, 0, shape[0]), -2), unsqueeze(others, -3), p);
        at += numel(shape);
      }
      return indexSelect(all, 0, pairsBelow(n, band));
    });
  },
  vjp: {
    saves: ['x', 'y'],
    rule: ([g], [x, y], { attrs }) => {
      // Of a pair either row comes first once.
      const [n] = x.shape;
      const w = symmetric(g as TensorBase, n);
      // With p = 1 nothing hangs on the distance.
      return cdistGradients(w, [x, x, attrs.p === 1 ? w : symmetric(y, n)], attrs, 1).slice(0, 1);
    },
  },
  jvp: ({ inputs: [x], tangents: [tx], outputs: [y], attrs }) => {
    if (tx === null) return null;
    const rows = x as TensorBase;
    const [n] = rows.shape;
    return pairsOf(cdistTangent(rows, rows, symmetric(y, n), [tx, tx], attrs), n);
  },
  vmap: ([x], _, { p }) => pairsOf(cdist(x, x, p), x.shape[1]),
});

/** ‖x[i] − x[j]‖_p for the pairs i < j of rows of a matrix. */
export function pdist(x: TensorBase, p = 2): TensorBase {
  checkTensors('pdist', x);
  checkOrder('pdist', p);
  if (x.shape.length !== 2)
    throw new ShapeError(`pdist: pdist only supports 2D tensors, got: ${x.shape.length}D, shape ${shapeText(x.shape)}`);
  if (!isFloat(x.dtype))
    throw new DTypeError(`pdist: pdist only supports floating-point dtypes, got ${x.dtype}; convert it first`);
  return apply1(pdistOp, [x], { p });
}
