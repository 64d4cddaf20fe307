import {
  clipTreeNorm,
  clipTreeValue,
  parameterOf,
  setTreeRequiresGrad,
  setTreeVector,
  treeVector,
  zeroTreeGrad,
} from '../autograd/parameters.ts';
import { checkTypes } from '../core/arguments.ts';
import { within } from '../core/naming.ts';
import { checkTensors } from '../core/tensor.ts';
import type { Tree } from '../core/tree.ts';
import { checkOptions } from './options.ts';
import type { ShapeOf } from './signatures.ts';
import type { Tensor } from './tensor.ts';

/**
 * A parameter of a model: a new leaf with the values of `data`, that requires grad. A model is then any
 * array or plain object of parameters, nested as one likes; it may hold numbers, names and functions too, but no
 * instances of classes.
 *
 * @throws {DTypeError} if `data` is not floating point.
 */
export function parameter<T extends Tensor>(
  data: T,
  options?: { readonly requiresGrad?: boolean },
): Tensor<ShapeOf<T>> {
  checkTensors('parameter', data);
  checkOptions('parameter', options, ['requiresGrad']);
  return within('parameter', () => parameterOf(data, options?.requiresGrad ?? true)) as Tensor;
}

/** Sets `requiresGrad` of every tensor of a model: `false` freezes it. Returns the model. */
export function requiresGrad_<M extends Tree<Tensor>>(model: M, value = true): M {
  setTreeRequiresGrad(model, value);
  return model;
}

/**
 * Clears the gradients of every tensor of a model: `.grad` becomes null, or with `setToNone: false`
 * zeros in the same memory.
 */
export function zeroGrad(model: Tree<Tensor>, options?: { readonly setToNone?: boolean }): void {
  checkOptions('zeroGrad', options, ['setToNone']);
  zeroTreeGrad(model, options?.setToNone ?? true);
}

/**
 * Scales the gradients of a model, in place, so that together they have a norm of `maxNorm` at most: each is multiplied
 * by min(1, maxNorm / (norm + 1e-6)). Returns the norm they had, of order `normType` (2, or any number, or Infinity).
 * Tensors without a gradient are passed over.
 *
 * @throws {AutogradError} with `errorIfNonfinite`, when the norm is infinite or NaN.
 */
export function clipGradNorm_(
  model: Tree<Tensor>,
  maxNorm: number,
  options?: { readonly normType?: number; readonly errorIfNonfinite?: boolean },
): Tensor<[]> {
  checkTypes('clipGradNorm_', 'number', { maxNorm });
  checkOptions('clipGradNorm_', options, ['normType', 'errorIfNonfinite']);
  return clipTreeNorm(model, maxNorm, options?.normType ?? 2, options?.errorIfNonfinite ?? false) as Tensor<[]>;
}

/** Moves every element of the gradients of a model, in place, into [−clipValue, clipValue]. */
export function clipGradValue_(model: Tree<Tensor>, clipValue: number): void {
  checkTypes('clipGradValue_', 'number', { clipValue });
  clipTreeValue(model, clipValue);
}

/** All parameters of a model as one vector, through which gradients flow back to them. */
export function parametersToVector(model: Tree<Tensor>): Tensor<[number]> {
  return treeVector(model) as Tensor<[number]>;
}

/**
 * The elements of a vector as the data of the parameters of a model, in turn (they share its memory).
 *
 * @throws {ShapeError} when the vector has not as many elements as the parameters.
 * @throws {AutogradError} when one of them is no leaf; then none is changed.
 */
export function vectorToParameters(vector: Tensor, model: Tree<Tensor>): void {
  checkTensors('vectorToParameters', vector);
  setTreeVector(model, vector);
}
