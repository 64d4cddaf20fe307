import { indexCopy, nonzero } from '../backends/wasm/indexing.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply1, isBare } from '../core/apply.ts';
import { checkTypes } from '../core/arguments.ts';
import { dtypeInfo, isFloat, promote } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { within } from '../core/naming.ts';
import { defineOp, type Op } from '../core/op.ts';
import { broadcastShapes, numel, sameShape, shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { sign } from '../kernels/algebra.ts';
import { arg, binary, select as choose, compare, type Expr, unary } from '../kernels/expr.ts';
import { contiguous, copyKernel, toDType, toFloat } from './copy.ts';
import { onesLike, zeros } from './create.ts';
import { detach } from './detach.ts';
import { abs, add, clamp, div, eq, gt, isfinite, lt, maximum, mul, neg, pow, sgn, sub, where } from './elementwise.ts';
import { amin } from './extrema.ts';
import { indexSelect } from './index-slices.ts';
import { batch } from './indexing.ts';
import { countTrue, readElement } from './inspect.ts';
import { matmul } from './matmul.ts';
import { named } from './named.ts';
import { norm, normGradient, normKernel } from './norm.ts';
import { diagonal } from './paths.ts';
import { mean, sum } from './reduce.ts';
import { select } from './slices.ts';
import { fused } from './user-elementwise.ts';
import { expand, mT, reshape, squeeze, unsqueeze } from './view.ts';

/* Distances between tensors and between their rows, and what is scaled by a norm. */

/** ‖x − y‖_p over everything; the two broadcast. */
export function dist(x: TensorBase, y: TensorBase, p = 2): TensorBase {
  checkTensors('dist', x, y);
  return named(
    within('dist', () => norm(sub(x, y), p)),
    'DistBackward0',
  );
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
  return div(
    x,
    clamp(
      within('normalize', () => norm(x, p, dim, true)),
      eps,
      null,
    ),
  );
}

const shifted = fused('shifted', (x, y, eps) => x.sub(y).add(eps), 3);

/** ‖x − y + ε‖_p over the last dimension. */
export function pairwiseDistance(x: TensorBase, y: TensorBase, p: number, eps: number, keepdim: boolean): TensorBase {
  // Integers are subtracted as such, and may wrap around.
  const between = isFloat(promote(x.dtype, y.dtype)) ? shifted(x, y, eps) : shifted(sub(x, y), 0, eps);
  return norm(between, p, -1, keepdim);
}

/** x·y / (‖x‖ ‖y‖) along `dim`. Norms are ε at least, but their gradients are those of norms. */
export function cosineSimilarity(x: TensorBase, y: TensorBase, dim: number, eps: number): TensorBase {
  const shape = broadcastShapes('cosineSimilarity', x.shape, y.shape);
  const dtype = promote(toFloat(x).dtype, toFloat(y).dtype);
  const unit = (t: TensorBase): TensorBase => {
    const wide = toDType(sameShape(t.shape, shape) ? t : expand(t, shape), dtype);
    const length = norm(wide, 2, dim, true);
    return div(wide, add(length, detach(sub(maximum(length, eps), length))));
  };
  return sum(mul(unit(x), unit(y)), dim);
}

const kernels = new Map<string, ReduceKernel>();

/** y[i,j] ← ‖a[i] − b[j]‖_p, for `a` and `b` with a dimension of size 1 where the other's rows are. */
export function distances(y: TensorBase, a: TensorBase, b: TensorBase, p: number): void {
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

export interface CdistAttrs {
  readonly p: number;
}

/** a[i] − b[j] for all pairs of rows. */
const differences = (a: TensorBase, b: TensorBase): TensorBase => sub(unsqueeze(a, -2), unsqueeze(b, -3));

/** ∂y/∂(a[i] − b[j]), times g; at the largest difference every one of equals has all of it, as in PyTorch. */
function pairGradients(g: TensorBase, a: TensorBase, b: TensorBase, y: TensorBase, { p }: CdistAttrs): TensorBase {
  const d = differences(a, b);
  const [gd, yd] = [unsqueeze(g, -1), unsqueeze(y, -1)];
  if (p === Number.POSITIVE_INFINITY) return mul(mul(sgn(d), eq(abs(d), yd)), gd);
  const of = (x: TensorBase): TensorBase => normGradient(gd, x, yd, { p, dims: [d.shape.length - 1] });
  // As in PyTorch, what two rows have in common has no part in second derivatives; for p < 2 it would be infinite.
  if (p > 2 || Number.isInteger(p)) return of(d);
  const none = eq(d, 0);
  return where(none, 0, of(where(none, 1, d)));
}

const pulls = new Map<string, ReduceKernel>();

/** What an element d = a[i,k] − b[j,k] gives, as far as it hangs on that: times g for p = 1 and ∞, else times g / y^(p − 1). */
function slope(p: number): Expr {
  const d = binary('sub', arg(1), arg(2));
  if (p === 1) return sign(d);
  const size = unary('abs', d);
  if (p === Number.POSITIVE_INFINITY) return choose(compare('eq', size, arg(3)), sign(d), 0);
  return choose(compare('eq', d, 0), 0, binary('mul', sign(d), binary('pow', size, arg(3))));
}

/** Σ_j w[i,j] slope(a[i] − b[j]), or of the other rows Σ_i w[i,j] slope(b[j] − a[i]), without a tensor of all differences. */
function pull(w: TensorBase, a: TensorBase, b: TensorBase, y: TensorBase, p: number, ofRows: boolean): TensorBase {
  const { dtype, shape } = w;
  const more = p === 1 ? [] : p === Number.POSITIVE_INFINITY ? [unsqueeze(y, -1)] : [p - 1];
  const ins = [dtype, dtype, dtype, ...more.map((x) => (typeof x === 'number' ? 'scalar' : dtype))];
  const key = `${ins} ${p === 1}`;
  let kernel = pulls.get(key);
  if (kernel === undefined) {
    const pre = binary('mul', arg(0), slope(p));
    kernel = new ReduceKernel({ name: 'pull', fold: 'sum', pre, compute: dtypeInfo(dtype).compute, ins, out: dtype });
    pulls.set(key, kernel);
  }
  const [own, other] = ofRows ? [unsqueeze(a, -2), unsqueeze(b, -3)] : [unsqueeze(b, -3), unsqueeze(a, -2)];
  const into = fresh((ofRows ? a : b).shape, dtype);
  kernel.run(
    into,
    [unsqueeze(w, -1), own, other, ...more],
    [...shape, into.shape[into.shape.length - 1]],
    [shape.length - (ofRows ? 1 : 2)],
  );
  return into;
}

/** Rows on either side, and columns of all pairs, from which on a product gives Euclidean distances sooner than all differences; every pair counts as some columns more. */
const MANY = { rows: 16, columns: 2 ** 17, more: 40 } as const;

export function byProduct(a: TensorBase, b: TensorBase, p: number): boolean {
  const rank = a.shape.length;
  const [rows, others] = [a.shape[rank - 2], b.shape[rank - 2]];
  const enough = rows * others * (a.shape[rank - 1] + MANY.more) >= MANY.columns;
  return p === 2 && enough && Math.min(rows, others) >= MANY.rows;
}

/** Both moved so that the finite part of `b` lies about the origin: differences stay, and less of them cancels. */
function centred(a: TensorBase, b: TensorBase): readonly [TensorBase, TensorBase] {
  const middle = detach(mean(b, -2, true));
  const origin = where(isfinite(middle), middle, 0);
  return [sub(a, origin), sub(b, origin)];
}

/** A pair is close if its squared distance is so little of the two squared lengths that too much of it cancelled. */
const CLOSE = 1 / 64;

/** √(r + s − 2m), or −1 for pairs that are close or not finite. */
const apart = fused(
  'apart',
  (m, r, s) => {
    const lengths = r.add(s);
    const squared = lengths.sub(m.mul(2));
    return squared.gt(lengths.mul(CLOSE)).where(squared.sqrt(), -1);
  },
  3,
);

/** How far a row is from itself, by its length; −1 if that is not finite. */
const itself = fused('itself', (r) => r.isfinite().where(0, -1), 1);

/** g / y, 0 where y is. */
const ratio = fused('ratio', (g, y) => y.eq(0).where(0, g.div(y)), 2);

/** ‖a[i] − b[j]‖ for so many columns, each an operand of its own: first those of a, then those of b. */
const ofColumns = [1, 2, 3, 4].map((columns) =>
  fused(
    'distances',
    (...xs) => {
      const squares = xs.slice(0, columns).map((x, k) => x.sub(xs[columns + k]).square());
      return squares.reduce((sum, x) => sum.add(x)).sqrt();
    },
    2 * columns,
  ),
);

/** ‖a[i] − b[j]‖ for a few columns. */
function byColumns(a: TensorBase, b: TensorBase): TensorBase {
  const column = (x: TensorBase, dim: number) => (_: unknown, k: number) => unsqueeze(select(x, -2, k), dim);
  const columns = Array.from({ length: a.shape.at(-1)! });
  const [u, v] = [a, b].map((x) => contiguous(mT(x)));
  return ofColumns[columns.length - 1](...columns.map(column(u, -1)), ...columns.map(column(v, -2)));
}

/** ‖a[i] − b[j]‖, with ‖a[i]‖² + ‖b[j]‖² − 2 a[i]·b[j] for its square, but close pairs by their difference; null if these are many. */
export function euclidean(a: TensorBase, b: TensorBase): TensorBase | null {
  if (a.shape.at(-1)! <= ofColumns.length) return byColumns(a, b);
  const [u, v] = centred(a, b);
  const lengths = sum(mul(u, u), -1, true);
  const y = apart(matmul(u, mT(v)), lengths, unsqueeze(sum(mul(v, v), -1), -2));
  // Of rows to themselves it is known.
  if (a.storage === b.storage && a.offset === b.offset && sameShape(a.strides, b.strides))
    copyKernel(y.dtype, y.dtype).run([diagonal(y, 0, -2, -1)], [itself(squeeze(lengths, -1))]);
  // One pass over numbers, which mostly suffices, takes half the time of a comparison and a count.
  if (readElement(amin(y), 0) >= 0) return y;
  const flat = reshape(y, [y.count]);
  const close = lt(flat, 0);
  const count = countTrue(close);
  if (count > y.count / 8) return null;
  const pairs = fresh([count, 1], 'int32');
  nonzero(pairs, close);
  const places = reshape(pairs, [count]);
  const [rows, others, columns] = [a.shape.at(-2)!, b.shape.at(-2)!, a.shape.at(-1)!];
  const row = div(places, others, 'floor');
  const other = add(sub(places, mul(row, others)), mul(div(row, rows, 'floor'), others));
  const pick = (x: TensorBase, at: TensorBase): TensorBase =>
    indexSelect(reshape(x, [x.count / columns, columns]), 0, at);
  indexCopy(flat, 0, places, norm(sub(pick(a, row), pick(b, other)), 2, -1));
  return y;
}

/** Σ_j w[i,j] (a[i] − b[j]), or of the other rows Σ_i w[i,j] (b[j] − a[i]). */
function pulled(w: TensorBase, a: TensorBase, b: TensorBase, ofRows: boolean): TensorBase {
  const [own, other, pairs] = ofRows ? [a, b, w] : [b, a, mT(w)];
  return sub(mul(own, sum(pairs, -1, true)), matmul(pairs, other));
}

/** The gradients by `a` and `b`, if wanted. */
export function cdistGradients(
  g: TensorBase,
  [a, b, y]: readonly TensorBase[],
  { p }: CdistAttrs,
  wanted: number,
): (TensorBase | null)[] {
  const each = (of: (ofRows: boolean) => TensorBase): (TensorBase | null)[] =>
    [true, false].map((ofRows, i) => ((wanted >> i) & 1 ? of(ofRows) : null));
  if (p === 2) {
    const [u, v] = centred(a, b);
    const w = ratio(g, y);
    return each((ofRows) => pulled(w, u, v, ofRows));
  }
  if (p > 0 && isBare([g, a, b, y])) {
    const w = p === 1 || p === Number.POSITIVE_INFINITY ? g : where(eq(y, 0), 0, div(g, pow(y, p - 1)));
    return each((ofRows) => internally(() => pull(w, a, b, y, p, ofRows)));
  }
  const gradients = pairGradients(g, a, b, y, { p });
  return each((ofRows) => (ofRows ? sum(gradients, -2) : neg(sum(gradients, -3))));
}

/** How distances change when rows move. */
export function cdistTangent(
  a: TensorBase,
  b: TensorBase,
  y: TensorBase,
  [ta, tb]: readonly (TensorBase | null)[],
  attrs: CdistAttrs,
): TensorBase {
  const d = pairGradients(onesLike(y), a, b, y, attrs);
  const moved =
    ta === null ? neg(unsqueeze(tb as TensorBase, -3)) : tb === null ? unsqueeze(ta, -2) : differences(ta, tb);
  return sum(mul(d, moved), -1);
}

// y[i,j] = ‖a[i] − b[j]‖_p
const cdistOp: Op<CdistAttrs> = defineOp({
  name: 'cdist',
  cheap: ([a]) => a.shape[a.shape.length - 1] <= ofColumns.length || 'at need',
  inputs: ['a', 'b'],
  forward: ([a, b], { p }) => {
    const shape = [...a.shape.slice(0, -1), b.shape[b.shape.length - 2]];
    if (a.shape[a.shape.length - 1] === 0 || numel(shape) === 0) return zeros(shape, a.dtype);
    return internally(() => {
      const found = byProduct(a, b, p) ? euclidean(a, b) : null;
      if (found !== null) return found;
      const y = fresh(shape, a.dtype);
      distances(y, unsqueeze(a, -2), unsqueeze(b, -3), p);
      return y;
    });
  },
  vjp: {
    saves: ['a', 'b', 'y'],
    rule: ([g], saved, { attrs }, wanted) => cdistGradients(g as TensorBase, saved, attrs, wanted),
  },
  jvp: ({ inputs: [a, b], tangents, outputs: [y], attrs }) =>
    cdistTangent(a as TensorBase, b as TensorBase, y, tangents, attrs),
  vmap: ([a, b], [inA, inB], attrs, size) => apply1(cdistOp, [batch(a, inA, size), batch(b, inB, size)], attrs),
});

export function checkOrder(op: string, p: number): void {
  checkTypes(op, 'number', { p });
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
