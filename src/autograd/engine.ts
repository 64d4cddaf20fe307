import { swapArena } from '../core/arena.ts';
import { dtypeAt, indexAt, levelAt, nodeAt, type Place, shapeAt } from '../core/edge.ts';
import { AutogradError } from '../core/errors.ts';
import { forwardLevel } from '../core/forward.ts';
import type { Attached } from '../core/hooks.ts';
import { baseScope, type GradScope, scopeOf } from '../core/levels.ts';
import { type Node, nulls } from '../core/node.ts';
import type { Backward } from '../core/op.ts';
import { sameShape } from '../core/shape.ts';
import { isTensor, metaOf, type TensorBase } from '../core/tensor.ts';
import { type Watch, watch } from '../core/watch.ts';
import { full, onesLike } from '../ops/create.ts';
import { add, addInto, clone, sumTo, toDType } from '../ops/engine-ops.ts';
import { callAccumulateHooks, callPosthooks, callPrehooks, callTensorHooks, type Gradients } from './hooks.ts';
import { enterPass, leavePass, mustWait, type Pass, runWaiting, settle, waiting } from './nesting.ts';
import { hasParts, made } from './ownership.ts';
import { ReadyQueue } from './ready-queue.ts';
import { Rooms } from './rooms.ts';

export interface RunOptions {
  /** Keep saved tensors for another pass. */
  readonly retainGraph: boolean;
  /** Record the pass itself, so that its results can be differentiated. */
  readonly createGraph: boolean;
  /** Compute gradients of these only; null: of every leaf reached. */
  readonly inputs: readonly Place[] | null;
  /** Add gradients to `.grad` (backward) instead of returning them (grad). */
  readonly accumulate: boolean;
  /** For roots of a transform: nothing that the pass computes is recorded or wrapped further down. */
  readonly alone?: boolean;
}

function nothing(node: Node): Gradients {
  return nulls(node.outputCount);
}

/** No leaves yet. */
const NO_NODES: Node[] = [];

const NONE_LENT: readonly TensorBase[] = [];

/** Instead of the deliveries that a node still waits for: it has begun. */
const ENQUEUED = -1;

/** The results of a pass that returns none. */
const NONE: (TensorBase | null)[] = [];

/**
 * One backward pass. Each node waits until every consumer has delivered its part, then turns the
 * gradients of its outputs into those of its inputs.
 *
 * With `createGraph` everything becomes part of a graph, and nothing that the pass allocates is freed.
 */
class BackwardPass extends Rooms implements Pass {
  private readonly options: RunOptions;
  private readonly ready = new ReadyQueue();
  /** Leaves that have received all they will. */
  private leaves: Node[] = NO_NODES;
  /** Requested inputs by node: `[output index, position in the result]`. */
  private readonly targets: Map<Node, [index: number, position: number][]> | null;
  private readonly results: (TensorBase | null)[];
  private asked: (() => void)[] | null = null;
  /** Gradients that the node in progress was given to add to. */
  private lent: readonly TensorBase[] = NONE_LENT;

  constructor(options: RunOptions, releases: boolean) {
    super(releases, options.createGraph);
    this.options = options;
    const { inputs } = options;
    this.results = inputs === null ? NONE : new Array<TensorBase | null>(inputs.length).fill(null);
    if (inputs === null) {
      this.targets = null;
      return;
    }
    const targets = new Map<Node, [index: number, position: number][]>();
    inputs.forEach((t, position) => {
      const node = nodeAt(t);
      const list = targets.get(node);
      const entry: [number, number] = [indexAt(t), position];
      if (list === undefined) targets.set(node, [entry]);
      else list.push(entry);
    });
    this.targets = targets;
  }

  get callbacks(): (() => void)[] {
    this.asked ??= [];
    return this.asked;
  }

  execute(roots: readonly Place[], cotangents: readonly (TensorBase | null)[]): readonly (TensorBase | null)[] {
    const scope: GradScope = scopeOf(levelAt(roots[0]));
    const enabled = scope.enabled;
    const outerArena = swapArena(null);
    const outer = enterPass(this);
    scope.enabled = this.records;
    let accumulated = 0;
    let finished = false;
    try {
      this.discover(roots, this.targets);
      for (let i = 0; i < roots.length; i++) {
        const start = nodeAt(roots[i]);
        if (start.run === this) this.deliver(start, indexAt(roots[i]), this.seed(roots[i], cotangents[i]));
      }
      for (let i = 0; i < roots.length; i++) {
        const start = nodeAt(roots[i]);
        if (start.run !== this || start.dependencies !== 0) continue;
        // A node may be the start of several roots.
        start.dependencies = ENQUEUED;
        this.enqueue(start);
      }
      for (;;) {
        // Leaves accumulate as soon as they can.
        while (accumulated < this.leaves.length) this.process(this.leaves[accumulated++]);
        if (waiting.length > 0) runWaiting();
        const next = this.ready.pop();
        if (next === null) break;
        this.process(next);
      }
      // A callback may ask for further ones.
      const callbacks = this.asked;
      if (callbacks !== null) for (let i = 0; i < callbacks.length; i++) callbacks[i]();
      if (waiting.length > 0) runWaiting();
      finished = true;
    } finally {
      scope.enabled = enabled;
      swapArena(outerArena);
      leavePass(outer, finished);
      this.leave(finished);
    }
    return this.results;
  }

