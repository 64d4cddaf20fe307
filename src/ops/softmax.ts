import { LineKernel, LONGEST_LINE } from '../backends/wasm/lines.ts';
import { MapKernel } from '../backends/wasm/map.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply1, isBare } from '../core/apply.ts';
import { type DType, dtypeInfo, isFloat } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { contiguousStrides, type Shape, wrapDim } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { sub as less } from '../kernels/algebra.ts';
import { arg, binary, compare, constant, type Expr, select, unary } from '../kernels/expr.ts';
import { toDType, toFloat } from './copy.ts';
import { add, exp, mul, sub } from './elementwise.ts';
import { ElementwiseOp } from './elementwise-op.ts';
import { asLines, computeOf, inOrder, type Lines, linesOver } from './lines.ts';
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
 * log Σ exp x = m + log Σ exp(x − m). As in PyTorch a softmax beside an infinite maximum is NaN; the log-sum-exp
 * itself is not.
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
  /** The log-sum-exp of lines. */
  readonly sumLines: LineKernel;
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
    k = {
      logTotal: total('logSumExp', 2, unary('summand', less(arg(0), arg(1))), unary('log', arg(0))),
      weigh: map('softmaxWeigh', 2, weight),
      inverse: total('inverseSum', 1, arg(0), binary('div', constant(1), arg(0))),
      share: map('softmaxShare', 2, binary('mul', arg(0), arg(1))),
      logShare: map('logSoftmaxShare', 3, less(less(arg(0), arg(1)), arg(2))),
      lines: onLines('softmax', dtype),
      logLines: onLines('logSoftmax', dtype),
      sumLines: sumOnLines(dtype),
      gradient: gradient('softmax'),
      logGradient: gradient('logSoftmax'),
    };
    kernels.set(dtype, k);
  }
  return k;
}

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

/**
 * m, then m + log Σ exp(x − m). Beside an infinite m nothing is subtracted. What is infinite itself, which counts
 * as 1, makes the sum NaN, and only then is it looked for.
 */
function sumOnLines(dtype: DType): LineKernel {
  const [x, m, n, s] = [arg(0), arg(2), arg(3), arg(4)];
  return new LineKernel({
    name: 'logsumexp',
    compute: computeOf(dtype),
    ins: [{ dtype, extent: 'each' }],
    scalars: 0,
    outs: [{ dtype, extent: 'line' }],
    passes: [
      { map: x, fold: 'greatest' },
      { map: select(compare('eq', unary('abs', m), Number.POSITIVE_INFINITY), 0, m) },
      {
        map: unary('summand', less(x, n)),
        fold: 'sum',
        instead: unary('summand', binary('min', less(x, n), constant(0))),
        post: binary('add', m, unary('log', s)),
        keep: 0,
      },
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

/** Elements of a long line that go through the first-level cache together, at most. */
const STRETCH = 2 ** 12;

/**
 * The log-sum-exp of lines of a tensor whose elements lie in order. A long line is cut into stretches, and
 * is the log-sum-exp of theirs.
 */
function overLines(x: TensorBase, { lines, length, beside }: Lines): TensorBase {
  const { sumLines } = kernelsFor(x.dtype);
  if (beside > 1 || length <= 2 * STRETCH) {
    const y = fresh([lines * beside], x.dtype);
    sumLines.run(lines, length, [y], [x], [], beside);
    return y;
  }
  // All alike, so that there is hardly a rest.
  const stretch = 16 * Math.ceil(length / Math.ceil(length / STRETCH) / 16);
  const whole = Math.floor(length / stretch);
  const rest = length - whole * stretch;
  const parts = rest > 0 ? whole + 1 : whole;
  const y = fresh([lines * parts], x.dtype);
  const from = (t: TensorBase, at: number): TensorBase => alias(t, t.shape, t.strides, t.offset + at);
  for (let i = 0; i < lines; i++) {
    sumLines.run(whole, stretch, [from(y, i * parts)], [from(x, i * length)]);
    if (rest > 0) sumLines.run(1, rest, [from(y, i * parts + whole)], [from(x, i * length + whole * stretch)]);
  }
  return overLines(y, { lines, length: parts, beside });
}

/** A tensor with some dimensions last, where they are lines. */
function turned(x: TensorBase, dims: readonly number[]): readonly [TensorBase, Lines] {
  const order = [...x.shape.keys()].filter((d) => !dims.includes(d)).concat(dims);
  const view = alias(
    x,
    order.map((d) => x.shape[d]),
    order.map((d) => x.strides[d]),
  );
  const length = dims.reduce((n, d) => n * x.shape[d], 1);
  return [inOrder(view), { lines: x.count / length, length, beside: 1 }];
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

/** t exp(x − y) for x ≤ y, in one kernel. */
let share: ElementwiseOp | null = null;

function shareOf(inputs: readonly TensorBase[]): TensorBase {
  const [t, x, y] = [arg(0), arg(1), arg(2)];
  share ??= new ElementwiseOp(
    {
      name: 'logsumexpShare',
      args: ['value', 'value', 'value'],
      outs: [binary('mul', t, unary('decay', less(x, y)))],
    },
    { kind: 'float', differentiable: true },
  );
  return share.invoke(inputs) as TensorBase;
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
      const { dims } = attrs;
      const found = asLines(x.shape, dims);
      const y =
        found !== null && (found.beside === 1 || found.length <= LONGEST_LINE)
          ? overLines(inOrder(x), found)
          : overLines(...turned(x, dims));
      return alias(y, shape, contiguousStrides(shape));
    });
  },
  vjp: {
    x: [['x', 'y'], (g, [x, y], { attrs }) => shareOf([keepdims(g, x.shape, attrs), x, keepdims(y, x.shape, attrs)])],
  },
  jvp: ({ inputs: [x], tangents: [tx], outputs: [y], attrs }) =>
    tx === null
      ? null
      : sumOver(shareOf([tx, x as TensorBase, keepdims(y, (x as TensorBase).shape, attrs)]), attrs.dims, attrs.keepdim),
  vmap: ([x], _, attrs) => apply1(logsumexpOp, [x], shifted(attrs)),
});

export function logsumexp(x: TensorBase, dim: Dims, keepdim = false): TensorBase {
  const input = toFloat(x);
  return apply1(logsumexpOp, [input], reduceAttrs('logsumexp', x, dim, keepdim));
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
