import { MapKernel } from '../backends/wasm/map.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply1 } from '../core/apply.ts';
import { type DType, dtypeInfo, isFloat } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { contiguousStrides, type Shape, wrapDim } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary, compare, constant, type Expr, select, unary } from '../kernels/expr.ts';
import { toDType } from './copy.ts';
import { add, exp, mul, sub } from './elementwise.ts';
import {
  type Dims,
  keepdims,
  type ReduceAttrs,
  reduce,
  reduceAttrs,
  reducedShape,
  shifted,
  sum,
  sumOver,
} from './reduce.ts';

/*
 * Log-sum-exp and its relatives, computed relative to the largest element so that nothing overflows:
 * log Σ exp x = m + log Σ exp(x − m).
 */

/** The reference point m: the maximum, or 0 where that is infinite (so that inf − inf does not arise). */
const finiteOrZero: Expr = select(compare('eq', unary('abs', arg(0)), constant(Number.POSITIVE_INFINITY)), 0, arg(0));
const shiftedExp: Expr = unary('exp', binary('sub', arg(0), arg(1)));

interface Kernels {
  /** Σ exp(x − m) */
  readonly total: ReduceKernel;
  /** exp(x − m) / s */
  readonly share: MapKernel;
  /** (x − m) − log s */
  readonly logShare: MapKernel;
  /** m + log s */
  readonly combine: MapKernel;
}

const kernels = new Map<DType, Kernels>();

function kernelsFor(dtype: DType): Kernels {
  let k = kernels.get(dtype);
  if (k === undefined) {
    const { compute } = dtypeInfo(dtype);
    const map = (name: string, args: number, out: Expr): MapKernel =>
      new MapKernel(
        { name, args: new Array<'value'>(args).fill('value'), outs: [out] },
        compute,
        new Array<DType>(args).fill(dtype),
        [dtype],
      );
    k = {
      total: new ReduceKernel({
        name: 'sumExp',
        fold: 'sum',
        pre: shiftedExp,
        compute,
        ins: [dtype, dtype],
        out: dtype,
      }),
      share: map('softmaxShare', 3, binary('div', shiftedExp, arg(2))),
      logShare: map('logSoftmaxShare', 3, binary('sub', binary('sub', arg(0), arg(1)), unary('log', arg(2)))),
      combine: map('logSumExpCombine', 2, binary('add', arg(0), unary('log', arg(1)))),
    };
    kernels.set(dtype, k);
  }
  return k;
}

/** m and Σ exp(x − m), with the reduced dimensions kept. */
function shiftedTotal(x: TensorBase, dims: readonly number[]): readonly [m: TensorBase, s: TensorBase] {
  const attrs: ReduceAttrs = { dims, keepdim: true, all: false };
  const m = reduce({ name: 'finiteMax', fold: 'max', post: finiteOrZero }, x, x.dtype, x.dtype, attrs);
  const s = fresh(reducedShape(x.shape, attrs), x.dtype);
  kernelsFor(x.dtype).total.run(s, [x, m], x.shape, dims);
  return [m, s];
}

function mapped(kernel: MapKernel, shape: Shape, dtype: DType, ins: readonly TensorBase[]): TensorBase {
  const y = fresh(shape, dtype);
  kernel.run([y], ins);
  return y;
}

function floatInput(op: string, x: TensorBase, dtype: DType | undefined): TensorBase {
  const input = dtype === undefined ? x : toDType(x, dtype);
  if (!isFloat(input.dtype))
    throw new DTypeError(`${op}: "${op}" not implemented for '${input.dtype}'; convert with x.to('float32') first`);
  return input;
}

