import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { type Shape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { add, div, mul, ops } from '../ops/elementwise.ts';
import { inPlace } from '../ops/inplace.ts';
import type { Generator } from '../tensor/generator.ts';
import { checkOptions } from '../tensor/options.ts';
import { drawn, type RandomOptions, source } from '../tensor/random.ts';
import type { ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What is dropped, and with whose random numbers. */
export interface DropoutOptions extends RandomOptions {
  /** The probability of an element to become 0. */
  readonly p?: number;
  /** Without it nothing is dropped. As in PyTorch it is on by default, but off in `alphaDropout` and `featureAlphaDropout`. */
  readonly training?: boolean;
}

interface Settings {
  readonly p: number;
  readonly training: boolean;
  readonly random: Generator;
}

function settings(op: string, x: unknown, options: DropoutOptions | undefined, byDefault = true): Settings {
  checkTensors(op, x);
  checkOptions(op, options, ['p', 'training', 'generator']);
  const p = options?.p ?? 0.5;
  if (!(p >= 0 && p <= 1))
    throw new ArgumentError(`${op}: dropout probability has to be between 0 and 1, but got ${p}`);
  const training = options?.training ?? byDefault;
  const { dtype, count } = x as TensorBase;
  if (op.endsWith('_') && training && p > 0 && p < 1 && count > 0 && !isFloat(dtype))
    throw new DTypeError(
      `${op}: result type float32 can't be cast to the desired output type ${dtype}; convert with x.to('float32') first`,
    );
  return { p, training, random: source(options) };
}

/** Ones with probability 1 − p, and zeros. */
const mask = (shape: Shape, x: TensorBase, p: number, generator: Generator): TensorBase =>
  drawn(shape, x.dtype, (out) => generator.fillBernoulli(out, 1 - p));

/** The factor an input is multiplied with: 0, or 1/(1 − p); null where nothing is to be done. */
function factor({ p, training, random }: Settings, x: TensorBase, shape: Shape = x.shape): TensorBase | number | null {
  if (!training || p === 0 || x.count === 0) return null;
  return p === 1 ? 0 : div(mask(shape, x, p, random), 1 - p);
}

/** The product with a factor: a new tensor, or in the memory of x. */
function multiplied<T extends Tensor>(x: T, by: TensorBase | number | null, write: boolean): T {
  if (by === null) return x;
  if (!write) return mul(x, by) as T;
  inPlace(ops.mul, [x, by]);
  return x;
}

/**
 * Zeros elements at random with probability p, and divides the others by 1 − p, so that expectations stay.
 *
 * @throws {ArgumentError} for a probability that is not between 0 and 1.
 */
export const dropout = <T extends Tensor>(x: T, options?: DropoutOptions): Tensor<ShapeOf<T>> =>
  multiplied(x, factor(settings('dropout', x, options), x), false) as Tensor;

export const dropout_ = <T extends Tensor>(x: T, options?: DropoutOptions): T =>
  multiplied(x, factor(settings('dropout_', x, options), x), true);

/** The shape of a mask with one element for each channel: the first two dimensions, or one if there is no batch. */
function perChannel(op: string, x: TensorBase, lead: number): Shape {
  checkTensors(op, x);
  return x.shape.map((n, d) => (d < lead ? n : 1));
}

function channels<T extends Tensor>(
  op: string,
  x: T,
  options: DropoutOptions | undefined,
  lead: number,
  write: boolean,
): T {
  return multiplied(x, factor(settings(op, x, options), x, perChannel(op, x, lead)), write);
}

/** How many dimensions lead in a tensor of `rank` dimensions, or of one less without a batch. */
function leading(op: string, x: Tensor, rank: number): number {
  checkTensors(op, x);
  if (x.ndim !== rank && x.ndim !== rank - 1)
    throw new ShapeError(`${op}: expected ${rank - 1} or ${rank} dimensions, got shape ${shapeText(x.shape)}`);
  return x.ndim === rank ? 2 : 1;
}

/**
 * Zeros whole channels of [N, C, L] or [C, L].
 *
 * @throws {ArgumentError} for a probability that is not between 0 and 1.
 */
export const dropout1d = <T extends Tensor>(x: T, options?: DropoutOptions): Tensor<ShapeOf<T>> =>
  channels('dropout1d', x, options, leading('dropout1d', x, 3), false) as Tensor;
export const dropout1d_ = <T extends Tensor>(x: T, options?: DropoutOptions): T =>
  channels('dropout1d_', x, options, leading('dropout1d_', x, 3), true);

/**
 * Zeros whole channels of [N, C, H, W]. (As in PyTorch, three dimensions are [N, C, L].)
 *
 * @throws {ArgumentError} for a probability that is not between 0 and 1.
 */
export const dropout2d = <T extends Tensor>(x: T, options?: DropoutOptions): Tensor<ShapeOf<T>> =>
  channels('dropout2d', x, options, 2, false) as Tensor;
export const dropout2d_ = <T extends Tensor>(x: T, options?: DropoutOptions): T =>
  channels('dropout2d_', x, options, 2, true);

/**
 * Zeros whole channels of [N, C, D, H, W] or [C, D, H, W].
 *
 * @throws {ArgumentError} for a probability that is not between 0 and 1.
 */
export const dropout3d = <T extends Tensor>(x: T, options?: DropoutOptions): Tensor<ShapeOf<T>> =>
  channels('dropout3d', x, options, leading('dropout3d', x, 5), false) as Tensor;
export const dropout3d_ = <T extends Tensor>(x: T, options?: DropoutOptions): T =>
  channels('dropout3d_', x, options, leading('dropout3d_', x, 5), true);

// What selu tends to for x → −∞: −λα (Klambauer et al. 2017).
const SATURATION = -1.7580993408473766;

/** Dropped elements become the saturation value; a scale and a shift restore mean 0 and variance 1. */
function alpha<T extends Tensor>({ p, training, random }: Settings, x: T, write: boolean, shape: Shape = x.shape): T {
  if (!training || p === 0 || x.numel() === 0) return x;
  if (p === 1) return multiplied(x, 0, write);
  const kept = mask(shape, x, p, random);
  const a = 1 / Math.sqrt((SATURATION * SATURATION * p + 1) * (1 - p));
  const shift = add(mul(add(kept, -1), -SATURATION * a), -SATURATION * a * p);
  const scaled = multiplied(x, mul(kept, a), write);
  if (!write) return add(scaled, shift) as T;
  inPlace(ops.add, [x, shift]);
  return x;
}

/**
 * Dropout for networks of `selu`: mean 0 and variance 1 stay.
 *
 * @throws {ArgumentError} for a probability that is not between 0 and 1.
 */
export const alphaDropout = <T extends Tensor>(x: T, options?: DropoutOptions): Tensor<ShapeOf<T>> =>
  alpha(settings('alphaDropout', x, options, false), x, false) as Tensor;
export const alphaDropout_ = <T extends Tensor>(x: T, options?: DropoutOptions): T =>
  alpha(settings('alphaDropout_', x, options, false), x, true);

/**
 * The same of whole channels.
 *
 * @throws {ArgumentError} for a probability that is not between 0 and 1.
 */
export const featureAlphaDropout = <T extends Tensor>(x: T, options?: DropoutOptions): Tensor<ShapeOf<T>> =>
  alpha(
    settings('featureAlphaDropout', x, options, false),
    x,
    false,
    perChannel('featureAlphaDropout', x, 2),
  ) as Tensor;
export const featureAlphaDropout_ = <T extends Tensor>(x: T, options?: DropoutOptions): T =>
  alpha(settings('featureAlphaDropout_', x, options, false), x, true, perChannel('featureAlphaDropout_', x, 2));
