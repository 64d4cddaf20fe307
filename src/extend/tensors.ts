import { AutogradError } from '../core/errors.ts';
import { forwardLevel } from '../core/forward.ts';
import type { Level } from '../core/levels.ts';
import { isExpandable, type Shape, shapeText } from '../core/shape.ts';
import { alias, levelOf, TensorBase, viewOf, wrap } from '../core/tensor.ts';

/**
 * Whether a derivative is being taken along `t`: it needs a gradient on some tape or has a tangent. With
 * `above`, only levels above the highest batch count.
 */
export function carries(t: TensorBase, above = false): boolean {
  const w = t.wrapped;
  if (above && (w === null || w.kind === 'batch')) return false;
  if (t.tracked || hasTangent(t)) return true;
  return w !== null && ((w.kind === 'dual' && w.tangent !== null) || carries(w.value, above));
}

function hasTangent(t: TensorBase): boolean {
  return forwardLevel !== null && forwardLevel.tangentOf(t) !== null;
}

/** Whether `t` needs a gradient, on any tape. */
export function isTracked(t: TensorBase): boolean {
  return t.tracked || (t.wrapped !== null && isTracked(t.wrapped.value));
}

/** Whether `t` stands for one example each of a batch, at any level. */
export function inBatch(t: TensorBase): boolean {
  return t.wrapped !== null && (t.wrapped.kind === 'batch' || inBatch(t.wrapped.value));
}

/** The values of `t` outside every graph and without tangents; batches stay batches. */
export function cut(t: TensorBase, as: (plain: TensorBase) => TensorBase = unrecorded): TensorBase {
  const w = t.wrapped;
  if (w === null) return as(t);
  // To a tape, or to a level of tangents, a tensor of a lower level is a constant.
  return w.kind === 'batch' ? wrap({ ...w, value: cut(w.value, as) }, t.shape) : cut(w.value, as);
}

function unrecorded(t: TensorBase): TensorBase {
  return t.tracked || hasTangent(t) ? alias(t) : t;
}

/** Another view of the same elements, for a function that returned its argument. */
export function viewed(t: TensorBase): TensorBase {
  return cut(t, (plain) => viewOf(plain, plain.shape, plain.strides));
}

/** The word PyTorch's messages have for what is not a tensor. */
export function kindWord(x: unknown): string {
  if (x === null || x === undefined) return 'NoneType';
  if (Array.isArray(x)) return 'list';
  switch (typeof x) {
    case 'number':
      return Number.isInteger(x) ? 'int' : 'float';
    case 'bigint':
      return 'int';
    case 'boolean':
      return 'bool';
    case 'string':
      return 'str';
    case 'function':
      return 'function';
    default:
      return x instanceof TensorBase ? 'Tensor' : (x.constructor?.name ?? 'object');
  }
}

/**
 * A gradient that a user's rule gave for one input: a tensor of a shape that the input's broadcasts to
 * (null: nobody asked for it), or null.
 */
export function checkedGradient(node: string, index: number, g: unknown, shape: Shape | null): TensorBase | null {
  if (g === null || g === undefined) return null;
  if (!(g instanceof TensorBase))
    throw new AutogradError(
      `function ${node}: expected Variable or None (got ${kindWord(g)}) as gradient ${index}; return a Tensor or null`,
    );
  if (shape !== null && !isExpandable(shape, g.shape)) {
    throw new AutogradError(
      `Function ${node} returned an invalid gradient at index ${index} - got ${shapeText(g.shape)} but expected shape compatible with ${shapeText(shape)}`,
    );
  }
  return g;
}

/** The highest level among tensors. */
export function highestLevel(ts: readonly TensorBase[]): Level | null {
  let top: Level | null = null;
  for (const t of ts) {
    const level = levelOf(t);
    if (level !== null && (top === null || level.id > top.id)) top = level;
  }
  return top;
}
