import { checkBytes } from '../backends/wasm/heap.ts';
import { sync } from '../core/apply.ts';
import { checkTypes } from '../core/arguments.ts';
import { isFloat, type TypedArray } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import type { Wrapped } from '../core/levels.ts';
import { resultType } from '../core/promotion.ts';
import { broadcastShapes, checkShape, numel, shapeText } from '../core/shape.ts';
import { checkTensors, isTensor, type TensorBase } from '../core/tensor.ts';
import { toDType } from '../ops/copy.ts';
import { detach } from '../ops/detach.ts';
import { add, lt, mul } from '../ops/elementwise.ts';
import { leaf } from './creation.ts';
import { checkProbabilities } from './distribution-checks.ts';
import { checkOptions } from './options.ts';
import { drawn, perDraw, type RandomOptions, source } from './random.ts';
import { floatType, type RandomTensorOptions } from './random-creation.ts';
import type { Shape } from './shapes.ts';
import type { CreatedOf, Operand } from './signatures.ts';
import type { Tensor } from './tensor.ts';

/* Random numbers whose distribution is given by tensors. */

/** What holds the values of a tensor, inside whatever wraps it: of every example, under `vmap`. */
function valuesOf(t: TensorBase): TensorBase {
  let plain = t;
  while (plain.wrapped !== null) plain = (sync(plain).wrapped as Wrapped).value;
  return plain;
}

/**
 * Normal numbers with a mean and a standard deviation for each, which broadcast, or with two numbers for all of a
 * `shape`. No gradient passes to them: for that write `mean.add(std.mul(randnLike(mean)))`.
 *
 * @throws {ArgumentError} when a standard deviation is negative.
 */
export function normal<const N extends Shape>(
  mean: number,
  std: number,
  shape: N,
  options?: RandomTensorOptions,
): Tensor<CreatedOf<N>>;
export function normal(mean: Operand, std: Operand, options?: RandomOptions): Tensor;
export function normal(
  mean: Operand,
  std: Operand,
  third?: Shape | RandomOptions,
  fourth?: RandomTensorOptions,
): Tensor {
  if (typeof mean === 'number' && typeof std === 'number') {
    checkStd(std);
    checkOptions('normal', fourth, ['dtype', 'requiresGrad', 'generator']);
    const sizes = checkShape('normal', third as Shape);
    const draw = (out: TypedArray): void => void source(fourth).fillNormal(out as Float32Array, mean, std);
    return leaf(drawn(sizes, floatType('normal', fourth), draw), fourth);
  }
  const options = third as RandomOptions | undefined;
  checkOptions('normal', options, ['generator']);
  const given = [mean, std].filter((x) => typeof x !== 'number');
  checkTensors('normal', ...given);
  const dtype = resultType('normal', given);
  if (!isFloat(dtype))
    throw new DTypeError(
      `normal: "normal_kernel_cpu" not implemented for '${dtype}'; convert the tensors with .to('float32')`,
    );
  if (typeof std === 'number') checkStd(std);
  else for (const s of (valuesOf(std) as Tensor).toTypedArray()) checkStd(s);
  const shape = given.map((t) => t.shape as Shape).reduce((a, b) => broadcastShapes('normal', a, b));
  const z = drawn(shape, dtype, (out) => source(options).fillNormal(out as Float32Array), numel(shape));
  const plain = (x: Operand): Operand => (isTensor(x) ? (detach(x) as Tensor) : x);
  return add(mul(z, plain(std)), plain(mean)) as Tensor;
}

function checkStd(std: number): void {
  if (!(std >= 0)) throw new ArgumentError(`normal: normal expects all elements of std >= 0.0, got ${std}`);
}

/**
 * Numbers of the Poisson distribution, each with the rate that `rates` has in its place; of the dtype of that, without
 * a gradient.
 *
 * @throws {ArgumentError} for a rate that is negative, NaN or infinite.
 * @throws {DTypeError} for rates that are not floating point.
 */
export function poisson(rates: Tensor, options?: RandomOptions): Tensor {
  checkOptions('poisson', options, ['generator']);
  checkTensors('poisson', rates);
  if (!isFloat(rates.dtype))
    throw new DTypeError(`poisson: "poisson_cpu" not implemented for '${rates.dtype}'; convert with .to('float32')`);
  const { plain, exampleOf } = perDraw('poisson', rates);
  const given = (plain as Tensor).toTypedArray();
  let draws = 0;
  const draw = (out: TypedArray): void => {
    const at = exampleOf(draws++) * rates.count;
    source(options).fillPoisson(out, given.subarray(at, at + rates.count));
  };
  return drawn(rates.shape, rates.dtype, draw, rates.count) as Tensor;
}

/**
 * 1 with the probability given by each element of `p`, else 0; under `vmap` also by each example’s own.
 *
 * @throws {ArgumentError} for a probability that is not between 0 and 1.
 * @throws {DTypeError} for probabilities that are not floating point.
 */
export function bernoulli(p: Tensor, options?: RandomOptions): Tensor {
  checkOptions('bernoulli', options, ['generator']);
  checkTensors('bernoulli', p);
  if (!isFloat(p.dtype)) throw new DTypeError(`bernoulli: probabilities must be floating point, got ${p.dtype}`);
  const plain = valuesOf(p);
  const probabilities = (plain as Tensor).toTypedArray();
  if (plain.count !== p.count) {
    // Every example has probabilities of its own: what is drawn are the uniform numbers to compare them with.
    checkProbabilities(probabilities);
    const uniform = drawn(p.shape, p.dtype, (out) => source(options).fillUniform(out as Float32Array), p.count);
    return toDType(lt(uniform, detach(p)), p.dtype) as Tensor;
  }
  return drawn(p.shape, p.dtype, (out) => source(options).fillBernoulli(out, probabilities), p.count) as Tensor;
}

/**
 * Indices drawn in proportion to the weights of a vector, or of each row of a matrix; int32. Under `vmap` examples may
 * have weights of their own where `randomness` is 'different'.
 *
 * @throws {ArgumentError} for weights that are negative, not finite or all 0, when `n` is no whole number from 1 on,
 * or more than there are without `replacement`.
 * @throws {ShapeError} for weights of another rank than 1 or 2.
 */
export function multinomial(weights: Tensor, n: number, replacement = false, options?: RandomOptions): Tensor {
  checkOptions('multinomial', options, ['generator']);
  checkTensors('multinomial', weights);
  checkTypes('multinomial', 'number', { n });
  checkTypes('multinomial', 'boolean', { replacement });
  if (!(Number.isInteger(n) && n > 0))
    throw new ArgumentError(`multinomial: cannot sample n_sample <= 0 samples (n_sample = ${n})`);
  if (weights.shape.length < 1 || weights.shape.length > 2)
    throw new ShapeError(`multinomial: prob_dist must be 1 or 2 dim, got shape ${shapeText(weights.shape)}`);
  const generator = source(options);
  const { plain, exampleOf } = perDraw('multinomial', weights);
  const values = (plain as Tensor).toTypedArray();
  const columns = weights.shape[weights.shape.length - 1];
  const rows = weights.shape.length === 1 ? 1 : weights.shape[0];
  checkBytes(4 * rows * n, 'multinomial');
  let draws = 0;
  const draw = (out: TypedArray): void => {
    const first = exampleOf(draws++) * rows * columns;
    for (let r = 0; r < rows; r++) {
      const at = first + r * columns;
      out.set(generator.multinomial(values.subarray(at, at + columns), n, replacement), r * n);
    }
  };
  return drawn(weights.shape.length === 1 ? [n] : [rows, n], 'int32', draw, rows * n) as Tensor;
}
