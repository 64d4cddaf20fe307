import { apply, apply1 } from '../core/apply.ts';
import { ArgumentError, IndexError } from '../core/errors.ts';
import { defineOp, notDifferentiable, type Op } from '../core/op.ts';
import { numel, shapeText } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { defineSelection, type Found, foundOf } from './along.ts';
import { toDType } from './copy.ts';
import { div, eq, isnan, logicalAnd, logicalOr, mul } from './elementwise.ts';
import {
  type Dims,
  keepdims,
  type ReduceAttrs,
  reduce,
  reduceAttrs,
  reducedShape,
  shifted,
  sumOver,
} from './reduce.ts';
import { reshape } from './view.ts';

type Extreme = 'max' | 'min';

export function refuseEmpty(op: string, x: TensorBase, attrs: ReduceAttrs): void {
  if (x.count > 0) return;
  if (attrs.all)
    throw new IndexError(
      `${op}: ${op}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.`,
    );
  for (const d of attrs.dims) {
    if (x.shape[d] === 0)
      throw new IndexError(
        `${op}: ${op}(): Expected reduction dim ${d} to have non-zero size, the input has shape ${shapeText(x.shape)}.`,
      );
  }
}

/**
 * What each place of `x` that holds `y` (with dimensions kept) has of it, when all of them over `dims`
 * share evenly. With `findsNaN` the NaNs of x are the places of one.
 */
export function evenShares(x: TensorBase, y: TensorBase, dims: readonly number[], findsNaN: boolean): TensorBase {
  const same = eq(x, y);
  const hit = toDType(findsNaN ? logicalOr(same, logicalAnd(isnan(x), isnan(y))) : same, x.dtype);
  return div(hit, sumOver(hit, dims, true));
}

/**
 * The extreme over dimensions; ties share the gradient evenly.
 * x̄ = ȳ [x = y] / #{x = y}
 *
 * Where y is NaN, max and min take the NaNs for the places where x = y, while amax and amin have none
 * and give NaN: as in PyTorch.
 */
function defineExtreme(name: 'amax' | 'amin' | 'max' | 'min', fold: Extreme, node: string) {
  const shares = (x: TensorBase, y: TensorBase, attrs: ReduceAttrs): TensorBase =>
    evenShares(x, keepdims(y, x.shape, attrs), attrs.dims, name === 'max' || name === 'min');
  const op: Op<ReduceAttrs> = defineOp({
    name: name === 'amax' || name === 'amin' ? name : `${name}All`,
    cheap: true,
    node,
    inputs: ['x'],
    forward: ([x], attrs) => reduce({ name: fold, fold }, x, x.dtype, x.dtype, attrs),
    vjp: { x: [['x', 'y'], (g, [x, y], { attrs }) => mul(keepdims(g, x.shape, attrs), shares(x, y, attrs))] },
    jvp: ({ inputs: [x], tangents: [tx], outputs: [y], attrs }) =>
      tx === null ? null : sumOver(mul(tx, shares(x as TensorBase, y, attrs)), attrs.dims, attrs.keepdim),
    vmap: ([x], _, attrs) => apply1(op, [x], shifted(attrs)),
  });
  return op;
}

const amaxOp = defineExtreme('amax', 'max', 'AmaxBackward0');
const aminOp = defineExtreme('amin', 'min', 'AminBackward0');
const maxAllOp = defineExtreme('max', 'max', 'MaxBackward1');
const minAllOp = defineExtreme('min', 'min', 'MinBackward1');

function argExtreme(fold: Extreme, x: TensorBase, attrs: ReduceAttrs, values?: TensorBase): TensorBase {
  return reduce({ name: `arg${fold}`, fold: `arg${fold}` }, x, 'int32', x.dtype, attrs, [], [], values);
}

interface ArgAttrs extends ReduceAttrs {
  readonly fold: Extreme;
}

