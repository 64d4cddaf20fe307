/**
 * Parameters of a model, which is any tree of tensors: an array, an object, nested. What PyTorch asks
 * of modules and optimizers works on these directly.
 */

import type { TensorBase } from '../core/tensor.ts';
import { treeLeaves } from '../core/tree.ts';
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

/** Switches `requiresGrad` of every tensor of a tree. */
export function setTreeRequiresGrad(tree: unknown, value: boolean): void {
  for (const t of treeLeaves(tree)) setRequiresGrad(t, value);
}

/** Forgets the gradients of every tensor of a tree, or sets those that are there to zero. */
export function zeroTreeGrad(tree: unknown, setToNone: boolean): void {
  for (const t of treeLeaves(tree)) {
    const grad = t.meta?.grad ?? null;
    if (grad === null) continue;
    if (setToNone) setGrad(t, null);
    // A gradient that is part of a graph stays as it is for that graph.
    else if (grad.tracked) setGrad(t, zeros(t.shape, t.dtype));
    else fill_(grad, 0);
  }
}
