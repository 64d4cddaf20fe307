import type { Calls, HasDType, Self } from './arguments.ts';

interface Along extends Self {
  readonly dim: number;
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

  'torch.sort': ({ self, dim, descending, stable }: Ordered) => self.sort(dim, { descending, stable }),
  'torch.argsort': ({ self, dim, descending, stable }: Ordered) => self.argsort(dim, { descending, stable }),
  'torch.msort': ({ self }: Self) => self.msort(),
  'torch.topk': ({ self, k, dim, largest, sorted }: Top) => self.topk(k, dim, { largest, sorted }),
};
