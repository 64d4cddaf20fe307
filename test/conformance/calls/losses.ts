import * as nabla from 'nabla';
import { type Calls, type Loss, lossOptions, type Signatures } from './arguments.ts';

export const losses: Calls = {
  'torch.nn.functional.nll_loss': (a: Loss) => nabla.nllLoss(a.input, a.target, lossOptions(a)),
  'torch.nn.functional.cross_entropy': ({ label_smoothing, ...a }: Loss & { readonly label_smoothing?: number }) =>
    nabla.crossEntropy(a.input, a.target, { ...lossOptions(a), labelSmoothing: label_smoothing }),
};

export const lossesSignatures: Signatures = {
  'torch.nn.functional.nll_loss': [
    `nll_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction='mean')`,
  ],
};
