import type { Tensor } from 'nabla';
import type { GradcheckOptions, TensorFunction } from '../../support/gradcheck.ts';

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
