import { parameterOf, setTreeRequiresGrad, zeroTreeGrad } from '../autograd/parameters.ts';
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
  return parameterOf(data, options?.requiresGrad ?? true) as Tensor;
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
