/** What the models are made of: parameters as leaves, and the layers that more than one model has. */
import { manualSeed, rand, type Tensor, zeros } from 'nabla';

/** Every model starts from the same numbers. */
export function seeded<R>(make: () => R): R {
  manualSeed(0);
  return make();
}

/** Uniform in ±1/√fanIn, as PyTorch starts its linear layers. */
export function weight(shape: readonly number[], fanIn: number): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  return (rand(shape) as Tensor)
    .mul(2 * bound)
    .sub(bound)
    .detach()
    .requiresGrad_();
}

export const bias = (n: number): Tensor => zeros([n], { requiresGrad: true });

/** A model in training: its parameters and the loss of its batch. */
export interface Training {
  readonly parameters: Tensor[];
  loss(parameters: readonly Tensor[]): Tensor;
}
