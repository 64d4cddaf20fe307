import { apply1, isBare } from '../../core/apply.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import type { TensorBase } from '../../core/tensor.ts';
import { copied } from '../copy.ts';
import { eyeMatrix, zeros } from '../create.ts';
import { abs, add, ceil, clamp, div, exp2, gt, isfinite, log2, mul, neg, ops, sub, where } from '../elementwise.ts';
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

/** Matrices, and tangents of them where some are wanted. */
type Dual = readonly [value: TensorBase, tangent: TensorBase | null];

const times = ([x, dx]: Dual, [y, dy]: Dual): Dual => [
  matmul(x, y),
  dx === null || dy === null ? null : add(matmul(dx, y), matmul(x, dy)),
];

/** x ← x + k y. */
function accumulate(x: Dual, y: Dual, k: number): void {
  for (const i of [0, 1]) if (x[i] !== null && y[i] !== null) ops.addScaled.writeInto(x[i], [x[i], y[i], k]);
}

/** e^A for matrices of a norm within reach: (V − U)⁻¹ (V + U), the odd and the even part of a polynomial. */
function pade(a: Dual): Dual {
  const [value] = a;
  const identity = eyeMatrix(columnsOf(value), columnsOf(value), value.dtype);
  const a2 = times(a, a);
  const a4 = times(a2, a2);
  const a6 = times(a4, a2);
  const b = padeOf(value).coefficients;
  const even = (k: number): Dual => {
    const [x, dx] = a6;
    const sum: Dual = [mul(x, b[k + 4]), dx === null ? null : mul(dx, b[k + 4])];
    accumulate(sum, a4, b[k + 2]);
    accumulate(sum, a2, b[k]);
    return sum;
  };
  const part = (k: number): Dual => {
    const low = even(k + 2);
    accumulate(low, [identity, null], b[k]);
    if (k + 8 < b.length) accumulate(low, times(a6, even(k + 8)), 1);
    return low;
  };
  const [u, du] = times(a, part(1));
  const [v, dv] = part(0);
  const divisor = sub(v, u);
  const [y] = solveEx(divisor, add(v, u));
  return [y, du === null || dv === null ? null : solveEx(divisor, sub(add(dv, du), matmul(sub(dv, du), y)))[0]];
}

/** What of the reach is good enough for tangents as well (Al-Mohy and Higham, 2009). */
const REACH_OF_TANGENTS = 0.75;

/** e^A by scaling and squaring: (e^(A / 2ˢ))^(2ˢ), with an s for each matrix. */
function exponential(a: TensorBase, e: TensorBase | null): Dual {
  if (a.count === 0) return [copied(a), e];
  const size = amax(sum(abs(a), -2, true), -1, true);
  const reach = padeOf(a).reach * (e === null ? 1 : REACH_OF_TANGENTS);
  const wanted = clamp(ceil(log2(div(size, reach))), 0, null);
  const squarings = where(isfinite(wanted), wanted, 0);
  const scale = exp2(neg(squarings));
  let y = pade([mul(a, scale), e === null ? null : mul(e, scale)]);
  const most = readElement(maxAll(squarings), 0);
  for (let k = 0; k < most; k++) {
    const [x, dx] = y;
    const [z, dz] = times(y, y);
    const more = gt(squarings, k);
    y = [where(more, z, x), dx === null || dz === null ? null : where(more, dz, dx)];
  }
  return y;
}

/**
 * The derivative of e^A in direction E: the tangent of the algorithm, or where it is to be differentiated in turn the
 * upper right block of the exponential of [A E; 0 A].
 */
function direction(a: TensorBase, e: TensorBase): TensorBase {
  if (isBare([a, e])) return internally(() => exponential(a, e)[1] as TensorBase);
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
  forward: ([a]) => internally(() => exponential(a, null)[0]),
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
