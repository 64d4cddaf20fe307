import { apply } from '../core/apply.ts';
import { ArgumentError, AutogradError } from '../core/errors.ts';
import type { Op } from '../core/op.ts';
import { alias, type TensorBase } from '../core/tensor.ts';
import { treeLeaves, withLeaves } from '../core/tree.ts';
import { FunctionContext, stateOf } from './context.ts';
import { repeated, unrecorded } from './override.ts';
import { carries, highestLevel } from './tensors.ts';

function refuse(): never {
  throw new AutogradError(
    'onceDifferentiable: trying to differentiate twice a function that was marked with @once_differentiable. Write its backward with operations, without onceDifferentiable, to differentiate it again',
  );
}

// y = x, and no derivative: it stands between a gradient and what the gradient depends on.
const onceOp: Op<undefined> = {
  name: 'onceDifferentiable',
  nodeName: () => 'Error',
  forward: ([x]) => alias(x as TensorBase),
  backward: { plan: () => [], run: refuse },
  jvp: refuse,
  vmap: ([x, ...rest], [batched], _, size) =>
    apply(onceOp, [batched ? x : repeated(x as TensorBase, size), ...rest], undefined),
};

/**
 * For the `backward` of a custom function that is not made of operations (it reads values, or calls code
 * outside the library): it is run once, unrecorded, and differentiating its result is an error instead of
 * a wrong number.
 *
 * @example
 * static backward = autograd.onceDifferentiable((ctx: autograd.FunctionContext, g: Tensor) => …);
 */
export function onceDifferentiable<F extends (ctx: never, ...args: never[]) => unknown>(backward: F): F {
  if (typeof backward !== 'function')
    throw new ArgumentError(`onceDifferentiable: expected a function, got ${typeof backward}`);
  const rule = backward as unknown as (...args: readonly unknown[]) => unknown;
  const once = function once(this: unknown, ...args: readonly unknown[]): unknown {
    const [ctx] = args;
    const saved = ctx instanceof FunctionContext ? (stateOf(ctx).read?.() ?? []) : [];
    const given = [...treeLeaves(args.slice(1)), ...saved.filter((t) => t !== null)];
    const output = unrecorded(highestLevel(given), () => rule.apply(this, [...args]));
    const sources = given.filter((t) => carries(t));
    if (sources.length === 0) return output;
    const guarded = treeLeaves(output).map((t) => apply(onceOp, [t, ...sources], undefined));
    return withLeaves(output, guarded);
  };
  return once as unknown as F;
}
