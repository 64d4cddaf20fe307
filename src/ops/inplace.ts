import { sameMemory } from '../backends/wasm/heap.ts';
import { launching } from '../backends/wasm/threads/pending.ts';
import { closeNode, gradientNode, leaveGraph, openNode, retainAt, sync, topLevel } from '../core/apply.ts';
import { boundView } from '../core/bound-view.ts';
import { noteChange, willChange } from '../core/changes.ts';
import { isFloat } from '../core/dtype.ts';
import { AutogradError, DTypeError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { forwardLevel } from '../core/forward.ts';
import { haveInference, inferring } from '../core/inference.ts';
import { baseScope, scopeOf } from '../core/levels.ts';
import { canCast } from '../core/promotion.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import {
  alias,
  fresh,
  frozen,
  isInference,
  levelOf,
  metaOf,
  type Operand,
  placeOf,
  type TensorBase,
} from '../core/tensor.ts';
import { clone, copyKernel, toDType } from './copy.ts';
import type { ElementwiseOp } from './elementwise-op.ts';
import { applyToView, baseOf, changesGraph, rebase, rebaseInTransform, regionOf, takePlace } from './rebase.ts';
import { meets } from './region.ts';
import { type Writing, written } from './writing.ts';

/** Whether `x` may lie over `target` other than element by element: then writing would change what is still to be read. */
function crosses(x: Operand, target: TensorBase): boolean {
  return (
    typeof x !== 'number' &&
    x !== target &&
    x.wrapped === null &&
    sameMemory(x.storage, target.storage) &&
    !(x.offset === target.offset && sameShape(x.shape, target.shape) && sameShape(x.strides, target.strides))
  );
}

/** The inputs of a function whose results are written over `targets`, copied where that would change what is still to be read. */
export function uncrossed(targets: readonly TensorBase[], inputs: readonly Operand[]): readonly Operand[] {
  targets.forEach((t, i) => {
    const other = targets.findIndex((u) => sameMemory(u.storage, t.storage));
    if (other !== i)
      throw new ShapeError(
        `results ${other} and ${i} would be written to the same memory; give each a tensor of its own`,
      );
  });
  return inputs.map((x) => (targets.some((t) => crosses(x, t)) ? clone(x as TensorBase) : x));
}

/** Refuses in-place changes that would make a gradient wrong or undefined. `others` are the operands beside the target. */
export function checkInPlace(op: string, target: TensorBase, others: readonly Operand[] = []): void {
  if (
    target.wrapped === null
      ? !target.flat && meets(target)
      : (target.meta?.place ?? null) !== null && meets(placeOf(target))
  ) {
    throw new ShapeError(
      `${op}_: unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation. It has shape ${shapeText(target.shape)} and strides ${shapeText(placeOf(target).strides)}.`,
    );
  }
  checkGraph(op, target, others);
}

/** The part of the check that is about the graph alone, for what changes no values. */
export function checkGraph(op: string, target: TensorBase, others: readonly Operand[]): void {
  const { enabled } = scopeOf(levelOf(target));
  if (haveInference && !inferring && isInference(target) && !(enabled && target.tracked)) {
    throw new AutogradError(
      `${op}_: Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal tensor before doing inplace update: x.clone()`,
    );
  }
  if (!enabled) return;
  const { meta } = target;
  const base = meta === null ? null : meta.base;
  const detached = meta !== null && meta.creation === 'detached';
  const own = target.tracked || (base?.tracked === true && !detached);
  if (!own && !(isFloat(target.dtype) && others.some((x) => typeof x !== 'number' && x.tracked))) return;
  if (base !== null && !detached) {
    if (meta !== null && meta.creation !== 'plain') throw boundView(target, 'is being');
    if (own && base.node === null) throw leafChanged(op, 'a view of a leaf');
  }
  if (target.tracked && target.node === null) throw leafChanged(op, 'a leaf');
}

