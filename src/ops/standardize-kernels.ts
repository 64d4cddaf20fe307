/** The kernels of normalisations over what are no lines: the sums first, then one map. */
import { LineKernel } from '../backends/wasm/lines.ts';
import { MapKernel } from '../backends/wasm/map.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { byDType, type DType, dtypeInfo } from '../core/dtype.ts';
import { sub as minus, div as over, add as plus, mul as times } from '../kernels/algebra.ts';
import { arg, type Expr } from '../kernels/expr.ts';
import { computeOf } from './lines.ts';

/** By whether there are weights. */
export interface Kernels {
  readonly mean: ReduceKernel;
  /** Σ (x − μ)² / n */
  readonly variance: ReduceKernel;
  /** (x − μ) a, or (x − μ) a + b */
  readonly scale: readonly [MapKernel, MapKernel];
  /** Σ g and Σ g (x − μ), of lines in one pass or each in one of its own. */
  readonly lineSums: LineKernel;
  readonly sums: readonly [ReduceKernel, ReduceKernel];
  /** g a − (c + (x − μ) q) / n */
  readonly combine: MapKernel;
}

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
    compute: computeOf(dtype),
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

export const kernelsFor = byDType((dtype): Kernels => {
  const centred = minus(arg(0), arg(1));
  const scaled = times(centred, arg(2));
  return {
    mean: meanOf('mean', dtype, 1, arg(0)),
    variance: meanOf('variance', dtype, 2, times(centred, centred)),
    scale: [mapOf('standardize', dtype, 3, scaled), mapOf('standardizeAffine', dtype, 4, plus(scaled, arg(3)))],
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
});
