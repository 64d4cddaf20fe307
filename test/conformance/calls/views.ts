import type { Tensor } from 'nabla';
import * as nabla from 'nabla';
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

interface Diagonal {
  readonly offset?: number;
  readonly dim1?: number;
  readonly dim2?: number;
}
interface Strided {
  readonly size: readonly number[];
  readonly stride: readonly number[];
  readonly storage_offset?: number;
}
interface Cuts {
  readonly sections?: number;
  readonly indices?: readonly number[];
  readonly tensor_indices_or_sections?: Tensor;
}

const cuts = ({ sections, indices, tensor_indices_or_sections }: Cuts): Dims | Tensor =>
  (tensor_indices_or_sections ?? indices ?? sections) as Dims | Tensor;

/** Python's splits look at their argument themselves. */
const evenSplit = (name: string): readonly string[] => [
  `${name}(Tensor self, int sections)`,
  `${name}(Tensor self, int[] indices)`,
  `${name}(Tensor self, Any indices)`,
];

/** A function of one tensor, or of each in a list. */
const each =
  (f: (t: Tensor) => Tensor) =>
  ({ self, tensors }: { readonly self?: Tensor; readonly tensors?: readonly Tensor[] }) =>
    tensors === undefined ? f(self as Tensor) : tensors.map(f);