  willRun(node: Node): boolean {
    return node.run === this && this.wants(node);
  }

  /** The cotangent of a root, 1 when none was given, in the dtype of the root. */
  private seed(root: Place, given: TensorBase | null): TensorBase {
    const dtype = dtypeAt(root);
    if (given !== null && given.dtype === dtype) return given;
    // In an arena of its own like sums, for the pass writes to it.
    const outer = swapArena(this.releases ? [] : null);
    const seed =
      given !== null ? toDType(given, dtype) : isTensor(root) ? onesLike(root) : full(shapeAt(root), 1, dtype);
    swapArena(outer);
    if (this.releases) seed.storage.owner = this;
    return seed;
  }

  private deliver(node: Node, index: number, g: TensorBase): void {
    // A rule or a hook of the user's may bring in what the tape below this one records.
    if (g.tracked && baseScope.enabled) this.releases = false;
    if (node.pending === null) node.pending = nothing(node);
    const { pending } = node;
    const before = pending[index];
    if (before === null) {
      pending[index] = g;
      g.storage.holds += 1;
      return;
    }
    // The node has added to it already; the same tensor may also arrive twice and count twice.
    if (before === g && this.lent.includes(g)) return;
    if (!this.records && this.mayAddTo(before)) {
      addInto(before, g);
      return;
    }
    // In an arena of its own, so that the sum, which the pass writes to and frees, is given no recipe.
    const outer = swapArena(this.releases ? [] : null);
    const sum = add(before, g);
    swapArena(outer);
    if (this.releases) sum.storage.owner = this;
    pending[index] = sum;
    sum.storage.holds += 1;
    this.drop(before);
  }

  arrived(node: Node, i: number): TensorBase | null {
    if (!this.mayWrite(node)) return null;
    const before = node.next[i]?.pending?.[node.nextIndex[i]] ?? null;
    if (before === null || !this.mayAddTo(before)) return null;
    this.lent = [...this.lent, before];
    return before;
  }

  private enqueue(node: Node): void {
    if (node.leaf === null) this.ready.push(node);
    else if (this.leaves === NO_NODES) this.leaves = [node];
    else this.leaves.push(node);
  }

  private process(node: Node): void {
    let g = node.pending;
    node.pending = null;
    const { attached } = node;
    if (attached !== null) g ??= nothing(node);
    try {
      if (attached !== null && g !== null) this.arrive(attached, g);
      if (g !== null && !this.options.accumulate) this.capture(node, g);
      if (node.leaf !== null) {
        if (g !== null && this.options.accumulate && this.wantsGrad(node)) this.end(node.leaf, attached, g);
      } else if (this.expands(node)) this.expand(node, g);
      else if (attached !== null && g !== null && this.options.accumulate) {
        // A requested result whose node would compute what nobody asked for: only its hooks run.
        callPrehooks(attached, g, this);
        callPosthooks(attached, new Array<TensorBase | null>(node.next.length).fill(null), g, this);
      }
    } finally {
      if (g !== null) {
        for (let i = 0; i < g.length; i++) {
          const t = g[i];
          if (t !== null) this.drop(t);
        }
      }
    }
  }

  /** The end of a path: accumulates into the leaf. */
  private end(leaf: TensorBase, attached: Attached | null, g: Gradients): void {
    if (attached !== null) callPrehooks(attached, g, this);
    // Not if it was told since that it needs none.
    if (g[0] !== null && leaf.tracked) {
      this.accumulate(metaOf(leaf), leaf, leaf.wrapped !== null, g[0], attached === null || attached.post.length === 0);
      if (attached !== null) callAccumulateHooks(attached, leaf);
    }
    if (attached !== null) callPosthooks(attached, [], g, this);
  }

