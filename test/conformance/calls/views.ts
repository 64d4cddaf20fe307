import { Unsupported } from '../format.ts';
import {
  type Calls,
  type Dims,
  type HasDType,
  type Operand,
  type Pair,
  type Self,
  type Signatures,
  type Sized,
  without,
} from './arguments.ts';

export const views: Calls = {
  'torch.reshape': ({ self, shape }: Self & { readonly shape: readonly number[] }) => self.reshape(shape),
  'Tensor.reshape_as': ({ self, other }: Pair) => self.reshape(other.shape),
  'Tensor.view': ({ self, size, dtype }: Sized & HasDType) => {
    without('dtype', dtype);
    return self.view(size);
  },
  'Tensor.view_as': ({ self, other }: Pair) => self.view(other.shape),
  'torch.transpose': ({ self, dim0, dim1 }: Self & { readonly dim0: number; readonly dim1: number }) =>
    self.transpose(dim0, dim1),
  'torch.permute': ({ self, dims }: Self & { readonly dims: readonly number[] }) => self.permute(dims),
  'torch.t': ({ self }: Self) => self.t(),
  'Tensor.T': ({ self }: Self) => self.T,
  'Tensor.mT': ({ self }: Self) => self.mT,
  'Tensor.expand': ({ self, size }: Sized) => self.expand(size),
  'Tensor.expand_as': ({ self, other }: Pair) => self.expand(other.shape),
  'torch.broadcast_to': ({ self, size }: Sized) => self.expand(size),
  'torch.squeeze': ({ self, dim }: Self & { readonly dim?: Dims }) => self.squeeze(dim),
  'torch.unsqueeze': ({ self, dim }: Self & { readonly dim: number }) => self.unsqueeze(dim),
  'torch.select': ({ self, dim, index }: Self & { readonly dim: number; readonly index: number }) =>
    self.select(dim, index),
  'torch.narrow': ({ self, dim, start, length }: Self & { dim: number; start: Operand; length: number }) => {
    if (typeof start !== 'number') throw new Unsupported('a tensor as start');
    return self.narrow(dim, start, length);
  },
  'torch.ops.aten.slice.Tensor': (a: Self & { dim?: number; start?: number; end?: number; step?: number }) =>
    a.self.slice(a.dim ?? 0, a.start, a.end, a.step),
  'torch.flatten': ({ self, start_dim, end_dim }: Self & { start_dim?: number; end_dim?: number }) =>
    self.flatten(start_dim, end_dim),
  'torch.ravel': ({ self }: Self) => self.flatten(),
  'torch.movedim': ({
    self,
    source,
    destination,
  }: Self & { source: number | number[]; destination: number | number[] }) => self.movedim(source, destination),
};

export const viewsSignatures: Signatures = {
  'Tensor.T': ['T(Tensor self)'],
};
