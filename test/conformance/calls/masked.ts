import { masked, type Tensor } from 'nabla';
import type { AlongDim, AlongDims, Calls, HasDType, Pair, Self, Signatures } from './arguments.ts';

interface Masked {
  readonly mask?: Tensor;
}
type Reduced = AlongDims & HasDType & Masked;
type Along = Self & HasDType & Masked & { readonly dim: number };
type Spread = Reduced & { readonly unbiased?: boolean };

/** Reductions of what a mask lets take part. */
export const maskedCalls: Calls = {
  'torch.masked.sum': ({ self, dim, ...options }: Reduced) => masked.sum(self, dim, options),
  'torch.masked.prod': ({ self, dim, ...options }: Reduced) => masked.prod(self, dim, options),
  'torch.masked.mean': ({ self, dim, ...options }: Reduced) => masked.mean(self, dim, options),
  'torch.masked.amax': ({ self, dim, ...options }: Reduced) => masked.amax(self, dim, options),
  'torch.masked.amin': ({ self, dim, ...options }: Reduced) => masked.amin(self, dim, options),
  'torch.masked.argmax': ({ self, dim, ...options }: AlongDim & HasDType & Masked) => masked.argmax(self, dim, options),
  'torch.masked.argmin': ({ self, dim, ...options }: AlongDim & HasDType & Masked) => masked.argmin(self, dim, options),
  'torch.masked.var': ({ self, dim, ...options }: Spread) => masked.var(self, dim, options),
  'torch.masked.std': ({ self, dim, ...options }: Spread) => masked.std(self, dim, options),
  'torch.masked.median': ({ self, dim, ...options }: AlongDim & HasDType & Masked) => masked.median(self, dim, options),
  'torch.masked.norm': ({ self, ord, dim, ...options }: Reduced & { readonly ord?: number }) =>
    masked.norm(self, ord, dim, options),
  'torch.masked.logsumexp': ({ self, dim, ...options }: Reduced) => masked.logsumexp(self, dim, options),
  'torch.masked.cumsum': ({ self, dim, ...options }: Along) => masked.cumsum(self, dim, options),
  'torch.masked.cumprod': ({ self, dim, ...options }: Along) => masked.cumprod(self, dim, options),
  'torch.masked.softmax': ({ self, dim, ...options }: Along) => masked.softmax(self, dim, options),
  'torch.masked.log_softmax': ({ self, dim, ...options }: Along) => masked.logSoftmax(self, dim, options),
  'torch.masked.softmin': ({ self, dim, ...options }: Along) => masked.softmin(self, dim, options),
  'torch.masked.normalize': ({ self, ord, dim, ...options }: Along & { readonly ord: number; readonly eps?: number }) =>
    masked.normalize(self, ord, dim, options),
  'torch.masked.logaddexp': ({ self, other, input_mask, other_mask, dtype }: Pair & HasDType & Masks) =>
    masked.logaddexp(self, other, { inputMask: input_mask, otherMask: other_mask, dtype }),
};

interface Masks {
  readonly input_mask?: Tensor;
  readonly other_mask?: Tensor;
}

const MASK = 'ScalarType? dtype=None, Tensor? mask=None';
const REDUCED = `Tensor self, int[1]? dim=None, *, bool keepdim=False, ${MASK}`;
const ALONG = `Tensor self, int dim, *, ${MASK}`;
const SPREAD = `Tensor self, int[1]? dim=None, bool? unbiased=None, *, bool keepdim=False, ${MASK}`;

export const maskedSignatures: Signatures = {
  ...Object.fromEntries(
    ['sum', 'prod', 'mean', 'amax', 'amin', 'argmax', 'argmin', 'median', 'logsumexp'].map((name) => [
      `torch.masked.${name}`,
      [`${name}(${REDUCED})`],
    ]),
  ),
  ...Object.fromEntries(
    ['cumsum', 'cumprod', 'softmax', 'log_softmax', 'softmin'].map((name) => [
      `torch.masked.${name}`,
      [`${name}(${ALONG})`],
    ]),
  ),
  'torch.masked.var': [`var(${SPREAD})`],
  'torch.masked.std': [`std(${SPREAD})`],
  'torch.masked.norm': [`norm(Tensor self, float ord=2.0, int[1]? dim=None, *, bool keepdim=False, ${MASK})`],
  'torch.masked.normalize': [`normalize(Tensor self, float ord, int dim, *, float eps=1e-12, ${MASK})`],
  'torch.masked.logaddexp': [
    'logaddexp(Tensor self, Tensor other, *, ScalarType? dtype=None, Tensor? input_mask=None, Tensor? other_mask=None)',
  ],
};
