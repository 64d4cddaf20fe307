import { blend as blendKernel } from '../backends/wasm/blend.ts';
import { apply1, isBare } from '../core/apply.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { contiguous } from './copy.ts';
import { full, zeros } from './create.ts';
import { lt, mul, where } from './elementwise.ts';
import { batch, scatterAdd } from './indexing.ts';
import { narrow } from './slices.ts';
import { vecdot } from './vecdot.ts';
import { expand, flatten, reshape, unsqueeze } from './view.ts';

/* Elements of planes at given places, several of them with weights for every element of the result. */

/** All that is read, with the taps of a place one behind the other: [N, 1, taps · places]. */
const inRow = (index: TensorBase): TensorBase => reshape(index, [index.shape[0], 1, index.shape[1] * index.shape[2]]);

/** What `body` makes of these, and if nobody may ask how, nothing that it made on the way: that has all taps. */
const briefly = (inputs: readonly TensorBase[], body: () => TensorBase): TensorBase =>
  isBare(inputs) ? internally(body) : body();

// y[n, c, p] = Σₖ w[n, k, p] x[n, c, i[n, k, p]]        w̄[n, k, p] = Σ_c ȳ[n, c, p] x[n, c, i[n, k, p]]
const blendOp: Op<undefined> = defineOp({
  name: 'blend',
  cheap: true,
  inputs: ['x', 'index', 'weight'],
  forward: ([x, index, weight]) =>
    internally(() => {
      const y = fresh(x.shape.with(2, index.shape[2]), x.dtype);
      if (y.count > 0) blendKernel(y, contiguous(x), contiguous(index), contiguous(weight));
      return y;
    }),
  vjp: {
    x: [
      ['index', 'weight'],
      (g, [index, weight], c) =>
        briefly([g, index, weight], () => {
          const [images, channels, size] = c.shape(0);
          const row = inRow(index);
          const at = expand(where(lt(row, 0), size, row), [images, channels, row.shape[2]]);
          const terms = reshape(mul(unsqueeze(g, 2), unsqueeze(weight, 1)), at.shape);
          return narrow(scatterAdd(zeros([images, channels, size + 1], g.dtype), 2, at, terms), 2, 0, size);
        }),
    ],
    weight: [
      ['x', 'index'],
      (g, [x, index]) =>
        briefly([g, x, index], () => {
          const [images, taps, places] = index.shape;
          const row = inRow(index);
          const taken = blend(x, row, expand(full([], 1, x.dtype), row.shape));
          return vecdot(unsqueeze(g, 2), reshape(taken, [images, x.shape[1], taps, places]), 1);
        }),
    ],
  },
  jvp: 'multilinear',
  vmap: (inputs, batched, _, size) => {
    const y = apply1(
      blendOp,
      inputs.map((t, i) => flatten(batch(t, batched[i], size), 0, 1)),
      undefined,
    );
    return reshape(y, [size, y.shape[0] / size, y.shape[1], y.shape[2]]);
  },
});

/**
 * y[n, c, p] = Σₖ weight[n, k, p] x[n, c, index[n, k, p]]: an index below 0 stands for zero, the others are
 * the caller's to keep within the planes of `x`.
 */
export const blend = (x: TensorBase, index: TensorBase, weight: TensorBase): TensorBase =>
  apply1(blendOp, [x, index, weight], undefined);
