import { nonzero, triu } from '../backends/wasm/indexing.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply1, isBare } from '../core/apply.ts';
import { dtypeInfo, isFloat, promote } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { broadcastShapes, sameShape, shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { sign } from '../kernels/algebra.ts';
import { arg, binary } from '../kernels/expr.ts';
import { toDType } from './copy.ts';
import { full, onesLike, zeros } from './create.ts';
import { detach } from './detach.ts';
import { abs, add, clamp, div, eq, gt, maximum, mul, neg, sgn, sub, where } from './elementwise.ts';
import { batch, indexSelect } from './indexing.ts';
import { named } from './named.ts';
import { norm, normGradient, normKernel } from './norm.ts';
import { sum } from './reduce.ts';
import { expand, reshape, unsqueeze } from './view.ts';

/* Distances between tensors and between their rows, and what is scaled by a norm. */

/** ‖x − y‖_p over everything; the two broadcast. */
export function dist(x: TensorBase, y: TensorBase, p = 2): TensorBase {
  checkTensors('dist', x, y);
  return named(norm(sub(x, y), p), 'DistBackward0');
}

/** Slices of `x` along `dim` whose p-norm is larger than `maxnorm`, scaled down to it. */
export function renorm(x: TensorBase, p: number, dim: number, maxnorm: number): TensorBase {
  if (!(p > 0)) throw new ArgumentError(`renorm: renorm: non-positive-norm not supported, got p = ${p}`);
  if (!(maxnorm >= 0)) throw new ArgumentError(`renorm: renorm: expected maxnorm to be >= 0 but got ${maxnorm}`);
  if (x.shape.length < 2)
    throw new ShapeError(
      `renorm: renorm: input needs at least 2 dimensions, got ${x.shape.length} dimensions, shape ${shapeText(x.shape)}`,
    );
  const d = wrapDim('renorm', dim, x.shape.length);
  const others = x.shape.map((_, k) => k).filter((k) => k !== d);
  const length = norm(x, p, others, true);
  const scale = where(gt(length, maxnorm), div(maxnorm, add(length, 1e-7)), 1);
  return named(mul(x, scale), 'RenormBackward0');
}

/** x over its p-norm along `dim`, or over `eps` where that is larger. */
export function normalize(x: TensorBase, p: number, dim: number | readonly number[], eps: number): TensorBase {
  return div(x, clamp(norm(x, p, dim, true), eps, null));
}

const floats = (x: TensorBase): TensorBase => (isFloat(x.dtype) ? x : toDType(x, 'float32'));

/** ‖x − y + ε‖_p over the last dimension. */
export function pairwiseDistance(x: TensorBase, y: TensorBase, p: number, eps: number, keepdim: boolean): TensorBase {
  return norm(add(floats(sub(x, y)), eps), p, -1, keepdim);
}

/** x·y / (‖x‖ ‖y‖) along `dim`. Norms are ε at least, but their gradients are those of norms. */
export function cosineSimilarity(x: TensorBase, y: TensorBase, dim: number, eps: number): TensorBase {
  const shape = broadcastShapes('cosineSimilarity', x.shape, y.shape);
  const dtype = promote(floats(x).dtype, floats(y).dtype);
  const unit = (t: TensorBase): TensorBase => {
    const wide = toDType(sameShape(t.shape, shape) ? t : expand(t, shape), dtype);
    const length = norm(wide, 2, dim, true);
    return div(wide, add(length, detach(sub(maximum(length, eps), length))));
  };
  return sum(mul(unit(x), unit(y)), dim);
}

const kernels = new Map<string, ReduceKernel>();

/** y[i,j] ← ‖a[i] − b[j]‖_p, for `a` and `b` with a dimension of size 1 where the other's rows are. */
function distances(y: TensorBase, a: TensorBase, b: TensorBase, p: number): void {
  const { spec, scalars, postScalars } = normKernel(p, binary('sub', arg(0), arg(1)), 2);
  const { dtype } = y;
  const key = `${dtype} ${spec.name}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    const { name, fold, pre = arg(0), post } = spec;
    const ins = [dtype, dtype, ...scalars.map(() => 'scalar' as const)];
    const { compute } = dtypeInfo(dtype);
    kernel = new ReduceKernel({ name, fold, pre, post, postScalars: postScalars.length, compute, ins, out: dtype });
    kernels.set(key, kernel);
  }
  const shape = [...y.shape, a.shape[a.shape.length - 1]];
  kernel.run(y, [a, b, ...scalars], shape, [y.shape.length], postScalars);
}

interface CdistAttrs {
  readonly p: number;
}

/** a[i] − b[j] for all pairs of rows. */
const differences = (a: TensorBase, b: TensorBase): TensorBase => sub(unsqueeze(a, -2), unsqueeze(b, -3));

/** ∂y/∂(a[i] − b[j]), times g; at the largest difference every one of equals has all of it, as in PyTorch. */
function pairGradients(g: TensorBase, a: TensorBase, b: TensorBase, y: TensorBase, { p }: CdistAttrs): TensorBase {
  const d = differences(a, b);
  const [gd, yd] = [unsqueeze(g, -1), unsqueeze(y, -1)];
  if (p === Number.POSITIVE_INFINITY) return mul(mul(sgn(d), eq(abs(d), yd)), gd);
  return normGradient(gd, d, yd, { p, dims: [d.shape.length - 1] });
}

const pulls = new Map<string, ReduceKernel>();

/**
 * Σ_j w[i,j] (a[i] − b[j]), or of the other rows Σ_i w[i,j] (b[j] − a[i]), without a tensor of all differences; of
 * these only the signs for p = 1.
 */
function pull(w: TensorBase, a: TensorBase, b: TensorBase, p: number, ofRows: boolean): TensorBase {
  const { dtype, shape } = w;
  const key = `${dtype} ${p}`;
  let kernel = pulls.get(key);
  if (kernel === undefined) {
    const d = binary('sub', arg(1), arg(2));
    const pre = binary('mul', arg(0), p === 1 ? sign(d) : d);
    const { compute } = dtypeInfo(dtype);
    kernel = new ReduceKernel({
      name: 'cdistGradient',
      fold: 'sum',
      pre,
      compute,
      ins: [dtype, dtype, dtype],
      out: dtype,
    });
    pulls.set(key, kernel);
  }
  const [own, other] = ofRows ? [unsqueeze(a, -2), unsqueeze(b, -3)] : [unsqueeze(b, -3), unsqueeze(a, -2)];
  const y = fresh((ofRows ? a : b).shape, dtype);
  kernel.run(
    y,
    [unsqueeze(w, -1), own, other],
    [...shape, y.shape[y.shape.length - 1]],
    [shape.length - (ofRows ? 1 : 2)],
  );
  return y;
}

/** The gradient by `a`, or else by `b`. */
function cdistGradient(
  g: TensorBase,
  [a, b, y]: readonly TensorBase[],
  attrs: CdistAttrs,
  ofRows: boolean,
): TensorBase {
  const { p } = attrs;
  if ((p === 1 || p === 2) && isBare([g, a, b, y]))
    return internally(() => pull(p === 1 ? g : where(eq(y, 0), 0, div(g, y)), a, b, p, ofRows));
  const gradients = pairGradients(g, a, b, y, attrs);
  return ofRows ? sum(gradients, -2) : neg(sum(gradients, -3));
}

// y[i,j] = ‖a[i] − b[j]‖_p
const cdistOp: Op<CdistAttrs> = defineOp({
  name: 'cdist',
  inputs: ['a', 'b'],
  forward: ([a, b], { p }) => {
    const y = fresh([...a.shape.slice(0, -1), b.shape[b.shape.length - 2]], a.dtype);
    if (a.shape[a.shape.length - 1] === 0) return zeros(y.shape, y.dtype);
    return internally(() => {
      distances(y, unsqueeze(a, -2), unsqueeze(b, -3), p);
      return y;
    });
  },
  vjp: {
    a: [['a', 'b', 'y'], (g, saved, { attrs }) => cdistGradient(g, saved, attrs, true)],
    b: [['a', 'b', 'y'], (g, saved, { attrs }) => cdistGradient(g, saved, attrs, false)],
  },
  jvp: ({ inputs, tangents: [ta, tb], outputs: [y], attrs }) => {
    const [a, b] = inputs as readonly TensorBase[];
    const d = pairGradients(onesLike(y), a, b, y, attrs);
    const moved =
      ta === null ? neg(unsqueeze(tb as TensorBase, -3)) : tb === null ? unsqueeze(ta, -2) : differences(ta, tb);
    return sum(mul(d, moved), -1);
  },
  vmap: ([a, b], [inA, inB], attrs, size) => apply1(cdistOp, [batch(a, inA, size), batch(b, inB, size)], attrs),
});

function checkOrder(op: string, p: number): void {
  if (!(p >= 0)) throw new ArgumentError(`${op}: ${op} only supports non-negative p values, got p = ${p}`);
}

/** ‖a[i] − b[j]‖_p for all pairs of rows of [… × P × M] and [… × R × M]: [… × P × R]. */
export function cdist(a: TensorBase, b: TensorBase, p = 2): TensorBase {
  checkTensors('cdist', a, b);
  checkOrder('cdist', p);
  for (const [name, x] of [
    ['X1', a],
    ['X2', b],
  ] as const) {
    if (!isFloat(x.dtype))
      throw new DTypeError(
        `cdist: cdist only supports floating-point dtypes, ${name} got: ${x.dtype}; convert it first`,
      );
    if (x.shape.length < 2)
      throw new ShapeError(`cdist: cdist only supports at least 2D tensors, ${name} got: ${x.shape.length}D`);
  }
  const [m, n] = [a.shape[a.shape.length - 1], b.shape[b.shape.length - 1]];
  if (m !== n) throw new ShapeError(`cdist: X1 and X2 must have the same number of columns. X1: ${m} X2: ${n}`);
  const lead = broadcastShapes('cdist', a.shape.slice(0, -2), b.shape.slice(0, -2));
  const dtype = promote(a.dtype, b.dtype);
  const wide = (x: TensorBase): TensorBase => {
    const shape = [...lead, ...x.shape.slice(-2)];
    return toDType(sameShape(shape, x.shape) ? x : expand(x, shape), dtype);
  };
  return apply1(cdistOp, [wide(a), wide(b)], { p });
}

/** The places i n + j of the pairs i < j. */
function pairsBelow(n: number): TensorBase {
  return internally(() => {
    const above = zeros([n, n], 'uint8');
    triu(above, full([n, n], 1, 'uint8'), 1);
    const count = (n * (n - 1)) / 2;
    const places = fresh([count, 1], 'int32');
    nonzero(places, reshape(above, [n * n]));
    return reshape(places, [count]);
  });
}

/** ‖x[i] − x[j]‖_p for the pairs i < j of rows of a matrix. */
export function pdist(x: TensorBase, p = 2): TensorBase {
  checkTensors('pdist', x);
  checkOrder('pdist', p);
  if (x.shape.length !== 2)
    throw new ShapeError(`pdist: pdist only supports 2D tensors, got: ${x.shape.length}D, shape ${shapeText(x.shape)}`);
  if (!isFloat(x.dtype))
    throw new DTypeError(`pdist: pdist only supports floating-point dtypes, got ${x.dtype}; convert it first`);
  const [n] = x.shape;
  return named(indexSelect(reshape(cdist(x, x, p), [n * n]), 0, pairsBelow(n)), 'PdistBackward0');
}
