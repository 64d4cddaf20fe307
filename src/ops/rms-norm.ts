import { apply, isBare } from '../core/apply.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { add, mul, ops, rsqrt, sub } from './elementwise.ts';
import { onBatch } from './matmul.ts';
import { reducedShape } from './reduce.ts';
import { type Attrs, countOf, meanOver } from './standardize.ts';
import { forwardOfLines, gradientsOfLines, lineKernels, linesFor } from './standardize-lines.ts';
import { reshape } from './view.ts';

const kernels = lineKernels({ name: 'rmsNorm', centred: false, parameters: 1 });

/** (s + ε)^(−½) */
const inverse = (square: TensorBase, eps: number): TensorBase => rsqrt(add(square, eps));

/** r (h − y mean(h y)) for y = x r */
const projected = (h: TensorBase, y: TensorBase, r: TensorBase, dims: readonly number[]): TensorBase =>
  mul(sub(h, mul(y, meanOver(mul(h, y), dims))), r);

// z = y w,  y = x r,  s = Σ x² / n,  r = (s + ε)^(−½)
// x̄ = r (h − y mean(h y)) + 2 s̄ x / n,  h = z̄ w      w̄ = Σ z̄ y
// ż = r (ẋ − y mean(ẋ y)) w + y ẇ,  ṡ = 2 mean(ẋ x)
const rmsNormOp: Op<Attrs> = defineOp({
  name: 'rmsNorm',
  cheap: true,
  inputs: ['x', 'weight'],
  forward: ([x, w], { dims, eps }) =>
    internally(() => {
      const lines = linesFor(x, dims, w);
      if (lines === null) {
        const square = meanOver(ops.square.call1(x), dims);
        return [mul(mul(x, inverse(square, eps)), w), square];
      }
      const kept = reducedShape(x.shape, { dims, keepdim: true, all: false });
      const outs = [fresh(x.shape, x.dtype), fresh(kept, x.dtype)];
      forwardOfLines(kernels(x.dtype), outs, [x, w], lines, eps);
      return outs;
    }),
  vjp: {
    saves: ['x', 'weight', 'y1'],
    rule: ([gz, gs], [x, w, square], { attrs: { dims, eps } }, wanted) => {
      const lines = linesFor(x, dims, w);
      if (gz !== null && gs === null && lines !== null && isBare([gz, x, w, square]))
        return gradientsOfLines(kernels(x.dtype), [gz, x, square, w], w.shape, lines, eps, wanted).slice(0, 2);
      const r = inverse(square, eps);
      const y = mul(x, r);
      const through = gz === null ? null : projected(mul(gz, w), y, r, dims);
      const direct = gs === null ? null : mul(x, mul(gs, 2 / countOf(x.shape, dims)));
      return [
        through === null || direct === null ? (through ?? direct) : add(through, direct),
        gz === null ? null : mul(gz, y),
      ];
    },
  },
  jvp: ({ inputs, tangents: [tx, tw], outputs: [, square], attrs: { dims, eps } }) => {
    const [x, w] = inputs as readonly TensorBase[];
    const r = inverse(square, eps);
    const y = mul(x, r);
    const byX = tx === null ? null : mul(projected(tx, y, r, dims), w);
    const byW = tw === null ? null : mul(y, tw);
    return [
      byX === null || byW === null ? (byX ?? byW) : add(byX, byW),
      tx === null ? null : mul(meanOver(mul(tx, x), dims), 2),
    ];
  },
  vmap: ([x, w], [inX, inW], { dims, eps }, size) => {
    const shifted = { dims: dims.map((d) => d + 1), eps };
    if (!inW) return apply(rmsNormOp, [x, w], shifted);
    const square = meanOver(ops.square.call1(onBatch(x, inX, size)), shifted.dims);
    // The weights of every example stand beside every line of it.
    const ones = new Array<number>(square.shape.length - w.shape.length).fill(1);
    const beside = reshape(w, [size, ...ones, ...w.shape.slice(1)]);
    return [mul(mul(onBatch(x, inX, size), inverse(square, eps)), beside), square];
  },
});

/** x (mean x² + ε)^(−½) w over the last dimensions, those of w, of its dtype. */
export const rmsNorm = (x: TensorBase, weight: TensorBase, dims: readonly number[], eps: number): TensorBase =>
  (apply(rmsNormOp, [x, weight], { dims, eps }) as readonly TensorBase[])[0];
