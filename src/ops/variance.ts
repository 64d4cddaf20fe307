import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply } from '../core/apply.ts';
import { type DType, isFloat } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { contiguousStrides, type Shape } from '../core/shape.ts';
import { alias, fresh, type Outputs, type TensorBase } from '../core/tensor.ts';
import { arg, binary, compare, type Expr, select, unary } from '../kernels/expr.ts';
import { toDType } from './copy.ts';
import { add, div, eq, mul, sub, where } from './elementwise.ts';
import {
  type Dims,
  keepdims,
  meanOver,
  type ReduceAttrs,
  reduce,
  reduceAttrs,
  reducedShape,
  spread,
  sumOver,
} from './reduce.ts';

/*
 * Variance and standard deviation: Σ (x − m)² / (n − c) with m = Σ x / n, in two passes. Both run in
 * float64 whatever the input, so that nothing cancels where the mean is large against the deviations.
 */

interface VarianceAttrs extends ReduceAttrs {
  /** c: what the degrees of freedom fall short of the number of elements. */
  readonly correction: number;
}

const deviation: Expr = binary('sub', arg(0), arg(1));
const perFreedom: Expr = binary('div', arg(0), arg(1));

/** An infinite element leaves neither a variance nor, beside it, a mean: so has PyTorch, whose mean runs along. */
const finiteMean: Expr = select(
  compare('eq', unary('abs', perFreedom), Number.POSITIVE_INFINITY),
  Number.NaN,
  perFreedom,
);

const kernels = new Map<string, ReduceKernel>();

function kernelFor(dtype: DType, root: boolean): ReduceKernel {
  const key = `${dtype} ${root}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = new ReduceKernel({
      name: root ? 'std' : 'var',
      fold: 'sum',
      pre: binary('mul', deviation, deviation),
      post: root ? unary('sqrt', perFreedom) : perFreedom,
      postScalars: 1,
      compute: 'f64',
      ins: [dtype, 'float64'],
      out: dtype,
    });
    kernels.set(key, kernel);
  }
  return kernel;
}

const sizeOver = (shape: Shape, dims: readonly number[]): number => dims.reduce((n, d) => n * shape[d], 1);

/** The variance, or its root, and the mean where it is asked for too. */
function forward(x: TensorBase, attrs: VarianceAttrs, root: boolean, withMean: boolean): Outputs {
  return internally(() => {
    const { dims, correction } = attrs;
    const n = sizeOver(x.shape, dims);
    const m = reduce(
      { name: 'finiteMean', fold: 'sum', post: finiteMean, postScalars: 1 },
      x,
      'float64',
      'float64',
      { dims, keepdim: true, all: false },
      [n],
    );
    const shape = reducedShape(x.shape, attrs);
    const y = fresh(shape, x.dtype);
    kernelFor(x.dtype, root).run(y, [x, m], x.shape, dims, [Math.max(0, n - correction)]);
    return withMean ? [y, toDType(alias(m, shape, contiguousStrides(shape)), x.dtype)] : y;
  });
}

/** 2 (x − m) / (n − c) times g, which has the dimensions kept. Without any freedom it is infinite, of everything without a sign, and NaN at the mean, as PyTorch has it. */
function varianceGradient(g: TensorBase, x: TensorBase, { dims, correction, all }: VarianceAttrs): TensorBase {
  const freedom = sizeOver(x.shape, dims) - correction;
  const off = sub(x, meanOver(x, dims));
  return freedom === 0 && all
    ? mul(g, where(eq(off, 0), Number.NaN, Number.POSITIVE_INFINITY))
    : mul(mul(g, 2 / freedom), off);
}

/** The cotangent of the variance from that of its root y: ȳ / 2y, and 0 where y is. */
const throughRoot = (g: TensorBase, y: TensorBase): TensorBase => where(eq(y, 0), 0, div(g, mul(y, 2)));

/**
 * y = Σ (x − m)² / (n − c), or the root of it        x̄ = ȳ 2 (x − m) / (n − c)
 *
 * With `mean` there is a second output, m.
 */
function defineVariance(name: string, node: string, root: boolean, withMean: boolean): Op<VarianceAttrs> {
  const op: Op<VarianceAttrs> = defineOp<VarianceAttrs>({
    name,
    node,
    inputs: ['x'],
    forward: ([x], attrs) => forward(x, attrs, root, withMean),
    vjp: {
      saves: root ? ['x', 'y0'] : ['x'],
      rule: ([gy, gm = null], [x, y], { attrs }) => {
        const kept = (t: TensorBase): TensorBase => keepdims(t, x.shape, attrs);
        const ofMean = gm === null ? null : div(spread(gm, x.shape, attrs), sizeOver(x.shape, attrs.dims));
        if (gy === null) return [ofMean];
        const g = kept(root ? throughRoot(gy, y) : gy);
        const ofVariance = varianceGradient(g, x, attrs);
        return [ofMean === null ? ofVariance : add(ofVariance, ofMean)];
      },
    },
    jvp: ({ inputs, tangents: [tx], outputs: [y], attrs }) => {
      if (tx === null) return [null, null];
      const { dims, keepdim } = attrs;
      const tangent = sumOver(varianceGradient(tx, inputs[0] as TensorBase, attrs), dims, keepdim);
      const ty = root ? throughRoot(tangent, y) : tangent;
      return withMean ? [ty, div(sumOver(tx, dims, keepdim), sizeOver(tx.shape, dims))] : [ty];
    },
    vmap: ([x], _, attrs) => apply(op, [x], { ...attrs, dims: attrs.dims.map((d) => d + 1), all: false }),
  });
  return op;
}

const varOp = defineVariance('var', 'VarBackward0', false, false);
const stdOp = defineVariance('std', 'StdBackward0', true, false);
const varMeanOp = defineVariance('varMean', 'VarMeanBackward0', false, true);
const stdMeanOp = defineVariance('stdMean', 'StdMeanBackward0', true, true);

function call(op: Op<VarianceAttrs>, x: TensorBase, dim: Dims, correction: number, keepdim: boolean): Outputs {
  if (!isFloat(x.dtype))
    throw new DTypeError(
      `${op.name}: std and var only support floating point and complex dtypes, got ${x.dtype}; convert with x.to('float32') first`,
    );
  return apply(op, [x], { ...reduceAttrs(op.name, x, dim, keepdim), correction });
}

const one =
  (op: Op<VarianceAttrs>) =>
  (x: TensorBase, dim?: Dims, correction = 1, keepdim = false): TensorBase =>
    call(op, x, dim, correction, keepdim) as TensorBase;

const two =
  (op: Op<VarianceAttrs>) =>
  (x: TensorBase, dim?: Dims, correction = 1, keepdim = false): readonly [spread: TensorBase, mean: TensorBase] =>
    call(op, x, dim, correction, keepdim) as unknown as readonly [TensorBase, TensorBase];

export const variance = one(varOp);
export const std = one(stdOp);
export const varMean = two(varMeanOp);
export const stdMean = two(stdMeanOp);
