import { apply1 } from '../../core/apply.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import type { TensorBase } from '../../core/tensor.ts';
import { copied } from '../copy.ts';
import { eyeMatrix, zeros } from '../create.ts';
import { abs, add, ceil, clamp, div, exp2, gt, isfinite, log2, mul, neg, sub, where } from '../elementwise.ts';
import { amax, maxAll } from '../extrema.ts';
import { readElement } from '../inspect.ts';
import { cat } from '../join.ts';
import { matmul } from '../matmul.ts';
import { sum } from '../reduce.ts';
import { slice } from '../slices.ts';
import { mT } from '../view.ts';
import { batchOf, checkSquareFloat, columnsOf } from './matrices.ts';
import { solveEx } from './solve.ts';

interface Pade {
  /** Coefficients of the numerator; the denominator has them with alternating signs. */
  readonly coefficients: readonly number[];
  /** The norm up to which it is exact to the last bit (Higham, 2005). */
  readonly reach: number;
}

/** The approximants [13/13] and [7/7]. */
const PADE: Readonly<Record<'float64' | 'float32', Pade>> = {
  float64: {
    coefficients: [
      64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
      670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
    ],
    reach: 5.371920351148152,
  },
  float32: { coefficients: [17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1], reach: 3.92572478313866 },
};

const padeOf = (a: TensorBase): Pade => PADE[a.dtype === 'float64' ? 'float64' : 'float32'];

/** e^A for matrices of a norm within reach: (V − U)⁻¹ (V + U), the odd and the even part of a polynomial. */
function pade(a: TensorBase): TensorBase {
  const identity = eyeMatrix(columnsOf(a), columnsOf(a), a.dtype);
  const a2 = matmul(a, a);
  const a4 = matmul(a2, a2);
  const a6 = matmul(a4, a2);
  const b = padeOf(a).coefficients;
  const low = (k: number): TensorBase =>
    add(add(mul(a6, b[k + 6]), mul(a4, b[k + 4])), add(mul(a2, b[k + 2]), mul(identity, b[k])));
  const high = (k: number): TensorBase => add(add(mul(a6, b[k + 4]), mul(a4, b[k + 2])), mul(a2, b[k]));
  const part = (k: number): TensorBase => (k + 8 < b.length ? add(matmul(a6, high(k + 8)), low(k)) : low(k));
  const [u, v] = [matmul(a, part(1)), part(0)];
  return solveEx(sub(v, u), add(v, u))[0];
}

/** e^A by scaling and squaring: (e^(A / 2ˢ))^(2ˢ), with an s for each matrix. */
function exponential(a: TensorBase): TensorBase {
  if (a.count === 0) return copied(a);
  const size = amax(sum(abs(a), -2, true), -1, true);
  const wanted = clamp(ceil(log2(div(size, padeOf(a).reach))), 0, null);
  const squarings = where(isfinite(wanted), wanted, 0);
  let y = pade(mul(a, exp2(neg(squarings))));
  const most = readElement(maxAll(squarings), 0);
  for (let k = 0; k < most; k++) y = where(gt(squarings, k), matmul(y, y), y);
  return y;
}

/** The derivative of e^A in direction E: the upper right block of the exponential of [A E; 0 A]. */
function direction(a: TensorBase, e: TensorBase): TensorBase {
  const n = columnsOf(a);
  const nothing = zeros([...batchOf(a), n, n], a.dtype);
  const block = cat([cat([a, e], -1), cat([nothing, a], -1)], -2);
  return slice(slice(matrixExpOf(block), -2, 0, n), -1, n, 2 * n);
}

// y = e^A        ẏ = L(A, Ȧ),  Ā = L(Aᵀ, ȳ), where e^[A E; 0 A] = [e^A L(A, E); 0 e^A] (Mathias, 1996)
const matrixExpOp: Op<undefined> = defineOp({
  name: 'matrixExp',
  node: 'LinalgMatrixExpBackward0',
  inputs: ['a'],
  forward: ([a]) => internally(() => exponential(a)),
  vjp: { a: [['a'], (g, [a]) => direction(mT(a), g)] },
  jvp: ({ inputs: [a], tangents: [ta] }) => (ta === null ? null : direction(a as TensorBase, ta)),
  vmap: ([a]) => apply1(matrixExpOp, [a], undefined),
});

const matrixExpOf = (a: TensorBase): TensorBase => apply1(matrixExpOp, [a], undefined);

/** e^A = Σ Aᵏ / k! for every matrix. */
export function matrixExp(a: TensorBase): TensorBase {
  checkSquareFloat('linalg.matrix_exp', a);
  return matrixExpOf(a);
}
