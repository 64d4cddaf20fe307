/**
 * How many floating point operations an operation does and how many bytes it must move, from the
 * shapes alone: what a roofline is drawn with, not what a kernel really did.
 */
import { dtypeInfo } from '../core/dtype.ts';
import { type Operand, type Outputs, TensorBase } from '../core/tensor.ts';
import { topological } from '../kernels/dag.ts';
import { type Expr, operands } from '../kernels/expr.ts';

/** A tensor that repeats its elements is read once. */
function bytesOf(t: TensorBase): number {
  if (t.wrapped !== null) return 0;
  let elements = 1;
  t.shape.forEach((n, d) => {
    if (t.strides[d] !== 0 || n === 0) elements *= n;
  });
  return elements * dtypeInfo(t.dtype).bytes;
}

function outputList(outputs: Outputs): readonly TensorBase[] {
  return Array.isArray(outputs) ? (outputs as readonly TensorBase[]) : [outputs as TensorBase];
}

const total = (ts: readonly Operand[]): number =>
  ts.reduce<number>((sum, t) => sum + (t instanceof TensorBase ? bytesOf(t) : 0), 0);

/** Bytes that an in-place operation reads and writes: of its target, the first input, only what the function looks at. */
export function bytesInPlace(target: TensorBase, inputs: readonly Operand[], outs: readonly Expr[]): number {
  const reads = topological(outs, operands).some((e) => e.op === 'arg' && e.index === 0);
  return total(reads ? inputs : inputs.slice(1)) + bytesOf(target);
}

/** Bytes that an operation moves which writes the last of `others` somewhere, as the rest say. */
export function bytesWritten(others: readonly TensorBase[]): number {
  const source = others.at(-1);
  return total(others) + (source === undefined ? 0 : bytesOf(source));
}

/** Bytes of all operands and results; a view moves nothing. */
export function bytesMoved(inputs: readonly Operand[], outputs: Outputs): number {
  const ins = inputs.filter((x) => x instanceof TensorBase);
  const outs = outputList(outputs).filter((y) => !ins.some((x) => x.storage === y.storage));
  if (outs.length === 0) return 0;
  return total(ins) + total(outs);
}

const size = (x: Operand | undefined, d: number): number => (x instanceof TensorBase ? (x.shape.at(d) ?? 1) : 1);
const count = (x: Operand | undefined): number => (x instanceof TensorBase ? x.count : 0);

type Counter = (inputs: readonly Operand[], outputs: readonly TensorBase[]) => number;

/** Multiplications and additions of contractions; a convolution does one of each for every weight and output place. */
const contractions: Readonly<Record<string, Counter>> = {
  dot: ([a]) => 2 * count(a),
  mv: ([a]) => 2 * count(a),
  mm: ([a, b]) => 2 * count(a) * size(b, -1),
  bmm: ([a, b]) => 2 * count(a) * size(b, -1),
  attention: ([q, , v], [, p]) => 2 * count(p) * (size(q, -1) + size(v, -1)),
  cdist: ([a], [y]) => 3 * count(y) * size(a, -1),
  pdist: ([x], [y]) => 3 * count(y) * size(x, -1),
  convolution: ([, w], [y]) => windowed(y, w),
  convolutionInput: ([y, w]) => windowed(y, w),
  convolutionWeight: ([, y], [w]) => windowed(y, w),
};

/** Factorisations and systems that are kernels, to the highest order in the sizes (Golub and Van Loan, 2013). */
const factorisations: Readonly<Record<string, Counter>> = {
  lu: ([a]) => count(a) * eliminations(a),
  det: ([a]) => count(a) * eliminations(a),
  slogdet: ([a]) => count(a) * eliminations(a),
  cholesky: ([a]) => (count(a) * size(a, -1)) / 3,
  ldlFactor: ([a]) => (count(a) * size(a, -1)) / 3,
  solveTriangular: ([a, b]) => count(b) * size(a, -1),
  choleskySolve: ([l, b]) => 2 * count(b) * size(l, -1),
  ldlSolve: ([l, , b]) => 2 * count(b) * size(l, -1),
  inv: ([a]) => 2 * count(a) * size(a, -1),
  solve: ([a, b]) => count(a) * eliminations(a) + 2 * count(b) * size(a, -1),
  geqrf: ([a]) => 2 * count(a) * eliminations(a),
  // As much again for Q.
  qr: ([a], [q]) => (q.count > 0 ? 4 : 2) * count(a) * eliminations(a),
  eigh: ([a], [, v]) => count(a) * size(a, -1) * (v.count > 0 ? 9 : 4 / 3),
  svd: ([a], [u]) =>
    count(a) * (u.count > 0 ? 14 * lesser(a) + (8 * lesser(a) ** 2) / greater(a) : 4 * eliminations(a)),
};

