/**
 * Linear algebra, PyTorch's `torch.linalg` in camel case. `import { linalg } from 'nabla'`, or
 * `import * as linalg from 'nabla/linalg'`.
 */
export { cholesky, choleskyEx, lu, luFactor, luFactorEx, luSolve, luUnpack } from './factorizations.ts';
export { vectorNorm } from './norms.ts';
export { cross, matmul, matrixPower, multiDot, vander, vecdot } from './products.ts';
export { inv, invEx, solve, solveEx, solveTriangular } from './systems.ts';