  /** Runs a node: turns the gradients of its outputs into those of its inputs and delivers them. */
  private expand(node: Node, g: Gradients | null): void {
    const { attached } = node;
    const outside = made.length;
    if (attached !== null && g !== null) callPrehooks(attached, g, this);
    // A hook may keep what it sees: then the pass does not count it as its own.
    const shows = attached !== null && attached.post.length > 0;
    const outer = swapArena(this.releases && !shows ? made : null);
    this.lent = NONE_LENT;
    try {
      const silent = g === null && node.op.backward?.unreached !== true;
      let grads = silent ? null : this.backward(node, g ?? nothing(node));
      if (shows && g !== null) {
        grads = node.next.map((to, i) => {
          const gi = grads?.[i] ?? null;
          return to === null || gi === null ? null : fitted(gi, to, node.nextIndex[i]);
        });
        callPosthooks(attached, grads as Gradients, g, this);
      }
      let claimed = this.claim(outside);
      if (grads !== null && g !== null && !shows && hasParts(grads)) grads = this.apart(grads, g);
      const { next } = node;
      // Several of them may lie in one storage, which is not to be added to before the last one is delivered.
      const several = grads !== null && next.length > 1;
      if (grads !== null && several) hold(grads);
      for (let i = 0; i < next.length; i++) {
        const to = next[i];
        const gi = grads === null ? null : grads[i];
        if (several && gi) gi.storage.holds -= 1;
        if (to === null || !this.wants(to)) continue;
        if (gi) {
          const index = node.nextIndex[i];
          const fit = fitted(gi, to, index);
          if (fit !== gi) claimed = this.claim(claimed);
          this.deliver(to, index, fit);
        }
        to.dependencies -= 1;
        if (to.dependencies === 0) this.enqueue(to);
      }
    } finally {
      swapArena(outer);
      this.release(outside);
    }
    if (!this.options.retainGraph) node.release();
  }

  private backward(node: Node, g: readonly (TensorBase | null)[]): readonly (TensorBase | null)[] {
    const { backward } = node.op;
    if (backward === null) throw new AutogradError(`the derivative for '${node.op.name}' is not implemented`);
    let wanted = 0;
    for (let i = 0; i < node.next.length; i++) {
      const to = node.next[i];
      if (to !== null && this.wants(to)) wanted |= 1 << i;
    }
    return watch === null ? backward.run(node, g, wanted) : watched(watch, backward, node, g, wanted);
  }

  protected isAsked(node: Node): boolean {
    return this.targets?.has(node) === true;
  }

  private wantsGrad(node: Node): boolean {
    return this.targets === null || this.targets.has(node);
  }

  /** What happens wherever a pass arrives: hooks of tensors, then `retainGrad`. */
  private arrive(attached: Attached, g: Gradients): void {
    callTensorHooks(attached, g, this);
    for (const retained of attached.retaining) {
      // After a change in place another node makes it.
      if (retained.meta.retained !== retained) continue;
      const gt = g[retained.index];
      if (gt === null) continue;
      const { meta } = retained;
      // Unlike a leaf's, it is another tensor after every pass.
      if (meta.grad === null) this.accumulate(meta, retained.like, retained.inTransform, gt, false);
      else meta.grad = add(meta.grad, gt);
    }
  }

  /** Hands requested inputs their gradients. */
  private capture(node: Node, g: Gradients): void {
    const targets = this.targets?.get(node);
    if (targets === undefined) return;
    for (const [index, position] of targets) {
      const gt = g[index];
      if (gt !== null) this.results[position] = this.keep(gt);
    }
  }
}

function hold(grads: readonly (TensorBase | null)[]): void {
  for (let i = 0; i < grads.length; i++) {
    const g = grads[i];
    if (g) g.storage.holds += 1;
  }
}

// Apart, for what a closure holds is allocated whether it is made or not.
function watched(
  by: Watch,
  backward: Backward,
  node: Node,
  g: readonly (TensorBase | null)[],
  wanted: number,
): readonly (TensorBase | null)[] {
  return by.run(node, g, () => backward.run(node, g, wanted));
}

/** The gradient of an output in that output's own shape and dtype: broadcasting is undone here. */
function fitted(g: TensorBase, node: Node, output: number): TensorBase {
  const shape = node.outShape(output);
  const dtype = node.outDtype(output);
  let out = g;
  if (!sameShape(out.shape, shape)) out = sumTo(out, shape);
  if (out.dtype !== dtype) out = toDType(out, dtype);
  return out;
}

/** Runs a backward pass from `roots` with their cotangents (null: ones); returns the gradients of `inputs` (null: not reached). */
export function runBackward(
  roots: readonly Place[],
  cotangents: readonly (TensorBase | null)[],
  options: RunOptions,
): readonly (TensorBase | null)[] {
  // A tangent is held by its tensor, which the pass does not see.
  let plain = forwardLevel === null;
  for (let i = 0; plain && i < roots.length; i++) {
    const g = cotangents[i];
    plain = (options.alone || levelAt(roots[i]) === null) && (g === null || g.wrapped === null);
  }
  const pass = new BackwardPass(options, plain && !options.createGraph);
  if (options.accumulate && mustWait()) {
    // The caller may change its cotangents when this has returned.
    const seeds = cotangents.map((g) => (g === null ? null : clone(g)));
    waiting.push(() => pass.execute(roots, seeds));
    return [];
  }
  settle();
  return pass.execute(roots, cotangents);
}
