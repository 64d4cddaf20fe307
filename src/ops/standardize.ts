import { apply, isBare } from '../core/apply.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { add, div, mul, rsqrt, sub } from './elementwise.ts';
import { inOrder, linesOver } from './lines.ts';
import { reducedShape, sumOver, sumTo } from './reduce.ts';
import { type Kernels, kernelsFor } from './standardize-kernels.ts';
import { forwardOfLines, gradientsOfLines, lineKernels, linesFor, placed } from './standardize-lines.ts';
import { expand } from './view.ts';

/*
 * Mean 0 and variance 1: what batch, layer, group and instance normalisation have in common. They
 * differ in the dimensions they go over.
 */

export interface Attrs {
  readonly dims: readonly number[];
  /** Added to the variance. */
  readonly eps: number;
}

const plain = lineKernels({ name: 'standardize', centred: true, parameters: 0 });
const affine = lineKernels({ name: 'standardizeAffine', centred: true, parameters: 2 });
const plainOrAffine = (weighted: boolean): typeof plain => (weighted ? affine : plain);

export const countOf = (shape: readonly number[], dims: readonly number[]): number =>
  dims.reduce((n, d) => n * shape[d], 1);

/** The mean over `dims`, which are kept with size 1. */
export const meanOver = (x: TensorBase, dims: readonly number[]): TensorBase =>
  div(sumOver(x, dims, true), countOf(x.shape, dims));

/** x, or with weights y w + b, with the mean and the variance: by lines if they are lines. */
export function standardized(
  x: TensorBase,
  { dims, eps }: Attrs,
  weights: readonly TensorBase[] = [],
): readonly [y: TensorBase, mean: TensorBase, variance: TensorBase] {
  return internally(() => {
    const n = countOf(x.shape, dims);
    const kept = reducedShape(x.shape, { dims, keepdim: true, all: false });
    const [y, mean, variance] = [fresh(x.shape, x.dtype), fresh(kept, x.dtype), fresh(kept, x.dtype)];
    const [w, b] = weights;
    const lines = linesFor(x, dims, w);
    if (lines !== null) {
      forwardOfLines(plainOrAffine(w !== undefined)(x.dtype), [y, mean, variance], [x, ...weights], lines, eps);
      return [y, mean, variance];
    }
    const k = kernelsFor(x.dtype);
    k.mean.run(mean, [x], x.shape, dims, [n]);
    k.variance.run(variance, [x, mean], x.shape, dims, [n]);
    const r = rsqrt(add(variance, eps));
    if (w === undefined) k.scale[0].run([y], [x, mean, r]);
    else k.scale[1].run([y], [x, mean, mul(r, w), b]);
    return [y, mean, variance];
  });
}

/**
 * The gradients by x, weights and biases in few kernels, from the inputs of `gradient`: those in the bit mask
 * `wanted`. Null where more than values may be asked for, so that they have to be made of operations; by weights and
 * biases also where lines are too long.
 */
export function gradientsAtOnce(
  inputs: readonly TensorBase[],
  { dims, eps }: Attrs,
  wanted: number,
): readonly (TensorBase | null)[] | null {
  if (!isBare(inputs)) return null;
  const [g, x, mean, v, w] = inputs;
  const lines = linesFor(g, dims, w);
  if (lines !== null)
    return gradientsOfLines(plainOrAffine(w !== undefined)(g.dtype), inputs, w?.shape ?? [], lines, eps, wanted);
  const k = kernelsFor(g.dtype);
  // First over what shares a weight; the rest is small.
  const missing = g.shape.length - (w?.shape.length ?? 0);
  const shared = dims.filter((d) => d < missing || w.shape[d - missing] === 1);
  if (shared.length === 0) return [gradientsAtOnce([mul(g, w), x, mean, v], { dims, eps }, 1)?.[0] ?? null, null, null];
  const made = internally(() => {
    const [s, along] = cotangentSums(k, g, x, mean, shared);
    const r = rsqrt(add(v, eps));
    const list: TensorBase[] = [];
    if (wanted & 1) {
      const rest = dims.filter((d) => !shared.includes(d));
      const a = w === undefined ? r : mul(r, w);
      const weighted = (t: TensorBase): TensorBase =>
        rest.length === 0 || w === undefined ? mul(t, a) : mul(sumOver(mul(t, w), rest, true), r);
      const out = fresh(g.shape, g.dtype);
      const n = countOf(g.shape, dims);
      k.combine.run([out], [g, x, mean, a, weighted(s), mul(weighted(along), mul(r, r)), 1 / n]);
      list.push(out);
    }
    if (w !== undefined && wanted & 2) list.push(sumTo(mul(along, r), w.shape));
    if (w !== undefined && wanted & 4) list.push(sumTo(s, w.shape));
    return list;
  });
  return placed(wanted, made);
}

