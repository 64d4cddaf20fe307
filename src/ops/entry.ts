import type { ElementwiseFunction } from '../kernels/functions.ts';
import { defineElementwise, type ElementwiseOp, type ElementwiseOptions } from './elementwise-op.ts';
import type { ElementwiseKind } from './elementwise-plans.ts';

/** Registers the operation of a line in the tables of `kernels/`. */
export function op(
  entry: ElementwiseFunction,
  kind: ElementwiseKind,
  extra: Partial<ElementwiseOptions> = {},
): ElementwiseOp {
  return defineElementwise(entry.fn, {
    kind,
    differentiable: entry.derivative !== 'none',
    ...(typeof entry.derivative === 'function' ? { custom: entry.derivative } : {}),
    ...extra,
  });
}
