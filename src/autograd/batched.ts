import { type Place, shapeAt } from '../core/edge.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import { TensorBase } from '../core/tensor.ts';
import { batch } from '../transforms/batch.ts';
import { type GradOptions, grad, list, type OneOrMany } from './api.ts';

/** `grad` for a batch of `gradOutputs` at once: a vmap of the backward pass over their first dimension. */
export function batchedGrad(
  outputs: OneOrMany<Place>,
  inputs: OneOrMany<Place>,
  options: GradOptions,
): (TensorBase | null)[] {
  const roots = list(outputs);
  const given = options.gradOutputs === undefined ? [] : list(options.gradOutputs);
  if (given.length !== roots.length || !given.every((g) => g instanceof TensorBase))
    throw new ArgumentError(
      `autograd.grad: with isGradsBatched: true, gradOutputs must hold a Tensor for each of the ${roots.length} outputs`,
    );
  given.forEach((g, i) => {
    const shape = shapeAt(roots[i]);
    if (g.shape.length === 0 || !sameShape(g.shape.slice(1), shape)) {
      throw new ShapeError(
        `autograd.grad: If \`isGradsBatched: true\`, we interpret the first dimension of each grad_output as the batch dimension. The sizes of the remaining dimensions are expected to match the shape of corresponding output, but a mismatch was detected: grad_output[${i}] has a shape of ${shapeText(g.shape)} and output[${i}] has a shape of ${shapeText(shape)}. If you only want some tensors in \`gradOutputs\` to be considered batched, consider using vmap.`,
      );
    }
  });
  let unused: readonly boolean[] = [];
  const found = batch(
    (...gradOutputs) => {
      const grads = grad(outputs, inputs, { ...options, gradOutputs: gradOutputs as TensorBase[] });
      unused = grads.map((g) => g === null);
      return grads.filter((g) => g !== null);
    },
    given,
    {},
  ) as TensorBase[];
  let k = 0;
  return unused.map((u) => (u ? null : found[k++]));
}
