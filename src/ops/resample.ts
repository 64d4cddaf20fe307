import { resample as resampleKernel } from '../backends/wasm/resample.ts';
import { apply1 } from '../core/apply.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import type { Taps } from '../kernels/taps.ts';
import { contiguous } from './copy.ts';

interface ResampleAttrs {
  /** For messages. */
  readonly op: string;
  readonly dim: number;
  readonly taps: Taps;
}

// y[…, o, …] = Σ w x[…, i, …] over the taps of o        x̄ = the same with the weights transposed
const resampleOp: Op<ResampleAttrs> = defineOp({
  name: 'resample',
  cheap: true,
  inputs: ['x'],
  forward: ([x], { op, dim, taps }) =>
    internally(() => {
      const y = fresh(x.shape.with(dim, taps.outputs), x.dtype);
      resampleKernel(op, y, contiguous(x), dim, taps);
      return y;
    }),
  vjp: {
    x: [[], (g, _, { attrs }) => apply1(resampleOp, [g], { ...attrs, taps: attrs.taps.transposed })],
  },
  jvp: 'linear',
  vmap: ([x], _, attrs) => apply1(resampleOp, [x], { ...attrs, dim: attrs.dim + 1 }),
});

/**
 * Weighted sums along each of the last dimensions, one matrix of weights for each; null leaves a
 * dimension as it is. What shrinks goes first, and what grows last, from the end.
 */
export function resample(op: string, x: TensorBase, weights: readonly (Taps | null)[]): TensorBase {
  const lead = x.shape.length - weights.length;
  const along = (y: TensorBase, d: number): TensorBase => {
    const taps = weights[d];
    return taps === null ? y : apply1(resampleOp, [y], { op, dim: lead + d, taps });
  };
  const dims = weights.map((_, d) => d);
  const grows = (d: number): boolean => (weights[d]?.outputs ?? 0) > (weights[d]?.inputs ?? 0);
  const order = [...dims.filter((d) => !grows(d)), ...dims.filter(grows).toReversed()];
  return order.reduce(along, x);
}
