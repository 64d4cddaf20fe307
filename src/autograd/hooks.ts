import { gradientNode, sync } from '../core/apply.ts';
import { swapArena } from '../core/arena.ts';
import { ArgumentError, AutogradError, DTypeError, ShapeError } from '../core/errors.ts';
import type { AccumulateHook, Attached, HookHandle, TensorHook } from '../core/hooks.ts';
import { checkHook } from '../core/node.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import { TensorBase } from '../core/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';

/*
 * Hooks: how they are hung up, and how a pass calls them. At every node the order is: hooks of the
 * tensors that the node made, `retainGrad`, prehooks of the node, the node, (at a leaf) hooks after
 * accumulation, hooks of the node; within each group as registered. The first two happen wherever a
 * pass arrives, the others only where it runs the node.
 */

/** See `Tensor.registerHook`. */
export function registerHook(t: TensorBase, hook: TensorHook): HookHandle {
  checkHook('registerHook', hook);
  checkTracked(t);
  return gradientNode(t).attach().add('tensor', hook, t.outputIndex);
}

/** See `Tensor.registerPostAccumulateGradHook`. */
export function registerPostAccumulateGradHook(t: TensorBase, hook: AccumulateHook): HookHandle {
  checkHook('registerPostAccumulateGradHook', hook);
  checkTracked(t);
  if (t.node !== null)
    throw new AutogradError(
      'post accumulate grad hooks cannot be registered on non-leaf tensors: nothing accumulates there. Use registerHook',
    );
  return gradientNode(t).attach().add('accumulated', hook);
}

/** Refuses a tensor that no gradient will ever reach. */
export function checkTracked(t: TensorBase): void {
  if (!sync(t).tracked)
    throw new AutogradError(
      "cannot register a hook on a tensor that doesn't require gradient; set requiresGrad on it, or on what it is computed from",
    );
}

/** The gradients at the outputs or inputs of a node, null where none arrived. */
export type Gradients = (TensorBase | null)[];

/** The pass, as the owner of gradients. */
export interface Ledger {
  /** The pass may not free or change `g` any more: a hook has seen it. */
  keep(g: TensorBase): void;
  /** Puts a gradient in the place of one of those that the pass holds. */
  replace(gradients: Gradients, i: number, by: TensorBase | null): void;
}

type Replace = Ledger['replace'];

function show(g: Gradients, ledger: Ledger): void {
  for (const t of g) if (t !== null) ledger.keep(t);
}

/** Calls the hooks of the tensors that a node made. */
export function callTensorHooks(attached: Attached, g: Gradients, ledger: Ledger): void {
  for (const { hook, index } of attached.tensor) {
    const before = g[index];
    if (before !== null) ledger.keep(before);
    const result: unknown = hook(before as Tensor);
    if (result === undefined || result === null || result === before) continue;
    ledger.replace(g, index, checked(result, before, hook));
  }
}

/** Calls the prehooks of a node. */
export function callPrehooks(attached: Attached, g: Gradients, ledger: Ledger): void {
  if (attached.pre.length === 0) return;
  show(g, ledger);
  for (const { hook } of attached.pre) {
    const result: unknown = hook([...g] as (Tensor | null)[]);
    if (result !== undefined && result !== null) takeAll(result, g, hook, (...args) => ledger.replace(...args));
  }
}

/** Calls the hooks of a node that has run. The pass must not count `inputs` as its own. */
export function callPosthooks(attached: Attached, inputs: Gradients, outputs: Gradients, ledger: Ledger): void {
  if (attached.post.length === 0) return;
  show(outputs, ledger);
  const arena = swapArena(null);
  try {
    for (const { hook } of attached.post) {
      const result: unknown = hook([...inputs] as (Tensor | null)[], [...outputs] as (Tensor | null)[]);
      if (result !== undefined && result !== null) takeAll(result, inputs, hook, assign);
    }
  } finally {
    swapArena(arena);
  }
}

const assign: Replace = (gradients, i, by) => {
  gradients[i] = by;
};

/** Calls the hooks of a leaf whose `.grad` has been added to. */
export function callAccumulateHooks(attached: Attached, leaf: TensorBase): void {
  for (const { hook } of attached.accumulated) {
    const result: unknown = hook(leaf as Tensor);
    if (result !== undefined && result !== null)
      throw new AutogradError(
        `Tensor post accumulate grad hooks should return None. '${nameOf(hook)}' returned ${typeof result}`,
      );
  }
}

function takeAll(result: unknown, g: Gradients, hook: object, replace: Replace): void {
  if (!Array.isArray(result))
    throw new ArgumentError(
      `expected tuple, but hook returned '${typeOf(result)}'; '${nameOf(hook)}' must return an array`,
    );
  if (result.length !== g.length)
    throw new ArgumentError(
      `hook '${nameOf(hook)}' has returned an incorrect number of values (got ${result.length}, but expected ${g.length})`,
    );
  result.forEach((r: unknown, i) => {
    if (r === g[i]) return;
    replace(g, i, r === undefined || r === null ? null : checked(r, g[i], hook));
  });
}

/** A gradient that may take the place of `before`. */
function checked(result: unknown, before: TensorBase | null, hook: object): TensorBase {
  if (!(result instanceof TensorBase))
    throw new ArgumentError(
      `expected Variable, but hook returned '${typeOf(result)}'; '${nameOf(hook)}' must return a Tensor or nothing`,
    );
  if (before === null)
    throw new AutogradError(`can't replace a None gradient with a non-None value (hook '${nameOf(hook)}')`);
  if (result.dtype !== before.dtype)
    throw new DTypeError(
      `hook '${nameOf(hook)}' has changed the type of value (was ${before.dtype} got ${result.dtype})`,
    );
  if (!sameShape(result.shape, before.shape))
    throw new ShapeError(
      `hook '${nameOf(hook)}' has changed the size of value (was ${shapeText(before.shape)} got ${shapeText(result.shape)})`,
    );
  return result;
}

const typeOf = (x: unknown): string => (Array.isArray(x) ? 'array' : x instanceof TensorBase ? 'Tensor' : typeof x);

const nameOf = (hook: object): string => ('name' in hook && hook.name ? String(hook.name) : '<unknown>');
