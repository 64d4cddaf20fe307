import { argsort as argsortKernel, sort as sortKernel, topk as topkKernel } from '../backends/wasm/indexing.ts';
import { apply, apply1 } from '../core/apply.ts';
import { IndexError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, notDifferentiable, type Op } from '../core/op.ts';
import { shapeText, wrapDim } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { batchedAlong1, type DimAttrs, definePicking, type Found, foundOf } from './along.ts';
import { contiguous } from './copy.ts';
import { transpose } from './view.ts';

interface SortAttrs extends DimAttrs {
  readonly descending: boolean;
  /** Whether the caller spoke of stability: every sort is stable, but PyTorch names such nodes differently. */
  readonly stable: boolean;
}

const sortOp: Op<SortAttrs> = definePicking({
  name: 'sort',
  node: ({ stable }) => `SortBackward${stable ? 1 : 0}`,
  cheap: () => 'at need',
  find: (x, { dim, descending }) => {
    const values = fresh(x.shape, x.dtype);
    const indices = fresh(x.shape, 'int32');
    sortKernel(values, indices, x, dim, descending);
    return [values, indices];
  },
});

/** Sorts along `dim`, stably; NaN counts as the largest number. */
export function sort(x: TensorBase, dim = -1, descending = false, stable = false): Found {
  return foundOf(apply(sortOp, [x], { dim: wrapDim('sort', dim, x.shape.length), descending, stable }));
}

const argsortOp: Op<SortAttrs> = defineOp({
  name: 'argsort',
  cheap: () => 'at need',
  inputs: ['x'],
  forward: ([x], { dim, descending }) => {
    const indices = fresh(x.shape, 'int32');
    argsortKernel(indices, x, dim, descending);
    return indices;
  },
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([x], _, attrs) => batchedAlong1(argsortOp, [x], attrs),
});

/** The indices that sort along `dim`, stably. */
export function argsort(x: TensorBase, dim = -1, descending = false): TensorBase {
  return apply1(argsortOp, [x], { dim: wrapDim('argsort', dim, x.shape.length), descending, stable: true });
}

interface TopkAttrs extends DimAttrs {
  readonly k: number;
  readonly largest: boolean;
}

/** Elements whose lines are worth being copied. */
const APART = 2 ** 14;

const topkOp: Op<TopkAttrs> = definePicking({
  name: 'topk',
  cheap: () => 'at need',
  find: (x, { dim, k, largest }) =>
    internally(() => {
      const shape = x.shape.length === 0 ? x.shape : x.shape.with(dim, k);
      const values = fresh(shape, x.dtype);
      const indices = fresh(shape, 'int32');
      // Lines are gone through with jumps: first they are laid side by side.
      const apart = x.count >= APART && x.strides[dim] > 1;
      const lines = apart ? transpose(contiguous(transpose(x, dim, -1)), dim, -1) : x;
      topkKernel(values, indices, lines, dim, k, largest);
      return [values, indices];
    }),
});

/** The `k` largest (or smallest) along `dim`, in order; of equals the first. NaN counts as the largest. */
export function topk(x: TensorBase, k: number, dim = -1, largest = true): Found {
  const d = wrapDim('topk', dim, x.shape.length);
  const size = x.shape[d] ?? 1;
  if (!Number.isInteger(k) || k < (x.shape.length === 0 ? 1 : 0) || k > size)
    throw new IndexError(
      `topk: selected index k out of range: k = ${k} of the ${size} elements along dimension ${d} of shape ${shapeText(x.shape)}`,
    );
  return foundOf(apply(topkOp, [x], { dim: d, k, largest }));
}
