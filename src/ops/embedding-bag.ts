import { isFloat } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { full, integers, vectorOf, zeros } from './create.ts';
import { div, eq, logicalAnd, logicalNot, maximum, mul, where } from './elementwise.ts';
import { bagNumbers, checkTable, type EmbeddingOptions, embedding } from './embedding.ts';
import { maxAlong } from './extrema.ts';
import { indexAdd, indexSelect } from './index-slices.ts';
import { checkIndex } from './indexing.ts';
import { integersOf } from './inspect.ts';
import { named } from './named.ts';
import { any, sumOver } from './reduce.ts';
import { narrow } from './slices.ts';
import { reshape, unsqueeze } from './view.ts';

export type BagMode = 'sum' | 'mean' | 'max';

export interface EmbeddingBagOptions extends EmbeddingOptions {
  readonly mode?: BagMode;
  readonly perSampleWeights?: TensorBase;
  readonly includeLastOffset?: boolean;
}

/** Where each bag begins and ends in the row of all indices. */
interface Bags {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

function bagsOf(index: TensorBase, offsets: TensorBase | undefined, includeLast: boolean): Bags {
  if (index.shape.length === 2) {
    if (offsets !== undefined)
      throw new ArgumentError(
        'embeddingBag: if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. However, found offsets',
      );
    const [bags, size] = index.shape;
    const starts = Array.from({ length: bags }, (_, i) => i * size);
    return { starts, ends: starts.map((s) => s + size) };
  }
  if (index.shape.length !== 1)
    throw new ShapeError(
      `embeddingBag: input has to be 1D or 2D Tensor, but got Tensor of dimension ${index.shape.length}`,
    );
  if (offsets === undefined) throw new ArgumentError('embeddingBag: offsets has to be a 1D Tensor but got None');
  checkTensors('embeddingBag', offsets);
  checkIndex('embeddingBag', offsets);
  if (offsets.shape.length !== 1)
    throw new ShapeError(`embeddingBag: offsets has to be a 1D Tensor, got shape ${shapeText(offsets.shape)}`);
  const given = integersOf('embeddingBag', offsets);
  if (includeLast && given.length === 0)
    throw new ArgumentError('embeddingBag: include_last_offset: number of offset should be at least 1');
  if (given.length > 0 && given[0] !== 0)
    throw new ArgumentError(
      `embeddingBag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got ${given[0]}`,
    );
  const starts = includeLast ? given.slice(0, -1) : given;
  const ends = [...given.slice(1), ...(includeLast ? [] : [index.count])];
  starts.forEach((s, i) => {
    if (s > ends[i] || ends[i] > index.count)
      throw new ArgumentError(
        `embeddingBag: offsets must not decrease, and offsets[-1] can not be greater than input's length ${index.count}: got ${given.join(', ')}`,
      );
  });
  return { starts, ends };
}

/** What sums rows over each bag; those of one size lie side by side. */
function totalsOf(index: TensorBase, bags: Bags): (rows: TensorBase) => TensorBase {
  if (index.shape.length === 2) return (rows) => sumOver(reshape(rows, [...index.shape, rows.shape[1]]), [1], false);
  const used = bags.ends.at(-1) ?? 0;
  const numbers = bagNumbers(bags.ends);
  return (rows) =>
    indexAdd(zeros([bags.starts.length, rows.shape[1]], rows.dtype), 0, numbers, narrow(rows, 0, 0, used));
}

/** The largest of every column over each bag, the first of equals; 0 for a bag of nothing. */
function largest(rows: TensorBase, counted: TensorBase | null, { starts, ends }: Bags): TensorBase {
  const [bags, width] = [starts.length, rows.shape[1]];
  const length = starts.reduce((most, s, i) => Math.max(most, ends[i] - s), 0);
  if (bags === 0 || length === 0) return zeros([bags, width], rows.dtype);
  if (counted === null && starts.every((s, i) => ends[i] - s === length) && rows.shape[0] === bags * length)
    return maxAlong(reshape(rows, [bags, length, width]), 1, false).values;
  // Bags side by side, the shorter ones filled up with what does not count.
  const places = new Int32Array(bags * length);
  const inside = new Int32Array(bags * length);
  starts.forEach((s, i) => {
    for (let k = s; k < ends[i]; k++) {
      places[i * length + k - s] = k;
      inside[i * length + k - s] = 1;
    }
  });
  const at = integers(places);
  let valid = toDType(integers(inside), 'bool');
  if (counted !== null) valid = logicalAnd(valid, indexSelect(counted, 0, at));
  const grid = [bags, length, 1];
  const all = reshape(indexSelect(rows, 0, at), [bags, length, width]);
  const best = maxAlong(where(reshape(valid, grid), all, Number.NEGATIVE_INFINITY), 1, false).values;
  return where(any(reshape(valid, grid), 1), best, 0);
}

/** Sums, means or maxima of rows of `weight` over bags of indices. */
export function embeddingBag(
  index: TensorBase,
  weight: TensorBase,
  offsets?: TensorBase,
  options: EmbeddingBagOptions = {},
): TensorBase {
  checkTable('embeddingBag', index, weight);
  const { mode = 'mean', perSampleWeights, includeLastOffset = false, ...lookup } = options;
  if (mode !== 'sum' && mode !== 'mean' && mode !== 'max')
    throw new ArgumentError(`embeddingBag: mode has to be one of sum, mean or max, got ${String(mode)}`);
  if (mode === 'max' && lookup.scaleGradByFreq === true)
    throw new ArgumentError('embeddingBag: max mode does not support scaling the gradient by the frequency');
  if (perSampleWeights !== undefined) {
    checkTensors('embeddingBag', perSampleWeights);
    if (mode !== 'sum')
      throw new ArgumentError(
        `embeddingBag: embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got mode='${mode}').`,
      );
    if (!sameShape(perSampleWeights.shape, index.shape))
      throw new ShapeError(
        `embeddingBag: embedding_bag: If per_sample_weights (${shapeText(perSampleWeights.shape)}) is not None, then it must have the same shape as the input (${shapeText(index.shape)})`,
      );
  }
  const bags = bagsOf(index, offsets, includeLastOffset);
  const places = reshape(index, [index.count]);
  const { paddingIdx } = lookup;
  const padding = paddingIdx === undefined ? null : paddingIdx < 0 ? paddingIdx + weight.shape[0] : paddingIdx;
  const counted = padding === null ? null : logicalNot(eq(places, padding));
  const simple = mode !== 'max' && counted === null && perSampleWeights === undefined && isFloat(weight.dtype);
  if (simple && bags.ends.at(-1) === index.count) {
    const sums = embedding(places, weight, lookup, bags.ends);
    const sizes = bags.ends.map((end, i) => Math.max(1, end - bags.starts[i]));
    const [size] = sizes;
    const counts = sizes.every((n) => n === size) ? size : unsqueeze(vectorOf(sizes, sums.dtype), 1);
    return named(mode === 'sum' ? sums : div(sums, counts), 'EmbeddingBagBackward0');
  }
  let rows = embedding(places, weight, lookup);
  if (mode === 'max') return named(largest(rows, counted, bags), 'EmbeddingBagBackward0');
  if (perSampleWeights !== undefined) rows = mul(rows, unsqueeze(reshape(perSampleWeights, [index.count]), 1));
  if (counted !== null) rows = where(unsqueeze(counted, 1), rows, 0);
  const totals = totalsOf(index, bags);
  const sums = totals(rows);
  if (mode === 'sum') return named(sums, 'EmbeddingBagBackward0');
  const counts = maximum(totals(unsqueeze(toDType(counted ?? full([index.count], 1, 'bool'), rows.dtype), 1)), 1);
  return named(div(sums, counts), 'EmbeddingBagBackward0');
}
