import { checkBytes } from '../backends/wasm/heap.ts';
import { getDefaultDtype, isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, NotImplementedError } from '../core/errors.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import * as gamma from '../kernels/gamma.ts';
import { vectorOf } from './create.ts';
import { add, ops } from './elementwise.ts';
import type { ElementwiseOp } from './elementwise-op.ts';
import { opWith } from './entry.ts';
import { sum } from './reduce.ts';
import { unsqueeze } from './view.ts';

/** n! is finite, and so are the coefficients of the n-th derivative of a cotangent. */
const HIGHEST = 128;

/** By order, made when first asked for. */
const made: (ElementwiseOp | undefined)[] = [];

/** The operation of the n-th derivative of the digamma function. */
export function polygammaOp(n: number): ElementwiseOp {
  if (!Number.isInteger(n)) throw new ArgumentError(`polygamma: the order n must be a whole number, got ${String(n)}`);
  if (n < 0) throw new ArgumentError(`polygamma: polygamma(n, x) does not support negative n, got ${n}`);
  if (n > HIGHEST) throw new NotImplementedError(`polygamma: orders go up to ${HIGHEST}, got ${n}`);
  if (n === 0) return ops.digamma;
  made[n] ??= opWith(gamma.polygamma(n), 'float', { node: 'PolygammaBackward0' });
  return made[n];
}

/** log Γₚ(x) = Σ log Γ(x − j/2) over j < p, and p (p − 1) / 4 · log π. */
export function mvlgamma(x: TensorBase, p: number): TensorBase {
  checkTensors('mvlgamma', x);
  if (!Number.isInteger(p) || p < 1)
    throw new ArgumentError(`mvlgamma: p has to be greater than or equal to 1, and a whole number; got ${String(p)}`);
  if (x.dtype === 'bool')
    throw new DTypeError("mvlgamma: The input tensor may not be a boolean tensor; convert with x.to('float32')");
  checkBytes(4 * p * Math.max(1, x.count), 'mvlgamma');
  const halves = vectorOf(
    Array.from({ length: p }, (_, j) => (1 - p + j) / 2),
    isFloat(x.dtype) ? x.dtype : getDefaultDtype(),
  );
  const terms = ops.lgamma.call1(add(unsqueeze(x, -1), halves));
  return add(sum(terms, [-1]), (p * (p - 1) * Math.log(Math.PI)) / 4);
}
