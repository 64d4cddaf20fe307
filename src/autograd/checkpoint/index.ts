import { kindOf } from '../../core/arguments.ts';
import { ArgumentError } from '../../core/errors.ts';
import { surroundings } from '../../core/levels.ts';
import { checkOptions } from '../../tensor/options.ts';
import { defaultGenerator } from '../../tensor/random.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Guard, hold, refusePromise } from '../hold.ts';
import { enterHooks } from '../saved-hooks.ts';
import { Frame } from './frame.ts';
import { SavedInputs } from './inputs.ts';

export {
  CheckpointPolicy,
  createSelectiveCheckpointContexts,
  type PolicyFunction,
  type SelectiveCheckpointContext,
} from './selective.ts';

/** Runs a function in a context of some kind and returns what it returns, as `noGrad` does. */
export type Around = <R>(body: () => R) => R;

/** How a checkpoint runs its function the second time, and what of it is checked. */
export interface CheckpointOptions {
  /** Run the function again with the random numbers it had (those of the default generator); true by default. */
  readonly preserveRngState?: boolean;
  /** Gives two functions: what the checkpointed one runs in the first time, and when it is run again. */
  readonly contextFn?: () => readonly Around[];
  /** `'default'` compares shapes and dtypes of recomputed tensors with those before; `'none'` does not. */
  readonly determinismCheck?: 'default' | 'none';
  /** List operations in the errors about functions that did not do the same again. */
  readonly debug?: boolean;
  /** Stop recomputing when everything needed is there; true by default. */
  readonly earlyStop?: boolean;
  /** PyTorch's older checkpoint, which works with `backward` alone, is not here: only false. */
  readonly useReentrant?: false;
}

const OPTIONS = ['preserveRngState', 'contextFn', 'determinismCheck', 'debug', 'earlyStop', 'useReentrant'] as const;

/** Overrides of the options with these names; null leaves each call its own. */
const overrides: { earlyStop: boolean | null; debug: boolean | null } = { earlyStop: null, debug: null };

function override(name: string, key: 'earlyStop' | 'debug', value: boolean | null, body?: () => unknown): unknown {
  if (value !== null && typeof value !== 'boolean')
    throw new ArgumentError(`${name}: expected true, false or null, got ${typeof value}`);
  return hold(
    name,
    () => {
      const before = overrides[key];
      overrides[key] = value;
      return () => {
        overrides[key] = before;
      };
    },
    body,
  );
}

/**
 * Whether checkpoints made while `body` runs (or to the end of the block, with `using`) stop recomputing
 * early, whatever their own option says.
 */
export function setCheckpointEarlyStop(enabled: boolean | null): Guard;
export function setCheckpointEarlyStop<R>(enabled: boolean | null, body: () => R): R;
export function setCheckpointEarlyStop(enabled: boolean | null, body?: () => unknown): unknown {
  return override('setCheckpointEarlyStop', 'earlyStop', enabled, body);
}

/** The same for the option `debug`. */
export function setCheckpointDebugEnabled(enabled: boolean | null): Guard;
export function setCheckpointDebugEnabled<R>(enabled: boolean | null, body: () => R): R;
export function setCheckpointDebugEnabled(enabled: boolean | null, body?: () => unknown): unknown {
  return override('setCheckpointDebugEnabled', 'debug', enabled, body);
}

function isPlainObject(x: unknown): x is Record<string, unknown> {
  if (typeof x !== 'object' || x === null) return false;
  const prototype: unknown = Object.getPrototypeOf(x);
  return prototype === Object.prototype || prototype === null;
}

/** Whether the last argument is the options: an object that has option names and nothing else, or one argument too many. */
function splitOptions(fn: { readonly length: number }, rest: readonly unknown[]): [unknown[], CheckpointOptions] {
  const last = rest.at(-1);
  if (isPlainObject(last)) {
    const keys = Object.keys(last);
    const known = keys.filter((k) => (OPTIONS as readonly string[]).includes(k));
    if (known.length > 0 && (known.length === keys.length || rest.length > fn.length)) {
      checkOptions('checkpoint', last, OPTIONS);
      return [rest.slice(0, -1), last as CheckpointOptions];
    }
  }
  return [[...rest], {}];
}

function contexts(contextFn: CheckpointOptions['contextFn']): readonly [Around, Around] {
  if (contextFn === undefined) return [(body) => body(), (body) => body()];
  const made: unknown = contextFn();
  if (!Array.isArray(made) || made.length !== 2 || !made.every((f) => typeof f === 'function')) {
    throw new ArgumentError(
      'checkpoint: contextFn must return two functions [around, aroundAgain], each of which runs the function it is given and returns its result, as noGrad does',
    );
  }
  return made as unknown as readonly [Around, Around];
}