// y = log Σ exp x        x̄ = ȳ exp(x − y)        ẏ = Σ ẋ exp(x − y)
const logsumexpOp: Op<ReduceAttrs> = defineOp({
  name: 'logsumexp',
  cheap: true,
  inputs: ['x'],
  forward: ([x], attrs) => {
    const shape = reducedShape(x.shape, attrs);
    if (x.count === 0)
      return reduce({ name: 'logSum', fold: 'sum', post: unary('log', arg(0)) }, x, x.dtype, x.dtype, attrs);
    return internally(() => {
      const [m, s] = shiftedTotal(x, attrs.dims);
      const y = mapped(kernelsFor(x.dtype).combine, m.shape, x.dtype, [m, s]);
      return attrs.keepdim ? y : alias(y, shape, contiguousStrides(shape));
    });
  },
  vjp: {
    x: [
      ['x', 'y'],
      (g, [x, y], { attrs }) => mul(keepdims(g, x.shape, attrs), exp(sub(x, keepdims(y, x.shape, attrs)))),
    ],
  },
  jvp: ({ inputs: [x], tangents: [tx], outputs: [y], attrs }) =>
    tx === null
      ? null
      : sumOver(
          mul(tx, exp(sub(x as TensorBase, keepdims(y, (x as TensorBase).shape, attrs)))),
          attrs.dims,
          attrs.keepdim,
        ),
  vmap: ([x], _, attrs) => apply1(logsumexpOp, [x], shifted(attrs)),
});

export function logsumexp(x: TensorBase, dim: Dims, keepdim = false): TensorBase {
  const input = isFloat(x.dtype) ? x : toDType(x, 'float32');
  return apply1(logsumexpOp, [input], reduceAttrs('logsumexp', x, dim, keepdim));
}

interface SoftmaxAttrs {
  readonly dim: number;
}

// y = exp x / Σ exp x        x̄ = y (ȳ − Σ ȳ y)        ẏ = y (ẋ − Σ ẋ y)
const softmaxOp: Op<SoftmaxAttrs> = defineOp({
  name: 'softmax',
  cheap: true,
  inputs: ['x'],
  forward: ([x], { dim }) =>
    x.count === 0
      ? fresh(x.shape, x.dtype)
      : internally(() => {
          const [m, s] = shiftedTotal(x, x.shape.length === 0 ? [] : [dim]);
          return mapped(kernelsFor(x.dtype).share, x.shape, x.dtype, [x, m, s]);
        }),
  vjp: { x: [['y'], (g, [y], { attrs: { dim } }) => mul(y, sub(g, sum(mul(g, y), dim, true)))] },
  jvp: ({ tangents: [tx], outputs: [y], attrs: { dim } }) =>
    tx === null ? null : mul(y, sub(tx, sum(mul(tx, y), dim, true))),
  vmap: ([x], _, { dim }) => (x.shape.length === 1 ? add(mul(x, 0), 1) : apply1(softmaxOp, [x], { dim: dim + 1 })),
});

/** Positive numbers that sum to 1 along `dim`. */
export function softmax(x: TensorBase, dim: number, dtype?: DType): TensorBase {
  return apply1(softmaxOp, [floatInput('softmax', x, dtype)], { dim: wrapDim('softmax', dim, x.shape.length) });
}

// y = x − log Σ exp x        x̄ = ȳ − exp(y) Σ ȳ        ẏ = ẋ − Σ exp(y) ẋ
const logSoftmaxOp: Op<SoftmaxAttrs> = defineOp({
  name: 'logSoftmax',
  cheap: true,
  inputs: ['x'],
  forward: ([x], { dim }) =>
    x.count === 0
      ? fresh(x.shape, x.dtype)
      : internally(() => {
          const [m, s] = shiftedTotal(x, x.shape.length === 0 ? [] : [dim]);
          return mapped(kernelsFor(x.dtype).logShare, x.shape, x.dtype, [x, m, s]);
        }),
  vjp: { x: [['y'], (g, [y], { attrs: { dim } }) => sub(g, mul(exp(y), sum(g, dim, true)))] },
  jvp: ({ tangents: [tx], outputs: [y], attrs: { dim } }) =>
    tx === null ? null : sub(tx, sum(mul(exp(y), tx), dim, true)),
  vmap: ([x], _, { dim }) => (x.shape.length === 1 ? mul(x, 0) : apply1(logSoftmaxOp, [x], { dim: dim + 1 })),
});

export function logSoftmax(x: TensorBase, dim: number, dtype?: DType): TensorBase {
  return apply1(logSoftmaxOp, [floatInput('logSoftmax', x, dtype)], {
    dim: wrapDim('logSoftmax', dim, x.shape.length),
  });
}
