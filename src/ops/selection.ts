import { type Choice, selectRank } from '../backends/wasm/indexing.ts';
import { apply, apply1 } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { DTypeError, IndexError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { contiguousStrides, numel, wrapDim } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { defineSelection, type Found, foundOf } from './along.ts';
import { full } from './create.ts';
import { mul } from './elementwise.ts';
import { evenShares, refuseEmpty } from './extrema.ts';
import { keepdims, type ReduceAttrs, reduceAttrs, reducedShape, shifted, sumOver } from './reduce.ts';
import { reshape } from './view.ts';

/* Reductions that select an element by its rank, or by how often it is there. */

/** The selected elements of lines along the one dimension that is reduced, and their places. */
function selected(x: TensorBase, attrs: ReduceAttrs, choice: Choice, rank?: number): [TensorBase, TensorBase] {
  const [dim] = attrs.dims;
  const kept = dim === undefined ? x.shape : x.shape.with(dim, 1);
  const [values, indices] = [fresh(kept, x.dtype), fresh(kept, 'int32')];
  selectRank(values, indices, x, dim ?? 0, choice, rank);
  if (dim === undefined || attrs.keepdim) return [values, indices];
  const shape = reducedShape(x.shape, attrs);
  return [alias(values, shape, contiguousStrides(shape)), alias(indices, shape, contiguousStrides(shape))];
}

interface KthAttrs extends ReduceAttrs {
  readonly k: number;
}

const kthvalueOp: Op<KthAttrs> = defineSelection({
  name: 'kthvalue',
  find: (x, attrs) => selected(x, attrs, 'rank', attrs.k - 1),
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

const choiceOf = ({ ignoreNaN }: MedianAttrs): Choice => (ignoreNaN ? 'nanmedian' : 'median');

const medianAlongOp: Op<MedianAttrs> = defineSelection({
  name: 'medianAlong',
  node: ({ ignoreNaN }) => (ignoreNaN ? 'NanmedianBackward1' : 'MedianBackward1'),
  find: (x, attrs) => selected(x, attrs, choiceOf(attrs)),
});

function mulShares(g: TensorBase, x: TensorBase, y: TensorBase, dims: readonly number[]): TensorBase {
  return mul(g, evenShares(x, y, dims, true));
}

/** x̄ = ȳ shared evenly by the elements that equal y */
const medianOp: Op<MedianAttrs> = defineOp({
  name: 'median',
  node: ({ ignoreNaN }) => (ignoreNaN ? 'NanmedianBackward0' : 'MedianBackward0'),
  inputs: ['x'],
  forward: ([x], attrs) => {
    const lead = x.shape.slice(0, x.shape.length - attrs.dims.length);
    const count = numel(x.shape.slice(lead.length));
    if (count === 0) return full(lead, Number.NaN, x.dtype);
    return internally(() => {
      const rows = reshape(x, [...lead, count]);
      return selected(rows, { dims: [lead.length], keepdim: false, all: false }, choiceOf(attrs))[0];
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

const modeOp: Op<ReduceAttrs> = defineSelection({ name: 'mode', find: (x, attrs) => selected(x, attrs, 'mode') });

/** The most frequent element along `dim`, the smallest of several, and where it is. */
export function mode(x: TensorBase, dim = -1, keepdim = false): Found {
  const attrs = reduceAttrs('mode', x, wrapDim('mode', dim, x.shape.length), keepdim);
  refuseEmpty('mode', x, attrs);
  return foundOf(apply(modeOp, [x], attrs));
}
