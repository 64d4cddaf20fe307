import * as kernels from '../../backends/wasm/linalg/cholesky.ts';
import { apply, apply1 } from '../../core/apply.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { fresh, type TensorBase } from '../../core/tensor.ts';
import { copied } from '../copy.ts';
import { eyeMatrix } from '../create.ts';
import { add, mul, neg, sub } from '../elementwise.ts';
import { matmul, onBatch } from '../matmul.ts';
import { named } from '../named.ts';
import { tril } from '../rearrange.ts';
import { mT } from '../view.ts';
import { batchOf, checkSquareFloat, onDiagonal, refuse, rowsOf, sameBatch } from './matrices.ts';
import { checkSystem, LOWER, solveLeft, solveRight, UPPER } from './triangular.ts';

const notPositive = (k: number): string =>
  `The factorization could not be completed because the input is not positive-definite (the leading minor of order ${k} is not positive-definite).`;

/** Half of a symmetric matrix that is given by its lower triangle. */
const halfSymmetric = (x: TensorBase): TensorBase => mul(add(tril(x), mT(tril(x, -1))), 0.5);

/** A lower triangle with its diagonal halved: the φ of Murray (2016). */
const halved = (x: TensorBase): TensorBase => onDiagonal(mul(x, 0.5), tril(x));

// A = L Lᵀ        L̇ = L φ(L⁻¹ Ȧ L⁻ᵀ)        Ā = L⁻ᵀ ½(P + Pᵀ) L⁻¹ with P = φ(Lᵀ L̄)
const choleskyOp: Op<{ readonly check: string | null }> = defineOp({
  name: 'cholesky',
  node: 'LinalgCholeskyExBackward0',
  inputs: ['a'],
  forward: ([a], { check }) =>
    internally(() => {
      const u = copied(mT(a));
      const info = fresh(batchOf(a), 'int32');
      kernels.cholesky(u, info);
      if (check !== null) refuse(check, info, notPositive);
      return [mT(u), info];
    }),
  vjp: {
    saves: ['y0'],
    rule: ([g], [l]) => {
      if (g === null) return [null];
      return [solveRight(l, solveLeft(mT(l), halfSymmetric(matmul(mT(l), g)), UPPER), LOWER)];
    },
  },
  jvp: ({ tangents: [ta], outputs: [l] }) =>
    ta === null ? [null, null] : [matmul(l, halved(solveRight(mT(l), solveLeft(l, ta, LOWER), UPPER))), null],
  vmap: ([a], _, attrs) => apply(choleskyOp, [a], attrs),
});

export interface CholeskyExOptions {
  readonly upper?: boolean;
  readonly checkErrors?: boolean;
}

function factor(a: TensorBase, upper: boolean, check: string | null): readonly [TensorBase, TensorBase] {
  const [l, info] = apply(choleskyOp, [upper ? mT(a) : a], { check }) as readonly [TensorBase, TensorBase];
  return [upper ? named(mT(l), 'LinalgCholeskyExBackward0') : l, info];
}

/** L of A = L Lᵀ, or U of A = Uᵀ U: only the lower (upper) triangle of A is read. */
export function cholesky(a: TensorBase, upper = false, op = 'linalg.cholesky'): TensorBase {
  checkSquareFloat(op, a);
  const [l] = factor(a, upper, op);
  return op === 'cholesky' ? named(l, 'CholeskyBackward0') : l;
}

/** The same, and for every matrix the order of the first minor that is not positive, 0 if all are. */
export function choleskyEx(
  a: TensorBase,
  { upper = false, checkErrors = false }: CholeskyExOptions = {},
): readonly [l: TensorBase, info: TensorBase] {
  checkSquareFloat('linalg.cholesky_ex', a);
  return factor(a, upper, checkErrors ? 'linalg.cholesky_ex' : null);
}

// x = A⁻¹ b with A = L Lᵀ        b̄ = A⁻¹ x̄,  L̄ = −(b̄ xᵀ + x b̄ᵀ) L        ẋ = A⁻¹ (ḃ − (L̇ Lᵀ + L L̇ᵀ) x)
// The gradient is, as PyTorch's, that by all of L, although only a triangle is read: for lower
// triangular L they are the same.
const choleskySolveOp: Op<undefined> = defineOp({
  name: 'choleskySolve',
  inputs: ['l', 'b'],
  forward: ([l, b]) => internally(() => solveLeft(mT(l), solveLeft(l, b, LOWER), UPPER)),
  vjp: {
    l: [
      ['l', 'y'],
      (g, [l, x]) => {
        const half = matmul(solveFactored(l, g), mT(x));
        return neg(matmul(add(half, mT(half)), l));
      },
    ],
    b: [['l'], (g, [l]) => solveFactored(l, g)],
  },
  jvp: ({ inputs: [l], tangents: [tl, tb], outputs: [x] }) => {
    if (tl === null) return solveFactored(l as TensorBase, tb as TensorBase);
    const half = matmul(tl, mT(l as TensorBase));
    const pushed = matmul(add(half, mT(half)), x);
    return solveFactored(l as TensorBase, tb === null ? neg(pushed) : sub(tb, pushed));
  },
  vmap: ([l, b], [inL, inB], _, size) =>
    apply1(choleskySolveOp, [onBatch(l, inL, size), onBatch(b, inB, size)], undefined),
});

const solveFactored = (l: TensorBase, b: TensorBase): TensorBase => apply1(choleskySolveOp, [l, b], undefined);

/** The solution of A X = b, given the factor of A. */
export function choleskySolve(b: TensorBase, factor: TensorBase, upper = false): TensorBase {
  checkSystem('cholesky_solve', factor, b);
  return solveFactored(...sameBatch('cholesky_solve', upper ? mT(factor) : factor, b));
}

/** A⁻¹, given the factor of A. */
export function choleskyInverse(factor: TensorBase, upper = false): TensorBase {
  checkSquareFloat('cholesky_inverse', factor);
  const identity = eyeMatrix(rowsOf(factor), rowsOf(factor), factor.dtype);
  return named(choleskySolve(identity, factor, upper), 'CholeskyInverseBackward0');
}
