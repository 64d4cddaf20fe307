/** Normalisations of lines: one kernel forward, and one for all gradients, with those of parameters in parts. */
import { BLOCK_LINES, LineKernel, type Pass } from '../backends/wasm/lines.ts';
import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { byDType, type DType } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import type { Shape } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { sub as minus, div as over, add as plus, mul as times } from '../kernels/algebra.ts';
import { arg, constant, type Expr, unary } from '../kernels/expr.ts';
import { computeOf, inOrder, type Lines, linesOver } from './lines.ts';
import { reshape } from './view.ts';

/** (v + ε)^(−½) */
const inverseRoot = (v: Expr, eps: Expr): Expr => over(constant(1), unary('sqrt', plus(v, eps)));

/** What lines are brought to: with their means taken off or without, and what comes after that. */
export interface Form {
  readonly name: string;
  readonly centred: boolean;
  /** None, weights, or weights and biases. */
  readonly parameters: 0 | 1 | 2;
}

/** Lines (x − μ) r to mean 0 and variance 1, times w plus b if asked for; also gives μ and the variance. Not centred x r, with the mean square. */
function standardizing(dtype: DType, { name, centred, parameters }: Form): LineKernel {
  const each = { dtype, extent: 'each' } as const;
  const line = { dtype, extent: 'line' } as const;
  const shared = { dtype, extent: 'shared' } as const;
  const ins = [each, shared, shared].slice(0, 1 + parameters);
  const outs = centred ? [each, line, line] : [each, line];
  const [x, w, b] = [arg(0), arg(1), arg(2)];
  const [n, eps] = [arg(ins.length), arg(ins.length + 1)];
  const value = (k: number): Expr => arg(ins.length + 2 + outs.length + k);
  const first = centred ? 1 : 0;
  const [m, v, r] = [value(0), value(first), value(first + 1)];
  const c = centred ? minus(x, m) : x;
  const y = times(c, r);
  const map = [y, times(y, w), plus(times(y, w), b)][parameters];
  return new LineKernel({
    name,
    compute: computeOf(dtype),
    ins,
    scalars: 2,
    outs,
    passes: [
      ...(centred ? [{ map: x, fold: 'sum', post: over(m, n), keep: 1 } as const] : []),
      { map: times(c, c), fold: 'sum', post: over(v, n), keep: first + 1 },
      { map: inverseRoot(v, eps) },
      { map, store: 0 },
    ],
  });
}

/**
 * By x r (h − mean h − y mean(h y)) with y = (x − μ) r, line by line: h is the cotangent g of y, or with weights that of
 * the result times w. Not centred r (h − y mean(h y)) with y = x r. By weights g y and by biases g, added up in blocks of
 * lines. Those in the bit mask `wanted`, in this order, from g, x, μ if there is one, v and w.
 */
function gradient(dtype: DType, { name, centred, parameters }: Form, wanted: number): LineKernel {
  const each = { dtype, extent: 'each' } as const;
  const line = { dtype, extent: 'line' } as const;
  const shared = { dtype, extent: 'shared' } as const;
  const block = { dtype, extent: 'block' } as const;
  const ins = [each, each, ...(centred ? [line] : []), line, ...(parameters > 0 ? [shared] : [])];
  const at = centred ? 3 : 2;
  const [g, x, mean, v, w] = [arg(0), arg(1), arg(2), arg(at), arg(at + 1)];
  const [n, eps] = [arg(ins.length), arg(ins.length + 1)];
  const outs = [each, block, block].filter((_, i) => wanted & (1 << i));
  const value = (k: number): Expr => arg(ins.length + 2 + outs.length + k);
  const [r, c, d] = [value(0), value(1), value(centred ? 2 : 1)];
  const h = parameters > 0 ? times(g, w) : g;
  const own = centred ? minus(x, mean) : x;
  const along = times(g, own);
  const folds: readonly Pass[] = [
    ...(centred ? [{ map: h, fold: 'sum', post: over(c, n) } as const] : []),
    { map: parameters > 0 ? times(along, w) : along, fold: 'sum', post: times(times(over(d, n), r), r) },
  ];
  const first = wanted & 1;
  const sums = [times(along, r), g]
    .filter((_, i) => wanted & (2 << i))
    .map((map, i): Pass => ({ map, store: first + i }));
  return new LineKernel({
    name: `${name}Gradient`,
    compute: computeOf(dtype),
    ins,
    scalars: 2,
    outs,
    passes: [
      { map: inverseRoot(v, eps) },
      [...(first ? folds : []), ...sums],
      ...(first ? [{ map: times(minus(centred ? minus(h, c) : h, times(own, d)), r), store: 0 }] : []),
    ],
  });
}

/** The kernels of lines of one form. */
export interface LineKernels {
  readonly forward: LineKernel;
  /** By which of x, weights and biases are wanted. */
  readonly gradient: (wanted: number) => LineKernel;
  /** Sums of blocks of lines added up, without rounding in between. */
  readonly blocks: ReduceKernel;
}

export const lineKernels = (form: Form): ((dtype: DType) => LineKernels) =>
  byDType((dtype) => {
    const gradients: LineKernel[] = [];
    return {
      forward: standardizing(dtype, form),
      gradient: (wanted) => {
        gradients[wanted] ??= gradient(dtype, form, wanted);
        return gradients[wanted];
      },
      blocks: new ReduceKernel({
        name: 'blockSum',
        fold: 'sum',
        pre: arg(0),
        compute: 'f64',
        ins: [dtype],
        out: dtype,
      }),
    };
  });

/** The lines that kernels can go over: weights, if there are any, are those of a line. */
export function linesFor(x: TensorBase, dims: readonly number[], weights: TensorBase | undefined): Lines | null {
  const lines = linesOver(x, dims);
  const fits = weights === undefined || weights.shape.length === dims.length;
  return lines !== null && lines.length > 0 && fits ? lines : null;
}

/** The results in the bit mask `wanted` in their places, and null elsewhere. */
export function placed(wanted: number, made: readonly TensorBase[]): (TensorBase | null)[] {
  let next = 0;
  return [1, 2, 4].map((bit) => (wanted & bit ? made[next++] : null));
}

/** What `forward` gives of lines, from x and its parameters. */
export function forwardOfLines(
  { forward }: LineKernels,
  outs: readonly TensorBase[],
  ins: readonly TensorBase[],
  { lines, length }: Lines,
  eps: number,
): void {
  forward.run(lines, length, outs, ins.map(inOrder), [length, eps]);
}

/** The gradients of lines from the inputs of `gradient`, of parameters of this shape: those in the bit mask `wanted`. */
export function gradientsOfLines(
  kernels: LineKernels,
  inputs: readonly TensorBase[],
  parameters: Shape,
  { lines, length }: Lines,
  eps: number,
  wanted: number,
): (TensorBase | null)[] {
  const [{ shape, dtype }] = inputs;
  const blocks = [Math.ceil(lines / BLOCK_LINES), length];
  const made = internally(() => {
    const outs = [1, 2, 4].flatMap((bit) => (wanted & bit ? fresh(bit === 1 ? shape : blocks, dtype) : []));
    kernels.gradient(wanted).run(lines, length, outs, inputs.map(inOrder), [length, eps]);
    return outs.map((out, i) => {
      if (i === 0 && wanted & 1) return out;
      if (blocks[0] === 1) return reshape(out, parameters);
      const sums = fresh(parameters, dtype);
      kernels.blocks.run(sums, [out], blocks, [0]);
      return sums;
    });
  });
  return placed(wanted, made);
}
