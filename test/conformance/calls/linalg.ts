import { linalg, type Tensor } from 'nabla';
import {
  type AlongDim,
  type Calls,
  type Dims,
  type HasDType,
  type KeepDim,
  type Self,
  type Signatures,
  without,
} from './arguments.ts';

interface Matrix {
  readonly A: Tensor;
}
interface System extends Matrix {
  readonly B: Tensor;
  readonly left?: boolean;
  readonly check_errors?: boolean;
}
interface Factor extends Self {
  readonly upper?: boolean;
  readonly check_errors?: boolean;
}
interface Pivoted extends Matrix {
  readonly pivot?: boolean;
  readonly check_errors?: boolean;
}

interface Symmetric extends Self {
  readonly UPLO?: 'L' | 'U';
}
interface Hermitian extends Self {
  readonly hermitian?: boolean;
}
interface Tolerances {
  readonly rcond?: Tensor | number;
  readonly tol?: Tensor | number;
  readonly atol?: Tensor | number;
  readonly rtol?: Tensor | number;
}
interface Ranked extends Tolerances {
  readonly self?: Tensor;
  readonly input?: Tensor;
  readonly hermitian?: boolean;
}
interface Fitted extends Self {
  readonly b: Tensor;
  readonly rcond?: number;
  readonly driver?: 'gels' | 'gelsy' | 'gelsd' | 'gelss';
}
type MatrixOrder = number | 'fro' | 'nuc';
interface Normed extends KeepDim, HasDType {
  readonly ord?: MatrixOrder;
}

