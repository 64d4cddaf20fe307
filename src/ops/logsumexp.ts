import { LineKernel, LONGEST_LINE } from '../backends/wasm/lines.ts';
import { apply1 } from '../core/apply.ts';
import { byDType } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { contiguousStrides } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { sub as less } from '../kernels/algebra.ts';
import { arg, binary, compare, constant, select, unary } from '../kernels/expr.ts';
import { toFloat } from './copy.ts';
import { ElementwiseOp } from './elementwise-op.ts';
import { asLines, computeOf, inOrder, type Lines } from './lines.ts';
import {
  type Dims,
  keepdims,
  type ReduceAttrs,
  reduce,
  reduceAttrs,
  reducedShape,
  shifted,
  sumOver,
} from './reduce.ts';

/*
 * Computed relative to the largest element m, so that nothing overflows: log Σ exp x = m + log Σ exp(x − m). As in
 * PyTorch it is infinite beside an infinite m, of which a softmax is NaN.
 */

/**
 * m, then m + log Σ exp(x − m). Beside an infinite m nothing is subtracted. What is infinite itself, which counts
 * as 1, makes the sum NaN, and only then is it looked for.
 */
const kernelFor = byDType((dtype) => {
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
});

/** Elements of a long line that go through the first-level cache together, at most. */
const STRETCH = 2 ** 12;

/**
 * The log-sum-exp of lines of a tensor whose elements lie in order. A long line is cut into stretches, and
 * is the log-sum-exp of theirs.
 */
function overLines(x: TensorBase, { lines, length, beside }: Lines): TensorBase {
  const sumLines = kernelFor(x.dtype);
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
