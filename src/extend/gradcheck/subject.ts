import { willChange } from '../../core/changes.ts';
import { isFloat } from '../../core/dtype.ts';
import { ArgumentError, AutogradError } from '../../core/errors.ts';
import { sameShape, shapeText } from '../../core/shape.ts';
import { alias, TensorBase } from '../../core/tensor.ts';
import { treeLeaves } from '../../core/tree.ts';
import { warn } from '../../core/warnings.ts';
import { copyKernel } from '../../ops/copy.ts';
import { fillKernel } from '../../ops/filled.ts';
import { readElement } from '../../ops/inspect.ts';
import { fromHost, hostArray } from '../../tensor/data.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { kindWord } from '../tensors.ts';

/** What is checked: any function of tensors (and other values) to tensors. */
export type CheckedFunction = (...args: never[]) => unknown;

const list = (x: unknown): readonly unknown[] => (Array.isArray(x) ? x : [x]);

/** The tensors of a result, which may be an array or an object of them, as of `max` and `sort`. Without any nothing would be checked. */
function tensorsOf(result: unknown): Tensor[] {
  const found = treeLeaves(result);
  if (found.length === 0)
    throw new ArgumentError(`gradcheck: expected the function to return Tensors, got ${kindWord(result)}`);
  return found as Tensor[];
}

export const floats = (ts: readonly Tensor[]): Tensor[] => ts.filter((t) => isFloat(t.dtype));

export const values = (t: Tensor): Float64Array => Float64Array.from(t.toTypedArray());

/** A differentiable argument and its position. */
export interface Input {
  readonly tensor: Tensor;
  readonly index: number;
}

/** A function at a point. */
export class Subject {
  readonly args: readonly unknown[];
  /** Arguments that require grad. */
  readonly inputs: readonly Input[];
  readonly #f: (...args: readonly unknown[]) => unknown;

  constructor(name: string, f: CheckedFunction, args: unknown) {
    if (typeof f !== 'function') throw new ArgumentError(`${name}: expected a function, got ${kindWord(f)}`);
    this.#f = f as unknown as (...args: readonly unknown[]) => unknown;
    this.args = list(args);
    this.inputs = this.args.flatMap((a, index) =>
      a instanceof TensorBase && (a as Tensor).requiresGrad ? [{ tensor: a as Tensor, index }] : [],
    );
    this.#checkInputs(name);
  }

  #checkInputs(name: string): void {
    for (const a of this.args)
      if (a instanceof TensorBase && a.wrapped !== null)
        throw new AutogradError(
          `${name}: an input belongs to a transform; check functions outside of grad, vjp, jvp and vmap`,
        );
    for (const { tensor, index } of this.inputs) {
      if (tensor.dtype !== 'float64') {
        warn(
          'gradcheck',
          () =>
            `Input #${index} requires gradient and is not a double precision floating point or complex. This check will likely fail if all the inputs are not of double precision floating point or complex. `,
        );
      }
      if (tensor.strides.some((s, d) => s === 0 && tensor.shape[d] > 1)) {
        throw new AutogradError(
          `${name}: The ${index}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be able to compute the numerical gradients correctly. You should call .clone() on the input before passing it to gradcheck.`,
        );
      }
    }
    if (this.inputs.length === 0) {
      throw new ArgumentError(
        `${name}: gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True. Call requiresGrad_() on the inputs to check`,
      );
    }
  }

  /** The function at the point, or with other arguments at some positions. */
  call(...others: readonly (readonly [index: number, value: unknown])[]): unknown {
    const args = [...this.args];
    for (const [index, value] of others) args[index] = value;
    return this.#f(...args);
  }

  /** The tensors among the results. */
  results(...others: readonly (readonly [index: number, value: unknown])[]): Tensor[] {
    return tensorsOf(this.call(...others));
  }

  /**
   * The central differences of floating point results (among results like `like`) when one element of an
   * input moves by eps, or when the input moves by eps along a direction. The input itself is moved, and
   * put back.
   */
  difference(input: Input, along: number | Float64Array, eps: number, like: readonly Tensor[]): Float64Array[] {
    const { tensor, index } = input;
    const move = typeof along === 'number' ? moveElement(tensor, along) : moveAll(tensor, along);
    const at = (step: number): Float64Array[] => {
      move(step);
      const results = this.results();
      checkSame(results, like, index, eps);
      return floats(results).map(values);
    };
    try {
      const [down, up] = [at(-eps), at(eps)];
      return up.map((u, o) => u.map((v, k) => (v - down[o][k]) / (2 * eps)));
    } finally {
      move(0);
    }
  }
}

/** Moves an element of a tensor in its memory, unnoticed by the graph, as PyTorch writes to `x.data`. */
function moveElement(t: Tensor, element: number): (step: number) => void {
  let rest = element;
  let offset = t.offset;
  for (let d = t.shape.length - 1; d >= 0; d--) {
    offset += (rest % t.shape[d]) * t.strides[d];
    rest = Math.floor(rest / t.shape[d]);
  }
  const before = readElement(t, offset);
  const place = alias(t, [], [], offset);
  return (step) => {
    willChange(t);
    fillKernel(t.dtype).run([place], [before + step]);
  };
}

function moveAll(t: Tensor, direction: Float64Array): (step: number) => void {
  const before = values(t);
  return (step) => {
    const moved = hostArray(t.dtype, before.length);
    for (let k = 0; k < before.length; k++) moved[k] = before[k] + step * direction[k];
    willChange(t);
    copyKernel(t.dtype, t.dtype).run([t], [fromHost(moved, t.shape, t.dtype)]);
  };
}

function checkSame(outputs: readonly Tensor[], like: readonly Tensor[], index: number, eps: number): void {
  const fail = (what: string, a: unknown, b: unknown): never => {
    throw new ArgumentError(
      `gradcheck: Expected \`func\` to return outputs with the same ${what} when inputs are perturbed on index ${index} by ${eps}, but got: ${what}s ${String(a)} and ${String(b)}.`,
    );
  };
  if (outputs.length !== like.length) fail('number', outputs.length, like.length);
  outputs.forEach((y, o) => {
    if (!sameShape(y.shape, like[o].shape)) fail('shape', shapeText(y.shape), shapeText(like[o].shape));
    if (y.dtype !== like[o].dtype) fail('dtype', y.dtype, like[o].dtype);
  });
}
