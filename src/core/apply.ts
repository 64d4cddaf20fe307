import { launching } from '../backends/wasm/threads/pending.ts';
import { kindOf } from './arguments.ts';
import { boundView } from './bound-view.ts';
import { isFloat } from './dtype.ts';
import { ArgumentError, AutogradError } from './errors.ts';
import { detour, forwardLevel, supplied } from './forward.ts';
import { haveInference } from './inference.ts';
import { baseScope, type Level, scopeOf } from './levels.ts';
import { Node } from './node.ts';
import type { Op } from './op.ts';
import { makeResults } from './recipes.ts';
import { sameShape } from './shape.ts';
import {
  type AutogradMeta,
  isInference,
  isTensor,
  levelOf,
  metaOf,
  type Operand,
  type Outputs,
  shadowOf,
  type TensorBase,
} from './tensor.ts';
import { treeLeaves } from './tree.ts';
import { watch } from './watch.ts';

/** The highest level among the inputs, null when all are plain. */
export function topLevel(op: string, inputs: readonly Operand[]): Level | null {
  let top: Level | null = null;
  for (let i = 0; i < inputs.length; i++) {
    const t = inputs[i];
    if (typeof t === 'number' || t?.wrapped === null) continue;
    if (!isTensor(t)) throw noOperand(op, t);
    if (t.meta !== null) sync(t);
    const level = t.wrapped.level;
    if (top === null || level.id > top.id) top = level;
  }
  if (top !== null && !top.alive) throw escaped(top);
  return top;
}

function noOperand(op: string, x: unknown): ArgumentError {
  return new ArgumentError(
    `${op}: expected a Tensor or a number, got ${kindOf(x)}${Array.isArray(x) ? '; make it a tensor: tensor([…])' : ''}`,
  );
}

function escaped(level: Level): AutogradError {
  const transform = { batch: 'vmap', dual: 'jvp', grad: 'grad or vjp' }[level.kind];
  const mapped = level.kind === 'batch' ? ' (your tensor may have escaped from inside a function being vmapped)' : '';
  return new AutogradError(
    `a tensor made inside a function transformed by ${transform} was used after the transform had returned${mapped}; return it from the function instead of storing it outside`,
  );
}

/** The one door: runs an operation at the highest level present and records it there. */
export function apply<A>(op: Op<A>, inputs: readonly Operand[], attrs: A): Outputs {
  if (forwardLevel !== null) return forwardLevel.apply(op as Op<never>, inputs, attrs);
  const level = topLevel(op.name, inputs);
  launching.name = op.name;
  const outputs =
    level !== null
      ? level.process(op as Op<never>, inputs, attrs)
      : op.cheap !== undefined
        ? makeResults(op, inputs, attrs)
        : detour
          ? supplied(op, inputs, attrs)
          : op.forward(inputs, attrs);
  if (op.backward !== null && scopeOf(level).enabled) record(op, inputs, attrs, outputs, level);
  return outputs;
}

/** `apply` by the shortest way, for those that come from a level above. */
export function applyBelow(op: Op, inputs: readonly Operand[], attrs: unknown): Outputs {
  return op.invoke === undefined ? apply(op, inputs, attrs as never) : op.invoke(inputs);
}

/** Whether an operation on these is its kernel and nothing more: neither recorded nor transformed nor watched by anyone. */
export function isBare(inputs: readonly TensorBase[]): boolean {
  if (forwardLevel !== null || detour) return false;
  return inputs.every((t) => t.wrapped === null && !(baseScope.enabled && sync(t).tracked));
}

/** `apply` where tangents are the caller's business. */
export function applyToPrimals<A>(op: Op<A>, inputs: readonly Operand[], attrs: A): Outputs {
  const level = topLevel(op.name, inputs);
  const outputs = level === null ? supplied(op, inputs, attrs) : level.process(op as Op<never>, inputs, attrs);
  if (op.backward !== null && scopeOf(level).enabled) record(op, inputs, attrs, outputs, level);
  return outputs;
}

