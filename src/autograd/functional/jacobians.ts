import { ArgumentError, AutogradError, NotImplementedError } from '../../core/errors.ts';
import type { TensorBase } from '../../core/tensor.ts';
import { zeros, zerosLike } from '../../ops/create.ts';
import { stack } from '../../ops/join.ts';
import { narrow, select } from '../../ops/slices.ts';
import { reshape } from '../../ops/view.ts';
import { basis } from '../../transforms/basis.ts';
import { jacfwd, jacrev } from '../../transforms/index.ts';
import { batchedGrad } from '../batched.ts';
import {
  checkDependent,
  type FunctionalOptions,
  finished,
  gradients,
  like,
  prepared,
  recording,
  several,
  type Untyped,
} from './parts.ts';
import { scalarOutput } from './products.ts';

export type Strategy = 'reverse-mode' | 'forward-mode';

export interface Settings extends Required<FunctionalOptions> {
  readonly vectorize: boolean;
}

export function checkStrategy(strategy: unknown): asserts strategy is Strategy {
  if (strategy !== 'reverse-mode' && strategy !== 'forward-mode')
    throw new ArgumentError(
      `Expected strategy to be either "forward-mode" or "reverse-mode", got ${JSON.stringify(strategy)}. Hint: If your function has more outputs than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".`,
    );
}

function checkForward(fn: string, { strict, createGraph, vectorize }: Settings): void {
  if (strict)
    throw new ArgumentError(
      `autograd.functional.${fn}: \`strict=true\` and \`strategy="forward-mode"\` are not supported together (yet). Please either set \`strict=false\` or \`strategy="reverse-mode"\`.`,
    );
  if (createGraph)
    throw new NotImplementedError(
      `autograd.functional.${fn}: \`createGraph=true\` and \`strategy="forward-mode"\` are not supported together (yet). Please either set \`createGraph=false\` or \`strategy="reverse-mode"\`.`,
    );
  if (!vectorize)
    throw new NotImplementedError(
      `autograd.functional.${fn}: Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for \`vectorize=true\`.`,
    );
}

export function jacobian(f: Untyped, x: unknown, settings: Settings, strategy: Strategy): unknown {
  const { createGraph, strict, vectorize } = settings;
  if (strategy === 'forward-mode') {
    checkForward('jacobian', settings);
    return forwardJacobian(f, x);
  }
  if (vectorize && strict)
    throw new ArgumentError(
      'autograd.functional.jacobian: `strict=true` and `vectorize=true` are not supported together. Please either set `strict=false` or `vectorize=false`.',
    );
  return recording(() => {
    const given = several(x, 'inputs', 'jacobian');
    const inputs = prepared(given.tensors, createGraph, true);
    const outputs = several(f(...inputs), 'outputs of the user-provided function', 'jacobian');
    checkDependent(outputs.tensors, 'outputs', strict);
    const blocks = vectorize
      ? blocksAtOnce(outputs.tensors, inputs, createGraph)
      : outputs.tensors.map((y, i) => blocksOf(y, i, inputs, settings));
    const rows = blocks.map((row) => like(given, finished(row, createGraph)));
    return like(outputs, rows);
  });
}

/** ∂y/∂xₖ for every input, one element of y after the other. */
function blocksOf(
  y: TensorBase,
  index: number,
  inputs: readonly TensorBase[],
  { createGraph, strict }: Settings,
): TensorBase[] {
  const flat = reshape(y, [-1]);
  const rows: TensorBase[][] = inputs.map(() => []);
  for (let j = 0; j < y.count; j++) {
    gradients([select(flat, 0, j)], inputs, null, createGraph, true).forEach((g, k) => {
      if (g === null && strict)
        throw new AutogradError(
          `Output ${index} of the user-provided function is independent of input ${k}. This is not allowed in strict mode.`,
        );
      if (g !== null && strict && createGraph && !g.tracked)
        throw new AutogradError(
          `The jacobian of the user-provided function is independent of input ${k}. This is not allowed in strict mode when createGraph=true.`,
        );
      rows[k].push(g ?? zerosLike(inputs[k]));
    });
  }
  return inputs.map((x, k) => {
    const shape = [...y.shape, ...x.shape];
    return rows[k].length === 0 ? zeros(shape, x.dtype) : reshape(stack(rows[k]), shape);
  });
}

/** All blocks in one vmapped pass. */
function blocksAtOnce(
  outputs: readonly TensorBase[],
  inputs: readonly TensorBase[],
  createGraph: boolean,
): TensorBase[][] {
  const roots = outputs.filter((y) => y.tracked);
  const seeds = basis(roots);
  const total = roots.reduce((n, y) => n + y.count, 0);
  const found =
    total === 0
      ? inputs.map(() => null)
      : batchedGrad(roots, inputs, { gradOutputs: seeds, allowUnused: true, createGraph, retainGraph: true });
  let start = 0;
  return outputs.map((y) => {
    const from = start;
    if (y.tracked) start += y.count;
    return inputs.map((x, k) => {
      const shape = [...y.shape, ...x.shape];
      const g = found[k];
      return g === null || !y.tracked ? zeros(shape, x.dtype) : reshape(narrow(g, 0, from, y.count), shape);
    });
  });
}

/** All blocks in one vmapped jvp. */
function forwardJacobian(f: Untyped, x: unknown): unknown {
  const given = several(x, 'inputs', 'jacobian');
  const inputs = finished(given.tensors, false);
  let many = false;
  const packed = (xs: readonly unknown[]): unknown => {
    const outputs = several(f(...xs), 'outputs of the user-provided function', 'jacobian');
    many = outputs.many;
    return outputs.tensors;
  };
  const blocks = jacfwd(packed as (xs: readonly TensorBase[]) => unknown)(inputs) as readonly (readonly TensorBase[])[];
  const rows = blocks.map((row) => like(given, finished(row, false)));
  return many ? rows : rows[0];
}

export function hessian(f: Untyped, x: unknown, settings: Settings, outer: Strategy): unknown {
  const { createGraph, strict } = settings;
  const given = several(x, 'inputs', 'hessian');
  const scalar = (...inputs: readonly unknown[]): TensorBase =>
    reshape(scalarOutput('hessian', f(...inputs), strict).tensors[0], []);
  let rows: readonly unknown[];
  if (outer === 'forward-mode') {
    checkForward('hessian', settings);
    const inner = jacrev((xs: readonly TensorBase[]) => scalar(...xs));
    const blocks = jacfwd(inner as (xs: readonly TensorBase[]) => unknown)(finished(given.tensors, false));
    rows = (blocks as readonly (readonly TensorBase[])[]).map((row) => finished(row, false));
  } else {
    const gradient = (...inputs: readonly unknown[]): unknown => {
      const jac = jacobian(
        scalar,
        inputs,
        { ...settings, createGraph: true, strict: false },
        'reverse-mode',
      ) as readonly TensorBase[];
      checkDependent(jac, 'jacobian', strict);
      return jac;
    };
    rows = jacobian(gradient, given.tensors, { ...settings, createGraph }, 'reverse-mode') as readonly unknown[];
  }
  return like(
    given,
    rows.map((row) => like(given, row as readonly unknown[])),
  );
}
