import type { Tensor } from 'nabla';
import { type Calls, type HasDType, type Operand, type Self, type Signatures, tensorFirst } from './arguments.ts';

interface Along extends Self {
  readonly dim: number;
}
interface Difference extends Self {
  readonly n?: number;
  readonly dim?: number;
  readonly prepend?: Tensor;
  readonly append?: Tensor;
}
interface Sampled extends Self {
  readonly spacing?: number | readonly Operand[];
  readonly dim?: number | readonly number[];
  readonly edge_order?: 1 | 2;
}
interface Integral {
  readonly y: Tensor;
  readonly x?: Tensor;
  readonly dx?: number;
  readonly dim?: number;
}
interface Ordered extends Self {
  readonly dim?: number;
  readonly descending?: boolean;
  readonly stable?: boolean;
}
interface Top extends Self {
  readonly k: number;
  readonly dim?: number;
  readonly largest?: boolean;
  readonly sorted?: boolean;
}

interface Uniqueness {
  readonly sorted?: boolean;
  readonly return_inverse?: boolean;
  readonly return_counts?: boolean;
  readonly dim?: number;
}
interface Searching {
  readonly sorted_sequence: Tensor;
  readonly self: Operand;
  readonly right?: boolean;
  readonly side?: 'left' | 'right';
  readonly sorter?: Tensor;
}
interface Buckets {
  readonly self: Operand;
  readonly boundaries: Tensor;
  readonly right?: boolean;
}

/** Scans and sorts. */
export const scans: Calls = {
  'torch.cumsum': ({ self, dim, dtype }: Along & HasDType) => self.cumsum(dim, { dtype }),
  'Tensor.cumsum_': ({ self, dim }: Along & HasDType) => self.cumsum_(dim),
  'torch.cumprod': ({ self, dim, dtype }: Along & HasDType) => self.cumprod(dim, { dtype }),
  'Tensor.cumprod_': ({ self, dim }: Along & HasDType) => self.cumprod_(dim),
  'torch.logcumsumexp': ({ self, dim }: Along) => self.logcumsumexp(dim),
  'torch.cummax': ({ self, dim }: Along) => self.cummax(dim),
  'torch.cummin': ({ self, dim }: Along) => self.cummin(dim),
  'torch.diff': ({ self, n, dim, prepend, append }: Difference) => self.diff(n, dim, { prepend, append }),
  'torch.gradient': ({ self, spacing, dim, edge_order }: Sampled) =>
    self.gradient({ spacing, dim, edgeOrder: edge_order }),
  'torch.trapezoid': ({ y, x, dx, dim }: Integral) => y.trapezoid(x ?? dx, dim),
  'torch.trapz': ({ y, x, dx, dim }: Integral) => y.trapezoid(x ?? dx, dim),
  'torch.cumulative_trapezoid': ({ y, x, dx, dim }: Integral) => y.cumulativeTrapezoid(x ?? dx, dim),

  'torch.sort': ({ self, dim, descending, stable }: Ordered) => self.sort(dim, { descending, stable }),
  'torch.argsort': ({ self, dim, descending, stable }: Ordered) => self.argsort(dim, { descending, stable }),
  'torch.msort': ({ self }: Self) => self.msort(),
  'torch.topk': ({ self, k, dim, largest, sorted }: Top) => self.topk(k, dim, { largest, sorted }),
  'torch.unique': ({ self, return_inverse, return_counts, ...options }: Self & Uniqueness) =>
    self.unique({ ...options, returnInverse: return_inverse, returnCounts: return_counts }),
  'torch.unique_consecutive': ({ self, return_inverse, return_counts, dim }: Self & Uniqueness) =>
    self.uniqueConsecutive({ dim, returnInverse: return_inverse, returnCounts: return_counts }),
  'torch.searchsorted': ({ sorted_sequence, self, right, side, sorter }: Searching) =>
    sorted_sequence.searchsorted(self, { right, side, sorter }),
  'torch.bucketize': ({ self, boundaries, right }: Buckets) => tensorFirst(self).bucketize(boundaries, { right }),
};

export const scansSignatures: Signatures = {
  'torch.gradient': ['gradient(Tensor self, *, Any spacing=None, Any dim=None, int edge_order=1)'],
  'torch.unique': [
    'unique(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None)',
  ],
};
