import { LineKernel } from '../backends/wasm/lines.ts';
import { MapKernel } from '../backends/wasm/map.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply, isBare } from '../core/apply.ts';
import { type DType, dtypeInfo } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary, constant, type Expr, unary } from '../kernels/expr.ts';
import { add, div, mul, rsqrt, sub } from './elementwise.ts';
import { inOrder, linesOver } from './lines.ts';
import { reducedShape, sumOver } from './reduce.ts';

/*
 * Mean 0 and variance 1: what batch, layer, group and instance normalisation have in common. They
 * differ in the dimensions they go over.
 */

export interface Attrs {
  readonly dims: readonly number[];
  /** Added to the variance. */
  readonly eps: number;
}

const [plus, minus, times, over] = (['add', 'sub', 'mul', 'div'] as const).map(
  (op) =>
    (a: Expr, b: Expr): Expr =>
      binary(op, a, b),
);

/** (v + ε)^(−½) */
const inverseRoot = (v: Expr, eps: Expr): Expr => over(constant(1), unary('sqrt', plus(v, eps)));

/** Lines to mean 0 and variance 1, and y w + b if asked for; also gives the mean and the variance. */
function standardizing(dtype: DType, affine: boolean): LineKernel {
  const each = { dtype, extent: 'each' } as const;
  const line = { dtype, extent: 'line' } as const;
  const shared = { dtype, extent: 'shared' } as const;
  const ins = affine ? [each, shared, shared] : [each];
  const [x, w, b] = [arg(0), arg(1), arg(2)];
  const [n, eps] = [arg(ins.length), arg(ins.length + 1)];
  const value = (k: number): Expr => arg(ins.length + 2 + 3 + k);
  const [m, v, r] = [value(0), value(1), value(2)];
  const centred = minus(x, m);
  const y = times(centred, r);
  return new LineKernel({
    name: affine ? 'layerNorm' : 'standardize',
    compute: dtype === 'float64' ? 'f64' : 'f32',
    ins,
    scalars: 2,
    outs: [each, line, line],
    passes: [
      { map: x, fold: 'sum', post: over(m, n), keep: 1 },
      { map: times(centred, centred), fold: 'sum', post: over(v, n), keep: 2 },
      { map: inverseRoot(v, eps) },
      { map: affine ? plus(times(y, w), b) : y, store: 0 },
    ],
  });
}

/** r (h − mean h − y mean(h y)) with y = (x − μ) r, line by line: h is the cotangent of y, or with weights that of the result times w. */
function gradient(dtype: DType, affine: boolean): LineKernel {
  const each = { dtype, extent: 'each' } as const;
  const line = { dtype, extent: 'line' } as const;
  const shared = { dtype, extent: 'shared' } as const;
  const ins = affine ? [each, each, line, line, shared] : [each, each, line, line];
  const [g, x, mean, v, w] = [arg(0), arg(1), arg(2), arg(3), arg(4)];
  const [n, eps] = [arg(ins.length), arg(ins.length + 1)];
  const value = (k: number): Expr => arg(ins.length + 2 + 1 + k);
  const [r, c, d] = [value(0), value(1), value(2)];
  const h = affine ? times(g, w) : g;
  const y = times(minus(x, mean), r);
  return new LineKernel({
    name: affine ? 'layerNormGradient' : 'standardizeGradient',
    compute: dtype === 'float64' ? 'f64' : 'f32',
    ins,
    scalars: 2,
    outs: [each],
    passes: [
      { map: inverseRoot(v, eps) },
      { map: h, fold: 'sum', post: over(c, n) },
      { map: times(h, y), fold: 'sum', post: over(d, n) },
      { map: times(minus(minus(h, c), times(y, d)), r), store: 0 },
    ],
  });
}

interface Kernels {
  readonly mean: ReduceKernel;
  /** Σ (x − μ)² / n */
  readonly variance: ReduceKernel;
  /** (x − μ) / √(v + ε) */
  readonly scale: MapKernel;
  /** By whether there are weights. */
  readonly lines: readonly [LineKernel, LineKernel];
  readonly gradients: readonly [LineKernel, LineKernel];
}

const kernels = new Map<DType, Kernels>();

function kernelsFor(dtype: DType): Kernels {
  let k = kernels.get(dtype);
  if (k === undefined) {
    const { compute } = dtypeInfo(dtype);
    const centred = minus(arg(0), arg(1));
    const overCount = { post: over(arg(0), arg(1)), postScalars: 1, fold: 'sum', compute, out: dtype } as const;
    k = {
      mean: new ReduceKernel({ name: 'mean', pre: arg(0), ins: [dtype], ...overCount }),
      variance: new ReduceKernel({
        name: 'variance',
        pre: times(centred, centred),
        ins: [dtype, dtype],
        ...overCount,
      }),
      scale: new MapKernel(
        {
          name: 'standardize',
          args: ['value', 'value', 'value', 'value'],
          outs: [over(centred, unary('sqrt', plus(arg(2), arg(3))))],
        },
        compute,
        [dtype, dtype, dtype, 'scalar'],
        [dtype],
      ),
      lines: [standardizing(dtype, false), standardizing(dtype, true)],
      gradients: [gradient(dtype, false), gradient(dtype, true)],
    };
    kernels.set(dtype, k);
  }
  return k;
}

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
    const k = kernelsFor(x.dtype);
    const n = countOf(x.shape, dims);
    const kept = reducedShape(x.shape, { dims, keepdim: true, all: false });
    const [y, mean, variance] = [fresh(x.shape, x.dtype), fresh(kept, x.dtype), fresh(kept, x.dtype)];
    const lines = linesOver(x.shape, dims);
    if (lines !== null && lines.length > 0) {
      const ins = [x, ...weights].map(inOrder);
      k.lines[weights.length > 0 ? 1 : 0].run(lines.lines, lines.length, [y, mean, variance], ins, [n, eps]);
      return [y, mean, variance];
    }
    k.mean.run(mean, [x], x.shape, dims, [n]);
    k.variance.run(variance, [x, mean], x.shape, dims, [n]);
    k.scale.run([y], [x, mean, variance, eps]);
    const [w, b] = weights;
    return [w === undefined ? y : add(mul(y, w), b), mean, variance];
  });
}

/**
 * The gradient by x in one kernel, from the inputs of `gradient`: null where more than its value may be
 * asked for, and where there are no lines, so that it has to be made of operations.
 */
export function gradientAtOnce(inputs: readonly TensorBase[], { dims, eps }: Attrs): TensorBase | null {
  const [g] = inputs;
  const lines = linesOver(g.shape, dims);
  if (lines === null || lines.length === 0 || !isBare(inputs)) return null;
  return internally(() => {
    const out = fresh(g.shape, g.dtype);
    const kernel = kernelsFor(g.dtype).gradients[inputs.length > 4 ? 1 : 0];
    kernel.run(lines.lines, lines.length, [out], inputs.map(inOrder), [lines.length, eps]);
    return out;
  });
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
      const atOnce = gy !== null && gm === null && gv === null ? gradientAtOnce([gy, x, mean, v], attrs) : null;
      return [atOnce ?? standardizeGradient([gy, gm, gv], standardizedAgain(x, mean, v, attrs.eps), v, attrs)];
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
