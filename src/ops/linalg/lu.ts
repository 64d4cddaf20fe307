import * as kernels from '../../backends/wasm/linalg/lu.ts';
import { apply, apply1, isBare } from '../../core/apply.ts';
import { ArgumentError, DTypeError, NotImplementedError, ShapeError } from '../../core/errors.ts';
import { defineOp, notDifferentiable, type Op } from '../../core/op.ts';
import { broadcastShapes, sameShape, shapeText } from '../../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../../core/tensor.ts';
import { contiguous, copied, toDType } from '../copy.ts';
import { counting, zeros } from '../create.ts';
import { add, eq, sub } from '../elementwise.ts';
import { gather } from '../indexing.ts';
import { cat } from '../join.ts';
import { matmul } from '../matmul.ts';
import { named } from '../named.ts';
import { tril, triu } from '../rearrange.ts';
import { slice } from '../slices.ts';
import { expand, mT, unsqueeze } from '../view.ts';
import { batchOf, checkFloat, checkMatrix, columnsOf, onDiagonal, refuse, rowsOf, sameBatch } from './matrices.ts';
import { checkSystem, LOWER, solveLeft, solveRight, UNIT_LOWER, UNIT_UPPER, UPPER } from './triangular.ts';

// ─── row exchanges ───────────────────────────────────────────────────────────────────────────────

/** Row i of P A is row `order[i]` of A; or (`inverse`) of Pᵀ A. */
const rowOrderOp: Op<{ readonly rows: number; readonly inverse: boolean }> = defineOp({
  name: 'rowOrder',
  inputs: ['pivots'],
  forward: ([pivots], { rows, inverse }) => {
    const order = fresh([...pivots.shape.slice(0, -1), rows], 'int32');
    if (!kernels.rowOrder(order, contiguous(pivots), inverse)) {
      throw new ArgumentError(
        `lu: pivots passed to lu_unpack must be between 1 and LU.size(-2) (${rows}) inclusive. Did you properly pass the result of lu_factor?`,
      );
    }
    return order;
  },
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([pivots], _, attrs) => apply1(rowOrderOp, [pivots], attrs),
});

const rowOrder = (pivots: TensorBase, rows: number, inverse: boolean): TensorBase =>
  apply1(rowOrderOp, [pivots], { rows, inverse });

function reordered(x: TensorBase, pivots: TensorBase, inverse: boolean): TensorBase {
  return gather(x, -2, expand(unsqueeze(rowOrder(pivots, rowsOf(x), inverse), -1), x.shape));
}

/** P x: rows as the factorisation exchanged them. */
const exchanged = (x: TensorBase, pivots: TensorBase): TensorBase => reordered(x, pivots, false);

/** P of A = P L U. */
function permutation(f: TensorBase, pivots: TensorBase): TensorBase {
  const rows = rowsOf(f);
  return toDType(eq(unsqueeze(rowOrder(pivots, rows, true), -1), counting(rows)), f.dtype);
}

/** Pᵀ x: rows back where they were. */
const restored = (x: TensorBase, pivots: TensorBase): TensorBase => reordered(x, pivots, true);

// ─── the factorisation ───────────────────────────────────────────────────────────────────────────

/** L and U out of one matrix. */
function parts(f: TensorBase): readonly [l: TensorBase, u: TensorBase] {
  const k = Math.min(rowsOf(f), columnsOf(f));
  return [onDiagonal1(tril(slice(f, -1, 0, k), -1)), triu(slice(f, -2, 0, k))];
}

/** Ones on the diagonal of matrices that may be tall. */
function onDiagonal1(l: TensorBase): TensorBase {
  const k = columnsOf(l);
  if (rowsOf(l) === k) return onDiagonal(1, l);
  return cat([onDiagonal(1, slice(l, -2, 0, k)), slice(l, -2, k)], -2);
}

