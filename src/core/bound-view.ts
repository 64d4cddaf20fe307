import { AutogradError } from './errors.ts';
import { lineOf } from './source-line.ts';
import type { TensorBase, ViewCreation } from './tensor.ts';

const blocks: Readonly<Record<string, string>> = { noGrad: 'no_grad', inference: 'inference_mode' };

/** What is wrong, and what would mend it, with changing a view of each kind. */
function advice(creation: ViewCreation): string {
  switch (creation) {
    case 'several':
      return 'This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one.';
    case 'custom':
      return 'This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function.';
    default: {
      const block = blocks[creation];
      return `Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the ${block} block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).`;
    }
  }
}

/** The error of a change of a view that cannot carry a history, or of its base: PyTorch's words. */
export function boundView(view: TensorBase, changed: string): AutogradError {
  const creation = view.meta?.creation ?? 'plain';
  const made = view.node === null ? null : `Output ${view.outputIndex} of ${view.node.name} is a view`;
  const mode = { noGrad: 'no_grad mode', inference: 'inference mode' }[creation as string];
  const what =
    mode === undefined
      ? `${made ?? 'A view was taken'} and ${changed} modified inplace.`
      : `${made === null ? 'A view was' : `${made} of a view which was`} created in ${mode} and ${changed} modified inplace ${creation === 'noGrad' ? 'with grad mode enabled' : 'in normal mode'}.`;
  const origin = view.node?.origin ?? null;
  const line = origin === null ? '' : ` The view was taken at ${lineOf(origin.at)}.`;
  return new AutogradError(`${what} ${advice(creation)}${line}`);
}