export const views: Calls = {
  'torch.reshape': ({ self, shape }: Self & { readonly shape: readonly number[] }) => self.reshape(shape),
  'Tensor.reshape_as': ({ self, other }: Pair) => self.reshapeAs(other),
  'Tensor.view': ({ self, size, dtype }: Sized & HasDType) => {
    without('dtype', dtype);
    return self.view(size);
  },
  'Tensor.view_as': ({ self, other }: Pair) => self.viewAs(other),
  'torch.transpose': ({ self, dim0, dim1 }: Self & { readonly dim0: number; readonly dim1: number }) =>
    self.transpose(dim0, dim1),
  'torch.permute': ({ self, dims }: Self & { readonly dims: readonly number[] }) => self.permute(dims),
  'torch.t': ({ self }: Self) => self.t(),
  'Tensor.T': ({ self }: Self) => self.T,
  'Tensor.mT': ({ self }: Self) => self.mT,
  'Tensor.expand': ({ self, size }: Sized) => self.expand(size),
  'Tensor.expand_as': ({ self, other }: Pair) => self.expandAs(other),
  'torch.broadcast_to': ({ self, size }: Sized) => self.broadcastTo(size),
  'torch.squeeze': ({ self, dim }: Self & { readonly dim?: Dims }) => self.squeeze(dim),
  'torch.unsqueeze': ({ self, dim }: Self & { readonly dim: number }) => self.unsqueeze(dim),
  'torch.select': ({ self, dim, index }: Self & { readonly dim: number; readonly index: number }) =>
    self.select(dim, index),
  'torch.narrow': ({ self, dim, start, length }: Self & { dim: number; start: Operand; length: number }) => {
    return self.narrow(dim, start, length);
  },
  'torch.narrow_copy': ({ self, dim, start, length }: Self & { dim: number; start: number; length: number }) =>
    self.narrowCopy(dim, start, length),
  'torch.ops.aten.slice.Tensor': (a: Self & { dim?: number; start?: number; end?: number; step?: number }) =>
    a.self.slice(a.dim ?? 0, a.start, a.end, a.step),
  'torch.flatten': ({ self, start_dim, end_dim }: Self & { start_dim?: number; end_dim?: number }) =>
    self.flatten(start_dim, end_dim),
  'torch.ravel': ({ self }: Self) => self.ravel(),
  'torch.movedim': ({
    self,
    source,
    destination,
  }: Self & { source: number | number[]; destination: number | number[] }) => self.movedim(source, destination),
  'torch.unflatten': ({ self, dim, sizes }: Self & { dim: number; sizes: readonly number[] }) =>
    self.unflatten(dim, sizes),
  'torch.real': ({ self }: Self) => self.real,
  'torch.conj': ({ self }: Self) => self.conj(),
  'torch.conj_physical': ({ self }: Self) => self.conjPhysical(),
  'Tensor.conj_physical_': ({ self }: Self) => self.conjPhysical_(),
  'torch.resolve_conj': ({ self }: Self) => self.resolveConj(),
  'torch.resolve_neg': ({ self }: Self) => self.resolveNeg(),
  'torch.positive': ({ self }: Self) => self.positive(),
  'Tensor.H': ({ self }: Self) => self.H,
  'Tensor.mH': ({ self }: Self) => self.mH,
  'torch.atleast_1d': each((t) => t.atleast1d()),
  'torch.atleast_2d': each((t) => t.atleast2d()),
  'torch.atleast_3d': each((t) => t.atleast3d()),
  'torch.broadcast_tensors': ({ tensors }: { readonly tensors: readonly Tensor[] }) =>
    nabla.broadcastTensors(...tensors),
  'torch.broadcast_shapes': ({ shapes }: { readonly shapes: readonly (readonly number[])[] }) =>
    nabla.broadcastShapes(...shapes),

  // ── along other paths ──
  'torch.diagonal': ({ self, offset, dim1, dim2 }: Self & Diagonal) => self.diagonal(offset, dim1, dim2),
  'Tensor.unfold': ({ self, dimension, size, step }: Self & { dimension: number; size: number; step: number }) =>
    self.unfold(dimension, size, step),
  'torch.as_strided': ({ self, size, stride, storage_offset }: Self & Strided) =>
    self.asStrided(size, stride, storage_offset),

  // ── what a view sees, replaced ──
  'torch.select_scatter': ({ self, src, dim, index }: Self & { src: Tensor; dim: number; index: number }) =>
    self.selectScatter(src, dim, index),
  'torch.slice_scatter': (a: Self & { src: Tensor; dim?: number; start?: number; end?: number; step?: number }) =>
    a.self.sliceScatter(a.src, a.dim, a.start, a.end, a.step),
  'torch.diagonal_scatter': ({ self, src, offset, dim1, dim2 }: Self & Diagonal & { src: Tensor }) =>
    self.diagonalScatter(src, offset, dim1, dim2),
  'torch.as_strided_scatter': ({ self, src, size, stride, storage_offset }: Self & Strided & { src: Tensor }) =>
    self.asStridedScatter(src, size, stride, storage_offset),

  // ── one tensor as several ──
  'torch.unbind': ({ self, dim }: Self & { dim?: number }) => self.unbind(dim),
  'torch.split': ({ self, dim, ...a }: Self & { split_size?: Dims; split_sizes?: Dims; dim?: number }) =>
    self.split((a.split_size ?? a.split_sizes) as Dims, dim),
  'torch.split_with_sizes': ({ self, split_sizes, dim }: Self & { split_sizes: readonly number[]; dim?: number }) =>
    self.split(split_sizes, dim),
  'torch.chunk': ({ self, chunks, dim }: Self & { chunks: number; dim?: number }) => self.chunk(chunks, dim),
  'torch.tensor_split': ({ self, dim, ...a }: Self & Cuts & { dim?: number }) => self.tensorSplit(cuts(a), dim),
  'torch.hsplit': ({ self, ...a }: Self & Cuts) => self.hsplit(cuts(a) as Dims),
  'torch.vsplit': ({ self, ...a }: Self & Cuts) => self.vsplit(cuts(a) as Dims),
  'torch.dsplit': ({ self, ...a }: Self & Cuts) => self.dsplit(cuts(a) as Dims),

  // ── in place ──
  'Tensor.squeeze_': ({ self, dim }: Self & { readonly dim?: Dims }) => self.squeeze_(dim),
  'Tensor.unsqueeze_': ({ self, dim }: Self & { readonly dim: number }) => self.unsqueeze_(dim),
  'Tensor.transpose_': ({ self, dim0, dim1 }: Self & { readonly dim0: number; readonly dim1: number }) =>
    self.transpose_(dim0, dim1),
  'Tensor.t_': ({ self }: Self) => self.t_(),
  'Tensor.as_strided_': ({ self, size, stride, storage_offset }: Self & Strided) =>
    self.asStrided_(size, stride, storage_offset),
};

export const viewsSignatures: Signatures = {
  'Tensor.T': ['T(Tensor self)'],
  ...Object.fromEntries(['hsplit', 'vsplit', 'dsplit'].map((name) => [`torch.${name}`, evenSplit(name)])),
  'Tensor.H': ['H(Tensor self)'],
  'torch.broadcast_shapes': ['broadcast_shapes(int[]... shapes)'],
  'torch.broadcast_tensors': ['broadcast_tensors(Tensor... tensors)'],
};
