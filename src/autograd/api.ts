import { free, releaseHeld } from '../backends/wasm/heap.ts';
import { gradientNode, isLost, retainAt, sync } from '../core/apply.ts';
import { kindOf } from '../core/arguments.ts';
import { isFloat } from '../core/dtype.ts';
import { dtypeAt, GradientEdge, isTracked, levelAt, type Place, shapeAt } from '../core/edge.ts';
import { ArgumentError, AutogradError, DTypeError, ShapeError } from '../core/errors.ts';
import { haveInference, inferring } from '../core/inference.ts';
import { numel, sameShape, shapeText } from '../core/shape.ts';
import { type AutogradMeta, isInference, isTensor, metaOf, type TensorBase } from '../core/tensor.ts';
import { warn } from '../core/warnings.ts';
import { zeros } from '../ops/create.ts';
import { runBackward } from './engine.ts';
import { settle } from './nesting.ts';

export interface BackwardOptions<T extends TensorBase = TensorBase> {
  /** The gradient of what is differentiated by the tensor; may be left out for one element. */
  readonly gradient?: T | null;
  /** Keep the graph for another pass; defaults to `createGraph`. */
  readonly retainGraph?: boolean;
  /** Record the pass, so that gradients can be differentiated. */
  readonly createGraph?: boolean;
  /** Accumulate into these only; results among them keep their gradients from then on, as by `retainGrad`. */
  readonly inputs?: OneOrMany<T | GradientEdge>;
}

export type OneOrMany<T> = T | readonly T[];
export const list = <T>(x: OneOrMany<T>): readonly T[] => (Array.isArray(x) ? (x as readonly T[]) : [x as T]);

function isPlace(x: unknown): x is Place {
  return isTensor(x) || x instanceof GradientEdge;
}

function checkRoots(roots: readonly Place[]): void {
  if (roots.length === 0) throw new ArgumentError('backward: expected at least one tensor to differentiate');
  for (let i = 0; i < roots.length; i++) {
    const t = roots[i];
    if (!isPlace(t)) throw new ArgumentError(`backward: element ${i} of tensors is ${kindOf(t)}, not a Tensor`);
    if (!isTracked(t)) {
      throw new AutogradError(
        `element ${i} of tensors does not require grad and does not have a grad_fn. Set requiresGrad on a leaf it is computed from (x.requiresGrad_()), and compute it outside noGrad.`,
      );
    }
    if (levelAt(t) !== levelAt(roots[0]))
      throw new AutogradError('backward: the tensors belong to different transforms; differentiate them one by one');
  }
}

const NO_OPTIONS = Object.freeze({});

const ONE_NONE: readonly null[] = [null];
/** As many times no cotangent. */
const none = (n: number): readonly null[] => (n === 1 ? ONE_NONE : new Array<null>(n).fill(null));

/** Checks the cotangents to start from; null stands for 1, which is only for tensors of one element. */
function cotangents(
  roots: readonly Place[],
  given: readonly (TensorBase | null | undefined)[],
): readonly (TensorBase | null)[] {
  if (given.length !== roots.length)
    throw new AutogradError(`backward: got ${roots.length} tensors and ${given.length} gradients`);
  if (roots.length > 1) return roots.map((root, i) => cotangent(root, given[i], i));
  const only = cotangent(roots[0], given[0], 0);
  return only === null ? ONE_NONE : [only];
}

function cotangent(root: Place, g: TensorBase | null | undefined, i: number): TensorBase | null {
  const shape = shapeAt(root);
  if (g === null || g === undefined) {
    if (numel(shape) !== 1) {
      throw new AutogradError(
        `grad can be implicitly created only for scalar outputs, but output ${i} has shape ${shapeText(shape)}. Pass the gradient: y.backward({ gradient: onesLike(y) }), or reduce first: y.sum().backward()`,
      );
    }
    return null;
  }
  if (!isTensor(g)) throw new ArgumentError(`backward: gradients can be either Tensors or null, but got ${kindOf(g)}`);
  if (!sameShape(g.shape, shape)) {
    throw new ShapeError(
      `Mismatch in shape: grad_output[${i}] has a shape of ${shapeText(g.shape)} and output[${i}] has a shape of ${shapeText(shape)}.`,
    );
  }
  return g;
}

