import { topLevel } from '../core/apply.ts';
import { kindOf } from '../core/arguments.ts';
import { noteChange, willChange } from '../core/changes.ts';
import { ArgumentError } from '../core/errors.ts';
import { forwardLevel } from '../core/forward.ts';
import { isTensor, type Operand, type TensorBase } from '../core/tensor.ts';
import { type Scalar, type ScalarResult, trace } from '../kernels/build.ts';
import { ops } from './elementwise.ts';
import { ElementwiseOp, type ElementwiseOptions } from './elementwise-op.ts';
import { checkInPlace, inPlace, uncrossed } from './inplace.ts';
import { changesGraph } from './rebase.ts';

export interface UserElementwise<R extends ScalarResult> {
  (inputs: readonly Operand[]): R extends Scalar ? TensorBase : readonly TensorBase[];
  /** Writes the results over tensors, which may be among the inputs. */
  into(targets: readonly TensorBase[], inputs: readonly Operand[]): void;
}

/**
 * An elementwise operation of the user's own, from a function of scalars to one or several. It is not
 * registered: it lives as long as it is held.
 */
export function userElementwise<R extends ScalarResult>(
  f: (...xs: readonly Scalar[]) => R,
  arity: number,
  name: string,
  options: ElementwiseOptions = { kind: 'float', differentiable: true },
): UserElementwise<R> {
  let several = false;
  const fn = trace(
    (...xs) => {
      const result = f(...xs);
      several = Array.isArray(result);
      return result;
    },
    arity,
    name,
  );
  const op = new ElementwiseOp(fn, options);
  const check = (inputs: readonly Operand[]): void => {
    if (inputs.length !== arity) throw new ArgumentError(`${fn.name}: takes ${arity} arguments, got ${inputs.length}`);
    if (!inputs.some(isTensor)) throw new ArgumentError(`${fn.name}: at least one argument must be a Tensor`);
    inputs.forEach((x, i) => {
      if (typeof x !== 'number' && !isTensor(x))
        throw new ArgumentError(`${fn.name}: argument ${i} must be a Tensor or a number, got ${kindOf(x)}`);
    });
  };
  const call = (inputs: readonly Operand[]): never => {
    check(inputs);
    const y = op.invoke(inputs);
    // A function that returns an array of one is answered with an array of one.
    return (several && isTensor(y) ? [y] : y) as never;
  };
  const into = (targets: readonly TensorBase[], inputs: readonly Operand[]): void => {
    check(inputs);
    if (targets.length !== fn.outs.length || !targets.every(isTensor))
      throw new ArgumentError(
        `${fn.name}: into takes a Tensor for each of ${fn.outs.length} results, got ${targets.length}`,
      );
    writeResults(op, targets, inputs);
  };
  return Object.assign(call, { into });
}

function writeResults(op: ElementwiseOp, targets: readonly TensorBase[], inputs: readonly Operand[]): void {
  const plain = forwardLevel === null && topLevel(op.name, [...targets, ...inputs]) === null;
  if (plain && !targets.some((t) => changesGraph(t, inputs))) {
    for (const t of targets) checkInPlace(op.name, t, inputs);
    const apart = uncrossed(targets, inputs);
    for (const t of targets) willChange(t);
    op.writeAll(targets, apart);
    for (const t of targets) noteChange(t, op.inPlaceName);
    return;
  }
  const results = op.invoke(inputs);
  targets.forEach((t, i) => {
    inPlace(ops.copy, [t, isTensor(results) ? results : results[i]]);
  });
}

/** An operation of the library's own, made when it is first called. */
export function fused(
  name: string,
  f: (...xs: readonly Scalar[]) => Scalar,
  arity: number,
  options?: ElementwiseOptions,
): (...xs: readonly Operand[]) => TensorBase {
  let op: UserElementwise<Scalar> | null = null;
  return (...xs) => {
    op ??= userElementwise(f, arity, name, options);
    return op(xs);
  };
}
