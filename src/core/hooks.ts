import type { Tensor } from '../tensor/tensor.ts';
import type { Retained } from './tensor.ts';

/** What a function gives that gives nothing. A function of type `() => void` may give anything: a hook may not. */
type Nothing = ReturnType<() => void> | null | undefined;

/** Sees the gradient of a tensor; a tensor it returns takes the gradient's place. */
export type TensorHook<T extends Tensor = Tensor> = (grad: T) => Tensor | Nothing;

/** The gradients at the outputs or inputs of a node, null where there is none. */
export type Gradients = readonly (Tensor | null)[];

/** Sees the gradients of a node's outputs before the node runs; what it returns takes their place. */
export type NodePrehook = (gradOutputs: Gradients) => Gradients | Nothing;

/** Sees the gradients of a node's inputs when the node has run; what it returns takes their place. */
export type NodeHook = (gradInputs: Gradients, gradOutputs: Gradients) => Gradients | Nothing;

/** Sees a leaf whose `.grad` has just been added to. */
export type AccumulateHook = (tensor: Tensor) => Nothing;

/** A hook where it hangs. Each registration is an entry of its own, so that a handle takes off just that one. */
export interface Hooked<H> {
  readonly hook: H;
  /** For the hook of a tensor: which output of the node it is. */
  readonly index: number;
}

/**
 * What users attached to a node; most nodes have nothing of this. The lists are replaced and never
 * changed, so that a hook may add and remove hooks: that counts from the next time on.
 */
export class Attached {
  tensor: readonly Hooked<TensorHook>[] = [];
  pre: readonly Hooked<NodePrehook>[] = [];
  post: readonly Hooked<NodeHook>[] = [];
  accumulated: readonly Hooked<AccumulateHook>[] = [];
  /** Outputs that keep their gradients. */
  retaining: readonly Retained[] = [];
  metadata: Record<string, unknown> | null = null;

  add<K extends 'tensor' | 'pre' | 'post' | 'accumulated'>(
    list: K,
    hook: this[K][number]['hook'],
    index = 0,
  ): HookHandle {
    const lists = this as unknown as Record<K, readonly Hooked<unknown>[]>;
    const entry = { hook, index };
    lists[list] = [...lists[list], entry];
    return new HookHandle(() => {
      lists[list] = lists[list].filter((e) => e !== entry);
    });
  }
}

/** Takes a hook off, by `remove()` or at the end of a `using` block. Twice is fine. */
export class HookHandle {
  readonly #take: () => void;

  constructor(take: () => void) {
    this.#take = take;
  }

  /** The hook is not called any more; a pass that is under way may still call it. */
  remove(): void {
    this.#take();
  }

  [Symbol.dispose](): void {
    this.#take();
  }
}
