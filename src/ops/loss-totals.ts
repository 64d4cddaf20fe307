import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply1 } from '../core/apply.ts';
import { type DType, dtypeInfo, isFloat } from '../core/dtype.ts';
import { type Op, register } from '../core/op.ts';
import { numel, sameShape } from '../core/shape.ts';
import { fresh, type Operand, type TensorBase } from '../core/tensor.ts';
import { arg, binary } from '../kernels/expr.ts';
import { lossTerms } from './activations.ts';
import { div } from './elementwise.ts';
import type { ElementwiseOp } from './elementwise-op.ts';
import { sum, sumOver } from './reduce.ts';

interface TotalAttrs {
  /** What the sum is divided by. */
  readonly by: number;
  readonly node: string;
}

/** y = Σ f(x, target, …) / n        the gradients of f, for ȳ / n at every element */
function totalOf(term: ElementwiseOp): Op<TotalAttrs> {
  // By dtype, at hand: a small loss takes two thirds of a microsecond.
  const kernels = new Map<DType, ReduceKernel>();
  return register<TotalAttrs>({
    name: `${term.name}Total`,
    nodeName: (attrs) => (attrs as TotalAttrs).node,
    forward(inputs, { by }) {
      const { dtype, shape } = inputs[0] as TensorBase;
      let kernel = kernels.get(dtype);
      if (kernel === undefined) {
        kernel = new ReduceKernel({
          name: term.name,
          fold: 'sum',
          pre: term.fn.outs[0],
          post: binary('div', arg(0), arg(1)),
          postScalars: 1,
          compute: dtypeInfo(dtype).compute,
          ins: inputs.map((x) => (typeof x === 'number' ? 'scalar' : dtype)),
          out: dtype,
        });
        kernels.set(dtype, kernel);
      }
      const y = fresh([], dtype);
      const dims = shape.map((_, d) => d);
      kernel.run(y, inputs, shape, dims, [by]);
      return y;
    },
    backward: term.backward && {
      ...term.backward,
      run: (node, [g], wanted) => {
        const { by } = node.attrs as unknown as TotalAttrs;
        return term.runBackward(node, [g === null || by === 1 ? g : div(g, by)], wanted);
      },
    },
    jvp: (c) => term.jvp({ ...c, attrs: undefined }).map((t) => t && div(sum(t), c.attrs.by)),
    vmap(inputs, batched, { by }) {
      const losses = term.vmap(inputs, batched) as TensorBase;
      const dims = losses.shape.slice(1).map((_, d) => d + 1);
      return div(sumOver(losses, dims, false), by);
    },
  });
}

/** Those whose terms are few instructions: longer ones are computed several vectors abreast, which a fold is not. */
const totals = new Map(
  [lossTerms.squaredError, lossTerms.absoluteError, lossTerms.smoothL1, lossTerms.huber].map((term) => [
    term,
    totalOf(term),
  ]),
);

/** Σ or mean of a term over all elements without a tensor of them; null where there is no kernel for that. */
export function totalLoss(
  term: ElementwiseOp,
  inputs: readonly [TensorBase, TensorBase, ...Operand[]],
  mean: boolean,
  node: string,
): TensorBase | null {
  const op = totals.get(term);
  const [x, y] = inputs;
  if (op === undefined || x.dtype !== y.dtype || !isFloat(x.dtype) || !sameShape(x.shape, y.shape)) return null;
  return apply1(op, inputs, { by: mean ? numel(x.shape) : 1, node });
}
