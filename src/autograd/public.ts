import type { GradientEdge, Place } from '../core/edge.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import * as api from './api.ts';
import { batchedGrad } from './batched.ts';

export { GradcheckError } from '../core/errors.ts';
export type { FunctionContext } from '../extend/context.ts';
export { AutogradFunction as Function, type FunctionBase, type VmapInfo } from '../extend/function.ts';
export {
  type GradcheckOptions,
  type GradgradcheckOptions,
  gradcheck,
  gradgradcheck,
} from '../extend/gradcheck/index.ts';
export { onceDifferentiable } from '../extend/once.ts';
export {
  type AnomalyOptions,
  detectAnomaly,
  detectAnomaly as withAnomalyDetection,
  isAnomalyCheckNanEnabled,
  isAnomalyEnabled,
  setDetectAnomaly,
} from './anomaly.ts';
export type { BackwardOptions } from './api.ts';
export * as forwardAd from './forward-ad/index.ts';
export * as functional from './functional/index.ts';
export * as graph from './graph.ts';
export { isGradEnabled } from './modes.ts';

export interface GradOptions extends api.GradOptions {
  /** `gradOutputs` hold a batch each, along their first dimension. */
  readonly isGradsBatched?: boolean;
}

/** A tensor, or its place in the graph (`graph.getGradientEdge`). */
type TensorOrEdge = Tensor | GradientEdge;

/** What there is for each input, in an array also where the input is a single one. */
type ForEach<I, G> = I extends readonly unknown[] ? { -readonly [K in keyof I]: G } : [G];

/**
 * Gradients of `outputs` by `inputs`, returned in the order of `inputs` and not accumulated.
 * ḡᵢ = Σⱼ gradOutputsⱼ ∂outputsⱼ/∂inputsᵢ.
 *
 * With `isGradsBatched`, every one of `gradOutputs` has a further dimension in front, and so have the
 * gradients: the pass runs once for all, as under `vmap`.
 *
 * @throws {AutogradError} when an output does not require grad, or an input was not used and neither
 * `allowUnused` nor `materializeGrads` is set.
 */
export function grad<const I extends TensorOrEdge | readonly TensorOrEdge[]>(
  outputs: TensorOrEdge | readonly TensorOrEdge[],
  inputs: I,
  options?: GradOptions & { readonly allowUnused?: false },
): ForEach<I, Tensor>;
export function grad<const I extends TensorOrEdge | readonly TensorOrEdge[]>(
  outputs: TensorOrEdge | readonly TensorOrEdge[],
  inputs: I,
  options?: GradOptions,
): ForEach<I, Tensor | null>;
export function grad(
  outputs: TensorOrEdge | readonly TensorOrEdge[],
  inputs: TensorOrEdge | readonly TensorOrEdge[],
  options: GradOptions = {},
): unknown {
  checkOptions('autograd.grad', options, [
    'gradOutputs',
    'retainGraph',
    'createGraph',
    'allowUnused',
    'materializeGrads',
    'isGradsBatched',
  ]);
  const { isGradsBatched = false, ...rest } = options;
  return isGradsBatched ? batchedGrad(outputs, inputs, rest) : api.grad(outputs, inputs, rest);
}

/** Gradients of several tensors at once, added into the `.grad` of the leaves (or of `inputs`). */
export function backward(
  tensors: TensorOrEdge | readonly TensorOrEdge[],
  options?: Omit<api.BackwardOptions<Tensor>, 'gradient'> & {
    readonly gradient?: Tensor | null | readonly (Tensor | null)[];
  },
): void {
  checkOptions('autograd.backward', options, ['gradient', 'retainGraph', 'createGraph', 'inputs']);
  api.backward(tensors as Place | readonly Place[], options);
}
