import * as kernels from '../../backends/wasm/linalg/ldl.ts';
import { apply, apply1 } from '../../core/apply.ts';
import { DTypeError, ShapeError } from '../../core/errors.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, notDifferentiable, type Op } from '../../core/op.ts';
import { sameShape, shapeText } from '../../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../../core/tensor.ts';
import { contiguous, copied } from '../copy.ts';
import { onBatch } from '../matmul.ts';
import { tril } from '../rearrange.ts';
import { expand } from '../view.ts';
import { batchOf, checkSquareFloat, columnsOf, refuse, refuseDerivative, sameBatch } from './matrices.ts';
import { checkSystem } from './triangular.ts';

/** A = L D Lᵀ with exchanges, for symmetric A of which the lower triangle is read. */
const ldlOp: Op<{ readonly check: string | null }> = defineOp({
  name: 'ldlFactor',
  inputs: ['a'],
  forward: ([a], { check }) => {
    const f = internally(() => tril(a));
    const pivots = fresh(a.shape.slice(0, -1), 'int32');
    const info = fresh(batchOf(a), 'int32');
    kernels.factorLdl(f, pivots, info);
    if (check !== null) {
      refuse(
        check,
        info,
        (k) =>
          `The diagonal element ${k} of D is exactly zero; using it in ldl_solve would result in a division by zero.`,
      );
    }
    return [f, pivots, info];
  },
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([a], _, attrs) => apply(ldlOp, [a], attrs),
});

const ldlSolveOp: Op<undefined> = defineOp({
  name: 'ldlSolve',
  inputs: ['a', 'pivots', 'b'],
  forward: ([a, pivots, b]) => {
    const x = copied(b);
    kernels.solveLdl(contiguous(a), contiguous(pivots), x);
    return x;
  },
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([a, pivots, b], [inA, inP, inB], _, size) =>
    apply1(ldlSolveOp, [onBatch(a, inA, size), onBatch(pivots, inP, size), onBatch(b, inB, size)], undefined),
});

type Factors = readonly [ld: TensorBase, pivots: TensorBase, info: TensorBase];

/** L and D in one matrix, the exchanges as LAPACK writes them, and where D is singular (0: nowhere). */
export function ldlFactorEx(a: TensorBase, checkErrors = false, op = 'linalg.ldl_factor_ex'): Factors {
  checkSquareFloat(op, a);
  refuseDerivative(op, a);
  return apply(ldlOp, [a], { check: checkErrors ? op : null }) as Factors;
}

/** The same, where a singular D is an error. */
export function ldlFactor(a: TensorBase): readonly [ld: TensorBase, pivots: TensorBase] {
  const [f, pivots] = ldlFactorEx(a, true, 'linalg.ldl_factor');
  return [f, pivots];
}

/** The solution of A X = B, given the factors of A. */
export function ldlSolve(f: TensorBase, pivots: TensorBase, b: TensorBase): TensorBase {
  const op = 'linalg.ldl_solve';
  checkTensors(op, f, pivots, b);
  if (b.shape.length < 2) {
    throw new ShapeError(
      `${op}: Expected B to have at least 2 dimensions, but it has ${b.shape.length} dimensions instead`,
    );
  }
  checkSystem(op, f, b);
  if (pivots.dtype !== 'int32') throw new DTypeError(`${op}: Expected pivots to be integers. Got ${pivots.dtype}`);
  if (!sameShape(pivots.shape, f.shape.slice(0, -1))) {
    throw new ShapeError(
      `${op}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape ${shapeText(pivots.shape)} instead`,
    );
  }
  for (const x of [f, b]) refuseDerivative(op, x);
  const [factors, sides] = sameBatch(op, f, b);
  const n = columnsOf(f);
  return apply1(ldlSolveOp, [factors, expand(pivots, [...batchOf(factors), n]), sides], undefined);
}
