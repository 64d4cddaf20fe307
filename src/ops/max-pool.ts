import { scatterAdd as scatterAddKernel, scatter as scatterKernel } from '../backends/wasm/indexing.ts';
import { maxPool as maxPoolKernel, type Reach } from '../backends/wasm/pool.ts';
import { unpoolAdding } from '../backends/wasm/unpool.ts';
import { apply, apply1 } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { contiguousStrides, numel, type Shape } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { contiguous } from './copy.ts';
import { zeros } from './create.ts';
import { gather } from './indexing.ts';
import { expand, reshape, unsqueeze } from './view.ts';

/* Poolings work on planes: the last dimensions of a tensor, whatever comes before them. */

interface MaxPoolAttrs {
  readonly op: string;
  readonly node: string;
  readonly reach: readonly Reach[];
}

/** The last `dims` dimensions as one. */
const planes = (x: TensorBase, dims: number): TensorBase => {
  const lead = x.shape.slice(0, x.shape.length - dims);
  return reshape(x, [...lead, numel(x.shape.slice(lead.length))]);
};

/** The elements of planes of `x` at the places in `index`. */
function take(x: TensorBase, index: TensorBase, dims: number): TensorBase {
  const at = planes(index, dims);
  return reshape(gather(planes(x, dims), at.shape.length - 1, at), index.shape);
}

// y, k = max and argmax of x in each window        x̄[k] += ȳ,  ẏ = ẋ[k]
const maxPoolOp: Op<MaxPoolAttrs> = defineOp({
  name: 'maxPool',
  cheap: true,
  node: ({ node }) => node,
  inputs: ['x'],
  forward: ([x], { op, reach }) =>
    internally(() => {
      const shape = [...x.shape.slice(0, x.shape.length - reach.length), ...reach.map((r) => r.start.length)];
      const y = [fresh(shape, x.dtype), fresh(shape, 'int32')] as const;
      maxPoolKernel(op, y[0], y[1], contiguous(x), reach);
      return y;
    }),
  vjp: {
    saves: ['y1'],
    rule: ([g], [index], { attrs: { reach } }) => [
      g === null
        ? null
        : unpool(
            g,
            index,
            reach.map((r) => r.size),
            true,
          ),
    ],
  },
  jvp: ({ tangents: [tx], outputs: [, index], attrs }) => [
    tx === null ? null : take(tx, index, attrs.reach.length),
    null,
  ],
  vmap: ([x], _, attrs) => apply(maxPoolOp, [x], attrs),
});

/** The maxima of windows over the last dimensions, and the place of each in its plane. */
export function maxPool(
  op: string,
  node: string,
  x: TensorBase,
  reach: readonly Reach[],
): readonly [TensorBase, TensorBase] {
  return apply(maxPoolOp, [x], { op, node, reach }) as readonly [TensorBase, TensorBase];
}

interface UnpoolAttrs {
  readonly size: Shape;
  /** Elements for one place are added; otherwise the last one stays. */
  readonly adds: boolean;
}

// y = 0,  y[k] = x (or += x)        x̄ = ȳ[k]
const unpoolOp: Op<UnpoolAttrs> = defineOp({
  name: 'maxUnpool',
  cheap: true,
  node: ({ size, adds }) => (adds ? 'MaxPoolBackwardBackward0' : `MaxUnpool${size.length}DBackward0`),
  inputs: ['x', 'index'],
  forward: ([x, index], { size, adds }) =>
    internally(() => {
      const dims = size.length;
      const lead = x.shape.slice(0, x.shape.length - dims);
      if (adds && isFloat(x.dtype) && x.count > 0) {
        const y = fresh([...lead, ...size], x.dtype);
        unpoolAdding(y, contiguous(x), contiguous(index), dims);
        return y;
      }
      const y = zeros([...lead, ...size], x.dtype);
      const [flat, from, at] = [[...lead, numel(size)], planes(x, dims), planes(index, dims)];
      const to = alias(y, flat, contiguousStrides(flat));
      if (adds) scatterAddKernel(to, lead.length, at, from);
      else scatterKernel(to, lead.length, at, from);
      return y;
    }),
  vjp: { x: [['index'], (g, [index], { attrs }) => take(g, index, attrs.size.length)] },
  jvp: ({ inputs: [, index], tangents: [tx], attrs }) =>
    tx === null ? null : apply1(unpoolOp, [tx, index as TensorBase], attrs),
  vmap: ([x, index], [inX, inIndex], attrs, size) => {
    const onBatch = (t: TensorBase, batched: boolean): TensorBase =>
      batched ? t : expand(unsqueeze(t, 0), [size, ...t.shape]);
    return apply1(unpoolOp, [onBatch(x, inX), onBatch(index, inIndex)], attrs);
  },
});

/** Zeros of `size`, with the elements of `x` at the places of `index` (int32) in each plane. */
export const unpool = (x: TensorBase, index: TensorBase, size: Shape, adds: boolean): TensorBase =>
  apply1(unpoolOp, [x, index], { size, adds });
