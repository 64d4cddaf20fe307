import { ArgumentError } from '../../core/errors.ts';
import { shapeText } from '../../core/shape.ts';
import type { TensorBase } from '../../core/tensor.ts';
import { onesLike, zerosLike } from '../../ops/create.ts';
import {
  checkDependent,
  checkVector,
  type FunctionalOptions,
  filled,
  finished,
  gradients,
  like,
  prepared,
  recording,
  type Several,
  several,
  type Untyped,
} from './parts.ts';

type Settings = Required<FunctionalOptions>;

const OUTPUTS = 'outputs of the user-provided function';

/** `v` as it takes part in the computation; null when it was left out. */
function vector(fn: string, v: unknown, createGraph: boolean): TensorBase[] | null {
  return v === null || v === undefined ? null : prepared(several(v, 'v', fn).tensors, createGraph, false);
}

/** `v` for inputs; where there is one number, it may be left out and is 1. */
function alongInputs(fn: string, v: unknown, inputs: Several, createGraph: boolean): TensorBase[] {
  const given = vector(fn, v, createGraph);
  if (given !== null) {
    checkVector(given, inputs);
    return given;
  }
  const [x] = inputs.tensors;
  if (inputs.tensors.length !== 1 || x.count !== 1)
    throw new ArgumentError(
      'The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.',
    );
  return [onesLike(x)];
}

function pair(outputs: Several, inputs: Several, result: readonly TensorBase[], createGraph: boolean): unknown {
  return [like(outputs, finished(outputs.tensors, createGraph)), like(inputs, finished(result, createGraph))];
}

export function vjp(f: Untyped, x: unknown, v: unknown, settings: Settings): unknown {
  const { createGraph, strict } = settings;
  return recording(() => {
    const given = several(x, 'inputs', 'vjp');
    const inputs = prepared(given.tensors, createGraph, true);
    const outputs = several(f(...inputs), OUTPUTS, 'vjp');
    checkDependent(outputs.tensors, 'outputs', strict);
    const along = vector('vjp', v, createGraph);
    if (along !== null) checkVector(along, outputs);
    else if (outputs.tensors.length !== 1 || outputs.tensors[0].count !== 1)
      throw new ArgumentError(
        'The vector v can only be None if the user-provided function returns a single Tensor with a single element.',
      );
    const found = gradients(outputs.tensors, inputs, along, createGraph);
    return pair(outputs, given, filled(found, inputs, 'back', settings), createGraph);
  });
}

/**
 * Jv by reverse mode twice: the vjp is linear in its cotangent u, so that the gradient by u of ⟨Jᵀu, v⟩
 * is Jv, whatever u is.
 */
export function jvp(f: Untyped, x: unknown, v: unknown, settings: Settings): unknown {
  const { createGraph, strict } = settings;
  return recording(() => {
    const given = several(x, 'inputs', 'jvp');
    const inputs = prepared(given.tensors, createGraph, true);
    const along = alongInputs('jvp', v, { ...given, tensors: inputs }, createGraph);
    const outputs = several(f(...inputs), OUTPUTS, 'jvp');
    checkDependent(outputs.tensors, 'outputs', strict);
    const seeds = cotangentsToDifferentiate(outputs.tensors);
    const back = gradients(outputs.tensors, inputs, seeds, true);
    checkDependent(back, 'gradients', strict);
    const found = gradients(back, seeds, along, createGraph);
    return pair(outputs, outputs, filled(found, outputs.tensors, 'backTrick', settings), createGraph);
  });
}

/** Zeros that require grad. */
function cotangentsToDifferentiate(tensors: readonly TensorBase[]): TensorBase[] {
  return tensors.map((t) => {
    const u = zerosLike(t);
    u.tracked = true;
    return u;
  });
}

/** The scalar that a function gave, whose second derivatives are wanted. */
export function scalarOutput(fn: string, result: unknown, strict: boolean): Several {
  const outputs = several(result, OUTPUTS, fn);
  checkDependent(outputs.tensors, 'outputs', strict);
  if (outputs.many) throw new ArgumentError(`The function given to ${fn} should return a single Tensor`);
  const [y] = outputs.tensors;
  if (y.count !== 1)
    throw new ArgumentError(
      `The Tensor returned by the function given to ${fn} should contain a single element, got shape ${shapeText(y.shape)}`,
    );
  return outputs;
}

export function vhp(f: Untyped, x: unknown, v: unknown, settings: Settings): unknown {
  const { createGraph, strict } = settings;
  return recording(() => {
    const given = several(x, 'inputs', 'vhp');
    const inputs = prepared(given.tensors, createGraph, true);
    const along = alongInputs('vhp', v, { ...given, tensors: inputs }, createGraph);
    const outputs = scalarOutput('vhp', f(...inputs), strict);
    const jac = gradients(outputs.tensors, inputs, null, true);
    checkDependent(jac, 'jacobian', strict);
    const found = gradients(jac, inputs, along, createGraph);
    return pair(outputs, given, filled(found, inputs, 'doubleBack', settings), createGraph);
  });
}

/** Hv, from the vhp as `jvp` is from the vjp. */
export function hvp(f: Untyped, x: unknown, v: unknown, settings: Settings): unknown {
  const { createGraph, strict } = settings;
  return recording(() => {
    const given = several(x, 'inputs', 'hvp');
    const inputs = prepared(given.tensors, createGraph, true);
    const along = alongInputs('hvp', v, { ...given, tensors: inputs }, createGraph);
    const outputs = scalarOutput('hvp', f(...inputs), strict);
    const jac = gradients(outputs.tensors, inputs, null, true);
    checkDependent(jac, 'jacobian', strict);
    const seeds = cotangentsToDifferentiate(inputs);
    const back = gradients(jac, inputs, seeds, true);
    checkDependent(back, 'hessian', strict);
    const found = gradients(back, seeds, along, createGraph);
    return pair(outputs, given, filled(found, inputs, 'doubleBackTrick', settings), createGraph);
  });
}