/** `apply` for operations with one output. */
export function apply1<A>(op: Op<A>, inputs: readonly Operand[], attrs: A): TensorBase {
  return apply(op, inputs, attrs) as TensorBase;
}

/**
 * A view's place in the graph after its base was changed in place, installed by the file that knows
 * how to express a view of the new base.
 */
let followBase: ((view: TensorBase, base: TensorBase) => void) | null = null;
/** @internal */
export function setFollowBase(f: (view: TensorBase, base: TensorBase) => void): void {
  followBase = f;
}

// V8 inlines by length of code, and only so much into one function. So what is on the path of every operation is
// short, and what is rare stands apart.

/** Brings the place in the graph of a view up to date. */
export function sync(t: TensorBase): TensorBase {
  const { meta } = t;
  if (meta !== null && meta.base !== null) syncView(t, meta, meta.base);
  return t;
}

function syncView(t: TensorBase, meta: AutogradMeta, base: TensorBase): void {
  if (t.wrapped !== null) {
    const { baseVersion } = metaOf(base);
    if (meta.baseVersion === baseVersion) return;
    if (base.tracked && meta.creation !== 'plain' && meta.creation !== 'detached')
      throw boundView(t, 'its base or another view of its base has been');
    followBase?.(t, base);
    meta.baseVersion = metaOf(base).baseVersion;
  } else if (meta.baseVersion !== t.storage.version) {
    if (base.tracked) {
      if (meta.creation !== 'plain') throw boundView(t, 'its base or another view of its base has been');
      followBase?.(t, base);
    }
    meta.baseVersion = t.storage.version;
  }
}

/** What a function gave, where the transform it ran in is still there: views of what was changed since have to follow it now. */
export function settled<R>(result: R): R {
  for (const t of treeLeaves(result)) sync(t);
  return result;
}

/** Whether a view is bound to a base that needs gradients and was changed, and cannot follow it: `sync` would refuse it. */
export function isLost(t: TensorBase): boolean {
  const { meta } = t;
  if (meta === null || meta.base === null || meta.creation === 'plain' || meta.creation === 'detached') return false;
  return (
    meta.base.tracked && meta.baseVersion !== (t.wrapped === null ? t.storage.version : metaOf(meta.base).baseVersion)
  );
}

/** Whether gradients flow to `t`, also where `sync` would refuse it. */
export function needsGradient(t: TensorBase): boolean {
  return isLost(t) || sync(t).tracked;
}

/** Where the gradient of `t` goes: the node that made it, or the one accumulating into the leaf. */
export function gradientNode(t: TensorBase): Node {
  return sync(t).node ?? accumulatorOf(t);
}

function accumulatorOf(t: TensorBase): Node {
  const meta = metaOf(t);
  meta.accumulator ??= new Node(accumulateGrad, undefined, levelOf(t), 0, t);
  return meta.accumulator;
}

/**
 * To be called when a leaf has taken another shape or dtype. What is recorded from now on delivers its
 * gradient in that form; what was recorded before knows the old one.
 */
export function renewAccumulator(t: TensorBase): void {
  const before = t.meta?.accumulator ?? null;
  if (before === null || (sameShape(before.shape, t.shape) && before.dtype === t.dtype)) return;
  const accumulator = new Node(accumulateGrad, undefined, levelOf(t), 0, t);
  accumulator.attached = before.attached;
  metaOf(t).accumulator = accumulator;
}

/** The end of every path: adds what arrives to `leaf.grad`. The engine knows it by `node.leaf`. */
const accumulateGrad: Op<never> = {
  name: 'accumulateGrad',
  nodeName: () => 'AccumulateGrad',
  forward: () => {
    throw new AutogradError('accumulateGrad is not called');
  },
  backward: null,
  jvp: () => [],
  vmap: () => {
    throw new AutogradError('accumulateGrad is not called');
  },
};

