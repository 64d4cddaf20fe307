import type { Tensor } from 'nabla';
import { apply1 } from '../../../src/core/apply.ts';
import { operations } from '../../../src/core/op.ts';
import type { GradcheckOptions, TensorFunction } from '../../support/gradcheck.ts';
import { type Shape, spreadTensor } from '../../support/numbers.ts';

/** A call of one operation. */
export interface Sample {
  readonly label: string;
  /** What `f` is called with: all are batched under vmap, those of float64 are differentiated. */
  readonly xs: readonly Tensor[];
  readonly f: TensorFunction;
  /** Why the operation refuses vmap, where it does. */
  readonly noVmap?: string;
  /** Tolerance and step, where a rounding inside the function asks for others. */
  readonly check?: GradcheckOptions;
}

export const sample = (label: string, xs: readonly Tensor[], f: TensorFunction): Sample => ({ label, xs, f });

/** Numbers of both signs, away from nothing in particular. */
export const x = (shape: Shape, seed = 1): Tensor => spreadTensor(shape, -2, 2, seed);

/** The same function of tensors of several shapes. */
export const over = (
  shapes: readonly Shape[],
  label: string,
  f: (t: Tensor) => Tensor | readonly Tensor[],
): readonly Sample[] => shapes.map((s) => sample(`${label} of [${s.join(', ')}]`, [x(s)], f));

/** An operation that has no method of its own: a step inside the rules of others. */
export const inner =
  (name: string, attrs: unknown) =>
  (...xs: Tensor[]): Tensor =>
    apply1(operations().get(name) as never, xs, attrs as never) as Tensor;
