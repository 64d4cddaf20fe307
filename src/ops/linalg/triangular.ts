import * as kernels from '../../backends/wasm/linalg/triangular.ts';
import { apply1 } from '../../core/apply.ts';
import { ShapeError } from '../../core/errors.ts';
import { defineOp, type Op } from '../../core/op.ts';
import type { TensorBase } from '../../core/tensor.ts';
import { clone, copied } from '../copy.ts';
import { add, neg } from '../elementwise.ts';
import { matmul, onBatch } from '../matmul.ts';
import { named } from '../named.ts';
import { tril, triu } from '../rearrange.ts';
import { mT } from '../view.ts';
import { checkFloat, checkMatrix, checkSameDType, checkSquare, columnsOf, rowsOf, sameBatch } from './matrices.ts';

// ─── triangular systems ──────────────────────────────────────────────────────────────────────────

export interface Triangle {
  readonly upper: boolean;
  readonly unitriangular: boolean;
}

/** The triangles that systems come with, by name. */
export const LOWER: Triangle = { upper: false, unitriangular: false };
export const UPPER: Triangle = { upper: true, unitriangular: false };
export const UNIT_LOWER: Triangle = { upper: false, unitriangular: true };
export const UNIT_UPPER: Triangle = { upper: true, unitriangular: true };

const transposed = ({ upper, unitriangular }: Triangle): Triangle => ({ upper: !upper, unitriangular });

/** What of a gradient belongs to the elements that were read. */
function triangleOf(x: TensorBase, { upper, unitriangular }: Triangle): TensorBase {
  const border = unitriangular ? 1 : 0;
  return upper ? triu(x, border) : tril(x, -border);
}

// x = A⁻¹ b        b̄ = A⁻ᵀ x̄,  Ā = −b̄ xᵀ (of the triangle)        ẋ = A⁻¹ (ḃ − Ȧ x)
const solveTriangularOp: Op<Triangle> = defineOp({
  name: 'solveTriangular',
  node: 'LinalgSolveTriangularBackward0',
  inputs: ['a', 'b'],
  forward: ([a, b], triangle) => {
    const x = copied(b);
    kernels.solveTriangular(a, x, triangle);
    return x;
  },
  vjp: {
    a: [
      ['a', 'y'],
      (g, [a, x], { attrs }) => triangleOf(neg(matmul(solveLeft(mT(a), g, transposed(attrs)), mT(x))), attrs),
    ],
    b: [['a'], (g, [a], { attrs }) => solveLeft(mT(a), g, transposed(attrs))],
  },
  jvp: ({ inputs: [a], tangents: [ta, tb], outputs: [x], attrs }) => {
    const pushed = ta === null ? null : neg(matmul(triangleOf(ta, attrs), x));
    return solveLeft(
      a as TensorBase,
      pushed === null ? (tb as TensorBase) : tb === null ? pushed : add(tb, pushed),
      attrs,
    );
  },
  vmap: ([a, b], [inA, inB], attrs, size) =>
    apply1(solveTriangularOp, [onBatch(a, inA, size), onBatch(b, inB, size)], attrs),
});

/** A⁻¹ b for matrices of one batch shape, of which one triangle of A is read. */
export const solveLeft = (a: TensorBase, b: TensorBase, triangle: Triangle): TensorBase =>
  apply1(solveTriangularOp, [a, b], triangle);

/** b A⁻¹. */
export const solveRight = (a: TensorBase, b: TensorBase, triangle: Triangle): TensorBase =>
  mT(solveLeft(mT(a), mT(b), transposed(triangle)));

export function checkSystem(op: string, a: TensorBase, b: TensorBase, left = true): void {
  checkSquare(op, a);
  checkMatrix(op, b, 'B');
  checkSameDType(op, a, b);
  checkFloat(op, a);
  if (left ? rowsOf(a) !== rowsOf(b) : columnsOf(a) !== columnsOf(b)) {
    throw new ShapeError(
      `${op}: Incompatible shapes of A and B for the equation ${left ? 'AX = B' : 'XA = B'} (${rowsOf(a)}x${columnsOf(a)} and ${rowsOf(b)}x${columnsOf(b)})`,
    );
  }
}

export interface SolveTriangularOptions {
  readonly upper: boolean;
  readonly left?: boolean;
  readonly unitriangular?: boolean;
}

/** The solution of A X = B, or with `left: false` of X A = B, for triangular A. */
export function solveTriangular(
  a: TensorBase,
  b: TensorBase,
  { upper, left = true, unitriangular = false }: SolveTriangularOptions,
): TensorBase {
  checkSystem('linalg.solve_triangular', a, b, left);
  const [x, y] = sameBatch('linalg.solve_triangular', a, b);
  const triangle = { upper, unitriangular };
  return left ? solveLeft(x, y, triangle) : named(solveRight(x, y, triangle), 'LinalgSolveTriangularBackward0');
}

/** PyTorch's older form: op(A) X = b, which also gives A back. */
export function triangularSolve(
  b: TensorBase,
  a: TensorBase,
  { upper, transpose, unitriangular }: Triangle & { readonly transpose: boolean },
): readonly [solution: TensorBase, coefficient: TensorBase] {
  checkSystem('triangular_solve', a, b);
  const [coefficient, right] = sameBatch('triangular_solve', a, b);
  const triangle = { upper, unitriangular };
  const x = transpose
    ? solveLeft(mT(coefficient), right, transposed(triangle))
    : solveLeft(coefficient, right, triangle);
  return [named(x, 'TriangularSolveBackward0'), clone(coefficient)];
}
