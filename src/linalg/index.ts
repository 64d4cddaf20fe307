/**
 * Linear algebra, PyTorch's `torch.linalg` in camel case. `import { linalg } from 'nabla'`, or
 * `import * as linalg from 'nabla/linalg'`.
 */
export { vectorNorm } from './norms.ts';
