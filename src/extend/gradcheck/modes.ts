import * as api from '../../autograd/api.ts';
import { AutogradError, GradcheckError } from '../../core/errors.ts';
import { sameShape } from '../../core/shape.ts';
import { fromHost, hostArray } from '../../tensor/data.ts';
import type { Generator } from '../../tensor/generator.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { pushforward } from '../../transforms/forward.ts';
import { Jacobian } from './jacobian.ts';
import type { Settings } from './options.ts';
import { floats, type Input, type Subject, values } from './subject.ts';

/* Jacobians by differences, by reverse mode and by forward mode. */

/** Numbers as a tensor like another. */
export function like(t: Tensor, numbers: ArrayLike<number>): Tensor {
  const array = hostArray(t.dtype, t.numel());
  for (let k = 0; k < array.length; k++) array[k] = numbers[k];
  return fromHost(array, t.shape, t.dtype) as Tensor;
}

/** Random numbers from [0, 1). */
export function randoms(n: number, random: Generator): Float64Array {
  return random.fillUniform(new Float64Array(n));
}

/** A tensor of random numbers from [-1, 1), like another. */
export function drawn(t: Tensor, random: Generator): Tensor {
  return like(t, random.fillUniform(new Float64Array(t.numel()), -1, 1));
}

/** The k-th unit vector in the shape of a tensor. */
function unit(t: Tensor, k: number): Tensor {
  const numbers = new Float64Array(t.numel());
  numbers[k] = 1;
  return like(t, numbers);
}

/** Gradients of one output by all inputs, null where it does not depend on one. */
export function gradients(output: Tensor, inputs: readonly Input[], g: Tensor): (Tensor | null)[] {
  return api.grad(
    output,
    inputs.map((i) => i.tensor),
    { gradOutputs: g, retainGraph: true, allowUnused: true },
  ) as (Tensor | null)[];
}

/** By differences: of every floating point result by every input, `[input][result]`. */
export function numericalJacobians(subject: Subject, results: readonly Tensor[], eps: number): Jacobian[][] {
  const outputs = floats(results);
  return subject.inputs.map((input) => {
    const rows = input.tensor.numel();
    const jacobians = outputs.map((y) => new Jacobian(rows, y.numel()));
    for (let k = 0; k < rows; k++)
      subject.difference(input, k, eps, results).forEach((d, o) => {
        jacobians[o].setRow(k, d);
      });
    return jacobians;
  });
}

/** By reverse mode, of one output by every input. Computed twice, which must agree. */
export function reverseJacobians(subject: Subject, output: Tensor, settings: Settings): Jacobian[] {
  const { inputs } = subject;
  const columns = output.numel();
  const [first, second] = [0, 1].map(() => inputs.map((i) => new Jacobian(i.tensor.numel(), columns)));
  for (let k = 0; k < columns; k++) {
    for (const jacobians of [first, second]) {
      gradients(output, inputs, unit(output, k)).forEach((g, i) => {
        if (g === null) return;
        checkGradient(g, inputs[i], settings);
        jacobians[i].setColumn(k, values(g));
      });
    }
  }
  first.forEach((j, i) => {
    checkReentrant(j.values, second[i].values, settings);
  });
  return first;
}

function checkGradient(g: Tensor, { tensor }: Input, { checkGradDtypes }: Settings): void {
  if (checkGradDtypes && g.dtype !== tensor.dtype) throw new GradcheckError('Gradient has dtype mismatch');
  if (!sameShape(g.shape, tensor.shape)) throw new GradcheckError('Analytical gradient has incorrect size');
}

/** Refuses gradients that are not the same on every run. */
export function checkReentrant(a: ArrayLike<number>, b: ArrayLike<number>, { nondetTol }: Settings): void {
  for (let k = 0; k < a.length; k++) {
    if (Object.is(a[k], b[k]) || Math.abs(a[k] - b[k]) <= nondetTol) continue;
    throw new GradcheckError(
      `Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different values, although analytical gradient matches numerical gradient.The tolerance for nondeterminism was ${nondetTol}. (nondetTol allows for a difference.)`,
    );
  }
}

/** Tangents of floating point results, for tangents of some inputs; other inputs have none. */
export function tangentsAlong(subject: Subject, moved: readonly (readonly [Input, Tensor])[]): Tensor[] {
  const fixed = subject.inputs.map(({ tensor, index }) => [index, tensor.detach()] as const);
  const { tangent } = pushforward(
    'gradcheck',
    (...xs) => floats(subject.results(...fixed, ...moved.map(([{ index }], i) => [index, xs[i]] as const))),
    moved.map(([{ tensor }]) => tensor.detach()),
    moved.map(([, t]) => t),
  );
  return tangent as Tensor[];
}

/** By forward mode, `[input][result]` as `numericalJacobians` has them. */
export function forwardJacobians(subject: Subject, results: readonly Tensor[]): Jacobian[][] {
  const outputs = floats(results);
  return subject.inputs.map((input) => {
    const rows = input.tensor.numel();
    const jacobians = outputs.map((y) => new Jacobian(rows, y.numel()));
    for (let k = 0; k < rows; k++) {
      const tangents = tangentsAlong(subject, [[input, unit(input.tensor, k)]]);
      if (tangents.length !== outputs.length)
        throw new AutogradError(
          `gradcheck: the function returned ${outputs.length} tensors, and ${tangents.length} in forward mode`,
        );
      tangents.forEach((t, o) => {
        jacobians[o].setRow(k, values(t));
      });
    }
    return jacobians;
  });
}
