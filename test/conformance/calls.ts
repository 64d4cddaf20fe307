import type { DType, Tensor } from 'nabla';
import * as nabla from 'nabla';
import { Unsupported } from './format.ts';

/*
 * PyTorch's calls in Nabla's words: argument order and option names, and nothing else. Arguments come
 * by the names of PyTorch's signatures; what was not given, or None, is undefined.
 */

type Operand = Tensor | number;
type Dims = number | readonly number[];
type Reduction = 'none' | 'mean' | 'sum';

interface Self {
  readonly self: Tensor;
}
interface Pair extends Self {
  readonly other: Tensor;
}
interface Binary extends Self {
  readonly other: Operand;
}
interface Scaled extends Binary {
  readonly alpha?: number;
}
interface Divide extends Binary {
  readonly rounding_mode?: 'floor' | 'trunc';
}
interface Bounded extends Self {
  readonly min?: Operand;
  readonly max?: Operand;
}
interface Rounding extends Self {
  readonly decimals?: number;
}
interface KeepDim extends Self {
  readonly keepdim?: boolean;
}
interface AlongDims extends KeepDim {
  readonly dim?: Dims;
}
interface AlongDim extends KeepDim {
  readonly dim?: number;
}
interface HasDType {
  readonly dtype?: DType;
}
interface Creation extends HasDType {
  readonly device?: string;
  readonly requires_grad?: boolean;
}
interface Sized extends Self {
  readonly size: readonly number[];
}
interface Layout {
  readonly memory_format?: string;
}
interface Indexing extends Self {
  readonly dim: number;
  readonly index: Tensor;
}
interface Loss {
  readonly input: Tensor;
  readonly target: Tensor;
  readonly weight?: Tensor;
  readonly size_average?: boolean;
  readonly reduce?: boolean;
  readonly ignore_index?: number;
  readonly reduction?: Reduction;
}

/** Refuses an option that the library does not have, unless it has the value that changes nothing. */
function without(option: string, value: unknown, ...harmless: unknown[]): void {
  if (value !== undefined && !harmless.includes(value)) throw new Unsupported(`${option}: ${String(value)}`);
}

/** `number ∘ tensor` has no method to call. */
function tensorFirst(x: Operand): Tensor {
  if (typeof x === 'number') throw new Unsupported('a number as the first operand');
  return x;
}

/** The tensor itself, when its elements shall lie as Nabla lays them out. */
function dense({ self, memory_format }: Self & Layout): Tensor {
  without('memory_format', memory_format, 'preserve_format', 'contiguous_format');
  return self;
}

function creation({ device, dtype, requires_grad }: Creation): { dtype?: DType; requiresGrad?: boolean } {
  without('device', device, 'cpu');
  return { dtype, requiresGrad: requires_grad };
}

function lossOptions({ weight, size_average, reduce, ignore_index, reduction }: Loss) {
  without('size_average', size_average);
  without('reduce', reduce);
  return { weight, ignoreIndex: ignore_index, reduction };
}

/** Arguments differ from entry to entry; the signature that binds them vouches for their types. */
type Call = (args: never) => unknown;

