import { checkBytes } from '../backends/wasm/heap.ts';
import { indexSelect as indexSelectKernel, integerRange, sumBags } from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { shapeText } from '../core/shape.ts';
import { alias, checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { contiguous, toDType } from './copy.ts';
import { counting, full, integers, zeros } from './create.ts';
import { detach } from './detach.ts';
import { add, div, eq, gt, mul, remainder, where } from './elementwise.ts';
import { amax } from './extrema.ts';
import { copy_ } from './fill.ts';
import { indexAdd, indexAddOp, indexCopy, indexSelect } from './index-slices.ts';
import { batch } from './indexing.ts';
import { elementOf } from './inspect.ts';
import { norm } from './norm.ts';
import { expand, reshape, unsqueeze } from './view.ts';
import { onZeros } from './writing.ts';

/* Rows of a table looked up by number, and numbers as rows of truth values. */

interface EmbeddingAttrs {
  /** The row that gets no gradient; −1 for none. */
  readonly paddingIdx: number;
  readonly scaleGradByFreq: boolean;
  /** Rows of one table: under vmap several stand one below the other. */
  readonly rows: number;
  /** Where bags end in the row of all indices, whose rows are summed; null if each stands for itself. */
  readonly ends: readonly number[] | null;
}

/** The number of its bag for every index. */
export function bagNumbers(ends: readonly number[]): TensorBase {
  const numbers = new Int32Array(ends.at(-1) ?? 0);
  ends.forEach((end, i) => {
    numbers.fill(i, ends[i - 1] ?? 0, end);
  });
  return integers(numbers);
}

/** Whether an index names the padding row of its table. */
const isPadding = (index: TensorBase, { paddingIdx, rows }: EmbeddingAttrs): TensorBase =>
  eq(remainder(index, rows), paddingIdx);

function lookupGradient(g: TensorBase, index: TensorBase, shape: readonly number[], attrs: EmbeddingAttrs): TensorBase {
  const places = reshape(index, [index.count]);
  let rows = reshape(g, [index.count, shape[1]]);
  if (attrs.paddingIdx >= 0) rows = where(unsqueeze(isPadding(places, attrs), 1), 0, rows);
  if (attrs.scaleGradByFreq) {
    const ones = expand(full([], 1, g.dtype), [index.count]);
    const counts = indexAdd(zeros([shape[0]], g.dtype), 0, places, ones);
    rows = div(rows, unsqueeze(indexSelect(counts, 0, places), 1));
  }
  return onZeros(indexAddOp, shape, [places, rows], { dim: 0, sure: true });
}

// y[i, …] = w[index[i], …], or the sum over a bag        w̄ = indexAdd(0, index, ȳ), without the padding row, by frequency if asked
const embeddingOp: Op<EmbeddingAttrs> = defineOp({
  name: 'embedding',
  cheap: true,
  inputs: ['weight', 'index'],
  forward: ([weight, index], { ends }) =>
    internally(() => {
      const size = weight.shape[1];
      const y = fresh([...(ends === null ? index.shape : [ends.length]), size], weight.dtype);
      const places = contiguous(index);
      if (ends !== null) {
        if (y.count > 0) sumBags(y, contiguous(weight), places, integers(Int32Array.from(ends)));
        return y;
      }
      indexSelectKernel(alias(y, [index.count, size], [size, 1]), weight, 0, alias(places, [index.count], [1]));
      return y;
    }),
  vjp: {
    weight: [
      ['index'],
      (g, [index], c) => {
        const { ends } = c.attrs;
        const each = ends === null ? g : indexSelect(g, 0, bagNumbers(ends));
        return lookupGradient(each, index, c.shape(0), c.attrs);
      },
    ],
  },
  // As in PyTorch, the padding row counts in a tangent.
  jvp: ({ inputs: [, index], tangents: [t], attrs }) =>
    t === null ? null : apply1(embeddingOp, [t, index as TensorBase], attrs),
  vmap: ([weight, index], [inW, inI], attrs, size) => {
    const { ends } = attrs;
    const look = (table: TensorBase, at: TensorBase): TensorBase => {
      if (ends === null) return apply1(embeddingOp, [table, at], attrs);
      const count = at.shape[1];
      const all = Array.from({ length: size }, (_, i) => ends.map((end) => i * count + end)).flat();
      const y = apply1(embeddingOp, [table, reshape(at, [size * count])], { ...attrs, ends: all });
      return reshape(y, [size, ends.length, y.shape[1]]);
    };
    if (!inW && !attrs.scaleGradByFreq) return look(weight, index);
    const tables = batch(weight, inW, size);
    const [, rows, width] = tables.shape;
    const places = batch(index, inI, size);
    const first = reshape(
      mul(counting(size), rows),
      places.shape.map((n, d) => (d === 0 ? n : 1)),
    );
    return look(reshape(tables, [size * rows, width]), add(places, first));
  },
});

export interface EmbeddingOptions {
  readonly paddingIdx?: number;
  readonly maxNorm?: number;
  readonly normType?: number;
  readonly scaleGradByFreq?: boolean;
}

export function checkTable(op: string, index: TensorBase, weight: TensorBase): void {
  checkTensors(op, index, weight);
  if (weight.shape.length !== 2)
    throw new ShapeError(`${op}: 'weight' must be 2-D, got shape ${shapeText(weight.shape)}`);
  if (index.dtype !== 'int32')
    throw new DTypeError(
      `${op}: Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got ${index.dtype} instead; convert with index.int()`,
    );
}

/** A row number with negative ones counted from the end; −1 for none. */
function paddingRow(op: string, paddingIdx: number | undefined, rows: number): number {
  if (paddingIdx === undefined) return -1;
  if (!Number.isInteger(paddingIdx) || paddingIdx < -rows || paddingIdx >= rows)
    throw new ArgumentError(`${op}: Padding_idx must be within num_embeddings: ${paddingIdx} for ${rows} rows`);
  return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
}

/** Scales down, in the table itself and outside the graph, the rows looked up whose norm is larger. */
function limitNorms(weight: TensorBase, index: TensorBase, limit: number, p: number): void {
  const table = detach(weight);
  const places = reshape(index, [index.count]);
  const rows = indexSelect(table, 0, places);
  const norms = norm(rows, p, 1, true);
  const scaled = mul(rows, where(gt(norms, limit), div(limit, add(norms, 1e-7)), 1));
  copy_(table, indexCopy(table, 0, places, scaled));
}

/** The rows of `weight` at `index`, in the shape of the index; or of a vector of indices their sums over bags. */
export function embedding(
  index: TensorBase,
  weight: TensorBase,
  options: EmbeddingOptions = {},
  ends: readonly number[] | null = null,
): TensorBase {
  checkTable('embedding', index, weight);
  const { maxNorm, normType = 2, scaleGradByFreq = false } = options;
  const rows = weight.shape[0];
  const paddingIdx = paddingRow('embedding', options.paddingIdx, rows);
  if (maxNorm !== undefined) limitNorms(weight, index, maxNorm, normType);
  return apply1(embeddingOp, [weight, index], { paddingIdx, scaleGradByFreq, rows, ends });
}

/** The least and the greatest number, of all examples where there are several. */
function rangeOf(x: TensorBase): readonly [least: number, greatest: number] {
  return x.wrapped !== null ? rangeOf(x.wrapped.value) : integerRange(contiguous(toDType(x, 'int32')));
}

/** Each number as a row of zeros with a one at its place; int32. */
export function oneHot(x: TensorBase, numClasses = -1): TensorBase {
  checkTensors('oneHot', x);
  if (isFloat(x.dtype) || x.dtype === 'bool')
    throw new DTypeError(`oneHot: one_hot is only applicable to index tensor, got ${x.dtype}; convert with x.int()`);
  if (!Number.isInteger(numClasses) || numClasses < -1 || (numClasses === 0 && x.count > 0))
    throw new ArgumentError(`oneHot: num_classes (numClasses) should be positive, got ${numClasses}`);
  if (x.count === 0 && numClasses <= 0)
    throw new ArgumentError('oneHot: Can not infer total number of classes from empty tensor.');
  if (numClasses < 0 && elementOf(amax(x)) === null)
    throw new NotImplementedError(
      'vmap: oneHot: the number of classes would hang on the values of each example; give numClasses',
    );
  const [least, greatest] = x.count === 0 ? [0, -1] : rangeOf(x);
  if (least < 0) throw new ArgumentError(`oneHot: Class values must be non-negative, got ${least}`);
  const classes = numClasses < 0 ? greatest + 1 : numClasses;
  if (greatest >= classes)
    throw new ArgumentError(
      `oneHot: Class values must be smaller than num_classes, got ${greatest} for ${classes} classes`,
    );
  checkBytes(4 * Math.max(1, x.count) * classes, 'oneHot');
  return toDType(eq(unsqueeze(toDType(x, 'int32'), -1), counting(classes)), 'int32');
}
