import * as kernels from '../backends/wasm/indexing.ts';
import { MapKernel } from '../backends/wasm/map.ts';
import { apply, apply1 } from '../core/apply.ts';
import { byDType, type DType, dtypeInfo, isFloat } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { wrapDim } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary, compare, type Expr, select, unary } from '../kernels/expr.ts';
import { batchedAlong1, type DimAttrs, definePicking, type Found, foundOf } from './along.ts';
import { inDType, toDType } from './copy.ts';
import { full } from './create.ts';
import { add, eq, exp, mul, sub, where } from './elementwise.ts';
import { batch } from './indexing.ts';
import { cat } from './join.ts';
import { narrow } from './slices.ts';

interface ScanAttrs extends DimAttrs {
  /** From the last element to the first. */
  readonly reverse: boolean;
}

/** The same memory, walked from the other end along `dim`. */
function reversed(x: TensorBase, dim: number): TensorBase {
  if (x.shape.length === 0 || x.count === 0) return x;
  const step = x.strides[dim];
  return alias(x, x.shape, x.strides.with(dim, -step), x.offset + (x.shape[dim] - 1) * step);
}

const turned = (x: TensorBase, { dim, reverse }: ScanAttrs): TensorBase => (reverse ? reversed(x, dim) : x);
const backwards = (attrs: ScanAttrs): ScanAttrs => ({ ...attrs, reverse: !attrs.reverse });

/** A slice of `value` joined to the beginning (or in reverse to the end) of `x`. */
function padded(x: TensorBase, { dim, reverse }: ScanAttrs, value: number): TensorBase {
  const edge = full(x.shape.with(dim, 1), value, x.dtype);
  return cat(reverse ? [x, edge] : [edge, x], dim);
}

/** What the scan was at before each element: `value`, and then every element but the last. */
function previous(x: TensorBase, attrs: ScanAttrs, value: number): TensorBase {
  const { dim, reverse } = attrs;
  if (x.shape.length === 0) return full([], value, x.dtype);
  return x.shape[dim] === 0 ? x : padded(narrow(x, dim, reverse ? 1 : 0, x.shape[dim] - 1), attrs, value);
}

// y[k] = Σ_{j≤k} x[j]        x̄[j] = Σ_{k≥j} ȳ[k], the sum from the other end
const cumsumOp: Op<ScanAttrs> = defineOp({
  name: 'cumsum',
  cheap: true,
  inputs: ['x'],
  forward: ([x], attrs) => {
    const y = fresh(x.shape, x.dtype);
    kernels.cumsum(turned(y, attrs), turned(x, attrs), attrs.dim);
    return y;
  },
  vjp: { x: [[], (g, _, { attrs }) => apply1(cumsumOp, [g], backwards(attrs))] },
  jvp: 'linear',
  vmap: ([x], _, attrs) => batchedAlong1(cumsumOp, [x], attrs),
});

/** Running sums and products of integers and truth values are int32 unless another dtype is asked for. */
function accumulating(op: Op<ScanAttrs>, x: TensorBase, dim: number, dtype: DType | undefined): TensorBase {
  const attrs = { dim: wrapDim(op.name, dim, x.shape.length), reverse: false };
  return inDType(x, dtype, (t) => apply1(op, [isFloat(t.dtype) ? t : toDType(t, 'int32')], attrs));
}

export const cumsum = (x: TensorBase, dim: number, dtype?: DType): TensorBase => accumulating(cumsumOp, x, dim, dtype);

/*
 * The linear recurrence  y[k] = a[k] y[k−1] + x[k]  with y[−1] = 0. Its derivatives are recurrences of
 * the same kind, and those of running products and log-sum-exps are made of it: without divisions, so
 * that zeros are exact, and in one pass.
 *
 *     x̄[k] = ȳ[k] + a[k+1] x̄[k+1],  ā[k] = x̄[k] y[k−1]        ẏ[k] = a[k] ẏ[k−1] + (ẋ[k] + ȧ[k] y[k−1])
 */
