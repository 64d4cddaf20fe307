import { type DType, isFloat } from '../core/dtype.ts';
import { AutogradError } from '../core/errors.ts';
import type { Shape } from '../core/shape.ts';
import { alias, TensorBase } from '../core/tensor.ts';
import { warn } from '../core/warnings.ts';
import { type FunctionContext, stateOf } from './context.ts';
import { cut, viewed } from './tensors.ts';

/** A differentiable result of a custom function. */
interface Result {
  /** As forward returned it. */
  readonly given: TensorBase;
  /** Its values outside the graph. */
  readonly tensor: TensorBase;
  /** The tensor that means this result when it is saved. */
  readonly savedAs: TensorBase;
  /** If forward changed an argument in place and returned it: which of the tensor arguments. */
  readonly dirty: number | null;
}

/** What stands at a position of the output: no tensor, a tensor that gradients do not flow through, or result `k`. */
export type Position =
  | { readonly kind: 'value' }
  | { readonly kind: 'constant'; readonly shape: Shape; readonly dtype: DType }
  | { readonly kind: 'result'; readonly k: number; readonly shape: Shape; readonly dtype: DType };

/** The output of forward, taken apart. */
export interface Results {
  /** Differentiable results, each once. */
  readonly tensors: readonly Result[];
  readonly positions: readonly Position[];
  /** The output with other tensors in the place of the differentiable results. */
  assemble(finals: readonly TensorBase[]): unknown;
}

/** Takes apart what forward returned. With `natural` the results keep the history they have. */
export function resultsOf(
  name: string,
  ctx: FunctionContext,
  inputs: readonly TensorBase[],
  output: unknown,
  natural: boolean,
): Results {
  const { dirty, nonDifferentiable } = stateOf(ctx);
  const several = Array.isArray(output);
  const values = several ? [...(output as readonly unknown[])] : [output];
  const tensors: Result[] = [];
  const constants = new Map<TensorBase, TensorBase>();
  checkReturned(name, dirty, inputs, values);
  const positions = values.map((value, position): Position => {
    if (!(value instanceof TensorBase)) return { kind: 'value' };
    const { shape, dtype } = value;
    if (!isFloat(dtype) || nonDifferentiable.includes(value as never)) {
      const constant = constants.get(value) ?? withoutGradient(value, inputs);
      constants.set(value, constant);
      values[position] = constant;
      return { kind: 'constant', shape, dtype };
    }
    let k = tensors.findIndex((r) => r.savedAs === value);
    if (k < 0) k = tensors.push(result(value, inputs, dirty, natural)) - 1;
    return { kind: 'result', k, shape, dtype };
  });
  return {
    tensors,
    positions,
    assemble(finals) {
      const list = values.map((value, i) => {
        const p = positions[i];
        return p.kind === 'result' ? finals[p.k] : value;
      });
      return several ? list : list[0];
    },
  };
}

function withoutGradient(t: TensorBase, inputs: readonly TensorBase[]): TensorBase {
  return t.tracked || inputs.includes(t) ? cut(t, alias) : t;
}

function result(
  given: TensorBase,
  inputs: readonly TensorBase[],
  dirty: readonly TensorBase[],
  natural: boolean,
): Result {
  const input = inputs.indexOf(given);
  if (input < 0) return { given, savedAs: given, tensor: natural ? given : cut(given), dirty: null };
  if (dirty.includes(given)) return { given, savedAs: given, tensor: cut(given, alias), dirty: input };
  // Returned as it came: saving it means the argument.
  const view = viewed(given);
  return { given, savedAs: view, tensor: view, dirty: null };
}

function checkReturned(
  name: string,
  dirty: readonly TensorBase[],
  inputs: readonly TensorBase[],
  values: readonly unknown[],
): void {
  if (!dirty.every((t) => inputs.includes(t)))
    warn(
      'markDirty',
      () =>
        'Only input Tensors should be given to ctx.mark_dirty(). If a Tensor is not an input, there is no need to pass it to mark_dirty().',
    );
  if (!dirty.every((t) => values.includes(t)))
    throw new AutogradError(
      `${name}: Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified inplace must all be outputs of the Function.`,
    );
}
