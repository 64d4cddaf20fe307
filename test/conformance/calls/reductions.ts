import type { Tensor } from 'nabla';
import * as nabla from 'nabla';
import { Unsupported } from '../format.ts';
import type { AlongDim, AlongDims, Calls, HasDType, Self, Signatures } from './arguments.ts';

interface Spreading extends AlongDims {
  readonly correction?: number;
  readonly unbiased?: boolean;
}

export const reductions: Calls = {
  'torch.sum': ({ self, dim, keepdim, dtype }: AlongDims & HasDType) => self.sum(dim, { keepdim, dtype }),
  'torch.mean': ({ self, dim, keepdim, dtype }: AlongDims & HasDType) => self.mean(dim, { keepdim, dtype }),
  'torch.prod': ({ self, dim, keepdim, dtype }: AlongDim & HasDType) => self.prod(dim, { keepdim, dtype }),
  'torch.max': ({ self, other, dim, keepdim }: AlongDim & { readonly other?: Tensor }) =>
    other !== undefined ? self.maximum(other) : dim === undefined ? self.max() : self.max(dim, { keepdim }),
  'torch.min': ({ self, other, dim, keepdim }: AlongDim & { readonly other?: Tensor }) =>
    other !== undefined ? self.minimum(other) : dim === undefined ? self.min() : self.min(dim, { keepdim }),
  'torch.amax': ({ self, dim, keepdim }: AlongDims) => self.amax(dim, { keepdim }),
  'torch.amin': ({ self, dim, keepdim }: AlongDims) => self.amin(dim, { keepdim }),
  'torch.argmax': ({ self, dim, keepdim }: AlongDim) => self.argmax(dim, { keepdim }),
  'torch.argmin': ({ self, dim, keepdim }: AlongDim) => self.argmin(dim, { keepdim }),
  'torch.any': ({ self, dim, keepdim }: AlongDim) => self.any(dim, { keepdim }),
  'torch.all': ({ self, dim, keepdim }: AlongDim) => self.all(dim, { keepdim }),
  'torch.norm': ({ self, p, dim, keepdim, dtype }: AlongDims & HasDType & { readonly p?: number | 'fro' | 'nuc' }) => {
    if (p === 'nuc') throw new Unsupported('the nuclear norm');
    return self.norm(p, dim, { keepdim, dtype });
  },
  'torch.linalg.vector_norm': ({ self, ord, dim, keepdim, dtype }: AlongDims & HasDType & { readonly ord?: number }) =>
    nabla.linalg.vectorNorm(self, ord, dim, { keepdim, dtype }),
  'torch.var': ({ self, dim, ...options }: Spreading) => self.var(dim, options),
  'torch.std': ({ self, dim, ...options }: Spreading) => self.std(dim, options),
  'torch.var_mean': ({ self, dim, ...options }: Spreading) => self.varMean(dim, options),
  'torch.std_mean': ({ self, dim, ...options }: Spreading) => self.stdMean(dim, options),
  'torch.logsumexp': ({ self, dim, keepdim }: AlongDims) => self.logsumexp(dim, { keepdim }),
  'torch.softmax': ({ self, dim, dtype }: Self & HasDType & { readonly dim: number }) => self.softmax(dim, { dtype }),
  'torch.log_softmax': ({ self, dim, dtype }: Self & HasDType & { readonly dim: number }) =>
    self.logSoftmax(dim, { dtype }),
};

export const reductionsSignatures: Signatures = {
  'torch.norm': ["norm(Tensor self, Any p='fro', int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"],
};