const recurrenceOp: Op<ScanAttrs> = defineOp({
  name: 'recurrence',
  cheap: true,
  inputs: ['a', 'x'],
  forward: ([a, x], attrs) => {
    const y = fresh(x.shape, x.dtype);
    kernels.recurrence(turned(y, attrs), turned(a, attrs), turned(x, attrs), attrs.dim);
    return y;
  },
  vjp: {
    a: [
      ['a', 'y'],
      (g, [a, y], { attrs }) =>
        mul(recurrence(previous(a, backwards(attrs), 0), g, backwards(attrs)), previous(y, attrs, 0)),
    ],
    x: [['a'], (g, [a], { attrs }) => recurrence(previous(a, backwards(attrs), 0), g, backwards(attrs))],
  },
  jvp: ({ inputs: [a], tangents: [ta, tx], outputs: [y], attrs }) => {
    const fromA = ta === null ? null : mul(ta, previous(y, attrs, 0));
    const terms = fromA === null ? tx : tx === null ? fromA : add(fromA, tx);
    return terms === null ? null : recurrence(a as TensorBase, terms, attrs);
  },
  vmap: ([a, x], [inA, inX], attrs, size) =>
    batchedAlong1(recurrenceOp, [batch(a, inA, size), batch(x, inX, size)], attrs),
});

function recurrence(a: TensorBase, x: TensorBase, attrs: ScanAttrs): TensorBase {
  return apply1(recurrenceOp, [a, x], attrs);
}

// y[k] = ∏_{j≤k} x[j]        x̄[j] = y[j−1] s[j] with s[j] = ȳ[j] + x[j+1] s[j+1]        ẏ[k] = x[k] ẏ[k−1] + ẋ[k] y[k−1]
const cumprodOp: Op<ScanAttrs> = defineOp({
  name: 'cumprod',
  cheap: true,
  inputs: ['x'],
  forward: ([x], { dim }) => {
    const y = fresh(x.shape, x.dtype);
    kernels.cumprod(y, x, dim);
    return y;
  },
  vjp: {
    x: [
      ['x', 'y'],
      (g, [x, y], { attrs }) => {
        const rest = recurrence(previous(x, backwards(attrs), 0), g, backwards(attrs));
        return mul(previous(y, attrs, 1), rest);
      },
    ],
  },
  jvp: ({ inputs: [x], tangents: [tx], outputs: [y], attrs }) =>
    tx === null ? null : recurrence(x as TensorBase, mul(tx, previous(y, attrs, 1)), attrs),
  vmap: ([x], _, attrs) => batchedAlong1(cumprodOp, [x], attrs),
});

export const cumprod = (x: TensorBase, dim: number, dtype?: DType): TensorBase =>
  accumulating(cumprodOp, x, dim, dtype);

/** exp(y[k−1] − y[k]) at k, or in reverse exp(y[k] − y[k+1]): what is left of a term after one step of the scan. */
function remainders(y: TensorBase, attrs: ScanAttrs): TensorBase {
  if (y.shape.length === 0) return full([], 0, y.dtype);
  const { dim } = attrs;
  const n = y.shape[dim];
  if (n === 0) return y;
  const [before, after] = [narrow(y, dim, 0, n - 1), narrow(y, dim, 1, n - 1)];
  // Of equal infinities all is left.
  return padded(where(eq(before, after), 1, exp(sub(before, after))), attrs, 0);
}

interface ExpKernels {
  /** exp(x − m), and 1 where they are equal, also infinities */
  readonly share: MapKernel;
  /** m + log s */
  readonly combine: MapKernel;
}

const expKernelsFor = byDType((dtype): ExpKernels => {
  const share = select(compare('eq', arg(0), arg(1)), 1, unary('exp', binary('sub', arg(0), arg(1))));
  const combine = binary('add', arg(0), unary('log', arg(1)));
  const map = (name: string, out: Expr): MapKernel =>
    new MapKernel({ name, args: ['value', 'value'], outs: [out] }, dtypeInfo(dtype).compute, [dtype, dtype], [dtype]);
  return { share: map('logcumsumexpShare', share), combine: map('logcumsumexpCombine', combine) };
});