/** Gradients of several tensors at once, added into the leaves' `.grad`. */
export function backward(
  tensors: OneOrMany<Place>,
  options: Omit<BackwardOptions, 'gradient'> & {
    readonly gradient?: OneOrMany<TensorBase | null> | undefined;
  } = NO_OPTIONS,
): void {
  const roots = list(tensors);
  const createGraph = options.createGraph ?? false;
  const inputs = options.inputs === undefined ? null : list(options.inputs);
  if (inputs !== null && inputs.length === 0)
    throw new AutogradError(
      "backward: 'inputs' argument to backward() cannot be empty. Leave it out to accumulate into all leaves.",
    );
  checkRoots(roots);
  inputs?.forEach((t, i) => {
    if (!isPlace(t)) throw new ArgumentError(`backward: inputs[${i}] is ${kindOf(t)}, not a Tensor`);
    if (!isTracked(t))
      throw new AutogradError(`backward: One of the differentiated Tensors does not require grad: inputs[${i}]`);
  });
  const { gradient } = options;
  const seeds = cotangents(roots, gradient === undefined || gradient === null ? none(roots.length) : list(gradient));
  if (createGraph) {
    warn(
      'createGraph',
      () =>
        'Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient: the graph (createGraph: true) lives as long as the gradient does. Use autograd.grad when creating the graph to avoid this, or set .grad of the parameters to null after use.',
    );
  }
  inputs?.forEach((t) => {
    if (isTensor(t)) retainGrad(t);
  });
  runBackward(roots, seeds, {
    retainGraph: options.retainGraph ?? createGraph,
    createGraph,
    inputs,
    accumulate: true,
  });
}

export interface GradOptions {
  /** One per output; may be left out for outputs of one element. */
  readonly gradOutputs?: OneOrMany<TensorBase | null>;
  readonly retainGraph?: boolean;
  readonly createGraph?: boolean;
  /** Inputs that the outputs do not depend on give null instead of an error. */
  readonly allowUnused?: boolean;
  /** Such inputs give zeros. */
  readonly materializeGrads?: boolean;
}

/** Gradients of `outputs` by `inputs`, returned and not accumulated. */
export function grad(
  outputs: OneOrMany<Place>,
  inputs: OneOrMany<Place>,
  options: GradOptions = {},
): (TensorBase | null)[] {
  const roots = list(outputs);
  const wanted = list(inputs);
  const createGraph = options.createGraph ?? false;
  if (options.materializeGrads && options.allowUnused === false) {
    throw new ArgumentError(
      'autograd.grad: Expected allowUnused to be true or not passed when materializeGrads is true, but got: false.',
    );
  }
  const allowUnused = options.allowUnused ?? options.materializeGrads ?? false;
  if (wanted.length === 0) throw new ArgumentError('autograd.grad: grad requires non-empty inputs.');
  checkRoots(roots);
  wanted.forEach((t, i) => {
    if (!isPlace(t)) throw new ArgumentError(`autograd.grad: inputs[${i}] is not a Tensor`);
    if (options.materializeGrads && t instanceof GradientEdge)
      throw new AutogradError(
        `autograd.grad: materializeGrads cannot be used when the given input is a GradientEdge (inputs[${i}])`,
      );
    if (!isTracked(t))
      throw new AutogradError(`One of the differentiated Tensors does not require grad: inputs[${i}] of autograd.grad`);
  });
  const given =
    options.gradOutputs === undefined || options.gradOutputs === null
      ? roots.map(() => null)
      : list(options.gradOutputs);
  const grads = runBackward(roots, cotangents(roots, given), {
    retainGraph: options.retainGraph ?? createGraph,
    createGraph,
    inputs: wanted,
    accumulate: false,
  });
  return grads.map((g, i) => {
    if (g !== null) return g;
    if (options.materializeGrads) {
      const zero = zeros(shapeAt(wanted[i]), dtypeAt(wanted[i]));
      zero.tracked = createGraph;
      return zero;
    }
    if (!allowUnused) {
      throw new AutogradError(
        `One of the differentiated Tensors appears to not have been used in the graph. Set allowUnused: true if this is the desired behavior. It is inputs[${i}] of autograd.grad.`,
      );
    }
    return null;
  });
}

