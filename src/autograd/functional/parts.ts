import { kindOf } from '../../core/arguments.ts';
import { ArgumentError, AutogradError, ShapeError } from '../../core/errors.ts';
import { baseScope, currentScope } from '../../core/levels.ts';
import { sameShape, shapeText } from '../../core/shape.ts';
import { TensorBase } from '../../core/tensor.ts';
import { zerosLike } from '../../ops/create.ts';
import { detach } from '../../ops/detach.ts';
import { view } from '../../ops/view.ts';
import { grad, setRequiresGrad } from '../api.ts';

/*
 * The pieces that the functions of this folder are made of. They work on arrays of tensors and remember
 * whether the user gave one tensor or an array.
 */

export interface Several {
  readonly tensors: readonly TensorBase[];
  /** Whether an array was given. */
  readonly many: boolean;
}

export function several(x: unknown, what: string, fn: string): Several {
  const many = Array.isArray(x);
  const tensors: readonly unknown[] = many ? x : [x];
  tensors.forEach((t, i) => {
    if (t instanceof TensorBase) return;
    throw new ArgumentError(
      many
        ? `The ${what} given to ${fn} must be either a Tensor or a tuple of Tensors but the value at index ${i} has type ${kindOf(t)}.`
        : `The ${what} given to ${fn} must be either a Tensor or a tuple of Tensors but the given ${what} has type ${kindOf(t)}.`,
    );
  });
  return { tensors: tensors as readonly TensorBase[], many };
}

/** One or an array, as it was given. */
export function like(given: Several, results: readonly unknown[]): unknown {
  return given.many ? results : results[0];
}

/**
 * Tensors to differentiate by. They are new ones, so that they differ from the same tensors captured by
 * the user's function; with `createGraph` they are connected with the given ones.
 */
export function prepared(tensors: readonly TensorBase[], createGraph: boolean, needGraph: boolean): TensorBase[] {
  return tensors.map((t) => {
    if (createGraph && t.tracked) return view(t, t.shape);
    const fresh = detach(t);
    setRequiresGrad(fresh, needGraph);
    return fresh;
  });
}

/** Results for the user: outside the graph unless a graph was asked for. */
export function finished(tensors: readonly TensorBase[], createGraph: boolean): readonly TensorBase[] {
  return createGraph ? tensors : tensors.map(detach);
}

/** Runs `body` with recording on, whatever the mode around. */
export function recording<R>(body: () => R): R {
  const scopes = [baseScope, currentScope()];
  const before = scopes.map((scope) => scope.enabled);
  for (const scope of scopes) scope.enabled = true;
  try {
    return body();
  } finally {
    scopes.forEach((scope, i) => {
      scope.enabled = before[i];
    });
  }
}

/** Refuses a `v` that does not fit the tensors it is multiplied with. */
export function checkVector(v: readonly TensorBase[], other: Several): void {
  if (v.length !== other.tensors.length) {
    throw new ArgumentError(
      other.many
        ? `v is a tuple of invalid length: should be ${other.tensors.length} but got ${v.length}.`
        : 'The given v should contain a single Tensor.',
    );
  }
  v.forEach((t, i) => {
    const { shape } = other.tensors[i];
    if (!sameShape(t.shape, shape))
      throw new ShapeError(
        `${other.many ? `Entry ${i} in ` : ''}v has invalid size: should be ${shapeText(shape)} but got ${shapeText(t.shape)}.`,
      );
  });
}

const NOT_STRICT = 'This is not allowed in strict mode.';

/** What a tensor without gradient means, by what it is. */
const INDEPENDENT = {
  outputs: (i: number) =>
    `Output ${i} of the user-provided function does not require gradients. The outputs must be computed in a differentiable manner from the input when running in strict mode.`,
  gradients: (i: number) =>
    `The gradient with respect to input ${i} is independent of the inputs of the user-provided function. ${NOT_STRICT}`,
  jacobian: (i: number) =>
    `While computing the hessian, found that the jacobian of the user-provided function with respect to input ${i} is independent of the input. ${NOT_STRICT} You should ensure that your function is twice differentiable and that the jacobian depends on the inputs (this would be violated by a linear function for example).`,
  hessian: (i: number) =>
    `The hessian of the user-provided function with respect to input ${i} is independent of the input. ${NOT_STRICT} You should ensure that your function is thrice differentiable and that the hessian depends on the inputs.`,
};

/** In strict mode, everything must depend on the inputs. */
export function checkDependent(
  tensors: readonly (TensorBase | null)[],
  what: keyof typeof INDEPENDENT,
  strict: boolean,
): void {
  if (!strict) return;
  tensors.forEach((t, i) => {
    if (t === null)
      throw new AutogradError(`The output of the user-provided function is independent of input ${i}. ${NOT_STRICT}`);
    if (!t.tracked) throw new AutogradError(INDEPENDENT[what](i));
  });
}

/** `autograd.grad` where some outputs (or all) may need no gradients, or be missing. */
export function gradients(
  outputs: readonly (TensorBase | null)[],
  inputs: readonly TensorBase[],
  gradOutputs: readonly (TensorBase | null)[] | null,
  createGraph: boolean,
  retainGraph: boolean = createGraph,
): (TensorBase | null)[] {
  const roots: TensorBase[] = [];
  const given: (TensorBase | null)[] = [];
  outputs.forEach((y, i) => {
    if (y === null || !y.tracked) return;
    roots.push(y);
    given.push(gradOutputs === null ? null : gradOutputs[i]);
  });
  if (roots.length === 0) return inputs.map(() => null);
  return grad(roots, inputs, { gradOutputs: given, allowUnused: true, createGraph, retainGraph });
}

/** In which of several passes a gradient was found missing. */
const MISSING = {
  back: (i: number) => `The output of the user-provided function is independent of input ${i}. ${NOT_STRICT}`,
  backTrick: (i: number) =>
    `The gradient with respect to the input is independent of entry ${i} in the grad_outputs when using the double backward trick to compute forward mode gradients. ${NOT_STRICT}`,
  doubleBack: (i: number) => `The jacobian of the user-provided function is independent of input ${i}. ${NOT_STRICT}`,
  doubleBackTrick: (i: number) =>
    `The hessian of the user-provided function is independent of entry ${i} in the grad_jacobian. This is not allowed in strict mode as it prevents from using the double backward trick to replace forward mode AD.`,
};

/** Zeros for missing gradients; in strict mode they are errors. */
export function filled(
  grads: readonly (TensorBase | null)[],
  refs: readonly TensorBase[],
  stage: keyof typeof MISSING,
  { strict, createGraph }: Required<FunctionalOptions>,
): TensorBase[] {
  return grads.map((g, i) => {
    if (g === null) {
      if (strict) throw new AutogradError(MISSING[stage](i));
      return zerosLike(refs[i]);
    }
    if (strict && createGraph && !g.tracked) {
      const what = stage.startsWith('double') ? 'hessian' : 'jacobian';
      throw new AutogradError(
        `The ${what} of the user-provided function is independent of input ${i}. This is not allowed in strict mode when createGraph=true.`,
      );
    }
    return g;
  });
}

export interface FunctionalOptions {
  /** Compute the results in a differentiable way. */
  readonly createGraph?: boolean;
  /** An error instead of zeros where an output does not depend on an input. */
  readonly strict?: boolean;
}

export type Untyped = (...inputs: readonly unknown[]) => unknown;

export function checkFunction(fn: string, f: unknown): asserts f is Untyped {
  if (typeof f !== 'function')
    throw new ArgumentError(`autograd.functional.${fn}: expected a function of Tensors, got ${kindOf(f)}`);
}
