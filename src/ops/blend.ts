import { blend as blendKernel, blendPlanes, blendWeights } from '../backends/wasm/blend.ts';
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

const forward = ([x, index, weight]: readonly TensorBase[]): TensorBase => {
  const y = fresh(x.shape.with(2, index.shape[2]), x.dtype);
  if (y.count > 0) blendKernel(y, contiguous(x), contiguous(index), contiguous(weight));
  return y;
};

/** x̄[n, c, i[n, k, p]] += ȳ[n, c, p] w[n, k, p] */
const planesGradient = (g: TensorBase, index: TensorBase, weight: TensorBase, size: number): TensorBase => {
  const x = zeros([g.shape[0], g.shape[1], size], g.dtype);
  if (g.count > 0) blendPlanes(x, contiguous(g), contiguous(index), contiguous(weight));
  return x;
};

/** w̄[n, k, p] = Σ_c ȳ[n, c, p] x[n, c, i[n, k, p]] */
const weightsGradient = (g: TensorBase, x: TensorBase, index: TensorBase): TensorBase => {
  if (g.count === 0) return zeros(index.shape, g.dtype);
  const w = fresh(index.shape, g.dtype);
  blendWeights(w, contiguous(g), contiguous(x), contiguous(index));
  return w;
};

// y[n, c, p] = Σₖ w[n, k, p] x[n, c, i[n, k, p]]        w̄[n, k, p] = Σ_c ȳ[n, c, p] x[n, c, i[n, k, p]]
const blendOp: Op<undefined> = defineOp({
  name: 'blend',
  cheap: true,
  inputs: ['x', 'index', 'weight'],
  forward: (inputs) => internally(() => forward(inputs)),
  vjp: {
    x: [
      ['index', 'weight'],
      (g, [index, weight], c) => {
        const [images, channels, size] = c.shape(0);
        if (isBare([g, index, weight])) return internally(() => planesGradient(g, index, weight, size));
        const row = inRow(index);
        const at = expand(where(lt(row, 0), size, row), [images, channels, row.shape[2]]);
        const terms = reshape(mul(unsqueeze(g, 2), unsqueeze(weight, 1)), at.shape);
        return narrow(scatterAdd(zeros([images, channels, size + 1], g.dtype), 2, at, terms), 2, 0, size);
      },
    ],
    weight: [
      ['x', 'index'],
      (g, [x, index]) => {
        if (isBare([g, x, index])) return internally(() => weightsGradient(g, x, index));
        const [images, taps, places] = index.shape;
        const row = inRow(index);
        const taken = blend(x, row, expand(full([], 1, x.dtype), row.shape));
        return vecdot(unsqueeze(g, 2), reshape(taken, [images, x.shape[1], taps, places]), 1);
      },
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