export const calls: Readonly<Record<string, Call>> = {
  // ── elementwise, one operand ──
  'torch.abs': ({ self }: Self) => self.abs(),
  'torch.acos': ({ self }: Self) => self.acos(),
  'torch.acosh': ({ self }: Self) => self.acosh(),
  'torch.asin': ({ self }: Self) => self.asin(),
  'torch.asinh': ({ self }: Self) => self.asinh(),
  'torch.atan': ({ self }: Self) => self.atan(),
  'torch.atanh': ({ self }: Self) => self.atanh(),
  'torch.ceil': ({ self }: Self) => self.ceil(),
  'torch.cos': ({ self }: Self) => self.cos(),
  'torch.cosh': ({ self }: Self) => self.cosh(),
  'torch.erf': ({ self }: Self) => self.erf(),
  'torch.erfc': ({ self }: Self) => self.erfc(),
  'torch.exp': ({ self }: Self) => self.exp(),
  'torch.exp2': ({ self }: Self) => self.exp2(),
  'torch.expm1': ({ self }: Self) => self.expm1(),
  'torch.floor': ({ self }: Self) => self.floor(),
  'torch.frac': ({ self }: Self) => self.frac(),
  'torch.isfinite': ({ self }: Self) => self.isfinite(),
  'torch.isinf': ({ self }: Self) => self.isinf(),
  'torch.isnan': ({ self }: Self) => self.isnan(),
  'torch.log': ({ self }: Self) => self.log(),
  'torch.log10': ({ self }: Self) => self.log10(),
  'torch.log1p': ({ self }: Self) => self.log1p(),
  'torch.log2': ({ self }: Self) => self.log2(),
  'torch.logical_not': ({ self }: Self) => self.logicalNot(),
  'torch.neg': ({ self }: Self) => self.neg(),
  'torch.reciprocal': ({ self }: Self) => self.reciprocal(),
  'torch.round': ({ self, decimals }: Rounding) => {
    without('decimals', decimals, 0);
    return self.round();
  },
  'torch.rsqrt': ({ self }: Self) => self.rsqrt(),
  'torch.sgn': ({ self }: Self) => self.sgn(),
  'torch.sigmoid': ({ self }: Self) => self.sigmoid(),
  'torch.sign': ({ self }: Self) => self.sign(),
  'torch.sin': ({ self }: Self) => self.sin(),
  'torch.sinh': ({ self }: Self) => self.sinh(),
  'torch.sqrt': ({ self }: Self) => self.sqrt(),
  'torch.square': ({ self }: Self) => self.square(),
  'torch.tan': ({ self }: Self) => self.tan(),
  'torch.tanh': ({ self }: Self) => self.tanh(),
  'torch.trunc': ({ self }: Self) => self.trunc(),
  'torch.nn.functional.relu': ({ self }: Self) => self.relu(),

  // ── elementwise, several operands ──
  'torch.add': ({ self, other, alpha }: Scaled) => self.add(other, { alpha }),
  'torch.sub': ({ self, other, alpha }: Scaled) => self.sub(other, { alpha }),
  'torch.rsub': ({ self, other, alpha }: Scaled) => tensorFirst(other).sub(self, { alpha }),
  'torch.mul': ({ self, other }: Binary) => self.mul(other),
  'torch.div': ({ self, other, rounding_mode }: Divide) => self.div(other, { roundingMode: rounding_mode }),
  'torch.true_divide': ({ self, other }: Binary) => self.div(other),
  'torch.floor_divide': ({ self, other }: Binary) => self.div(other, { roundingMode: 'floor' }),
  'torch.pow': ({ self, exponent }: { readonly self: Operand; readonly exponent: Operand }) =>
    tensorFirst(self).pow(exponent),
  'torch.remainder': ({ self, other }: { readonly self: Operand; readonly other: Operand }) =>
    tensorFirst(self).remainder(other),
  'torch.fmod': ({ self, other }: Binary) => self.fmod(other),
  'torch.atan2': ({ self, other }: Pair) => self.atan2(other),
  'torch.maximum': ({ self, other }: Pair) => self.maximum(other),
  'torch.minimum': ({ self, other }: Pair) => self.minimum(other),
  'torch.clamp': ({ self, min, max }: Bounded) => self.clamp(min, max),
  'torch.clamp_min': ({ self, min }: Bounded) => self.clamp(min),
  'torch.clamp_max': ({ self, max }: Bounded) => self.clamp(null, max),
  'torch.where': (a: { readonly condition: Tensor; readonly self?: Operand; readonly other?: Operand }) => {
    if (a.self === undefined || a.other === undefined) throw new Unsupported('where of a condition alone');
    return nabla.where(a.condition, a.self, a.other);
  },
  'torch.eq': ({ self, other }: Binary) => self.eq(other),
  'torch.ne': ({ self, other }: Binary) => self.ne(other),
  'torch.lt': ({ self, other }: Binary) => self.lt(other),
  'torch.le': ({ self, other }: Binary) => self.le(other),
  'torch.gt': ({ self, other }: Binary) => self.gt(other),
  'torch.ge': ({ self, other }: Binary) => self.ge(other),
  'torch.logical_and': ({ self, other }: Pair) => self.logicalAnd(other),
  'torch.logical_or': ({ self, other }: Pair) => self.logicalOr(other),
  'torch.logical_xor': ({ self, other }: Pair) => self.logicalXor(other),
  'Tensor.__radd__': ({ self, other }: Binary) => tensorFirst(other).add(self),
  'Tensor.__rsub__': ({ self, other }: Binary) => tensorFirst(other).sub(self),
  'Tensor.__rmul__': ({ self, other }: Binary) => tensorFirst(other).mul(self),
  'Tensor.__rdiv__': ({ self, other }: Binary) => tensorFirst(other).div(self),
  'Tensor.__rmod__': ({ self, other }: Binary) => tensorFirst(other).remainder(self),
  // PyTorch takes the base out of the graph here.
  'Tensor.__rpow__': ({ self, other }: Binary) => tensorFirst(other).detach().pow(self),
  'Tensor.__rmatmul__': ({ self, other }: Pair) => other.matmul(self),

  // ── reductions ──
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
    self.norm(ord, dim, { keepdim, dtype }),
  'torch.logsumexp': ({ self, dim, keepdim }: AlongDims) => self.logsumexp(dim, { keepdim }),
  'torch.softmax': ({ self, dim, dtype }: Self & HasDType & { readonly dim: number }) => self.softmax(dim, { dtype }),
  'torch.log_softmax': ({ self, dim, dtype }: Self & HasDType & { readonly dim: number }) =>
    self.logSoftmax(dim, { dtype }),

  // ── products ──
  'torch.matmul': ({ self, other }: Pair) => self.matmul(other),
  'torch.mm': ({ self, mat2 }: Self & { readonly mat2: Tensor }) => self.mm(mat2),
  'torch.bmm': ({ self, mat2 }: Self & { readonly mat2: Tensor }) => self.bmm(mat2),
  'torch.mv': ({ self, vec }: Self & { readonly vec: Tensor }) => self.mv(vec),
  'torch.dot': ({ self, tensor }: Self & { readonly tensor: Tensor }) => self.dot(tensor),
  'torch.vdot': ({ self, other }: Pair) => self.dot(other),

  // ── joining and picking ──
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

  // ── views ──
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

  // ── copies and conversions ──
  'torch.clone': (a: Self & Layout) => dense(a).clone(),
  'Tensor.contiguous': (a: Self & Layout) => dense(a).contiguous(),
  'Tensor.float': (a: Self & Layout) => dense(a).float(),
  'Tensor.double': (a: Self & Layout) => dense(a).double(),
  'Tensor.int': (a: Self & Layout) => dense(a).int(),
  'Tensor.bool': (a: Self & Layout) => dense(a).bool(),
  'Tensor.to': (a: Self & Layout & HasDType & { other?: Tensor; device?: string; copy?: boolean }) => {
    without('device', a.device, 'cpu');
    without('copy', a.copy, false);
    return dense(a).to(a.dtype ?? a.other?.dtype ?? a.self.dtype);
  },
  'torch.fill': ({ self, value }: Self & { readonly value: Operand }) => self.clone().fill_(value),

  // ── creation ──
  'torch.zeros': ({ size, ...options }: { size: readonly number[] } & Creation) => nabla.zeros(size, creation(options)),
  'torch.ones': ({ size, ...options }: { size: readonly number[] } & Creation) => nabla.ones(size, creation(options)),
  'torch.full': ({ size, fill_value, ...options }: { size: readonly number[]; fill_value: number } & Creation) =>
    nabla.full(size, fill_value, creation(options)),
  'torch.arange': ({ start, end, step, ...options }: { start?: number; end: number; step?: number } & Creation) => {
    const chosen = creation(options);
    if (start === undefined) return nabla.arange(end, chosen);
    return step === undefined ? nabla.arange(start, end, chosen) : nabla.arange(start, end, step, chosen);
  },
  'torch.linspace': ({ start, end, steps, ...options }: { start: number; end: number; steps: number } & Creation) =>
    nabla.linspace(start, end, steps, creation(options)),
  'torch.eye': ({ n, m, ...options }: { n: number; m?: number } & Creation) => nabla.eye(n, m, creation(options)),
  'torch.zeros_like': ({ self, ...options }: Self & Creation) => nabla.zerosLike(self, creation(options)),
  'torch.ones_like': ({ self, ...options }: Self & Creation) => nabla.onesLike(self, creation(options)),
  'torch.full_like': ({ self, fill_value, ...options }: Self & { fill_value: number } & Creation) =>
    nabla.fullLike(self, fill_value, creation(options)),

  // ── losses ──
  'torch.nn.functional.nll_loss': (a: Loss) => nabla.nllLoss(a.input, a.target, lossOptions(a)),
  'torch.nn.functional.cross_entropy': ({ label_smoothing, ...a }: Loss & { readonly label_smoothing?: number }) =>
    nabla.crossEntropy(a.input, a.target, { ...lossOptions(a), labelSmoothing: label_smoothing }),

  // ── in place ──
  'Tensor.abs_': ({ self }: Self) => self.abs_(),
  'Tensor.acos_': ({ self }: Self) => self.acos_(),
  'Tensor.add_': ({ self, other, alpha }: Scaled) => self.add_(other, { alpha }),
  'Tensor.asin_': ({ self }: Self) => self.asin_(),
  'Tensor.atan_': ({ self }: Self) => self.atan_(),
  'Tensor.ceil_': ({ self }: Self) => self.ceil_(),
  'Tensor.clamp_': ({ self, min, max }: Bounded) => self.clamp_(min, max),
  'Tensor.clamp_max_': ({ self, max }: Bounded) => self.clamp_(null, max),
  'Tensor.clamp_min_': ({ self, min }: Bounded) => self.clamp_(min),
  'Tensor.cos_': ({ self }: Self) => self.cos_(),
  'Tensor.cosh_': ({ self }: Self) => self.cosh_(),
  'Tensor.div_': ({ self, other, rounding_mode }: Divide) => self.div_(other, { roundingMode: rounding_mode }),
  'Tensor.erf_': ({ self }: Self) => self.erf_(),
  'Tensor.exp_': ({ self }: Self) => self.exp_(),
  'Tensor.expm1_': ({ self }: Self) => self.expm1_(),
  'Tensor.fill_': ({ self, value }: Self & { readonly value: Operand }) => self.fill_(value),
  'Tensor.floor_': ({ self }: Self) => self.floor_(),
  'Tensor.log1p_': ({ self }: Self) => self.log1p_(),
  'Tensor.log_': ({ self }: Self) => self.log_(),
  'Tensor.mul_': ({ self, other }: Binary) => self.mul_(other),
  'Tensor.neg_': ({ self }: Self) => self.neg_(),
  'Tensor.pow_': ({ self, exponent }: Self & { readonly exponent: Operand }) => self.pow_(exponent),
  'Tensor.reciprocal_': ({ self }: Self) => self.reciprocal_(),
  'Tensor.round_': ({ self, decimals }: Rounding) => {
    without('decimals', decimals, 0);
    return self.round_();
  },
  'Tensor.rsqrt_': ({ self }: Self) => self.rsqrt_(),
  'Tensor.sigmoid_': ({ self }: Self) => self.sigmoid_(),
  'Tensor.sign_': ({ self }: Self) => self.sign_(),
  'Tensor.sin_': ({ self }: Self) => self.sin_(),
  'Tensor.sinh_': ({ self }: Self) => self.sinh_(),
  'Tensor.sqrt_': ({ self }: Self) => self.sqrt_(),
  'Tensor.square_': ({ self }: Self) => self.square_(),
  'Tensor.sub_': ({ self, other, alpha }: Scaled) => self.sub_(other, { alpha }),
  'Tensor.tan_': ({ self }: Self) => self.tan_(),
  'Tensor.tanh_': ({ self }: Self) => self.tanh_(),
  'Tensor.true_divide_': ({ self, other }: Binary) => self.div_(other),
  'Tensor.trunc_': ({ self }: Self) => self.trunc_(),
  'Tensor.zero_': ({ self }: Self) => self.zero_(),
};

