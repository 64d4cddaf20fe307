/**
 * Parameters of a model, which is any tree of tensors: an array, an object, nested. What PyTorch asks
 * of modules and optimizers works on these directly.
 */

import { kindOf } from '../core/arguments.ts';
import { ArgumentError } from '../core/errors.ts';
import type { TensorBase } from '../core/tensor.ts';
import { mapTree } from '../core/tree.ts';
import { clone } from '../ops/copy.ts';
import { zeros } from '../ops/create.ts';
import { detach } from '../ops/detach.ts';
import { fill_ } from '../ops/fill.ts';
import { setGrad, setRequiresGrad } from './api.ts';

/** A leaf of its own with the values of `t`; it requires grad unless told otherwise. */
export function parameterOf(t: TensorBase, requiresGrad: boolean): TensorBase {
  const p = clone(detach(t));
  setRequiresGrad(p, requiresGrad);
  return p;
}

/**
 * The tensors of a model. Numbers, names and functions may stand beside them; an instance of a class, whose tensors
 * would be passed over without a word, may not.
 */
function parametersOf(op: string, model: unknown): TensorBase[] {
  const found: TensorBase[] = [];
  mapTree(
    model,
    (t) => found.push(t),
    (x) => {
      if (x === model || (x && typeof x === 'object'))
        throw new ArgumentError(
          `${op}: expected an array or plain object of tensors, got ${kindOf(x)}; pass its tensors`,
        );
    },
  );
  return found;
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
