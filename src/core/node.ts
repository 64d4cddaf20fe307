import { awaitBytes, releaseBytes, type Storage } from '../backends/wasm/heap.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { DType } from './dtype.ts';
import { ArgumentError, AutogradError } from './errors.ts';
import { Attached, type HookHandle, type NodeHook, type NodePrehook } from './hooks.ts';
import { savedInferenceError } from './inference.ts';
import { type Level, scopeOf, type Wrapped } from './levels.ts';
import type { Op } from './op.ts';
import { type Packed, packer } from './packing.ts';
import type { Shape } from './shape.ts';
import { lineOf } from './source-line.ts';
import { alias, frozen, type Operand, type TensorBase, versionOf } from './tensor.ts';
import { type Origin, watch } from './watch.ts';

let lastSequence = 0;

// Nodes are made by the million, so that what they hold is as little as can be: literals, which are
// allocated at their exact size, and what nearly all nodes have alike is shared by them.

/** So many nulls, to be written over. (V8 makes literals of constants alone once, and copies them when they are written to.) */
export function nulls<T>(n: number, x: T | null = null): (T | null)[] {
  return n === 1 ? [x] : n === 2 ? [x, x] : new Array<T | null>(n).fill(x);
}

/** So many zeros, shared: versions and numbers of outputs mostly are. */
const ZEROS: readonly (readonly number[])[] = Array.from({ length: 5 }, (_, n) => new Array<number>(n).fill(0));
const zeros = (n: number): readonly number[] => ZEROS[n] ?? new Array<number>(n).fill(0);

/** The list with another number in place `i`. */
const withNumber = (list: readonly number[], i: number, x: number): readonly number[] =>
  list[i] === x ? list : list.with(i, x);

/** What is not known yet. */
const NOTHING: readonly never[] = [];

/** In the place of a version: the saved value went through saved-tensor hooks, which know nothing of versions. */
const PACKED = -1;

export interface Output {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A backward pass, as nodes know it. */
export interface Visitor {
  /** What has arrived for input `i` of a node in progress, if the node may add to it. */
  arrived(node: Node, i: number): TensorBase | null;
  /** Where the gradient of input `i` of a node in progress is to lie, if the pass knows and nothing has arrived. */
  room(node: Node, i: number): TensorBase | null;
  /** The gradient of what a node took apart, if all gradients `g` of its parts lie in such room; to be asked once. */
  whole(node: Node, g: readonly (TensorBase | null)[]): TensorBase | null;
}

/**
 * One recorded operation. An edge leads from each input that needs a gradient to the node that made
 * it (or to the node that accumulates into a leaf). Nodes hold no tensors but the saved ones, so a
 * graph is ordinary garbage once nobody holds its results.
 */
export class Node {
  readonly op: Op;
  readonly attrs: unknown;
  readonly level: Level | null;
  /** Creation order, 0 at the leaves. An edge always leads to a smaller number, which makes it a topological order. */
  readonly sequence: number;
  /** Per input: the node its gradient goes to, and which of that node's outputs the input was. */
  readonly next: (Node | null)[];
  nextIndex: readonly number[];
  /** Of the output, for a leaf's node those of the leaf; of several outputs, those of the first. */
  shape: Shape = NOTHING;
  dtype: DType = 'float32';
  /** All outputs, if there are several. */
  outputs: readonly Output[] | null = null;
  /** What backward needs: input `i` for a plan entry i ≥ 0, output `~i` for i < 0. */
  plan: readonly number[] = NOTHING;
  saved: (Operand | Packed)[] | null = null;
  savedVersions: readonly number[] = NOTHING;
  /** Saved tensors were released by an earlier backward pass. */
  freed = false;
  /** Where it comes from, if it was made in anomaly mode. @internal */
  origin: Origin | null = null;
  /** For the node that accumulates into a leaf: the leaf. */
  readonly leaf: TensorBase | null;
  /** Gradients that arrived in the backward pass in progress, and that pass. @internal */
  pending: (TensorBase | null)[] | null = null;
  run: Visitor | null = null;
  /** Deliveries that pass still waits for, and the node that it found after this one. @internal */
  dependencies = 0;
  following: Node | null = null;
  /** Hooks, and outputs that keep their gradients; null for most nodes. @internal */
  attached: Attached | null = null;

  constructor(op: Op, attrs: unknown, level: Level | null, inputs: number, leaf: TensorBase | null) {
    this.op = op;
    this.attrs = attrs;
    this.level = level;
    if (leaf === null) lastSequence += 1;
    this.sequence = leaf === null ? lastSequence : 0;
    this.next = nulls<Node>(inputs);
    this.nextIndex = zeros(inputs);
    this.leaf = leaf;
    if (leaf !== null) {
      this.shape = leaf.shape;
      this.dtype = leaf.dtype;
    }
  }

  /** Leads the gradient of input `i` to an output of another node. */
  connect(i: number, to: Node, output: number): void {
    this.next[i] = to;
    if (output !== 0) this.nextIndex = withNumber(this.nextIndex, i, output);
  }