const CREATION = '*, ScalarType? dtype=None, Device? device=None, bool requires_grad=False';
const CONVERSION = '(Tensor self, *, MemoryFormat? memory_format=None)';

/** Signatures of Python functions that have none in ATen, or another one. */
export const pythonSignatures: Readonly<Record<string, readonly string[]>> = {
  'Tensor.T': ['T(Tensor self)'],
  'Tensor.__radd__': ['__radd__(Tensor self, Any other)'],
  'Tensor.__rsub__': ['__rsub__(Tensor self, Any other)'],
  'Tensor.__rmul__': ['__rmul__(Tensor self, Any other)'],
  'Tensor.__rdiv__': ['__rdiv__(Tensor self, Any other)'],
  'Tensor.__rmod__': ['__rmod__(Tensor self, Any other)'],
  'Tensor.__rpow__': ['__rpow__(Tensor self, Any other)'],
  'Tensor.__rmatmul__': ['__rmatmul__(Tensor self, Tensor other)'],
  'Tensor.zero_': ['zero_(Tensor self)'],
  'Tensor.float': [`float${CONVERSION}`],
  'Tensor.double': [`double${CONVERSION}`],
  'Tensor.int': [`int${CONVERSION}`],
  'Tensor.bool': [`bool${CONVERSION}`],
  'torch.norm': ["norm(Tensor self, Any p='fro', int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"],
  'torch.nn.functional.nll_loss': [
    `nll_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction='mean')`,
  ],
  'torch.zeros': [`zeros(int[] size, ${CREATION})`],
  'torch.ones': [`ones(int[] size, ${CREATION})`],
  'torch.full': [`full(int[] size, Scalar fill_value, ${CREATION})`],
  'torch.arange': [`arange(Scalar end, ${CREATION})`, `arange(Scalar start, Scalar end, Scalar step=1, ${CREATION})`],
  'torch.linspace': [`linspace(Scalar start, Scalar end, int steps, ${CREATION})`],
  'torch.eye': [`eye(int n, int? m=None, ${CREATION})`],
  'torch.zeros_like': [`zeros_like(Tensor self, ${CREATION})`],
  'torch.ones_like': [`ones_like(Tensor self, ${CREATION})`],
  'torch.full_like': [`full_like(Tensor self, Scalar fill_value, ${CREATION})`],
};
