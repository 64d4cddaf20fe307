import type { Tensor } from 'nabla';
import * as nabla from 'nabla';
import type {
  AlongDim,
  AlongDims,
  Calls,
  HasDType,
  KeepDim,
  Operand,
  Pair,
  Self,
  Signatures,
  Sized,
} from './arguments.ts';

interface Spreading extends AlongDims {
  readonly correction?: number;
  readonly unbiased?: boolean;
}

interface Quantile extends AlongDim {
  readonly q: Operand;
  readonly interpolation?: 'linear' | 'lower' | 'higher' | 'nearest' | 'midpoint';
}
interface Weighing extends Self {
  readonly correction?: number;
  readonly fweights?: Tensor;
  readonly aweights?: Tensor;
}
interface Grid {
  readonly range?: readonly number[];
  readonly weight?: Tensor;
  readonly density?: boolean;
}
interface Order {
  readonly p?: number;
}
interface Renorm extends Self {
  readonly p: number;
  readonly dim: number;
  readonly maxnorm: number;
}
interface Rows {
  readonly x1: Tensor;
  readonly x2: Tensor;
}
interface Shifted {
  readonly dim?: number;
  readonly eps?: number;
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
  'torch.norm': ({ self, p, dim, keepdim, dtype }: AlongDims & HasDType & { readonly p?: number | 'fro' | 'nuc' }) =>
    self.norm(p, dim, { keepdim, dtype }),
  'torch.linalg.vector_norm': ({ self, ord, dim, keepdim, dtype }: AlongDims & HasDType & { readonly ord?: number }) =>
    nabla.linalg.vectorNorm(self, ord, dim, { keepdim, dtype }),
  'torch.var': ({ self, dim, ...options }: Spreading) => self.var(dim, options),
  'torch.std': ({ self, dim, ...options }: Spreading) => self.std(dim, options),
  'torch.var_mean': ({ self, dim, ...options }: Spreading) => self.varMean(dim, options),
  'torch.std_mean': ({ self, dim, ...options }: Spreading) => self.stdMean(dim, options),
  'torch.nansum': ({ self, dim, keepdim, dtype }: AlongDims & HasDType) => self.nansum(dim, { keepdim, dtype }),
  'torch.nanmean': ({ self, dim, keepdim, dtype }: AlongDims & HasDType) => self.nanmean(dim, { keepdim, dtype }),
  'torch.count_nonzero': ({ self, dim }: AlongDims) => self.countNonzero(dim),
  'torch.aminmax': ({ self, dim, keepdim }: AlongDim) => self.aminmax(dim, { keepdim }),
  'torch.median': ({ self, dim, keepdim }: AlongDim) => self.median(dim, { keepdim }),
  'torch.nanmedian': ({ self, dim, keepdim }: AlongDim) => self.nanmedian(dim, { keepdim }),
  'torch.mode': ({ self, dim, keepdim }: AlongDim) => self.mode(dim, { keepdim }),
  'torch.kthvalue': ({ self, k, dim, keepdim }: AlongDim & { readonly k: number }) =>
    self.kthvalue(k, dim, { keepdim }),
  'torch.quantile': ({ self, q, dim, ...options }: Quantile) => self.quantile(q, dim, options),
  'torch.nanquantile': ({ self, q, dim, ...options }: Quantile) => self.nanquantile(q, dim, options),
  'torch.cov': ({ self, ...options }: Weighing) => self.cov(options),
  'torch.corrcoef': ({ self }: Self) => self.corrcoef(),
  'torch.bincount': ({ self, ...options }: Self & { readonly weights?: Tensor; readonly minlength?: number }) =>
    self.bincount(options),
  'torch.histc': ({
    self,
    ...options
  }: Self & { readonly bins?: number; readonly min?: number; readonly max?: number }) => self.histc(options),
  'torch.histogram': ({ self, bins, ...options }: Self & Grid & { readonly bins?: Operand }) =>
    self.histogram(bins, options),
  'torch.histogramdd': ({ self, bins, ...options }: Self & Grid & { readonly bins: number | readonly Operand[] }) =>
    self.histogramdd(bins, options),
  'Tensor.sum_to_size': ({ self, size }: Sized) => self.sumToSize(size),
  'torch.dist': ({ self, other, p }: Pair & Order) => self.dist(other, p),
  'torch.renorm': ({ self, p, dim, maxnorm }: Renorm) => self.renorm(p, dim, maxnorm),
  'Tensor.renorm_': ({ self, p, dim, maxnorm }: Renorm) => self.renorm_(p, dim, maxnorm),
  'torch.cdist': ({ x1, x2, p }: Rows & Order) => x1.cdist(x2, p),
  'torch.nn.functional.pdist': ({ self, p }: Self & Order) => nabla.functional.pdist(self, p),
  'torch.nn.functional.normalize': ({ input, p, dim, eps }: { readonly input: Tensor } & Order & Shifted) =>
    nabla.functional.normalize(input, { p, dim, eps }),
  'torch.nn.functional.cosine_similarity': ({ x1, x2, dim, eps }: Rows & Shifted) =>
    nabla.functional.cosineSimilarity(x1, x2, { dim, eps }),
  'torch.nn.functional.pairwise_distance': ({ x1, x2, p, eps, keepdim }: Rows & Order & Shifted & KeepDim) =>
    nabla.functional.pairwiseDistance(x1, x2, { p, eps, keepdim }),
  'torch.logsumexp': ({ self, dim, keepdim }: AlongDims) => self.logsumexp(dim, { keepdim }),
  'torch.softmax': ({ self, dim, dtype }: Self & HasDType & { readonly dim: number }) => self.softmax(dim, { dtype }),
  'torch.log_softmax': ({ self, dim, dtype }: Self & HasDType & { readonly dim: number }) =>
    self.logSoftmax(dim, { dtype }),
};

export const reductionsSignatures: Signatures = {
  'torch.norm': ["norm(Tensor self, Any p='fro', int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"],
};
