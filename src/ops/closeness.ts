import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { sameShape } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { abs, add, eq, isfinite, isnan, le, logicalAnd, logicalOr, mul, sub } from './elementwise.ts';
import { all } from './reduce.ts';

/** How far numbers may be apart that count as equal: |a − b| ≤ atol + rtol |b|. */
export interface Tolerances {
  /** 1e-5 by default. */
  readonly rtol?: number;
  /** 1e-8 by default. */
  readonly atol?: number;
  /** Whether two NaNs are equal; false by default. */
  readonly equalNan?: boolean;
}

/** Whether elements are equal or nearly so: infinities only to themselves. */
export function isclose(name: string, a: TensorBase, b: TensorBase, options: Tolerances = {}): TensorBase {
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options;
  checkTensors(name, a, b);
  if (a.dtype !== b.dtype)
    throw new DTypeError(`${name}: ${a.dtype} did not match ${b.dtype}; convert one: b.to('${a.dtype}')`);
  for (const [option, value] of Object.entries({ rtol, atol }))
    if (!(value >= 0))
      throw new ArgumentError(`${name}: ${option} must be greater than or equal to zero, but got ${value}`);
  const same = within(name, () => eq(a, b));
  const equal = equalNan && isFloat(a.dtype) ? logicalOr(same, logicalAnd(isnan(a), isnan(b))) : same;
  if (rtol === 0 && atol === 0) return equal;
  // Differences of whole numbers and their tolerances are not whole numbers of the same range.
  const [x, y] = isFloat(a.dtype) ? [a, b] : [toDType(a, 'float64'), toDType(b, 'float64')];
  const apart = abs(sub(x, y));
  return logicalOr(equal, logicalAnd(isfinite(apart), le(apart, add(mul(abs(y), rtol), atol))));
}

/** Whether two tensors have the same shape and equal elements, as a tensor of one truth value. */
export function equal(a: TensorBase, b: TensorBase): TensorBase | null {
  checkTensors('equal', a, b);
  return sameShape(a.shape, b.shape) ? all(eq(a, b)) : null;
}

/** Whether all elements are close, as a tensor of one truth value. */
export const allclose = (a: TensorBase, b: TensorBase, options?: Tolerances): TensorBase =>
  all(isclose('allclose', a, b, options));
