import { MapKernel } from '../backends/wasm/map.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply } from '../core/apply.ts';
import { type DType, dtypeInfo } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary, unary } from '../kernels/expr.ts';
import { add, div, mul, rsqrt, sub } from './elementwise.ts';
import { reducedShape, sumOver } from './reduce.ts';

/*
 * Mean 0 and variance 1: what batch, layer, group and instance normalisation have in common. They
 * differ in the dimensions they go over.
 */

interface Attrs {
  readonly dims: readonly number[];
  /** Added to the variance. */
  readonly eps: number;
}

interface Kernels {
  readonly mean: ReduceKernel;
  /** Σ (x − μ)² / n */
  readonly variance: ReduceKernel;
  /** (x − μ) / √(v + ε) */
  readonly scale: MapKernel;
}

const kernels = new Map<DType, Kernels>();

function kernelsFor(dtype: DType): Kernels {
  let k = kernels.get(dtype);
  if (k === undefined) {
    const { compute } = dtypeInfo(dtype);
    const centred = binary('sub', arg(0), arg(1));
    const overCount = {
      post: binary('div', arg(0), arg(1)),
      postScalars: 1,
      fold: 'sum',
      compute,
      out: dtype,
    } as const;
    const root = unary('sqrt', binary('add', arg(2), arg(3)));
    k = {
      mean: new ReduceKernel({ name: 'mean', pre: arg(0), ins: [dtype], ...overCount }),
      variance: new ReduceKernel({
        name: 'variance',
        pre: binary('mul', centred, centred),
        ins: [dtype, dtype],
        ...overCount,
      }),
      scale: new MapKernel(
        { name: 'standardize', args: ['value', 'value', 'value', 'value'], outs: [binary('div', centred, root)] },
        compute,
        [dtype, dtype, dtype, 'scalar'],
        [dtype],
      ),
    };
    kernels.set(dtype, k);
  }
  return k;
}

const countOf = (shape: readonly number[], dims: readonly number[]): number => dims.reduce((n, d) => n * shape[d], 1);

/** The mean over `dims`, which are kept with size 1. */
const meanOver = (x: TensorBase, dims: readonly number[]): TensorBase =>
  div(sumOver(x, dims, true), countOf(x.shape, dims));

// y = (x − μ) r,  μ = Σ x / n,  v = Σ (x − μ)² / n,  r = (v + ε)^(−½)
// x̄ = r (ȳ − mean ȳ − y mean(ȳ y)) + μ̄ / n + 2 v̄ y / (n r)
// ẏ = r (ẋ − mean ẋ − y mean(ẋ y)),  μ̇ = mean ẋ,  v̇ = 2 mean(ẋ y) / r
const standardizeOp: Op<Attrs> = defineOp({
  name: 'standardize',
  cheap: true,
  inputs: ['x'],
  forward: ([x], { dims, eps }) =>
    internally(() => {
      const k = kernelsFor(x.dtype);
      const n = countOf(x.shape, dims);
      const kept = reducedShape(x.shape, { dims, keepdim: true, all: false });
      const [y, mean, variance] = [fresh(x.shape, x.dtype), fresh(kept, x.dtype), fresh(kept, x.dtype)];
      k.mean.run(mean, [x], x.shape, dims, [n]);
      k.variance.run(variance, [x, mean], x.shape, dims, [n]);
      k.scale.run([y], [x, mean, variance, eps]);
      return [y, mean, variance];
    }),
  vjp: {
    saves: ['y0', 'y2'],
    rule: ([gy, gm, gv], [y, v], { attrs: { dims, eps } }) => {
      const r = rsqrt(add(v, eps));
      const n = countOf(y.shape, dims);
      const terms: TensorBase[] = [];
      if (gy !== null) terms.push(mul(sub(sub(gy, meanOver(gy, dims)), mul(y, meanOver(mul(gy, y), dims))), r));
      if (gm !== null) terms.push(div(gm, n));
      if (gv !== null) terms.push(mul(y, div(mul(gv, 2 / n), r)));
      return [terms.length === 0 ? null : terms.reduce((a, b) => add(a, b))];
    },
  },
  jvp: ({ tangents: [tx], outputs: [y, , v], attrs: { dims, eps } }) => {
    if (tx === null) return [null, null, null];
    const r = rsqrt(add(v, eps));
    const mean = meanOver(tx, dims);
    const along = meanOver(mul(tx, y), dims);
    return [mul(sub(sub(tx, mean), mul(y, along)), r), mean, div(mul(along, 2), r)];
  },
  vmap: ([x], _, { dims, eps }) => apply(standardizeOp, [x], { dims: dims.map((d) => d + 1), eps }),
});

export interface Standardized {
  /** (x − μ) / √(v + ε) */
  readonly y: TensorBase;
  /** The mean and the (biased) variance, of the rank of x. */
  readonly mean: TensorBase;
  readonly variance: TensorBase;
}

export function standardize(x: TensorBase, dims: readonly number[], eps: number): Standardized {
  const [y, mean, variance] = apply(standardizeOp, [x], { dims, eps }) as readonly TensorBase[];
  return { y, mean, variance };
}
