import { ArgumentError } from '../core/errors.ts';
import { type Operand, TensorBase } from '../core/tensor.ts';
import { type Scalar, trace } from '../kernels/build.ts';
import { ElementwiseOp } from './elementwise-op.ts';

/** An elementwise operation of the user's own, from a function of scalars. It is not registered: it lives as long as it is held. */
export function userElementwise(
  f: (...xs: readonly Scalar[]) => Scalar,
  arity: number,
  name: string,
): (inputs: readonly Operand[]) => TensorBase {
  const fn = trace(f, arity, name);
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
    return op.call(...inputs);
  };
}
