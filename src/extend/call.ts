import { topLevel } from '../core/apply.ts';
import { AutogradError, NotImplementedError } from '../core/errors.ts';
import { TensorBase } from '../core/tensor.ts';
import { close, FunctionContext } from './context.ts';
import { become, before, checkDirty, unchanged } from './dirty.ts';
import { FunctionRules } from './function-rules.ts';
import { Override, unrecorded } from './override.ts';
import { Places } from './places.ts';
import { resultsOf } from './results.ts';
import { carries, inBatch, isTracked } from './tensors.ts';
import { callUnderVmap, usesVmapRule } from './vmap-rule.ts';

type Method = (...args: readonly unknown[]) => unknown;

/** The static methods of a custom function. */
export interface FunctionClass {
  readonly name: string;
  readonly forward: Method;
  readonly setupContext?: Method;
  readonly backward?: Method;
  readonly vjp?: Method;
  readonly jvp?: Method;
  readonly vmap?: Method;
  readonly generateVmapRule?: boolean;
  readonly clearSavedTensorsOnAccess?: boolean;
}

/** `Function.apply`: runs forward, and gives its results the derivatives of the class. */
export function callFunction(cls: FunctionClass, args: readonly unknown[]): unknown {
  const name = cls.name === '' ? 'Function' : cls.name;
  if (typeof cls.forward !== 'function')
    throw new NotImplementedError(
      `${name}: You must implement the forward function for custom autograd.Function. Write static forward(ctx, …args).`,
    );
  const inputs = args.filter((a): a is TensorBase => a instanceof TensorBase);
  const level = topLevel(name, inputs);
  const ctx = new FunctionContext(args.map((a) => a instanceof TensorBase && isTracked(a)));
  const befores = inputs.map(before);
  const split = typeof cls.setupContext === 'function';
  // Below the batch a vmap rule is made of operations with derivatives of their own.
  const natural = inputs.some(inBatch) && usesVmapRule(cls, name);
  const differentiated = inputs.some((t) => carries(t, natural));
  const output = natural
    ? callUnderVmap(cls, name, args)
    : unrecorded(level, () => (split ? cls.forward(...args) : cls.forward(ctx, ...args)));
  if (output instanceof Promise)
    throw new AutogradError(`${name}: forward returned a promise; await before, and pass what it gives as an argument`);
  if (split) unrecorded(level, () => cls.setupContext?.(ctx, args, output));

  const results = resultsOf(name, ctx, inputs, output, natural);
  const { tensors } = results;
  if (!differentiated) {
    close(ctx, () => []);
    return results.assemble(tensors.map((r) => (r.dirty === null ? r.tensor : r.given)));
  }
  if (natural && !split) {
    throw new AutogradError(
      `${name}: In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the setup_context staticmethod. With a vmap rule, forward does not see single examples: write static forward(…args) and static setupContext(ctx, inputs, output)`,
    );
  }
  for (const r of tensors) if (r.dirty !== null) checkDirty(name, befores[r.dirty], results.positions.length);
  const places = new Places(
    inputs,
    tensors.map((r) => r.savedAs),
  );
  const rules = new FunctionRules(cls, name, ctx, args, results.positions, places, level !== null);
  const op = new Override({
    name,
    node: `${name}Backward`,
    inputs: inputs.length,
    results: tensors.length,
    saves: rules.saves,
    pushes: rules.pushes,
    rules,
    unreached: true,
    natural,
  });
  const dirty = tensors.flatMap((r) => r.dirty ?? []);
  const finals = op.call([
    ...inputs.map((t, i) => (dirty.includes(i) ? unchanged(befores[i]) : t)),
    ...tensors.map((r) => r.tensor),
    ...places.kept,
  ]);
  // Views of what forward was given, or made: a change in place would go around the rules.
  for (const t of finals)
    if (t.node !== null && t.wrapped === null && t.meta !== null)
      t.meta.creation = finals.length > 1 ? 'several' : 'custom';
  rules.close(finals.find((t) => t.node !== null)?.node ?? null);
  return results.assemble(
    finals.map((t, k) => {
      const { dirty: i, given } = tensors[k];
      return i === null ? t : become(name, given, t);
    }),
  );
}