function leafChanged(op: string, what: string): AutogradError {
  return new AutogradError(
    `${op}_: ${what} Variable that requires grad is being used in an in-place operation. Update parameters inside noGrad(() => …), or work on a copy: x.clone()`,
  );
}

/** `target = op(target, …others)`, in the memory of `target`. */
export function inPlace(op: ElementwiseOp, inputs: readonly [TensorBase, ...Operand[]]): TensorBase {
  if (forwardLevel === null) return changeTo(op, inputs);
  const [target, ...others] = inputs;
  return forwardLevel.changeInPlace({
    name: op.name,
    target,
    others,
    run: () => changeTo(op, inputs),
    push: (primals, tangents, output) => op.jvp({ inputs: primals, tangents, outputs: [output], attrs: undefined })[0],
  });
}

function changeTo(op: ElementwiseOp, inputs: readonly [TensorBase, ...Operand[]]): TensorBase {
  const [target, ...others] = inputs;
  const level = topLevel(op.name, inputs);
  if (level === null) {
    checkInPlace(op.name, target, others);
    const apart = inputs.some((x) => crosses(x, target))
      ? ([target, ...others.map((x) => (crosses(x, target) ? clone(x as TensorBase) : x))] as const)
      : inputs;
    return baseOf(target) === null ? op.applyInto(apart) : applyToView(op, apart);
  }
  return inTransform(
    op.name,
    target,
    others,
    (now) => op.apply(inputs.map((x) => (x === target ? now : x))) as TensorBase,
  );
}

/**
 * `target = f(target)`, for operations that are no scalar function: `f` computes out of place, and the
 * target takes over the values, in its own memory, and their place in the graph. `f` may read the
 * tensor it is given and `others`, and must not change them.
 */
export function inPlaceOf(
  op: string,
  target: TensorBase,
  others: readonly Operand[],
  f: (x: TensorBase) => TensorBase,
): TensorBase {
  const level = topLevel(op, [target, ...others]);
  if (level !== null) return inTransform(op, target, others, f);
  if (forwardLevel === null) {
    // What f saves must survive the overwriting.
    const source = changesGraph(sync(target), others) ? copyInGraph(target) : target;
    changeToResult(op, target, others, () => f(source));
    return target;
  }
  let tangent: TensorBase | null = null;
  return forwardLevel.changeInPlace({
    name: op,
    target,
    others,
    run: (before) => {
      const source = copyInGraph(target);
      forwardLevel?.give(source, before);
      const result = changeToResult(op, target, others, () => f(source));
      tangent = forwardLevel?.tangentOf(result) ?? null;
      return target;
    },
    push: () => tangent,
  });
}

function changeToResult(
  op: string,
  target: TensorBase,
  others: readonly Operand[],
  compute: () => TensorBase,
): TensorBase {
  checkInPlace(op, target, others);
  const recorded = baseScope.enabled;
  const result = compute();
  checkResult(op, target, result);
  const isNews = recorded && (changesGraph(target, others) || result.tracked);
  const base = baseOf(target);
  const region = isNews && base !== null ? regionOf(target, base) : null;
  willChange(target);
  copyKernel(result.dtype, target.dtype).run([target], [result]);
  noteChange(target, `${op}_`);
  if (region !== null) {
    const changed = alias(target);
    standFor(changed, result);
    rebase(target, changed, region);
  } else if (isNews) standFor(target, result);
  return result;
}

/**
 * `target = op(target, …others)` for an operation that only overwrites a part: nothing but that part is
 * touched, unless backward needs what the target was.
 */
