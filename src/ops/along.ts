import { apply } from '../core/apply.ts';
import type { Op } from '../core/op.ts';
import type { Outputs, TensorBase } from '../core/tensor.ts';
import { zeros } from './create.ts';
import { gather, scatterAdd } from './indexing.ts';
import type { ReduceAttrs } from './reduce.ts';
import { squeeze, unsqueeze } from './view.ts';

/** Attributes of an operation along one dimension that it keeps. */
export interface DimAttrs {
  readonly dim: number;
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
export function takeAlong(x: TensorBase, index: TensorBase, { dims: [dim], keepdim }: ReduceAttrs): TensorBase {
  if (dim === undefined) return x;
  const taken = gather(x, dim, keepdim ? index : unsqueeze(index, dim));
  return keepdim ? taken : squeeze(taken, dim);
}

/** The adjoint of `takeAlong`: zeros, with `g` where the elements were taken. */
export function putAlong(
  g: TensorBase,
  index: TensorBase,
  shape: readonly number[],
  { dims: [dim], keepdim }: ReduceAttrs,
): TensorBase {
  if (dim === undefined) return g;
  const up = (t: TensorBase): TensorBase => (keepdim ? t : unsqueeze(t, dim));
  return scatterAdd(zeros(shape, g.dtype), dim, up(index), up(g));
}
