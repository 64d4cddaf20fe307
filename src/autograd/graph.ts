import { gradientNode, sync } from '../core/apply.ts';
import { kindOf } from '../core/arguments.ts';
import { GradientEdge } from '../core/edge.ts';
import { ArgumentError, AutogradError } from '../core/errors.ts';
import { TensorBase } from '../core/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';

export { GradientEdge } from '../core/edge.ts';
export { Node } from '../core/node.ts';
export { queueCallback } from './callbacks.ts';
export { type MultiGradHookOptions, registerMultiGradHook } from './multi-hooks.ts';
export { allowMutationOnSavedTensors, incrementVersion } from './mutation.ts';
export { disableSavedTensorsHooks, savedTensorsHooks } from './saved-hooks.ts';
export { saveInHalfPrecision, saveOnCpu } from './saved-policies.ts';

/**
 * The edge that the gradient of `tensor` goes along: its `gradFn` and `outputNr` or, for a leaf, the node
 * that accumulates into it.
 *
 * @throws {AutogradError} when the tensor does not require grad.
 */
export function getGradientEdge(tensor: Tensor): GradientEdge {
  if (!(tensor instanceof TensorBase))
    throw new ArgumentError(`getGradientEdge: expected a Tensor, got ${kindOf(tensor)}`);
  if (!sync(tensor).tracked)
    throw new AutogradError(
      'getGradientEdge: It is not possible to get the gradient edge for a Tensor that does not require gradients. Set requiresGrad on what it is computed from.',
    );
  return new GradientEdge(gradientNode(tensor), tensor.outputIndex);
}