export const linearAlgebra: Calls = {
  // ── products ──
  'torch.linalg.cross': (a: Self & AlongDim & { readonly other: Tensor }) =>
    linalg.cross(a.self, a.other, { dim: a.dim }),
  'torch.linalg.vecdot': ({ x, y, dim }: AlongDim & { readonly x: Tensor; readonly y: Tensor }) =>
    linalg.vecdot(x, y, { dim }),
  'torch.linalg.multi_dot': ({ tensors }: { readonly tensors: readonly Tensor[] }) => linalg.multiDot(tensors),
  'torch.linalg.matrix_power': ({ self, n }: Self & { readonly n: number }) => linalg.matrixPower(self, n),
  'torch.linalg.vander': ({ x, N }: { readonly x: Tensor; readonly N?: number }) => linalg.vander(x, { N }),

  // ── systems ──
  'torch.linalg.inv': ({ A }: Matrix) => linalg.inv(A),
  'torch.linalg.inv_ex': ({ A, check_errors }: Pivoted) => linalg.invEx(A, { checkErrors: check_errors }),
  'torch.linalg.solve': ({ A, B, left }: System) => linalg.solve(A, B, { left }),
  'torch.linalg.solve_ex': ({ A, B, left, check_errors }: System) =>
    linalg.solveEx(A, B, { left, checkErrors: check_errors }),
  'torch.linalg.solve_triangular': (
    a: Self & {
      readonly B: Tensor;
      readonly upper: boolean;
      readonly left?: boolean;
      readonly unitriangular?: boolean;
    },
  ) => linalg.solveTriangular(a.self, a.B, { upper: a.upper, left: a.left, unitriangular: a.unitriangular }),
  'torch.triangular_solve': (
    a: Self & Matrix & { readonly upper?: boolean; readonly transpose?: boolean; readonly unitriangular?: boolean },
  ) => a.self.triangularSolve(a.A, { upper: a.upper, transpose: a.transpose, unitriangular: a.unitriangular }),

  // ── factorisations ──
  'torch.linalg.cholesky': ({ self, upper }: Factor) => linalg.cholesky(self, { upper }),
  'torch.linalg.cholesky_ex': ({ self, upper, check_errors }: Factor) =>
    linalg.choleskyEx(self, { upper, checkErrors: check_errors }),
  'torch.cholesky': ({ self, upper }: Factor) => self.cholesky({ upper }),
  'torch.cholesky_inverse': ({ self, upper }: Factor) => self.choleskyInverse({ upper }),
  'torch.cholesky_solve': ({ self, input2, upper }: Factor & { readonly input2: Tensor }) =>
    self.choleskySolve(input2, { upper }),
  'torch.linalg.lu': ({ A, pivot }: Pivoted) => linalg.lu(A, { pivot }),
  'torch.linalg.lu_factor': ({ A, pivot }: Pivoted) => linalg.luFactor(A, { pivot }),
  'torch.linalg.lu_factor_ex': ({ A, pivot, check_errors }: Pivoted) =>
    linalg.luFactorEx(A, { pivot, checkErrors: check_errors }),
  'torch.lu': ({ A, pivot, get_infos }: Pivoted & { readonly get_infos?: boolean }) => {
    const { LU, pivots, info } = A.lu({ pivot });
    return get_infos ? { LU, pivots, info } : { LU, pivots };
  },
  'torch.lu_unpack': (a: {
    readonly LU_data: Tensor;
    readonly LU_pivots: Tensor;
    readonly unpack_data?: boolean;
    readonly unpack_pivots?: boolean;
  }) => linalg.luUnpack(a.LU_data, a.LU_pivots, { unpackData: a.unpack_data, unpackPivots: a.unpack_pivots }),
  'torch.linalg.lu_solve': (a: System & { readonly LU: Tensor; readonly pivots: Tensor; readonly adjoint?: boolean }) =>
    linalg.luSolve(a.LU, a.pivots, a.B, { left: a.left, adjoint: a.adjoint }),
  'torch.lu_solve': (a: Self & { readonly LU_data: Tensor; readonly LU_pivots: Tensor }) =>
    a.self.luSolve(a.LU_data, a.LU_pivots),
  'torch.linalg.qr': ({ A, mode }: Matrix & { readonly mode?: 'reduced' | 'complete' | 'r' }) => linalg.qr(A, mode),
  'torch.qr': ({ self, some }: Self & { readonly some?: boolean }) => self.qr({ some }),
  'torch.geqrf': ({ self }: Self) => self.geqrf(),
  'torch.ormqr': (
    a: Self & {
      readonly input2: Tensor;
      readonly input3: Tensor;
      readonly left?: boolean;
      readonly transpose?: boolean;
    },
  ) => a.self.ormqr(a.input2, a.input3, { left: a.left, transpose: a.transpose }),
  'torch.linalg.householder_product': ({ input, tau }: { readonly input: Tensor; readonly tau: Tensor }) =>
    linalg.householderProduct(input, tau),
  'torch.linalg.eigh': ({ self, UPLO }: Symmetric) => linalg.eigh(self, { UPLO }),
  'torch.linalg.eigvalsh': ({ self, UPLO }: Symmetric) => linalg.eigvalsh(self, { UPLO }),
  'torch.symeig': ({ self, upper }: Factor) => linalg.eigh(self, { UPLO: upper === false ? 'L' : 'U' }),
  'torch.linalg.svd': ({
    A,
    full_matrices,
    driver,
  }: Matrix & { readonly full_matrices?: boolean; driver?: string }) => {
    without('driver', driver);
    return linalg.svd(A, { fullMatrices: full_matrices });
  },
  'torch.linalg.svdvals': ({ A, driver }: Matrix & { readonly driver?: string }) => {
    without('driver', driver);
    return linalg.svdvals(A);
  },
  'torch.svd': ({ self, some }: Self & { readonly some?: boolean }) => self.svd({ some }),
  'torch.linalg.ldl_factor': ({ self, hermitian }: Hermitian) => linalg.ldlFactor(self, { hermitian }),
  'torch.linalg.ldl_factor_ex': ({ self, hermitian, check_errors }: Hermitian & { readonly check_errors?: boolean }) =>
    linalg.ldlFactorEx(self, { hermitian, checkErrors: check_errors }),
  'torch.linalg.ldl_solve': (a: {
    readonly LD: Tensor;
    readonly pivots: Tensor;
    readonly B: Tensor;
    readonly hermitian?: boolean;
  }) => linalg.ldlSolve(a.LD, a.pivots, a.B, { hermitian: a.hermitian }),

  // ── functions of matrices ──
  'torch.linalg.det': ({ A }: Matrix) => linalg.det(A),
  'torch.linalg.slogdet': ({ A }: Matrix) => linalg.slogdet(A),
  'torch.logdet': ({ self }: Self) => self.logdet(),
  'torch.matrix_exp': ({ self }: Self) => self.matrixExp(),
  'torch.linalg.pinv': ({ self, rcond, atol, rtol, hermitian }: Hermitian & Tolerances) =>
    linalg.pinv(self, { atol, rtol: rcond ?? rtol, hermitian }),
  'torch.pinverse': ({ self, rcond }: Self & { readonly rcond?: number }) => self.pinverse({ rcond }),
  'fixture.pinv_of_product': ({ a, b }: { readonly a: Tensor; readonly b: Tensor }) => linalg.pinv(a.matmul(b.mT)),
  'torch.linalg.matrix_rank': ({ self, input, tol, atol, rtol, hermitian }: Ranked) =>
    linalg.matrixRank(
      (self ?? input) as Tensor,
      tol === undefined ? { atol, rtol, hermitian } : { atol: tol, rtol: 0, hermitian },
    ),
  'torch.linalg.lstsq': ({ self, b, rcond, driver }: Fitted) => linalg.lstsq(self, b, { rcond, driver }),
  'torch.linalg.tensorinv': ({ self, ind }: Self & { readonly ind?: number }) => linalg.tensorinv(self, { ind }),
  'torch.linalg.tensorsolve': (a: Self & { readonly other: Tensor; readonly dims?: readonly number[] }) =>
    linalg.tensorsolve(a.self, a.other, { dims: a.dims }),

  // ── norms ──
  'torch.linalg.matrix_norm': ({ self, ord, dim, keepdim, dtype }: Normed & { readonly dim?: readonly number[] }) =>
    linalg.matrixNorm(self, ord, dim, { keepdim, dtype }),
  'torch.linalg.norm': ({ self, ord, dim, keepdim, dtype }: Normed & { readonly dim?: Dims }) =>
    linalg.norm(self, ord, dim, { keepdim, dtype }),
  'torch.linalg.cond': ({ self, p }: Self & { readonly p?: MatrixOrder }) => linalg.cond(self, p),
};

export const linearAlgebraSignatures: Signatures = {
  'torch.lu': ['lu(Tensor A, bool pivot=True, bool get_infos=False)'],
  'torch.cdist': ['cdist(Tensor x1, Tensor x2, float p=2., str compute_mode=None)'],
  'fixture.pinv_of_product': ['pinv_of_product(Tensor a, Tensor b)'],
};
