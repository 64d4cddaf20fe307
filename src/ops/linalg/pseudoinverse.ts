import { apply1 } from '../../core/apply.ts';
import type { DType } from '../../core/dtype.ts';
import { ArgumentError, ShapeError } from '../../core/errors.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { broadcastShapes, sameShape, shapeText } from '../../core/shape.ts';
import { checkTensors, type TensorBase } from '../../core/tensor.ts';
import { eyeMatrix, full as filled, zeros } from '../create.ts';
import { detach } from '../detach.ts';
import { abs, add, gt, logicalNot, lt, maximum, mul, reciprocal, square, sub, where } from '../elementwise.ts';
import { amax } from '../extrema.ts';
import { anyNonzero } from '../inspect.ts';
import { matmul, onBatch } from '../matmul.ts';
import { named } from '../named.ts';
import { sum } from '../reduce.ts';
import { expand, mT, squeeze, unsqueeze } from '../view.ts';
import { eigh, eigvalsh } from './eigh.ts';
import {
  batchOf,
  checkFloat,
  checkMatrix,
  checkSameDType,
  checkSquare,
  columnsOf,
  epsilonOf,
  rowsOf,
} from './matrices.ts';
import { qr } from './qr.ts';
import { svd, svdvals } from './svd.ts';
import { LOWER, solveLeft, UPPER } from './triangular.ts';

// ─── what counts as zero ─────────────────────────────────────────────────────────────────────────

export interface Tolerances {
  /** Singular values up to this count as zero. */
  readonly atol?: TensorBase | number;
  /** As do those up to this part of the largest. */
  readonly rtol?: TensorBase | number;
  /** The matrices are symmetric: their eigenvalues do, which are faster. */
  readonly hermitian?: boolean;
}

type Bounds = readonly [atol: TensorBase, rtol: TensorBase];

/** Both tolerances, one number for each matrix. An absolute one alone is the only one. */
function tolerances(op: string, a: TensorBase, { atol, rtol }: Tolerances): Bounds {
  const usual = epsilonOf(a) * Math.max(rowsOf(a), columnsOf(a));
  const each = (x: TensorBase | number): TensorBase => {
    if (typeof x !== 'number') checkTensors(op, x);
    const given = typeof x === 'number' ? filled([], x, a.dtype) : x;
    return expand(given, broadcastShapes(op, batchOf(a), given.shape));
  };
  return [each(atol ?? 0), each(rtol ?? (atol === undefined || atol === 0 ? usual : 0))];
}

/** Which magnitudes count, of those along the last dimension. */
function counting(sizes: TensorBase, [atol, rtol]: Bounds): TensorBase {
  const largest = columnsOf(sizes) === 0 ? sum(sizes, -1) : amax(sizes, -1);
  return gt(sizes, unsqueeze(maximum(atol, mul(largest, rtol)), -1));
}

/** How many singular values of every matrix count (int32). */
export function matrixRank(a: TensorBase, options: Tolerances = {}): TensorBase {
  const op = 'linalg.matrix_rank';
  checkMatrix(op, a);
  checkFloat(op, a);
  if (options.hermitian) checkSquare(op, a);
  const x = detach(a);
  const sizes = options.hermitian ? abs(eigvalsh(x)) : svdvals(x);
  return sum(counting(sizes, tolerances(op, a, options)), -1);
}

// ─── the pseudoinverse ───────────────────────────────────────────────────────────────────────────

