import { ShapeError } from '../core/errors.ts';
import { shapeText } from '../core/shape.ts';
import { checkTensors } from '../core/tensor.ts';
import { add } from '../ops/elementwise.ts';
import { addmm } from '../ops/linalg/blend.ts';
import { matmul } from '../ops/matmul.ts';
import { mT, reshape, t } from '../ops/view.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * y = x Wᵀ + b for `x` of shape […, in], `weight` [out, in] (or [in]) and `bias` [out].
 *
 * @throws {ShapeError} when the sizes do not fit.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  checkTensors('linear', x, weight);
  if (weight.ndim !== 1 && weight.ndim !== 2)
    throw new ShapeError(`linear: weight must be [out, in] or [in], got shape ${shapeText(weight.shape)}`);
  if (!bias || weight.ndim === 1) {
    const y = matmul(x, weight.ndim === 1 ? weight : mT(weight));
    return (bias ? add(y, bias) : y) as Tensor;
  }
  checkTensors('linear', bias);
  if (x.ndim === 2) return addmm(bias, x, t(weight)) as Tensor;
  if (x.ndim !== 3 || !x.isContiguous()) return add(matmul(x, mT(weight)), bias) as Tensor;
  // The rows of a stack of matrices are those of one.
  const [n, m] = x.shape as [number, number];
  const rows = addmm(bias, reshape(x, [n * m, x.shape[2] as number]), t(weight));
  return reshape(rows, [n, m, weight.shape[0]]) as Tensor;
}
