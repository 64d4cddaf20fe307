import { retainAt } from '../core/apply.ts';
import { boundView } from '../core/bound-view.ts';
import { AutogradError } from '../core/errors.ts';
import { forwardLevel } from '../core/forward.ts';
import { scopeOf, type Wrapped } from '../core/levels.ts';
import type { Node } from '../core/node.ts';
import { levelOf, metaOf, type TensorBase, wrap } from '../core/tensor.ts';
import { baseOf, rebase } from '../ops/rebase.ts';

/* Arguments that a custom function changes in place: the argument becomes the result. */

/** Where an argument stood before forward ran. */
export interface Before {
  readonly tensor: TensorBase;
  readonly wrapped: Wrapped | null;
  readonly tracked: boolean;
  readonly node: Node | null;
  readonly outputIndex: number;
}

export function before(t: TensorBase): Before {
  const { wrapped, tracked, node, outputIndex } = t;
  return { tensor: t, wrapped, tracked, node, outputIndex };
}

/** Refuses changes in place that gradients cannot follow. */
export function checkDirty(name: string, b: Before, outputs: number): void {
  const { tensor } = b;
  if (!scopeOf(levelOf(tensor)).enabled) return;
  const base = baseOf(tensor);
  const leaf = (what: string): AutogradError =>
    new AutogradError(
      `${name}: ${what} Variable that requires grad is being used in an in-place operation. Call it inside noGrad(() => …), or on a copy: x.clone()`,
    );
  if (base !== null) {
    if (tensor.meta !== null && tensor.meta.creation !== 'plain') throw boundView(tensor, 'is being');
    if (base.tracked && base.node === null) throw leaf('a view of a leaf');
    if (outputs > 1) {
      throw new AutogradError(
        `${name}: If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more than one Tensor. This is not supported by the current autograd engine. You should either make sure the input is not a view (using .clone() for example) or make your Function only return one Tensor (potentially splitting it into two Functions: one doing the inplace that returns a single Tensor and a second one that does the other operations).`,
      );
    }
  }
  if (b.tracked && b.node === null) throw leaf('a leaf');
}

/** The argument as it was before, for its place in the graph. Inside a transform also its values: there they are immutable. */
export function unchanged(b: Before): TensorBase {
  const { tensor, wrapped } = b;
  if (wrapped === null) return tensor;
  const t = wrap(wrapped, tensor.shape);
  t.tracked = b.tracked;
  t.node = b.node;
  t.outputIndex = b.outputIndex;
  return t;
}

/** Puts the argument, which holds the values of `result`, where that is in the graph. */
export function become(name: string, target: TensorBase, result: TensorBase): TensorBase {
  if (levelOf(target) !== levelOf(result)) {
    throw new AutogradError(
      `${name}: vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor \`other\` in extra_args that has more elements than \`self\`: a tensor from outside the transformed function would have to hold values from inside. Return a new tensor instead`,
    );
  }
  forwardLevel?.hand(result, target);
  if (target.wrapped !== null) {
    target.wrapped = result.wrapped;
    metaOf(target).baseVersion += 1;
  }
  if (target.wrapped === null && !result.tracked) return target;
  if (target.wrapped === null && baseOf(target) !== null) {
    rebase(target, result);
    return target;
  }
  target.tracked = result.tracked;
  target.node = result.node;
  target.outputIndex = result.outputIndex;
  retainAt(target.node, target);
  return target;
}
