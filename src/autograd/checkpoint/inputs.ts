import type { Level } from '../../core/levels.ts';
import { Node, type Visitor } from '../../core/node.ts';
import type { Op } from '../../core/op.ts';
import type { TensorBase } from '../../core/tensor.ts';
import { mapTree, treeLeaves } from '../../core/tree.ts';

/** A node that records no operation: it saves tensors as nodes do. */
const keep: Op<never> = {
  name: 'checkpoint',
  nodeName: () => 'CheckpointBackward0',
  forward: (inputs) => inputs as readonly TensorBase[],
  backward: null,
  jvp: ({ outputs }) => outputs.map(() => null),
  vmap: (inputs) => inputs as readonly TensorBase[],
};

/** The place of a tensor in a tree. */
const HOLE = Symbol('tensor');

/**
 * The arguments of a checkpointed function, kept for running it again. Their tensors are saved like
 * those of any operation: with their versions, and through the hooks in force, so that the inputs of a
 * checkpoint inside another are recomputed by the outer one instead of being kept.
 */
export class SavedInputs {
  readonly #node: Node;
  readonly #tree: readonly unknown[];

  constructor(args: readonly unknown[], level: Level | null) {
    const tensors = treeLeaves(args);
    this.#node = new Node(keep, undefined as never, level, 0, null);
    this.#node.reserve(tensors.map((_, k) => k));
    tensors.forEach((t, k) => {
      this.#node.save(k, t);
    });
    // The structure without the tensors.
    this.#tree = mapTree(args, () => HOLE) as readonly unknown[];
  }

  /** The arguments again, for the backward pass `run`. */
  unpack(run: Visitor | null): readonly unknown[] {
    const outer = this.#node.run;
    this.#node.run = run;
    try {
      let k = 0;
      return mapTree(
        this.#tree,
        (t) => t,
        (x) => (x === HOLE ? this.#node.unpack(k++) : x),
      ) as readonly unknown[];
    } finally {
      this.#node.run = outer;
    }
  }
}
