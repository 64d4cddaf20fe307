import type { TensorBase } from '../core/tensor.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import * as api from './api.ts';

export type { BackwardOptions, GradOptions } from './api.ts';
export * as graph from './graph.ts';
export { isGradEnabled } from './modes.ts';

/**
 * Gradients of `outputs` by `inputs`, returned in the order of `inputs` and not accumulated.
 * ḡᵢ = Σⱼ gradOutputsⱼ ∂outputsⱼ/∂inputsᵢ.
 *
 * @throws {AutogradError} when an output does not require grad, or an input was not used and neither
 * `allowUnused` nor `materializeGrads` is set.
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options?: api.GradOptions & { readonly allowUnused?: false },
): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options?: api.GradOptions,
): (Tensor | null)[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options?: api.GradOptions,
): (Tensor | null)[] {
  checkOptions('autograd.grad', options, [
    'gradOutputs',
    'retainGraph',
    'createGraph',
    'allowUnused',
    'materializeGrads',
  ]);
  return api.grad(outputs, inputs, options) as (Tensor | null)[];
}

/** Gradients of several tensors at once, added into the `.grad` of the leaves (or of `inputs`). */
export function backward(
  tensors: Tensor | readonly Tensor[],
  options?: Omit<api.BackwardOptions<Tensor>, 'gradient'> & {
    readonly gradient?: Tensor | null | readonly (Tensor | null)[];
  },
): void {
  checkOptions('autograd.backward', options, ['gradient', 'retainGraph', 'createGraph', 'inputs']);
  api.backward(tensors as TensorBase | readonly TensorBase[], options);
}
