import { runBackward } from '../autograd/engine.ts';
import { settled } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { withLevel } from '../core/levels.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import { levelOf, type TensorBase } from '../core/tensor.ts';
import { auxParts, leavesLike, mapTree, resultLeaves, treeLeaves, treeText, withLeaves } from '../core/tree.ts';
import { onesLike, zeros } from '../ops/create.ts';
import { entering, GradLevel } from './levels.ts';
import { type Argnums, refuseArgument, select } from './positions.ts';

/** The result of running a function on a tape of its own. */
interface Taped {
  readonly result: unknown;
  /** Cotangents of the result's tensors, in order → gradients of the arguments' tensors, in order. Without `retainGraph` for the last time. */
  pullback(cotangents: readonly (TensorBase | null)[], retainGraph?: boolean): TensorBase[];
}

/**
 * Runs `f` with the tensors of `free` as leaves of a new tape. Those of `rest` are constants on it, but
 * tensors of the function's own, which it may change in place.
 */
export function tape(
  transform: string,
  f: (free: unknown, rest: readonly unknown[]) => unknown,
  free: unknown,
  rest: readonly unknown[] = [],
): Taped {
  const level = new GradLevel();
  const inputs: TensorBase[] = [];
  const lift = (t: TensorBase): TensorBase => {
    if (!isFloat(t.dtype))
      throw new DTypeError(
        `${transform}: only Tensors of floating point dtype can require gradients, got one of ${t.dtype}; convert with x.to('float32')`,
      );
    const leaf = entering(level.lift(t), t);
    leaf.tracked = true;
    inputs.push(leaf);
    return leaf;
  };
  // Tensors of an instance of a class would be constants, and the instance its own gradient.
  const leaves = mapTree(free, lift, (x) => (x && typeof x === 'object' ? refuseArgument(transform, x) : x));
  if (inputs.length === 0) refuseArgument(transform, free);
  const constants = rest.map((a) => mapTree(a, (t) => entering(level.lift(t), t)));
  const result = withLevel(level, () => settled(f(leaves, constants)));
  const outputs = treeLeaves(result);
  const lower = (t: TensorBase): TensorBase => level.lower(t);
  return {
    result: mapTree(result, lower),
    pullback(cotangents, retainGraph = true) {
      const roots: TensorBase[] = [];
      const seeds: TensorBase[] = [];
      outputs.forEach((y, i) => {
        const c = cotangents[i];
        if (c !== null && c !== undefined && y.tracked && levelOf(y) === level) {
          roots.push(y);
          seeds.push(c);
        }
      });
      const grads =
        roots.length === 0
          ? inputs.map(() => null)
          : runBackward(roots, seeds, {
              retainGraph,
              createGraph: false,
              inputs,
              accumulate: false,
              alone: level.alone,
            });
      return inputs.map((x, i) => {
        const g = grads[i];
        return g === null ? zeros(x.shape, x.dtype) : lower(g);
      });
    },
  };
}

function scalarResult(transform: string, result: unknown): TensorBase {
  const leaves = resultLeaves(transform, result);
  if (leaves.length !== 1)
    throw new ArgumentError(
      `${transform}: Expected f(*args) to return a Tensor, got ${treeText(result)}; for several outputs use vjp`,
    );
  const [y] = leaves;
  if (y.shape.length !== 0) {
    throw new ShapeError(
      `${transform}: Expected f(*args) to return a scalar tensor, got tensor with ${y.shape.length} dims, shape ${shapeText(y.shape)}. Reduce it (y.sum()), or use vjp or jacobian.`,
    );
  }
  if (!isFloat(y.dtype))
    throw new DTypeError(`${transform}: Expected f to return a tensor of floating point dtype, got ${y.dtype}`);
  return y;
}

/** What `grad` and `valueAndGrad` differentiate by, and whether the function returns more than its value. */
export interface GradOptions {
  /** Which argument (or arguments) to differentiate by; 0 by default. Negative counts from the end. */
  readonly argnums?: Argnums;
  /** `f` returns `[value, aux]`; aux is handed through. */
  readonly hasAux?: boolean;
}

/** [value, aux, gradients] of a scalar function. */
export function gradParts(
  transform: string,
  f: (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
  options: GradOptions,
): { value: TensorBase; aux: unknown; grads: unknown } {
  const { chosen, others, insert } = select(transform, options.argnums ?? 0, args);
  const taped = tape(
    transform,
    (free, all) => {
      const out = f(...insert(free, all));
      return options.hasAux ? auxParts(transform, out) : [out, []];
    },
    chosen,
    others,
  );
  const [result, aux] = taped.result as readonly [unknown, unknown];
  const value = scalarResult(transform, result);
  return { value, aux, grads: withLeaves(chosen, taped.pullback([onesLike(value)], false)) };
}

/** Checks cotangents against what the function returned, and gives them in the order of its tensors. */
export function matchCotangents(transform: string, result: unknown, given: unknown): TensorBase[] {
  const list = leavesLike(result, given);
  if (list === null)
    throw new ArgumentError(
      `${transform}: Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. cotangents: ${treeText(given)}, primal output: ${treeText(result)}`,
    );
  const outputs = treeLeaves(result);
  list.forEach((c, i) => {
    const { shape } = outputs[i];
    if (!sameShape(c.shape, shape))
      throw new ShapeError(
        `${transform}: Mismatch in shape: grad_output[${i}] has a shape of ${shapeText(c.shape)} and output[${i}] has a shape of ${shapeText(shape)}.`,
      );
  });
  return list;
}

/** The tensors of a result to pull back from, which must be differentiable ones. */
export function differentiableLeaves(transform: string, result: unknown): TensorBase[] {
  const outputs = resultLeaves(transform, result);
  for (const { dtype } of outputs)
    if (!isFloat(dtype))
      throw new DTypeError(
        `${transform}: vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype ${dtype}`,
      );
  return outputs;
}
