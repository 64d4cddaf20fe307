import { checkTypes } from '../core/arguments.ts';
import { type DType, isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { checkShape, numel, shapeText } from '../core/shape.ts';
import { checkTensors, isTensor as isBase, TensorBase } from '../core/tensor.ts';
import type { Scalar, ScalarResult } from '../kernels/build.ts';
import { where as whereOp } from '../ops/elementwise.ts';
import * as sums from '../ops/linalg/einsum.ts';
import { type ContractedDims, tensordot as contract } from '../ops/linalg/products.ts';
import * as loss from '../ops/loss.ts';
import { nonzeroColumns } from '../ops/mask.ts';
import { userElementwise } from '../ops/user-elementwise.ts';
import * as form from '../ops/view-forms.ts';
import type { EinsumOf, FitEinsum } from './matrix-signatures.ts';
import { checkOptions } from './options.ts';
import type { AllOf, CrossEntropyOf, FitAll, FitClasses, FitDim, FitTarget, NllLossOf, ShapeOf } from './signatures.ts';
import type { Operand, Tensor } from './tensor.ts';

const LOSS = ['weight', 'ignoreIndex', 'reduction', 'labelSmoothing'] as const;

/**
 * Einstein's summation: every label names a dimension, and labels that the output lacks are summed
 * over. `einsum('bij,jk->bik', x, w)` is a product of matrices, `einsum('ii->i', x)` a diagonal,
 * `...` stands for any dimensions. Without an arrow, labels that occur once remain, in alphabetical
 * order. More than two tensors are contracted pair by pair, the cheapest pair first.
 *
 * Labels may be numbers beside each tensor as well: `einsum(x, [0, 1], w, [1, 2], [0, 2])`.
 */
export function einsum<E extends string | Tensor, const L extends readonly (Tensor | sums.Sublist)[]>(
  equation: FitEinsum<E, L>,
  ...tensors: L
): Tensor<EinsumOf<E, L>> {
  const [first, rest]: readonly [string | Tensor, readonly (Tensor | sums.Sublist)[]] = [equation as E, tensors];
  if (!(first instanceof TensorBase)) return sums.einsum(first, rest as readonly Tensor[]) as Tensor;
  const all = [first, ...rest];
  const output = all.length % 2 === 1 ? (all.pop() as sums.Sublist) : undefined;
  const operands = all.filter((_, i) => i % 2 === 0) as Tensor[];
  const terms = all.filter((_, i) => i % 2 === 1) as sums.Sublist[];
  return sums.einsum(sums.equationOf(terms, output), operands) as Tensor;
}

/**
 * Σ over pairs of dimensions: the last `dims` of `a` with the first of `b`, or `[those of a, those of b]`.
 * What remains of `a` comes first, then what remains of `b`.
 */
export function tensordot(a: Tensor, b: Tensor, dims: ContractedDims = 2): Tensor {
  return contract(a, b, dims) as Tensor;
}

/** Each tensor expanded (without copying) to the shape that all have together. */
export function broadcastTensors(...tensors: readonly Tensor[]): Tensor[] {
  checkTensors('broadcastTensors', ...tensors);
  return [...form.broadcastTensors(tensors)] as Tensor[];
}

/** The shape that tensors of these shapes broadcast to. */
export function broadcastShapes(...shapes: readonly (readonly number[])[]): readonly number[] {
  return form.broadcastShape(shapes);
}

/**
 * `a` where `condition` holds, `b` elsewhere; all three broadcast. With a condition alone, the indices
 * where it is not zero, a vector (int32) for each dimension.
 */
export function where<C extends Tensor, A extends Operand, B extends Operand>(
  condition: C,
  a: FitAll<[C], A>,
  b: FitAll<[C, A], B>,
): Tensor<AllOf<[C, A, B]>>;
// Another number of arguments: a mistake in one form is never reported as one in the other.
export function where(condition: Tensor): Tensor<[number]>[];
export function where(condition: Tensor, a?: Operand, b?: Operand): Tensor | Tensor[] {
  if (a !== undefined && b !== undefined) return whereOp(condition, a, b) as Tensor;
  checkTensors('where', condition);
  if (a !== undefined || b !== undefined)
    throw new ArgumentError('where: expected a condition alone, or a condition and two values');
  return nonzeroColumns(condition) as Tensor[];
}

/** eˣ / Σ eˣ along `dim`. */
export function softmax<T extends Tensor, D extends number>(
  x: T,
  dim: FitDim<T, D>,
  options?: { readonly dtype?: DType },
): Tensor<ShapeOf<T>> {
  checkTensors('softmax', x);
  return (x as Tensor).softmax(dim as number, options);
}

/** x − log Σ eˣ along `dim`. */
export function logSoftmax<T extends Tensor, D extends number>(
  x: T,
  dim: FitDim<T, D>,
  options?: { readonly dtype?: DType },
): Tensor<ShapeOf<T>> {
  checkTensors('logSoftmax', x);
  return (x as Tensor).logSoftmax(dim as number, options);
}

/** −w[c] x[c] at each target class c: the loss of log-probabilities `x`. */
export function nllLoss<X extends Tensor, Y extends Tensor, R extends loss.Reduction = 'mean'>(
  x: X,
  target: FitClasses<X, Y, R>,
  options?: loss.NllLossOptions & { readonly reduction?: R },
): Tensor<NllLossOf<X, Y, R>> {
  checkOptions('nllLoss', options, LOSS.slice(0, 3));
  return loss.nllLoss(x, target as Tensor, options) as Tensor;
}

/** The cross entropy of logits with classes (int32) or class probabilities. */
export function crossEntropy<X extends Tensor, Y extends Tensor, R extends loss.Reduction = 'mean'>(
  x: X,
  target: FitTarget<X, Y, R>,
  options?: loss.CrossEntropyOptions & { readonly reduction?: R },
): Tensor<CrossEntropyOf<X, Y, R>> {
  checkOptions('crossEntropy', options, LOSS);
  return loss.crossEntropy(x, target as Tensor, options) as Tensor;
}

/** What `elementwise` makes of a function of scalars. */
export interface Fused<S extends readonly Scalar[], R extends ScalarResult> {
  (...xs: { [K in keyof S]: Operand }): R extends readonly Scalar[] ? { -readonly [K in keyof R]: Tensor } : Tensor;
  /** Writes the results over these tensors. */
  into(
    targets: R extends readonly Scalar[] ? { readonly [K in keyof R]: Tensor } : Tensor,
    ...xs: { [K in keyof S]: Operand }
  ): void;
}

/**
 * A fused elementwise operation from a function of scalars: one kernel forward, one backward, and
 * every derivative derived from the function. `f` is called once, with symbols: write it with their
 * methods (`x.mul(y).add(x.sin())`), and choose with `x.gt(0).where(a, b)` instead of `if`. A function
 * that returns an array of scalars gives as many tensors, still from one kernel. `arity` says how many
 * arguments there are where `f` takes them as a rest parameter.
 *
 * @example
 * const swish = elementwise((x) => x.mul(x.sigmoid()));
 * const polar = elementwise((r, t) => [r.mul(t.cos()), r.mul(t.sin())]);
 *
 * The function has a method `into(targets, …arguments)` that writes its results over tensors of the shape
 * and dtype that they have, one for each: an in-place change like any other. They may be among the
 * arguments, and must not share memory with one another.
 *
 * @example
 * const momentum = elementwise((p, g, m) => [p.sub(m.mul(0.9).add(g).mul(0.1)), m.mul(0.9).add(g)]);
 * noGrad(() => momentum.into([p, m], p, p.grad, m));
 */
export function elementwise<S extends readonly Scalar[], const R extends ScalarResult>(
  f: (...xs: S) => R,
  name?: string,
  arity?: number,
): Fused<S, R> {
  checkTypes('elementwise', 'function', { f });
  if (name !== undefined) checkTypes('elementwise', 'string', { name });
  const op = userElementwise(
    f as unknown as (...xs: readonly Scalar[]) => ScalarResult,
    arity ?? f.length,
    name ?? f.name,
  );
  const call = (...xs: readonly Operand[]): never => op(xs) as never;
  const into = (targets: Tensor | readonly Tensor[], ...xs: readonly Operand[]): void =>
    op.into(Array.isArray(targets) ? (targets as readonly Tensor[]) : [targets as Tensor], xs);
  return Object.assign(call, { into }) as Fused<S, R>;
}

/** Whether something is a tensor of this library. */
export const isTensor = isBase as (x: unknown) => x is Tensor;

/**
 * The indices, one tensor for each dimension of `shape`, of the elements that a tensor of that shape has at these places
 * (whole numbers) of all its elements in a row: (p div steps) mod size. As in PyTorch no place is out of reach.
 *
 * @throws {DTypeError} when places are not whole numbers.
 * @throws {ShapeError} when a tensor of that shape has no elements, and there are places.
 */
export function unravelIndex(places: Tensor, shape: readonly number[]): Tensor[] {
  checkTensors('unravelIndex', places);
  const sizes = checkShape('unravelIndex', shape);
  if (isFloat(places.dtype) || places.dtype === 'bool')
    throw new DTypeError(`unravelIndex: expected 'indices' to be integer dtype, but got ${places.dtype}`);
  if (places.count > 0 && sizes.includes(0))
    throw new ShapeError(
      `unravelIndex: 'shape' cannot have zero dimensions when 'indices' is non-empty, but got ${shapeText(sizes)}`,
    );
  return sizes.map((size, d) => {
    // Of no places the indices are none, whatever is divided by.
    const step = numel(sizes.slice(d + 1)) || 1;
    return places.floorDivide(step).remainder(size || 1) as Tensor;
  });
}