/** Records an operation if an input at its level needs a gradient. */
export function record<A>(
  op: Op<A>,
  inputs: readonly Operand[],
  attrs: A,
  outputs: Outputs,
  level: Level | null,
): void {
  const node = openNode(op, inputs, attrs, level);
  if (node !== null) closeNode(node, outputs);
}

/**
 * The first half of recording: edges and saved inputs. In-place operations run their kernel between
 * the two halves, so that inputs are saved with the version they had before; `keep` may give what is
 * to be saved instead of an input.
 */
export function openNode<A>(
  op: Op<A>,
  inputs: readonly Operand[],
  attrs: A,
  level: Level | null,
  keep: ((x: Operand) => Operand) | null = null,
): Node | null {
  const count = op.edges ?? inputs.length;
  let needs = 0;
  for (let i = 0; i < count; i++) {
    const t = inputs[i];
    if (typeof t !== 'number' && sync(t).tracked && levelOf(t) === level) needs |= 1 << i;
  }
  if (needs === 0 || op.backward === null) return null;
  // An inference tensor may take part where others need gradients; by itself it makes no graph. A transform's tape is
  // no matter of the mode around it.
  if (haveInference && level === null && inputs.every((t) => typeof t === 'number' || isInference(t))) return null;
  const node = new Node(op as Op<never>, attrs, level, count, null);
  if (watch !== null) watch.made(node, inputs);
  for (let i = 0; i < count; i++) {
    const t = inputs[i];
    if (typeof t === 'number' || !t.tracked || levelOf(t) !== level) continue;
    node.connect(i, t.node ?? accumulatorOf(t), t.outputIndex);
  }
  const plan = op.backward.plan(needs, count);
  node.reserve(plan);
  // Places of outputs are filled when the outputs exist.
  for (let k = 0; k < plan.length; k++) {
    if (plan[k] < 0) continue;
    const x = inputs[plan[k]];
    node.save(k, keep === null ? x : keep(x));
  }
  return node;
}

/** The second half of recording: saved outputs, and the outputs' place in the graph. */
export function closeNode(node: Node, outputs: Outputs): void {
  const { plan } = node;
  const many = Array.isArray(outputs);
  if (many) {
    const list = outputs as readonly TensorBase[];
    for (let i = 0; i < list.length; i++) attach(node, list[i], i);
    node.outputs = list.map(({ shape, dtype }) => ({ shape, dtype }));
    if (list.length > 0) {
      node.shape = list[0].shape;
      node.dtype = list[0].dtype;
    }
  } else {
    const t = outputs as TensorBase;
    attach(node, t, 0);
    node.shape = t.shape;
    node.dtype = t.dtype;
  }
  for (let k = 0; k < plan.length; k++) {
    if (plan[k] < 0) node.save(k, many ? (outputs as readonly TensorBase[])[~plan[k]] : (outputs as TensorBase));
  }
}

function attach(node: Node, t: TensorBase, index: number): void {
  if (!isFloat(t.dtype)) return;
  t.tracked = true;
  t.node = node;
  t.outputIndex = index;
  retainAt(node, t);
}

/** Cuts a tensor out of the graph. */
export function leaveGraph(t: TensorBase): void {
  t.node = null;
  t.outputIndex = 0;
  t.tracked = false;
  if (t.meta !== null) t.meta.retained = null;
}

/** Asks the node that makes `t` to keep the gradient of `t`, if that wishes it. After an in-place change that is the new node. */
export function retainAt(node: Node | null, t: TensorBase): void {
  const { meta } = t;
  if (meta === null || !meta.retainsGrad) return;
  meta.retained = null;
  if (node === null) return;
  meta.retained = { meta, index: t.outputIndex, like: shadowOf(t), inTransform: t.wrapped !== null };
  const attached = node.attach();
  attached.retaining = [...attached.retaining, meta.retained];
}
