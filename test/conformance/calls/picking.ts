import type { Index, Tensor } from 'nabla';
import * as nabla from 'nabla';
import {
  type Calls,
  type Creation,
  creation,
  type Indexing,
  type Operand,
  type Self,
  type Signatures,
  tensorFirst,
  without,
} from './arguments.ts';

type Shape = readonly number[];
interface Tensors {
  readonly tensors: readonly Tensor[];
}
interface Slices extends Indexing {
  readonly source: Tensor;
}
interface Filling extends Indexing {
  readonly value: Operand;
}
interface Reducing {
  readonly reduce: 'sum' | 'prod' | 'mean' | 'amax' | 'amin';
  readonly include_self?: boolean;
}
interface Masked extends Self {
  readonly mask: Tensor;
}
interface Scattering extends Indexing {
  readonly src?: Tensor;
  readonly value?: number;
  readonly reduce?: 'add' | 'multiply';
}
interface Putting extends Self {
  readonly index: Tensor;
  readonly source: Tensor;
  readonly accumulate?: boolean;
}
interface IndexPut extends Self {
  readonly indices: readonly (Tensor | undefined)[];
  readonly values: Tensor;
  readonly accumulate?: boolean;
}

/** A tuple is what stands between the brackets, and so is a list that holds more than numbers. */
function brackets(key: unknown): readonly Index[] {
  const isPlain = (k: unknown): boolean => typeof k === 'number' || typeof k === 'boolean';
  const tuple =
    typeof key === 'object' && key !== null && 'tuple' in key
      ? key.tuple
      : Array.isArray(key) && !key.every(isPlain)
        ? key
        : [key];
  // None is a new axis here.
  return (tuple as readonly unknown[]).map((k) => (k === undefined ? null : k)) as readonly Index[];
}

/** None among index tensors is a whole dimension. */
const whole = (indices: IndexPut['indices']) => indices.map((i) => i ?? null);
const source = ({ src, value }: Scattering): Operand => src ?? (value as number);

interface Isin {
  readonly elements?: Tensor;
  readonly element?: number;
  readonly test_elements?: Tensor;
  readonly test_element?: number;
  readonly assume_unique?: boolean;
  readonly invert?: boolean;
}
interface Segments {
  readonly data: Tensor;
  readonly reduce: 'sum' | 'mean' | 'max' | 'min' | 'prod';
  readonly lengths?: Tensor;
  readonly indices?: Tensor;
  readonly offsets?: Tensor;
  readonly axis?: number;
  readonly unsafe?: boolean;
  readonly initial?: number;
}
interface Lookup {
  readonly input: Tensor;
  readonly weight: Tensor;
  readonly padding_idx?: number;
  readonly max_norm?: number;
  readonly norm_type?: number;
  readonly scale_grad_by_freq?: boolean;
  readonly sparse?: boolean;
}
interface Bags extends Lookup {
  readonly offsets?: Tensor;
  readonly mode?: 'sum' | 'mean' | 'max';
  readonly per_sample_weights?: Tensor;
  readonly include_last_offset?: boolean;
}
interface Padding extends Self {
  readonly pad: Shape;
  readonly mode?: 'constant' | 'reflect' | 'replicate' | 'circular';
  readonly value?: number;
}
interface Triangle extends Creation {
  readonly row: number;
  readonly col: number;
  readonly offset?: number;
}

const F = nabla.functional;

function lookup({ padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse }: Omit<Lookup, 'input' | 'weight'>) {
  without('sparse', sparse, false);
  return { paddingIdx: padding_idx, maxNorm: max_norm, normType: norm_type, scaleGradByFreq: scale_grad_by_freq };
}

