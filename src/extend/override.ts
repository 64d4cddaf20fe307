import { apply, sync } from '../core/apply.ts';
import { swapArena } from '../core/arena.ts';
import { withoutForward } from '../core/forward.ts';
import { currentScope, type Level, scopeOf, type Wrapped, withLevel } from '../core/levels.ts';
import type { Node } from '../core/node.ts';
import type { Backward, JvpContext, Op } from '../core/op.ts';
import { levelOf, type Operand, type Outputs, type TensorBase } from '../core/tensor.ts';
import { expand, unsqueeze } from '../ops/view.ts';
import { BatchLevel } from '../transforms/levels.ts';

/*
 * How a computation gets derivatives that a user wrote. The computation runs first, as it is, and its
 * results are cut out of every graph. Then one operation, `Override`, takes the inputs and the results,
 * hands the results through and brings the user's rules. It goes through `apply` like any other, so
 * every level (tapes, tangents, batches, nested in any order) sees the user's rules and nothing else.
 */

type Maybe = TensorBase | null;

/** Derivative rules on flat lists of tensors. */
export interface Rules {
  /** Gradients of the inputs from those of the results (null: none arrived, none). */
  pull(saved: () => readonly TensorBase[], g: readonly Maybe[]): readonly Maybe[];
  /** Tangents of the results from those of the inputs (null: zero). */
  push(saved: () => readonly TensorBase[], tangents: readonly Maybe[]): readonly Maybe[];
}

/**
 * What `Override` is made of. Its inputs are `[…inputs, …results, …kept]`. A place is an input of that
 * list, or `~k` for result `k` as the operation gives it.
 */
export interface OverrideOptions {
  readonly name: string;
  readonly node: string;
  /** How many of the inputs are the computation's own; gradients go to these. */
  readonly inputs: number;
  readonly results: number;
  /** What `pull` needs. */
  readonly saves: readonly number[];
  /** What `push` needs. */
  readonly pushes: readonly number[];
  readonly rules: Rules;
  /** Run `pull` also when a pass comes by and has brought nothing. */
  readonly unreached?: true;
  /** Under vmap the results were computed by operations below the batch: those have their own derivatives. */
  readonly natural?: boolean;
}

/** Runs code of the user's: what it allocates may be kept by the user, and is not released by whoever runs around it. */
export function asUser<R>(body: () => R): R {
  const outer = swapArena(null);
  try {
    return body();
  } finally {
    swapArena(outer);
  }
}

/** Runs the user's code with nothing recorded, not on the tape that runs now, nor on that of `level`, and without tangents. */
export function unrecorded<R>(level: Level | null, body: () => R): R {
  const scopes = [currentScope(), scopeOf(level)];
  const enabled = scopes.map((s) => s.enabled);
  for (const s of scopes) s.enabled = false;
  try {
    return asUser(() => withoutForward(body));
  } finally {
    scopes.forEach((s, i) => {
      s.enabled = enabled[i];
    });
  }
}

/** The user will see these gradients and may keep them. */
export function show(g: readonly Maybe[]): void {
  for (const t of g) if (t !== null) t.storage.owner = null;
}

export class Override implements Op<undefined> {
  readonly name: string;
  readonly edges: number;
  readonly backward: Backward;
  readonly #options: OverrideOptions;

  constructor(options: OverrideOptions) {
    this.name = options.name;
    this.edges = options.inputs;
    this.#options = options;
    this.backward = {
      ...(options.unreached ? { unreached: true } : {}),
      plan: () => options.saves,
      run: (node, g) => {
        show(g);
        return asUser(() => options.rules.pull(() => options.saves.map((_, k) => node.unpack(k) as TensorBase), g));
      },
    };
  }

  nodeName(_attrs: unknown, _node: Node | null): string {
    return this.#options.node;
  }

  /** The results with the user's derivatives. */
  call(inputs: readonly TensorBase[]): readonly TensorBase[] {
    return apply(this, inputs, undefined) as readonly TensorBase[];
  }

  forward(inputs: readonly Operand[]): Outputs {
    const { inputs: n, results } = this.#options;
    return inputs.slice(n, n + results) as TensorBase[];
  }

  jvp({ inputs, tangents, outputs }: JvpContext<undefined>): readonly Maybe[] {
    const { inputs: n, pushes, rules } = this.#options;
    const own = tangents.slice(0, n);
    if (own.every((t) => t === null)) return outputs.map(() => null);
    return asUser(() => rules.push(() => pushes.map((p) => (p < 0 ? outputs[~p] : inputs[p]) as TensorBase), own));
  }

  vmap(inputs: readonly Operand[], batched: readonly boolean[], _attrs: undefined, size: number): Outputs {
    const { inputs: n, results, rules, saves, pushes, natural } = this.#options;
    const isResult = (i: number): boolean => i >= n && i < n + results;
    const whole = inputs.map((x, i) =>
      isResult(i) && !batched[i] ? repeated(x as TensorBase, size) : (x as TensorBase),
    );
    if (natural) return whole.slice(n, n + results);
    const flag = (p: number): boolean => p < 0 || isResult(p) || batched[p];
    return new Override({
      ...this.#options,
      rules: batchedRules(rules, size, batched.slice(0, n), saves.map(flag), pushes.map(flag)),
    }).call(whole);
  }
}

export function repeated(t: TensorBase, size: number): TensorBase {
  return expand(unsqueeze(t, 0), [size, ...t.shape]);
}

/** The rules for a whole batch: the rules for one example, inside a vmap of their own. */
function batchedRules(
  rules: Rules,
  size: number,
  inputs: readonly boolean[],
  saves: readonly boolean[],
  pushes: readonly boolean[],
): Rules {
  const within = (body: (level: BatchLevel) => readonly Maybe[]): readonly Maybe[] => {
    const level = new BatchLevel(size);
    return withLevel(level, () => body(level)).map((t) => (t === null ? null : whole(level, t)));
  };
  const lift = (level: BatchLevel, ts: readonly Maybe[], flags: readonly boolean[] | true): Maybe[] =>
    ts.map((t, i) => (t !== null && (flags === true || flags[i]) ? level.lift(t) : t));
  return {
    pull: (saved, g) =>
      within((level) => rules.pull(() => lift(level, saved(), saves) as TensorBase[], lift(level, g, true))),
    push: (saved, tangents) =>
      within((level) => rules.push(() => lift(level, saved(), pushes) as TensorBase[], lift(level, tangents, inputs))),
  };
}

/** All examples of a tensor that was computed in a vmap. What is the same for all is repeated, so that a sum over the batch counts it for each. */
function whole(level: BatchLevel, t: TensorBase): TensorBase {
  return levelOf(t) === level ? (sync(t).wrapped as Wrapped).value : repeated(t, level.size);
}
