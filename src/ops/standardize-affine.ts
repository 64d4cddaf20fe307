import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply, isBare } from '../core/apply.ts';
import { byDType, dtypeInfo } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary } from '../kernels/expr.ts';
import { add, mul, rsqrt } from './elementwise.ts';
import { onBatch } from './matmul.ts';
import {
  type Attrs,
  gradientsAtOnce,
  standardize,
  standardized,
  standardizedAgain,
  standardizeGradient,
  standardizeTangents,
} from './standardize.ts';
import { reshape } from './view.ts';

/*
 * Mean and variance set to 0 and 1, and y w + b: with the weights of a line in one pass through memory,
 * which three operations would take four for, and with those of a channel in one less.
 */

interface AffineAttrs extends Attrs {
  /** The name of the node. */
  readonly node: string;
}

/** Σ ȳ (x − μ) r with r = (v + ε)^(−½) */
const weightKernel = byDType((dtype): ReduceKernel => {
  const [g, x, mean, r] = [arg(0), arg(1), arg(2), arg(3)];
  const y = binary('mul', binary('sub', x, mean), r);
  return new ReduceKernel({
    name: 'layerNormWeight',
    fold: 'sum',
    pre: binary('mul', g, y),
    compute: dtypeInfo(dtype).compute,
    ins: [dtype, dtype, dtype, dtype],
    out: dtype,
  });
});

/** The gradient by weights `w` in one pass through memory; null where more than its value may be asked for. */
function weightAtOnce(inputs: readonly TensorBase[], w: TensorBase, { eps }: Attrs): TensorBase | null {
  if (!isBare(inputs)) return null;
  const [g, x, mean, v] = inputs;
  const { shape, dtype } = g;
  const missing = shape.length - w.shape.length;
  const repeated = [...shape.keys()].filter((d) => d < missing || w.shape[d - missing] !== shape[d]);
  return internally(() => {
    const out = fresh(w.shape, dtype);
    // Roots and quotients of a line's own, not of every element.
    weightKernel(dtype).run(out, [g, x, mean, rsqrt(add(v, eps))], shape, repeated);
    return out;
  });
}

// z = y w + b with y, μ, v of `standardize`        x̄: of ȳ = z̄ w    w̄ = Σ z̄ y    b̄ = Σ z̄
const standardizeAffineOp: Op<AffineAttrs> = defineOp({
  name: 'standardizeAffine',
  node: ({ node }) => node,
  cheap: true,
  inputs: ['x', 'weight', 'bias'],
  forward: ([x, w, b], attrs) => standardized(x, attrs, [w, b]),
  vjp: {
    saves: ['x', 'weight', 'y1', 'y2'],
    rule: ([gz, gm, gv], [x, w, mean, v], { attrs }, wanted) => {
      const atOnce =
        gz !== null && gm === null && gv === null ? gradientsAtOnce([gz, x, mean, v, w], attrs, wanted) : null;
      const y = (): TensorBase => standardizedAgain(x, mean, v, attrs.eps);
      const ofX = (): TensorBase | null =>
        standardizeGradient([gz === null ? null : mul(gz, w), gm, gv], y(), v, attrs);
      const ofWeight = (g: TensorBase): TensorBase => weightAtOnce([g, x, mean, v], w, attrs) ?? mul(g, y());
      return [
        wanted & 1 ? (atOnce?.[0] ?? ofX()) : null,
        wanted & 2 && gz !== null ? (atOnce?.[1] ?? ofWeight(gz)) : null,
        atOnce?.[2] ?? gz,
      ];
    },
  },
  jvp: ({ inputs, tangents: [tx, tw, tb], outputs: [, mean, v], attrs }) => {
    const [x, w] = inputs as readonly TensorBase[];
    const y = standardizedAgain(x, mean, v, attrs.eps);
    const [ty, tm, tv] = tx === null ? [null, null, null] : standardizeTangents(tx, y, v, attrs);
    const terms = [ty === null ? null : mul(ty, w), tw === null ? null : mul(tw, y), tb];
    const tz = terms.reduce((sum, t) => (sum === null || t === null ? (sum ?? t) : add(sum, t)));
    return [tz, tm, tv];
  },
  vmap: ([x, w, b], [inX, inW, inB], { dims, eps, node }, size) => {
    const shifted = { dims: dims.map((d) => d + 1), eps, node };
    if (!inW && !inB) return apply(standardizeAffineOp, [x, w, b], shifted);
    const { y, mean, variance } = standardize(onBatch(x, inX, size), shifted.dims, eps);
    // Parameters of every example stand beside every example.
    const beside = (t: TensorBase, batched: boolean): TensorBase =>
      batched
        ? reshape(t, [size, ...new Array<number>(y.shape.length - t.shape.length).fill(1), ...t.shape.slice(1)])
        : t;
    return [add(mul(y, beside(w, inW)), beside(b, inB)), mean, variance];
  },
});

/**
 * y w + b over dimensions `dims` of x, and the mean and variance there, with weights that broadcast with x: those of
 * a line have the shape of the last dimensions, and others the rank of x; all of one dtype.
 */
export function standardizeAffine(
  x: TensorBase,
  weight: TensorBase,
  bias: TensorBase,
  attrs: AffineAttrs,
): { readonly y: TensorBase; readonly mean: TensorBase; readonly variance: TensorBase } {
  const [y, mean, variance] = apply(standardizeAffineOp, [x, weight, bias], attrs) as readonly TensorBase[];
  return { y, mean, variance };
}
