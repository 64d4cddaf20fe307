import { ShapeError } from '../core/errors.ts';
import { inNameOf } from '../core/naming.ts';
import { isExpandable, type Shape, shapeText } from '../core/shape.ts';
import { checkTensors } from '../core/tensor.ts';
import { add } from '../ops/elementwise.ts';
import { addmm } from '../ops/linalg/blend.ts';
import { einsum } from '../ops/linalg/einsum.ts';
import { matmul } from '../ops/matmul.ts';
import { mT, reshape, t } from '../ops/view.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * y = x Wᵀ + b for `x` of shape […, in], `weight` [out, in] (or [in]) and `bias` [out].
 *
 * @throws {ShapeError} when the sizes do not fit.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  checkTensors('linear', x, weight, ...(bias === undefined || bias === null ? [] : [bias]));
  if (weight.ndim !== 1 && weight.ndim !== 2)
    throw new ShapeError(`linear: weight must be [out, in] or [in], got shape ${shapeText(weight.shape)}`);
  checkSizes(x.shape, weight.shape, bias?.shape);
  // Not by `within`, which would make a function for every call.
  try {
    return transformed(x, weight, bias);
  } catch (error) {
    throw inNameOf('linear', error);
  }
}

function transformed(x: Tensor, weight: Tensor, bias: Tensor | null | undefined): Tensor {
  if (bias === undefined || bias === null || weight.ndim === 1) {
    const y = matmul(x, weight.ndim === 1 ? weight : mT(weight));
    return (bias ? add(y, bias) : y) as Tensor;
  }
  if (x.ndim === 2) return addmm(bias, x, t(weight)) as Tensor;
  if (x.ndim !== 3 || !x.isContiguous()) return add(matmul(x, mT(weight)), bias) as Tensor;
  // The rows of a stack of matrices are those of one.
  const [n, m] = x.shape as [number, number];
  const rows = addmm(bias, reshape(x, [n * m, x.shape[2] as number]), t(weight));
  return reshape(rows, [n, m, weight.shape[0]]) as Tensor;
}

function checkSizes(x: Shape, weight: Shape, bias: Shape | undefined): void {
  const inner = weight.at(-1);
  if (x.length > 0 && x.at(-1) !== inner) {
    const [rows, columns] = [x.slice(0, -1).join('x') || '1', weight.length === 1 ? 1 : weight[0]];
    throw new ShapeError(
      `linear: mat1 and mat2 shapes cannot be multiplied (${rows}x${x.at(-1)} and ${inner}x${columns}): rows of ${shapeText(x)} have ${x.at(-1)} elements, those of the weight ${shapeText(weight)} have ${inner}`,
    );
  }
  if (bias !== undefined && weight.length === 2 && !isExpandable(bias, [...x.slice(0, -1), weight[0] as number]))
    throw new ShapeError(`linear: a bias of shape ${shapeText(bias)} does not fit the weight ${shapeText(weight)}`);
}

/**
 * yₒ = Σ x₁ᵢ Wₒᵢⱼ x₂ⱼ + bₒ for `x1` of shape […, in1], `x2` […, in2], `weight` [out, in1, in2] and `bias` [out].
 *
 * @throws {ShapeError} when the sizes do not fit.
 */
export function bilinear(x1: Tensor, x2: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  checkTensors('bilinear', x1, x2, weight);
  const refuse = (what: string, got: number, expected: number): never => {
    throw new ShapeError(
      `bilinear: bilinear(): ${what}: got ${got} but expected ${expected}, from shapes ${[x1, x2, weight].map((x) => shapeText(x.shape)).join(', ')}`,
    );
  };
  if (weight.ndim !== 3)
    throw new ShapeError(`bilinear: weight must be [out, in1, in2], got shape ${shapeText(weight.shape)}`);
  if (x1.ndim !== x2.ndim || x1.ndim === 0)
    throw new ShapeError(`bilinear: bilinear(): input dimensions do not match: got ${x1.ndim} and ${x2.ndim}`);
  const lead = x1.shape.slice(0, -1);
  lead.forEach((n, d) => {
    if (n !== x2.shape[d])
      throw new ShapeError(
        `bilinear: bilinear(): input batch dimensions do not match at dim ${d}: got ${n} and ${x2.shape[d]}`,
      );
  });
  const [out, in1, in2] = weight.shape as [number, number, number];
  const [n1, n2] = [x1.shape.at(-1) as number, x2.shape.at(-1) as number];
  if (n1 !== in1) refuse('input1 size does not match weight size', n1, in1);
  if (n2 !== in2) refuse('input2 size does not match weight size', n2, in2);
  if (bias) {
    checkTensors('bilinear', bias);
    if (bias.shape.length !== 1 || bias.shape[0] !== out)
      refuse('bias size does not match weight size', bias.shape[0] ?? 1, out);
  }
  const rows = lead.reduce((n, m) => n * m, 1);
  const y = einsum('ni,oij,nj->no', [reshape(x1, [rows, in1]), weight, reshape(x2, [rows, in2])]);
  const shaped = reshape(y, [...lead, out]);
  return (bias ? add(shaped, bias) : shaped) as Tensor;
}
