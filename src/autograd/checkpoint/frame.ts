import { CheckpointError } from '../../core/errors.ts';
import { enterInference } from '../../core/inference.ts';
import { runWithin, type Surroundings } from '../../core/levels.ts';
import type { Node, Visitor } from '../../core/node.ts';
import { alias, type TensorBase } from '../../core/tensor.ts';
import { enterHooks, type SavedTensorHooks } from '../saved-hooks.ts';
import type { SavedInputs } from './inputs.ts';

/*
 * How a checkpoint works. While the function runs for the first time, hooks take what its operations
 * save and keep nothing but a `Holder`, a number. When a backward pass asks for the first of them, the
 * function is run again on its saved inputs, under hooks that note what its operations save: the n-th
 * tensor saved now is the one that the n-th holder stands for.
 *
 * - Checkpoints nest: what a checkpoint inside another saves is its own affair, and its inputs are
 *   saved like any tensor, in the outer one.
 * - What was recomputed belongs to one backward pass, and is let go as it is asked for.
 * - Recomputation stops, by throwing, as soon as every holder has its tensor.
 * - The function may itself call backward or grad. What its operations save when it is run again is
 *   therefore kept by their nodes as well.
 */

/** Stands for the n-th tensor that was saved. */
interface Holder {
  readonly index: number;
  /** The operation that saved it, and what the tensor looked like. */
  readonly by: string;
  readonly look: string | null;
}

/** What one backward pass has recomputed. */
interface Recomputation {
  count: number;
  done: boolean;
  /** By holder; null once it was handed out. */
  readonly tensors: (TensorBase | null)[];
  /** The operations that saved them, for error messages. */
  readonly by: string[];
}

/** Thrown by a hook to end a recomputation early, and caught by who began it. */
class StopRecomputation extends Error {}
const STOP = new StopRecomputation('the recomputation of a checkpointed function stops here');

export interface FrameOptions {
  /** Runs the function again; its result is of no interest. */
  readonly recompute: (args: readonly unknown[]) => unknown;
  readonly inputs: SavedInputs;
  readonly surroundings: Surroundings;
  readonly earlyStop: boolean;
  readonly checks: boolean;
  readonly debug: boolean;
}

/** One call of a checkpointed function. */
export class Frame implements SavedTensorHooks {
  readonly #options: FrameOptions;
  readonly #holders: Holder[] = [];
  readonly #runs = new WeakMap<object, Recomputation>();
  /** The function has returned for the first time. */
  #complete = false;
  /** A backward pass inside the function ran past what had been saved by then: numbers cannot be compared. */
  #inexact = false;

  constructor(options: FrameOptions) {
    this.#options = options;
  }

  pack(t: TensorBase, node: Node): Holder {
    const look = this.#options.checks ? lookOf(t) : null;
    const holder = { index: this.#holders.length, by: node.name, look };
    this.#holders.push(holder);
    return holder;
  }

  unpack(packed: unknown, { run }: Node): TensorBase {
    const { index } = packed as Holder;
    let state = run === null ? undefined : this.#runs.get(run);
    if (state === undefined) {
      state = { count: 0, done: false, tensors: [], by: [] };
      if (run !== null) this.#runs.set(run, state);
    }
    if (!state.done) this.#recompute(state, run);
    const t = state.tensors[index];
    if (t === null || t === undefined) {
      throw new CheckpointError(
        'checkpoint: Unpack is being triggered for a tensor that was already unpacked once. If you are reading ctx.savedTensors in backward, make sure to do so only once.',
      );
    }
    state.tensors[index] = null;
    return t;
  }

  complete(): void {
    this.#complete = true;
  }

  #recompute(state: Recomputation, run: Visitor | null): void {
    const { surroundings, inputs, recompute } = this.#options;
    // What is recomputed is saved for backward, also where backward runs in inference mode.
    const leaveNormal = enterInference(false);
    try {
      runWithin(surroundings, () => {
        const args = inputs.unpack(run);
        const leave = enterHooks(this.#noting(state));
        try {
          recompute(args);
        } catch (e) {
          if (e !== STOP) throw e;
        } finally {
          leave();
        }
      });
    } finally {
      leaveNormal();
    }
    state.done = true;
    if (!this.#inexact) this.#compare(state);
  }

  /** The hooks of a recomputation. */
  #noting(state: Recomputation): SavedTensorHooks {
    return {
      pack: (t, node) => {
        const x = alias(t);
        const index = state.count;
        state.count += 1;
        state.by.push(node.name);
        if (index >= this.#holders.length) {
          if (this.#complete) {
            throw this.#error(
              state,
              `trying to save more tensors during recomputation than during the original forward pass: ${this.#holders.length}, and now ${node.name} saves another.`,
            );
          }
          this.#inexact = true;
          return x;
        }
        state.tensors[index] = x;
        if (this.#options.earlyStop && state.count === this.#holders.length) throw STOP;
        return x;
      },
      unpack: (x) => x,
    };
  }

  #compare(state: Recomputation): void {
    if (state.count !== this.#holders.length) {
      throw this.#error(
        state,
        `A different number of tensors was saved during the original forward and recomputation.\nNumber of tensors saved during forward: ${this.#holders.length}\nNumber of tensors saved during recomputation: ${state.count}.`,
      );
    }
    if (!this.#options.checks) return;
    const different = this.#holders.flatMap(({ index, by, look }) => {
      const now = lookOf(state.tensors[index] as TensorBase);
      return now === look
        ? []
        : [
            `tensor at position ${index}, saved by ${by}:\nsaved metadata: ${look}\nrecomputed metadata: ${now} (by ${state.by[index]})`,
          ];
    });
    if (different.length > 0) {
      throw this.#error(
        state,
        `Recomputed values for the following tensors have different metadata than during the forward pass.\n${different.join('\n')}`,
      );
    }
  }

  #error(state: Recomputation, message: string): CheckpointError {
    const mend =
      'The function must do the same when it is run again in backward: check that it reads nothing that has changed since.';
    if (!this.#options.debug)
      return new CheckpointError(
        `checkpoint: ${message}\n${mend}\nTip: To see a more detailed error message, pass \`debug: true\` to checkpoint, or use setCheckpointDebugEnabled(true).`,
      );
    const listed = (names: readonly string[]): string => names.map((n, i) => `  ${i}: ${n}`).join('\n');
    return new CheckpointError(
      `checkpoint: ${message}\n${mend}\n\nOperations that saved tensors during the original forward:\n${listed(this.#holders.map((h) => h.by))}\n\nOperations that saved tensors during recomputation:\n${listed(state.by)}\n\nYou are seeing this error because you passed \`debug: true\` to checkpoint and tensors to be saved during the original forward differ from those saved during recomputation.`,
    );
  }
}

/** What a recomputed tensor must agree in. */
function lookOf(t: TensorBase): string {
  return `{ shape: [${t.shape.join(', ')}], dtype: ${t.dtype}, device: cpu }`;
}
