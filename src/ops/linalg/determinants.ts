import * as kernels from '../../backends/wasm/linalg/lu.ts';
import { apply, apply1 } from '../../core/apply.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { fresh, type TensorBase } from '../../core/tensor.ts';
import { eyeMatrix, full } from '../create.ts';
import { diagEmbed } from '../diagonals.ts';
import { abs, eq, le, log, mul, sgn, where } from '../elementwise.ts';
import { amax, amin } from '../extrema.ts';
import { anyNonzero } from '../inspect.ts';
import { matmul } from '../matmul.ts';
import { tril } from '../rearrange.ts';
import { coproducts, prod, sum } from '../reduce.ts';
import { mT, unsqueeze } from '../view.ts';
import { factored, luFactorEx } from './lu.ts';
import { batchOf, checkSquareFloat, columnsOf, diagonal, epsilonOf } from './matrices.ts';
import { invEx } from './solve.ts';
import { svd } from './svd.ts';

const perMatrix = (x: TensorBase): TensorBase => unsqueeze(unsqueeze(x, -1), -1);

/** The diagonal of U, and the sign of the row exchanges, of P A = L U for a plain tensor. */
function pivotsOf(a: TensorBase): readonly [diagonal: TensorBase, sign: TensorBase] {
  const [f, pivots] = factored(a);
  const sign = fresh(batchOf(a), a.dtype);
  kernels.signOfExchanges(sign, pivots);
  return [diagonal(f), sign];
}

/** Which matrices are singular, as far as the factors tell. */
function singular(a: TensorBase): TensorBase {
  const size = abs(diagonal(luFactorEx(a)[0]));
  return le(amin(size, -1), mul(amax(size, -1), 100 * epsilonOf(a)));
}

/** ∂ det A / ∂A for matrices that may be singular: det(U) det(V) U diag(∏_{j≠i} sⱼ) Vᵀ. */
function cofactorsBySvd(a: TensorBase): TensorBase {
  const [u, s, vh] = svd(a, false);
  const sign = mul(determinant(u), determinant(vh));
  return matmul(mul(u, unsqueeze(coproducts(unsqueeze(sign, -1), s), -2)), vh);
}

const cofactorsByInverse = (a: TensorBase, det: TensorBase): TensorBase => mul(perMatrix(det), mT(invEx(a)[0]));

/**
 * The cofactors of A, ∂ det A / ∂A, which exist for every matrix: det(A) A⁻ᵀ where it is invertible.
 * Both ways can be differentiated again; matrices that go the one are stood in for in the other.
 */
function cofactors(a: TensorBase, det: TensorBase): TensorBase {
  if (a.count === 0) return a;
  const refused = singular(a);
  if (!anyNonzero(refused)) return cofactorsByInverse(a, det);
  const mask = perMatrix(refused);
  const n = columnsOf(a);
  const regular = where(mask, eyeMatrix(n, a.dtype), a);
  const distinct = diagEmbed(sum(tril(full([n, n], 1, a.dtype)), -1));
  return where(mask, cofactorsBySvd(where(mask, a, distinct)), cofactorsByInverse(regular, determinant(regular)));
}

// y = det A        Ā = ȳ cof(A)        ẏ = Σ cof(A) Ȧ        (cof(A) = det(A) A⁻ᵀ)
const detOp: Op<undefined> = defineOp({
  name: 'det',
  node: 'LinalgDetBackward0',
  inputs: ['a'],
  forward: ([a]) =>
    internally(() => {
      const [factors, sign] = pivotsOf(a);
      return mul(sign, prod(factors, -1));
    }),
  vjp: { a: [['a', 'y'], (g, [a, y]) => mul(perMatrix(g), cofactors(a, y))] },
  jvp: ({ inputs: [a], tangents: [ta], outputs: [y] }) =>
    ta === null ? null : sum(mul(cofactors(a as TensorBase, y), ta), [-2, -1]),
  vmap: ([a]) => apply1(detOp, [a], undefined),
});

const determinant = (a: TensorBase): TensorBase => apply1(detOp, [a], undefined);

/** The determinant of every matrix. */
export function det(a: TensorBase): TensorBase {
  checkSquareFloat('linalg.det', a);
  return determinant(a);
}

// sign, y = log |det A|        Ā = ȳ A⁻ᵀ        ẏ = tr(A⁻¹ Ȧ)
const slogdetOp: Op<undefined> = defineOp({
  name: 'slogdet',
  node: 'LinalgSlogdetBackward0',
  inputs: ['a'],
  forward: ([a]) =>
    internally(() => {
      const [factors, sign] = pivotsOf(a);
      return [mul(sign, prod(sgn(factors), -1)), sum(log(abs(factors)), -1)];
    }),
  vjp: {
    saves: ['a'],
    rule: ([, g], [a]) => [g === null ? null : mul(perMatrix(g), mT(invEx(a)[0]))],
  },
  jvp: ({ inputs: [a], tangents: [ta] }) => [
    null,
    ta === null ? null : sum(mul(mT(invEx(a as TensorBase)[0]), ta), [-2, -1]),
  ],
  vmap: ([a]) => apply(slogdetOp, [a], undefined),
});

/** The sign of every determinant (0 for a singular matrix), and the logarithm of its magnitude (−∞). */
export function slogdet(a: TensorBase, op = 'linalg.slogdet'): readonly [sign: TensorBase, logabsdet: TensorBase] {
  checkSquareFloat(op, a);
  return apply(slogdetOp, [a], undefined) as readonly [TensorBase, TensorBase];
}

/** log det A: NaN where the determinant is negative, −∞ where it is 0. */
export function logdet(a: TensorBase): TensorBase {
  const [sign, value] = slogdet(a, 'logdet');
  return where(eq(sign, -1), Number.NaN, value);
}
