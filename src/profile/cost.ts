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

/** Bytes that an in-place operation reads and writes. */
export function bytesInPlace(target: TensorBase, inputs: readonly Operand[]): number {
  return total(inputs) + bytesOf(target);
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
  convolution: ([, w], [y]) => windowed(y, w),
  convolutionInput: ([y, w]) => windowed(y, w),
  convolutionWeight: ([, y], [w]) => windowed(y, w),
};

/** Factorisations and systems that are kernels, to the highest order in the sizes. */
const factorisations: Readonly<Record<string, Counter>> = {
  lu: ([a]) => count(a) * eliminations(a),
  cholesky: ([a]) => (count(a) * size(a, -1)) / 3,
  solveTriangular: ([a, b]) => count(b) * size(a, -1),
  inv: ([a]) => 2 * count(a) * size(a, -1),
  solve: ([a, b]) => count(a) * eliminations(a) + 2 * count(b) * size(a, -1),
};

/** Steps for each element of an m × n matrix that is eliminated: n − n² / 3m for the smaller size n. */
function eliminations(a: Operand): number {
  const [small, large] = [size(a, -2), size(a, -1)].sort((p, q) => p - q);
  return large === 0 ? 0 : small - (small * small) / (3 * large);
}

function windowed(y: Operand | undefined, w: Operand | undefined): number {
  return w === undefined ? 0 : (2 * count(y) * count(w)) / Math.max(1, size(w, 0));
}

/** Operations that only move or repeat elements. */
const moves: ReadonlySet<string> = new Set([
  ...['copy', 'clone', 'to', 'fill', 'gather', 'padTo', 'cropTo', 'indexSelect', 'cat', 'stack', 'named'],
  ...['asStrided', 'intoRegion', 'replaceRegion', 'clearRegion', 'reshape', 'permute', 'expand', 'squeeze'],
  ...['unsqueeze', 'slice', 'sliceBackward', 'select', 'sort', 'argsort', 'topk'],
]);

/** An operation of the registry: contractions as they are, and one step for every element read or made otherwise. */
export function flopsOf(name: string, inputs: readonly Operand[], outputs: Outputs): number {
  if (moves.has(name)) return 0;
  const made = outputList(outputs);
  const counter = contractions[name] ?? factorisations[name];
  if (counter !== undefined) return counter(inputs, made);
  return Math.max(0, ...inputs.map(count), ...made.map((y) => y.count));
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
