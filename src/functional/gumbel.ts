import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError } from '../core/errors.ts';
import { wrapDim } from '../core/shape.ts';
import { checkTensors } from '../core/tensor.ts';
import { zeros } from '../ops/create.ts';
import { detach } from '../ops/detach.ts';
import { add, div, log, sub } from '../ops/elementwise.ts';
import { argmax } from '../ops/extrema.ts';
import { scatter } from '../ops/indexing.ts';
import { softmax } from '../ops/softmax.ts';
import { checkOptions } from '../tensor/options.ts';
import { drawn, floats, type RandomOptions, source } from '../tensor/random.ts';
import type { ShapeOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** How sharply a choice is drawn, and with whose random numbers. */
export interface GumbelOptions extends RandomOptions {
  /** The temperature: towards 0 samples become choices. 1 by default. */
  readonly tau?: number;
  /** Whether samples are choices, ones and zeros, with the gradient of the soft ones. */
  readonly hard?: boolean;
  /** The dimension of the choice, the last by default. */
  readonly dim?: number;
}

/**
 * Samples of softmax((x + g) / τ) with g from the Gumbel distribution: a choice among the logits that has a gradient
 * (Jang, Gu and Poole 2017; Maddison, Mnih and Teh 2017).
 *
 * @throws {ArgumentError} when `tau` is not positive.
 */
export function gumbelSoftmax<T extends Tensor>(x: T, options?: GumbelOptions): Tensor<ShapeOf<T>> {
  checkTensors('gumbelSoftmax', x);
  checkOptions('gumbelSoftmax', options, ['tau', 'hard', 'dim', 'generator']);
  const { tau = 1, hard = false } = options ?? {};
  const dim = wrapDim('gumbelSoftmax', options?.dim ?? -1, x.ndim);
  const generator = source(options);
  if (!isFloat(x.dtype)) throw new DTypeError(`gumbelSoftmax: expected a floating point tensor, got ${x.dtype}`);
  if (!(tau > 0)) throw new ArgumentError(`gumbelSoftmax: tau must be positive, got ${tau}`);
  const waits = drawn(x.shape, x.dtype, (out) => generator.fillExponential(floats('gumbelSoftmax', out), 1));
  const soft = softmax(div(sub(x, log(waits)), tau), dim);
  if (!hard) return soft as Tensor;
  const chosen = scatter(zeros(x.shape, x.dtype), dim, argmax(soft, dim, true), 1);
  // The value of the first, the derivative of the second.
  return add(sub(chosen, detach(soft)), soft) as Tensor;
}
