import { LineKernel } from '../backends/wasm/lines.ts';
import { MapKernel } from '../backends/wasm/map.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply1, isBare } from '../core/apply.ts';
import { byDType, type DType, dtypeInfo, isFloat } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { type Shape, wrapDim } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { sub as less } from '../kernels/algebra.ts';
import { arg, binary, constant, type Expr, unary } from '../kernels/expr.ts';
import { toDType } from './copy.ts';
import { add, exp, mul, sub } from './elementwise.ts';
import { computeOf, inOrder, linesOver } from './lines.ts';
import { type ReduceAttrs, reduce, reducedShape, sum } from './reduce.ts';

/*
 * The softmax and its logarithm, computed relative to the largest element so that nothing overflows:
 * log Σ exp x = m + log Σ exp(x − m). As in PyTorch a softmax beside an infinite maximum is NaN.
 */

interface Kernels {
  /** log Σ exp(x − m), for maxima m */
  readonly logTotal: ReduceKernel;
  /** exp(x − m) */
  readonly weigh: MapKernel;
  /** 1 / Σ w */
  readonly inverse: ReduceKernel;
  /** w s */
  readonly share: MapKernel;
  /** (x − m) − s */
  readonly logShare: MapKernel;
  /** The softmax of lines, and its logarithm. */
  readonly lines: LineKernel;
  readonly logLines: LineKernel;
  /** Their gradients from y and ȳ. */
  readonly gradient: Gradient;
  readonly logGradient: Gradient;
}

/** By lines, or else a sum and what is made with it. */
interface Gradient {
  readonly lines: LineKernel;
  readonly total: ReduceKernel;
  readonly apply: MapKernel;
}

const kernelsFor = byDType((dtype): Kernels => {
  const { compute } = dtypeInfo(dtype);
  const map = (name: string, args: number, out: Expr): MapKernel =>
    new MapKernel(
      { name, args: new Array<'value'>(args).fill('value'), outs: [out] },
      compute,
      new Array<DType>(args).fill(dtype),
      [dtype],
    );
  const total = (name: string, ins: number, pre: Expr, post?: Expr): ReduceKernel =>
    new ReduceKernel({
      name,
      fold: 'sum',
      pre,
      ...(post !== undefined && { post }),
      compute,
      ins: new Array<DType>(ins).fill(dtype),
      out: dtype,
    });
  const weight = unary('decay', less(arg(0), arg(1)));
  const gradient = (name: 'softmax' | 'logSoftmax'): Gradient => {
    const { sum, result } = GRADIENTS[name];
    return {
      lines: gradientOnLines(name, dtype),
      total: total(`${name}Total`, name === 'softmax' ? 2 : 1, sum(arg(0), arg(1))),
      apply: map(`${name}Gradient`, 3, result(arg(0), arg(1), arg(2))),
    };
  };
  return {
    logTotal: total('logSumExp', 2, unary('summand', less(arg(0), arg(1))), unary('log', arg(0))),
    weigh: map('softmaxWeigh', 2, weight),
    inverse: total('inverseSum', 1, arg(0), binary('div', constant(1), arg(0))),
    share: map('softmaxShare', 2, binary('mul', arg(0), arg(1))),
    logShare: map('logSoftmaxShare', 3, less(less(arg(0), arg(1)), arg(2))),
    lines: onLines('softmax', dtype),
    logLines: onLines('logSoftmax', dtype),
    gradient: gradient('softmax'),
    logGradient: gradient('logSoftmax'),
  };
});

/**
 * Three passes over a line: m, Σ exp(x − m), and the result. The softmax keeps the exponentials of the
 * second pass and multiplies them by 1 / s. A NaN is not sought in the first pass, it shows in the second.
 */
function onLines(name: 'softmax' | 'logSoftmax', dtype: DType): LineKernel {
  const [x, y, m, s] = [arg(0), arg(1), arg(2), arg(3)];
  const each = { dtype, extent: 'each' } as const;
  const max = { map: x, fold: 'greatest' } as const;
  const terms = less(x, m);
  return new LineKernel({
    name,
    compute: computeOf(dtype),
    ins: [each],
    scalars: 0,
    outs: [each],
    passes:
      name === 'softmax'
        ? [
            max,
            { map: unary('decay', terms), fold: 'sum', store: 0, post: binary('div', constant(1), s) },
            { map: binary('mul', y, s), store: 0 },
          ]
        : [
            max,
            { map: unary('summand', terms), fold: 'sum', post: unary('log', s) },
            { map: less(less(x, m), s), store: 0 },
          ],
  });
}

/** y (ȳ − Σ ȳ y), and ȳ − exp(y) Σ ȳ. */
const GRADIENTS = {
  softmax: {
    sum: (g: Expr, y: Expr): Expr => binary('mul', g, y),
    result: (y: Expr, g: Expr, s: Expr): Expr => binary('mul', y, less(g, s)),
  },
  logSoftmax: {
    sum: (g: Expr): Expr => g,
    result: (y: Expr, g: Expr, s: Expr): Expr => less(g, binary('mul', unary('decay', y), s)),
  },
} as const;