// y = A⁺ (Golub and Pereyra, 1973)
//   ẏ = −y Ȧ y + y yᵀ Ȧᵀ (1 − A y) + (1 − y A) Ȧᵀ yᵀ y
//   Ā = −yᵀ ȳ yᵀ + (1 − A y) ȳᵀ y yᵀ + yᵀ y ȳᵀ (1 − y A)
const pinvOp: Op<{ readonly hermitian: boolean }> = defineOp({
  name: 'pinv',
  node: 'LinalgPinvBackward0',
  inputs: ['a', 'atol', 'rtol'],
  forward: ([a, atol, rtol], { hermitian }) =>
    internally(() => {
      if (hermitian) {
        const [l, v] = eigh(a);
        const inverse = where(counting(abs(l), [atol, rtol]), reciprocal(l), 0);
        return matmul(mul(v, unsqueeze(inverse, -2)), mT(v));
      }
      const [u, s, vh] = svd(a, false, 'linalg.pinv');
      const inverse = where(counting(s, [atol, rtol]), reciprocal(s), 0);
      return matmul(mul(mT(vh), unsqueeze(inverse, -2)), mT(u));
    }),
  vjp: {
    a: [
      ['a', 'y'],
      (g, [a, y]) => {
        const [yt, gt] = [mT(y), mT(g)];
        const through = matmul(yt, matmul(g, yt));
        const right = matmul(gt, matmul(y, yt));
        const left = matmul(matmul(yt, y), gt);
        const onRight = sub(right, matmul(a, matmul(y, right)));
        const onLeft = sub(left, matmul(matmul(left, y), a));
        return sub(add(onRight, onLeft), through);
      },
    ],
  },
  jvp: ({ inputs: [x], tangents: [ta], outputs: [y] }) => {
    if (ta === null) return null;
    const [a, yt, tt] = [x as TensorBase, mT(y), mT(ta)];
    const left = matmul(y, matmul(yt, tt));
    const right = matmul(tt, matmul(yt, y));
    const onLeft = sub(left, matmul(matmul(left, a), y));
    const onRight = sub(right, matmul(y, matmul(a, right)));
    return sub(add(onLeft, onRight), matmul(y, matmul(ta, y)));
  },
  vmap: ([a, atol, rtol], [inA, inAtol, inRtol], attrs, size) =>
    apply1(pinvOp, [onBatch(a, inA, size), onBatch(atol, inAtol, size), onBatch(rtol, inRtol, size)], attrs),
});

/** The pseudoinverse of Moore and Penrose of every matrix. */
export function pinv(a: TensorBase, options: Tolerances = {}, op = 'linalg.pinv'): TensorBase {
  checkMatrix(op, a);
  checkFloat(op, a);
  const { hermitian = false } = options;
  if (hermitian) checkSquare(op, a);
  return apply1(pinvOp, [a, ...tolerances(op, a, options)], { hermitian });
}

// ─── least squares ───────────────────────────────────────────────────────────────────────────────

export type LstsqDriver = 'gels' | 'gelsy' | 'gelsd' | 'gelss';

export interface Lstsq {
  readonly solution: TensorBase;
  readonly residuals: TensorBase;
  readonly rank: TensorBase;
  readonly singularValues: TensorBase;
}

/** A = Q R, or Aᵀ = Q R for wide matrices. */
const tallQr = (a: TensorBase): Factors => qr(rowsOf(a) >= columnsOf(a) ? a : mT(a));

type Factors = ReturnType<typeof qr>;

/** The X of least length among those for which A X is nearest to B, for matrices of full rank. */
const fullRankSolution = (a: TensorBase, b: TensorBase, [q, r]: Factors): TensorBase =>
  rowsOf(a) >= columnsOf(a) ? solveLeft(r, matmul(mT(q), b), UPPER) : matmul(q, solveLeft(mT(r), b, LOWER));

/** Whether R leaves no doubt that all singular values count: ‖R⁻¹‖ is at least 1 / the smallest, ‖R‖ at least the largest. */
function isFullRank(r: TensorBase, [, rtol]: Bounds): boolean {
  const n = columnsOf(r);
  const inverse = solveLeft(r, expand(eyeMatrix(n, n, r.dtype), r.shape), UPPER);
  const [size, inverseSize] = [r, inverse].map((x) => sum(square(x), [-2, -1]));
  return !anyNonzero(logicalNot(lt(mul(mul(size, inverseSize), square(rtol)), 1)));
}

