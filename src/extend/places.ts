import type { TensorBase } from '../core/tensor.ts';
import { mapTree } from '../core/tree.ts';

/** Stands for a tensor in a tree that must not hold it. */
class Slot {
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

/** A tree of arguments or results with numbered places where its tensors were. */
export class Template {
  readonly #tree: unknown;

  constructor(tree: unknown, place: (t: TensorBase) => number) {
    this.#tree = mapTree(tree, (t) => new Slot(place(t)));
  }

  /** The tree with something in every place. */
  fill(at: (index: number) => unknown): unknown {
    return mapTree(
      this.#tree,
      (t) => t,
      (x) => (x instanceof Slot ? at(x.index) : x),
    );
  }

  /**
   * Visits what another tree has in the places of this one. Null instead of an array or object is null in
   * all its places; other differences of structure go to `differs`.
   */
  zip(other: unknown, visit: (index: number, x: unknown) => void, differs: () => never): void {
    const walk = (tree: unknown, x: unknown): void => {
      if (tree instanceof Slot) visit(tree.index, x);
      else if (Array.isArray(tree)) {
        if (nothing(x)) for (const t of tree) walk(t, null);
        else if (!Array.isArray(x) || x.length !== tree.length) differs();
        else for (const [i, t] of tree.entries()) walk(t, x[i]);
      } else if (isPlainObject(tree)) {
        if (!nothing(x) && !isPlainObject(x)) differs();
        for (const [key, t] of Object.entries(tree)) walk(t, nothing(x) ? null : x[key]);
      }
    };
    walk(this.#tree, other);
  }
}

const nothing = (x: unknown): x is null | undefined => x === null || x === undefined;

function isPlainObject(x: unknown): x is Record<string, unknown> {
  return typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype;
}

/** Where an `Override` finds tensors: among inputs or results where they are such, else further inputs. */
export class Places {
  readonly #known = new Map<TensorBase, number>();
  readonly #first: number;
  /** Tensors that are neither inputs nor results. */
  readonly kept: TensorBase[] = [];

  constructor(inputs: readonly TensorBase[], results: readonly TensorBase[]) {
    this.#first = inputs.length + results.length;
    inputs.forEach((t, i) => {
      if (!this.#known.has(t)) this.#known.set(t, i);
    });
    // A result that is also an input was changed in place, and is the result from then on.
    results.forEach((t, k) => {
      this.#known.set(t, ~k);
    });
  }

  /** The place of `t`; if it is new, a further input. */
  of(t: TensorBase): number {
    let place = this.#known.get(t);
    if (place === undefined) {
      place = this.#first + this.kept.push(t) - 1;
      this.#known.set(t, place);
    }
    return place;
  }

  /** A template whose places are numbered as they come, and noted in `list`. */
  template(tree: unknown, list: number[]): Template {
    return new Template(tree, (t) => list.push(this.of(t)) - 1);
  }
}