export const picking: Calls = {
  'torch.cat': ({ tensors, dim }: Tensors & { readonly dim?: number }) => nabla.cat(tensors, dim),
  'torch.stack': ({ tensors, dim }: Tensors & { readonly dim?: number }) => nabla.stack(tensors, dim),
  'torch.hstack': ({ tensors }: Tensors) => nabla.hstack(tensors),
  'torch.vstack': ({ tensors }: Tensors) => nabla.vstack(tensors),
  'torch.dstack': ({ tensors }: Tensors) => nabla.dstack(tensors),
  'torch.column_stack': ({ tensors }: Tensors) => nabla.columnStack(tensors),
  'torch.block_diag': ({ tensors }: Tensors) => nabla.blockDiag(tensors),
  'torch.meshgrid': ({ tensors, indexing }: Tensors & { readonly indexing?: 'ij' | 'xy' }) =>
    nabla.meshgrid(tensors, { indexing }),
  'torch.cartesian_prod': ({ tensors }: Tensors) => nabla.cartesianProd(tensors),

  // ── read ──
  'Tensor.__getitem__': ({ self, key }: Self & { readonly key: unknown }) => self.at(...brackets(key)),
  'torch.index_select': ({ self, dim, index }: Indexing) => self.indexSelect(dim, index),
  'torch.gather': ({ self, dim, index, sparse_grad }: Indexing & { readonly sparse_grad?: boolean }) => {
    without('sparse_grad', sparse_grad, false);
    return self.gather(dim, index);
  },
  'torch.take': ({ self, index }: Self & { readonly index: Tensor }) => self.take(index),
  'torch.take_along_dim': ({ self, indices, dim }: Self & { readonly indices: Tensor; readonly dim?: number }) =>
    self.takeAlongDim(indices, dim),
  'torch.masked_select': ({ self, mask }: Masked) => self.maskedSelect(mask),
  'torch.nonzero': ({ self, as_tuple }: Self & { readonly as_tuple?: boolean }) => self.nonzero({ asTuple: as_tuple }),
  'torch.argwhere': ({ self }: Self) => self.argwhere(),

  // ── write ──
  'torch.index_put': ({ self, indices, values, accumulate }: IndexPut) =>
    self.indexPut(whole(indices), values, { accumulate }),
  'Tensor.index_put_': ({ self, indices, values, accumulate }: IndexPut) =>
    self.indexPut_(whole(indices), values, { accumulate }),
  'torch.put': ({ self, index, source, accumulate }: Putting) => self.put(index, source, { accumulate }),
  'Tensor.put_': ({ self, index, source, accumulate }: Putting) => self.put_(index, source, { accumulate }),
  'torch.masked_fill': ({ self, mask, value }: Masked & { readonly value: Operand }) => self.maskedFill(mask, value),
  'Tensor.masked_fill_': ({ self, mask, value }: Masked & { readonly value: Operand }) => self.maskedFill_(mask, value),
  'torch.masked_scatter': ({ self, mask, source }: Masked & { readonly source: Tensor }) =>
    self.maskedScatter(mask, source),
  'Tensor.masked_scatter_': ({ self, mask, source }: Masked & { readonly source: Tensor }) =>
    self.maskedScatter_(mask, source),
  'torch.scatter': (a: Scattering) => a.self.scatter(a.dim, a.index, source(a), { reduce: a.reduce }),
  'Tensor.scatter_': (a: Scattering) => a.self.scatter_(a.dim, a.index, source(a), { reduce: a.reduce }),
  'torch.scatter_add': ({ self, dim, index, src }: Indexing & { readonly src: Tensor }) =>
    self.scatterAdd(dim, index, src),
  'Tensor.scatter_add_': ({ self, dim, index, src }: Indexing & { readonly src: Tensor }) =>
    self.scatterAdd_(dim, index, src),
  'torch.scatter_reduce': ({ self, dim, index, src, reduce, include_self }: Indexing & { src: Tensor } & Reducing) =>
    self.scatterReduce(dim, index, src, reduce, { includeSelf: include_self }),
  'Tensor.scatter_reduce_': ({ self, dim, index, src, reduce, include_self }: Indexing & { src: Tensor } & Reducing) =>
    self.scatterReduce_(dim, index, src, reduce, { includeSelf: include_self }),
  'torch.index_add': ({ self, dim, index, source, alpha }: Slices & { alpha?: number }) =>
    self.indexAdd(dim, index, source, { alpha }),
  'Tensor.index_add_': ({ self, dim, index, source, alpha }: Slices & { alpha?: number }) =>
    self.indexAdd_(dim, index, source, { alpha }),
  'torch.index_copy': ({ self, dim, index, source }: Slices) => self.indexCopy(dim, index, source),
  'Tensor.index_copy_': ({ self, dim, index, source }: Slices) => self.indexCopy_(dim, index, source),
  'torch.index_fill': ({ self, dim, index, value }: Filling) => self.indexFill(dim, index, value),
  'Tensor.index_fill_': ({ self, dim, index, value }: Filling) => self.indexFill_(dim, index, value),
  'torch.index_reduce': ({ self, dim, index, source, reduce, include_self }: Slices & Reducing) =>
    self.indexReduce(dim, index, source, reduce as 'prod', { includeSelf: include_self }),
  'Tensor.index_reduce_': ({ self, dim, index, source, reduce, include_self }: Slices & Reducing) =>
    self.indexReduce_(dim, index, source, reduce as 'prod', { includeSelf: include_self }),

  // ── arrange ──
  'torch.flip': ({ self, dims }: Self & { readonly dims: Shape }) => self.flip(dims),
  'torch.fliplr': ({ self }: Self) => self.fliplr(),
  'torch.flipud': ({ self }: Self) => self.flipud(),
  'torch.roll': ({ self, shifts, dims }: Self & { readonly shifts: Shape | number; readonly dims?: Shape | number }) =>
    self.roll(shifts, dims),
  'torch.rot90': ({ self, k, dims }: Self & { readonly k?: number; readonly dims?: Shape }) => self.rot90(k, dims),
  'Tensor.repeat': ({ self, repeats }: Self & { readonly repeats: Shape }) => self.repeat(repeats),
  'torch.tile': ({ self, dims }: Self & { readonly dims: Shape }) => self.tile(dims),
  'torch.repeat_interleave': ({ self, repeats, dim }: Partial<Self> & { repeats: Operand; dim?: number }) =>
    self === undefined
      ? nabla.arange((repeats as Tensor).numel(), { dtype: 'int32' }).repeatInterleave(repeats)
      : self.repeatInterleave(repeats, dim),
  'torch.isin': (a: Isin) =>
    tensorFirst(a.elements ?? (a.element as number)).isin(a.test_elements ?? (a.test_element as number), {
      assumeUnique: a.assume_unique,
      invert: a.invert,
    }),
  'torch.segment_reduce': ({ data, reduce, indices, ...a }: Segments) => {
    without('indices', indices);
    return nabla.segmentReduce(data, reduce, a);
  },

  // ── functions of neural networks ──
  'torch.nn.functional.one_hot': ({ self, num_classes }: Self & { readonly num_classes?: number }) =>
    F.oneHot(self, num_classes),
  'torch.nn.functional.embedding': ({ input, weight, ...a }: Lookup) => F.embedding(input, weight, lookup(a)),
  'torch.nn.functional.embedding_bag': ({ input, weight, offsets, ...a }: Bags) =>
    F.embeddingBag(input, weight, offsets, {
      ...lookup(a),
      mode: a.mode,
      perSampleWeights: a.per_sample_weights,
      includeLastOffset: a.include_last_offset,
    }),
  'torch.nn.functional.pad': ({ self, pad, mode, value }: Padding) => F.pad(self, pad, { mode, value }),
  'torch.constant_pad_nd': ({ self, pad, value }: Padding) => F.pad(self, pad, { value }),
  'torch.nn.functional.pixel_shuffle': ({ self, upscale_factor }: Self & { readonly upscale_factor: number }) =>
    F.pixelShuffle(self, upscale_factor),
  'torch.nn.functional.pixel_unshuffle': ({ self, downscale_factor }: Self & { readonly downscale_factor: number }) =>
    F.pixelUnshuffle(self, downscale_factor),
  'torch.tril': ({ self, diagonal }: Self & { readonly diagonal?: number }) => self.tril(diagonal),
  'Tensor.tril_': ({ self, diagonal }: Self & { readonly diagonal?: number }) => self.tril_(diagonal),
  'torch.triu': ({ self, diagonal }: Self & { readonly diagonal?: number }) => self.triu(diagonal),
  'Tensor.triu_': ({ self, diagonal }: Self & { readonly diagonal?: number }) => self.triu_(diagonal),
  'torch.diag': ({ self, diagonal }: Self & { readonly diagonal?: number }) => self.diag(diagonal),
  'torch.diagflat': ({ self, offset }: Self & { readonly offset?: number }) => self.diagflat(offset),
  'torch.diag_embed': (a: Self & { readonly offset?: number; readonly dim1?: number; readonly dim2?: number }) =>
    a.self.diagEmbed(a.offset, a.dim1, a.dim2),
  'torch.combinations': (a: Self & { readonly r?: number; readonly with_replacement?: boolean }) =>
    a.self.combinations(a.r, { withReplacement: a.with_replacement }),
  'torch.tril_indices': ({ row, col, offset, ...options }: Triangle) =>
    nabla.trilIndices(row, col, { offset, dtype: creation(options).dtype }),
  'torch.triu_indices': ({ row, col, offset, ...options }: Triangle) =>
    nabla.triuIndices(row, col, { offset, dtype: creation(options).dtype }),

  // ── new tensors ──
  'Tensor.new_zeros': ({ self, size, ...options }: Self & { readonly size: Shape } & Creation) =>
    self.newZeros(size, creation(options)),
  'Tensor.new_ones': ({ self, size, ...options }: Self & { readonly size: Shape } & Creation) =>
    self.newOnes(size, creation(options)),
  'Tensor.new_full': ({ self, size, fill_value, ...options }: Self & { size: Shape; fill_value: number } & Creation) =>
    self.newFull(size, fill_value, creation(options)),
};