  get outputCount(): number {
    return this.outputs === null ? 1 : this.outputs.length;
  }

  outShape(i: number): Shape {
    return this.outputs === null ? this.shape : this.outputs[i].shape;
  }

  outDtype(i: number): DType {
    return this.outputs === null ? this.dtype : this.outputs[i].dtype;
  }

  /** The shape of an input that needs a gradient: that of the output it was. */
  inShape(i: number): Shape {
    return (this.next[i] as Node).outShape(this.nextIndex[i]);
  }

  inDtype(i: number): DType {
    return (this.next[i] as Node).outDtype(this.nextIndex[i]);
  }

  /** PyTorch's name for this kind of node, such as `MulBackward0`. */
  get name(): string {
    return this.op.nodeName(this.attrs, this);
  }

  /** The nodes gradients go to, with the index of their output; null for inputs that need none. */
  get nextFunctions(): readonly (readonly [Node | null, number])[] {
    return this.next.map((n, i) => [n, this.nextIndex[i]] as const);
  }

  /** For the node that accumulates into a leaf: the leaf. Null for every other node. */
  get variable(): Tensor | null {
    return this.leaf as Tensor | null;
  }

  /**
   * When the node was made: later nodes run first. Infinite for nodes that accumulate into a leaf, which
   * run as soon as they can.
   */
  get sequenceNr(): number {
    return this.leaf === null ? this.sequence : Number.POSITIVE_INFINITY;
  }

  /**
   * What the node keeps for backward, by name: its operation's inputs are `self`, `other`, `input2`, …,
   * outputs are `result` (`result0`, … if there are several). A saved input is the tensor itself, a saved
   * output another one with the same values and place in the graph.
   *
   * @throws {AutogradError} when a backward pass has released them, or one was changed in place since.
   */
  get savedValues(): Readonly<Record<string, Tensor | number>> {
    return Object.fromEntries(placesOf(this).map((k) => [nameOf(this, this.plan[k]), shown(this, k)]));
  }

  /** The tensors among `savedValues`, inputs first. */
  get savedTensors(): readonly Tensor[] {
    return placesOf(this)
      .map((k) => shown(this, k))
      .filter((t) => typeof t !== 'number');
  }

  /** Room for the user's own data about this node. */
  get metadata(): Record<string, unknown> {
    const attached = this.attach();
    attached.metadata ??= {};
    return attached.metadata;
  }

  /**
   * Calls `hook` before each time a backward pass runs this node, with the gradients of its outputs.
   * What it returns takes their place.
   */
  registerPrehook(hook: NodePrehook): HookHandle {
    checkHook('registerPrehook', hook);
    return this.attach().add('pre', hook);
  }

  /**
   * Calls `hook` after each time a backward pass has run this node, with the gradients of its inputs and
   * of its outputs. What it returns takes the place of the former.
   */
  registerHook(hook: NodeHook): HookHandle {
    checkHook('registerHook', hook);
    return this.attach().add('post', hook);
  }

  toString(): string {
    return `<${this.name}>`;
  }

  /** @internal */
  attach(): Attached {
    this.attached ??= new Attached();
    return this.attached;
  }

  /** Sets the k-th saved value and the version it has now. */
  save(k: number, t: Operand): void {
    const saved = this.saved as (Operand | Packed)[];
    if (typeof t === 'number') saved[k] = t;
    else if (t.wrapped !== null || packer !== null) saved[k] = savedApart(this, k, t);
    else {
      const { version } = t.storage;
      if (version !== 0) saveVersion(this, k, version);
      saved[k] = t;
      awaitBytes(t.storage);
    }
  }

  /** Makes room for what `plan` lists. */
  reserve(plan: readonly number[]): void {
    this.plan = plan;
    const n = plan.length;
    if (n === 0) return;
    this.saved = n === 1 ? [0] : n === 2 ? [0, 0] : new Array<Operand | Packed>(n).fill(0);
    this.savedVersions = zeros(n);
  }

  /** The k-th saved value, checked not to be released and not to have been changed in place since. */
  unpack(k: number): Operand {
    if (this.saved === null) throw freedError(this);
    const saved = this.saved[k];
    if (typeof saved === 'number') return saved;
    let t: TensorBase;
    if (this.savedVersions[k] === PACKED) t = (saved as Packed).unpack(this);
    else {
      t = saved as TensorBase;
      const version = t.wrapped === null ? t.storage.version : versionOf(t);
      if (version !== this.savedVersions[k]) throw changedError(this, t, version, this.savedVersions[k], this.plan[k]);
      // A saved input is kept as it is, so that what it was computed by is lost when it is detached in place.
      if (t.node === null && this.next[this.plan[k]]?.leaf === null) throw detachedError(this);
    }
    if (t.wrapped === null) return t;
    // A tape that is not recording has nothing to add: what is inside serves, at the level below.
    return t.wrapped.kind === 'grad' && !scopeOf(t.wrapped.level).enabled ? t.wrapped.value : t;
  }

