import { type DType, getDefaultDtype, isFloat, promote } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import type { TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { clamp, div, eq, le, lt, mul, sqrt, sub, where } from './elementwise.ts';
import { anyNonzero } from './inspect.ts';
import { mm } from './matmul.ts';
import { sum } from './reduce.ts';
import { slice } from './slices.ts';
import { reshape, squeeze, transpose, unsqueeze } from './view.ts';

export interface CovarianceOptions {
  readonly correction?: number;
  /** How often each observation was made: whole numbers. */
  readonly fweights?: TensorBase | null;
  /** How much each observation counts. */
  readonly aweights?: TensorBase | null;
}

function checkWeights(name: 'fweights' | 'aweights', w: TensorBase, observations: number): void {
  if (w.shape.length > 1)
    throw new ShapeError(
      `cov: cov(): expected ${name} to have one or fewer dimensions but got ${name} with ${w.shape.length} dimensions`,
    );
  if (isFloat(w.dtype) !== (name === 'aweights') || w.dtype === 'bool')
    throw new DTypeError(
      `cov: cov(): expected ${name} to have ${name === 'aweights' ? 'floating point' : 'integral'} dtype but got ${name} with ${w.dtype} dtype`,
    );
  if (w.count !== observations)
    throw new ShapeError(
      `cov: cov(): expected ${name} to have the same numel as there are observations in the input but got ${w.count} != ${observations}`,
    );
  if (anyNonzero(lt(w, 0))) throw new ArgumentError(`cov: cov(): ${name} cannot be negative`);
}

/**
 * The covariances of variables, the rows of `x`, over its columns, the observations; of a vector its
 * variance. Σ w (x − m)(x − m)ᵀ / (Σ w − correction), with m = Σ w x / Σ w and the weights w = fweights ·
 * aweights.
 */
export function cov(
  x: TensorBase,
  { correction = 1, fweights = null, aweights = null }: CovarianceOptions = {},
): TensorBase {
  if (x.shape.length > 2)
    throw new ShapeError(
      `cov: cov(): expected input to have two or fewer dimensions but got an input with ${x.shape.length} dimensions`,
    );
  if (x.dtype === 'bool') throw new DTypeError('cov: cov(): bool dtype is not supported for input; convert it first');
  const rows = x.shape.length < 2 ? reshape(x, [1, x.count]) : x;
  const observations = rows.shape[1];
  if (fweights !== null) checkWeights('fweights', fweights, observations);
  if (aweights !== null) checkWeights('aweights', aweights, observations);
  const w = fweights !== null && aweights !== null ? mul(fweights, aweights) : (fweights ?? aweights);
  const total = w === null ? observations : sum(w);
  if (typeof total !== 'number' && anyNonzero(eq(total, 0)))
    throw new ArgumentError("cov: cov(): weights sum to zero, can't be normalized");
  const weighted = (t: TensorBase): TensorBase => (w === null ? t : mul(t, w));
  const mean = div(sum(weighted(rows), 1), total);
  const centred = sub(rows, unsqueeze(mean, 1));
  // The product of the weights and their importance takes more freedom than whole weights do.
  const taken =
    w !== null && aweights !== null && correction !== 0
      ? mul(div(sum(mul(w, aweights)), total), correction)
      : correction;
  const common = [x, fweights, aweights].reduce((d: DType, t) => (t === null ? d : promote(d, t.dtype)), 'bool');
  const dtype = isFloat(common) ? common : getDefaultDtype();
  const [left, right] = [centred, transpose(weighted(centred), 0, 1)].map((t) => toDType(t, dtype));
  const products = mm(left, right);
  return squeeze(div(products, freedom(total, taken)));
}

/** `total − taken`, or 0 where that is less: nothing is left to divide by. */
function freedom(total: TensorBase | number, taken: TensorBase | number): TensorBase | number {
  if (typeof total === 'number') return Math.max(0, total - (taken as number));
  const left = sub(total, taken);
  return where(le(left, 0), 0, left);
}

/** The correlations of variables, the rows of `x`: covariances over the root of both variances, within [−1, 1]. */
export function corrcoef(x: TensorBase): TensorBase {
  if (x.shape.length > 2)
    throw new ShapeError(
      `corrcoef: corrcoef(): expected input to have two or fewer dimensions but got an input with ${x.shape.length} dimensions`,
    );
  const c = cov(x);
  if (c.shape.length === 0) return div(c, c);
  const n = c.shape[0];
  const deviations = sqrt(slice(reshape(c, [n * n]), 0, 0, n * n, n + 1));
  return clamp(div(div(c, unsqueeze(deviations, 1)), unsqueeze(deviations, 0)), -1, 1);
}
