import { apply } from '../../core/apply.ts';
import { ShapeError } from '../../core/errors.ts';
import { defineOp, notDifferentiable, type Op } from '../../core/op.ts';
import { sameShape, shapeText } from '../../core/shape.ts';
import { checkTensors, type TensorBase } from '../../core/tensor.ts';
import { eyeMatrix, full } from '../create.ts';
import { mul, sub, where } from '../elementwise.ts';
import { cat } from '../join.ts';
import { matmul } from '../matmul.ts';
import { named } from '../named.ts';
import { tril } from '../rearrange.ts';
import { narrow, slice } from '../slices.ts';
import { expand, mT, unsqueeze } from '../view.ts';
import {
  batchOf,
  checkFloat,
  checkMatrix,
  checkSameDType,
  columnsOf,
  onDiagonal,
  refuseDerivative,
  rowsOf,
} from './matrices.ts';
import { factored } from './qr.ts';

/** Householder's factorisation as LAPACK leaves it: R, and below it the vectors of the reflections. */
const geqrfOp: Op<undefined> = defineOp({
  name: 'geqrf',
  inputs: ['a'],
  forward: ([a]) => factored(a),
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([a]) => apply(geqrfOp, [a], undefined),
});

/** R and the reflections whose product is Q, in one matrix, and their factors. */
export function geqrf(a: TensorBase): readonly [a: TensorBase, tau: TensorBase] {
  checkMatrix('geqrf', a, 'input');
  checkFloat('geqrf', a);
  refuseDerivative('geqrf', a);
  return apply(geqrfOp, [a], undefined) as readonly [TensorBase, TensorBase];
}

/** The vectors of k reflections: unit lower trapezoids, m × k. */
function vectorsOf(a: TensorBase, k: number): TensorBase {
  const v = tril(slice(a, -1, 0, k), -1);
  const [first, rest] = [slice(v, -2, 0, k), slice(v, -2, k)];
  return rowsOf(a) === k ? onDiagonal(1, v) : cat([onDiagonal(1, first), rest], -2);
}

/**
 * Q C, or Qᵀ C (`transposed`), for Q = H₁ H₂ … H_k with Hᵢ = 1 − τᵢ vᵢ vᵢᵀ, one reflection after the
 * other: a composition, so that every derivative follows, by vᵢ and τᵢ too.
 */
function reflected(a: TensorBase, tau: TensorBase, c: TensorBase, transposed: boolean): TensorBase {
  const k = columnsOf(tau);
  const vectors = vectorsOf(a, k);
  let y = c;
  for (let step = 0; step < k; step++) {
    const i = transposed ? step : k - 1 - step;
    const v = narrow(vectors, -1, i, 1);
    const factor = unsqueeze(narrow(tau, -1, i, 1), -1);
    y = sub(y, mul(factor, matmul(v, matmul(mT(v), y))));
  }
  return y;
}

function checkReflections(op: string, a: TensorBase, tau: TensorBase): void {
  checkTensors(op, a, tau);
  if (a.shape.length < 2) throw new ShapeError(`${op}: input must have at least 2 dimensions.`);
  checkFloat(op, a);
  checkSameDType(op, a, tau, ['input', 'tau']);
  if (columnsOf(tau) > columnsOf(a)) {
    throw new ShapeError(
      `${op}: tau.shape[-1] must be less than or equal to input.shape[-1], that is, input.shape[-1] must be greater than or equal to tau.shape[-1]; got shapes ${shapeText(tau.shape)} and ${shapeText(a.shape)}`,
    );
  }
  if (tau.shape.length !== a.shape.length - 1) {
    throw new ShapeError(
      `${op}: Expected tau to have one dimension less than input, but got tau.ndim equal to ${tau.shape.length} and input.ndim is equal to ${a.shape.length}`,
    );
  }
  if (!sameShape(tau.shape.slice(0, -1), batchOf(a))) {
    throw new ShapeError(
      `${op}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got ${shapeText(tau.shape.slice(0, -1))}`,
    );
  }
}

/** The first columns of Q, as many as `a` has, for reflections as `geqrf` gives them. */
export function householderProduct(a: TensorBase, tau: TensorBase): TensorBase {
  const op = 'linalg.householder_product: torch.linalg.householder_product';
  checkReflections(op, a, tau);
  const [m, n] = [rowsOf(a), columnsOf(a)];
  if (m < n) throw new ShapeError(`${op}: input.shape[-2] must be greater than or equal to input.shape[-1]`);
  const columns = expand(slice(eyeMatrix(m, m, a.dtype), -1, 0, n), a.shape);
  // Without reflections, a function of `a` still, that does not change with it.
  const identity = tau.count === 0 ? where(full([], 1, 'bool'), columns, a) : columns;
  return named(reflected(a, tau, identity, false), 'LinalgHouseholderProductBackward0');
}

export interface OrmqrOptions {
  readonly left?: boolean;
  readonly transpose?: boolean;
}

/** Q C, or Qᵀ C (`transpose`), or C Q (`left: false`), for reflections as `geqrf` gives them. */
export function ormqr(
  a: TensorBase,
  tau: TensorBase,
  c: TensorBase,
  { left = true, transpose = false }: OrmqrOptions = {},
): TensorBase {
  const op = 'ormqr: torch.ormqr';
  checkReflections(op, a, tau);
  checkTensors(op, c);
  if (c.shape.length < 2) throw new ShapeError(`${op}: other must have at least 2 dimensions.`);
  checkSameDType(op, a, c, ['input', 'other']);
  const dim = left ? -2 : -1;
  const size = left ? rowsOf(c) : columnsOf(c);
  if (size < columnsOf(tau))
    throw new ShapeError(`${op}: other.shape[${dim}] must be greater than or equal to tau.shape[-1]`);
  if (size !== rowsOf(a)) throw new ShapeError(`${op}: other.shape[${dim}] must be equal to input.shape[-2]`);
  if (!sameShape(batchOf(a), batchOf(c))) {
    throw new ShapeError(
      `${op}: Expected batch dimensions of other to be equal to input.shape[:-2], but got ${shapeText(batchOf(c))}`,
    );
  }
  return left ? reflected(a, tau, c, transpose) : mT(reflected(a, tau, mT(c), !transpose));
}
