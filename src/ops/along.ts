import { apply } from '../core/apply.ts';
import { defineOp, type Op, type OpDefinition } from '../core/op.ts';
import type { Shape } from '../core/shape.ts';
import type { Outputs, TensorBase } from '../core/tensor.ts';
import { gather, scatterAddOp } from './indexing.ts';
import { type ReduceAttrs, shifted } from './reduce.ts';
import { squeeze, unsqueeze } from './view.ts';
import { onZeros } from './writing.ts';

/** Attributes of an operation along one dimension that it keeps. */
export interface DimAttrs {
  readonly dim: number;
}

/** An operation that finds elements of its input. */
interface Finding<A> {
  readonly name: string;
  readonly node?: string | ((attrs: A) => string);
  /** See `OpDefinition`. */
  readonly cheap?: OpDefinition<A>['cheap'];
  /** The values, and where they are (int32), of a plain tensor. */
  find(x: TensorBase, attrs: A): readonly [values: TensorBase, indices: TensorBase];
}

/** Values found along a dimension, and where they were (int32). */
export interface Found {
  readonly values: TensorBase;
  readonly indices: TensorBase;
}

/** The two outputs of an operation that finds values, by name. */
export function foundOf(outputs: Outputs): Found {
  const [values, indices] = outputs as readonly TensorBase[];
  return { values, indices };
}

function mapped(outputs: Outputs, f: (t: TensorBase) => TensorBase): Outputs {
  return Array.isArray(outputs) ? (outputs as readonly TensorBase[]).map(f) : f(outputs as TensorBase);
}

/** An operation along a dimension of every example: that of a scalar is one of a vector with one element. */
export function batchedAlong<A extends DimAttrs>(op: Op<A>, inputs: readonly TensorBase[], attrs: A): Outputs {
  const further = { ...attrs, dim: attrs.dim + 1 };
  if (inputs[0].shape.length > 1) return apply(op, inputs, further);
  return mapped(
    apply(
      op,
      inputs.map((x) => unsqueeze(x, 1)),
      further,
    ),
    (y) => squeeze(y, 1),
  );
}

/** `batchedAlong` for operations with one output. */
export function batchedAlong1<A extends DimAttrs>(op: Op<A>, inputs: readonly TensorBase[], attrs: A): TensorBase {
  return batchedAlong(op, inputs, attrs) as TensorBase;
}

/** The elements at `index` along the one dimension that a reduction took away (or kept with size 1). */
function takeAlong(x: TensorBase, index: TensorBase, { dims: [dim], keepdim }: ReduceAttrs): TensorBase {
  if (dim === undefined) return x;
  const taken = gather(x, dim, keepdim ? index : unsqueeze(index, dim));
  return keepdim ? taken : squeeze(taken, dim);
}

/** The adjoint of `takeAlong`: zeros, with `g` where the elements were taken. */
function putAlong(g: TensorBase, index: TensorBase, shape: Shape, { dims: [dim], keepdim }: ReduceAttrs): TensorBase {
  if (dim === undefined) return g;
  const up = (t: TensorBase): TensorBase => (keepdim ? t : unsqueeze(t, dim));
  return putBack(up(g), up(index), shape, dim);
}

/** Zeros, with `g` where the index says. A scalar has one place. */
function putBack(g: TensorBase, index: TensorBase, shape: Shape, dim: number): TensorBase {
  return shape.length === 0 ? g : onZeros(scatterAddOp, shape, [index, g], { dim });
}

/**
 * A reduction along one dimension that selects an element and tells where it is: y = x[index]. The
 * gradient goes to that place alone.
 */
export function defineSelection<A extends ReduceAttrs>({ name, node, find }: Finding<A>): Op<A> {
  const op: Op<A> = defineOp<A>({
    name,
    node,
    inputs: ['x'],
    forward: ([x], attrs) => find(x, attrs),
    vjp: {
      saves: ['y1'],
      rule: ([g], [index], c) => [g === null ? null : putAlong(g, index, c.shape(0), c.attrs)],
    },
    jvp: ({ tangents: [tx], outputs: [, index], attrs }) => [tx === null ? null : takeAlong(tx, index, attrs), null],
    vmap: ([x], _, attrs) => {
      if (attrs.dims.length > 0) return apply(op, [x], shifted(attrs));
      // Scalars are vectors of one element.
      return apply(op, [unsqueeze(x, -1)], { ...attrs, dims: [x.shape.length], keepdim: false });
    },
  });
  return op;
}

/**
 * An operation along one dimension whose elements come from the input's: y = x[index]. The gradient is
 * put back where they came from.
 */
export function definePicking<A extends DimAttrs>({ find, ...finding }: Finding<A>): Op<A> {
  const op: Op<A> = defineOp<A>({
    ...finding,
    inputs: ['x'],
    forward: ([x], attrs) => find(x, attrs),
    vjp: {
      saves: ['y1'],
      rule: ([g], [index], c) => [g === null ? null : putBack(g, index, c.shape(0), c.attrs.dim)],
    },
    jvp: ({ tangents: [tx], outputs: [, index], attrs }) => [tx === null ? null : gather(tx, attrs.dim, index), null],
    vmap: ([x], _, attrs) => batchedAlong(op, [x], attrs),
  });
  return op;
}
