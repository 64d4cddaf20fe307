import * as kernels from '../../backends/wasm/linalg/lu.ts';
import { apply } from '../../core/apply.ts';
import { forwardLevel } from '../../core/forward.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { fresh, type TensorBase } from '../../core/tensor.ts';
import { eyeMatrix } from '../create.ts';
import { detach } from '../detach.ts';
import { diagEmbed } from '../diagonals.ts';
import { abs, add, eq, gt, le, log, mul, neg, sgn, sub, where } from '../elementwise.ts';
import { amax, amin } from '../extrema.ts';
import { anyNonzero } from '../inspect.ts';
import { matmul } from '../matmul.ts';
import { named } from '../named.ts';
import { triu } from '../rearrange.ts';
import { prod, sum } from '../reduce.ts';
import { cumsum } from '../scans.ts';
import { select, slice } from '../slices.ts';
import { expand, mT, unsqueeze } from '../view.ts';
import { factored, solvedAgain } from './lu.ts';
import { batchOf, checkSquareFloat, columnsOf, diagonal, epsilonOf } from './matrices.ts';
import { invEx } from './solve.ts';
import { svd } from './svd.ts';

const perMatrix = (x: TensorBase): TensorBase => unsqueeze(unsqueeze(x, -1), -1);

/** The diagonal of U, the sign of the row exchanges, and the factors of P A = L U for a plain tensor. */
function pivotsOf(
  a: TensorBase,
): readonly [diagonal: TensorBase, sign: TensorBase, factors: TensorBase, pivots: TensorBase] {
  const [f, pivots] = factored(a);
  const sign = fresh(batchOf(a), a.dtype);
  kernels.signOfExchanges(sign, pivots);
  return [diagonal(f), sign, f, pivots];
}

/** A⁻ᵀ, by factors if they do. */
function inverseTransposed(a: TensorBase, f: TensorBase, pivots: TensorBase): TensorBase {
  const identity = expand(eyeMatrix(columnsOf(a), columnsOf(a), a.dtype), a.shape);
  return solvedAgain(f, pivots, identity) ?? mT(invEx(a)[0]);
}

// y = det A of invertible A        Ā = ȳ y A⁻ᵀ        ẏ = y tr(A⁻¹ Ȧ)
const detOp: Op<undefined> = defineOp({
  name: 'det',
  node: 'LinalgDetBackward0',
  inputs: ['a'],
  forward: ([a]) =>
    internally(() => {
      const [factors, sign, f, pivots] = pivotsOf(a);
      return [mul(sign, prod(factors, -1)), f, pivots];
    }),
  vjp: {
    saves: ['a', 'y0', 'y1', 'y2'],
    rule: ([g], [a, y, f, pivots]) => [g === null ? null : mul(perMatrix(mul(g, y)), inverseTransposed(a, f, pivots))],
  },
  jvp: ({ inputs: [a], tangents: [ta], outputs: [y] }) => [
    ta === null ? null : mul(y, sum(mul(mT(invEx(a as TensorBase)[0]), ta), [-2, -1])),
    null,
    null,
  ],
  cheap: () => 'at need',
  vmap: ([a]) => apply(detOp, [a], undefined),
});

const determinant = (a: TensorBase): TensorBase => (apply(detOp, [a], undefined) as readonly TensorBase[])[0];

/** Which matrices are singular, as far as the factors tell. */
function singular(a: TensorBase, f: TensorBase): TensorBase {
  const size = abs(diagonal(detach(f)));
  return le(amin(size, -1), mul(amax(size, -1), 100 * epsilonOf(a)));
}

/** The determinant as a polynomial, without a division (Bird, 2011): for small matrices near zero. */
function polynomial(c: TensorBase): TensorBase {
  const n = columnsOf(c);
  let f = c;
  for (let k = 1; k < n; k++) {
    const d = diagonal(f);
    const rest = sub(cumsum(d, -1), sum(d, -1, true));
    f = matmul(add(triu(f, 1), diagEmbed(rest)), c);
  }
  const corner = select(select(f, -2, 0), -1, 0);
  return n % 2 === 0 ? neg(corner) : corner;
}

