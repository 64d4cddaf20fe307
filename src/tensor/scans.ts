import type { DType } from '../core/dtype.ts';
import type { TensorBase } from '../core/tensor.ts';
import * as scans from '../ops/scans.ts';
import { checkDType, checkOptions } from './options.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { FitDim, ShapeOf } from './signatures.ts';
import { TensorStatistics } from './statistics.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** `dtype` converts before adding or multiplying up. */
export interface Accumulating {
  readonly dtype?: DType;
}

function accumulating(op: string, options: Accumulating | undefined): DType | undefined {
  checkOptions(op, options, ['dtype']);
  checkDType(op, options?.dtype);
  return options?.dtype;
}

/** What runs along a dimension: sums, products, extremes and differences of neighbours. */
export abstract class TensorScans<S extends Shape = Untyped> extends TensorStatistics<S> {
  /** Running sums along `dim`: y[k] = Σ x[0…k]. Integers and truth values are summed as int32. */
  cumsum<T extends Tensor, D extends number>(this: T, dim: FitDim<T, D>, options?: Accumulating): Tensor<ShapeOf<T>> {
    return as(scans.cumsum(this, dim as number, accumulating('cumsum', options)));
  }
}
