/** The kernels of normalisations. */
import { LineKernel, type Pass } from '../backends/wasm/lines.ts';
import { MapKernel } from '../backends/wasm/map.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { type DType, dtypeInfo } from '../core/dtype.ts';
import { arg, binary, constant, type Expr, unary } from '../kernels/expr.ts';

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
    name: affine ? 'standardizeAffine' : 'standardize',
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

/**
 * By x r (h − mean h − y mean(h y)) with y = (x − μ) r, line by line: h is the cotangent g of y, or with weights that of
 * the result times w. By weights g y and by biases g, added up in blocks of lines. Those in the bit mask `wanted`, in
 * this order.
 */
export function gradient(dtype: DType, affine: boolean, wanted: number): LineKernel {
  const each = { dtype, extent: 'each' } as const;
  const line = { dtype, extent: 'line' } as const;
  const shared = { dtype, extent: 'shared' } as const;
  const block = { dtype, extent: 'block' } as const;
  const ins = affine ? [each, each, line, line, shared] : [each, each, line, line];
  const [g, x, mean, v, w] = [arg(0), arg(1), arg(2), arg(3), arg(4)];
  const [n, eps] = [arg(ins.length), arg(ins.length + 1)];
  const outs = [each, block, block].filter((_, i) => wanted & (1 << i));
  const value = (k: number): Expr => arg(ins.length + 2 + outs.length + k);
  const [r, c, d] = [value(0), value(1), value(2)];
  const h = affine ? times(g, w) : g;
  const centred = minus(x, mean);
  const along = times(g, centred);
  const folds: readonly Pass[] = [
    { map: h, fold: 'sum', post: over(c, n) },
    { map: affine ? times(along, w) : along, fold: 'sum', post: times(times(over(d, n), r), r) },
  ];
  const first = wanted & 1;
  const sums = [times(along, r), g]
    .filter((_, i) => wanted & (2 << i))
    .map((map, i): Pass => ({ map, store: first + i }));
  return new LineKernel({
    name: affine ? 'standardizeAffineGradient' : 'standardizeGradient',
    compute: dtype === 'float64' ? 'f64' : 'f32',
    ins,
    scalars: 2,
    outs,
    passes: [
      { map: inverseRoot(v, eps) },
      [...(first ? folds : []), ...sums],
      ...(first ? [{ map: times(minus(minus(h, c), times(centred, d)), r), store: 0 }] : []),
    ],
  });
}

/** What both kinds need where they do not go over lines: the sums first, then one map. By whether there are weights. */
export interface Kernels {
  readonly mean: ReduceKernel;
  /** Σ (x − μ)² / n */
  readonly variance: ReduceKernel;
  /** (x − μ) a, or (x − μ) a + b */
  readonly scale: readonly [MapKernel, MapKernel];
  readonly lines: readonly [LineKernel, LineKernel];
  /** By x alone, and with weights by which of x, weights and biases are wanted. */
  readonly gradient: LineKernel;
  readonly gradients: LineKernel[];
  /** Sums of blocks of lines added up, without rounding in between. */
  readonly blocks: ReduceKernel;
  /** Σ g and Σ g (x − μ), of lines in one pass or each in one of its own. */
  readonly lineSums: LineKernel;
  readonly sums: readonly [ReduceKernel, ReduceKernel];
  /** g a − (c + (x − μ) q) / n */
  readonly combine: MapKernel;
}

const kernels = new Map<DType, Kernels>();

/** Σ / n of an expression of so many operands. */
const meanOf = (name: string, dtype: DType, operands: number, pre: Expr): ReduceKernel =>
  new ReduceKernel({
    name,
    pre,
    fold: 'sum',
    post: over(arg(0), arg(1)),
    postScalars: 1,
    compute: dtypeInfo(dtype).compute,
    ins: new Array<DType>(operands).fill(dtype),
    out: dtype,
  });

const mapOf = (name: string, dtype: DType, operands: number, out: Expr, numbers = 0): MapKernel =>
  new MapKernel(
    { name, args: new Array<'value'>(operands + numbers).fill('value'), outs: [out] },
    dtypeInfo(dtype).compute,
    [...new Array<DType>(operands).fill(dtype), ...new Array<'scalar'>(numbers).fill('scalar')],
    [dtype],
  );

/** Σ g and Σ g (x − μ) of every line. */
function lineSums(dtype: DType): LineKernel {
  const each = { dtype, extent: 'each' } as const;
  const line = { dtype, extent: 'line' } as const;
  const [g, x, mean] = [arg(0), arg(1), arg(2)];
  return new LineKernel({
    name: 'cotangentSums',
    compute: dtype === 'float64' ? 'f64' : 'f32',
    ins: [each, each, line],
    scalars: 0,
    outs: [line, line],
    passes: [
      [
        { map: g, fold: 'sum', keep: 0 },
        { map: times(g, minus(x, mean)), fold: 'sum', keep: 1 },
      ],
    ],
  });
}

export function kernelsFor(dtype: DType): Kernels {
  let k = kernels.get(dtype);
  if (k === undefined) {
    const centred = minus(arg(0), arg(1));
    const scaled = times(centred, arg(2));
    k = {
      mean: meanOf('mean', dtype, 1, arg(0)),
      variance: meanOf('variance', dtype, 2, times(centred, centred)),
      scale: [mapOf('standardize', dtype, 3, scaled), mapOf('standardizeAffine', dtype, 4, plus(scaled, arg(3)))],
      lines: [standardizing(dtype, false), standardizing(dtype, true)],
      gradient: gradient(dtype, false, 1),
      gradients: [],
      blocks: new ReduceKernel({
        name: 'blockSum',
        fold: 'sum',
        pre: arg(0),
        compute: 'f64',
        ins: [dtype],
        out: dtype,
      }),
      lineSums: lineSums(dtype),
      sums: [
        meanOf('cotangentSum', dtype, 1, arg(0)),
        meanOf('cotangentAlong', dtype, 3, times(arg(0), minus(arg(1), arg(2)))),
      ],
      combine: mapOf(
        'standardizeGradient',
        dtype,
        6,
        minus(times(arg(0), arg(3)), times(plus(arg(4), times(minus(arg(1), arg(2)), arg(5))), arg(6))),
        1,
      ),
    };
    kernels.set(dtype, k);
  }
  return k;
}
