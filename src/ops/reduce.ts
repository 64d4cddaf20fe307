import { type Fold, ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply1, isBare } from '../core/apply.ts';
import { type DType, dtypeInfo, isFloat } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { defineOp, notDifferentiable, type Op } from '../core/op.ts';
import { checkShape, numel, type Shape, shapeText, wrapDims } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary, compare, type Expr, select } from '../kernels/expr.ts';
import { inDType, toDType } from './copy.ts';
import { onesLike } from './create.ts';
import { div, isnan, logicalNot, mul } from './elementwise.ts';
import { countTrue } from './inspect.ts';
import { cat } from './join.ts';
import { slice } from './slices.ts';
import { expand, reshape, transpose } from './view.ts';

/** Dimensions to reduce over: one, several, or (undefined) all. */
export type Dims = number | readonly number[] | undefined;

export interface ReduceAttrs {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
  /** No dimension was given: PyTorch names such nodes differently. */
  readonly all: boolean;
}

/** As in PyTorch, an empty list of dimensions means all of them. */
export function reduceAttrs(op: string, x: TensorBase, dim: Dims, keepdim = false): ReduceAttrs {
  const rank = x.shape.length;
  const all = dim === undefined || (Array.isArray(dim) && dim.length === 0);
  const dims = all
    ? x.shape.map((_, d) => d)
    : wrapDims(op, typeof dim === 'number' ? [dim] : (dim as readonly number[]), rank).sort((a, b) => a - b);
  return { dims: rank === 0 ? [] : dims, keepdim, all: dim === undefined };
}

/** The attributes for a batch: dimensions move one to the right of the batch dimension. */
export const shifted = <A extends { readonly dims: readonly number[] }>(attrs: A): A => ({
  ...attrs,
  dims: attrs.dims.map((d) => d + 1),
  all: false,
});

export function reducedShape(shape: Shape, { dims, keepdim }: ReduceAttrs): Shape {
  return keepdim ? shape.map((n, d) => (dims.includes(d) ? 1 : n)) : shape.filter((_, d) => !dims.includes(d));
}

/** A reduced tensor brought back to the rank of what it came from, with sizes of 1. */
export function keepdims(y: TensorBase, shape: Shape, attrs: ReduceAttrs): TensorBase {
  return attrs.keepdim ? y : reshape(y, reducedShape(shape, { ...attrs, keepdim: true }));
}

/** The gradient of a sum: the same for every element. */
export function spread(g: TensorBase, shape: Shape, attrs: ReduceAttrs): TensorBase {
  return expand(keepdims(g, shape, attrs), shape);
}

const kernels = new Map<string, ReduceKernel>();

export interface ReduceSpec {
  readonly name: string;
  readonly fold: Fold;
  readonly pre?: Expr;
  readonly post?: Expr;
  readonly postScalars?: number;
  /** How many numbers `pre` takes after the element. */
  readonly scalars?: number;
}

