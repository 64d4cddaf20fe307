import { ShapeError } from '../core/errors.ts';
import { shapeText } from '../core/shape.ts';
import { checkTensors } from '../core/tensor.ts';
import { add } from '../ops/elementwise.ts';
import { matmul } from '../ops/matmul.ts';
import { named } from '../ops/named.ts';
import { mT } from '../ops/view.ts';
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
  const y = matmul(x, weight.ndim === 1 ? weight : mT(weight));
  if (!bias) return y as Tensor;
  checkTensors('linear', bias);
  const sum = add(y, bias);
  return (x.ndim === 2 ? named(sum, 'AddmmBackward0') : sum) as Tensor;
}
