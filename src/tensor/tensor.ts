import { setTensorClass } from '../core/tensor.ts';
import { TensorPlacing } from './placing.ts';
import * as random from './random.ts';
import type { Shape, Untyped } from './shapes.ts';

export type { Operand } from './signatures.ts';

/**
 * An n-dimensional array of numbers that remembers how it was computed.
 *
 * The class is written in layers, a file each: what a tensor is (`TensorState`), what it holds
 * (`TensorValues`), what works element by element (`TensorArithmetic`), reductions, products, views, arranging, and
 * picking and placing by index. The last one is here.
 */
export class Tensor<S extends Shape = Untyped> extends TensorPlacing<S> {
  // ── random, in place ──

  /** Fills with numbers drawn uniformly from [from, to). */
  uniform_(from = 0, to = 1, options?: random.RandomOptions): this {
    random.uniform_(this, from, to, options);
    return this;
  }

  /** Fills with normal numbers of the given mean and standard deviation. */
  normal_(mean = 0, std = 1, options?: random.RandomOptions): this {
    random.normal_(this, mean, std, options);
    return this;
  }

  /** Fills with ones, with probability p (a number, or a tensor of probabilities), and zeros. */
  bernoulli_(p: number | Tensor = 0.5, options?: random.RandomOptions): this {
    random.bernoulli_(this, p, options);
    return this;
  }

  /** Fills with numbers of the exponential distribution with rate λ. */
  exponential_(lambd = 1, options?: random.RandomOptions): this {
    random.exponential_(this, lambd, options);
    return this;
  }

  /** Fills with e to the power of normal numbers of the given mean and standard deviation. */
  logNormal_(mean = 1, std = 2, options?: random.RandomOptions): this {
    random.logNormal_(this, mean, std, options);
    return this;
  }

  /** Fills with numbers of the Cauchy distribution: median + σ tan π(u − ½), u uniform. */
  cauchy_(median = 0, sigma = 1, options?: random.RandomOptions): this {
    random.cauchy_(this, median, sigma, options);
    return this;
  }

  /** Fills with the number of trials up to the first success, each with probability p. */
  geometric_(p: number, options?: random.RandomOptions): this {
    random.geometric_(this, p, options);
    return this;
  }

  /** Fills with integers uniform on [from, to), or on [0, from) where there is no `to`; without both, over what the dtype holds. */
  random_(from?: number, to?: number, options?: random.RandomOptions): this {
    random.random_(this, from, to, options);
    return this;
  }
}

setTensorClass(Tensor);
