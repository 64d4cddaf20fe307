import { apply, apply1 } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { DTypeError, IndexError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { numel, wrapDim } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { defineSelection, type Found, foundOf } from './along.ts';
import { clone } from './copy.ts';
import { full } from './create.ts';
import { div, gt, isnan, maximum, mul, ne, sub, where } from './elementwise.ts';
import { argmax, evenShares, refuseEmpty } from './extrema.ts';
import { gather } from './indexing.ts';
import { cat } from './join.ts';
import { keepdims, type ReduceAttrs, reduceAttrs, shifted, sumOver } from './reduce.ts';
import { cummax, cumsum } from './scans.ts';
import { sort, topk } from './sorting.ts';
import { narrow, reshape, squeeze } from './view.ts';

/* Reductions that select an element by its rank, or by how often it is there. */

/** Rank 0 is a vector of one element: the dimension that a selection goes along. */
const alongOf = ({ dims: [dim] }: ReduceAttrs): number => dim ?? 0;

/** One element per line, with the dimension kept as it was found, in memory of its own and in the shape asked for. */
function selected(picked: readonly TensorBase[], attrs: ReduceAttrs): readonly [TensorBase, TensorBase] {
  const drop = attrs.dims.length > 0 && !attrs.keepdim;
  const [values, indices] = picked.map((t) => clone(drop ? squeeze(t, attrs.dims[0]) : t));
  return [values, indices];
}

interface KthAttrs extends ReduceAttrs {
  readonly k: number;
}

const kthvalueOp: Op<KthAttrs> = defineSelection({
  name: 'kthvalue',
  find: (x, attrs) =>
    internally(() => {
      const dim = alongOf(attrs);
      const { values, indices } = topk(x, attrs.k, dim, false);
      const last = (t: TensorBase): TensorBase => (t.shape.length === 0 ? t : narrow(t, dim, attrs.k - 1, 1));
      return selected([last(values), last(indices)], attrs);
    }),
});

/** The `k`-th smallest element along `dim` (from 1 on) and where it is. NaN counts as the largest. */
export function kthvalue(x: TensorBase, k: number, dim = -1, keepdim = false): Found {
  const d = wrapDim('kthvalue', dim, x.shape.length);
  const attrs = reduceAttrs('kthvalue', x, d, keepdim);
  refuseEmpty('kthvalue', x, attrs);
  if (!Number.isInteger(k) || k < 1 || k > (x.shape[d] ?? 1))
    throw new IndexError(
      `kthvalue: kthvalue(): selected number k out of range for dimension ${d}: k = ${k} of ${x.shape[d] ?? 1} elements, counted from 1`,
    );
  return foundOf(apply(kthvalueOp, [x], { ...attrs, k }));
}

interface MedianAttrs extends ReduceAttrs {
  readonly ignoreNaN: boolean;
}

/** The lower median of every line along `dim`, which is kept. With NaNs in a line it is the first of them, unless they are ignored. */
function medianAlong(x: TensorBase, dim: number, ignoreNaN: boolean): readonly TensorBase[] {
  const sorted = sort(x, dim);
  const n = x.shape[dim] ?? 1;
  const middle = (n - 1) >> 1;
  if (x.shape.length === 0) return [sorted.values, sorted.indices];
  if (!isFloat(x.dtype)) return [sorted.values, sorted.indices].map((t) => narrow(t, dim, middle, 1));
  const nans = sumOver(isnan(x), [dim], true);
  const place = ignoreNaN ? maximum(div(sub(n - 1, nans), 2, 'floor'), 0) : where(gt(nans, 0), sub(n, nans), middle);
  return [sorted.values, sorted.indices].map((t) => gather(t, dim, place));
}

const medianAlongOp: Op<MedianAttrs> = defineSelection({
  name: 'medianAlong',
  node: ({ ignoreNaN }) => (ignoreNaN ? 'NanmedianBackward1' : 'MedianBackward1'),
  find: (x, attrs) => internally(() => selected(medianAlong(x, alongOf(attrs), attrs.ignoreNaN), attrs)),
});

function mulShares(g: TensorBase, x: TensorBase, y: TensorBase, dims: readonly number[]): TensorBase {
  return mul(g, evenShares(x, y, dims, true));
}

/** x̄ = ȳ shared evenly by the elements that equal y */
const medianOp: Op<MedianAttrs> = defineOp({
  name: 'median',
  node: ({ ignoreNaN }) => (ignoreNaN ? 'NanmedianBackward0' : 'MedianBackward0'),
  inputs: ['x'],
  forward: ([x], { dims, ignoreNaN }) => {
    const lead = x.shape.slice(0, x.shape.length - dims.length);
    const count = numel(x.shape.slice(lead.length));
    if (count === 0) return full(lead, Number.NaN, x.dtype);
    return internally(() => {
      const [values] = medianAlong(reshape(x, [...lead, count]), lead.length, ignoreNaN);
      return clone(squeeze(values, lead.length));
    });
  },
  vjp: {
    x: [
      ['x', 'y'],
      (g, [x, y], { attrs }) => {
        const kept = (t: TensorBase): TensorBase => keepdims(t, x.shape, attrs);
        return mulShares(kept(g), x, kept(y), attrs.dims);
      },
    ],
  },
  jvp: ({ inputs, tangents: [tx], outputs: [y], attrs }) => {
    const x = inputs[0] as TensorBase;
    return tx === null ? null : sumOver(mulShares(tx, x, keepdims(y, x.shape, attrs), attrs.dims), attrs.dims, false);
  },
  vmap: ([x], _, attrs) => apply1(medianOp, [x], shifted(attrs)),
});

function checkMedian(name: string, x: TensorBase): void {
  if (x.dtype === 'bool')
    throw new DTypeError(`${name}: "${name}" not implemented for 'Bool'; convert with x.to('uint8') first`);
}

const overall =
  (name: string, ignoreNaN: boolean) =>
  (x: TensorBase): TensorBase => {
    checkMedian(name, x);
    if (x.count === 0 && !isFloat(x.dtype))
      throw new IndexError(`${name}: ${name}() of no elements is NaN, which ${x.dtype} does not have`);
    return apply1(medianOp, [x], { ...reduceAttrs(name, x, undefined), ignoreNaN });
  };

const along =
  (name: string, ignoreNaN: boolean) =>
  (x: TensorBase, dim: number, keepdim = false): Found => {
    checkMedian(name, x);
    const attrs = { ...reduceAttrs(name, x, dim, keepdim), ignoreNaN };
    refuseEmpty(name, x, attrs);
    return foundOf(apply(medianAlongOp, [x], attrs));
  };

export const medianAll = overall('median', false);
export const nanmedianAll = overall('nanmedian', true);
export const medianAt = along('median', false);
export const nanmedianAt = along('nanmedian', true);

/**
 * The most frequent element of every line and the last place it has: in the sorted line, the end of the
 * longest run. Of equally frequent ones it is the smallest.
 */
const modeOp: Op<ReduceAttrs> = defineSelection({
  name: 'mode',
  find: (x, attrs) =>
    internally(() => {
      const dim = alongOf(attrs);
      const sorted = sort(x, dim);
      if (x.shape.length === 0) return selected([sorted.values, sorted.indices], attrs);
      const n = x.shape[dim];
      const part = (t: TensorBase, from: number): TensorBase => narrow(t, dim, from, n - 1);
      const place = sub(cumsum(full(x.shape, 1, 'int32'), dim), 1);
      const changed = ne(part(sorted.values, 1), part(sorted.values, 0));
      const first = full(x.shape.with(dim, 1), 0, 'int32');
      const start = cummax(cat([first, mul(part(place, 1), changed)], dim), dim).values;
      const end = argmax(sub(place, start), dim, true);
      return selected([gather(sorted.values, dim, end), gather(sorted.indices, dim, end)], attrs);
    }),
});

/** The most frequent element along `dim`, the smallest of several, and where it is. */
export function mode(x: TensorBase, dim = -1, keepdim = false): Found {
  const attrs = reduceAttrs('mode', x, wrapDim('mode', dim, x.shape.length), keepdim);
  refuseEmpty('mode', x, attrs);
  return foundOf(apply(modeOp, [x], attrs));
}
