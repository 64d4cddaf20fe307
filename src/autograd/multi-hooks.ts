import { gradientNode } from '../core/apply.ts';
import { ArgumentError } from '../core/errors.ts';
import { HookHandle } from '../core/hooks.ts';
import { checkHook } from '../core/node.ts';
import { TensorBase } from '../core/tensor.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkTracked, registerHook } from './hooks.ts';
import { currentPass, type Pass } from './nesting.ts';

export interface MultiGradHookOptions<M extends 'all' | 'any' = 'all' | 'any'> {
  /** `'all'` (the default): when the gradients of all the tensors are there. `'any'`: at the first one. */
  readonly mode?: M;
}

/** What one pass has brought so far. */
interface Arrivals {
  readonly grads: (Tensor | null)[];
  missing: number;
}

/**
 * A hook on several tensors at once, called once in each backward pass. With mode `'all'` it gets their
 * gradients when the last of those that the pass computes has arrived, null for tensors that the pass does
 * not reach. With mode `'any'` it gets the first gradient that is computed. What it returns is ignored.
 *
 * @throws {AutogradError} with mode `'all'`, when a tensor does not require grad.
 */
export function registerMultiGradHook(
  tensors: readonly Tensor[],
  hook: (grads: readonly (Tensor | null)[]) => void,
  options?: MultiGradHookOptions<'all'>,
): HookHandle;
export function registerMultiGradHook(
  tensors: readonly Tensor[],
  hook: (grad: Tensor) => void,
  options: MultiGradHookOptions<'any'>,
): HookHandle;
export function registerMultiGradHook(
  tensors: readonly Tensor[],
  hook: ((grads: readonly (Tensor | null)[]) => void) | ((grad: Tensor) => void),
  options: MultiGradHookOptions = {},
): HookHandle {
  checkOptions('registerMultiGradHook', options, ['mode']);
  const { mode = 'all' } = options;
  if (mode !== 'all' && mode !== 'any')
    throw new ArgumentError(`registerMultiGradHook: Expects mode to be one of ('all', 'any') but got ${String(mode)}`);
  if (!Array.isArray(tensors) || tensors.some((t) => !(t instanceof TensorBase)))
    throw new ArgumentError('registerMultiGradHook: expected an array of Tensors');
  checkHook('registerMultiGradHook', hook);
  const handles =
    mode === 'all'
      ? onAll(tensors, hook as (grads: readonly (Tensor | null)[]) => void)
      : onAny(tensors, hook as (grad: Tensor) => void);
  return new HookHandle(() => {
    for (const h of handles) h.remove();
  });
}

function onAll(tensors: readonly Tensor[], hook: (grads: readonly (Tensor | null)[]) => void): HookHandle[] {
  tensors.forEach(checkTracked);
  const nodes = tensors.map(gradientNode);
  const passes = new WeakMap<Pass, Arrivals>();
  return tensors.map((t, i) =>
    registerHook(t, (grad) => {
      const pass = currentPass() as Pass;
      const arrivals = passes.get(pass) ?? {
        grads: tensors.map(() => null),
        missing: nodes.filter((n) => pass.willRun(n)).length,
      };
      passes.set(pass, arrivals);
      arrivals.grads[i] = grad;
      arrivals.missing -= 1;
      if (arrivals.missing === 0) hook(arrivals.grads);
    }),
  );
}

function onAny(tensors: readonly Tensor[], hook: (grad: Tensor) => void): HookHandle[] {
  const done = new WeakSet<Pass>();
  return tensors
    .filter((t) => t.requiresGrad)
    .map((t) =>
      registerHook(t, (grad) => {
        const pass = currentPass() as Pass;
        if (done.has(pass)) return;
        done.add(pass);
        hook(grad);
      }),
    );
}