const CREATION = '*, ScalarType? dtype=None, Device? device=None, bool requires_grad=False';
const LOOKUP = 'int? padding_idx=None, float? max_norm=None, float norm_type=2.0, bool scale_grad_by_freq=False';
const BAG = 'bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None';

export const pickingSignatures: Signatures = {
  'Tensor.__getitem__': ['__getitem__(Tensor self, Any key)'],
  'torch.tril_indices': [`tril_indices(int row, int col, int offset=0, ${CREATION})`],
  'torch.triu_indices': [`triu_indices(int row, int col, int offset=0, ${CREATION})`],
  'torch.nn.functional.embedding': [`embedding(Tensor input, Tensor weight, ${LOOKUP}, bool sparse=False)`],
  'torch.nn.functional.embedding_bag': [
    `embedding_bag(Tensor input, Tensor weight, Tensor? offsets=None, float? max_norm=None, float norm_type=2, bool scale_grad_by_freq=False, str mode='mean', ${BAG})`,
  ],
  'torch.nonzero': ['nonzero(Tensor self, *, bool as_tuple=False)'],
  'Tensor.new_zeros': [`new_zeros(Tensor self, int[] size, ${CREATION})`],
  'Tensor.new_ones': [`new_ones(Tensor self, int[] size, ${CREATION})`],
  'Tensor.new_full': [`new_full(Tensor self, int[] size, Scalar fill_value, ${CREATION})`],
};
