import { noGrad } from '../autograd/modes.ts';
import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { once } from '../core/once.ts';
import { checkShape, numel, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { detach } from '../ops/detach.ts';
import { add, div, mul, ops } from '../ops/elementwise.ts';
import { filled } from '../ops/filled.ts';
import { inPlace } from '../ops/inplace.ts';
import { named } from '../ops/named.ts';
import { mean, sum } from '../ops/reduce.ts';
import { rmsNorm as byLines } from '../ops/rms-norm.ts';
import { type Standardized, standardize } from '../ops/standardize.ts';
import { standardizeAffine } from '../ops/standardize-affine.ts';
import { fused, userElementwise } from '../ops/user-elementwise.ts';
import { reshape } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The affine map after normalisation: y w + b, either of them optional. */
interface Affine {
  readonly weight?: Tensor | null;
  readonly bias?: Tensor | null;
  /** Added to the variance. */
  readonly eps?: number;
}

function checkFloat(op: string, x: TensorBase): void {
  checkTensors(op, x);
  if (!isFloat(x.dtype)) throw new DTypeError(`${op}: expected a floating point tensor, got ${x.dtype}`);
}

const inShape = (t: TensorBase, shape: Shape): TensorBase => (sameShape(t.shape, shape) ? t : reshape(t, shape));

/** y w + b with parameters of the given shape, which broadcasts with y. */
function affine(y: TensorBase, { weight, bias }: Affine, shape: Shape): TensorBase {
  const w = weight ? inShape(weight, shape) : null;
  const b = bias ? inShape(bias, shape) : null;
  if (w !== null && b !== null) return ops.addcmul.call(b, y, w, 1);
  if (w !== null) return mul(y, w);
  return b === null ? y : add(y, b);
}

/** Mean 0 and variance 1 over `dims`, then y w + b with parameters of the given shape; the last node has a name. */
function normalized(x: TensorBase, dims: readonly number[], options: Affine, shape: Shape, node: string): Standardized {
  const { weight, bias, eps = 1e-5 } = options;
  if ((weight || bias) && (!weight || weight.dtype === x.dtype) && (!bias || bias.dtype === x.dtype)) {
    const given = (t: Tensor | null | undefined, otherwise: number): TensorBase =>
      t ? inShape(t, shape) : filled(shape, otherwise, x.dtype);
    return standardizeAffine(x, given(weight, 1), given(bias, 0), { dims, eps, node });
  }
  const { y, mean, variance } = standardize(x, dims, eps);
  return { y: named(affine(y, options, shape), node), mean, variance };
}

/** One parameter per channel, channels being the second dimension. */
function perChannel(x: TensorBase): Shape {
  return x.shape.map((n, d) => (d === 1 ? n : 1));
}

function checkChannels(
  op: string,
  x: TensorBase,
  channels: number,
  parameters: Readonly<Record<string, unknown>>,
): void {
  for (const [name, t] of Object.entries(parameters)) {
    if (t === null || t === undefined) continue;
    checkTensors(op, t);
    const { count } = t as TensorBase;
    if (count !== channels) {
      throw new ShapeError(
        `${op}: ${name} should contain ${channels} elements not ${count} (input of shape ${shapeText(x.shape)})`,
      );
    }
  }
}

/**
 * Mean 0 and variance 1 over the last dimensions, `normalizedShape` in all, and y w + b with
 * parameters of that shape.
 *
 * @throws {ShapeError} when the last dimensions of `x`, or the parameters, have another shape.
 */
export function layerNorm<T extends Tensor>(x: T, normalizedShape: Shape, options?: Affine): Tensor<ShapeOf<T>> {
  checkOptions('layerNorm', options, ['weight', 'bias', 'eps']);
  const { weight, bias } = options ?? {};
  const { own, dims } = lastDims('layerNorm', x, normalizedShape, { weight, bias });
  return normalized(x, dims, options ?? {}, own, 'NativeLayerNormBackward0').y as Tensor;
}

/** x r w for r = (mean square + ε)^(−½) of each line. */
const weightedByRms = fused('rmsNorm', (x, square, eps, w) => x.mul(square.add(eps).rsqrt()).mul(w), 4);

/**
 * x / √(mean of x² + ε), the mean over the last dimensions, `normalizedShape` in all, times a weight of that shape
 * (Zhang and Sennrich 2019). `eps` is the distance of 1 to the next number of the dtype by default.
 *
 * @throws {ShapeError} when the last dimensions of `x`, or the weight, have another shape.
 */
export function rmsNorm<T extends Tensor>(
  x: T,
  normalizedShape: Shape,
  options?: Omit<Affine, 'bias'>,
): Tensor<ShapeOf<T>> {
  checkTensors('rmsNorm', x);
  checkOptions('rmsNorm', options, ['weight', 'eps']);
  const { weight, eps = x.dtype === 'float64' ? 2 ** -52 : 2 ** -23 } = options ?? {};
  const { own, dims } = lastDims('rmsNorm', x, normalizedShape, { weight });
  if (!weight || weight.dtype === x.dtype) return byLines(x, weight ?? filled(own, 1, x.dtype), dims, eps) as Tensor;
  const square = mean(ops.square.call1(x), dims, true);
  return weightedByRms(x, square, eps, weight) as Tensor;
}

/** The last dimensions of x, which have the given shape, as have the parameters. */
function lastDims(
  op: string,
  x: TensorBase,
  normalizedShape: Shape,
  parameters: Readonly<Record<string, TensorBase | null | undefined>>,
): { readonly own: Shape; readonly dims: readonly number[] } {
  checkFloat(op, x);
  const own = checkShape(op, normalizedShape);
  const lead = x.shape.length - own.length;
  if (own.length === 0) {
    throw new ShapeError(
      `${op}: Expected normalized_shape (normalizedShape) to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []`,
    );
  }
  if (lead < 0 || !sameShape(x.shape.slice(lead), own)) {
    throw new ShapeError(
      `${op}: Given normalized_shape=${shapeText(own)}, expected input with shape [*, ${own.join(', ')}], but got input of size${shapeText(x.shape)}`,
    );
  }
  for (const [name, t] of Object.entries(parameters)) {
    if (t && !sameShape(t.shape, own)) {
      throw new ShapeError(
        `${op}: Expected ${name} to be of same shape as normalized_shape, but got ${name} of shape ${shapeText(t.shape)} and normalized_shape = ${shapeText(own)}`,
      );
    }
  }
  return { own, dims: own.map((_, i) => lead + i) };
}

const onlyOne = (op: string, shape: Shape): ShapeError =>
  new ShapeError(`${op}: Expected more than 1 value per channel when training, got input size ${shapeText(shape)}`);

/**
 * Mean 0 and variance 1 over each of `groups` groups of channels ([N, C, …], C a multiple of groups),
 * for each example by itself; then y w + b with one w and b per channel.
 */
export function groupNorm<T extends Tensor>(x: T, groups: number, options?: Affine): Tensor<ShapeOf<T>> {
  checkOptions('groupNorm', options, ['weight', 'bias', 'eps']);
  checkFloat('groupNorm', x);
  const shape: Shape = x.shape;
  if (shape.length < 2)
    throw new ShapeError(`groupNorm: Expected at least 2 dimensions for input tensor but received ${shape.length}`);
  const [n, channels] = shape;
  if (!Number.isInteger(groups) || groups <= 0)
    throw new ArgumentError(`groupNorm: Expected num groups to be greater than 0, got ${groups}`);
  if (channels % groups !== 0) {
    throw new ShapeError(
      `groupNorm: Expected number of channels in input to be divisible by num_groups, but got input of shape ${shapeText(shape)} and num_groups=${groups}`,
    );
  }
  checkChannels('groupNorm', x, channels, { weight: options?.weight, bias: options?.bias });
  const inGroup = channels / groups;
  if (n * inGroup * numel(shape.slice(2)) === 1) throw onlyOne('groupNorm', shape);
  const node = 'NativeGroupNormBackward0';
  const grouped = reshape(x, [n, groups, inGroup, numel(shape.slice(2))]);
  const { y } = normalized(grouped, [2, 3], options ?? {}, [1, groups, inGroup, 1], node);
  return named(reshape(y, shape), node) as Tensor;
}

/** Which statistics normalise, and the affine map behind that. */
export interface BatchNormOptions extends Affine {
  /** Normalise with the statistics of the batch, and move the running ones; otherwise use the running ones. */
  readonly training?: boolean;
  /** How far the running statistics move: (1 − m) old + m new. */
  readonly momentum?: number;
}

/** The value a tensor stands for under `grad` and `jvp`; under `vmap` it has one for each example. */
const valueIn = (t: TensorBase): TensorBase =>
  t.wrapped === null || t.wrapped.kind === 'batch' ? t : valueIn(t.wrapped.value);

/** `running += momentum (now − running)`, outside any graph. */
function move(running: TensorBase, now: TensorBase, momentum: number): void {
  noGrad(() => {
    const next = add(mul(running, 1 - momentum), mul(reshape(valueIn(detach(now)), running.shape), momentum));
    inPlace(ops.copy, [running, next]);
  });
}

/**
 * Mean 0 and variance 1 for each channel ([N, C, …]) over the batch and all places, then y w + b with
 * one w and b per channel. In training the statistics are those of the batch, and the running ones
 * move towards them (the variance divided by n − 1); else the running ones are used.
 */
export function batchNorm<T extends Tensor>(
  x: T,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  options?: BatchNormOptions,
): Tensor<ShapeOf<T>> {
  checkOptions('batchNorm', options, ['weight', 'bias', 'training', 'momentum', 'eps']);
  checkFloat('batchNorm', x);
  const { training = false, momentum = 0.1, eps = 1e-5 } = options ?? {};
  const shape: Shape = x.shape;
  const channels = shape[1] ?? shape[0] ?? 0;
  const perChannelCount = channels === 0 ? 0 : x.numel() / channels;
  checkChannels('batchNorm', x, channels, {
    running_mean: runningMean,
    running_var: runningVar,
    weight: options?.weight,
    bias: options?.bias,
  });
  if (training && perChannelCount === 1) throw onlyOne('batchNorm', shape);
  const along = shape.length < 2 ? shape : perChannel(x);
  const node = 'NativeBatchNormBackward0';
  // As PyTorch: an empty batch needs no statistics, and changes none.
  if (x.numel() === 0) return named(affine(x, options ?? {}, along), node) as Tensor;
  if (training) {
    const overBatch = shape.map((_, d) => d).filter((d) => d !== 1);
    const { y, mean, variance } = normalized(x, overBatch, options ?? {}, along, node);
    if (runningMean) move(runningMean, mean, momentum);
    if (runningVar) move(runningVar, mul(detach(variance), perChannelCount / (perChannelCount - 1)), momentum);
    return y as Tensor;
  }
  if (!runningMean || !runningVar) {
    throw new ArgumentError('batchNorm: Expected running_mean and running_var to be defined when training=False');
  }
  const { weight, bias } = options ?? {};
  const [scale, shift] = coefficients()([detach(runningMean), detach(runningVar), weight ?? 1, bias ?? 0, eps]);
  return named(affine(x, { weight: scale as Tensor, bias: shift as Tensor }, along), node) as Tensor;
}

/** As PyTorch does: (x − m) w / √(v + ε) + b is x a + c with a number a and c for each channel. */
const coefficients = once(() =>
  userElementwise(
    (m, v, w, b, eps) => {
      const a = w.div(v.add(eps).sqrt());
      return [a, b.sub(m.mul(a))];
    },
    5,
    'batchNormCoefficients',
  ),
);

/** As in `BatchNormOptions`; running statistics are means over the examples. */
export interface InstanceNormOptions extends Affine {
  readonly runningMean?: Tensor | null;
  readonly runningVar?: Tensor | null;
  /** Normalise with the statistics of each example (the default), not with the running ones. */
  readonly useInputStats?: boolean;
  readonly momentum?: number;
}

/** Mean 0 and variance 1 for each channel of each example over all places ([N, C, d…]), then y w + b per channel. */
export function instanceNorm<T extends Tensor>(x: T, options?: InstanceNormOptions): Tensor<ShapeOf<T>> {
  const known = ['runningMean', 'runningVar', 'weight', 'bias', 'useInputStats', 'momentum', 'eps'];
  checkOptions('instanceNorm', options, known);
  checkFloat('instanceNorm', x);
  const { runningMean = null, runningVar = null, useInputStats = true, momentum = 0.1, eps = 1e-5 } = options ?? {};
  const shape: Shape = x.shape;
  if (shape.length < 2) throw new ShapeError(`instanceNorm: expected [N, C, …], got ${shapeText(shape)}`);
  if (!useInputStats) {
    const { weight = null, bias = null } = options ?? {};
    return batchNorm(x, runningMean, runningVar, { weight, bias, eps }) as Tensor;
  }
  const places = numel(shape.slice(2));
  if (places === 1) {
    throw new ShapeError(
      `instanceNorm: Expected more than 1 spatial element when training, got input size ${shapeText(shape)}`,
    );
  }
  const channels = shape[1];
  checkChannels('instanceNorm', x, channels, {
    running_mean: runningMean,
    running_var: runningVar,
    weight: options?.weight,
    bias: options?.bias,
  });
  const dims = shape.map((_, d) => d).slice(2);
  const { y, mean, variance } = normalized(x, dims, options ?? {}, perChannel(x), 'NativeBatchNormBackward0');
  const overBatch = (t: TensorBase): TensorBase => div(sum(reshape(detach(t), [shape[0], channels]), 0), shape[0]);
  if (runningMean !== null) move(runningMean, overBatch(mean), momentum);
  if (runningVar !== null) move(runningVar, mul(overBatch(variance), places / (places - 1)), momentum);
  return y as Tensor;
}