/** The gradient of a factorisation of m × n matrices. */
function luGradient(g: TensorBase, f: TensorBase, pivots: TensorBase): TensorBase {
  const [m, n] = [rowsOf(f), columnsOf(f)];
  const k = Math.min(m, n);
  const [l, u] = parts(f);
  const gl = tril(slice(g, -1, 0, k), -1);
  const gu = triu(slice(g, -2, 0, k));
  const square = slice(slice(f, -2, 0, k), -1, 0, k);
  const difference = sub(matmul(mT(l), gl), matmul(gu, mT(u)));
  if (m <= n) {
    const first = add(slice(gu, -1, 0, k), solveRight(mT(square), tril(difference, -1), LOWER));
    const all = n === k ? first : cat([first, slice(gu, -1, k)], -1);
    return restored(solveLeft(mT(square), all, UNIT_UPPER), pivots);
  }
  const first = sub(slice(gl, -2, 0, k), solveLeft(mT(square), triu(difference), UNIT_UPPER));
  return restored(solveRight(mT(square), cat([first, slice(gl, -2, k)], -2), LOWER), pivots);
}

/** The tangent of a factorisation of m × n matrices, as L̇ and U̇ in one matrix. */
function luTangent(ta: TensorBase, f: TensorBase, pivots: TensorBase): TensorBase {
  const [m, n] = [rowsOf(f), columnsOf(f)];
  const k = Math.min(m, n);
  const [l, u] = parts(f);
  const square = slice(slice(f, -2, 0, k), -1, 0, k);
  const moved = exchanged(ta, pivots);
  if (m <= n) {
    const pushed = solveLeft(square, moved, UNIT_LOWER);
    const inner = tril(solveRight(square, slice(pushed, -1, 0, k), UPPER), -1);
    const dl = tril(matmul(l, inner), -1);
    const wide = n === k ? dl : cat([dl, zeros([...batchOf(f), m, n - k], f.dtype)], -1);
    return add(wide, triu(sub(pushed, matmul(inner, u))));
  }
  const pushed = solveRight(square, moved, UPPER);
  const inner = triu(solveLeft(square, slice(pushed, -2, 0, k), UNIT_LOWER));
  const du = cat([triu(matmul(inner, u)), zeros([...batchOf(f), m - k, n], f.dtype)], -2);
  return add(tril(sub(pushed, matmul(l, inner)), -1), du);
}

/*
 * P A = L U.
 *
 * wide, with A = [A₁ A₂] and U = [U₁ U₂]:
 *   P Ā = L⁻ᵀ [Ū₁ + tril(Lᵀ L̄ − Ū Uᵀ, −1) U₁⁻ᵀ,  Ū₂]
 *   K = L⁻¹ P Ȧ,  T = tril(K₁ U₁⁻¹, −1):  L̇ = L T,  U̇ = K − T U
 * tall, with the blocks of L one above the other:
 *   P Ā = [L̄₁ + L₁⁻ᵀ triu(Ū Uᵀ − Lᵀ L̄);  L̄₂] U⁻ᵀ
 *   K = P Ȧ U⁻¹,  T = triu(L₁⁻¹ K₁):  L̇ = K − L T,  U̇ = T U
 */
const luOp: Op<{ readonly check: string | null }> = defineOp({
  name: 'lu',
  node: 'LinalgLuFactorExBackward0',
  inputs: ['a'],
  forward: ([a], { check }) => {
    const [f, pivots, info] = factored(a);
    if (check !== null) {
      refuse(
        check,
        info,
        (k) =>
          `U[${k},${k}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)`,
      );
    }
    return [f, pivots, info];
  },
  vjp: {
    saves: ['y0', 'y1'],
    rule: ([g], [f, pivots]) => [g === null ? null : luGradient(g, f, pivots)],
  },
  jvp: ({ tangents: [ta], outputs: [f, pivots] }) => [ta === null ? null : luTangent(ta, f, pivots), null, null],
  vmap: ([a], _, attrs) => apply(luOp, [a], attrs),
});

type Factors = readonly [lu: TensorBase, pivots: TensorBase, info: TensorBase];

/** L and U in one matrix, row exchanges, and where a zero on the diagonal of U was met (0: nowhere). */
export function luFactorEx(
  a: TensorBase,
  { pivot = true, checkErrors = false }: { readonly pivot?: boolean; readonly checkErrors?: boolean } = {},
  op = 'linalg.lu_factor_ex',
): Factors {
  checkMatrix(op, a);
  checkFloat(op, a);
  if (!pivot)
    throw new NotImplementedError(`${op}: LU without pivoting is not implemented on the CPU; leave pivot at true`);
  return apply(luOp, [a], { check: checkErrors ? op : null }) as Factors;
}

/** The same, where a zero on the diagonal of U is an error. */
export function luFactor(a: TensorBase, pivot = true): readonly [lu: TensorBase, pivots: TensorBase] {
  const [f, pivots] = luFactorEx(a, { pivot, checkErrors: true }, 'linalg.lu_factor');
  return [f, pivots];
}

