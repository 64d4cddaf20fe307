/**
 * Parameters of a model, which is any tree of tensors: an array, an object, nested. What PyTorch asks
 * of modules and optimizers works on these directly.
 */

import { kindOf } from '../core/arguments.ts';
import { ArgumentError, AutogradError, ShapeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { shapeText } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { mapTree } from '../core/tree.ts';
import { clone } from '../ops/copy.ts';
import { zeros } from '../ops/create.ts';
import { checkData, detach, setData } from '../ops/detach.ts';
import { add, clamp, div, ops } from '../ops/elementwise.ts';
import { fill_ } from '../ops/fill.ts';
import { inPlace } from '../ops/inplace.ts';
import { readElement } from '../ops/inspect.ts';
import { cat, stack } from '../ops/join.ts';
import { norm } from '../ops/norm.ts';
import { slice } from '../ops/slices.ts';
import { flatten, reshape } from '../ops/view.ts';
import { setGrad, setRequiresGrad } from './api.ts';

/** A leaf of its own with the values of `t`; it requires grad unless told otherwise. */
export function parameterOf(t: TensorBase, requiresGrad: boolean): TensorBase {
  const p = clone(detach(t));
  setRequiresGrad(p, requiresGrad);
  return p;
}

/**
 * The tensors of a model, each of them once: weights may be shared. Numbers, names and functions may stand beside them;
 * an instance of a class, whose tensors would be passed over without a word, may not.
 */
function parametersOf(op: string, model: unknown): TensorBase[] {
  const found = new Set<TensorBase>();
  mapTree(
    model,
    (t) => found.add(t),
    (x) => {
      if (x === model || (x && typeof x === 'object'))
        throw new ArgumentError(
          `${op}: expected an array or plain object of tensors, got ${kindOf(x)}; pass its tensors`,
        );
    },
  );
  return [...found];
}

/** Switches `requiresGrad` of every tensor of a tree. */
export function setTreeRequiresGrad(tree: unknown, value: boolean): void {
  for (const t of parametersOf('requiresGrad_', tree)) setRequiresGrad(t, value);
}

/** Forgets the gradients of every tensor of a tree, or sets those that are there to zero. */
export function zeroTreeGrad(tree: unknown, setToNone: boolean): void {
  for (const t of parametersOf('zeroGrad', tree)) {
    const grad = t.meta?.grad ?? null;
    if (grad === null) continue;
    if (setToNone) setGrad(t, null);
    // A gradient that is part of a graph stays as it is for that graph.
    else if (grad.tracked) setGrad(t, zeros(t.shape, t.dtype));
    else fill_(grad, 0);
  }
}

/** ‖(‖g₁‖, ‖g₂‖, …)‖ of the gradients that are there, each of which is then multiplied by min(1, maxNorm / (norm + 1e-6)). */
export function clipTreeNorm(tree: unknown, maxNorm: number, normType: number, errorIfNonfinite: boolean): TensorBase {
  const grads = gradientsOf('clipGradNorm_', tree);
  if (grads.length === 0) return zeros([], 'float32');
  const total = norm(stack(grads.map((g) => norm(g, normType))), normType);
  if (errorIfNonfinite && !Number.isFinite(readElement(total, total.offset)))
    throw new AutogradError(
      `clipGradNorm_: The total norm of order ${normType} for gradients from \`parameters\` is non-finite, so it cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, set \`errorIfNonfinite: false\``,
    );
  const factor = clamp(div(maxNorm, add(total, 1e-6)), null, 1);
  for (const g of grads) inPlace(ops.mul, [g, factor]);
  return total;
}

/** Moves every element of the gradients that are there into [−limit, limit]. */
export function clipTreeValue(tree: unknown, limit: number): void {
  for (const g of gradientsOf('clipGradValue_', tree)) inPlace(ops.clamp, [g, -limit, limit]);
}

/** The gradients of a model, apart from graphs they may be part of. */
function gradientsOf(op: string, tree: unknown): TensorBase[] {
  return parametersOf(op, tree).flatMap((t) => (t.meta?.grad ? [detach(t.meta.grad)] : []));
}

/** All elements of the tensors of a model, one tensor after the other. */
export function treeVector(tree: unknown): TensorBase {
  const tensors = parametersOf('parametersToVector', tree);
  if (tensors.length === 0)
    throw new ArgumentError('parametersToVector: expected a non-empty list of Tensors, and the model has none');
  return within('parametersToVector', () => cat(tensors.map((t) => flatten(t))));
}

/** Gives the tensors of a model, in turn, the elements of a vector as their data. */
export function setTreeVector(tree: unknown, vector: TensorBase): void {
  const tensors = parametersOf('vectorToParameters', tree);
  const room = tensors.reduce((n, t) => n + t.count, 0);
  if (vector.shape.length !== 1 || vector.count !== room)
    throw new ShapeError(
      `vectorToParameters: expected a vector of ${room} elements, as the model has, got shape ${shapeText(vector.shape)}`,
    );
  // Before any of them has other data.
  for (const t of tensors) checkData('vectorToParameters', t, vector);
  let from = 0;
  for (const t of tensors) {
    const part = slice(detach(vector), 0, from, from + t.count);
    from += t.count;
    setData(t, reshape(part, t.shape));
  }
}