const argOp: Op<ArgAttrs> = defineOp({
  name: 'argExtreme',
  cheap: true,
  inputs: ['x'],
  forward: ([x], attrs) => argExtreme(attrs.fold, x, attrs),
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([x], _, attrs) => {
    if (!attrs.all) return apply1(argOp, [x], shifted(attrs));
    const rows = reshape(x, [x.shape[0], numel(x.shape.slice(1))]);
    const y = apply1(argOp, [rows], { ...attrs, dims: [1], keepdim: false, all: false });
    return attrs.keepdim ? reshape(y, [x.shape[0], ...x.shape.slice(1).map(() => 1)]) : y;
  },
});

/** The extreme along one dimension and where it is (the first of equals). */
const alongOp: Op<ArgAttrs> = defineSelection({
  name: 'extremeAlong',
  cheap: true,
  node: ({ fold }) => (fold === 'max' ? 'MaxBackward0' : 'MinBackward0'),
  find: (x, attrs) => {
    const values = fresh(reducedShape(x.shape, attrs), x.dtype);
    return [values, argExtreme(attrs.fold, x, attrs, values)];
  },
});

function along(fold: Extreme, x: TensorBase, dim: number, keepdim: boolean): Found {
  const attrs = { ...reduceAttrs(fold, x, dim, keepdim), fold };
  refuseEmpty(fold, x, attrs);
  return foundOf(apply(alongOp, [x], attrs));
}

function overall(op: typeof maxAllOp, fold: Extreme, x: TensorBase): TensorBase {
  const attrs = reduceAttrs(fold, x, undefined);
  refuseEmpty(fold, x, attrs);
  return apply1(op, [x], attrs);
}

export const maxAlong = (x: TensorBase, dim: number, keepdim = false) => along('max', x, dim, keepdim);
export const minAlong = (x: TensorBase, dim: number, keepdim = false) => along('min', x, dim, keepdim);
export const maxAll = (x: TensorBase): TensorBase => overall(maxAllOp, 'max', x);
export const minAll = (x: TensorBase): TensorBase => overall(minAllOp, 'min', x);

function extreme(name: 'amax' | 'amin', op: typeof amaxOp, x: TensorBase, dim: Dims, keepdim: boolean): TensorBase {
  const attrs = reduceAttrs(name, x, dim, keepdim);
  refuseEmpty(name, x, attrs);
  return apply1(op, [x], attrs);
}

export const amax = (x: TensorBase, dim?: Dims, keepdim = false): TensorBase =>
  extreme('amax', amaxOp, x, dim, keepdim);
export const amin = (x: TensorBase, dim?: Dims, keepdim = false): TensorBase =>
  extreme('amin', aminOp, x, dim, keepdim);

function arg(fold: Extreme, x: TensorBase, dim: number | undefined, keepdim: boolean): TensorBase {
  const name = `arg${fold}`;
  if (x.dtype === 'bool')
    throw new ArgumentError(`${name}: ${name} is not implemented for 'bool'; convert with x.to('uint8') first`);
  const attrs = { ...reduceAttrs(name, x, dim, keepdim), fold };
  refuseEmpty(name, x, attrs);
  return apply1(argOp, [x], attrs);
}

export const argmax = (x: TensorBase, dim?: number, keepdim = false): TensorBase => arg('max', x, dim, keepdim);
export const argmin = (x: TensorBase, dim?: number, keepdim = false): TensorBase => arg('min', x, dim, keepdim);

/** The smallest and the largest element, over all or along one dimension. */
export function aminmax(
  x: TensorBase,
  dim?: number,
  keepdim = false,
): { readonly min: TensorBase; readonly max: TensorBase } {
  const attrs = reduceAttrs('aminmax', x, dim, keepdim);
  if (attrs.all && x.count === 0)
    throw new IndexError(
      `aminmax: aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity. The input has shape ${shapeText(x.shape)}`,
    );
  refuseEmpty('aminmax', x, attrs);
  return { min: apply1(aminOp, [x], attrs), max: apply1(amaxOp, [x], attrs) };
}
