import { isLost, sync } from '../core/apply.ts';
import { forwardLevel } from '../core/forward.ts';
import { currentLevels } from '../core/levels.ts';
import type { TensorBase } from '../core/tensor.ts';
import { readElement } from '../ops/inspect.ts';
import { formatHtml, formatTensor, type Printable } from './print.ts';

/** Reads elements by their row-major number, whatever the strides. */
function reader(t: TensorBase): (i: number) => number {
  return (i) => {
    let place = t.offset;
    let rest = i;
    for (let d = t.shape.length - 1; d >= 0; d--) {
      place += (rest % t.shape[d]) * t.strides[d];
      rest = Math.floor(rest / t.shape[d]);
    }
    return readElement(t, place);
  };
}

function printable(t: TensorBase): Printable {
  const lost = isLost(t);
  const { node, tracked } = lost ? t : sync(t);
  const tangent = forwardLevel === null ? null : forwardLevel.tangentOf(t);
  return {
    shape: t.shape,
    dtype: t.dtype,
    at: reader(t),
    requiresGrad: tracked && node === null,
    // PyTorch's word for a view that cannot follow its base.
    gradFnName: lost ? 'Invalid' : node === null ? null : node.name,
    tangent: tangent === null ? null : printable(tangent),
  };
}

/** PyTorch's text of a tensor; inside a transform, what the tensor stands for and what is inside it. */
export function display(t: TensorBase): string {
  const w = t.wrapped;
  if (w === null) return formatTensor(printable(t));
  const inner = indent(display(w.value));
  const depth = currentLevels().indexOf(w.level) + 1;
  switch (w.kind) {
    case 'batch':
      return `BatchedTensor(lvl=${depth}, bdim=0, value=\n    ${inner}\n)`;
    case 'grad':
      return `GradTrackingTensor(lvl=${depth}, value=\n    ${inner}\n)`;
    default:
      return `DualTensor(primal=\n    ${inner},\n  tangent=${w.tangent === null ? 'null' : `\n    ${indent(display(w.tangent))}`}\n)`;
  }
}

const indent = (text: string): string => text.replaceAll('\n', '\n    ');

/** What notebooks show: the text, and for a plain tensor an HTML table. */
export function notebookBundle(t: TensorBase): Record<string, string> {
  const text = display(t);
  return t.wrapped === null ? { 'text/plain': text, 'text/html': formatHtml(printable(t)) } : { 'text/plain': text };
}

export const nodeInspect = Symbol.for('nodejs.util.inspect.custom');
export const denoInspect = Symbol.for('Deno.customInspect');
export const jupyterDisplay = Symbol.for('Jupyter.display');
