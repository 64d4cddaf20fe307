import { type DType, isFloat } from '../core/dtype.ts';
import type { ElementwiseFunction } from '../kernels/functions.ts';
import { defineElementwise, ElementwiseOp, type ElementwiseOptions } from './elementwise-op.ts';
import type { ElementwiseKind } from './elementwise-plans.ts';

const optionsOf = (
  { derivative }: ElementwiseFunction,
  kind: ElementwiseKind,
  extra: Partial<ElementwiseOptions>,
): ElementwiseOptions => ({
  kind,
  differentiable: derivative !== 'none',
  ...(typeof derivative === 'function' ? { custom: derivative } : {}),
  ...extra,
});

/** Registers the operation of a line in the tables of `kernels/`. */
export function op(
  entry: ElementwiseFunction,
  kind: ElementwiseKind,
  extra: Partial<ElementwiseOptions> = {},
): ElementwiseOp {
  return defineElementwise(entry.fn, optionsOf(entry, kind, extra));
}

/** The operation of a function with a number of its own, of which there may be many: it is not registered. */
export function opWith(
  entry: ElementwiseFunction,
  kind: ElementwiseKind,
  extra: Partial<ElementwiseOptions>,
): ElementwiseOp {
  return new ElementwiseOp(entry.fn, optionsOf(entry, kind, extra));
}

/** What PyTorch has for floating point numbers only, in its words. */
export const onlyFloats = (kernel: string) => ({
  refuse: (dtype: DType): string | null =>
    isFloat(dtype) ? null : `"${kernel}" not implemented for '${dtype}'; convert with x.to('float32') first`,
});
