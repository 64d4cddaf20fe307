import * as kernels from '../../backends/wasm/linalg/eigh.ts';
import { apply } from '../../core/apply.ts';
import { ArgumentError } from '../../core/errors.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { checkTensors, fresh, type TensorBase } from '../../core/tensor.ts';
import { toDType } from '../copy.ts';
import { zeros } from '../create.ts';
import { diagEmbed } from '../diagonals.ts';
import { div, mul, sub } from '../elementwise.ts';
import { matmul } from '../matmul.ts';
import { triu } from '../rearrange.ts';
import { mT, unsqueeze } from '../view.ts';
import { batchOf, checkSquareFloat, columnsOf, diagonal, onDiagonal, refuse } from './matrices.ts';

interface EighAttrs {
  /** The function in whose name errors speak. */
  readonly name: string;
  /** Without vectors nothing can be differentiated. */
  readonly vectors: boolean;
}

/** Eᵢⱼ = λⱼ − λᵢ, and 1 on the diagonal. */
const gaps = (values: TensorBase): TensorBase => onDiagonal(1, sub(unsqueeze(values, -2), unsqueeze(values, -1)));

// A = V Λ Vᵀ, Eᵢⱼ = λⱼ − λᵢ (Giles, 2008), quotients without diagonal
//   Ā = V (diag(λ̄) + ½ (Vᵀ V̄ − V̄ᵀ V) / E) Vᵀ        λ̇ = diag(P), V̇ = V (P / E) with P = Vᵀ Ȧ V
// Of all matrices that give the same for symmetric Ȧ, the gradient is the symmetric one.
const eighOp: Op<EighAttrs> = defineOp({
  name: 'eigh',
  node: 'LinalgEighBackward0',
  inputs: ['a'],
  forward: ([a], { name, vectors }) =>
    internally(() => {
      const dtype = kernels.dtypeForEigh(a);
      const upper = toDType(triu(mT(a)), dtype);
      const n = columnsOf(a);
      const values = fresh([...batchOf(a), n], dtype);
      const rows = vectors ? fresh([...batchOf(a), n, n], dtype) : null;
      const info = fresh(batchOf(a), 'int32');
      kernels.eigh(upper, values, rows, info);
      refuse(
        name,
        info,
        (k) =>
          `The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues (error code: ${k}).`,
      );
      return [
        toDType(values, a.dtype),
        rows === null ? zeros([...batchOf(a), 0], a.dtype) : mT(toDType(rows, a.dtype)),
      ];
    }),
  vjp: {
    saves: ['y0', 'y1'],
    rule: ([gl, gv], [l, v]) => {
      if (gl === null && gv === null) return [null];
      if (gv === null) return [matmul(mul(v, unsqueeze(gl as TensorBase, -2)), mT(v))];
      const m = matmul(mT(v), gv);
      const turned = div(mul(sub(m, mT(m)), 0.5), gaps(l));
      const inside = onDiagonal(gl === null ? 0 : diagEmbed(gl), turned);
      return [matmul(v, matmul(inside, mT(v)))];
    },
  },
  jvp: ({ tangents: [ta], outputs: [l, v] }) => {
    if (ta === null) return [null, null];
    const p = matmul(mT(v), matmul(ta, v));
    return [diagonal(p), matmul(v, onDiagonal(0, div(p, gaps(l))))];
  },
  vmap: ([a], _, attrs) => apply(eighOp, [a], attrs),
});

export type Triangle = 'L' | 'U';

function decomposed(a: TensorBase, triangle: Triangle, attrs: EighAttrs): readonly [TensorBase, TensorBase] {
  checkSquareFloat(attrs.name, a);
  if (triangle !== 'L' && triangle !== 'U')
    throw new ArgumentError(`${attrs.name}: Expected UPLO argument to be 'L' or 'U', but got ${String(triangle)}`);
  return apply(eighOp, [triangle === 'U' ? mT(a) : a], attrs) as readonly [TensorBase, TensorBase];
}

/** Eigenvalues in ascending order, and eigenvectors as columns, of symmetric matrices given by one triangle. */
export function eigh(a: TensorBase, triangle: Triangle = 'L'): readonly [values: TensorBase, vectors: TensorBase] {
  return decomposed(a, triangle, { name: 'linalg.eigh', vectors: true });
}

/** Eigenvalues alone. Derivatives need the vectors as well, so they are found where there may be any. */
export function eigvalsh(a: TensorBase, triangle: Triangle = 'L'): TensorBase {
  checkTensors('linalg.eigvalsh', a);
  return decomposed(a, triangle, { name: 'linalg.eigvalsh', vectors: a.tracked || a.wrapped !== null })[0];
}
