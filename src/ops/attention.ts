import { gemm } from '../backends/wasm/gemm.ts';
import { LineKernel, LONGEST_LINE } from '../backends/wasm/lines.ts';
import { apply, isBare } from '../core/apply.ts';
import { byDType, type DType, isFloat } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { numel, type Shape, sameShape } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { sub as less, mul as times } from '../kernels/algebra.ts';
import { arg, binary, compare, constant, type Expr, select, unary } from '../kernels/expr.ts';
import { copyKernel } from './copy.ts';
import { counting } from './create.ts';
import { add, mul, sub } from './elementwise.ts';
import { computeOf } from './lines.ts';
import { cheapSums, matmul, onBatch } from './matmul.ts';
import { sum } from './reduce.ts';
import { mT } from './view.ts';

/*
 * Attention (Vaswani et al. 2017): y = p v with the weights p = softmax(s q kᵀ), of which the causal form knows
 * those of keys j ≤ i only. The products read and write q, k, v and y where they lie, mostly as parts of larger
 * tensors; scale, mask and softmax are one pass over the scores. Those of the causal form are made in bands, of
 * queries with all keys that any of them sees, or of keys with all queries that see any of them.
 */

interface Attrs {
  readonly scale: number;
  /** Whether query i sees keys up to i only. */
  readonly causal: boolean;
}

interface Kernels {
  readonly weigh: LineKernel;
  readonly weighCausally: LineKernel;
  readonly gradient: LineKernel;
  readonly gradientCausally: LineKernel;
}

const kernelsFor = byDType(
  (dtype): Kernels => ({
    weigh: weighing(dtype, false),
    weighCausally: weighing(dtype, true),
    gradient: gradientKernel(dtype, false),
    gradientCausally: gradientKernel(dtype, true),
  }),
);

/** Scores to weights, line by line: the softmax of s x, in the causal form of the elements j ≤ i of line i. */
function weighing(dtype: DType, causal: boolean): LineKernel {
  const each = { dtype, extent: 'each' } as const;
  const ins = causal ? ([each, { dtype, extent: 'line' }, { dtype, extent: 'shared' }] as const) : [each];
  const [x, i, j] = [arg(0), arg(1), arg(2)];
  const [scale, y, m, r] = [0, 1, 2, 3].map((n) => arg(ins.length + n)) as [Expr, Expr, Expr, Expr];
  const scaled = times(x, scale);
  const score = causal ? select(compare('le', j, i), scaled, Number.NEGATIVE_INFINITY) : scaled;
  return new LineKernel({
    name: causal ? 'causalWeights' : 'attentionWeights',
    compute: computeOf(dtype),
    ins,
    scalars: 1,
    outs: [each],
    passes: [
      { map: score, fold: 'greatest' },
      { map: unary('decay', less(score, m)), fold: 'sum', store: 0, post: binary('div', constant(1), r) },
      { map: times(y, r), store: 0 },
    ],
  });
}

/** s p (p̄ − Σ p̄ p), line by line, in the causal form of the elements j ≤ i of line i, and 0 behind them. */
function gradientKernel(dtype: DType, causal: boolean): LineKernel {
  const each = { dtype, extent: 'each' } as const;
  const ins = causal ? ([each, each, { dtype, extent: 'line' }, { dtype, extent: 'shared' }] as const) : [each, each];
  const [p, g, i, j] = [arg(0), arg(1), arg(2), arg(3)];
  const [scale, total] = [arg(ins.length), arg(ins.length + 2)];
  const seen = (e: Expr): Expr => (causal ? select(compare('le', j, i), e, 0) : e);
  return new LineKernel({
    name: causal ? 'causalGradient' : 'attentionGradient',
    compute: computeOf(dtype),
    ins,
    scalars: 1,
    outs: [each],
    passes: [
      { map: seen(times(g, p)), fold: 'sum' },
      { map: seen(times(times(p, less(g, total)), scale)), store: 0 },
    ],
  });
}

// ─── on plain tensors ────────────────────────────────────────────────────────────────────────────

/** The transpose of matrices, in place. */
function turned(x: TensorBase): TensorBase {
  const swapped = (list: readonly number[]): number[] => [...list.slice(0, -2), list.at(-1) ?? 0, list.at(-2) ?? 0];
  return alias(x, swapped(x.shape), swapped(x.strides));
}