  /** Lets go of saved values; a later backward through this node is an error. */
  release(): void {
    const { saved } = this;
    if (saved !== null) {
      const first = saved[0];
      if (typeof first === 'number' && saved.length === 1 && this.op.backward?.setting === this.plan[0]) return;
      for (let k = 0; k < saved.length; k++) {
        const t = saved[k];
        if (typeof t === 'number' || this.savedVersions[k] === PACKED) continue;
        const { wrapped, storage, meta } = t as TensorBase;
        if (wrapped !== null) {
          const inside = plainInside(wrapped);
          if (inside !== null) releaseBytes(inside, isResult(this, this.plan[k]));
          continue;
        }
        const whole = meta?.base ?? (t as TensorBase);
        releaseBytes(storage, whole.node !== null || this.plan[k] < 0);
      }
      this.saved = null;
      this.savedVersions = NOTHING;
      this.freed = true;
    }
  }
}

// Functions, for private methods would be a field more in every node.

function saveVersion(node: Node, k: number, version: number): void {
  if (version < 0 && node.level === null) throw savedInferenceError();
  node.savedVersions = withNumber(node.savedVersions, k, version);
}

/** The bytes of a tensor of the outermost tape. */
function plainInside({ kind, value }: Wrapped): Storage | null {
  return kind === 'grad' && value.wrapped === null ? value.storage : null;
}

/** Whether a saved value of a transform was computed there, and is no view of an argument. */
function isResult(node: Node, planned: number): boolean {
  if (planned < 0) return true;
  // What an operation of the user's keeps beside its inputs has no edge.
  let from = node.next[planned] ?? null;
  while (from !== null && from.op.view !== undefined) [from] = from.next;
  return from !== null && from.leaf === null;
}

/** What a node keeps of a tensor of a transform, or by the hooks in force. */
function savedApart(node: Node, k: number, t: TensorBase): TensorBase | Packed {
  const version = versionOf(t);
  if (version !== 0) saveVersion(node, k, version);
  if (packer === null) {
    const inside = t.wrapped === null ? null : plainInside(t.wrapped);
    if (inside !== null) awaitBytes(inside);
    return frozen(t);
  }
  const packed = packer.pack(t, node);
  node.savedVersions = withNumber(node.savedVersions, k, PACKED);
  return packed;
}

/** Where inputs are saved, in order, then outputs. */
function placesOf(node: Node): number[] {
  if (node.freed) throw freedError(node);
  const { plan, next } = node;
  const rank = (k: number): number => (plan[k] >= 0 ? plan[k] : next.length + ~plan[k]);
  return [...plan.keys()].sort((a, b) => rank(a) - rank(b));
}

function nameOf(node: Node, place: number): string {
  if (place >= 0) return ['self', 'other'][place] ?? `input${place}`;
  return node.outputCount === 1 ? 'result' : `result${~place}`;
}

/** The k-th saved value as users see it. */
function shown(node: Node, k: number): Tensor | number {
  const t = node.unpack(k);
  if (typeof t === 'number') return t;
  if (node.plan[k] >= 0 || t.wrapped !== null) return t as Tensor;
  const same = alias(t);
  same.tracked = true;
  same.node = node;
  same.outputIndex = ~node.plan[k];
  return same as Tensor;
}

export function checkHook(name: string, hook: unknown): void {
  if (typeof hook !== 'function') throw new ArgumentError(`${name}: expected a function, got ${typeof hook}`);
}

function freedError(node: Node): AutogradError {
  return new AutogradError(
    `${node.name}: Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retainGraph: true if you need to backward through the graph a second time or if you need to access saved tensors after calling backward.`,
  );
}

function detachedError(node: Node): AutogradError {
  return new AutogradError(
    `${node.name}: Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(). This is not supported, please use out-of-place \`.detach()\` instead`,
  );
}

function changedError(node: Node, t: TensorBase, version: number, expected: number, planned: number): AutogradError {
  const [maker, output] = planned < 0 ? [node, ~planned] : [node.next[planned] ?? null, node.nextIndex[planned]];
  const role = maker === null || maker.leaf !== null ? '' : `, which is output ${output} of ${maker.name},`;
  const by = t.wrapped === null ? t.storage.counter.lastChange : null;
  const change =
    by === null
      ? ''
      : ` What changed it last was ${typeof by === 'string' ? by : `${by.by}, called at ${lineOf(by.at)}`}.`;
  const hint =
    watch === null
      ? 'enable anomaly detection to find the operation that failed to compute its gradient, with autograd.setDetectAnomaly(true).'
      : 'the backtrace further above shows the operation that failed to compute its gradient. The variable in question was changed in there or anywhere later.';
  return new AutogradError(
    `one of the variables needed for gradient computation has been modified by an inplace operation: [${t.dtype} [${t.shape.join(', ')}]]${role} is at version ${version}; expected version ${expected} instead. Hint: ${hint} ${node.name} saved the tensor for backward.${change} Clone it before changing it in place, or compute the gradient first.`,
  );
}