/** Runs the reduction kernel of a spec, compiled once per pair of dtypes. A fold that finds places gives the `values` there as well. */
export function reduce(
  spec: ReduceSpec,
  x: TensorBase,
  out: DType,
  compute: DType,
  attrs: ReduceAttrs,
  postScalars: readonly number[] = [],
  scalars: readonly number[] = [],
  values?: TensorBase,
): TensorBase {
  const key = `${spec.name} ${x.dtype} ${compute} ${out}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = new ReduceKernel({
      name: spec.name,
      fold: spec.fold,
      pre: spec.pre ?? arg(0),
      post: spec.post,
      postScalars: spec.postScalars,
      compute: dtypeInfo(compute).compute,
      ins: [x.dtype, ...new Array<'scalar'>(spec.scalars ?? 0).fill('scalar')],
      out,
    });
    kernels.set(key, kernel);
  }
  const y = fresh(reducedShape(x.shape, attrs), out);
  kernel.run(y, scalars.length === 0 ? [x] : [x, ...scalars], x.shape, attrs.dims, postScalars, values);
  return y;
}

/** Sums and products of integers and truth values are int32. */
const accumulated = (dtype: DType): DType => (isFloat(dtype) ? dtype : 'int32');
const numbered =
  (name: string) =>
  (attrs: ReduceAttrs): string =>
    `${name}Backward${attrs.all ? 0 : 1}`;

// y = Σ x        x̄ = ȳ
const sumOp: Op<ReduceAttrs> = defineOp({
  name: 'sum',
  cheap: true,
  node: numbered('Sum'),
  inputs: ['x'],
  forward: ([x], attrs) => reduce({ name: 'sum', fold: 'sum' }, x, accumulated(x.dtype), accumulated(x.dtype), attrs),
  vjp: { x: [[], (g, _, c) => spread(g, c.shape(0), c.attrs)] },
  jvp: 'linear',
  vmap: ([x], _, attrs) => apply1(sumOp, [x], shifted(attrs)),
});

export function sum(x: TensorBase, dim?: Dims, keepdim = false, dtype?: DType): TensorBase {
  return inDType(x, dtype, (input) => apply1(sumOp, [input], reduceAttrs('sum', x, dim, keepdim)));
}

const isNumber: Expr = compare('eq', arg(0), arg(0));

// y = Σ x over what is a number        x̄ = ȳ where it is, else 0
const nansumOp: Op<ReduceAttrs> = defineOp({
  name: 'nansum',
  cheap: true,
  inputs: ['x'],
  forward: ([x], attrs) =>
    reduce({ name: 'nansum', fold: 'sum', pre: select(isNumber, arg(0), 0) }, x, x.dtype, x.dtype, attrs),
  vjp: { x: [['x'], (g, [x], { attrs }) => mul(spread(g, x.shape, attrs), logicalNot(isnan(x)))] },
  jvp: ({ inputs: [x], tangents: [tx], attrs }) =>
    tx === null ? null : sumOver(mul(tx, logicalNot(isnan(x as TensorBase))), attrs.dims, attrs.keepdim),
  vmap: ([x], _, attrs) => apply1(nansumOp, [x], shifted(attrs)),
});

/** The sum of what is a number. */
export function nansum(x: TensorBase, dim?: Dims, keepdim = false, dtype?: DType): TensorBase {
  return inDType(x, dtype, (input) =>
    isFloat(input.dtype)
      ? apply1(nansumOp, [input], reduceAttrs('nansum', x, dim, keepdim))
      : within('nansum', () => sum(input, dim, keepdim)),
  );
}

/** The mean of what is a number. */
export function nanmean(x: TensorBase, dim?: Dims, keepdim = false, dtype?: DType): TensorBase {
  if (!isFloat(x.dtype))
    throw new DTypeError(
      `nanmean: nanmean(): expected input to have floating point or complex dtype but got ${x.dtype}; convert with x.to('float32') first`,
    );
  return within('nanmean', () => div(nansum(x, dim, keepdim, dtype), sum(logicalNot(isnan(x)), dim, keepdim)));
}

const countNonzeroOp: Op<ReduceAttrs> = defineOp({
  name: 'countNonzero',
  cheap: true,
  inputs: ['x'],
  forward: ([x], attrs) => {
    // float32 could not count beyond 2²⁴.
    const compute = isFloat(x.dtype) ? 'float64' : 'int32';
    const pre = select(compare('ne', arg(0), 0), 1, 0);
    return reduce({ name: 'countNonzero', fold: 'sum', pre }, x, 'int32', compute, attrs);
  },
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([x], _, attrs) => apply1(countNonzeroOp, [x], shifted(attrs)),
});

/** How many elements are not zero (int32). */
export function countNonzero(x: TensorBase, dim?: Dims): TensorBase {
  return apply1(countNonzeroOp, [x], reduceAttrs('countNonzero', x, dim));
}

/** The sum over exactly these dimensions: over none, every element stays itself. */
export function sumOver(x: TensorBase, dims: readonly number[], keepdim: boolean): TensorBase {
  return dims.length === 0 ? x : apply1(sumOp, [x], { dims, keepdim, all: false });
}

/** Sums `g` over whatever was broadcast to give it its shape from `shape`. */
export function sumTo(g: TensorBase, shape: Shape): TensorBase {
  const lead = g.shape.length - shape.length;
  const dims = g.shape.map((_, d) => d).filter((d) => d < lead || (shape[d - lead] === 1 && g.shape[d] !== 1));
  if (dims.length === 0) return g;
  return reshape(apply1(sumOp, [g], { dims, keepdim: false, all: dims.length === g.shape.length }), shape);
}

/** The sum over whatever must be, for the result to have a shape that broadcasts to that of `x`. */
export function sumToSize(x: TensorBase, size: Shape): TensorBase {
  const own = checkShape('sumToSize', size);
  const lead = x.shape.length - size.length;
  if (lead < 0 || size.some((n, d) => n !== 1 && n !== x.shape[lead + d]))
    throw new ShapeError(
      `sumToSize: size {${shapeText(size)}} is not expandable to size {${shapeText(x.shape)}}; sizes must be those of the tensor, or 1`,
    );
  return own.length === 0 ? reshape(sum(x), own) : sumTo(x, own);
}

// y = Σ x / n        x̄ = ȳ / n
const meanOp: Op<ReduceAttrs> = defineOp({
  name: 'mean',
  cheap: true,
  node: numbered('Mean'),
  inputs: ['x'],
  forward: ([x], attrs) => {
    const n = attrs.dims.reduce((p, d) => p * x.shape[d], 1);
    return reduce(
      { name: 'mean', fold: 'sum', post: binary('div', arg(0), arg(1)), postScalars: 1 },
      x,
      x.dtype,
      x.dtype,
      attrs,
      [n],
    );
  },
  vjp: {
    x: [
      [],
      (g, _, c) =>
        spread(
          div(
            g,
            c.attrs.dims.reduce((p, d) => p * c.shape(0)[d], 1),
          ),
          c.shape(0),
          c.attrs,
        ),
    ],
  },
  jvp: 'linear',
  vmap: ([x], _, attrs) => apply1(meanOp, [x], shifted(attrs)),
});

export function mean(x: TensorBase, dim?: Dims, keepdim = false, dtype?: DType): TensorBase {
  const input = dtype === undefined ? x : toDType(x, dtype);
  if (!isFloat(input.dtype)) {
    throw new DTypeError(
      `mean: could not infer output dtype. ${dtype === undefined ? 'Input' : 'Optional'} dtype must be either a floating point or complex dtype. Got: ${input.dtype}. Convert first: x.to('float32').mean()`,
    );
  }
  return apply1(meanOp, [input], reduceAttrs('mean', x, dim, keepdim));
}

/** The mean over exactly these dimensions, kept with size 1. */
export function meanOver(x: TensorBase, dims: readonly number[]): TensorBase {
  return apply1(meanOp, [x], { dims, keepdim: true, all: false });
}

/**
 * Products of all others along the last dimension, times `g`: `g_k ∏_{j≠k} x_j`. A tree of pairwise
 * products goes up, and its co-products come down, so that zeros are exact and every order of
 * derivative exists.
 */
function coproducts(g: TensorBase, x: TensorBase): TensorBase {
  const n = x.shape[x.shape.length - 1];
  if (n === 0) return x;
  if (n === 1) return g;
  const half = Math.floor(n / 2);
  const left = slice(x, -1, 0, half);
  const right = slice(x, -1, half, 2 * half);
  const rest = slice(x, -1, 2 * half);
  const pairs = cat([mul(left, right), rest], -1);
  const down = coproducts(g, pairs);
  const shared = slice(down, -1, 0, half);
  return cat([mul(shared, right), mul(shared, left), slice(down, -1, half)], -1);
}

/** ȳ ∏_{j≠k} x_j, for a product over all dimensions or over one. */
function prodGradient(g: TensorBase, x: TensorBase, y: TensorBase, attrs: ReduceAttrs): TensorBase {
  if (x.shape.length === 0) return g;
  // As PyTorch: what is not zero can be divided by.
  if (isBare([g, x, y]) && countTrue(x) === x.count) return div(keepdims(mul(g, y), x.shape, attrs), x);
  if (attrs.all) return reshape(coproducts(reshape(g, [1]), reshape(x, [x.count])), x.shape);
  const last = (t: TensorBase): TensorBase => transpose(t, attrs.dims[0], -1);
  return last(coproducts(last(keepdims(g, x.shape, attrs)), last(x)));
}

// y = ∏ x        x̄_k = ȳ ∏_{j≠k} x_j        ẏ = Σ_k ẋ_k ∏_{j≠k} x_j
const prodOp: Op<ReduceAttrs> = defineOp({
  name: 'prod',
  cheap: true,
  node: numbered('Prod'),
  inputs: ['x'],
  forward: ([x], attrs) => reduce({ name: 'prod', fold: 'prod' }, x, accumulated(x.dtype), accumulated(x.dtype), attrs),
  vjp: { x: [['x', 'y'], (g, [x, y], { attrs }) => prodGradient(g, x, y, attrs)] },
  jvp: ({ inputs: [x], tangents: [tx], outputs: [y], attrs }) =>
    tx === null ? null : apply1(sumOp, [mul(tx, prodGradient(onesLike(y), x as TensorBase, y, attrs))], attrs),
  vmap: ([x], _, attrs) => {
    if (!attrs.all) return apply1(prodOp, [x], shifted(attrs));
    const rows = reshape(x, [x.shape[0], numel(x.shape.slice(1))]);
    const y = apply1(prodOp, [rows], { dims: [1], keepdim: false, all: false });
    return attrs.keepdim ? reshape(y, [x.shape[0], ...x.shape.slice(1).map(() => 1)]) : y;
  },
});

export function prod(x: TensorBase, dim?: number, keepdim = false, dtype?: DType): TensorBase {
  return inDType(x, dtype, (input) => apply1(prodOp, [input], reduceAttrs('prod', x, dim, keepdim)));
}

/** Whether any or all elements are not zero. As in PyTorch, the answer for uint8 is uint8, and bool otherwise. */
function defineTruth(name: 'any' | 'all') {
  const op: Op<ReduceAttrs> = defineOp<ReduceAttrs>({
    name,
    cheap: true,
    inputs: ['x'],
    forward: ([x], attrs) => reduce({ name, fold: name }, x, x.dtype === 'uint8' ? 'uint8' : 'bool', x.dtype, attrs),
    vjp: notDifferentiable,
    jvp: notDifferentiable,
    vmap: ([x], _, attrs) => apply1(op, [x], shifted(attrs)),
  });
  return op;
}

const anyOp = defineTruth('any');
const allOp = defineTruth('all');

export const any = (x: TensorBase, dim?: Dims, keepdim = false): TensorBase =>
  apply1(anyOp, [x], reduceAttrs('any', x, dim, keepdim));
export const all = (x: TensorBase, dim?: Dims, keepdim = false): TensorBase =>
  apply1(allOp, [x], reduceAttrs('all', x, dim, keepdim));