/**
 * Relative to the largest element so far, m[k] = max_{j≤k} x[j], in which nothing overflows and nothing
 * that counts is lost: log Σ exp x = m + log s with s[k] = exp(m[k−1] − m[k]) s[k−1] + exp(x[k] − m[k]).
 */
function runningLogSumExp(x: TensorBase, dim: number): TensorBase {
  return internally(() => {
    const { share, combine } = expKernelsFor(x.dtype);
    const made = (kernel: MapKernel, a: TensorBase, b: TensorBase): TensorBase => {
      const y = fresh(x.shape, x.dtype);
      kernel.run([y], [a, b]);
      return y;
    };
    const m = cummax(x, dim).values;
    const kept = made(share, previous(m, { dim, reverse: false }, Number.NEGATIVE_INFINITY), m);
    const s = fresh(x.shape, x.dtype);
    kernels.recurrence(s, kept, made(share, x, m), dim);
    return made(combine, m, s);
  });
}

/*
 * y[k] = log Σ_{j≤k} exp x[j]
 *
 *     x̄[j] = Σ_{k≥j} ȳ[k] exp(x[j] − y[k]) = exp(x[j] − y[j]) t[j]  with  t[j] = ȳ[j] + exp(y[j] − y[j+1]) t[j+1]
 *     ẏ[k] = Σ_{j≤k} ẋ[j] exp(x[j] − y[k]) = exp(y[k−1] − y[k]) ẏ[k−1] + exp(x[k] − y[k]) ẋ[k]
 *
 * No exponent is positive, so nothing overflows.
 */
const logcumsumexpOp: Op<ScanAttrs> = defineOp({
  name: 'logcumsumexp',
  cheap: true,
  inputs: ['x'],
  forward: ([x], { dim }) => runningLogSumExp(x, dim),
  vjp: {
    x: [
      ['x', 'y'],
      (g, [x, y], { attrs }) => mul(exp(sub(x, y)), recurrence(remainders(y, backwards(attrs)), g, backwards(attrs))),
    ],
  },
  jvp: ({ inputs: [x], tangents: [tx], outputs: [y], attrs }) =>
    tx === null ? null : recurrence(remainders(y, attrs), mul(tx, exp(sub(x as TensorBase, y))), attrs),
  vmap: ([x], _, attrs) => batchedAlong1(logcumsumexpOp, [x], attrs),
});

export function logcumsumexp(x: TensorBase, dim: number): TensorBase {
  const attrs = { dim: wrapDim('logcumsumexp', dim, x.shape.length), reverse: false };
  if (!isFloat(x.dtype))
    throw new DTypeError(
      `logcumsumexp: "logcumsumexp_out_cpu" not implemented for '${x.dtype}'; convert with x.to('float32') first`,
    );
  return apply1(logcumsumexpOp, [x], attrs);
}

// y[k] = max_{j≤k} x[j], found last at index[k]        x̄[index[k]] += ȳ[k]
function defineRunningExtreme(name: string, kernel: typeof kernels.cummax): Op<DimAttrs> {
  return definePicking<DimAttrs>({
    name,
    cheap: true,
    find: (x, { dim }) => {
      const values = fresh(x.shape, x.dtype);
      const indices = fresh(x.shape, 'int32');
      kernel(values, indices, x, dim);
      return [values, indices];
    },
  });
}

const cummaxOp = defineRunningExtreme('cummax', kernels.cummax);
const cumminOp = defineRunningExtreme('cummin', kernels.cummin);

export const cummax = (x: TensorBase, dim: number): Found =>
  foundOf(apply(cummaxOp, [x], { dim: wrapDim('cummax', dim, x.shape.length) }));
export const cummin = (x: TensorBase, dim: number): Found =>
  foundOf(apply(cumminOp, [x], { dim: wrapDim('cummin', dim, x.shape.length) }));
