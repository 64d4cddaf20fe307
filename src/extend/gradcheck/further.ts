import * as api from '../../autograd/api.ts';
import { batchedGrad } from '../../autograd/batched.ts';
import { apply } from '../../core/apply.ts';
import { GradcheckError } from '../../core/errors.ts';
import type { Op } from '../../core/op.ts';
import { alias, type TensorBase } from '../../core/tensor.ts';
import { warn } from '../../core/warnings.ts';
import { zerosLike } from '../../ops/create.ts';
import { stack } from '../../ops/join.ts';
import { select } from '../../ops/slices.ts';
import { Generator } from '../../tensor/generator.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { batch } from '../../transforms/batch.ts';
import { allClose } from './jacobian.ts';
import { drawn, gradients, tangentsAlong } from './modes.ts';
import { floats, type Subject, values } from './subject.ts';

/* What else a derivative must be: linear, at ease with gradients that do not come, and fit for a batch. */

const outputsOf = (results: readonly Tensor[]): Tensor[] => floats(results).filter((t) => t.requiresGrad);

function isZero(t: Tensor): boolean {
  return values(t).every((v) => v === 0);
}

function gradientsOf(subject: Subject, outputs: readonly Tensor[]): (Tensor | null)[] {
  return api.grad(
    outputs,
    subject.inputs.map((i) => i.tensor),
    { gradOutputs: outputs.map(zerosLike), allowUnused: true, retainGraph: true },
  ) as (Tensor | null)[];
}

/** Zero in, zero out. */
export function checkMultiplied(subject: Subject, results: readonly Tensor[]): void {
  gradientsOf(subject, outputsOf(results)).forEach((g, i) => {
    if (g === null) return;
    if (!isZero(g))
      throw new GradcheckError(
        `backward not multiplied by grad_output: with gradients of zero for all results, the gradient of input ${i} is ${g}`,
      );
    if (g.dtype !== subject.inputs[i].tensor.dtype) throw new GradcheckError('grad is incorrect type');
  });
}

// y = x        x̄ = nothing
const undefinedGradOp: Op<undefined> = {
  name: 'undefinedGrad',
  nodeName: () => 'UndefinedGrad',
  forward: ([x]) => alias(x as TensorBase),
  backward: { plan: () => [], run: () => [null] },
  jvp: () => [null],
  vmap: ([x]) => apply(undefinedGradOp, [x], undefined),
};
const silenced = (t: Tensor): Tensor => apply(undefinedGradOp, [t], undefined) as Tensor;

/** Gradients that do not arrive are zero: all of them, and one at a time. */
export function checkUndefined(subject: Subject): void {
  const check = (outputs: readonly Tensor[]): void => {
    const refuse = (message: string, cause?: unknown): never => {
      warn(
        'gradcheck.undefined',
        () =>
          'Backwards compatibility: New undefined gradient support checking feature is enabled by default, but it may break existing callers of this function. If this is true for you, you can call this function with "check_undefined_grad=False" (checkUndefinedGrad: false) to disable the feature',
      );
      throw new GradcheckError(message, { cause });
    };
    let found: (Tensor | null)[] = [];
    try {
      found = gradientsOf(subject, outputs);
    } catch (e) {
      refuse(
        `Expected backward function to handle undefined output grads. Gradients that do not arrive are null where a rule asked for that; otherwise they are zeros. It failed with: ${e instanceof Error ? e.message : String(e)}`,
        e,
      );
    }
    if (found.some((g) => g !== null && !isZero(g)))
      refuse('Expected all input grads to be undefined or zero when all output grads are undefined or zero.');
  };
  const outputs = outputsOf(subject.results());
  check(outputs.map(silenced));
  if (outputs.length > 1)
    outputs.forEach((_, k) => {
      check(outputsOf(subject.results()).map((t, i) => (i === k ? silenced(t) : t)));
    });
}

/** An input without tangent is one whose tangent is zero. */
export function checkUndefinedTangents(subject: Subject): void {
  const random = new Generator(1);
  const moved = subject.inputs.map((input) => [input, drawn(input.tensor, random)] as const);
  subject.inputs.forEach((input, i) => {
    const materialized = tangentsAlong(subject, moved.with(i, [input, zerosLike(input.tensor) as Tensor]));
    const absent = tangentsAlong(subject, moved.toSpliced(i, 1));
    absent.forEach((t, o) => {
      if (!allClose(values(t), values(materialized[o]), { atol: 1e-8, rtol: 1e-5 }))
        throw new GradcheckError(
          `Mismatch in tangent values for output with index: ${o} when input: ${i} has an undefined tangent value. Got: ${materialized[o]} but expected: ${t}`,
        );
    });
  });
}

const BATCH =
  'gradcheck or gradgradcheck failed while testing batched gradient computation: the derivative rules of an operation do not work under vmap.';

function compareBatch(what: string, actual: Tensor, expected: Tensor): void {
  if (!allClose(values(actual), values(expected), { atol: 1e-8, rtol: 1e-5 }))
    throw new GradcheckError(`For ${what}:\n\n${BATCH}\n\nGot:\n${actual}\n\nExpected:\n${expected}`);
}

function guarded<R>(what: string, body: () => R): R {
  try {
    return body();
  } catch (e) {
    throw new GradcheckError(
      `While computing batched ${what}, got: ${e instanceof Error ? e.message : String(e)}\n\n${BATCH}`,
      { cause: e },
    );
  }
}

/** Gradients of a batch of cotangents against a loop over them. */
export function checkBatchedGradients(subject: Subject, results: readonly Tensor[]): void {
  const random = new Generator(2);
  const inputs = subject.inputs.map((i) => i.tensor);
  outputsOf(results).forEach((output, o) => {
    const seeds = [drawn(output, random), drawn(output, random)];
    const expected = seeds.map((g) => gradients(output, subject.inputs, g));
    const options = { gradOutputs: stack(seeds, 0), allowUnused: true, retainGraph: true };
    const actual = guarded('gradients', () => batchedGrad(output, inputs, options));
    actual.forEach((g, i) => {
      if (g === null) return;
      seeds.forEach((_, b) => {
        const e = expected[b][i];
        const got = select(g, 0, b) as Tensor;
        compareBatch(`output ${o} and input ${i}`, got, e ?? (zerosLike(got) as Tensor));
      });
    });
  });
}

/** Tangents of a batch of directions against a loop over them. */
export function checkBatchedTangents(subject: Subject): void {
  const random = new Generator(3);
  subject.inputs.forEach((input, i) => {
    const directions = [drawn(input.tensor, random), drawn(input.tensor, random)];
    const expected = directions.map((t) => tangentsAlong(subject, [[input, t]]));
    const actual = guarded('tangents', () =>
      batch((t) => tangentsAlong(subject, [[input, t as Tensor]]), [stack(directions, 0)], {}),
    ) as Tensor[];
    actual.forEach((t, o) => {
      directions.forEach((_, b) => {
        compareBatch(`output ${o} and input ${i}`, select(t, 0, b) as Tensor, expected[b][o]);
      });
    });
  });
}
