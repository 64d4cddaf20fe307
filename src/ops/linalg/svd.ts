import { reflectsByColumns } from '../../backends/wasm/linalg/qr.ts';
import * as kernels from '../../backends/wasm/linalg/svd.ts';
import { apply } from '../../core/apply.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { checkTensors, fresh, type TensorBase } from '../../core/tensor.ts';
import { copied, toDType } from '../copy.ts';
import { zeros } from '../create.ts';
import { diagEmbed } from '../diagonals.ts';
import { add, div, mul, sub } from '../elementwise.ts';
import { readElement } from '../inspect.ts';
import { cat } from '../join.ts';
import { matmul } from '../matmul.ts';
import { triu } from '../rearrange.ts';
import { sum } from '../reduce.ts';
import { slice } from '../slices.ts';
import { mT, unsqueeze } from '../view.ts';
import { batchOf, checkFloat, checkMatrix, columnsOf, diagonal, onDiagonal, refuse, rowsOf } from './matrices.ts';
import { factored, qOf } from './qr.ts';

interface SvdAttrs {
  /** The function in whose name errors speak. */
  readonly name: string;
  /** All columns of U and rows of Vᵀ, not only those that belong to singular values. */
  readonly full: boolean;
  /** Without vectors nothing can be differentiated. */
  readonly vectors: boolean;
}

type Parts = readonly [u: TensorBase, s: TensorBase, vh: TensorBase];

/** The parts of A = Q R by those of R, for a matrix much taller than wide; null where that is no way. */
function svdByQr(a: TensorBase, attrs: SvdAttrs): Parts | null {
  const [m, n] = [rowsOf(a), columnsOf(a)];
  if (m < 4 * n || (attrs.full && attrs.vectors) || !reflectsByColumns(a)) return null;
  const [f, tau] = factored(a);
  const r = triu(slice(f, -2, 0, n));
  if (!Number.isFinite(readElement(sum(r), 0))) return null;
  const [u, s, vh] = tallSvd(r, attrs);
  return [attrs.vectors ? matmul(qOf(f, tau, n), u) : u, s, vh];
}

/** The parts of a tall matrix; of a wide one they are those of its transpose. */
function tallSvd(a: TensorBase, attrs: SvdAttrs): Parts {
  const { name, full, vectors } = attrs;
  const [m, n, batch] = [rowsOf(a), columnsOf(a), batchOf(a)];
  const dtype = kernels.dtypeForSvd(a);
  const wide = toDType(a, dtype);
  const parts = svdByQr(wide, attrs);
  if (parts !== null) {
    const [u, s, vh] = parts;
    return [toDType(u, a.dtype), toDType(s, a.dtype), toDType(vh, a.dtype)];
  }
  const work = a.dtype === dtype ? copied(a) : wide;
  const part = (...shape: number[]): TensorBase => fresh([...batch, ...shape], dtype);
  const [s, info] = [part(n), fresh(batch, 'int32')];
  const found = vectors ? { u: part(m, full ? m : n), v: part(n, n) } : null;
  kernels.svd(work, { s, vectors: found }, info);
  refuse(name, info, (k) =>
    k < 0
      ? 'The algorithm failed to converge because the input matrix contained non-finite values.'
      : `The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated singular values (error code: ${k}).`,
  );
  const { u, v } = found ?? { u: zeros([...batch, m, 0], a.dtype), v: zeros([...batch, 0, n], a.dtype) };
  return [toDType(u, a.dtype), toDType(s, a.dtype), toDType(v, a.dtype)];
}

/** Eᵢⱼ = sⱼ² − sᵢ², and 1 on the diagonal. */
function gaps(s: TensorBase): TensorBase {
  const squares = mul(s, s);
  return onDiagonal(1, sub(unsqueeze(squares, -2), unsqueeze(squares, -1)));
}

const skew = (x: TensorBase): TensorBase => sub(x, mT(x));

/** The columns of U and rows of Vᵀ that belong to singular values. */
const essential = (u: TensorBase, s: TensorBase, vh: TensorBase): readonly [TensorBase, TensorBase] => {
  const k = columnsOf(s);
  return [slice(u, -1, 0, k), slice(vh, -2, 0, k)];
};

function svdGradient(gu: TensorBase | null, gs: TensorBase | null, gvh: TensorBase | null, parts: Parts): TensorBase {
  const [u, s, vh] = parts;
  const [row, column] = [unsqueeze(s, -2), unsqueeze(s, -1)];
  if (gu === null && gvh === null) return matmul(mul(u, unsqueeze(gs as TensorBase, -2)), vh);
  let inside: TensorBase | null = null;
  if (gu !== null) inside = mul(skew(matmul(mT(u), gu)), row);
  if (gvh !== null) {
    const turned = mul(column, skew(matmul(vh, mT(gvh))));
    inside = inside === null ? turned : add(inside, turned);
  }
  inside = div(inside as TensorBase, gaps(s));
  if (gs !== null) inside = add(inside, diagEmbed(gs));
  let result = matmul(u, matmul(inside, vh));
  if (gu !== null && rowsOf(u) > columnsOf(s)) {
    const rest = div(gu, row);
    result = add(result, matmul(sub(rest, matmul(u, matmul(mT(u), rest))), vh));
  }
  if (gvh !== null && columnsOf(vh) > columnsOf(s)) {
    const rest = div(gvh, column);
    result = add(result, matmul(u, sub(rest, matmul(matmul(rest, mT(vh)), vh))));
  }
  return result;
}

