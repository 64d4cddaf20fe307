import type { Shape } from '../core/shape.ts';
import { alias, type Operand, type TensorBase } from '../core/tensor.ts';

/**
 * Examples as an elementwise operation broadcasts them. Their ranks may differ: missing leading dimensions go after the
 * batch dimension.
 */
export function alignExamples(inputs: readonly Operand[], batched: readonly boolean[]): readonly Operand[] {
  const rank = Math.max(
    0,
    ...inputs.map((x, i) => (typeof x === 'number' ? 0 : x.shape.length - (batched[i] ? 1 : 0))),
  );
  return inputs.map((x, i) => {
    if (typeof x === 'number' || !batched[i]) return x;
    const missing = rank - (x.shape.length - 1);
    return missing === 0 ? x : insertOnes(x, missing);
  });
}

/** A plain view with `n` dimensions of size 1 after the first. */
function insertOnes(x: TensorBase, n: number): TensorBase {
  return reshapeView.call(x, [x.shape[0], ...new Array<number>(n).fill(1), ...x.shape.slice(1)]);
}

/** The differentiable `reshape`, installed by the view operations (which are defined in terms of elementwise ones). */
export const reshapeView: { call: (x: TensorBase, shape: Shape) => TensorBase } = {
  call: (x, shape) => alias(x, shape),
};