/** Memory of a shape, its dimensions in the order in which those of `like` lie; columns innermost. */
function laidAs(like: TensorBase, shape: Shape): TensorBase {
  const last = shape.length - 1;
  const order = [...shape.keys()].slice(0, last).sort((d, e) => like.strides[e] - like.strides[d] || d - e);
  const strides = new Array<number>(shape.length).fill(1);
  let step = Math.max(1, shape[last]);
  for (const d of order.reverse()) {
    strides[d] = step;
    step *= Math.max(1, shape[d]);
  }
  return alias(fresh(shape, like.dtype), shape, strides);
}

/** Rows of matrices, from one number to another, and of their columns. */
function part(x: TensorBase, row: number, end: number, column = 0, right = x.shape.at(-1) as number): TensorBase {
  const [down, along] = x.strides.slice(-2);
  const shape = [...x.shape.slice(0, -2), end - row, right - column];
  return alias(x, shape, x.strides, x.offset + row * down + column * along);
}

/** y = a b, where rows of y have no gaps. */
function multiply(y: TensorBase, a: TensorBase, b: TensorBase): void {
  if (gemm(y, a, b)) return;
  const closed = fresh(y.shape, y.dtype);
  gemm(closed, a, b);
  copyKernel(y.dtype, y.dtype).run([y], [closed]);
}

/** Queries or keys of a band. */
const BAND = 64;

/** `n` queries or keys of so many others: as they go together, from one number to another, and how many others. */
function inBands(n: number, others: number, causal: boolean, use: (from: number, to: number) => void): void {
  const band = causal && others > BAND ? BAND : n;
  for (let from = 0; from < n; from += band) use(from, Math.min(n, from + band));
}

/** p = q kᵀ for the keys that queries see, and some more; whether for all. */
function scores(p: TensorBase, q: TensorBase, k: TensorBase, causal: boolean): boolean {
  const [queries, keys] = p.shape.slice(-2);
  let all = true;
  inBands(queries, keys, causal, (i, end) => {
    const seen = causal ? Math.min(end, keys) : keys;
    multiply(part(p, i, end, 0, seen), part(q, i, end), turned(part(k, 0, seen)));
    all &&= seen === keys;
  });
  return all;
}

/** p x of weights p, laid out like `like`: for each query a sum over keys. */
function overKeys(p: TensorBase, x: TensorBase, causal: boolean, like: TensorBase): TensorBase {
  const [queries, keys] = p.shape.slice(-2);
  const y = laidAs(like, [...p.shape.slice(0, -1), x.shape.at(-1) as number]);
  inBands(queries, keys, causal, (i, end) => {
    const seen = causal ? Math.min(end, keys) : keys;
    multiply(part(y, i, end), part(p, i, end, 0, seen), part(x, 0, seen));
  });
  return y;
}

/** pᵀ x of weights p, laid out like `like`: for each key a sum over queries. */
function overQueries(p: TensorBase, x: TensorBase, causal: boolean, like: TensorBase): TensorBase {
  const [queries, keys] = p.shape.slice(-2);
  const y = laidAs(like, [...p.shape.slice(0, -2), keys, x.shape.at(-1) as number]);
  inBands(keys, queries, causal, (j, end) => {
    const first = causal ? Math.min(j, queries) : 0;
    multiply(part(y, j, end), turned(part(p, first, queries, j, end)), part(x, first, queries));
  });
  return y;
}

/** The number of the query of every line of p, and of the key of every place in it. */
function numbers(p: TensorBase): TensorBase[] {
  const [queries, keys] = p.shape.slice(-2);
  const of = (times: number, n: number): TensorBase => {
    const out = fresh([times, n], p.dtype);
    copyKernel('int32', p.dtype).run([out], [alias(counting(n), out.shape, [0, 1])]);
    return out;
  };
  return [of(numel(p.shape.slice(0, -2)), queries), of(1, keys)];
}

