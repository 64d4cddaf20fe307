import { ArgumentError, AutogradError } from '../core/errors.ts';
import { TensorBase } from '../core/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { kindWord } from './tensors.ts';

type Maybe = TensorBase | null;

/** What a context knows besides the user's own attributes. */
interface State {
  readonly needs: readonly boolean[];
  /** What forward saved, until the call is over. */
  saved: readonly Maybe[];
  forForward: readonly Maybe[] | null;
  dirty: readonly TensorBase[];
  nonDifferentiable: readonly TensorBase[];
  materializes: boolean;
  /** Where saved tensors come from when the call is over. */
  read: (() => readonly Maybe[]) | null;
  /** Set where they may be read only once: lets go of them. */
  clear: (() => void) | null;
  cleared: boolean;
}

const STATE = Symbol('state');

function checkSavable(name: string, python: string, tensors: readonly unknown[]): void {
  tensors.forEach((t, i) => {
    if (t !== null && !(t instanceof TensorBase)) {
      throw new ArgumentError(
        `${name}: ${python} can only save variables, but argument ${i} is of type ${kindWord(t)}; keep other values as attributes of ctx`,
      );
    }
  });
}

/**
 * What one call of a custom function keeps for its backward. Tensors go through `saveForBackward`, which
 * checks that they are not changed in place and lets them go after the pass; any other value can be put
 * on the context as an attribute.
 */
export class FunctionContext {
  [attribute: string]: unknown;
  /** @internal */
  readonly [STATE]: State;

  /** @internal */
  constructor(needs: readonly boolean[]) {
    this[STATE] = {
      needs,
      saved: [],
      forForward: null,
      dirty: [],
      nonDifferentiable: [],
      materializes: true,
      read: null,
      clear: null,
      cleared: false,
    };
  }

  /**
   * Keeps tensors for `backward`, which finds them in `savedTensors`; nulls keep their places. Save
   * inputs and results: what forward computed on the way is a constant to second derivatives.
   *
   * @throws {ArgumentError} for anything but tensors and null.
   */
  saveForBackward(...tensors: readonly (Tensor | null)[]): void {
    checkSavable('saveForBackward', 'save_for_backward', tensors);
    this[STATE].saved = tensors;
  }

  /** Keeps tensors for `jvp` alone, which then finds these in `savedTensors`. */
  saveForForward(...tensors: readonly (Tensor | null)[]): void {
    checkSavable('saveForForward', 'save_for_forward', tensors);
    this[STATE].forForward = tensors;
  }

  /**
   * What was saved, null where null was.
   *
   * @throws {AutogradError} when one was changed in place since, or when the graph was freed.
   */
  get savedTensors(): readonly Tensor[] {
    const state = this[STATE];
    if (state.cleared)
      throw new AutogradError(
        'savedTensors: with clearSavedTensorsOnAccess the saved tensors can only be accessed once; read them into variables',
      );
    const tensors = state.read === null ? state.saved : state.read();
    if (state.clear !== null && state.read !== null) {
      state.clear();
      state.cleared = true;
    }
    return tensors as readonly Tensor[];
  }

  /** Says which arguments forward changed in place. Each must be among its results. */
  markDirty(...tensors: readonly Tensor[]): void {
    this[STATE].dirty = tensors;
  }

  /** Says through which results no gradient flows. */
  markNonDifferentiable(...tensors: readonly Tensor[]): void {
    this[STATE].nonDifferentiable = tensors;
  }

  /** Whether gradients that did not arrive are given as zeros (as they are unless this is called) or as null. */
  setMaterializeGrads(value: boolean): void {
    this[STATE].materializes = value;
  }

  /** For every argument, whether a gradient may be asked of it. */
  get needsInputGrad(): readonly boolean[] {
    return this[STATE].needs;
  }
}

/** @internal */
export function stateOf(ctx: FunctionContext): State {
  return ctx[STATE];
}

/** The call is over: from now on saved tensors come from `read`. With `clear` they may be read once, and are let go of then. */
export function close(ctx: FunctionContext, read: () => readonly Maybe[], clear: (() => void) | null = null): void {
  const state = ctx[STATE];
  state.saved = [];
  state.forForward = null;
  state.dirty = [];
  state.nonDifferentiable = [];
  state.read = read;
  state.clear = clear;
}

/** What the user has put on a context. */
export function attributesOf(ctx: FunctionContext): Record<string, unknown> {
  return Object.fromEntries(Object.entries(ctx));
}

/** A context for a rule that runs elsewhere in a nest of transforms. */
export function derived(
  ctx: FunctionContext,
  attributes: Readonly<Record<string, unknown>>,
  saved: () => readonly Maybe[],
): FunctionContext {
  const from = ctx[STATE];
  const to = new FunctionContext(from.needs);
  to[STATE].materializes = from.materializes;
  close(to, saved, from.clear === null ? null : () => undefined);
  return Object.assign(to, attributes);
}
