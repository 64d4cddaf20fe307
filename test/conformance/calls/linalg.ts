import { linalg, type Tensor } from 'nabla';
import type { AlongDim, Calls, Self, Signatures } from './arguments.ts';

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
};

export const linearAlgebraSignatures: Signatures = {
  'torch.lu': ['lu(Tensor A, bool pivot=True, bool get_infos=False)'],
};
