import { cumsum as cumsumKernel } from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { type DType, isFloat } from '../core/dtype.ts';
import { defineOp, type Op } from '../core/op.ts';
import { wrapDim } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { batchedAlong1, type DimAttrs } from './along.ts';
import { toDType } from './copy.ts';

interface ScanAttrs extends DimAttrs {
  /** From the last element to the first. */
  readonly reverse: boolean;
}

/** The same memory, walked from the other end along `dim`. */
function reversed(x: TensorBase, dim: number): TensorBase {
  if (x.shape.length === 0 || x.count === 0) return x;
  const step = x.strides[dim];
  return alias(x, x.shape, x.strides.with(dim, -step), x.offset + (x.shape[dim] - 1) * step);
}

const turned = (x: TensorBase, { dim, reverse }: ScanAttrs): TensorBase => (reverse ? reversed(x, dim) : x);

// y[k] = Σ_{j≤k} x[j]        x̄[j] = Σ_{k≥j} ȳ[k]: the sum from the other end
const cumsumOp: Op<ScanAttrs> = defineOp({
  name: 'cumsum',
  inputs: ['x'],
  forward: ([x], attrs) => {
    const y = fresh(x.shape, x.dtype);
    cumsumKernel(turned(y, attrs), turned(x, attrs), attrs.dim);
    return y;
  },
  vjp: { x: [[], (g, _, { attrs }) => apply1(cumsumOp, [g], { ...attrs, reverse: !attrs.reverse })] },
  jvp: 'linear',
  vmap: ([x], _, attrs) => batchedAlong1(cumsumOp, [x], attrs),
});

/** Running sums and products of integers and truth values are int32. */
function accumulating(x: TensorBase, dtype: DType | undefined): TensorBase {
  return toDType(x, dtype ?? (isFloat(x.dtype) ? x.dtype : 'int32'));
}

export function cumsum(x: TensorBase, dim: number, dtype?: DType, reverse = false): TensorBase {
  return apply1(cumsumOp, [accumulating(x, dtype)], { dim: wrapDim('cumsum', dim, x.shape.length), reverse });
}
