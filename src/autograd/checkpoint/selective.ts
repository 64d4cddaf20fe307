import { ArgumentError, AutogradError, CheckpointError } from '../../core/errors.ts';
import { swapSupplier } from '../../core/forward.ts';
import { alias, type Operand, type Outputs, TensorBase } from '../../core/tensor.ts';
import { checkOptions } from '../../tensor/options.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Around } from './index.ts';

/** What becomes of an operation's result in a checkpoint. `MUST` and `PREFER` mean the same here. */
export const CheckpointPolicy = {
  MUST_SAVE: 'MUST_SAVE',
  PREFER_SAVE: 'PREFER_SAVE',
  MUST_RECOMPUTE: 'MUST_RECOMPUTE',
  PREFER_RECOMPUTE: 'PREFER_RECOMPUTE',
} as const;
export type CheckpointPolicy = (typeof CheckpointPolicy)[keyof typeof CheckpointPolicy];

/** What a policy may know of the call it decides about, besides the operation and its arguments. */
export interface SelectiveCheckpointContext {
  /** A policy is asked while the function runs for the first time; what it said holds when it runs again. */
  readonly isRecompute: false;
  /** What the operation gave. */
  readonly opOutput: Tensor | readonly Tensor[];
}

/** Says for the call of an operation, by its name in `operations()`, what becomes of its result; true is `MUST_SAVE`, false `PREFER_RECOMPUTE`. */
export type PolicyFunction = (
  context: SelectiveCheckpointContext,
  op: string,
  inputs: readonly (Tensor | number)[],
) => CheckpointPolicy | boolean;

/** A result that was kept, with the version its memory has. */
interface Cached {
  readonly tensors: readonly { readonly tensor: TensorBase; readonly version: number }[];
  readonly many: boolean;
}

/** For the n-th call of an operation: what was kept, that nothing was, or that it has been used. */
type Entry = Cached | 'recompute' | 'used';

const listOf = (outputs: Outputs): readonly TensorBase[] =>
  Array.isArray(outputs) ? (outputs as readonly TensorBase[]) : [outputs as TensorBase];

/** Whether a result lies in the memory of an input: keeping it would keep that, and computing it costs nothing. */
function isView(outputs: readonly TensorBase[], inputs: readonly Operand[]): boolean {
  return outputs.some((y) => inputs.some((x) => x instanceof TensorBase && x.storage === y.storage));
}

function saves(decision: unknown): boolean {
  if (typeof decision === 'boolean') return decision;
  if (typeof decision !== 'string' || !Object.hasOwn(CheckpointPolicy, decision))
    throw new ArgumentError(
      `createSelectiveCheckpointContexts: a policy returns a CheckpointPolicy or a boolean, got ${String(decision)}`,
    );
  return decision === CheckpointPolicy.MUST_SAVE || decision === CheckpointPolicy.PREFER_SAVE;
}

const MISMATCH =
  'This can happen if the operations in the checkpointed region are nondeterministic or depend on global state that changed between forward and backward.';

/** The results of the operations of one checkpoint. */
class Cache {
  readonly #entries = new Map<string, Entry[]>();
  readonly #policy: PolicyFunction;
  readonly #mutable: boolean;

  constructor(policy: PolicyFunction, mutable: boolean) {
    this.#policy = policy;
    this.#mutable = mutable;
  }

  keep(op: string, inputs: readonly Operand[], outputs: Outputs): Outputs {
    const context: SelectiveCheckpointContext = {
      isRecompute: false,
      opOutput: outputs as Tensor | readonly Tensor[],
    };
    const wanted = saves(this.#policy(context, op, inputs as readonly (Tensor | number)[]));
    const list = listOf(outputs);
    const entry: Entry =
      wanted && !isView(list, inputs)
        ? {
            tensors: list.map((t) => ({ tensor: alias(t), version: t.storage.version })),
            many: Array.isArray(outputs),
          }
        : 'recompute';
    const entries = this.#entries.get(op);
    if (entries === undefined) this.#entries.set(op, [entry]);
    else entries.push(entry);
    return outputs;
  }

  /** The result of the n-th call of an operation: what was kept, or computed again. */
  get(op: string, n: number, compute: () => Outputs): Outputs {
    const entries = this.#entries.get(op);
    const entry = entries?.[n];
    if (entries === undefined || entry === undefined)
      throw new CheckpointError(
        `checkpoint: ${op} invocation index ${n} encountered during backward but not found in storage. ${MISMATCH}`,
      );
    if (entry === 'recompute') return compute();
    if (entry === 'used')
      throw new CheckpointError(
        'checkpoint: Trying to backward an extra time. You are only allowed to backward once on any region computed under selective activation checkpoint.',
      );
    if (!this.#mutable && entry.tensors.some(({ tensor, version }) => tensor.storage.version !== version))
      throw new AutogradError(
        `checkpoint: Tensor cached during selective activation checkpoint has been mutated: the result of ${op} was changed in place`,
      );
    entries[n] = 'used';
    const tensors = entry.tensors.map(({ tensor }) => tensor);
    return entry.many ? tensors : tensors[0];
  }
}

/** Runs `body` with `supply` in force. */
function supplying<R>(supply: Parameters<typeof swapSupplier>[0], body: () => R): R {
  const before = swapSupplier(supply);
  try {
    return body();
  } finally {
    swapSupplier(before);
  }
}

/**
 * For the option `contextFn` of `checkpoint`: a policy decides, operation by operation, what is kept and
 * what is computed again. A list of names of operations keeps the results of these. Operations in place,
 * and views, are always computed again. Backward may run once.
 *
 * @example
 * const contextFn = () => createSelectiveCheckpointContexts(['mm', 'convolution']);
 * const y = checkpoint(block, x, { contextFn });
 */
export function createSelectiveCheckpointContexts(
  policy: PolicyFunction | readonly string[],
  options: { readonly allowCacheEntryMutation?: boolean } = {},
): readonly [Around, Around] {
  checkOptions('createSelectiveCheckpointContexts', options, ['allowCacheEntryMutation']);
  const names: unknown = policy;
  if (typeof names !== 'function' && !(Array.isArray(names) && names.every((n) => typeof n === 'string')))
    throw new ArgumentError(
      'createSelectiveCheckpointContexts: expected a policy function or a list of names of operations',
    );
  const decide: PolicyFunction = typeof policy === 'function' ? policy : (_, op) => policy.includes(op);
  const cache = new Cache(decide, options.allowCacheEntryMutation ?? false);
  return [
    (body) => supplying((op, inputs, compute) => cache.keep(op, inputs, compute()), body),
    (body) => {
      const calls = new Map<string, number>();
      const supply = (op: string, _: readonly Operand[], compute: () => Outputs): Outputs => {
        const n = calls.get(op) ?? 0;
        calls.set(op, n + 1);
        return cache.get(op, n, compute);
      };
      return supplying(supply, body);
    },
  ];
}
