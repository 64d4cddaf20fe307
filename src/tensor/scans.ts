import type { DType } from '../core/dtype.ts';
import type { TensorBase } from '../core/tensor.ts';
import * as differences from '../ops/differences.ts';
import { finiteDifferences } from '../ops/finite-differences.ts';
import { inPlaceOf } from '../ops/inplace.ts';
import * as scans from '../ops/scans.ts';
import { checkOptions } from './options.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { FitDim, Operand, ShapeOf, ValuesAndIndices } from './signatures.ts';
import { TensorStatistics } from './statistics.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** `dtype` converts before adding or multiplying up. */
export interface Accumulating {
  readonly dtype?: DType;
}

function accumulating(op: string, options: Accumulating | undefined): DType | undefined {
  checkOptions(op, options, ['dtype']);
  return options?.dtype;
}

/** What runs along a dimension: sums, products, extremes and differences of neighbours. */
export abstract class TensorScans<S extends Shape = Untyped> extends TensorStatistics<S> {
  /** Running sums along `dim`: y[k] = Σ x[0…k]. Integers and truth values are summed as int32. */
  cumsum<T extends Tensor, D extends number>(this: T, dim: FitDim<T, D>, options?: Accumulating): Tensor<ShapeOf<T>> {
    return as(scans.cumsum(this, dim as number, accumulating('cumsum', options)));
  }

  /** Running products along `dim`: y[k] = ∏ x[0…k]; the gradient is exact also with zeros. */
  cumprod<T extends Tensor, D extends number>(this: T, dim: FitDim<T, D>, options?: Accumulating): Tensor<ShapeOf<T>> {
    return as(scans.cumprod(this, dim as number, accumulating('cumprod', options)));
  }

  /** `cumsum` in place, in the dtype of the tensor. */
  cumsum_<T extends Tensor, D extends number>(this: T, dim: FitDim<T, D>): this {
    return inPlaceOf('cumsum', this, [], (x) => scans.cumsum(x, dim as number)) as this;
  }

  /** `cumprod` in place, in the dtype of the tensor. */
  cumprod_<T extends Tensor, D extends number>(this: T, dim: FitDim<T, D>): this {
    return inPlaceOf('cumprod', this, [], (x) => scans.cumprod(x, dim as number)) as this;
  }

  /** y[k] = log Σ exp x[0…k] along `dim`, without overflow. */
  logcumsumexp<T extends Tensor, D extends number>(this: T, dim: FitDim<T, D>): Tensor<ShapeOf<T>> {
    return as(scans.logcumsumexp(this, dim as number));
  }

  /** The largest element so far along `dim`, and where it stands: the latest of equals. NaN stays. */
  cummax<T extends Tensor, D extends number>(this: T, dim: FitDim<T, D>): ValuesAndIndices<ShapeOf<T>> {
    const found: unknown = scans.cummax(this, dim as number);
    return found as ValuesAndIndices<ShapeOf<T>>;
  }

  /** The smallest element so far along `dim`, and where it stands: the latest of equals. NaN stays. */
  cummin<T extends Tensor, D extends number>(this: T, dim: FitDim<T, D>): ValuesAndIndices<ShapeOf<T>> {
    const found: unknown = scans.cummin(this, dim as number);
    return found as ValuesAndIndices<ShapeOf<T>>;
  }

  /**
   * The `n`-th difference x[k+1] − x[k] along `dim` (the last by default), after joining `prepend` and
   * `append`. Truth values differ by exclusive or.
   */
  diff(
    n?: number,
    dim?: number,
    options?: { readonly prepend?: Tensor | null; readonly append?: Tensor | null },
  ): Tensor {
    checkOptions('diff', options, ['prepend', 'append']);
    return as(differences.diff(this, n, dim, options?.prepend, options?.append));
  }

  /**
   * ∫ y dx along `dim` (the last by default) by the trapezoidal rule, of these samples at the places `x`
   * (a tensor that broadcasts, or a vector along `dim`), or a distance of `x` apart (a number, 1 by default).
   */
  trapezoid(x?: Operand, dim?: number): Tensor {
    return as(differences.trapezoid(this, x, dim));
  }

  /** The integral up to every sample but the first: see `trapezoid`. */
  cumulativeTrapezoid(x?: Operand, dim?: number): Tensor {
    return as(differences.cumulativeTrapezoid(this, x, dim));
  }

  /**
   * The derivatives of a sampled function along each of `dim` (all by default): central differences, and
   * one-sided ones of `edgeOrder` 1 or 2 at the ends. `spacing` says how far samples are apart: a number,
   * or for each dimension a number or the places (a vector).
   */
  gradient(options?: {
    readonly spacing?: number | readonly Operand[];
    readonly dim?: number | readonly number[];
    readonly edgeOrder?: 1 | 2;
  }): Tensor[] {
    checkOptions('gradient', options, ['spacing', 'dim', 'edgeOrder']);
    return finiteDifferences(this, options?.spacing, options?.dim, options?.edgeOrder).map(as);
  }
}