/** Runs `body` with the random numbers that followed `state`, and those of now after it. */
function withRandomState<R>(state: Uint8Array | null, body: () => R): R {
  if (state === null) return body();
  const now = defaultGenerator.getState();
  defaultGenerator.setState(state);
  try {
    return body();
  } finally {
    defaultGenerator.setState(now);
  }
}

/**
 * `fn(...inputs)`, without keeping what its operations save for backward: only the inputs are kept,
 * and `fn` is run again when backward needs the rest. Memory is traded for a second run of `fn`.
 *
 * Gradients, of every order and by `backward` or `autograd.grad`, are those of `fn(...inputs)`. Inputs
 * and result may be anything; tensors in arrays and plain objects are kept as saved tensors, all else by
 * reference. `fn` must do the same when it is run again: random numbers of the default generator
 * repeat, and what differs in number, shape or dtype is an error.
 *
 * Options may follow the inputs: an object whose keys are option names is taken for them.
 *
 * @example
 * const y = checkpoint(block, x, { earlyStop: false });
 *
 * @throws {CheckpointError} in backward, when `fn` does something else than it did.
 */
export function checkpoint<A extends readonly unknown[], R>(fn: (...args: A) => R, ...inputs: A): R;
export function checkpoint<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  ...inputs: readonly [...A, CheckpointOptions]
): R;
export function checkpoint(fn: (...args: readonly unknown[]) => unknown, ...rest: readonly unknown[]): unknown {
  if (typeof fn !== 'function') throw new ArgumentError(`checkpoint: expected a function, got ${kindOf(fn)}`);
  const [args, options] = splitOptions(fn, rest);
  return run(fn, args, options);
}

function run(
  fn: (...args: readonly unknown[]) => unknown,
  args: readonly unknown[],
  options: CheckpointOptions,
): unknown {
  const { determinismCheck = 'default', preserveRngState = true, contextFn } = options;
  const debug = overrides.debug ?? options.debug ?? false;
  if (determinismCheck !== 'default' && determinismCheck !== 'none')
    throw new ArgumentError(
      `checkpoint: determinismCheck should be one of 'default', 'none', but got ${JSON.stringify(determinismCheck)}`,
    );
  if (options.useReentrant !== undefined && options.useReentrant !== false)
    throw new ArgumentError(
      'checkpoint: useReentrant must be false: contextFn, autograd.grad, nested results and all else here are only supported when use_reentrant=False',
    );
  const here = surroundings();
  if (!here.recording.some(([, enabled]) => enabled)) return fn(...args);
  const [around, aroundAgain] = contexts(contextFn);
  const state = preserveRngState ? defaultGenerator.getState() : null;
  const frame = new Frame({
    recompute: (again) => withRandomState(state, () => aroundAgain(() => fn(...again))),
    inputs: new SavedInputs(args, here.levels.at(-1) ?? null),
    surroundings: here,
    earlyStop: overrides.earlyStop ?? options.earlyStop ?? true,
    checks: determinismCheck === 'default',
    debug,
  });
  const leave = enterHooks(frame);
  let result: unknown;
  try {
    result = around(() => fn(...args));
  } finally {
    leave();
  }
  refusePromise('checkpoint', result);
  frame.complete();
  return result;
}

/**
 * Applies functions one after the other, in `segments` checkpointed parts of equal length; the last
 * part, with what is left over, is run as it is.
 */
export function checkpointSequential(
  functions: readonly ((x: Tensor) => Tensor)[],
  segments: number,
  input: Tensor,
  options: CheckpointOptions = {},
): Tensor {
  if (!Array.isArray(functions) || !functions.every((f) => typeof f === 'function'))
    throw new ArgumentError('checkpointSequential: expected an array of functions');
  if (!Number.isInteger(segments) || segments < 1)
    throw new ArgumentError(`checkpointSequential: segments must be a positive integer, got ${segments}`);
  checkOptions('checkpointSequential', options, OPTIONS);
  const through = (start: number, end: number) => (x: unknown) =>
    functions.slice(start, end).reduce((y, f) => f(y), x as Tensor);
  const size = Math.floor(functions.length / segments);
  const last = size * (segments - 1);
  let x = input;
  for (let start = 0; start < last; start += size) x = run(through(start, start + size), [x], options) as Tensor;
  return through(last, functions.length)(x);
}
