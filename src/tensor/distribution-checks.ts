/** What distributions can be drawn from, and into which arrays: errors in PyTorch's words. */
import type { TypedArray } from '../core/dtype.ts';
import { ArgumentError, DTypeError } from '../core/errors.ts';

export type FloatArray = Float32Array | Float64Array;

const MAX_FLOAT32 = 3.4028234663852886e38;

export function checkFloat(operation: string, out: TypedArray): asserts out is FloatArray {
  if (!(out instanceof Float32Array || out instanceof Float64Array)) {
    throw new DTypeError(`${operation}: needs a floating-point tensor, but got ${arrayDType(out)}`);
  }
}

export function checkUniform(out: TypedArray, from: number, to: number): void {
  checkFloat('uniform', out);
  const name = arrayDType(out);
  const max = out instanceof Float32Array ? MAX_FLOAT32 : Number.MAX_VALUE;
  for (const [bound, value] of [
    ['from', from],
    ['to', to],
  ] as const) {
    if (!(Math.abs(value) <= max)) throw new ArgumentError(`uniform_: ${bound} is out of bounds for ${name}: ${value}`);
  }
  if (from > to) {
    throw new ArgumentError(
      `uniform_: uniform_ expects to return a [from, to) range, but found from=${from} > to=${to}`,
    );
  }
  if (to - from > max) {
    throw new ArgumentError(
      `uniform_: uniform_ expects to-from <= ${max}, the largest ${name}, but found to=${to} and from=${from} ` +
        'which result in to-from to exceed the limit',
    );
  }
}

export function checkRange(out: TypedArray, low: number, high: number): void {
  if (!(low < high)) {
    throw new ArgumentError(`random_: random_ expects 'from' to be less than 'to', but got from=${low} >= to=${high}`);
  }
  const [min, max] = integerBounds(out);
  for (const [bound, value] of [
    ['from', low],
    ['to - 1', high - 1],
  ] as const) {
    if (!(Number.isInteger(value) && value >= min && value <= max)) {
      throw new ArgumentError(`random_: ${bound} is out of bounds for ${arrayDType(out)}: ${value}`);
    }
  }
}

export function checkProbabilities(p: ArrayLike<number>): void {
  for (let i = 0; i < p.length; i++) {
    if (!(p[i] >= 0 && p[i] <= 1))
      throw new ArgumentError(`bernoulli: Expected p_in >= 0 && p_in <= 1 to be true, but p[${i}] = ${p[i]}`);
  }
}

export function checkDraws(weights: FloatArray, n: number, replacement: boolean): void {
  if (!(Number.isInteger(n) && n > 0)) {
    throw new ArgumentError(`multinomial: cannot sample n_sample <= 0 samples (n_sample = ${n})`);
  }
  if (!replacement && n > weights.length) {
    throw new ArgumentError(
      'multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement ' +
        `(${n} > ${weights.length})`,
    );
  }
  if (weights.length > 2 ** 24) throw new ArgumentError('multinomial: number of categories cannot exceed 2^24');
}

export function checkWeights(weights: FloatArray): void {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i];
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
      throw new ArgumentError(
        `multinomial: probability tensor contains either \`inf\`, \`nan\` or element < 0 (${weight})`,
      );
    }
    sum += weight;
  }
  if (!(sum > 0)) throw new ArgumentError('multinomial: invalid multinomial distribution (sum of probabilities <= 0)');
}

function arrayDType(array: TypedArray): string {
  if (array instanceof Float32Array) return 'float32';
  if (array instanceof Float64Array) return 'float64';
  return array instanceof Int32Array ? 'int32' : 'uint8';
}

/** The integers an element can hold without gaps between them. */
function integerBounds(array: TypedArray): readonly [number, number] {
  if (array instanceof Float32Array) return [-(2 ** 24), 2 ** 24];
  if (array instanceof Float64Array) return [-(2 ** 53), 2 ** 53];
  return array instanceof Int32Array ? [-(2 ** 31), 2 ** 31 - 1] : [0, 255];
}

/** How many values `random_()` chooses from. */
export function valueCount(array: TypedArray): number {
  return integerBounds(array)[1] + 1;
}
