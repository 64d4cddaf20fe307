import type { Tensor } from 'nabla';
import type { Calls, HasDType, Self } from './arguments.ts';

interface Along extends Self {
  readonly dim: number;
}
interface Difference extends Self {
  readonly n?: number;
  readonly dim?: number;
  readonly prepend?: Tensor;
  readonly append?: Tensor;
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

/** Scans and sorts. */
export const scans: Calls = {
  'torch.cumsum': ({ self, dim, dtype }: Along & HasDType) => self.cumsum(dim, { dtype }),
  'torch.cumprod': ({ self, dim, dtype }: Along & HasDType) => self.cumprod(dim, { dtype }),
  'torch.logcumsumexp': ({ self, dim }: Along) => self.logcumsumexp(dim),
  'torch.cummax': ({ self, dim }: Along) => self.cummax(dim),
  'torch.cummin': ({ self, dim }: Along) => self.cummin(dim),
  'torch.diff': ({ self, n, dim, prepend, append }: Difference) => self.diff(n, dim, { prepend, append }),
  'torch.trapezoid': ({ y, x, dx, dim }: Integral) => y.trapezoid(x ?? dx, dim),
  'torch.trapz': ({ y, x, dx, dim }: Integral) => y.trapezoid(x ?? dx, dim),
  'torch.cumulative_trapezoid': ({ y, x, dx, dim }: Integral) => y.cumulativeTrapezoid(x ?? dx, dim),

  'torch.sort': ({ self, dim, descending, stable }: Ordered) => self.sort(dim, { descending, stable }),
  'torch.argsort': ({ self, dim, descending, stable }: Ordered) => self.argsort(dim, { descending, stable }),
  'torch.msort': ({ self }: Self) => self.msort(),
  'torch.topk': ({ self, k, dim, largest, sorted }: Top) => self.topk(k, dim, { largest, sorted }),
};
