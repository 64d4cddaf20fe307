import { checkTypes } from '../core/arguments.ts';
import { type DType, isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { activations } from '../ops/activations.ts';
import { ops } from '../ops/elementwise.ts';
import type { ElementwiseOp } from '../ops/elementwise-op.ts';
import { inPlace } from '../ops/inplace.ts';
import { softmax as softmaxOf } from '../ops/softmax.ts';
import { split } from '../ops/split.ts';
import { fused } from '../ops/user-elementwise.ts';
import { reshape } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { FitDim, ShapeOf } from '../tensor/signatures.ts';
import type { Operand, Tensor } from '../tensor/tensor.ts';

type Same<T> = Tensor<ShapeOf<T>>;
/** A function of every element: any shape, and a tensor of that shape. */
type Activation = <T extends Tensor>(x: T) => Same<T>;
/** The same in the memory of `x`, which is returned. */
type InPlace = <T extends Tensor>(x: T) => T;

function run<T extends Tensor>(op: ElementwiseOp, x: T, ...parameters: readonly Operand[]): Same<T> {
  checkTensors(op.name, x);
  return op.invoke([x, ...parameters]) as Tensor;
}

function write<T extends Tensor>(op: ElementwiseOp, x: T, ...parameters: readonly Operand[]): T {
  checkTensors(`${op.name}_`, x);
  inPlace(op, [x, ...parameters]);
  return x;
}

const plain =
  (op: ElementwiseOp): Activation =>
  (x) =>
    run(op, x);
const plainInPlace =
  (op: ElementwiseOp): InPlace =>
  (x) =>
    write(op, x);

// ── without parameters ──

/** max(x, 0) */
export const relu: Activation = plain(ops.relu);
export const relu_: InPlace = plainInPlace(ops.relu);
/** min(max(x, 0), 6) */
export const relu6: Activation = plain(activations.relu6);
export const relu6_: InPlace = plainInPlace(activations.relu6);
/** 1 / (1 + e⁻ˣ) */
export const sigmoid: Activation = plain(ops.sigmoid);
/** The hyperbolic tangent. */
export const tanh: Activation = plain(ops.tanh);
export const tanh_: InPlace = plainInPlace(ops.tanh);
/** λ x where x > 0, else λ α (eˣ − 1), with the constants of Klambauer et al. 2017. */
export const selu: Activation = plain(activations.selu);
export const selu_: InPlace = plainInPlace(activations.selu);
/** log σ(x) = −log(1 + e⁻ˣ) */
export const logsigmoid: Activation = plain(activations.logSigmoid);
/** x σ(x), also called swish. */
export const silu: Activation = plain(activations.silu);
export const silu_: InPlace = plainInPlace(activations.silu);
/** x tanh(log(1 + eˣ)) */
export const mish: Activation = plain(activations.mish);
export const mish_: InPlace = plainInPlace(activations.mish);
/** min(max(x + 3, 0), 6) / 6 */
export const hardsigmoid: Activation = plain(activations.hardsigmoid);
export const hardsigmoid_: InPlace = plainInPlace(activations.hardsigmoid);
/** x min(max(x + 3, 0), 6) / 6 */
export const hardswish: Activation = plain(activations.hardswish);
export const hardswish_: InPlace = plainInPlace(activations.hardswish);
/** x / (1 + |x|) */
export const softsign: Activation = plain(activations.softsign);
/** x − tanh x */
export const tanhshrink: Activation = plain(activations.tanhshrink);

// ── with parameters ──

/** x Φ(x), Φ the normal distribution; or with tanh in its place: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
export function gelu<T extends Tensor>(x: T, options?: { readonly approximate?: 'none' | 'tanh' }): Same<T> {
  checkOptions('gelu', options, ['approximate']);
  const approximate = options?.approximate ?? 'none';
  if (approximate !== 'none' && approximate !== 'tanh')
    throw new ArgumentError(`gelu: approximate argument must be either none or tanh, got ${String(approximate)}.`);
  return run(approximate === 'tanh' ? activations.geluTanh : activations.gelu, x);
}

interface Alpha {
  readonly alpha?: number;
}

const alphaOf = (op: string, options: Alpha | undefined): number => {
  checkOptions(op, options, ['alpha']);
  return options?.alpha ?? 1;
};

/** x where x > 0, else α (eˣ − 1). */
export const elu = <T extends Tensor>(x: T, options?: Alpha): Same<T> =>
  run(activations.elu, x, alphaOf('elu', options));
export const elu_ = <T extends Tensor>(x: T, options?: Alpha): T => write(activations.elu, x, alphaOf('elu_', options));

function celuAlpha(op: string, options: Alpha | undefined): number {
  const alpha = alphaOf(op, options);
  if (alpha === 0) throw new ArgumentError(`${op}: ZeroDivisionError: alpha cannot be 0 for CELU`);
  return alpha;
}

/** x where x > 0, else α (e^(x/α) − 1). */
export const celu = <T extends Tensor>(x: T, options?: Alpha): Same<T> =>
  run(activations.celu, x, celuAlpha('celu', options));
export const celu_ = <T extends Tensor>(x: T, options?: Alpha): T =>
  write(activations.celu, x, celuAlpha('celu_', options));

interface Slope {
  readonly negativeSlope?: number;
}

const slopeOf = (op: string, options: Slope | undefined): number => {
  checkOptions(op, options, ['negativeSlope']);
  return options?.negativeSlope ?? 0.01;
};

/** x where x > 0, else a x with a small slope a. */
export const leakyRelu = <T extends Tensor>(x: T, options?: Slope): Same<T> =>
  run(activations.leakyRelu, x, slopeOf('leakyRelu', options));
export const leakyRelu_ = <T extends Tensor>(x: T, options?: Slope): T =>
  write(activations.leakyRelu, x, slopeOf('leakyRelu_', options));

/**
 * x where x > 0, else a x with a learned slope: `weight` is one number, or one for each channel, and
 * channels are the second dimension of `x`.
 */
export function prelu<T extends Tensor>(x: T, weight: Tensor): Same<T> {
  checkTensors('prelu', x, weight);
  if (weight.dtype !== x.dtype)
    throw new DTypeError(`prelu: Type promoting not supported. Got ${x.dtype} and ${weight.dtype}`);
  if (weight.ndim > 1)
    throw new ShapeError(`prelu: Expected \`weight\` to be a scalar or 1D tensor, but got ndim = ${weight.ndim}`);
  const { ndim } = x;
  if (weight.numel() === 1) return run(activations.prelu, x, reshape(weight, []) as Tensor);
  if (ndim === 0) throw new ShapeError('prelu: Not allow zero-dim input tensor.');
  const channels = ndim < 2 ? 1 : (x.shape as readonly number[])[1];
  if (weight.numel() !== channels) {
    throw new ShapeError(
      `prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = ${weight.numel()} and channel size = ${channels}.`,
    );
  }
  const along = reshape(weight, [channels, ...new Array<number>(ndim - 2).fill(1)]);
  return run(activations.prelu, x, along as Tensor);
}

interface Bounds {
  readonly minVal?: number;
  readonly maxVal?: number;
}

/** A number beside the elements of x, which does not change their dtype: beside integers its fraction is cut. */
function beside(op: string, x: TensorBase, value: number): number {
  checkTypes(op, 'number', { value });
  return isFloat(x.dtype) ? value : Math.trunc(value);
}

/** The bounds as numbers of the dtype. */
function boundsOf(op: string, x: TensorBase, options: Bounds | undefined): [number, number] {
  checkTensors(op, x);
  checkOptions(op, options, ['minVal', 'maxVal']);
  const [lo, hi] = [options?.minVal ?? -1, options?.maxVal ?? 1];
  if (x.dtype === 'uint8' && (lo < 0 || hi < 0))
    throw new ArgumentError(`${op}: cannot do hardtanh on an unsigned type with negative limits`);
  return [beside(op, x, lo), beside(op, x, hi)];
}

/** x between two bounds, by default −1 and 1. */
export const hardtanh = <T extends Tensor>(x: T, options?: Bounds): Same<T> =>
  run(activations.hardtanh, x, ...boundsOf('hardtanh', x, options));
export const hardtanh_ = <T extends Tensor>(x: T, options?: Bounds): T =>
  write(activations.hardtanh, x, ...boundsOf('hardtanh_', x, options));

/** A bound and what is below it, as numbers of the dtype. */
function limits(op: string, x: TensorBase, bound: number, value: number): [number, number] {
  checkTensors(op, x);
  return [beside(op, x, bound), beside(op, x, value)];
}

/** x where x > bound, else `value`. */
export const threshold = <T extends Tensor>(x: T, bound: number, value: number): Same<T> =>
  run(activations.threshold, x, ...limits('threshold', x, bound, value));
export const threshold_ = <T extends Tensor>(x: T, bound: number, value: number): T =>
  write(activations.threshold, x, ...limits('threshold_', x, bound, value));

interface Lambda {
  readonly lambd?: number;
}

/** x where |x| > λ, else 0. */
export function hardshrink<T extends Tensor>(x: T, options?: Lambda): Same<T> {
  checkOptions('hardshrink', options, ['lambd']);
  return run(activations.hardshrink, x, options?.lambd ?? 0.5);
}

/** x moved towards 0 by λ, and 0 where |x| ≤ λ. */
export function softshrink<T extends Tensor>(x: T, options?: Lambda): Same<T> {
  checkOptions('softshrink', options, ['lambd']);
  const lambd = options?.lambd ?? 0.5;
  if (!(lambd >= 0))
    throw new ArgumentError(`softshrink: lambda must be greater or equal to 0, but found to be ${lambd}.`);
  return run(activations.softshrink, x, lambd);
}

/** log(1 + e^(βx)) / β, and x itself where βx > threshold. */
export function softplus<T extends Tensor>(
  x: T,
  options?: { readonly beta?: number; readonly threshold?: number },
): Same<T> {
  checkOptions('softplus', options, ['beta', 'threshold']);
  return run(activations.softplus, x, options?.beta ?? 1, options?.threshold ?? 20);
}

// ── along a dimension ──

const gated = fused('glu', (x, y) => x.mul(y.sigmoid()), 2);

/** The first half along `dim`, times σ of the second half. */
export function glu(x: Tensor, dim = -1): Tensor {
  checkTensors('glu', x);
  if (x.ndim === 0) throw new ShapeError('glu: glu does not support 0-dimensional tensors');
  const d = wrapDim('glu', dim, x.ndim);
  const size = (x.shape as readonly number[])[d];
  if (size % 2 !== 0) {
    throw new ShapeError(
      `glu: Halving dimension must be even, but dimension ${d} is size ${size} (shape ${shapeText(x.shape)})`,
    );
  }
  const [a, b] = split(x, size / 2, d);
  return gated(a, b) as Tensor;
}

/** The softmax of −x along `dim`: small numbers get the large shares. */
export function softmin<T extends Tensor, D extends number>(
  x: T,
  dim: FitDim<T, D>,
  options?: { readonly dtype?: DType },
): Same<T> {
  checkTensors('softmin', x);
  checkOptions('softmin', options, ['dtype']);
  const d = wrapDim('softmin', dim as number, x.ndim);
  return within('softmin', () => softmaxOf(ops.neg.call1(x), d, options?.dtype)) as Tensor;
}
