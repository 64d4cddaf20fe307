import * as kernels from '../../backends/wasm/linalg/qr.ts';
import { apply } from '../../core/apply.ts';
import { ArgumentError, AutogradError } from '../../core/errors.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { fresh, type TensorBase } from '../../core/tensor.ts';
import { copied } from '../copy.ts';
import { zeros } from '../create.ts';
import { add, mul, neg, sub } from '../elementwise.ts';
import { cat } from '../join.ts';
import { matmul } from '../matmul.ts';
import { tril, triu } from '../rearrange.ts';
import { slice } from '../slices.ts';
import { mT } from '../view.ts';
import { batchOf, checkFloat, checkMatrix, columnsOf, onDiagonal, rowsOf } from './matrices.ts';
import { LOWER, solveRight, UPPER } from './triangular.ts';

export type QrMode = 'reduced' | 'complete' | 'r';

interface QrAttrs {
  readonly mode: QrMode;
}

/** Q of reflections that are given as `factored` leaves them, m × `columns`. */
export function qOf(a: TensorBase, tau: TensorBase, columns: number): TensorBase {
  if (kernels.reflectsByColumns(a)) {
    const q = fresh([...batchOf(a), columns, rowsOf(a)], a.dtype);
    kernels.columnsOfQ(q, mT(a), tau);
    return mT(q);
  }
  const q = fresh([...batchOf(a), rowsOf(a), columns], a.dtype);
  kernels.multiplyByQ(q, a, tau, false, true);
  return q;
}

/** An upper triangle with its diagonal halved. */
const halved = (x: TensorBase): TensorBase => onDiagonal(mul(x, 0.5), triu(x));

/** The gradient of Q R = A, for m ≥ n. */
function tallGradient(gq: TensorBase | null, gr: TensorBase | null, q: TensorBase, r: TensorBase): TensorBase {
  const inside = sum(gr === null ? null : matmul(gr, mT(r)), gq === null ? null : neg(matmul(mT(q), gq)));
  const half = halved(inside);
  const all = matmul(q, add(half, mT(half)));
  return solveRight(mT(r), gq === null ? all : add(gq, all), LOWER);
}

const sum = (a: TensorBase | null, b: TensorBase | null): TensorBase =>
  a === null ? (b as TensorBase) : b === null ? a : add(a, b);

/** The same for m < n, where R = [R₁ R₂]. */
function wideGradient(gq: TensorBase | null, gr: TensorBase | null, q: TensorBase, r: TensorBase): TensorBase {
  const [m, n] = [rowsOf(r), columnsOf(r)];
  const inside = sum(gq === null ? null : matmul(mT(q), gq), gr === null ? null : neg(matmul(gr, mT(r))));
  const first = solveRight(mT(slice(r, -1, 0, m)), tril(sub(inside, mT(inside)), -1), LOWER);
  const all = cat([first, zeros([...batchOf(r), m, n - m], r.dtype)], -1);
  return matmul(q, gr === null ? all : add(all, gr));
}

function qrTangents(ta: TensorBase, q: TensorBase, r: TensorBase): readonly [TensorBase, TensorBase] {
  const [m, n] = [rowsOf(q), columnsOf(r)];
  const turned = matmul(mT(q), ta);
  if (m >= n) {
    const c = solveRight(r, turned, UPPER);
    const tr = matmul(halved(add(c, mT(c))), r);
    return [solveRight(r, sub(ta, matmul(q, tr)), UPPER), tr];
  }
  const below = tril(solveRight(slice(r, -1, 0, m), slice(turned, -1, 0, m), UPPER), -1);
  const skew = sub(below, mT(below));
  return [matmul(q, skew), sub(turned, matmul(skew, r))];
}

function checkDifferentiable(mode: QrMode, m: number, n: number): void {
  if (mode === 'r') {
    throw new AutogradError(
      "linalg.qr: The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, mode='reduced') if you are going to require gradients",
    );
  }
  if (mode === 'complete' && m > n) {
    throw new AutogradError(
      "linalg.qr: The QR decomposition is not differentiable when mode='complete' and nrows > ncols; use mode='reduced'",
    );
  }
}

/*
 * A = Q R (Walter and Lehmann, 2012), with ½triu(X) the upper triangle of X, its diagonal halved.
 *
 * m ≥ n:  Ā = (Q̄ + Q (H + Hᵀ)) R⁻ᵀ with H = ½triu(R̄ Rᵀ − Qᵀ Q̄)
 *         C = Qᵀ Ȧ R⁻¹:  Ṙ = ½triu(C + Cᵀ) R,  Q̇ = (Ȧ − Q Ṙ) R⁻¹
 * m < n:  Ā = Q ([tril(M − Mᵀ, −1) R₁⁻ᵀ, 0] + R̄) with M = Qᵀ Q̄ − R̄ Rᵀ
 *         T = tril(Qᵀ Ȧ₁ R₁⁻¹, −1):  Q̇ = Q (T − Tᵀ),  Ṙ = Qᵀ Ȧ − (T − Tᵀ) R
 */
const qrOp: Op<QrAttrs> = defineOp({
  name: 'qr',
  node: 'LinalgQrBackward0',
  inputs: ['a'],
  forward: ([a], { mode }) =>
    internally(() => {
      const [f, tau] = factored(a);
      const [m, n] = [rowsOf(a), columnsOf(a)];
      const rows = mode === 'complete' ? m : Math.min(m, n);
      const r = triu(slice(f, -2, 0, rows));
      return [mode === 'r' ? zeros([0], a.dtype) : qOf(f, tau, rows), r];
    }),
  vjp: {
    saves: ['y0', 'y1'],
    rule: ([gq, gr], [q, r], context) => {
      const [m, n] = context.shape(0).slice(-2);
      checkDifferentiable(context.attrs.mode, m, n);
      if (gq === null && gr === null) return [null];
      return [(m >= n ? tallGradient : wideGradient)(gq, gr, q, r)];
    },
  },
  jvp: ({ tangents: [ta], outputs: [q, r], attrs }) => {
    if (ta === null) return [null, null];
    checkDifferentiable(attrs.mode, rowsOf(ta), columnsOf(ta));
    return qrTangents(ta, q, r);
  },
  vmap: ([a], _, attrs, size) => {
    const [q, r] = apply(qrOp, [a], attrs) as readonly TensorBase[];
    return [attrs.mode === 'r' ? zeros([size, 0], a.dtype) : q, r];
  },
});

/** R and the vectors of the reflections below it, and their factors, of a plain tensor. */
export function factored(a: TensorBase): readonly [f: TensorBase, tau: TensorBase] {
  const byColumns = kernels.reflectsByColumns(a);
  const f = copied(byColumns ? mT(a) : a);
  const tau = fresh([...batchOf(a), Math.min(rowsOf(a), columnsOf(a))], a.dtype);
  (byColumns ? kernels.factorColumns : kernels.factorQr)(f, tau);
  return [byColumns ? mT(f) : f, tau];
}

/** A = Q R with orthonormal columns of Q: as many as A has (`reduced`), all (`complete`), or none (`r`). */
export function qr(a: TensorBase, mode: QrMode = 'reduced'): readonly [q: TensorBase, r: TensorBase] {
  checkMatrix('linalg.qr', a);
  checkFloat('linalg.qr', a);
  if (mode !== 'reduced' && mode !== 'complete' && mode !== 'r') {
    throw new ArgumentError(
      `linalg.qr: qr received unrecognized mode '${String(mode)}' but expected one of 'reduced' (default), 'r', or 'complete'`,
    );
  }
  return apply(qrOp, [a], { mode }) as readonly [TensorBase, TensorBase];
}
