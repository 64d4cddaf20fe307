import { retainAt, topLevel } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { AutogradError, DTypeError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { scopeOf } from '../core/levels.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import { frozen, levelOf, metaOf, type Operand, type TensorBase } from '../core/tensor.ts';
import { clone, toDType } from './copy.ts';
import type { ElementwiseOp } from './elementwise-op.ts';
import { applyToView, baseOf } from './rebase.ts';

/** Whether two elements of `t` share a place in memory. */
function overlaps(t: TensorBase): boolean {
  return t.shape.some((n, d) => n > 1 && t.strides[d] === 0);
}

/** Whether `x` may lie over `target` other than element by element: then writing would change what is still to be read. */
function crosses(x: Operand, target: TensorBase): boolean {
  return (
    typeof x !== 'number' &&
    x.storage === target.storage &&
    x !== target &&
    x.wrapped === null &&
    !(x.offset === target.offset && sameShape(x.shape, target.shape) && sameShape(x.strides, target.strides))
  );
}

/** Refuses in-place changes that would make a gradient wrong or undefined. */
export function checkInPlace(op: string, target: TensorBase): void {
  if (target.wrapped === null && overlaps(target)) {
    throw new ShapeError(
      `${op}_: unsupported operation: more than one element of the written-to tensor refers to a single memory location (shape ${shapeText(target.shape)}, strides ${shapeText(target.strides)}). Please clone() the tensor before performing the operation.`,
    );
  }
  if (!scopeOf(levelOf(target)).enabled) return;
  const base = baseOf(target);
  if (base?.tracked && base.node === null) {
    throw new AutogradError(
      `${op}_: a view of a leaf Variable that requires grad is being used in an in-place operation. Update parameters inside noGrad(() => …), or work on a copy: x.clone()`,
    );
  }
  if (target.tracked && target.node === null) {
    throw new AutogradError(
      `${op}_: a leaf Variable that requires grad is being used in an in-place operation. Update parameters inside noGrad(() => …), or work on a copy: x.clone()`,
    );
  }
}

/** `target = op(target, …others)`, in the memory of `target`. */
export function inPlace(op: ElementwiseOp, inputs: readonly [TensorBase, ...Operand[]]): TensorBase {
  const [target] = inputs;
  checkInPlace(op.name, target);
  const level = topLevel(op.name, inputs);
  if (level === null) {
    const apart = inputs.some((x) => crosses(x, target))
      ? ([target, ...inputs.slice(1).map((x) => (crosses(x, target) ? clone(x as TensorBase) : x))] as const)
      : inputs;
    return baseOf(target) === null ? op.applyInto(apart) : applyToView(op, apart);
  }
  if (level !== levelOf(target)) {
    throw new AutogradError(
      `${op.name}_: vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor \`other\` in extra_args that has more elements than \`self\`: a tensor from outside the transformed function would have to hold values from inside. Write it out of place: y = x.${op.name}(…)`,
    );
  }
  if (baseOf(target) !== null) {
    throw new NotImplementedError(
      `${op.name}_: a view inside a transformed function cannot be changed in place: what it views would not see the change. Work out of place, for instance with where, cat or scatterAdd`,
    );
  }
  const now = frozen(target);
  const result = op.apply(inputs.map((x) => (x === target ? now : x))) as TensorBase;
  return takeOver(
    target,
    isFloat(target.dtype) && isFloat(result.dtype) ? toDType(result, target.dtype) : result,
    op.name,
  );
}

/** Inside a transform values are immutable: the tensor takes over what the operation gave. */
function takeOver(target: TensorBase, result: TensorBase, name: string): TensorBase {
  if (result.dtype !== target.dtype)
    throw new DTypeError(
      `${name}_: result type ${result.dtype} can't be cast to the desired output type ${target.dtype}`,
    );
  if (!sameShape(result.shape, target.shape))
    throw new ShapeError(
      `${name}_: output with shape ${shapeText(target.shape)} doesn't match the broadcast shape ${shapeText(result.shape)}`,
    );
  target.wrapped = result.wrapped;
  target.tracked = result.tracked;
  target.node = result.node;
  target.outputIndex = result.outputIndex;
  if (target.node !== null && target.meta?.retainsGrad) retainAt(target.node, target);
  metaOf(target).baseVersion += 1;
  return target;
}