export function writeInPlace(name: string, target: TensorBase, call: Writing): TensorBase {
  const { op, others, attrs } = call;
  if (target.shape.length === 0 || forwardLevel !== null)
    return inPlaceOf(name, target, others, (x) => written(x, call));
  if (topLevel(name, [target, ...others]) !== null)
    return inTransform(name, target, others, (now) => written(now, call));
  checkInPlace(name, target, others);
  const apart = others.map((x) => (sameMemory(x.storage, target.storage) ? clone(x) : x));
  const recorded = changesGraph(target, apart);
  const node = recorded
    ? openNode(op, [target, ...apart], attrs, null, (x) => (x === target ? clone(target) : x))
    : null;
  const base = baseOf(target);
  const region = recorded && base !== null ? regionOf(target, base) : null;
  willChange(target);
  // Counted first: an index out of range is found when what comes before it is written.
  noteChange(target, `${name}_`);
  launching.name = `${name}_`;
  op.write(target, apart, attrs);
  const changed = region === null ? target : alias(target);
  if (node !== null) closeNode(node, changed);
  if (region !== null) rebase(target, changed, region);
  return target;
}

/** The values of a tensor in memory of their own, at its place in the graph. */
function copyInGraph(x: TensorBase): TensorBase {
  const copy = fresh(x.shape, x.dtype);
  copyKernel(x.dtype, x.dtype).run([copy], [x]);
  copy.tracked = x.tracked;
  copy.node = x.node;
  copy.outputIndex = x.outputIndex;
  if (x.tracked && x.node === null) metaOf(copy).accumulator = gradientNode(x);
  return copy;
}

/** Puts `t` where `result` is in the graph. */
export function standFor(t: TensorBase, result: TensorBase): void {
  if (!sync(result).tracked) {
    leaveGraph(t);
    return;
  }
  let from = result.dtype === t.dtype ? result : toDType(result, t.dtype);
  // The gradient of a leaf goes to that leaf.
  if (from.node === null) from = clone(from);
  if (t.node === from.node && t.outputIndex === from.outputIndex) return;
  t.tracked = true;
  t.node = from.node;
  t.outputIndex = from.outputIndex;
  retainAt(t.node, t);
}

/** Inside a transform values are immutable: the tensor takes over what the operation gave. */
function inTransform(
  op: string,
  target: TensorBase,
  others: readonly Operand[],
  f: (x: TensorBase) => TensorBase,
): TensorBase {
  checkInPlace(op, target, others);
  checkLevel(op, target, others);
  if (target.meta?.creation === 'detached') {
    throw new NotImplementedError(
      `${op}_: a detached tensor inside a transformed function cannot be changed in place: what it was detached from would have to change and keep its gradient. Clone it first: x.detach().clone()`,
    );
  }
  const result = f(frozen(target));
  checkResult(op, target, result);
  const now = toDType(result, target.dtype);
  if (baseOf(target) !== null) rebaseInTransform(target, now);
  else {
    takePlace(target, now);
    metaOf(target).baseVersion += 1;
  }
  return target;
}

/** Refuses to write what is inside a transform to what is not. */
export function checkLevel(op: string, target: TensorBase, others: readonly Operand[]): void {
  const level = topLevel(op, [target, ...others]);
  if (level !== levelOf(target)) {
    throw new AutogradError(
      level?.kind === 'batch'
        ? `${op}_: vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor \`other\` in extra_args that has more elements than \`self\`: a tensor from outside the transformed function would have to hold values from inside. Write it out of place: y = x.${op}(…)`
        : `${op}_: During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place operation (${op}_) that would mutate a captured Tensor. This is not supported; please rewrite the function being transformed to explicitly accept the mutated Tensor(s) as inputs, make it inside (zerosLike(x)), or write it out of place: y = x.${op}(…)`,
    );
  }
}

function checkResult(name: string, target: TensorBase, result: TensorBase): void {
  if (!canCast(result.dtype, target.dtype))
    throw new DTypeError(
      `${name}_: result type ${result.dtype} can't be cast to the desired output type ${target.dtype}`,
    );
  if (!sameShape(result.shape, target.shape))
    throw new ShapeError(
      `${name}_: output with shape ${shapeText(target.shape)} doesn't match the broadcast shape ${shapeText(result.shape)}`,
    );
}
