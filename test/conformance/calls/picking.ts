import type { Tensor } from 'nabla';
import * as nabla from 'nabla';
import { type Calls, type Indexing, without } from './arguments.ts';

export const picking: Calls = {
  'torch.cat': ({ tensors, dim }: { readonly tensors: readonly Tensor[]; readonly dim?: number }) =>
    nabla.cat(tensors, dim),
  'torch.stack': ({ tensors, dim }: { readonly tensors: readonly Tensor[]; readonly dim?: number }) =>
    nabla.stack(tensors, dim),
  'torch.index_select': ({ self, dim, index }: Indexing) => self.indexSelect(dim, index),
  'torch.gather': ({ self, dim, index, sparse_grad }: Indexing & { readonly sparse_grad?: boolean }) => {
    without('sparse_grad', sparse_grad, false);
    return self.gather(dim, index);
  },
  'torch.scatter_add': ({ self, dim, index, src }: Indexing & { readonly src: Tensor }) =>
    self.scatterAdd(dim, index, src),
  'torch.index_add': ({ self, dim, index, source, alpha }: Indexing & { source: Tensor; alpha?: number }) => {
    return self.indexAdd(dim, index, source, alpha === undefined ? undefined : { alpha });
  },
};
