import { resample as resampleKernel } from '../backends/wasm/resample.ts';
import { apply1 } from '../core/apply.ts';
import { internally } from '../core/internally.ts';
import { defaultNodeName, defineOp, type Op } from '../core/op.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import type { Taps } from '../kernels/taps.ts';
import { contiguous } from './copy.ts';

/** Sums along one dimension. */
interface Step {
  readonly dim: number;
  readonly taps: Taps;
}

interface ResampleAttrs {
  /** For messages. */
  readonly op: string;
  /** PyTorch's name for the function that this is. */
  readonly node?: string;
  /** In the order in which they are done. */
  readonly steps: readonly Step[];
}

// y[…, o, …] = Σ w x[…, i, …] over the taps of o, one dimension after the other
// x̄ = the same with the weights transposed, in the other order
const resampleOp: Op<ResampleAttrs> = defineOp({
  name: 'resample',
  cheap: true,
  node: ({ node }) => node ?? defaultNodeName('resample'),
  inputs: ['x'],
  forward: ([x], { op, steps }) =>
    internally(() =>
      steps.reduce((from, { dim, taps }) => {
        const y = fresh(from.shape.with(dim, taps.outputs), x.dtype);
        resampleKernel(op, y, from, dim, taps);
        return y;
      }, contiguous(x)),
    ),
  vjp: {
    x: [
      [],
      (g, _, { attrs: { op, steps } }) =>
        apply1(resampleOp, [g], {
          op,
          steps: steps.toReversed().map((s) => ({ dim: s.dim, taps: s.taps.transposed })),
        }),
    ],
  },
  jvp: 'linear',
  vmap: ([x], _, attrs) =>
    apply1(resampleOp, [x], { ...attrs, steps: attrs.steps.map(({ dim, taps }) => ({ dim: dim + 1, taps })) }),
});

/** Whether a dimension grows. */
const grows = (taps: Taps): boolean => taps.outputs > taps.inputs;

/**
 * Weighted sums along each of the last dimensions, one matrix of weights for each; null leaves a
 * dimension as it is. What shrinks goes first, and what grows last, from the end.
 */
export function resample(op: string, x: TensorBase, weights: readonly (Taps | null)[], node?: string): TensorBase {
  const lead = x.shape.length - weights.length;
  const steps: Step[] = [];
  weights.forEach((taps, d) => {
    if (taps !== null && !grows(taps)) steps.push({ dim: lead + d, taps });
  });
  for (let d = weights.length - 1; d >= 0; d--) {
    const taps = weights[d];
    if (taps !== null && grows(taps)) steps.push({ dim: lead + d, taps });
  }
  return apply1(resampleOp, [x], node === undefined ? { op, steps } : { op, node, steps });
}

/** Weights that were made last, and how many of them are kept. */
const recent = new Map<string, Taps>();
const KEPT = 32;

/** Weights that need not be listed again while the key is the same. */
export function recentTaps(key: string, make: () => Taps): Taps {
  let taps = recent.get(key);
  if (taps !== undefined) return taps;
  taps = make();
  recent.set(key, taps);
  for (const oldest of recent.keys()) {
    if (recent.size <= KEPT) break;
    recent.delete(oldest);
  }
  return taps;
}
