import { isFloat } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { broadcastAll, type Shape } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { checkReduction, type Reduction } from '../ops/loss.ts';
import { named } from '../ops/named.ts';
import { mean, sum } from '../ops/reduce.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** How the losses of the elements become one. */
export interface LossOptions {
  /** What becomes of the losses of the elements: `mean` (the default), `sum`, or `none`. */
  readonly reduction?: Reduction;
}

/** The same with a weight for each element. */
export interface WeightedLossOptions extends LossOptions {
  /** Weights of the elements; broadcasts with them. */
  readonly weight?: Tensor | null;
}

/** The reduction that options ask for; `known` are the names of others that a loss takes. */
export function reductionOf(op: string, options: LossOptions | undefined, known: readonly string[] = []): Reduction {
  checkOptions(op, options, ['reduction', ...known]);
  const reduction = options?.reduction ?? 'mean';
  checkReduction(op, reduction);
  return reduction;
}

/** The losses of the elements, or what becomes of them; `node` names the latter in the graph. */
export function reduced(op: string, losses: TensorBase, reduction: Reduction, node?: string): Tensor {
  if (reduction === 'mean' && !isFloat(losses.dtype))
    throw new DTypeError(
      `${op}: mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: ${losses.dtype}. Convert first: x.to('float32')`,
    );
  const y = reduction === 'none' ? losses : reduction === 'sum' ? sum(losses) : mean(losses);
  return (node === undefined || reduction === 'none' ? y : named(y, node)) as Tensor;
}

/** The shape to which tensors broadcast, in the name of a loss that is made of several operations. */
export function commonShape(op: string, ...xs: readonly TensorBase[]): Shape {
  checkTensors(op, ...xs);
  return broadcastAll(op, ...xs);
}
