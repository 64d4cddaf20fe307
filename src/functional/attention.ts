import { ArgumentError, ShapeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { attention, fitsAttention } from '../ops/attention.ts';
import { add, ge, logicalNot, mul, ne, where } from '../ops/elementwise.ts';
import { anyNonzero } from '../ops/inspect.ts';
import { matmul } from '../ops/matmul.ts';
import { any } from '../ops/reduce.ts';
import { softmax } from '../ops/softmax.ts';
import { mT, unsqueeze } from '../ops/view.ts';
import { arange } from '../tensor/creation.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { dropout } from './dropout.ts';

/** Which keys a query attends to, and how. */
export interface AttentionOptions {
  /** Of a shape that broadcasts to the scores […, L, S]: bool (true takes part), or numbers added to the scores. */
  readonly attnMask?: Tensor | null;
  /** Probability of a weight to be dropped. */
  readonly dropoutP?: number;
  /** Query i attends to keys up to i only. */
  readonly isCausal?: boolean;
  /** The factor of the scores, 1/√E by default. */
  readonly scale?: number;
}

/** Whether query i may see key j: j ≤ i. */
function causalMask(queries: number, keys: number): TensorBase {
  return ge(unsqueeze(arange(queries), 1), arange(keys));
}

/**
 * softmax(scale · Q Kᵀ + mask) V for queries […, L, E], keys […, S, E] and values […, S, F]; the result
 * is […, L, F] (Vaswani et al. 2017), and 0 where the mask shows a query no key at all.
 *
 * @throws {ArgumentError} when both `attnMask` and `isCausal` are given.
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options?: AttentionOptions,
): Tensor {
  const op = 'scaledDotProductAttention';
  checkOptions(op, options, ['attnMask', 'dropoutP', 'isCausal', 'scale']);
  checkTensors(op, query, key, value);
  const { attnMask = null, dropoutP = 0, isCausal = false } = options ?? {};
  if (attnMask !== null && isCausal)
    throw new ArgumentError(`${op}: Explicit attn_mask should not be set when is_causal=True (attnMask, isCausal)`);
  if (query.ndim < 2 || key.ndim < 2 || value.ndim < 2) {
    throw new ShapeError(
      `${op}: Expected query, key, and value to all be at least 2 dimensional, but got ${[query, key, value].map((t) => shapeText(t.shape)).join(', ')}`,
    );
  }
  const scale = options?.scale ?? 1 / Math.sqrt(query.shape.at(-1) as number);
  if (attnMask === null && !(dropoutP > 0) && fitsAttention(query, key, value))
    return attention(query, key, value, scale, isCausal) as Tensor;
  return within(op, () => inSteps(query, key, value, scale, { attnMask, dropoutP, isCausal })) as Tensor;
}

function inSteps(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  scale: number,
  { attnMask, dropoutP, isCausal }: Required<Omit<AttentionOptions, 'scale'>>,
): TensorBase {
  // Scaling the queries is less work than scaling the scores.
  let scores = matmul(mul(query, scale), mT(key));
  let blind: TensorBase | null = null;
  if (isCausal) {
    const shown = causalMask(query.shape.at(-2) as number, key.shape.at(-2) as number);
    scores = where(shown, scores, Number.NEGATIVE_INFINITY);
  } else if (attnMask !== null) {
    const isBool = attnMask.dtype === 'bool';
    scores = isBool ? where(attnMask, scores, Number.NEGATIVE_INFINITY) : add(scores, attnMask);
    blind = logicalNot(any(isBool ? attnMask : ne(attnMask, Number.NEGATIVE_INFINITY), -1, true));
    if (anyNonzero(blind)) scores = where(blind, 0, scores);
    else blind = null;
  }
  let weights = softmax(scores, -1) as Tensor;
  // A query that no key is shown to has weights of 0.
  if (blind !== null) weights = where(blind, 0, weights) as Tensor;
  return matmul(dropoutP > 0 ? dropout(weights, { p: dropoutP }) : weights, value);
}
