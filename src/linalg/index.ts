/**
 * Linear algebra, PyTorch's `torch.linalg` in camel case. `import { linalg } from 'nabla'`, or
 * `import * as linalg from 'nabla/linalg'`.
 */
export {
  cholesky,
  choleskyEx,
  eigh,
  eigvalsh,
  householderProduct,
  ldlFactor,
  ldlFactorEx,
  ldlSolve,
  lu,
  luFactor,
  luFactorEx,
  luSolve,
  luUnpack,
  qr,
  svd,
  svdvals,
} from './factorizations.ts';
export { det, diagonal, lstsq, matrixExp, matrixRank, pinv, slogdet, tensorinv, tensorsolve } from './functions.ts';
export { cond, matrixNorm, norm, vectorNorm } from './norms.ts';
export { cross, matmul, matrixPower, multiDot, vander, vecdot } from './products.ts';
export { inv, invEx, solve, solveEx, solveTriangular } from './systems.ts';
