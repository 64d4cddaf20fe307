import { checkTypes } from '../core/arguments.ts';
import { type DType, getDefaultDtype, isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { checkShape } from '../core/shape.ts';
import { checked, leaf, like, RANDOM } from './creation.ts';
import type { TensorOptions } from './options.ts';
import { drawn, type RandomOptions, source } from './random.ts';
import type { Shape } from './shapes.ts';
import type { CreatedOf } from './signatures.ts';
import type { Tensor } from './tensor.ts';

/* New tensors of random numbers. */

export type RandomTensorOptions = TensorOptions & RandomOptions;

export function floatType(op: string, options: TensorOptions | undefined): DType {
  const dtype = options?.dtype ?? getDefaultDtype();
  if (!isFloat(dtype))
    throw new DTypeError(
      `${op}: "${op}" not implemented for '${dtype}'; random floats need float32 or float64 (use randint for integers)`,
    );
  return dtype;
}

/**
 * Numbers uniform on [0, 1).
 *
 * @throws {DTypeError} for a dtype that is not floating point.
 */
export function rand<const N extends Shape>(shape: N, options?: RandomTensorOptions): Tensor<CreatedOf<N>> {
  checked('rand', options, RANDOM);
  const sizes = checkShape('rand', shape);
  const dtype = floatType('rand', options);
  return leaf(
    drawn(sizes, dtype, (out) => source(options).fillUniform(out as Float32Array)),
    options,
  );
}

/**
 * Standard normal numbers.
 *
 * @throws {DTypeError} for a dtype that is not floating point.
 */
export function randn<const N extends Shape>(shape: N, options?: RandomTensorOptions): Tensor<CreatedOf<N>> {
  checked('randn', options, RANDOM);
  const sizes = checkShape('randn', shape);
  const dtype = floatType('randn', options);
  return leaf(
    drawn(sizes, dtype, (out) => source(options).fillNormal(out as Float32Array)),
    options,
  );
}

/**
 * Uniform random numbers from [0, 1) in the shape and dtype of `t`.
 *
 * @throws {DTypeError} when the dtype is not floating point: that of `t`, unless another is asked for.
 */
export function randLike<S extends Shape>(t: Tensor<S>, options?: RandomTensorOptions): Tensor<S> {
  const given = like('randLike', t, options);
  return within('randLike', () => rand(...given));
}

/**
 * Standard normal random numbers in the shape and dtype of `t`.
 *
 * @throws {DTypeError} when the dtype is not floating point: that of `t`, unless another is asked for.
 */
export function randnLike<S extends Shape>(t: Tensor<S>, options?: RandomTensorOptions): Tensor<S> {
  const given = like('randnLike', t, options);
  return within('randnLike', () => randn(...given));
}

/**
 * Integers uniform on [low, high), int32 by default; `randint(high, shape)` starts at 0.
 *
 * @throws {ArgumentError} when there is no whole number in the range, or the dtype does not hold all of them.
 */
export function randint(high: number, shape: readonly number[], options?: RandomTensorOptions): Tensor;
export function randint(low: number, high: number, shape: readonly number[], options?: RandomTensorOptions): Tensor;
export function randint(
  a: number,
  b: number | readonly number[],
  c?: readonly number[] | RandomTensorOptions,
  d?: RandomTensorOptions,
): Tensor {
  const [low, high, shape, options] =
    typeof b === 'number' ? [a, b, c as readonly number[], d] : [0, a, b, c as RandomTensorOptions | undefined];
  checked('randint', options, RANDOM);
  checkTypes('randint', 'number', { low, high });
  const sizes = checkShape('randint', shape);
  return leaf(
    within('randint', () =>
      drawn(sizes, options?.dtype ?? 'int32', (out) => source(options).fillRandint(out, low, high)),
    ),
    options,
  );
}

/**
 * Integers uniform on [low, high), or on [0, low) where there is no `high`, in the shape and dtype of `t`.
 *
 * @throws {ArgumentError} when there is no whole number in the range, or the dtype does not hold all of them.
 */
export function randintLike<S extends Shape>(
  t: Tensor<S>,
  low: number,
  high?: number | RandomTensorOptions,
  options?: RandomTensorOptions,
): Tensor<S> {
  const given = typeof high === 'number' ? options : high;
  const [shape, settings] = like('randintLike', t, given);
  return within('randintLike', () =>
    typeof high === 'number' ? randint(low, high, shape, settings) : randint(low, shape, settings),
  ) as Tensor<S>;
}

/**
 * A random permutation of 0 … n − 1, int32.
 *
 * @throws {ArgumentError} when `n` is no whole number from 0 on.
 */
export function randperm(n: number, options?: RandomTensorOptions): Tensor {
  checked('randperm', options, RANDOM);
  if (!Number.isInteger(n) || n < 0) throw new ArgumentError(`randperm: n must be non-negative, got ${n}`);
  return leaf(
    drawn([n], options?.dtype ?? 'int32', (out) => source(options).fillRandperm(out), n),
    options,
  );
}
