import * as kernels from '../../backends/wasm/linalg/lu.ts';
import { apply } from '../../core/apply.ts';
import { ArgumentError } from '../../core/errors.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { sameShape } from '../../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../../core/tensor.ts';
import { copied } from '../copy.ts';
import { neg, sub } from '../elementwise.ts';
import { matmul, onBatch } from '../matmul.ts';
import { named } from '../named.ts';
import { mT, squeeze, unsqueeze } from '../view.ts';
import { factored, solvedAgain } from './lu.ts';
import { checkSquareFloat, refuse, sameBatch } from './matrices.ts';
import { checkSystem } from './triangular.ts';

interface Checked {
  /** The function in whose name a singular matrix is refused; null lets it pass. */
  readonly check: string | null;
}

// y = A⁻¹        Ā = −yᵀ ȳ yᵀ        ẏ = −y Ȧ y
const invOp: Op<Checked> = defineOp({
  name: 'inv',
  node: 'LinalgInvExBackward0',
  inputs: ['a'],
  forward: ([a], { check }) =>
    internally(() => {
      const [f, pivots, info] = factored(a);
      if (check !== null) {
        refuse(
          check,
          info,
          (k) =>
            `The diagonal element ${k} is zero, the inversion could not be completed because the input matrix is singular.`,
        );
      }
      const y = fresh(a.shape, a.dtype);
      kernels.writeIdentity(y);
      kernels.solveFactored(f, pivots, y);
      return [y, info];
    }),
  vjp: {
    saves: ['y0'],
    rule: ([g], [y]) => [g === null ? null : neg(matmul(mT(y), matmul(g, mT(y))))],
  },
  jvp: ({ tangents: [ta], outputs: [y] }) => [ta === null ? null : neg(matmul(y, matmul(ta, y))), null],
  vmap: ([a], _, attrs) => apply(invOp, [a], attrs),
});

/** The inverse, and for every matrix which diagonal element of U is zero (0: none). */
export function invEx(
  a: TensorBase,
  { checkErrors = false }: { readonly checkErrors?: boolean } = {},
): readonly [inverse: TensorBase, info: TensorBase] {
  checkSquareFloat('linalg.inv_ex', a);
  return apply(invOp, [a], { check: checkErrors ? 'linalg.inv_ex' : null }) as readonly [TensorBase, TensorBase];
}

/** A⁻¹; a singular matrix is an error. */
export function inv(a: TensorBase, op = 'linalg.inv'): TensorBase {
  checkSquareFloat(op, a);
  return (apply(invOp, [a], { check: op }) as readonly TensorBase[])[0];
}

// x = A⁻¹ b        b̄ = A⁻ᵀ x̄,  Ā = −b̄ xᵀ        ẋ = A⁻¹ (ḃ − Ȧ x)
const solveOp: Op<Checked> = defineOp({
  name: 'solve',
  node: 'LinalgSolveExBackward0',
  inputs: ['a', 'b'],
  forward: ([a, b], { check }) =>
    internally(() => {
      const [f, pivots, info] = factored(a);
      if (check !== null) refuse(check, info, () => 'The solver failed because the input matrix is singular.');
      const x = copied(b);
      kernels.solveFactored(f, pivots, x);
      return [x, info, f, pivots];
    }),
  vjp: {
    saves: ['a', 'y0', 'y2', 'y3'],
    rule: ([g], [a, x, f, pivots], _, wanted) => {
      if (g === null) return [null, null];
      const gb = solvedAgain(f, pivots, g) ?? solveUnchecked(mT(a), g);
      return [(wanted & 1) === 0 ? null : neg(matmul(gb, mT(x))), gb];
    },
  },
  jvp: ({ inputs: [a], tangents: [ta, tb], outputs: [x] }) => {
    const pushed = ta === null ? null : matmul(ta, x);
    const side = pushed === null ? (tb as TensorBase) : tb === null ? neg(pushed) : sub(tb, pushed);
    return [solveUnchecked(a as TensorBase, side), null, null, null];
  },
  cheap: () => 'at need',
  vmap: ([a, b], [inA, inB], attrs, size) => apply(solveOp, [onBatch(a, inA, size), onBatch(b, inB, size)], attrs),
});

const solveChecked = (a: TensorBase, b: TensorBase, check: string | null): readonly TensorBase[] =>
  apply(solveOp, [a, b], { check }) as readonly TensorBase[];

/** A⁻¹ b for matrices of one batch shape; a singular A gives infinities. */
const solveUnchecked = (a: TensorBase, b: TensorBase): TensorBase => solveChecked(a, b, null)[0];

export interface SolveOptions {
  readonly left?: boolean;
}

/** Whether b is a vector, or a batch of vectors that goes with the batch of A. */
const isVector = (a: TensorBase, b: TensorBase): boolean =>
  b.shape.length === 1 || (b.shape.length === a.shape.length - 1 && sameShape(b.shape, a.shape.slice(0, -1)));

function solveAs(
  op: string,
  a: TensorBase,
  b: TensorBase,
  left: boolean,
  check: string | null,
): readonly [result: TensorBase, info: TensorBase] {
  checkTensors(op, a, b);
  const vector = isVector(a, b);
  if (vector && !left) {
    throw new ArgumentError(
      `${op}: Vector broadcasting of the left hand side is not supported for left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)`,
    );
  }
  const side = vector ? unsqueeze(b, -1) : b;
  checkSystem(op, a, side, left);
  const [x, y] = left ? sameBatch(op, a, side) : sameBatch(op, mT(a), mT(side));
  const [found, info] = solveChecked(x, y, check);
  if (left && !vector) return [found, info];
  return [named(vector ? squeeze(found, -1) : mT(found), 'LinalgSolveExBackward0'), info];
}

/** The solution of A X = B, or with `left: false` of X A = B; a singular A is an error. */
export function solve(a: TensorBase, b: TensorBase, { left = true }: SolveOptions = {}): TensorBase {
  return solveAs('linalg.solve', a, b, left, 'linalg.solve')[0];
}

/** The same, and for every matrix which diagonal element of U is zero (0: none). */
export function solveEx(
  a: TensorBase,
  b: TensorBase,
  { left = true, checkErrors = false }: SolveOptions & { readonly checkErrors?: boolean } = {},
): readonly [result: TensorBase, info: TensorBase] {
  return solveAs('linalg.solve_ex', a, b, left, checkErrors ? 'linalg.solve_ex' : null);
}