function checkLstsq(a: TensorBase, b: TensorBase, driver: string): void {
  const op = 'linalg.lstsq: torch.linalg.lstsq';
  checkTensors(op, a, b);
  if (a.shape.length < 2) throw new ShapeError(`${op}: input must have at least 2 dimensions.`);
  if (b.shape.length < 1) throw new ShapeError(`${op}: other must have at least 1 dimension.`);
  const difference = a.shape.length - b.shape.length;
  if (difference < 0 || difference > 1) {
    throw new ShapeError(
      `${op}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1, got shapes ${shapeText(a.shape)} and ${shapeText(b.shape)}`,
    );
  }
  checkSameDType('linalg.lstsq', a, b, ['input', 'other']);
  checkFloat('linalg.lstsq', a);
  if (!['gels', 'gelsy', 'gelsd', 'gelss'].includes(driver)) {
    throw new ArgumentError(
      `${op}: parameter \`driver\` should be one of (gels, gelsy, gelsd, gelss), got ${String(driver)}`,
    );
  }
}

/**
 * The X that makes ‖A X − B‖ smallest (and, of several, the shortest), with the sums of squares left
 * over where A is tall and of full rank. `gels` takes full rank for granted and uses QR, as does `gelsy` where
 * it is beyond doubt; the others go by singular values.
 */
export function lstsq(a: TensorBase, b: TensorBase, rcond?: number, driver: LstsqDriver = 'gelsy'): Lstsq {
  checkLstsq(a, b, driver);
  const vector = a.shape.length - 1 === b.shape.length && sameShape(a.shape.slice(0, -1), b.shape);
  const side = vector ? unsqueeze(b, -1) : b;
  const [m, n] = [rowsOf(a), columnsOf(a)];
  if (side.shape.length !== a.shape.length || rowsOf(side) !== m) {
    throw new ShapeError(
      `linalg.lstsq: torch.linalg.lstsq: input.size(-2) should match other.size(-${vector ? 1 : 2}), got shapes ${shapeText(a.shape)} and ${shapeText(b.shape)}`,
    );
  }
  const batch = broadcastShapes('linalg.lstsq', batchOf(a), batchOf(side));
  const [x, y] = [expand(a, [...batch, m, n]), expand(side, [...batch, m, columnsOf(side)])];
  const nothing = (dtype: DType = a.dtype): TensorBase => zeros([0], dtype);
  const bounds = tolerances('linalg.lstsq', x, { rtol: rcond });
  // Singular values are dear: `gelsy` does not show them, and goes without where there is no doubt.
  const readable = driver === 'gelsy' && x.count > 0 && x.wrapped === null && y.wrapped === null;
  const factors = driver === 'gels' || readable ? tallQr(x) : null;
  const full = driver === 'gels' || (factors !== null && isFullRank(detach(factors[1]), bounds));
  const values = full ? null : svdvals(detach(x));
  const rank =
    values !== null
      ? sum(counting(values, bounds), -1)
      : driver === 'gels'
        ? nothing('int32')
        : filled(batch, Math.min(m, n), 'int32');
  const found =
    full && factors !== null ? fullRankSolution(x, y, factors) : matmul(pinv(x, { rtol: rcond }, 'linalg.lstsq'), y);
  const solution = named(found, 'LinalgLstsqBackward0');
  // PyTorch's `gelsy` leaves none, and where a matrix is not of full rank there are none.
  const leaves = m > n && driver !== 'gelsy' && !(values !== null && anyNonzero(lt(rank, n)));
  const rest = (): TensorBase => sum(square(sub(matmul(detach(x), detach(solution)), detach(y))), -2);
  return {
    solution: vector ? squeeze(solution, -1) : solution,
    residuals: leaves ? rest() : nothing(),
    rank,
    singularValues: driver === 'gelsd' || driver === 'gelss' ? (values as TensorBase) : nothing(),
  };
}