/** Lines of fewer elements, and fewer elements in all, are not worth being summed as lines. */
const SHORT_LINE = 16;
const FEW = 2 ** 14;

/** Σ g and Σ g (x − μ) over `dims`, kept with size 1: along the last of them line by line, if they are lines. */
function cotangentSums(
  k: Kernels,
  g: TensorBase,
  x: TensorBase,
  mean: TensorBase,
  dims: readonly number[],
): readonly [TensorBase, TensorBase] {
  const rank = g.shape.length;
  const room = (over: readonly number[]): [TensorBase, TensorBase] => {
    const kept = g.shape.map((n, d) => (over.includes(d) ? 1 : n));
    return [fresh(kept, g.dtype), fresh(kept, g.dtype)];
  };
  const ends = g.shape.map((_, d) => d).filter((d) => g.shape.every((n, e) => e < d || n === 1 || dims.includes(e)));
  const lines = linesOver(g, ends);
  if (lines === null || lines.length < SHORT_LINE || g.count < FEW) {
    const sums = room(dims);
    k.sums[0].run(sums[0], [g], g.shape, dims, [1]);
    k.sums[1].run(sums[1], [g, x, mean], g.shape, dims, [1]);
    return sums;
  }
  const sums = room(ends);
  const means = expand(mean, sums[0].shape);
  k.lineSums.run(lines.lines, lines.length, sums, [g, x, means].map(inOrder));
  const rest = dims.filter((d) => d < rank && !ends.includes(d));
  return [sumOver(sums[0], rest, true), sumOver(sums[1], rest, true)];
}

/** (x − μ) (v + ε)^(−½) */
export const standardizedAgain = (x: TensorBase, mean: TensorBase, v: TensorBase, eps: number): TensorBase =>
  mul(sub(x, mean), rsqrt(add(v, eps)));

// y = (x − μ) r,  μ = Σ x / n,  v = Σ (x − μ)² / n,  r = (v + ε)^(−½)
// x̄ = r (ȳ − mean ȳ − y mean(ȳ y)) + μ̄ / n + 2 v̄ y / (n r)
export function standardizeGradient(
  [gy, gm, gv]: readonly (TensorBase | null)[],
  y: TensorBase,
  v: TensorBase,
  { dims, eps }: Attrs,
): TensorBase | null {
  const r = rsqrt(add(v, eps));
  const n = countOf(y.shape, dims);
  const terms: TensorBase[] = [];
  if (gy !== null) terms.push(mul(sub(sub(gy, meanOver(gy, dims)), mul(y, meanOver(mul(gy, y), dims))), r));
  if (gm !== null) terms.push(div(gm, n));
  if (gv !== null) terms.push(mul(y, div(mul(gv, 2 / n), r)));
  return terms.length === 0 ? null : terms.reduce((a, b) => add(a, b));
}

// ẏ = r (ẋ − mean ẋ − y mean(ẋ y)),  μ̇ = mean ẋ,  v̇ = 2 mean(ẋ y) / r
export function standardizeTangents(
  tx: TensorBase,
  y: TensorBase,
  v: TensorBase,
  { dims, eps }: Attrs,
): readonly [y: TensorBase, mean: TensorBase, variance: TensorBase] {
  const r = rsqrt(add(v, eps));
  const mean = meanOver(tx, dims);
  const along = meanOver(mul(tx, y), dims);
  return [mul(sub(sub(tx, mean), mul(y, along)), r), mean, div(mul(along, 2), r)];
}

const standardizeOp: Op<Attrs> = defineOp({
  name: 'standardize',
  cheap: true,
  inputs: ['x'],
  forward: ([x], attrs) => standardized(x, attrs),
  vjp: {
    // Not y, as PyTorch, so that it may be changed in place.
    saves: ['x', 'y1', 'y2'],
    rule: ([gy, gm, gv], [x, mean, v], { attrs }) => {
      const atOnce = gy !== null && gm === null && gv === null ? gradientsAtOnce([gy, x, mean, v], attrs, 1) : null;
      return [atOnce?.[0] ?? standardizeGradient([gy, gm, gv], standardizedAgain(x, mean, v, attrs.eps), v, attrs)];
    },
  },
  jvp: ({ tangents: [tx], outputs: [y, , v], attrs }) =>
    tx === null ? [null, null, null] : standardizeTangents(tx, y, v, attrs),
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