function svdTangents(ta: TensorBase, [u, s, vh]: Parts): Parts {
  const [row, column] = [unsqueeze(s, -2), unsqueeze(s, -1)];
  const p = matmul(mT(u), matmul(ta, mT(vh)));
  const quotient = (x: TensorBase): TensorBase => onDiagonal(0, div(x, gaps(s)));
  let tu = matmul(u, quotient(add(mul(p, row), mul(column, mT(p)))));
  let tv = matmul(mT(vh), quotient(add(mul(column, p), mul(mT(p), row))));
  if (rowsOf(u) > columnsOf(s)) {
    const pushed = div(matmul(ta, mT(vh)), row);
    tu = add(tu, sub(pushed, matmul(u, matmul(mT(u), pushed))));
  }
  if (columnsOf(vh) > columnsOf(s)) {
    const pushed = div(matmul(mT(ta), u), row);
    tv = add(tv, sub(pushed, matmul(mT(vh), matmul(vh, pushed))));
  }
  return [tu, diagonal(p), mT(tv)];
}

/** Zeros for the columns beyond those of `t`, up to `n`. */
function widened(t: TensorBase, n: number): TensorBase {
  const missing = n - columnsOf(t);
  return missing === 0 ? t : cat([t, zeros([...batchOf(t), rowsOf(t), missing], t.dtype)], -1);
}

/*
 * A = U diag(s) Vᵀ, Eᵢⱼ = sⱼ² − sᵢ², skew(X) = X − Xᵀ (Giles, 2008; Wan and Zhang, 2019)
 *   Ā = U ((skew(Uᵀ Ū) S + S skew(Vᵀ V̄)) / E + diag(s̄)) Vᵀ + (1 − U Uᵀ) Ū S⁻¹ Vᵀ + U S⁻¹ V̄ᵀ (1 − V Vᵀ)
 *   ṡ = diag(P), U̇ = U ((P S + S Pᵀ) / E) + (1 − U Uᵀ) Ȧ V S⁻¹, V̇ likewise, with P = Uᵀ Ȧ V
 * Columns that belong to no singular value can be any that are orthogonal: as in PyTorch, they count
 * as constant.
 */
const svdOp: Op<SvdAttrs> = defineOp({
  name: 'svd',
  node: 'LinalgSvdBackward0',
  inputs: ['a'],
  forward: ([a], attrs) =>
    internally(() => {
      if (rowsOf(a) >= columnsOf(a)) return tallSvd(a, attrs);
      const [u, s, vh] = tallSvd(mT(a), attrs);
      return [mT(vh), s, mT(u)];
    }),
  vjp: {
    saves: ['y0', 'y1', 'y2'],
    rule: ([gu, gs, gvh], [u, s, vh]) => {
      if (gu === null && gs === null && gvh === null) return [null];
      const k = columnsOf(s);
      const [eu, evh] = essential(u, s, vh);
      return [svdGradient(gu && slice(gu, -1, 0, k), gs, gvh && slice(gvh, -2, 0, k), [eu, s, evh])];
    },
  },
  jvp: ({ tangents: [ta], outputs: [u, s, vh] }) => {
    if (ta === null) return [null, null, null];
    const [eu, evh] = essential(u, s, vh);
    const [tu, ts, tvh] = svdTangents(ta, [eu, s, evh]);
    return [widened(tu, columnsOf(u)), ts, mT(widened(mT(tvh), rowsOf(vh)))];
  },
  vmap: ([a], _, attrs) => apply(svdOp, [a], attrs),
});

function decomposed(a: TensorBase, attrs: SvdAttrs): Parts {
  checkMatrix(attrs.name, a);
  checkFloat(attrs.name, a);
  return apply(svdOp, [a], attrs) as Parts;
}

/** U, s (descending) and Vᵀ with A = U diag(s) Vᵀ. */
export function svd(a: TensorBase, full = true, name = 'linalg.svd'): Parts {
  return decomposed(a, { name, full, vectors: true });
}

/** Singular values alone. Derivatives need the vectors as well, so they are found where there may be any. */
export function svdvals(a: TensorBase, name = 'linalg.svdvals'): TensorBase {
  checkTensors(name, a);
  return decomposed(a, { name, full: false, vectors: a.tracked || a.wrapped !== null })[1];
}