const attentionOp: Op<Attrs> = defineOp({
  name: 'attention',
  node: 'ScaledDotProductFlashAttentionForCpuBackward0',
  cheap: ([q, k]) => cheapSums((q.shape.at(-1) ?? 1) + (k.shape.at(-2) ?? 1)),
  inputs: ['q', 'k', 'v'],
  forward: ([q, k, v], { scale, causal }) =>
    internally(() => {
      const keys = k.shape.at(-2) as number;
      const p = fresh([...q.shape.slice(0, -1), keys], q.dtype);
      scores(p, q, k, causal);
      const lines = numel(q.shape.slice(0, -1));
      const { weigh, weighCausally } = kernelsFor(q.dtype);
      if (causal) weighCausally.run(lines, keys, [p], [p, ...numbers(p)], [scale]);
      else weigh.run(lines, keys, [p], [p], [scale]);
      return [overKeys(p, v, causal, q), p];
    }),
  vjp: {
    saves: ['q', 'k', 'v', 'y1'],
    rule: ([gy, gp], [q, k, v, p], { attrs }, wanted) => {
      if (gy !== null && gp === null && isBare([gy, q, k, v, p]))
        return gradientAtOnce(gy, [q, k, v, p], attrs, wanted);
      const ofWeights = plus(gy === null ? null : matmul(gy, mT(v)), gp);
      const scores = ofWeights === null ? null : scoreTangent(ofWeights, p);
      const scaled = scores === null ? null : mul(scores, attrs.scale);
      return [
        scaled !== null && wanted & 1 ? matmul(scaled, k) : null,
        scaled !== null && wanted & 2 ? matmul(mT(scaled), q) : null,
        gy !== null && wanted & 4 ? matmul(mT(p), gy) : null,
      ];
    },
  },
  jvp: ({ inputs, tangents: [tq, tk, tv], outputs: [, p], attrs }) => {
    const [q, k, v] = inputs as readonly TensorBase[];
    const ofScores = plus(tq === null ? null : matmul(tq, mT(k)), tk === null ? null : matmul(q, mT(tk)));
    const tp = ofScores === null ? null : scoreTangent(mul(ofScores, attrs.scale), p);
    return [plus(tp === null ? null : matmul(tp, v), tv === null ? null : matmul(p, tv)), tp];
  },
  vmap: (inputs, batched, attrs, size) =>
    apply(
      attentionOp,
      inputs.map((x, i) => onBatch(x, batched[i], size)),
      attrs,
    ),
});

const plus = (a: TensorBase | null, b: TensorBase | null): TensorBase | null =>
  a === null || b === null ? (a ?? b) : add(a, b);

/** p (t − Σ t p): what a change of the scores does to the weights, and a cotangent of the weights to the scores. */
const scoreTangent = (t: TensorBase, p: TensorBase): TensorBase => mul(p, sub(t, sum(mul(t, p), -1, true)));

/** The gradients where nothing but their values will be asked for. */
function gradientAtOnce(
  g: TensorBase,
  [q, k, v, p]: readonly TensorBase[],
  { scale, causal }: Attrs,
  wanted: number,
): readonly (TensorBase | null)[] {
  const gv = wanted & 4 ? overQueries(p, g, causal, v) : null;
  if ((wanted & 3) === 0) return [null, null, gv];
  const s = fresh(p.shape, p.dtype);
  const all = scores(s, g, v, causal);
  const [lines, keys] = [numel(p.shape.slice(0, -1)), p.shape.at(-1) as number];
  const { gradient, gradientCausally } = kernelsFor(p.dtype);
  if (all) gradient.run(lines, keys, [s], [p, s], [scale]);
  else gradientCausally.run(lines, keys, [s], [p, s, ...numbers(p)], [scale]);
  return [wanted & 1 ? overKeys(s, k, causal, q) : null, wanted & 2 ? overQueries(s, q, causal, k) : null, gv];
}

/** Whether `attention` takes such operands: of one dtype, of one batch, and scores of lines that stay in a cache. */
export function fitsAttention(q: TensorBase, k: TensorBase, v: TensorBase): boolean {
  const batch = q.shape.slice(0, -2);
  return (
    isFloat(q.dtype) &&
    [k, v].every((t) => t.dtype === q.dtype && sameShape(t.shape.slice(0, -2), batch)) &&
    q.shape.at(-1) === k.shape.at(-1) &&
    k.shape.at(-2) === v.shape.at(-2) &&
    (k.shape.at(-2) ?? 0) <= LONGEST_LINE
  );
}

/** softmax(scale · q kᵀ) v for operands that fit. */
export function attention(q: TensorBase, k: TensorBase, v: TensorBase, scale: number, causal: boolean): TensorBase {
  return (apply(attentionOp, [q, k, v], { scale, causal }) as readonly TensorBase[])[0];
}