function gradientOnLines(name: 'softmax' | 'logSoftmax', dtype: DType): LineKernel {
  const each = { dtype, extent: 'each' } as const;
  const { sum, result } = GRADIENTS[name];
  return new LineKernel({
    name: `${name}Gradient`,
    compute: computeOf(dtype),
    ins: [each, each],
    scalars: 0,
    outs: [each],
    passes: [
      { map: sum(arg(1), arg(0)), fold: 'sum' },
      { map: result(arg(0), arg(1), arg(3)), store: 0 },
    ],
  });
}

/** A gradient in one kernel, or in two if there are no lines: null where more than its value may be asked for. */
function gradientAtOnce(g: TensorBase, y: TensorBase, dim: number, logarithm: boolean): TensorBase | null {
  if (y.count === 0 || !isBare([g, y])) return null;
  const dims = y.shape.length === 0 ? [] : [dim];
  const lines = linesOver(y, dims, 3);
  return internally(() => {
    const out = fresh(y.shape, y.dtype);
    const k = kernelsFor(y.dtype);
    const gradient = logarithm ? k.logGradient : k.gradient;
    if (lines !== null) {
      gradient.lines.run(lines.lines, lines.length, [out], [inOrder(y), inOrder(g)], [], lines.beside);
      return out;
    }
    const s = fresh(reducedShape(y.shape, { dims, keepdim: true, all: false }), y.dtype);
    gradient.total.run(s, logarithm ? [g] : [g, y], y.shape, dims);
    gradient.apply.run([out], [y, g, s]);
    return out;
  });
}

/** What a kernel makes of x and others, with the reduced dimensions kept as in m. */
function totalled(
  kernel: ReduceKernel,
  m: TensorBase,
  [x, ...others]: readonly TensorBase[],
  attrs: ReduceAttrs,
): TensorBase {
  const s = fresh(m.shape, x.dtype);
  kernel.run(s, [x, ...others], x.shape, attrs.dims);
  return s;
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

interface SoftmaxAttrs {
  readonly dim: number;
}

/** The softmax or its logarithm: line by line, or else by kernels for each of its parts. */
function shares(x: TensorBase, dim: number, logarithm: boolean): TensorBase {
  if (x.count === 0) return fresh(x.shape, x.dtype);
  return internally(() => {
    const k = kernelsFor(x.dtype);
    const dims = x.shape.length === 0 ? [] : [dim];
    const lines = linesOver(x, dims, 2);
    if (lines !== null) {
      const y = fresh(x.shape, x.dtype);
      (logarithm ? k.logLines : k.lines).run(lines.lines, lines.length, [y], [inOrder(x)], [], lines.beside);
      return y;
    }
    const attrs: ReduceAttrs = { dims, keepdim: true, all: false };
    const m = reduce({ name: 'max', fold: 'max' }, x, x.dtype, x.dtype, attrs);
    if (logarithm) {
      const s = totalled(k.logTotal, m, [x, m], attrs);
      return mapped(k.logShare, x.shape, x.dtype, [x, m, s]);
    }
    const y = mapped(k.weigh, x.shape, x.dtype, [x, m]);
    k.share.run([y], [y, totalled(k.inverse, m, [y], attrs)]);
    return y;
  });
}

// y = exp x / Σ exp x        x̄ = y (ȳ − Σ ȳ y)        ẏ = y (ẋ − Σ ẋ y)
const softmaxOp: Op<SoftmaxAttrs> = defineOp({
  name: 'softmax',
  cheap: true,
  inputs: ['x'],
  forward: ([x], { dim }) => shares(x, dim, false),
  vjp: {
    x: [
      ['y'],
      (g, [y], { attrs: { dim } }) => gradientAtOnce(g, y, dim, false) ?? mul(y, sub(g, sum(mul(g, y), dim, true))),
    ],
  },
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
  forward: ([x], { dim }) => shares(x, dim, true),
  vjp: {
    x: [
      ['y'],
      (g, [y], { attrs: { dim } }) => gradientAtOnce(g, y, dim, true) ?? sub(g, mul(exp(y), sum(g, dim, true))),
    ],
  },
  jvp: ({ tangents: [tx], outputs: [y], attrs: { dim } }) =>
    tx === null ? null : sub(tx, sum(mul(exp(y), tx), dim, true)),
  vmap: ([x], _, { dim }) => (x.shape.length === 1 ? mul(x, 0) : apply1(logSoftmaxOp, [x], { dim: dim + 1 })),
});

export function logSoftmax(x: TensorBase, dim: number, dtype?: DType): TensorBase {
  return apply1(logSoftmaxOp, [floatInput('logSoftmax', x, dtype)], {
    dim: wrapDim('logSoftmax', dim, x.shape.length),
  });
}