/** A = P L U in three matrices. */
export function luUnpack(
  f: TensorBase,
  pivots: TensorBase,
  { unpackData = true, unpackPivots = true }: { readonly unpackData?: boolean; readonly unpackPivots?: boolean } = {},
  node = 'LuUnpackBackward0',
): readonly [p: TensorBase, l: TensorBase, u: TensorBase] {
  checkMatrix('lu_unpack', f, 'LU_data');
  if (unpackPivots) checkPivots('lu_unpack', f, pivots);
  const nothing = (): TensorBase => zeros([0], f.dtype);
  const [l, u] = unpackData ? parts(f).map((x) => named(x, node)) : [nothing(), nothing()];
  return [unpackPivots ? permutation(f, pivots) : nothing(), l, u];
}

/** A = P L U, straight from A. */
export function lu(a: TensorBase, pivot = true): readonly [p: TensorBase, l: TensorBase, u: TensorBase] {
  const [f, pivots] = luFactorEx(a, { pivot }, 'linalg.lu');
  return luUnpack(f, pivots, {}, 'LinalgLuBackward0');
}

// ─── solving with the factors ────────────────────────────────────────────────────────────────────

function checkPivots(op: string, f: TensorBase, pivots: TensorBase): void {
  checkTensors(op, f, pivots);
  if (pivots.dtype !== 'int32')
    throw new DTypeError(`${op}: Expected pivots (LU_pivots) to be a Tensor of torch.int32, got ${pivots.dtype}`);
  const expected = [...batchOf(f), Math.min(rowsOf(f), columnsOf(f))];
  if (!sameShape(pivots.shape, expected)) {
    throw new ShapeError(
      `${op}: Number of pivots per batch should be same as the dimension of the matrix: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape ${shapeText(pivots.shape)} instead of ${shapeText(expected)}`,
    );
  }
}

/** A⁻¹ b or A⁻ᵀ b, for factors and sides of one batch shape. */
function solveFactored(f: TensorBase, pivots: TensorBase, b: TensorBase, adjoint = false): TensorBase {
  return adjoint
    ? restored(solveLeft(mT(f), solveLeft(mT(f), b, LOWER), UNIT_UPPER), pivots)
    : solveLeft(f, solveLeft(f, exchanged(b, pivots), UNIT_LOWER), UPPER);
}

/** The factors of a plain tensor, outside of the graph. */
export function factored(a: TensorBase): Factors {
  const byColumns = kernels.factorsByColumns(a);
  const f = copied(byColumns ? mT(a) : a);
  const pivots = fresh([...batchOf(a), Math.min(rowsOf(a), columnsOf(a))], 'int32');
  const info = fresh(batchOf(a), 'int32');
  kernels.lu(f, pivots, info, byColumns);
  return [byColumns ? mT(f) : f, pivots, info];
}

/** Rows from which on factors are used again. */
const WORTH_KEEPING = 32;

/** A⁻ᵀ b by factors that were kept, where nobody differentiates by them; null elsewhere, and for small matrices, which are soon factored again. */
export const solvedAgain = (f: TensorBase, pivots: TensorBase, b: TensorBase): TensorBase | null =>
  columnsOf(f) >= WORTH_KEEPING && isBare([f, b]) ? solveFactored(f, pivots, b, true) : null;

export interface LuSolveOptions {
  readonly left?: boolean;
  readonly adjoint?: boolean;
}

/** The solution of A X = B or Aᵀ X = B (`adjoint`), or of X A = B, given the factors of A. */
export function luSolve(
  f: TensorBase,
  pivots: TensorBase,
  b: TensorBase,
  { left = true, adjoint = false }: LuSolveOptions = {},
  op = 'linalg.lu_solve',
): TensorBase {
  checkSystem(op, f, b, left);
  checkPivots(op, f, pivots);
  const [factors, sides] = sameBatch(op, f, b);
  const exchanges = expand(pivots, [...broadcastShapes(op, batchOf(f), batchOf(b)), columnsOf(f)]);
  const x = left
    ? solveFactored(factors, exchanges, sides, adjoint)
    : mT(solveFactored(factors, exchanges, mT(sides), !adjoint));
  return named(x, 'LinalgLuSolveBackward0');
}
