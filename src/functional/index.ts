/**
 * Functions of neural networks, PyTorch's `torch.nn.functional` in camel case: stateless, of tensors
 * alone. `import { functional as F } from 'nabla'`, or `import * as F from 'nabla/functional'`.
 */

export { crossEntropy, logSoftmax, nllLoss, softmax } from '../tensor/functions.ts';
export * from './activation.ts';
export * from './attention.ts';
export * from './blocks.ts';
export * from './conv.ts';
export { type CtcLossOptions, ctcLoss } from './ctc.ts';
export * from './distance.ts';
export * from './dropout.ts';
export * from './embedding.ts';
export * from './gumbel.ts';
export * from './linear.ts';
export * from './loss.ts';
export * from './margins.ts';
export * from './normalization.ts';
export * from './padding.ts';
export * from './pool.ts';
export type { LossOptions, WeightedLossOptions } from './reduction.ts';
export * from './resize.ts';