/**
 * The determinant of matrices that may be singular, as a function that can be differentiated again and
 * again: B = Uᵀ A V for the singular vectors of A, taken as constants, has the large singular values in
 * one block and next to nothing in the other, so det A = ±det(B₁₁) det(B₂₂ − B₂₁ B₁₁⁻¹ B₁₂).
 */
function determinantBySvd(a: TensorBase): TensorBase {
  const [n, fixed] = [columnsOf(a), detach(a)];
  const [u, s, vh] = svd(fixed, false);
  const small = sum(le(s, mul(slice(s, -1, 0, 1), 100 * n * epsilonOf(a))), -1);
  let q = 1;
  while (q < n && anyNonzero(gt(small, q))) q++;
  const b = matmul(matmul(mT(u), a), mT(vh));
  const block = (rows: [number, number], columns: [number, number]): TensorBase =>
    slice(slice(b, -2, ...rows), -1, ...columns);
  const [large, rest]: [number, number][] = [
    [0, n - q],
    [n - q, n],
  ];
  const first = block(large, large);
  const schur = sub(block(rest, rest), matmul(block(rest, large), matmul(invEx(first)[0], block(large, rest))));
  const sign = mul(determinant(u), determinant(vh));
  return mul(sign, mul(determinant(first), polynomial(schur)));
}

/** Whether somebody may ask for a derivative of `t`: the tape, a transform, or forward mode. Being mapped asks for none. */
function isDifferentiated(t: TensorBase): boolean {
  if (forwardLevel !== null || t.tracked) return true;
  return t.wrapped !== null && (t.wrapped.kind !== 'batch' || isDifferentiated(t.wrapped.value));
}

/**
 * The determinant of every matrix. Where there may be derivatives, singular matrices, for which
 * det(A) A⁻ᵀ is no gradient, go their own way; others stand in for them meanwhile.
 */
export function det(a: TensorBase): TensorBase {
  checkSquareFloat('linalg.det', a);
  const [y, f] = apply(detOp, [a], undefined) as readonly TensorBase[];
  if (a.count === 0 || !isDifferentiated(y)) return y;
  const refused = singular(a, f);
  if (!anyNonzero(refused)) return y;
  const mask = perMatrix(refused);
  const identity = eyeMatrix(columnsOf(a), columnsOf(a), a.dtype);
  const regular = determinant(where(mask, identity, a));
  return named(where(refused, determinantBySvd(where(mask, a, identity)), regular), 'LinalgDetBackward0');
}

// sign, y = log |det A|        Ā = ȳ A⁻ᵀ        ẏ = tr(A⁻¹ Ȧ)
const slogdetOp: Op<undefined> = defineOp({
  name: 'slogdet',
  node: 'LinalgSlogdetBackward0',
  inputs: ['a'],
  forward: ([a]) =>
    internally(() => {
      const [factors, sign, f, pivots] = pivotsOf(a);
      return [mul(sign, prod(sgn(factors), -1)), sum(log(abs(factors)), -1), f, pivots];
    }),
  vjp: {
    saves: ['a', 'y2', 'y3'],
    rule: ([, g], [a, f, pivots]) => [g === null ? null : mul(perMatrix(g), inverseTransposed(a, f, pivots))],
  },
  jvp: ({ inputs: [a], tangents: [ta] }) => [
    null,
    ta === null ? null : sum(mul(mT(invEx(a as TensorBase)[0]), ta), [-2, -1]),
    null,
    null,
  ],
  cheap: () => 'at need',
  vmap: ([a]) => apply(slogdetOp, [a], undefined),
});

/** The sign of every determinant (0 for a singular matrix), and the logarithm of its magnitude (−∞). */
export function slogdet(a: TensorBase, op = 'linalg.slogdet'): readonly [sign: TensorBase, logabsdet: TensorBase] {
  checkSquareFloat(op, a);
  const [sign, value] = apply(slogdetOp, [a], undefined) as readonly TensorBase[];
  return [sign, value];
}

/** log det A: NaN where the determinant is negative, −∞ where it is 0. */
export function logdet(a: TensorBase): TensorBase {
  const [sign, value] = slogdet(a, 'logdet');
  return where(eq(sign, -1), Number.NaN, value);
}