export function isLeaf(t: TensorBase): boolean {
  return isLost(t) ? t.node === null : sync(t).node === null;
}

export function setRequiresGrad(t: TensorBase, value: boolean, strict = false): void {
  if (typeof value !== 'boolean') throw new ArgumentError(`requiresGrad must be true or false, got ${String(value)}`);
  if (value && !isFloat(t.dtype)) {
    throw new DTypeError(
      `only Tensors of floating point dtype can require gradients, this one is ${t.dtype}; convert it first: x.to('float32').requiresGrad_()`,
    );
  }
  if (!isLeaf(t)) {
    if (value && !strict) return;
    throw new AutogradError(
      "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph that doesn't require differentiation use x.detach().",
    );
  }
  if (value && haveInference && !inferring && isInference(t)) {
    throw new AutogradError(
      'Setting requires_grad=True on inference tensor outside InferenceMode is not allowed. Clone it to get a normal tensor: x.clone().requiresGrad_()',
    );
  }
  if (t.wrapped !== null && value !== t.tracked) {
    throw new AutogradError(
      'You are attempting to call Tensor.requiresGrad_() inside of a function being transformed. Gradients inside are what the transform computes: use grad, vjp or jacobian instead.',
    );
  }
  t.tracked = value;
}

export function retainGrad(t: TensorBase): void {
  if (!sync(t).tracked)
    throw new AutogradError(
      "can't retain_grad on Tensor that has requires_grad=False; set requiresGrad on what it is computed from",
    );
  if (t.node === null) return;
  const meta = metaOf(t);
  if (meta.retainsGrad) return;
  meta.retainsGrad = true;
  retainAt(gradientNode(t), t);
}

/** The `.grad` of a tensor. */
export function gradOf(t: TensorBase): TensorBase | null {
  settle();
  const grad = t.meta?.grad ?? null;
  // From now on it is the user's.
  if (grad !== null && grad.storage.owner === t.meta) grad.storage.owner = null;
  if (grad === null && t.node !== null && !t.meta?.retainsGrad) {
    warn(
      'nonLeafGrad',
      () =>
        "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retainGrad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead.",
    );
  }
  return grad;
}

export function setGrad(t: TensorBase, value: TensorBase | null): void {
  settle();
  if (value === null || value === undefined) {
    forgetGrad(t.meta);
    return;
  }
  if (!isTensor(value))
    throw new ArgumentError(
      `assigned grad expected to be a Tensor or None but got grad of type ${typeof value}; null resets it`,
    );
  if (value === t) throw new AutogradError("can't assign Variable as its own grad");
  if (value.dtype !== t.dtype)
    throw new DTypeError(`assigned grad has data of a different type: ${value.dtype}, the tensor has ${t.dtype}`);
  if (!sameShape(value.shape, t.shape))
    throw new ShapeError(
      `assigned grad has data of a different size: ${shapeText(value.shape)}, the tensor has ${shapeText(t.shape)}`,
    );
  forgetGrad(t.meta);
  metaOf(t).grad = value;
}

/** Nobody can miss a gradient that nobody has seen: its memory is free at once. One that somebody has seen is most likely dead. */
function forgetGrad(meta: AutogradMeta | null): void {
  const storage = meta?.grad?.storage;
  if (meta === null || storage === undefined) return;
  meta.grad = null;
  if (storage.owner !== meta) {
    releaseHeld(storage);
    return;
  }
  storage.owner = null;
  free(storage);
}