const lesser = (a: Operand): number => Math.min(size(a, -2), size(a, -1));
const greater = (a: Operand): number => Math.max(size(a, -2), size(a, -1), 1);

/** Steps for each element of an m × n matrix that is eliminated: n − n² / 3m for the smaller size n. */
const eliminations = (a: Operand): number => lesser(a) - lesser(a) ** 2 / (3 * greater(a));

function windowed(y: Operand | undefined, w: Operand | undefined): number {
  return w === undefined ? 0 : (2 * count(y) * count(w)) / Math.max(1, size(w, 0));
}

/** Operations that only move, repeat or find elements. */
const moves: ReadonlySet<string> = new Set(
  (
    'copy clone to fill gather padTo cropTo indexSelect cat stack named asStrided intoRegion replaceRegion clearRegion ' +
    'reshape permute expand squeeze unsqueeze slice sliceBackward select split unbind diagonal unfold flip tril triu ' +
    'constantPad borderPad index embedding maskedSelect maskedFront maskedScatter nonzero scatter scatterValue indexCopy ' +
    'indexFill im2col sort argsort topk'
  ).split(' '),
);

/** Steps for each element, where the definition takes more than one. */
const steps: Readonly<Record<string, number>> = {
  ...{ softmax: 5, logSoftmax: 5, logsumexp: 4, standardize: 6, standardizeAffine: 8 },
  ...{ var: 4, std: 4, varMean: 4, stdMean: 4, norm: 2, recurrence: 2 },
};

/** An operation of the registry: contractions as they are, and steps for every element read or made otherwise. */
export function flopsOf(name: string, inputs: readonly Operand[], outputs: Outputs): number {
  if (moves.has(name)) return 0;
  const made = outputList(outputs);
  const counter = contractions[name] ?? factorisations[name];
  if (counter !== undefined) return counter(inputs, made);
  return (steps[name] ?? 1) * Math.max(0, ...inputs.map(count), ...made.map((y) => y.count));
}

type RuleCounter = (g: TensorBase, saved: readonly Operand[], wanted: number) => number;

/** Rules that may be kernels, with no operations inside that could be counted. */
const rules: Readonly<Record<string, RuleCounter>> = {
  softmax: (g) => 4 * g.count,
  logSoftmax: (g) => 4 * g.count,
  standardize: (g) => 10 * g.count,
  standardizeAffine: (g) => 14 * g.count,
  cdist: (g, [a], wanted) => (wanted === 3 ? 2 : 1) * 4 * g.count * size(a, -1),
  pdist: (g, [x]) => 8 * g.count * size(x, -1),
  attention: (g, [q, , , p], wanted) => {
    const [e, v] = [size(q, -1), size(g, -1)];
    const scores = wanted & 3 ? 2 * v + 5 : 0;
    return count(p) * (scores + (wanted & 1 ? 2 * e : 0) + (wanted & 2 ? 2 * e : 0) + (wanted & 4 ? 2 * v : 0));
  },
};

/** What the rule of an operation moves and computes, if it may be a kernel; null where its parts say so. */
export function workOfRule(
  name: string,
  [g]: readonly (TensorBase | null)[],
  saved: readonly unknown[],
  gradients: readonly (TensorBase | null)[],
  wanted: number,
): { readonly bytes: number; readonly flops: number } | null {
  const counter = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (counter === undefined || g === null || g.wrapped !== null) return null;
  const ins = [g, ...saved.filter((x) => x instanceof TensorBase)];
  return { bytes: total(ins) + total(gradients.filter((x) => x !== null)), flops: counter(g, ins.slice(1), wanted) };
}

const arithmetic = new WeakMap<readonly Expr[], number>();

/** Steps of an elementwise function for one element: the distinct nodes of its expression that compute. */
export function stepsOf(outs: readonly Expr[]): number {
  let steps = arithmetic.get(outs);
  if (steps === undefined) {
    steps = topological(outs, operands).filter((e) => e.op !== 'arg' && e.op !== 'const').length;
    arithmetic.set(outs, steps);
  }
  return steps;
}
