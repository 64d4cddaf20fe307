import { ArgumentError } from '../core/errors.ts';
import { type Operand, TensorBase } from '../core/tensor.ts';
import { type Scalar, type ScalarResult, trace } from '../kernels/build.ts';
import { ElementwiseOp } from './elementwise-op.ts';

/**
 * An elementwise operation of the user's own, from a function of scalars to one or several. It is not
 * registered: it lives as long as it is held.
 */
export function userElementwise<R extends ScalarResult>(
  f: (...xs: readonly Scalar[]) => R,
  arity: number,
  name: string,
): (inputs: readonly Operand[]) => R extends Scalar ? TensorBase : readonly TensorBase[] {
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
  const op = new ElementwiseOp(fn, { kind: 'float', differentiable: true });
  return (inputs) => {
    if (inputs.length !== arity) throw new ArgumentError(`${fn.name}: takes ${arity} arguments, got ${inputs.length}`);
    if (!inputs.some((x) => x instanceof TensorBase))
      throw new ArgumentError(`${fn.name}: at least one argument must be a Tensor`);
    inputs.forEach((x, i) => {
      if (typeof x !== 'number' && !(x instanceof TensorBase))
        throw new ArgumentError(
          `${fn.name}: argument ${i} must be a Tensor or a number, got ${x === null ? 'null' : typeof x}`,
        );
    });
    const y = op.apply(inputs);
    // A function that returns an array of one is answered with an array of one.
    return (several && y instanceof TensorBase ? [y] : y) as never;
  };
}
