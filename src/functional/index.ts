/**
 * Functions of neural networks, PyTorch's `torch.nn.functional` in camel case: stateless, of tensors
 * alone. `import { functional as F } from 'nabla'`, or `import * as F from 'nabla/functional'`.
 */
export { crossEntropy, logSoftmax, nllLoss, softmax } from '../tensor/functions.ts';
